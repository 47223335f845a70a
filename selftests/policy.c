// SPDX-License-Identifier: GPL-2.0
/*
 * The policies for huge pages: what they split, what that saves, and whether it is what was
 * predicted before.  Frames (pagemap) and brute force (lib/oracle.h) judge.
 */
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib/layout.h"
#include "lib/oracle.h"

#define VMS		3
#define SETTLE		(PASSES + 2)
#define UNIQUE		(1ULL << 32)

/* Contents of three kinds: by where their twins are. */
#define ANCHORS		1000	/* the third VM has each of them in a small page */
#define PAIRS		10000	/* the same page of the same block of the other VM */
#define CHAIN		90000	/* in a huge page of the third VM that has few twins */
#define CHAIN_LENGTH	6

static const char * const policy_words[] = { "keep", "benefit", "pressure", "always" };
static const unsigned int steps[] = PSHARE_SPLIT_STEPS;

/* Twins in the huge blocks of the first VM and of the second. */
static const unsigned int twins[] = { 0, 1, 2, 7, 8, 9, 63, 64, 65, 200, 255, 256, 257, 400, 511,
				      512 };

FIXTURE(policy) {
	int dev;
	struct layout *layout[VMS];
	struct child child[VMS];
	uint64_t id[VMS];
	struct oracle oracle;
};

/* A block with so many twins, of all kinds in turn. */
static void lay_block(struct layout *layout, unsigned int vm, size_t nr)
{
	size_t first = nr * BLOCK_PAGES;

	layout->block[nr] = LAYOUT_HUGE;
	layout_fill(layout, first, BLOCK_PAGES, UNIQUE * (vm + 1) + first, 1);
	for (size_t i = 0; i < twins[nr]; i++) {
		/* Spread over the block, each page once: 211 and 512 have no common factor. */
		size_t page = first + i * 211 % BLOCK_PAGES;
		uint64_t seed = PAIRS + page;

		if (i % 8 == 1)
			seed = 0;
		else if (i % 8 == 2)
			seed = ANCHORS + i % 50;
		else if (i == 3 && nr >= ARRAY_SIZE(twins) - CHAIN_LENGTH)
			seed = vm ? ANCHORS : CHAIN + ARRAY_SIZE(twins) - 1 - nr;
		layout_fill(layout, page, 1, seed, 0);
	}
}

/* The third VM: a block of small pages, and a huge one with the chain's other ends. */
static void lay_third(struct layout *layout)
{
	layout_fill(layout, 0, 2 * BLOCK_PAGES, UNIQUE * VMS, 1);
	layout_fill(layout, 0, 50, ANCHORS, 1);
	layout_fill(layout, 60, 20, 0, 0);
	layout_fill(layout, 100, 20, 77, 0);
	layout->block[1] = LAYOUT_HUGE;
	layout_fill(layout, BLOCK_PAGES + 30, CHAIN_LENGTH, CHAIN, 1);
}

FIXTURE_SETUP(policy)
{
	self->dev = ps_begin();
	layout_stop_khugepaged();
	for (unsigned int vm = 0; vm < 2; vm++) {
		self->layout[vm] = layout_new(ARRAY_SIZE(twins));
		for (size_t nr = 0; nr < ARRAY_SIZE(twins); nr++)
			lay_block(self->layout[vm], vm, nr);
	}
	self->layout[2] = layout_new(2);
	lay_third(self->layout[2]);
	oracle_begin(&self->oracle);
}

static bool no_regions(void *dev)
{
	return !ps_regions(*(int *)dev);
}

static void stop(struct _test_data_policy *self)
{
	for (unsigned int vm = 0; vm < VMS; vm++)
		child_kill(&self->child[vm]);
	oracle_end(&self->oracle);
	if (!lib_wait(no_regions, &self->dev, 10000) || !ps_nothing_shared())
		lib_die("something is left of processes that have gone");
}

FIXTURE_TEARDOWN(policy)
{
	ps_set("run", 0);
	stop(self);
	for (unsigned int vm = 0; vm < VMS; vm++)
		layout_free(self->layout[vm]);
	close(self->dev);
}

static size_t pages_of(struct _test_data_policy *self, unsigned int vm)
{
	return self->layout[vm]->blocks * BLOCK_PAGES;
}

/* @own: a policy of the region's, or -1. */
static void start(struct _test_data_policy *self, unsigned int vm, int own)
{
	struct child *child = &self->child[vm];
	size_t pages = pages_of(self, vm);
	int err;

	layout_start(self->layout[vm], child);
	if (own < 0)
		err = ps_add(self->dev, child->pid, child->mem, pages * PAGE, "policy",
			     &self->id[vm]);
	else
		err = ps_add_policy(self->dev, child->pid, child->mem, pages * PAGE, "policy", own,
				    &self->id[vm]);
	if (err)
		lib_die("cannot add a region: %s", strerror(-err));
	oracle_add(&self->oracle, self->id[vm], child->pid, child->mem, pages, "policy",
		   own < 0 ? PSHARE_HUGE_BENEFIT : own);
}

static void start_all(struct _test_data_policy *self)
{
	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, -1);
}

/* The knobs, for those that go by them. */
static int set_policy(struct _test_data_policy *self, unsigned int policy, unsigned int min)
{
	for (unsigned int i = 0; i < self->oracle.nr; i++)
		self->oracle.region[i].policy = policy;
	self->oracle.split_min = min;
	return ps_set_text("huge_policy", policy_words[policy]) ?: ps_set("huge_split_min", min);
}

static size_t huge_blocks(struct _test_data_policy *self, unsigned int vm)
{
	return oracle_huge_blocks(self->child[vm].pid, self->child[vm].mem, pages_of(self, vm));
}

static size_t all_huge_blocks(struct _test_data_policy *self)
{
	size_t sum = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		sum += huge_blocks(self, vm);
	return sum;
}

/* As the module counts them. */
static uint64_t splits(struct _test_data_policy *self)
{
	struct pshare_read read;
	uint64_t sum = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		if (!ps_read(self->dev, self->id[vm], &read))
			sum += read.huge_splits;
	return sum;
}

static size_t wrong_bytes(struct _test_data_policy *self)
{
	size_t wrong = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		wrong += layout_wrong(self->layout[vm], &self->child[vm], 0);
	return wrong;
}

/* Scans; afterwards the oracle has looked, and agrees with the module. */
static void scan(struct __test_metadata *_metadata, struct _test_data_policy *self)
{
	ASSERT_EQ(0, ps_scan(self->dev, SETTLE));
	oracle_look(&self->oracle);
	ASSERT_EQ(0, oracle_compare(&self->oracle, self->dev));
}

/* What was foretold, at each of the steps. */
struct forecast {
	uint64_t saved;			/* when nothing had been split */
	uint64_t saving[ARRAY_SIZE(steps)];
	uint64_t splits[ARRAY_SIZE(steps)];
};

static void take_forecast(struct _test_data_policy *self, struct forecast *forecast)
{
	char name[32];

	forecast->saved = self->oracle.saved;
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(name, sizeof(name), "splitting_%u", steps[i]);
		forecast->saving[i] = ps_figure("savings", name);
		snprintf(name, sizeof(name), "splits_%u", steps[i]);
		forecast->splits[i] = ps_figure("savings", name);
	}
}

static bool within_two_percent(const char *what, unsigned int step, uint64_t predicted,
			       uint64_t real)
{
	uint64_t error = predicted > real ? predicted - real : real - predicted;

	lib_note("%s at %u twins: %llu predicted, %llu in fact", what, step,
		 (unsigned long long)predicted, (unsigned long long)real);
	return error * 50 <= real;
}

/* Keep first, and see what it says; then fresh memory for each step, split at it. */
TEST_F_TIMEOUT(policy, benefit_as_predicted, 600)
{
	struct forecast forecast;
	size_t whole;

	start_all(self);
	whole = all_huge_blocks(self);
	ASSERT_EQ(2 * ARRAY_SIZE(twins) + 1, whole);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_KEEP, 1));
	scan(_metadata, self);
	take_forecast(self, &forecast);
	EXPECT_EQ(whole, all_huge_blocks(self));
	EXPECT_EQ(0, splits(self));
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		stop(self);
		start_all(self);
		ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_BENEFIT, steps[i]));
		scan(_metadata, self);
		EXPECT_TRUE(within_two_percent("pages saved", steps[i],
					       forecast.saved + forecast.saving[i],
					       self->oracle.saved));
		EXPECT_TRUE(within_two_percent("blocks split", steps[i], forecast.splits[i],
					       whole - all_huge_blocks(self)));
		EXPECT_EQ(splits(self), whole - all_huge_blocks(self));
	}
	EXPECT_EQ(0, wrong_bytes(self));
}

TEST_F_TIMEOUT(policy, keep_never_splits, 200)
{
	start_all(self);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_KEEP, 1));
	scan(_metadata, self);
	ASSERT_EQ(0, ps_scan(self->dev, 4 * PASSES));
	EXPECT_EQ(2 * ARRAY_SIZE(twins) + 1, all_huge_blocks(self));
	EXPECT_EQ(0, splits(self));
	/* Small pages are merged all the same: 20 of one content, 20 zeros. */
	EXPECT_EQ(19 + 20, self->oracle.saved);
}

/* A default that nobody has changed: from 64 twins on. */
TEST_F_TIMEOUT(policy, default_is_benefit_of_64, 200)
{
	uint64_t big = 0;

	start_all(self);
	scan(_metadata, self);
	for (unsigned int i = 0; i < ARRAY_SIZE(twins); i++)
		big += twins[i] >= 64;
	EXPECT_EQ(2 * big, splits(self));
	EXPECT_EQ(2 * ARRAY_SIZE(twins) + 1 - 2 * big, all_huge_blocks(self));
	/* The oracle has compared with the histogram; this is what it should be. */
	EXPECT_EQ(2, self->oracle.region[0].twins[0] + self->oracle.region[1].twins[0]);
	EXPECT_EQ(ARRAY_SIZE(twins) - big, huge_blocks(self, 0));
	EXPECT_EQ(0, wrong_bytes(self));
}

/* The region's own policy is what counts, whatever the knob says. */
TEST_F_TIMEOUT(policy, own_policy_overrides_the_knob, 200)
{
	start(self, 0, PSHARE_HUGE_ALWAYS);
	start(self, 1, PSHARE_HUGE_KEEP);
	start(self, 2, PSHARE_HUGE_BENEFIT);
	ASSERT_EQ(0, ps_set_text("huge_policy", "keep"));
	scan(_metadata, self);
	EXPECT_EQ(ARRAY_SIZE(twins), huge_blocks(self, 1));
	EXPECT_EQ(1, huge_blocks(self, 2));
	/* One has no twin, one has its only one in a block that is kept. */
	EXPECT_EQ(2, huge_blocks(self, 0));

	ASSERT_EQ(0, ps_set_text("huge_policy", "always"));
	scan(_metadata, self);
	EXPECT_EQ(ARRAY_SIZE(twins), huge_blocks(self, 1));
	EXPECT_EQ(1, huge_blocks(self, 2));
	EXPECT_EQ(0, wrong_bytes(self));
}

/* Turned while it scans: what is split stays split, what is whole is split later. */
TEST_F_TIMEOUT(policy, knob_turned_at_run_time, 300)
{
	size_t huge, before;

	start_all(self);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_KEEP, 64));
	scan(_metadata, self);
	before = all_huge_blocks(self);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_BENEFIT, 256));
	scan(_metadata, self);
	huge = all_huge_blocks(self);
	EXPECT_GT(before, huge);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_KEEP, 1));
	scan(_metadata, self);
	EXPECT_EQ(huge, all_huge_blocks(self));
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_BENEFIT, 8));
	scan(_metadata, self);
	EXPECT_GT(huge, all_huge_blocks(self));
	huge = all_huge_blocks(self);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_ALWAYS, 512));
	scan(_metadata, self);
	EXPECT_GT(huge, all_huge_blocks(self));
	/* Two blocks have no twin at all. */
	EXPECT_EQ(2, all_huge_blocks(self));
	EXPECT_EQ(0, wrong_bytes(self));
}

/* Pages merged, or zero, in blocks that are huge in @before and now are not. */
static uint64_t gained(const struct oracle_region *region, const bool *before)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < region->pages; i++)
		if (before[i / BLOCK_PAGES] && !region->block[i / BLOCK_PAGES].huge)
			sum += region->page[i].class == PSHARE_ZERO ||
			       region->page[i].class == PSHARE_MERGED_SELF ||
			       region->page[i].class == PSHARE_MERGED_OTHER;
	return sum;
}

TEST_F_TIMEOUT(policy, split_gained, 200)
{
	bool before[VMS][LAYOUT_BLOCKS];
	struct pshare_read_ledger ledger;
	uint64_t sum = 0;

	start_all(self);
	oracle_look(&self->oracle);
	for (unsigned int vm = 0; vm < VMS; vm++)
		for (size_t nr = 0; nr < self->oracle.region[vm].blocks; nr++)
			before[vm][nr] = self->oracle.region[vm].block[nr].huge;
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_BENEFIT, 64));
	scan(_metadata, self);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		ASSERT_EQ(0, ps_ledger(self->dev, self->id[vm], &ledger));
		EXPECT_EQ(gained(&self->oracle.region[vm], before[vm]), ledger.split_gained);
		sum += ledger.split_gained;
	}
	EXPECT_LT(2000, sum);
	/* Written to, a page is not saved any more. */
	child_fill(&self->child[0], 15 * BLOCK_PAGES, BLOCK_PAGES, 1ULL << 50, 1);
	ASSERT_EQ(0, ps_scan(self->dev, SETTLE));
	oracle_look(&self->oracle);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		ASSERT_EQ(0, ps_ledger(self->dev, self->id[vm], &ledger));
		EXPECT_EQ(gained(&self->oracle.region[vm], before[vm]), ledger.split_gained);
	}
	/* What is huge again has gained nothing. */
	for (size_t nr = 0; nr < self->oracle.region[0].blocks; nr++) {
		if (!before[0][nr])
			continue;
		child_fill(&self->child[0], nr * BLOCK_PAGES, BLOCK_PAGES,
			   (1ULL << 51) + nr * BLOCK_PAGES, 1);
		EXPECT_EQ(0, child_madvise(&self->child[0], nr * BLOCK_PAGES, BLOCK_PAGES,
					   MADV_COLLAPSE));
	}
	ASSERT_EQ(0, ps_scan(self->dev, SETTLE));
	oracle_look(&self->oracle);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		ASSERT_EQ(0, ps_ledger(self->dev, self->id[vm], &ledger));
		EXPECT_EQ(gained(&self->oracle.region[vm], before[vm]), ledger.split_gained);
	}
	EXPECT_EQ(0, gained(&self->oracle.region[0], before[0]));
}

/* Huge pages that equal another as a whole: three alike, two alike, two of zeros, one alone. */
TEST_F_TIMEOUT(policy, equal_blocks, 200)
{
	static const uint64_t content[2][4] = { { 5000, 6000, 0, 5000 }, { 6000, 5000, 0, 7000 } };
	struct pshare_read_ledger ledger;

	for (unsigned int vm = 0; vm < 2; vm++) {
		layout_free(self->layout[vm]);
		self->layout[vm] = layout_new(4);
		for (size_t nr = 0; nr < 4; nr++) {
			self->layout[vm]->block[nr] = LAYOUT_HUGE;
			layout_fill(self->layout[vm], nr * BLOCK_PAGES, BLOCK_PAGES,
				    content[vm][nr], !!content[vm][nr]);
		}
	}
	start(self, 0, -1);
	start(self, 1, -1);
	ASSERT_EQ(0, set_policy(self, PSHARE_HUGE_KEEP, 64));
	scan(_metadata, self);
	ASSERT_EQ(0, ps_ledger(self->dev, self->id[0], &ledger));
	EXPECT_EQ(4, ledger.blocks_huge);
	EXPECT_EQ(3, ledger.blocks_equal);
	EXPECT_EQ(4, ledger.twins[PSHARE_NR_TWIN_BINS - 1]);
	ASSERT_EQ(0, ps_ledger(self->dev, self->id[1], &ledger));
	EXPECT_EQ(2, ledger.blocks_equal);
	EXPECT_EQ(3, ledger.twins[PSHARE_NR_TWIN_BINS - 1]);
	EXPECT_EQ(1, ledger.twins[0]);
}

TEST_HARNESS_MAIN
