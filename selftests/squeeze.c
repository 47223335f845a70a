// SPDX-License-Identifier: GPL-2.0
/*
 * The policy 'pressure': huge pages stay whole while memory is plenty.  When a hog takes it,
 * those with the most twins are split first, until there is enough again, and no further.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib/layout.h"
#include "lib/oracle.h"

#define HUGE_VMS	4
#define VMS		(HUGE_VMS + 1)	/* the last has small pages, twins of the others' */
#define BLOCKS		16
#define VM_PAGES	(BLOCKS * BLOCK_PAGES)
#define LEVEL		8	/* twins of the poorest block; no two blocks have as many */
#define LEVELS		(HUGE_VMS * BLOCKS)
#define ANCHORS		500
#define TRACING		"/sys/kernel/tracing/"
#define SPLIT_EVENT	TRACING "events/pshare/pshare_split/enable"

/* Memory that lies between what there is and what is wanted, before the hog comes. */
#define DISTANCE_KB	(128L << 10)
/* What the hog takes beyond it: about a sixth of what all blocks could give. */
#define SHORTAGE_KB	(11L << 10)
/* What is freed waits in lists of each CPU, and is not counted as available at once. */
#define WAITING_KB	(16L << 10)

FIXTURE(squeeze) {
	int dev;
	long wanted_kb;		/* what the knob has the module keep available */
	struct layout *layout[VMS];
	struct child child[VMS], hog;
	uint64_t id[VMS];
	struct oracle oracle;
};

/* Twins of a block: all levels occur once, in no order. */
static unsigned int twins_of(unsigned int vm, size_t nr)
{
	/* 5 and the number of levels have no common factor. */
	return ((vm * BLOCKS + nr) * 5 % LEVELS + 1) * LEVEL;
}

static void lay_block(struct layout *layout, unsigned int vm, size_t nr)
{
	size_t first = nr * BLOCK_PAGES;

	layout->block[nr] = LAYOUT_HUGE;
	layout_fill(layout, first, BLOCK_PAGES, (vm + 1ULL) << 32 | first, 1);
	for (size_t i = 0; i < twins_of(vm, nr); i++)
		layout_fill(layout, first + i * 211 % BLOCK_PAGES, 1,
			    i % 4 ? 0 : ANCHORS + i % 100, 0);
}

FIXTURE_SETUP(squeeze)
{
	self->dev = ps_begin();
	layout_stop_khugepaged();
	for (unsigned int vm = 0; vm < HUGE_VMS; vm++) {
		self->layout[vm] = layout_new(BLOCKS);
		for (size_t nr = 0; nr < BLOCKS; nr++)
			lay_block(self->layout[vm], vm, nr);
	}
	self->layout[HUGE_VMS] = layout_new(1);
	layout_fill(self->layout[HUGE_VMS], 0, BLOCK_PAGES, 99ULL << 32, 1);
	layout_fill(self->layout[HUGE_VMS], 0, 100, ANCHORS, 1);
	oracle_begin(&self->oracle);
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	ASSERT_EQ(0, file_write(SPLIT_EVENT, "1"));
}

FIXTURE_TEARDOWN(squeeze)
{
	ps_set("run", 0);
	file_write(SPLIT_EVENT, "0");
	child_kill(&self->hog);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		child_kill(&self->child[vm]);
		layout_free(self->layout[vm]);
	}
	oracle_end(&self->oracle);
	close(self->dev);
}

static void start(struct _test_data_squeeze *self, unsigned int vm,
		  enum pshare_huge_policy policy)
{
	struct child *child = &self->child[vm];
	size_t pages = self->layout[vm]->blocks * BLOCK_PAGES;
	int err;

	layout_start(self->layout[vm], child);
	err = ps_add_policy(self->dev, child->pid, child->mem, pages * PAGE, "squeeze", policy,
			    &self->id[vm]);
	if (err)
		lib_die("cannot add a region: %s", strerror(-err));
	oracle_add(&self->oracle, self->id[vm], child->pid, child->mem, pages, "squeeze", policy);
}

static size_t huge_blocks(struct _test_data_squeeze *self, unsigned int vm)
{
	return oracle_huge_blocks(self->child[vm].pid, self->child[vm].mem,
				  self->layout[vm]->blocks * BLOCK_PAGES);
}

static size_t all_huge_blocks(struct _test_data_squeeze *self)
{
	size_t sum = 0;

	for (unsigned int vm = 0; vm < HUGE_VMS; vm++)
		sum += huge_blocks(self, vm);
	return sum;
}

static size_t wrong_bytes(struct _test_data_squeeze *self)
{
	size_t wrong = 0;

	for (unsigned int vm = 0; vm < VMS; vm++)
		wrong += layout_wrong(self->layout[vm], &self->child[vm], 0);
	return wrong;
}

/* ---- what was split, in order ---- */

struct order {
	unsigned int nr;
	unsigned int twins[2 * LEVELS];
};

static void read_order(struct _test_data_squeeze *self, struct order *order)
{
	FILE *file = fopen(TRACING "trace", "re");
	unsigned long long address;
	char line[512], *text;
	int pid;

	if (!file)
		lib_die("cannot read the trace");
	order->nr = 0;
	while (fgets(line, sizeof(line), file) && order->nr < ARRAY_SIZE(order->twins)) {
		text = strstr(line, " pshare_split: ");
		if (!text || sscanf(text, " pshare_split: region=%*u pid=%d addr=%llx", &pid,
				    &address) != 2)
			continue;
		for (unsigned int vm = 0; vm < HUGE_VMS; vm++) {
			size_t nr = (address - (uintptr_t)self->child[vm].mem) / HUGE_PAGE;

			if (pid == self->child[vm].pid)
				order->twins[order->nr++] = twins_of(vm, nr);
		}
	}
	fclose(file);
}

/* Splits that came before a better one. */
static unsigned int out_of_order(const struct order *order)
{
	unsigned int wrong = 0;

	for (unsigned int i = 1; i < order->nr; i++)
		wrong += order->twins[i] > order->twins[i - 1];
	return wrong;
}

/*
 * KiB that all splits but the last have freed, at most.  MemAvailable also grows of what
 * the kernel gives back by itself when it is short of memory.
 */
static long gained_before_last(const struct order *order)
{
	long pages = 0;

	for (unsigned int i = 0; i + 1 < order->nr; i++)
		pages += order->twins[i];
	return pages * (PAGE >> 10);
}

/* The most twins of a block that is whole. */
static unsigned int best_left(const struct order *order)
{
	for (unsigned int level = LEVELS; level; level--) {
		bool split = false;

		for (unsigned int i = 0; i < order->nr; i++)
			split |= order->twins[i] == level * LEVEL;
		if (!split)
			return level * LEVEL;
	}
	return 0;
}

/* ---- memory ---- */

static long do_take(struct child *self, const long *arg)
{
	for (long i = 0; i < arg[0]; i++)
		page_fill(child_page(self, i), 1ULL << 60 | i);
	return 0;
}

/* Has the module want a little less than there is now. */
static void want_memory(struct _test_data_squeeze *self)
{
	long total = meminfo_kb("MemTotal"), percent;

	percent = (meminfo_kb("MemAvailable") - DISTANCE_KB) * 100 / total;
	if (percent <= 0 || ps_set("huge_min_free_percent", percent))
		lib_die("cannot ask for %ld %% of memory", percent);
	self->wanted_kb = total / 4 / 100 * percent * 4;
}

/* Takes it. */
static void take_memory(struct _test_data_squeeze *self)
{
	long kb = meminfo_kb("MemAvailable") - self->wanted_kb + SHORTAGE_KB;

	child_start(&self->hog, kb / 4, CHILD_HUGE);
	child_call(&self->hog, do_take, kb / 4);
}

/* ---- the scanner ---- */

static bool passes_done(void *end)
{
	return ps_get("full_scans") >= *(long long *)end;
}

/* Lets the scanner run for some passes, and go on. */
static void run(struct __test_metadata *_metadata, int how)
{
	long long end = ps_get("full_scans") + PASSES + 2;

	ASSERT_EQ(0, ps_set("pages_to_scan", 10000));
	ASSERT_EQ(0, ps_set("run", how));
	ASSERT_TRUE(lib_wait(passes_done, &end, 120000));
}

static bool enough_memory(void *arg)
{
	return meminfo_kb("MemAvailable") >= ((struct _test_data_squeeze *)arg)->wanted_kb;
}

TEST_F_TIMEOUT(squeeze, best_first_until_it_is_enough, 300)
{
	struct order order;
	size_t left = 0;
	long kb;

	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, PSHARE_HUGE_PRESSURE);
	want_memory(self);
	run(_metadata, 1);
	/* No earlier. */
	EXPECT_EQ(LEVELS, all_huge_blocks(self));
	read_order(self, &order);
	EXPECT_EQ(0, order.nr);

	take_memory(self);
	kb = self->wanted_kb - meminfo_kb("MemAvailable");
	EXPECT_TRUE(lib_wait(enough_memory, self, 60000));
	lib_sleep_ms(2000);
	/* Both at one moment: near the mark another may be split in between. */
	for (unsigned int before = -1, tries = 0; order.nr != before && tries < 10; tries++) {
		before = order.nr;
		left = all_huge_blocks(self);
		read_order(self, &order);
	}
	lib_note("%u of %d blocks split, down to %u twins; %ld KiB were missing, %ld are to spare",
		 order.nr, LEVELS, order.nr ? order.twins[order.nr - 1] : 0, kb,
		 meminfo_kb("MemAvailable") - self->wanted_kb);
	EXPECT_EQ(0, out_of_order(&order));
	EXPECT_EQ(LEVELS - order.nr, left);
	ASSERT_LT(0, order.nr);
	EXPECT_LT(0, left);
	/* The rest are all worse than the worst of these. */
	EXPECT_LT(best_left(&order), order.twins[order.nr - 1]);
	/* Not much more than was asked for: what came before the last was not enough. */
	EXPECT_GT(kb + WAITING_KB, gained_before_last(&order));

	/* And no more, as long as it is enough; just before that one more may have been due. */
	child_kill(&self->hog);
	lib_sleep_ms(500);
	left = all_huge_blocks(self);
	lib_sleep_ms(2000);
	EXPECT_EQ(left, all_huge_blocks(self));
	EXPECT_EQ(0, wrong_bytes(self));
}

static bool all_split(void *arg)
{
	struct _test_data_squeeze *self = arg;
	size_t left = 0;

	for (unsigned int vm = 0; vm < HUGE_VMS; vm++)
		if (self->oracle.region[vm].policy == PSHARE_HUGE_PRESSURE)
			left += huge_blocks(self, vm);
	return !left;
}

/* Others' policies mean what they say, however short memory is. */
TEST_F_TIMEOUT(squeeze, other_policies_are_left_alone, 300)
{
	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, vm ? PSHARE_HUGE_KEEP : PSHARE_HUGE_PRESSURE);
	ASSERT_EQ(0, ps_set("huge_min_free_percent", 100));
	run(_metadata, 1);
	/* All blocks of the first have twins that may be merged, and there is never enough. */
	EXPECT_TRUE(lib_wait(all_split, self, 30000));
	EXPECT_EQ((HUGE_VMS - 1) * BLOCKS, all_huge_blocks(self));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	oracle_look(&self->oracle);
	EXPECT_EQ(self->oracle.saved, ps_get("pages_sharing") + ps_get("ksm_zero_pages"));
	EXPECT_LT(BLOCKS * 512 / 4, self->oracle.saved);
	EXPECT_EQ(0, wrong_bytes(self));
}

/* Neither a dry run nor a scanner that stands still splits, nor one that is told never to. */
TEST_F_TIMEOUT(squeeze, not_when_it_may_not_merge, 300)
{
	for (unsigned int vm = 0; vm < VMS; vm++)
		start(self, vm, PSHARE_HUGE_PRESSURE);
	ASSERT_EQ(0, ps_set("huge_min_free_percent", 100));
	run(_metadata, 3);
	lib_sleep_ms(1000);
	EXPECT_EQ(LEVELS, all_huge_blocks(self));
	ASSERT_EQ(0, ps_set("run", 0));
	lib_sleep_ms(1000);
	EXPECT_EQ(LEVELS, all_huge_blocks(self));
	ASSERT_EQ(0, ps_set("huge_min_free_percent", 0));
	run(_metadata, 1);
	lib_sleep_ms(1000);
	EXPECT_EQ(LEVELS, all_huge_blocks(self));
}

/* Blocks that equal each other wait for each other: all are split, all pages merged. */
TEST_F_TIMEOUT(squeeze, equal_blocks, 300)
{
	for (unsigned int vm = 0; vm < HUGE_VMS; vm++)
		for (size_t nr = 0; nr < BLOCKS; nr++)
			layout_fill(self->layout[vm], nr * BLOCK_PAGES, BLOCK_PAGES,
				    1000 * (1 + nr / 2), 1);
	for (unsigned int vm = 0; vm < HUGE_VMS; vm++)
		start(self, vm, PSHARE_HUGE_PRESSURE);
	ASSERT_EQ(0, ps_set("huge_min_free_percent", 100));
	run(_metadata, 1);
	EXPECT_TRUE(lib_wait(all_split, self, 30000));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	oracle_look(&self->oracle);
	EXPECT_EQ((2 * HUGE_VMS - 1) * VM_PAGES / 2, self->oracle.saved);
}

TEST_HARNESS_MAIN
