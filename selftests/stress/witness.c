// SPDX-License-Identifier: GPL-2.0
/*
 * The witness: processes of which every byte is known.
 *
 * Each has memory of its own and two hands (threads); every second page is the
 * one hand's, the others are the other's.  What a page must hold is written down
 * elsewhere, in memory that is shared and so never merged.  A hand goes round
 * its pages and compares each of their bytes; now and then it writes: most
 * often to a few hot pages, seldom to the others, so that these hold still for
 * long enough to be merged.  Most contents are drawn from a small set, for
 * others to have the same.  In between it does to its memory what programs do:
 * gives pages back, has them swapped out, moves, locks and protects them, and
 * forks, upon which parent and child write, each to its own copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define PAGES		4096UL		/* of each witness: 16 MiB */
#define HANDS		2
#define OWN		(PAGES / HANDS)
#define HOT		(OWN / 16)	/* the first of a hand's pages */
#define COMMON		512		/* contents that others have, too */
#define MEMORY		((char *)0x300000000000)
#define SPARE		((char *)0x310000000000)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* What a page must hold: the contents of its seed, but for one byte. */
struct page {
	uint64_t seed;
	uint16_t offset;
	uint8_t value;
	bool patched;
};

/* Of one hand, or of the child that it forked. */
struct notes {
	struct page page[OWN];
	unsigned char expected[PAGE];
};

struct hand {
	struct notes now, forked;
	atomic_ulong verified, written, forks;
	atomic_bool quiet;		/* has looked at all once more, at the end */
	unsigned int witness, nr, random;
	size_t next;			/* page to look at */
	uint64_t unique;
	pid_t child;
};

/* Shared between the driver and its witnesses. */
struct control {
	atomic_bool stop;
	atomic_ulong lost;
	struct hand hand[WITNESSES][HANDS];
};

static struct control *control;
static pid_t pids[WITNESSES];

static char *page_at(const struct hand *hand, size_t i)
{
	return MEMORY + (i * HANDS + hand->nr) * PAGE;
}

static unsigned int chance(struct hand *hand, unsigned int below)
{
	return rand_r(&hand->random) % below;
}

static void expect(struct notes *notes, size_t i)
{
	const struct page *page = &notes->page[i];

	page_fill(notes->expected, page->seed);
	if (page->patched)
		notes->expected[page->offset] = page->value;
}

/* Only the first few are worth a line each. */
static void complain(const struct hand *hand, size_t i, const unsigned char *got,
		     const unsigned char *expected, const char *where)
{
	unsigned int first = 0, wrong = 0;

	for (unsigned int byte = 0; byte < PAGE; byte++) {
		if (got[byte] == expected[byte])
			continue;
		if (!wrong++)
			first = byte;
	}
	if (atomic_fetch_add(&control->lost, 1) < 8)
		lib_note("LOST: witness %u hand %u page %zu, %s: %u bytes from %u are wrong, "
			 "the first is %02x for %02x",
			 hand->witness, hand->nr, i, where, wrong, first, got[first],
			 expected[first]);
}

/* Compares a page; what was wrong once is made right, to be counted once. */
static void check(struct hand *hand, struct notes *notes, size_t i, const char *where)
{
	char *page = page_at(hand, i);

	expect(notes, i);
	if (memcmp(page, notes->expected, PAGE)) {
		complain(hand, i, (unsigned char *)page, notes->expected, where);
		memcpy(page, notes->expected, PAGE);
	}
	atomic_fetch_add(&hand->verified, PAGE);
}

/* Either all of the page, or one byte of it. */
static void change(struct hand *hand, struct notes *notes, size_t i)
{
	struct page *page = &notes->page[i];
	char *at = page_at(hand, i);
	unsigned int kind = chance(hand, 16);

	if (kind < 6 && !page->patched) {
		page->offset = chance(hand, PAGE);
		page->value = chance(hand, 256);
		page->patched = true;
		((volatile unsigned char *)at)[page->offset] = page->value;
	} else {
		page->patched = false;
		if (kind < 8)
			page->seed = 0;
		else if (kind < 14)
			page->seed = 1 + chance(hand, COMMON);
		else
			page->seed = ++hand->unique;
		page_fill(at, page->seed);
	}
	atomic_fetch_add(&hand->written, 1);
}

static size_t choose(struct hand *hand)
{
	return chance(hand, 8) ? chance(hand, HOT) : chance(hand, OWN);
}

/* ---- what programs do to their memory ---- */

static void give_back(struct hand *hand, size_t i)
{
	struct page *page = &hand->now.page[i];

	if (madvise(page_at(hand, i), PAGE, MADV_DONTNEED))
		return;
	page->seed = 0;
	page->patched = false;
}

static void move(struct hand *hand, size_t i)
{
	char *page = page_at(hand, i), *spare = SPARE + hand->nr * PAGE;

	if (mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare)
		return;
	expect(&hand->now, i);
	if (memcmp(spare, hand->now.expected, PAGE))
		complain(hand, i, (unsigned char *)spare, hand->now.expected, "moved");
	/* Nobody else maps anything there: this succeeds, but for want of memory. */
	while (mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) != page)
		lib_sleep_ms(10);
}

static void protect(struct hand *hand, size_t i)
{
	if (mprotect(page_at(hand, i), PAGE, PROT_READ))
		return;
	check(hand, &hand->now, i, "protected");
	while (mprotect(page_at(hand, i), PAGE, PROT_READ | PROT_WRITE))
		lib_sleep_ms(10);
}

/* @hand is the child's own, @parent's is shared with it. */
static void __attribute__((noreturn)) be_child(struct hand *hand, struct hand *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hand->random ^= 0x5bd1e995;
	for (size_t i = 0; i < OWN; i++) {
		check(hand, &hand->forked, i, "in a child");
		if (i < HOT || !chance(hand, 64)) {
			change(hand, &hand->forked, i);
			check(hand, &hand->forked, i, "written by a child");
		}
	}
	for (size_t i = 0; i < OWN; i++)
		check(hand, &hand->forked, i, "in a child that wrote");
	atomic_fetch_add(&parent->verified, atomic_load(&hand->verified));
	_exit(0);
}

/* One child at a time; parent and child go on side by side. */
static void fork_child(struct hand *hand)
{
	pid_t pid;

	if (hand->child > 0) {
		if (waitpid(hand->child, NULL, WNOHANG) != hand->child)
			return;
		hand->child = 0;
	}
	memcpy(&hand->forked, &hand->now, sizeof(hand->now));
	/* The hand is shared: the child must not write its 0 there. */
	pid = fork();
	if (!pid) {
		/* The hand itself is shared; what a child changes of it is not. */
		struct hand *own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (own == MAP_FAILED)
			_exit(1);
		memcpy(own, hand, sizeof(*own));
		atomic_store(&own->verified, 0);
		be_child(own, hand);
	}
	if (pid < 0)
		return;
	hand->child = pid;
	atomic_fetch_add(&hand->forks, 1);
}

/* Of all pages in there, whosever: no content changes. */
static void advise(struct hand *hand, size_t pages, int advice)
{
	size_t first = chance(hand, PAGES / pages) * pages;

	madvise(MEMORY + first * PAGE, pages * PAGE, advice);
}

static void act(struct hand *hand)
{
	size_t i = choose(hand);

	switch (chance(hand, 12)) {
	case 0:
	case 1:
		give_back(hand, i);
		break;
	case 2:
		move(hand, i);
		break;
	case 3:
		protect(hand, i);
		break;
	case 4:
		if (!mlock(page_at(hand, i), PAGE)) {
			check(hand, &hand->now, i, "locked");
			munlock(page_at(hand, i), PAGE);
		}
		break;
	case 5:
		if (!chance(hand, 4))
			advise(hand, 64, MADV_PAGEOUT);
		break;
	case 7:
		if (!chance(hand, 8))
			advise(hand, HUGE_PAGE / PAGE, MADV_COLLAPSE);
		break;
	case 8:
		if (!chance(hand, 4))
			fork_child(hand);
		break;
	default:
		change(hand, &hand->now, i);
		check(hand, &hand->now, i, "just written");
	}
}

static void *run_hand(void *arg)
{
	struct hand *hand = arg;

	while (!atomic_load(&control->stop)) {
		for (unsigned int n = 0; n < 64; n++) {
			size_t i = choose(hand);

			check(hand, &hand->now, hand->next, "at rest");
			hand->next = (hand->next + 1) % OWN;
			if (n % 4)
				continue;
			check(hand, &hand->now, i, "before a write");
			change(hand, &hand->now, i);
			check(hand, &hand->now, i, "just written");
		}
		act(hand);
		/* The others need the CPU, too. */
		lib_sleep_ms(50);
	}
	if (hand->child > 0)
		waitpid(hand->child, NULL, 0);
	for (size_t i = 0; i < OWN; i++)
		check(hand, &hand->now, i, "at the end");
	atomic_store(&hand->quiet, true);
	return NULL;
}

static void __attribute__((noreturn)) be_witness(unsigned int nr)
{
	pthread_t thread[HANDS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "witness");
	file_write("/proc/self/oom_score_adj", "-1000");
	if (mmap(MEMORY, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MEMORY ||
	    mmap(SPARE, HANDS * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != SPARE)
		lib_die("no memory for a witness");
	madvise(MEMORY, PAGES / 2 * PAGE, MADV_HUGEPAGE);
	for (unsigned int i = 0; i < HANDS; i++)
		if (pthread_create(&thread[i], NULL, run_hand, &control->hand[nr][i]))
			lib_die("no thread for a witness");
	for (;;)
		pause();
}

/* ---- what the driver asks ---- */

void witness_start(unsigned int seed)
{
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (control == MAP_FAILED)
		lib_die("no memory for what the witnesses know");
	for (unsigned int nr = 0; nr < WITNESSES; nr++) {
		for (unsigned int i = 0; i < HANDS; i++) {
			struct hand *hand = &control->hand[nr][i];

			hand->witness = nr;
			hand->nr = i;
			hand->random = seed + nr * HANDS + i;
			hand->unique = (1 + nr * HANDS + i) << 24;
		}
		pids[nr] = fork();
		if (pids[nr] < 0)
			lib_die("cannot fork a witness: %s", strerror(errno));
		if (!pids[nr])
			be_witness(nr);
	}
}

pid_t witness_pid(unsigned int nr)
{
	return pids[nr];
}

void *witness_memory(unsigned int nr, size_t *length)
{
	(void)nr;
	*length = PAGES * PAGE;
	return MEMORY;
}

unsigned int witness_dead(void)
{
	unsigned int dead = 0;

	for (unsigned int nr = 0; nr < WITNESSES; nr++) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, pids[nr], &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
			dead++;
	}
	return dead;
}

unsigned long witness_verified(void)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < WITNESSES * HANDS; i++)
		sum += atomic_load(&control->hand[i / HANDS][i % HANDS].verified);
	return sum;
}

unsigned long witness_written(void)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < WITNESSES * HANDS; i++)
		sum += atomic_load(&control->hand[i / HANDS][i % HANDS].written);
	return sum;
}

unsigned long witness_forks(void)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < WITNESSES * HANDS; i++)
		sum += atomic_load(&control->hand[i / HANDS][i % HANDS].forks);
	return sum;
}

unsigned long witness_lost(void)
{
	return atomic_load(&control->lost);
}

static int compare_frames(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The kernel itself shares pages of zeros, small ones and huge ones. */
static bool is_zero(unsigned int nr, size_t i)
{
	const struct page *page = &control->hand[nr][i % HANDS].now.page[i / HANDS];

	return !page->seed && !page->patched;
}

size_t witness_sharing(void)
{
	static uint64_t frames[WITNESSES * PAGES];
	const size_t count = WITNESSES * PAGES;
	size_t sharing = 0;

	for (unsigned int nr = 0; nr < WITNESSES; nr++) {
		frames_save(pids[nr], MEMORY, PAGES, frames + nr * PAGES);
		for (size_t i = 0; i < PAGES; i++)
			if (is_zero(nr, i))
				frames[nr * PAGES + i] = 0;
	}
	qsort(frames, count, sizeof(*frames), compare_frames);
	for (size_t i = 0; i < count; i++) {
		if (!frames[i])
			continue;
		if ((i && frames[i] == frames[i - 1]) ||
		    (i + 1 < count && frames[i] == frames[i + 1]))
			sharing++;
	}
	return sharing;
}

static bool all_quiet(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < WITNESSES * HANDS; i++)
		if (!atomic_load(&control->hand[i / HANDS][i % HANDS].quiet))
			return false;
	return true;
}

void witness_stop(void)
{
	unsigned char got[PAGE];

	atomic_store(&control->stop, true);
	if (!lib_wait(all_quiet, NULL, 240000))
		lib_die("the witnesses do not come to their end");
	for (unsigned int i = 0; i < WITNESSES * HANDS; i++) {
		struct hand *hand = &control->hand[i / HANDS][i % HANDS];

		for (size_t page = 0; page < OWN; page++) {
			expect(&hand->now, page);
			if (peek(pids[hand->witness], page_at(hand, page), got, PAGE))
				lib_die("cannot look into a witness");
			if (memcmp(got, hand->now.expected, PAGE))
				complain(hand, page, got, hand->now.expected, "from outside");
			atomic_fetch_add(&hand->verified, PAGE);
		}
	}
	for (unsigned int nr = 0; nr < WITNESSES; nr++) {
		kill(pids[nr], SIGKILL);
		waitpid(pids[nr], NULL, 0);
	}
}
