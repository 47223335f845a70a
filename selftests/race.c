// SPDX-License-Identifier: GPL-2.0
/*
 * Writers against a scanner at full speed: not one write may be lost, and nobody
 * may see a byte that is not of its own page.
 *
 * Two processes have the same pages.  In each, two threads count in every page,
 * each in a place of its own and both in a common one, and remember what they
 * wrote outside of the memory that is shared.  After each round all pages of a
 * class are equal again, so that the scanner merges them while the next round
 * begins: at once in all pages, or slowly from page to page.  A third thread
 * reads all along.
 *
 * PSHARE_RACE_SECONDS in the environment: how long, 60 by default.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "lib.h"

#define NR_PROCESSES	2
#define NR_WRITERS	2
#define NR_THREADS	(NR_PROCESSES * NR_WRITERS)

#define CLASSES		6
#define FULL_PAGES	60	/* page i is of class i % CLASSES */
#define ZERO_PAGES	8	/* all zero between two rounds */
#define PAGES		(FULL_PAGES + ZERO_PAGES)
#define WORDS		(PAGE / 8)
#define COMMON_WORD	(WORDS / 2)

#define GROUP		"race"
#define MEMORY		((uint64_t *)0x200000000000)
#define MAX_COMPLAINTS	8

enum what { LOST_WRITE, LOST_COUNT, FOREIGN_BYTES, TIME_WENT_BACK };

static const char * const what_names[] = {
	[LOST_WRITE] = "a write was lost",
	[LOST_COUNT] = "a common count was lost",
	[FOREIGN_BYTES] = "foreign bytes",
	[TIME_WENT_BACK] = "an older value came back",
};

struct complaint {
	enum what what;
	unsigned int process, page, word;
	uint64_t round, want, got;
};

/* Between the test and its processes: not registered, so never merged. */
struct control {
	pthread_barrier_t barrier;
	atomic_bool stop;
	atomic_ulong round;		/* being written */
	atomic_bool last;		/* this round is the last */
	atomic_uint rest_us;
	atomic_ulong writes, looks, wrong;
	atomic_uint nr_complaints;
	struct complaint complaint[MAX_COMPLAINTS];
};

static struct control *control;

static void complain(enum what what, unsigned int process, unsigned int page, unsigned int word,
		     uint64_t want, uint64_t got)
{
	unsigned int nr = atomic_fetch_add(&control->nr_complaints, 1);

	atomic_fetch_add(&control->wrong, 1);
	if (nr < MAX_COMPLAINTS)
		control->complaint[nr] = (struct complaint) {
			what, process, page, word, control->round, want, got
		};
}

static bool is_zero_page(unsigned int page)
{
	return page >= FULL_PAGES;
}

/* Where a writer counts: early, late or in the middle of the page, by its class. */
static unsigned int own_word(unsigned int page, unsigned int writer)
{
	unsigned int class = page % CLASSES;

	return writer ? WORDS - 1 - 31 * class : 41 * class;
}

/* What stands where nobody counts. */
static uint64_t fill_of(unsigned int page, unsigned int word)
{
	if (is_zero_page(page))
		return 0;
	return (page % CLASSES + 1) * 0x9e3779b97f4a7c15ULL + word;
}

static uint64_t *word_at(unsigned int page, unsigned int word)
{
	return MEMORY + page * WORDS + word;
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static bool is_counter(unsigned int page, unsigned int word)
{
	return word == own_word(page, 0) || word == own_word(page, 1) || word == COMMON_WORD;
}

static void fill_memory(void)
{
	unsigned int page, word;

	for (page = 0; page < PAGES; page++)
		for (word = 0; word < WORDS; word++)
			*word_at(page, word) = is_counter(page, word) ? 0 : fill_of(page, word);
}

struct worker {
	unsigned int process, writer;
	uint64_t wrote[PAGES];		/* what a writer knows that it wrote */
	unsigned int random;
};

static unsigned int random_of(struct worker *worker, unsigned int below)
{
	return rand_r(&worker->random) % below;
}

static void write_page(struct worker *worker, unsigned int page, uint64_t round)
{
	uint64_t *own = word_at(page, own_word(page, worker->writer));
	uint64_t got = load(own);

	if (got != worker->wrote[page])
		complain(LOST_WRITE, worker->process, page, own_word(page, worker->writer),
			 worker->wrote[page], got);
	store(own, round);
	worker->wrote[page] = round;
	if (!is_zero_page(page))
		__atomic_fetch_add(word_at(page, COMMON_WORD), 1, __ATOMIC_SEQ_CST);
	got = load(own);
	if (got != round)
		complain(LOST_WRITE, worker->process, page, own_word(page, worker->writer),
			 round, got);
	atomic_fetch_add(&control->writes, is_zero_page(page) ? 1 : 2);
}

/* Back to all zero, for the zero page to take their place. */
static void clear_zero_pages(struct worker *worker)
{
	unsigned int page;

	for (page = FULL_PAGES; page < PAGES; page++) {
		uint64_t *own = word_at(page, own_word(page, worker->writer));
		uint64_t got = load(own);

		if (got != worker->wrote[page])
			complain(LOST_WRITE, worker->process, page,
				 own_word(page, worker->writer), worker->wrote[page], got);
		store(own, 0);
		worker->wrote[page] = 0;
		atomic_fetch_add(&control->writes, 1);
	}
}

/* While nobody writes: each common count is what both wrote together. */
static void check_common(struct worker *worker, uint64_t round)
{
	unsigned int page;
	uint64_t got;

	for (page = 0; page < FULL_PAGES; page++) {
		got = load(word_at(page, COMMON_WORD));
		if (got != NR_WRITERS * round)
			complain(LOST_COUNT, worker->process, page, COMMON_WORD,
				 NR_WRITERS * round, got);
	}
}

static void write_round(struct worker *worker, uint64_t round)
{
	unsigned int first = random_of(worker, PAGES), i;
	bool slowly = round % 3 == 2;

	/* Every second time both threads of a process go the same way at once. */
	if (round % 2)
		first = 0;
	for (i = 0; i < PAGES; i++) {
		write_page(worker, (first + i) % PAGES, round);
		if (slowly)
			usleep(random_of(worker, 500));
	}
	clear_zero_pages(worker);
}

static void pin_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* On a machine with one CPU it fails, which does no harm. */
	sched_setaffinity(0, sizeof(set), &set);
}

static void *writer_thread(void *arg)
{
	struct worker *worker = arg;
	uint64_t round;

	pin_to(worker->writer);
	for (round = 1; ; round++) {
		/* One of all decides how long to rest, and whether to go on. */
		if (pthread_barrier_wait(&control->barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			control->round = round;
			control->rest_us = 1000 + random_of(worker, 30000);
			control->last = control->stop;
		}
		if (!worker->writer)
			check_common(worker, round - 1);
		pthread_barrier_wait(&control->barrier);
		usleep(control->rest_us + random_of(worker, 1000));
		write_round(worker, round);
		if (control->last)
			return NULL;
	}
}

/* One look at a page; @seen is what its counters were at the look before. */
static void look_at(unsigned int process, unsigned int page, uint64_t seen[NR_WRITERS])
{
	unsigned int word, writer;
	uint64_t got;

	for (word = 0; word < WORDS; word++) {
		if (is_counter(page, word))
			continue;
		got = load(word_at(page, word));
		if (got != fill_of(page, word))
			complain(FOREIGN_BYTES, process, page, word, fill_of(page, word), got);
	}
	for (writer = 0; writer < NR_WRITERS; writer++) {
		got = load(word_at(page, own_word(page, writer)));
		if (is_zero_page(page) && !got)
			continue;
		if (got < seen[writer])
			complain(TIME_WENT_BACK, process, page, own_word(page, writer),
				 seen[writer], got);
		if (got > control->round)
			complain(FOREIGN_BYTES, process, page, own_word(page, writer),
				 control->round, got);
		seen[writer] = got;
	}
	atomic_fetch_add(&control->looks, 1);
}

static void *reader_thread(void *arg)
{
	static uint64_t seen[PAGES][NR_WRITERS];
	struct worker *worker = arg;

	while (!control->last) {
		unsigned int page = random_of(worker, PAGES);

		look_at(worker->process, page, seen[page]);
		usleep(100 + random_of(worker, 300));
	}
	return NULL;
}

/* A process: registered by the test once it has stopped itself. */
static void run_process(unsigned int process)
{
	static struct worker worker[NR_WRITERS + 1];
	pthread_t thread[NR_WRITERS + 1];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mmap(MEMORY, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(1);
	fill_memory();
	raise(SIGSTOP);
	for (i = 0; i <= NR_WRITERS; i++) {
		worker[i].process = process;
		worker[i].writer = i;
		worker[i].random = process * 10 + i + 1;
		if (pthread_create(&thread[i], NULL,
				   i < NR_WRITERS ? writer_thread : reader_thread, &worker[i]))
			_exit(2);
	}
	for (i = 0; i <= NR_WRITERS; i++)
		pthread_join(thread[i], NULL);
	/* Stay, so that the test can look at the memory from outside. */
	raise(SIGSTOP);
	_exit(0);
}

/* A figure of the table "scan" in debugfs. */
static long scan_figure(const char *name)
{
	static char text[1 << 14];
	size_t len = strlen(name);
	char *line;

	file_read("/sys/kernel/debug/pshare/scan", text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtol(line + len, NULL, 10);
	return -1;
}

/* Words of a process that are not what they must be at the end, seen from outside. */
static unsigned long wrong_outside(pid_t pid, uint64_t round)
{
	uint64_t words[WORDS], want;
	unsigned int page, word;
	unsigned long wrong = 0;

	for (page = 0; page < PAGES; page++) {
		if (peek(pid, MEMORY + page * WORDS, words, PAGE))
			return PAGES * WORDS;
		for (word = 0; word < WORDS; word++) {
			want = fill_of(page, word);
			if (word == COMMON_WORD && !is_zero_page(page))
				want = NR_WRITERS * round;
			else if (is_counter(page, word))
				want = is_zero_page(page) ? 0 : round;
			wrong += words[word] != want;
		}
	}
	return wrong;
}

FIXTURE(race) {
	int dev;
	pid_t pid[NR_PROCESSES];
	unsigned int seconds;
};

FIXTURE_SETUP(race)
{
	const char *seconds = getenv("PSHARE_RACE_SECONDS");
	pthread_barrierattr_t attr;
	unsigned int i;
	int status;

	self->seconds = seconds ? atoi(seconds) : 60;
	ASSERT_LT(0, self->seconds);
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, control);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(0, pthread_barrier_init(&control->barrier, &attr, NR_THREADS));

	self->dev = ps_begin();
	for (i = 0; i < NR_PROCESSES; i++) {
		self->pid[i] = fork();
		if (!self->pid[i])
			run_process(i);
		ASSERT_EQ(self->pid[i], waitpid(self->pid[i], &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, ps_add(self->dev, self->pid[i], MEMORY, PAGES * PAGE, GROUP, NULL));
	}
	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
}

FIXTURE_TEARDOWN(race)
{
	unsigned int i;

	ps_set("run", 0);
	for (i = 0; i < NR_PROCESSES; i++) {
		kill(self->pid[i], SIGKILL);
		waitpid(self->pid[i], NULL, 0);
	}
	close(self->dev);
}

/* How much is shared at this moment, by page frames. */
static size_t shared_now(pid_t pid[NR_PROCESSES])
{
	return same_frames(pid[0], MEMORY, pid[1], MEMORY, FULL_PAGES) +
	       FULL_PAGES - different_frames(pid[0], MEMORY, FULL_PAGES);
}

static void report(long merged, long raced, size_t samples, size_t sharing, size_t zeros)
{
	static const char * const refusals[] = { "refused_differs", "refused_pinned",
						 "refused_locked", "refused_gone" };
	unsigned int i;

	lib_note("%lu rounds, %lu writes, %lu looks, %lu wrong", (unsigned long)control->round,
		 control->writes, control->looks, control->wrong);
	lib_note("%ld pages merged meanwhile, %ld stopped by the late compare", merged, raced);
	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		lib_note("%s %ld", refusals[i], scan_figure(refusals[i]));
	lib_note("of %zu looks at page frames %zu found pages shared, %zu zero pages", samples,
		 sharing, zeros);
	for (i = 0; i < control->nr_complaints && i < MAX_COMPLAINTS; i++) {
		struct complaint *c = &control->complaint[i];

		lib_note("%s: process %u, page %u, word %u, round %lu: %#lx, not %#lx",
			 what_names[c->what], c->process, c->page, c->word, c->round, c->got,
			 c->want);
	}
}

TEST_F_TIMEOUT(race, no_write_is_lost, 3600)
{
	long merged = scan_figure("merged"), raced = scan_figure("refused_raced");
	size_t samples = 0, sharing = 0, zeros = 0;
	double end = lib_seconds() + self->seconds;
	unsigned int i;
	int status;

	ASSERT_EQ(0, ps_set("run", 1));
	for (i = 0; i < NR_PROCESSES; i++)
		kill(self->pid[i], SIGCONT);
	while (lib_seconds() < end && !control->wrong) {
		lib_sleep_ms(50);
		samples++;
		sharing += shared_now(self->pid) > 0;
		zeros += zero_frames(self->pid[1], MEMORY + FULL_PAGES * WORDS, ZERO_PAGES) > 0;
		/* Unmerging everything must not lose a write either. */
		if (samples % 64 == 0) {
			EXPECT_EQ(0, ps_set("run", 2));
			EXPECT_EQ(0, ps_set("run", 1));
		}
	}
	control->stop = true;
	for (i = 0; i < NR_PROCESSES; i++) {
		ASSERT_EQ(self->pid[i], waitpid(self->pid[i], &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
	}
	merged = scan_figure("merged") - merged;
	raced = scan_figure("refused_raced") - raced;
	report(merged, raced, samples, sharing, zeros);

	EXPECT_EQ(0, control->wrong);
	for (i = 0; i < NR_PROCESSES; i++)
		EXPECT_EQ(0, wrong_outside(self->pid[i], control->round));
	/* All of it is worth nothing unless pages were merged meanwhile. */
	EXPECT_LT(PAGES, merged);
	EXPECT_LE(0, raced);
	EXPECT_LT(0, sharing);
	EXPECT_LT(0, zeros);
	EXPECT_LT(2, control->round);
	/* And merging still goes on, to the right contents. */
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(FULL_PAGES, same_frames(self->pid[0], MEMORY, self->pid[1], MEMORY,
					  FULL_PAGES));
	EXPECT_EQ(CLASSES, different_frames(self->pid[0], MEMORY, FULL_PAGES));
	for (i = 0; i < NR_PROCESSES; i++)
		EXPECT_EQ(0, wrong_outside(self->pid[i], control->round));
}

TEST_HARNESS_MAIN
