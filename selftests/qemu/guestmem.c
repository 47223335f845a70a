// SPDX-License-Identifier: GPL-2.0
/*
 * The work of a guest: keeps memory whose every byte it knows, rewrites parts
 * of it and reads all of it again, forever.  Whoever shares this guest's memory
 * wrongly is found out here.
 *
 * usage: guestmem GUEST-NUMBER MIB SCRATCH-MIB mixed|equal
 *
 * mixed: half of the pages are equal to the same pages of the other guests, some
 * are zero, the others are like no page anywhere.  equal: all pages are equal to
 * those of the other guests, until they are written.
 * While it writes it also uses so much scratch memory, equal in all guests, which
 * it takes, fills, reads and gives back in each round.
 *
 * Reports a line each round on standard output, and obeys these commands, a line
 * each, on standard input:
 *	quiet	put everything back as it was at the start, then read only
 *	write	go on rewriting
 *	differ	give every page new content, like no page anywhere, then read only
 *	reboot	start the machine again
 */

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PAGE		4096
#define WORDS		(PAGE / sizeof(uint64_t))

static uint64_t *memory;
static uint32_t *version;	/* of each page; 0 is the start */
static size_t pages;
static uint64_t guest;
static int writing = 1;
static int equal;
static size_t scratch_pages;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9;
	return x ^ x >> 32;
}

/* What the page's words are made from; 0 stands for a page of zeros. */
static uint64_t seed_of(size_t page)
{
	uint64_t who = guest;

	if (equal)
		who = version[page] ? guest : 0;
	else if (page % 8 < 4)
		who = 0;
	else if (page % 8 == 7 && !version[page])
		return 0;
	return mix(who << 56 | (uint64_t)version[page] << 32 | (page + 1)) | 1;
}

static uint64_t word_of(uint64_t seed, size_t word)
{
	return seed ? mix(seed + word * 0x632be59bd9b4e019) : 0;
}

static void fill_with(uint64_t *at, uint64_t seed)
{
	size_t word;

	for (word = 0; word < WORDS; word++)
		at[word] = word_of(seed, word);
}

static void fill(size_t page)
{
	fill_with(memory + page * WORDS, seed_of(page));
}

static int verify_with(const uint64_t *at, uint64_t seed, const char *where, size_t page)
{
	size_t word;

	for (word = 0; word < WORDS; word++) {
		uint64_t want = word_of(seed, word);

		if (at[word] == want)
			continue;
		printf("MISMATCH %s %zu word %zu: %#llx, not %#llx\n", where, page, word,
		       (unsigned long long)at[word], (unsigned long long)want);
		return 1;
	}
	return 0;
}

static int verify(size_t page)
{
	return verify_with(memory + page * WORDS, seed_of(page), "page", page);
}

/*
 * Memory that comes and goes: the kernel gives it to others, or to the balloon,
 * with this content in it.
 */
static size_t use_scratch(void)
{
	size_t page, bad = 0;
	uint64_t *scratch;

	if (!scratch_pages)
		return 0;
	scratch = mmap(NULL, scratch_pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scratch == MAP_FAILED)
		return 0;
	for (page = 0; page < scratch_pages; page++) {
		bad += verify_with(scratch + page * WORDS, 0, "new scratch page", page);
		fill_with(scratch + page * WORDS, mix(~page) | 1);
	}
	for (page = 0; page < scratch_pages; page++)
		bad += verify_with(scratch + page * WORDS, mix(~page) | 1, "scratch page", page);
	munmap(scratch, scratch_pages * PAGE);
	return bad;
}

/* A sixteenth of the pages, at random, gets new content. */
static void rewrite(void)
{
	static uint64_t state = 1;
	size_t i, page;

	for (i = 0; i < pages / 16; i++) {
		state = mix(state + guest + 0x9e3779b97f4a7c15);
		page = state % pages;
		version[page]++;
		fill(page);
	}
}

static void restore(void)
{
	size_t page;

	for (page = 0; page < pages; page++) {
		if (!version[page])
			continue;
		version[page] = 0;
		fill(page);
	}
}

static void differ(void)
{
	size_t page;

	for (page = 0; page < pages; page++) {
		version[page]++;
		fill(page);
	}
}

/* Wait for a command for this long; returns at once if there is one. */
static void obey(int milliseconds)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char line[80];
	ssize_t len;

	if (poll(&input, 1, milliseconds) <= 0)
		return;
	len = read(0, line, sizeof(line) - 1);
	if (len <= 0)
		return;
	line[len] = 0;
	if (strstr(line, "quiet")) {
		restore();
		writing = 0;
		puts("now quiet");
	} else if (strstr(line, "write")) {
		writing = 1;
		puts("now writing");
	} else if (strstr(line, "differ")) {
		differ();
		writing = 0;
		puts("now different");
	} else if (strstr(line, "reboot")) {
		puts("now rebooting");
		reboot(RB_AUTOBOOT);
	}
}

int main(int argc, char **argv)
{
	unsigned long round;
	size_t page, bad = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: guestmem GUEST-NUMBER MIB SCRATCH-MIB mixed|equal\n");
		return 2;
	}
	guest = strtoul(argv[1], NULL, 10);
	pages = strtoul(argv[2], NULL, 10) << 20 >> 12;
	scratch_pages = strtoul(argv[3], NULL, 10) << 20 >> 12;
	equal = !strcmp(argv[4], "equal");
	setvbuf(stdout, NULL, _IOLBF, 0);
	version = calloc(pages, sizeof(*version));
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!version || memory == MAP_FAILED) {
		puts("MISMATCH: out of memory");
		return 1;
	}
	for (page = 0; page < pages; page++)
		fill(page);
	puts("READY");

	for (round = 1;; round++) {
		if (writing) {
			rewrite();
			bad += use_scratch();
		}
		for (page = 0; page < pages; page++)
			bad += verify(page);
		if (bad)
			printf("MISMATCH: %zu in all by round %lu\n", bad, round);
		else
			printf("round %lu ok\n", round);
		/* A quiet guest leaves the processor to those who measure. */
		obey(writing ? 100 : 3000);
	}
}
