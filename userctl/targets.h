/* SPDX-License-Identifier: GPL-2.0 */
/* What 'remove' and 'unmerge' have in common: ID..., --pid PID or --all. */
#ifndef PSHARE_TARGETS_H
#define PSHARE_TARGETS_H

#include <linux/types.h>

#include "errors.h"

struct json_object;

/**
 * struct target_op - what to do to each region
 * @op:		for the dictionary of errors
 * @call:	does it; returns 0 or an errno
 * @say:	reports success in words, or as members of @obj when that is not NULL
 */
struct target_op {
	enum op op;
	int (*call)(int fd, __u64 id, __u64 *pages);
	void (*say)(__u64 id, __u64 pages, struct json_object *obj);
};

struct args;

int targets_each(const struct args *args, const struct target_op *op);

#endif /* PSHARE_TARGETS_H */
