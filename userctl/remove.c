// SPDX-License-Identifier: GPL-2.0
/* pshare remove */
#include <stdio.h>

#include <pshare.h>

#include "cli.h"
#include "output.h"
#include "targets.h"
#include "wait.h"

static int remove_call(int fd, __u64 id, __u64 *pages)
{
	struct pshare_remove remove = { .size = sizeof(remove), .id = id };

	(void)pages;
	return wait_ioctl(fd, PSHARE_IOC_REMOVE, &remove);
}

static void remove_say(__u64 id, __u64 pages, struct json_object *obj)
{
	(void)pages;
	if (obj)
		json_add_bool(obj, "removed", true);
	else
		printf("region %llu: removed\n", id);
}

int cmd_remove(const struct args *args)
{
	static const struct target_op op = { OP_REMOVE, remove_call, remove_say };

	return targets_each(args, &op);
}
