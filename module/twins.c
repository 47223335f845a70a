// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a twin, where, and what keeps the two apart.
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "hugepage.h"
#include "region.h"
#include "sharers.h"
#include "twins.h"

/**
 * DOC: twins
 *
 * Pages that are merged need no book-keeping here.  This is about those that are not: in a
 * huge page that is kept, in another group, or in a dry run.  However many pages have one
 * content, it has one node in the tree of candidates, which knows a representative: the
 * first that was met in this pass, or the first of those that may be merged.  The others
 * are no more than a class in the ledger.
 *
 * So when a second page meets the node, both are known and get their class.  A third finds
 * it said already.  What a node learned in one pass it still believes in the next, until
 * that has come to its end and the sweep puts right what is not so any more: nothing in the
 * ledger flickers while a pass is under way.
 *
 * A saving is counted in the same way: the first page of a content that may be merged
 * saves nothing, each further one saves itself.  For the steps of hugepage.c that is done
 * for all of them at once, a bit for each.
 */

/* Guarded by the scan mutex. */
static u16 pass;

/**
 * pshare_twins_begin() - a pass begins
 *
 * Context: scan mutex held.
 */
void pshare_twins_begin(void)
{
	/* 0 is for what was never met. */
	if (!++pass)
		pass++;
}

/**
 * pshare_twins_pass() - number of the pass
 *
 * Context: scan mutex held.
 * Return: the number, which wraps.
 */
u16 pshare_twins_pass(void)
{
	return pass;
}

static enum pshare_class class_of(const struct pshare_node *node, bool free)
{
	bool others = node->others || node->was_others;

	if (!node->twice && !node->was_twice)
		return node->elsewhere ? PSHARE_GROUP_BLOCKED : PSHARE_UNIQUE;
	if (free && (node->pair || node->was_pair))
		return others ? PSHARE_DUPLICATE_OTHER : PSHARE_DUPLICATE_SELF;
	return others ? PSHARE_HUGE_OTHER : PSHARE_HUGE_SELF;
}

/* Is a page of this class one of those that this room decides about? */
static bool is_ours(enum pshare_class class)
{
	return class >= PSHARE_DUPLICATE_SELF && class != PSHARE_VOLATILE;
}

/* Put the representative where it belongs, if it is still there. */
static void set_representative(const struct pshare_node *node)
{
	struct pshare_region *region = pshare_region_get(node->region);

	if (!region)
		return;
	if (is_ours(pshare_ledger_get(&region->ledger, node->addr)))
		pshare_ledger_set(&region->ledger, node->addr, 1, class_of(node, node->free));
	pshare_region_put(region);
}

/* The representative of a family whose other members are gone. */
static void set_single(const struct pshare_node *node)
{
	struct pshare_region *region = pshare_region_get(node->region);

	if (!region)
		return;
	if (pshare_ledger_get(&region->ledger, node->addr) == PSHARE_ASLR_BLOCKED)
		pshare_ledger_set(&region->ledger, node->addr, 1, PSHARE_UNIQUE);
	pshare_region_put(region);
}

/* Count what a page would save at @steps. */
static void save(struct pshare_region *region, unsigned int steps)
{
	struct pshare_census *census = &region->ledger.passing;
	unsigned long bits = steps;
	unsigned int i;

	for_each_set_bit(i, &bits, PSHARE_NR_SPLIT_STEPS)
		census->splitting[i]++;
	census->merging += !!(steps & BIT(PSHARE_STEP_NOW));
}

/**
 * pshare_twins_zero() - a page is zero, and is not replaced now
 * @visit: the page
 *
 * Context: scan mutex held.
 * Return: its class.
 */
enum pshare_class pshare_twins_zero(const struct pshare_visit *visit)
{
	save(visit->region, visit->steps);
	return visit->free ? PSHARE_DUPLICATE_ZERO : PSHARE_HUGE_ZERO;
}

/**
 * pshare_twins_shared() - a page equals a shared one, and is not merged now
 * @visit: the page
 * @node: of the shared page
 *
 * Context: scan mutex held.
 * Return: its class.
 */
enum pshare_class pshare_twins_shared(const struct pshare_visit *visit,
				      const struct pshare_node *node)
{
	bool others = pshare_sharers_note_twin(node->page, visit->region->vm, pass);

	save(visit->region, visit->steps);
	if (visit->free)
		return others ? PSHARE_DUPLICATE_OTHER : PSHARE_DUPLICATE_SELF;
	return others ? PSHARE_HUGE_OTHER : PSHARE_HUGE_SELF;
}

static bool is_representative(const struct pshare_visit *visit, const struct pshare_node *node)
{
	return node->region == visit->region->id && node->addr == visit->addr;
}

/* Is the representative kept in a huge page only until memory is short, as it is now? */
static bool may_press(const struct pshare_node *node, unsigned int least)
{
	struct pshare_region *region = pshare_region_get(node->region);
	struct pshare_block *block;
	bool may;

	if (!region)
		return false;
	block = pshare_ledger_find(&region->ledger, node->addr);
	may = block && pshare_hugepage_may_press(region, block, least);
	pshare_region_put(region);
	return may;
}

/**
 * pshare_twins_mergeable() - is the representative of a content another page, to merge with?
 * @visit: a page of this content, which may be merged
 * @node: of the content, in PSHARE_TREE_CANDIDATE
 * @least: memory is short: huge pages with at least so many twins may be split; or 0
 *
 * Context: scan mutex held.
 * Return: true if so.  If it was not met in this pass so far it is either yet to come, or
 * not there any more.
 */
bool pshare_twins_mergeable(const struct pshare_visit *visit, const struct pshare_node *node,
			    unsigned int least)
{
	if (is_representative(visit, node))
		return false;
	if (least && (u16)(pass - node->pass) <= 1)
		return node->free || may_press(node, least);
	return node->pass == pass && node->free;
}

static void represent(const struct pshare_visit *visit, struct pshare_node *node)
{
	node->region = visit->region->id;
	node->addr = visit->addr;
	node->free = visit->free;
}

/**
 * pshare_twins_replace() - the representative is not what it was
 * @visit: the page that takes its place
 * @node: of the content, in PSHARE_TREE_CANDIDATE; or a new one
 *
 * Context: scan mutex held.
 */
void pshare_twins_replace(const struct pshare_visit *visit, struct pshare_node *node)
{
	represent(visit, node);
	node->pass = pass;
	node->steps = visit->steps;
	node->twice = false;
	node->pair = false;
	node->others = false;
}

/* The first page of a content that is met in this pass. */
static void meet_first(const struct pshare_visit *visit, struct pshare_node *node)
{
	bool last = node->pass == (u16)(pass - 1);

	node->was_twice = last && node->twice;
	node->was_pair = last && node->pair;
	node->was_others = last && node->others;
	pshare_twins_replace(visit, node);
}

static void meet_again(const struct pshare_visit *visit, struct pshare_node *node)
{
	u32 vm = pshare_region_vm(node->region);
	bool others = vm != visit->region->vm;
	bool pair = visit->free && node->free;

	if (!vm) {
		pshare_twins_replace(visit, node);
		return;
	}
	if (!node->twice || (pair && !node->pair) || (others && !node->others)) {
		node->twice = true;
		node->pair |= pair;
		node->others |= others;
		set_representative(node);
	}
	save(visit->region, visit->steps & node->steps);
	node->steps |= visit->steps;
	if (visit->free && !node->free)
		represent(visit, node);
}

/**
 * pshare_twins_note() - note a page that is not merged with its content's node
 * @visit: the page
 * @node: of the content, in PSHARE_TREE_CANDIDATE
 *
 * Context: scan mutex held.
 * Return: its class.
 */
enum pshare_class pshare_twins_note(const struct pshare_visit *visit, struct pshare_node *node)
{
	if (node->pass != pass)
		meet_first(visit, node);
	else if (!is_representative(visit, node))
		meet_again(visit, node);
	return class_of(node, visit->free);
}

static void count_equal(u32 id)
{
	struct pshare_region *region = pshare_region_get(id);

	if (!region)
		return;
	region->ledger.passing.blocks_equal++;
	pshare_region_put(region);
}

/* Does the block equal another one?  Each of its pages has a twin, then. */
static void compare_block(struct pshare_region *region, unsigned long addr,
			  const struct pshare_block *block)
{
	struct pshare_index *index = &region->group->index;
	struct pshare_visit visit = { .region = region, .addr = addr };
	struct pshare_node *node;
	unsigned int i;

	if (block->twins < HPAGE_PMD_NR)
		return;
	for (i = 0; i < HPAGE_PMD_NR; i++)
		if (block->class[i] != PSHARE_HUGE_ZERO &&
		    block->class[i] != PSHARE_DUPLICATE_ZERO)
			break;
	if (i == HPAGE_PMD_NR)
		return;
	/* Who has a twin was hashed as a whole, so the digest is of all of it. */
	node = pshare_index_find(index, PSHARE_TREE_BLOCK, block->digest);
	if (node && node->pass == pass && !is_representative(&visit, node)) {
		if (!node->twice)
			count_equal(node->region);
		node->twice = true;
		region->ledger.passing.blocks_equal++;
		return;
	}
	if (!node)
		node = pshare_index_add(index, PSHARE_TREE_BLOCK, block->digest);
	/* Without memory it is not counted. */
	if (node)
		pshare_twins_replace(&visit, node);
}

/**
 * pshare_twins_digest() - a page of a huge page was hashed
 * @region: the region
 * @addr: address of the page; pages come in their order
 * @hash: its hash
 *
 * Context: scan mutex held.
 */
void pshare_twins_digest(struct pshare_region *region, unsigned long addr, u64 hash)
{
	struct pshare_block *block = pshare_ledger_find(&region->ledger, addr);
	u64 before;

	if (!block)
		return;
	before = pshare_ledger_place(addr) ? block->digest : 0;
	block->digest = hash_64(before ^ hash, 64);
}

/**
 * pshare_twins_leave() - the pass has left a stretch of a region behind
 * @region: the region
 * @from: first address; its block is taken as a whole
 * @to: address behind the last; its block is left for later, unless the region ends there
 *
 * Context: scan mutex held.
 */
void pshare_twins_leave(struct pshare_region *region, unsigned long from, unsigned long to)
{
	unsigned long index, first = from >> HPAGE_PMD_SHIFT, end = to >> HPAGE_PMD_SHIFT;
	struct pshare_block *block;

	lockdep_assert_held(&pshare_scan_mutex);
	if (to >= region->end)
		end = DIV_ROUND_UP(region->end, HPAGE_PMD_SIZE);
	if (first == end)
		return;
	xa_for_each_range(&region->ledger.blocks, index, block, first, end - 1) {
		if (!block->huge)
			continue;
		pshare_hugepage_count(&region->ledger.passing, block);
		compare_block(region, index << HPAGE_PMD_SHIFT, block);
	}
}

/**
 * pshare_twins_settle() - the pass is over: what was believed of a content is now known
 * @node: of the content, in PSHARE_TREE_CANDIDATE, which was met
 *
 * Context: scan mutex held.
 */
void pshare_twins_settle(struct pshare_node *node)
{
	bool wrong = (node->was_twice && !node->twice) || (node->was_pair && !node->pair) ||
		     (node->was_others && !node->others);

	node->was_twice = false;
	node->was_pair = false;
	node->was_others = false;
	if (wrong)
		set_representative(node);
}

/**
 * pshare_twins_settle_family() - the same of pages that differ in addresses
 * @node: of the family, in PSHARE_TREE_MASKED or PSHARE_TREE_SIMILAR, which was met
 *
 * Context: scan mutex held.
 */
void pshare_twins_settle_family(struct pshare_node *node)
{
	if (node->was_twice && !node->twice)
		set_single(node);
	node->was_twice = false;
}

/**
 * pshare_twins_elsewhere() - does another group have a content, too?
 * @node: of the content, in PSHARE_TREE_CANDIDATE
 * @elsewhere: it does
 *
 * Context: scan mutex held.
 */
void pshare_twins_elsewhere(struct pshare_node *node, bool elsewhere)
{
	if (node->elsewhere == elsewhere)
		return;
	node->elsewhere = elsewhere;
	if (!node->twice)
		set_representative(node);
}
