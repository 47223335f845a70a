// SPDX-License-Identifier: GPL-2.0
/*
 * The scanner: a kernel thread that goes over the regions, again and again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait.h>

#include "alike.h"
#include "crew.h"
#include "knobs.h"
#include "masked.h"
#include "pacer.h"
#include "press.h"
#include "prune.h"
#include "region.h"
#include "scan.h"
#include "share.h"
#include "shrink.h"
#include "sweep.h"
#include "trace.h"
#include "twins.h"
#include "unmerge.h"
#include "visit.h"
#include "walk.h"

/**
 * DOC: scanner
 *
 * The thread takes a batch of pages, hashes them with no lock of theirs held,
 * decides on each, and goes on.  The scan mutex is held for a batch at a time.  If it has
 * helpers (crew.c) they read more pages with it, a round at a time.
 *
 * A pass is one walk over every region.  Passes go on for ever while run is 1,
 * pages_to_scan pages at a time with a sleep in between; or, if there is a limit of CPU
 * time or a time for a pass, at the pace of pace.c.  Who needs an answer now asks for a
 * number of passes; until they are done the thread does not sleep.
 *
 * Sharers come and go without telling us, so the thread looks which shared pages
 * have lost all of them, and which regions their process: at the end of a pass, and
 * from time to time, also while run is 0.
 */

/* How often to look for unused pages and dead regions, in jiffies. */
#define SETTLE_INTERVAL	(HZ / 2)

/*
 * Shared pages looked at in a second on average: at some 50 ns each, 2 % of a CPU.  But
 * who waits for the lock of one whose memory has failed must not wait for minutes.
 */
#define SETTLE_RATE	400000
#define SETTLE_MAX	(30UL * HZ)

/* Tries at one place of a locked address space before the region is passed over. */
#define MAX_BUSY	10

/* Serializes changes of pshare_knobs.run; taken before the scan mutex. */
static DEFINE_MUTEX(control_mutex);

static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(thread_wait);
static DECLARE_WAIT_QUEUE_HEAD(pass_wait);

/**
 * struct scanner - where the scanner is
 * @batch:	what it looks at
 * @region:	number of the region that it is in, or the first to look for
 * @addr:	address to go on from; 0 means the start of the region
 * @in_pass:	a pass has begun and is not complete
 * @sweeping:	it has been over all regions, and draws its conclusions
 * @drained:	the batches of the LRU were drained for the next pass; the thread's own
 * @busy:	tries for a locked address space in a row
 * @wanted:	value of full_scans up to which passes were asked for
 * @waiters:	tasks that wait for a pass
 * @poked:	something has changed: look at the knobs again
 * @next_scan:	when to go on scanning, in jiffies; the thread's own
 * @next_settle: when to look for unused pages and dead regions, in jiffies; the
 *		thread's own
 * @next_poison: when to look after pages whose memory has failed; likewise
 *
 * Guarded by the scan mutex, but for @poked, which is only ever a hint, and what is
 * the thread's own.
 */
struct scanner {
	struct pshare_batch batch;
	u32 region;
	unsigned long addr;
	bool in_pass;
	bool sweeping;
	bool drained;
	unsigned int busy;
	unsigned long wanted;
	unsigned int waiters;
	bool poked;
	unsigned long next_scan;
	unsigned long next_settle;
	unsigned long next_poison;
};

static struct scanner scanner;

/**
 * pshare_scan_kick() - let the scanner look at the knobs and the regions again
 *
 * Context: any process context.
 */
void pshare_scan_kick(void)
{
	WRITE_ONCE(scanner.poked, true);
	wake_up_interruptible(&thread_wait);
}

static bool passes_wanted(void)
{
	return READ_ONCE(scanner.waiters) &&
	       READ_ONCE(pshare_knobs.run) != PSHARE_RUN_UNMERGE &&
	       (long)(READ_ONCE(scanner.wanted) - READ_ONCE(pshare_stats.full_scans)) > 0;
}

/* Does the knob have the thread scan, whether or not anybody asks? */
static bool scans_by_itself(void)
{
	unsigned int run = READ_ONCE(pshare_knobs.run);

	return run == PSHARE_RUN_MERGE || run == PSHARE_RUN_ESTIMATE;
}

static bool may_scan(void)
{
	return passes_wanted() ||
	       (scans_by_itself() && pshare_region_any());
}

/* Is there a sweep that counts on what the pass has found?  Until it is over nothing is split. */
static bool sweep_is_on(void)
{
	return READ_ONCE(scanner.sweeping) && !pshare_sweep_settled();
}

/* Is sleeping out of the question? */
static bool in_a_hurry(void)
{
	return passes_wanted() || (sweep_is_on() && may_scan() && pshare_press_waits());
}

/*
 * Pages on their way to the LRU carry a reference that forbids merging.  Waits for
 * every CPU, so it is done without the scan mutex.
 */
static void prepare_pass(void)
{
	if (scanner.in_pass || scanner.drained)
		return;
	lru_add_drain_all();
	scanner.drained = true;
}

static void begin_pass(void)
{
	pshare_twins_begin();
	pshare_masked_begin();
	scanner.region = 0;
	scanner.addr = 0;
	scanner.in_pass = true;
	scanner.drained = false;
	pshare_pacer_begin();
	trace_pshare_scan_start(pshare_stats.full_scans, pshare_stats.pages_scanned);
}

static void settle_sometimes(void)
{
	unsigned long interval, beside;
	u64 begin;

	if (time_after_eq(jiffies, scanner.next_poison)) {
		pshare_prune_lend();
		scanner.next_poison = jiffies + SETTLE_INTERVAL;
	}
	if (time_before(jiffies, scanner.next_settle))
		return;
	begin = pshare_pacer_clock();
	pshare_prune_settle();
	interval = READ_ONCE(pshare_stats.pages_shared) / (SETTLE_RATE / HZ);
	/* Else a small limit would be used up by this, and nothing left to scan with. */
	beside = nsecs_to_jiffies(pshare_pacer_beside(pshare_pacer_clock() - begin));
	scanner.next_settle = jiffies + SETTLE_INTERVAL +
			      min(max(interval, beside), SETTLE_MAX);
}

static void end_pass(void)
{
	/* Who waited for the pass shall see figures of now. */
	pshare_prune_settle();
	mutex_lock(&pshare_scan_mutex);
	pshare_count(pshare_stats.full_scans, 1);
	scanner.in_pass = false;
	scanner.sweeping = false;
	mutex_unlock(&pshare_scan_mutex);
	pshare_pacer_end();
	trace_pshare_scan_end(pshare_stats.full_scans, pshare_stats.pages_scanned);
	wake_up_interruptible_all(&pass_wait);
}

/* The region to go on with, with a reference; NULL at the end of the pass. */
static struct pshare_region *current_region(void)
{
	struct pshare_region *region = pshare_region_get_next(scanner.region);

	if (!region)
		return NULL;
	if (region->id != scanner.region || !scanner.addr) {
		scanner.region = region->id;
		scanner.addr = region->start;
		pshare_ledger_begin(&region->ledger);
	}
	return region;
}

static void leave_region(void)
{
	scanner.busy = 0;
	scanner.region++;
	scanner.addr = 0;
}

/* Go on in a region, by @most pages or so; false when there is no way into it now. */
static bool scan_region(struct pshare_region *region, struct mm_struct *mm, u64 most,
			unsigned long *seen)
{
	unsigned long from = scanner.addr;
	struct pshare_rules rules;
	bool done;

	pshare_visit_rules(&rules);
	rules.hurry |= passes_wanted();
	done = pshare_visit_some(region, mm, &scanner.addr, region->end, &rules, most,
				 &scanner.batch, seen);
	if (scanner.addr != from)
		pshare_twins_leave(region, from, scanner.addr);
	pshare_ledger_reach(&region->ledger, scanner.addr < region->end ?
			    (region->end - scanner.addr) >> PAGE_SHIFT : 0);
	return done;
}

/* Draw conclusions from the pass, or some of them; true when that is done. */
static bool sweep_some(unsigned long *seen)
{
	struct pshare_region *region;
	unsigned long nodes = 0;
	u32 id = 0;

	if (!pshare_sweep_some(&nodes)) {
		/* A node costs some hundredths of a page. */
		*seen += nodes / 32 + 1;
		return false;
	}
	pshare_masked_complete();
	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		pshare_ledger_complete(&region->ledger);
		pshare_region_put(region);
	}
	return true;
}

/*
 * Go on with the pass, or begin one, by one batch, or one round of no more than @most
 * pages.  Adds to *@seen what was seen.  *@visited is set to the region, for its reference to be
 * dropped without the mutex: with the last one goes what was known of it, which takes a while.
 * True when the pass has come to its end.
 */
static bool scan_some(u64 most, unsigned long *seen, struct pshare_region **visited)
{
	struct pshare_region *region;
	struct mm_struct *mm;
	unsigned long from;

	lockdep_assert_held(&pshare_scan_mutex);
	if (!scanner.in_pass) {
		begin_pass();
		return false;
	}
	if (scanner.sweeping)
		return sweep_some(seen);
	region = current_region();
	if (!region) {
		scanner.sweeping = true;
		return false;
	}
	from = scanner.addr;
	mm = region->holds ? NULL : pshare_region_get_mm(region);
	if (!mm) {
		leave_region();
	} else if (scan_region(region, mm, most, seen)) {
		scanner.busy = 0;
		if (scanner.addr >= region->end)
			leave_region();
	} else if (scanner.addr != from) {
		scanner.busy = 0;
	} else if (++scanner.busy >= MAX_BUSY) {
		pshare_count(pshare_stats.results[PSHARE_MERGE_BUSY], 1);
		leave_region();
	}
	if (mm)
		mmput_async(mm);
	if (pshare_region_dead(region))
		pshare_region_del(region);
	*visited = region;
	return false;
}

/*
 * If memory is short, do what helps: split huge pages, give back what saves nothing.  That
 * is no part of what is limited.
 */
static void relieve(void)
{
	u64 since = pshare_pacer_clock();

	if (!sweep_is_on())
		pshare_press_relieve(&scanner.batch);
	pshare_shrink_relieve(&scanner.batch);
	pshare_pacer_excuse(since);
}

/* Scan @budget pages, for @time ns at most, unless there is a reason to stop before. */
static void scan_pages(u64 budget, u64 time)
{
	u64 begin = ktime_get_ns(), all = 0;

	while (all < budget && may_scan() && !kthread_should_stop() && !freezing(current)) {
		struct pshare_region *visited = NULL;
		u32 region = scanner.region;
		unsigned long seen = 0;
		bool end = false;

		prepare_pass();
		pshare_crew_man();
		if (mutex_lock_interruptible(&pshare_scan_mutex))
			return;
		/* Who waits for a pass does not wait for sleeps in between. */
		if (may_scan())
			end = scan_some(passes_wanted() ? U64_MAX : budget - all, &seen, &visited);
		mutex_unlock(&pshare_scan_mutex);
		if (visited)
			pshare_region_put(visited);
		all += seen;
		pshare_pacer_seen(region, seen);
		if (end)
			end_pass();
		else
			settle_sometimes();
		relieve();
		cond_resched();
		/* However little there is to scan, sleep once in a pass. */
		if (ktime_get_ns() - begin >= time || (end && !passes_wanted()))
			return;
	}
}

/* Sleep for @time ns or, if that is not worth a wait, come back for it. */
static void rest(u64 time)
{
	if (time >= 2 * TICK_NSEC)
		scanner.next_scan = jiffies + nsecs_to_jiffies(time) + 1;
	else
		usleep_range_state(time / NSEC_PER_USEC, 3 * time / 2 / NSEC_PER_USEC, TASK_IDLE);
}

/* Scan for a while, or sleep for a while. */
static void scan_paced(void)
{
	u64 region = scanner.sweeping ? PSHARE_PACER_SWEEP : scanner.region;
	struct pshare_pace_plan plan;

	plan = pshare_pacer_next(scanner.in_pass ? region : PSHARE_PACER_BETWEEN);
	if (plan.sleep)
		rest(plan.sleep);
	else
		scan_pages(plan.pages, plan.time);
}

/* Scan as many pages as the knobs say, or do the passes that somebody waits for. */
static void scan_by_hand(void)
{
	/* A sweep that is in a hurry is a matter of this pace all the same. */
	if (passes_wanted() || !pshare_knobs_paced())
		pshare_pacer_stop();
	scan_pages(READ_ONCE(pshare_knobs.pages_to_scan), U64_MAX);
	scanner.next_scan = jiffies;
	if (!pshare_knobs_paced())
		scanner.next_scan += msecs_to_jiffies(READ_ONCE(pshare_knobs.sleep_millisecs));
}

/* How long the thread has nothing to do, in jiffies. */
static unsigned long idle_time(void)
{
	unsigned long timeout = MAX_SCHEDULE_TIMEOUT, now = jiffies;

	if (in_a_hurry())
		return 0;
	if (pshare_group_any() || READ_ONCE(pshare_stats.pages_poisoned))
		timeout = SETTLE_INTERVAL;
	timeout = min(timeout, pshare_shrink_idle_time());
	/* As relieve() does. */
	if (!sweep_is_on())
		timeout = min(timeout, pshare_press_idle_time());
	if (may_scan() && time_after(scanner.next_scan, now))
		timeout = min(timeout, scanner.next_scan - now);
	else if (may_scan())
		timeout = 0;
	return timeout;
}

/* There is nothing to scan: keep nothing that is needed for that only. */
static void stop_scanning(void)
{
	pshare_pacer_stop();
	if (!READ_ONCE(scanner.sweeping))
		return;
	mutex_lock(&pshare_scan_mutex);
	pshare_alike_pause();
	mutex_unlock(&pshare_scan_mutex);
}

static int scan_thread(void *unused)
{
	set_freezable();
	pshare_crew_be_nice();
	while (!kthread_should_stop()) {
		unsigned long idle = idle_time();

		if (idle)
			wait_event_freezable_timeout(thread_wait, READ_ONCE(scanner.poked) ||
						     !pshare_shrink_idle_time() ||
						     kthread_should_stop(), idle);
		try_to_freeze();
		pshare_crew_man();
		pshare_crew_be_nice();
		relieve();
		if (xchg(&scanner.poked, false))
			scanner.next_scan = jiffies;
		if (!may_scan())
			stop_scanning();
		if (!in_a_hurry() &&
		    (!may_scan() || time_before(jiffies, scanner.next_scan)))
			settle_sometimes();
		else if (in_a_hurry() || !pshare_knobs_paced())
			scan_by_hand();
		else
			scan_paced();
		cond_resched();
	}
	pshare_crew_dismiss();
	return 0;
}

/**
 * pshare_scan_passes() - have full passes done, and wait for them
 * @passes: number of passes that begin from now on, at least 1
 *
 * Context: process, sleeps; takes the scan mutex.
 * Return: 0; -EBUSY while run is 2; -ERESTARTSYS at a signal before it was asked for;
 * -EINTR at a signal while waiting: if nobody else waits, the pass under way is then
 * left to the knobs.  A restart would begin to count anew, and never come to an end
 * under steady signals.
 */
int pshare_scan_passes(unsigned int passes)
{
	unsigned long target;
	int err;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	if (READ_ONCE(pshare_knobs.run) == PSHARE_RUN_UNMERGE) {
		mutex_unlock(&pshare_scan_mutex);
		return -EBUSY;
	}
	target = pshare_stats.full_scans + passes + scanner.in_pass;
	if (!scanner.waiters || (long)(target - scanner.wanted) > 0)
		WRITE_ONCE(scanner.wanted, target);
	WRITE_ONCE(scanner.waiters, scanner.waiters + 1);
	mutex_unlock(&pshare_scan_mutex);

	pshare_scan_kick();
	err = wait_event_interruptible(pass_wait,
				       (long)(READ_ONCE(pshare_stats.full_scans) - target) >= 0 ||
				       READ_ONCE(pshare_knobs.run) == PSHARE_RUN_UNMERGE);
	mutex_lock(&pshare_scan_mutex);
	WRITE_ONCE(scanner.waiters, scanner.waiters - 1);
	if (!err && (long)(pshare_stats.full_scans - target) < 0)
		err = -EBUSY;
	mutex_unlock(&pshare_scan_mutex);
	return err == -ERESTARTSYS ? -EINTR : err;
}

/**
 * pshare_scan_set_run() - start or stop the scanner, or unmerge everything
 * @run: what it shall do
 *
 * Context: process, sleeps; takes the control, the prune and the scan mutex.
 * Return: 0; -ERESTARTSYS at a signal before anything was done; for
 * PSHARE_RUN_UNMERGE also -ENOMEM when memory is about to run out, -EBUSY, -EFAULT or
 * -EINTR as of pshare_unmerge_region(): then the scanner is stopped, and what could not
 * be unmerged stays shared.
 */
int pshare_scan_set_run(enum pshare_run run)
{
	struct pshare_unmerging how = { .zeros = true };
	int err = 0;

	if (mutex_lock_interruptible(&control_mutex))
		return -ERESTARTSYS;
	/* The scanner looks at run under this mutex: after it, it has stopped. */
	mutex_lock(&pshare_scan_mutex);
	WRITE_ONCE(pshare_knobs.run, run);
	mutex_unlock(&pshare_scan_mutex);
	wake_up_interruptible_all(&pass_wait);
	pshare_scan_kick();
	if (run == PSHARE_RUN_UNMERGE) {
		err = pshare_unmerge_all(&how);
		if (err)
			WRITE_ONCE(pshare_knobs.run, PSHARE_RUN_STOP);
		else
			pshare_prune_forget_candidates();
	}
	mutex_unlock(&control_mutex);
	return err;
}

/**
 * pshare_scan_init() - start the scanner's thread, and the shrinker that wakes it
 *
 * Context: process, once; the other rooms are ready.
 * Return: 0, -ENOMEM, or -EINTR when the caller is being killed.
 */
int pshare_scan_init(void)
{
	int err;

	scanner.next_scan = jiffies;
	scanner.next_settle = jiffies;
	scanner.next_poison = jiffies;
	/* Shared pages can be neither swapped nor moved: not too many of them where they may be. */
	pshare_knobs.max_pages_shared = min_t(unsigned long, nr_free_buffer_pages() / 4, UINT_MAX);
	thread = kthread_run(scan_thread, NULL, "pshared");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	err = pshare_shrink_init(&thread_wait);
	if (err)
		kthread_stop(thread);
	return err;
}

/**
 * pshare_scan_exit() - stop the thread, unmerge everything, forget all regions
 *
 * What cannot be unmerged, because memory is short for example, stays as it is,
 * is never freed, and is said in the log.
 *
 * Context: process, once; no ioctl and no knob is in use any more.
 */
void pshare_scan_exit(void)
{
	struct pshare_unmerging how = { .zeros = false, .insist = true };
	struct pshare_region *region;
	unsigned long pages;
	int err;

	pshare_shrink_exit();
	kthread_stop(thread);
	pshare_prune_forget_candidates();
	err = pshare_unmerge_all(&how);

	mutex_lock(&pshare_scan_mutex);
	while ((region = pshare_region_get_next(0))) {
		pshare_region_del(region);
		pshare_region_put(region);
	}
	pshare_sweep_exit();
	pages = pshare_prune_abandon();
	mutex_unlock(&pshare_scan_mutex);
	if (pages)
		pr_warn("%lu shared pages could not be unmerged (error %d, %lu on failed memory) and will never be freed\n",
			pages, err, pshare_stats.pages_poisoned);
}
