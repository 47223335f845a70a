// SPDX-License-Identifier: GPL-2.0
/*
 * The pace of the scanner: a limit of CPU time, a time for a pass, a priority.  What the
 * thread has used is told by the scheduler, in /proc.
 *
 * An emulated CPU stands still at times, and the thread is charged for it: so medians of
 * several looks are judged, and by generous limits.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "lib.h"

/* A pass over so many takes much longer than the shortest pass, 20 ms. */
#define PAGES		32768
#define LOOKS		5

/* Of a thread that the module has: its number. */
static pid_t thread_pid(void)
{
	struct dirent *entry;
	pid_t pid = 0;
	DIR *dir = opendir("/proc");

	while (dir && !pid && (entry = readdir(dir))) {
		char path[300], name[64];

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!file_try_read(path, name, sizeof(name)) && !strcmp(name, "pshared\n"))
			pid = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (!pid)
		lib_die("there is no thread pshared");
	return pid;
}

/* Seconds of CPU time that the thread has used. */
static double thread_cpu(pid_t pid)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file_read(path, text, sizeof(text));
	return strtoull(text, NULL, 10) / 1e9;
}

/* What it uses of one CPU, in percent, during a while. */
static double use(pid_t pid, unsigned int ms)
{
	double cpu = thread_cpu(pid), begin = lib_seconds();

	lib_sleep_ms(ms);
	return 100 * (thread_cpu(pid) - cpu) / (lib_seconds() - begin);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return values[nr / 2];
}

/* A field of /proc/PID/stat, as proc(5) numbers them; behind the name only. */
static int thread_stat(pid_t pid, unsigned int field)
{
	char path[64], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file_read(path, text, sizeof(text));
	at = strrchr(text, ')');
	for (field -= 2; at && field; field--)
		at = strchr(at + 1, ' ');
	if (!at)
		lib_die("%s is cut short", path);
	return atoi(at);
}

FIXTURE(pace) {
	int dev;
	struct child child;
	uint64_t region;
	pid_t pid;
};

FIXTURE_SETUP(pace)
{
	self->dev = ps_begin();
	self->pid = thread_pid();
	child_start(&self->child, PAGES, 0);
	child_fill(&self->child, 0, PAGES, 1000, 1);
	ASSERT_EQ(0, ps_add(self->dev, self->child.pid, self->child.mem, PAGES * PAGE, NULL,
			    &self->region));
}

FIXTURE_TEARDOWN(pace)
{
	ps_set("run", 0);
	ps_set("max_cpu_percent", 0);
	ps_set("target_scan_seconds", 0);
	ps_set("nice", 5);
	child_kill(&self->child);
	close(self->dev);
}

TEST_F_TIMEOUT(pace, limit, 200)
{
	double ten[LOOKS], fifty[LOOKS];
	unsigned int i;

	ASSERT_EQ(0, ps_set("max_cpu_percent", 10));
	ASSERT_EQ(0, ps_set("run", 1));
	for (i = 0; i < LOOKS; i++) {
		ASSERT_EQ(0, ps_set("max_cpu_percent", 10));
		lib_sleep_ms(1000);
		ten[i] = use(self->pid, 3000);
		ASSERT_EQ(0, ps_set("max_cpu_percent", 50));
		lib_sleep_ms(1000);
		fifty[i] = use(self->pid, 3000);
	}
	lib_note("at 10 %%: %.1f %%; at 50 %%: %.1f %%", median(ten, LOOKS), median(fifty, LOOKS));
	EXPECT_LT(5, median(ten, LOOKS));
	EXPECT_GT(20, median(ten, LOOKS));
	EXPECT_GT(75, median(fifty, LOOKS));
	EXPECT_LT(2.5, median(fifty, LOOKS) / median(ten, LOOKS));
	EXPECT_GT(8, median(fifty, LOOKS) / median(ten, LOOKS));
	EXPECT_LT(0, ps_get("full_scans"));
}

/* The other knobs of the pace have no say meanwhile, and have it again afterwards. */
TEST_F_TIMEOUT(pace, by_hand, 100)
{
	long long before;

	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
	ASSERT_EQ(0, ps_set("pages_to_scan", 1));
	ASSERT_EQ(0, ps_set("max_cpu_percent", 20));
	ASSERT_EQ(0, ps_set("run", 1));
	before = ps_get("pages_scanned");
	lib_sleep_ms(3000);
	EXPECT_LT(before + 64, ps_get("pages_scanned"));
	/* Who has waited leaves no sleep of 49 days behind. */
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	before = ps_get("pages_scanned");
	lib_sleep_ms(3000);
	EXPECT_LT(before, ps_get("pages_scanned"));

	ASSERT_EQ(0, ps_set("max_cpu_percent", 0));
	lib_sleep_ms(1000);
	before = ps_get("pages_scanned");
	lib_sleep_ms(2000);
	EXPECT_EQ(before, ps_get("pages_scanned"));
}

/* Passes in so many seconds, and whether they are spread over that time. */
TEST_F_TIMEOUT(pace, target, 200)
{
	double begin, shares[40], passes;
	long long scans, before, first;
	unsigned int i;

	ASSERT_EQ(0, ps_set("target_scan_seconds", 2));
	ASSERT_EQ(0, ps_set("run", 1));
	lib_sleep_ms(5000);
	begin = lib_seconds();
	scans = ps_get("full_scans");
	first = ps_get("pages_scanned");
	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		double at = lib_seconds();

		before = ps_get("pages_scanned");
		lib_sleep_ms(400);
		shares[i] = (double)(ps_get("pages_scanned") - before) / PAGES;
		shares[i] *= 0.4 / (lib_seconds() - at);
	}
	passes = (lib_seconds() - begin) / 2;
	scans = ps_get("full_scans") - scans;
	/* Who does a pass in one go does so in each of eight; who was late, not so often. */
	qsort(shares, ARRAY_SIZE(shares), sizeof(*shares), lib_compare_doubles);
	lib_note("%lld passes of %.1f; in 0.4 s up to %.0f %% of the pages, mostly", scans, passes,
		 100 * shares[35]);
	EXPECT_LT(0.7 * passes - 1, scans);
	EXPECT_GT(1.15 * passes + 1, scans);
	EXPECT_GT(0.5, shares[35]);
	EXPECT_LT(0, ps_get("pages_scanned") - first);
}

/* Memory comes and goes while a pass is under way: it ends in time all the same. */
TEST_F_TIMEOUT(pace, target_with_changes, 200)
{
	struct child more;
	long long scans;
	uint64_t region;
	double begin, passes;

	ASSERT_EQ(0, ps_set("target_scan_seconds", 4));
	ASSERT_EQ(0, ps_set("run", 1));
	lib_sleep_ms(5000);
	begin = lib_seconds();
	scans = ps_get("full_scans");
	child_start(&more, PAGES, 0);
	child_fill(&more, 0, PAGES, 1000000, 1);
	ASSERT_EQ(0, ps_add(self->dev, more.pid, NULL, 0, NULL, &region));
	lib_sleep_ms(6000);
	ASSERT_EQ(0, ps_remove(self->dev, region));
	child_kill(&more);
	lib_sleep_ms(14000);
	passes = (lib_seconds() - begin) / 4;
	scans = ps_get("full_scans") - scans;
	lib_note("%lld passes of %.1f", scans, passes);
	EXPECT_LE(0.6 * passes - 1, scans);
	EXPECT_GE(1.15 * passes + 1, scans);
}

/* The limit is stronger. */
TEST_F_TIMEOUT(pace, limit_and_target, 100)
{
	double looks[LOOKS];
	unsigned int i;

	ASSERT_EQ(0, ps_set("max_cpu_percent", 2));
	ASSERT_EQ(0, ps_set("target_scan_seconds", 1));
	/* What changes with each visit costs the most. */
	ASSERT_EQ(0, ps_set("aslr_sample", 100));
	ASSERT_EQ(0, ps_set("run", 1));
	lib_sleep_ms(2000);
	for (i = 0; i < LOOKS; i++)
		looks[i] = use(self->pid, 3000);
	lib_note("at 2 %%: %.1f %%", median(looks, LOOKS));
	EXPECT_GT(6, median(looks, LOOKS));
	EXPECT_LT(0.5, median(looks, LOOKS));
}

/* Who waits gets the passes at full speed, and the pace is what it was. */
TEST_F_TIMEOUT(pace, full_speed, 100)
{
	double looks[LOOKS], cpu, begin;
	unsigned int i;

	ASSERT_EQ(0, ps_set("max_cpu_percent", 1));
	ASSERT_EQ(0, ps_set("target_scan_seconds", 0xffffffff));
	ASSERT_EQ(0, ps_set("run", 1));
	lib_sleep_ms(1000);
	cpu = thread_cpu(self->pid);
	begin = lib_seconds();
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	begin = lib_seconds() - begin;
	cpu = thread_cpu(self->pid) - cpu;
	lib_note("%d passes took %.2f s, and %.2f s of CPU time", PASSES, begin, cpu);
	EXPECT_LT(0.1, cpu / begin);
	lib_sleep_ms(500);
	for (i = 0; i < LOOKS; i++)
		looks[i] = use(self->pid, 1000);
	EXPECT_GT(5, median(looks, LOOKS));

	/* A knob ends a sleep, however long it was to be. */
	ASSERT_EQ(0, ps_set("max_cpu_percent", 0));
	ASSERT_EQ(0, ps_set("target_scan_seconds", 1));
	cpu = ps_get("full_scans");
	lib_sleep_ms(6000);
	EXPECT_LT(cpu, ps_get("full_scans"));
	ASSERT_EQ(0, ps_set("run", 0));
	cpu = ps_get("pages_scanned");
	lib_sleep_ms(1000);
	EXPECT_EQ(cpu, ps_get("pages_scanned"));
	ASSERT_EQ(0, ps_set("target_scan_seconds", 0xffffffff));
	ASSERT_EQ(0, ps_set("run", 1));
}

struct priority {
	pid_t pid;
	int nice, policy;
};

static bool has_priority(void *arg)
{
	const struct priority *want = arg;

	/* For an idle thread it does not matter. */
	return thread_stat(want->pid, 41) == want->policy &&
	       (want->policy == SCHED_IDLE || thread_stat(want->pid, 19) == want->nice);
}

static bool comes_to(pid_t pid, int nice, int policy)
{
	struct priority want = { .pid = pid, .nice = nice, .policy = policy };

	return lib_wait(has_priority, &want, 5000);
}

TEST_F(pace, nice)
{
	EXPECT_TRUE(comes_to(self->pid, 5, SCHED_OTHER));
	ASSERT_EQ(0, ps_set("nice", -7));
	EXPECT_TRUE(comes_to(self->pid, -7, SCHED_OTHER));
	ASSERT_EQ(0, ps_set_text("nice", "idle"));
	EXPECT_TRUE(comes_to(self->pid, 0, SCHED_IDLE));
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	ASSERT_EQ(0, ps_set("nice", 19));
	EXPECT_TRUE(comes_to(self->pid, 19, SCHED_OTHER));
	/* What others have set is left alone. */
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, self->pid, 3));
	ASSERT_EQ(0, ps_set("pages_to_scan", 101));
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	EXPECT_TRUE(comes_to(self->pid, 3, SCHED_OTHER));
	ASSERT_EQ(0, ps_set("nice", 5));
	EXPECT_TRUE(comes_to(self->pid, 5, SCHED_OTHER));
}

TEST_HARNESS_MAIN
