// SPDX-License-Identifier: GPL-2.0
/*
 * The dry run: it changes nothing, neither a frame nor an entry, and what it says would be
 * saved is what is saved when the scanner is then let loose.  Both are judged by pagemap.
 */
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib/layout.h"
#include "lib/oracle.h"

#define VMS		3
#define BLOCKS		4
#define VM_PAGES	(BLOCKS * BLOCK_PAGES)
#define SETTLE		(PASSES + 2)

static const char * const policy_words[] = { "keep", "benefit", "pressure", "always" };

FIXTURE(estimate) {
	int dev;
	struct layout *layout[VMS];
	struct child child[VMS];
	uint64_t id[VMS];
	struct oracle oracle;
};

/* Everything that pagemap tells of a page, and what smaps says of huge pages. */
struct entries {
	uint64_t entry[VMS][VM_PAGES];
	size_t huge[VMS];
};

/* Huge or not: zeros, twins within a VM and with others, few in one block, many in the next. */
FIXTURE_VARIANT(estimate) {
	bool huge;
};

FIXTURE_VARIANT_ADD(estimate, small) {
	.huge = false,
};

FIXTURE_VARIANT_ADD(estimate, huge) {
	.huge = true,
};

static void lay_out(struct layout *layout, unsigned int vm, bool huge)
{
	static const size_t twins[BLOCKS] = { 5, 40, 200, 512 };
	uint64_t unique = (vm + 1ULL) << 32;

	for (size_t nr = 0; nr < BLOCKS; nr++) {
		size_t first = nr * BLOCK_PAGES, many = twins[nr];

		layout->block[nr] = huge ? LAYOUT_HUGE : LAYOUT_SMALL;
		layout_fill(layout, first, BLOCK_PAGES, unique + first, 1);
		/* With itself, with the others, and zeros. */
		layout_fill(layout, first, many / 4, 100 * (vm + 1), 0);
		layout_fill(layout, first + many / 4, many / 2, 1000 + first, 1);
		layout_fill(layout, first + many / 4 + many / 2, many / 5, 0, 0);
	}
}

FIXTURE_SETUP(estimate)
{
	self->dev = ps_begin();
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
	layout_stop_khugepaged();
	for (unsigned int vm = 0; vm < VMS; vm++) {
		self->layout[vm] = layout_new(BLOCKS);
		lay_out(self->layout[vm], vm, variant->huge);
	}
	oracle_begin(&self->oracle);
}

FIXTURE_TEARDOWN(estimate)
{
	ps_set("run", 0);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		child_kill(&self->child[vm]);
		layout_free(self->layout[vm]);
	}
	oracle_end(&self->oracle);
	close(self->dev);
}

static void start(struct _test_data_estimate *self, unsigned int vm, unsigned int policy)
{
	struct child *child = &self->child[vm];
	int err;

	layout_start(self->layout[vm], child);
	err = ps_add(self->dev, child->pid, child->mem, VM_PAGES * PAGE, "estimate",
		     &self->id[vm]);
	if (err)
		lib_die("cannot add a region: %s", strerror(-err));
	oracle_add(&self->oracle, self->id[vm], child->pid, child->mem, VM_PAGES, "estimate",
		   policy);
}

static int set_policy(unsigned int policy, unsigned int split_min)
{
	return ps_set_text("huge_policy", policy_words[policy]) ?:
	       ps_set("huge_split_min", split_min);
}

/* ---- what must not change ---- */

static void save(struct _test_data_estimate *self, struct entries *entries)
{
	for (unsigned int vm = 0; vm < VMS; vm++) {
		struct child *child = &self->child[vm];

		for (size_t i = 0; child->pid && i < VM_PAGES; i++)
			entries->entry[vm][i] = pm_entry(child->pid, child_page(child, i));
		if (child->pid)
			entries->huge[vm] = oracle_huge_blocks(child->pid, child->mem, VM_PAGES);
	}
}

/* From now on pagemap tells what was written to, and what else made an entry anew. */
static void clear_soft_dirty(struct _test_data_estimate *self)
{
	char path[64];

	for (unsigned int vm = 0; vm < VMS; vm++) {
		if (!self->child[vm].pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/clear_refs", self->child[vm].pid);
		if (file_write(path, "4"))
			lib_die("this kernel does not know soft-dirty pages");
	}
}

static size_t changed(struct _test_data_estimate *self, const struct entries *before)
{
	static struct entries now;
	size_t changes = 0;

	save(self, &now);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		for (size_t i = 0; self->child[vm].pid && i < VM_PAGES; i++) {
			if (now.entry[vm][i] == before->entry[vm][i])
				continue;
			if (!changes++)
				lib_note("page %zu of VM %u: %#llx became %#llx", i, vm,
					 (unsigned long long)before->entry[vm][i],
					 (unsigned long long)now.entry[vm][i]);
		}
		changes += now.huge[vm] != before->huge[vm];
	}
	return changes;
}

/*
 * Passes that must not change a thing.  The kernel's own compaction may move pages meanwhile,
 * if memory has fallen to pieces before: it says so, and then it is looked at anew.
 */
static size_t changed_by_passes(struct _test_data_estimate *self)
{
	static struct entries before;
	size_t changes, tries = 0;
	long long moved;

	do {
		moved = vmstat("pgmigrate_success");
		clear_soft_dirty(self);
		save(self, &before);
		if (ps_scan(self->dev, SETTLE))
			lib_die("cannot scan");
		changes = changed(self, &before);
		moved = vmstat("pgmigrate_success") - moved;
		if (changes)
			lib_note("%zu entries changed, the kernel moved %lld pages", changes,
				 moved);
	} while (changes && moved && ++tries < 5);
	return changes;
}

static uint64_t splits(struct _test_data_estimate *self)
{
	struct pshare_read read;
	uint64_t sum = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		if (self->child[vm].pid && !ps_read(self->dev, self->id[vm], &read))
			sum += read.huge_splits;
	return sum;
}

/* What the dry run says would be saved. */
static uint64_t merging(struct _test_data_estimate *self)
{
	struct pshare_read_ledger ledger;
	uint64_t sum = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		if (self->child[vm].pid && !ps_ledger(self->dev, self->id[vm], &ledger))
			sum += ledger.merging;
	if ((long long)sum != ps_figure("savings", "merging"))
		lib_die("debugfs and the ioctl do not agree");
	return sum;
}

/* What is saved, by the frames. */
static uint64_t saved(struct _test_data_estimate *self)
{
	oracle_look(&self->oracle);
	return self->oracle.saved;
}

/* A dry run that leaves no trace; returns what it says. */
static uint64_t estimate(struct __test_metadata *_metadata, struct _test_data_estimate *self)
{
	long long sharing = ps_get("pages_sharing"), zeros = ps_get("ksm_zero_pages");
	uint64_t split = splits(self);

	if (ps_set("run", 3))
		lib_die("run cannot be 3");
	EXPECT_EQ(0, changed_by_passes(self));
	EXPECT_EQ(split, splits(self));
	EXPECT_EQ(sharing, ps_get("pages_sharing"));
	EXPECT_EQ(zeros, ps_get("ksm_zero_pages"));
	return merging(self);
}

struct passes {
	long long end;
};

static bool passes_done(void *arg)
{
	return ps_get("full_scans") >= ((struct passes *)arg)->end;
}

/* The scanner as an administrator starts it, for some passes. */
static void run(struct __test_metadata *_metadata, struct _test_data_estimate *self)
{
	struct passes passes = { ps_get("full_scans") + SETTLE + 1 };

	ASSERT_EQ(0, ps_set("pages_to_scan", 100000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 20));
	ASSERT_EQ(0, ps_set("run", 1));
	EXPECT_TRUE(lib_wait(passes_done, &passes, 120000));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
}

static bool within_percent(uint64_t predicted, uint64_t real)
{
	uint64_t error = predicted > real ? predicted - real : real - predicted;

	lib_note("%llu pages predicted, %llu saved", (unsigned long long)predicted,
		 (unsigned long long)real);
	return error * 100 <= real;
}

static size_t wrong_bytes(struct _test_data_estimate *self)
{
	size_t wrong = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		if (self->child[vm].pid)
			wrong += layout_wrong(self->layout[vm], &self->child[vm], 0);
	return wrong;
}

/* ---- the tests ---- */

static void predict(struct __test_metadata *_metadata, struct _test_data_estimate *self,
		    unsigned int policy, unsigned int split_min, bool use_zero)
{
	uint64_t predicted;

	ASSERT_EQ(0, set_policy(policy, split_min));
	ASSERT_EQ(0, ps_set("use_zero_pages", use_zero));
	self->oracle.use_zero = use_zero;
	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, policy);
	predicted = estimate(_metadata, self);
	EXPECT_EQ(0, saved(self));
	run(_metadata, self);
	EXPECT_TRUE(within_percent(predicted, saved(self)));
	EXPECT_EQ(0, wrong_bytes(self));
	/* Then nothing is left to be had. */
	EXPECT_EQ(0, estimate(_metadata, self));
}

TEST_F_TIMEOUT(estimate, keep, 200)
{
	predict(_metadata, self, PSHARE_HUGE_KEEP, 64, true);
	EXPECT_TRUE(variant->huge ? !saved(self) : saved(self) > VM_PAGES / 2);
}

TEST_F_TIMEOUT(estimate, benefit, 200)
{
	predict(_metadata, self, PSHARE_HUGE_BENEFIT, 64, true);
	EXPECT_LT(0, saved(self));
	EXPECT_EQ(variant->huge ? 2 * VMS : 0, splits(self));
}

TEST_F_TIMEOUT(estimate, benefit_of_few, 200)
{
	predict(_metadata, self, PSHARE_HUGE_BENEFIT, 4, true);
	EXPECT_EQ(variant->huge ? 4 * VMS : 0, splits(self));
}

TEST_F_TIMEOUT(estimate, always, 200)
{
	predict(_metadata, self, PSHARE_HUGE_ALWAYS, 64, true);
	EXPECT_EQ(variant->huge ? 4 * VMS : 0, splits(self));
}

TEST_F_TIMEOUT(estimate, always_without_zero_pages, 200)
{
	predict(_metadata, self, PSHARE_HUGE_ALWAYS, 64, false);
}

/* Two VMs are merged, a third comes: what would that bring? */
TEST_F_TIMEOUT(estimate, beside_merged_pages, 200)
{
	uint64_t before, predicted;

	ASSERT_EQ(0, set_policy(PSHARE_HUGE_BENEFIT, 4));
	start(self, 0, PSHARE_HUGE_BENEFIT);
	start(self, 1, PSHARE_HUGE_BENEFIT);
	run(_metadata, self);
	before = saved(self);
	EXPECT_LT(0, before);
	start(self, 2, PSHARE_HUGE_BENEFIT);
	predicted = estimate(_metadata, self);
	EXPECT_EQ(before, saved(self));
	run(_metadata, self);
	EXPECT_TRUE(within_percent(predicted, saved(self) - before));
	EXPECT_EQ(0, wrong_bytes(self));
}

/* A shared page that is left alone is given back; not in a dry run. */
TEST_F_TIMEOUT(estimate, single_sharers_stay, 200)
{
	uint64_t left;
	size_t held;

	ASSERT_EQ(0, set_policy(PSHARE_HUGE_ALWAYS, 64));
	start(self, 0, PSHARE_HUGE_ALWAYS);
	start(self, 1, PSHARE_HUGE_ALWAYS);
	run(_metadata, self);
	child_kill(&self->child[1]);
	oracle_end(&self->oracle);
	oracle_add(&self->oracle, self->id[0], self->child[0].pid, self->child[0].mem, VM_PAGES,
		   "estimate", PSHARE_HUGE_ALWAYS);
	left = saved(self);
	/* The module notices a little later. */
	ASSERT_TRUE(ps_wait_counter("ksm_zero_pages", self->oracle.region[0].class[PSHARE_ZERO],
				    5000));
	ASSERT_TRUE(ps_wait_counter("pages_sharing",
				    left - self->oracle.region[0].class[PSHARE_ZERO], 5000));
	held = shared_frames(self->child[0].pid, self->child[0].mem, VM_PAGES);
	EXPECT_LT(300, held);
	EXPECT_EQ(0, estimate(_metadata, self));
	EXPECT_EQ(held, shared_frames(self->child[0].pid, self->child[0].mem, VM_PAGES));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_GT(held / 2, shared_frames(self->child[0].pid, self->child[0].mem, VM_PAGES));
	EXPECT_EQ(0, wrong_bytes(self));
}

/* run=3 by itself, then all the others. */
TEST_F_TIMEOUT(estimate, from_one_to_the_next, 200)
{
	struct passes passes;

	ASSERT_EQ(0, set_policy(PSHARE_HUGE_ALWAYS, 64));
	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, PSHARE_HUGE_ALWAYS);
	ASSERT_EQ(0, ps_set("pages_to_scan", 100000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 20));
	ASSERT_EQ(0, ps_set("run", 3));
	passes.end = ps_get("full_scans") + SETTLE;
	ASSERT_TRUE(lib_wait(passes_done, &passes, 120000));
	EXPECT_LT(0, merging(self));
	EXPECT_EQ(0, saved(self));

	run(_metadata, self);
	EXPECT_LT(0, saved(self));
	EXPECT_EQ(0, estimate(_metadata, self));
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, saved(self));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, wrong_bytes(self));
	/* What has been unmerged could be merged again. */
	EXPECT_LT(0, estimate(_metadata, self));
	EXPECT_EQ(0, saved(self));
	EXPECT_EQ(0, ps_wrong_ledgers(self->dev));
}

TEST_HARNESS_MAIN
