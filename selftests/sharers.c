// SPDX-License-Identifier: GPL-2.0
/*
 * How many pages one shared page stands for: no more than a huge page has, so that no number
 * of forks lets the kernel's counters of it overflow.  Judged by the frames in pagemap.
 */
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib.h"

/* What Documentation/reliability.rst says. */
#define MOST		512
#define FRAMES		3
#define PAGES		(FRAMES * MOST - 100)
#define SEED		77

FIXTURE(sharers) {
	int dev;
	struct child child;
};

FIXTURE_SETUP(sharers)
{
	self->dev = ps_begin();
	child_start(&self->child, PAGES, 0);
	child_fill(&self->child, 0, PAGES, SEED, 0);
	ASSERT_EQ(0, ps_add(self->dev, self->child.pid, self->child.mem, PAGES * PAGE, "one",
			    NULL));
}

FIXTURE_TEARDOWN(sharers)
{
	child_kill(&self->child);
	close(self->dev);
}

static int compare_frames(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Pages in the frame that most of these lie in. */
static size_t most_in_one(pid_t pid, const char *mem, size_t count)
{
	uint64_t *frames = calloc(count, sizeof(*frames));
	size_t i, run = 0, most = 0;

	if (!frames)
		lib_die("no memory for %zu frames", count);
	frames_save(pid, mem, count, frames);
	qsort(frames, count, sizeof(*frames), compare_frames);
	for (i = 0; i < count; i++) {
		run = i && frames[i] == frames[i - 1] ? run + 1 : 1;
		most = run > most ? run : most;
	}
	free(frames);
	return most;
}

/* All pages are shared, in as few frames as can be, and say the same as before. */
static void expect_packed(struct __test_metadata *_metadata, struct child *child)
{
	EXPECT_EQ(PAGES, shared_frames(child->pid, child->mem, PAGES));
	EXPECT_EQ(FRAMES, different_frames(child->pid, child->mem, PAGES));
	EXPECT_EQ(MOST, most_in_one(child->pid, child->mem, PAGES));
	EXPECT_EQ(0, wrong_pages(child->pid, child->mem, PAGES, SEED, 0));
	EXPECT_EQ(FRAMES, ps_get("pages_shared"));
	EXPECT_EQ(PAGES - FRAMES, ps_get("pages_sharing"));
}

/* One content, more pages of it than one frame may stand for. */
TEST_F_TIMEOUT(sharers, spread, 100)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	expect_packed(_metadata, &self->child);
	EXPECT_EQ(0, ps_wrong_ledgers(self->dev));

	/* A further pass finds nothing to do. */
	ASSERT_EQ(0, ps_scan(self->dev, 2));
	expect_packed(_metadata, &self->child);
}

/* Pages that leave the first frame, and come back, find the room that they left. */
TEST_F_TIMEOUT(sharers, room_is_used_again, 100)
{
	struct child *child = &self->child;

	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	expect_packed(_metadata, child);
	child_fill(child, 0, 200, SEED + 1, 1);
	child_fill(child, 0, 200, SEED, 0);
	EXPECT_EQ(0, shared_frames(child->pid, child->mem, 200));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	expect_packed(_metadata, child);

	/* The same in the frame that is neither the first nor the last. */
	child_fill(child, MOST, 200, SEED + 1, 1);
	child_fill(child, MOST, 200, SEED, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	expect_packed(_metadata, child);
}

/* fork(2) puts more entries on a page than may be: nobody else joins it. */
TEST_F_TIMEOUT(sharers, fork, 100)
{
	struct child *child = &self->child, forked, late;
	size_t common;

	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	expect_packed(_metadata, child);
	child_fork(child, &forked);
	EXPECT_EQ(PAGES, same_frames(child->pid, child->mem, forked.pid, forked.mem, PAGES));

	child_start(&late, MOST, 0);
	child_fill(&late, 0, MOST, SEED, 0);
	ASSERT_EQ(0, ps_add(self->dev, late.pid, late.mem, MOST * PAGE, "one", NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	/* All three frames are full. */
	common = common_frames(child->pid, child->mem, PAGES, late.pid, late.mem, MOST);
	EXPECT_EQ(0, common);
	EXPECT_EQ(MOST, shared_frames(late.pid, late.mem, MOST));
	EXPECT_EQ(1, different_frames(late.pid, late.mem, MOST));
	EXPECT_EQ(0, wrong_pages(late.pid, late.mem, MOST, SEED, 0));

	/* The one who forked goes: there is room again in the frame that had any. */
	child_kill(&forked);
	child_fill(&late, 0, 50, SEED + 1, 1);
	child_fill(child, 0, 100, SEED + 1, 1);
	child_fill(&late, 0, 50, SEED, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(MOST, shared_frames(late.pid, late.mem, MOST));
	EXPECT_EQ(FRAMES + 1, ps_get("pages_shared"));
	EXPECT_EQ(0, wrong_pages(late.pid, late.mem, MOST, SEED, 0));
	child_kill(&late);
}

TEST_HARNESS_MAIN
