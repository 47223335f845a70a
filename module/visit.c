// SPDX-License-Identifier: GPL-2.0
/*
 * Visiting pages: a batch is gathered and hashed, then each page is decided upon.
 */
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "alike.h"
#include "batch.h"
#include "crew.h"
#include "hugepage.h"
#include "knobs.h"
#include "masked.h"
#include "region.h"
#include "share.h"
#include "twins.h"
#include "visit.h"
#include "walk.h"

/**
 * pshare_visit_rules() - what the administrator allows, as of now
 * @rules: filled
 *
 * Context: any.
 */
void pshare_visit_rules(struct pshare_rules *rules)
{
	rules->use_zero = READ_ONCE(pshare_knobs.use_zero_pages);
	rules->max_shared = READ_ONCE(pshare_knobs.max_pages_shared) ?: ULONG_MAX;
	rules->dry = READ_ONCE(pshare_knobs.run) == PSHARE_RUN_ESTIMATE;
	rules->hurry = pshare_knobs_paced();
	rules->split_least = 0;
}

static void look_at_zeros(struct pshare_region *region, const struct pshare_item *item)
{
	unsigned long i, addr = item->addr;

	if (pshare_ledger_all(&region->ledger, addr, item->nr, PSHARE_ZERO))
		return;
	/* The kernel maps the zero page, too, where nothing was written. */
	for (i = 0; i < item->nr; i++, addr += PAGE_SIZE)
		if (pshare_ledger_get(&region->ledger, addr) != PSHARE_ZERO)
			pshare_ledger_skip(&region->ledger, addr, 1, PSHARE_UNPOPULATED);
}

/* A stretch that cannot be merged.  It is counted when the pass comes by, not out of turn. */
static void skip(struct pshare_ledger *ledger, const struct pshare_item *item,
		 enum pshare_class class, const struct pshare_rules *rules)
{
	pshare_ledger_skip(ledger, item->addr, item->nr,
			   rules->split_least ? PSHARE_UNPOPULATED : class);
}

/* Note whether it is a huge page that maps an item. */
static void mark_huge(struct pshare_ledger *ledger, const struct pshare_item *item)
{
	unsigned long addr = item->addr, end = item->addr + (item->nr << PAGE_SHIFT);

	switch (item->found) {
	case PSHARE_FOUND_ANON:
	case PSHARE_FOUND_NEW:
	case PSHARE_FOUND_CHANGED:
	case PSHARE_FOUND_UNLIKE:
	case PSHARE_FOUND_ZERO:
	case PSHARE_FOUND_SHARED:
	case PSHARE_FOUND_OTHERS:
	case PSHARE_FOUND_SWAPPED:
		break;
	default:
		return;
	}
	for (; addr < end; addr = (addr | ~HPAGE_PMD_MASK) + 1) {
		struct pshare_block *block = pshare_ledger_find(ledger, addr);

		if (block && block->huge != item->huge)
			pshare_ledger_mark(ledger, block, item->huge,
					   block->split && !item->huge);
	}
}

/* Will those that look alike be others? */
static bool is_news(const struct pshare_item *item)
{
	return item->found == PSHARE_FOUND_NEW || item->found == PSHARE_FOUND_CHANGED ||
	       (item->found == PSHARE_FOUND_ANON && item->broken);
}

/* Look at an item; false when there is no way to its page now. */
static bool look_at_item(struct pshare_region *region, struct mm_struct *mm,
			 const struct pshare_item *item, const struct pshare_rules *rules)
{
	struct pshare_ledger *ledger = &region->ledger;

	mark_huge(ledger, item);
	switch (item->found) {
	case PSHARE_FOUND_ANON:
		return pshare_share_page(region, mm, item, item->hash, rules);
	case PSHARE_FOUND_CHANGED:
		pshare_count(pshare_stats.changed, item->nr);
		fallthrough;
	case PSHARE_FOUND_NEW:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_VOLATILE);
		break;
	case PSHARE_FOUND_UNLIKE:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_UNIQUE);
		break;
	case PSHARE_FOUND_LAST:
		if (!rules->dry)
			return pshare_share_give_back(region, mm, item->addr);
		fallthrough;
	case PSHARE_FOUND_SHARED:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_MERGED_SELF);
		break;
	case PSHARE_FOUND_OTHERS:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_MERGED_OTHER);
		break;
	case PSHARE_FOUND_SWAPPED:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_SWAPPED);
		break;
	case PSHARE_FOUND_PINNED:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_PINNED);
		break;
	case PSHARE_FOUND_UNFIT:
		pshare_ledger_set(ledger, item->addr, item->nr, PSHARE_INELIGIBLE_OTHER);
		break;
	case PSHARE_FOUND_ZERO:
		look_at_zeros(region, item);
		break;
	case PSHARE_FOUND_NONE:
		pshare_ledger_skip(ledger, item->addr, item->nr, PSHARE_UNPOPULATED);
		break;
	case PSHARE_FOUND_MAPPED:
		skip(ledger, item, PSHARE_INELIGIBLE_SHARED, rules);
		break;
	case PSHARE_FOUND_HUGETLB:
		skip(ledger, item, PSHARE_INELIGIBLE_HUGETLB, rules);
		break;
	case PSHARE_FOUND_OTHER:
		skip(ledger, item, PSHARE_INELIGIBLE_OTHER, rules);
		break;
	case PSHARE_FOUND_BUSY:
		/* What it was is the best guess at what it will be. */
		break;
	}
	return true;
}

/* Pages of an item that count as looked at. */
static unsigned long pages_of(const struct pshare_item *item)
{
	switch (item->found) {
	case PSHARE_FOUND_ANON:
	case PSHARE_FOUND_NEW:
	case PSHARE_FOUND_CHANGED:
	case PSHARE_FOUND_UNLIKE:
	case PSHARE_FOUND_LAST:
	case PSHARE_FOUND_SHARED:
	case PSHARE_FOUND_OTHERS:
		return item->nr;
	default:
		return 0;
	}
}

/* Was the page unique when it was visited last, and in no other way than this one? */
static bool was_unique(struct pshare_region *region, unsigned long addr)
{
	enum pshare_class class = pshare_ledger_get(&region->ledger, addr);

	return class == PSHARE_UNIQUE || class == PSHARE_ASLR_BLOCKED;
}

/* Does the policy let the page of an item be merged? */
static bool is_free(struct pshare_region *region, const struct pshare_item *item)
{
	struct pshare_block *block = pshare_ledger_find(&region->ledger, item->addr);

	return !item->huge || (block && pshare_hugepage_may_split(region, block));
}

/* Look at the unique pages of a batch without the addresses in them, if that is wanted. */
static bool look_at_masks(struct pshare_region *region, const struct pshare_batch *batch,
			  struct pshare_masked_page *masks)
{
	unsigned int i, percent = READ_ONCE(pshare_knobs.aslr_sample);

	if (!percent)
		return false;
	for (i = 0; i < batch->nr; i++) {
		const struct pshare_item *item = &batch->item[i];

		masks[i].sampled = false;
		if (item->page && item->found != PSHARE_FOUND_UNFIT &&
		    was_unique(region, item->addr))
			pshare_masked_look(item->page, item->addr, percent, &masks[i]);
	}
	return true;
}

/* The block at which a walk had to end; or if there is no memory for it, where to go on. */
static void make_block(struct pshare_region *region, unsigned long *addr, unsigned long end)
{
	if (pshare_ledger_make(&region->ledger, *addr))
		return;
	/* What is in it counts as what it was; there are other blocks. */
	pshare_count(pshare_stats.results[PSHARE_MERGE_NOMEM], 1);
	*addr = min((*addr | ~HPAGE_PMD_MASK) + 1, end);
}

static bool gather(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
		   unsigned long end, const struct pshare_rules *rules, struct pshare_batch *batch)
{
	bool found;

	batch->vm = region->vm;
	batch->pass = pshare_twins_pass();
	batch->ledger = &region->ledger;
	batch->unlike = READ_ONCE(pshare_knobs.aslr_sample) && !rules->split_least;
	batch->room = PSHARE_MAX_SAMPLES;
	if (!rules->hurry)
		batch->room = clamp(READ_ONCE(pshare_knobs.pages_to_scan), 1U, batch->room);
	found = pshare_walk_gather(mm, addr, end, batch);
	batch->ledger = NULL;
	if (found && batch->blockless)
		make_block(region, addr, end);
	return found;
}

/* Items are given up: they were noted, but are visited once more, and are new then. */
static void give_up(struct pshare_region *region, const struct pshare_item *item, unsigned int nr)
{
	for (; nr; nr--, item++) {
		if (item->found == PSHARE_FOUND_CHANGED)
			pshare_count(pshare_stats.changed, item->nr);
		if (item->found == PSHARE_FOUND_NEW || item->found == PSHARE_FOUND_CHANGED)
			pshare_ledger_unsee(&region->ledger, item->addr, item->nr);
	}
}

/*
 * How a visit went: as it should; what was gathered is not right any more; no time for the
 * rest; no way in now.
 */
enum visited { VISITED, VISITED_IN_PART, OUT_OF_TIME, NOT_VISITED };

/* Decide on an item; @mask is NULL if it is not looked at without its addresses. */
static enum visited visit_item(struct pshare_region *region, struct mm_struct *mm,
			       const struct pshare_item *item,
			       const struct pshare_masked_page *mask,
			       const struct pshare_rules *rules, unsigned long *seen)
{
	unsigned long pages = pages_of(item), splits = pshare_stats.splits;

	if (is_news(item))
		pshare_alike_stale();
	if (!look_at_item(region, mm, item, rules) || kthread_should_stop())
		return NOT_VISITED;
	if (item->found == PSHARE_FOUND_ANON && item->huge && !rules->split_least)
		pshare_twins_digest(region, item->addr, item->hash);
	if (mask && mask->sampled &&
	    pshare_ledger_get(&region->ledger, item->addr) == PSHARE_UNIQUE)
		*seen += pshare_masked_note(region, mm, item->addr, mask, is_free(region, item));
	pshare_count(pshare_stats.pages_scanned, pages);
	pshare_count(region->scanned, pages);
	*seen += pages ?: 1;
	/* Splitting may have put the zero page where others were gathered. */
	return pshare_stats.splits == splits ? VISITED : VISITED_IN_PART;
}

/*
 * Decide on items, one after the other, until it is @until by ktime_get_ns().  If not on all,
 * *@addr is where to go on.
 */
static enum visited visit_items(struct pshare_region *region, struct mm_struct *mm,
				const struct pshare_item *item, unsigned int nr,
				const struct pshare_masked_page *mask,
				const struct pshare_rules *rules, u64 until,
				unsigned long *addr, unsigned long *seen)
{
	enum visited visited = VISITED;
	unsigned int i;

	for (i = 0; i < nr && visited == VISITED; i++) {
		visited = visit_item(region, mm, &item[i], mask ? &mask[i] : NULL, rules, seen);
		if (visited == NOT_VISITED)
			break;
		if (visited == VISITED && until != U64_MAX && i + 1 < nr &&
		    ktime_get_ns() >= until)
			visited = OUT_OF_TIME;
		if (visited != VISITED)
			*addr = item[i].addr + (item[i].nr << PAGE_SHIFT);
		cond_resched();
	}
	if (visited == NOT_VISITED)
		*addr = item[i].addr;
	give_up(region, item + i, nr - i);
	return visited;
}

/* Is this something that is looked at page by page? */
static bool is_memory(const struct pshare_item *item)
{
	switch (item->found) {
	case PSHARE_FOUND_NONE:
	case PSHARE_FOUND_MAPPED:
	case PSHARE_FOUND_HUGETLB:
	case PSHARE_FOUND_OTHER:
		return false;
	default:
		return true;
	}
}

/*
 * Blocks that the next round of the crew may go over, in whatever region and pass.  A batch of
 * the thread alone that was of use makes it a few; rounds have it grow for as long as all that
 * they gather is of use, and decided upon in half of the time for that.  After a split, at the end
 * of memory, or when there was no way in, the thread is alone at first: it goes over holes of any
 * size faster than many can.  Guarded by the scan mutex.
 */
static unsigned int reach;

/* Fewer blocks are not worth waking anybody. */
#define LEAST_REACH	4U

static void extend_reach(void)
{
	reach = clamp(2 * reach, LEAST_REACH, PSHARE_CREW_PARTS * PSHARE_MOST_THREADS);
}

/* What a batch of the thread alone tells of what comes next. */
static void judge_batch(const struct pshare_batch *batch, const struct pshare_rules *rules,
			enum visited visited)
{
	/* Out of turn, and somewhere else. */
	if (rules->split_least)
		return;
	/* It may have ended before it began, for want of a block. */
	if (visited != VISITED || (batch->nr && !is_memory(&batch->item[batch->nr - 1])))
		reach = 0;
	else if (batch->nr)
		reach = max(reach, LEAST_REACH);
}

/**
 * pshare_visit_batch() - visit the next pages of a region
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: in: where to begin; out: where to go on, @end or more when all was visited
 * @end: where to end
 * @rules: what the administrator allows
 * @batch: to work with; unused on return
 * @seen: what was seen is added: pages, and stretches without
 *
 * Context: the scanner's thread, may sleep; scan mutex held, no other lock.
 * Return: false when there is no way into the address space now, or the thread is to stop.
 */
bool pshare_visit_batch(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
			unsigned long end, const struct pshare_rules *rules,
			struct pshare_batch *batch, unsigned long *seen)
{
	/* Too much for the stack; guarded by the scan mutex. */
	static struct pshare_masked_page masks[PSHARE_BATCH_SIZE];
	enum visited visited;
	bool masked;

	lockdep_assert_held(&pshare_scan_mutex);
	if (!gather(region, mm, addr, end, rules, batch)) {
		judge_batch(batch, rules, NOT_VISITED);
		return false;
	}
	if (batch->noted)
		pshare_alike_stale();
	pshare_batch_hash(batch);
	masked = !rules->split_least && look_at_masks(region, batch, masks);
	/* Merging counts references: ours must be gone. */
	pshare_batch_put_pages(batch);
	visited = visit_items(region, mm, batch->item, batch->nr, masked ? masks : NULL, rules,
			      U64_MAX, addr, seen);
	judge_batch(batch, rules, visited);
	return visited != NOT_VISITED;
}

/* Decide on a part of a round; as above. */
static enum visited visit_part(struct pshare_region *region, struct mm_struct *mm,
			       const struct pshare_crew_part *part, unsigned long *addr,
			       unsigned long end, const struct pshare_rules *rules,
			       u64 until, unsigned long *seen)
{
	enum visited visited;

	*addr = part->end;
	visited = visit_items(region, mm, part->item, part->nr, NULL, rules, until, addr, seen);
	if (visited != VISITED || part->whole)
		return visited;
	if (part->blockless)
		make_block(region, addr, end);
	return part->blockless || part->end != part->start ? VISITED_IN_PART : NOT_VISITED;
}

/* Decisions on one round take no longer, but for the last, in ns. */
#define DECIDE_TIME	(5 * NSEC_PER_MSEC)

/* Have the crew look at the next blocks, and decide on what it has found. */
static bool visit_round(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
			unsigned long end, const struct pshare_rules *rules, unsigned int parts,
			unsigned long *seen)
{
	const struct pshare_crew_part *part;
	enum visited visited = VISITED;
	unsigned int i, done, nr;
	bool more = false;
	u64 until;

	nr = pshare_crew_gather(region, mm, *addr, end, parts, pshare_twins_pass());
	for (i = 0; i < nr; i++)
		if (pshare_crew_part(i)->noted)
			pshare_alike_stale();
	until = ktime_get_ns() + DECIDE_TIME;
	for (done = 0; done < nr && visited == VISITED; done++) {
		if (done && ktime_get_ns() >= until) {
			visited = OUT_OF_TIME;
			break;
		}
		part = pshare_crew_part(done);
		visited = visit_part(region, mm, part, addr, end, rules, until, seen);
		more = part->nr && is_memory(&part->item[part->nr - 1]);
	}
	/* Of no use to anybody. */
	for (i = done; i < nr; i++) {
		give_up(region, pshare_crew_part(i)->item, pshare_crew_part(i)->nr);
		cond_resched();
	}
	/* The next one shall be as large as this one should have been. */
	if (visited == OUT_OF_TIME)
		reach = done < LEAST_REACH ? 0 : done;
	else if (visited != VISITED || !more)
		reach = 0;
	else if (ktime_get_ns() < until - DECIDE_TIME / 2)
		extend_reach();
	/* The first part alone may have got nowhere. */
	return visited != NOT_VISITED || done > 1;
}

/**
 * pshare_visit_some() - visit the next pages of a region, by all threads if that is worth it
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: in: where to begin; out: where to go on, @end or more when all was visited
 * @end: where to end
 * @rules: what the administrator allows
 * @most: pages that may be visited; at the end of a batch it may be more
 * @batch: to work with; unused on return
 * @seen: what was seen is added: pages, and stretches without
 *
 * Context: the scanner's thread, may sleep; scan mutex held, no other lock.
 * Return: as of pshare_visit_batch().
 */
bool pshare_visit_some(struct pshare_region *region, struct mm_struct *mm, unsigned long *addr,
		       unsigned long end, const struct pshare_rules *rules, u64 most,
		       struct pshare_batch *batch, unsigned long *seen)
{
	unsigned int threads = pshare_crew_threads();
	u64 parts = min3((u64)reach, (u64)threads * PSHARE_CREW_PARTS, most / HPAGE_PMD_NR);

	lockdep_assert_held(&pshare_scan_mutex);
	parts = min_t(u64, parts, (end - *addr) >> HPAGE_PMD_SHIFT);
	/*
	 * Who looks at unique pages as well does so alone.  A region may be a whole address
	 * space, which begins with a hole.
	 */
	if (threads == 1 || *addr == region->start || parts < LEAST_REACH ||
	    READ_ONCE(pshare_knobs.aslr_sample))
		return pshare_visit_batch(region, mm, addr, end, rules, batch, seen);
	return visit_round(region, mm, addr, end, rules, parts, seen);
}
