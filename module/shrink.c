// SPDX-License-Identifier: GPL-2.0
/*
 * What the module does when the host runs short of memory.
 */
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "compat/shrinker.h"
#include "prune.h"
#include "region.h"
#include "share.h"
#include "shrink.h"
#include "unmerge.h"

/**
 * DOC: memory pressure
 *
 * A shared page that a single entry maps saves nothing, and costs: it cannot be
 * swapped.  It gets a page of its own instead, which can.  That needs mmap_lock and
 * a page fault, and a reclaiming task may hold any lock of the kernel.  So the
 * shrinker frees nothing itself: it tells how many such pages there are, and wakes
 * the scanner's thread.  Shared pages that nobody maps are freed on the way.
 *
 * The thread goes bit by bit.  Who runs pages down to one mapper on purpose must not
 * keep it from all else.
 */

/* Batches at a time, and how much longer than that takes to rest before the next. */
#define BATCHES		64
#define REST		4

/* From one round over all regions to the next: if pages were given back, and if not. */
#define INTERVAL	HZ
#define PAUSE		(5 * HZ)

static struct shrinker *shrinker;
static struct wait_queue_head *wake;

/* Memory is short; written by whoever reclaims, and reset at the end of a round. */
static bool wanted;

/**
 * struct relief - how far a round has come
 * @at:		where it is, and the pages that it gave back
 * @settled:	value of @at.pages up to which the pages that they had were freed
 * @next:	when to go on at the earliest, in jiffies
 *
 * The thread's own.
 */
struct relief {
	struct pshare_singles at;
	unsigned long settled;
	unsigned long next;
};

static struct relief relief;

static unsigned long count_singles(struct shrinker *unused, struct shrink_control *sc)
{
	return READ_ONCE(pshare_stats.pages_single) ?: SHRINK_EMPTY;
}

static unsigned long give_back_singles(struct shrinker *unused, struct shrink_control *sc)
{
	if (!READ_ONCE(wanted)) {
		WRITE_ONCE(wanted, true);
		wake_up_interruptible(wake);
	}
	return SHRINK_STOP;
}

/**
 * pshare_shrink_idle_time() - how long there is nothing to do here
 *
 * Context: the scanner's thread.
 * Return: jiffies; MAX_SCHEDULE_TIMEOUT while there is memory.
 */
unsigned long pshare_shrink_idle_time(void)
{
	unsigned long now = jiffies;

	if (!READ_ONCE(wanted))
		return MAX_SCHEDULE_TIMEOUT;
	return time_after(relief.next, now) ? relief.next - now : 0;
}

static void settle(void)
{
	pshare_prune_settle();
	relief.settled = relief.at.pages;
}

static void end_round(void)
{
	settle();
	relief.next = jiffies + (relief.at.pages ? INTERVAL : PAUSE);
	relief.settled = 0;
	memset(&relief.at, 0, sizeof(relief.at));
	WRITE_ONCE(wanted, false);
}

/**
 * pshare_shrink_relieve() - give back what saves nothing, if memory is short
 * @batch: to work with; unused on return
 *
 * Context: the scanner's thread, sleeps; takes and drops the prune and the scan mutex.
 */
void pshare_shrink_relieve(struct pshare_batch *batch)
{
	unsigned long begin = jiffies, pages = relief.at.pages, many;
	bool done = false;
	unsigned int i;

	if (pshare_shrink_idle_time())
		return;
	for (i = 0; i < BATCHES && !done && !kthread_should_stop(); i++) {
		done = pshare_unmerge_singles(&relief.at, batch);
		cond_resched();
	}
	mutex_lock(&pshare_scan_mutex);
	pshare_count(pshare_stats.given_back, relief.at.pages - pages);
	mutex_unlock(&pshare_scan_mutex);
	if (done) {
		end_round();
		return;
	}
	/* Each took a page: free those that they had, before it is too many. */
	many = max(PSHARE_STEP, READ_ONCE(pshare_stats.pages_shared) / 64);
	if (relief.at.pages - relief.settled >= many)
		settle();
	relief.next = jiffies + REST * (jiffies - begin);
}

/**
 * pshare_shrink_init() - be told when memory is short
 * @thread_wait: where the scanner's thread sleeps
 *
 * Context: process, once.
 * Return: 0, or -ENOMEM.
 */
int pshare_shrink_init(struct wait_queue_head *thread_wait)
{
	wake = thread_wait;
	return compat_shrinker_register(&shrinker, "pshare", count_singles, give_back_singles);
}

/**
 * pshare_shrink_exit() - be told no more
 *
 * Context: process, sleeps until nobody is inside.
 */
void pshare_shrink_exit(void)
{
	compat_shrinker_unregister(shrinker);
}
