// SPDX-License-Identifier: GPL-2.0
/*
 * Swapping beside sharing: pages go out and come back with the right bytes, and
 * the scanner neither fetches them nor is in the way.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/swap.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	512
#define HALF	(PAGES / 2)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SWAP_BYTES	(64UL << 20)

FIXTURE(swap) {
	struct pair pair;
	struct child *a, *b;
	int dev;
};

FIXTURE_SETUP(swap)
{
	swap_on(SWAP_BYTES);
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
}

FIXTURE_TEARDOWN(swap)
{
	pair_stop(&self->pair);
	EXPECT_EQ(0, swap_off());
}

static size_t swapped(struct child *child, size_t first, size_t count)
{
	return pages_with(child->pid, child_page(child, first), count, PM_SWAPPED);
}

/* Has pages swapped out.  Those in the batches of the LRU only go at a later try. */
static void swap_out(struct child *child, size_t first, size_t count)
{
	for (int i = 0; i < 10 && swapped(child, first, count) < count; i++) {
		/* Compaction begins by emptying the batches. */
		if (i)
			file_write("/proc/sys/vm/compact_memory", "1");
		child_madvise(child, first, count, MADV_PAGEOUT);
	}
	if (swapped(child, first, count) < count)
		lib_die("only %zu of %zu pages are in swap", swapped(child, first, count), count);
}

TEST_F(swap, swapped_pages_are_left_there)
{
	struct pshare_read read;

	swap_out(self->a, 0, HALF);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(HALF, swapped(self->a, 0, HALF));
	EXPECT_EQ(HALF, pair_same(&self->pair));
	ASSERT_EQ(0, ps_read(self->dev, self->pair.region_a, &read));
	EXPECT_EQ(HALF, read.swapped);
	EXPECT_EQ(HALF, read.merged);
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, swapped(self->a, 0, PAGES));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
}

/*
 * Pages that were read back are in the swap cache still, and their slots hold
 * their bytes: merged, they must leave it.  With a disk as quick as zram the kernel
 * uses the cache only for slots that a fork shares.
 */
TEST_F(swap, pages_in_the_swap_cache)
{
	struct child fork;

	swap_out(self->a, 0, PAGES);
	child_fork(self->a, &fork);
	/* Read, not written: the slots stay in use. */
	ASSERT_EQ(0, pair_wrong(self->a));
	child_kill(&fork);
	ASSERT_LE(PAGES * 4 * 3 / 4, meminfo_kb("SwapCached"));
	pair_merge(&self->pair);
	/* But for what the CPUs' batches hold. */
	EXPECT_GT(PAGES, meminfo_kb("SwapCached"));
	EXPECT_EQ(0, pair_wrong(self->a));
	for (size_t i = 0; i < PAGES; i += 2)
		child_poke(self->a, i, 0, i);
	EXPECT_EQ(0, pair_wrong(self->b));
	child_fill(self->a, 0, PAGES, PAIR_SEED, 1);
	child_kill(self->b);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	swap_out(self->a, 0, PAGES);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* Merged in one process, while the other has them in swap. */
TEST_F(swap, slots_that_a_fork_needs)
{
	struct child fork;

	swap_out(self->a, 0, PAGES);
	child_fork(self->a, &fork);
	ASSERT_EQ(0, pair_wrong(self->a));
	ASSERT_EQ(PAGES, swapped(&fork, 0, PAGES));
	pair_merge(&self->pair);
	for (size_t i = 0; i < PAGES; i += 2)
		child_poke(self->a, i, 0, i);
	EXPECT_EQ(PAGES, swapped(&fork, 0, PAGES));
	EXPECT_EQ(0, pair_wrong(&fork));
	EXPECT_EQ(0, pair_wrong(self->b));
	child_kill(&fork);
}

TEST_F(swap, shared_pages_cannot_be_swapped)
{
	pair_merge(&self->pair);
	for (int i = 0; i < 3; i++)
		child_madvise(self->a, 0, PAGES, MADV_PAGEOUT);
	EXPECT_EQ(0, swapped(self->a, 0, PAGES));
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
	/* Unmerged they can. */
	ASSERT_EQ(0, ps_remove(self->dev, self->pair.region_a));
	swap_out(self->a, 0, PAGES);
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
}

/* swapoff reads everything back, and finds it shared or not. */
TEST_F(swap, swapoff_while_merged)
{
	swap_out(self->a, 0, HALF);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(0, swapoff(SWAP_DISK));
	EXPECT_EQ(0, swapped(self->a, 0, PAGES));
	EXPECT_EQ(0, pair_wrong(self->a));
	pair_merge(&self->pair);
	ASSERT_EQ(0, swapon(SWAP_DISK, 0));
}

/* A child that writes, checks, and lets a part of its pages be equal to the twin's. */
static long do_work(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[0];
	long wrong = 0, round;

	for (round = 0; lib_seconds() < end; round++) {
		/* A quarter of the pages has new contents in each round. */
		size_t first = round % 4 * (self->pages / 4), count = self->pages / 4;
		long seed = round / 4 % 2 ? PAIR_SEED : PAIR_SEED + arg[1];
		long seed_before = round / 4 % 2 ? PAIR_SEED + arg[1] : PAIR_SEED;

		for (size_t i = first; i < first + count; i++)
			wrong += round >= 4 && !page_is(child_page(self, i), seed_before + i);
		for (size_t i = first; i < first + count; i++)
			page_fill(child_page(self, i), seed + i);
		lib_sleep_ms(10);
	}
	return wrong;
}

/* Too little memory for all, with the scanner at full speed. */
TEST_F_TIMEOUT(swap, pressure, 100)
{
	long long swapped_out;
	struct child c, d;
	char text[32];

	cg_create("pshare-swap");
	child_start_in(&c, 2 * PAGES, 0, "pshare-swap");
	child_start_in(&d, 2 * PAGES, 0, "pshare-swap");
	child_fill(&c, 0, 2 * PAGES, PAIR_SEED, 1);
	child_fill(&d, 0, 2 * PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, c.pid, c.mem, 2 * PAGES * PAGE, "swap", NULL));
	ASSERT_EQ(0, ps_add(self->dev, d.pid, d.mem, 2 * PAGES * PAGE, "swap", NULL));
	/* 8 MiB of pages in 5 MiB. */
	snprintf(text, sizeof(text), "%lu", 5UL << 20);
	ASSERT_EQ(0, cg_write("pshare-swap", "memory.max", text));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 1));
	ASSERT_EQ(0, ps_set("pages_to_scan", 2000));
	ASSERT_EQ(0, ps_set("run", 1));
	child_post(&c, do_work, 8, 0);
	child_post(&d, do_work, 8, 100000);
	swapped_out = cg_number("pshare-swap", "memory.swap.current");
	EXPECT_EQ(0, child_finish(&c));
	EXPECT_EQ(0, child_finish(&d));
	EXPECT_LT(0, swapped_out);
	lib_note("in swap: %lld KiB, shared pages: %lld", swapped_out / 1024,
		 ps_get("pages_shared"));
	ASSERT_EQ(0, ps_set("run", 0));
	child_fill(&c, 0, 2 * PAGES, 8, 1);
	EXPECT_EQ(0, child_wrong(&c, 0, 2 * PAGES, 8, 1));
	child_kill(&c);
	child_kill(&d);
	EXPECT_EQ(0, pair_wrong(self->a));
	lib_sleep_ms(1000);
	EXPECT_EQ(0, cg_remove("pshare-swap"));
}

TEST_HARNESS_MAIN
