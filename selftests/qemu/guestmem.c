// SPDX-License-Identifier: GPL-2.0
/*
 * The work of a guest: keeps memory whose every byte it knows, rewrites parts
 * of it and reads all of it again, forever.  Whoever shares this guest's memory
 * wrongly is found out here.
 *
 * usage: guestmem GUEST-NUMBER MIB
 *
 * Half of the pages are equal to the same pages of the other guests, some are
 * zero, the others are like no page anywhere.  Reports a line each round on
 * standard output, and obeys these commands, a line each, on standard input:
 *	quiet	put everything back as it was at the start, then read only
 *	write	go on rewriting
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
#define WORDS		(PAGE / sizeof(uint64_t))

static uint64_t *memory;
static uint32_t *version;	/* of each page; 0 is the start */
static size_t pages;
static uint64_t guest;
static int writing = 1;

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

	switch (page % 8) {
	case 0 ... 3:
		who = 0;
		break;
	case 7:
		if (!version[page])
			return 0;
		break;
	}
	return mix(who << 56 | (uint64_t)version[page] << 32 | (page + 1)) | 1;
}

static uint64_t word_of(uint64_t seed, size_t word)
{
	return seed ? mix(seed + word * 0x632be59bd9b4e019) : 0;
}

static void fill(size_t page)
{
	uint64_t seed = seed_of(page), *at = memory + page * WORDS;
	size_t word;

	for (word = 0; word < WORDS; word++)
		at[word] = word_of(seed, word);
}

static int verify(size_t page)
{
	uint64_t seed = seed_of(page), *at = memory + page * WORDS, want;
	size_t word;

	for (word = 0; word < WORDS; word++) {
		want = word_of(seed, word);
		if (at[word] == want)
			continue;
		printf("MISMATCH page %zu version %u word %zu: %#llx, not %#llx\n", page,
		       version[page], word, (unsigned long long)at[word],
		       (unsigned long long)want);
		return 1;
	}
	return 0;
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
	}
}

int main(int argc, char **argv)
{
	unsigned long round;
	size_t page, bad = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: guestmem GUEST-NUMBER MIB\n");
		return 2;
	}
	guest = strtoul(argv[1], NULL, 10);
	pages = strtoul(argv[2], NULL, 10) << 20 >> 12;
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
		if (writing)
			rewrite();
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
