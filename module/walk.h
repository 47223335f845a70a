/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_WALK_H
#define _PSHARE_WALK_H

#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * enum pshare_found - what the walk found at an address
 * @PSHARE_FOUND_NONE:		no memory, or the kernel's own use of a zero page
 * @PSHARE_FOUND_SWAPPED:	a page in swap
 * @PSHARE_FOUND_ZERO:		the zero page, mapped by a single entry
 * @PSHARE_FOUND_SHARED:	a page that this module owns
 * @PSHARE_FOUND_LAST:		the same, and this entry is the only one that maps it
 * @PSHARE_FOUND_ANON:		an anonymous page that may be merged
 * @PSHARE_FOUND_BUSY:		an entry on its way to somewhere else: look again later
 * @PSHARE_FOUND_UNFIT:		a page that cannot be merged where others can
 * @PSHARE_FOUND_MAPPED:	a shared or file mapping
 * @PSHARE_FOUND_HUGETLB:	memory of hugetlbfs
 * @PSHARE_FOUND_OTHER:		a mapping that may not be merged for another reason
 *
 * PSHARE_FOUND_NONE and the last three may stand for any number of pages, the
 * others for as many as one hold of mmap_lock may look at.
 */
enum pshare_found {
	PSHARE_FOUND_NONE,
	PSHARE_FOUND_SWAPPED,
	PSHARE_FOUND_ZERO,
	PSHARE_FOUND_SHARED,
	PSHARE_FOUND_LAST,
	PSHARE_FOUND_ANON,
	PSHARE_FOUND_BUSY,
	PSHARE_FOUND_UNFIT,
	PSHARE_FOUND_MAPPED,
	PSHARE_FOUND_HUGETLB,
	PSHARE_FOUND_OTHER,
};

/**
 * struct pshare_item - neighbours of which the walk found the same
 * @addr:	address of the first
 * @nr:		number of pages; 1 for PSHARE_FOUND_ANON and PSHARE_FOUND_LAST
 * @found:	what they are
 * @page:	for PSHARE_FOUND_ANON, with a reference; else NULL
 */
struct pshare_item {
	unsigned long addr;
	unsigned long nr;
	enum pshare_found found;
	struct page *page;
};

#define PSHARE_BATCH_SIZE	64

/* Tries for mmap_lock, a millisecond apart: where waiting is worth it, and where not. */
#define PSHARE_LOCK_PATIENT	100
#define PSHARE_LOCK_HASTY	5

/**
 * struct pshare_batch - what one short hold of mmap_lock gathered
 * @all:	set by the caller: look into mappings whose pages may not be
 *		merged (any more), too, and take no references
 * @nr:		items in use
 * @item:	the items, by rising address and without gaps
 */
struct pshare_batch {
	bool all;
	unsigned int nr;
	struct pshare_item item[PSHARE_BATCH_SIZE];
};

bool pshare_walk_lock(struct mm_struct *mm, unsigned int tries);
bool pshare_walk_gather(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			struct pshare_batch *batch);
void pshare_walk_put_pages(struct pshare_batch *batch);
pmd_t *pshare_walk_table(struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *pshare_walk_vma(struct mm_struct *mm, unsigned long addr);
void pshare_walk_zeros(struct vm_area_struct *vma, unsigned long addr, unsigned long *zeros);
enum pshare_found pshare_walk_one(struct vm_area_struct *vma, unsigned long addr,
				  struct page **page);

#endif /* _PSHARE_WALK_H */
