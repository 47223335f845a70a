// SPDX-License-Identifier: GPL-2.0
/*
 * What a page costs in a steady pass, by the clock.  In a machine that counts instructions
 * (-icount shift=0) a nanosecond is an instruction of its single CPU.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define PAGE	4096UL
#define PAGES	8192UL
#define PASSES	4
#define REPEATS	5

static int dev;

static void knob(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/mm/pshare/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* An older module does not have all. */
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Pages of which @alike have the same content; 0: all are zero. */
static void measure(const char *name, unsigned long alike, const char *sample)
{
	char *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	uint64_t cost[REPEATS], begin;
	unsigned long i, j;
	uint64_t id;

	if (mem == MAP_FAILED || madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE))
		die("mmap");
	knob("aslr_sample", sample);
	for (i = 0; i < PAGES; i++) {
		uint64_t *word = (uint64_t *)(mem + i * PAGE);

		*word = 0;
		for (j = 0; alike && j < PAGE / sizeof(*word); j++)
			word[j] = (i / alike + 1) * 0x9e3779b97f4a7c15 + j * 0x100000001b3;
	}
	id = device_add(dev, getpid(), (uintptr_t)mem, (uintptr_t)mem + PAGES * PAGE, NULL);
	device_scan(dev, 4);
	for (i = 0; i < REPEATS; i++) {
		begin = now();
		device_scan(dev, PASSES);
		cost[i] = (now() - begin) / (PASSES * PAGES);
	}
	qsort(cost, REPEATS, sizeof(*cost), by_size);
	printf("# cost %s %llu (%llu to %llu)\n", name, (unsigned long long)cost[REPEATS / 2],
	       (unsigned long long)cost[0], (unsigned long long)cost[REPEATS - 1]);
	fflush(stdout);
	device_remove(dev, id);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	printf("TAP version 13\n1..1\n");
	dev = device_load();
	measure("unique", 1, "0");
	measure("merged", 2, "0");
	measure("zero", 0, "0");
	measure("unique_aslr", 1, "100");
	close(dev);
	printf("ok 1 cost\n");
	return syscall(SYS_delete_module, "pshare", 0) ? 1 : 0;
}
