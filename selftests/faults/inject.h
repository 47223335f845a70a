/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own fault injection: failslab and fail_page_alloc, aimed at one call,
 * and fail-nth, which counts what one task allocates.
 */
#ifndef _PSHARE_SELFTESTS_INJECT_H
#define _PSHARE_SELFTESTS_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

/* Failures so far, of objects and of pages. */
struct failures {
	unsigned int slab, page;
};

/* Does this kernel have it? */
bool inject_available(void);
/* Once, before all else: no allocation is excepted. */
void inject_setup(void);

/*
 * Allocations below the call that returns to @address fail: the first of either kind
 * with @once, else all of them.  Only in tasks that inject_task() was called for, and
 * in their children.
 */
void inject_arm(unsigned long address, bool once);
/*
 * The same below any call that returns to [@start, @end), and of what the task
 * allocates there or elsewhere only each @interval-th.
 */
void inject_arm_range(unsigned long start, unsigned long end, unsigned int interval, bool once);
/* Nothing fails below a call that returns to [@start, @end). */
void inject_except(unsigned long start, unsigned long end);
/* No more failures. */
struct failures inject_disarm(void);
/* What has failed since inject_arm(). */
struct failures inject_count(void);
void inject_task(pid_t pid);

/* The @n-th allocation of a thread fails, whatever it is for; 0: none. */
void inject_nth(pid_t tid, unsigned int n);
/* Did it come to that? */
bool inject_nth_done(pid_t tid);
/* Failures are told in the kernel's log, with the stack. */
void inject_verbose(bool verbose);

#endif /* _PSHARE_SELFTESTS_INJECT_H */
