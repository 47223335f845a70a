// SPDX-License-Identifier: GPL-2.0
/*
 * The host runs short of memory while pages are shared.  What saves something stays
 * shared; a shared page that one process maps alone becomes memory of its own again,
 * which can be swapped; nobody is killed for it, and no byte is lost.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	512
#define CGROUP	"pshare-pressure"

/* Giving back may pause for half a minute where it found nothing to do. */
#define PATIENCE_MS	250000

FIXTURE(pressure) {
	struct pair pair;
	struct child hog;
};

/* More memory than there is, but such as swap has room for. */
FIXTURE_SETUP(pressure)
{
	size_t pages = (meminfo_kb("MemTotal") + (200 << 10)) / 4;

	swap_on(4UL << 30);
	pair_start(&self->pair, PAGES, 0);
	child_start(&self->hog, pages, CHILD_HUGE);
}

FIXTURE_TEARDOWN(pressure)
{
	child_kill(&self->hog);
	pair_stop(&self->pair);
	EXPECT_EQ(0, swap_off());
}

/* Goes over its memory until it is killed, or so often.  Its pages hold nothing. */
static long do_press(struct child *self, const long *arg)
{
	for (long round = 0; round < arg[0]; round++)
		for (size_t i = 0; i < self->pages; i++)
			*(volatile char *)child_page(self, i) = 0;
	return 0;
}

/* Waits for the end of do_press(). */
static void press_end(struct __test_metadata *_metadata, struct child *hog)
{
	long result = -1;

	ASSERT_TRUE(child_finish_in(hog, 240000, &result));
	EXPECT_LT(0, meminfo_kb("SwapTotal") - meminfo_kb("SwapFree"));
}

static size_t held(struct child *child)
{
	return shared_frames(child->pid, child->mem, PAGES);
}

/* A page on its way to swap or back is locked, too, but not for long. */
static bool nothing_held(void *child)
{
	return !held(child);
}

static bool something_swapped(void *child)
{
	return smaps_kb(((struct child *)child)->pid, ((struct child *)child)->mem, "Swap");
}

/* The scanner stands still: it is the shortage that has the pages given back. */
TEST_F_TIMEOUT(pressure, singles_are_given_back, 800)
{
	struct pair *pair = &self->pair;
	long long kills = vmstat("oom_kill");
	struct child *a = &pair->a;

	pair_merge(pair);
	child_kill(&pair->b);
	/* They stay as they are while there is memory. */
	EXPECT_TRUE(ps_wait_counter("pages_sharing", 0, 5000));
	EXPECT_EQ(PAGES, held(a));
	EXPECT_EQ(PAGES, ps_get("pages_shared"));

	child_post(&self->hog, do_press, 1000);
	EXPECT_TRUE(lib_wait(nothing_held, a, PATIENCE_MS));
	EXPECT_TRUE(ps_wait_counter("pages_shared", 0, PATIENCE_MS));
	/* Now they can be swapped. */
	EXPECT_TRUE(lib_wait(something_swapped, a, PATIENCE_MS));
	lib_note("%ld of %lu KiB in swap", smaps_kb(a->pid, a->mem, "Swap"), PAGES * PAGE >> 10);
	EXPECT_EQ(0, ps_get("run"));
	EXPECT_EQ(0, pair_wrong(a));
	EXPECT_EQ(kills, vmstat("oom_kill"));
}

/* Two that share save a page, which is worth more now than ever. */
TEST_F_TIMEOUT(pressure, shared_pages_stay, 800)
{
	struct pair *pair = &self->pair;
	long long kills = vmstat("oom_kill");

	pair_merge(pair);
	child_post(&self->hog, do_press, 1);
	press_end(_metadata, &self->hog);
	EXPECT_EQ(PAGES, pair_same(pair));
	EXPECT_EQ(0, smaps_kb(pair->a.pid, pair->a.mem, "Swap"));
	EXPECT_EQ(0, pair_wrong(&pair->a));
	EXPECT_EQ(0, pair_wrong(&pair->b));
	EXPECT_EQ(kills, vmstat("oom_kill"));
}

/* Those that nobody maps are freed, or the module would hold what it cannot use. */
TEST_F_TIMEOUT(pressure, unmapped_pages_are_freed, 800)
{
	struct pair *pair = &self->pair;

	pair_merge(pair);
	child_kill(&pair->a);
	child_kill(&pair->b);
	child_post(&self->hog, do_press, 1);
	press_end(_metadata, &self->hog);
	EXPECT_TRUE(ps_nothing_shared());
}

/* The scanner works while memory is short, and pages go to swap under its hands. */
TEST_F_TIMEOUT(pressure, while_scanning, 800)
{
	struct pair *pair = &self->pair;
	long long kills = vmstat("oom_kill");

	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	child_post(&self->hog, do_press, 1);
	for (int i = 0; i < 20; i++) {
		child_fill(&pair->a, 0, PAGES, PAIR_SEED, 1);
		lib_sleep_ms(200);
		EXPECT_EQ(0, pair_wrong(&pair->a));
		EXPECT_EQ(0, pair_wrong(&pair->b));
	}
	press_end(_metadata, &self->hog);
	EXPECT_EQ(0, pair_wrong(&pair->a));
	EXPECT_EQ(0, pair_wrong(&pair->b));
	EXPECT_EQ(kills, vmstat("oom_kill"));
}

static long long cgroup_kills(void)
{
	char text[512], *line;

	file_read("/sys/fs/cgroup/" CGROUP "/memory.events", text, sizeof(text));
	line = strstr(text, "\noom_kill ");
	return line ? atoll(line + 10) : -1;
}

/* A page of one's own needs room in one's cgroup, where there may be none. */
TEST_F_TIMEOUT(pressure, cgroup_at_its_limit, 800)
{
	long long kills = vmstat("oom_kill");
	struct child c, d;
	char text[32];

	cg_create(CGROUP);
	child_start_in(&c, PAGES, 0, CGROUP);
	child_start_in(&d, PAGES, 0, CGROUP);
	child_fill(&c, 0, PAGES, PAIR_SEED + PAGES, 1);
	child_fill(&d, 0, PAGES, PAIR_SEED + PAGES, 1);
	ASSERT_EQ(0, ps_add(self->pair.dev, c.pid, c.mem, PAGES * PAGE, "limit", NULL));
	ASSERT_EQ(0, ps_add(self->pair.dev, d.pid, d.mem, PAGES * PAGE, "limit", NULL));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	ASSERT_EQ(PAGES, same_frames(c.pid, c.mem, d.pid, d.mem, PAGES));
	child_kill(&d);
	ASSERT_EQ(0, cg_write(CGROUP, "memory.swap.max", "0"));
	snprintf(text, sizeof(text), "%lld", cg_number(CGROUP, "memory.current"));
	ASSERT_EQ(0, cg_write(CGROUP, "memory.max", text));

	child_post(&self->hog, do_press, 1);
	press_end(_metadata, &self->hog);
	lib_note("%zu of %d pages are held still", shared_frames(c.pid, c.mem, PAGES), PAGES);
	EXPECT_EQ(0, cgroup_kills());
	EXPECT_EQ(kills, vmstat("oom_kill"));
	EXPECT_EQ(0, child_wrong(&c, 0, PAGES, PAIR_SEED + PAGES, 1));
	child_kill(&c);
	/* Those of the pair are left. */
	EXPECT_TRUE(ps_wait_counter("pages_shared", PAGES, 5000));
	lib_sleep_ms(1000);
	EXPECT_EQ(0, cg_remove(CGROUP));
}

TEST_HARNESS_MAIN
