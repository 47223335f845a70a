// SPDX-License-Identifier: GPL-2.0
/*
 * How many pages one shared page stands for: no more than a huge page has, so that no number
 * of forks lets the kernel's counters of it overflow.  Judged by the frames in pagemap.
 */
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib.h"

/* What Documentation/admin-guide.rst says. */
#define MOST		512
#define FRAMES		3
#define PAGES		(FRAMES * MOST - 100)
#define SEED		77

FIXTURE(sharers) {
	int dev;
	struct child child;
	uint64_t id;
};

FIXTURE_SETUP(sharers)
{
	self->dev = ps_begin();
	child_start(&self->child, PAGES, 0);
	child_fill(&self->child, 0, PAGES, SEED, 0);
	ASSERT_EQ(0, ps_add(self->dev, self->child.pid, self->child.mem, PAGES * PAGE, "one",
			    &self->id));
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

/* So do those that leave frames in the midst of many: more than a visit looks at. */
TEST_F_TIMEOUT(sharers, room_in_the_midst, 100)
{
	const size_t frames = 14, pages = frames * MOST, some = 200;
	struct child child;

	child_start(&child, pages, 0);
	child_fill(&child, 0, pages, SEED + 1, 0);
	ASSERT_EQ(0, ps_add(self->dev, child.pid, child.mem, pages * PAGE, "midst", NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(frames, different_frames(child.pid, child.mem, pages));
	for (size_t i = 2; i < 6; i++)
		child_fill(&child, i * MOST, some, 1000 * i, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(frames + 4 * some, different_frames(child.pid, child.mem, pages));
	for (size_t i = 2; i < 6; i++)
		child_fill(&child, i * MOST, some, SEED + 1, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(frames, different_frames(child.pid, child.mem, pages));
	EXPECT_EQ(0, wrong_pages(child.pid, child.mem, pages, SEED + 1, 0));
	EXPECT_EQ(frames + FRAMES, ps_get("pages_shared"));
	child_kill(&child);
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

static void expect_merged(struct __test_metadata *_metadata, int dev, uint64_t id,
			  uint64_t self, uint64_t other)
{
	struct pshare_read_ledger ledger = { 0 };

	ASSERT_EQ(0, ps_ledger(dev, id, &ledger));
	EXPECT_EQ(self, ledger.classes[PSHARE_MERGED_SELF]);
	EXPECT_EQ(other, ledger.classes[PSHARE_MERGED_OTHER]);
}

/*
 * Some frames are one VM's alone, though another has the same content: what they share, they
 * share with each other.
 */
TEST_F_TIMEOUT(sharers, of_two_vms, 100)
{
	struct child *child = &self->child, other;
	const size_t few = MOST + 200;
	uint64_t id;

	child_start(&other, few, 0);
	child_fill(&other, 0, few, SEED, 0);
	ASSERT_EQ(0, ps_add(self->dev, other.pid, other.mem, few * PAGE, "one", &id));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES + 2));
	EXPECT_EQ(FRAMES + 2, ps_get("pages_shared"));
	/* There is a frame that both have, and each has others. */
	EXPECT_EQ(PAGES % MOST,
		  common_frames(child->pid, child->mem, PAGES, other.pid, other.mem, few));
	expect_merged(_metadata, self->dev, self->id, 0, PAGES);
	expect_merged(_metadata, self->dev, id, 0, few);

	child_kill(&other);
	ASSERT_EQ(0, ps_scan(self->dev, 4));
	expect_merged(_metadata, self->dev, self->id, PAGES, 0);
	EXPECT_EQ(0, wrong_pages(child->pid, child->mem, PAGES, SEED, 0));
}

TEST_HARNESS_MAIN
