// SPDX-License-Identifier: GPL-2.0
/* The kernel's own page merging, ksmd, at work on the same memory. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/param.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	256

FIXTURE(coexist) {
	struct pair pair;
	struct child *a, *b;
	int dev;
};

FIXTURE_SETUP(coexist)
{
	if (access(KSM_SYSFS "run", F_OK))
		SKIP(return, "this kernel has no KSM");
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	ASSERT_EQ(0, ksm_set("run", 2));
	ASSERT_EQ(0, ksm_set("run", 0));
	ASSERT_EQ(0, ksm_set("sleep_millisecs", 1));
	ASSERT_EQ(0, ksm_set("pages_to_scan", 2000));
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
	ASSERT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_MERGEABLE));
	ASSERT_EQ(0, child_madvise(self->b, 0, PAGES, MADV_MERGEABLE));
}

FIXTURE_TEARDOWN(coexist)
{
	ksm_set("run", 2);
	ksm_set("run", 0);
	pair_stop(&self->pair);
}

/* Lets ksmd go over everything @passes times. */
static void ksm_scan(unsigned int passes)
{
	long long target = ksm_get("full_scans") + passes + 1;
	double end = lib_seconds() + 20;

	ksm_set("run", 1);
	while (ksm_get("full_scans") < target) {
		if (lib_seconds() > end)
			lib_die("ksmd does not get on");
		lib_sleep_ms(20);
	}
	ksm_set("run", 0);
}

/* Pages of both that hold what they should, in nobody's but their own frame. */
static size_t private_pages(struct child *child)
{
	return different_frames(child->pid, child->mem, PAGES);
}

TEST_F(coexist, ksmd_first)
{
	uint64_t frames[PAGES];

	ksm_scan(4);
	ASSERT_EQ(PAGES, pair_same(&self->pair));
	ASSERT_EQ(PAGES, ksm_get("pages_shared"));
	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	/* What is ksmd's is left alone. */
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, pair_wrong(self->a));
	/* And run=2 does not take it for ours. */
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_EQ(0, pair_wrong(self->b));
	/* Unmerged by ksmd, it can be merged by us. */
	ASSERT_EQ(0, ksm_set("run", 2));
	EXPECT_EQ(0, pair_same(&self->pair));
	pair_merge(&self->pair);
	EXPECT_EQ(PAGES, ps_get("pages_shared"));
	EXPECT_EQ(0, pair_wrong(self->a));
}

TEST_F(coexist, pshare_first)
{
	uint64_t frames[PAGES];

	pair_merge(&self->pair);
	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	ksm_scan(4);
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	EXPECT_EQ(0, ksm_get("pages_shared"));
	EXPECT_EQ(PAGES, ps_get("pages_shared"));
	EXPECT_EQ(0, pair_wrong(self->a));
	/* ksmd's unmerging may unshare our pages; it must not lose them. */
	ASSERT_EQ(0, ksm_set("run", 2));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	ASSERT_EQ(0, ksm_set("run", 0));
	pair_merge(&self->pair);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(PAGES, private_pages(self->a));
	EXPECT_EQ(0, shared_frames(self->a->pid, self->a->mem, PAGES));
	EXPECT_EQ(0, pair_wrong(self->a));
	ASSERT_EQ(0, ps_set("run", 0));
}

TEST_F(coexist, madv_unmergeable)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_UNMERGEABLE));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* Writes and checks while both scanners run. */
static long do_work(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[0];
	long wrong = 0, seed = PAIR_SEED;

	srand(arg[1]);
	while (lib_seconds() < end) {
		/* Own contents, common ones, or zeros. */
		switch (rand() % 4) {
		case 0:
			seed = PAIR_SEED + 10000 + arg[1];
			break;
		case 1:
			seed = 0;
			break;
		default:
			seed = PAIR_SEED;
			break;
		}
		for (size_t i = 0; i < self->pages; i++)
			page_fill(child_page(self, i), seed ? seed + i : 0);
		lib_sleep_ms(rand() % 100);
		for (size_t i = 0; i < self->pages; i++)
			wrong += !page_is(child_page(self, i), seed ? seed + i : 0);
	}
	/* For the checks that follow. */
	for (size_t i = 0; i < self->pages; i++)
		page_fill(child_page(self, i), PAIR_SEED + i);
	return wrong;
}

static void both_at_once(struct __test_metadata *_metadata, struct pair *pair)
{
	long long ours = 0, theirs = 0;

	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 2000));
	ASSERT_EQ(0, ksm_set("run", 1));
	ASSERT_EQ(0, ps_set("run", 1));
	/* Again, if a slow machine has not let both come to it. */
	for (int tries = 0; tries < 8 && (!ours || !theirs); tries++) {
		child_post(&pair->a, do_work, 6, 1 + tries);
		child_post(&pair->b, do_work, 6, 20000 + tries);
		for (int i = 0; i < 100; i++) {
			ours = MAX(ours, ps_get("pages_sharing"));
			theirs = MAX(theirs, ksm_get("pages_sharing"));
			lib_sleep_ms(50);
		}
		EXPECT_EQ(0, child_finish(&pair->a));
		EXPECT_EQ(0, child_finish(&pair->b));
	}
	lib_note("pages sharing at most: pshare %lld, ksmd %lld", ours, theirs);
	/* Both were at work. */
	EXPECT_LT(0, ours);
	EXPECT_LT(0, theirs);
}

TEST_F_TIMEOUT(coexist, at_once, 150)
{
	both_at_once(_metadata, &self->pair);
	/* Each takes back what is its own, and nothing is shared any more. */
	ASSERT_EQ(0, ksm_set("run", 2));
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(PAGES, private_pages(self->a));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, ksm_get("pages_shared"));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	ASSERT_EQ(0, ps_set("run", 0));
}

TEST_F_TIMEOUT(coexist, at_once_and_pshare_gives_way_first, 150)
{
	both_at_once(_metadata, &self->pair);
	ASSERT_EQ(0, ps_set("run", 2));
	ASSERT_EQ(0, ksm_set("run", 2));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	ASSERT_EQ(0, ps_set("run", 0));
}

TEST_HARNESS_MAIN
