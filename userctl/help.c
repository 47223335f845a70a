// SPDX-License-Identifier: GPL-2.0
/* pshare help */
#include "cli.h"
#include "output.h"

int cmd_help(const struct args *args)
{
	const struct cmd *cmd = NULL;

	if (args->topic) {
		cmd = cmd_find(args->topic);
		if (!cmd) {
			output_command(NULL);	/* the overview is what helps here */
			return output_usage("there is no command '%s'", args->topic);
		}
	}
	if (output_is_json())
		usage_json(cmd);
	else if (cmd)
		usage_print(cmd);
	else
		usage_print_all();
	return RC_OK;
}
