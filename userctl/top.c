// SPDX-License-Identifier: GPL-2.0
/* pshare top */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bar.h"
#include "cli.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"
#include "top.h"

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
}

/* Whether a signal has asked for the end. */
bool top_stopped(void)
{
	return stopped;
}

/* So that the terminal is put in order, and the JSON document is closed. */
static void handle_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static __u64 by_shared(const struct standing *standing)
{
	return standing->band[BAND_SHARED];
}

static __u64 by_ready(const struct standing *standing)
{
	return standing->band[BAND_READY];
}

static __u64 by_memory(const struct standing *standing)
{
	return standing->memory;
}

static const struct {
	const char *name;
	__u64 (*key)(const struct standing *standing);
} sorts[] = {
	{ "shared", by_shared },
	{ "ready", by_ready },
	{ "blocked", standing_blocked },
	{ "memory", by_memory },
};

#define NR_SORTS	(sizeof(sorts) / sizeof(sorts[0]))

/* The key that compare() goes by; qsort() has no room for it. */
static __u64 (*sort_key)(const struct standing *standing);

static int compare(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;
	__u64 kx = sort_key(&x->standing), ky = sort_key(&y->standing);

	if (kx != ky)
		return kx < ky ? 1 : -1;
	return x->number < y->number ? -1 : x->number > y->number;
}

bool top_sort_known(const char *sort)
{
	size_t i;

	for (i = 0; i < NR_SORTS; i++)
		if (!strcmp(sort, sorts[i].name))
			return true;
	return false;
}

/* Brings the VMs into the order that is asked for now. */
void top_sort(struct top *top)
{
	struct account *account = &top->now.account;
	size_t i;

	for (i = 0; i < NR_SORTS; i++)
		if (!strcmp(top->sort, sorts[i].name))
			sort_key = sorts[i].key;
	if (account->nr_vms)
		qsort(account->vms, account->nr_vms, sizeof(*account->vms), compare);
}

static void take_time(struct round *round)
{
	time_t wall = time(NULL);
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_MONOTONIC, &now);
	round->at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	localtime_r(&wall, &tm);
	strftime(round->time, sizeof(round->time), "%H:%M:%S", &tm);
}

static void find_rates(struct round *now, const struct round *before)
{
	double seconds = now->at - before->at;

	/* A module that was loaded anew has begun to count anew. */
	now->has_rates = before->at > 0 && seconds > 0 && now->scanned >= before->scanned;
	if (!now->has_rates)
		return;
	now->scan_rate = (double)(now->scanned - before->scanned) / seconds;
	now->save_rate = ((double)now->saved - (double)before->saved) / seconds;
}

/**
 * top_next - take the next round
 * @top: the session
 *
 * The device is open for a moment only: it would keep the module from being
 * unloaded.
 *
 * Return: an exit code, after a report.
 */
int top_next(struct top *top)
{
	struct round round = { 0 };
	int rc;

	take_time(&round);
	round.run = knob_number("run");
	round.passes = (unsigned long long)knob_number("full_scans");
	round.scanned = (__u64)knob_number("pages_scanned");
	round.saved = (__u64)knob_number("pages_sharing") + (__u64)knob_number("ksm_zero_pages");
	rc = account_open(top->args, &round.account);
	find_rates(&round, &top->now);
	account_free(&top->now.account);
	top->now = round;
	if (!rc)
		top_sort(top);
	return rc;
}

static void print_round(const struct top *top)
{
	const struct account *account = &top->now.account;
	char line[TOP_LINE];
	size_t i;

	for (i = 0; i < 2; i++) {
		top_head(&top->now, i, line);
		puts(line);
	}
	top_titles(line);
	puts(line);
	for (i = 0; i < account->nr_vms; i++) {
		top_row(&account->vms[i], line);
		puts(line);
	}
	if (account->nr_vms > 1) {
		top_total(&top->now, line);
		puts(line);
	}
	putchar('\n');
	fflush(stdout);
}

static struct json_object *standing_json(const struct standing *standing)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *members = json_object_new_object();
	enum band band;

	json_add_u64(obj, "memory", standing->memory);
	json_add_u64(obj, "blocked", standing_blocked(standing));
	json_object_object_add(obj, "bands", members);
	for (band = 0; band < NR_BANDS; band++)
		json_add_u64(members, bands[band].name, standing->band[band]);
	return obj;
}

static void add_rate(struct json_object *obj, const char *key, const struct round *round,
		     double rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", rate);
	json_object_object_add(obj, key, round->has_rates ?
			       json_object_new_double_s(rate, text) : NULL);
}

static void round_json(struct json_object *array, const struct round *round)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *vms;
	size_t i;

	json_object_array_add(array, obj);
	json_add_string(obj, "time", round->time);
	json_object_object_add(obj, "run", json_object_new_int64(round->run));
	json_add_u64(obj, "full_scans", round->passes);
	json_add_u64(obj, "pages_scanned", round->scanned);
	json_add_u64(obj, "saved_pages", round->saved);
	add_rate(obj, "pages_scanned_per_second", round, round->scan_rate);
	add_rate(obj, "saved_pages_per_second", round, round->save_rate);
	json_object_object_add(obj, "total", standing_json(&round->account.total));
	vms = json_add_array(obj, "vms");
	for (i = 0; i < round->account.nr_vms; i++) {
		const struct vm *vm = &round->account.vms[i];
		struct json_object *entry = standing_json(&vm->standing);

		json_object_array_add(vms, entry);
		json_add_u64(entry, "vm", vm->number);
		json_object_object_add(entry, "pid", json_object_new_int(vm->pid));
		json_add_string(entry, "name", vm->name);
		json_add_string(entry, "group", vm->group);
	}
}

/* Sleeps between two rounds; a signal ends it. */
static void pause_for(__u32 ms)
{
	struct timespec delay = { ms / 1000, ms % 1000 * 1000000L };

	if (!stopped)
		nanosleep(&delay, NULL);
}

static int batch(struct top *top)
{
	__u32 left = top->args->count;
	struct json_object *array = NULL;
	int rc;

	if (output_is_json()) {
		array = json_add_array(output_doc(), "rounds");
		if (!left)
			left = 1;
	}
	for (;;) {
		rc = top_next(top);
		if (rc)
			return rc;
		if (array)
			round_json(array, &top->now);
		else
			print_round(top);
		/* Nobody reads on: the end of the output says so. */
		if ((left && !--left) || ferror(stdout))
			return RC_OK;
		pause_for(top->args->interval_ms);
		if (stopped)
			return RC_INTERRUPTED;
	}
}

int cmd_top(const struct args *args)
{
	struct top top = { .args = args, .sort = args->sort ? args->sort : "shared" };
	int rc;

	if (!top_sort_known(top.sort))
		return output_usage("'%s' is nothing to sort by: shared, ready, blocked and memory "
				    "are", top.sort);
	if (!output_is_json() && !(args->given & OPT_BIT(OPT_BATCH)) &&
	    !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		return output_usage("standard input or output is no terminal: use --batch");
	handle_signals();
	if (output_is_json() || (args->given & OPT_BIT(OPT_BATCH)))
		rc = batch(&top);
	else
		rc = top_screen(&top);
	account_free(&top.now.account);
	return rc;
}
