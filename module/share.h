/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SHARE_H
#define _PSHARE_SHARE_H

#include <linux/types.h>

#include "merge.h"

struct mm_struct;
struct page;
struct pshare_region;

/**
 * struct pshare_stats - what sharing did, since the module was loaded
 * @full_scans:		passes completed
 * @pages_scanned:	pages looked at
 * @pages_shared:	shared pages that exist; can fall
 * @pages_sharing:	entries that map them beyond the first of each, as of the last
 *			prune and the merges since; can fall.  Merges beside a prune
 *			may be missing until the next
 * @splits:		huge pages split
 * @given_back:		pages unshared because nobody shared them any more
 * @changed:		visits that found a page changed
 * @results:		merges by their result
 *
 * Written under the scan mutex, read anywhere with READ_ONCE().
 */
struct pshare_stats {
	unsigned long full_scans;
	unsigned long pages_scanned;
	unsigned long pages_shared;
	unsigned long pages_sharing;
	unsigned long splits;
	unsigned long given_back;
	unsigned long changed;
	unsigned long results[PSHARE_NR_MERGE_RESULTS];
};

extern struct pshare_stats pshare_stats;

/* Count in a figure that others read without a lock. */
#define pshare_count(figure, nr)	WRITE_ONCE(figure, (figure) + (nr))

void pshare_share_init(void);
u64 pshare_share_hash(struct page *page);
bool pshare_share_page(struct pshare_region *region, struct mm_struct *mm,
		       unsigned long addr, u64 hash, bool use_zero);
bool pshare_share_give_back(struct pshare_region *region, struct mm_struct *mm,
			    unsigned long addr);
void pshare_share_settle(void);
bool pshare_share_forget_candidates(void);
unsigned long pshare_share_abandon(void);

#endif /* _PSHARE_SHARE_H */
