// SPDX-License-Identifier: GPL-2.0
/* The module that comes and goes under load, and the sums of what it counted. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define COUNTERS	"/sys/kernel/debug/pshare/scan"
#define MAX_COUNTERS	64
#define SCANNER		"pshared"
#define SCANNER_NICE	5

struct counter {
	char name[32];
	unsigned long sum;	/* of the loads that are over */
	unsigned long now;	/* of this one, as of the last look */
};

static struct counter counters[MAX_COUNTERS];
static unsigned int nr_counters, loads, unloads;
static int device = -1;
static double slowest_unload;

/* Whoever reads it uses the device; whoever writes it takes the device away. */
static pthread_rwlock_t device_lock = PTHREAD_RWLOCK_INITIALIZER;

int module_get(void)
{
	pthread_rwlock_rdlock(&device_lock);
	return device;
}

void module_put(void)
{
	pthread_rwlock_unlock(&device_lock);
}

static struct counter *find(const char *name)
{
	for (unsigned int i = 0; i < nr_counters; i++)
		if (!strcmp(counters[i].name, name))
			return &counters[i];
	if (nr_counters == MAX_COUNTERS)
		lib_die("more counters than %d", MAX_COUNTERS);
	snprintf(counters[nr_counters].name, sizeof(counters->name), "%s", name);
	return &counters[nr_counters++];
}

static void look(void)
{
	char text[4096], name[32], *line, *rest = text;
	unsigned long value;

	file_read(COUNTERS, text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%31s %lu", name, &value) == 2)
			find(name)->now = value;
}

unsigned long module_sum(const char *name)
{
	struct counter *counter = find(name);

	if (device >= 0)
		look();
	return counter->sum + counter->now;
}

void module_print_sums(void)
{
	lib_note("unloading under load took %.1f s at most", slowest_unload);
	for (unsigned int i = 0; i < nr_counters; i++)
		printf("# counter %s %lu\n", counters[i].name, counters[i].sum + counters[i].now);
}

static bool is_patient(void *pid)
{
	return getpriority(PRIO_PROCESS, *(pid_t *)pid) == SCANNER_NICE;
}

/*
 * The scanner makes itself a patient thread, first of all.  Here it must have its
 * share beside all others.
 */
static void hurry(void)
{
	char path[64], name[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	bool found = false;
	pid_t pid;

	if (!proc)
		lib_die("cannot read /proc");
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		pid = atoi(entry->d_name);
		if (pid <= 0 || file_try_read(path, name, sizeof(name)) ||
		    strcmp(name, SCANNER "\n"))
			continue;
		found = lib_wait(is_patient, &pid, 60000) &&
			!setpriority(PRIO_PROCESS, pid, -10);
	}
	closedir(proc);
	if (!found)
		lib_die("there is no " SCANNER ", or not as nice as it was");
}

static void load(void)
{
	int err = module_load("");

	if (err)
		lib_die("cannot load the module: %s", strerror(-err));
	device = ps_open();
	if (device < 0)
		lib_die("cannot open the device: %s", strerror(-device));
	loads++;
	if (ps_set("pages_to_scan", 100000) || ps_set("sleep_millisecs", 0) || ps_set("run", 1))
		lib_die("cannot set the knobs");
	hurry();
}

static bool try_unload(void *err)
{
	*(int *)err = module_unload();
	return *(int *)err != -EWOULDBLOCK && *(int *)err != -EBUSY;
}

/* While the scanner runs, so the counters go on a little after the last look. */
static void unload(void)
{
	int err = 0;

	look();
	close(device);
	device = -1;
	/* Whoever looks at a file in sysfs holds the module for that moment. */
	lib_wait(try_unload, &err, 60000);
	if (err)
		lib_die("cannot unload the module: %s", strerror(-err));
	unloads++;
	for (unsigned int i = 0; i < nr_counters; i++) {
		counters[i].sum += counters[i].now;
		counters[i].now = 0;
	}
}

void module_begin(void)
{
	pthread_rwlock_wrlock(&device_lock);
	load();
	pthread_rwlock_unlock(&device_lock);
}

void module_reload(void)
{
	double begin = lib_seconds();

	pthread_rwlock_wrlock(&device_lock);
	unload();
	begin = lib_seconds() - begin;
	if (begin > slowest_unload)
		slowest_unload = begin;
	load();
	pthread_rwlock_unlock(&device_lock);
	follow_all();
}

static bool no_regions(void *unused)
{
	(void)unused;
	return !ps_regions(device);
}

bool module_end(void)
{
	bool clean = true;

	pthread_rwlock_wrlock(&device_lock);
	if (!lib_wait(no_regions, NULL, 60000)) {
		lib_note("%u regions are still there", ps_regions(device));
		clean = false;
	}
	if (!ps_wait_counter("pages_shared", 0, 60000)) {
		lib_note("%lld pages are still shared", ps_get("pages_shared"));
		clean = false;
	}
	unload();
	pthread_rwlock_unlock(&device_lock);
	return clean;
}

unsigned int module_loads(void)
{
	return loads;
}

unsigned int module_unloads(void)
{
	return unloads;
}
