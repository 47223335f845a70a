/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_HUGEPAGE_H
#define _PSHARE_HUGEPAGE_H

#include <linux/types.h>

struct pshare_region;

bool pshare_hugepage_may_split(struct pshare_region *region, unsigned long addr);

#endif /* _PSHARE_HUGEPAGE_H */
