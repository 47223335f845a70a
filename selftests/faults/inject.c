// SPDX-License-Identifier: GPL-2.0
/* Fault injection; see inject.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"
#include "lib.h"

#define MANY	1000000		/* more than anything fails */

static const char * const kinds[] = { "failslab", "fail_page_alloc" };
static unsigned int armed_times;

static void set(const char *kind, const char *name, const char *value)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, name);
	err = file_write(path, value);
	if (err)
		lib_die("cannot write %s to %s: %s", value, path, strerror(-err));
}

static void set_all(const char *name, const char *value)
{
	for (unsigned int i = 0; i < 2; i++)
		set(kinds[i], name, value);
}

bool inject_available(void)
{
	return !access("/sys/kernel/debug/failslab/require-start", W_OK) &&
	       !access("/sys/kernel/debug/fail_page_alloc/require-start", W_OK) &&
	       !access("/proc/self/fail-nth", W_OK);
}

void inject_setup(void)
{
	inject_verbose(false);
	set_all("probability", "0");
	set_all("space", "0");
	set_all("task-filter", "Y");
	set_all("stacktrace-depth", "32");
	set_all("ignore-gfp-wait", "N");
	set("fail_page_alloc", "ignore-gfp-highmem", "N");
	set("fail_page_alloc", "min-order", "0");
	set("failslab", "cache-filter", "N");
}

void inject_verbose(bool verbose)
{
	set_all("verbose", verbose ? "2" : "0");
	set_all("verbose_ratelimit_interval_ms", "0");
}

void inject_arm_range(unsigned long start, unsigned long end, unsigned int interval, bool once)
{
	char text[32];

	set_all("probability", "0");
	snprintf(text, sizeof(text), "%u", interval);
	set_all("interval", text);
	snprintf(text, sizeof(text), "%#lx", start);
	set_all("require-start", text);
	snprintf(text, sizeof(text), "%#lx", end);
	set_all("require-end", text);
	armed_times = once ? 1 : MANY;
	snprintf(text, sizeof(text), "%u", armed_times);
	set_all("times", text);
	set_all("probability", "100");
}

void inject_except(unsigned long start, unsigned long end)
{
	char text[32];

	snprintf(text, sizeof(text), "%#lx", start);
	set_all("reject-start", text);
	snprintf(text, sizeof(text), "%#lx", end);
	set_all("reject-end", text);
}

void inject_arm(unsigned long address, bool once)
{
	inject_arm_range(address, address + 1, 1, once);
}

struct failures inject_count(void)
{
	return (struct failures){
		armed_times - file_number("/sys/kernel/debug/failslab/times"),
		armed_times - file_number("/sys/kernel/debug/fail_page_alloc/times"),
	};
}

struct failures inject_disarm(void)
{
	set_all("probability", "0");
	return inject_count();
}

void inject_task(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/make-it-fail", pid);
	if (file_write(path, "1"))
		lib_die("cannot write to %s", path);
}

static void nth_path(char *path, size_t size, pid_t tid)
{
	snprintf(path, size, "/proc/%d/task/%d/fail-nth", tid, tid);
}

/* What is opened or closed meanwhile would count, too: keep the file of our own open. */
static int own_file(void)
{
	static pid_t owner;
	static int fd;
	char path[64];

	if (owner == getpid())
		return fd;
	owner = getpid();
	nth_path(path, sizeof(path), owner);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		lib_die("cannot open %s", path);
	return fd;
}

void inject_nth(pid_t tid, unsigned int n)
{
	char path[64], text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	if (tid == getpid()) {
		if (pwrite(own_file(), text, length, 0) != length)
			lib_die("cannot set fail-nth");
		return;
	}
	nth_path(path, sizeof(path), tid);
	if (file_write(path, text))
		lib_die("cannot write to %s", path);
}

bool inject_nth_done(pid_t tid)
{
	char path[64], text[16] = "";

	if (tid != getpid()) {
		nth_path(path, sizeof(path), tid);
		return !file_number(path);
	}
	if (pread(own_file(), text, sizeof(text) - 1, 0) <= 0)
		lib_die("cannot read fail-nth");
	return !atoi(text);
}
