// SPDX-License-Identifier: GPL-2.0
/*
 * Merging and unsharing: the only file that changes a page table entry.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/threads.h>
#include <linux/userfaultfd_k.h>

#include "compat/compat.h"
#include "content.h"
#include "merge.h"
#include "walk.h"

/**
 * DOC: merging
 *
 * A shared page is a fresh page of the module's, never one of a guest's: nobody
 * can hold a reference from before.  It is marked as a KSM page without a
 * stable node.  The kernel then accounts it as anonymous memory, copies it on
 * each write, and unshares it before a long-term pin.  It is never on the LRU.
 *
 * It stays locked for life.  Nothing can walk its reverse mapping without a
 * stable node, so nobody may try to migrate it; who wants to needs the lock
 * first, fails to get it, and leaves the page alone.
 *
 * Replacing an entry goes in this order, under mmap_lock, the lock of the old
 * page and the lock of the page table:
 *
 * 1. Compare.  A cheap refusal: a writer may still be at work.
 * 2. Clear the entry and flush the TLBs, those of devices too.  From here on
 *    nobody writes through it, and get_user_pages_fast() sees that it is gone.
 * 3. Count references.  One that is not accounted for by the page tables, the
 *    swap cache and ourselves may be a device or a pin that writes without the
 *    entry.  Put the entry back.
 * 4. Compare again.  This is the compare that counts: a write between 1 and 2
 *    is seen here.
 * 5. Take away AnonExclusive, which fails if the page may be pinned.
 * 6. Map the shared page, and let the old one go.
 */

/*
 * Entries that may map one page.  Each fork(2) of one who has all of them adds as many, so
 * with as many processes as there can be (PID_MAX_LIMIT, 2^22) the counts of the page come to
 * 2^31 at most.  While clone(2) is under way there is an address space without a number of
 * its own, so that twice as many can be had for a moment, if memory for so many tasks can: the
 * kernel would complain of the counts then, but they do not come round to 0.  It is one huge
 * page's worth: a block of one content has one shared page.
 */
#define MAX_SHARERS	512
static_assert((u64)MAX_SHARERS * PID_MAX_LIMIT <= 1ULL << 31);

/* An unshare that has to be tried more often than this is not going to succeed. */
#define MAX_UNSHARE_TRIES	16

/*
 * Give up early and quietly: sharing is never worth an OOM kill, and never
 * worth a reclaim that sleeps for long.
 */
#define GFP_QUIET	(__GFP_NORETRY | __GFP_NOWARN)

/* Reclaim, swap, sleep, but kill nobody. */
#define GFP_HARD	(__GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* Do both hold the same bytes?  @shared is NULL for the zero page, which need not be read. */
static bool same_content(struct page *page, struct page *shared)
{
	void *content, *wanted;
	bool same;

	/* Memory that fails is marked before anything else happens to it. */
	if (PageHWPoison(page) || PageHWPoison(shared ?: ZERO_PAGE(0)))
		return false;
	content = kmap_local_page(page);
	if (shared) {
		wanted = kmap_local_page(shared);
		same = pshare_content_same(content, wanted);
		kunmap_local(wanted);
	} else {
		same = pshare_content_is_zero(content);
	}
	kunmap_local(content);
	return same;
}

/* Split the huge page that @page lies in.  @page is locked before and after. */
static enum pshare_merge_result split(struct pshare_merge *merge, struct page *page)
{
	DECLARE_BITMAP(before, HPAGE_PMD_NR);

	if (!folio_test_large(page_folio(page)))
		return PSHARE_MERGE_DONE;
	/* One that all page tables map in pieces is no huge page to anybody. */
	if (!merge->may_split && folio_entire_mapcount(page_folio(page)))
		return PSHARE_MERGE_KEPT_HUGE;
	/* Later kernels read every page in it, and map the zero page where they can. */
	if (compat_has_poison(page_folio(page)))
		return PSHARE_MERGE_SPLIT;
	if (COMPAT_SPLIT_MAKES_ZEROS)
		pshare_walk_zeros(merge->mm, merge->addr, before);
	if (split_huge_page(page))
		return PSHARE_MERGE_SPLIT;
	merge->split = true;
	if (!COMPAT_SPLIT_MAKES_ZEROS)
		return PSHARE_MERGE_DONE;
	pshare_walk_zeros(merge->mm, merge->addr, merge->zeros);
	bitmap_andnot(merge->zeros, merge->zeros, before, HPAGE_PMD_NR);
	return test_bit((merge->addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT, merge->zeros) ?
	       PSHARE_MERGE_ZEROED : PSHARE_MERGE_DONE;
}

/*
 * Steps 2 to 6 on an entry that maps @page, under the lock of its page table.
 * @shared is NULL for the zero page.
 */
static enum pshare_merge_result replace_pte(struct vm_area_struct *vma, unsigned long addr,
					    pte_t *ptep, struct page *page,
					    struct page *shared)
{
	struct folio *folio = page_folio(page);
	enum pshare_merge_result result;
	pte_t old, new;

	old = compat_clear_flush(vma, addr, ptep);

	result = PSHARE_MERGE_PINNED;
	if (compat_mapcount(page) + 1 + folio_test_swapcache(folio) != folio_ref_count(folio))
		goto restore;

	result = PSHARE_MERGE_RACED;
	if (!same_content(page, shared))
		goto restore;

	result = PSHARE_MERGE_PINNED;
	if (PageAnonExclusive(page) && compat_try_share(page))
		goto restore;

	if (pte_dirty(old))
		folio_mark_dirty(folio);
	if (shared) {
		get_page(shared);
		compat_rmap_add(shared, vma, addr);
		new = mk_pte(shared, vma->vm_page_prot);
		if (pte_soft_dirty(old))
			new = pte_mksoft_dirty(new);
	} else {
		/* No dirty bit: later kernels take it for the mark of their own KSM. */
		new = pte_mkspecial(pfn_pte(page_to_pfn(ZERO_PAGE(addr)), vma->vm_page_prot));
		if (pte_soft_dirty(old))
			new = pte_mksoft_dirty(new);
		dec_mm_counter(vma->vm_mm, MM_ANONPAGES);
	}
	set_pte_at(vma->vm_mm, addr, ptep, new);

	compat_rmap_remove(page, vma);
	if (!compat_mapcount(page))
		folio_free_swap(folio);
	folio_put(folio);
	return PSHARE_MERGE_DONE;

restore:
	set_pte_at(vma->vm_mm, addr, ptep, old);
	return result;
}

/*
 * Does the entry still map @page, in a way that allows merging?  An entry that
 * NUMA balancing has made inaccessible does: the mapping may be read, and whoever
 * touches the page next finds the shared one.
 */
static bool still_maps(pte_t pte, struct page *page)
{
	return pte_present(pte) && !pte_special(pte) && pte_page(pte) == page &&
	       folio_test_anon(page_folio(page)) && !folio_test_ksm(page_folio(page));
}

/* Replace @page, locked and no part of a huge page, at @addr. */
static enum pshare_merge_result replace_page(struct vm_area_struct *vma, unsigned long addr,
					     struct page *page, struct page *shared)
{
	enum pshare_merge_result result = PSHARE_MERGE_GONE;
	struct mmu_notifier_range range;
	spinlock_t *ptl;
	pte_t *ptep;
	pmd_t *pmd;

	compat_range_init(&range, vma, addr, addr + PAGE_SIZE);
	mmu_notifier_invalidate_range_start(&range);

	pmd = pshare_walk_table(vma->vm_mm, addr);
	ptep = pmd ? compat_pte_lock(vma->vm_mm, pmd, addr, &ptl) : NULL;
	if (ptep) {
		if (still_maps(ptep_get(ptep), page))
			result = replace_pte(vma, addr, ptep, page, shared);
		compat_pte_unlock(ptep, ptl);
	}

	mmu_notifier_invalidate_range_end(&range);
	return result;
}

/**
 * pshare_merge_map() - replace a page by a shared page of the same content
 * @merge: what to replace
 * @shared: a page of pshare_merge_copy(), or NULL for the zero page
 *
 * Nothing changes unless the contents are the same at the moment of the
 * exchange, except that a huge page may have been split.
 *
 * Context: process, may sleep; takes mmap_lock for reading.
 * Return: PSHARE_MERGE_DONE, or why not.
 */
enum pshare_merge_result pshare_merge_map(struct pshare_merge *merge, struct page *shared)
{
	enum pshare_merge_result result = PSHARE_MERGE_GONE;
	struct vm_area_struct *vma;
	enum pshare_found found;
	struct page *page;

	merge->split = false;
	bitmap_zero(merge->zeros, HPAGE_PMD_NR);
	if (!pshare_walk_lock(merge->mm, PSHARE_LOCK_HASTY))
		return PSHARE_MERGE_BUSY;
	vma = pshare_walk_vma(merge->mm, merge->addr);
	/* The OOM reaper may be at work on the address space of a victim. */
	if (!vma || check_stable_address_space(merge->mm))
		goto unlock_mm;
	found = pshare_walk_one(vma, merge->addr, &page);
	if (found == PSHARE_FOUND_ZERO)
		result = PSHARE_MERGE_ZEROED;
	else if (found == PSHARE_FOUND_PINNED)
		result = PSHARE_MERGE_PINNED;
	if (found != PSHARE_FOUND_ANON)
		goto unlock_mm;

	result = PSHARE_MERGE_DIFFERS;
	if (!same_content(page, shared))
		goto put;
	result = PSHARE_MERGE_LOCKED;
	if (!folio_trylock(page_folio(page)))
		goto put;
	result = split(merge, page);
	if (result == PSHARE_MERGE_DONE)
		result = replace_page(vma, merge->addr, page, shared);
	folio_unlock(page_folio(page));
put:
	put_page(page);
unlock_mm:
	mmap_read_unlock(merge->mm);
	return result;
}

/* A shared page without content, from @node if possible, charged to the memory cgroup of @mm. */
static struct page *alloc_shared(struct mm_struct *mm, int node)
{
	struct page *page = alloc_pages_node(node, GFP_HIGHUSER | GFP_QUIET, 0);
	struct folio *folio;

	if (!page)
		return NULL;
	folio = page_folio(page);
	/* Pages that nobody is charged for would be a way round memory.max. */
	if (mem_cgroup_charge(folio, mm, GFP_KERNEL | GFP_QUIET)) {
		folio_put(folio);
		return NULL;
	}
	folio->index = 0;
	/* See sharers.h. */
	folio->private = NULL;
	folio->mapping = PSHARE_MAPPING_KSM;
	__folio_set_swapbacked(folio);
	folio_mark_uptodate(folio);
	/* MADV_FREE and its like never take it for clean. */
	folio_set_dirty(folio);
	__folio_set_locked(folio);
	return folio_page(folio, 0);
}

/**
 * pshare_merge_copy() - make a shared page out of what is at an address
 * @mm: address space, with a reference on its users; its memory cgroup is charged
 * @addr: address of the page
 * @copy: set to the shared page, which nothing maps yet; to be freed by
 *	  pshare_merge_free()
 *
 * The content is as of now.  The page at @addr may change at any time.  The copy is on its
 * node, as one of those who share it had it there, and not where the scanner runs.
 *
 * Context: process, may sleep; takes mmap_lock for reading.
 * Return: PSHARE_MERGE_DONE, PSHARE_MERGE_GONE, PSHARE_MERGE_BUSY or
 * PSHARE_MERGE_NOMEM.
 */
enum pshare_merge_result pshare_merge_copy(struct mm_struct *mm, unsigned long addr,
					   struct page **copy)
{
	enum pshare_found found = PSHARE_FOUND_NONE;
	struct vm_area_struct *vma;
	struct page *page, *shared;

	if (!pshare_walk_lock(mm, PSHARE_LOCK_HASTY))
		return PSHARE_MERGE_BUSY;
	vma = pshare_walk_vma(mm, addr);
	if (vma)
		found = pshare_walk_one(vma, addr, &page);
	mmap_read_unlock(mm);
	if (found != PSHARE_FOUND_ANON)
		return PSHARE_MERGE_GONE;
	shared = alloc_shared(mm, page_to_nid(page));
	if (!shared) {
		put_page(page);
		return PSHARE_MERGE_NOMEM;
	}
	if (PageHWPoison(page)) {
		put_page(page);
		pshare_merge_free(shared);
		return PSHARE_MERGE_GONE;
	}
	copy_highpage(shared, page);
	put_page(page);
	*copy = shared;
	return PSHARE_MERGE_DONE;
}

/**
 * pshare_merge_free() - let a shared page go
 * @shared: a page of pshare_merge_copy() that nothing maps (any more)
 *
 * Who still holds a reference, a pipe for example, keeps the page alive.
 */
void pshare_merge_free(struct page *shared)
{
	set_page_private(shared, 0);
	unlock_page(shared);
	put_page(shared);
}

/**
 * pshare_merge_sharers() - how many entries map a shared page?
 * @shared: the page
 *
 * Only pshare_merge_map() and fork(2) of a sharer add entries, so while the scan
 * mutex is held, none means none for good.
 *
 * Return: the number, of all processes, registered or not.
 */
int pshare_merge_sharers(struct page *shared)
{
	return compat_mapcount(shared);
}

/**
 * pshare_merge_full() - must no further entry map a shared page?
 * @shared: the page
 *
 * Return: true when it has as many sharers as it may have, or more after fork(2), or is
 * poisoned.
 */
bool pshare_merge_full(struct page *shared)
{
	/* A count that has overflowed is full, too. */
	return PageHWPoison(shared) || (unsigned int)compat_mapcount(shared) >= MAX_SHARERS;
}

/*
 * Can @addr have a page more without anybody being killed for it?  Take one by the
 * policy of the mapping, charge it, and give it back for the fault to find.
 */
static bool memory_left(struct vm_area_struct *vma, unsigned long addr,
			enum pshare_spare spare)
{
	gfp_t gfp = GFP_KERNEL | (spare == PSHARE_SPARE_NOTHING ? GFP_HARD : GFP_QUIET);
	struct folio *folio;
	bool left;

	if (spare == PSHARE_SPARE_RESERVE &&
	    si_mem_available() < (long)(totalram_pages() / 64))
		return false;
	folio = compat_alloc_for(vma, addr, gfp | __GFP_HARDWALL | __GFP_HIGHMEM |
				 __GFP_MOVABLE);
	if (!folio)
		return false;
	/* What a tenant's limit keeps out, nobody shall wait for. */
	if (spare == PSHARE_SPARE_EXCHANGE)
		gfp &= ~__GFP_DIRECT_RECLAIM;
	left = !mem_cgroup_charge(folio, vma->vm_mm, gfp);
	folio_put(folio);
	return left;
}

/* One fault that unshares; else what pshare_merge_unshare() returns. */
static int fault_unshare(struct vm_area_struct *vma, unsigned long addr, enum pshare_spare spare,
			 bool last)
{
	unsigned int noreclaim, flags = FAULT_FLAG_REMOTE;
	vm_fault_t fault;

	switch (pshare_walk_one(vma, addr, NULL)) {
	case PSHARE_FOUND_SHARED:
		if (last)
			return 1;
		fallthrough;
	case PSHARE_FOUND_LAST:
		flags |= FAULT_FLAG_UNSHARE;
		break;
	case PSHARE_FOUND_ZERO:
		/*
		 * FAULT_FLAG_UNSHARE leaves the zero page alone, and a write that
		 * userfaultfd waits for is not ours to make.
		 */
		if (!(vma->vm_flags & VM_WRITE) || userfaultfd_armed(vma))
			return 2;
		flags |= FAULT_FLAG_WRITE;
		break;
	default:
		return 1;
	}
	if (!memory_left(vma, addr, spare))
		return -ENOMEM;
	/*
	 * Somebody may be quicker to take the page that is left.  A fault cannot be
	 * told to fail then rather than to call the OOM killer, but it can be let at
	 * the kernel's reserve: for this one page.
	 */
	noreclaim = memalloc_noreclaim_save();
	fault = handle_mm_fault(vma, addr, flags, NULL);
	memalloc_noreclaim_restore(noreclaim);
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	return fault & VM_FAULT_ERROR ? -EFAULT : 0;
}

/**
 * pshare_merge_unshare() - give a page of a process its own copy
 * @mm: address space, with a reference on its users
 * @addr: address of the page
 * @tries: how often to try for mmap_lock, a millisecond apart
 * @spare: what memory it may take
 * @last: only if nobody else maps it: then it saves nothing
 *
 * Context: process, may sleep; takes mmap_lock for reading.
 * Return: 0 if it was done; 1 if neither such a shared page nor the zero page is there (any
 * more); 2 if it is the zero page and may not be written to, so it stays; -ENOMEM when
 * memory is about to run out, -EBUSY when mmap_lock was not to be had, -EFAULT when the
 * fault failed otherwise.
 */
int pshare_merge_unshare(struct mm_struct *mm, unsigned long addr, unsigned int tries,
			 enum pshare_spare spare, bool last)
{
	struct vm_area_struct *vma;
	int i, err = 0;
	bool done = false;

	if (!pshare_walk_lock(mm, tries))
		return -EBUSY;
	vma = vma_lookup(mm, addr);
	if (!vma || !vma_is_anonymous(vma))
		err = 1;
	/*
	 * A fault may have to be repeated: look until nothing is left to do.  The mapping
	 * stays: a fault that was not told that it may drops no lock.
	 */
	for (i = 0; !err && i < MAX_UNSHARE_TRIES; i++) {
		err = fault_unshare(vma, addr, spare, last);
		done |= !err;
	}
	mmap_read_unlock(mm);
	if (err > 0)
		return done ? 0 : err;
	return err ?: -EBUSY;
}
