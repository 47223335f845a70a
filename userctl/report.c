// SPDX-License-Identifier: GPL-2.0
/* pshare report */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"
#include "report.h"

/* What there is, and what is saved. */
void report_sum_sentence(const struct report *report, char *buf)
{
	const struct standing *total = &report->account.total;
	char memory[AMOUNT_SIZE], shared[AMOUNT_SIZE], saved[AMOUNT_SIZE];
	size_t vms = report->account.nr_vms;
	int used;

	format_bytes(memory, (double)total->memory * PAGE_BYTES);
	format_bytes(shared, (double)total->band[BAND_SHARED] * PAGE_BYTES);
	format_bytes(saved, (double)report->saved * PAGE_BYTES);
	used = snprintf(buf, SENTENCE_SIZE, "%zu VM%s, %.16s: %.16s are shared", vms,
			vms == 1 ? "" : "s", memory, shared);
	/* What pages shared with others save cannot be told for some regions alone. */
	if (report->account.nr_ledgers == report->account.all)
		snprintf(buf + used, SENTENCE_SIZE - (size_t)used, ", which saves %.16s", saved);
}

/* How old the figures are, and what is going on. */
void report_state_sentence(const struct report *report, char *buf)
{
	static const char *const states[] = {
		"the scanner is stopped", "the scanner merges", "all is kept unmerged",
		"it only estimates",
	};
	long long run = report->run;

	if (report->passes)
		snprintf(buf, SENTENCE_SIZE, "Predictions as of pass %llu, the last complete one; "
			 "%s", report->passes, run >= 0 && run <= 3 ? states[run] : "");
	else
		snprintf(buf, SENTENCE_SIZE, "No pass is complete yet, so nothing is known");
}

/* Escapes for XML and HTML.  Control characters are not allowed in XML at all. */
void put_escaped(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", file);
			break;
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		case '"':
			fputs("&quot;", file);
			break;
		case '\'':
			fputs("&#39;", file);
			break;
		default:
			putc(*text < ' ' || *text > '~' ? '?' : *text, file);
		}
	}
}

/* Notes for whoever reads the figures. */
static void explain(const struct report *report)
{
	const struct account *account = &report->account;

	if (!account->all)
		output_note("no region is registered: 'pshare add --vms' registers all virtual "
			    "machines");
	else if (account->total.unseen)
		output_note("the first pass has not been through all regions yet: what it has not "
			    "come to is missing here");
	if (account->total.unknown)
		output_note("%llu pages are in classes that this command does not know, because "
			    "the module is newer; they are missing here",
			    account->total.unknown);
	if (account->nr_ledgers && account->nr_ledgers < account->all)
		output_note("a saving is counted with the region whose page was found second, so "
			    "the figures of some regions alone are not exact");
}

/*
 * Writes a form of the report to a file: beside it first, so that who looks at
 * the old one never sees half of the new one.
 */
static int write_file(const struct report *report, const char *path,
		      void (*put)(const struct report *report, FILE *file))
{
	struct stat st;
	bool direct = !stat(path, &st) && !S_ISREG(st.st_mode);
	char beside[4096];
	FILE *file;
	int fd, err = 0;

	if (snprintf(beside, sizeof(beside), "%s%s", path, direct ? "" : ".new") >=
	    (int)sizeof(beside))
		return fail(OP_FILE, ENAMETOOLONG, "%.64s...", path);
	if (!direct && unlink(beside) && errno != ENOENT)
		return fail(OP_FILE, errno, "%s", beside);
	fd = open(beside, direct ? O_WRONLY | O_CLOEXEC :
		  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return fail(OP_FILE, errno, "%s", path);
	put(report, file);
	if (fflush(file) || ferror(file))
		err = errno ? errno : EIO;
	if (fclose(file) && !err)
		err = errno;
	if (!err && !direct && rename(beside, path))
		err = errno;
	if (!err)
		return RC_OK;
	if (!direct)
		unlink(beside);
	return fail(OP_FILE, err, "%s", path);
}

static int write_files(const struct args *args, const struct report *report)
{
	int rc = RC_OK;

	if (args->given & OPT_BIT(OPT_SVG))
		rc = write_file(report, args->svg, report_svg);
	if (!rc && (args->given & OPT_BIT(OPT_HTML)))
		rc = write_file(report, args->html, report_html);
	return rc;
}

static void complete(struct report *report)
{
	time_t now = time(NULL);
	struct tm tm;

	report->nr_advice = advice_make(&report->account, report->advice);
	report->passes = (unsigned long long)knob_number("full_scans");
	report->run = knob_number("run");
	report->saved = (__u64)knob_number("pages_sharing") + (__u64)knob_number("ksm_zero_pages");
	gmtime_r(&now, &tm);
	strftime(report->time, sizeof(report->time), "%Y-%m-%d %H:%M:%S UTC", &tm);
}

/**
 * report_read - collect all figures
 * @args: the command line, which tells of which regions
 * @report: filled in; report_free() when done, also after a failure
 *
 * Return: an exit code, after a report.
 */
int report_read(const struct args *args, struct report *report)
{
	int rc;

	*report = (struct report){ 0 };
	rc = account_open(args, &report->account);
	complete(report);
	return rc;
}

/**
 * report_show - show the report in the form that was asked for
 * @args: the command line
 * @report: the report
 *
 * Return: an exit code, after a report.
 */
int report_show(const struct args *args, const struct report *report)
{
	bool files = args->given & (OPT_BIT(OPT_SVG) | OPT_BIT(OPT_HTML));
	int rc;

	if (output_is_json())
		report_json(report, output_doc());
	else if (!files)
		report_text(report, args->given & OPT_BIT(OPT_ASCII),
			    args->given & OPT_BIT(OPT_LONG));
	rc = write_files(args, report);
	explain(report);
	return rc;
}

void report_free(struct report *report)
{
	account_free(&report->account);
}

int cmd_report(const struct args *args)
{
	struct report report;
	int rc, err;

	rc = report_read(args, &report);
	/* What was found is shown, also if something else was not. */
	if (rc == RC_OK || report.account.nr_ledgers) {
		err = report_show(args, &report);
		if (!rc)
			rc = err;
	}
	report_free(&report);
	return rc;
}
