// SPDX-License-Identifier: GPL-2.0
/* What an administrator does at the wrong moment, while everything runs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define GREEDY		"greedy"	/* its control group */
#define GREEDY_BYTES	(64UL << 20)

static unsigned long done, strange;
static unsigned long ledgers, ledgers_wrong;

/* These answers are in the dictionary of uapi/pshare.h for what is asked here. */
static void judge(int err, const char *what)
{
	static const int known[] = { 0, -ENOENT, -ENOMEM, -EBUSY, -ESRCH, -EEXIST };

	done++;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (err == known[i])
			return;
	if (strange++ < 8)
		lib_note("%s: %s", what, strerror(-err));
}

static void set(const char *knob, long long value)
{
	judge(ps_set(knob, value), knob);
}

/* Some region; false if there is none. */
static bool choose(int dev, unsigned int *random, struct pshare_read *read)
{
	struct pshare_read newest;
	uint64_t id = 0, step = 1 + rand_r(random) % 64;

	if (ps_next(dev, 0, read))
		return false;
	/* Numbers are never used again, so the living ones are far between. */
	while (step-- && !ps_next(dev, id, &newest)) {
		*read = newest;
		id = newest.id + 1;
	}
	return true;
}

static void zero_pages(int dev, unsigned int *random)
{
	(void)dev;
	set("use_zero_pages", rand_r(random) % 2);
}

static void unmerge_all(int dev, unsigned int *random)
{
	(void)dev;
	(void)random;
	set("run", 2);
	set("run", 1);
}

static void halt(int dev, unsigned int *random)
{
	(void)dev;
	(void)random;
	set("run", 0);
	lib_sleep_ms(500);
	set("run", 1);
}

/* A full pass, after which each page of each region is in one class, and none is left out. */
static void scan(int dev, unsigned int *random)
{
	int err = ps_scan(dev, 1);

	(void)random;
	ledgers += !err;
	ledgers_wrong += err == -EUCLEAN;
	judge(err == -EUCLEAN ? 0 : err, "scan");
}

/* In the middle of a pass, too. */
static void add_up(int dev, unsigned int *random)
{
	(void)random;
	ledgers++;
	ledgers_wrong += ps_wrong_ledgers(dev);
	done++;
}

static void policy(int dev, unsigned int *random)
{
	static const char * const words[] = { "keep", "benefit", "pressure", "always" };

	(void)dev;
	judge(ps_set_text("huge_policy", words[rand_r(random) % 4]), "huge_policy");
	set("huge_split_min", 1 + rand_r(random) % 512);
	/* Now and then there is never enough. */
	set("huge_min_free_percent", rand_r(random) % 3 ? 6 : 100);
}

static void estimate(int dev, unsigned int *random)
{
	(void)dev;
	(void)random;
	set("run", 3);
	lib_sleep_ms(2000);
	set("run", 1);
}

static void sample(int dev, unsigned int *random)
{
	static const int percent[] = { 0, 1, 10, 100 };

	(void)dev;
	set("aslr_sample", percent[rand_r(random) % 4]);
}

static void unmerge(int dev, unsigned int *random)
{
	struct pshare_read read;

	if (choose(dev, random, &read))
		judge(ps_unmerge(dev, read.id, NULL), "unmerge");
}

/* The follower finds it again within seconds, and registers it anew. */
static void remove_one(int dev, unsigned int *random)
{
	struct pshare_read read;

	if (choose(dev, random, &read))
		judge(ps_remove(dev, read.id), "remove");
}

/* A witness changes its group, or has but a part of its memory registered. */
static void move_witness(int dev, unsigned int *random)
{
	unsigned int nr = rand_r(random) % WITNESSES;
	struct pshare_read read;
	uint64_t id = 0;
	size_t length;
	char *memory = witness_memory(nr, &length);

	while (!ps_next(dev, id, &read)) {
		id = read.id + 1;
		if (read.pid == witness_pid(nr))
			judge(ps_remove(dev, read.id), "remove of a witness");
	}
	if (rand_r(random) % 2) {
		judge(ps_add(dev, witness_pid(nr), memory + length / 4, length / 2, "stress", NULL),
		      "add of a part");
		judge(ps_add(dev, witness_pid(nr), memory, length / 4, "stress", NULL),
		      "add of another part");
	} else {
		judge(ps_add(dev, witness_pid(nr), NULL, 0, rand_r(random) % 4 ? "stress" : "other",
			     NULL), "add of a witness");
	}
}

static void read_tables(int dev, unsigned int *random)
{
	static const char * const tables[] = {
		"regions", "groups", "scan", "ledger", "huge_pages", "savings", "aslr",
	};
	static char text[1 << 20];
	char path[64];

	(void)dev;
	(void)random;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/pshare/%s", tables[i]);
		judge(file_try_read(path, text, sizeof(text)), path);
	}
}

static void pace(int dev, unsigned int *random)
{
	static const int pages[] = { 100000, 100000, 1000, 1 };
	static const int sleeps[] = { 0, 0, 1, 20 };

	(void)dev;
	set("pages_to_scan", pages[rand_r(random) % 4]);
	set("sleep_millisecs", sleeps[rand_r(random) % 4]);
	lib_sleep_ms(1000);
	set("pages_to_scan", 100000);
	set("sleep_millisecs", 0);
}

static void threads(int dev, unsigned int *random)
{
	static const int numbers[] = { 1, 2, 4, 16 };

	(void)dev;
	set("scan_threads", numbers[rand_r(random) % 4]);
}

/* The knob is not in every version of the module. */
static void cap(int dev, unsigned int *random)
{
	static const char * const caps[] = { "100\n", "1000\n", "0\n" };
	char before[32];

	(void)dev;
	if (file_try_read(PSHARE_SYSFS "max_pages_shared", before, sizeof(before)))
		return;
	judge(ps_set_text("max_pages_shared", caps[rand_r(random) % 3]), "max_pages_shared");
	lib_sleep_ms(2000);
	judge(ps_set_text("max_pages_shared", before), "max_pages_shared");
}

static void memory_limit(int dev, unsigned int *random)
{
	static const char * const limits[] = { "max", "900M", "600M", "400M" };

	(void)dev;
	/* Pages in use beyond the new limit are swapped out, or somebody is killed. */
	cg_write(CGROUP, "memory.max", limits[rand_r(random) % 4]);
	done++;
}

/*
 * A process that takes more than its control group may have.  Its pages are all
 * the same; shared, more of them fit.  Then it writes to each, and must have them
 * back.  At one of the two it is killed, in the middle of whatever is going on.
 */
static void __attribute__((noreturn)) be_greedy(int dev)
{
	uint64_t unique = 1ULL << 40;
	char *mem;

	/* Whoever has the device open keeps the module from going. */
	close(dev);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "greedy");
	file_write("/proc/self/oom_score_adj", "0");
	mem = mmap(NULL, GREEDY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || cg_enter(GREEDY, getpid()))
		_exit(1);
	for (size_t at = 0; at < GREEDY_BYTES; at += PAGE) {
		page_fill(mem + at, 7);
		if (!(at % (4UL << 20)))
			lib_sleep_ms(500);
	}
	for (size_t at = 0; at < GREEDY_BYTES; at += PAGE)
		page_fill(mem + at, unique++);
	_exit(0);
}

static void greedy(int dev, unsigned int *random)
{
	static pid_t pid;

	(void)random;
	if (pid && waitpid(pid, NULL, WNOHANG) != pid)
		return;
	cg_create(GREEDY);
	if (cg_write(GREEDY, "memory.max", "32M") || cg_write(GREEDY, "memory.swap.max", "8M"))
		lib_die("cannot limit the memory of " GREEDY);
	pid = fork();
	if (!pid)
		be_greedy(dev);
	if (pid < 0)
		lib_die("cannot fork: %s", strerror(errno));
	done++;
	follow_root(pid);
}

static void whole_machine(int dev, unsigned int *random)
{
	(void)dev;
	done++;
	switch (rand_r(random) % 4) {
	case 0:
		file_write("/proc/sys/vm/compact_memory", "1");
		break;
	case 1:
		file_write("/proc/sys/vm/drop_caches", "3");
		break;
	default:
		/* ksmd takes what stress-ng has offered to it. */
		ksm_set("run", rand_r(random) % 3);
	}
}

/* What there is to choose from; what is there twice is chosen twice as often. */
static struct action {
	const char *name;
	void (*run)(int dev, unsigned int *random);
	double slowest;
} actions[] = {
	{ .name = "zero-pages", .run = zero_pages },
	{ .name = "run-2", .run = unmerge_all },
	{ .name = "run-0", .run = halt },
	{ .name = "scan", .run = scan },
	{ .name = "scan", .run = scan },
	{ .name = "ledger", .run = add_up },
	{ .name = "policy", .run = policy },
	{ .name = "estimate", .run = estimate },
	{ .name = "sample", .run = sample },
	{ .name = "pace", .run = pace },
	{ .name = "threads", .run = threads },
	{ .name = "cap", .run = cap },
	{ .name = "tables", .run = read_tables },
	{ .name = "unmerge", .run = unmerge },
	{ .name = "unmerge", .run = unmerge },
	{ .name = "remove", .run = remove_one },
	{ .name = "remove", .run = remove_one },
	{ .name = "witness", .run = move_witness },
	{ .name = "machine", .run = whole_machine },
	{ .name = "memory-limit", .run = memory_limit },
	{ .name = "greedy", .run = greedy },
	{ .name = "greedy", .run = greedy },
};

#define NR_ACTIONS	(sizeof(actions) / sizeof(actions[0]))

void disturb(unsigned int *random)
{
	struct action *action = &actions[rand_r(random) % NR_ACTIONS];
	double begin = lib_seconds();

	action->run(module_get(), random);
	module_put();
	begin = lib_seconds() - begin;
	if (begin > action->slowest)
		action->slowest = begin;
}

void disturb_print(void)
{
	for (size_t i = 0; i < NR_ACTIONS; i++)
		lib_note("%s took %.1f s at most", actions[i].name, actions[i].slowest);
}

unsigned long disturb_done(void)
{
	return done;
}

unsigned long disturb_ledgers(void)
{
	return ledgers;
}

unsigned long disturb_wrong_ledgers(void)
{
	return ledgers_wrong;
}

unsigned long disturb_strange(void)
{
	return strange;
}
