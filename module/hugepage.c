// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of huge pages.
 */
#include "hugepage.h"
#include "region.h"

/**
 * pshare_hugepage_may_split() - the policy: split a huge page to share one of its pages?
 * @region: the region
 * @addr: address of a page in it that has a twin, or is zero
 *
 * The policy is that of mainline KSM: the first page inside that matches costs
 * the huge page.
 *
 * Return: true if it may be split.
 */
bool pshare_hugepage_may_split(struct pshare_region *region, unsigned long addr)
{
	return true;
}
