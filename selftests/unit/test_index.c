// SPDX-License-Identifier: GPL-2.0
/*
 * The index against a model that is too simple to be wrong: for each hash, an
 * array of nodes in the order in which they were added.
 *
 * Hashes are drawn from a few values only, so that most of them collide.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/slab.h>

#include "index.h"
#include "kselftest.h"
#include "unit.h"

#define NR_INDEXES	2
#define MAX_VALUES	4096

/* Operations between two looks at everything. */
#define LOOK_EVERY	1009
/* Operations in which a tree rather grows, or rather shrinks. */
#define TIDE		8000

struct entry {
	struct pshare_node *node;
	unsigned long tag;
};

/* All nodes with one hash. */
struct slot {
	struct entry *entries;
	unsigned int count, room;
};

struct model_tree {
	struct slot slots[MAX_VALUES];
	unsigned long count;
};

struct model {
	struct pshare_index index[NR_INDEXES];
	struct model_tree tree[NR_INDEXES][PSHARE_NR_TREES];
	u64 values[MAX_VALUES];
	unsigned int nr_values;
	unsigned long next_tag;
	unsigned long foreign;	/* objects that are not of this test */
};

static struct model model;

/* The memory that a node stands for, told by a number. */
static void set_tag(struct pshare_node *node, enum pshare_tree tree, unsigned long tag)
{
	if (tree == PSHARE_TREE_SHARED) {
		node->page = (struct page *)tag;
	} else {
		node->region = (u32)~tag;
		node->addr = tag;
	}
}

static bool tag_is(const struct pshare_node *node, enum pshare_tree tree, unsigned long tag)
{
	if (tree == PSHARE_TREE_SHARED)
		return node->page == (struct page *)tag;
	return node->region == (u32)~tag && node->addr == tag;
}

/*
 * Red-black: no red child of a red parent, and the same number of black nodes
 * on each way down, which is returned.
 */
static unsigned int check_red_black(const struct rb_node *rb, const struct rb_node *parent)
{
	unsigned int left, right;
	bool black;

	if (!rb)
		return 0;
	black = rb->__rb_parent_color & 1;
	CHECK(rb_parent(rb) == parent);
	CHECK(black || (parent && parent->__rb_parent_color & 1));
	left = check_red_black(rb->rb_left, rb);
	right = check_red_black(rb->rb_right, rb);
	CHECK(left == right);
	return left + black;
}

static void check_shape(struct pshare_index *index, enum pshare_tree tree)
{
	check_red_black(index->root[tree].rb_node, NULL);
}

/* Everything about one tree: order, contents, hashes, count, shape. */
static void check_tree(unsigned int which, enum pshare_tree tree)
{
	struct pshare_index *index = &model.index[which];
	struct model_tree *want = &model.tree[which][tree];
	struct pshare_node *node = pshare_index_first(index, tree);
	unsigned long count = 0;
	unsigned int v, i;

	check_shape(index, tree);
	for (v = 0; v < model.nr_values; v++) {
		struct slot *slot = &want->slots[v];

		CHECK(pshare_index_find(index, tree, model.values[v]) ==
		      (slot->count ? slot->entries[0].node : NULL));
		for (i = 0; i < slot->count; i++, count++) {
			CHECK(node == slot->entries[i].node);
			CHECK(node->hash == model.values[v]);
			CHECK(tag_is(node, tree, slot->entries[i].tag));
			node = pshare_index_next(node);
		}
	}
	CHECK(!node);
	CHECK(count == want->count);
	CHECK(index->count[tree] == count);
}

static void check_all(void)
{
	unsigned long objects = 0;
	unsigned int which;
	int tree;

	for (which = 0; which < NR_INDEXES; which++) {
		for (tree = 0; tree < PSHARE_NR_TREES; tree++) {
			check_tree(which, tree);
			objects += model.tree[which][tree].count;
		}
	}
	CHECK(unit_objects() == model.foreign + objects);
}

static int compare_hashes(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* @nr different hashes, with the smallest, the greatest, and neighbours among them. */
static void model_setup(unsigned int nr)
{
	unsigned int i;

	memset(&model, 0, sizeof(model));
	model.foreign = unit_objects();
	for (i = 0; i < NR_INDEXES; i++)
		pshare_index_setup(&model.index[i]);
	for (i = 0; i < nr; i++) {
		if (i == 0)
			model.values[i] = ~0ULL;
		else if (i == 1)
			model.values[i] = 0;
		else if (i % 4 == 3)
			model.values[i] = model.values[i - 1] + 1;
		else
			model.values[i] = unit_random();
	}
	qsort(model.values, nr, sizeof(u64), compare_hashes);
	for (i = 1; i < nr; i++)
		CHECK(model.values[i - 1] != model.values[i]);
	model.nr_values = nr;
}

static struct slot *choose_slot(struct model_tree *tree)
{
	unsigned int start = unit_below(model.nr_values), i;

	for (i = 0; i < model.nr_values; i++) {
		struct slot *slot = &tree->slots[(start + i) % model.nr_values];

		if (slot->count)
			return slot;
	}
	return NULL;
}

static void slot_push(struct slot *slot, struct pshare_node *node, unsigned long tag)
{
	if (slot->count == slot->room) {
		slot->room = slot->room ? 2 * slot->room : 4;
		slot->entries = realloc(slot->entries, slot->room * sizeof(*slot->entries));
		if (!slot->entries)
			ksft_exit_fail_msg("no memory for the model\n");
	}
	slot->entries[slot->count++] = (struct entry){ node, tag };
}

static void slot_drop(struct slot *slot, unsigned int pos)
{
	memmove(&slot->entries[pos], &slot->entries[pos + 1],
		(slot->count - pos - 1) * sizeof(*slot->entries));
	slot->count--;
}

static void do_add(unsigned int which, enum pshare_tree tree)
{
	unsigned int v = unit_below(model.nr_values);
	unsigned long failed = unit_failed();
	struct pshare_node *node;

	node = pshare_index_add(&model.index[which], tree, model.values[v]);
	CHECK(!node == (unit_failed() != failed));
	if (!node) {
		if (failed % 16 == 0)
			check_all();
		return;
	}
	CHECK(tag_is(node, PSHARE_TREE_SHARED, 0) && !node->addr && !node->region);
	set_tag(node, tree, ++model.next_tag);
	slot_push(&model.tree[which][tree].slots[v], node, model.next_tag);
	model.tree[which][tree].count++;
}

static void do_erase(unsigned int which, enum pshare_tree tree)
{
	struct model_tree *want = &model.tree[which][tree];
	struct slot *slot = choose_slot(want);
	unsigned long objects = unit_objects();
	unsigned int pos;

	if (!slot)
		return;
	pos = unit_below(slot->count);
	pshare_index_erase(&model.index[which], tree, slot->entries[pos].node);
	CHECK(unit_objects() == objects - 1);
	slot_drop(slot, pos);
	want->count--;
}

/* Look for a hash that may be there, and go through all nodes that have it. */
static void do_find(unsigned int which, enum pshare_tree tree)
{
	unsigned int v = unit_below(model.nr_values), i;
	struct slot *slot = &model.tree[which][tree].slots[v];
	struct pshare_node *node;

	node = pshare_index_find(&model.index[which], tree, model.values[v]);
	for (i = 0; i < slot->count; i++) {
		CHECK(node == slot->entries[i].node);
		CHECK(tag_is(node, tree, slot->entries[i].tag));
		node = pshare_index_next_equal(node);
	}
	CHECK(!node);
	node = pshare_index_find_last(&model.index[which], tree, model.values[v]);
	while (i--) {
		CHECK(node == slot->entries[i].node);
		node = pshare_index_prev_equal(node);
	}
	CHECK(!node);
}

/* Look for a hash or whatever comes behind it. */
static void do_find_from(unsigned int which, enum pshare_tree tree)
{
	u64 hash = unit_below(2) ? unit_random() : model.values[unit_below(model.nr_values)];
	struct pshare_node *node = pshare_index_find_from(&model.index[which], tree, hash);
	unsigned int v;

	for (v = 0; v < model.nr_values; v++)
		if (model.values[v] >= hash && model.tree[which][tree].slots[v].count)
			break;
	if (v < model.nr_values)
		CHECK(node == model.tree[which][tree].slots[v].entries[0].node);
	else
		CHECK(!node);
}

/* Look for a hash that is no value of the model. */
static void do_miss(unsigned int which, enum pshare_tree tree)
{
	u64 hash = unit_random();

	if (unit_below(2))
		hash = model.values[unit_below(model.nr_values)] - 1;
	if (bsearch(&hash, model.values, model.nr_values, sizeof(u64), compare_hashes))
		return;
	CHECK(!pshare_index_find(&model.index[which], tree, hash));
}

/* The model of clear_some: the smallest hashes go first. */
static void do_clear(unsigned int which, enum pshare_tree tree, unsigned long max)
{
	struct model_tree *want = &model.tree[which][tree];
	bool empty = pshare_index_clear_some(&model.index[which], tree, max);
	unsigned int v;

	for (v = 0; v < model.nr_values && max; v++) {
		while (want->slots[v].count && max) {
			slot_drop(&want->slots[v], 0);
			want->count--;
			max--;
		}
	}
	CHECK(empty == !want->count);
	check_tree(which, tree);
}

/* The model of clear_hints: tree by tree, but never the shared pages. */
static void do_clear_hints(unsigned int which, unsigned long max)
{
	bool empty = pshare_index_clear_hints(&model.index[which], max);
	unsigned long left = 0;
	unsigned int v;
	int tree;

	for (tree = PSHARE_TREE_CANDIDATE; tree < PSHARE_NR_TREES; tree++) {
		struct model_tree *want = &model.tree[which][tree];

		for (v = 0; v < model.nr_values && max; v++) {
			while (want->slots[v].count && max) {
				slot_drop(&want->slots[v], 0);
				want->count--;
				max--;
			}
		}
		left += want->count;
	}
	CHECK(empty == !left);
	check_all();
}

static void empty_all(void)
{
	unsigned int which, v;
	int tree;

	for (which = 0; which < NR_INDEXES; which++) {
		for (tree = 0; tree < PSHARE_NR_TREES; tree++) {
			do_clear(which, tree, ~0UL);
			for (v = 0; v < MAX_VALUES; v++)
				free(model.tree[which][tree].slots[v].entries);
		}
	}
	CHECK(unit_objects() == model.foreign);
}

static void step(bool growing)
{
	unsigned int which = unit_below(NR_INDEXES);
	enum pshare_tree tree = unit_below(PSHARE_NR_TREES);
	unsigned int dice = unit_below(1000);

	if (dice < 700) {
		if (unit_below(10) < (growing ? 7 : 3))
			do_add(which, tree);
		else
			do_erase(which, tree);
	} else if (dice < 850) {
		do_find(which, tree);
	} else if (dice < 925) {
		do_find_from(which, tree);
	} else if (dice < 999) {
		do_miss(which, tree);
	} else if (unit_below(4)) {
		do_clear(which, tree, unit_below(40));
	} else {
		do_clear_hints(which, unit_below(80));
	}
}

/* The heart of it: operations at random, everything looked at again and again. */
static void random_steps(unsigned int nr_values, unsigned long fail_every)
{
	unsigned long ops = unit_ops(), failed = unit_failed();

	model_setup(nr_values);
	unit_fail_every(fail_every);
	for (unit_step = 1; unit_step <= ops; unit_step++) {
		step(unit_step / TIDE % 2 == 0);
		if (unit_step % LOOK_EVERY == 0)
			check_all();
	}
	unit_fail_every(0);
	check_all();
	empty_all();
	CHECK(!fail_every == (unit_failed() == failed));
}

#define RANDOM_TEST(values, fail)					\
static void random_##values##_##fail(void)				\
{									\
	random_steps(values, fail);					\
}

RANDOM_TEST(1, 0)
RANDOM_TEST(3, 0)
RANDOM_TEST(64, 0)
RANDOM_TEST(4096, 0)
RANDOM_TEST(1, 3)
RANDOM_TEST(3, 2)
RANDOM_TEST(64, 7)
RANDOM_TEST(4096, 100)

static void init_without_memory(void)
{
	CHECK(unit_caches() == 1);
	pshare_index_exit();
	CHECK(unit_caches() == 0);
	unit_fail_cache();
	CHECK(pshare_index_init() == -ENOMEM);
	CHECK(unit_caches() == 0);
	CHECK(pshare_index_init() == 0);
	CHECK(unit_caches() == 1);
}

static void empty_index(void)
{
	struct pshare_index index;
	int tree;

	memset(&index, 0x5a, sizeof(index));
	pshare_index_setup(&index);
	for (tree = 0; tree < PSHARE_NR_TREES; tree++) {
		CHECK(index.count[tree] == 0);
		CHECK(!pshare_index_first(&index, tree));
		CHECK(!pshare_index_find(&index, tree, 0));
		CHECK(!pshare_index_find(&index, tree, ~0ULL));
		CHECK(!pshare_index_find_from(&index, tree, 0));
		CHECK(!pshare_index_find_from(&index, tree, ~0ULL));
		CHECK(pshare_index_clear_hints(&index, tree));
		CHECK(pshare_index_clear_some(&index, tree, 0));
		CHECK(pshare_index_clear_some(&index, tree, 1));
	}
}

/* Nodes with the same hash keep their order whichever of them goes. */
static void equal_order(void)
{
	struct pshare_node *node[9], *at;
	struct pshare_index index;
	unsigned int mask, i;

	for (mask = 0; mask < 1U << ARRAY_SIZE(node); mask++) {
		pshare_index_setup(&index);
		for (i = 0; i < ARRAY_SIZE(node); i++) {
			CHECK(pshare_index_add(&index, PSHARE_TREE_CANDIDATE, 6));
			node[i] = pshare_index_add(&index, PSHARE_TREE_CANDIDATE, 7);
			CHECK(pshare_index_add(&index, PSHARE_TREE_CANDIDATE, 8));
		}
		for (i = 0; i < ARRAY_SIZE(node); i++)
			if (mask & 1U << i)
				pshare_index_erase(&index, PSHARE_TREE_CANDIDATE, node[i]);
		at = pshare_index_find(&index, PSHARE_TREE_CANDIDATE, 7);
		for (i = 0; i < ARRAY_SIZE(node); i++) {
			if (mask & 1U << i)
				continue;
			CHECK(at == node[i]);
			at = pshare_index_next_equal(at);
		}
		CHECK(!at);
		at = pshare_index_find_last(&index, PSHARE_TREE_CANDIDATE, 7);
		for (i = ARRAY_SIZE(node); i-- > 0;) {
			if (mask & 1U << i)
				continue;
			CHECK(at == node[i]);
			at = pshare_index_prev_equal(at);
		}
		CHECK(!at);
		check_shape(&index, PSHARE_TREE_CANDIDATE);
		CHECK(pshare_index_clear_some(&index, PSHARE_TREE_CANDIDATE, ~0UL));
	}
}

/* In rising and falling order a tree without balance would be a list. */
static void sorted_input(void)
{
	enum { COUNT = 10000 };
	struct pshare_index index;
	struct pshare_node *node;
	unsigned long i;
	int down;

	for (down = 0; down < 2; down++) {
		pshare_index_setup(&index);
		for (i = 0; i < COUNT; i++)
			CHECK(pshare_index_add(&index, PSHARE_TREE_SHARED, down ? COUNT - i : i));
		check_shape(&index, PSHARE_TREE_SHARED);
		for (i = 0; i < COUNT - 1; i++) {
			node = pshare_index_find(&index, PSHARE_TREE_SHARED, i + down);
			CHECK(node && node->hash == i + down);
			CHECK(!pshare_index_next_equal(node));
			CHECK(pshare_index_next(node)->hash == i + down + 1);
		}
		CHECK(pshare_index_clear_some(&index, PSHARE_TREE_SHARED, COUNT));
	}
}

/* clear_some stops where it is told to, and says true on an empty tree only. */
static void clear_some(void)
{
	unsigned long objects = unit_objects(), size, max, left;
	struct pshare_index index;
	unsigned long i;

	pshare_index_setup(&index);
	for (size = 0; size < 40; size++) {
		for (max = 0; max < 42; max++) {
			for (i = 0; i < size; i++)
				CHECK(pshare_index_add(&index, PSHARE_TREE_CANDIDATE, i / 2));
			CHECK(pshare_index_add(&index, PSHARE_TREE_SHARED, 1));
			left = max < size ? size - max : 0;
			CHECK(pshare_index_clear_some(&index, PSHARE_TREE_CANDIDATE, max) == !left);
			CHECK(index.count[PSHARE_TREE_CANDIDATE] == left);
			CHECK(index.count[PSHARE_TREE_SHARED] == 1);
			CHECK(unit_objects() == objects + left + 1);
			if (left)
				CHECK(pshare_index_first(&index, PSHARE_TREE_CANDIDATE)->hash ==
				      max / 2);
			check_shape(&index, PSHARE_TREE_CANDIDATE);
			CHECK(pshare_index_clear_some(&index, PSHARE_TREE_CANDIDATE, ~0UL));
			CHECK(pshare_index_clear_some(&index, PSHARE_TREE_SHARED, 1));
		}
	}
}

/* An allocation that fails leaves not one byte changed. */
static void failure_changes_nothing(void)
{
	struct pshare_node before[50], *node;
	struct pshare_index index, copy;
	unsigned int i;

	pshare_index_setup(&index);
	for (i = 0; i < ARRAY_SIZE(before); i++)
		CHECK(pshare_index_add(&index, PSHARE_TREE_SHARED, unit_below(20)));
	node = pshare_index_first(&index, PSHARE_TREE_SHARED);
	for (i = 0; node; node = pshare_index_next(node))
		memcpy(&before[i++], node, sizeof(*node));
	copy = index;

	unit_fail_every(1);
	for (i = 0; i < 20; i++)
		CHECK(!pshare_index_add(&index, PSHARE_TREE_SHARED, i));
	unit_fail_every(0);

	CHECK(!memcmp(&copy, &index, sizeof(index)));
	node = pshare_index_first(&index, PSHARE_TREE_SHARED);
	for (i = 0; node; node = pshare_index_next(node))
		CHECK(!memcmp(&before[i++], node, sizeof(*node)));
	CHECK(i == ARRAY_SIZE(before));
	CHECK(pshare_index_clear_some(&index, PSHARE_TREE_SHARED, ~0UL));
}

/* A scanner that runs out of memory must not fill the kernel log, nor kill for a hint. */
static void allocations_are_modest(void)
{
	struct pshare_index index;

	pshare_index_setup(&index);
	CHECK(pshare_index_add(&index, PSHARE_TREE_SHARED, 1));
	CHECK(pshare_index_clear_some(&index, PSHARE_TREE_SHARED, 1));
	CHECK(unit_common_flags() & __GFP_NOWARN);
	CHECK(unit_common_flags() & __GFP_NORETRY);
}

static void bytes(void)
{
	struct pshare_index index;

	pshare_index_setup(&index);
	CHECK(pshare_index_bytes() == 0);
	CHECK(pshare_index_add(&index, PSHARE_TREE_SHARED, 1));
	CHECK(pshare_index_add(&index, PSHARE_TREE_CANDIDATE, 1));
	CHECK(pshare_index_bytes() == 2 * sizeof(struct pshare_node));
	pshare_index_clear_some(&index, PSHARE_TREE_SHARED, 1);
	pshare_index_clear_some(&index, PSHARE_TREE_CANDIDATE, 1);
	CHECK(pshare_index_bytes() == 0);
}

static const struct unit_test tests[] = {
	{ "init without memory fails and can be tried again", init_without_memory },
	{ "an empty index", empty_index },
	{ "bytes of the nodes", bytes },
	{ "equal hashes keep their order", equal_order },
	{ "sorted input", sorted_input },
	{ "clear_some yields where it is told to", clear_some },
	{ "a failed allocation changes nothing", failure_changes_nothing },
	{ "allocations neither warn nor insist", allocations_are_modest },
	{ "random, all hashes equal", random_1_0 },
	{ "random, 3 hashes", random_3_0 },
	{ "random, 64 hashes", random_64_0 },
	{ "random, 4096 hashes", random_4096_0 },
	{ "random, all hashes equal, every 3rd allocation fails", random_1_3 },
	{ "random, 3 hashes, every 2nd allocation fails", random_3_2 },
	{ "random, 64 hashes, every 7th allocation fails", random_64_7 },
	{ "random, 4096 hashes, every 100th allocation fails", random_4096_100 },
};

/* A failed test leaves its nodes behind: that is no second failure. */
static void drop_cache(void)
{
	if (!unit_objects())
		pshare_index_exit();
}

int main(void)
{
	if (pshare_index_init())
		ksft_exit_fail_msg("pshare_index_init\n");
	atexit(drop_cache);
	return unit_main("index", tests, ARRAY_SIZE(tests));
}
