// SPDX-License-Identifier: GPL-2.0
/*
 * How long the scanner holds the lock of an address space, told by the kernel's own
 * tracepoints: it looks at a bounded number of entries and does not fall asleep, so
 * that a page fault never waits for more than that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES		256
#define MANY		16384	/* pages with a content each */
#define MANY_SEED	3000000

/* Entries that one hold may look at: steps of a walk, and the page table it is in. */
#define MOST_ENTRIES	(2048 + 512)

#define INSTANCE	"/sys/kernel/tracing/instances/pshare-holds/"

FIXTURE(holds) {
	struct pair pair;
	bool there;
	int scanner;
};

/* The scanner's thread. */
static int find_scanner(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	char path[64], name[64];
	int pid = 0;

	while (dir && !pid && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		if (!file_try_read(path, name, sizeof(name)) && !strcmp(name, "pshared\n"))
			pid = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return pid;
}

static int watch(const char *event, const char *filter)
{
	char path[160];

	snprintf(path, sizeof(path), INSTANCE "events/%s/filter", event);
	if (file_write(path, filter))
		return -EINVAL;
	snprintf(path, sizeof(path), INSTANCE "events/%s/enable", event);
	return file_write(path, "1");
}

FIXTURE_SETUP(holds)
{
	char filter[64];

	pair_start(&self->pair, PAGES, 0);
	self->scanner = find_scanner();
	ASSERT_LT(0, self->scanner);
	if (mkdir(INSTANCE, 0755) && errno != EEXIST)
		return;
	ASSERT_EQ(0, file_write(INSTANCE "tracing_on", "0"));
	ASSERT_EQ(0, file_write(INSTANCE "buffer_size_kb", "16384"));
	snprintf(filter, sizeof(filter), "common_pid == %d", self->scanner);
	self->there = !watch("mmap_lock/mmap_lock_acquire_returned", filter) &&
		      !watch("mmap_lock/mmap_lock_released", filter);
	snprintf(filter, sizeof(filter), "prev_pid == %d", self->scanner);
	ASSERT_EQ(0, watch("sched/sched_switch", filter));
}

FIXTURE_TEARDOWN(holds)
{
	rmdir(INSTANCE);
	pair_stop(&self->pair);
}

struct holds {
	size_t count, slept, preempted, lost;
	double longest;
};

static double time_of(const char *line)
{
	const char *colon = strstr(line, ": ");

	while (colon > line && colon[-1] != ' ')
		colon--;
	return atof(colon);
}

/* A scan of @passes, and what the scanner's thread did with locks meanwhile. */
static struct holds trace(struct __test_metadata *_metadata, int dev, unsigned int passes)
{
	struct holds holds = { };
	bool held = false;
	double since = 0;
	char line[1024];
	FILE *file;

	close(open(INSTANCE "trace", O_WRONLY | O_TRUNC));
	file_write(INSTANCE "tracing_on", "1");
	EXPECT_EQ(0, ps_scan(dev, passes));
	file_write(INSTANCE "tracing_on", "0");
	file = fopen(INSTANCE "trace", "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, "LOST"))
			holds.lost++;
		if (strstr(line, " mmap_lock_acquire_returned: ") &&
		    strstr(line, "success=true")) {
			held = true;
			since = time_of(line);
			holds.count++;
		} else if (strstr(line, " mmap_lock_released: ")) {
			held = false;
			if (time_of(line) - since > holds.longest)
				holds.longest = time_of(line) - since;
		} else if (held && strstr(line, " sched_switch: ")) {
			/* R: it could go on, and somebody else was given the CPU. */
			if (strstr(line, "prev_state=R"))
				holds.preempted++;
			else
				holds.slept++;
		}
	}
	if (file)
		fclose(file);
	lib_note("%zu holds, the longest of %.1f ms; asleep %zu, preempted %zu times",
		 holds.count, holds.longest * 1000, holds.slept, holds.preempted);
	EXPECT_EQ(0, holds.lost);
	EXPECT_FALSE(held);
	return holds;
}

#define NO_EVENTS "this kernel has no tracepoints of mmap_lock"

/* Pages without a twin, and holes: the walk alone. */
TEST_F_TIMEOUT(holds, walking, 250)
{
	struct holds holds;
	struct child many;

	if (!self->there)
		SKIP(return, NO_EVENTS);
	child_start(&many, MANY, 0);
	child_fill(&many, 0, MANY, MANY_SEED, 1);
	ASSERT_EQ(0, ps_add(self->pair.dev, many.pid, many.mem, MANY * PAGE, NULL, NULL));
	ASSERT_EQ(0, ps_scan(self->pair.dev, 2));
	holds = trace(_metadata, self->pair.dev, 2);
	EXPECT_LE(2 * MANY / MOST_ENTRIES, holds.count);
	EXPECT_EQ(0, holds.slept);

	/* Every second page is there. */
	for (size_t i = 0; i < MANY; i += 2)
		child_madvise(&many, i, 1, MADV_DONTNEED);
	holds = trace(_metadata, self->pair.dev, 2);
	EXPECT_LE(2 * MANY / MOST_ENTRIES, holds.count);
	EXPECT_EQ(0, holds.slept);
	child_kill(&many);
}

/* Merging, and giving back what nobody shares any more. */
TEST_F_TIMEOUT(holds, merging, 250)
{
	struct holds holds;

	if (!self->there)
		SKIP(return, NO_EVENTS);
	holds = trace(_metadata, self->pair.dev, PASSES);
	EXPECT_LE(2 * PAGES, holds.count);
	EXPECT_EQ(0, holds.slept);
	ASSERT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(&self->pair.a));
	EXPECT_EQ(0, pair_wrong(&self->pair.b));
	child_kill(&self->pair.b);
	holds = trace(_metadata, self->pair.dev, PASSES);
	EXPECT_LE(PAGES, holds.count);
	EXPECT_EQ(0, holds.slept);
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, pair_wrong(&self->pair.a));
}

TEST_HARNESS_MAIN
