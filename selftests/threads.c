// SPDX-License-Identifier: GPL-2.0
/*
 * Several scan threads: they find what one finds, whatever happens around them, and are
 * gone when they are not wanted.  Frames (pagemap), the ledger's sums, the bytes of the
 * processes and the scheduler's figures in /proc judge.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

/* Of each child: more than a few blocks, or nobody is woken, and not in whole ones. */
#define BLOCK		512
#define PAGES		(12 * BLOCK + 100)
#define EQUAL		250
#define MOST_THREADS	16

/* Visits each thread of the module; returns how many helpers of "pshared" there are. */
static unsigned int helpers(void (*visit)(pid_t pid, void *arg), void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned int nr = 0;

	while (dir && (entry = readdir(dir))) {
		char path[300], name[64];

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (file_try_read(path, name, sizeof(name)) || strncmp(name, "pshared", 7))
			continue;
		nr += name[7] == '/';
		if (visit)
			visit(atoi(entry->d_name), arg);
	}
	if (dir)
		closedir(dir);
	return nr;
}

struct cpu {
	double all, scanner;
};

static void add_cpu(pid_t pid, void *arg)
{
	char path[64], text[128];
	struct cpu *cpu = arg;
	double seconds;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (file_try_read(path, text, sizeof(text)))
		return;
	seconds = strtoull(text, NULL, 10) / 1e9;
	cpu->all += seconds;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (!file_try_read(path, text, sizeof(text)) && !strcmp(text, "pshared\n"))
		cpu->scanner += seconds;
}

/* CPU time of the module's threads. */
static struct cpu cpu_of_threads(void)
{
	struct cpu cpu = { 0 };

	helpers(add_cpu, &cpu);
	return cpu;
}

static double cpu_of_helpers(void)
{
	struct cpu cpu = cpu_of_threads();

	return cpu.all - cpu.scanner;
}

static bool has_helpers(void *arg)
{
	return helpers(NULL, NULL) == *(unsigned int *)arg;
}

static bool come_to(unsigned int nr)
{
	return lib_wait(has_helpers, &nr, 5000);
}

static int scan_at_full_speed(void)
{
	return ps_set("sleep_millisecs", 0) ?: ps_set("pages_to_scan", 1000000) ?:
	       ps_set("run", 1);
}

FIXTURE(threads) {
	int dev;
};

FIXTURE_SETUP(threads)
{
	self->dev = ps_begin();
}

FIXTURE_TEARDOWN(threads)
{
	ps_set("run", 0);
	ps_set("max_cpu_percent", 0);
	ps_set("target_scan_seconds", 0);
	ps_set("nice", 5);
	ps_set("scan_threads", 1);
	close(self->dev);
}

/* Somewhat of everything, in some order; what comes of it depends on nothing but this. */
static void fill(struct child *child, uint64_t own, int random)
{
	size_t page = 0;

	srand(random);
	while (page < PAGES) {
		size_t nr = 1 + rand() % (rand() % 4 ? 40 : 3 * BLOCK);
		uint64_t seed = 1 + rand() % 2000;

		if (nr > PAGES - page)
			nr = PAGES - page;
		switch (rand() % 6) {
		case 0:		/* a hole */
			break;
		case 1:		/* zero */
			child_fill(child, page, nr, 0, 0);
			break;
		case 2:		/* all the same, here and there */
			child_fill(child, page, nr, 10000 + seed % 4, 0);
			break;
		case 3:		/* the same as elsewhere, maybe */
			child_fill(child, page, nr, 20000 + seed % 500, 1);
			break;
		default:	/* like no other */
			child_fill(child, page, nr, own + page, 1);
			break;
		}
		page += nr;
	}
}

/*
 * Each page by itself: as many items as there can be.  Before them comes a hole, and behind the
 * first round there are many more blocks.
 */
#define MIXED_PAGES	(72 * BLOCK)
#define MIXED_HOLE	(6 * BLOCK)

static void write_mixed(struct child *child, uint64_t own, int random, bool first)
{
	size_t page;

	srand(random);
	for (page = MIXED_HOLE; page < MIXED_PAGES; page++) {
		int kind = rand() % 5;
		uint64_t content = kind == 0 ? 0 : kind == 1 ? 1 + rand() % 5000 : own + page;

		if (first)
			child_fill(child, page, 1, content, 0);
		else if (kind == 4)
			child_fill(child, page, 1, content + (1 << 24), 0);
	}
}

static void fill_mixed(struct child *child, uint64_t own, int random)
{
	write_mixed(child, own, random, true);
}

static void change_mixed(struct child *child, uint64_t own, int random)
{
	write_mixed(child, own, random, false);
}

/* What is looked at: so many pages of each of two children. */
struct trial {
	size_t pages;
	void (*fill)(struct child *child, uint64_t own, int random);
	void (*change)(struct child *child, uint64_t own, int random);
	int run, flags;
};

/* After the first pass and the second, if something changes between them, and in the end. */
#define STAGES	3

struct outcome {
	uint64_t classes[STAGES][2][PSHARE_NR_CLASSES];
	size_t frames[2], zeros[2], common;
	long long shared, sharing;
};

static void read_classes(struct __test_metadata *_metadata, int dev, uint64_t id,
			 uint64_t classes[PSHARE_NR_CLASSES])
{
	struct pshare_read_ledger ledger;

	ASSERT_EQ(0, ps_ledger(dev, id, &ledger));
	for (unsigned int class = 0; class < PSHARE_NR_CLASSES; class++)
		classes[class] = ledger.classes[class];
}

/* Two children are scanned by so many threads: what comes of it? */
static void look(struct __test_metadata *_metadata, int dev, unsigned int threads,
		 const struct trial *trial, struct outcome *outcome)
{
	struct child child[2];
	uint64_t id[2];
	double cpu;

	memset(outcome, 0, sizeof(*outcome));
	ASSERT_EQ(0, ps_set("scan_threads", threads));
	ASSERT_TRUE(come_to(threads - 1));
	cpu = cpu_of_helpers();
	for (unsigned int i = 0; i < 2; i++) {
		child_start(&child[i], trial->pages, trial->flags);
		trial->fill(&child[i], (i + 1) << 20, 7 + i);
		ASSERT_EQ(0, ps_add(dev, child[i].pid, child[i].mem, trial->pages * PAGE,
				    "threads", &id[i]));
	}
	/*
	 * Who merges runs out of time to decide in the middle of a round, and the rest is visited
	 * once more.  Of what has changed since the first pass it was noted already.
	 */
	for (unsigned int stage = trial->change ? 0 : STAGES - 1; stage < STAGES; stage++) {
		/* No more passes than are asked for, but for the last. */
		ASSERT_EQ(0, ps_set("run", stage < STAGES - 1 ? 0 : trial->run));
		ASSERT_EQ(0, ps_scan(dev, stage < STAGES - 1 ? 1 : PASSES + 1));
		ASSERT_EQ(0, ps_set("run", 0));
		for (unsigned int i = 0; i < 2; i++) {
			read_classes(_metadata, dev, id[i], outcome->classes[stage][i]);
			if (!stage)
				trial->change(&child[i], (i + 1) << 20, 7 + i);
		}
	}
	for (unsigned int i = 0; i < 2; i++) {
		outcome->frames[i] = different_frames(child[i].pid, child[i].mem, trial->pages);
		outcome->zeros[i] = zero_frames(child[i].pid, child[i].mem, trial->pages);
	}
	outcome->common = common_frames(child[0].pid, child[0].mem, trial->pages, child[1].pid,
					child[1].mem, trial->pages);
	outcome->shared = ps_get("pages_shared");
	outcome->sharing = ps_get("pages_sharing");
	if (threads > 1)
		EXPECT_LT(cpu, cpu_of_helpers());
	for (unsigned int i = 0; i < 2; i++)
		child_kill(&child[i]);
	ASSERT_TRUE(ps_nothing_shared());
}

static void compare(struct __test_metadata *_metadata, int dev, const struct trial *trial)
{
	static const unsigned int threads[] = { 2, 4, MOST_THREADS };
	struct outcome one, many;

	look(_metadata, dev, 1, trial, &one);
	lib_note("%zu and %zu frames, %zu in common, %lld shared", one.frames[0], one.frames[1],
		 one.common, one.shared);
	for (unsigned int k = 0; k < sizeof(threads) / sizeof(threads[0]); k++) {
		look(_metadata, dev, threads[k], trial, &many);
		for (unsigned int i = 0; i < 2; i++) {
			for (unsigned int at = 0; at < STAGES * PSHARE_NR_CLASSES; at++) {
				unsigned int stage = at / PSHARE_NR_CLASSES;
				unsigned int class = at % PSHARE_NR_CLASSES;

				EXPECT_EQ(one.classes[stage][i][class],
					  many.classes[stage][i][class])
					TH_LOG("%u threads, stage %u: %s of %u", threads[k], stage,
					       ps_class_names[class], i);
			}
			EXPECT_EQ(one.frames[i], many.frames[i]);
			EXPECT_EQ(one.zeros[i], many.zeros[i]);
		}
		EXPECT_EQ(one.common, many.common);
		EXPECT_EQ(one.shared, many.shared);
		EXPECT_EQ(one.sharing, many.sharing);
	}
}

TEST_F_TIMEOUT(threads, same_as_one, 300)
{
	compare(_metadata, self->dev, &(struct trial){ PAGES, fill, NULL, 1, 0 });
}

TEST_F_TIMEOUT(threads, same_estimate, 300)
{
	compare(_metadata, self->dev, &(struct trial){ PAGES, fill, NULL, 3, 0 });
}

TEST_F_TIMEOUT(threads, same_mixed, 300)
{
	compare(_metadata, self->dev,
		&(struct trial){ MIXED_PAGES, fill_mixed, change_mixed, 1, 0 });
}

/* Huge pages that are kept, and are hashed where they lie. */
TEST_F_TIMEOUT(threads, same_huge, 300)
{
	ASSERT_EQ(0, ps_set_text("huge_policy", "keep"));
	compare(_metadata, self->dev, &(struct trial){ PAGES, fill, NULL, 1, CHILD_HUGE });
}

/* Each of them is split in the middle of a round. */
TEST_F_TIMEOUT(threads, same_split, 300)
{
	ASSERT_EQ(0, ps_set_text("huge_policy", "always"));
	compare(_metadata, self->dev, &(struct trial){ PAGES, fill, NULL, 1, CHILD_HUGE });
}

/* A page that two threads come to at once, in a pass in which others come, too. */
TEST_F_TIMEOUT(threads, one_page, 200)
{
	struct pshare_read_ledger ledger;
	struct child child[2];
	uint64_t id[2];

	ASSERT_EQ(0, ps_set("scan_threads", 4));
	for (unsigned int i = 0; i < 2; i++) {
		child_start(&child[i], PAGES, 0);
		child_fill(&child[i], 0, PAGES, 100000 * (i + 1), 1);
		/* In all parts, but no more than one shared page may have. */
		for (size_t page = 0; page < EQUAL; page++)
			child_fill(&child[i], page * (PAGES / EQUAL), 1, 5, 0);
		ASSERT_EQ(0, ps_add(self->dev, child[i].pid, child[i].mem, PAGES * PAGE, "threads",
				    &id[i]));
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ps_ledger(self->dev, id[i], &ledger));
		EXPECT_EQ(EQUAL, ledger.classes[PSHARE_MERGED_OTHER]);
	}
	/* Two passes later nobody believes it any more. */
	child_kill(&child[0]);
	ASSERT_EQ(0, ps_scan(self->dev, 3));
	ASSERT_EQ(0, ps_ledger(self->dev, id[1], &ledger));
	EXPECT_EQ(EQUAL, ledger.classes[PSHARE_MERGED_SELF]);
	child_kill(&child[1]);
}

/* ---- with writers ---- */

/* A child: writes here and there, checks what it reads, until it is told to stop. */
static long write_and_check(struct child *self, const long *arg)
{
	atomic_bool *stop = (atomic_bool *)arg[0];
	static uint64_t seed[PAGES];
	unsigned int random = arg[1];
	long wrong = 0;

	for (unsigned long step = 0; !atomic_load(stop); step++) {
		size_t page = rand_r(&random) % PAGES;

		wrong += !page_is(child_page(self, page), seed[page]);
		if (rand_r(&random) % 4)
			continue;
		/* Few contents, so that there is something to merge. */
		seed[page] = rand_r(&random) % 64;
		if (!seed[page] && rand_r(&random) % 2)
			madvise(child_page(self, page), PAGE, MADV_DONTNEED);
		else
			page_fill(child_page(self, page), seed[page]);
		if (!(step % 64))
			sched_yield();
	}
	for (size_t page = 0; page < PAGES; page++)
		wrong += !page_is(child_page(self, page), seed[page]);
	return wrong;
}

TEST_F_TIMEOUT(threads, knob_turned, 200)
{
	atomic_bool *stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);
	struct child child[2];
	unsigned int random = 1, turns = 0;
	long long merges = ps_figure("scan", "merged");
	double end;

	for (unsigned int i = 0; i < 2; i++) {
		child_start(&child[i], PAGES, 0);
		ASSERT_EQ(0, ps_add(self->dev, child[i].pid, child[i].mem, PAGES * PAGE, "threads",
				    NULL));
		child_post(&child[i], write_and_check, (long)stop, i);
	}
	ASSERT_EQ(0, scan_at_full_speed());
	for (end = lib_seconds() + 30; lib_seconds() < end; turns++) {
		ASSERT_EQ(0, ps_set("scan_threads", 1 + rand_r(&random) % MOST_THREADS));
		usleep(rand_r(&random) % 50000);
		if (!(turns % 100))
			ASSERT_EQ(0, ps_set("run", 0) ?: ps_set("run", 1));
	}
	atomic_store(stop, true);
	for (unsigned int i = 0; i < 2; i++)
		EXPECT_EQ(0, child_finish(&child[i]));
	lib_note("%u turns, %lld pages merged", turns, ps_figure("scan", "merged") - merges);
	EXPECT_LT(merges, ps_figure("scan", "merged"));
	EXPECT_LT(0, ps_get("full_scans"));
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	EXPECT_EQ(0, ps_set("run", 2));
	ASSERT_EQ(0, ps_set("scan_threads", 3));
	EXPECT_TRUE(come_to(2));
	ASSERT_EQ(0, ps_set("scan_threads", 1));
	EXPECT_TRUE(come_to(0));
	for (unsigned int i = 0; i < 2; i++)
		child_kill(&child[i]);
	munmap(stop, PAGE);
}

/* Killed, unmapped, removed in the middle of a round. */
TEST_F_TIMEOUT(threads, killed, 200)
{
	struct child stays;
	uint64_t id;

	child_start(&stays, PAGES, 0);
	child_fill(&stays, 0, PAGES, 1000, 1);
	ASSERT_EQ(0, ps_add(self->dev, stays.pid, stays.mem, PAGES * PAGE, "threads", NULL));
	ASSERT_EQ(0, ps_set("scan_threads", 4));
	ASSERT_EQ(0, scan_at_full_speed());
	for (unsigned int i = 0; i < 20; i++) {
		struct child goes;

		child_start(&goes, PAGES, i % 2 ? CHILD_HUGE : 0);
		child_fill(&goes, 0, PAGES, 1000, 1);
		ASSERT_EQ(0, ps_add(self->dev, goes.pid, goes.mem, PAGES * PAGE, "threads", &id));
		usleep(rand() % 300000);
		if (i % 3 == 1)
			ASSERT_EQ(0, ps_remove(self->dev, id));
		if (i % 3 == 2)
			ASSERT_EQ(0, child_madvise(&goes, 0, PAGES, MADV_DONTNEED));
		child_kill(&goes);
	}
	ASSERT_EQ(0, ps_set("run", 0));
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	EXPECT_EQ(0, child_wrong(&stays, 0, PAGES, 1000, 1));
	child_kill(&stays);
}

TEST_F_TIMEOUT(threads, unload, 200)
{
	struct child child;

	/* It must not have the device open as well. */
	close(self->dev);
	child_start(&child, PAGES, 0);
	self->dev = ps_begin();
	child_fill(&child, 0, PAGES / 2, 1000, 1);
	child_fill(&child, PAGES / 2, PAGES - PAGES / 2, 1000, 1);
	for (unsigned int i = 0; i < 5; i++) {
		int err = -EAGAIN;

		ASSERT_EQ(0, ps_add(self->dev, child.pid, child.mem, PAGES * PAGE, NULL, NULL));
		ASSERT_EQ(0, ps_set("scan_threads", 1 << i));
		ASSERT_EQ(0, scan_at_full_speed());
		ASSERT_TRUE(come_to((1 << i) - 1));
		usleep(rand() % 1000000);
		close(self->dev);
		for (unsigned int k = 0; k < 100 && err; k++, lib_sleep_ms(10))
			err = module_unload();
		ASSERT_EQ(0, err);
		EXPECT_EQ(0, helpers(NULL, NULL));
		EXPECT_EQ(0, child_wrong(&child, 0, PAGES / 2, 1000, 1));
		EXPECT_EQ(PAGES, different_frames(child.pid, child.mem, PAGES));
		self->dev = ps_begin();
	}
	child_kill(&child);
}

/* ---- what they may use ---- */

static void one_region(struct __test_metadata *_metadata, int dev, struct child *child)
{
	child_start(child, PAGES, 0);
	child_fill(child, 0, PAGES, 1000, 1);
	ASSERT_EQ(0, ps_add(dev, child->pid, child->mem, PAGES * PAGE, NULL, NULL));
}

/* A few pages and a sleep: nobody is woken for these. */
TEST_F_TIMEOUT(threads, small_budget, 100)
{
	struct child child;
	long long before;
	double cpu;

	one_region(_metadata, self->dev, &child);
	ASSERT_EQ(0, ps_set("scan_threads", 4));
	ASSERT_EQ(0, ps_set("pages_to_scan", 3 * BLOCK));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 1));
	ASSERT_TRUE(come_to(3));
	cpu = cpu_of_helpers();
	before = ps_get("pages_scanned");
	ASSERT_EQ(0, ps_set("run", 1));
	lib_sleep_ms(3000);
	EXPECT_LT(before, ps_get("pages_scanned"));
	/* What it takes to be born, no more. */
	EXPECT_GT(cpu + 0.02, cpu_of_helpers());
	/* For more than that they are. */
	ASSERT_EQ(0, ps_set("pages_to_scan", 16 * BLOCK));
	lib_sleep_ms(3000);
	EXPECT_LT(cpu + 0.02, cpu_of_helpers());
	child_kill(&child);
}

/* No round is larger than what may be scanned before the next sleep. */
TEST_F_TIMEOUT(threads, budget, 100)
{
	long long before, seen, sum = 0;
	struct child child;

	one_region(_metadata, self->dev, &child);
	ASSERT_EQ(0, ps_set("scan_threads", 4));
	ASSERT_EQ(0, ps_scan(self->dev, 1));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 600000));
	for (unsigned int i = 1; i < 5; i++) {
		ASSERT_EQ(0, ps_set("pages_to_scan", i * 4 * BLOCK));
		before = ps_get("pages_scanned");
		ASSERT_EQ(0, ps_set("run", 1));
		lib_sleep_ms(1000);
		seen = ps_get("pages_scanned") - before;
		ASSERT_EQ(0, ps_set("run", 0));
		/* A look for each time that run was set, and one batch too many in each. */
		EXPECT_GE(2 * (i * 4 * BLOCK + BLOCK), seen);
		sum += seen;
	}
	EXPECT_LT(4 * BLOCK, sum);
	child_kill(&child);
}

/* A limit is for all of them together. */
TEST_F_TIMEOUT(threads, limit, 200)
{
	static const int percent[] = { 10, 100 };
	double looks[5], begin, cpu;
	struct child child[4];

	/* A pass shall take longer than the shortest, 20 ms, on a quick machine, too. */
	for (unsigned int i = 0; i < ARRAY_SIZE(child); i++)
		one_region(_metadata, self->dev, &child[i]);
	ASSERT_EQ(0, ps_set("scan_threads", 2));
	for (unsigned int k = 0; k < 2; k++) {
		ASSERT_EQ(0, ps_set("max_cpu_percent", percent[k]));
		ASSERT_EQ(0, ps_set("run", 1));
		lib_sleep_ms(1000);
		for (unsigned int i = 0; i < 5; i++) {
			begin = lib_seconds();
			cpu = cpu_of_threads().all;
			lib_sleep_ms(3000);
			looks[i] = 100 * (cpu_of_threads().all - cpu) / (lib_seconds() - begin);
		}
		qsort(looks, 5, sizeof(*looks), lib_compare_doubles);
		lib_note("at %d %%: %.1f %%", percent[k], looks[2]);
		EXPECT_GT(percent[k] * 1.4 + 6, looks[2]);
		EXPECT_LT(percent[k] * 0.3, looks[2]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(child); i++)
		child_kill(&child[i]);
}

struct priority {
	int nice, policy;
	unsigned int wrong;
};

static void check_priority(pid_t pid, void *arg)
{
	struct priority *want = arg;
	char path[64], text[1024], *at;
	int nice = 0, field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_try_read(path, text, sizeof(text)))
		return;
	at = strrchr(text, ')');
	for (field = 2; at && field < 19; field++)
		at = strchr(at + 1, ' ');
	nice = at ? atoi(at) : 99;
	want->wrong += sched_getscheduler(pid) != want->policy ||
		       (want->policy == SCHED_OTHER && nice != want->nice);
}

static bool have_priority(void *arg)
{
	struct priority *want = arg;

	want->wrong = 0;
	return helpers(check_priority, want) == 3 && !want->wrong;
}

/* Those that are there, and those that come. */
TEST_F(threads, nice)
{
	struct priority want = { .nice = 5, .policy = SCHED_OTHER };

	ASSERT_EQ(0, ps_set("scan_threads", 4));
	EXPECT_TRUE(lib_wait(have_priority, &want, 5000));
	ASSERT_EQ(0, ps_set("nice", -3));
	want.nice = -3;
	EXPECT_TRUE(lib_wait(have_priority, &want, 5000));
	ASSERT_EQ(0, ps_set_text("nice", "idle"));
	want.policy = SCHED_IDLE;
	EXPECT_TRUE(lib_wait(have_priority, &want, 5000));
	ASSERT_EQ(0, ps_set("scan_threads", 1));
	EXPECT_TRUE(come_to(0));
	ASSERT_EQ(0, ps_set("scan_threads", 4));
	EXPECT_TRUE(lib_wait(have_priority, &want, 5000));
}

TEST_HARNESS_MAIN
