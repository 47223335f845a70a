// SPDX-License-Identifier: GPL-2.0
/*
 * What is at this address?  A walk of page tables that only reads.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/userfaultfd_k.h>

#include "compat/compat.h"
#include "hash.h"
#include "ledger.h"
#include "sharers.h"
#include "walk.h"

/**
 * DOC: walk
 *
 * The scanner must not hold mmap_lock while it hashes, so the walk gathers a
 * batch: some pages with a reference each, and everything between them in a few
 * words.  Holes are skipped at the level of the page tables at which they are
 * seen.  One call looks at a bounded number of entries, whatever it finds.
 *
 * Most pages are settled on the spot: a sample of some cache lines tells that they are
 * what they were, and like no other.  That is quick enough to be done under the lock of
 * the page table, so it costs no reference, and many such pages are one item.
 */

/* Bytes of address space that one call goes over at most, if there may be something. */
#define MAX_SPAN	(64UL << 30)

/* Mappings, holes and entries of page tables that one hold of mmap_lock may look at. */
#define MAX_STEPS	2048

/**
 * pshare_walk_lock() - take mmap_lock for reading, but do not wait for ever
 * @mm: address space, with a reference on its users
 * @tries: how often to try, a millisecond apart
 *
 * A task may hold the lock for as long as it sleeps in the kernel.  The module
 * must stay stoppable, so it gives up after a while.
 *
 * Context: process, may sleep.
 * Return: true when the lock is held.
 */
bool pshare_walk_lock(struct mm_struct *mm, unsigned int tries)
{
	might_sleep();
	while (!mmap_read_trylock(mm)) {
		if (!--tries)
			return false;
		usleep_range(500, 1500);
	}
	return true;
}

/* Memory whose entries are looked at in one hold of a page table's lock: a fault waits for it. */
#define TABLE_HOLD	(64 * PAGE_SIZE)

/* Entries ahead of the one at hand whose memory is called for, so that misses overlap. */
#define AHEAD		6

/* May pages of this mapping be merged?  PSHARE_FOUND_ANON if so, else why not. */
static enum pshare_found classify_vma(struct vm_area_struct *vma)
{
	const unsigned long never = VM_PFNMAP | VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_LOCKED |
				    PSHARE_VM_DROPPABLE | PSHARE_VM_SHADOW_STACK;

	if (vma->vm_flags & VM_HUGETLB)
		return PSHARE_FOUND_HUGETLB;
	if (!vma_is_anonymous(vma) || (vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return PSHARE_FOUND_MAPPED;
	/* Without an anon_vma no page was ever touched. */
	if (!vma->anon_vma)
		return PSHARE_FOUND_NONE;
	if ((vma->vm_flags & never) || userfaultfd_armed(vma))
		return PSHARE_FOUND_OTHER;
	/* Without VM_READ, vm_page_prot makes entries that are not present. */
	return vma->vm_flags & VM_READ ? PSHARE_FOUND_ANON : PSHARE_FOUND_OTHER;
}

static enum pshare_found classify_page(struct page *page)
{
	struct folio *folio = page_folio(page);

	/* Who reads poisoned memory in the kernel brings the host down. */
	if (!folio_test_anon(folio) || PageHWPoison(page))
		return PSHARE_FOUND_UNFIT;
	if (folio_test_ksm(folio)) {
		/* Mainline's have a stable node behind the flag, ours have none. */
		if (folio->mapping != PSHARE_MAPPING_KSM || folio_test_swapcache(folio))
			return PSHARE_FOUND_UNFIT;
		/* For a moment mainline's have none either, but ours are locked, and on no LRU. */
		if (!folio_test_locked(folio) || folio_test_lru(folio))
			return PSHARE_FOUND_UNFIT;
		return compat_mapcount(page) == 1 ? PSHARE_FOUND_LAST : PSHARE_FOUND_SHARED;
	}
	if (is_zone_device_page(page))
		return PSHARE_FOUND_UNFIT;
	/* Others that hold a reference are noticed when it is merged. */
	return folio_maybe_dma_pinned(folio) ? PSHARE_FOUND_PINNED : PSHARE_FOUND_ANON;
}

static enum pshare_found classify_pte(pte_t pte, struct page **page)
{
	if (pte_none(pte))
		return PSHARE_FOUND_NONE;
	if (!pte_present(pte))
		return compat_pte_swapped(pte) ? PSHARE_FOUND_SWAPPED :
		       compat_pte_poisoned(pte) ? PSHARE_FOUND_UNFIT : PSHARE_FOUND_BUSY;
	if (compat_pte_special(pte))
		return pte_pfn(pte) == page_to_pfn(ZERO_PAGE(0)) ? PSHARE_FOUND_ZERO :
								   PSHARE_FOUND_UNFIT;
	if (!pfn_valid(pte_pfn(pte)))
		return PSHARE_FOUND_UNFIT;
	*page = pte_page(pte);
	return classify_page(*page);
}

/*
 * Anonymous page at @addr of a huge entry.  The huge zero page is no memory of
 * this process.
 */
static enum pshare_found classify_huge(pmd_t pmd, unsigned long addr, struct page **page)
{
	struct page *head;

	if (!pmd_present(pmd))
		return PSHARE_FOUND_BUSY;
	if (!pfn_valid(pmd_pfn(pmd)))
		return PSHARE_FOUND_UNFIT;
	head = pfn_to_page(pmd_pfn(pmd));
	if (is_zone_device_page(head))
		return PSHARE_FOUND_UNFIT;
	if (!folio_test_anon(page_folio(head)))
		return PSHARE_FOUND_NONE;
	if (folio_maybe_dma_pinned(page_folio(head)))
		return PSHARE_FOUND_PINNED;
	*page = head + ((addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT);
	return PageHWPoison(*page) ? PSHARE_FOUND_UNFIT : PSHARE_FOUND_ANON;
}

/* Entry of the page middle directory for @addr, or NULL; then *@next is behind the hole. */
static pmd_t *find_pmd(struct mm_struct *mm, unsigned long addr, unsigned long end,
		       unsigned long *next)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	*next = pgd_addr_end(addr, end);
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	*next = p4d_addr_end(addr, end);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	*next = pud_addr_end(addr, end);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	*next = pmd_addr_end(addr, end);
	return pmd_offset(pud, addr);
}

/**
 * pshare_walk_table() - entry that points to the page table of an address
 * @mm: address space, locked for reading
 * @addr: where
 *
 * Return: the entry, or NULL when there is no table: a hole or a huge page.
 */
pmd_t *pshare_walk_table(struct mm_struct *mm, unsigned long addr)
{
	unsigned long next;
	pmd_t *pmd, pmde;

	mmap_assert_locked(mm);
	pmd = find_pmd(mm, addr, addr + PAGE_SIZE, &next);
	pmde = pmd ? READ_ONCE(*pmd) : __pmd(0);
	return pmd_present(pmde) && !pmd_trans_huge(pmde) ? pmd : NULL;
}

/**
 * pshare_walk_vma() - mapping at an address, if its pages may be merged
 * @mm: address space, locked for reading
 * @addr: where
 *
 * Return: the mapping, or NULL.
 */
struct vm_area_struct *pshare_walk_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);
	vma = vma_lookup(mm, addr);
	return vma && classify_vma(vma) == PSHARE_FOUND_ANON ? vma : NULL;
}

/**
 * pshare_walk_one() - look at one address
 * @vma: a mapping of anonymous memory that holds @addr; its address space is
 *	 locked for reading
 * @addr: where
 * @page: set to the page, with a reference, for PSHARE_FOUND_ANON; may be NULL:
 *	  then no reference is taken
 *
 * Return: what is there.
 */
enum pshare_found pshare_walk_one(struct vm_area_struct *vma, unsigned long addr,
				  struct page **page)
{
	struct mm_struct *mm = vma->vm_mm;
	struct page *seen = NULL;
	enum pshare_found found;
	unsigned long next;
	spinlock_t *ptl;
	pmd_t *pmd, pmde;
	pte_t *pte;

	mmap_assert_locked(mm);
	pmd = find_pmd(mm, addr, addr + PAGE_SIZE, &next);
	pmde = pmd ? READ_ONCE(*pmd) : __pmd(0);
	if (pmd_none(pmde))
		return PSHARE_FOUND_NONE;
	if (!pmd_present(pmde))
		return PSHARE_FOUND_BUSY;
	if (pmd_trans_huge(pmde)) {
		ptl = pmd_lock(mm, pmd);
		found = pmd_trans_huge(*pmd) ? classify_huge(*pmd, addr, &seen) :
					       PSHARE_FOUND_BUSY;
		if (found == PSHARE_FOUND_ANON && page)
			get_page(seen);
		spin_unlock(ptl);
	} else {
		pte = compat_pte_lock(mm, pmd, addr, &ptl);
		if (!pte)
			return PSHARE_FOUND_BUSY;
		found = classify_pte(ptep_get(pte), &seen);
		if (found == PSHARE_FOUND_ANON && page)
			get_page(seen);
		compat_pte_unlock(pte, ptl);
	}
	if (found == PSHARE_FOUND_ANON && page)
		*page = seen;
	return found;
}

/**
 * pshare_walk_zeros() - where in 2 MiB is the zero page mapped?
 * @mm: address space, locked for reading
 * @addr: an address in these 2 MiB
 * @zeros: bitmap of HPAGE_PMD_NR, filled: pages that single entries map to the zero
 *	   page, in whatever mapping: mprotect(2) may have made several of a huge page's
 */
void pshare_walk_zeros(struct mm_struct *mm, unsigned long addr, unsigned long *zeros)
{
	pmd_t *pmd = pshare_walk_table(mm, addr);
	struct page *unused;
	unsigned int place;
	spinlock_t *ptl;
	pte_t *pte;

	bitmap_zero(zeros, HPAGE_PMD_NR);
	pte = pmd ? compat_pte_lock(mm, pmd, addr & HPAGE_PMD_MASK, &ptl) : NULL;
	if (!pte)
		return;
	for (place = 0; place < HPAGE_PMD_NR; place++)
		if (classify_pte(ptep_get(pte + place), &unused) == PSHARE_FOUND_ZERO)
			__set_bit(place, zeros);
	compat_pte_unlock(pte, ptl);
}

/*
 * Add @nr pages from @addr to the batch, as part of the last item if they are
 * the same; a reference on @page, if there is one, is taken.  False when the
 * batch is full.
 */
static bool add_item(struct pshare_batch *batch, unsigned long addr, unsigned long nr,
		     enum pshare_found found, struct page *page, bool huge)
{
	struct pshare_item *last = batch->nr ? &batch->item[batch->nr - 1] : NULL;

	if (last && last->found == found && last->huge == huge && !page && !last->page &&
	    found != PSHARE_FOUND_LAST) {
		last->nr += nr;
		return true;
	}
	if (batch->nr == PSHARE_BATCH_SIZE)
		return false;
	if (page)
		get_page(page);
	batch->item[batch->nr++] = (struct pshare_item) {
		.addr = addr,
		.nr = nr,
		.found = found,
		.huge = huge,
		.page = page,
	};
	return true;
}

/* What is to be done with an anonymous page, by its sample; *@page is set to NULL if little. */
static enum pshare_found sift(const struct pshare_batch *batch, enum pshare_seen seen,
			      struct page **page)
{
	switch (seen) {
	case PSHARE_SEEN_NEW:
		*page = NULL;
		return PSHARE_FOUND_NEW;
	case PSHARE_SEEN_CHANGED:
		*page = NULL;
		return PSHARE_FOUND_CHANGED;
	case PSHARE_SEEN_UNLIKE:
		if (!batch->unlike)
			*page = NULL;
		return PSHARE_FOUND_UNLIKE;
	default:
		return PSHARE_FOUND_ANON;
	}
}

/*
 * Add an anonymous page.  False when the batch is full, or can go no further: with a
 * ledger it ends where that has no block, for none can be made under a spinlock.
 */
static bool add_anon(struct pshare_batch *batch, struct pshare_block *block,
		     unsigned long addr, struct page *page, bool huge)
{
	enum pshare_found found = PSHARE_FOUND_ANON;
	enum pshare_seen seen = PSHARE_SEEN_ALIKE;
	struct pshare_item *item;
	u32 sample = 0;

	if (batch->all)
		return add_item(batch, addr, 1, found, NULL, huge);
	if (batch->ledger) {
		batch->blockless = !block;
		/* What is noted in the ledger must find its place in the batch. */
		if (!block || !batch->room || batch->nr == PSHARE_BATCH_SIZE)
			return false;
		batch->room--;
		sample = pshare_hash_sample(page);
		seen = pshare_ledger_see(block, pshare_ledger_place(addr), sample);
		found = sift(batch, seen, &page);
	}
	if (!add_item(batch, addr, 1, found, page, huge))
		return false;
	item = &batch->item[batch->nr - 1];
	item->sample = sample;
	item->broken = seen == PSHARE_SEEN_BROKEN;
	return true;
}

/*
 * An entry is going to be looked at: what it maps should be there by then.  Inlined for the
 * same reason as pshare_hash_prefetch().
 */
static __always_inline void look_ahead(const struct pshare_block *block, pte_t pte,
				       unsigned long addr)
{
	struct page *page;

	if (!pte_present(pte) || pte_special(pte))
		return;
	page = pfn_to_page(pte_pfn(pte));
	prefetch(page);
	if (!block || pshare_ledger_samples(block, pshare_ledger_place(addr)))
		pshare_hash_prefetch_sample(page);
}

static struct pshare_block *find_block(struct pshare_batch *batch, unsigned long addr)
{
	/* Others may look at other blocks: see crew.c. */
	return batch->ledger && !batch->all ? pshare_ledger_look(batch->ledger, addr) : NULL;
}

/*
 * A page of the module's is mapped: note what only its visit is told, and who else maps it.
 * False when the batch can go no further.
 */
static bool look_at_shared(struct pshare_batch *batch, struct pshare_block *block,
			   unsigned long addr, struct page *page, enum pshare_found *found)
{
	unsigned int place = pshare_ledger_place(addr);

	/*
	 * It came by fork(2) or mremap(2), and not by a merge.  Others that are like it must
	 * learn of it.
	 */
	if (block && (!block->fingerprint[place] || pshare_ledger_samples(block, place))) {
		if (!batch->room)
			return false;
		batch->room--;
		pshare_ledger_note(block, place, pshare_hash_sample(page));
		batch->noted = true;
	}
	if (batch->vm && !batch->all && pshare_sharers_note(page, batch->vm, batch->pass))
		*found = PSHARE_FOUND_OTHERS;
	return true;
}

/* Gather small pages of [addr, end), which lie in one page table: not more than so many. */
static unsigned long gather_ptes(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr,
				 unsigned long end, struct pshare_batch *batch)
{
	struct pshare_block *block = find_block(batch, addr);
	const unsigned long ahead = AHEAD * PAGE_SIZE, until = min(end, addr + TABLE_HOLD);
	pte_t *start_pte, *pte;
	spinlock_t *ptl;

	start_pte = compat_pte_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!start_pte)
		return add_item(batch, addr, (end - addr) >> PAGE_SHIFT, PSHARE_FOUND_BUSY,
				NULL, false) ? end : addr;
	for (pte = start_pte; addr < until; pte++, addr += PAGE_SIZE) {
		struct page *page = NULL;
		enum pshare_found found;
		bool added;

		if (block && end - addr > ahead)
			look_ahead(block, ptep_get(pte + AHEAD), addr + ahead);
		found = classify_pte(ptep_get(pte), &page);
		if (found == PSHARE_FOUND_SHARED &&
		    !look_at_shared(batch, block, addr, page, &found))
			break;
		if (found == PSHARE_FOUND_ANON)
			added = add_anon(batch, block, addr, page, false);
		else
			added = add_item(batch, addr, 1, found, NULL, false);
		if (!added)
			break;
	}
	compat_pte_unlock(start_pte, ptl);
	return addr;
}

/*
 * Gather the pages of a huge page in [addr, end), which lies in one entry.  One lock is for
 * all entries of a GiB, and others want it: samples are taken with a reference instead.
 */
static unsigned long gather_huge(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr,
				 unsigned long end, struct pshare_batch *batch)
{
	struct pshare_block *block = find_block(batch, addr);
	spinlock_t *ptl = pmd_lock(vma->vm_mm, pmd);
	struct page *first = NULL, *page;
	enum pshare_found found;
	bool each;

	found = pmd_trans_huge(*pmd) ? classify_huge(*pmd, addr, &first) : PSHARE_FOUND_BUSY;
	each = first && !batch->all;
	if (each)
		get_page(first);
	spin_unlock(ptl);
	if (!each)
		return add_item(batch, addr, (end - addr) >> PAGE_SHIFT, found, NULL, true) ?
		       end : addr;
	for (page = first; addr < end; addr += PAGE_SIZE, page++) {
		if (block && end - addr > AHEAD * PAGE_SIZE)
			pshare_hash_prefetch_sample(page + AHEAD);
		/* Poison is marked page by page. */
		if (PageHWPoison(page) ?
		    !add_item(batch, addr, 1, PSHARE_FOUND_UNFIT, NULL, true) :
		    !add_anon(batch, block, addr, page, true))
			break;
	}
	put_page(first);
	return addr;
}

/*
 * Gather what one entry of the page middle directory, or a hole, has in
 * [addr, end).  Adds to *@steps what was looked at beside the entry itself.
 */
static unsigned long gather_pmd(struct vm_area_struct *vma, unsigned long addr,
				unsigned long end, struct pshare_batch *batch,
				unsigned int *steps)
{
	unsigned long next;
	pmd_t *pmd, pmde;

	pmd = find_pmd(vma->vm_mm, addr, end, &next);
	pmde = pmd ? READ_ONCE(*pmd) : __pmd(0);
	if (pmd_present(pmde) && pmd_trans_huge(pmde))
		return gather_huge(vma, pmd, addr, next, batch);
	if (pmd_present(pmde)) {
		*steps += min(next - addr, TABLE_HOLD) >> PAGE_SHIFT;
		return gather_ptes(vma, pmd, addr, next, batch);
	}
	if (!add_item(batch, addr, (next - addr) >> PAGE_SHIFT,
		      pmd_none(pmde) ? PSHARE_FOUND_NONE : PSHARE_FOUND_BUSY, NULL, false))
		return addr;
	return next;
}

/*
 * Where to go on in a hole that ends at @hole, if no more than up to @end is to be looked
 * at.  Nothing takes no time, however much of it there is: with page tables of five levels that
 * is nearly all.  But where memory was there are blocks, to be dropped by and by.
 */
static unsigned long leave_hole(const struct pshare_batch *batch, unsigned long hole,
				unsigned long end)
{
	if (hole <= end || (batch->ledger && pshare_ledger_any(batch->ledger, end, hole)))
		return min(hole, end);
	return hole;
}

/**
 * pshare_walk_gather() - look at a stretch of an address space
 * @mm: address space, with a reference on its users
 * @addr: in: where to begin; out: where to go on, @end or more when all was seen
 * @end: where to end
 * @batch: filled; its pages hold a reference, to be dropped by pshare_batch_put_pages()
 *
 * Takes mmap_lock once, for a bounded time.  What a ledger is told of pages that are found
 * new or changed holds if they are then put into their class; see pshare_ledger_unsee().
 *
 * Context: process, may sleep.
 * Return: false when mmap_lock was not to be had; then @batch is empty and
 * @addr has not moved.
 */
bool pshare_walk_gather(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			struct pshare_batch *batch)
{
	unsigned long at = *addr, all = end, next;
	struct vm_area_struct *vma;
	unsigned int steps;

	batch->nr = 0;
	batch->noted = false;
	batch->blockless = false;
	if (end - at > MAX_SPAN)
		end = at + MAX_SPAN;
	if (!pshare_walk_lock(mm, batch->hasty ? PSHARE_LOCK_HASTY : PSHARE_LOCK_PATIENT))
		return false;
	for (steps = 0; at < end && steps < MAX_STEPS; steps++) {
		enum pshare_found found;

		vma = find_vma(mm, at);
		if (!vma || vma->vm_start > at) {
			found = PSHARE_FOUND_NONE;
			next = leave_hole(batch, vma ? min(vma->vm_start, all) : all, end);
		} else {
			found = classify_vma(vma);
			if (batch->all && vma_is_anonymous(vma) && vma->anon_vma)
				found = PSHARE_FOUND_ANON;
			next = min(vma->vm_end, end);
		}
		if (found == PSHARE_FOUND_ANON)
			next = gather_pmd(vma, at, next, batch, &steps);
		else if (!add_item(batch, at, (next - at) >> PAGE_SHIFT, found, NULL, false))
			next = at;
		if (next == at)
			break;
		/* What wanted a block may be gone by now; if not, it says so once more. */
		batch->blockless = false;
		at = next;
	}
	mmap_read_unlock(mm);
	*addr = at;
	return true;
}
