// SPDX-License-Identifier: GPL-2.0
/* pshare list */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "cli.h"
#include "device.h"
#include "errors.h"
#include "process.h"
#include "report.h"

/* The counters of a region, for everything that goes through them. */
struct counter {
	const char *name;
	size_t offset;
	bool pages;	/* pages as of now, which have a size in MiB */
};

#define COUNTER(name, member, pages) \
	{ name, offsetof(struct pshare_read, member), pages }

static const struct counter counters[] = {
	COUNTER("scanned", scanned, false),
	COUNTER("merged", merged, true),
	COUNTER("zero", zero, true),
	COUNTER("volatile", volatile_, true),
	COUNTER("unique", unique, true),
	COUNTER("swapped", swapped, true),
	COUNTER("ineligible", ineligible, true),
	COUNTER("huge_splits", huge_splits, false),
	COUNTER("refused", refused, false),
};

#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

static __u64 count(const struct pshare_read *region, const struct counter *counter)
{
	return *(const __u64 *)((const char *)region + counter->offset);
}

static void format_range(const struct pshare_read *region, char *buf, size_t size)
{
	if (region->state & PSHARE_REGION_WHOLE)
		snprintf(buf, size, "whole");
	else
		snprintf(buf, size, "%llx-%llx", region->start, region->end);
}

static const char *group_of(const struct pshare_read *region)
{
	return region->state & PSHARE_REGION_PRIVATE ? "-" : region->group;
}

static void add_json(struct json_object *array, const struct pshare_read *region)
{
	struct json_object *obj = json_object_new_object();
	char comm[COMM_SIZE];
	size_t i;

	process_comm(region->pid, comm);
	json_object_array_add(array, obj);
	json_add_u64(obj, "id", region->id);
	json_object_object_add(obj, "pid", json_object_new_int(region->pid));
	json_add_string(obj, "comm", comm);
	json_add_string(obj, "group", region->group);
	json_add_bool(obj, "private", region->state & PSHARE_REGION_PRIVATE);
	json_add_bool(obj, "whole", region->state & PSHARE_REGION_WHOLE);
	json_add_u64(obj, "start", region->start);
	json_add_u64(obj, "end", region->end);
	for (i = 0; i < NR_COUNTERS; i++)
		json_add_u64(obj, counters[i].name, count(region, &counters[i]));
}

static void print_long(const struct pshare_read *region)
{
	char comm[COMM_SIZE], range[64], amount[AMOUNT_SIZE];
	size_t i;

	process_comm(region->pid, comm);
	format_range(region, range, sizeof(range));
	printf("region %llu\n", region->id);
	printf("  %-12s %d (%s)\n", "process", region->pid, comm);
	printf("  %-12s %s\n", "group", region->state & PSHARE_REGION_PRIVATE ?
	       "none: shares only within itself" : region->group);
	printf("  %-12s %s\n", "range", range);
	for (i = 0; i < NR_COUNTERS; i++) {
		__u64 n = count(region, &counters[i]);

		if (counters[i].pages)
			printf("  %-12s %s\n", counters[i].name, format_pages(amount, n));
		else
			printf("  %-12s %llu\n", counters[i].name, n);
	}
}

static void print_head(void)
{
	printf("%4s %7s %-15s %-12s %-25s %9s %9s %9s %9s %8s %10s %12s\n",
	       "ID", "PID", "COMMAND", "GROUP", "RANGE", "MERGED", "ZERO", "VOLATILE", "UNIQUE",
	       "SWAPPED", "INELIGIBLE", "SAVED");
}

static void print_counts(const struct pshare_read *region)
{
	char amount[AMOUNT_SIZE];

	format_bytes(amount, (double)(region->merged + region->zero) * PAGE_BYTES);
	printf(" %9llu %9llu %9llu %9llu %8llu %10llu %12s\n", region->merged, region->zero,
	       region->volatile_, region->unique, region->swapped, region->ineligible, amount);
}

static void print_row(const struct pshare_read *region)
{
	char comm[COMM_SIZE], range[64];

	process_comm(region->pid, comm);
	format_range(region, range, sizeof(range));
	printf("%4llu %7d %-15s %-12s %-25s", region->id, region->pid, comm, group_of(region), range);
	print_counts(region);
}

static void print_total(const struct regions *regions)
{
	struct pshare_read total = { 0 };
	size_t i;

	for (i = 0; i < regions->nr; i++) {
		const struct pshare_read *region = &regions->at[i];

		total.merged += region->merged;
		total.zero += region->zero;
		total.volatile_ += region->volatile_;
		total.unique += region->unique;
		total.swapped += region->swapped;
		total.ineligible += region->ineligible;
	}
	printf("%4s %7s %-15s %-12s %-25s", "", "", "total", "", "");
	print_counts(&total);
}

static bool wanted(const struct args *args, const struct pshare_read *region)
{
	size_t i;

	if (args->given & OPT_BIT(OPT_PID))
		return region->pid == args->pid;
	if (!(args->given & OPT_BIT(OPT_ID)))
		return true;
	for (i = 0; i < args->nr_ids; i++)
		if (args->ids[i] == region->id)
			return true;
	return false;
}

/* Reports the numbers that were asked for and do not exist. */
static int check_ids(const struct args *args, const struct regions *regions)
{
	int rc = RC_OK;
	size_t i, j;

	for (i = 0; i < args->nr_ids; i++) {
		for (j = 0; j < regions->nr && regions->at[j].id != args->ids[i]; j++)
			;
		if (j == regions->nr)
			rc = fail(OP_READ, ENOENT, "region %llu", args->ids[i]);
	}
	return rc;
}

static void filter(const struct args *args, struct regions *regions)
{
	size_t i, kept = 0;

	for (i = 0; i < regions->nr; i++)
		if (wanted(args, &regions->at[i]))
			regions->at[kept++] = regions->at[i];
	regions->nr = kept;
}

static void show(const struct args *args, const struct regions *regions)
{
	struct json_object *array;
	size_t i;

	if (report_is_json()) {
		array = json_add_array(report_doc(), "regions");
		for (i = 0; i < regions->nr; i++)
			add_json(array, &regions->at[i]);
		return;
	}
	if (args->given & OPT_BIT(OPT_LONG)) {
		for (i = 0; i < regions->nr; i++)
			print_long(&regions->at[i]);
		return;
	}
	if (!regions->nr)
		return;
	print_head();
	for (i = 0; i < regions->nr; i++)
		print_row(&regions->at[i]);
	if (regions->nr > 1)
		print_total(regions);
}

int cmd_list(const struct args *args)
{
	struct regions regions;
	int fd, err, rc;

	rc = device_open(&fd);
	if (rc)
		return rc;
	err = regions_read(fd, &regions);
	close(fd);
	if (err) {
		rc = fail(OP_READ, err, NULL);
	} else {
		if (!regions.nr && !args->given)
			report_note("no region is registered: 'pshare add --vms' registers all "
				    "virtual machines");
		filter(args, &regions);
		show(args, &regions);
		rc = check_ids(args, &regions);
		if (!regions.nr && (args->given & OPT_BIT(OPT_PID)))
			report_note("process %d has no region", (int)args->pid);
	}
	regions_free(&regions);
	return rc;
}
