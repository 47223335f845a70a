// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a page: left alone, merged with a twin, or noted for later.
 */
#include <linux/lockdep.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/xxhash.h>

#include "hugepage.h"
#include "region.h"
#include "share.h"
#include "trace.h"

/**
 * DOC: sharing
 *
 * A page that is visited takes the first of these ways that is open to it:
 *
 * 1. Its content is not what it was at the last visit, or there was none: note
 *    a fingerprint of it, and leave it alone.  Merging it would cost a copy soon.
 * 2. It is all zero: the zero page takes its place.
 * 3. A shared page of its group has the same hash: join it, if the bytes agree.
 * 4. A candidate has the same hash: make a shared page, let this page join it,
 *    then the candidate.
 * 5. Nobody has the same hash: it becomes a candidate itself.
 *
 * Candidates are hints.  They are forgotten at the start of each pass, and what
 * a candidate holds is copied and hashed again before anybody joins it.
 *
 * The hash has a random seed, so that nobody can prepare pages that collide.
 */

struct pshare_stats pshare_stats;

static u64 seed;
static u64 zero_hash;

/**
 * pshare_share_hash() - hash of a page's content
 * @page: the page, with a reference; it may change meanwhile
 *
 * Context: any.
 * Return: xxh64, seeded anew each time the module is loaded.
 */
u64 pshare_share_hash(struct page *page)
{
	void *content = kmap_local_page(page);
	u64 hash = xxh64(content, PAGE_SIZE, seed);

	kunmap_local(content);
	return hash;
}

/**
 * pshare_share_init() - choose the seed of the hash
 *
 * Context: once, before any other function of this room.
 */
void pshare_share_init(void)
{
	seed = get_random_u64();
	zero_hash = pshare_share_hash(ZERO_PAGE(0));
}

/* The part of a hash that the ledger keeps; never 0, which means 'none'. */
static u32 fingerprint(u64 hash)
{
	return upper_32_bits(hash) ?: 1;
}

static void set_class(struct pshare_region *region, unsigned long addr,
		      enum pshare_class class)
{
	/* The block exists: the fingerprint is in it.  So this cannot fail. */
	pshare_ledger_set(&region->ledger, addr, 1, class);
}

/* Merge the page at @addr into @shared, NULL for the zero page, and keep the books. */
static enum pshare_merge_result join(struct pshare_region *region, struct mm_struct *mm,
				     unsigned long addr, struct page *shared)
{
	struct pshare_merge merge = {
		.mm = mm,
		.addr = addr,
		.may_split = pshare_hugepage_may_split(region, addr),
	};
	enum pshare_merge_result result = pshare_merge_map(&merge, shared);

	pshare_count(pshare_stats.results[result], 1);
	if (merge.split) {
		pshare_count(pshare_stats.splits, 1);
		pshare_count(region->splits, 1);
		trace_pshare_split(region->id, region->pid, addr);
	}
	if (result == PSHARE_MERGE_DONE) {
		set_class(region, addr, shared ? PSHARE_MERGED : PSHARE_ZERO);
		trace_pshare_merge(region->id, region->pid, addr,
				   shared ? page_to_pfn(shared) : 0);
	} else {
		pshare_count(region->refused, 1);
		trace_pshare_refuse(region->id, region->pid, addr, result);
	}
	return result;
}

/* Class of a page whose merge was refused. */
static enum pshare_class refused_class(enum pshare_merge_result result)
{
	switch (result) {
	case PSHARE_MERGE_DIFFERS:
	case PSHARE_MERGE_RACED:
	case PSHARE_MERGE_GONE:
		return PSHARE_VOLATILE;
	case PSHARE_MERGE_PINNED:
		return PSHARE_INELIGIBLE_PINNED;
	default:
		return PSHARE_DUPLICATE;
	}
}

/* Way 3.  PSHARE_MERGE_DIFFERS when there is no shared page of this content. */
static enum pshare_merge_result join_shared(struct pshare_region *region,
					    struct mm_struct *mm, unsigned long addr, u64 hash)
{
	enum pshare_merge_result result = PSHARE_MERGE_DIFFERS;
	struct pshare_node *node;

	for (node = pshare_index_find(&region->group->index, PSHARE_TREE_SHARED, hash);
	     node && result == PSHARE_MERGE_DIFFERS; node = pshare_index_next_equal(node))
		if (!pshare_merge_full(node->page))
			result = join(region, mm, addr, node->page);
	return result;
}

/* A shared page of what a candidate holds now, or NULL: then it is of no use (any more). */
static struct page *copy_candidate(struct mm_struct *mm, unsigned long addr, u64 hash,
				   enum pshare_merge_result *result)
{
	struct page *shared;

	*result = pshare_merge_copy(mm, addr, &shared);
	if (*result != PSHARE_MERGE_DONE) {
		pshare_count(pshare_stats.results[*result], 1);
		return NULL;
	}
	if (pshare_share_hash(shared) == hash)
		return shared;
	*result = PSHARE_MERGE_GONE;
	pshare_merge_free(shared);
	return NULL;
}

/*
 * Let the page at @addr, and then the candidate at @twin_addr, join a new shared
 * page.  If the candidate does not make it, the shared page has one sharer; it is
 * given back at a later visit, or finds another.
 */
static enum pshare_merge_result join_new(struct pshare_region *region, struct mm_struct *mm,
					 unsigned long addr, struct pshare_region *twin,
					 struct mm_struct *twin_mm, unsigned long twin_addr,
					 u64 hash)
{
	struct pshare_index *index = &region->group->index;
	enum pshare_merge_result result;
	struct pshare_node *node;
	struct page *shared;

	shared = copy_candidate(twin_mm, twin_addr, hash, &result);
	if (!shared)
		return result;
	/* Nothing may fail once the page is mapped: it needs its node first. */
	node = pshare_index_add(index, PSHARE_TREE_SHARED, hash);
	if (!node) {
		pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
		pshare_merge_free(shared);
		return PSHARE_MERGE_NOMEM;
	}
	node->page = shared;

	result = join(region, mm, addr, shared);
	if (result != PSHARE_MERGE_DONE) {
		pshare_index_erase(index, PSHARE_TREE_SHARED, node);
		pshare_merge_free(shared);
		return result;
	}
	pshare_count(pshare_stats.pages_shared, 1);
	join(twin, twin_mm, twin_addr, shared);
	return PSHARE_MERGE_DONE;
}

/*
 * Way 4 with one candidate.  PSHARE_MERGE_GONE when the candidate is worth
 * nothing any more, PSHARE_MERGE_DIFFERS when its bytes are not ours.
 */
static enum pshare_merge_result join_candidate(struct pshare_region *region,
					       struct mm_struct *mm, unsigned long addr,
					       const struct pshare_node *node)
{
	enum pshare_merge_result result = PSHARE_MERGE_GONE;
	struct pshare_region *twin = pshare_region_get(node->region);
	struct mm_struct *twin_mm;

	if (!twin)
		return result;
	twin_mm = twin->holds ? NULL : pshare_region_get_mm(twin);
	if (twin_mm) {
		result = join_new(region, mm, addr, twin, twin_mm, node->addr, node->hash);
		mmput_async(twin_mm);
	}
	pshare_region_put(twin);
	return result;
}

/* Ways 4 and 5. */
static enum pshare_merge_result join_candidates(struct pshare_region *region,
						struct mm_struct *mm, unsigned long addr,
						u64 hash)
{
	struct pshare_index *index = &region->group->index;
	enum pshare_merge_result result = PSHARE_MERGE_DIFFERS;
	struct pshare_node *node, *next;

	for (node = pshare_index_find(index, PSHARE_TREE_CANDIDATE, hash); node; node = next) {
		next = pshare_index_next_equal(node);
		result = join_candidate(region, mm, addr, node);
		/* Merged or stale: either way it is no candidate any more. */
		if (result == PSHARE_MERGE_DONE || result == PSHARE_MERGE_GONE)
			pshare_index_erase(index, PSHARE_TREE_CANDIDATE, node);
		if (result != PSHARE_MERGE_GONE && result != PSHARE_MERGE_DIFFERS)
			return result;
	}

	node = pshare_index_add(index, PSHARE_TREE_CANDIDATE, hash);
	if (!node)
		return PSHARE_MERGE_NOMEM;
	node->region = region->id;
	node->addr = addr;
	set_class(region, addr, PSHARE_UNIQUE);
	return PSHARE_MERGE_DONE;
}

/**
 * pshare_share_page() - decide what becomes of a page, and do it
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: address of the page
 * @hash: hash of its content, a moment ago
 * @use_zero: replace it by the zero page if it is all zero
 *
 * Context: process, may sleep; scan mutex held, no other lock.
 */
void pshare_share_page(struct pshare_region *region, struct mm_struct *mm,
		       unsigned long addr, u64 hash, bool use_zero)
{
	enum pshare_merge_result result;
	u32 last;

	lockdep_assert_held(&pshare_scan_mutex);
	if (pshare_ledger_fingerprint(&region->ledger, addr, fingerprint(hash), &last)) {
		pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
		return;
	}
	if (last != fingerprint(hash)) {
		if (last)
			pshare_count(pshare_stats.changed, 1);
		set_class(region, addr, PSHARE_VOLATILE);
		return;
	}

	if (hash == zero_hash && use_zero) {
		result = join(region, mm, addr, NULL);
	} else {
		result = join_shared(region, mm, addr, hash);
		if (result == PSHARE_MERGE_DIFFERS)
			result = join_candidates(region, mm, addr, hash);
	}
	if (result != PSHARE_MERGE_DONE)
		set_class(region, addr, refused_class(result));
}

/**
 * pshare_share_give_back() - return a shared page to the only one that maps it
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: address of the page
 *
 * A shared page can be neither swapped nor moved, so one that saves nothing is
 * worse than none.
 *
 * Context: process, may sleep; scan mutex held, no other lock.
 */
void pshare_share_give_back(struct pshare_region *region, struct mm_struct *mm,
			    unsigned long addr)
{
	lockdep_assert_held(&pshare_scan_mutex);
	if (pshare_merge_unshare(mm, addr)) {
		pshare_ledger_set(&region->ledger, addr, 1, PSHARE_MERGED);
		return;
	}
	pshare_count(pshare_stats.given_back, 1);
	pshare_ledger_set(&region->ledger, addr, 1, PSHARE_UNIQUE);
	trace_pshare_unshare(region->id, region->pid, addr);
}

/**
 * pshare_share_prune() - free the shared pages that nobody maps any more
 *
 * Context: process, may sleep; scan mutex held.
 */
void pshare_share_prune(void)
{
	struct pshare_group *group = NULL;
	struct pshare_node *node, *next;

	lockdep_assert_held(&pshare_scan_mutex);
	while ((group = pshare_group_next(group))) {
		node = pshare_index_first(&group->index, PSHARE_TREE_SHARED);
		for (; node; node = next) {
			next = pshare_index_next(node);
			if (!pshare_merge_unused(node->page))
				continue;
			pshare_merge_free(node->page);
			pshare_index_erase(&group->index, PSHARE_TREE_SHARED, node);
			pshare_count(pshare_stats.pages_shared, -1);
			cond_resched();
		}
	}
	pshare_group_drop_empty();
}

/**
 * pshare_share_abandon() - forget the shared pages that are mapped still
 *
 * They stay locked and allocated for ever.  That is safe for who maps them: they
 * are copied on write as before.  Nothing is left to clean up behind them.
 *
 * Context: process, may sleep; scan mutex held; the module is being unloaded.
 * Return: number of pages.
 */
unsigned long pshare_share_abandon(void)
{
	struct pshare_group *group = NULL;
	unsigned long pages = 0;

	lockdep_assert_held(&pshare_scan_mutex);
	while ((group = pshare_group_next(group))) {
		pages += group->index.count[PSHARE_TREE_SHARED];
		pshare_index_clear_some(&group->index, PSHARE_TREE_SHARED, ULONG_MAX);
	}
	pshare_group_drop_empty();
	return pages;
}
