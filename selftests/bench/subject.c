// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "subject.h"

#define KSM	"/sys/kernel/mm/ksm/"
#define PSHARE	"/sys/kernel/mm/pshare/"

/* Long enough that ksmd does not start a pass by itself. */
#define FOREVER_MS	100000000

/**
 * struct subject - what differs between the two
 * @name:	what figures are called by
 * @thread:	name of the thread that scans
 * @knobs:	directory of its knobs
 * @module:	whether it must be loaded
 * @zero_pages:	value of use_zero_pages
 * @add, @pass:	how it is given memory, and made to go over it once
 */
struct subject {
	const char *name, *thread, *knobs;
	bool module;
	const char *zero_pages;
	void (*add)(pid_t pid, uintptr_t start, uintptr_t end, const char *group);
	void (*pass)(void);
};

static int dev = -1;

const char *subject_name(const struct subject *subject)
{
	return subject->name;
}

static void write_knob(const char *dir, const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	close(fd);
}

static unsigned long read_knob(const char *dir, const char *name)
{
	unsigned long value;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%lu", &value) != 1)
		die(path);
	fclose(file);
	return value;
}

static unsigned long read_ksm(const char *name)
{
	return read_knob(KSM, name);
}

unsigned long subject_knob(const struct subject *subject, const char *name)
{
	return read_knob(subject->knobs, name);
}

const char *subject_thread(const struct subject *subject)
{
	return subject->thread;
}

uint64_t own_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static bool has_name(const char *pid, const char *name)
{
	char path[300], comm[32];
	bool same = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(comm, sizeof(comm), file)) {
		/* Further threads of one scanner have more behind the name. */
		same = !strncmp(comm, name, strlen(name));
	}
	fclose(file);
	return same;
}

/* What a thread has run so far; exact once it sleeps. */
static uint64_t read_schedstat(const char *pid)
{
	unsigned long long ran;
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &ran) != 1)
		die(path);
	fclose(file);
	return ran;
}

/*
 * The scanner goes first.  A thread that wakes up while another runs and cannot be
 * preempted at once is charged with what that still runs: no business of a count.
 */
static uint64_t go_first(const char *pid)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(atoi(pid), SCHED_FIFO, &param))
		die("SCHED_FIFO");
	return 0;
}

static uint64_t goes_first(const char *pid)
{
	return sched_getscheduler(atoi(pid)) == SCHED_FIFO;
}

static uint64_t one(const char *pid)
{
	(void)pid;
	return 1;
}

/* Does something with all threads of a name; returns the sum of what it says. */
static uint64_t each_thread(const char *name, uint64_t (*what)(const char *pid))
{
	struct dirent *entry;
	bool found = false;
	uint64_t all = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		die("/proc");
	while ((entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]) || !has_name(entry->d_name, name))
			continue;
		all += what(entry->d_name);
		found = true;
	}
	closedir(proc);
	if (!found) {
		errno = ESRCH;
		die(name);
	}
	return all;
}

static uint64_t thread_time(const char *name)
{
	return each_thread(name, read_schedstat);
}

/*
 * What a scanner does after its last page, before it sleeps, belongs to the pass.  No
 * longer than that: what it does from time to time, pass or no pass, does not.
 */
static void settle(void)
{
	usleep(2000);
}

/*
 * ksmd: MADV_MERGEABLE; pages_to_scan beyond all memory makes each waking one pass.  Others
 * have marked their memory themselves.
 */
static void ksmd_add(pid_t pid, uintptr_t start, uintptr_t end, const char *group)
{
	(void)group;
	if (pid == getpid() && madvise((void *)start, end - start, MADV_MERGEABLE))
		die("MADV_MERGEABLE");
}

/* It looks up from its sleep when the length of that changes. */
static void ksmd_wake(void)
{
	char value[16];

	snprintf(value, sizeof(value), "%u",
		 FOREVER_MS + (read_ksm("sleep_millisecs") == FOREVER_MS));
	write_knob(KSM, "sleep_millisecs", value);
}

static void ksmd_pass(void)
{
	unsigned long before = read_ksm("full_scans"), after;

	ksmd_wake();
	if (read_ksm("run") != 1) {
		/* Now it has seen that, and waits for run alone. */
		settle();
		write_knob(KSM, "run", "1");
	}
	while (read_ksm("full_scans") == before)
		usleep(20000);
	settle();
	after = read_ksm("full_scans");
	if (after != before + 1) {
		errno = ERANGE;
		die("ksmd went over memory more than once");
	}
}

static void pshare_add(pid_t pid, uintptr_t start, uintptr_t end, const char *group)
{
	device_add(dev, pid, start, end, group);
}

static void pshare_pass(void)
{
	device_scan(dev, 1);
	settle();
}

const struct subject ksmd = {
	"ksmd", "ksmd", KSM, false, "1", ksmd_add, ksmd_pass
};

/* As it comes: with this knob at 0. */
const struct subject ksmd_no_zero = {
	"ksmd_no_zero", "ksmd", KSM, false, "0", ksmd_add, ksmd_pass
};

const struct subject pshare = {
	"pshare", "pshared", PSHARE, true, "1", pshare_add, pshare_pass
};

void subject_begin(const struct subject *subject)
{
	/* A scanner that goes first is not held back either. */
	write_knob("/proc/sys/kernel/", "sched_rt_runtime_us", "-1");
	if (subject->module) {
		dev = device_load();
	} else {
		write_knob(subject->knobs, "run", "2");
		write_knob(subject->knobs, "pages_to_scan", "1000000000");
	}
	write_knob(subject->knobs, "use_zero_pages", subject->zero_pages);
	/* A new thread sets its own priority first. */
	settle();
	each_thread(subject->thread, go_first);
}

void subject_end(const struct subject *subject)
{
	write_knob(subject->knobs, "run", "2");
	if (!subject->module)
		return;
	close(dev);
	if (syscall(SYS_delete_module, "pshare", 0))
		die("delete_module");
}

void subject_add(const struct subject *subject, char *mem, size_t bytes)
{
	subject->add(getpid(), (uintptr_t)mem, (uintptr_t)mem + bytes, NULL);
}

void subject_add_marked(const struct subject *subject, pid_t pid, uintptr_t start, uintptr_t end)
{
	subject->add(pid, start, end, "bench");
}

uint64_t subject_pass(const struct subject *subject)
{
	uint64_t before = thread_time(subject->thread);

	subject->pass();
	before = thread_time(subject->thread) - before;
	if (each_thread(subject->thread, goes_first) != each_thread(subject->thread, one)) {
		errno = EPERM;
		die("the scanner did not go first");
	}
	return before;
}

uint64_t subject_rest(const struct subject *subject, unsigned int seconds)
{
	uint64_t before = thread_time(subject->thread);

	sleep(seconds);
	return thread_time(subject->thread) - before;
}

uint64_t subject_unmerge(const struct subject *subject)
{
	uint64_t threads = thread_time(subject->thread), own = own_time();

	write_knob(subject->knobs, "run", "2");
	own = own_time() - own;
	settle();
	return own + thread_time(subject->thread) - threads;
}
