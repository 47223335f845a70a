// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "subject.h"

#define HALF	(PAGES / 2)
/* Where memory lies decides how many page tables it takes. */
#define PLACE	((char *)0x100000000000)
#define TEMPLATES	1000UL

#define PAGEMAP_PFN	((1ULL << 55) - 1)

const char *const memory_name[] = { "unique", "pairs", "zero", "mix" };

/* splitmix64: the same bytes in each run. */
static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The content of page @i, as a number; 0 is zero. */
static uint64_t content(enum memory memory, unsigned long i)
{
	uint64_t random = mixed(i);

	switch (memory) {
	case UNIQUE:
		return i + 1;
	case PAIRS:
		return i % HALF + 1;
	case ZERO:
		return 0;
	case MIX:
		break;
	}
	switch (random & 3) {
	case 0:
		return 0;
	case 1:
		return (random >> 2) % TEMPLATES + 1;
	default:
		return TEMPLATES + i + 1;
	}
}

char *make_memory(enum memory memory)
{
	char *mem = mmap(PLACE, PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	unsigned long i, j;

	if (mem != PLACE || madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE))
		die("mmap");
	for (i = 0; i < PAGES; i++) {
		uint64_t *word = (uint64_t *)(mem + i * PAGE);
		uint64_t number = content(memory, i);

		/* A zero has to be written, or there is no page. */
		*(volatile uint64_t *)word = 0;
		for (j = 0; number && j < PAGE / sizeof(*word); j++)
			word[j] = mixed(number * PAGE + j);
	}
	return mem;
}

bool intact(const char *mem, enum memory memory)
{
	unsigned long i, j;

	for (i = 0; i < PAGES; i++) {
		const uint64_t *word = (const uint64_t *)(mem + i * PAGE);
		uint64_t number = content(memory, i);

		for (j = 0; j < PAGE / sizeof(*word); j++)
			if (word[j] != (number ? mixed(number * PAGE + j) : 0))
				return false;
	}
	return true;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* How many pages have a frame that is not theirs alone. */
unsigned long count_shared(const char *mem)
{
	static uint64_t frame[PAGES];
	unsigned long i, shared = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, frame, sizeof(frame), (uintptr_t)mem / PAGE * 8) != sizeof(frame))
		die("pagemap");
	close(fd);
	for (i = 0; i < PAGES; i++)
		frame[i] &= PAGEMAP_PFN;
	qsort(frame, PAGES, sizeof(*frame), by_size);
	for (i = 0; i < PAGES; i++)
		shared += (i && frame[i] == frame[i - 1]) ||
			  (i + 1 < PAGES && frame[i] == frame[i + 1]);
	return shared;
}

/* How many should be, by what is in them. */
unsigned long count_alike(enum memory memory)
{
	static unsigned int seen[TEMPLATES + PAGES + 1];
	unsigned long i, alike = 0;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < PAGES; i++)
		seen[content(memory, i)]++;
	for (i = 0; i <= TEMPLATES + PAGES; i++)
		alike += seen[i] > 1 ? seen[i] : 0;
	return alike;
}
