/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory whose content is known, for those who measure what scanners do with it.
 */
#ifndef _BENCH_MEMORY_H
#define _BENCH_MEMORY_H

#include <stdbool.h>

#define PAGES	8192UL

/* Memory by what is in it. */
enum memory {
	UNIQUE,		/* no two pages are alike */
	PAIRS,		/* page i and page i + HALF are */
	ZERO,		/* all are zero */
	MIX,		/* a quarter zero, a quarter copies of templates, the rest unique */
};

extern const char *const memory_name[];

/* Always at the same place, with the same bytes. */
char *make_memory(enum memory memory);

/* Whether each byte is as it was made. */
bool intact(const char *mem, enum memory memory);

/* How many pages have a frame that is not theirs alone, and how many should. */
unsigned long count_shared(const char *mem);
unsigned long count_alike(enum memory memory);

#endif /* _BENCH_MEMORY_H */
