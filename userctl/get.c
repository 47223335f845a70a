// SPDX-License-Identifier: GPL-2.0
/* pshare get */
#include <errno.h>
#include <stdio.h>

#include <json-c/json.h>

#include "cli.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"

static int get_one(const char *name)
{
	char value[KNOB_SIZE];
	int err = knob_read(name, value);

	if (err == ENOENT && knobs_present() && knob_find(name))
		return fail_too_old(name);
	if (err == ENOENT && knobs_present())
		return output_failure(&(struct failure){
			.rc = RC_USAGE, .err = ENOENT, .subject = name,
			.why = "there is no such knob",
			.advice = "'pshare get' shows those that exist" });
	if (err)
		return fail(OP_GET, err, "%s", name);
	if (output_is_json())
		json_object_object_add(output_doc(), name, knob_json(value));
	else
		printf("%s\n", value);
	return RC_OK;
}

static int get_all(void)
{
	char value[KNOB_SIZE];
	char **names;
	size_t nr, i;
	int rc = RC_OK, err;

	err = knobs_names(&names, &nr);
	if (err)
		rc = fail(OP_GET, err, NULL);
	for (i = 0; !rc && i < nr; i++) {
		err = knob_read(names[i], value);
		if (err)
			rc = fail(OP_GET, err, "%s", names[i]);
		else if (output_is_json())
			json_object_object_add(output_doc(), names[i], knob_json(value));
		else
			printf("%-21s %s\n", names[i], value);
	}
	knobs_names_free(names, nr);
	return rc;
}

int cmd_get(const struct args *args)
{
	return args->knob ? get_one(args->knob) : get_all();
}
