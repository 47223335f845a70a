/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SCAN_H
#define _PSHARE_SCAN_H

#include <linux/types.h>

/**
 * enum pshare_run - what the scanner does
 * @PSHARE_RUN_STOP:	nothing; what is merged stays merged
 * @PSHARE_RUN_MERGE:	scan and merge
 * @PSHARE_RUN_UNMERGE:	nothing, and everything was unmerged
 */
enum pshare_run {
	PSHARE_RUN_STOP,
	PSHARE_RUN_MERGE,
	PSHARE_RUN_UNMERGE,
};

/**
 * struct pshare_knobs - what the administrator sets
 * @run:		enum pshare_run; written by pshare_scan_set_run() alone
 * @pages_to_scan:	pages between two sleeps, at least 1
 * @sleep_millisecs:	length of a sleep
 * @use_zero_pages:	replace pages of zeroes by the zero page
 * @max_pages_shared:	make no shared page while there are so many; 0: no limit
 *
 * Read and written with READ_ONCE() and WRITE_ONCE(), without a lock.
 */
struct pshare_knobs {
	unsigned int run;
	unsigned int pages_to_scan;
	unsigned int sleep_millisecs;
	unsigned int use_zero_pages;
	unsigned int max_pages_shared;
};

extern struct pshare_knobs pshare_knobs;

int pshare_scan_init(void);
void pshare_scan_exit(void);
void pshare_scan_kick(void);
int pshare_scan_passes(unsigned int passes);
int pshare_scan_set_run(enum pshare_run run);

#endif /* _PSHARE_SCAN_H */
