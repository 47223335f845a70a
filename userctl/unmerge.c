// SPDX-License-Identifier: GPL-2.0
/* pshare unmerge */
#include <stdio.h>

#include <pshare.h>

#include "cli.h"
#include "knobs.h"
#include "output.h"
#include "targets.h"
#include "wait.h"

static int unmerge_call(int fd, __u64 id, __u64 *pages)
{
	struct pshare_unmerge unmerge = { .size = sizeof(unmerge), .id = id };
	int err = wait_ioctl(fd, PSHARE_IOC_UNMERGE, &unmerge);

	*pages = unmerge.pages;
	return err;
}

static void unmerge_say(__u64 id, __u64 pages, struct json_object *obj)
{
	char amount[AMOUNT_SIZE];

	if (obj)
		json_add_u64(obj, "pages", pages);
	else
		printf("region %llu: %s unmerged\n", id, format_pages(amount, pages));
}

int cmd_unmerge(const struct args *args)
{
	static const struct target_op op = { OP_UNMERGE, unmerge_call, unmerge_say };
	int rc = targets_each(args, &op);

	if (!rc && knob_number("run") == 1)
		output_note("the scanner runs and will merge these pages again: use "
			    "'pshare remove', or 'pshare set run 2' for all");
	return rc;
}
