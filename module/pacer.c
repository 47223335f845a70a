// SPDX-License-Identifier: GPL-2.0
/*
 * The pace of the scanner's thread: its clocks, the knobs, and the memory that there is.
 * What comes of them is arithmetic: see pace.c.
 */
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "crew.h"
#include "knobs.h"
#include "pacer.h"
#include "region.h"

/**
 * struct pacer - what the thread remembers; its own
 * @pace:	the account
 * @region:	number of the region that pages were seen in last
 * @here:	pages seen in that region, in this pass
 * @seen:	pages seen in this pass
 */
struct pacer {
	struct pshare_pace pace;
	u32 region;
	unsigned long here;
	unsigned long seen;
};

static struct pacer pacer;

/* Pages that have memory: how many are there, and how many has the pass not come to? */
static struct pshare_pace_work count_work(u64 current_region)
{
	struct pshare_pace_work work = { .between = current_region == PSHARE_PACER_BETWEEN };
	struct pshare_region *region;
	u32 id = 0;

	if (pacer.region == current_region)
		work.seen = pacer.here;
	while ((region = pshare_region_get_next(id))) {
		/* The mapping may be larger by far, and the memory may be in another region. */
		unsigned long pages = min(region->ledger.size,
					  get_mm_counter(region->mm, MM_ANONPAGES));

		id = region->id + 1;
		work.total += pages;
		if (work.between || region->id > current_region)
			work.later += pages;
		else if (region->id == current_region)
			work.here += pages;
		pshare_region_put(region);
	}
	return work;
}

/**
 * pshare_pacer_begin() - a pass begins
 *
 * Context: the scanner's thread.
 */
void pshare_pacer_begin(void)
{
	pacer.here = 0;
	pacer.seen = 0;
	pshare_pace_begin(&pacer.pace);
}

/**
 * pshare_pacer_end() - a pass is complete
 *
 * Context: the scanner's thread.
 */
void pshare_pacer_end(void)
{
	pshare_pace_end(&pacer.pace, count_work(PSHARE_PACER_SWEEP).total, pacer.seen);
}

/**
 * pshare_pacer_stop() - nothing is scanned now, or at another pace
 *
 * Context: the scanner's thread.
 */
void pshare_pacer_stop(void)
{
	pshare_pace_stop(&pacer.pace);
}

/**
 * pshare_pacer_seen() - pages were seen
 * @region: number of the region
 * @pages: how many
 *
 * Context: the scanner's thread.
 */
void pshare_pacer_seen(u32 region, unsigned long pages)
{
	if (region != pacer.region)
		pacer.here = 0;
	pacer.region = region;
	pacer.here += pages;
	pacer.seen += pages;
	pshare_pace_scanned(&pacer.pace, pages);
}

/**
 * pshare_pacer_next() - what to do next
 * @region: number of the region that the pass is in, or has left last; or
 *	PSHARE_PACER_SWEEP, or PSHARE_PACER_BETWEEN
 *
 * What counts is the time for which the thread and its helpers ran, not that for which others
 * kept them waiting.  The scheduler knows, but notes it at its ticks, and when it is called.
 *
 * Context: the scanner's thread, sleeps; pshare_knobs_paced().
 * Return: for how long to sleep, or for how long and how many pages to scan.
 */
struct pshare_pace_plan pshare_pacer_next(u64 region)
{
	struct pshare_pace_rules rules = {
		.percent = READ_ONCE(pshare_knobs.max_cpu_percent),
		.threads = pshare_crew_threads(),
		.seconds = READ_ONCE(pshare_knobs.target_scan_seconds),
	};
	struct pshare_pace_work work = { .between = region == PSHARE_PACER_BETWEEN };

	/* Else the pages do not matter. */
	if (rules.seconds)
		work = count_work(region);
	schedule();
	return pshare_pace_next(&pacer.pace, &rules, &work, ktime_get_ns(),
				pshare_crew_runtime());
}

/**
 * pshare_pacer_clock() - CPU time that all threads have used, as it is noted at ticks
 *
 * Context: the scanner's thread.
 * Return: ns.
 */
u64 pshare_pacer_clock(void)
{
	return pshare_crew_runtime();
}

/**
 * pshare_pacer_excuse() - what was done could not wait, and counts for no limit
 * @since: pshare_pacer_clock() when it began
 *
 * Context: the scanner's thread.
 */
void pshare_pacer_excuse(u64 since)
{
	pshare_pace_excuse(&pacer.pace, pshare_pacer_clock() - since);
}

/**
 * pshare_pacer_beside() - how often may work be done beside scanning?
 * @time: what it takes, in ns
 *
 * Return: how long to be without, in ns, so that it takes half of the limit at most.
 */
u64 pshare_pacer_beside(u64 time)
{
	unsigned int percent = READ_ONCE(pshare_knobs.max_cpu_percent);

	return percent ? min_t(u64, time, NSEC_PER_SEC) * 200 / percent : 0;
}
