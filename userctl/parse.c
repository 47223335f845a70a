// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a command line by the table.  What can be found wrong without the
 * module is found here, and named exactly: the module's errno could not.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pshare.h>

#include "classes.h"
#include "cli.h"
#include "output.h"

/* Strict: strtoull() alone would take blanks, signs and trailing letters. */
static bool parse_number(const char *text, size_t len, int base, __u64 *value)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	char copy[32], *end;

	if (base == 16 && len > 2 && !strncasecmp(text, "0x", 2)) {
		text += 2;
		len -= 2;
	}
	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strspn(copy, digits) != len)
		return false;
	errno = 0;
	*value = strtoull(copy, &end, base);
	return !errno && !*end;
}

static int parse_pid(const char *text, struct args *args)
{
	__u64 value;

	if (!parse_number(text, strlen(text), 10, &value) || !value || value > INT_MAX)
		return output_usage("'%s' is not a PID: a PID is a decimal number from 1", text);
	args->pid = (pid_t)value;
	return RC_OK;
}

static int parse_range(const char *text, struct args *args)
{
	const char *dash = strchr(text, '-');

	if (!dash || !parse_number(text, (size_t)(dash - text), 16, &args->start) ||
	    !parse_number(dash + 1, strlen(dash + 1), 16, &args->end))
		return output_usage("'%s' is not a range: a range is A-B, two hexadecimal "
				    "addresses as in /proc/PID/maps", text);
	if (args->start >= args->end)
		return output_usage("the range %s is empty or reversed: B is the address behind "
				    "the last, so it must be above A", text);
	if ((args->start | args->end) & (PAGE_BYTES - 1))
		return output_usage("the range %s is not aligned: both addresses must be "
				    "multiples of 4096 (0x1000)", text);
	return RC_OK;
}

static int parse_group(const char *text, struct args *args)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789._:-";
	size_t len = strlen(text);

	if (!len)
		return output_usage("the name of the group is empty: leave --group out for a "
				    "region that shares only within itself");
	if (strspn(text, allowed) != len)
		return output_usage("the name of the group has a character that is not allowed: "
				    "letters, digits and . _ : - are");
	if (len >= PSHARE_GROUP_SIZE)
		return output_usage("the name of the group has %zu characters: at most %d are "
				    "allowed", len, PSHARE_GROUP_SIZE - 1);
	args->group = text;
	return RC_OK;
}

static int parse_passes(const char *text, struct args *args)
{
	__u64 value;

	if (!parse_number(text, strlen(text), 10, &value) || !value || value > UINT_MAX)
		return output_usage("'%s' is not a number of passes: it is 1 to %u", text,
				    UINT_MAX);
	args->passes = (__u32)value;
	return RC_OK;
}

static int parse_huge_policy(const char *text, struct args *args)
{
	unsigned int policy;

	for (policy = 0; policy < PSHARE_NR_HUGE_POLICIES; policy++) {
		if (!strcmp(text, huge_policies[policy])) {
			args->huge_policy = policy;
			return RC_OK;
		}
	}
	return output_usage("'%s' is not a policy for huge pages: keep, benefit, pressure and "
			    "always are", text);
}

static int parse_file(const struct opt *opt, const char *text, const char **file)
{
	if (!*text)
		return output_usage("%s needs the name of a file", opt->name);
	*file = text;
	return RC_OK;
}

static int parse_count(const char *text, struct args *args)
{
	__u64 value;

	if (!parse_number(text, strlen(text), 10, &value) || !value || value > UINT_MAX)
		return output_usage("'%s' is not a number of rounds: it is 1 to %u", text,
				    UINT_MAX);
	args->count = (__u32)value;
	return RC_OK;
}

/* Seconds with up to three decimals; the locale has no say in it. */
static int parse_interval(const char *text, struct args *args)
{
	const char *point = strchr(text, '.');
	size_t len = point ? (size_t)(point - text) : strlen(text);
	size_t decimals = point ? strlen(point + 1) : 0;
	__u64 seconds, thousandths = 0;

	if (!parse_number(text, len, 10, &seconds) || seconds > 86400 || decimals > 3 ||
	    (point && !parse_number(point + 1, decimals, 10, &thousandths)))
		seconds = 0;
	else
		for (; decimals < 3; decimals++)
			thousandths *= 10;
	args->interval_ms = (__u32)(seconds * 1000 + thousandths);
	if (args->interval_ms < 100 || args->interval_ms > 86400000)
		return output_usage("'%s' is no interval: it is 0.1 to 86400 seconds", text);
	return RC_OK;
}

static int parse_id(const char *text, struct args *args)
{
	__u64 value;

	if (!parse_number(text, strlen(text), 10, &value))
		return output_usage("'%s' is not the number of a region", text);
	args->ids[args->nr_ids++] = value;
	return RC_OK;
}

static int parse_report_value(const struct opt *opt, const char *text, struct args *args)
{
	switch (opt->id) {
	case OPT_HUGE_POLICY:
		return parse_huge_policy(text, args);
	case OPT_SVG:
		return parse_file(opt, text, &args->svg);
	case OPT_HTML:
		return parse_file(opt, text, &args->html);
	case OPT_COUNT:
		return parse_count(text, args);
	case OPT_INTERVAL:
		return parse_interval(text, args);
	case OPT_SORT:
		args->sort = text;
		return RC_OK;
	default:
		return RC_OK;
	}
}

static int parse_value(const struct opt *opt, const char *text, struct args *args)
{
	switch (opt->id) {
	case OPT_PID:
		return parse_pid(text, args);
	case OPT_RANGE:
		return parse_range(text, args);
	case OPT_GROUP:
		return parse_group(text, args);
	case OPT_PASSES:
		return parse_passes(text, args);
	case OPT_ID:
		return parse_id(text, args);
	case OPT_KNOB:
		args->knob = text;
		return RC_OK;
	case OPT_VALUE:
		args->value = text;
		return RC_OK;
	case OPT_COMMAND:
		args->topic = text;
		return RC_OK;
	default:
		return parse_report_value(opt, text, args);
	}
}

static const struct opt *find_option(const struct cmd *cmd, const char *text, size_t len)
{
	const struct opt *opt;

	for (opt = cmd->opts; opt->id != OPT_END; opt++)
		if (opt->name && ((strlen(opt->name) == len && !memcmp(opt->name, text, len)) ||
				  (opt->letter && len == 2 && text[1] == opt->letter)))
			return opt;
	return NULL;
}

/* The next word that stands alone and still has room. */
static const struct opt *find_word(const struct cmd *cmd, unsigned int given)
{
	const struct opt *opt;

	for (opt = cmd->opts; opt->id != OPT_END; opt++)
		if (!opt->name && (opt->many || !(given & OPT_BIT(opt->id))))
			return opt;
	return NULL;
}

/* One option, at argv[*i], with its value, which may be in the next word. */
static int parse_option(const struct cmd *cmd, int argc, char **argv, int *i, struct args *args)
{
	const char *text = argv[*i];
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct opt *opt = find_option(cmd, text, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!opt)
		return output_usage("unknown option '%.*s'", (int)len, text);
	if (args->given & OPT_BIT(opt->id))
		return output_usage("%s is given twice", opt->name);
	if (!opt->metavar && value)
		return output_usage("%s takes no value", opt->name);
	if (opt->metavar && !value) {
		if (*i + 1 >= argc)
			return output_usage("%s needs a value: %s %s",
					    opt->name, opt->name, opt->metavar);
		value = argv[++*i];
	}
	args->given |= OPT_BIT(opt->id);
	return parse_value(opt, value, args);
}

static int parse_word(const struct cmd *cmd, const char *text, struct args *args)
{
	const struct opt *opt = find_word(cmd, args->given);

	if (!opt)
		return output_usage("one word too many: '%s'", text);
	args->given |= OPT_BIT(opt->id);
	return parse_value(opt, text, args);
}

static const char *opt_label(const struct opt *opt)
{
	return opt->name ? opt->name : opt->metavar;
}

static const struct opt *opt_by_id(const struct cmd *cmd, enum opt_id id)
{
	const struct opt *opt;

	for (opt = cmd->opts; opt->id != id; opt++)
		;
	return opt;
}

/* "ID, --pid or --all" */
static void list_alternatives(const struct cmd *cmd, char *buf, size_t size)
{
	const struct opt *opt, *next;
	size_t used = 0;

	buf[0] = '\0';
	for (opt = cmd->opts; opt->id != OPT_END; opt = next) {
		bool last = true;
		const struct opt *o;

		next = opt + 1;
		if (!opt->alt)
			continue;
		for (o = next; o->id != OPT_END; o++)
			last &= !o->alt;
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
					 !used ? "" : last ? " or " : ", ", opt_label(opt));
	}
}

/* A negative number is a word: the module says best why it takes none. */
static bool looks_like_option(const char *text)
{
	return text[0] == '-' && text[1] && !strchr("0123456789", text[1]);
}

/* What only the whole line can tell. */
static int check_together(const struct cmd *cmd, const struct args *args)
{
	const struct opt *opt, *chosen = NULL;
	bool has_alt = false;
	char names[128];

	for (opt = cmd->opts; opt->id != OPT_END; opt++) {
		bool given = args->given & OPT_BIT(opt->id);

		has_alt |= opt->alt;
		if (!given && opt->required)
			return output_usage("%s is missing", opt->metavar);
		if (!given)
			continue;
		if (opt->alt && chosen)
			return output_usage("%s and %s exclude each other",
					    opt_label(chosen), opt_label(opt));
		if (opt->alt)
			chosen = opt;
		if (opt->needs != OPT_END && !(args->given & OPT_BIT(opt->needs)))
			return output_usage("%s makes sense only with %s", opt->name,
					    opt_by_id(cmd, opt->needs)->name);
	}
	if (has_alt && cmd->alt_required && !chosen) {
		list_alternatives(cmd, names, sizeof(names));
		return output_usage("tell which: %s", names);
	}
	return RC_OK;
}

/**
 * args_parse - read a command line
 * @cmd: the command
 * @argc: number of words behind it
 * @argv: those words, without the global options
 * @args: filled in; args_free() when done, also after a failure
 *
 * Return: RC_OK, or RC_USAGE after a report.
 */
int args_parse(const struct cmd *cmd, int argc, char **argv, struct args *args)
{
	bool words_only = false;
	int i, rc;

	*args = (struct args){ .passes = 3, .interval_ms = 2000 };
	args->ids = calloc((size_t)argc + 1, sizeof(*args->ids));
	if (!args->ids)
		return output_failure(&(struct failure){ .rc = RC_NO_MEMORY, .err = ENOMEM,
				.why = "this command is out of memory",
				.advice = "free memory and try again" });

	for (i = 0; i < argc; i++) {
		if (!words_only && !strcmp(argv[i], "--")) {
			words_only = true;
			continue;
		}
		if (!words_only && looks_like_option(argv[i]))
			rc = parse_option(cmd, argc, argv, &i, args);
		else
			rc = parse_word(cmd, argv[i], args);
		if (rc)
			return rc;
	}
	return check_together(cmd, args);
}

void args_free(struct args *args)
{
	free(args->ids);
	args->ids = NULL;
}
