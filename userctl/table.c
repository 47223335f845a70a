// SPDX-License-Identifier: GPL-2.0
/*
 * The table that is the grammar of the command.  A new subcommand is an entry
 * here and a file beside this one; then the tests ask for its place in the man
 * page and in the shell completion.
 */
#include <string.h>

#include "cli.h"

const struct exit_code exit_codes[] = {
	{ RC_OK, "done" },
	{ RC_FAILED, "failed, for a reason that has no code of its own" },
	{ RC_USAGE, "the command line is wrong, or a value in it was refused" },
	{ RC_ABSENT, "the module is not loaded, or does not know the request" },
	{ RC_DENIED, "no permission" },
	{ RC_NOT_FOUND, "no such region, process or virtual machine" },
	{ RC_EXISTS, "the memory is registered already" },
	{ RC_NO_MEMORY, "out of memory; nothing was lost" },
	{ RC_BUSY, "busy: try again later" },
	{ RC_INTERRUPTED, "interrupted by a signal" },
	{ 0, NULL },
};

const struct global_opt global_opts[] = {
	{ 'j', "--json", "one JSON document on standard output, errors included" },
	{ 'h', "--help", "help on the command" },
	{ 'V', "--version", "the version, like 'pshare version'" },
	{ 0, NULL, NULL },
};

static const struct opt add_opts[] = {
	{ .id = OPT_PID, .name = "--pid", .metavar = "PID", .alt = true,
	  .help = "the process" },
	{ .id = OPT_RANGE, .name = "--range", .metavar = "A-B", .needs = OPT_PID,
	  .help = "only these addresses, hexadecimal as in /proc/PID/maps" },
	{ .id = OPT_VMS, .name = "--vms", .alt = true,
	  .help = "every process that has a KVM virtual machine open" },
	{ .id = OPT_GROUP, .name = "--group", .metavar = "GROUP",
	  .help = "share with the other regions of this group" },
	{ .id = OPT_HUGE_POLICY, .name = "--huge-policy", .metavar = "POLICY",
	  .help = "keep, benefit, pressure or always; the knob huge_policy when not given" },
	{ .id = OPT_END },
};

static const struct opt remove_opts[] = {
	{ .id = OPT_ID, .metavar = "ID", .alt = true, .many = true,
	  .help = "number of a region, as 'pshare list' shows it" },
	{ .id = OPT_PID, .name = "--pid", .metavar = "PID", .alt = true,
	  .help = "all regions of this process" },
	{ .id = OPT_ALL, .name = "--all", .alt = true,
	  .help = "all regions" },
	{ .id = OPT_END },
};

static const struct opt list_opts[] = {
	{ .id = OPT_ID, .metavar = "ID", .alt = true, .many = true,
	  .help = "only the region of this number" },
	{ .id = OPT_PID, .name = "--pid", .metavar = "PID", .alt = true,
	  .help = "only the regions of this process" },
	{ .id = OPT_LONG, .name = "--long",
	  .help = "every counter, one a line" },
	{ .id = OPT_END },
};

static const struct opt scan_opts[] = {
	{ .id = OPT_PASSES, .name = "--passes", .metavar = "N",
	  .help = "how many full passes; 3 when not given" },
	{ .id = OPT_END },
};

/* What 'report' and 'estimate' have in common. */
#define REPORT_OPTS \
	{ .id = OPT_ID, .metavar = "ID", .alt = true, .many = true, \
	  .help = "only the region of this number" }, \
	{ .id = OPT_PID, .name = "--pid", .metavar = "PID", .alt = true, \
	  .help = "only the regions of this process" }, \
	{ .id = OPT_GROUP, .name = "--group", .metavar = "GROUP", .alt = true, \
	  .help = "only the regions of this group" }, \
	{ .id = OPT_LONG, .name = "--long", \
	  .help = "every VM, every class of pages, and more on each technique" }, \
	{ .id = OPT_ASCII, .name = "--ascii", \
	  .help = "no characters outside of ASCII" }, \
	{ .id = OPT_SVG, .name = "--svg", .metavar = "FILE", \
	  .help = "write a picture, instead of to the screen" }, \
	{ .id = OPT_HTML, .name = "--html", .metavar = "FILE", \
	  .help = "write a page that needs nothing else, instead of to the screen" }

static const struct opt report_opts[] = {
	REPORT_OPTS,
	{ .id = OPT_END },
};

static const struct opt estimate_opts[] = {
	REPORT_OPTS,
	{ .id = OPT_PASSES, .name = "--passes", .metavar = "N",
	  .help = "how many full passes; 3 when not given" },
	{ .id = OPT_END },
};

static const struct opt top_opts[] = {
	{ .id = OPT_BATCH, .name = "--batch", .letter = 'b',
	  .help = "print line by line; for scripts and files" },
	{ .id = OPT_COUNT, .name = "--count", .letter = 'n', .metavar = "N",
	  .help = "end after N rounds" },
	{ .id = OPT_INTERVAL, .name = "--interval", .letter = 'd', .metavar = "SECONDS",
	  .help = "time between two rounds, 0.1 to 86400; 2 when not given" },
	{ .id = OPT_SORT, .name = "--sort", .letter = 's', .metavar = "COLUMN",
	  .help = "shared, ready, blocked or memory; shared when not given" },
	{ .id = OPT_ASCII, .name = "--ascii",
	  .help = "no characters outside of ASCII" },
	{ .id = OPT_END },
};

static const struct opt set_opts[] = {
	{ .id = OPT_KNOB, .metavar = "KNOB", .required = true,
	  .help = "name of a knob, as 'pshare get' shows it" },
	{ .id = OPT_VALUE, .metavar = "VALUE", .required = true,
	  .help = "its new value" },
	{ .id = OPT_END },
};

static const struct opt get_opts[] = {
	{ .id = OPT_KNOB, .metavar = "KNOB",
	  .help = "name of one knob or counter; all of them when not given" },
	{ .id = OPT_END },
};

static const struct opt help_opts[] = {
	{ .id = OPT_COMMAND, .metavar = "COMMAND",
	  .help = "name of a command; an overview when not given" },
	{ .id = OPT_END },
};

static const struct opt no_opts[] = {
	{ .id = OPT_END },
};

const struct cmd commands[] = {
	{
		.name = "add",
		.summary = "register the memory of a process or of all virtual machines",
		.details =
"Registers memory as a region that the scanner visits.  Without --range it is\n"
"all anonymous memory of the process, what it has now and what it gets later.\n"
"Regions with the same group name share pages with each other.  A region\n"
"without a group shares only within itself.  A region ends with its process.\n"
"\n"
"With --vms a process that is registered already is reported and left alone.\n"
"\n"
"The policy tells when a huge page is split, because a part of it has twins:\n"
"keep (never), benefit (when as many as huge_split_min have one), pressure\n"
"(when memory is short, the best first), always (when one has).\n",
		.opts = add_opts,
		.alt_required = true,
		.run = cmd_add,
	},
	{
		.name = "remove",
		.summary = "give the pages of regions their own copies, and forget the regions",
		.details =
"Every merged page of the region gets its own copy again.  When memory would\n"
"run out, the command stops with an error: no content is lost and the region\n"
"stays registered.\n",
		.opts = remove_opts,
		.alt_required = true,
		.run = cmd_remove,
	},
	{
		.name = "list",
		.summary = "show the regions and what became of their pages",
		.details =
"Counts are pages of 4096 bytes, as of the last visit of the scanner.  SAVED\n"
"is MERGED and ZERO in MiB; pages that are merged with each other still use\n"
"one page together, so the exact saving of all is in 'pshare status'.\n",
		.opts = list_opts,
		.run = cmd_list,
	},
	{
		.name = "status",
		.summary = "show knobs, counters, the saving, and why nothing happens",
		.details =
"The memory saved is pages_sharing and ksm_zero_pages, in pages of 4096 bytes.\n"
"general_profit is the same less what the module needs for itself.  Works for\n"
"every user, but only root sees how many regions there are.\n",
		.opts = no_opts,
		.run = cmd_status,
	},
	{
		.name = "report",
		.summary = "explain why memory is not shared, and what would help",
		.details =
"A bar for each VM, by what became of its memory; then the techniques that\n"
"would save more, what each would save, and its price.  All figures are\n"
"predictions as of the last complete pass.  They overlap: do not add them up.\n"
"\n"
"A saving marked <= is no prediction: nobody has looked into that memory, and\n"
"more than this it cannot be.\n",
		.opts = report_opts,
		.run = cmd_report,
	},
	{
		.name = "estimate",
		.summary = "do full passes that change nothing, and report what they found",
		.details =
"Sets run to 3, in which pages are counted and nothing is merged, does the\n"
"passes at full speed, sets run to what it was, and reports like 'pshare\n"
"report'.  What is merged already stays merged.  The regions must have been\n"
"added before.\n",
		.opts = estimate_opts,
		.run = cmd_estimate,
	},
	{
		.name = "top",
		.summary = "watch the VMs, what they share, and what is in the way",
		.details =
"READY has a twin and will be merged; BLOCKED has one, but a huge page, another\n"
"group or randomised addresses are in the way.\n"
"\n"
"Keys: q ends it; s, r, b and m sort by what is shared, ready, blocked, and by\n"
"memory; the arrows scroll; blank shows the state of now.\n"
"\n"
"With --json it is --batch, and one round when --count is not given.\n",
		.opts = top_opts,
		.run = cmd_top,
	},
	{
		.name = "scan",
		.summary = "do full passes at full speed and wait for them",
		.details =
"A page is merged when it did not change between two visits, so 3 passes merge\n"
"all memory that is quiet.  Works with run at 0 and at 1 and leaves it alone.\n"
"On a terminal a line shows the progress.  Ctrl-C ends the wait; what was\n"
"merged stays merged.\n",
		.opts = scan_opts,
		.run = cmd_scan,
	},
	{
		.name = "set",
		.summary = "set a knob",
		.details =
"run               0 stop, 1 scan in the background, 2 stop and unmerge all,\n"
"                  3 scan and count, but merge nothing\n"
"pages_to_scan     pages to visit before each sleep, 1 to 4294967295\n"
"sleep_millisecs   length of that sleep, 0 to 4294967295\n"
"max_cpu_percent   use at most so many percent of one CPU, 1 to 100; 0: no limit\n"
"target_scan_seconds  how long a pass shall take, within the limit; 0: as it comes;\n"
"                  with one of these two, pages_to_scan and sleep_millisecs rest\n"
"nice              of the scanner's threads, -20 to 19; or idle: when nobody else\n"
"                  wants the CPU\n"
"scan_threads      threads that read memory, 1 to 16\n"
"use_zero_pages    1: zero-filled pages become the zero page; 0: they do not\n"
"max_pages_shared  make no shared page while there are so many; 0: no limit\n"
"huge_policy       when to split a huge page for the twins in it, for regions\n"
"                  without a policy of their own: keep (never), benefit (from\n"
"                  huge_split_min twins on), pressure (when memory is short, the\n"
"                  best first), always (for one)\n"
"huge_split_min    twins that make a huge page worth splitting, 1 to 512\n"
"huge_min_free_percent  memory is short when less than this is available, 0 to 100\n"
"compare_groups    1: look for pages that only other groups have, too, for what\n"
"                  isolation costs; 0: do so while estimating only\n"
"aslr_sample       how many of the pages without a twin to look at for what\n"
"                  address randomisation costs, 0 (none) to 100 percent\n",
		.opts = set_opts,
		.run = cmd_set,
	},
	{
		.name = "get",
		.summary = "show one knob or counter, or all",
		.details =
"With a name it prints the value alone.  The names are those of the files in\n"
"/sys/kernel/mm/pshare.\n",
		.opts = get_opts,
		.run = cmd_get,
	},
	{
		.name = "unmerge",
		.summary = "give the pages of regions their own copies, keep the regions",
		.details =
"The regions stay registered.  When the scanner runs it will merge the pages\n"
"again; 'pshare set run 2' unmerges everything and keeps it so.\n",
		.opts = remove_opts,
		.alt_required = true,
		.run = cmd_unmerge,
	},
	{
		.name = "help",
		.summary = "explain a command",
		.details =
"With --json it describes the whole grammar for programs.\n",
		.opts = help_opts,
		.run = cmd_help,
	},
	{
		.name = "version",
		.summary = "show the version of the command and of the module",
		.details =
"The two fit together when their interface versions are equal.  A newer one\n"
"works with an older one as far as the older one knows.\n",
		.opts = no_opts,
		.run = cmd_version,
	},
	{ .name = NULL },
};

/**
 * cmd_find - the entry of a subcommand
 * @name: its full name
 *
 * Return: the entry, or NULL when there is none.
 */
const struct cmd *cmd_find(const char *name)
{
	const struct cmd *cmd;

	for (cmd = commands; cmd->name; cmd++)
		if (!strcmp(cmd->name, name))
			return cmd;
	return NULL;
}
