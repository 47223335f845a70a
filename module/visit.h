/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_VISIT_H
#define _PSHARE_VISIT_H

#include <linux/types.h>

struct mm_struct;
struct pshare_batch;
struct pshare_region;
struct pshare_rules;

void pshare_visit_rules(struct pshare_rules *rules);
bool pshare_visit_batch(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
			unsigned long end, const struct pshare_rules *rules,
			struct pshare_batch *batch, unsigned long *seen);
bool pshare_visit_some(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
		       unsigned long end, const struct pshare_rules *rules, u64 most,
		       struct pshare_batch *batch, unsigned long *seen);

#endif /* _PSHARE_VISIT_H */
