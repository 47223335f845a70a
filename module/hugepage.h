/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_HUGEPAGE_H
#define _PSHARE_HUGEPAGE_H

#include <linux/types.h>

#include "uapi/pshare.h"

struct pshare_block;
struct pshare_census;
struct pshare_region;

/**
 * struct pshare_huge_knobs - what the administrator sets
 * @policy:	enum pshare_huge_policy of regions that have none of their own
 * @split_min:	twins in a huge page for which PSHARE_HUGE_BENEFIT splits it
 * @min_free_percent: of the host's memory: what PSHARE_HUGE_PRESSURE keeps available
 *
 * Read and written with READ_ONCE() and WRITE_ONCE(), without a lock.
 */
struct pshare_huge_knobs {
	unsigned int policy;
	unsigned int split_min;
	unsigned int min_free_percent;
};

extern struct pshare_huge_knobs pshare_huge_knobs;

/* The bit of a mask of steps that stands for what the policy allows now. */
#define PSHARE_STEP_NOW		PSHARE_NR_SPLIT_STEPS
#define PSHARE_ALL_STEPS	((1U << (PSHARE_NR_SPLIT_STEPS + 1)) - 1)

/**
 * struct pshare_huge_block - a block that may be worth splitting
 * @region:	number of its region
 * @addr:	its address
 * @twins:	pages in it with a twin, or zero
 */
struct pshare_huge_block {
	u32 region;
	unsigned long addr;
	unsigned int twins;
};

unsigned int pshare_hugepage_policy(const struct pshare_region *region);
const char *pshare_hugepage_policy_name(unsigned int policy);
bool pshare_hugepage_may_split(const struct pshare_region *region,
			       const struct pshare_block *block);
bool pshare_hugepage_may_press(const struct pshare_region *region,
			       const struct pshare_block *block, unsigned int least);
unsigned int pshare_hugepage_steps(const struct pshare_block *block, bool may_split);
void pshare_hugepage_count(struct pshare_census *census, const struct pshare_block *block);
bool pshare_hugepage_pressed(void);
unsigned int pshare_hugepage_best(struct pshare_huge_block *best, unsigned int max, u16 pass);

#endif /* _PSHARE_HUGEPAGE_H */
