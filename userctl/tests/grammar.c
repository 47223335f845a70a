// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the table of the command for the tests that hold the man page and the
 * shell completion against it.  Lines: "command NAME", "usage LINE", "option
 * NAME --OPTION", "global --OPTION", "exit CODE", "knob NAME".
 *
 * grammar ERRNO: the words that libc has for an errno.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "knobs.h"

static void print_command(const struct cmd *cmd)
{
	const struct opt *opt;
	char line[256];
	size_t form;

	printf("command %s\n", cmd->name);
	for (form = 0; form < usage_forms(cmd); form++) {
		usage_line(cmd, form, line, sizeof(line));
		printf("usage %s\n", line);
	}
	for (opt = cmd->opts; opt->id != OPT_END; opt++)
		if (opt->name)
			printf("option %s %s\n", cmd->name, opt->name);
}

static int print_errno(const char *wanted)
{
	const char *name;
	int err;

	for (err = 1; err < 256; err++) {
		name = strerrorname_np(err);
		if (name && !strcmp(name, wanted)) {
			puts(strerror(err));
			return 0;
		}
	}
	return 1;
}

int main(int argc, char **argv)
{
	const struct global_opt *global;
	const struct exit_code *code;
	const struct knob *knob;
	const struct cmd *cmd;

	if (argc > 1)
		return print_errno(argv[1]);
	for (cmd = commands; cmd->name; cmd++)
		print_command(cmd);
	for (global = global_opts; global->name; global++)
		printf("global %s\n", global->name);
	for (code = exit_codes; code->meaning; code++)
		printf("exit %d\n", code->rc);
	for (knob = knobs; knob->name; knob++)
		if (knob->takes)
			printf("knob %s\n", knob->name);
	return 0;
}
