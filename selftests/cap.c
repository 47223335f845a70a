// SPDX-License-Identifier: GPL-2.0
/*
 * max_pages_shared: shared pages can neither be swapped nor moved, so there may be
 * only so many.  What is judged is how many frames are shared, not what we say.
 */
#include <errno.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES		64
#define CAP		20

FIXTURE(cap) {
	struct pair pair;
};

FIXTURE_SETUP(cap)
{
	pair_start(&self->pair, PAGES, 0);
}

FIXTURE_TEARDOWN(cap)
{
	ps_set("max_pages_shared", 0);
	pair_stop(&self->pair);
}

/* A figure of debugfs' scan table. */
static long long scan_figure(const char *name)
{
	char text[4096], *line = text;
	size_t length = strlen(name);

	file_read("/sys/kernel/debug/pshare/scan", text, sizeof(text));
	while (line && (strncmp(line, name, length) || line[length] != ' ')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		lib_die("debugfs has no figure %s", name);
	return atoll(line + length);
}

static void scan(struct __test_metadata *_metadata, struct pair *pair)
{
	ASSERT_EQ(0, ps_scan(pair->dev, PASSES));
	EXPECT_EQ(0, pair_wrong(&pair->a));
	EXPECT_EQ(0, pair_wrong(&pair->b));
}

/* As many as may be, not one more; those that had to wait come when there is room. */
TEST_F_TIMEOUT(cap, reached_and_raised, 100)
{
	long long refused = scan_figure("refused_capped");
	struct pair *pair = &self->pair;

	ASSERT_EQ(0, ps_set("max_pages_shared", CAP));
	scan(_metadata, pair);
	EXPECT_EQ(CAP, pair_same(pair));
	EXPECT_EQ(CAP, shared_frames(pair->a.pid, pair->a.mem, PAGES));
	EXPECT_EQ(CAP, ps_get("pages_shared"));
	EXPECT_LE(refused + PAGES - CAP, scan_figure("refused_capped"));

	ASSERT_EQ(0, ps_set("max_pages_shared", 2 * CAP));
	scan(_metadata, pair);
	EXPECT_EQ(2 * CAP, pair_same(pair));

	/* No limit at all. */
	ASSERT_EQ(0, ps_set("max_pages_shared", 0));
	scan(_metadata, pair);
	EXPECT_EQ(PAGES, pair_same(pair));
	refused = scan_figure("refused_capped");
	scan(_metadata, pair);
	EXPECT_EQ(refused, scan_figure("refused_capped"));
}

/* What is there takes more sharers, and makes room when it goes. */
TEST_F_TIMEOUT(cap, sharers_and_room, 100)
{
	struct pair *pair = &self->pair;
	struct child third;
	size_t joined = 0;

	ASSERT_EQ(0, ps_set("max_pages_shared", CAP));
	scan(_metadata, pair);
	ASSERT_EQ(CAP, pair_same(pair));

	child_start(&third, PAGES, 0);
	child_fill(&third, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, ps_add(pair->dev, third.pid, third.mem, PAGES * PAGE, "pair", NULL));
	scan(_metadata, pair);
	joined = same_frames(pair->a.pid, pair->a.mem, third.pid, third.mem, PAGES);
	EXPECT_EQ(CAP, joined);
	EXPECT_EQ(CAP, ps_get("pages_shared"));
	EXPECT_EQ(2 * CAP, ps_get("pages_sharing"));

	/* The zero page is not counted: it is the kernel's. */
	child_fill(&third, 0, PAGES, 0, 0);
	scan(_metadata, pair);
	EXPECT_EQ(PAGES, zero_frames(third.pid, third.mem, PAGES));
	EXPECT_EQ(CAP, pair_same(pair));
	child_kill(&third);

	/* Pages that are written to leave the shared one; others get in. */
	for (int i = 0; i < PAGES; i++) {
		if (pm_frame(pair->a.pid, child_page(&pair->a, i)) !=
		    pm_frame(pair->b.pid, child_page(&pair->b, i)))
			continue;
		child_fill(&pair->a, i, 1, PAIR_SEED + i, 0);
		child_fill(&pair->b, i, 1, PAIR_SEED + i, 0);
	}
	EXPECT_EQ(0, pair_same(pair));
	scan(_metadata, pair);
	EXPECT_EQ(CAP, pair_same(pair));
}

/* Lower than what is shared: nothing is undone, nothing new is made. */
TEST_F_TIMEOUT(cap, lowered, 100)
{
	struct pair *pair = &self->pair;

	pair_merge(pair);
	ASSERT_EQ(0, ps_set("max_pages_shared", CAP));
	scan(_metadata, pair);
	EXPECT_EQ(PAGES, pair_same(pair));

	/* Ten go, and do not come back: there are more than may be still. */
	child_fill(&pair->a, 0, 10, PAIR_SEED, 1);
	child_fill(&pair->b, 0, 10, PAIR_SEED, 1);
	EXPECT_TRUE(ps_wait_counter("pages_shared", PAGES - 10, 5000));
	scan(_metadata, pair);
	EXPECT_EQ(PAGES - 10, pair_same(pair));
	EXPECT_EQ(0, same_frames(pair->a.pid, pair->a.mem, pair->b.pid, pair->b.mem, 10));
	EXPECT_EQ(PAGES - 10, ps_get("pages_shared"));

	/* Until there is room. */
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	ASSERT_EQ(0, ps_set("run", 0));
	scan(_metadata, pair);
	EXPECT_EQ(CAP, pair_same(pair));
}

/* The scanner does not stand still at the cap, whoever is first in its way. */
TEST_F_TIMEOUT(cap, at_full_speed, 100)
{
	struct pair *pair = &self->pair;
	size_t same;

	ASSERT_EQ(0, ps_set("max_pages_shared", 1));
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	for (int i = 0; i < 20; i++) {
		child_fill(&pair->a, 0, PAGES, PAIR_SEED, 1);
		child_fill(&pair->b, 0, PAGES, PAIR_SEED, 1);
		lib_sleep_ms(50);
		same = pair_same(pair);
		EXPECT_GE(1, same);
	}
	scan(_metadata, pair);
	EXPECT_EQ(1, pair_same(pair));
	EXPECT_EQ(1, ps_get("pages_shared"));
}

TEST_F(cap, values)
{
	static const char * const bad[] = { "\n", "x", "-1", "1x", "4294967296", "1 2",
					    "99999999999999999999", "0x", "1.5" };
	char text[32];
	long long ram = meminfo_kb("MemTotal") / 4, value;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ASSERT_EQ(0, ps_set("max_pages_shared", 77));
		EXPECT_EQ(-EINVAL, ps_set_text("max_pages_shared", bad[i]))
			TH_LOG("\"%s\"", bad[i]);
		EXPECT_EQ(77, ps_get("max_pages_shared"));
	}
	EXPECT_EQ(0, ps_set_text("max_pages_shared", "4294967295"));
	EXPECT_EQ(4294967295LL, ps_get("max_pages_shared"));
	EXPECT_EQ(0, ps_set("max_pages_shared", 0));
	EXPECT_EQ(0, ps_get("max_pages_shared"));
	file_read(PSHARE_SYSFS "max_pages_shared", text, sizeof(text));
	EXPECT_STREQ("0\n", text);

	/* As it is when the module is loaded: a quarter of memory. */
	pair_stop(&self->pair);
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load(""));
	value = ps_get("max_pages_shared");
	lib_note("%lld of %lld pages", value, ram);
	EXPECT_LT(ram / 5, value);
	EXPECT_GE(ram / 4 + ram / 50, value);
	self->pair.dev = ps_open();
}

TEST_HARNESS_MAIN
