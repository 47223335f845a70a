// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints: each event is there, and tells the region, the process, the
 * address and the page frame that pagemap sees.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	16
#define TRACING	"/sys/kernel/tracing/"
#define EVENTS	TRACING "events/pshare/"

FIXTURE(trace) {
	struct pair pair;
	struct child *a, *b;
};

/* Opening it in this way is what empties it. */
static void clear(void)
{
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
}

FIXTURE_SETUP(trace)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	ASSERT_EQ(0, file_write(TRACING "buffer_size_kb", "4096"));
	clear();
	ASSERT_EQ(0, file_write(EVENTS "enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	file_write(EVENTS "enable", "0");
	clear();
	pair_stop(&self->pair);
}

/* Calls @see for each line of @event, with what stands behind the name; counts them. */
static size_t events(const char *event, void (*see)(const char *text, void *arg), void *arg)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[512], name[64];
	size_t count = 0;

	if (!file)
		lib_die("cannot read the trace");
	snprintf(name, sizeof(name), " %s: ", event);
	while (fgets(line, sizeof(line), file)) {
		char *text = strstr(line, name);

		if (!text)
			continue;
		count++;
		if (see)
			see(text + strlen(name), arg);
	}
	fclose(file);
	return count;
}

/* Counts the merges whose frame is the one that the process maps at the address. */
static void right_frame(const char *text, void *arg)
{
	unsigned long long address, frame;
	unsigned int region;
	int pid;

	if (sscanf(text, "region=%u pid=%d addr=%llx pfn=%llx", &region, &pid, &address,
		   &frame) == 4 &&
	    pm_frame(pid, (void *)(uintptr_t)address) == frame)
		++*(size_t *)arg;
}

TEST_F(trace, merge)
{
	size_t right = 0;

	pair_merge(&self->pair);
	EXPECT_EQ(2 * PAGES, events("pshare_merge", right_frame, &right));
	EXPECT_EQ(2 * PAGES, right);
}

TEST_F(trace, passes)
{
	long long before = ps_get("full_scans");

	ASSERT_EQ(0, ps_scan(self->pair.dev, 3));
	EXPECT_EQ(ps_get("full_scans") - before, (long long)events("pshare_scan_end", NULL, NULL));
	EXPECT_LE(3, events("pshare_scan_start", NULL, NULL));
}

static void of_process(const char *text, void *arg)
{
	pid_t *pid = arg;
	unsigned int region;
	int seen;

	if (sscanf(text, "region=%u pid=%d", &region, &seen) != 2 || seen != *pid)
		*pid = -1;
}

/* What is left alone is given back, and said. */
TEST_F(trace, unshare)
{
	pid_t pid = self->b->pid;

	pair_merge(&self->pair);
	child_kill(self->a);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(PAGES, events("pshare_unshare", of_process, &pid));
	EXPECT_EQ(self->b->pid, pid);
}

static long hold_pages(struct child *self, const long *arg)
{
	int *pipe_fds = (int *)arg[0];
	struct iovec iov = { self->mem, PAGES * PAGE };

	return pipe(pipe_fds) ? -1 : vmsplice(pipe_fds[1], &iov, 1, 0);
}

static void for_pins(const char *text, void *arg)
{
	*(size_t *)arg += !!strstr(text, "reason=pinned");
}

/* A page that lies in a pipe is held by somebody: refused, with the reason. */
TEST_F(trace, refuse)
{
	static int pipe_fds[2];
	size_t pinned = 0;

	ASSERT_EQ((long)(PAGES * PAGE), child_call(self->a, hold_pages, (long)pipe_fds));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_LE(PAGES, events("pshare_refuse", for_pins, &pinned));
	EXPECT_LE(PAGES, pinned);
}

TEST_F(trace, split)
{
	struct child huge;

	child_start(&huge, HUGE_PAGE / PAGE, CHILD_HUGE);
	child_fill(&huge, 0, HUGE_PAGE / PAGE, PAIR_SEED, 0);
	if (smaps_kb(huge.pid, huge.mem, "AnonHugePages") < 2048) {
		child_kill(&huge);
		SKIP(return, "no huge page was to be had");
	}
	ASSERT_EQ(0, ps_add(self->pair.dev, huge.pid, huge.mem, HUGE_PAGE, NULL, NULL));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(1, events("pshare_split", NULL, NULL));
	EXPECT_EQ(0, smaps_kb(huge.pid, huge.mem, "AnonHugePages"));
	child_kill(&huge);
}

TEST_HARNESS_MAIN
