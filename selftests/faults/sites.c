// SPDX-License-Identifier: GPL-2.0
/* The places where the module calls the kernel; see faults.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

#define MAX_SITES	4096

struct site *sites;
unsigned int nr_sites;

static const char * const sections[] = { ".text", ".text.unlikely", ".init.text", ".exit.text" };
#define NR_SECTIONS	4
static unsigned long base[NR_SECTIONS];

void sites_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char verdict[16];
	struct site *site;

	sites = calloc(MAX_SITES, sizeof(*sites));
	if (!file || !sites)
		lib_die("cannot read %s", path);
	for (site = sites; nr_sites < MAX_SITES &&
	     fscanf(file, "%23s %lx %71s %47s %47s %15s", site->section, &site->offset,
		    site->where, site->callee, site->source, verdict) == 6; site++) {
		site->never = !strcmp(verdict, "never");
		nr_sites++;
	}
	if (!feof(file) || !nr_sites)
		lib_die("%s cannot be understood behind line %u", path, nr_sites);
	fclose(file);
}

int sites_load(void)
{
	char path[128], text[64];
	int err = module_load("");

	for (unsigned int i = 0; !err && i < NR_SECTIONS; i++) {
		snprintf(path, sizeof(path), "/sys/module/pshare/sections/%s", sections[i]);
		base[i] = file_try_read(path, text, sizeof(text)) ? 0 : strtoul(text, NULL, 16);
	}
	return err;
}

unsigned long sites_address(const struct site *site)
{
	for (unsigned int i = 0; i < NR_SECTIONS; i++)
		if (!strcmp(site->section, sections[i]))
			return base[i] ? base[i] + site->offset : 0;
	return 0;
}

struct site *sites_at(unsigned long address)
{
	for (unsigned int i = 0; i < nr_sites; i++)
		if (sites_address(&sites[i]) == address)
			return &sites[i];
	return NULL;
}

struct site *sites_named(const char *where)
{
	for (unsigned int i = 0; i < nr_sites; i++)
		if (!strcmp(sites[i].where, where))
			return &sites[i];
	return NULL;
}

pid_t sites_thread(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	pid_t pid = 0;

	while (!pid && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) && !file_try_read(path, name, sizeof(name)) &&
		    !strcmp(name, "pshared\n"))
			pid = atoi(entry->d_name);
	}
	closedir(proc);
	if (!pid)
		lib_die("the scanner has no thread");
	return pid;
}
