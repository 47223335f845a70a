// SPDX-License-Identifier: GPL-2.0
/*
 * Memory errors.  The kernel's handler wants the lock of the page, which a shared
 * page never gives away, and it holds a lock of its own meanwhile: whoever reports
 * an error must come back all the same, and nobody may lose a byte, or get one
 * from the bad page afterwards.
 */
#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define PAGES		64
#define BAD		5	/* the page that gets the error */
#define GROUP		"hwpoison"
#define SEED		1000
#define OFFLINE		"/sys/devices/system/memory/"

/* What a report of an error may take.  A minute here is a second on a real machine. */
#define DEADLINE_MS	60000

FIXTURE(hwpoison) {
	struct child a, b;
	int dev;
	uint64_t frame;
	long corrupted;
};

/* The children come first: they must not have the device open. */
FIXTURE_SETUP(hwpoison)
{
	child_start(&self->a, PAGES, 0);
	child_start(&self->b, PAGES, 0);
	child_fill(&self->a, 0, PAGES, SEED, 1);
	child_fill(&self->b, 0, PAGES, SEED, 1);
	self->dev = ps_begin();
	self->corrupted = meminfo_kb("HardwareCorrupted");
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, self->a.mem, PAGES * PAGE, GROUP, NULL));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, self->b.mem, PAGES * PAGE, GROUP, NULL));
}

FIXTURE_TEARDOWN(hwpoison)
{
	child_kill(&self->a);
	child_kill(&self->b);
	close(self->dev);
}

static size_t same(FIXTURE_DATA(hwpoison) *self)
{
	return same_frames(self->a.pid, self->a.mem, self->b.pid, self->b.mem, PAGES);
}

/* Pages of both that hold anything but the pattern, from inside and outside. */
static size_t wrong(FIXTURE_DATA(hwpoison) *self)
{
	struct child *child[2] = { &self->a, &self->b };
	size_t count = 0;

	for (int i = 0; i < 2; i++)
		count += wrong_pages(child[i]->pid, child[i]->mem, PAGES, SEED, 1) +
			 child_wrong(child[i], 0, PAGES, SEED, 1);
	return count;
}

static void merge(struct __test_metadata *_metadata, FIXTURE_DATA(hwpoison) *self)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, same(self));
	self->frame = pm_frame(self->a.pid, child_page(&self->a, BAD));
}

static bool frame_is_bad(uint64_t frame)
{
	return frame_flags(frame) & 1ULL << KPF_HWPOISON;
}

/* A SIGBUS in a child: it is told of an error, or has met one. */
static volatile sig_atomic_t signals;
static sigjmp_buf met;
static volatile sig_atomic_t expected;

static void take_signal(int number)
{
	signals++;
	if (expected)
		siglongjmp(met, 1);
}

/* madvise(); the errno in the lower half of the result, the signals in the upper. */
static long do_advise(struct child *self, const long *arg)
{
	long err;

	signals = 0;
	signal(SIGBUS, take_signal);
	err = madvise(child_page(self, arg[0]), PAGE, arg[1]) ? errno : 0;
	return err | (long)signals << 16;
}

/* Is a page readable?  0 or the signal that came instead. */
static long do_try_read(struct child *self, const long *arg)
{
	long number = 0;

	signal(SIGBUS, take_signal);
	expected = 1;
	if (sigsetjmp(met, 1))
		number = SIGBUS;
	else
		(void)*(volatile char *)child_page(self, arg[0]);
	expected = 0;
	return number;
}

/* The errno that madvise() ends with, in the time that it may take. */
static long advise(struct __test_metadata *_metadata, struct child *child, long page, int advice)
{
	double begin = lib_seconds();
	long result = -1;

	child_post(child, do_advise, page, advice);
	ASSERT_TRUE(child_finish_in(child, DEADLINE_MS, &result))
		TH_LOG("madvise(%d) hangs", advice);
	if (advice == MADV_HWPOISON)
		lib_note("page %ld: %s, %ld signals, after %.1f s", page,
			 strerror(result & 0xffff), result >> 16, lib_seconds() - begin);
	return result & 0xffff;
}

/* As a machine check reports it: by the address in memory, without a reference. */
static int offline(const char *how, uint64_t frame)
{
	char path[64], address[32];

	snprintf(path, sizeof(path), OFFLINE "%s_offline_page", how);
	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)frame * PAGE);
	return file_write(path, address);
}

/* Nothing is lost, and what is not bad is shared as before. */
static void check_after(struct __test_metadata *_metadata, FIXTURE_DATA(hwpoison) *self)
{
	EXPECT_TRUE(frame_is_bad(self->frame));
	EXPECT_EQ(self->corrupted + 4, meminfo_kb("HardwareCorrupted"));
	EXPECT_EQ(0, wrong(self));
	EXPECT_LE(PAGES - 1, same(self));
}

/* The same content elsewhere is not joined with the bad page, and merging goes on. */
static void check_merging(struct __test_metadata *_metadata, FIXTURE_DATA(hwpoison) *self)
{
	struct child *a = &self->a, *b = &self->b;
	struct child c;

	child_start(&c, PAGES, 0);
	child_fill(&c, 0, PAGES, SEED, 1);
	ASSERT_EQ(0, ps_add(self->dev, c.pid, c.mem, PAGES * PAGE, GROUP, NULL));
	/* One of the two has its own page now, with what it held before. */
	child_fill(b, BAD, 1, SEED + BAD, 0);
	child_fill(a, 10, 10, 5000, 1);
	child_fill(b, 10, 10, 5000, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_NE(self->frame, pm_frame(c.pid, child_page(&c, BAD)));
	EXPECT_NE(self->frame, pm_frame(b->pid, child_page(b, BAD)));
	EXPECT_EQ(pm_frame(c.pid, child_page(&c, BAD)), pm_frame(b->pid, child_page(b, BAD)));
	EXPECT_LE(PAGES - 1, same(self));
	EXPECT_EQ(PAGES - 10, same_frames(b->pid, b->mem, c.pid, c.mem, PAGES));
	EXPECT_EQ(0, child_wrong(a, 10, 10, 5000, 1));
	EXPECT_EQ(0, child_wrong(b, 10, 10, 5000, 1));
	EXPECT_EQ(0, child_wrong(&c, 0, PAGES, SEED, 1));

	child_fill(a, 10, 10, SEED + 10, 1);
	child_fill(b, 10, 10, SEED + 10, 1);
	EXPECT_EQ(0, wrong(self));
	child_kill(&c);
}

/* The bad page is in nobody's way: neither of run=2 nor of unloading. */
static void check_leaving(struct __test_metadata *_metadata, FIXTURE_DATA(hwpoison) *self)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_GE(1, same(self));
	EXPECT_EQ(0, wrong(self));
	EXPECT_EQ(0, ps_set("run", 0));

	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	close(self->dev);
	self->dev = -1;
	ASSERT_EQ(0, module_unload());
	EXPECT_GE(1, same(self));
	EXPECT_EQ(0, wrong(self));
	/* Each has its own memory. */
	child_fill(&self->a, 0, PAGES, 7000, 1);
	EXPECT_EQ(0, child_wrong(&self->b, 0, PAGES, SEED, 1));
	EXPECT_EQ(0, child_wrong(&self->a, 0, PAGES, 7000, 1));
	EXPECT_TRUE(frame_is_bad(self->frame));
}

TEST_F_TIMEOUT(hwpoison, shared_page, 250)
{
	merge(_metadata, self);
	EXPECT_EQ(EBUSY, advise(_metadata, &self->a, BAD, MADV_HWPOISON));
	check_after(_metadata, self);
	check_merging(_metadata, self);
	check_leaving(_metadata, self);
}

/* The scanner is at work on the same pages. */
TEST_F_TIMEOUT(hwpoison, while_scanning, 250)
{
	merge(_metadata, self);
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	EXPECT_EQ(EBUSY, advise(_metadata, &self->a, BAD, MADV_HWPOISON));
	check_after(_metadata, self);
	check_merging(_metadata, self);
	check_leaving(_metadata, self);
}

/* Reported once more, the error is known: no lock is taken. */
TEST_F_TIMEOUT(hwpoison, twice, 250)
{
	merge(_metadata, self);
	EXPECT_EQ(EBUSY, advise(_metadata, &self->a, BAD, MADV_HWPOISON));
	EXPECT_EQ(EHWPOISON, advise(_metadata, &self->b, BAD, MADV_HWPOISON));
	check_after(_metadata, self);
	check_leaving(_metadata, self);
}

TEST_F_TIMEOUT(hwpoison, machine_check, 250)
{
	int err;

	merge(_metadata, self);
	err = offline("hard", self->frame);
	if (err == -ENOENT)
		SKIP(return, "the kernel has no " OFFLINE "hard_offline_page");
	EXPECT_EQ(-EBUSY, err);
	check_after(_metadata, self);
	check_merging(_metadata, self);
	check_leaving(_metadata, self);
}

/* Several errors, from two sides at once; the handler takes them one by one. */
TEST_F_TIMEOUT(hwpoison, many, 300)
{
	long result;

	merge(_metadata, self);
	for (long page = 20; page < 26; page += 2) {
		child_post(&self->a, do_advise, page, MADV_HWPOISON);
		child_post(&self->b, do_advise, page + 1, MADV_HWPOISON);
		ASSERT_TRUE(child_finish_in(&self->a, DEADLINE_MS, &result));
		EXPECT_EQ(EBUSY, result & 0xffff);
		ASSERT_TRUE(child_finish_in(&self->b, DEADLINE_MS, &result));
		EXPECT_EQ(EBUSY, result & 0xffff);
	}
	EXPECT_EQ(self->corrupted + 24, meminfo_kb("HardwareCorrupted"));
	EXPECT_EQ(0, wrong(self));
	EXPECT_LE(PAGES - 6, same(self));
	/* Nobody maps the bad pages any more. */
	child_fill(&self->a, 20, 6, SEED + 20, 1);
	child_fill(&self->b, 20, 6, SEED + 20, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same(self));
	EXPECT_EQ(0, wrong(self));
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, same(self));
}

/* Somebody waits for the lock of a page while its module goes. */
TEST_F_TIMEOUT(hwpoison, unload_at_once, 250)
{
	long result;

	merge(_metadata, self);
	close(self->dev);
	self->dev = -1;
	child_post(&self->a, do_advise, BAD, MADV_HWPOISON);
	lib_sleep_ms(100);
	ASSERT_EQ(0, module_unload());
	ASSERT_TRUE(child_finish_in(&self->a, DEADLINE_MS, &result));
	lib_note("%s", strerror(result & 0xffff));
	EXPECT_GE(1, same(self));
	EXPECT_EQ(0, wrong(self));
}

/* Who waits may be the only one left who maps the page, and may be killed meanwhile. */
TEST_F_TIMEOUT(hwpoison, injector_is_killed, 250)
{
	merge(_metadata, self);
	child_kill(&self->b);
	child_post(&self->a, do_advise, BAD, MADV_HWPOISON);
	child_kill(&self->a);
	EXPECT_TRUE(ps_nothing_shared());
}

/* Taking a page out of use that is still good: that is refused for a shared page. */
TEST_F_TIMEOUT(hwpoison, soft_offline_shared, 250)
{
	int err;

	merge(_metadata, self);
	EXPECT_EQ(EIO, advise(_metadata, &self->a, BAD, MADV_SOFT_OFFLINE));
	err = offline("soft", self->frame);
	if (err != -ENOENT)
		EXPECT_EQ(-EIO, err);
	EXPECT_FALSE(frame_is_bad(self->frame));
	EXPECT_EQ(PAGES, same(self));
	EXPECT_EQ(0, wrong(self));
	/* It is shared and unshared as before. */
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, same(self));
	EXPECT_EQ(0, wrong(self));
}

/* A page of its own moves; the scanner may have it in its hands just then. */
TEST_F_TIMEOUT(hwpoison, soft_offline_private, 250)
{
	struct child *a = &self->a;
	unsigned int moved = 0;

	child_fill(a, 0, 16, 9000, 1);
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	for (long page = 0; page < 16; page++) {
		uint64_t frame = pm_frame(a->pid, child_page(a, page));
		long err = advise(_metadata, a, page, MADV_SOFT_OFFLINE);

		EXPECT_TRUE(!err || err == EBUSY);
		EXPECT_EQ(!err, frame != pm_frame(a->pid, child_page(a, page)));
		EXPECT_EQ(!err, frame_is_bad(frame));
		moved += !err;
	}
	EXPECT_LT(0, moved);
	EXPECT_EQ(0, child_wrong(a, 0, 16, 9000, 1));
	child_fill(a, 0, 16, SEED, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same(self));
	EXPECT_EQ(0, wrong(self));
}

/* The error comes while the page is only a candidate. */
TEST_F_TIMEOUT(hwpoison, candidate, 250)
{
	struct child *a = &self->a, *b = &self->b;
	struct pshare_read read;

	child_fill(b, BAD, 1, 8000, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES - 1, same(self));
	self->frame = pm_frame(a->pid, child_page(a, BAD));
	EXPECT_EQ(0, advise(_metadata, a, BAD, MADV_HWPOISON));
	EXPECT_TRUE(frame_is_bad(self->frame));

	/* A twin comes, too late. */
	child_fill(b, BAD, 1, SEED + BAD, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, pm_frame(a->pid, child_page(a, BAD)));
	EXPECT_NE(self->frame, pm_frame(b->pid, child_page(b, BAD)));
	EXPECT_EQ(0, child_wrong(b, 0, PAGES, SEED, 1));
	EXPECT_EQ(SIGBUS, child_call(a, do_try_read, BAD));
	EXPECT_EQ(0, child_call(a, do_try_read, BAD + 1));

	ASSERT_EQ(0, ps_next(self->dev, 0, &read));
	EXPECT_EQ(a->pid, read.pid);
	EXPECT_EQ(PAGES - 1, read.merged);
	EXPECT_EQ(0, read.swapped);
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, child_wrong(b, 0, PAGES, SEED, 1));
	/* The bad page can be given up. */
	EXPECT_EQ(0, child_madvise(a, BAD, 1, MADV_DONTNEED));
	EXPECT_EQ(0, child_call(a, do_try_read, BAD));
}

TEST_HARNESS_MAIN
