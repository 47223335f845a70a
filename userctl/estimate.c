// SPDX-License-Identifier: GPL-2.0
/* pshare estimate */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"
#include "report.h"
#include "scan.h"
#include "wait.h"

#define ESTIMATE	"3"

static int write_run(void *arg)
{
	return knob_write("run", arg);
}

/*
 * Puts run back, unless somebody else has changed it meanwhile.  A signal that
 * has ended the passes must not end this, too.
 */
static int restore(const char *before)
{
	char now[KNOB_SIZE];
	int err = knob_read("run", now);

	if (!err && strcmp(now, ESTIMATE) != 0) {
		output_note("run was set to %s meanwhile, and stays so", now);
		return RC_OK;
	}
	while (!err || err == EINTR) {
		err = knob_write("run", before);
		if (!err)
			return RC_OK;
	}
	return fail(OP_SET, err, "run = %s", before);
}

int cmd_estimate(const struct args *args)
{
	char before[KNOB_SIZE], estimate[] = ESTIMATE;
	struct report report = { 0 };
	int err, rc, restored;

	err = knob_read("run", before);
	if (err)
		return fail(OP_GET, err, "run");
	err = wait_call(write_run, estimate, NULL, NULL);
	if (err == EINVAL)
		return fail_too_old("run = " ESTIMATE);
	if (err)
		return fail(OP_SET, err, "run = " ESTIMATE);

	rc = scan_passes(args->passes);
	/* Before run is put back, so that no pass of another kind comes between. */
	if (!rc)
		rc = report_read(args, &report);
	restored = restore(before);
	if (!rc)
		rc = report_show(args, &report);
	report_free(&report);
	return rc ? rc : restored;
}
