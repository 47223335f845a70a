// SPDX-License-Identifier: GPL-2.0
/*
 * What ksmd and pshare spend on a page, on the same memory: scanning, merging, unsharing,
 * unmerging.  In a machine that counts instructions (-icount shift=0) a nanosecond is an
 * instruction of its only CPU; boot.sh runs this there, see count.sh.
 *
 * By the name that it is called by it measures one of them: count_ksmd, count_pshare,
 * or the kernel's own write faults, count_faults.  Each figure is a line
 *	# figure SUBJECT MEMORY NAME VALUE...
 * Whether pages are shared is judged by their frames.
 */
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "subject.h"

#define HALF	(PAGES / 2)
#define PASSES	12
/* Seconds to look at a scanner that has nothing to do. */
#define REST	20

static int results;

static void figure(const char *subject, const char *memory, const char *name, double value)
{
	printf("# figure %s %s %s %.2f\n", subject, memory, name, value);
}

static void result(bool good, const char *subject, const char *text)
{
	printf("%sok %d %s: %s\n", good ? "" : "not ", ++results, subject, text);
	fflush(stdout);
}

/* Instructions of a write to each of some pages. */
static double write_pages(char *mem, unsigned long from, unsigned long to)
{
	uint64_t time = own_time();
	unsigned long i;

	for (i = from; i < to; i++) {
		volatile char *byte = mem + i * PAGE;

		*byte = *byte;
	}
	return (double)(own_time() - time) / (to - from);
}

/* Each pass, and how many pages were shared after it. */
static void measure_passes(const struct subject *subject, char *mem, enum memory memory)
{
	const char *name = subject_name(subject);
	int i;

	for (i = 0; i < PASSES; i++) {
		uint64_t time = subject_pass(subject);
		unsigned long shared = count_shared(mem);

		printf("# figure %s %s pass %.2f %lu\n", name, memory_name[memory],
		       (double)time / PAGES, shared);
	}
}

static void scan_case(const struct subject *subject, enum memory memory)
{
	const char *name = subject_name(subject);
	char *mem;

	subject_begin(subject);
	mem = make_memory(memory);
	subject_add(subject, mem, PAGES * PAGE);
	measure_passes(subject, mem, memory);
	if (memory == UNIQUE && subject == &pshare)
		figure(name, memory_name[memory], "metadata",
		       (double)subject_knob(subject, "metadata_bytes") / PAGES);
	if (memory != MIX)
		figure(name, memory_name[memory], "rest",
		       (double)subject_rest(subject, REST) / REST / PAGES);
	result(count_shared(mem) == count_alike(memory), name, memory_name[memory]);
	if (memory == PAIRS || memory == ZERO) {
		/* Of a pair the first to write leaves the other alone with the page. */
		figure(name, memory_name[memory], "unshare", write_pages(mem, 0, HALF));
		figure(name, memory_name[memory], "unshare_last", write_pages(mem, HALF, PAGES));
		result(!count_shared(mem), name, "a write unshares");
	}
	result(intact(mem, memory), name, "no byte changed");
	subject_end(subject);
}

static void unmerge_case(const struct subject *subject, enum memory memory)
{
	const char *name = subject_name(subject);
	char *mem;
	int i;

	subject_begin(subject);
	mem = make_memory(memory);
	subject_add(subject, mem, PAGES * PAGE);
	for (i = 0; i < 4; i++)
		subject_pass(subject);
	result(count_shared(mem) == PAGES, name, "there is something to unmerge");
	figure(name, memory_name[memory], "unmerge", (double)subject_unmerge(subject) / PAGES);
	result(!count_shared(mem) && intact(mem, memory), name, "all pages are unmerged");
	subject_end(subject);
}

/* The floor: what the kernel takes to copy a page after fork, or to replace the zero page. */
static void faults_case(enum memory memory)
{
	char *mem = make_memory(memory);
	unsigned long i;
	pid_t child;

	if (memory == ZERO) {
		madvise(mem, PAGES * PAGE, MADV_DONTNEED);
		for (i = 0; i < PAGES; i++)
			(void)*(volatile char *)(mem + i * PAGE);
		result(count_shared(mem) == PAGES, "kernel", "the zero page is mapped");
		figure("kernel", memory_name[memory], "unshare", write_pages(mem, 0, HALF));
		return;
	}
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		pause();
		_exit(0);
	}
	figure("kernel", memory_name[memory], "unshare", write_pages(mem, 0, HALF));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	result(true, "kernel", "pages are copied after fork");
}

typedef void (*case_fn)(const struct subject *subject, enum memory memory);

/*
 * In a process of its own, so that nothing is left of the one before.  What it printed
 * counts with its exit status.
 */
static void in_child(const struct subject *subject, case_fn what, enum memory memory)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		if (what)
			what(subject, memory);
		else
			faults_case(memory);
		fflush(stdout);
		_exit(results);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == DIED)
		exit(DIED);
	results = WEXITSTATUS(status);
}

static void measure(const struct subject *subject)
{
	enum memory memory;

	for (memory = UNIQUE; memory <= MIX; memory++)
		in_child(subject, scan_case, memory);
	in_child(subject, unmerge_case, PAIRS);
}

int main(int argc, char **argv)
{
	const char *name = basename(argv[0]);

	(void)argc;
	printf("TAP version 13\n");
	if (!strcmp(name, "count_pshare")) {
		measure(&pshare);
	} else if (!strcmp(name, "count_ksmd")) {
		measure(&ksmd);
		measure(&ksmd_no_zero);
	} else {
		in_child(NULL, NULL, PAIRS);
		in_child(NULL, NULL, ZERO);
	}
	printf("1..%d\n", results);
	return 0;
}
