/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_WALK_H
#define _PSHARE_WALK_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct pshare_ledger;

/**
 * enum pshare_found - what the walk found at an address
 * @PSHARE_FOUND_NONE:		no memory, or the kernel's own use of a zero page
 * @PSHARE_FOUND_SWAPPED:	a page in swap
 * @PSHARE_FOUND_ZERO:		the zero page, mapped by a single entry
 * @PSHARE_FOUND_SHARED:	a page that this module owns
 * @PSHARE_FOUND_OTHERS:	the same, and another VM is known to map it, too
 * @PSHARE_FOUND_LAST:		the same, and this entry is the only one that maps it
 * @PSHARE_FOUND_ANON:		an anonymous page that may be merged; if the batch has a
 *				ledger, one that is to be looked at
 * @PSHARE_FOUND_NEW:		the same, but the ledger sees it for the first time
 * @PSHARE_FOUND_CHANGED:	the same, but it is not what it was
 * @PSHARE_FOUND_UNLIKE:	the same, but it is like no other page
 * @PSHARE_FOUND_PINNED:	the same, but somebody has pinned it, for I/O for example
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
	PSHARE_FOUND_OTHERS,
	PSHARE_FOUND_LAST,
	PSHARE_FOUND_ANON,
	PSHARE_FOUND_NEW,
	PSHARE_FOUND_CHANGED,
	PSHARE_FOUND_UNLIKE,
	PSHARE_FOUND_PINNED,
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
 * @page:	for PSHARE_FOUND_ANON, and where it is wanted for PSHARE_FOUND_UNLIKE, with a
 *		reference; else NULL
 * @sample:	with @page: its sample, if the batch has a ledger
 * @broken:	with @page and a ledger: PSHARE_SEEN_BROKEN
 * @hash:	for PSHARE_FOUND_ANON: hash of its content, once pshare_batch_hash() has come by
 * @huge:	for anonymous pages: the entry of a huge page maps them
 */
struct pshare_item {
	unsigned long addr;
	unsigned long nr;
	enum pshare_found found;
	bool huge;
	bool broken;
	u32 sample;
	u64 hash;
	struct page *page;
};

#define PSHARE_BATCH_SIZE	64

/* Samples that may be taken in one hold of mmap_lock: some 25 us. */
#define PSHARE_MAX_SAMPLES	128

/* Tries for mmap_lock, a millisecond apart: where waiting is worth it, and where not. */
#define PSHARE_LOCK_PATIENT	100
#define PSHARE_LOCK_HASTY	5

/**
 * struct pshare_batch - what one short hold of mmap_lock gathered
 * @all:	set by the caller: look into mappings whose pages may not be
 *		merged (any more), too, and take no references
 * @vm:		set by the caller: number of the VM, to leave a note with the shared
 *		pages that it maps; 0 for none
 * @pass:	set by the caller: number of the pass, for that note
 * @ledger:	set by the caller: of the region, to tell pages that are to be looked at
 *		from others; or NULL
 * @unlike:	set by the caller: it wants to have those that are like no other, too
 * @hasty:	set by the caller: others wait for it, so it is not to wait for mmap_lock
 * @room:	set by the caller, with @ledger: samples that may be taken, at least 1
 * @noted:	a sample was noted that no item tells of
 * @blockless:	there are anonymous pages where it ended, and no block of the ledger
 * @nr:		items in use
 * @item:	the items, by rising address and without gaps
 */
struct pshare_batch {
	bool all;
	u32 vm;
	u16 pass;
	struct pshare_ledger *ledger;
	bool unlike;
	bool hasty;
	unsigned int room;
	bool noted;
	bool blockless;
	unsigned int nr;
	struct pshare_item item[PSHARE_BATCH_SIZE];
};

bool pshare_walk_lock(struct mm_struct *mm, unsigned int tries);
bool pshare_walk_gather(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			struct pshare_batch *batch);
pmd_t *pshare_walk_table(struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *pshare_walk_vma(struct mm_struct *mm, unsigned long addr);
void pshare_walk_zeros(struct mm_struct *mm, unsigned long addr, unsigned long *zeros);
enum pshare_found pshare_walk_one(struct vm_area_struct *vma, unsigned long addr,
				  struct page **page);

#endif /* _PSHARE_WALK_H */
