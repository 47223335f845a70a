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
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "uapi/pshare.h"

#define PAGE	4096UL
#define PAGES	65536UL	/* 256 MiB */
#define SETTLE	4		/* passes until nothing is merged any more */
#define STEADY	3		/* passes that are timed as one */
#define REPEATS	7

static int dev;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void load(void)
{
	int fd = open("/pshare.ko", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("pshare.ko");
	close(fd);
	dev = open("/dev/pshare", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die("/dev/pshare");
}

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
	struct pshare_scan arg = { .size = sizeof(arg), .passes = passes };
	double begin = now();

	if (ioctl(dev, PSHARE_IOC_SCAN, &arg))
		die("scan");
	return (now() - begin) / passes;
}

static __u64 add(char *mem)
{
	struct pshare_add arg = { .size = sizeof(arg), .flags = PSHARE_ADD_RANGE };

	arg.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	arg.start = (uintptr_t)mem;
	arg.end = arg.start + PAGES * PAGE;
	if (arg.pidfd < 0 || ioctl(dev, PSHARE_IOC_ADD, &arg))
		die("add");
	close(arg.pidfd);
	return arg.id;
}

static void drop(__u64 id)
{
	struct pshare_remove arg = { .size = sizeof(arg), .id = id };

	if (ioctl(dev, PSHARE_IOC_REMOVE, &arg))
		die("remove");
}

/* Of a hundred pages so many have a twin, far away; the others are like no other. */
static void fill(char *mem, unsigned int twins)
{
	unsigned long i, j;

	for (i = 0; i < PAGES; i++) {
		uint64_t *word = (uint64_t *)(mem + i * PAGE);
		uint64_t seed = i % 100 < twins ? i % (PAGES / 2) : i + PAGES;

		for (j = 0; j < PAGE / sizeof(*word); j++)
			word[j] = (seed + 1) * 0x9e3779b97f4a7c15 + j * 0x100000001b3;
	}
}

static void measure(const char *name, unsigned int twins, int advice)
{
	char *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	unsigned int i, threads;
	__u64 id;

	if (mem == MAP_FAILED || madvise(mem, PAGES * PAGE, advice))
		die("mmap");
	fill(mem, twins);
	for (i = 0; i < REPEATS; i++) {
		for (threads = 1; threads <= 2; threads++) {
			set_threads(threads);
			id = add(mem);
			printf("# threads %s first %u %.6f\n", name, threads, scan(1));
			drop(id);
		}
	}
	id = add(mem);
	scan(SETTLE);
	for (i = 0; i < REPEATS; i++) {
		for (threads = 1; threads <= 2; threads++) {
			set_threads(threads);
			printf("# threads %s steady %u %.6f\n", name, threads, scan(STEADY));
		}
	}
	fflush(stdout);
	drop(id);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	printf("TAP version 13\n1..1\n");
	load();
	measure("unique", 0, MADV_NOHUGEPAGE);
	measure("half_merged", 50, MADV_NOHUGEPAGE);
	measure("unique_huge", 0, MADV_HUGEPAGE);
	close(dev);
	printf("ok 1 threads\n");
	return syscall(SYS_delete_module, "pshare", 0) ? 1 : 0;
}
