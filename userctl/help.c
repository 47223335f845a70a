// SPDX-License-Identifier: GPL-2.0
/* pshare help */
#include "cli.h"
#include "report.h"

int cmd_help(const struct args *args)
{
	const struct cmd *cmd = NULL;

	if (args->topic) {
		cmd = cmd_find(args->topic);
		if (!cmd) {
			report_command(NULL);	/* the overview is what helps here */
			return report_usage("there is no command '%s'", args->topic);
		}
	}
	if (report_is_json())
		usage_json(cmd);
	else if (cmd)
		usage_print(cmd);
	else
		usage_print_all();
	return RC_OK;
}
