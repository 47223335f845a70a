// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a page: left alone, merged with a twin, or noted for later.
 */
#include <linux/lockdep.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/xxhash.h>

#include "compat/compat.h"
#include "hugepage.h"
#include "region.h"
#include "share.h"
#include "trace.h"
#include "walk.h"

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
 * Pages of one hash and different bytes can be made on purpose, whatever the seed.
 * A visit tries no more than a few, so they can keep pages of that hash in their own
 * group from being merged, and nothing else.
 */

/* Pages of the same hash that one visit looks at. */
#define MAX_TRIES	8

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

static void count_refusal(struct pshare_region *region, unsigned long addr,
			  enum pshare_merge_result result)
{
	pshare_count(pshare_stats.results[result], 1);
	pshare_count(region->refused, 1);
	trace_pshare_refuse(region->id, region->pid, addr, result);
}

/*
 * A huge page was split.  Later kernels put the zero page where it was zero, all by
 * themselves: that came from us, so it goes into the books as if we had done it.  Not
 * so in other address spaces that map the same huge page after fork(2).
 */
static void note_split(struct pshare_region *region, const struct pshare_merge *merge)
{
	unsigned long block = merge->addr & HPAGE_PMD_MASK, addr;
	unsigned int place;

	pshare_count(pshare_stats.splits, 1);
	pshare_count(region->splits, 1);
	trace_pshare_split(region->id, region->pid, merge->addr);
	for_each_set_bit(place, merge->zeros, HPAGE_PMD_NR) {
		addr = block + place * PAGE_SIZE;
		if (addr < region->start || addr >= region->end)
			continue;
		set_class(region, addr, PSHARE_ZERO);
		pshare_count(pshare_stats.results[PSHARE_MERGE_ZEROED], 1);
	}
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

	if (merge.split)
		note_split(region, &merge);
	if (result == PSHARE_MERGE_ZEROED)
		return result;
	if (result != PSHARE_MERGE_DONE) {
		count_refusal(region, addr, result);
		return result;
	}
	pshare_count(pshare_stats.results[result], 1);
	if (shared && pshare_merge_sharers(shared) > 1)
		pshare_count(pshare_stats.pages_sharing, 1);
	set_class(region, addr, shared ? PSHARE_MERGED : PSHARE_ZERO);
	trace_pshare_merge(region->id, region->pid, addr, shared ? page_to_pfn(shared) : 0);
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

/**
 * struct search - what came of looking for a twin
 * @tries:	pages of the same hash that were looked at
 * @differed:	one of them has other bytes
 * @unready:	there was no way to one of them
 */
struct search {
	unsigned int tries;
	bool differed;
	bool unready;
};

/* Way 3.  PSHARE_MERGE_DIFFERS when there is no shared page of these bytes. */
static enum pshare_merge_result join_shared(struct pshare_region *region,
					    struct mm_struct *mm, unsigned long addr, u64 hash,
					    struct search *search)
{
	enum pshare_merge_result result = PSHARE_MERGE_DIFFERS;
	struct pshare_node *node;

	for (node = pshare_index_find(&region->group->index, PSHARE_TREE_SHARED, hash);
	     node && result == PSHARE_MERGE_DIFFERS && search->tries < MAX_TRIES;
	     node = pshare_index_next_equal(node)) {
		if (pshare_merge_full(node->page))
			continue;
		search->tries++;
		result = join(region, mm, addr, node->page);
		search->differed |= result == PSHARE_MERGE_DIFFERS;
	}
	return result;
}

/*
 * Let the page at @addr, and then the candidate, join a new shared page.  If the
 * candidate does not make it, the shared page has one sharer; it is given back at a
 * later visit, or finds another.
 *
 * *@stale is set when the candidate is not what it was, *@unready when there is no
 * way to it now; either way nothing was tried.
 */
static enum pshare_merge_result join_new(struct pshare_region *region, struct mm_struct *mm,
					 unsigned long addr, struct pshare_region *twin,
					 struct mm_struct *twin_mm,
					 const struct pshare_node *candidate, bool *stale,
					 bool *unready)
{
	struct pshare_index *index = &region->group->index;
	enum pshare_merge_result result;
	struct pshare_node *node;
	struct page *shared;

	result = pshare_merge_copy(twin_mm, candidate->addr, &shared);
	if (result != PSHARE_MERGE_DONE) {
		*stale = result == PSHARE_MERGE_GONE;
		*unready = !*stale;
		if (*unready)
			count_refusal(region, addr, result);
		return result;
	}
	*stale = pshare_share_hash(shared) != candidate->hash;
	if (*stale)
		goto free;
	/* Nothing may fail once the page is mapped: it needs its node first. */
	node = pshare_index_add(index, PSHARE_TREE_SHARED, candidate->hash);
	if (!node) {
		result = PSHARE_MERGE_NOMEM;
		count_refusal(region, addr, result);
		goto free;
	}
	node->page = shared;
	result = join(region, mm, addr, shared);
	if (result != PSHARE_MERGE_DONE) {
		pshare_index_erase(index, PSHARE_TREE_SHARED, node);
		goto free;
	}
	pshare_count(pshare_stats.pages_shared, 1);
	join(twin, twin_mm, candidate->addr, shared);
	return result;

free:
	pshare_merge_free(shared);
	return result;
}

/* Way 4 with one candidate; *@stale and *@unready as above. */
static enum pshare_merge_result join_candidate(struct pshare_region *region,
					       struct mm_struct *mm, unsigned long addr,
					       const struct pshare_node *candidate, bool *stale,
					       bool *unready)
{
	enum pshare_merge_result result = PSHARE_MERGE_GONE;
	struct pshare_region *twin = pshare_region_get(candidate->region);
	struct mm_struct *twin_mm;

	*stale = true;
	*unready = false;
	if (!twin)
		return result;
	twin_mm = twin->holds ? NULL : pshare_region_get_mm(twin);
	if (twin_mm) {
		result = join_new(region, mm, addr, twin, twin_mm, candidate, stale,
				  unready);
		mmput_async(twin_mm);
	}
	pshare_region_put(twin);
	return result;
}

/* Way 4.  PSHARE_MERGE_DIFFERS when there is no candidate, or none of these bytes. */
static enum pshare_merge_result join_candidates(struct pshare_region *region,
						struct mm_struct *mm, unsigned long addr,
						u64 hash, unsigned long max_shared,
						struct search *search)
{
	struct pshare_index *index = &region->group->index;
	struct pshare_node *node, *next;
	bool stale, unready;

	for (node = pshare_index_find(index, PSHARE_TREE_CANDIDATE, hash);
	     node && search->tries < MAX_TRIES; node = next) {
		enum pshare_merge_result result;

		if (pshare_stats.pages_shared >= max_shared) {
			count_refusal(region, addr, PSHARE_MERGE_CAPPED);
			return PSHARE_MERGE_CAPPED;
		}
		result = join_candidate(region, mm, addr, node, &stale, &unready);
		search->tries++;
		search->unready |= unready;
		next = pshare_index_next_equal(node);
		/* Merged or stale: either way it is no candidate any more. */
		if (stale || result == PSHARE_MERGE_DONE)
			pshare_index_erase(index, PSHARE_TREE_CANDIDATE, node);
		if (stale || unready)
			continue;
		if (result != PSHARE_MERGE_DIFFERS)
			return result;
		search->differed = true;
	}
	return PSHARE_MERGE_DIFFERS;
}

/* Way 5. */
static void become_candidate(struct pshare_region *region, unsigned long addr, u64 hash)
{
	struct pshare_node *node;

	node = pshare_index_add(&region->group->index, PSHARE_TREE_CANDIDATE, hash);
	if (!node) {
		/* It has no twin so far; whoever is one finds it at a later pass. */
		pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
		return;
	}
	node->region = region->id;
	node->addr = addr;
}

/**
 * pshare_share_page() - decide what becomes of a page, and do it
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: address of the page
 * @hash: hash of its content, a moment ago
 * @rules: what the administrator allows
 *
 * Context: process, may sleep; scan mutex held, no other lock.
 * Return: false when @mm is locked by somebody else: try again.
 */
bool pshare_share_page(struct pshare_region *region, struct mm_struct *mm,
		       unsigned long addr, u64 hash, const struct pshare_rules *rules)
{
	enum pshare_merge_result result;
	struct search search = {};
	u32 last;

	lockdep_assert_held(&pshare_scan_mutex);
	if (pshare_ledger_fingerprint(&region->ledger, addr, fingerprint(hash), &last)) {
		pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
		return true;
	}
	if (last != fingerprint(hash)) {
		if (last)
			pshare_count(pshare_stats.changed, 1);
		set_class(region, addr, PSHARE_VOLATILE);
		return true;
	}

	if (hash == zero_hash && rules->use_zero) {
		result = join(region, mm, addr, NULL);
	} else {
		result = join_shared(region, mm, addr, hash, &search);
		if (result == PSHARE_MERGE_DIFFERS)
			result = join_candidates(region, mm, addr, hash, rules->max_shared,
						 &search);
		if (result == PSHARE_MERGE_DIFFERS) {
			become_candidate(region, addr, hash);
			/* The same hash, but other bytes: most likely ours have changed. */
			set_class(region, addr, search.differed ? PSHARE_VOLATILE :
				  search.unready ? PSHARE_DUPLICATE : PSHARE_UNIQUE);
			return true;
		}
	}
	/* If the zero page there is ours the books say so; else the next visit will tell. */
	if (result != PSHARE_MERGE_DONE && result != PSHARE_MERGE_ZEROED)
		set_class(region, addr, refused_class(result));
	return result != PSHARE_MERGE_BUSY;
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
 * Return: false when @mm is locked by somebody else: try again.
 */
bool pshare_share_give_back(struct pshare_region *region, struct mm_struct *mm,
			    unsigned long addr)
{
	int err;

	lockdep_assert_held(&pshare_scan_mutex);
	err = pshare_merge_unshare(mm, addr, PSHARE_LOCK_HASTY, PSHARE_SPARE_RESERVE);
	if (err == -EBUSY)
		return false;
	/* 1: somebody else has unshared it meanwhile; the next visit tells. */
	pshare_ledger_set(&region->ledger, addr, 1, err ? PSHARE_MERGED : PSHARE_UNIQUE);
	if (err)
		return true;
	pshare_count(pshare_stats.given_back, 1);
	trace_pshare_unshare(region->id, region->pid, addr);
	return true;
}
