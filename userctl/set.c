// SPDX-License-Identifier: GPL-2.0
/* pshare set */
#include <errno.h>
#include <stdio.h>

#include <json-c/json.h>

#include "cli.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"
#include "wait.h"

static int do_write(void *arg)
{
	const struct args *args = arg;

	return knob_write(args->knob, args->value);
}

/* The table may know better than an errno what is wrong. */
static int explain(const struct args *args, const struct knob *knob, int err)
{
	char subject[256], why[256], advice[128];

	snprintf(subject, sizeof(subject), "%s", args->knob);
	if (err == ENOENT && knobs_present() && knob)
		return fail_too_old(subject);
	if (err == ENOENT && knobs_present())
		return output_failure(&(struct failure){
			.rc = RC_USAGE, .err = err, .subject = subject,
			.why = "there is no such knob",
			.advice = "'pshare get' shows those that exist" });
	if (err == EACCES && knob && !knob->takes)
		return output_failure(&(struct failure){
			.rc = RC_USAGE, .err = err, .subject = subject,
			.why = "this is a counter and cannot be set",
			.advice = "'pshare help set' shows the knobs that can" });
	if (knob && knob->takes && (err == EINVAL || err == ERANGE)) {
		snprintf(why, sizeof(why), "the module does not take '%.128s', and nothing was "
			 "changed", args->value);
		snprintf(advice, sizeof(advice), "give %s", knob->takes);
		return output_failure(&(struct failure){
			.rc = RC_USAGE, .err = err, .subject = subject,
			.why = why, .advice = advice });
	}
	return fail(OP_SET, err, "%s = %s", args->knob, args->value);
}

int cmd_set(const struct args *args)
{
	const struct knob *knob = knob_find(args->knob);
	struct args copy = *args;
	char value[KNOB_SIZE];
	int err;

	/* Writing 2 to run unmerges everything, which may last. */
	err = wait_call(do_write, &copy, NULL, NULL);
	if (err)
		return explain(args, knob, err);
	if (!output_is_json())
		return RC_OK;
	err = knob_read(args->knob, value);
	if (err)
		return fail(OP_GET, err, "%s", args->knob);
	json_object_object_add(output_doc(), args->knob, knob_json(value));
	return RC_OK;
}
