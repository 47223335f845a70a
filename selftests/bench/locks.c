// SPDX-License-Identifier: GPL-2.0
/*
 * How long ksmd or pshare holds the lock of an address space, and the locks of its page
 * tables: as long may a page fault have to wait.  In a machine that counts instructions, see
 * count.c; the trace's clock is the time stamp counter, which counts them there.
 *
 * By the name that it is called by it measures one of them: locks_ksmd, locks_pshare.
 * mmap_lock has tracepoints; a lock of a page table is a spinlock in the array of struct
 * pages, so that probes of spin_lock and spin_unlock find it by its address.  Interrupts
 * are taken out.  What the tracing itself takes while the lock is held is in the figures,
 * and is that of both.  Each pass is a line
 *	# hold SUBJECT MEMORY LOCK PASS COUNT MEDIAN LONGEST SHARED
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "subject.h"

/* One to know the pages, one to merge them, and one that finds nothing new. */
#define PASSES	3

#define TRACING		"/sys/kernel/tracing/"
#define INSTANCE	TRACING "instances/bench-locks/"

/* Where the struct pages are, in a kernel that is not placed at random. */
#define PAGE_STRUCTS	"lock >= 0xffffea0000000000 && lock < 0xffffeb0000000000"

#define MOST_HOLDS	(4UL << 20)

/**
 * struct lock - a kind of lock
 * @name:	what figures are called by
 * @taken, @released: names of the events
 * @event:	both, as a path below events/
 * @filter:	which of them, besides those of the scanner
 */
static const struct lock {
	const char *name, *taken, *released;
	const char *event[2];
	const char *filter;
} locks[] = {
	{ "mmap_lock", " mmap_lock_acquire_returned: ", " mmap_lock_released: ",
	  { "mmap_lock/mmap_lock_acquire_returned", "mmap_lock/mmap_lock_released" }, "" },
	{ "page_table", " bench_taken: ", " bench_released: ",
	  { "kprobes/bench_taken", "kprobes/bench_released" }, " && " PAGE_STRUCTS },
};

/* What interrupts a thread without being its doing; each has _entry and _exit. */
static const char *const interrupts[] = {
	"irq_vectors/local_timer", "irq/irq_handler", "irq/softirq",
};

static uint64_t *holds;
static int results;

static void write_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void watch(const char *event, const char *suffix, const char *thread, const char *more)
{
	char path[256], filter[256];

	/* Further threads of one scanner have more behind the name. */
	snprintf(filter, sizeof(filter), "comm ~ \"%s*\"%s", thread, more);
	snprintf(path, sizeof(path), INSTANCE "events/%s%s/filter", event, suffix);
	write_file(path, filter, 0);
	snprintf(path, sizeof(path), INSTANCE "events/%s%s/enable", event, suffix);
	write_file(path, "1", 0);
}

static void watch_lock(const struct lock *lock, const char *thread)
{
	size_t i;

	if (mkdir(INSTANCE, 0755))
		die(INSTANCE);
	write_file(INSTANCE "tracing_on", "0", 0);
	write_file(INSTANCE "trace_clock", "x86-tsc", 0);
	write_file(INSTANCE "buffer_size_kb", "131072", 0);
	for (i = 0; i < 2; i++)
		watch(lock->event[i], "", thread, lock->filter);
	for (i = 0; i < sizeof(interrupts) / sizeof(*interrupts); i++) {
		watch(interrupts[i], "_entry", thread, "");
		watch(interrupts[i], "_exit", thread, "");
	}
}

static void make_probes(void)
{
	write_file(TRACING "kprobe_events", "p:bench_taken _raw_spin_lock lock=%di:x64\n",
		   O_APPEND);
	write_file(TRACING "kprobe_events", "p:bench_released _raw_spin_unlock lock=%di:x64\n",
		   O_APPEND);
}

/* comm-pid [cpu] flags time: event: ... */
static uint64_t time_of(const char *line)
{
	const char *colon = strstr(line, ": ");

	while (colon > line && colon[-1] != ' ')
		colon--;
	return strtoull(colon, NULL, 10);
}

static const char *lock_of(const char *line)
{
	const char *at = strstr(line, "lock=");

	return at ? at : "";
}

/* The holds of a pass, in the order in which they ended. */
static size_t read_holds(const struct lock *lock)
{
	uint64_t since = 0, interrupted = 0, taken_out = 0;
	char line[512], held[64] = "";
	unsigned int depth = 0;
	bool holding = false;
	size_t count = 0;
	FILE *file = fopen(INSTANCE "trace", "re");

	if (!file)
		die(INSTANCE "trace");
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "LOST")) {
			errno = ENOBUFS;
			die("the trace lost events");
		}
		if (*line == '#')
			continue;
		if (strstr(line, "_entry: ")) {
			if (!depth++)
				interrupted = time_of(line);
		} else if (strstr(line, "_exit: ")) {
			if (depth && !--depth)
				taken_out += time_of(line) - interrupted;
		} else if (strstr(line, lock->taken) && !strstr(line, "success=false")) {
			/* One within another of its kind: the outer is what counts. */
			if (holding)
				continue;
			holding = true;
			since = time_of(line);
			taken_out = 0;
			snprintf(held, sizeof(held), "%s", lock_of(line));
		} else if (holding && strstr(line, lock->released) &&
			   !strcmp(held, lock_of(line))) {
			holding = false;
			if (count == MOST_HOLDS)
				die("too many holds");
			holds[count++] = time_of(line) - since - taken_out;
		}
	}
	fclose(file);
	return count;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void result(bool good, const char *subject, const char *text)
{
	printf("%sok %d %s: %s\n", good ? "" : "not ", ++results, subject, text);
	fflush(stdout);
}

static void measure(const struct subject *subject, const struct lock *lock)
{
	const char *name = subject_name(subject);
	unsigned long shared = 0;
	bool seen = true;
	char *mem;
	size_t count;
	int i;

	subject_begin(subject);
	mem = make_memory(MIX);
	subject_add(subject, mem, PAGES * PAGE);
	watch_lock(lock, subject_thread(subject));
	for (i = 1; i <= PASSES; i++) {
		write_file(INSTANCE "trace", "", O_TRUNC);
		write_file(INSTANCE "tracing_on", "1", 0);
		subject_pass(subject);
		write_file(INSTANCE "tracing_on", "0", 0);
		shared = count_shared(mem);
		count = read_holds(lock);
		seen = seen && count > 0;
		if (!count)
			break;
		qsort(holds, count, sizeof(*holds), by_size);
		printf("# hold %s %s %s %d %zu %" PRIu64 " %" PRIu64 " %lu\n", name,
		       memory_name[MIX], lock->name, i, count, holds[count / 2],
		       holds[count - 1], shared);
		fflush(stdout);
	}
	result(seen, name, "each pass takes the lock");
	result(shared == count_alike(MIX) && intact(mem, MIX), name,
	       "all is merged, no byte changed");
	if (rmdir(INSTANCE))
		die(INSTANCE);
	subject_end(subject);
}

/* In a process of its own: nothing of it is left for the next. */
static void in_child(const struct subject *subject, const struct lock *lock)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		measure(subject, lock);
		_exit(results);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == DIED)
		exit(DIED);
	results = WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const struct subject *subject = strcmp(basename(argv[0]), "locks_ksmd") ? &pshare : &ksmd;
	size_t i;

	(void)argc;
	printf("TAP version 13\n");
	holds = malloc(MOST_HOLDS * sizeof(*holds));
	if (!holds)
		die("malloc");
	make_probes();
	for (i = 0; i < sizeof(locks) / sizeof(*locks); i++)
		in_child(subject, &locks[i]);
	printf("1..%d\n", results);
	return 0;
}
