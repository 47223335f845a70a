// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that devices and the kernel reach without its page table entry: it must
 * not be merged while they hold it, and a shared page must not be given to them.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64
#define FILE_SEED	90000

FIXTURE(pin) {
	struct pair pair;
	struct child *a, *b;
	int dev;
};

FIXTURE_SETUP(pin)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
}

FIXTURE_TEARDOWN(pin)
{
	pair_stop(&self->pair);
}

/* ---- io_uring, by its system calls ---- */

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

/* The child's own, each child has another copy. */
static struct ring ring;

static int ring_open(struct ring *r)
{
	struct io_uring_params p = { };
	char *sq, *cq;
	size_t size;

	r->fd = syscall(SYS_io_uring_setup, 8, &p);
	if (r->fd < 0)
		return -errno;
	size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		  IORING_OFF_SQ_RING);
	size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	cq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		  IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED)
		return -errno;
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
	return 0;
}

/* One read or write through registered buffer 0; the result as of read(2). */
static long ring_do(struct ring *r, int opcode, int file, void *buffer, unsigned int length,
		    off_t offset)
{
	unsigned int tail = *r->sq_tail, slot = tail & *r->sq_mask, head;
	struct io_uring_sqe *sqe = &r->sqes[slot];
	long result;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = file;
	sqe->addr = (unsigned long)buffer;
	sqe->len = length;
	sqe->off = offset;
	r->sq_array[slot] = slot;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	head = *r->cq_head;
	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return -EIO;
	result = r->cqes[head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

/* Registers all of the child's memory as one fixed buffer: a long-term pin. */
static long do_register(struct child *self, const long *arg)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct iovec iov = { self->mem, self->pages * PAGE };
	int err;

	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (!ring.fd) {
		err = ring_open(&ring);
		if (err)
			return err;
	}
	return syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1) ?
	       -errno : 0;
}

static long do_unregister(struct child *self, const long *arg)
{
	return syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0) ?
	       -errno : 0;
}

/* A file with PAGES pages of the pattern FILE_SEED. */
#define FILE_NAME	"/tmp/pin-file"

static void make_file(void)
{
	char page[PAGE];
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (int i = 0; i < PAGES; i++) {
		page_fill(page, FILE_SEED + i);
		if (write(fd, page, PAGE) != PAGE)
			lib_die("cannot write %s: %s", FILE_NAME, strerror(errno));
	}
	close(fd);
}

/* Pages of the file that do not hold the pattern @seed. */
static size_t wrong_in_file(uint64_t seed)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	uint64_t page[PAGE / sizeof(uint64_t)];
	size_t wrong = 0;

	for (int i = 0; i < PAGES; i++)
		wrong += read(fd, page, PAGE) != PAGE || !page_is(page, seed + i);
	close(fd);
	return wrong;
}

/* The first arg[1] pages, through the fixed buffer, from or to the file. */
static long do_fixed(struct child *self, const long *arg)
{
	int file = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	long length = arg[1] * PAGE, done;

	done = ring_do(&ring, arg[0], file, self->mem, length, 0);
	close(file);
	return done == length ? 0 : done < 0 ? done : -EIO;
}

static bool merges(void *arg)
{
	struct pair *pair = arg;

	ps_scan(pair->dev, PASSES);
	return pair_same(pair) == PAGES;
}

TEST_F(pin, registered_buffers_are_not_merged)
{
	uint64_t frames[PAGES];

	make_file();
	ASSERT_EQ(0, child_call(self->a, do_register));
	frames_save(self->a->pid, self->a->mem, PAGES, frames);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES, frames));
	/* What the kernel writes into the frames that it holds arrives. */
	ASSERT_EQ(0, child_call(self->a, do_fixed, IORING_OP_READ_FIXED, PAGES / 2));
	EXPECT_EQ(0, child_wrong(self->a, 0, PAGES / 2, FILE_SEED, 1));
	EXPECT_EQ(0, child_wrong(self->a, PAGES / 2, PAGES / 2, PAIR_SEED + PAGES / 2, 1));
	EXPECT_EQ(0, pair_wrong(self->b));

	child_fill(self->a, 0, PAGES, PAIR_SEED, 1);
	ASSERT_EQ(0, child_call(self->a, do_unregister));
	/* The pins go a moment later, by way of the kernel's workers. */
	EXPECT_TRUE(lib_wait(merges, &self->pair, 5000));
}

/* A pin of a shared page would reach everybody: the kernel must get another one. */
TEST_F(pin, registered_buffers_break_sharing)
{
	make_file();
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_register));
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->a));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, pair_same(&self->pair));
	ASSERT_EQ(0, child_call(self->a, do_fixed, IORING_OP_READ_FIXED, PAGES));
	EXPECT_EQ(0, child_wrong(self->a, 0, PAGES, FILE_SEED, 1));
	EXPECT_EQ(0, pair_wrong(self->b));
	/* The other way: what the process writes is what the kernel sees. */
	child_fill(self->a, 0, PAGES, FILE_SEED + 1000, 1);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(0, child_call(self->a, do_fixed, IORING_OP_WRITE_FIXED, PAGES));
	EXPECT_EQ(0, wrong_in_file(FILE_SEED + 1000));
	child_kill(self->a);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_TRUE(ps_nothing_shared());
}

TEST_F(pin, registered_buffers_of_zero_pages)
{
	make_file();
	child_fill(self->a, 0, PAGES, 0, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	ASSERT_EQ(PAGES, zero_frames(self->a->pid, self->a->mem, PAGES));
	ASSERT_EQ(0, child_call(self->a, do_register));
	EXPECT_EQ(0, zero_frames(self->a->pid, self->a->mem, PAGES));
	ASSERT_EQ(0, child_call(self->a, do_fixed, IORING_OP_READ_FIXED, PAGES));
	EXPECT_EQ(0, child_wrong(self->a, 0, PAGES, FILE_SEED, 1));
}

/* ---- vmsplice: pages in a pipe ---- */

static int pipe_fds[2];

/* Puts the first arg[0] pages into a pipe, by reference. */
static long do_vmsplice(struct child *self, const long *arg)
{
	struct iovec iov = { self->mem, arg[0] * PAGE };

	if (pipe(pipe_fds) || fcntl(pipe_fds[1], F_SETPIPE_SZ, (int)(PAGES * PAGE)) < 0)
		return -errno;
	return vmsplice(pipe_fds[1], &iov, 1, SPLICE_F_NONBLOCK) == (ssize_t)iov.iov_len ?
	       0 : -errno ?: -EIO;
}

/* Reads them back; pages that differ from the pattern of pair_start(). */
static long do_drain(struct child *self, const long *arg)
{
	uint64_t page[PAGE / sizeof(uint64_t)];
	long wrong = 0;

	for (long i = 0; i < arg[0]; i++)
		wrong += read(pipe_fds[0], page, PAGE) != PAGE || !page_is(page, PAIR_SEED + i);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return wrong;
}

TEST_F(pin, no_merge_of_pages_in_a_pipe)
{
	uint64_t frames[PAGES / 2];

	ASSERT_EQ(0, child_call(self->a, do_vmsplice, PAGES / 2));
	frames_save(self->a->pid, self->a->mem, PAGES / 2, frames);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, frames_changed(self->a->pid, self->a->mem, PAGES / 2, frames));
	/* The other half is free to go. */
	EXPECT_EQ(PAGES / 2, pair_same(&self->pair));
	EXPECT_EQ(0, child_call(self->a, do_drain, PAGES / 2));
	EXPECT_EQ(0, pair_wrong(self->a));
	pair_merge(&self->pair);
}

/* Shared pages in a pipe outlive their mappings, and even their unmerging. */
TEST_F(pin, shared_pages_in_a_pipe)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_vmsplice, PAGES));
	child_fill(self->a, 0, PAGES, PAIR_SEED + 3000, 1);
	EXPECT_EQ(0, pair_wrong(self->b));
	child_kill(self->b);
	ASSERT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(0, ps_get("pages_shared"));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_EQ(0, child_call(self->a, do_drain, PAGES));
	EXPECT_EQ(0, child_wrong(self->a, 0, PAGES, PAIR_SEED + 3000, 1));
}

TEST_F(pin, process_vm_readv)
{
	char page[PAGE];

	pair_merge(&self->pair);
	for (size_t i = 0; i < PAGES; i++) {
		struct iovec local = { page, PAGE }, remote = { child_page(self->a, i), PAGE };

		ASSERT_EQ(PAGE, process_vm_readv(self->a->pid, &local, 1, &remote, 1, 0));
		EXPECT_TRUE(page_is(page, PAIR_SEED + i));
	}
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
}

/* ---- O_DIRECT: a disk that writes into memory ---- */

FIXTURE(direct) {
	struct pair pair;
	struct child *a, *b;
	int dev, loop, backing;
};

/* The children have it from the test: it is set before they are forked. */
static char disk[32];

FIXTURE_SETUP(direct)
{
	int control, number;

	modprobe("loop", "");
	make_file();
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, control) {
		TH_LOG("this kernel has no loop devices");
	}
	number = ioctl(control, LOOP_CTL_GET_FREE);
	ASSERT_LE(0, number);
	close(control);
	snprintf(disk, sizeof(disk), "/dev/loop%d", number);
	self->backing = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	self->loop = open(disk, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->loop);
	ASSERT_EQ(0, ioctl(self->loop, LOOP_SET_FD, self->backing));

	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
	self->dev = self->pair.dev;
}

FIXTURE_TEARDOWN(direct)
{
	pair_stop(&self->pair);
	ioctl(self->loop, LOOP_CLR_FD);
	close(self->loop);
	close(self->backing);
}

/* What a child found out; in memory that it shares with the test. */
struct outcome {
	long rounds, wrong, merged_before, reads;
};

static struct outcome *outcome;

/*
 * For arg[0] ms: makes its pages equal to the twin's, waits for a moment that
 * may or may not suffice to merge them, and has the disk overwrite them.
 */
static long do_direct_reads(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[0] / 1000.0;
	int fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	srand(arg[0]);
	/* A busy machine gets the time that it needs. */
	while (lib_seconds() < end || outcome->rounds < 12) {
		size_t step = 1 << rand() % 7;

		for (size_t i = 0; i < self->pages; i++)
			page_fill(child_page(self, i), PAIR_SEED + i);
		lib_sleep_ms(rand() % 40);
		outcome->merged_before += shared_frames(getpid(), self->mem, self->pages);
		for (size_t i = 0; i < self->pages; i += step) {
			if (pread(fd, child_page(self, i), step * PAGE, i * PAGE) !=
			    (ssize_t)(step * PAGE))
				return -EIO;
			outcome->reads++;
			/* At once, before the scanner comes by again. */
			for (size_t k = i; k < i + step; k++)
				outcome->wrong += !page_is(child_page(self, k), FILE_SEED + k);
		}
		outcome->rounds++;
	}
	close(fd);
	return 0;
}

TEST_F_TIMEOUT(direct, read_into_pages_that_are_being_merged, 100)
{
	outcome = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, outcome);
	/* The child must know it, too. */
	child_kill(self->a);
	child_start(self->a, PAGES, 0);
	ASSERT_EQ(0, ps_add(self->dev, self->a->pid, self->a->mem, PAGES * PAGE, "pair", NULL));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000));
	ASSERT_EQ(0, ps_set("run", 1));
	ASSERT_EQ(0, child_call(self->a, do_direct_reads, 8000));
	lib_note("%ld rounds, %ld reads, %ld pages merged when the disk wrote",
		 outcome->rounds, outcome->reads, outcome->merged_before);
	EXPECT_EQ(0, outcome->wrong);
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(0, wrong_in_file(FILE_SEED));
	/* Both happened: the disk met shared pages, and pages on their way. */
	EXPECT_LT(10, outcome->rounds);
	EXPECT_LT(0, outcome->merged_before);
	EXPECT_GT(outcome->rounds * PAGES, outcome->merged_before);
	ASSERT_EQ(0, ps_set("run", 0));
}

/* The disk reads shared memory. */
static long do_direct_write(struct child *self, const long *arg)
{
	int fd = open(disk, O_WRONLY | O_DIRECT | O_CLOEXEC);
	long done = pwrite(fd, self->mem, self->pages * PAGE, 0);

	fsync(fd);
	close(fd);
	return done == (long)(self->pages * PAGE) ? 0 : -EIO;
}

TEST_F(direct, write_of_shared_pages)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_direct_write));
	EXPECT_EQ(0, wrong_in_file(PAIR_SEED));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
}

TEST_HARNESS_MAIN
