// SPDX-License-Identifier: GPL-2.0
/*
 * Splitting huge pages when the host runs short of memory.
 */
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "hugepage.h"
#include "knobs.h"
#include "press.h"
#include "region.h"
#include "share.h"
#include "twins.h"
#include "visit.h"

/**
 * DOC: splitting under pressure
 *
 * Where the policy is PSHARE_HUGE_PRESSURE the pages of huge pages are hashed like all
 * others, and wait in the index.  When the host has less memory available than the
 * administrator wants, the blocks with the most twins are visited out of turn and merged,
 * one by one, until it has enough.  The hashes are at hand, so a block costs no more than
 * its 512 pages.
 *
 * The first of several equal blocks represents the content for which the others wait: so
 * those that come later are tried first, and each only once in a pass.
 */

/* How often to look whether memory is short, and if there is nothing to do about it. */
#define INTERVAL	(HZ / 10)
#define PAUSE		HZ

/* Blocks that are split before it is looked again which are the best. */
#define MAX_BLOCKS	128

/**
 * struct pressure - what the scanner's thread remembers; its own
 * @next:	when to look again, in jiffies
 * @any:	there is a region with this policy
 * @best:	blocks to split
 */
struct pressure {
	unsigned long next;
	bool any;
	struct pshare_huge_block best[MAX_BLOCKS];
};

static struct pressure pressure = { .next = INITIAL_JIFFIES };

static bool may_merge(void)
{
	return READ_ONCE(pshare_knobs.run) == PSHARE_RUN_MERGE;
}

/**
 * pshare_press_idle_time() - how long there is nothing to do here
 *
 * Context: the scanner's thread.
 * Return: jiffies; MAX_SCHEDULE_TIMEOUT if nobody wants huge pages to be split then.
 */
unsigned long pshare_press_idle_time(void)
{
	unsigned long now = jiffies;

	if (!pressure.any || !may_merge())
		return MAX_SCHEDULE_TIMEOUT;
	return time_after(pressure.next, now) ? pressure.next - now : 0;
}

/**
 * pshare_press_waits() - is memory short, and is somebody there to be helped?
 *
 * Context: the scanner's thread.
 * Return: true if so, as of the last time that it was looked for regions.
 */
bool pshare_press_waits(void)
{
	return pressure.any && may_merge() && pshare_hugepage_pressed();
}

static bool any_region(void)
{
	struct pshare_region *region;
	bool found = false;
	u32 id = 0;

	while (!found && (region = pshare_region_get_next(id))) {
		id = region->id + 1;
		found = pshare_hugepage_policy(region) == PSHARE_HUGE_PRESSURE;
		pshare_region_put(region);
	}
	return found;
}

/* Merge what a block has, even if it has to be split for that. */
static void press_block(const struct pshare_huge_block *best, struct pshare_batch *batch)
{
	struct pshare_region *region = pshare_region_get(best->region);
	unsigned long addr, end, seen = 0;
	struct pshare_rules rules;
	struct pshare_block *block;
	bool done = false;

	if (!region)
		return;
	addr = max(best->addr, region->start);
	end = min(best->addr + HPAGE_PMD_SIZE, region->end);
	while (!done && addr < end && pshare_hugepage_pressed()) {
		struct mm_struct *mm = NULL;

		mutex_lock(&pshare_scan_mutex);
		block = pshare_ledger_find(&region->ledger, best->addr);
		if (block)
			block->tried = pshare_twins_pass();
		/* Whoever has changed the knob holds no mutex any more: ask again. */
		if (block && !region->gone && !region->holds && may_merge())
			mm = pshare_region_get_mm(region);
		pshare_visit_rules(&rules);
		rules.hurry = true;
		rules.split_least = best->twins;
		done = !mm || !pshare_visit_batch(region, mm, &addr, end, &rules,
						  batch, &seen);
		mutex_unlock(&pshare_scan_mutex);
		if (mm)
			mmput_async(mm);
		cond_resched();
	}
	pshare_region_put(region);
}

/**
 * pshare_press_relieve() - if memory is short, split the huge pages that save the most
 * @batch: to work with; unused on return
 *
 * Context: the scanner's thread, sleeps; takes and drops the scan mutex.
 */
void pshare_press_relieve(struct pshare_batch *batch)
{
	unsigned int i, nr;
	u16 pass;

	if (time_before(jiffies, pressure.next) || !may_merge())
		return;
	pressure.next = jiffies + INTERVAL;
	pressure.any = any_region();
	if (!pressure.any || !pshare_hugepage_pressed())
		return;
	mutex_lock(&pshare_scan_mutex);
	pass = pshare_twins_pass();
	mutex_unlock(&pshare_scan_mutex);
	nr = pshare_hugepage_best(pressure.best, MAX_BLOCKS, pass);
	pressure.next = jiffies + (nr ? 0 : PAUSE);
	for (i = 0; i < nr && !kthread_should_stop() && !freezing(current); i++) {
		press_block(&pressure.best[i], batch);
		if (!pshare_hugepage_pressed()) {
			pressure.next = jiffies + INTERVAL;
			return;
		}
	}
}
