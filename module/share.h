/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SHARE_H
#define _PSHARE_SHARE_H

#include <linux/types.h>

#include "merge.h"

struct mm_struct;
struct pshare_item;
struct pshare_region;

/**
 * struct pshare_stats - what sharing did, since the module was loaded
 * @full_scans:		passes completed
 * @pages_scanned:	pages looked at
 * @pages_shared:	shared pages that exist; can fall
 * @pages_sharing:	entries that map them beyond the first of each, as of the last
 *			prune and the merges since; can fall.  Merges beside a prune
 *			may be missing until the next
 * @pages_single:	shared pages that a single entry maps, as of the last prune; can
 *			fall.  They save nothing
 * @pages_poisoned:	pages whose memory has failed while they were shared, and that
 *			somebody maps still; can fall
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
	unsigned long pages_single;
	unsigned long pages_poisoned;
	unsigned long splits;
	unsigned long given_back;
	unsigned long changed;
	unsigned long results[PSHARE_NR_MERGE_RESULTS];
};

extern struct pshare_stats pshare_stats;

/* Count in a figure that others read without a lock. */
#define pshare_count(figure, nr)	WRITE_ONCE(figure, (figure) + (nr))

/**
 * struct pshare_rules - what the administrator allows
 * @use_zero:	replace pages that are all zero by the zero page
 * @max_shared:	make no shared page while there are so many
 * @dry:	only count: change no page table
 * @hurry:	somebody waits, or memory is short: pages_to_scan does not matter
 * @split_least: memory is short: where the policy waits for that, split huge pages with at
 *		least so many twins; 0 if it is not
 */
struct pshare_rules {
	bool use_zero;
	unsigned long max_shared;
	bool dry;
	bool hurry;
	unsigned int split_least;
};

bool pshare_share_page(struct pshare_region *region, struct mm_struct *mm,
		       const struct pshare_item *item, u64 hash,
		       const struct pshare_rules *rules);
bool pshare_share_give_back(struct pshare_region *region, struct mm_struct *mm,
			    unsigned long addr);

#endif /* _PSHARE_SHARE_H */
