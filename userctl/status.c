// SPDX-License-Identifier: GPL-2.0
/* pshare status */
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
#include "knobs.h"
#include "output.h"

/* What can be told about the regions. */
struct summary {
	bool known;		/* false: not for this user to see */
	unsigned int abi;
	size_t regions;
	size_t private_regions;
	size_t groups;		/* those with a name */
	size_t shared_groups;	/* those of two or more regions */
	struct pshare_read sum;	/* of the counters of all regions */
};

/* Counts each group at its first region. */
static void count_group(const struct regions *regions, size_t at, struct summary *summary)
{
	size_t i, members = 0;

	for (i = 0; i < regions->nr; i++) {
		if (regions->at[i].state & PSHARE_REGION_PRIVATE ||
		    strcmp(regions->at[i].group, regions->at[at].group) != 0)
			continue;
		if (i < at)
			return;
		members++;
	}
	summary->groups++;
	if (members > 1)
		summary->shared_groups++;
}

static int summarise(struct summary *summary)
{
	struct regions regions;
	int fd, err;
	size_t i;

	err = device_try_open(&fd);
	if (err == EACCES || err == EPERM)
		return RC_OK;
	if (err)
		return fail(OP_NODE, err, NULL);
	err = device_version(fd, &summary->abi);
	if (err) {
		close(fd);
		return fail(OP_VERSION, err, NULL);
	}
	err = regions_read(fd, &regions);
	close(fd);
	if (err) {
		regions_free(&regions);
		return fail(OP_READ, err, NULL);
	}
	summary->known = true;
	summary->regions = regions.nr;
	for (i = 0; i < regions.nr; i++) {
		if (regions.at[i].state & PSHARE_REGION_PRIVATE)
			summary->private_regions++;
		else
			count_group(&regions, i, summary);
	}
	counters_sum(&regions, &summary->sum);
	regions_free(&regions);
	return RC_OK;
}

/* Why nothing happens, or less than hoped for. */
static void explain(const struct summary *summary, __u64 saved)
{
	long long run = knob_number("run");

	if (!summary->known)
		output_note("only root sees the regions");
	else if (!summary->regions)
		output_note("nothing can be merged, because no region is registered: "
			    "'pshare add --vms' registers all virtual machines");
	else if (summary->regions > 1 && !summary->shared_groups)
		output_note("no two regions have a group in common, so each shares only within "
			    "itself: remove and add them with the same --group to share more");
	if (run == 0)
		output_note("nothing is merged in the background, because run is 0: "
			    "'pshare set run 1' starts the scanner, 'pshare scan' does some "
			    "passes now");
	else if (run == 2)
		output_note("everything is kept unmerged, because run is 2: 'pshare set run 1' "
			    "starts the scanner");
	else if (run == 3)
		output_note("nothing is merged, because run is 3, which estimates only: "
			    "'pshare report' shows what merging would save, 'pshare set run 1' "
			    "starts it");
	else if (summary->regions && knob_number("full_scans") < 3)
		output_note("pages are merged when they stay the same between two visits, so "
			    "the saving shows after about three passes (full_scans)");
	if (saved && knob_number("general_profit") < 0)
		output_note("the module's own memory is more than what it saves so far");
}

static void add_known(struct json_object *doc, const char *key, bool known, __u64 value)
{
	json_object_object_add(doc, key, known ? json_object_new_uint64(value) : NULL);
}

static void show_json(const struct summary *summary, __u64 saved)
{
	struct json_object *doc = output_doc();
	struct json_object *sum = NULL;
	char value[KNOB_SIZE];
	const struct knob *knob;

	add_known(doc, "abi", summary->known, summary->abi);
	for (knob = knobs; knob->name; knob++)
		if (!knob_read(knob->name, value))
			json_object_object_add(doc, knob->name, knob_json(value));
	json_add_u64(doc, "saved_pages", saved);
	json_add_u64(doc, "saved_bytes", saved * PAGE_BYTES);
	add_known(doc, "regions", summary->known, summary->regions);
	add_known(doc, "private_regions", summary->known, summary->private_regions);
	add_known(doc, "groups", summary->known, summary->groups);
	if (summary->known) {
		sum = json_object_new_object();
		counters_json(&summary->sum, sum);
	}
	json_object_object_add(doc, "sum", sum);
	json_add_array(doc, "notes");
}

static void print_amounts(void)
{
	static const char *const names[] = {
		"pages_shared", "pages_sharing", "ksm_zero_pages", "pages_unshared",
		"pages_volatile",
	};
	char amount[AMOUNT_SIZE];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf("  %-16s %-30s %s\n", names[i],
		       format_pages(amount, (__u64)knob_number(names[i])),
		       knob_find(names[i])->help);
}

/* Older modules have none. */
static void print_policy(void)
{
	char policy[KNOB_SIZE];

	if (knob_read("huge_policy", policy))
		return;
	printf("policy    %s for huge pages: ", policy);
	if (!strcmp(policy, huge_policy_name(PSHARE_HUGE_BENEFIT)))
		printf("split those of %lld twins or more", knob_number("huge_split_min"));
	else if (!strcmp(policy, huge_policy_name(PSHARE_HUGE_PRESSURE)))
		printf("split when less than %lld %% of memory is available",
		       knob_number("huge_min_free_percent"));
	else if (!strcmp(policy, huge_policy_name(PSHARE_HUGE_KEEP)))
		printf("split none");
	else
		printf("split those that have a twin");
	printf("; ASLR: %lld %% sampled\n", knob_number("aslr_sample"));
}

/* By pages, or by time; older modules know the first only. */
static void print_pace(void)
{
	long long percent = knob_number("max_cpu_percent");
	long long seconds = knob_number("target_scan_seconds");

	if (!percent && !seconds)
		printf("%lld pages, then %lld ms of sleep", knob_number("pages_to_scan"),
		       knob_number("sleep_millisecs"));
	if (seconds)
		printf("a pass in %lld s", seconds);
	if (percent)
		printf("%sat most %lld %% of a CPU", seconds ? ", " : "", percent);
}

static void show_text(const struct summary *summary, __u64 saved)
{
	static const char *const states[] = {
		"stopped", "running", "stopped, all unmerged", "estimating, nothing is merged",
	};
	long long run = knob_number("run");
	char amount[AMOUNT_SIZE];

	printf("scanner   %s (run %lld); ", run >= 0 && run <= 3 ? states[run] : "unknown", run);
	print_pace();
	printf("; zero pages are %s\n", knob_number("use_zero_pages") ? "merged" : "left alone");
	print_policy();
	printf("passes    %lld done, %lld pages visited\n",
	       knob_number("full_scans"), knob_number("pages_scanned"));
	if (!summary->known)
		printf("regions   unknown\n");
	else if (!summary->regions)
		printf("regions   none\n");
	else
		printf("regions   %zu, in %zu group%s; %zu without a group\n", summary->regions,
		       summary->groups, summary->groups == 1 ? "" : "s",
		       summary->private_regions);
	if (summary->regions)
		counters_print(&summary->sum);
	printf("pages\n");
	print_amounts();
	printf("saved     %s", format_pages(amount, saved));
	printf(", less %s for the module itself:",
	       format_bytes(amount, (double)knob_number("metadata_bytes")));
	printf(" %s\n", format_bytes(amount, (double)knob_number("general_profit")));
}

int cmd_status(const struct args *args)
{
	struct summary summary = { 0 };
	__u64 saved;
	int rc;

	(void)args;
	if (!knobs_present())
		return fail(OP_OPEN, ENOENT, NULL);
	rc = summarise(&summary);
	if (rc)
		return rc;
	saved = (__u64)knob_number("pages_sharing") + (__u64)knob_number("ksm_zero_pages");
	if (output_is_json())
		show_json(&summary, saved);
	else
		show_text(&summary, saved);
	explain(&summary, saved);
	return RC_OK;
}
