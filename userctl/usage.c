// SPDX-License-Identifier: GPL-2.0
/* Usage and help, written from the table. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cli.h"
#include "output.h"

/* Column at which explanations start. */
#define HELP_COLUMN	20

__attribute__((format(printf, 3, 4)))
static void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t used = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + used, size - used, fmt, ap);
	va_end(ap);
}

/* "--pid PID", "--vms", "ID..." */
static void spell(const struct opt *opt, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s", opt->name ? opt->name : "",
		 opt->name && opt->metavar ? " " : "", opt->metavar ? opt->metavar : "",
		 opt->many ? "..." : "");
}

static const struct opt *nth_alternative(const struct cmd *cmd, size_t n)
{
	const struct opt *opt;

	for (opt = cmd->opts; opt->id != OPT_END; opt++)
		if (opt->alt && !n--)
			return opt;
	return NULL;
}

/**
 * usage_forms - number of usage lines of a command
 * @cmd: the command
 *
 * Return: one for each alternative, at least one.
 */
size_t usage_forms(const struct cmd *cmd)
{
	size_t n = 0;

	while (nth_alternative(cmd, n))
		n++;
	return n ? n : 1;
}

/**
 * usage_line - one usage line
 * @cmd: the command
 * @form: which of its usage_forms()
 * @buf: for the line, without a newline
 * @size: of @buf
 */
void usage_line(const struct cmd *cmd, size_t form, char *buf, size_t size)
{
	const struct opt *chosen = nth_alternative(cmd, form);
	const struct opt *opt;
	char word[64];

	snprintf(buf, size, "pshare %s", cmd->name);
	for (opt = cmd->opts; opt->id != OPT_END; opt++) {
		bool bare = opt->required || (opt == chosen && cmd->alt_required);

		if (opt->alt && opt != chosen)
			continue;
		if (opt->needs != OPT_END && (!chosen || chosen->id != opt->needs))
			continue;
		spell(opt, word, sizeof(word));
		append(buf, size, bare ? " %s" : " [%s]", word);
	}
}

static void print_forms(const struct cmd *cmd, const char *indent)
{
	char line[256];
	size_t form;

	for (form = 0; form < usage_forms(cmd); form++) {
		usage_line(cmd, form, line, sizeof(line));
		printf("%s%s\n", indent, line);
	}
}

static void print_global_options(void)
{
	const struct global_opt *opt;

	for (opt = global_opts; opt->name; opt++)
		printf("  -%c, %-*s%s\n", opt->letter, HELP_COLUMN - 6, opt->name, opt->help);
}

/* The overview. */
void usage_print_all(void)
{
	const struct exit_code *code;
	const struct cmd *cmd;

	printf("pshare shares identical memory pages between and within virtual machines.\n\n"
	       "Usage: pshare [-j] COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (cmd = commands; cmd->name; cmd++)
		printf("  %-*s%s\n", HELP_COLUMN - 2, cmd->name, cmd->summary);
	printf("\nForms:\n");
	for (cmd = commands; cmd->name; cmd++)
		print_forms(cmd, "  ");
	printf("\nOptions of every command:\n");
	print_global_options();
	printf("\nExit codes:\n");
	for (code = exit_codes; code->meaning; code++)
		printf("  %-*d%s\n", HELP_COLUMN - 2, code->rc, code->meaning);
	printf("\n'pshare help COMMAND' tells more.\n");
}

/* The help of one command. */
void usage_print(const struct cmd *cmd)
{
	const struct opt *opt;
	char word[64];

	printf("pshare %s: %s\n\nUsage:\n", cmd->name, cmd->summary);
	print_forms(cmd, "  ");
	printf("\n%s", cmd->details);
	printf("\nArguments:\n");
	for (opt = cmd->opts; opt->id != OPT_END; opt++) {
		char letter[8] = "";

		if (opt->letter)
			snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
		spell(opt, word, sizeof(word));
		printf("  %s%-*s%s%s\n", letter, HELP_COLUMN - 2 - (int)strlen(letter), word,
		       strlen(letter) + strlen(word) < HELP_COLUMN - 2 ? "" : " ", opt->help);
	}
	print_global_options();
}

static struct json_object *opt_json(const struct opt *opt)
{
	struct json_object *obj = json_object_new_object();

	if (opt->name)
		json_add_string(obj, "name", opt->name);
	if (opt->letter)
		json_object_object_add(obj, "letter", json_object_new_string_len(&opt->letter, 1));
	if (opt->metavar)
		json_add_string(obj, "value", opt->metavar);
	json_add_string(obj, "help", opt->help);
	json_add_bool(obj, "required", opt->required);
	json_add_bool(obj, "many", opt->many);
	return obj;
}

static struct json_object *cmd_json(const struct cmd *cmd)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *array;
	const struct opt *opt;
	char line[256];
	size_t form;

	json_add_string(obj, "name", cmd->name);
	json_add_string(obj, "summary", cmd->summary);
	array = json_add_array(obj, "usage");
	for (form = 0; form < usage_forms(cmd); form++) {
		usage_line(cmd, form, line, sizeof(line));
		json_object_array_add(array, json_object_new_string(line));
	}
	array = json_add_array(obj, "arguments");
	for (opt = cmd->opts; opt->id != OPT_END; opt++)
		json_object_array_add(array, opt_json(opt));
	json_add_string(obj, "details", cmd->details);
	return obj;
}

/**
 * usage_json - put the grammar into the document
 * @only: this command alone; NULL for all, and the exit codes
 */
void usage_json(const struct cmd *only)
{
	struct json_object *array = json_add_array(output_doc(), "commands");
	const struct exit_code *code;
	const struct cmd *cmd;

	for (cmd = commands; cmd->name; cmd++)
		if (!only || cmd == only)
			json_object_array_add(array, cmd_json(cmd));
	if (only)
		return;
	array = json_add_array(output_doc(), "exit_codes");
	for (code = exit_codes; code->meaning; code++) {
		struct json_object *obj = json_object_new_object();

		json_object_object_add(obj, "exit", json_object_new_int(code->rc));
		json_add_string(obj, "meaning", code->meaning);
		json_object_array_add(array, obj);
	}
}
