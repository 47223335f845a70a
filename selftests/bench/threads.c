// SPDX-License-Identifier: GPL-2.0
/*
 * What passes take by the clock with one scan thread and with two, by turns: a first pass,
 * over memory that the module has not seen, and steady ones.  After each, what the CPUs are
 * worth just then: of two programs that have nothing in common each reads memory of its own, or
 * one alone twice as often.
 *
 * In a machine with two CPUs, on a host that has two for it and nothing else to do.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define PAGE	4096UL
/* In a small VM what is done once in a pass counts for more. */
static const unsigned int sizes[] = { 256, 1024 };	/* MiB */

#define SETTLE	4		/* passes until nothing is merged any more */
#define STEADY	3		/* passes that are timed as one */
#define REPEATS	5
#define ROUNDS	3		/* of all of it: what else a machine does comes and goes */

#define PROGRAM_MIB	256UL		/* of each */
#define LINES		4		/* of a page, as a sample has */
#define READINGS	2		/* of each, when both do; as long as a pass, about */

static int dev;

/**
 * struct program - one that reads memory when it is told to
 * @ask:	takes how often it is to read its memory
 * @answer:	says when that is done
 */
struct program {
	int ask;
	int answer;
};

static struct program program[2];

static void set_threads(unsigned int threads)
{
	int fd = open("/sys/kernel/mm/pshare/scan_threads", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%u\n", threads) < 0)
		die("scan_threads");
	close(fd);
	/* A helper comes, or goes, when the scanner's thread looks. */
	usleep(20000);
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

static uint64_t read_lines(const char *page)
{
	uint64_t sum = 0;
	unsigned int i, j;

	for (i = 0; i < LINES; i++) {
		const uint64_t *line = (const uint64_t *)(page + i * (PAGE / LINES));

		for (j = 0; j < 8; j++)
			sum = (sum ^ line[j]) * 0x9e3779b97f4a7c15;
	}
	return sum;
}

static void run_program(int ask, int answer)
{
	const size_t size = PROGRAM_MIB << 20;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int times;
	uint64_t sum = 0;
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mem == MAP_FAILED)
		_exit(1);
	for (at = 0; at < size; at += sizeof(at))
		*(size_t *)(mem + at) = at;
	while (read(ask, &times, sizeof(times)) == sizeof(times)) {
		for (; times; times--)
			for (at = 0; at < size; at += PAGE)
				sum += read_lines(mem + at);
		if (write(answer, &sum, sizeof(sum)) != sizeof(sum))
			break;
	}
	_exit(0);
}

static void start_programs(void)
{
	int ask[2], answer[2], i;

	for (i = 0; i < 2; i++) {
		if (pipe2(ask, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
			die("pipe");
		switch (fork()) {
		case -1:
			die("fork");
		case 0:
			close(ask[1]);
			close(answer[0]);
			run_program(ask[0], answer[1]);
		}
		close(ask[0]);
		close(answer[1]);
		program[i] = (struct program) { ask[1], answer[0] };
	}
}

/* Seconds that it takes so many programs to do what there is to do. */
static double run_programs(unsigned int nr)
{
	unsigned int i, times = 2 * READINGS / nr;
	double begin = now();
	uint64_t sum;

	for (i = 0; i < nr; i++)
		if (write(program[i].ask, &times, sizeof(times)) != sizeof(times))
			die("write");
	for (i = 0; i < nr; i++)
		if (read(program[i].answer, &sum, sizeof(sum)) != sizeof(sum))
			die("read");
	return now() - begin;
}

static void tell(const char *name, unsigned int mib, const char *pass, unsigned int threads,
		 double seconds)
{
	printf("# threads %s %u %s %u %.6f\n", name, mib, pass, threads, seconds);
	printf("# programs %s %u %s %u %.6f\n", name, mib, pass, threads, run_programs(threads));
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

/* A pair of passes, now one thread first, now two; the first of all is not told. */
static void first_pass(const char *name, char *mem, unsigned int mib, unsigned int threads,
		       bool told)
{
	uint64_t id;
	double seconds;

	set_threads(threads);
	id = add(mem, (size_t)mib << 20);
	seconds = scan(1);
	if (told)
		tell(name, mib, "first", threads, seconds);
	device_remove(dev, id);
}

static void steady_passes(const char *name, unsigned int mib, unsigned int threads, bool told)
{
	double seconds;

	set_threads(threads);
	seconds = scan(STEADY);
	if (told)
		tell(name, mib, "steady", threads, seconds);
}

/* What was asked for may not have been had. */
static void check_huge(size_t size)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long kib = 0;
	char line[128];

	while (file && !kib && fgets(line, sizeof(line), file))
		sscanf(line, "AnonHugePages: %lu kB", &kib);
	if (!file || kib < size / 1024 / 100 * 95)
		die("huge pages");
	fclose(file);
}

static void measure(const char *name, unsigned int mib, unsigned int twins, int advice)
{
	size_t size = (size_t)mib << 20;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;
	uint64_t id;

	if (mem == MAP_FAILED || madvise(mem, size, advice))
		die("mmap");
	fill(mem, size / PAGE, twins);
	if (advice == MADV_HUGEPAGE)
		check_huge(size);
	for (i = 0; i <= 2 * REPEATS + 1; i++)
		first_pass(name, mem, mib, 1 + (i + i / 2) % 2, i > 1);
	id = add(mem, size);
	scan(SETTLE);
	for (i = 0; i <= 2 * REPEATS + 1; i++)
		steady_passes(name, mib, 1 + (i + i / 2) % 2, i > 1);
	fflush(stdout);
	device_remove(dev, id);
	munmap(mem, size);
}

int main(void)
{
	const unsigned int nr = sizeof(sizes) / sizeof(*sizes);
	unsigned int i;

	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	start_programs();
	dev = device_load();
	for (i = 0; i < ROUNDS * nr; i++) {
		measure("unique", sizes[i % nr], 0, MADV_NOHUGEPAGE);
		measure("half_merged", sizes[i % nr], 50, MADV_NOHUGEPAGE);
		measure("unique_huge", sizes[i % nr], 0, MADV_HUGEPAGE);
	}
	close(dev);
	printf("ok 1 threads\n");
	return syscall(SYS_delete_module, "pshare", 0) ? 1 : 0;
}
