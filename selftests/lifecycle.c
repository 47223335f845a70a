// SPDX-License-Identifier: GPL-2.0
/*
 * Regions begin and end, in every way, while their pages are shared: the memory
 * always comes back, and nothing of a process that has gone stays behind.
 */
#include <signal.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64

FIXTURE(lifecycle) {
	struct pair pair;
	struct child *a, *b;
};

FIXTURE_SETUP(lifecycle)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
}

FIXTURE_TEARDOWN(lifecycle)
{
	pair_stop(&self->pair);
}

struct region {
	int dev;
	uint64_t id;
};

static bool region_gone(void *arg)
{
	struct region *region = arg;
	struct pshare_read read;

	return ps_read(region->dev, region->id, &read) == -ENOENT;
}

static bool wait_gone(int dev, uint64_t id)
{
	struct region region = { dev, id };

	return lib_wait(region_gone, &region, 3000);
}

/* @child has all of its memory for itself, with the right contents. */
static bool is_private(struct child *child)
{
	return !shared_frames(child->pid, child->mem, child->pages) &&
	       !zero_frames(child->pid, child->mem, child->pages) &&
	       different_frames(child->pid, child->mem, child->pages) == child->pages;
}

TEST_F(lifecycle, remove_gives_own_copies)
{
	pair_merge(&self->pair);
	ASSERT_EQ(PAGES, shared_frames(self->a->pid, self->a->mem, PAGES));
	ASSERT_EQ(0, ps_remove(self->pair.dev, self->pair.region_a));
	EXPECT_TRUE(is_private(self->a));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(-ENOENT, ps_remove(self->pair.dev, self->pair.region_a));
	EXPECT_EQ(1, ps_regions(self->pair.dev));
	/* It is left alone from now on, and b has lost its twin. */
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_TRUE(is_private(self->b));
	EXPECT_TRUE(ps_nothing_shared());
	/* Back again, it merges as at first. */
	ASSERT_EQ(0, ps_add(self->pair.dev, self->a->pid, self->a->mem, PAGES * PAGE, "pair",
			    NULL));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
}

TEST_F(lifecycle, remove_gives_back_zero_pages)
{
	child_fill(self->a, 0, PAGES, 0, 0);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	ASSERT_EQ(PAGES, zero_frames(self->a->pid, self->a->mem, PAGES));
	ASSERT_EQ(0, ps_remove(self->pair.dev, self->pair.region_a));
	EXPECT_TRUE(is_private(self->a));
	EXPECT_EQ(0, child_wrong(self->a, 0, PAGES, 0, 0));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
}

TEST_F(lifecycle, unmerge_keeps_the_region)
{
	uint64_t pages = 0;

	child_fill(self->a, 0, 16, 0, 0);
	child_fill(self->b, 0, 16, 0, 0);
	pair_merge(&self->pair);
	ASSERT_EQ(0, ps_unmerge(self->pair.dev, self->pair.region_a, &pages));
	EXPECT_EQ(PAGES, pages);
	EXPECT_TRUE(is_private(self->a));
	EXPECT_EQ(0, wrong_pages(self->a->pid, child_page(self->a, 16), PAGES - 16,
				 PAIR_SEED + 16, 1));
	EXPECT_EQ(0, wrong_pages(self->a->pid, self->a->mem, 16, 0, 0));
	EXPECT_EQ(2, ps_regions(self->pair.dev));
	pair_merge(&self->pair);
}

TEST_F(lifecycle, run_2_unmerges_all)
{
	child_fill(self->a, 0, 16, 0, 0);
	child_fill(self->b, 0, 16, 0, 0);
	pair_merge(&self->pair);
	ASSERT_EQ(16, ps_get("ksm_zero_pages") / 2);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(2, ps_get("run"));
	for (int i = 0; i < 2; i++) {
		struct child *child = i ? self->b : self->a;

		EXPECT_TRUE(is_private(child));
		EXPECT_EQ(0, wrong_pages(child->pid, child->mem, 16, 0, 0));
		EXPECT_EQ(0, child_wrong(child, 16, PAGES - 16, PAIR_SEED + 16, 1));
	}
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
	EXPECT_EQ(2, ps_regions(self->pair.dev));
	EXPECT_EQ(-EBUSY, ps_scan(self->pair.dev, 1));
	ASSERT_EQ(0, ps_set("run", 0));
	pair_merge(&self->pair);
	EXPECT_EQ(0, child_wrong(self->b, 16, PAGES - 16, PAIR_SEED + 16, 1));
}

static bool all_shared(void *arg)
{
	struct pair *pair = arg;

	return pair_same(pair) == PAGES;
}

/* The scanner by itself, as it runs on a real machine. */
TEST_F(lifecycle, run_1_merges_by_itself)
{
	lib_sleep_ms(200);
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 1));
	ASSERT_EQ(0, ps_set("run", 1));
	EXPECT_TRUE(lib_wait(all_shared, &self->pair, 10000));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
	/* Stopped means stopped. */
	child_poke(self->a, 0, 0, 1);
	child_fill(self->a, 0, 1, PAIR_SEED, 0);
	lib_sleep_ms(300);
	EXPECT_EQ(PAGES - 1, pair_same(&self->pair));
}

TEST_F(lifecycle, region_outlives_the_open_file)
{
	close(self->pair.dev);
	self->pair.dev = ps_open();
	ASSERT_LE(0, self->pair.dev);
	EXPECT_EQ(2, ps_regions(self->pair.dev));
	pair_merge(&self->pair);
}

TEST_F(lifecycle, region_ends_at_exit)
{
	pair_merge(&self->pair);
	child_exit(self->a);
	EXPECT_TRUE(wait_gone(self->pair.dev, self->pair.region_a));
	EXPECT_EQ(1, ps_regions(self->pair.dev));
	EXPECT_EQ(0, pair_wrong(self->b));
}

TEST_F(lifecycle, region_ends_at_exec)
{
	pair_merge(&self->pair);
	child_exec(self->a);
	EXPECT_TRUE(wait_gone(self->pair.dev, self->pair.region_a));
	EXPECT_EQ(1, ps_regions(self->pair.dev));
	EXPECT_EQ(0, pair_wrong(self->b));
	/* The new program is not scanned; nothing of the old one is left. */
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_TRUE(is_private(self->b));
	EXPECT_TRUE(ps_nothing_shared());
}

/* The last of the mappers gets a page of its own: a shared one can't be swapped. */
TEST_F(lifecycle, single_mapper_is_given_back)
{
	uint64_t frames[PAGES];

	pair_merge(&self->pair);
	frames_save(self->b->pid, self->b->mem, PAGES, frames);
	child_kill(self->a);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(PAGES, frames_changed(self->b->pid, self->b->mem, PAGES, frames));
	EXPECT_TRUE(is_private(self->b));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, pair_wrong(self->b));
}

/* The same where the twin did not die but changed. */
TEST_F(lifecycle, single_mapper_after_writes)
{
	pair_merge(&self->pair);
	child_fill(self->a, 0, PAGES, PAIR_SEED + PAGES, 1);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_TRUE(is_private(self->a));
	EXPECT_TRUE(is_private(self->b));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, pair_wrong(self->b));
}

TEST_F(lifecycle, pages_without_mappers_are_freed)
{
	pair_merge(&self->pair);
	ASSERT_EQ(PAGES, ps_get("pages_shared"));
	child_kill(self->a);
	child_kill(self->b);
	ASSERT_EQ(0, ps_scan(self->pair.dev, 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, ps_regions(self->pair.dev));
}

/* Without anybody who scans: the memory must come back all the same. */
TEST_F(lifecycle, pages_without_mappers_are_freed_without_a_scan)
{
	pair_merge(&self->pair);
	child_kill(self->a);
	child_kill(self->b);
	EXPECT_TRUE(ps_nothing_shared());
}

/* Pages on the CPUs' lists of free pages are free, too, but not in MemFree. */
static long listed_kb(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	long count, sum = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %ld", &count) == 1)
			sum += count * PAGE / 1024;
	if (file)
		fclose(file);
	return sum;
}

static long free_memory(void)
{
	file_write("/proc/sys/vm/drop_caches", "3");
	lib_sleep_ms(100);
	return meminfo_kb("MemFree") + listed_kb();
}

#define MANY	1024	/* 4 MiB, twice, at each round */
TEST_F_TIMEOUT(lifecycle, nothing_leaks, 60)
{
	struct child a, b;
	long before = 0;

	for (int round = 0; round < 9; round++) {
		child_start(&a, MANY, 0);
		child_start(&b, MANY, 0);
		child_fill(&a, 0, MANY, PAIR_SEED, 1);
		child_fill(&b, 0, MANY, PAIR_SEED, 1);
		ASSERT_EQ(0, ps_add(self->pair.dev, a.pid, a.mem, MANY * PAGE, "leak", NULL));
		ASSERT_EQ(0, ps_add(self->pair.dev, b.pid, b.mem, MANY * PAGE, "leak", NULL));
		ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
		ASSERT_EQ(MANY, same_frames(a.pid, a.mem, b.pid, b.mem, MANY));
		child_kill(&a);
		child_kill(&b);
		ASSERT_EQ(0, ps_scan(self->pair.dev, 2));
		ASSERT_EQ(2, ps_regions(self->pair.dev));
		/* Those of a and b stay. */
		ASSERT_TRUE(ps_wait_counter("pages_shared", PAGES, 3000));
		/* The first round fills caches that last. */
		if (!round)
			before = free_memory();
	}
	before -= free_memory();
	lib_note("free memory fell by %ld KiB in 8 rounds", before);
	/*
	 * Had the shared pages leaked, it would be 32 MiB.  KASAN holds some of what
	 * was freed back for a while: up to 8 MiB have been seen.
	 */
	EXPECT_GT(16 * 1024, before);
}

static long do_touch(struct child *self, const long *arg)
{
	for (size_t i = 0; i < self->pages; i++)
		*child_page(self, i) = 1;
	return 0;
}

/* Memory of a process that has gone is free at once, registered or not. */
#define BIG	(96 * 1024)	/* KiB; much more than the CPUs' lists of free pages hold */
TEST_F(lifecycle, region_does_not_keep_memory)
{
	struct child big;
	long with;

	child_start(&big, BIG / 4, 0);
	child_call(&big, do_touch);
	with = free_memory();
	ASSERT_EQ(0, ps_add(self->pair.dev, big.pid, big.mem, BIG * 1024UL, NULL, NULL));
	child_kill(&big);
	EXPECT_LT(with + BIG * 3 / 4, free_memory());
}

TEST_F(lifecycle, fork_is_not_registered)
{
	struct child fork;

	pair_merge(&self->pair);
	child_fork(self->a, &fork);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(2, ps_regions(self->pair.dev));
	child_fill(&fork, 0, PAGES, 0, 0);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(0, zero_frames(fork.pid, fork.mem, PAGES));
	child_kill(&fork);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* A child that nobody registered holds the last references to shared pages. */
TEST_F(lifecycle, fork_outlives_the_registered_parent)
{
	struct child fork;

	pair_merge(&self->pair);
	child_fork(self->a, &fork);
	child_kill(self->a);
	child_kill(self->b);
	EXPECT_TRUE(wait_gone(self->pair.dev, self->pair.region_a));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(0, pair_wrong(&fork));
	child_fill(&fork, 0, PAGES / 2, PAIR_SEED + 5000, 1);
	EXPECT_EQ(0, child_wrong(&fork, 0, PAGES / 2, PAIR_SEED + 5000, 1));
	EXPECT_EQ(0, wrong_pages(fork.pid, child_page(&fork, PAGES / 2), PAGES / 2,
				 PAIR_SEED + PAGES / 2, 1));
	child_kill(&fork);
	ASSERT_EQ(0, ps_scan(self->pair.dev, 2));
	EXPECT_TRUE(ps_nothing_shared());
}

/* run=2 can't reach a process that is not registered: its bytes must hold. */
TEST_F(lifecycle, fork_survives_run_2)
{
	struct child fork;

	pair_merge(&self->pair);
	child_fork(self->a, &fork);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(is_private(self->a));
	EXPECT_TRUE(is_private(self->b));
	EXPECT_EQ(0, pair_wrong(&fork));
	child_fill(self->a, 0, PAGES, 0, 0);
	child_fill(self->b, 0, PAGES, 0, 0);
	EXPECT_EQ(0, pair_wrong(&fork));
	child_kill(&fork);
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->pair.dev, 2));
	EXPECT_TRUE(ps_nothing_shared());
}

/* Killed while the scanner is at work on them. */
TEST_F_TIMEOUT(lifecycle, kill_in_mid_scan, 60)
{
	struct child victims[3];

	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 100000));
	ASSERT_EQ(0, ps_set("run", 1));
	srand(1);
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 3; i++) {
			child_start(&victims[i], 256, 0);
			child_fill(&victims[i], 0, 256, PAIR_SEED, 1);
			ASSERT_EQ(0, ps_add(self->pair.dev, victims[i].pid, victims[i].mem,
					    256 * PAGE, "pair", NULL));
		}
		lib_sleep_ms(rand() % 60);
		/* One by a signal, one at its own will, one by exec. */
		kill(victims[0].pid, SIGKILL);
		child_exec(&victims[1]);
		child_exit(&victims[2]);
		child_kill(&victims[0]);
		child_kill(&victims[1]);
	}
	EXPECT_TRUE(lib_wait(all_shared, &self->pair, 10000));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(2, ps_regions(self->pair.dev));
	EXPECT_TRUE(ps_wait_counter("pages_shared", PAGES, 3000));
	EXPECT_TRUE(ps_wait_counter("pages_sharing", PAGES, 3000));
}

TEST_HARNESS_MAIN
