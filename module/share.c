// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a page: left alone, merged with a twin, or noted for later.
 */
#include <linux/bitmap.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>

#include "compat/compat.h"
#include "hash.h"
#include "hugepage.h"
#include "region.h"
#include "share.h"
#include "sharers.h"
#include "trace.h"
#include "twins.h"
#include "walk.h"

/**
 * DOC: sharing
 *
 * A page that is visited takes the first of these ways that is open to it:
 *
 * 1. Its content is not what it was at the last visit, or there was none: leave it
 *    alone.  Merging it would cost a copy soon.  As a rule a sample of it has told so
 *    before it comes here.
 * 2. It is all zero: the zero page takes its place.
 * 3. A shared page of its group has the same hash: join it, if the bytes agree.
 * 4. A candidate has the same hash: make a shared page, let this page join it,
 *    then the candidate.
 * 5. Nobody has the same hash: it becomes a candidate itself.
 *
 * Where nothing may be merged, because a huge page is kept whole or in a dry run, it is
 * noted what would be: see twins.c.  That goes by hashes alone, and compares no bytes.
 *
 * Candidates are hints.  They are forgotten when a pass does not meet them, and what
 * a candidate holds is copied, and found to be what the page at hand holds, before
 * anybody joins it.
 *
 * Pages of one hash and different bytes can be made on purpose, whatever the seed.
 * A visit tries no more than a few shared pages and one candidate, so they can keep pages
 * of that hash in their own group from being merged, and nothing else.
 */

/* Shared pages of the same hash that one visit looks at. */
#define MAX_TRIES	8

struct pshare_stats pshare_stats;

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

/* In the 2 MiB from @start a split has put the zero page where @zeros says. */
static void note_zeros(struct pshare_region *region, unsigned long start,
		       const unsigned long *zeros)
{
	unsigned long known = region->end - (region->ledger.unscanned << PAGE_SHIFT), addr;
	unsigned int place;

	for_each_set_bit(place, zeros, HPAGE_PMD_NR) {
		addr = start + place * PAGE_SIZE;
		/* What no pass has come to yet is counted as such. */
		if (addr < region->start || addr >= known)
			continue;
		/* Without memory for the block nobody knows where they came from. */
		pshare_ledger_set(&region->ledger, addr, 1, PSHARE_ZERO);
		pshare_count(pshare_stats.results[PSHARE_MERGE_ZEROED], 1);
	}
}

/* The same for other regions of the process that have a part of the huge page. */
static void note_zeros_beside(const struct pshare_region *region, unsigned long start,
			      const unsigned long *zeros)
{
	struct pshare_region *other;
	u32 id = 0;

	if (start >= region->start && region->end - start >= HPAGE_PMD_SIZE)
		return;
	while ((other = pshare_region_get_next(id))) {
		id = other->id + 1;
		if (other != region && other->mm == region->mm)
			note_zeros(other, start, zeros);
		pshare_region_put(other);
	}
}

/*
 * A huge page was split.  Later kernels put the zero page where it was zero, all by
 * themselves: that came from us, so it goes into the books as if we had done it.  Not
 * so in other address spaces that map the same huge page after fork(2).
 */
static void note_split(struct pshare_region *region, const struct pshare_merge *merge)
{
	unsigned long start = merge->addr & HPAGE_PMD_MASK;
	struct pshare_block *block;

	block = pshare_ledger_find(&region->ledger, start);
	/* One that page tables mapped in pieces was lost to its owner before. */
	if (block && block->huge)
		pshare_ledger_mark(&region->ledger, block, false, true);
	pshare_count(pshare_stats.splits, 1);
	pshare_count(region->splits, 1);
	trace_pshare_split(region->id, region->pid, merge->addr);
	note_zeros(region, start, merge->zeros);
	if (!bitmap_empty(merge->zeros, HPAGE_PMD_NR))
		note_zeros_beside(region, start, merge->zeros);
}

/* Class of a page that maps @shared, NULL for the zero page, from now on. */
static enum pshare_class merged_class(const struct pshare_region *region, struct page *shared)
{
	if (!shared)
		return PSHARE_ZERO;
	return pshare_sharers_note(shared, region->vm, pshare_twins_pass()) ?
	       PSHARE_MERGED_OTHER : PSHARE_MERGED_SELF;
}

/* Does the policy allow to split the huge page that mapped the page when it was visited? */
static bool may_split(struct pshare_region *region, unsigned long addr,
		      const struct pshare_rules *rules)
{
	struct pshare_block *block = pshare_ledger_find(&region->ledger, addr);

	return block && block->huge &&
	       pshare_hugepage_may_press(region, block, rules->split_least);
}

/*
 * Merge the page at @addr into @shared, NULL for the zero page, and keep the books; but
 * who refuses is for the caller to count.
 */
static enum pshare_merge_result try_join(struct pshare_region *region, struct mm_struct *mm,
					 unsigned long addr, struct page *shared,
					 const struct pshare_rules *rules)
{
	struct pshare_merge merge = {
		.mm = mm,
		.addr = addr,
		.may_split = may_split(region, addr, rules),
	};
	enum pshare_merge_result result = pshare_merge_map(&merge, shared);

	if (merge.split)
		note_split(region, &merge);
	if (result != PSHARE_MERGE_DONE)
		return result;
	pshare_count(pshare_stats.results[result], 1);
	if (shared && pshare_merge_sharers(shared) > 1)
		pshare_count(pshare_stats.pages_sharing, 1);
	set_class(region, addr, merged_class(region, shared));
	trace_pshare_merge(region->id, region->pid, addr, shared ? page_to_pfn(shared) : 0);
	return result;
}

/* The same, and count it if it is refused. */
static enum pshare_merge_result join(struct pshare_region *region, struct mm_struct *mm,
				     unsigned long addr, struct page *shared,
				     const struct pshare_rules *rules)
{
	enum pshare_merge_result result = try_join(region, mm, addr, shared, rules);

	if (result != PSHARE_MERGE_DONE && result != PSHARE_MERGE_ZEROED)
		count_refusal(region, addr, result);
	return result;
}

/*
 * Way 3.  PSHARE_MERGE_DIFFERS when no shared page of these bytes was found that takes
 * another sharer.  A content of many sharers has many pages, and those with room are brought to
 * the end as time goes by; see prune.c.
 */
static enum pshare_merge_result join_shared(const struct pshare_visit *visit,
					    struct mm_struct *mm, struct pshare_node *first,
					    const struct pshare_rules *rules)
{
	struct pshare_index *index = &visit->region->group->index;
	enum pshare_merge_result result = PSHARE_MERGE_DIFFERS;
	struct pshare_node *node = first;
	unsigned int tries = 0;

	do {
		if (!pshare_merge_full(node->page))
			result = join(visit->region, mm, visit->addr, node->page, rules);
		if (result != PSHARE_MERGE_DIFFERS)
			break;
		node = tries ? pshare_index_prev_equal(node) :
		       pshare_index_find_last(index, PSHARE_TREE_SHARED, first->hash);
	} while (++tries < MAX_TRIES && node && node != first);
	return result;
}

/*
 * Let the page at @addr, and then the candidate, join a new shared page.  If the
 * candidate does not make it, the shared page has one sharer; it is given back at a
 * later visit, or finds another.
 *
 * The shared page is a copy of the candidate, and is hashed for itself.  That it has the
 * bytes of the page at @addr, which had the candidate's hash a moment ago, is not enough: both
 * may have changed meanwhile, and to the same.  Under a hash that it does not have nobody
 * would find it, and the next with its bytes would make another one, for good.
 *
 * *@stale is set when the candidate is not what it was, *@unready when there is no
 * way to it now; either way nothing was changed.
 */
static enum pshare_merge_result join_new(struct pshare_region *region, struct mm_struct *mm,
					 unsigned long addr, struct pshare_region *twin,
					 struct mm_struct *twin_mm,
					 const struct pshare_node *candidate,
					 const struct pshare_rules *rules, bool *stale,
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
	*stale = pshare_hash_page(shared, NULL) != candidate->hash;
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
	result = try_join(region, mm, addr, shared, rules);
	if (result == PSHARE_MERGE_DONE) {
		pshare_count(pshare_stats.pages_shared, 1);
		join(twin, twin_mm, candidate->addr, shared, rules);
		return result;
	}
	pshare_index_erase(index, PSHARE_TREE_SHARED, node);
	if (result != PSHARE_MERGE_ZEROED)
		count_refusal(region, addr, result);
free:
	pshare_merge_free(shared);
	return result;
}

/* Way 4; *@stale and *@unready as above. */
static enum pshare_merge_result join_candidate(const struct pshare_visit *visit,
					       struct mm_struct *mm,
					       const struct pshare_node *candidate,
					       const struct pshare_rules *rules, bool *stale,
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
		result = join_new(visit->region, mm, visit->addr, twin, twin_mm, candidate, rules,
				  stale, unready);
		mmput_async(twin_mm);
	}
	pshare_region_put(twin);
	return result;
}

/* Way 5: the page stands with the node of its content, or makes one. */
static enum pshare_class note_candidate(const struct pshare_visit *visit, u64 hash,
					struct pshare_node *node)
{
	if (node)
		return pshare_twins_note(visit, node);
	node = pshare_index_add(&visit->region->group->index, PSHARE_TREE_CANDIDATE, hash);
	if (node)
		pshare_twins_replace(visit, node);
	else
		/* It has no twin so far; whoever is one finds it at a later pass. */
		pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
	return PSHARE_UNIQUE;
}

/* A page changes, and its sample has not told so: next time all of it must have held still. */
static void distrust(struct pshare_region *region, unsigned long addr, u64 hash)
{
	struct pshare_block *block = pshare_ledger_find(&region->ledger, addr);

	if (block)
		pshare_ledger_doubt(block, pshare_ledger_place(addr), hash);
	set_class(region, addr, PSHARE_VOLATILE);
}

/* A page was not merged: is it for a reason that says where it stands? */
static bool classify_refusal(const struct pshare_visit *visit, u64 hash,
			     enum pshare_merge_result result)
{
	switch (result) {
	case PSHARE_MERGE_DONE:
	case PSHARE_MERGE_ZEROED:
		/* The books say so already; or if the zero page is not ours, the next visit. */
	case PSHARE_MERGE_BUSY:
		/* It is going to be visited once more. */
		return true;
	case PSHARE_MERGE_DIFFERS:
	case PSHARE_MERGE_RACED:
	case PSHARE_MERGE_GONE:
		/* The same hash, but other bytes: most likely ours have changed. */
		distrust(visit->region, visit->addr, hash);
		return true;
	case PSHARE_MERGE_PINNED:
		set_class(visit->region, visit->addr, PSHARE_INELIGIBLE_PINNED);
		return true;
	default:
		return false;
	}
}

/* Way 2. */
static enum pshare_merge_result share_zero(const struct pshare_visit *visit,
					   struct mm_struct *mm, u64 hash,
					   const struct pshare_rules *rules, bool merge)
{
	enum pshare_merge_result result = PSHARE_MERGE_KEPT_HUGE;

	if (merge)
		result = join(visit->region, mm, visit->addr, NULL, rules);
	if (!classify_refusal(visit, hash, result))
		set_class(visit->region, visit->addr, pshare_twins_zero(visit));
	return result;
}

/* Way 4 and 5. */
static enum pshare_merge_result share_candidate(const struct pshare_visit *visit,
						struct mm_struct *mm, u64 hash,
						const struct pshare_rules *rules, bool merge)
{
	struct pshare_index *index = &visit->region->group->index;
	enum pshare_merge_result result = PSHARE_MERGE_KEPT_HUGE;
	bool stale = false, unready = false;
	struct pshare_node *node;

	node = pshare_index_find(index, PSHARE_TREE_CANDIDATE, hash);
	if (merge && node && pshare_twins_mergeable(visit, node, rules->split_least)) {
		if (pshare_stats.pages_shared < rules->max_shared) {
			result = join_candidate(visit, mm, node, rules, &stale, &unready);
		} else {
			result = PSHARE_MERGE_CAPPED;
			count_refusal(visit->region, visit->addr, result);
		}
	}
	if (stale) {
		pshare_twins_replace(visit, node);
		set_class(visit->region, visit->addr, PSHARE_UNIQUE);
		return PSHARE_MERGE_DONE;
	}
	if (result == PSHARE_MERGE_DONE)
		pshare_index_erase(index, PSHARE_TREE_CANDIDATE, node);
	/* What keeps the twin from being merged says nothing of this page. */
	if (unready || !classify_refusal(visit, hash, result))
		set_class(visit->region, visit->addr, note_candidate(visit, hash, node));
	return unready ? PSHARE_MERGE_DONE : result;
}

/* Way 3 to 5. */
static enum pshare_merge_result share_content(const struct pshare_visit *visit,
					      struct mm_struct *mm, u64 hash,
					      const struct pshare_rules *rules, bool merge)
{
	enum pshare_merge_result result = PSHARE_MERGE_KEPT_HUGE;
	struct pshare_node *shared;

	shared = pshare_index_find(&visit->region->group->index, PSHARE_TREE_SHARED, hash);
	if (!shared)
		return share_candidate(visit, mm, hash, rules, merge);
	if (merge)
		result = join_shared(visit, mm, shared, rules);
	if (result == PSHARE_MERGE_DIFFERS)
		return share_candidate(visit, mm, hash, rules, merge);
	if (!classify_refusal(visit, hash, result))
		set_class(visit->region, visit->addr, pshare_twins_shared(visit, shared));
	return result;
}

/**
 * pshare_share_page() - decide what becomes of a page, and do it
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @item: the page, PSHARE_FOUND_ANON; its sample held still
 * @hash: hash of its content, a moment ago
 * @rules: what the administrator allows
 *
 * Context: process, may sleep; scan mutex held, no other lock.
 * Return: false when @mm is locked by somebody else: try again.
 */
bool pshare_share_page(struct pshare_region *region, struct mm_struct *mm,
		       const struct pshare_item *item, u64 hash,
		       const struct pshare_rules *rules)
{
	struct pshare_block *block = pshare_ledger_find(&region->ledger, item->addr);
	unsigned int place = pshare_ledger_place(item->addr);
	struct pshare_visit visit = {
		.region = region,
		.addr = item->addr,
		.free = true,
		.steps = PSHARE_ALL_STEPS,
	};
	enum pshare_merge_result result;
	bool merge;

	lockdep_assert_held(&pshare_scan_mutex);
	/* It had a block when it was sampled.  A split of its neighbours may have dropped that. */
	if (!block)
		return true;
	if (item->broken && !pshare_ledger_hold_still(block, place, hash, item->sample)) {
		pshare_count(pshare_stats.changed, 1);
		set_class(region, item->addr, PSHARE_VOLATILE);
		return true;
	}

	if (item->huge) {
		visit.free = pshare_hugepage_may_split(region, block);
		visit.steps = pshare_hugepage_steps(block, visit.free);
	}
	merge = visit.free;
	if (rules->split_least) {
		merge = !item->huge || pshare_hugepage_may_press(region, block, rules->split_least);
		/* The pass comes here as well: who is visited out of turn is not counted. */
		visit.steps = 0;
	}
	merge &= !rules->dry;
	if (pshare_hash_is_zero(hash) && rules->use_zero)
		result = share_zero(&visit, mm, hash, rules, merge);
	else
		result = share_content(&visit, mm, hash, rules, merge);
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
	/* Another of the batch may have joined it since: then it is worth something again. */
	err = pshare_merge_unshare(mm, addr, PSHARE_LOCK_HASTY, PSHARE_SPARE_RESERVE, true);
	if (err == -EBUSY)
		return false;
	/* 1: somebody else has unshared it meanwhile; the next visit tells. */
	pshare_ledger_set(&region->ledger, addr, 1, err ? PSHARE_MERGED_SELF : PSHARE_UNIQUE);
	if (err)
		return true;
	pshare_count(pshare_stats.given_back, 1);
	trace_pshare_unshare(region->id, region->pid, addr);
	return true;
}
