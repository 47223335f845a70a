// SPDX-License-Identifier: GPL-2.0
/* pshare add */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "classes.h"
#include "cli.h"
#include "device.h"
#include "errors.h"
#include "knobs.h"
#include "process.h"
#include "output.h"

/* Return: 0 or an errno, and in @op what it belongs to. */
static int register_process(int fd, pid_t pid, const struct args *args, __u64 *id, enum op *op)
{
	struct pshare_add add = { .size = sizeof(add) };
	int pidfd, err;

	*op = OP_PIDFD;
	err = process_open(pid, &pidfd);
	if (err)
		return err;

	add.pidfd = pidfd;
	if (args->given & OPT_BIT(OPT_RANGE)) {
		add.flags |= PSHARE_ADD_RANGE;
		add.start = args->start;
		add.end = args->end;
	}
	if (args->given & OPT_BIT(OPT_GROUP)) {
		add.flags |= PSHARE_ADD_GROUP;
		strncpy(add.group, args->group, sizeof(add.group) - 1);
	}
	if (args->given & OPT_BIT(OPT_HUGE_POLICY)) {
		add.flags |= PSHARE_ADD_HUGE_POLICY;
		add.huge_policy = args->huge_policy;
	}
	*op = OP_ADD;
	err = device_call(fd, PSHARE_IOC_ADD, &add);
	close(pidfd);
	*id = add.id;
	return err;
}

/* What became of one process: a line, or an entry of the array of results. */
static void say_added(__u64 id, pid_t pid, const char *comm, const struct args *args)
{
	printf("region %llu: process %d (%s), ", id, (int)pid, comm);
	if (args->given & OPT_BIT(OPT_RANGE))
		printf("%llx-%llx, ", args->start, args->end);
	if (args->given & OPT_BIT(OPT_HUGE_POLICY))
		printf("huge pages %s, ", huge_policy_name(args->huge_policy));
	if (args->group)
		printf("group %s\n", args->group);
	else
		printf("no group: shares only within itself\n");
}

static struct json_object *result(struct json_object *array, pid_t pid, const char *comm,
				  bool added)
{
	struct json_object *obj = json_object_new_object();

	json_object_array_add(array, obj);
	json_object_object_add(obj, "pid", json_object_new_int(pid));
	json_add_string(obj, "comm", comm);
	json_add_bool(obj, "added", added);
	return obj;
}

static void result_region(struct json_object *obj, __u64 id, const char *group)
{
	json_add_u64(obj, "id", id);
	json_add_string(obj, "group", group);
}

/* A process that was registered before: tell as what, as it may be another group. */
static void report_already(int fd, pid_t pid, const char *comm, struct json_object *array)
{
	struct regions regions;
	size_t i;

	/* Without the list there is just less to tell. */
	if (regions_read(fd, &regions))
		regions.nr = 0;
	for (i = 0; i < regions.nr && regions.at[i].pid != pid; i++)
		;
	if (array) {
		struct json_object *obj = result(array, pid, comm, false);

		json_add_bool(obj, "already", true);
		if (i < regions.nr)
			result_region(obj, regions.at[i].id, regions.at[i].group);
	} else if (i < regions.nr) {
		printf("region %llu: process %d (%s), registered already, left as it is: %s%s\n",
		       regions.at[i].id, (int)pid, comm,
		       regions.at[i].group[0] ? "group " : "no group", regions.at[i].group);
	} else {
		printf("process %d (%s), registered already, left as it is\n", (int)pid, comm);
	}
	regions_free(&regions);
}

/*
 * One process.  With @vm it is one of many that were found, and then it is no
 * failure that it is registered already, or that it has exited meanwhile.
 */
static int add_one(int fd, pid_t pid, bool vm, const struct args *args, struct json_object *array)
{
	struct json_object *obj;
	char comm[COMM_SIZE];
	__u64 id = 0;
	enum op op;
	int err, rc;

	process_comm(pid, comm);
	err = register_process(fd, pid, args, &id, &op);
	if (vm && err == ESRCH)
		return RC_OK;
	if (vm && err == EEXIST) {
		report_already(fd, pid, comm, array);
		return RC_OK;
	}
	if (err) {
		rc = fail(op, err, "process %d", (int)pid);
		if (array) {
			obj = result(array, pid, comm, false);
			json_object_object_add(obj, "error", output_last_error());
		}
		return rc;
	}
	if (!array) {
		say_added(id, pid, comm, args);
		return RC_OK;
	}
	obj = result(array, pid, comm, true);
	result_region(obj, id, args->group ? args->group : "");
	if (args->given & OPT_BIT(OPT_HUGE_POLICY))
		json_add_string(obj, "huge_policy", huge_policy_name(args->huge_policy));
	return RC_OK;
}

static const struct failure no_vm = {
	.rc = RC_NOT_FOUND,
	.why = "no process has a KVM virtual machine open",
	.advice = "start the guests first, with KVM; for other processes use "
		  "'pshare add --pid PID'",
};

static int add_vms(int fd, const struct args *args, struct json_object *array)
{
	int err, rc, first = RC_OK;
	size_t nr, i;
	pid_t *pids;

	err = process_find_vms(&pids, &nr);
	if (err)
		first = fail(OP_PROC, err, "/proc");
	else if (!nr)
		first = output_failure(&no_vm);
	for (i = 0; i < nr; i++) {
		rc = add_one(fd, pids[i], true, args, array);
		if (!first)
			first = rc;
		if (rc == RC_ABSENT || rc == RC_DENIED)
			break;	/* it would be the same for the others */
	}
	free(pids);
	return first;
}

/* Version 1 of the interface has no policies: its EINVAL would tell less. */
static int check_version(int fd, const struct args *args)
{
	unsigned int abi;
	int err;

	if (!(args->given & OPT_BIT(OPT_HUGE_POLICY)))
		return RC_OK;
	err = device_version(fd, &abi);
	if (err)
		return fail(OP_VERSION, err, NULL);
	return abi < 2 ? fail_too_old("--huge-policy") : RC_OK;
}

int cmd_add(const struct args *args)
{
	bool vms = args->given & OPT_BIT(OPT_VMS);
	struct json_object *array = NULL;
	int fd, rc;

	rc = device_open(&fd);
	if (rc)
		return rc;
	rc = check_version(fd, args);
	if (rc) {
		close(fd);
		return rc;
	}
	if (output_is_json())
		array = json_add_array(output_doc(), "regions");
	if (vms)
		rc = add_vms(fd, args, array);
	else
		rc = add_one(fd, args->pid, false, args, array);
	close(fd);

	if (!rc && vms && !args->group)
		output_note("without --group each virtual machine shares only within itself");
	if (!rc && knob_number("run") == 3)
		output_note("the scanner only estimates: 'pshare set run 1' makes it merge, "
			    "'pshare report' shows what that would save");
	else if (!rc && knob_number("run") != 1)
		output_note("the scanner is stopped: 'pshare set run 1' starts it, "
			    "'pshare scan' does some passes now");
	return rc;
}
