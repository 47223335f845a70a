// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "cli.h"
#include "device.h"
#include "errors.h"
#include "output.h"
#include "targets.h"
#include "wait.h"

/* The numbers of the regions that --pid or --all stands for. */
static int resolve(int fd, const struct args *args, __u64 **ids, size_t *nr)
{
	struct regions regions;
	size_t i;
	int err;

	*nr = 0;
	*ids = NULL;
	err = regions_read(fd, &regions);
	if (!err && regions.nr) {
		*ids = calloc(regions.nr, sizeof(**ids));
		if (!*ids)
			err = ENOMEM;
	}
	for (i = 0; !err && i < regions.nr; i++)
		if ((args->given & OPT_BIT(OPT_ALL)) || regions.at[i].pid == args->pid)
			(*ids)[(*nr)++] = regions.at[i].id;
	regions_free(&regions);
	if (err)
		return fail(OP_READ, err, NULL);
	if (!*nr && (args->given & OPT_BIT(OPT_PID)))
		return output_failure(&(struct failure){ .rc = RC_NOT_FOUND,
			.why = "this process has no region",
			.advice = "'pshare list' shows the regions and their processes" });
	return RC_OK;
}

/* One region; a region that ended by itself meanwhile is no failure if @named is false. */
static int one(int fd, __u64 id, bool named, const struct target_op *op, struct json_object *array)
{
	struct json_object *obj = NULL;
	__u64 pages = 0;
	int rc = RC_OK;
	int err = op->call(fd, id, &pages);

	if (err == ENOENT && !named)
		return RC_OK;
	if (array) {
		obj = json_object_new_object();
		json_add_u64(obj, "id", id);
		json_object_array_add(array, obj);
	}
	if (err) {
		rc = fail(op->op, err, "region %llu", id);
		if (obj)
			json_object_object_add(obj, "error", output_last_error());
	} else {
		op->say(id, pages, obj);
	}
	return rc;
}

static int each(int fd, const __u64 *ids, size_t nr, bool named, const struct target_op *op)
{
	struct json_object *array = NULL;
	int rc, first = RC_OK;
	size_t i;

	if (output_is_json())
		array = json_add_array(output_doc(), "regions");
	for (i = 0; i < nr; i++) {
		if (wait_interrupted())
			return fail(op->op, EINTR, "region %llu", ids[i]);
		rc = one(fd, ids[i], named, op, array);
		if (!first)
			first = rc;
		if (rc == RC_INTERRUPTED || rc == RC_ABSENT || rc == RC_DENIED)
			break;	/* it would be the same for the others */
	}
	if (!nr && !array)
		printf("no region is registered\n");
	return first;
}

/**
 * targets_each - do something to each region that the command line names
 * @args: the command line
 * @op: what to do
 *
 * A failure does not keep the others from being done.
 *
 * Return: the exit code of the first failure, or RC_OK.
 */
int targets_each(const struct args *args, const struct target_op *op)
{
	bool named = args->given & OPT_BIT(OPT_ID);
	__u64 *ids = NULL;
	size_t nr = 0;
	int fd, rc;

	rc = device_open(&fd);
	if (rc)
		return rc;
	if (named) {
		rc = each(fd, args->ids, args->nr_ids, true, op);
	} else {
		rc = resolve(fd, args, &ids, &nr);
		if (!rc)
			rc = each(fd, ids, nr, false, op);
		free(ids);
	}
	close(fd);
	return rc;
}
