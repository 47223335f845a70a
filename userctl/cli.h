/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The grammar of the command, as data.  The parser, the usage text, the help
 * and the JSON form of the help all read the table in table.c; the man page
 * and the shell completion are checked against it by the tests.
 */
#ifndef PSHARE_CLI_H
#define PSHARE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/types.h>

/* The exit codes; table.c says what each means. */
enum rc {
	RC_OK		= 0,
	RC_FAILED	= 1,
	RC_USAGE	= 2,
	RC_ABSENT	= 3,
	RC_DENIED	= 4,
	RC_NOT_FOUND	= 5,
	RC_EXISTS	= 6,
	RC_NO_MEMORY	= 7,
	RC_BUSY		= 8,
	RC_INTERRUPTED	= 130,
};

struct exit_code {
	enum rc rc;
	const char *meaning;
};

/* Ends with an entry whose meaning is NULL. */
extern const struct exit_code exit_codes[];

/* Number of an option or a word; OPT_END closes a list of them. */
enum opt_id {
	OPT_END,
	OPT_PID,
	OPT_VMS,
	OPT_RANGE,
	OPT_GROUP,
	OPT_ALL,
	OPT_LONG,
	OPT_PASSES,
	OPT_ID,
	OPT_KNOB,
	OPT_VALUE,
	OPT_COMMAND,
	OPT_HUGE_POLICY,
	OPT_ASCII,
	OPT_SVG,
	OPT_HTML,
	OPT_BATCH,
	OPT_COUNT,
	OPT_INTERVAL,
	OPT_SORT,
};

#define OPT_BIT(id)	(1U << (id))

/**
 * struct opt - an option, or a word, that a command takes
 * @id:		number; also tells how the value is parsed
 * @name:	with its dashes; NULL for a word that stands alone
 * @letter:	short form of the name; 0 for none
 * @metavar:	how usage names the value; NULL for an option without one
 * @help:	one line
 * @needs:	another option without which this one has no meaning, or OPT_END
 * @alt:	belongs to the alternatives of which only one may be given
 * @required:	may not be left out
 * @many:	may be repeated
 */
struct opt {
	enum opt_id id;
	const char *name;
	char letter;
	const char *metavar;
	const char *help;
	enum opt_id needs;
	bool alt;
	bool required;
	bool many;
};

/**
 * struct args - a command line that was found to be right
 * @given:	OPT_BIT() of everything that was given
 * @pid:	of --pid
 * @start:	of --range, first address
 * @end:	of --range, address behind the last
 * @group:	of --group
 * @passes:	of --passes
 * @ids:	the region numbers
 * @nr_ids:	how many
 * @knob:	the word KNOB
 * @value:	the word VALUE
 * @topic:	the word COMMAND
 * @huge_policy: of --huge-policy, an enum pshare_huge_policy
 * @svg:	of --svg
 * @html:	of --html
 * @count:	of --count
 * @interval_ms: of --interval, in milliseconds
 * @sort:	of --sort
 *
 * The strings are those of argv.
 */
struct args {
	unsigned int given;
	pid_t pid;
	__u64 start;
	__u64 end;
	const char *group;
	__u32 passes;
	__u64 *ids;
	size_t nr_ids;
	const char *knob;
	const char *value;
	const char *topic;
	unsigned int huge_policy;
	const char *svg;
	const char *html;
	__u32 count;
	__u32 interval_ms;
	const char *sort;
};

/**
 * struct cmd - a subcommand
 * @name:	what the user types
 * @summary:	one line for the list of commands
 * @details:	paragraphs for the help of this command
 * @opts:	what it takes, closed by OPT_END
 * @alt_required: one of the alternatives must be given
 * @run:	does it; returns an exit code, after reporting any failure
 */
struct cmd {
	const char *name;
	const char *summary;
	const char *details;
	const struct opt *opts;
	bool alt_required;
	int (*run)(const struct args *args);
};

/* Ends with an entry whose name is NULL. */
extern const struct cmd commands[];

/* An option that every command takes. */
struct global_opt {
	char letter;
	const char *name;
	const char *help;
};

/* Ends with an entry whose name is NULL. */
extern const struct global_opt global_opts[];

const struct cmd *cmd_find(const char *name);

/* parse.c: fills @args from the words behind the command; an exit code. */
int args_parse(const struct cmd *cmd, int argc, char **argv, struct args *args);
void args_free(struct args *args);

/* usage.c */
void usage_line(const struct cmd *cmd, size_t form, char *buf, size_t size);
size_t usage_forms(const struct cmd *cmd);
void usage_print_all(void);
void usage_print(const struct cmd *cmd);
void usage_json(const struct cmd *only);

/* One file each: add.c, get.c, ... */
int cmd_add(const struct args *args);
int cmd_estimate(const struct args *args);
int cmd_get(const struct args *args);
int cmd_help(const struct args *args);
int cmd_list(const struct args *args);
int cmd_remove(const struct args *args);
int cmd_report(const struct args *args);
int cmd_scan(const struct args *args);
int cmd_set(const struct args *args);
int cmd_status(const struct args *args);
int cmd_top(const struct args *args);
int cmd_unmerge(const struct args *args);
int cmd_version(const struct args *args);

#endif /* PSHARE_CLI_H */
