// SPDX-License-Identifier: GPL-2.0
/* Transparent huge pages: split where that shares, left alone where it does not. */
#include <stdlib.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	1024		/* two huge pages */
#define HUGE_PAGES	512
#define HUGE_KB	2048

FIXTURE(thp) {
	int dev;
	struct child a, b;
};

FIXTURE_SETUP(thp)
{
	self->dev = ps_begin();
	/* What it takes to split is another program's business. */
	ASSERT_EQ(0, ps_set_text("huge_policy", "always"));
	child_start(&self->a, PAGES, CHILD_HUGE);
	child_start(&self->b, PAGES, CHILD_HUGE);
}

FIXTURE_TEARDOWN(thp)
{
	child_kill(&self->a);
	child_kill(&self->b);
	close(self->dev);
}

static long huge_kb(struct child *child)
{
	return smaps_kb(child->pid, child->mem, "AnonHugePages");
}

static int add(int dev, struct child *child, const char *group)
{
	return ps_add(dev, child->pid, child->mem, child->pages * PAGE, group, NULL);
}

static size_t same(struct child *a, struct child *b, size_t first, size_t count)
{
	return same_frames(a->pid, child_page(a, first), b->pid, child_page(b, first), count);
}

TEST_F(thp, equal_huge_pages)
{
	struct pshare_read read;
	uint64_t id;

	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(2 * HUGE_KB, huge_kb(&self->a));
	ASSERT_EQ(2 * HUGE_KB, huge_kb(&self->b));
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, self->a.mem, PAGES * PAGE, "thp", &id));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same(&self->a, &self->b, 0, PAGES));
	EXPECT_EQ(0, huge_kb(&self->a));
	EXPECT_EQ(0, huge_kb(&self->b));
	ASSERT_EQ(0, ps_read(self->dev, id, &read));
	EXPECT_EQ(2, read.huge_splits);
	EXPECT_EQ(0, wrong_pages(self->a.pid, self->a.mem, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	/* Isolated as small pages are. */
	child_fill(&self->a, 0, PAGES, PAIR_SEED + PAGES, 1);
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED + PAGES, 1));
}

TEST_F(thp, nothing_to_share_stays_whole)
{
	uint64_t frames[PAGES];

	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED + PAGES, 1);
	frames_save(self->a.pid, self->a.mem, PAGES, frames);
	ASSERT_EQ(0, add(self->dev, &self->a, "thp"));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_scan(self->dev, 2 * PASSES));
	EXPECT_EQ(2 * HUGE_KB, huge_kb(&self->a));
	EXPECT_EQ(2 * HUGE_KB, huge_kb(&self->b));
	EXPECT_EQ(0, frames_changed(self->a.pid, self->a.mem, PAGES, frames));
}

/* Equal pages in different groups are no reason to split. */
TEST_F(thp, other_groups_stay_whole)
{
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "two"));
	ASSERT_EQ(0, ps_scan(self->dev, 2 * PASSES));
	EXPECT_EQ(2 * HUGE_KB, huge_kb(&self->a));
	EXPECT_EQ(2 * HUGE_KB, huge_kb(&self->b));
	EXPECT_EQ(0, same(&self->a, &self->b, 0, PAGES));
}

/* One page in a thousand has a twin: its huge page goes, the others stay. */
TEST_F(thp, one_equal_page)
{
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED + PAGES, 1);
	child_fill(&self->a, 77, 1, 5, 0);
	child_fill(&self->b, 600, 1, 5, 0);
	ASSERT_EQ(0, add(self->dev, &self->a, "thp"));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(1, same_frames(self->a.pid, child_page(&self->a, 77), self->b.pid,
				 child_page(&self->b, 600), 1));
	EXPECT_EQ(HUGE_KB, huge_kb(&self->a));
	EXPECT_EQ(HUGE_KB, huge_kb(&self->b));
	EXPECT_EQ(0, child_wrong(&self->a, 0, 77, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->a, 78, PAGES - 78, PAIR_SEED + 78, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, 600, PAIR_SEED + PAGES, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 601, PAGES - 601, PAIR_SEED + PAGES + 601, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 600, 1, 5, 0));
}

TEST_F(thp, zero_pages_in_huge_pages)
{
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->a, 100, 300, 0, 0);
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(300, zero_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(HUGE_KB, huge_kb(&self->a));
	EXPECT_EQ(0, child_wrong(&self->a, 0, 100, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->a, 100, 300, 0, 0));
	EXPECT_EQ(0, child_wrong(&self->a, 400, PAGES - 400, PAIR_SEED + 400, 1));
}

/*
 * Since 6.12 splitting a huge page maps the zero page where it was zero, asked for or
 * not.  Whoever made them, what pagemap shows is what we say, and it can be undone.
 * Page 3 has a twin: that splits the huge page, right before the first zeroes.
 */
static void zeros_of_a_split(struct __test_metadata *_metadata, FIXTURE_DATA(thp) *self,
			     bool use_zero)
{
	size_t zeros;

	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->a, 3, 1, PAIR_SEED + 2, 0);
	child_fill(&self->a, 5, 90, 0, 0);
	child_fill(&self->a, 200, 100, 0, 0);
	ASSERT_EQ(0, ps_set("use_zero_pages", use_zero));
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(HUGE_KB, huge_kb(&self->a));
	zeros = zero_frames(self->a.pid, self->a.mem, PAGES);
	EXPECT_EQ(zeros, ps_get("ksm_zero_pages"));
	lib_note("zero pages: %zu", zeros);
	EXPECT_TRUE(!use_zero || zeros == 190);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(PAGES, different_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, zero_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
	EXPECT_EQ(0, child_wrong(&self->a, 5, 90, 0, 0));
	EXPECT_EQ(0, child_wrong(&self->a, 300, PAGES - 300, PAIR_SEED + 300, 1));
}

TEST_F(thp, zero_pages_of_a_split)
{
	zeros_of_a_split(_metadata, self, true);
}

TEST_F(thp, zero_pages_of_a_split_unasked)
{
	zeros_of_a_split(_metadata, self, false);
}

static long do_read_all(struct child *self, const long *arg)
{
	long sum = 0;

	for (size_t i = 0; i < self->pages; i++)
		sum += *(volatile char *)child_page(self, i);
	return sum;
}

/* Memory that was read but never written is the kernel's huge zero page. */
TEST_F(thp, huge_zero_page_is_left_alone)
{
	uint64_t frames[PAGES];

	ASSERT_EQ(0, child_call(&self->a, do_read_all));
	frames_save(self->a.pid, self->a.mem, PAGES, frames);
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a.pid, self->a.mem, PAGES, frames));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, 0, 0));
}

/* Huge pages that fork shares, mapped whole by two processes. */
TEST_F(thp, huge_pages_of_a_fork)
{
	struct child fork;

	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	child_fork(&self->a, &fork);
	ASSERT_EQ(0, add(self->dev, &self->a, "thp"));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same(&self->a, &self->b, 0, PAGES));
	EXPECT_EQ(0, child_wrong(&fork, 0, PAGES, PAIR_SEED, 1));
	child_fill(&fork, 0, PAGES, 3, 1);
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&fork, 0, PAGES, 3, 1));
	child_kill(&fork);
}

/* The kernel makes a huge page again of small ones, shared pages among them. */
TEST_F(thp, collapse_of_shared_pages)
{
	int err;

	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, "thp"));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, same(&self->a, &self->b, 0, PAGES));
	err = child_madvise(&self->a, 0, PAGES, MADV_COLLAPSE);
	lib_note("MADV_COLLAPSE: %d, huge %ld KiB", err, huge_kb(&self->a));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same(&self->a, &self->b, 0, PAGES));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
}

static long collapsed, split;

static long do_churn(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[0], patience = end + 60;
	long wrong = 0;

	/* On a busy machine it takes longer until both have happened. */
	for (long round = 0; lib_seconds() < end ||
	     ((!collapsed || !split) && lib_seconds() < patience); round++) {
		long seed = PAIR_SEED + round % 2 * arg[1];

		for (size_t i = 0; i < self->pages; i++)
			page_fill(child_page(self, i), seed + i);
		collapsed += !madvise(self->mem, self->pages * PAGE, MADV_COLLAPSE);
		for (size_t i = 0; i < self->pages; i++)
			wrong += !page_is(child_page(self, i), seed + i);
		/* Now and then long enough for a slow scanner to come by twice. */
		lib_sleep_ms(rand() % (round % 8 == 4 ? 1000 : 100));
		split += !huge_kb(self);
		for (size_t i = 0; i < self->pages; i++)
			wrong += !page_is(child_page(self, i), seed + i);
	}
	return wrong;
}

static long do_collapsed(struct child *self, const long *arg)
{
	return arg[0] ? split : collapsed;
}

/* Collapse and merge at the same time, against each other. */
TEST_F_TIMEOUT(thp, collapse_against_the_scanner, 150)
{
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, "thp"));
	ASSERT_EQ(0, add(self->dev, &self->b, "thp"));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 10000));
	ASSERT_EQ(0, ps_set("run", 1));
	child_post(&self->a, do_churn, 5, 0);
	child_post(&self->b, do_churn, 5, PAGES);
	EXPECT_EQ(0, child_finish(&self->a));
	EXPECT_EQ(0, child_finish(&self->b));
	/* Both got their way, at times. */
	EXPECT_LT(0, child_call(&self->a, do_collapsed, 0));
	EXPECT_LT(0, child_call(&self->a, do_collapsed, 1));
	lib_note("collapsed %ld times, split again %ld times",
		 child_call(&self->a, do_collapsed, 0), child_call(&self->a, do_collapsed, 1));
	ASSERT_EQ(0, ps_set("run", 0));
}

TEST_HARNESS_MAIN
