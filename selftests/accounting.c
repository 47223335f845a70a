// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for what: the counters of the module against the frames, the kernel's
 * own figures, and the charges of memory cgroups.
 */
#include <signal.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	2048		/* 8 MiB; the kernel's counters lag by some 100 pages */
#define KB(pages)	((long)(pages) * 4)
#define SLACK_KB	1024

FIXTURE(accounting) {
	struct pair pair;
	struct child *a, *b;
	int dev;
};

FIXTURE_SETUP(accounting)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
}

FIXTURE_TEARDOWN(accounting)
{
	pair_stop(&self->pair);
}

/* 1024 zero pages, 256 pages that are all the same, 512 pairs, 256 unique ones. */
static void fill_mixed(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		struct child *child = i ? &pair->b : &pair->a;

		child_fill(child, 0, 1024, 0, 0);
		child_fill(child, 1024, 256, 50000, 0);
		child_fill(child, 1280, 512, 60000, 1);
		child_fill(child, 1792, 256, 70000 + 1000 * i, 1);
	}
}

TEST_F(accounting, counters_tell_what_the_frames_are)
{
	struct pshare_read read;
	size_t mapped, frames;

	fill_mixed(&self->pair);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	/* The oracle first. */
	ASSERT_EQ(1024, zero_frames(self->a->pid, self->a->mem, PAGES));
	ASSERT_EQ(1024, zero_frames(self->b->pid, self->b->mem, PAGES));
	mapped = shared_frames(self->a->pid, self->a->mem, PAGES) +
		 shared_frames(self->b->pid, self->b->mem, PAGES);
	frames = different_frames(self->a->pid, child_page(self->a, 1024), 768);
	ASSERT_EQ(513, frames);
	ASSERT_EQ(2 * 768, mapped);

	EXPECT_EQ(2 * 1024, ps_get("ksm_zero_pages"));
	EXPECT_EQ(frames, ps_get("pages_shared"));
	EXPECT_EQ(mapped - frames, ps_get("pages_sharing"));
	EXPECT_EQ(2 * 256, ps_get("pages_unshared"));
	EXPECT_EQ(0, ps_get("pages_volatile"));

	ASSERT_EQ(0, ps_read(self->dev, self->pair.region_a, &read));
	EXPECT_EQ(768, read.merged);
	EXPECT_EQ(1024, read.zero);
	EXPECT_EQ(256, read.unique);
	EXPECT_EQ(0, read.volatile_);
	EXPECT_EQ(0, read.swapped);
	EXPECT_EQ(0, read.ineligible);
	EXPECT_EQ(self->a->pid, read.pid);
	EXPECT_LE(PAGES * 2, read.scanned);
}

/* What is saved is a page less for each, and the metadata is what it costs. */
TEST_F(accounting, general_profit)
{
	long long saved, metadata;

	EXPECT_GE(0, ps_get("general_profit"));
	fill_mixed(&self->pair);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	saved = 2 * 1024 + 2 * 768 - 513;
	metadata = ps_get("metadata_bytes");
	EXPECT_LT(0, metadata);
	EXPECT_EQ(saved * (long long)PAGE - metadata, ps_get("general_profit"));
	child_kill(self->a);
	child_kill(self->b);
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, ps_get("metadata_bytes"));
	EXPECT_EQ(0, ps_get("general_profit"));
}

TEST_F(accounting, full_scans_and_pages_scanned)
{
	long long scans = ps_get("full_scans"), pages = ps_get("pages_scanned");

	ASSERT_EQ(0, ps_scan(self->dev, 3));
	/* One that was under way may end in between. */
	EXPECT_LE(scans + 3, ps_get("full_scans"));
	EXPECT_GE(scans + 4, ps_get("full_scans"));
	EXPECT_LE(pages + 3 * 2 * PAGES, ps_get("pages_scanned"));
	EXPECT_GE(pages + 4 * 2 * PAGES, ps_get("pages_scanned"));
}

/* Pages that fill the machine are counted once, those that a process maps stay. */
TEST_F(accounting, the_kernel_sees_it)
{
	long anon, rss = status_kb(self->a->pid, "RssAnon");
	long pss = rollup_kb(self->a->pid, "Pss"), left;

	ASSERT_EQ(0, ps_scan(self->dev, 1));
	anon = meminfo_kb("AnonPages");
	pair_merge(&self->pair);
	left = meminfo_kb("AnonPages");
	lib_note("AnonPages %ld -> %ld KiB", anon, left);
	EXPECT_GT(anon - KB(PAGES) + SLACK_KB, left);
	EXPECT_LT(anon - KB(PAGES) - SLACK_KB, left);
	EXPECT_LE(rss - SLACK_KB, status_kb(self->a->pid, "RssAnon"));
	EXPECT_GE(rss + SLACK_KB, status_kb(self->a->pid, "RssAnon"));
	EXPECT_EQ(KB(PAGES), smaps_kb(self->a->pid, self->a->mem, "Rss"));
	EXPECT_EQ(KB(PAGES) / 2, smaps_kb(self->a->pid, self->a->mem, "Pss"));
	EXPECT_GT(pss - KB(PAGES) / 2 + SLACK_KB, rollup_kb(self->a->pid, "Pss"));

	ASSERT_EQ(0, ps_set("run", 2));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_LE(anon - SLACK_KB, meminfo_kb("AnonPages"));
	EXPECT_EQ(KB(PAGES), smaps_kb(self->a->pid, self->a->mem, "Pss"));
}

/* Zero pages are nobody's memory: the resident set falls by them, and comes back. */
TEST_F(accounting, resident_set_without_zero_pages)
{
	long rss, now;

	child_fill(self->a, 0, PAGES, 0, 0);
	rss = status_kb(self->a->pid, "RssAnon");
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, zero_frames(self->a->pid, self->a->mem, PAGES));
	now = status_kb(self->a->pid, "RssAnon");
	EXPECT_LE(rss - KB(PAGES) - SLACK_KB, now);
	EXPECT_GE(rss - KB(PAGES) + SLACK_KB, now);
	EXPECT_EQ(0, smaps_kb(self->a->pid, self->a->mem, "Rss"));
	child_fill(self->a, 0, PAGES, PAIR_SEED, 1);
	now = status_kb(self->a->pid, "RssAnon");
	EXPECT_LE(rss - SLACK_KB, now);
	EXPECT_GE(rss + SLACK_KB, now);
}

/* ---- memory cgroups ---- */

FIXTURE(cgroup) {
	int dev;
	struct child a, b;
	uint64_t region_a, region_b;
};

FIXTURE_SETUP(cgroup)
{
	self->dev = ps_begin();
	cg_create("pshare-a");
	cg_create("pshare-b");
	child_start_in(&self->a, PAGES, 0, "pshare-a");
	child_start_in(&self->b, PAGES, 0, "pshare-b");
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, self->a.mem, PAGES * PAGE, "cg",
			    &self->region_a));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, self->b.mem, PAGES * PAGE, "cg",
			    &self->region_b));
}

static bool cgroup_removed(void *name)
{
	return !cg_remove(name);
}

FIXTURE_TEARDOWN(cgroup)
{
	child_kill(&self->a);
	child_kill(&self->b);
	/* Nothing that is charged to them may keep them from going. */
	EXPECT_TRUE(lib_wait(cgroup_removed, "pshare-a", 5000));
	EXPECT_TRUE(lib_wait(cgroup_removed, "pshare-b", 5000));
	close(self->dev);
}

static long charged_kb(void)
{
	return (cg_number("pshare-a", "memory.current") +
		cg_number("pshare-b", "memory.current")) / 1024;
}

TEST_F(cgroup, charge_falls)
{
	long before = charged_kb(), after;

	ASSERT_LE(2 * KB(PAGES), before);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES));
	after = charged_kb();
	lib_note("charged %ld -> %ld KiB", before, after);
	/* Half of it is saved, and the other half is still somebody's. */
	EXPECT_GT(before - KB(PAGES) + SLACK_KB, after);
	EXPECT_LT(KB(PAGES) - SLACK_KB, after);

	/* Each page was paid for before it became private again. */
	ASSERT_EQ(0, ps_set("run", 2));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_LT(before - SLACK_KB, charged_kb());
	EXPECT_GT(before + SLACK_KB, charged_kb());
}

TEST_F(cgroup, removed_while_its_pages_are_shared)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES));
	/* Whichever of the two paid: its cgroup goes while the pages live on. */
	child_kill(&self->a);
	EXPECT_TRUE(lib_wait(cgroup_removed, "pshare-a", 5000));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, shared_frames(self->b.pid, self->b.mem, PAGES));
	EXPECT_LT(KB(PAGES) - SLACK_KB, cg_number("pshare-b", "memory.current") / 1024);
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
	cg_create("pshare-a");
	child_start_in(&self->a, 1, 0, "pshare-a");
}

TEST_F(cgroup, removed_while_its_pages_are_shared_the_other_way)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	child_kill(&self->b);
	EXPECT_TRUE(lib_wait(cgroup_removed, "pshare-b", 5000));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, shared_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 1));
	cg_create("pshare-b");
	child_start_in(&self->b, 1, 0, "pshare-b");
}

/* Unmerging what the limit has no room for: refused, and nobody dies of it. */
TEST_F(cgroup, unmerge_without_room)
{
	long long current;
	uint64_t pages;
	char text[32];
	int err;

	/* All pages equal: eight are charged, 4096 are mapped. */
	child_fill(&self->a, 0, PAGES, PAIR_SEED, 0);
	child_fill(&self->b, 0, PAGES, PAIR_SEED, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_GE(8, different_frames(self->a.pid, self->a.mem, PAGES));
	current = cg_number("pshare-a", "memory.current");
	snprintf(text, sizeof(text), "%lld", current + (2LL << 20));
	ASSERT_EQ(0, cg_write("pshare-a", "memory.max", text));

	EXPECT_EQ(-ENOMEM, ps_unmerge(self->dev, self->region_a, &pages));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 0));
	EXPECT_EQ(-ENOMEM, ps_remove(self->dev, self->region_a));
	EXPECT_EQ(2, ps_regions(self->dev));
	err = ps_set("run", 2);
	EXPECT_EQ(-ENOMEM, err);
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 0));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 0));
	/* Some have their own copy, the others are shared still. */
	EXPECT_LT(0, shared_frames(self->a.pid, self->a.mem, PAGES));

	/* With room again it goes through. */
	ASSERT_EQ(0, cg_write("pshare-a", "memory.max", "max"));
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(PAGES, different_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 0));
	ASSERT_EQ(0, ps_set("run", 0));
}

/* A limit that is reached while merging: fewer pages merge, nothing breaks. */
TEST_F(cgroup, merge_at_the_limit)
{
	char text[32];

	for (int i = 0; i < 2; i++) {
		const char *name = i ? "pshare-b" : "pshare-a";

		snprintf(text, sizeof(text), "%lld", cg_number(name, "memory.current"));
		ASSERT_EQ(0, cg_write(name, "memory.max", text));
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	lib_note("%zu of %d pages merged at the limit",
		 same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES), PAGES);
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, PAIR_SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, PAIR_SEED, 1));
}

TEST_HARNESS_MAIN
