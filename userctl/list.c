// SPDX-License-Identifier: GPL-2.0
/* pshare list */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "classes.h"
#include "cli.h"
#include "counters.h"
#include "device.h"
#include "errors.h"
#include "process.h"
#include "output.h"

/* Widths of the columns that depend on what is in them. */
struct widths {
	int group;
	int range;
};

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

/* The policy for huge pages that it goes by; older modules have none. */
static bool has_policy(int fd, const struct pshare_read *region, unsigned int *policy)
{
	struct pshare_read_ledger ledger = { .size = sizeof(ledger), .id = region->id };

	if (device_call(fd, PSHARE_IOC_LEDGER, &ledger))
		return false;
	*policy = ledger.huge_policy;
	return true;
}

static void add_json(int fd, struct json_object *array, const struct pshare_read *region)
{
	struct json_object *obj = json_object_new_object();
	char comm[COMM_SIZE];
	unsigned int policy;

	process_comm(region->pid, comm);
	json_object_array_add(array, obj);
	json_add_u64(obj, "id", region->id);
	json_object_object_add(obj, "pid", json_object_new_int(region->pid));
	json_add_string(obj, "comm", comm);
	json_add_string(obj, "group", region->group);
	json_add_bool(obj, "private", region->state & PSHARE_REGION_PRIVATE);
	json_add_bool(obj, "whole", region->state & PSHARE_REGION_WHOLE);
	if (has_policy(fd, region, &policy))
		json_add_string(obj, "huge_policy", huge_policy_name(policy));
	json_add_u64(obj, "start", region->start);
	json_add_u64(obj, "end", region->end);
	counters_json(region, obj);
}

static void print_long(int fd, const struct pshare_read *region)
{
	char comm[COMM_SIZE], range[64];
	unsigned int policy;

	process_comm(region->pid, comm);
	format_range(region, range, sizeof(range));
	printf("region %llu\n", region->id);
	printf("  %-16s %d (%s)\n", "process", region->pid, comm);
	printf("  %-16s %s\n", "group", region->state & PSHARE_REGION_PRIVATE ?
	       "none: shares only within itself" : region->group);
	printf("  %-16s %s\n", "range", range);
	if (has_policy(fd, region, &policy))
		printf("  %-16s %s\n", "huge_policy", huge_policy_name(policy));
	counters_print(region);
}

static void widen(int *width, const char *text)
{
	int len = (int)strlen(text);

	if (*width < len)
		*width = len;
}

static struct widths measure(const struct regions *regions)
{
	struct widths widths = { 0 };
	char range[64];
	size_t i;

	widen(&widths.group, "GROUP");
	widen(&widths.range, "RANGE");
	for (i = 0; i < regions->nr; i++) {
		format_range(&regions->at[i], range, sizeof(range));
		widen(&widths.group, group_of(&regions->at[i]));
		widen(&widths.range, range);
	}
	return widths;
}

static void print_head(const struct widths *widths)
{
	printf("%4s %7s %-15s %-*s %-*s %9s %9s %9s %9s %8s %10s %11s\n", "ID", "PID", "COMMAND",
	       widths->group, "GROUP", widths->range, "RANGE", "MERGED", "ZERO", "VOLATILE",
	       "UNIQUE", "SWAPPED", "INELIGIBLE", "SAVED");
}

static void print_counts(const struct pshare_read *region)
{
	char amount[AMOUNT_SIZE];

	format_bytes(amount, (double)(region->merged + region->zero) * PAGE_BYTES);
	printf(" %9llu %9llu %9llu %9llu %8llu %10llu %11s\n", region->merged, region->zero,
	       region->volatile_, region->unique, region->swapped, region->ineligible, amount);
}

static void print_table(const struct regions *regions)
{
	struct widths widths = measure(regions);
	struct pshare_read sum;
	size_t i;

	print_head(&widths);
	for (i = 0; i < regions->nr; i++) {
		const struct pshare_read *region = &regions->at[i];
		char comm[COMM_SIZE], range[64];

		process_comm(region->pid, comm);
		format_range(region, range, sizeof(range));
		printf("%4llu %7d %-15s %-*s %-*s", region->id, region->pid, comm,
		       widths.group, group_of(region), widths.range, range);
		print_counts(region);
	}
	if (regions->nr < 2)
		return;
	counters_sum(regions, &sum);
	printf("%4s %7s %-15s %-*s %-*s", "", "", "total", widths.group, "", widths.range, "");
	print_counts(&sum);
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

static void show(int fd, const struct args *args, const struct regions *regions)
{
	struct json_object *array;
	size_t i;

	if (output_is_json()) {
		array = json_add_array(output_doc(), "regions");
		for (i = 0; i < regions->nr; i++)
			add_json(fd, array, &regions->at[i]);
		return;
	}
	if (args->given & OPT_BIT(OPT_LONG)) {
		for (i = 0; i < regions->nr; i++)
			print_long(fd, &regions->at[i]);
		return;
	}
	if (regions->nr)
		print_table(regions);
}

int cmd_list(const struct args *args)
{
	struct regions regions;
	int fd, err, rc;

	rc = device_open(&fd);
	if (rc)
		return rc;
	err = regions_read(fd, &regions);
	if (err) {
		rc = fail(OP_READ, err, NULL);
	} else {
		if (!regions.nr && !args->given)
			output_note("no region is registered: 'pshare add --vms' registers all "
				    "virtual machines");
		filter(args, &regions);
		show(fd, args, &regions);
		rc = check_ids(args, &regions);
		if (!regions.nr && (args->given & OPT_BIT(OPT_PID)))
			output_note("process %d has no region", (int)args->pid);
	}
	close(fd);
	regions_free(&regions);
	return rc;
}
