// SPDX-License-Identifier: GPL-2.0
/*
 * Unloading at any moment: while pages are merged, while the scanner runs, while
 * processes exit, fork and move their memory, fifty times over.  Each time every
 * byte is right as seen from outside, and every merged page has a frame of its
 * own again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

/* What the memory of each of the two processes holds. */
#define COMMON		96	/* page i is as page i of the other process */
#define EQUAL		64	/* all the same, in both */
#define ZEROS		32
#define UNIQUE		64
#define MERGED		(COMMON + EQUAL)
#define PAGES		(MERGED + ZEROS + UNIQUE)

#define SEED_COMMON	1000
#define SEED_EQUAL	5
#define SEED_UNIQUE(who) (100000UL * (1 + (who)))

#define GROUP		"unload"
#define ROUNDS		50

FIXTURE(unload) {
	struct child child[2];
};

static void fill(struct child *child, unsigned int who)
{
	child_fill(child, 0, COMMON, SEED_COMMON, 1);
	child_fill(child, COMMON, EQUAL, SEED_EQUAL, 0);
	child_fill(child, MERGED, ZEROS, 0, 0);
	child_fill(child, MERGED + ZEROS, UNIQUE, SEED_UNIQUE(who), 1);
}

/* Pages of a process that do not hold what fill() wrote, as seen from outside. */
static size_t wrong(pid_t pid, char *mem, unsigned int who)
{
	return wrong_pages(pid, mem, COMMON, SEED_COMMON, 1) +
	       wrong_pages(pid, mem + COMMON * PAGE, EQUAL, SEED_EQUAL, 0) +
	       wrong_pages(pid, mem + MERGED * PAGE, ZEROS, 0, 0) +
	       wrong_pages(pid, mem + (MERGED + ZEROS) * PAGE, UNIQUE, SEED_UNIQUE(who), 1);
}

static size_t all_wrong(struct child child[2])
{
	return wrong(child[0].pid, child[0].mem, 0) + wrong(child[1].pid, child[1].mem, 1);
}

/* Merged pages that have no frame of their own, in both processes together. */
static size_t still_shared(struct child child[2])
{
	return same_frames(child[0].pid, child[0].mem, child[1].pid, child[1].mem, PAGES) -
	       same_frames(child[0].pid, child[0].mem + MERGED * PAGE, child[1].pid,
			   child[1].mem + MERGED * PAGE, ZEROS) +
	       2 * MERGED - different_frames(child[0].pid, child[0].mem, MERGED) -
	       different_frames(child[1].pid, child[1].mem, MERGED);
}

static int add(int dev, struct child *child)
{
	return ps_add(dev, child->pid, child->mem, PAGES * PAGE, GROUP, NULL);
}

/*
 * Loads the module, registers both, and leaves no file open.  The processes must
 * never have the device open, or it could not be unloaded: they are older.
 */
static int begin(struct child child[2], unsigned int passes)
{
	int err = module_load("");
	int dev;

	if (err)
		return err;
	dev = ps_open();
	if (dev < 0)
		return dev;
	err = add(dev, &child[0]) ?: add(dev, &child[1]);
	if (!err && passes)
		err = ps_scan(dev, passes);
	close(dev);
	return err;
}

static bool both_merged(struct child child[2])
{
	return same_frames(child[0].pid, child[0].mem, child[1].pid, child[1].mem, COMMON) ==
	       COMMON && different_frames(child[0].pid, child[0].mem + COMMON * PAGE, EQUAL) == 1;
}

static int scan_at_full_speed(void)
{
	return ps_set("pages_to_scan", 1000000) ?: ps_set("sleep_millisecs", 0) ?:
	       ps_set("run", 1);
}

FIXTURE_SETUP(unload)
{
	unsigned int i;

	if (module_loaded()) {
		close(ps_begin());
		ASSERT_EQ(0, module_unload());
	}
	srand(getpid());
	for (i = 0; i < 2; i++) {
		child_start(&self->child[i], PAGES, 0);
		fill(&self->child[i], i);
	}
}

FIXTURE_TEARDOWN(unload)
{
	child_kill(&self->child[0]);
	child_kill(&self->child[1]);
	if (module_loaded())
		module_unload();
}

static bool unload_refused(void)
{
	int err = module_unload();

	/* delete_module(2) says EWOULDBLOCK where the tools say "in use". */
	return err == -EWOULDBLOCK || err == -EBUSY;
}

TEST_F(unload, open_files)
{
	char text[64];
	int fd;

	ASSERT_EQ(0, begin(self->child, PASSES));
	fd = ps_open();
	ASSERT_LE(0, fd);
	EXPECT_TRUE(unload_refused());
	EXPECT_EQ(0, ps_scan(fd, 1));
	EXPECT_EQ(2, ps_regions(fd));
	EXPECT_TRUE(both_merged(self->child));
	close(fd);

	fd = open("/sys/kernel/debug/pshare/regions", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(unload_refused());
	close(fd);

	/* An open file of sysfs does not hold the module, and is dead afterwards. */
	fd = open(PSHARE_SYSFS "pages_shared", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, read(fd, text, sizeof(text)));
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(-1, pread(fd, text, sizeof(text), 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	EXPECT_EQ(0, still_shared(self->child));
	EXPECT_EQ(0, all_wrong(self->child));
	EXPECT_EQ(-1, access("/dev/pshare", F_OK));
	EXPECT_EQ(-1, access(PSHARE_SYSFS, F_OK));
	EXPECT_EQ(-1, access("/sys/kernel/debug/pshare", F_OK));
}

TEST_F(unload, while_merged)
{
	unsigned int i;

	ASSERT_EQ(0, begin(self->child, PASSES));
	ASSERT_TRUE(both_merged(self->child));
	EXPECT_LT(0, still_shared(self->child));
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(0, still_shared(self->child));
	EXPECT_EQ(0, all_wrong(self->child));

	/* The memory is ordinary again: what one writes the other does not see. */
	child_fill(&self->child[0], 0, PAGES, 777, 1);
	EXPECT_EQ(0, wrong(self->child[1].pid, self->child[1].mem, 1));
	EXPECT_EQ(0, wrong_pages(self->child[0].pid, self->child[0].mem, PAGES, 777, 1));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, child_madvise(&self->child[i], 0, PAGES, MADV_DONTNEED));
}

TEST_F_TIMEOUT(unload, while_scanning, 100)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, begin(self->child, 0));
		ASSERT_EQ(0, scan_at_full_speed());
		usleep(rand() % 60000);
		ASSERT_EQ(0, module_unload());
		EXPECT_EQ(0, still_shared(self->child)) TH_LOG("round %u", i);
		EXPECT_EQ(0, all_wrong(self->child)) TH_LOG("round %u", i);
	}
}

/* A process with the memory of the first child's kind, that exits after a while. */
static pid_t start_visitor(unsigned int wait_us)
{
	char *mem;
	pid_t pid = fork();
	unsigned int i;

	if (pid)
		return pid;
	mem = mmap((void *)0x200000000000, COMMON * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (mem == MAP_FAILED)
		_exit(1);
	for (i = 0; i < COMMON; i++)
		page_fill(mem + i * PAGE, SEED_COMMON + i);
	raise(SIGSTOP);
	usleep(wait_us);
	_exit(0);
}

TEST_F_TIMEOUT(unload, while_processes_exit, 100)
{
	pid_t visitor[6];
	unsigned int i, k;
	int dev, status;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, begin(self->child, 0));
		for (k = 0; k < ARRAY_SIZE(visitor); k++) {
			visitor[k] = start_visitor(rand() % 15000);
			ASSERT_EQ(visitor[k], waitpid(visitor[k], &status, WUNTRACED));
			ASSERT_TRUE(WIFSTOPPED(status));
		}
		dev = ps_open();
		for (k = 0; k < ARRAY_SIZE(visitor); k++)
			ASSERT_EQ(0, ps_add(dev, visitor[k], (void *)0x200000000000,
					    COMMON * PAGE, GROUP, NULL));
		ASSERT_EQ(0, ps_scan(dev, PASSES));
		close(dev);
		ASSERT_EQ(COMMON, same_frames(self->child[0].pid, self->child[0].mem, visitor[0],
					      (void *)0x200000000000, COMMON));
		for (k = 0; k < ARRAY_SIZE(visitor); k++)
			kill(visitor[k], SIGCONT);
		usleep(rand() % 10000);
		ASSERT_EQ(0, module_unload());
		for (k = 0; k < ARRAY_SIZE(visitor); k++)
			EXPECT_EQ(visitor[k], waitpid(visitor[k], NULL, 0));
		EXPECT_EQ(0, still_shared(self->child)) TH_LOG("round %u", i);
		EXPECT_EQ(0, all_wrong(self->child)) TH_LOG("round %u", i);
	}
}

/* A child that was never registered keeps mapping what its dead parent shared. */
TEST_F(unload, fork_child_without_parent)
{
	struct child orphan, *other = &self->child[1];

	ASSERT_EQ(0, begin(self->child, PASSES));
	child_fork(&self->child[0], &orphan);
	child_kill(&self->child[0]);
	EXPECT_EQ(COMMON, same_frames(orphan.pid, orphan.mem, other->pid, other->mem, COMMON));
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(0, same_frames(orphan.pid, orphan.mem, other->pid, other->mem, MERGED));
	EXPECT_EQ(MERGED, different_frames(orphan.pid, orphan.mem, MERGED));
	EXPECT_EQ(0, wrong(orphan.pid, orphan.mem, 0));
	EXPECT_EQ(0, wrong(other->pid, other->mem, 1));
	child_fill(&orphan, 0, PAGES, 888, 1);
	EXPECT_EQ(0, wrong_pages(orphan.pid, orphan.mem, PAGES, 888, 1));
	EXPECT_EQ(0, wrong(other->pid, other->mem, 1));
	child_kill(&orphan);
}

static long do_move(struct child *self, const long *arg)
{
	return (long)mremap(self->mem, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    (void *)arg[0]);
}

/* Memory that was moved out of its region is found all the same. */
TEST_F(unload, moved_out_of_the_region)
{
	char *to = (char *)0x300000000000;

	ASSERT_EQ(0, begin(self->child, PASSES));
	ASSERT_EQ((long)to, child_call(&self->child[0], do_move, (long)to));
	self->child[0].mem = to;
	EXPECT_TRUE(both_merged(self->child));
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(0, still_shared(self->child));
	EXPECT_EQ(0, all_wrong(self->child));
}

/* Forks children that check what they inherited, until it is killed. */
static long do_fork_on(struct child *self, const long *arg)
{
	unsigned int i;
	long bad = 0;
	int status;

	/* The library lets nobody wait for the children of a child. */
	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < arg[0]; i++) {
		pid_t pid = fork();

		if (!pid) {
			unsigned int page = i % COMMON;

			if (!page_is(child_page(self, page), SEED_COMMON + page))
				_exit(1);
			page_fill(child_page(self, page), i);
			_exit(!page_is(child_page(self, page), i));
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			bad++;
	}
	return bad;
}

TEST_F_TIMEOUT(unload, while_forking, 60)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, begin(self->child, PASSES));
		child_post(&self->child[0], do_fork_on, 100);
		usleep(rand() % 50000);
		ASSERT_EQ(0, module_unload());
		EXPECT_EQ(0, child_finish(&self->child[0]));
		EXPECT_EQ(0, all_wrong(self->child)) TH_LOG("round %u", i);
	}
}

/* Rewrites its memory, and leaves it as it was. */
static long do_rewrite(struct child *self, const long *arg)
{
	long round, bad = 0;
	unsigned int i;

	for (round = 0; round < arg[0]; round++) {
		for (i = 0; i < COMMON; i++)
			page_fill(child_page(self, i), round);
		for (i = 0; i < COMMON; i++)
			bad += !page_is(child_page(self, i), round);
	}
	for (i = 0; i < COMMON; i++)
		page_fill(child_page(self, i), SEED_COMMON + i);
	return bad;
}

/* One of the fifty: what goes on while the module goes differs. */
static void one_round(struct __test_metadata *_metadata, struct child child[2], unsigned int round)
{
	struct child copy;

	ASSERT_EQ(0, begin(child, round % 5 == 1 ? 0 : PASSES));
	ASSERT_TRUE(round % 5 == 1 || both_merged(child));
	switch (round % 5) {
	case 1:
		ASSERT_EQ(0, scan_at_full_speed());
		usleep(rand() % 100000);
		break;
	case 2:
		child_post(&child[1], do_rewrite, 3);
		usleep(rand() % 5000);
		break;
	case 3:
		child_fork(&child[0], &copy);
		break;
	case 4:
		ASSERT_EQ(0, scan_at_full_speed());
		child_post(&child[0], do_rewrite, 5);
		usleep(rand() % 30000);
		break;
	}
	ASSERT_EQ(0, module_unload());
	if (round % 5 == 2)
		EXPECT_EQ(0, child_finish(&child[1]));
	if (round % 5 == 4)
		EXPECT_EQ(0, child_finish(&child[0]));
	if (round % 5 == 3) {
		EXPECT_EQ(0, wrong(copy.pid, copy.mem, 0));
		EXPECT_EQ(MERGED, different_frames(copy.pid, copy.mem, MERGED));
		child_kill(&copy);
	}
	EXPECT_EQ(0, still_shared(child)) TH_LOG("round %u", round);
	EXPECT_EQ(0, all_wrong(child)) TH_LOG("round %u", round);
}

/* Reads and turns all that can be seen of the module, there or not, for ever. */
static void meddle(void)
{
	static const char * const names[] = { "run", "pages_to_scan", "sleep_millisecs",
					      "use_zero_pages", "max_pages_shared", "pages_sharing",
					      "metadata_bytes" };
	struct pshare_read read;
	char text[4096];
	unsigned int i;
	int dev;

	for (i = 0; ; i++) {
		ps_set(names[i % 4], i % 3);
		snprintf(text, sizeof(text), PSHARE_SYSFS "%s", names[i % ARRAY_SIZE(names)]);
		file_try_read(text, text, sizeof(text));
		file_try_read("/sys/kernel/debug/pshare/regions", text, sizeof(text));
		file_try_read("/sys/kernel/debug/pshare/groups", text, sizeof(text));
		if (i % 8)
			continue;
		dev = ps_open();
		if (dev < 0)
			continue;
		ps_next(dev, 0, &read);
		ps_scan(dev, 1);
		close(dev);
	}
}

/* The module comes and goes while others look at it and turn its knobs. */
TEST_F_TIMEOUT(unload, while_knobs_are_turned, 100)
{
	unsigned int i, refused = 0;
	pid_t pid[2];
	int err;

	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (!pid[i])
			meddle();
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, module_load(""));
		usleep(rand() % 60000);
		for (;; refused++) {
			err = module_unload();
			if (err != -EWOULDBLOCK && err != -EBUSY)
				break;
			usleep(100);
		}
		ASSERT_EQ(0, err);
	}
	lib_note("unloading was refused %u times", refused);
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		kill(pid[i], SIGKILL);
		EXPECT_EQ(pid[i], waitpid(pid[i], NULL, 0));
	}
	EXPECT_EQ(0, all_wrong(self->child));
}

/* Free memory in KiB, with the pages that each CPU keeps for itself: those come and go. */
static long free_kb(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long pages = 0, count;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %lu", &count) == 1)
			pages += count;
	if (file)
		fclose(file);
	return meminfo_kb("MemFree") + pages * (PAGE / 1024);
}

static void take_stock(long *unused, long *slab)
{
	file_write("/proc/sys/vm/drop_caches", "3\n");
	lib_sleep_ms(300);
	*unused = free_kb();
	*slab = meminfo_kb("SUnreclaim");
}

/* Fifty times, and the machine has as much memory as before. */
TEST_F_TIMEOUT(unload, fifty_times, 300)
{
	long unused, slab, unused_then = 0, slab_then = 0;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		/* The first rounds fill caches of the kernel. */
		if (i == 10)
			take_stock(&unused_then, &slab_then);
		one_round(_metadata, self->child, i);
	}
	take_stock(&unused, &slab);
	lib_note("free %ld -> %ld KiB, SUnreclaim %ld -> %ld KiB", unused_then, unused, slab_then,
		 slab);
	EXPECT_LT(unused_then - unused, 1024);
	/* KASAN keeps for a while what is freed: there kmemleak looks for what is lost. */
	EXPECT_LT(slab - slab_then, 512 * lib_scale());
}

TEST_HARNESS_MAIN
