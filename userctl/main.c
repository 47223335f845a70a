// SPDX-License-Identifier: GPL-2.0
/* pshare: control of the pshare kernel module. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "output.h"

/* What the options of every command ask for. */
struct globals {
	bool json;
	bool help;
	bool version;
};

static bool take_letter(char letter, struct globals *globals)
{
	switch (letter) {
	case 'j':
		globals->json = true;
		return true;
	case 'h':
		globals->help = true;
		return true;
	case 'V':
		globals->version = true;
		return true;
	default:
		return false;
	}
}

static bool take(const char *word, struct globals *globals)
{
	const struct global_opt *opt;

	for (opt = global_opts; opt->name; opt++)
		if (!strcmp(word, opt->name) ||
		    (word[0] == '-' && word[1] == opt->letter && !word[2]))
			return take_letter(opt->letter, globals);
	return false;
}

/* Takes the global options out of the line, wherever they stand before "--". */
static int strip_globals(int argc, char **argv, struct globals *globals)
{
	int i, kept = 0;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			break;
		if (!take(argv[i], globals))
			argv[kept++] = argv[i];
	}
	while (i < argc)
		argv[kept++] = argv[i++];
	return kept;
}

static int help_on(const struct cmd *cmd)
{
	if (output_is_json())
		usage_json(cmd);
	else
		usage_print(cmd);
	return RC_OK;
}

static int dispatch(int argc, char **argv, const struct globals *globals)
{
	const struct args none = { 0 };
	const struct cmd *cmd;
	struct args args;
	int rc;

	if (!argc && globals->version)
		return cmd_version(&none);
	if (!argc && globals->help)
		return cmd_help(&none);
	if (!argc)
		return output_usage("no command is given");
	cmd = cmd_find(argv[0]);
	if (!cmd)
		return output_usage("there is no command '%s'", argv[0]);

	output_command(cmd->name);
	if (globals->version)
		return output_usage("--version stands alone");
	if (globals->help)
		return help_on(cmd);
	rc = args_parse(cmd, argc - 1, argv + 1, &args);
	if (!rc)
		rc = cmd->run(&args);
	args_free(&args);
	return rc;
}

int main(int argc, char **argv)
{
	struct globals globals = { 0 };
	int words;

	if (argc < 1)
		return RC_USAGE;
	words = strip_globals(argc - 1, argv + 1, &globals);
	output_begin(globals.json);
	return output_end(dispatch(words, argv + 1, &globals));
}
