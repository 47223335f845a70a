/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the program faults share. */
#ifndef _PSHARE_SELFTESTS_FAULTS_H
#define _PSHARE_SELFTESTS_FAULTS_H

#include "inject.h"
#include "lib.h"

/**
 * struct site - a place where the module calls the kernel
 * @section:	of the module's object
 * @offset:	of the return address in it
 * @where:	function and offset, as stack traces print it
 * @callee:	what is called
 * @source:	file and line
 * @never:	the callee does not allocate
 * @seen:	an allocation below it was observed
 * @once:	failures when the first of each kind failed
 * @always:	failures when all did
 * @said:	what came of it
 */
struct site {
	char section[24], where[72], callee[48], source[48];
	unsigned long offset;
	bool never, seen;
	struct failures once, always;
	char said[256];
};

/* sites.c: the table, and where the module is loaded. */
extern struct site *sites;
extern unsigned int nr_sites;

void sites_read(const char *path);
/* Loads the module, and reads where its sections are; 0 or -errno. */
int sites_load(void);
unsigned long sites_address(const struct site *site);
/* NULL if there is none; @where as in a stack trace. */
struct site *sites_at(unsigned long address);
struct site *sites_named(const char *where);
/* The scanner's thread. */
pid_t sites_thread(void);

/*
 * workload.c: all that the module does, on two processes with equal pages.
 */
#define WORK_HUGE	512	/* pages that may be one huge page */
#define WORK_HEAD	32	/* pages of it that are registered */
#define WORK_TAIL	48	/* pages behind it */
#define WORK_PAGES	(WORK_HUGE + WORK_TAIL)

/**
 * struct work - the processes, and what was said to calls
 * @said:	calls that ended with ENOMEM, or EFAULT where copying failed
 * @wrong:	what must not have happened, empty if nothing did
 */
struct work {
	int dev;
	struct child a, b, c;
	char said[256];
	char wrong[256];
};

/* ps_begin(), with the knobs as this needs them. */
void work_begin(struct work *work);
void work_start(struct work *work);
/* No region is left of what failed before. */
void work_clear(struct work *work);
/* Memory may fail meanwhile. */
void work_do(struct work *work);
/* What is left to fail when an answer is written: @armed counts down. */
void work_drop_answers(struct work *work);
/* The memory of a shared page fails; work_poisoned() waits until it is known. */
void work_poison(struct work *work, size_t page);
void work_poisoned(struct work *work);
/* Nothing fails any more: every byte is right, and all that can be shared is. */
void work_check(struct work *work);
/* The module goes with everything shared; the processes go after it. */
void work_unload(struct work *work);
void work_end(struct work *work);
/* No frame of the module's is left in the whole machine, which takes a while. */
void work_leaks(struct work *work);
void work_wrong(struct work *work, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Notes what a call has ended with: 0, -ENOMEM, or something wrong. */
void work_note(struct work *work, const char *call, int err);

/* observe.c: what the module allocates, as tracepoints see it. */
void observe_begin(void);
void observe_task(pid_t pid);
/* Allocations below the module; marks sites as seen.  Others: *@unknown. */
unsigned int observe_end(unsigned int *unknown);

/* sweep.c: the n-th allocation of a call fails, for each n. */
struct sweep {
	const char *name;
	/* In a process of its own.  Returns n; *@work tells what was wrong. */
	unsigned int (*run)(struct work *work);
};

extern const struct sweep sweeps[];
extern const unsigned int nr_sweeps;

#endif /* _PSHARE_SELFTESTS_FAULTS_H */
