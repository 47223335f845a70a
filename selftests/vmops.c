// SPDX-License-Identifier: GPL-2.0
/*
 * A process goes on using its memory as it likes while it is shared: system calls
 * that change mappings, before and after the merge.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64
#define HALF	(PAGES / 2)

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

FIXTURE(vmops) {
	struct pair pair;
	struct child *a, *b;
	int dev;
};

FIXTURE_SETUP(vmops)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
}

FIXTURE_TEARDOWN(vmops)
{
	EXPECT_EQ(0, pair_wrong(self->b));
	pair_stop(&self->pair);
}

/* Pages of the two halves that a shares with b. */
static size_t same_half(struct pair *pair, int half)
{
	return same_frames(pair->a.pid, child_page(&pair->a, half * HALF), pair->b.pid,
			   child_page(&pair->b, half * HALF), HALF);
}

static size_t wrong_half(struct child *child, int half)
{
	return wrong_pages(child->pid, child_page(child, half * HALF), HALF,
			   PAIR_SEED + half * HALF, 1) +
	       child_wrong(child, half * HALF, HALF, PAIR_SEED + half * HALF, 1);
}

static long do_munmap(struct child *self, const long *arg)
{
	return munmap(child_page(self, arg[0]), arg[1] * PAGE) ? -errno : 0;
}

static long do_map_at(struct child *self, const long *arg)
{
	void *mem = mmap(child_page(self, arg[0]), arg[1] * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return mem == MAP_FAILED ? -errno : 0;
}

TEST_F(vmops, munmap)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_munmap, 0, HALF));
	EXPECT_EQ(0, wrong_half(self->a, 1));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
	/* New memory in the old place is registered, and merges. */
	ASSERT_EQ(0, child_call(self->a, do_map_at, 0, HALF));
	EXPECT_EQ(0, child_wrong(self->a, 0, HALF, 0, 0));
	child_fill(self->a, 0, HALF, PAIR_SEED, 1);
	pair_merge(&self->pair);
}

TEST_F(vmops, munmap_all)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_munmap, 0, PAGES));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, shared_frames(self->b->pid, self->b->mem, PAGES));
}

/* Moves pages to a new place, and has them be the child's memory from now on. */
static long do_mremap(struct child *self, const long *arg)
{
	char *target = mmap(NULL, arg[1] * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved;

	moved = mremap(child_page(self, arg[0]), arg[1] * PAGE, arg[1] * PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, target);
	return moved == MAP_FAILED ? 0 : (long)moved;
}

static long do_poke_at(struct child *self, const long *arg)
{
	*(volatile unsigned char *)arg[0] = arg[1];
	return 0;
}

TEST_F(vmops, mremap)
{
	unsigned char page[PAGE], expected[PAGE];
	char *moved;

	pair_merge(&self->pair);
	moved = (char *)child_call(self->a, do_mremap, 0, HALF);
	ASSERT_NE(NULL, moved);
	/* The same frames, at another address, outside of the region. */
	EXPECT_EQ(HALF, same_frames(self->a->pid, moved, self->b->pid, self->b->mem, HALF));
	EXPECT_EQ(0, wrong_pages(self->a->pid, moved, HALF, PAIR_SEED, 1));
	EXPECT_EQ(0, wrong_half(self->a, 1));
	for (size_t i = 0; i < HALF; i++) {
		child_call(self->a, do_poke_at, (long)(moved + i * PAGE + i), 'm');
		page_fill(expected, PAIR_SEED + i);
		expected[i] = 'm';
		ASSERT_EQ(0, peek(self->a->pid, moved + i * PAGE, page, PAGE));
		EXPECT_EQ(0, memcmp(page, expected, PAGE));
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
}

/* Shared pages that were moved out of the region: unmerging must find them, too. */
TEST_F(vmops, mremap_and_run_2)
{
	char *moved;

	pair_merge(&self->pair);
	moved = (char *)child_call(self->a, do_mremap, 0, HALF);
	ASSERT_NE(NULL, moved);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, shared_frames(self->a->pid, moved, HALF));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, wrong_pages(self->a->pid, moved, HALF, PAIR_SEED, 1));
	EXPECT_EQ(0, wrong_half(self->a, 1));
	ASSERT_EQ(0, ps_set("run", 0));
}

TEST_F(vmops, mprotect_read_only)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ));
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ | PROT_WRITE));
	/* The write must be a copy, though the mapping has become writable again. */
	child_fill(self->a, 0, HALF, PAIR_SEED + 500, 1);
	EXPECT_EQ(0, child_wrong(self->a, 0, HALF, PAIR_SEED + 500, 1));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
}

TEST_F(vmops, merge_of_read_only_memory)
{
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ | PROT_WRITE));
	child_fill(self->a, 0, HALF, PAIR_SEED + 500, 1);
	EXPECT_EQ(0, child_wrong(self->a, 0, HALF, PAIR_SEED + 500, 1));
	EXPECT_EQ(0, wrong_half(self->a, 1));
}

TEST_F(vmops, mprotect_none_and_back)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_NONE));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, pair_wrong(self->a));
	pair_merge(&self->pair);
	child_fill(self->a, 0, HALF, PAIR_SEED + 500, 1);
	EXPECT_EQ(0, child_wrong(self->a, 0, HALF, PAIR_SEED + 500, 1));
}

/* Unmerging reaches pages that their own process can't even read. */
TEST_F(vmops, mprotect_none_and_run_2)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_NONE));
	EXPECT_EQ(0, ps_set("run", 2));
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_same(&self->pair));
	child_fill(self->a, 0, PAGES, PAIR_SEED + 500, 1);
}

TEST_F(vmops, no_merge_of_unreadable_memory)
{
	uint64_t frames[PAGES];

	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_NONE));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, pair_wrong(self->a));
	pair_merge(&self->pair);
}

TEST_F(vmops, madv_dontneed)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_madvise(self->a, 0, HALF, MADV_DONTNEED));
	EXPECT_EQ(0, child_wrong(self->a, 0, HALF, 0, 0));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
	EXPECT_EQ(0, wrong_half(self->a, 1));
	child_fill(self->a, 0, HALF, PAIR_SEED, 1);
	pair_merge(&self->pair);
}

/* Pages that hold what they held, or zeros. */
static size_t wrong_after_free(struct child *child)
{
	size_t wrong = 0;

	for (size_t i = 0; i < child->pages; i++)
		wrong += wrong_pages(child->pid, child_page(child, i), 1, PAIR_SEED + i, 0) &&
			 wrong_pages(child->pid, child_page(child, i), 1, 0, 0);
	return wrong;
}

TEST_F(vmops, madv_free_of_shared_pages)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_FREE));
	EXPECT_EQ(0, wrong_after_free(self->a));
	file_write("/proc/sys/vm/drop_caches", "3");
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, wrong_after_free(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	/* What is written after MADV_FREE is there to stay. */
	child_fill(self->a, 0, PAGES, PAIR_SEED, 1);
	EXPECT_EQ(0, pair_wrong(self->a));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
}

TEST_F(vmops, merge_after_madv_free)
{
	ASSERT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_FREE));
	/* One half is written again: those are no longer free to go. */
	child_fill(self->a, 0, HALF, PAIR_SEED, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, wrong_half(self->a, 0));
	EXPECT_EQ(0, wrong_after_free(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	file_write("/proc/sys/vm/drop_caches", "3");
	EXPECT_EQ(0, wrong_half(self->a, 0));
	EXPECT_EQ(0, wrong_after_free(self->a));
}

TEST_F(vmops, madv_cold_and_pageout)
{
	pair_merge(&self->pair);
	EXPECT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_COLD));
	EXPECT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_PAGEOUT));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	pair_merge(&self->pair);
}

TEST_F(vmops, madv_populate)
{
	pair_merge(&self->pair);
	EXPECT_EQ(0, child_madvise(self->a, 0, PAGES, MADV_POPULATE_READ));
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, child_madvise(self->a, 0, HALF, MADV_POPULATE_WRITE));
	EXPECT_EQ(0, same_half(&self->pair, 0));
	EXPECT_EQ(HALF, same_half(&self->pair, 1));
	EXPECT_EQ(0, pair_wrong(self->a));
}

static long do_mlock(struct child *self, const long *arg)
{
	if (arg[0])
		return mlock(self->mem, self->pages * PAGE) ? -errno : 0;
	return munlock(self->mem, self->pages * PAGE) ? -errno : 0;
}

TEST_F(vmops, no_merge_of_locked_memory)
{
	uint64_t frames[PAGES];

	ASSERT_EQ(0, child_call(self->a, do_mlock, 1));
	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, child_call(self->a, do_mlock, 0));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* Who locks memory wants no fault: a write must find its page there. */
TEST_F(vmops, mlock_of_shared_pages)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_mlock, 1));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(PAGES * PAGE / 1024, status_kb(self->a->pid, "VmLck"));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, child_call(self->a, do_mlock, 0));
	pair_merge(&self->pair);
}

static void clear_soft_dirty(struct child *child)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", child->pid);
	if (file_write(path, "4"))
		lib_die("cannot clear soft-dirty bits");
}

/* Checkpointing (CRIU) and live migration trust these bits with their data. */
TEST_F(vmops, soft_dirty_is_kept)
{
	uint64_t entry;

	child_fill(self->a, HALF, HALF, 0, 0);
	clear_soft_dirty(self->a);
	ASSERT_EQ(0, pages_with(self->a->pid, self->a->mem, PAGES, PM_SOFT_DIRTY));
	/* Each odd page is written, with what it holds already. */
	for (size_t i = 1; i < PAGES; i += 2)
		child_fill(self->a, i, 1, i < HALF ? PAIR_SEED + i : 0, 0);
	ASSERT_EQ(HALF, pages_with(self->a->pid, self->a->mem, PAGES, PM_SOFT_DIRTY));

	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(HALF, same_half(&self->pair, 0));
	ASSERT_EQ(HALF, zero_frames(self->a->pid, child_page(self->a, HALF), HALF));
	for (size_t i = 0; i < PAGES; i++) {
		entry = pm_entry(self->a->pid, child_page(self->a, i));
		EXPECT_EQ(i % 2, !!(entry & PM_SOFT_DIRTY)) {
			TH_LOG("page %zu", i);
		}
	}
	/* A write to a page that is shared and clean makes it dirty. */
	clear_soft_dirty(self->a);
	ASSERT_EQ(0, pages_with(self->a->pid, self->a->mem, PAGES, PM_SOFT_DIRTY));
	child_poke(self->a, 2, 0, 1);
	child_poke(self->a, HALF + 2, 0, 1);
	EXPECT_EQ(2, pages_with(self->a->pid, self->a->mem, PAGES, PM_SOFT_DIRTY));
	/* Back to equal: the merge must not forget that it was written. */
	child_fill(self->a, 2, 1, PAIR_SEED + 2, 0);
	child_fill(self->a, HALF + 2, 1, 0, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(HALF, same_half(&self->pair, 0));
	EXPECT_EQ(2, pages_with(self->a->pid, self->a->mem, PAGES, PM_SOFT_DIRTY));
}

static int uffd;

static long do_uffd(struct child *self, const long *arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)self->mem, self->pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (!arg[0])
		return ioctl(uffd, UFFDIO_UNREGISTER, &reg.range) ? -errno : 0;
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

TEST_F(vmops, no_merge_under_userfaultfd)
{
	uint64_t frames[PAGES];

	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	ASSERT_EQ(0, child_call(self->a, do_uffd, 1));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	ASSERT_EQ(0, child_call(self->a, do_uffd, 0));
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* Compaction moves pages; it can't move ours, and must not try for ever. */
TEST_F(vmops, compaction)
{
	double begun = lib_seconds();

	pair_merge(&self->pair);
	EXPECT_EQ(0, file_write("/proc/sys/vm/compact_memory", "1"));
	EXPECT_GT(begun + 20, lib_seconds());
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
}

TEST_HARNESS_MAIN
