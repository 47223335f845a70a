// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation of the module fails, at each place in its turn: the first one that
 * is made there, and then all of them, while a workload goes through everything that
 * the module does.  No byte may be wrong, no call may end otherwise than with ENOMEM
 * (EFAULT where the memory of the caller was to be copied), and when nothing fails any
 * more all that can be shared must be, and the module must go without a trace.
 *
 * The places come from the module's own object: sites.pl writes /faults.sites.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define LOADS		24	/* until the place of the module is guessed */
#define PATIENCE	900	/* seconds that a run may take */

static unsigned int results;

static void result(bool good, const char *what, const char *why)
{
	static double begin;
	double now = lib_seconds();

	lib_note("%.1f s", begin ? now - begin : 0);
	begin = now;
	printf("%s %u %s%s%s\n", good ? "ok" : "not ok", ++results, what, *why ? ": " : "", why);
	fflush(stdout);
}

/* What a run, which is a process of its own, has to say. */
struct report {
	struct failures once, always;
	char said[256];
	char wrong[256];
	unsigned int steps;
	bool done;
};

static struct report *report;

static bool any(struct failures failures)
{
	return failures.slab || failures.page;
}

static void tell(const struct work *work)
{
	memcpy(report->said, work->said, sizeof(work->said));
	memcpy(report->wrong, work->wrong, sizeof(work->wrong));
	report->done = true;
}

/* The workload, while the first allocation at the place fails, or all do. */
static struct failures work_armed(struct work *work, const struct site *site, bool once)
{
	struct failures failures;

	work_clear(work);
	inject_arm(sites_address(site), once);
	work_do(work);
	failures = inject_disarm();
	if (any(failures) || strcmp(site->callee, "_copy_to_user"))
		return failures;
	inject_arm(sites_address(site), once);
	work_drop_answers(work);
	return inject_disarm();
}

/* The module goes, with everything shared, while the same fails. */
static struct failures unload_armed(struct work *work, const struct site *site, bool once)
{
	inject_arm(sites_address(site), once);
	work_unload(work);
	return inject_disarm();
}

static void load(void)
{
	if (sites_load())
		lib_die("the module does not load");
	inject_task(sites_thread());
}

static void run_site(const struct site *site)
{
	struct failures at_end;
	struct work work;

	load();
	work_start(&work);
	inject_task(getpid());
	report->once = work_armed(&work, site, true);
	if (any(report->once))
		report->always = work_armed(&work, site, false);
	work_check(&work);
	at_end = unload_armed(&work, site, true);
	/* Some places are reached on the way out only. */
	if (!any(report->once) && any(at_end)) {
		report->once = at_end;
		load();
		work_begin(&work);
		work_check(&work);
		report->always = unload_armed(&work, site, false);
	}
	work_end(&work);
	work_leaks(&work);
	tell(&work);
}

/* A place that is reached when a page has failed; what becomes of it hwpoison.c tells. */
static void run_poison(const struct site *site)
{
	struct work work;

	load();
	work_start(&work);
	inject_task(getpid());
	for (unsigned int i = 0; i < 2; i++) {
		inject_arm(sites_address(site), !i);
		work_poison(&work, i);
		*(i ? &report->always : &report->once) = inject_disarm();
		work_poisoned(&work);
	}
	work_end(&work);
	if (!ps_nothing_shared())
		work_wrong(&work, "pages are shared by nobody.");
	close(work.dev);
	if (module_unload())
		work_wrong(&work, "the module stays.");
	work_leaks(&work);
	tell(&work);
}

/*
 * A place that is reached while the module is loaded.  Where that will be is not known
 * before: mostly where it was one of the last times.
 */
static struct failures load_armed(struct work *work, const struct site *site, bool once)
{
	static unsigned long seen[4];
	struct failures failures = {};
	int err;

	for (unsigned int i = 0; i < LOADS && !any(failures); i++) {
		inject_arm(seen[i % 4] ?: 1, once);
		err = sites_load();
		failures = inject_disarm();
		work_note(work, "load", err);
		if (err)
			continue;
		seen[i % 4] = sites_address(site);
		err = module_unload();
		if (err)
			work_wrong(work, "the module stays: %d.", err);
	}
	return failures;
}

static void run_load(const struct site *site)
{
	struct work work = {};

	inject_task(getpid());
	report->once = load_armed(&work, site, true);
	if (any(report->once))
		report->always = load_armed(&work, site, false);
	if (sites_load() || module_unload())
		work_wrong(&work, "the module cannot be loaded when nothing fails.");
	tell(&work);
}

/* Nothing fails, and each allocation is looked at. */
static void run_observed(const struct site *site)
{
	unsigned int unknown, count = 0, strange = 0;
	struct work work;

	observe_begin();
	if (sites_load())
		lib_die("the module does not load");
	count += observe_end(&unknown);
	strange += unknown;
	work_start(&work);
	observe_begin();
	observe_task(sites_thread());
	work_do(&work);
	work_check(&work);
	count += observe_end(&unknown);
	strange += unknown;
	observe_begin();
	work_unload(&work);
	count += observe_end(&unknown);
	strange += unknown;
	work_end(&work);
	lib_note("%u allocations were observed", count);
	for (unsigned int i = 0; i < nr_sites; i++)
		if (sites[i].seen && sites[i].never)
			work_wrong(&work, "%s allocates, in %s.", sites[i].where, sites[i].callee);
	if (strange || !count)
		work_wrong(&work, "%u allocations are of unknown places.", strange);
	tell(&work);
}

/* A run in a process of its own: what goes wrong there does not end the others. */
static void in_process(void (*run)(const struct site *site), const struct site *site)
{
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(PATIENCE);
		run(site);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!report->done && !*report->wrong)
		strcpy(report->wrong, "the run broke off.");
	if (report->done)
		return;
	inject_disarm();
	if (module_loaded() && module_unload())
		lib_die("the module stays loaded");
}

static const struct sweep *sweep;

static void run_sweep(const struct site *site)
{
	static struct work work;

	report->steps = sweep->run(&work);
	tell(&work);
}

static void try_sweep(void)
{
	char what[512];

	in_process(run_sweep, NULL);
	snprintf(what, sizeof(what), "%s: each of %u allocations fails; %s", sweep->name,
		 report->steps, *report->said ? report->said : "went on");
	if (report->done && report->steps < 2 && !*report->wrong)
		strcpy(report->wrong, "nothing failed.");
	result(!*report->wrong, what, report->wrong);
}

/* False when something was wrong, or nothing failed. */
static bool try_run(void (*run)(const struct site *site), struct site *site, char *why,
		    size_t size)
{
	in_process(run, site);
	site->once = report->once;
	site->always = report->always;
	snprintf(site->said, sizeof(site->said), "%s", *report->said ? report->said : "went on");
	snprintf(why, size, "%s", report->wrong);
	return !*why && any(site->once);
}

static void try_site(struct site *site)
{
	bool at_load = strstr(site->where, "_init+") || strstr(site->where, "kallsyms");
	char what[600], why[600] = "";
	bool good;

	/* What is not reached while it is loaded is when it runs, and the reverse. */
	good = try_run(at_load ? run_load : run_site, site, why, sizeof(why));
	if (!good && !*why)
		good = try_run(at_load ? run_site : run_load, site, why, sizeof(why));
	if (!good && !*why)
		good = try_run(run_poison, site, why, sizeof(why));
	if (!good && !*why)
		strcpy(why, "did not fail");
	snprintf(what, sizeof(what),
		 "%s calls %s: %u objects and %u pages failed, then %u and %u; %s",
		 site->where, site->callee, site->once.slab, site->once.page, site->always.slab,
		 site->always.page, site->said);
	result(good, what, why);
	printf("# site: {\"site\": \"%s\", \"source\": \"%s\", \"callee\": \"%s\", "
	       "\"armed\": true, \"observed\": %s, \"failed_first\": %u, \"failed_all\": %u, "
	       "\"outcome\": \"%s\", \"ok\": %s}\n",
	       site->where, site->source, site->callee, site->seen ? "true" : "false",
	       site->once.slab + site->once.page, site->always.slab + site->always.page,
	       site->said, good ? "true" : "false");
	fflush(stdout);
}

static void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		lib_die("no memory");
	return mem;
}

int main(int argc, char **argv)
{
	const char *only = getenv("PSHARE_FAULTS_ONLY");
	struct site *table;

	printf("TAP version 13\n");
	if (!inject_available()) {
		printf("1..1\nok 1 each allocation fails # SKIP the kernel cannot let it\n");
		return 4;
	}
	inject_setup();
	sites_read("/faults.sites");
	/* Runs are processes; what they observe is for all. */
	table = shared_memory(nr_sites * sizeof(*sites));
	memcpy(table, sites, nr_sites * sizeof(*sites));
	free(sites);
	sites = table;
	report = shared_memory(sizeof(*report));

	if (!only) {
		in_process(run_observed, NULL);
		result(!*report->wrong, "nothing allocates that is not in the table",
		       report->wrong);
	}
	for (unsigned int i = 0; i < nr_sites; i++)
		if (!sites[i].never && (!only || strstr(sites[i].where, only)))
			try_site(&sites[i]);
	for (sweep = sweeps; sweep < sweeps + nr_sweeps; sweep++)
		if (!only || strstr(sweep->name, only))
			try_sweep();
	printf("1..%u\n", results);
	return 0;
}
