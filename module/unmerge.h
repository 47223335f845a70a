/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_UNMERGE_H
#define _PSHARE_UNMERGE_H

#include <linux/types.h>

struct pshare_region;

/**
 * struct pshare_unmerging - how to unmerge, and how far it went
 * @zeros:	give zero pages their own memory, too
 * @killable:	stop at a signal; false where there is no way back
 * @pages:	incremented for each page that got its own copy
 */
struct pshare_unmerging {
	bool zeros;
	bool killable;
	unsigned long pages;
};

int pshare_unmerge_region(struct pshare_region *region, struct pshare_unmerging *how);
int pshare_unmerge_orphans(struct pshare_unmerging *how);

#endif /* _PSHARE_UNMERGE_H */
