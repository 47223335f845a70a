/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_UNMERGE_H
#define _PSHARE_UNMERGE_H

#include <linux/types.h>

struct pshare_batch;
struct pshare_region;

/**
 * struct pshare_unmerging - how to unmerge, and how far it went
 * @zeros:	give zero pages their own memory, too
 * @insist:	there is no way back: no signal stops it, an error with one page
 *		does not keep it from the next, and memory is reclaimed if need be
 * @singles:	only shared pages that nobody else maps
 * @pages:	incremented for each page that got its own copy
 */
struct pshare_unmerging {
	bool zeros;
	bool insist;
	bool singles;
	unsigned long pages;
};

/**
 * struct pshare_singles - how far giving back single mappers has come
 * @region:	number of the region to go on with, or the first to look for; 0 to begin
 * @addr:	address to go on from; 0 means the start of the region
 * @pages:	pages that got their own copy so far
 */
struct pshare_singles {
	u32 region;
	unsigned long addr;
	unsigned long pages;
};

int pshare_unmerge_region(struct pshare_region *region, struct pshare_unmerging *how);
bool pshare_unmerge_singles(struct pshare_singles *at, struct pshare_batch *batch);
int pshare_unmerge_all(struct pshare_unmerging *how);

#endif /* _PSHARE_UNMERGE_H */
