// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the kernel wants to move: compaction, blocks of memory that are taken
 * out of use, ranges that somebody needs in one piece.  A shared page cannot be
 * moved.  So it must not lie where everything has to be movable, and whoever runs
 * into one elsewhere must be told, and not wait.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES		512
#define UNIQUE		256	/* pages of a third process, with no twin */
#define UNIQUE_SEED	700000
#define MEMORY		"/sys/devices/system/memory/"
#define CMA		"/sys/kernel/debug/cma/"
#define HUGE_1G		"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"

/* What the kernel may try to take a block out of use.  Then it is told to give up. */
#define PATIENCE	20	/* seconds */

FIXTURE(movable) {
	struct pair pair;
	struct child third, worker;
	uint64_t frames[PAGES];
	uint64_t block_pages;
};

FIXTURE_SETUP(movable)
{
	char text[64];

	pair_start(&self->pair, PAGES, 0);
	child_start(&self->third, UNIQUE, 0);
	child_fill(&self->third, 0, UNIQUE, UNIQUE_SEED, 1);
	ASSERT_EQ(0, ps_add(self->pair.dev, self->third.pid, self->third.mem, UNIQUE * PAGE,
			    "pair", NULL));
	child_start(&self->worker, 1, 0);
	file_read(MEMORY "block_size_bytes", text, sizeof(text));
	self->block_pages = strtoull(text, NULL, 16) / PAGE;
}

FIXTURE_TEARDOWN(movable)
{
	child_kill(&self->third);
	child_kill(&self->worker);
	pair_stop(&self->pair);
}

static void merge(struct __test_metadata *_metadata, FIXTURE_DATA(movable) *self)
{
	pair_merge(&self->pair);
	frames_save(self->pair.a.pid, self->pair.a.mem, PAGES, self->frames);
}

static void scan_at_full_speed(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("run", 1));
}

/* All is as it was: the bytes, who shares, and where the shared pages lie. */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(movable) *self)
{
	struct pair *pair = &self->pair;

	EXPECT_EQ(PAGES, pair_same(pair));
	EXPECT_EQ(0, frames_changed(pair->a.pid, pair->a.mem, PAGES, self->frames));
	EXPECT_EQ(0, pair_wrong(&pair->a));
	EXPECT_EQ(0, pair_wrong(&pair->b));
	EXPECT_EQ(0, child_wrong(&self->third, 0, UNIQUE, UNIQUE_SEED, 1));
}

/* ---- blocks of memory ---- */

static void block_path(char *path, size_t size, long block, const char *file)
{
	snprintf(path, size, MEMORY "memory%ld/%s", block, file);
}

/* The zone that a block belongs to; "none" when it is out of use, or several do. */
static void block_zone(long block, char *zone, size_t size)
{
	char path[128];

	block_path(path, sizeof(path), block, "valid_zones");
	if (file_try_read(path, zone, size))
		snprintf(zone, size, "none");
	zone[strcspn(zone, "\n ")] = '\0';
}

static bool block_online(long block)
{
	char path[128], state[32];

	block_path(path, sizeof(path), block, "state");
	return !file_try_read(path, state, sizeof(state)) && !strncmp(state, "online", 6);
}

static void wake_up(int number)
{
}

/* Writes to the block's state: arg[1] is a string, at the same place in each child. */
static long do_set_state(struct child *self, const long *arg)
{
	struct sigaction action = { .sa_handler = wake_up };
	char path[128];
	long err;

	sigaction(SIGALRM, &action, NULL);
	alarm(PATIENCE);
	block_path(path, sizeof(path), arg[0], "state");
	err = file_write(path, (const char *)arg[1]);
	alarm(0);
	return err;
}

/* 0 or -errno; the test fails if the kernel does not come back. */
static long set_state(struct __test_metadata *_metadata, FIXTURE_DATA(movable) *self,
		      long block, const char *state)
{
	long err = -1;

	child_post(&self->worker, do_set_state, block, (long)state);
	ASSERT_TRUE(child_finish_in(&self->worker, 3 * PATIENCE * 1000, &err))
		TH_LOG("block %ld: the kernel hangs at \"%s\"", block, state);
	return err;
}

/* The blocks that there are, the last first; their number. */
static unsigned int list_blocks(long *block, unsigned int max)
{
	struct dirent *entry;
	unsigned int nr = 0;
	DIR *dir = opendir(MEMORY);

	while (dir && (entry = readdir(dir)))
		if (nr < max && sscanf(entry->d_name, "memory%ld", &block[nr]) == 1)
			nr++;
	if (dir)
		closedir(dir);
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int k = i + 1; k < nr; k++)
			if (block[k] > block[i]) {
				long swap = block[i];

				block[i] = block[k];
				block[k] = swap;
			}
	return nr;
}

/* Takes a block out of use and back as movable memory; -1 if none can be spared. */
static long make_movable_block(struct __test_metadata *_metadata, FIXTURE_DATA(movable) *self)
{
	long block[64];
	unsigned int nr = list_blocks(block, 64);
	char zone[32];

	for (unsigned int i = 0; i < nr; i++) {
		if (!block_online(block[i]) || set_state(_metadata, self, block[i], "offline"))
			continue;
		if (!set_state(_metadata, self, block[i], "online_movable")) {
			block_zone(block[i], zone, sizeof(zone));
			if (!strcmp(zone, "Movable"))
				return block[i];
		} else {
			set_state(_metadata, self, block[i], "online");
		}
	}
	return -1;
}

/* Pages of a child that lie in this block. */
static size_t pages_in_block(FIXTURE_DATA(movable) *self, struct child *child, long block)
{
	size_t found = 0;

	for (size_t i = 0; i < child->pages; i++)
		found += pm_frame(child->pid, child_page(child, i)) / self->block_pages ==
			 (uint64_t)block;
	return found;
}

/* ---- the tests ---- */

/* Each round makes holes for compaction to fill, from pages that the scanner looks at. */
TEST_F_TIMEOUT(movable, compaction, 250)
{
	long long before = vmstat("compact_migrate_scanned");
	struct child holes;

	merge(_metadata, self);
	scan_at_full_speed(_metadata);
	child_start(&holes, 16384, 0);
	for (int i = 0; i < 20; i++) {
		child_fill(&holes, 0, 2048, 900000 + i, 1);
		for (size_t page = i % 2; page < 2048; page += 2)
			child_madvise(&holes, page, 1, MADV_DONTNEED);
		ASSERT_EQ(0, file_write("/proc/sys/vm/compact_memory", "1"));
	}
	child_kill(&holes);
	lib_note("compaction looked at %lld pages",
		 vmstat("compact_migrate_scanned") - before);
	EXPECT_LT(before, vmstat("compact_migrate_scanned"));
	check(_metadata, self);
}

/* Huge pages are asked for, so that compaction has to look for room. */
TEST_F_TIMEOUT(movable, huge_pages, 250)
{
	long long before = file_number("/proc/sys/vm/nr_hugepages");
	char text[32];

	merge(_metadata, self);
	scan_at_full_speed(_metadata);
	for (int i = 0; i < 3; i++) {
		/* Most of what is free, but the machine must live. */
		snprintf(text, sizeof(text), "%ld", meminfo_kb("MemAvailable") * 2 / 3 / 2048);
		ASSERT_EQ(0, file_write("/proc/sys/vm/nr_hugepages", text));
		check(_metadata, self);
		snprintf(text, sizeof(text), "%lld", before);
		ASSERT_EQ(0, file_write("/proc/sys/vm/nr_hugepages", text));
	}
	check(_metadata, self);
}

/* A gigabyte in one piece comes from alloc_contig_pages(), as device memory does. */
TEST_F_TIMEOUT(movable, gigantic_pages, 250)
{
	if (meminfo_kb("MemTotal") < 2900 * 1024)
		SKIP(return, "a machine of less than 3 GiB has no room for a page of 1 GiB");
	merge(_metadata, self);
	scan_at_full_speed(_metadata);
	for (int i = 0; i < 3; i++) {
		file_write(HUGE_1G, "2");
		lib_note("%lld pages of 1 GiB", file_number(HUGE_1G));
		check(_metadata, self);
		ASSERT_EQ(0, file_write(HUGE_1G, "0"));
	}
	check(_metadata, self);
}

/* Memory that is kept for devices is lent to pages that can be moved, to no others. */
TEST_F_TIMEOUT(movable, cma, 250)
{
	char path[128] = "", text[32];
	uint64_t base, count;
	struct dirent *entry;
	DIR *dir = opendir(CMA);

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), CMA "%.64s/", entry->d_name);
	if (dir)
		closedir(dir);
	if (!*path)
		SKIP(return, "the kernel has no area of CMA");
	merge(_metadata, self);
	scan_at_full_speed(_metadata);
	snprintf(path + strlen(path), 16, "base_pfn");
	base = file_number(path);
	snprintf(strrchr(path, '/') + 1, 16, "count");
	count = file_number(path);
	for (int i = 0; i < PAGES; i++)
		EXPECT_FALSE(self->frames[i] >= base && self->frames[i] < base + count);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)count / 2);
		snprintf(strrchr(path, '/') + 1, 16, "alloc");
		EXPECT_EQ(0, file_write(path, text));
		snprintf(strrchr(path, '/') + 1, 16, "free");
		EXPECT_EQ(0, file_write(path, text));
	}
	check(_metadata, self);
}

/* Memory that must be movable holds the pages of the processes, but not the shared ones. */
TEST_F_TIMEOUT(movable, not_in_movable_memory, 300)
{
	struct pair *pair = &self->pair;
	long block = make_movable_block(_metadata, self), err;

	if (block < 0)
		SKIP(return, "no block of memory can be taken out of use");
	/* New pages come from there. */
	ASSERT_EQ(0, child_madvise(&pair->a, 0, PAGES, MADV_DONTNEED));
	ASSERT_EQ(0, child_madvise(&pair->b, 0, PAGES, MADV_DONTNEED));
	child_fill(&pair->a, 0, PAGES, PAIR_SEED, 1);
	child_fill(&pair->b, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(PAGES, pages_in_block(self, &pair->a, block));
	ASSERT_EQ(PAGES, pages_in_block(self, &pair->b, block));
	ASSERT_EQ(0, child_madvise(&self->third, 0, UNIQUE, MADV_DONTNEED));
	child_fill(&self->third, 0, UNIQUE, UNIQUE_SEED, 1);

	merge(_metadata, self);
	EXPECT_EQ(0, pages_in_block(self, &pair->a, block));
	EXPECT_EQ(0, pages_in_block(self, &pair->b, block));
	EXPECT_EQ(UNIQUE, pages_in_block(self, &self->third, block));

	/* So the block can go while the scanner is at work on what lies in it. */
	scan_at_full_speed(_metadata);
	err = set_state(_metadata, self, block, "offline");
	for (int i = 0; err && i < 5; i++)
		err = set_state(_metadata, self, block, "offline");
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, pages_in_block(self, &self->third, block));
	check(_metadata, self);
	EXPECT_EQ(0, set_state(_metadata, self, block, "online"));
	check(_metadata, self);
}

/* Takes @arg[0] MiB of memory that cannot be moved: what lies in pipes. */
static long do_fill_pipes(struct child *self, const long *arg)
{
	static char data[1 << 20];
	int fd[2];

	for (long i = 0; i < arg[0]; i++) {
		if (pipe(fd) || fcntl(fd[1], F_SETPIPE_SZ, sizeof(data)) < 0 ||
		    write(fd[1], data, sizeof(data)) != sizeof(data))
			return -errno;
	}
	return 0;
}

/*
 * A block in the middle with a shared page: the first and the last have holes, and
 * never go.  The kernel keeps what cannot be moved together for as long as it can,
 * so that room is filled up first.
 */
static long find_middle_block(struct __test_metadata *_metadata, FIXTURE_DATA(movable) *self)
{
	long block[64];
	unsigned int nr = list_blocks(block, 64);
	struct child filler;
	long found = -1;

	child_start(&filler, 1, 0);
	for (int round = 0; round < 12 && found < 0; round++) {
		ASSERT_EQ(0, ps_set("run", 2));
		ASSERT_EQ(0, ps_set("run", 0));
		ASSERT_EQ(0, child_call(&filler, do_fill_pipes, 32));
		merge(_metadata, self);
		for (int i = 0; i < PAGES && found < 0; i++) {
			found = self->frames[i] / self->block_pages;
			if (found == block[0] || found == block[nr - 1])
				found = -1;
		}
	}
	child_kill(&filler);
	return found;
}

/* A block with shared pages stays, and who asked for it is told at once. */
TEST_F_TIMEOUT(movable, block_with_shared_pages, 250)
{
	long block = find_middle_block(_metadata, self);

	if (block < 0)
		SKIP(return, "all shared pages lie in blocks that never go");
	scan_at_full_speed(_metadata);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(-EBUSY, set_state(_metadata, self, block, "offline"));
		EXPECT_TRUE(block_online(block));
	}
	check(_metadata, self);
	ASSERT_EQ(0, ps_set("run", 2));
	lib_note("without shared pages: %s",
		 strerror(-set_state(_metadata, self, block, "offline")));
	if (!block_online(block))
		ASSERT_EQ(0, set_state(_metadata, self, block, "online"));
	EXPECT_EQ(0, pair_wrong(&self->pair.a));
	EXPECT_EQ(0, pair_wrong(&self->pair.b));
}

/*
 * The kernel takes a page whose memory has failed for one that is in nobody's way.
 * But a shared page is mapped still: then its block must not go.
 */
TEST_F_TIMEOUT(movable, block_with_failed_page, 250)
{
	long block, last = find_middle_block(_metadata, self);
	struct pair *pair = &self->pair;
	bool failed[64] = { };
	char address[32];

	if (last < 0)
		SKIP(return, "all shared pages lie in blocks that never go");
	for (int i = 0; i < PAGES; i++) {
		block = self->frames[i] / self->block_pages;
		if (block >= 64 || failed[block])
			continue;
		failed[block] = true;
		snprintf(address, sizeof(address), "0x%llx",
			 (unsigned long long)self->frames[i] * PAGE);
		EXPECT_EQ(-EBUSY, file_write(MEMORY "hard_offline_page", address));
	}
	/* Nothing else holds them, but for what the kernel put there itself. */
	ASSERT_EQ(0, ps_set("run", 2));
	for (block = 0; block < 64; block++) {
		if (!failed[block])
			continue;
		lib_note("block %ld with a failed page: %s", block,
			 strerror(-set_state(_metadata, self, block, "offline")));
		EXPECT_TRUE(block_online(block));
	}
	EXPECT_EQ(0, pair_wrong(&pair->a));
	EXPECT_EQ(0, pair_wrong(&pair->b));
}

/* Memory in it has failed: in the test before this one, say. */
static bool block_has_failed(FIXTURE_DATA(movable) *self, long block)
{
	uint64_t first = block * self->block_pages, flags[512];
	/* A block has a multiple of that. */
	for (uint64_t i = 0; i < self->block_pages; i += ARRAY_SIZE(flags)) {
		frames_flags(first + i, ARRAY_SIZE(flags), flags);
		for (size_t j = 0; j < ARRAY_SIZE(flags); j++)
			if (flags[j] & 1ULL << KPF_HWPOISON)
				return true;
	}
	return false;
}

/* Each block once, and all pages of the machine are on the move. */
TEST_F_TIMEOUT(movable, every_block, 600)
{
	unsigned int gone = 0;
	long block[64], err;
	unsigned int nr = list_blocks(block, 64);

	merge(_metadata, self);
	scan_at_full_speed(_metadata);
	for (unsigned int i = 0; i < nr; i++) {
		/* Nobody tells of the pages of a block that is out of use. */
		bool failed = block_has_failed(self, block[i]);

		if (!block_online(block[i]) || set_state(_metadata, self, block[i], "offline"))
			continue;
		gone++;
		check(_metadata, self);
		err = set_state(_metadata, self, block[i], "online");
		/* The kernel does not take a block back whose memory has failed (since 6.2). */
		if (err == -EHWPOISON && failed)
			lib_note("block %ld has failed memory: it stays out of use", block[i]);
		else
			ASSERT_EQ(0, err);
	}
	lib_note("%u of %u blocks could be taken out of use", gone, nr);
	check(_metadata, self);
}

TEST_HARNESS_MAIN
