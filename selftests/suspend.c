// SPDX-License-Identifier: GPL-2.0
/*
 * The machine is suspended while the scanner is at work: it freezes at once, stands
 * still, and goes on afterwards.  The kernel's own test mode of suspend stops after
 * the freezer, waits, and thaws.
 */
#include <errno.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES		64
#define PM_TEST		"/sys/power/pm_test"
#define PM_STATE	"/sys/power/state"
#define PM_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

FIXTURE(suspend) {
	struct pair pair;
};

FIXTURE_SETUP(suspend)
{
	pair_start(&self->pair, PAGES, 0);
	ASSERT_EQ(0, file_write(PM_TEST, "freezer"));
	ASSERT_EQ(0, file_write(PM_DELAY, "2"));
}

FIXTURE_TEARDOWN(suspend)
{
	file_write(PM_TEST, "none");
	pair_stop(&self->pair);
}

static void scan_at_full_speed(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("run", 1));
}

/*
 * Suspend, and wake up.  EBUSY at once means that somebody else has to do with sleep
 * just now.  EBUSY after 20 seconds means that a task refuses to freeze; but an
 * emulated CPU may be the reason: on a busy machine it can stand still for as long.  So
 * one failure proves nothing, three in a row do.
 */
static int suspend(void)
{
	int tries, err;

	for (tries = 0; tries < 3; tries++) {
		double begin = lib_seconds();

		do {
			err = file_write(PM_STATE, "mem");
			if (err != -EBUSY)
				return err;
			lib_sleep_ms(20);
		} while (lib_seconds() - begin < 10);
		lib_note("a task refused to freeze, or did not get to it");
	}
	return err;
}

/* A thread that refuses to freeze makes suspend fail after 20 seconds. */
TEST_F_TIMEOUT(suspend, scanner_freezes, 150)
{
	long long start, awake, asleep;

	scan_at_full_speed(_metadata);
	lib_sleep_ms(500);
	start = ps_get("full_scans");
	lib_sleep_ms(2000);
	awake = ps_get("full_scans") - start;
	ASSERT_LT(0, awake);

	start = ps_get("full_scans");
	ASSERT_EQ(0, suspend());
	asleep = ps_get("full_scans") - start;
	lib_note("passes in 2 s: awake %lld, suspended %lld", awake, asleep);
	/* What is left is the time around the two seconds. */
	EXPECT_GT(awake / 2, asleep);

	/* It goes on, and nothing was lost. */
	start = ps_get("full_scans");
	lib_sleep_ms(1000);
	EXPECT_LT(start, ps_get("full_scans"));
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(&self->pair.a));
	EXPECT_EQ(0, pair_wrong(&self->pair.b));
}

/* Helpers do not freeze, and do nothing while the scanner's thread is frozen. */
TEST_F_TIMEOUT(suspend, helpers, 150)
{
	const size_t pages = 16384;
	struct child child;
	long long start;

	ASSERT_EQ(0, file_write(PM_DELAY, "0"));
	ASSERT_EQ(0, ps_set("scan_threads", 4));
	child_start(&child, pages, 0);
	child_fill(&child, 0, pages, 1000, 1);
	ASSERT_EQ(0, ps_add(self->pair.dev, child.pid, child.mem, pages * PAGE, NULL, NULL));
	scan_at_full_speed(_metadata);
	for (int i = 0; i < 10; i++) {
		lib_sleep_ms(37);
		ASSERT_EQ(0, suspend());
	}
	start = ps_get("full_scans");
	lib_sleep_ms(2000);
	EXPECT_LT(start, ps_get("full_scans"));
	ASSERT_EQ(0, ps_set("scan_threads", 1));
	EXPECT_EQ(0, child_wrong(&child, 0, pages, 1000, 1));
	child_kill(&child);
}

/* Again and again, at any point of a pass. */
TEST_F_TIMEOUT(suspend, many_times, 150)
{
	ASSERT_EQ(0, file_write(PM_DELAY, "0"));
	scan_at_full_speed(_metadata);
	for (int i = 0; i < 10; i++) {
		child_fill(&self->pair.a, 0, PAGES, PAIR_SEED, 1);
		ASSERT_EQ(0, suspend());
	}
	EXPECT_EQ(0, pair_wrong(&self->pair.a));
	EXPECT_EQ(0, pair_wrong(&self->pair.b));
}

TEST_HARNESS_MAIN
