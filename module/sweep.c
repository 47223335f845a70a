// SPDX-License-Identifier: GPL-2.0
/*
 * The sweep: what a pass has found is put in order when it is over.
 */
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "alike.h"
#include "region.h"
#include "sharers.h"
#include "sweep.h"
#include "twins.h"

/**
 * DOC: sweep
 *
 * The sweep goes over the trees at the end of each pass, slice by slice of the range of
 * hashes.  Nodes that were not met are freed.  With several groups, those of a slice are
 * put in order, and contents that turn up in more than one are what isolation costs.
 */

/* Nodes that one step of the sweep should find; more where there are many groups. */
#define SLICE_NODES	(PSHARE_STEP / 2)
#define GROUP_NODES	4

/**
 * struct meeting - a content of one group, to be compared with those of the others
 * @hash:	its hash
 * @node:	its node
 * @group:	number of the group
 * @shared:	the node is in PSHARE_TREE_SHARED
 */
struct meeting {
	u64 hash;
	struct pshare_node *node;
	u32 group;
	bool shared;
};

/**
 * struct sweep - how far the sweep has come
 * @from:	first hash of the next slice; 0 to begin
 * @width:	of the slices, less one
 * @most:	what @width was at the start
 * @groups:	number of groups then
 * @room:	entries that @list has room for
 * @nr:		entries in @list
 * @list:	contents of the slice; NULL if there is but one group, or no memory
 * @alone:	there is but one group
 * @swept:	the trees are done; the samples are next
 */
struct sweep {
	u64 from;
	u64 width;
	u64 most;
	unsigned int groups;
	bool alone;
	bool swept;
	unsigned int room;
	unsigned int nr;
	struct meeting *list;
};

/* Guarded by the scan mutex. */
static struct sweep sweep;

/* Remember a content of the slice; false when there are too many. */
static bool remember(struct pshare_node *node, u32 group, bool shared)
{
	const struct meeting *last = sweep.nr ? &sweep.list[sweep.nr - 1] : NULL;

	if (!sweep.list)
		return true;
	/* One in each tree stands for all of the same hash. */
	if (last && last->hash == node->hash && last->group == group && last->shared == shared)
		return true;
	if (sweep.nr == sweep.room)
		return false;
	sweep.list[sweep.nr++] = (struct meeting) {
		.hash = node->hash,
		.node = node,
		.group = group,
		.shared = shared,
	};
	return true;
}

/* Free those of a tree in the slice that were not met, settle the others. */
static bool sweep_tree(struct pshare_group *group, enum pshare_tree tree, u64 to, u32 number,
		       unsigned long *seen)
{
	struct pshare_node *node, *next;

	for (node = pshare_index_find_from(&group->index, tree, sweep.from);
	     node && node->hash <= to; node = next) {
		/* Shared pages of one hash may be many; one of them stands for all. */
		if (tree != PSHARE_TREE_SHARED)
			next = pshare_index_next(node);
		else
			next = node->hash == U64_MAX ? NULL :
			       pshare_index_find_from(&group->index, tree, node->hash + 1);
		if (!(++*seen % 256))
			cond_resched();
		if (tree != PSHARE_TREE_SHARED && node->pass != pshare_twins_pass()) {
			pshare_index_erase(&group->index, tree, node);
			continue;
		}
		if (tree == PSHARE_TREE_CANDIDATE) {
			pshare_twins_settle(node);
			/* With several groups that is judged for all of them at once. */
			if (sweep.alone)
				pshare_twins_elsewhere(node, false);
		}
		if (tree >= PSHARE_TREE_MASKED)
			pshare_twins_settle_family(node);
		if (tree <= PSHARE_TREE_CANDIDATE &&
		    !remember(node, number, tree == PSHARE_TREE_SHARED))
			return false;
	}
	return true;
}

static int compare_meetings(const void *first, const void *second)
{
	const struct meeting *a = first, *b = second;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	/* Shared pages first: whoever else has the content would join one. */
	if (a->shared != b->shared)
		return a->shared ? -1 : 1;
	return a->group < b->group ? -1 : a->group > b->group;
}

/* Would this one be saved, if it could join another group's? */
static void count_grouping(const struct meeting *meeting)
{
	const struct pshare_node *node = meeting->node;
	struct pshare_region *region;

	if (meeting->shared)
		region = pshare_region_get_of_vm(pshare_sharers_first(node->page));
	else
		region = pshare_region_get(node->region);
	if (!region)
		return;
	region->ledger.passing.grouping++;
	pshare_region_put(region);
}

/* Contents of one hash, in one or more groups. */
static void judge_run(const struct meeting *run, unsigned int nr)
{
	bool elsewhere = false, first = true;
	unsigned int i;

	for (i = 1; i < nr; i++)
		elsewhere |= run[i].group != run[0].group;
	for (i = 0; i < nr; i++) {
		struct pshare_node *node = run[i].node;

		if (!run[i].shared)
			pshare_twins_elsewhere(node, elsewhere);
		if (!elsewhere || !(run[i].shared || node->free))
			continue;
		if (!first)
			count_grouping(&run[i]);
		first = false;
	}
}

static void judge_slice(void)
{
	unsigned int i, begin = 0;

	sort(sweep.list, sweep.nr, sizeof(*sweep.list), compare_meetings, NULL);
	for (i = 1; i <= sweep.nr; i++) {
		if (i < sweep.nr && sweep.list[i].hash == sweep.list[begin].hash)
			continue;
		judge_run(&sweep.list[begin], i - begin);
		begin = i;
	}
}

static void begin_sweep(void)
{
	struct pshare_group *group = NULL;
	unsigned long nodes = 0;
	unsigned int slice, groups = 0;
	enum pshare_tree tree;

	while ((group = pshare_group_next(group))) {
		groups++;
		for (tree = 0; tree < PSHARE_NR_TREES; tree++)
			nodes += group->index.count[tree];
	}
	/* Each slice is looked for in each group, so it should find something there. */
	slice = max_t(unsigned int, SLICE_NODES, GROUP_NODES * groups);
	sweep.groups = groups;
	sweep.most = U64_MAX / (nodes / slice + 1);
	sweep.width = sweep.most;
	/* A content has two nodes in a group at most that count. */
	sweep.room = 2 * slice + 2 * groups;
	sweep.list = NULL;
	sweep.alone = groups < 2;
	/* Without memory the groups stay as they were last seen. */
	if (!sweep.alone)
		sweep.list = kvmalloc_array(sweep.room, sizeof(*sweep.list),
					    GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
}

/* Sweep the slice up to @to; false when it has too many nodes. */
static bool sweep_slice(u64 to, unsigned long *seen)
{
	struct pshare_group *group = NULL;
	enum pshare_tree tree;
	u32 number = 0;

	sweep.nr = 0;
	while ((group = pshare_group_next(group))) {
		number++;
		/* Shared pages do not change: they are only compared with others. */
		tree = sweep.list ? PSHARE_TREE_SHARED : PSHARE_TREE_HINTS;
		for (; tree < PSHARE_NR_TREES; tree++)
			if (!sweep_tree(group, tree, to, number, seen))
				return false;
	}
	if (sweep.list)
		judge_slice();
	return true;
}

static void drop_list(void)
{
	kvfree(sweep.list);
	sweep.list = NULL;
}

/**
 * pshare_sweep_some() - at the end of a pass: forget what is gone, compare the groups
 * @seen: the nodes that were looked at are added
 *
 * Does a part of it.
 *
 * Context: process, may sleep; scan mutex held.
 * Return: true when all is done.
 */
bool pshare_sweep_some(unsigned long *seen)
{
	u64 to;

	lockdep_assert_held(&pshare_scan_mutex);
	if (sweep.swept) {
		WRITE_ONCE(sweep.swept, !pshare_alike_some(seen));
		return !sweep.swept;
	}
	if (!sweep.from)
		begin_sweep();
	for (;;) {
		to = sweep.from + min(sweep.width, U64_MAX - sweep.from);
		if (sweep_slice(to, seen))
			break;
		sweep.width /= 2;
		/* There is room for those of one hash, unless groups have come meanwhile. */
		if (!sweep.width) {
			drop_list();
			sweep.width = sweep.most;
		}
	}
	*seen += sweep.groups;
	/* Clones have many nodes of one hash: the next slice may do with the usual width. */
	sweep.width = sweep.width > sweep.most / 2 ? sweep.most : 2 * sweep.width;
	sweep.from = to + 1;
	if (!sweep.from) {
		drop_list();
		WRITE_ONCE(sweep.swept, true);
	}
	return false;
}

/**
 * pshare_sweep_settled() - is the sweep through with the trees?
 *
 * What is left then is the search for those that look alike, which counts on nothing that
 * merging changes.
 *
 * Context: the scanner's thread, while it sweeps.
 * Return: true if so.
 */
bool pshare_sweep_settled(void)
{
	return READ_ONCE(sweep.swept);
}

/**
 * pshare_sweep_exit() - give up a sweep that is under way
 *
 * Context: scan mutex held, or nobody else is there.
 */
void pshare_sweep_exit(void)
{
	drop_list();
	sweep.from = 0;
	sweep.swept = false;
	pshare_alike_exit();
}
