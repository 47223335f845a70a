/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_PACE_H
#define _PSHARE_PACE_H

#include <linux/types.h>

/**
 * struct pshare_pace_rules - what the administrator wants
 * @percent:	of one CPU, what may be used on average; 0, or 100 and more for each thread: all
 * @threads:	that use it, at least 1
 * @seconds:	how long a pass shall take; 0: as long as @percent makes it
 */
struct pshare_pace_rules {
	unsigned int percent;
	unsigned int threads;
	unsigned int seconds;
};

/**
 * struct pshare_pace_work - what there is to do, in pages that have memory behind them
 * @total:	of all regions
 * @later:	of regions that the pass has not come to
 * @here:	of the region that the pass is in
 * @seen:	pages that the pass has seen in that region
 * @between:	no pass is under way
 */
struct pshare_pace_work {
	u64 total;
	u64 later;
	u64 here;
	u64 seen;
	bool between;
};

/**
 * struct pshare_pace - the scanner's account; starts as zeroes
 * @going:	@clock and @cpu are of the last look
 * @begun:	a pass has begun at this pace
 * @clock:	time, in ns
 * @cpu:	CPU time of all threads, in ns
 * @elapsed:	time since the pass began, in ns
 * @credit:	CPU time that is there to be used, in ns; negative: was used before its time
 * @due:	pages that are due, the same way; a page is PSHARE_PACE_PAGE
 * @cost:	pages that a pass sees for each PSHARE_PACE_COST with memory; 0: not known
 */
struct pshare_pace {
	bool going;
	bool begun;
	u64 clock;
	u64 cpu;
	u64 elapsed;
	s64 credit;
	s64 due;
	u64 cost;
};

#define PSHARE_PACE_PAGE	((s64)1 << 20)
#define PSHARE_PACE_COST	((u64)1024)

/**
 * struct pshare_pace_plan - what to do next
 * @sleep:	for so long, in ns; or if it is 0:
 * @time:	scan for so long, in ns
 * @pages:	but not more than so many pages
 */
struct pshare_pace_plan {
	u64 sleep;
	u64 time;
	u64 pages;
};

void pshare_pace_stop(struct pshare_pace *pace);
void pshare_pace_begin(struct pshare_pace *pace);
void pshare_pace_end(struct pshare_pace *pace, u64 total, u64 seen);
void pshare_pace_scanned(struct pshare_pace *pace, u64 pages);
void pshare_pace_excuse(struct pshare_pace *pace, u64 cpu);
struct pshare_pace_plan pshare_pace_next(struct pshare_pace *pace,
					 const struct pshare_pace_rules *rules,
					 const struct pshare_pace_work *work, u64 clock, u64 cpu);

#endif /* _PSHARE_PACE_H */
