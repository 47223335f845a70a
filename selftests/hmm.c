// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that take memory of a process into their own: a shared page is never
 * migrated to one, memory that is there is left alone by the scanner, and what comes
 * back is merged as any other.  The device is the kernel's own test of HMM, which
 * few kernels have.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"
#include "lib.h"

/* As the kernel's lib/test_hmm_uapi.h describes it, which no package has. */
struct dmirror {
	__u64 addr;	/* where, in the process that has the device open */
	__u64 ptr;	/* a copy of what the device then holds */
	__u64 npages;
	__u64 cpages;	/* pages that it holds */
	__u64 faults;
};

#define DMIRROR_MIGRATE_TO_DEV	_IOWR('H', 0x02, struct dmirror)
#define DMIRROR_MIGRATE_TO_SYS	_IOWR('H', 0x03, struct dmirror)
#define DMIRROR_EXCLUSIVE	_IOWR('H', 0x05, struct dmirror)

#define DEVICE	"/dev/hmm_dmirror0"
#define PAGES	128
#define HALF	(PAGES / 2)
#define OWN_A	50000	/* the second half: each has its own, or both have this */
#define OWN_B	60000

FIXTURE(hmm) {
	struct pair pair;
	struct child *a, *b;
	bool there;
};

/* The device of a process is the one that it has opened itself. */
static long do_open(struct child *self, const long *arg)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* arg: device, request, first page, number of pages. */
static long do_request(struct child *self, const long *arg)
{
	struct dmirror command = {
		.addr = (uintptr_t)child_page(self, arg[2]),
		.npages = arg[3],
	};
	void *copy = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long err;

	command.ptr = (uintptr_t)copy;
	err = ioctl(arg[0], arg[1], &command) ? -errno : 0;
	munmap(copy, PAGES * PAGE);
	return err;
}

/* In the child's own page table these look like pages in swap, and there is no swap. */
static size_t on_device(struct child *child, size_t first, size_t count)
{
	return pages_with(child->pid, child_page(child, first), count, PM_SWAPPED);
}

static long open_device(struct child *child)
{
	long fd = child_call(child, do_open);

	if (fd < 0)
		lib_die("cannot open " DEVICE ": %s", strerror(-fd));
	return fd;
}

/*
 * Migrates as much as can be.  The device complains of pages that it did not get:
 * they are not in its page table, which it then reads.
 */
static void migrate(struct __test_metadata *_metadata, struct child *child, long fd,
		    size_t first, size_t count)
{
	long err = child_call(child, do_request, fd, DMIRROR_MIGRATE_TO_DEV, first, count);

	EXPECT_TRUE(!err || err == -ENOENT) TH_LOG("%s", strerror(-err));
}

static bool have_device(void)
{
	char text[8192], *line;

	if (!modprobe("test_hmm", ""))
		return false;
	file_read("/proc/devices", text, sizeof(text));
	line = strstr(text, " HMM_DMIRROR");
	if (!line)
		return false;
	while (line > text && line[-1] != '\n')
		line--;
	return !access(DEVICE, F_OK) || !mknod(DEVICE, S_IFCHR | 0600, makedev(atoi(line), 0));
}

FIXTURE_SETUP(hmm)
{
	self->there = have_device();
	if (!self->there)
		return;
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	child_fill(self->a, HALF, HALF, OWN_A, 1);
	child_fill(self->b, HALF, HALF, OWN_B, 1);
}

FIXTURE_TEARDOWN(hmm)
{
	if (self->there)
		pair_stop(&self->pair);
}

#define NO_DEVICE "this kernel has no test_hmm"

/* Pages of both that do not hold what they should. */
static size_t wrong(FIXTURE_DATA(hmm) *self)
{
	return child_wrong(self->a, 0, HALF, PAIR_SEED, 1) +
	       child_wrong(self->b, 0, HALF, PAIR_SEED, 1) +
	       child_wrong(self->a, HALF, HALF, OWN_A, 1) +
	       child_wrong(self->b, HALF, HALF, OWN_B, 1);
}

/* The device takes what is private, and never a shared page. */
TEST_F_TIMEOUT(hmm, shared_pages_stay, 100)
{
	uint64_t frames[HALF];
	long fd;

	if (!self->there)
		SKIP(return, NO_DEVICE);
	fd = open_device(self->a);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	ASSERT_EQ(HALF, pair_same(&self->pair));
	frames_save(self->a->pid, self->a->mem, HALF, frames);
	for (int i = 0; i < 3; i++) {
		migrate(_metadata, self->a, fd, 0, PAGES);
		EXPECT_EQ(0, on_device(self->a, 0, HALF));
		EXPECT_EQ(HALF, on_device(self->a, HALF, HALF));
		EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, HALF, frames));
		EXPECT_EQ(HALF, pair_same(&self->pair));
		/* The child's own look has its pages come back. */
		EXPECT_EQ(0, wrong(self));
		EXPECT_EQ(0, on_device(self->a, 0, PAGES));
	}
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_TRUE(ps_nothing_shared());
	EXPECT_EQ(0, wrong(self));
}

/* What the device has is not looked at.  When it is back it is merged. */
TEST_F_TIMEOUT(hmm, pages_of_the_device, 100)
{
	struct pshare_read read;
	long fd_a, fd_b;

	if (!self->there)
		SKIP(return, NO_DEVICE);
	fd_a = open_device(self->a);
	fd_b = open_device(self->b);
	migrate(_metadata, self->a, fd_a, 0, HALF);
	migrate(_metadata, self->b, fd_b, 0, HALF / 2);
	ASSERT_EQ(HALF, on_device(self->a, 0, HALF));
	ASSERT_EQ(HALF / 2, on_device(self->b, 0, HALF / 2));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(HALF, on_device(self->a, 0, HALF));
	EXPECT_EQ(HALF / 2, on_device(self->b, 0, HALF / 2));
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, ps_read(self->pair.dev, self->pair.region_a, &read));
	EXPECT_EQ(0, read.swapped);
	EXPECT_EQ(0, read.merged);
	/* Nor does unmerging fetch them. */
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(HALF, on_device(self->a, 0, HALF));
	EXPECT_EQ(0, ps_set("run", 0));

	EXPECT_EQ(0, child_call(self->a, do_request, fd_a, DMIRROR_MIGRATE_TO_SYS, 0, HALF));
	EXPECT_EQ(0, on_device(self->a, 0, PAGES));
	EXPECT_EQ(0, wrong(self));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(HALF, pair_same(&self->pair));
	EXPECT_EQ(0, wrong(self));
}

/* A device that wants a page for itself has it copied, as any writer. */
TEST_F_TIMEOUT(hmm, exclusive_access, 100)
{
	long fd;

	if (!self->there)
		SKIP(return, NO_DEVICE);
	fd = open_device(self->a);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	ASSERT_EQ(HALF, pair_same(&self->pair));
	EXPECT_EQ(0, child_call(self->a, do_request, fd, DMIRROR_EXCLUSIVE, 0, HALF));
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, wrong(self));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(HALF, pair_same(&self->pair));
	EXPECT_EQ(0, wrong(self));
}

/* There and back, for some seconds: what does not hold the right bytes is counted. */
static long do_travel(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[1];
	long args[6] = { arg[0], DMIRROR_MIGRATE_TO_DEV, 0, PAGES };
	long wrong = 0, round;

	for (round = 0; lib_seconds() < end; round++) {
		args[1] = round % 3 == 2 ? DMIRROR_EXCLUSIVE : DMIRROR_MIGRATE_TO_DEV;
		do_request(self, args);
		lib_sleep_ms(round % 5 * 20);
		if (round % 2) {
			args[1] = DMIRROR_MIGRATE_TO_SYS;
			do_request(self, args);
		}
		for (size_t i = 0; i < HALF; i++)
			wrong += !page_is(child_page(self, i), PAIR_SEED + i);
		for (size_t i = HALF; i < PAGES; i++)
			wrong += !page_is(child_page(self, i), arg[2] + i - HALF);
		for (size_t i = round % 7; i < HALF; i += 7)
			page_fill(child_page(self, i), PAIR_SEED + i);
	}
	return wrong;
}

/* Both travel while the scanner is at work on what they have at the time. */
TEST_F_TIMEOUT(hmm, while_scanning, 200)
{
	long long scans;
	long fd_a, fd_b;

	if (!self->there)
		SKIP(return, NO_DEVICE);
	fd_a = open_device(self->a);
	fd_b = open_device(self->b);
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	scans = ps_get("full_scans");
	child_post(self->a, do_travel, fd_a, 15, OWN_A);
	child_post(self->b, do_travel, fd_b, 15, OWN_B);
	EXPECT_EQ(0, child_finish(self->a));
	EXPECT_EQ(0, child_finish(self->b));
	lib_note("%lld passes meanwhile", ps_get("full_scans") - scans);
	EXPECT_LT(scans, ps_get("full_scans"));
	EXPECT_EQ(0, wrong(self));
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	EXPECT_EQ(HALF, pair_same(&self->pair));
	EXPECT_EQ(0, wrong(self));
}

TEST_HARNESS_MAIN
