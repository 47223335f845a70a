// SPDX-License-Identifier: GPL-2.0
/* The n-th allocation of a call fails, for each n; see faults.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define MAX_STEPS	3000
#define SWEEP_PAGES	6
#define LOADS		60

/* ---- loading the module ---- */

/* The innermost place of the module in the stack that the kernel has told, or NULL. */
static struct site *told_site(int kmsg)
{
	char text[8192], *begin, *end, *plus;
	struct site *site = NULL;
	ssize_t got;

	while ((got = read(kmsg, text, sizeof(text) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		if (got < 0)
			continue;
		text[got] = '\0';
		begin = strchr(text, ';');
		end = begin ? strstr(begin, " [pshare") : NULL;
		if (!end || site || strchr(begin, '?'))
			continue;
		/* "  function+0x12/0x34 [pshare]" */
		for (plus = end; plus > begin && *plus != '/'; plus--)
			;
		*plus = '\0';
		begin = strrchr(begin, ' ');
		site = begin ? sites_named(begin + 1) : NULL;
	}
	return site;
}

static bool anything_left(void)
{
	return module_loaded() || !access("/dev/pshare", F_OK) ||
	       !access("/sys/kernel/mm/pshare", F_OK) ||
	       !access("/sys/kernel/debug/pshare", F_OK);
}

/* From where to where a function of the kernel is; symbols are in order. */
static void find_function(const char *wanted, unsigned long *start, unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512], name[256];
	unsigned long address;

	*start = 0;
	*end = 0;
	while (symbols && !*end && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		if (!strcmp(name, wanted))
			*start = address;
		else if (*start)
			*end = address;
	}
	if (!*end)
		lib_die("the kernel does not tell where %s() is", wanted);
	fclose(symbols);
}

/*
 * Below pshare_init() only: what the kernel itself allocates to load a module it does
 * not expect to fail, and says so.
 */
static unsigned int sweep_load(struct work *work)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned long start, end;
	struct failures failed;
	unsigned int n, steps = 0;
	struct site *site;
	int err;

	/* 6.1 loses the name of a cache when that cannot be added to sysfs. */
	find_function("sysfs_slab_add", &start, &end);
	inject_except(start, end);
	find_function("do_one_initcall", &start, &end);
	inject_verbose(true);
	inject_task(getpid());
	for (n = 1; n <= LOADS && !*work->wrong; n++) {
		lseek(kmsg, 0, SEEK_END);
		inject_arm_range(start, end, n, true);
		err = module_load("");
		failed = inject_disarm();
		steps += failed.slab + failed.page;
		site = told_site(kmsg);
		work_note(work, "load", err);
		if (!err)
			work_note(work, "unload", module_unload());
		if (anything_left())
			work_wrong(work, "something is left.");
		if (*work->wrong)
			work_wrong(work, "Load %u, %s.", n, site ? site->where : "elsewhere");
	}
	inject_verbose(false);
	inject_except(0, 0);
	return steps;
}

/* ---- calls ---- */

static uint64_t id_a, id_b;

/* The module, with two processes of which all is shared that can be. */
static void share_all(struct work *work)
{
	struct pshare_read read;

	if (work->dev < 0)
		work_begin(work);
	if (ps_read(work->dev, id_a, &read) && ps_add(work->dev, work->a.pid, work->a.mem,
						      SWEEP_PAGES * PAGE, "sweep", &id_a))
		lib_die("cannot add");
	if (ps_read(work->dev, id_b, &read) && ps_add(work->dev, work->b.pid, work->b.mem,
						      SWEEP_PAGES * PAGE, "sweep", &id_b))
		lib_die("cannot add");
	if (ps_scan(work->dev, PASSES) ||
	    same_frames(work->a.pid, work->a.mem, work->b.pid, work->b.mem, SWEEP_PAGES) !=
	    SWEEP_PAGES)
		work_wrong(work, "not all is shared when nothing fails.");
}

/**
 * struct step - a call, tried again and again
 * @name:	what it is called where it fails
 * @before:	what has to be done before it, or NULL
 * @call:	the call itself; 0 or -errno
 * @after:	looks at what it has done, or NULL
 * @in_thread:	it is the scanner's thread that is to fail
 */
struct step {
	const char *name;
	void (*before)(struct work *work);
	int (*call)(struct work *work);
	void (*after)(struct work *work, int err);
	bool in_thread;
};

static void check_bytes(struct work *work)
{
	if (wrong_pages(work->a.pid, work->a.mem, SWEEP_PAGES, 1, 1) ||
	    wrong_pages(work->b.pid, work->b.mem, SWEEP_PAGES, 1, 1) ||
	    child_wrong(&work->a, 0, SWEEP_PAGES, 1, 1) ||
	    child_wrong(&work->b, 0, SWEEP_PAGES, 1, 1))
		work_wrong(work, "bytes are wrong.");
}

/* Until the call does not come to its n-th allocation any more. */
static unsigned int sweep_call(struct work *work, const struct step *step)
{
	bool done = true;
	unsigned int n;
	pid_t task;
	int err;

	for (n = 1; done && n < MAX_STEPS && !*work->wrong; n++) {
		if (step->before)
			step->before(work);
		task = step->in_thread ? sites_thread() : getpid();
		inject_nth(task, n);
		err = step->call(work);
		done = inject_nth_done(task);
		inject_nth(task, 0);
		work_note(work, step->name, err);
		if (step->after)
			step->after(work, err);
		check_bytes(work);
		if (done && !*work->wrong)
			share_all(work);
		if (*work->wrong)
			work_wrong(work, "Allocation %u.", n);
	}
	return n - 2;
}

static void begin(struct work *work)
{
	child_start(&work->a, SWEEP_PAGES, 0);
	child_start(&work->b, SWEEP_PAGES, 0);
	child_fill(&work->a, 0, SWEEP_PAGES, 1, 1);
	child_fill(&work->b, 0, SWEEP_PAGES, 1, 1);
	work->dev = -1;
	share_all(work);
}

static unsigned int end(struct work *work, unsigned int steps)
{
	if (work->dev >= 0)
		close(work->dev);
	if (module_loaded())
		work_note(work, "unload", module_unload());
	work_end(work);
	work_leaks(work);
	return steps;
}

static unsigned int sweep_step(struct work *work, const struct step *step)
{
	begin(work);
	return end(work, sweep_call(work, step));
}

/* ---- add ---- */

static unsigned int regions_before;
static uint64_t added;

static void before_add(struct work *work)
{
	regions_before = ps_regions(work->dev);
}

static int call_add(struct work *work)
{
	return ps_add(work->dev, getpid(), NULL, 0, "another", &added);
}

static void after_add(struct work *work, int err)
{
	if (ps_regions(work->dev) != regions_before + !err)
		work_wrong(work, "the list of regions is wrong.");
	if (!err && ps_remove(work->dev, added))
		work_wrong(work, "the region cannot be removed.");
}

static unsigned int sweep_add(struct work *work)
{
	return sweep_step(work, &(struct step){ "add", before_add, call_add, after_add, false });
}

/* ---- tables ---- */

static int call_tables(struct work *work)
{
	static const char * const tables[] = {
		"/sys/kernel/debug/pshare/regions", "/sys/kernel/debug/pshare/groups",
		"/sys/kernel/debug/pshare/scan", PSHARE_SYSFS "general_profit",
	};
	static char text[1 << 14];
	int err = 0;

	for (unsigned int i = 0; i < 4; i++)
		err = file_try_read(tables[i], text, sizeof(text)) ?: err;
	return err;
}

static unsigned int sweep_tables(struct work *work)
{
	return sweep_step(work, &(struct step){ "read", NULL, call_tables, NULL, false });
}

/* ---- unmerge, remove ---- */

static int call_unmerge(struct work *work)
{
	return ps_unmerge(work->dev, id_a, NULL);
}

static unsigned int sweep_unmerge(struct work *work)
{
	return sweep_step(work, &(struct step){ "unmerge", NULL, call_unmerge, NULL, false });
}

static int call_remove(struct work *work)
{
	return ps_remove(work->dev, id_b);
}

static void after_remove(struct work *work, int err)
{
	struct pshare_read read;

	if (ps_read(work->dev, id_b, &read) != (err ? 0 : -ENOENT))
		work_wrong(work, "the region is not where it should be.");
}

static unsigned int sweep_remove(struct work *work)
{
	return sweep_step(work, &(struct step){ "remove", NULL, call_remove, after_remove, false });
}

/* ---- run = 2, with somebody who maps shared pages and is not registered ---- */

static pid_t orphan;

static long fork_sleeper(struct child *self, const long *arg)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void before_run(struct work *work)
{
	orphan = child_call(&work->a, fork_sleeper);
}

static int call_run(struct work *work)
{
	return ps_set("run", 2);
}

static void after_run(struct work *work, int err)
{
	if (!err && ps_get("pages_shared"))
		work_wrong(work, "shared pages are left.");
	if (wrong_pages(orphan, work->a.mem, SWEEP_PAGES, 1, 1))
		work_wrong(work, "bytes of the orphan are wrong.");
	kill(orphan, SIGKILL);
	if (ps_set("run", 0))
		work_wrong(work, "run cannot be set to 0.");
}

static unsigned int sweep_run(struct work *work)
{
	return sweep_step(work, &(struct step){ "run", before_run, call_run, after_run, false });
}

/* ---- unloading ---- */

static void before_unload(struct work *work)
{
	close(work->dev);
	work->dev = -1;
	id_a = 0;
	id_b = 0;
}

static int call_unload(struct work *work)
{
	return module_unload();
}

static void after_unload(struct work *work, int err)
{
	if (anything_left())
		work_wrong(work, "something is left.");
}

static unsigned int sweep_unload(struct work *work)
{
	return sweep_step(work, &(struct step){ "unload", before_unload, call_unload,
						after_unload, false });
}

/* ---- scanning: the scanner's own thread ---- */

static void before_scan(struct work *work)
{
	if (ps_unmerge(work->dev, id_a, NULL) || ps_unmerge(work->dev, id_b, NULL))
		work_wrong(work, "cannot unmerge.");
}

static int call_scan(struct work *work)
{
	return ps_scan(work->dev, 3);
}

static unsigned int sweep_scan(struct work *work)
{
	return sweep_step(work, &(struct step){ "scan", before_scan, call_scan, NULL, true });
}

const struct sweep sweeps[] = {
	{ "loading the module", sweep_load },
	{ "adding a region", sweep_add },
	{ "reading the tables", sweep_tables },
	{ "unmerging a region", sweep_unmerge },
	{ "removing a region", sweep_remove },
	{ "unmerging all", sweep_run },
	{ "unloading the module", sweep_unload },
	{ "scanning", sweep_scan },
};

const unsigned int nr_sweeps = sizeof(sweeps) / sizeof(*sweeps);
