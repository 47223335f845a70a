// SPDX-License-Identifier: GPL-2.0
/* Who shares with whom, judged by page frames: groups, private regions, zeros. */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64
#define SEED	7000

FIXTURE(share) {
	int dev;
	struct child a, b;
};

FIXTURE_SETUP(share)
{
	self->dev = ps_begin();
	child_start(&self->a, PAGES, 0);
	child_start(&self->b, PAGES, 0);
}

FIXTURE_TEARDOWN(share)
{
	child_kill(&self->a);
	child_kill(&self->b);
	close(self->dev);
}

static int add(int dev, struct child *child, const char *group)
{
	return ps_add(dev, child->pid, child->mem, child->pages * PAGE, group, NULL);
}

static size_t common(struct child *a, struct child *b)
{
	return common_frames(a->pid, a->mem, a->pages, b->pid, b->mem, b->pages);
}

TEST_F(share, two_processes_of_one_group)
{
	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, common(&self->a, &self->b));
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));

	EXPECT_EQ(PAGES, same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES));
	/* Different pages are not thrown together. */
	EXPECT_EQ(PAGES, different_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, wrong_pages(self->a.pid, self->a.mem, PAGES, SEED, 1));
	EXPECT_EQ(0, wrong_pages(self->b.pid, self->b.mem, PAGES, SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, SEED, 1));
	/* Reading it, from inside and outside, has not undone it. */
	EXPECT_EQ(PAGES, same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES));
}

/* Pages at other places of the other process, and pages that nobody shares. */
TEST_F(share, only_equal_pages)
{
	child_fill(&self->a, 0, 32, SEED, 1);
	child_fill(&self->a, 32, 32, SEED + 1000, 1);
	child_fill(&self->b, 0, 32, SEED + 2000, 1);
	child_fill(&self->b, 32, 32, SEED, 1);
	/* The last byte alone makes a page another one. */
	child_poke(&self->a, 31, PAGE - 1, 'x');
	child_poke(&self->b, 63, PAGE - 1, 'y');
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));

	EXPECT_EQ(31, common(&self->a, &self->b));
	EXPECT_EQ(31, same_frames(self->a.pid, self->a.mem, self->b.pid,
				  child_page(&self->b, 32), 32));
	EXPECT_EQ(0, wrong_pages(self->a.pid, self->a.mem, 31, SEED, 1));
	EXPECT_EQ(0, wrong_pages(self->a.pid, child_page(&self->a, 32), 32, SEED + 1000, 1));
	EXPECT_EQ(0, wrong_pages(self->b.pid, self->b.mem, 32, SEED + 2000, 1));
	EXPECT_EQ(0, wrong_pages(self->b.pid, child_page(&self->b, 32), 31, SEED, 1));
}

TEST_F(share, never_across_groups)
{
	uint64_t frames[PAGES];

	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	frames_save(self->a.pid, self->a.mem, PAGES, frames);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "two"));
	ASSERT_EQ(0, ps_scan(self->dev, 2 * PASSES));
	EXPECT_EQ(0, common(&self->a, &self->b));
	EXPECT_EQ(0, ps_get("pages_shared"));
	/* What has no twin stays where it is. */
	EXPECT_EQ(0, frames_changed(self->a.pid, self->a.mem, PAGES, frames));
}

/* The groups are merged, each in itself: still nothing goes across. */
TEST_F(share, never_across_groups_that_share)
{
	struct child c, d;

	child_start(&c, PAGES, 0);
	child_start(&d, PAGES, 0);
	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	child_fill(&c, 0, PAGES, SEED, 1);
	child_fill(&d, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &c, "two"));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, add(self->dev, &d, "two"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, common(&self->a, &self->b));
	EXPECT_EQ(PAGES, common(&c, &d));
	EXPECT_EQ(0, common(&self->a, &c));
	EXPECT_EQ(0, common(&self->a, &d));
	EXPECT_EQ(0, common(&self->b, &c));
	child_kill(&c);
	child_kill(&d);
}

TEST_F(share, private_region_with_itself_only)
{
	child_fill(&self->a, 0, 32, SEED, 1);
	child_fill(&self->a, 32, 32, SEED, 1);
	child_fill(&self->b, 0, 32, SEED, 1);
	child_fill(&self->b, 32, 32, SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, add(self->dev, &self->b, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(32, different_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(32, different_frames(self->b.pid, self->b.mem, PAGES));
	EXPECT_EQ(0, common(&self->a, &self->b));
	EXPECT_EQ(0, wrong_pages(self->a.pid, self->a.mem, 32, SEED, 1));
	EXPECT_EQ(0, wrong_pages(self->b.pid, child_page(&self->b, 32), 32, SEED, 1));
}

TEST_F(share, private_region_not_with_a_group)
{
	struct child c;

	child_start(&c, PAGES, 0);
	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	child_fill(&c, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, add(self->dev, &c, "one"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, common(&self->b, &c));
	EXPECT_EQ(0, common(&self->a, &self->b));
	EXPECT_EQ(0, common(&self->a, &c));
	child_kill(&c);
}

/* The region counts, not the process. */
TEST_F(share, regions_of_one_process)
{
	static const char * const groups[] = { NULL, NULL, "one", "two" };
	pid_t pid = self->a.pid;

	for (int i = 0; i < 4; i++) {
		child_fill(&self->a, i * 16, 16, SEED, 0);
		ASSERT_EQ(0, ps_add(self->dev, pid, child_page(&self->a, i * 16), 16 * PAGE,
				    groups[i], NULL));
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(1, different_frames(pid, child_page(&self->a, i * 16), 16));
		for (int j = 0; j < i; j++)
			EXPECT_EQ(0, common_frames(pid, child_page(&self->a, i * 16), 16,
						   pid, child_page(&self->a, j * 16), 16));
	}
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, SEED, 0));
}

TEST_F(share, only_inside_the_range)
{
	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, child_page(&self->a, 16), 16 * PAGE, "one",
			    NULL));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(16, common(&self->a, &self->b));
	EXPECT_EQ(16, same_frames(self->a.pid, child_page(&self->a, 16), self->b.pid,
				  child_page(&self->b, 16), 16));
}

TEST_F(share, one_content_in_many_processes)
{
	struct child more[6];
	uint64_t frame;

	child_fill(&self->a, 0, PAGES, SEED, 0);
	child_fill(&self->b, 0, PAGES, SEED, 0);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	for (int i = 0; i < 6; i++) {
		child_start(&more[i], PAGES, 0);
		child_fill(&more[i], 0, PAGES, SEED, 0);
		ASSERT_EQ(0, add(self->dev, &more[i], "one"));
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	frame = pm_frame(self->a.pid, self->a.mem);
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(1, different_frames(more[i].pid, more[i].mem, PAGES));
		EXPECT_EQ(frame, pm_frame(more[i].pid, more[i].mem));
		EXPECT_EQ(0, child_wrong(&more[i], 0, PAGES, SEED, 0));
		child_kill(&more[i]);
	}
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, SEED, 0));
}

TEST_F(share, zero_pages)
{
	child_fill(&self->a, 0, PAGES, 0, 0);
	/* Almost zero is not zero. */
	child_poke(&self->a, 10, PAGE - 1, 1);
	child_poke(&self->a, 20, 0, 1);
	ASSERT_EQ(0, zero_frames(self->a.pid, self->a.mem, PAGES));
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES - 2, zero_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(PAGES - 2, ps_get("ksm_zero_pages"));
	EXPECT_EQ(0, child_wrong(&self->a, 21, PAGES - 21, 0, 0));

	child_poke(&self->a, 30, 100, 'z');
	EXPECT_EQ(PAGES - 3, zero_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, child_wrong(&self->a, 31, PAGES - 31, 0, 0));
	/* The zero page itself is still zero. */
	EXPECT_EQ(0, wrong_pages(self->a.pid, child_page(&self->a, 31), PAGES - 31, 0, 0));
	/* The counter follows at the page's next visit, at the latest. */
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	EXPECT_EQ(PAGES - 3, ps_get("ksm_zero_pages"));
}

TEST_F(share, zero_pages_switched_off)
{
	child_fill(&self->a, 0, PAGES, 0, 0);
	child_fill(&self->b, 0, PAGES, 0, 0);
	ASSERT_EQ(0, ps_set("use_zero_pages", 0));
	ASSERT_EQ(0, add(self->dev, &self->a, NULL));
	ASSERT_EQ(0, add(self->dev, &self->b, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, zero_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, zero_frames(self->b.pid, self->b.mem, PAGES));
	/* Then they are pages like any others. */
	EXPECT_EQ(1, different_frames(self->a.pid, self->a.mem, PAGES));
	EXPECT_EQ(0, common(&self->a, &self->b));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, 0, 0));
}

TEST_F(share, changing_pages_are_left_alone)
{
	uint64_t frame;

	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	frame = pm_frame(self->a.pid, self->a.mem);
	for (int i = 0; i < 8; i++) {
		child_poke(&self->a, 0, 8, i);
		child_poke(&self->b, 0, 8, i);
		ASSERT_EQ(0, ps_scan(self->dev, 1));
		EXPECT_EQ(frame, pm_frame(self->a.pid, self->a.mem));
		EXPECT_EQ(0, same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, 1));
	}
	EXPECT_EQ(PAGES - 1, common(&self->a, &self->b));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, common(&self->a, &self->b));
}

static bool is_past(void *arg)
{
	return ps_get("pages_scanned") >= *(long long *)arg;
}

/*
 * A page that is found to have a twin, which has changed since the pass came by: neither is
 * merged, and it is the twin that is not what it was, not the page.
 */
TEST_F(share, twin_that_has_changed)
{
	long long scans, scanned, past_a;
	struct pshare_read_ledger ledger;
	long long differs;
	uint64_t id;

	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED + PAGES, 1);
	child_fill(&self->b, PAGES - 1, 1, SEED, 0);
	ASSERT_EQ(0, add(self->dev, &self->a, "one"));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, self->b.mem, PAGES * PAGE, "one", &id));
	ASSERT_EQ(0, ps_scan(self->dev, 1));

	/* The next pass takes seconds. */
	differs = ps_figure("scan", "refused_differs");
	scans = ps_get("full_scans");
	scanned = ps_get("pages_scanned");
	past_a = scanned + PAGES;
	ASSERT_EQ(0, ps_set("pages_to_scan", 4));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 100));
	ASSERT_EQ(0, ps_set("run", 1));
	ASSERT_TRUE(lib_wait(is_past, &past_a, 20000));
	child_fill(&self->a, 0, 1, SEED + 2 * PAGES, 0);
	ASSERT_GT(scanned + 2 * PAGES - 1, ps_get("pages_scanned"));
	ASSERT_TRUE(ps_wait_counter("full_scans", scans + 1, 20000));
	ASSERT_EQ(0, ps_set("run", 0));

	EXPECT_EQ(0, common(&self->a, &self->b));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(differs, ps_figure("scan", "refused_differs"));
	ASSERT_EQ(0, ps_ledger(self->dev, id, &ledger));
	EXPECT_EQ(PAGES, ledger.classes[PSHARE_UNIQUE]);
	EXPECT_EQ(0, ledger.classes[PSHARE_VOLATILE]);
	EXPECT_EQ(0, child_wrong(&self->a, 0, 1, SEED + 2 * PAGES, 0));
	EXPECT_EQ(0, child_wrong(&self->b, PAGES - 1, 1, SEED, 0));

	/* If it is again what it was, nothing keeps them apart. */
	child_fill(&self->a, 0, 1, SEED, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(1, common(&self->a, &self->b));
}

static long do_map_more(struct child *self, const long *arg)
{
	char *mem = mmap(NULL, arg[0] * PAGE, PROT_READ | PROT_WRITE,
			 (arg[1] ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return 0;
	for (long i = 0; i < arg[0]; i++)
		page_fill(mem + i * PAGE, SEED + i);
	return (long)mem;
}

TEST_F(share, whole_process_now_and_later)
{
	char *later;

	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, NULL, 0, "one", NULL));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, NULL, 0, "one", NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, common(&self->a, &self->b));

	later = (char *)child_call(&self->a, do_map_more, 32, 0);
	ASSERT_NE(NULL, later);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(32, same_frames(self->a.pid, later, self->b.pid, self->b.mem, 32));
	EXPECT_EQ(0, wrong_pages(self->a.pid, later, 32, SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, SEED, 1));
}

struct passes {
	long long end;
};

static bool passes_done(void *arg)
{
	return ps_get("full_scans") >= ((struct passes *)arg)->end;
}

/* Address space in which nothing is costs nothing: 128 TiB of it, or more. */
TEST_F_TIMEOUT(share, holes_are_left_in_one_step, 100)
{
	struct passes passes;

	child_fill(&self->a, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, NULL, 0, "one", NULL));
	/* What counts as looked at is what the process has, in some hundred pages. */
	ASSERT_EQ(0, ps_set("pages_to_scan", 100));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 1000));
	ASSERT_EQ(0, ps_set("run", 1));
	passes.end = ps_get("full_scans") + 1;
	EXPECT_TRUE(lib_wait(passes_done, &passes, 15000));
	ASSERT_EQ(0, ps_set("run", 0));
}

/* Memory that processes share on purpose must stay shared between them alone. */
TEST_F(share, shared_mappings_are_left_alone)
{
	uint64_t frames[32];
	char *shared;

	child_fill(&self->b, 0, PAGES, SEED, 1);
	shared = (char *)child_call(&self->a, do_map_more, 32, 1);
	ASSERT_NE(NULL, shared);
	frames_save(self->a.pid, shared, 32, frames);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, NULL, 0, "one", NULL));
	ASSERT_EQ(0, add(self->dev, &self->b, "one"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a.pid, shared, 32, frames));
	EXPECT_EQ(0, common_frames(self->a.pid, shared, 32, self->b.pid, self->b.mem, PAGES));
	EXPECT_EQ(0, wrong_pages(self->a.pid, shared, 32, SEED, 1));
}

static long do_map_hugetlb(struct child *self, const long *arg)
{
	char *mem = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (mem == MAP_FAILED)
		return 0;
	memset(mem, 0, HUGE_PAGE);
	return (long)mem;
}

TEST_F(share, hugetlb_is_left_alone)
{
	uint64_t frames[HUGE_PAGE / PAGE];
	char *huge;

	if (file_write("/proc/sys/vm/nr_hugepages", "4") || !meminfo_kb("HugePages_Free"))
		SKIP(return, "no huge pages to be had");
	huge = (char *)child_call(&self->a, do_map_hugetlb);
	ASSERT_NE(NULL, huge);
	frames_save(self->a.pid, huge, HUGE_PAGE / PAGE, frames);
	ASSERT_NE(0, frames[0]);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, NULL, 0, NULL, NULL));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a.pid, huge, HUGE_PAGE / PAGE, frames));
}

TEST_HARNESS_MAIN
