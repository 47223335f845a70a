// SPDX-License-Identifier: GPL-2.0
/*
 * What passes take by the clock with one scan thread and with two, by turns: a first pass,
 * over memory that the module has not seen, and steady ones.
 *
 * In a machine with two CPUs, on a host that has two for it and nothing else to do.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define PAGE	4096UL
/* In a small VM what is done once in a pass counts for more. */
static const unsigned int sizes[] = { 256, 1024 };	/* MiB */

#define SETTLE	4		/* passes until nothing is merged any more */
#define STEADY	3		/* passes that are timed as one */
#define REPEATS	7

static int dev;

static void set_threads(unsigned int threads)
{
	int fd = open("/sys/kernel/mm/pshare/scan_threads", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%u\n", threads) < 0)
		die("scan_threads");
	close(fd);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Seconds for a pass. */
static double scan(unsigned int passes)
{
	double begin = now();

	device_scan(dev, passes);
	return (now() - begin) / passes;
}

static uint64_t add(char *mem, size_t size)
{
	return device_add(dev, getpid(), (uintptr_t)mem, (uintptr_t)mem + size, NULL);
}

/* Of a hundred pages so many have a twin, far away; the others are like no other. */
static void fill(char *mem, unsigned long pages, unsigned int twins)
{
	unsigned long i, j;

	for (i = 0; i < pages; i++) {
		uint64_t *word = (uint64_t *)(mem + i * PAGE);
		uint64_t seed = i % 100 < twins ? i % (pages / 2) : i + pages;

		for (j = 0; j < PAGE / sizeof(*word); j++)
			word[j] = (seed + 1) * 0x9e3779b97f4a7c15 + j * 0x100000001b3;
	}
}

static void measure(const char *name, unsigned int mib, unsigned int twins, int advice)
{
	size_t size = (size_t)mib << 20;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i, threads;
	uint64_t id;

	if (mem == MAP_FAILED || madvise(mem, size, advice))
		die("mmap");
	fill(mem, size / PAGE, twins);
	for (i = 0; i < REPEATS; i++) {
		for (threads = 1; threads <= 2; threads++) {
			set_threads(threads);
			id = add(mem, size);
			printf("# threads %s %u first %u %.6f\n", name, mib, threads, scan(1));
			device_remove(dev, id);
		}
	}
	id = add(mem, size);
	scan(SETTLE);
	for (i = 0; i < REPEATS; i++) {
		for (threads = 1; threads <= 2; threads++) {
			set_threads(threads);
			printf("# threads %s %u steady %u %.6f\n", name, mib, threads,
			       scan(STEADY));
		}
	}
	fflush(stdout);
	device_remove(dev, id);
	munmap(mem, size);
}

int main(void)
{
	unsigned int i;

	printf("TAP version 13\n1..1\n");
	dev = device_load();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		measure("unique", sizes[i], 0, MADV_NOHUGEPAGE);
		measure("half_merged", sizes[i], 50, MADV_NOHUGEPAGE);
		measure("unique_huge", sizes[i], 0, MADV_HUGEPAGE);
	}
	close(dev);
	printf("ok 1 threads\n");
	return syscall(SYS_delete_module, "pshare", 0) ? 1 : 0;
}
