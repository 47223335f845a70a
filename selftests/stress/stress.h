/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of the stress: stress-ng in rounds, the witness whose every byte is
 * known, the follower that registers processes, and the disturber that loads
 * and unloads the module and turns its knobs meanwhile.
 */
#ifndef _PSHARE_STRESS_H
#define _PSHARE_STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where stress-ng's processes live; its memory.max makes them swap. */
#define CGROUP		"stress"
#define WITNESSES	3

/* What stress.sh wrote for this run. */
struct config {
	unsigned int seconds;	/* how long */
	unsigned int seed;	/* of all that is left to chance */
	bool control;		/* without the module, to know what fails anyway */
};

/* ---- witness.c: processes that know what they wrote ---- */

void witness_start(unsigned int seed);
pid_t witness_pid(unsigned int nr);
/* The memory that a witness looks after; other memory of its own it has, too. */
void *witness_memory(unsigned int nr, size_t *length);
/* How many have ended, which none may. */
unsigned int witness_dead(void);
/* So far: bytes compared with what they must be, pages that were not, changes. */
unsigned long witness_verified(void);
unsigned long witness_lost(void);
unsigned long witness_written(void);
unsigned long witness_forks(void);
/*
 * Pages of theirs, not of zeros, whose frame serves another page of theirs as
 * well: pagemap.  A few may be wrong: the witnesses go on meanwhile.
 */
size_t witness_sharing(void);
/* Has them look at each page once more, looks at each from outside, ends them. */
void witness_stop(void);

/* ---- follow.c: what comes to life is registered ---- */

struct follow_counts {
	atomic_ulong added;	/* registered */
	atomic_ulong late;	/* gone, or going, before that */
	atomic_ulong nomem;
	atomic_ulong strange;	/* refused for no reason that is known here */
};

extern struct follow_counts follow_counts;

/* From now on; @roots are followed with all their descendants. */
void follow_start(void);
void follow_root(pid_t pid);
/* Registers again whatever lives: in a module that has just been loaded. */
void follow_all(void);

/* ---- module.c: the module that comes and goes, and what it counted ---- */

/* Loads it, at full speed. */
void module_begin(void);
/* Unloads it, after its counters have been added to the sums, and loads it again. */
void module_reload(void);
/* The last time.  False if something of it stayed behind. */
bool module_end(void);
unsigned int module_loads(void);
unsigned int module_unloads(void);
/* The sum of one of the lines in debugfs, over all loads; and all of them. */
unsigned long module_sum(const char *name);
void module_print_sums(void);

/*
 * The device may be used between the two.  It is -1 while there is no module.
 * Whoever holds it keeps the module from going.
 */
int module_get(void);
void module_put(void);

/* ---- disturb.c: what an administrator does at the wrong moment ---- */

/* One thing, chosen by chance. */
void disturb(unsigned int *random);
unsigned long disturb_done(void);
/* How long each took at most. */
void disturb_print(void);
/* Answers that are in no dictionary. */
unsigned long disturb_strange(void);
/* How often all ledgers were looked at; those whose classes did not add up. */
unsigned long disturb_ledgers(void);
unsigned long disturb_wrong_ledgers(void);

/* ---- rounds.c: stress-ng ---- */

/* Reads the list, and says how many rounds it has. */
unsigned int rounds_read(const char *path);
void rounds_begin(unsigned int round, unsigned int seconds);
/* True while the round goes on; takes in its results when it ends. */
bool rounds_running(void);
/* Ends the round now. */
void rounds_end(void);
/*
 * Stressors that reported a failure of their own, and rounds of which stress-ng
 * says that they were unsuccessful; stressors that did nothing at all.
 */
unsigned int rounds_failed(void);
unsigned int rounds_idle(void);
unsigned int rounds_stressors(void);
void rounds_print(void);

#endif /* _PSHARE_STRESS_H */
