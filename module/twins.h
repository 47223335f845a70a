/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_TWINS_H
#define _PSHARE_TWINS_H

#include <linux/types.h>

#include "uapi/pshare.h"

struct pshare_node;
struct pshare_region;

/**
 * struct pshare_visit - a page that is being visited, and held still since the last visit
 * @region:	its region
 * @addr:	its address
 * @free:	it may be merged: the policy does not keep it in a huge page
 * @steps:	see pshare_hugepage_steps(); PSHARE_ALL_STEPS for a small page
 */
struct pshare_visit {
	struct pshare_region *region;
	unsigned long addr;
	bool free;
	unsigned int steps;
};

void pshare_twins_begin(void);
u16 pshare_twins_pass(void);
enum pshare_class pshare_twins_zero(const struct pshare_visit *visit);
enum pshare_class pshare_twins_shared(const struct pshare_visit *visit,
				      const struct pshare_node *node);
bool pshare_twins_mergeable(const struct pshare_visit *visit, const struct pshare_node *node,
			    unsigned int least);
enum pshare_class pshare_twins_note(const struct pshare_visit *visit, struct pshare_node *node);
void pshare_twins_replace(const struct pshare_visit *visit, struct pshare_node *node);
void pshare_twins_digest(struct pshare_region *region, unsigned long addr, u64 hash);
void pshare_twins_leave(struct pshare_region *region, unsigned long from, unsigned long to);
void pshare_twins_settle(struct pshare_node *node);
void pshare_twins_settle_family(struct pshare_node *node);
void pshare_twins_elsewhere(struct pshare_node *node, bool elsewhere);

#endif /* _PSHARE_TWINS_H */
