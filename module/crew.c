// SPDX-License-Identifier: GPL-2.0
/*
 * Several eyes, one hand: threads that read memory for the scanner.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/linux/sched/types.h>

#include "batch.h"
#include "compat/kthread.h"
#include "crew.h"
#include "knobs.h"
#include "ledger.h"
#include "region.h"
#include "walk.h"

/**
 * DOC: crew
 *
 * Most of a scanner's time goes into reading memory, and that is all that is done here by
 * several threads at once.  To decide, to merge and to keep the books is left to the
 * scanner's thread, which does so alone, before and after, in the order of addresses: see
 * visit.c.
 *
 * A round is a stretch of one region, cut where blocks end, so that each part lies in one
 * block of the ledger and in one page table.  The scanner's thread holds the scan mutex and
 * a reference on the users of the address space for all of the round, wakes the helpers,
 * takes the first part itself, and then each takes the next one that nobody has, until there
 * is none, or it has no room for more, or the round has lasted long enough.  So the parts that
 * were taken are the first ones, and who is slow, or late, takes fewer.  A helper that has
 * not begun when the others are through is not waited for: where all CPUs are busy, one
 * that is nice may not come to run for long.
 *
 * What two of them may touch at the same time:
 *
 * - the address space: each part takes mmap_lock for reading, and the lock of its page
 *   table, as ever;
 * - the xarray of the ledger: to look up a block (RCU), and to add one (its own lock).
 *   Nobody takes one away meanwhile.  What is in a block belongs to who has its part;
 * - the note in a shared page: see pshare_sharers_note();
 * - @next and @stop of the round.
 *
 * All else that a round is made of is written before the helpers are woken, and what they
 * found is read when each is done, or was called off.  The lock of the kthread_worker
 * orders both.
 *
 * Helpers are not frozen, so the scanner, which is, never waits for one that is.  They have
 * nothing to do while it is.
 */

/*
 * A part is taken by who has room for an item for each of its pages.  Of mixed memory a part has
 * some hundred, of pages that are hashed as a whole one each.
 */
#define LOG_ITEMS	(8 * HPAGE_PMD_NR)

/* Nobody takes a further part of a round that has lasted so long, in ns. */
#define ROUND_TIME	(5 * NSEC_PER_MSEC)

/* After so long it is tried again to hire a helper that was not to be had, in jiffies. */
#define HIRE_AGAIN	(60 * HZ)

/**
 * struct member - one of the crew
 * @worker:	its thread; NULL for the scanner's own
 * @work:	what it does in a round
 * @batch:	what it gathers in one hold of mmap_lock
 * @nr:		items in use
 * @item:	what it found in this round
 *
 * Belongs to the member while it works, else to the scanner's thread.
 */
struct member {
	struct kthread_worker *worker;
	struct kthread_work work;
	struct pshare_batch batch;
	unsigned int nr;
	struct pshare_item item[LOG_ITEMS];
};

/**
 * struct crew - who is there
 * @nr:		members, the scanner's thread as the first; 0 while that is alone
 * @member:	of these
 * @asked:	what the knob was when it was last obeyed
 * @again:	when to try again to have as many, in jiffies
 * @nice:	what that knob was when it was last obeyed
 * @gone:	CPU time of helpers that were dismissed, in ns
 *
 * The scanner's thread's own.
 */
struct crew {
	unsigned int nr;
	struct member *member[PSHARE_MOST_THREADS];
	unsigned int asked;
	unsigned long again;
	int nice;
	u64 gone;
};

static struct crew crew = { .asked = 1 };

/**
 * struct round - what the crew is at
 * @region:	the region
 * @mm:		its address space
 * @pass:	number of the pass
 * @start:	first address
 * @end:	address behind the last
 * @until:	when to take no more parts, by ktime_get_ns()
 * @nr:		number of parts
 * @next:	parts that were taken; more than @nr when somebody has found none left
 * @stop:	a part could not be looked at to its end
 * @part:	the parts
 *
 * Guarded by the scan mutex, and constant while helpers work; but for @next, @stop, and parts,
 * each of which is written by who has taken it.
 */
struct round {
	struct pshare_region *region;
	struct mm_struct *mm;
	u16 pass;
	unsigned long start;
	unsigned long end;
	u64 until;
	unsigned int nr;
	atomic_t next;
	bool stop;
	struct pshare_crew_part part[PSHARE_MOST_THREADS * PSHARE_CREW_PARTS];
};

static struct round round;

/* Look at a part, in as many holds of mmap_lock as that takes. */
static void look_at_part(struct member *member, unsigned int i)
{
	unsigned long block = (round.start & HPAGE_PMD_MASK) + i * HPAGE_PMD_SIZE;
	unsigned long at = max(block, round.start);
	unsigned long end = min(block + HPAGE_PMD_SIZE, round.end);
	struct pshare_crew_part *part = &round.part[i];
	struct pshare_batch *batch = &member->batch;

	*part = (struct pshare_crew_part) { .start = at, .item = &member->item[member->nr] };
	while (at < end && !part->blockless) {
		batch->room = PSHARE_MAX_SAMPLES;
		if (!pshare_walk_gather(round.mm, &at, end, batch))
			break;
		pshare_batch_hash(batch);
		pshare_batch_put_pages(batch);
		memcpy(&member->item[member->nr], batch->item, batch->nr * sizeof(*batch->item));
		member->nr += batch->nr;
		part->nr += batch->nr;
		part->noted |= batch->noted;
		part->blockless = batch->blockless &&
				  !pshare_ledger_add(&round.region->ledger, at);
		cond_resched();
	}
	part->end = at;
	part->whole = at == end;
	if (!part->whole)
		WRITE_ONCE(round.stop, true);
}

static void take_parts(struct member *member)
{
	unsigned int i;

	while (!READ_ONCE(round.stop) && member->nr <= LOG_ITEMS - HPAGE_PMD_NR &&
	       ktime_get_ns() < round.until) {
		i = atomic_inc_return(&round.next) - 1;
		if (i >= round.nr)
			break;
		look_at_part(member, i);
	}
}

static void help(struct kthread_work *work)
{
	take_parts(container_of(work, struct member, work));
}

static void begin(struct member *member)
{
	member->nr = 0;
	member->batch.vm = round.region->vm;
	member->batch.pass = round.pass;
	member->batch.ledger = &round.region->ledger;
	member->batch.hasty = true;
}

/**
 * pshare_crew_gather() - look at the next pages of a region, together
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: where to begin
 * @end: where to end, behind @addr
 * @parts: blocks to go over, at least 1 and at most PSHARE_CREW_PARTS for each thread
 * @pass: number of the pass
 *
 * What the ledger is told of pages that are new or changed holds if they are then put into
 * their class; see pshare_ledger_unsee().
 *
 * Context: the scanner's thread, may sleep; scan mutex held, no other lock.
 * Return: number of parts that were looked at, the first ones, at least 1.
 */
unsigned int pshare_crew_gather(struct pshare_region *region, struct mm_struct *mm,
				unsigned long addr, unsigned long end, unsigned int parts,
				u16 pass)
{
	unsigned long blocks = ((end - 1) >> HPAGE_PMD_SHIFT) - (addr >> HPAGE_PMD_SHIFT) + 1;
	unsigned int i, helpers;

	lockdep_assert_held(&pshare_scan_mutex);
	round.region = region;
	round.mm = mm;
	round.pass = pass;
	round.start = addr;
	round.end = end;
	round.until = ktime_get_ns() + ROUND_TIME;
	round.nr = min3(blocks, parts + 0UL, ARRAY_SIZE(round.part));
	round.stop = false;
	/* Whatever happens, this one is looked at. */
	atomic_set(&round.next, 1);

	helpers = min(crew.nr, round.nr) - 1;
	for (i = 0; i <= helpers; i++)
		begin(crew.member[i]);
	for (i = 1; i <= helpers; i++)
		kthread_queue_work(crew.member[i]->worker, &crew.member[i]->work);
	look_at_part(crew.member[0], 0);
	take_parts(crew.member[0]);
	for (i = 1; i <= helpers; i++)
		kthread_cancel_work_sync(&crew.member[i]->work);
	return min_t(unsigned int, atomic_read(&round.next), round.nr);
}

/**
 * pshare_crew_part() - what was found
 * @i: which part, below what pshare_crew_gather() has returned
 *
 * Context: the scanner's thread; scan mutex held since then.
 * Return: the part.
 */
const struct pshare_crew_part *pshare_crew_part(unsigned int i)
{
	return &round.part[i];
}

/**
 * pshare_crew_threads() - how many are there?
 *
 * Context: the scanner's thread.
 * Return: threads that read memory, the scanner's own included; 1 or more.
 */
unsigned int pshare_crew_threads(void)
{
	return max(crew.nr, 1U);
}

/**
 * pshare_crew_bytes() - memory for what several threads find
 *
 * Context: any; a moment old.
 * Return: bytes, as the buddy allocator rounds them up; less if it had no such piece.
 */
unsigned long pshare_crew_bytes(void)
{
	return READ_ONCE(crew.nr) * roundup_pow_of_two(sizeof(struct member));
}

static void be_nice(struct task_struct *task)
{
	struct sched_attr idle = { .size = sizeof(idle), .sched_policy = SCHED_IDLE };

	if (crew.nice == PSHARE_NICE_IDLE)
		WARN_ON_ONCE(sched_setattr_nocheck(task, &idle));
	else
		sched_set_normal(task, crew.nice);
}

/**
 * pshare_crew_be_nice() - take over a change of the knob nice
 *
 * What others do to the priority of the threads stays until then.
 *
 * Context: the scanner's thread, sleeps.
 */
void pshare_crew_be_nice(void)
{
	int nice = READ_ONCE(pshare_knobs.nice);
	unsigned int i;

	if (nice == crew.nice)
		return;
	crew.nice = nice;
	be_nice(current);
	for (i = 1; i < crew.nr; i++)
		be_nice(crew.member[i]->worker->task);
}

static u64 runtime_of(const struct member *member)
{
	return READ_ONCE(member->worker->task->se.sum_exec_runtime);
}

/**
 * pshare_crew_runtime() - what the scanner's thread and its helpers have run
 *
 * The scheduler notes it at its ticks, and when it is called.
 *
 * Context: the scanner's thread.
 * Return: CPU time in ns; also that of helpers that are no longer there.
 */
u64 pshare_crew_runtime(void)
{
	u64 sum = current->se.sum_exec_runtime + crew.gone;
	unsigned int i;

	for (i = 1; i < crew.nr; i++)
		sum += runtime_of(crew.member[i]);
	return sum;
}

/* Add a member; the first is the scanner's thread itself. */
static bool hire(void)
{
	/* Nobody is to be killed for it. */
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	struct member *member = kvzalloc(sizeof(*member), gfp);

	if (!member)
		return false;
	if (crew.nr) {
		member->worker = kthread_run_worker(0, "pshared/%u", crew.nr);
		if (IS_ERR(member->worker)) {
			kvfree(member);
			return false;
		}
		kthread_init_work(&member->work, help);
		be_nice(member->worker->task);
	}
	crew.member[crew.nr++] = member;
	return true;
}

/* Take the last one away.  It has nothing to do: no round is under way. */
static void dismiss(void)
{
	struct member *member = crew.member[--crew.nr];

	crew.member[crew.nr] = NULL;
	if (member->worker) {
		crew.gone += runtime_of(member);
		kthread_destroy_worker(member->worker);
	}
	kvfree(member);
}

/**
 * pshare_crew_man() - take over a change of the knob scan_threads
 *
 * If there is no memory for a helper it is done with fewer, and tried again later.
 *
 * Context: the scanner's thread, sleeps; no lock held.
 */
void pshare_crew_man(void)
{
	unsigned int asked = READ_ONCE(pshare_knobs.scan_threads);
	bool more = true;

	if (asked == crew.asked &&
	    (asked == pshare_crew_threads() || time_before(jiffies, crew.again)))
		return;
	while (crew.nr > asked)
		dismiss();
	while (more && asked > 1 && crew.nr < asked)
		more = hire();
	/* Alone it needs no room of its own. */
	if (crew.nr == 1)
		dismiss();
	if (!more && asked != crew.asked)
		pr_warn("no memory for more than %u of %u threads\n", pshare_crew_threads(), asked);
	crew.asked = asked;
	crew.again = jiffies + HIRE_AGAIN;
}

/**
 * pshare_crew_dismiss() - take all helpers away
 *
 * Context: the scanner's thread, at its end; sleeps.
 */
void pshare_crew_dismiss(void)
{
	while (crew.nr)
		dismiss();
}
