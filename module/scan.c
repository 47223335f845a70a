// SPDX-License-Identifier: GPL-2.0
/*
 * The scanner: a kernel thread that goes over the regions, again and again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait.h>

#include "prune.h"
#include "region.h"
#include "scan.h"
#include "share.h"
#include "shrink.h"
#include "trace.h"
#include "unmerge.h"
#include "walk.h"

/**
 * DOC: scanner
 *
 * The thread takes a batch of pages, hashes them with no lock of theirs held,
 * decides on each, and goes on.  The scan mutex is held for a batch at a time.
 *
 * A pass is one walk over every region.  Passes go on for ever while run is 1,
 * pages_to_scan pages at a time with a sleep in between.  Who needs an answer now
 * asks for a number of passes; until they are done the thread does not sleep.
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

struct pshare_knobs pshare_knobs = {
	.run = PSHARE_RUN_STOP,
	.pages_to_scan = 100,
	.sleep_millisecs = 20,
	.use_zero_pages = 1,
};

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

static bool may_scan(void)
{
	return passes_wanted() ||
	       (READ_ONCE(pshare_knobs.run) == PSHARE_RUN_MERGE && pshare_region_any());
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

/* Begin a pass, or come closer to it. */
static void begin_pass(void)
{
	if (!pshare_prune_forget_candidates())
		return;
	scanner.region = 0;
	scanner.addr = 0;
	scanner.in_pass = true;
	scanner.drained = false;
	trace_pshare_scan_start(pshare_stats.full_scans, pshare_stats.pages_scanned);
}

static void settle_sometimes(void)
{
	unsigned long interval;

	if (time_after_eq(jiffies, scanner.next_poison)) {
		pshare_prune_lend();
		scanner.next_poison = jiffies + SETTLE_INTERVAL;
	}
	if (time_before(jiffies, scanner.next_settle))
		return;
	pshare_prune_settle();
	interval = READ_ONCE(pshare_stats.pages_shared) / (SETTLE_RATE / HZ);
	scanner.next_settle = jiffies + SETTLE_INTERVAL + min(interval, SETTLE_MAX);
}

static void end_pass(void)
{
	/* Who waited for the pass shall see figures of now. */
	pshare_prune_settle();
	mutex_lock(&pshare_scan_mutex);
	pshare_count(pshare_stats.full_scans, 1);
	scanner.in_pass = false;
	mutex_unlock(&pshare_scan_mutex);
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

static void look_at_zeros(struct pshare_region *region, const struct pshare_item *item)
{
	unsigned long i, addr = item->addr;

	/* The kernel maps the zero page, too, where nothing was written. */
	for (i = 0; i < item->nr; i++, addr += PAGE_SIZE)
		if (pshare_ledger_get(&region->ledger, addr) != PSHARE_ZERO)
			pshare_ledger_skip(&region->ledger, addr, 1, PSHARE_UNPOPULATED);
}

/* Look at an item; false when there is no way to its page now. */
static bool look_at_item(struct pshare_region *region, struct mm_struct *mm,
			 const struct pshare_item *item, u64 hash,
			 const struct pshare_rules *rules)
{
	struct pshare_ledger *ledger = &region->ledger;

	switch (item->found) {
	case PSHARE_FOUND_ANON:
		return pshare_share_page(region, mm, item->addr, hash, rules);
	case PSHARE_FOUND_LAST:
		return pshare_share_give_back(region, mm, item->addr);
	case PSHARE_FOUND_SHARED:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_MERGED);
		break;
	case PSHARE_FOUND_SWAPPED:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_SWAPPED);
		break;
	case PSHARE_FOUND_UNFIT:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_OTHER);
		break;
	case PSHARE_FOUND_ZERO:
		look_at_zeros(region, item);
		break;
	case PSHARE_FOUND_NONE:
		pshare_ledger_skip(ledger, item->addr, item->nr, PSHARE_UNPOPULATED);
		break;
	case PSHARE_FOUND_MAPPED:
		pshare_ledger_skip(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_SHARED);
		break;
	case PSHARE_FOUND_HUGETLB:
		pshare_ledger_skip(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_HUGETLB);
		break;
	case PSHARE_FOUND_OTHER:
		pshare_ledger_skip(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_OTHER);
		break;
	case PSHARE_FOUND_BUSY:
		/* What it was is the best guess at what it will be. */
		break;
	}
	return true;
}

/* Pages of an item that count as looked at. */
static unsigned long pages_of(const struct pshare_item *item)
{
	switch (item->found) {
	case PSHARE_FOUND_ANON:
	case PSHARE_FOUND_LAST:
	case PSHARE_FOUND_SHARED:
		return item->nr;
	default:
		return 0;
	}
}

/* Hash of an item's page, if it has one; memory that has failed meanwhile is not read. */
static u64 hash_of(struct pshare_item *item)
{
	if (!item->page)
		return 0;
	if (PageHWPoison(item->page)) {
		item->found = PSHARE_FOUND_UNFIT;
		return 0;
	}
	return pshare_share_hash(item->page);
}

/* Look at the next batch of a region; false when there is no way into it now. */
static bool scan_batch(struct pshare_region *region, struct mm_struct *mm,
		       unsigned long *seen)
{
	struct pshare_batch *batch = &scanner.batch;
	u64 hash[PSHARE_BATCH_SIZE];
	struct pshare_rules rules = {
		.use_zero = READ_ONCE(pshare_knobs.use_zero_pages),
		.max_shared = READ_ONCE(pshare_knobs.max_pages_shared) ?: ULONG_MAX,
	};
	unsigned int i;

	if (!pshare_walk_gather(mm, &scanner.addr, region->end, batch))
		return false;
	for (i = 0; i < batch->nr; i++)
		hash[i] = hash_of(&batch->item[i]);
	/* Merging counts references: ours must be gone. */
	pshare_walk_put_pages(batch);

	for (i = 0; i < batch->nr; i++) {
		const struct pshare_item *item = &batch->item[i];
		unsigned long pages = pages_of(item), splits = pshare_stats.splits;

		if (!look_at_item(region, mm, item, hash[i], &rules) || kthread_should_stop()) {
			scanner.addr = item->addr;
			return false;
		}
		pshare_count(pshare_stats.pages_scanned, pages);
		pshare_count(region->scanned, pages);
		*seen += pages ?: 1;
		/* Splitting may have put the zero page where the batch has others. */
		if (pshare_stats.splits != splits) {
			scanner.addr = item->addr + (item->nr << PAGE_SHIFT);
			break;
		}
		cond_resched();
	}
	return true;
}

/*
 * Go on with the pass, or begin one, by one batch.  Adds to *@seen what was seen.
 * True when the pass has come to its end.
 */
static bool scan_some(unsigned long *seen)
{
	struct pshare_region *region;
	struct mm_struct *mm;
	unsigned long from;

	lockdep_assert_held(&pshare_scan_mutex);
	if (!scanner.in_pass) {
		begin_pass();
		return false;
	}
	region = current_region();
	if (!region)
		return true;
	from = scanner.addr;
	mm = region->holds ? NULL : pshare_region_get_mm(region);
	if (!mm) {
		leave_region();
	} else if (scan_batch(region, mm, seen)) {
		scanner.busy = 0;
		if (scanner.addr >= region->end) {
			pshare_ledger_complete(&region->ledger);
			leave_region();
		}
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
	pshare_region_put(region);
	return false;
}

/* Scan @budget pages, unless there is a reason to stop before. */
static void scan_pages(unsigned long budget)
{
	unsigned long seen = 0;

	while (seen < budget && may_scan() && !kthread_should_stop() && !freezing(current)) {
		bool end = false;

		prepare_pass();
		if (mutex_lock_interruptible(&pshare_scan_mutex))
			return;
		if (may_scan())
			end = scan_some(&seen);
		mutex_unlock(&pshare_scan_mutex);
		if (end)
			end_pass();
		else
			settle_sometimes();
		pshare_shrink_relieve(&scanner.batch);
		cond_resched();
		/* However little there is to scan, sleep once in a pass. */
		if (end && !passes_wanted())
			return;
	}
}

/* How long the thread has nothing to do, in jiffies. */
static unsigned long idle_time(void)
{
	unsigned long timeout = MAX_SCHEDULE_TIMEOUT, now = jiffies;

	if (passes_wanted())
		return 0;
	if (pshare_group_any() || READ_ONCE(pshare_stats.pages_poisoned))
		timeout = SETTLE_INTERVAL;
	timeout = min(timeout, pshare_shrink_idle_time());
	if (may_scan() && time_after(scanner.next_scan, now))
		timeout = min(timeout, scanner.next_scan - now);
	else if (may_scan())
		timeout = 0;
	return timeout;
}

static int scan_thread(void *unused)
{
	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		unsigned long idle = idle_time();

		if (idle)
			wait_event_freezable_timeout(thread_wait, READ_ONCE(scanner.poked) ||
						     !pshare_shrink_idle_time() ||
						     kthread_should_stop(), idle);
		try_to_freeze();
		pshare_shrink_relieve(&scanner.batch);
		if (xchg(&scanner.poked, false))
			scanner.next_scan = jiffies;
		if (passes_wanted() ||
		    (may_scan() && time_after_eq(jiffies, scanner.next_scan))) {
			scan_pages(READ_ONCE(pshare_knobs.pages_to_scan));
			scanner.next_scan = jiffies +
				msecs_to_jiffies(READ_ONCE(pshare_knobs.sleep_millisecs));
		} else {
			settle_sometimes();
		}
	}
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

static void forget_candidates(void)
{
	bool done = false;

	while (!done) {
		mutex_lock(&pshare_scan_mutex);
		done = pshare_prune_forget_candidates();
		mutex_unlock(&pshare_scan_mutex);
		cond_resched();
	}
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
			forget_candidates();
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
	/* Shared pages can be neither swapped nor moved: not too many of them. */
	pshare_knobs.max_pages_shared = min_t(unsigned long, totalram_pages() / 4, UINT_MAX);
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
	forget_candidates();
	err = pshare_unmerge_all(&how);

	mutex_lock(&pshare_scan_mutex);
	while ((region = pshare_region_get_next(0))) {
		pshare_region_del(region);
		pshare_region_put(region);
	}
	pages = pshare_prune_abandon();
	mutex_unlock(&pshare_scan_mutex);
	if (pages)
		pr_warn("%lu shared pages could not be unmerged (error %d, %lu on failed memory) and will never be freed\n",
			pages, err, pshare_stats.pages_poisoned);
}
