/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels, as one named thing each.  The capabilities
 * PSHARE_HAVE_* come from probe.mk, which asks the headers.
 */
#ifndef _PSHARE_COMPAT_H
#define _PSHARE_COMPAT_H

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#ifdef PSHARE_HAVE_SOFTLEAF
#include <linux/leafops.h>
#endif

/* 6.17: PAGE_MAPPING_KSM became FOLIO_MAPPING_KSM, with the same bits */
#ifdef FOLIO_MAPPING_KSM
#define PSHARE_MAPPING_KSM	((struct address_space *)FOLIO_MAPPING_KSM)
#else
#define PSHARE_MAPPING_KSM	((struct address_space *)PAGE_MAPPING_KSM)
#endif

/* 6.11: VM_DROPPABLE; 6.6: VM_SHADOW_STACK.  Neither may be merged. */
#ifdef VM_DROPPABLE
#define PSHARE_VM_DROPPABLE	VM_DROPPABLE
#else
#define PSHARE_VM_DROPPABLE	VM_NONE
#endif
#ifdef VM_SHADOW_STACK
#define PSHARE_VM_SHADOW_STACK	VM_SHADOW_STACK
#else
#define PSHARE_VM_SHADOW_STACK	VM_NONE
#endif

/* Without sections of memory none can be taken out of the machine. */
#ifndef PAGES_PER_SECTION
#define PAGES_PER_SECTION	MAX_ORDER_NR_PAGES
#endif

/* 6.12: splitting a huge page puts the zero page where it was zero. */
#ifdef PSHARE_HAVE_SPLIT_ZEROPAGE
#define COMPAT_SPLIT_MAKES_ZEROS	true
#else
#define COMPAT_SPLIT_MAKES_ZEROS	false
#endif

/* Announce that the entries of [start, end) are about to be replaced. */
static inline void compat_range_init(struct mmu_notifier_range *range,
				     struct vm_area_struct *vma,
				     unsigned long start, unsigned long end)
{
#ifdef PSHARE_HAVE_RANGE_VMA
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, vma, vma->vm_mm, start, end);
#else
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, vma->vm_mm, start, end);
#endif
}

/*
 * Lock the page table of @addr and map its entry; NULL if there is none any more.
 * Static checkers cannot follow a lock that is taken only sometimes: hide it.
 */
static inline pte_t *compat_pte_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
				     spinlock_t **ptl)
{
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, ptl);

	__release(*ptl);
	return pte;
}

static inline void compat_pte_unlock(pte_t *pte, spinlock_t *ptl)
{
	__acquire(ptl);
	pte_unmap_unlock(pte, ptl);
}

/* A page as a fault at @addr would get it; NULL when there is none. */
static inline struct folio *compat_alloc_for(struct vm_area_struct *vma, unsigned long addr,
					     gfp_t gfp)
{
#ifdef PSHARE_HAVE_ALLOC_HUGEPAGE
	return vma_alloc_folio(gfp, 0, vma, addr, false);
#else
	return vma_alloc_folio(gfp, 0, vma, addr);
#endif
}

/*
 * Clear an entry, and flush the TLBs of CPUs and of devices that walk the page
 * table (SVA).  Until 6.6 the latter had a notifier of their own, which the end
 * of a range would call only after a new entry is set; since then flushing the
 * CPUs' TLB calls it.
 */
static inline pte_t compat_clear_flush(struct vm_area_struct *vma, unsigned long addr,
				       pte_t *pte)
{
#ifdef PSHARE_HAVE_INVALIDATE_RANGE
	return ptep_clear_flush_notify(vma, addr, pte);
#else
	return ptep_clear_flush(vma, addr, pte);
#endif
}

/*
 * Does an entry map a page that is no memory of the process: the zero page, or what only
 * a driver knows?  Where no bit says so the latter have no struct page, or are in mappings
 * that are not merged.
 */
static inline bool compat_pte_special(pte_t pte)
{
#ifdef CONFIG_ARCH_HAS_PTE_SPECIAL
	return pte_special(pte);
#else
	return is_zero_pfn(pte_pfn(pte));
#endif
}

/* Does an entry that is not present stand for a page in swap? */
static inline bool compat_pte_swapped(pte_t pte)
{
#ifdef PSHARE_HAVE_SOFTLEAF
	return softleaf_is_swap(softleaf_from_pte(pte));
#else
	return !non_swap_entry(pte_to_swp_entry(pte));
#endif
}

/* Does it stand for a page whose memory has failed? */
static inline bool compat_pte_poisoned(pte_t pte)
{
#ifdef PSHARE_HAVE_SOFTLEAF
	return softleaf_is_hwpoison(softleaf_from_pte(pte));
#else
	return is_hwpoison_entry(pte_to_swp_entry(pte));
#endif
}

/* Has the memory of a part of this large folio failed? */
static inline bool compat_has_poison(struct folio *folio)
{
#ifdef PSHARE_HAVE_PAGE_HAS_POISON
	return PageHasHWPoisoned(&folio->page);
#else
	return folio_test_has_hwpoisoned(folio);
#endif
}

/* Number of entries that map a page which is no part of a larger folio. */
static inline int compat_mapcount(struct page *page)
{
	return atomic_read(&page->_mapcount) + 1;
}

/* One more entry maps an anonymous page, not exclusively. */
static inline void compat_rmap_add(struct page *page, struct vm_area_struct *vma,
				   unsigned long addr)
{
#ifdef PSHARE_HAVE_FOLIO_RMAP
	folio_add_anon_rmap_pte(page_folio(page), page, vma, addr, RMAP_NONE);
#else
	page_add_anon_rmap(page, vma, addr, RMAP_NONE);
#endif
}

/* One entry less maps a page. */
static inline void compat_rmap_remove(struct page *page, struct vm_area_struct *vma)
{
#ifdef PSHARE_HAVE_FOLIO_RMAP
	folio_remove_rmap_pte(page_folio(page), page, vma);
#else
	page_remove_rmap(page, vma, false);
#endif
}

/* An exclusive page may be shared from now on; fails when it may be pinned. */
static inline int compat_try_share(struct page *page)
{
#ifdef PSHARE_HAVE_FOLIO_RMAP
	return folio_try_share_anon_rmap_pte(page_folio(page), page);
#else
	return page_try_share_anon_rmap(page);
#endif
}

#endif /* _PSHARE_COMPAT_H */
