/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_KNOBS_H
#define _PSHARE_KNOBS_H

#include <linux/compiler.h>
#include <linux/sched/prio.h>
#include <linux/types.h>

/**
 * enum pshare_run - what the scanner does
 * @PSHARE_RUN_STOP:	nothing; what is merged stays merged
 * @PSHARE_RUN_MERGE:	scan and merge
 * @PSHARE_RUN_UNMERGE:	nothing, and everything was unmerged
 * @PSHARE_RUN_ESTIMATE: scan, and count what could be merged, but merge nothing; what is
 *			merged stays so, unless memory gets short
 * @PSHARE_NR_RUNS:	number of these
 */
enum pshare_run {
	PSHARE_RUN_STOP,
	PSHARE_RUN_MERGE,
	PSHARE_RUN_UNMERGE,
	PSHARE_RUN_ESTIMATE,
	PSHARE_NR_RUNS
};

/* Most threads that may read memory: the scanner's own, and its helpers. */
#define PSHARE_MOST_THREADS	16U

/* The thread runs when nobody else wants the CPU (SCHED_IDLE): beyond the nicest. */
#define PSHARE_NICE_IDLE	(MAX_NICE + 1)

/**
 * struct pshare_knobs - what the administrator sets
 * @run:		enum pshare_run; written by pshare_scan_set_run() alone
 * @pages_to_scan:	pages between two sleeps, at least 1; see pshare_knobs_paced()
 * @sleep_millisecs:	length of a sleep; likewise
 * @max_cpu_percent:	of one CPU, what all threads together may use; 0: no limit
 * @target_scan_seconds: how long a pass shall take; 0: as it comes
 * @nice:		of the threads, or PSHARE_NICE_IDLE
 * @use_zero_pages:	replace pages of zeroes by the zero page
 * @max_pages_shared:	make no shared page while there are so many; 0: no limit
 * @compare_groups:	find out which pages other groups have, too
 * @aslr_sample:	percent of the unique pages to compare without their addresses
 * @scan_threads:	threads that read memory, at least 1, at most PSHARE_MOST_THREADS
 *
 * Read and written with READ_ONCE() and WRITE_ONCE(), without a lock.
 */
struct pshare_knobs {
	unsigned int run;
	unsigned int pages_to_scan;
	unsigned int sleep_millisecs;
	unsigned int max_cpu_percent;
	unsigned int target_scan_seconds;
	int nice;
	unsigned int use_zero_pages;
	unsigned int max_pages_shared;
	unsigned int compare_groups;
	unsigned int aslr_sample;
	unsigned int scan_threads;
};

extern struct pshare_knobs pshare_knobs;

/**
 * pshare_knobs_paced() - is the pace given by time, and not by pages and sleeps?
 *
 * Context: any.
 */
static inline bool pshare_knobs_paced(void)
{
	return READ_ONCE(pshare_knobs.max_cpu_percent) ||
	       READ_ONCE(pshare_knobs.target_scan_seconds);
}

#endif /* _PSHARE_KNOBS_H */
