// SPDX-License-Identifier: GPL-2.0
/* The report for programs. */
#include <json-c/json.h>

#include "knobs.h"
#include "output.h"
#include "report.h"

static struct json_object *classes_json(const struct pshare_read_ledger *sum)
{
	struct json_object *obj = json_object_new_object();
	unsigned int class;

	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		json_add_u64(obj, page_classes[class].name, sum->classes[class]);
	return obj;
}

static struct json_object *bands_json(const struct standing *standing)
{
	struct json_object *obj = json_object_new_object();
	enum band band;

	for (band = 0; band < NR_BANDS; band++)
		json_add_u64(obj, bands[band].name, standing->band[band]);
	return obj;
}

static struct json_object *huge_json(const struct pshare_read_ledger *sum)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *twins;
	size_t i;

	json_add_u64(obj, "blocks_huge", sum->blocks_huge);
	json_add_u64(obj, "blocks_equal", sum->blocks_equal);
	json_add_u64(obj, "blocks_split", sum->blocks_split);
	json_add_u64(obj, "split_gained", sum->split_gained);
	twins = json_add_array(obj, "twins");
	for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
		json_object_array_add(twins, json_object_new_uint64(sum->twins[i]));
	return obj;
}

static struct json_object *savings_json(const struct pshare_read_ledger *sum)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *steps, *step;
	size_t i;

	json_add_u64(obj, "merging", sum->merging);
	steps = json_add_array(obj, "splitting");
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++) {
		step = json_object_new_object();
		json_object_array_add(steps, step);
		json_add_u64(step, "twins", advice_split_twins(i));
		json_add_u64(step, "pages", sum->splitting[i]);
		json_add_u64(step, "splits", sum->splits[i]);
	}
	json_add_u64(obj, "grouping", sum->grouping);
	json_add_u64(obj, "aslr", sum->aslr);
	return obj;
}

/* The members that a region, a VM and the total have in common. */
static void add_ledger(struct json_object *obj, const struct pshare_read_ledger *sum)
{
	json_add_u64(obj, "pages", sum->pages);
	json_object_object_add(obj, "classes", classes_json(sum));
	json_add_u64(obj, "zero_other", sum->zero_other);
	json_object_object_add(obj, "huge", huge_json(sum));
	json_object_object_add(obj, "savings", savings_json(sum));
}

static struct json_object *standing_json(const struct standing *standing)
{
	struct json_object *obj = json_object_new_object();

	json_add_u64(obj, "memory", standing->memory);
	json_object_object_add(obj, "bands", bands_json(standing));
	json_add_u64(obj, "room", standing->room);
	add_ledger(obj, &standing->sum);
	return obj;
}

static struct json_object *vm_json(const struct vm *vm)
{
	struct json_object *obj = standing_json(&vm->standing);

	json_add_u64(obj, "vm", vm->number);
	json_object_object_add(obj, "pid", json_object_new_int(vm->pid));
	json_add_string(obj, "name", vm->name);
	json_add_string(obj, "comm", vm->comm);
	json_add_string(obj, "group", vm->group);
	json_add_u64(obj, "regions", vm->regions);
	return obj;
}

static struct json_object *region_json(const struct pshare_read_ledger *ledger)
{
	struct json_object *obj = json_object_new_object();

	json_add_u64(obj, "id", ledger->id);
	json_add_u64(obj, "vm", ledger->vm);
	json_object_object_add(obj, "pid", json_object_new_int(ledger->pid));
	json_add_string(obj, "group", ledger->group);
	json_add_bool(obj, "private", ledger->state & PSHARE_REGION_PRIVATE);
	json_add_bool(obj, "whole", ledger->state & PSHARE_REGION_WHOLE);
	json_add_string(obj, "huge_policy", huge_policy_name(ledger->huge_policy));
	add_ledger(obj, ledger);
	return obj;
}

static struct json_object *advice_json(const struct advice *advice)
{
	struct json_object *obj = json_object_new_object();

	json_add_string(obj, "name", advice->name);
	json_add_string(obj, "certainty", certainties[advice->certainty]);
	json_add_u64(obj, "pages", advice->pages);
	json_add_string(obj, "what", advice->what);
	json_add_string(obj, "price", advice->price);
	json_add_string(obj, "how", advice->how);
	return obj;
}

/**
 * report_json - put the report into a document
 * @report: the report
 * @doc: gets members
 */
void report_json(const struct report *report, struct json_object *doc)
{
	static const char *const names[] = {
		"full_scans", "pages_shared", "pages_sharing", "ksm_zero_pages",
		"huge_policy", "huge_split_min", "huge_min_free_percent",
		"compare_groups", "aslr_sample",
	};
	const struct account *account = &report->account;
	struct json_object *array;
	char value[KNOB_SIZE];
	size_t i;

	json_add_string(doc, "time", report->time);
	json_object_object_add(doc, "run", json_object_new_int64(report->run));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!knob_read(names[i], value))
			json_object_object_add(doc, names[i], knob_json(value));
	json_add_u64(doc, "saved_pages", report->saved);
	json_object_object_add(doc, "total", standing_json(&account->total));
	array = json_add_array(doc, "vms");
	for (i = 0; i < account->nr_vms; i++)
		json_object_array_add(array, vm_json(&account->vms[i]));
	array = json_add_array(doc, "regions");
	for (i = 0; i < account->nr_ledgers; i++)
		json_object_array_add(array, region_json(&account->ledgers[i]));
	array = json_add_array(doc, "techniques");
	for (i = 0; i < report->nr_advice; i++)
		json_object_array_add(array, advice_json(&report->advice[i]));
}
