// SPDX-License-Identifier: GPL-2.0
/* The counters of regions, for everything that goes through them. */
#include <stdio.h>

#include <pshare.h>

#include "counters.h"
#include "device.h"
#include "output.h"

#define COUNTER(name, member, pages) \
	{ name, offsetof(struct pshare_read, member), pages }

const struct counter counters[] = {
	COUNTER("scanned", scanned, false),
	COUNTER("merged", merged, true),
	COUNTER("zero", zero, true),
	COUNTER("volatile", volatile_, true),
	COUNTER("unique", unique, true),
	COUNTER("swapped", swapped, true),
	COUNTER("ineligible", ineligible, true),
	COUNTER("huge_splits", huge_splits, false),
	COUNTER("refused", refused, false),
	{ NULL, 0, false },
};

static __u64 *member(const struct counter *counter, struct pshare_read *region)
{
	return (__u64 *)((char *)region + counter->offset);
}

__u64 counter_get(const struct counter *counter, const struct pshare_read *region)
{
	return *(const __u64 *)((const char *)region + counter->offset);
}

/**
 * counters_sum - add up the counters of all regions
 * @regions: the regions
 * @sum: only its counters are set, everything else is zero
 */
void counters_sum(const struct regions *regions, struct pshare_read *sum)
{
	const struct counter *counter;
	size_t i;

	*sum = (struct pshare_read){ 0 };
	for (i = 0; i < regions->nr; i++)
		for (counter = counters; counter->name; counter++)
			*member(counter, sum) += counter_get(counter, &regions->at[i]);
}

/* Adds a member for each counter. */
void counters_json(const struct pshare_read *region, struct json_object *obj)
{
	const struct counter *counter;

	for (counter = counters; counter->name; counter++)
		json_add_u64(obj, counter->name, counter_get(counter, region));
}

/* One line for each counter, indented by two. */
void counters_print(const struct pshare_read *region)
{
	const struct counter *counter;
	char amount[AMOUNT_SIZE];

	for (counter = counters; counter->name; counter++) {
		__u64 n = counter_get(counter, region);

		if (counter->pages)
			printf("  %-16s %s\n", counter->name, format_pages(amount, n));
		else
			printf("  %-16s %llu\n", counter->name, n);
	}
}
