/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_COUNTERS_H
#define PSHARE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct json_object;
struct pshare_read;
struct regions;

/**
 * struct counter - a counter of a region
 * @name:	as in struct pshare_read, without the underscore
 * @offset:	of the member in struct pshare_read
 * @pages:	a number of pages as of now, which has a size in MiB; else a
 *		number that only grows
 */
struct counter {
	const char *name;
	size_t offset;
	bool pages;
};

/* Ends with a name of NULL. */
extern const struct counter counters[];

__u64 counter_get(const struct counter *counter, const struct pshare_read *region);
void counters_sum(const struct regions *regions, struct pshare_read *sum);
void counters_json(const struct pshare_read *region, struct json_object *obj);
void counters_print(const struct pshare_read *region);

#endif /* PSHARE_COUNTERS_H */
