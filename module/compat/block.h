/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel without transparent huge pages says that they have no size.  Blocks have one
 * all the same: what a page table covers.  probe.mk includes this ahead of each file there.
 */
#ifndef _PSHARE_COMPAT_BLOCK_H
#define _PSHARE_COMPAT_BLOCK_H

/* As the files have it; the headers below would take another. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>

#undef HPAGE_PMD_SHIFT
#undef HPAGE_PMD_SIZE
#undef HPAGE_PMD_MASK
#define HPAGE_PMD_SHIFT	PMD_SHIFT
#define HPAGE_PMD_SIZE	PMD_SIZE
#define HPAGE_PMD_MASK	PMD_MASK

#endif /* _PSHARE_COMPAT_BLOCK_H */
