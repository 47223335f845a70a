// SPDX-License-Identifier: GPL-2.0
/* What the module allocates, as the kernel's tracepoints see it; see faults.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

#define TRACING		"/sys/kernel/tracing/"

/* In 6.1 kmalloc() and kmem_cache_alloc() have no names of their own for nodes. */
static const char * const events[] = {
	"events/kmem/kmalloc/enable", "events/kmem/kmem_cache_alloc/enable",
	"events/kmem/mm_page_alloc/enable",
};

static void set(const char *name, const char *value)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), TRACING "%s", name);
	err = file_write(path, value);
	if (err)
		lib_die("cannot write %s to %s: %s", value, path, strerror(-err));
}

static void clear(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		lib_die("cannot clear %s", path);
	close(fd);
}

void observe_task(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	set("set_event_pid", text);
}

void observe_begin(void)
{
	set("tracing_on", "0");
	clear("set_event_pid");
	clear("trace");
	set("buffer_size_kb", "16384");
	set("options/stacktrace", "1");
	set("options/sym-offset", "1");
	set("options/sym-addr", "1");
	observe_task(getpid());
	for (unsigned int i = 0; i < sizeof(events) / sizeof(*events); i++)
		set(events[i], "1");
	set("tracing_on", "1");
}

/* "] dhs1." in the head of an event: an interrupt has nothing to do with its task. */
static bool in_interrupt(const char *head)
{
	const char *flags = strstr(head, "] ");

	return flags && strpbrk(strndupa(flags + 2, 5), "hHsZz");
}

unsigned int observe_end(unsigned int *unknown)
{
	bool ours = false, done = true;
	unsigned int count = 0;
	struct site *site;
	char line[512], *at;
	FILE *trace;

	set("tracing_on", "0");
	for (unsigned int i = 0; i < sizeof(events) / sizeof(*events); i++)
		set(events[i], "0");
	set("options/stacktrace", "0");
	*unknown = 0;
	trace = fopen(TRACING "trace", "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		if (strncmp(line, " => ", 4)) {
			/* A stack begins: the innermost frame of the module counts. */
			done = !strstr(line, "<stack trace>") || in_interrupt(line);
			continue;
		}
		/* KASAN's own, where it notes who has freed something. */
		if (strstr(line, "__stack_depot_save"))
			done = true;
		at = strchr(line, '<');
		if (done || !at)
			continue;
		site = sites_at(strtoul(at + 1, NULL, 16));
		ours = strstr(line, "[pshare]");
		if (!site && !ours)
			continue;
		done = true;
		count++;
		if (site) {
			site->seen = true;
		} else {
			*unknown += 1;
			lib_note("an allocation that is not in the table: %s", line + 4);
		}
	}
	if (!trace)
		lib_die("cannot read the trace");
	fclose(trace);
	clear("trace");
	return count;
}
