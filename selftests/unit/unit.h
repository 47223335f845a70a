/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every unit test shares: a table of tests, checks, random numbers that
 * can be replayed, and the faults and figures of the allocator.
 *
 * CHECK() leaves the test at the first thing that is wrong, and says where.
 */
#ifndef _UNIT_H
#define _UNIT_H

#include <linux/types.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

/*
 * Where a random test is, for the message of a failed check.  A test that has
 * no such thing leaves it alone.
 */
extern unsigned long unit_step;

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			unit_fail(__FILE__, __LINE__, #cond);		\
	} while (0)

_Noreturn void unit_fail(const char *file, int line, const char *what);

/* Random numbers: each test starts again from the seed, so it can run alone. */
u64 unit_random(void);
u64 unit_below(u64 limit);
/* Operations that each random test does: the variable OPS, or a million. */
unsigned long unit_ops(void);

/* Let every @nth allocation of an object fail; 0: none. */
void unit_fail_every(unsigned long nth);
/* Let the next creation of a cache fail. */
void unit_fail_cache(void);
/* Allocations that were made to fail so far. */
unsigned long unit_failed(void);
/* Objects, and caches, that exist. */
unsigned long unit_objects(void);
unsigned long unit_caches(void);
/* Flags that every allocation so far had. */
unsigned int unit_common_flags(void);

/*
 * Runs the tests and writes TAP.  The environment may hold SEED, OPS, TEST (a
 * number: run this one only) and FIRST (1: leave at the first failure).  Returns
 * what main() is to return.
 */
int unit_main(const char *room, const struct unit_test *tests, unsigned int count);

#endif /* _UNIT_H */
