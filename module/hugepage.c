// SPDX-License-Identifier: GPL-2.0
/*
 * What huge pages cost in sharing, and the policy for splitting them.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "hugepage.h"
#include "region.h"

/**
 * DOC: huge pages
 *
 * A huge page is worth something to who maps it: fewer misses of the TLB, and with nested
 * paging more so than elsewhere.  It almost never equals another as a whole, but its small
 * pages may well have twins.  They are hashed without splitting it, and the block knows how
 * many of them could be merged.  Then it is the administrator's choice:
 *
 * - keep: it stays whole, whatever that costs;
 * - benefit: it is split if that saves enough;
 * - pressure: it is split when the host runs short of memory, the best ones first;
 * - always: it is split for the first twin, as mainline KSM does.
 *
 * By default a huge page is split for 64 twins: on the memory of Debian guests that
 * reached 99.8 % of the saving that splitting for any twin did.
 *
 * What splitting would save is told for several numbers of twins at once.  A page saves
 * something at a step if it and another of its content may be merged there: if each is a
 * small page, or lies in a block with at least so many twins.  See twins.c.
 */

struct pshare_huge_knobs pshare_huge_knobs = {
	.policy = PSHARE_HUGE_BENEFIT,
	.split_min = 64,
	.min_free_percent = 6,
};

static const unsigned int split_steps[PSHARE_NR_SPLIT_STEPS] = PSHARE_SPLIT_STEPS;

static const char * const policy_names[PSHARE_NR_HUGE_POLICIES] = {
	[PSHARE_HUGE_KEEP]	= "keep",
	[PSHARE_HUGE_BENEFIT]	= "benefit",
	[PSHARE_HUGE_PRESSURE]	= "pressure",
	[PSHARE_HUGE_ALWAYS]	= "always",
};

/**
 * pshare_hugepage_policy() - the policy that a region goes by
 * @region: the region
 *
 * Return: enum pshare_huge_policy.
 */
unsigned int pshare_hugepage_policy(const struct pshare_region *region)
{
	return region->own_policy ? region->huge_policy : READ_ONCE(pshare_huge_knobs.policy);
}

/**
 * pshare_hugepage_policy_name() - what people call a policy
 * @policy: enum pshare_huge_policy
 *
 * Return: a word in lower case.
 */
const char *pshare_hugepage_policy_name(unsigned int policy)
{
	return policy_names[policy];
}

/**
 * pshare_hugepage_may_split() - does the policy allow to split a huge page?
 * @region: the region
 * @block: the block that it maps
 *
 * PSHARE_HUGE_PRESSURE does not: who goes after the best blocks knows that he may.
 *
 * Context: scan mutex held.
 * Return: true if so.
 */
bool pshare_hugepage_may_split(const struct pshare_region *region,
			       const struct pshare_block *block)
{
	switch (pshare_hugepage_policy(region)) {
	case PSHARE_HUGE_ALWAYS:
		return true;
	case PSHARE_HUGE_BENEFIT:
		return block->twins >= READ_ONCE(pshare_huge_knobs.split_min);
	default:
		return false;
	}
}

/**
 * pshare_hugepage_may_press() - may a huge page be split when memory is short?
 * @region: the region
 * @block: the block that it maps
 * @least: for how many twins; 0: memory is not short
 *
 * Context: scan mutex held.
 * Return: true if so, or if the policy allows it anyway.
 */
bool pshare_hugepage_may_press(const struct pshare_region *region,
			       const struct pshare_block *block, unsigned int least)
{
	if (least && pshare_hugepage_policy(region) == PSHARE_HUGE_PRESSURE)
		return block->twins >= least;
	return pshare_hugepage_may_split(region, block);
}

/**
 * pshare_hugepage_steps() - at which steps may a page be merged?
 * @block: the block that it lies in; a huge page maps it
 * @may_split: that may be split now
 *
 * Return: a mask of PSHARE_SPLIT_STEPS by their index, and PSHARE_STEP_NOW.
 */
unsigned int pshare_hugepage_steps(const struct pshare_block *block, bool may_split)
{
	unsigned int i, steps = 0;

	/* Who asks does so for a page with a twin, which may not be counted yet. */
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		if (max_t(unsigned int, block->twins, 1) >= split_steps[i])
			steps |= BIT(i);
	return steps | (may_split ? BIT(PSHARE_STEP_NOW) : 0);
}

/**
 * pshare_hugepage_count() - count a block that a huge page maps
 * @census: of its region
 * @block: the block
 *
 * Context: scan mutex held.
 */
void pshare_hugepage_count(struct pshare_census *census, const struct pshare_block *block)
{
	static const unsigned int most[PSHARE_NR_TWIN_BINS] = PSHARE_TWIN_BINS;
	unsigned int i;

	census->blocks_huge++;
	for (i = 0; block->twins > most[i]; i++)
		;
	census->twins[i]++;
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		census->splits[i] += block->twins >= split_steps[i];
}

/**
 * pshare_hugepage_pressed() - is the host short of memory?
 *
 * Context: any.
 * Return: true if so, by the knob.
 */
bool pshare_hugepage_pressed(void)
{
	unsigned long percent = READ_ONCE(pshare_huge_knobs.min_free_percent);

	return si_mem_available() < (long)(totalram_pages() / 100 * percent);
}

/* Put a block among the best, which are in order; returns how many there are. */
static unsigned int insert(struct pshare_huge_block *best, unsigned int nr, unsigned int max,
			   const struct pshare_huge_block *block)
{
	unsigned int i = nr;

	if (nr == max && best[nr - 1].twins > block->twins)
		return nr;
	if (nr < max)
		nr++;
	else
		i--;
	/* Of equals the last: those before it are its twins, which wait for somebody to come. */
	for (; i && best[i - 1].twins <= block->twins; i--)
		best[i] = best[i - 1];
	best[i] = *block;
	return nr;
}

/* Look at some blocks of a region; true when it has been looked at. */
static bool best_of_some(struct pshare_region *region, unsigned long *index, u16 pass,
			 struct pshare_huge_block *best, unsigned int *nr, unsigned int max)
{
	struct pshare_huge_block found = { .region = region->id };
	struct pshare_block *block;
	unsigned int step;

	for (step = 0; step < PSHARE_STEP; step++, ++*index) {
		block = xa_find(&region->ledger.blocks, index, ULONG_MAX, XA_PRESENT);
		if (!block)
			return true;
		if (!block->huge || !block->twins || block->tried == pass)
			continue;
		found.addr = *index << HPAGE_PMD_SHIFT;
		found.twins = block->twins;
		*nr = insert(best, *nr, max, &found);
	}
	return false;
}

/**
 * pshare_hugepage_best() - the blocks that are most worth splitting under pressure
 * @best: filled, the best first
 * @max: room in @best, at least 1
 * @pass: number of the pass; what was tried in it is left out
 *
 * Context: process, may sleep; takes and drops the scan mutex.
 * Return: number of blocks.
 */
unsigned int pshare_hugepage_best(struct pshare_huge_block *best, unsigned int max, u16 pass)
{
	struct pshare_region *region;
	unsigned int nr = 0;
	u32 id = 0;

	while ((region = pshare_region_get_next(id))) {
		unsigned long index = 0;
		bool done = pshare_hugepage_policy(region) != PSHARE_HUGE_PRESSURE;

		id = region->id + 1;
		while (!done) {
			mutex_lock(&pshare_scan_mutex);
			done = best_of_some(region, &index, pass, best, &nr, max);
			mutex_unlock(&pshare_scan_mutex);
			cond_resched();
		}
		pshare_region_put(region);
	}
	return nr;
}
