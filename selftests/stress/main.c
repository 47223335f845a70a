// SPDX-License-Identifier: GPL-2.0
/*
 * A stress that is not ours: stress-ng's memory stressors run, each of their
 * processes registered as it comes to life, while the scanner goes at full speed,
 * the knobs are turned, and the module is unloaded and loaded again.  A witness
 * whose every byte is known runs along.
 *
 * Judged by: the witness, stress-ng's own checks, page frames, the kernel's log.
 * Prints figures for stress.sh, in lines of "# figure", "# counter" and
 * "# stressor".
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define CONFIG		"/etc/stress.conf"
#define LIST		"/etc/stress.list"
#define SWAP_BYTES	"1G"
#define DISTURB_EVERY	3	/* seconds */
#define SHARED		100	/* pages: more than chance */
#define LONG		600	/* from here on a run is no mere smoke test */

static struct config config;
static unsigned int random_state, results;

/* What is seen from time to time. */
static struct {
	size_t sharing_most;		/* pages of the witnesses, by their frames */
	long long pages_sharing_most;	/* of all, as the module counts them */
	long long zero_most;
	long long saved_most;		/* both at one time */
	unsigned long looks;
	unsigned int dead;		/* witnesses */
} seen;

static void result(bool ok, const char *text)
{
	printf("%s %u %s\n", ok ? "ok" : "not ok", ++results, text);
	fflush(stdout);
}

static void read_config(void)
{
	unsigned int control;
	char text[256];

	file_read(CONFIG, text, sizeof(text));
	if (sscanf(text, "seconds %u\nseed %u\ncontrol %u", &config.seconds, &config.seed,
		   &control) != 3)
		lib_die("cannot understand " CONFIG);
	config.control = control;
	random_state = config.seed;
}

static void prepare(void)
{
	file_write("/proc/self/oom_score_adj", "-1000");
	if (system("modprobe zram && echo " SWAP_BYTES " >/sys/block/zram0/disksize && "
		   "mkswap /dev/zram0 >/dev/null && swapon /dev/zram0"))
		lib_die("cannot swap to zram");
	cg_create(CGROUP);
	if (cg_write(CGROUP, "memory.max", "600M"))
		lib_die("cannot limit the memory of stress-ng");
}

static void look_around(double begin)
{
	size_t sharing = witness_sharing();
	long long pages, zero;
	int dev;

	if (sharing > seen.sharing_most)
		seen.sharing_most = sharing;
	seen.looks++;
	dev = module_get();
	if (dev >= 0) {
		pages = ps_get("pages_sharing");
		if (pages > seen.pages_sharing_most)
			seen.pages_sharing_most = pages;
		zero = ps_get("ksm_zero_pages");
		if (zero > seen.zero_most)
			seen.zero_most = zero;
		if (pages + zero > seen.saved_most)
			seen.saved_most = pages + zero;
	}
	lib_note("%4.0f s: %lu merges, %lu passes, %lu registered, "
		 "%zu pages of the witnesses shared; %lu MiB verified, %lu lost; %u loads",
		 lib_seconds() - begin, dev < 0 ? 0 : module_sum("merged"),
		 dev < 0 ? 0 : module_sum("full_scans"), atomic_load(&follow_counts.added), sharing,
		 witness_verified() >> 20, witness_lost(), module_loads());
	module_put();
}

/* Rounds until the time is over; meanwhile all that disturbs. */
static void run(unsigned int nr_rounds)
{
	double begin = lib_seconds(), end = begin + config.seconds;
	double next_look = 0, next_disturb = 0, next_reload;
	unsigned int round = 0, each = config.seconds / nr_rounds;
	unsigned int reload_every = config.seconds < LONG ? 40 : 90;

	if (each > 60)
		each = 60;
	next_reload = begin + reload_every;
	while (!seen.dead) {
		double now = lib_seconds();

		if (!rounds_running()) {
			/* A round that would be cut off shows nothing. */
			if (now + each / 2.0 > end && round >= nr_rounds)
				break;
			rounds_begin(round++, each);
		}
		if (!config.control && now > next_reload) {
			module_reload();
			next_reload = lib_seconds() + reload_every;
		}
		if (!config.control && now > next_disturb) {
			disturb(&random_state);
			next_disturb = now + DISTURB_EVERY;
		}
		if (now > next_look) {
			look_around(begin);
			next_look = now + (config.seconds < LONG ? 10 : 30);
		}
		seen.dead = witness_dead();
		lib_sleep_ms(200);
	}
	rounds_end();
	printf("# figure rounds %u\n# figure seconds %.0f\n", round, lib_seconds() - begin);
}

/* What the machine went through meanwhile, by the kernel's own account. */
static void print_vmstat(void)
{
	static const char * const names[] = {
		"oom_kill", "pswpin", "pswpout", "thp_fault_alloc", "thp_split_page",
		"compact_success", "pgmigrate_success",
	};
	char text[16384], name[64], *line, *rest = text;
	unsigned long value;

	file_read("/proc/vmstat", text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%63s %lu", name, &value) != 2)
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strcmp(name, names[i]))
				printf("# figure vm_%s %lu\n", name, value);
	}
}

static void print_figures(void)
{
	printf("# figure registered %lu\n", atomic_load(&follow_counts.added));
	printf("# figure registered_late %lu\n", atomic_load(&follow_counts.late));
	printf("# figure registered_nomem %lu\n", atomic_load(&follow_counts.nomem));
	printf("# figure disturbances %lu\n", disturb_done());
	printf("# figure ledgers_checked %lu\n", disturb_ledgers());
	printf("# figure ledgers_wrong %lu\n", disturb_wrong_ledgers());
	printf("# figure module_loads %u\n", module_loads());
	printf("# figure module_unloads %u\n", module_unloads());
	printf("# figure witness_bytes_verified %lu\n", witness_verified());
	printf("# figure witness_pages_written %lu\n", witness_written());
	printf("# figure witness_forks %lu\n", witness_forks());
	printf("# figure witness_lost %lu\n", witness_lost());
	printf("# figure witness_pages_shared_most %zu\n", seen.sharing_most);
	printf("# figure pages_sharing_most %lld\n", seen.pages_sharing_most);
	printf("# figure ksm_zero_pages_most %lld\n", seen.zero_most);
	printf("# figure pages_saved_most %lld\n", seen.saved_most);
	disturb_print();
	print_vmstat();
	rounds_print();
	module_print_sums();
}

int main(void)
{
	bool clean = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* The emulated CPUs may stand still for long: what counts is what comes of it. */
	setenv("PSHARE_TEST_SCALE", "5", 1);
	read_config();
	printf("TAP version 13\n1..%d\n", config.control ? 4 : 10);
	lib_note("%u seconds%s, seed %u", config.seconds,
		 config.control ? ", without the module" : "", config.seed);
	prepare();
	witness_start(config.seed);
	if (!config.control) {
		module_begin();
		follow_start();
		for (unsigned int nr = 0; nr < WITNESSES; nr++)
			follow_root(witness_pid(nr));
	}
	run(rounds_read(LIST));
	if (!seen.dead)
		witness_stop();
	if (!config.control)
		clean = module_end();
	print_figures();

	result(!seen.dead && witness_verified(), "the witnesses lived to the end");
	result(!witness_lost(), "no byte of theirs was lost");
	result(rounds_stressors() && !rounds_failed(), "stress-ng found no failure of its own");
	/* A round of a short run is too short for some of them. */
	result(!rounds_idle() || config.seconds < LONG, "each stressor did something");
	if (config.control)
		return 0;
	result(module_sum("merged") && module_sum("full_scans"), "pages were merged");
	result(seen.sharing_most >= SHARED,
	       "page frames show that pages of the witnesses were shared");
	result(!atomic_load(&follow_counts.strange) && atomic_load(&follow_counts.added),
	       "processes were registered as they came to life");
	result(!disturb_strange(), "each call was answered as its documentation says");
	result(disturb_ledgers() && !disturb_wrong_ledgers(),
	       "each page of each region was in one class of the ledger");
	result(clean && module_unloads() > 1 && module_unloads() == module_loads(),
	       "the module was unloaded under load, and left nothing behind");
	return 0;
}
