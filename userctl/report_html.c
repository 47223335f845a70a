// SPDX-License-Identifier: GPL-2.0
/*
 * The report as a page: one file, no script, nothing from elsewhere.  What the
 * bars show stands in tables, too, for whoever does not see them.
 */
#include <stdio.h>

#include "output.h"
#include "report.h"

static const char head[] =
"<!DOCTYPE html>\n"
"<html lang=\"en\">\n"
"<head>\n"
"<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<meta name=\"color-scheme\" content=\"light dark\">\n"
"<meta http-equiv=\"Content-Security-Policy\" "
"content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
"<title>pshare report</title>\n"
"<style>\n"
":root { --page: #fff; --text: #1b1f24; --soft: #555c66; --rule: #d5d9de; --rest: #e6e8eb; }\n"
"@media (prefers-color-scheme: dark) {\n"
":root { --page: #15181c; --text: #e8eaed; --soft: #a9b1bc; --rule: #3a4048; --rest: #2c3138; }\n"
"}\n"
"* { box-sizing: border-box; }\n"
"body { margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 60rem; background: var(--page);\n"
"  color: var(--text); font: 1rem/1.45 system-ui, 'DejaVu Sans', sans-serif; }\n"
"h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }\n"
"h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }\n"
"p { margin: .25rem 0 .75rem; }\n"
".soft { color: var(--soft); }\n"
".vm { margin: 0 0 1rem; }\n"
".vm p { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0 0 .2rem; }\n"
".vm b { overflow-wrap: anywhere; }\n"
".vm .num { margin-left: auto; }\n"
".bar { display: flex; height: 1.5rem; overflow: hidden; border-radius: 3px;\n"
"  background: var(--rest); }\n"
".bar i { flex: none; min-width: 0; border-right: 1px solid var(--page); }\n"
".wide { overflow-x: auto; }\n"
"table { border-collapse: collapse; width: 100%; }\n"
"caption { text-align: left; padding: .25rem 0; color: var(--soft); }\n"
"th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;\n"
"  border-bottom: 1px solid var(--rule); }\n"
"th { font-weight: 600; }\n"
"th:last-child, td:last-child { padding-right: 0; }\n"
".num { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }\n"
"td small { display: block; color: var(--soft); font-size: .875rem; max-width: 42rem; }\n"
".key { display: inline-block; width: .9em; height: .9em; margin-right: .5em;\n"
"  border-radius: 2px; vertical-align: -.06em; }\n"
"summary { cursor: pointer; padding: .4rem 0; }\n"
"@media (max-width: 36rem) {\n"
".stack .head { position: absolute; width: 1px; height: 1px; overflow: hidden;\n"
"  clip-path: inset(50%); }\n"
".stack tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--rule); }\n"
".stack th, .stack td { display: block; border: 0; padding: .1rem 0; text-align: left; }\n"
".stack td[data-name]::before { content: attr(data-name) \": \"; color: var(--soft); }\n"
"}\n"
"</style>\n"
"</head>\n"
"<body>\n";

static const char *mib(char *buf, __u64 pages)
{
	return format_bytes(buf, (double)pages * PAGE_BYTES);
}

static void put_tag(FILE *file, const char *tag, const char *text)
{
	fprintf(file, "<%s>", tag);
	put_escaped(file, text);
	fprintf(file, "</%s>\n", tag);
}

/* What the bar shows, in words, for who hears the page. */
static void put_bar_words(FILE *file, const struct standing *standing)
{
	const char *comma = "";
	enum band band;

	for (band = 0; band < NR_BANDS; band++) {
		if (!standing->band[band])
			continue;
		fprintf(file, "%s%s %.1f percent", comma, bands[band].label,
			share_of(standing->band[band], standing->memory));
		comma = ", ";
	}
	if (!*comma)
		fputs("no memory", file);
}

static void put_bar(FILE *file, const char *name, const char *what,
		    const struct standing *standing)
{
	char amount[AMOUNT_SIZE];
	enum band band;

	fprintf(file, "<div class=\"vm\">\n<p><b>");
	put_escaped(file, name);
	fprintf(file, "</b> <span class=\"soft\">");
	put_escaped(file, what);
	fprintf(file, "</span> <span class=\"num\">%s, %.1f&nbsp;%% shared</span></p>\n",
		mib(amount, standing->memory),
		share_of(standing->band[BAND_SHARED], standing->memory));
	fprintf(file, "<div class=\"bar\" role=\"img\" aria-label=\"");
	put_bar_words(file, standing);
	fprintf(file, "\">");
	for (band = 0; band < NR_BANDS; band++)
		if (standing->band[band])
			fprintf(file, "<i style=\"width:%.3f%%;background:%s\" "
				"title=\"%s: %s\"></i>",
				share_of(standing->band[band], standing->memory), bands[band].css,
				bands[band].label, mib(amount, standing->band[band]));
	fprintf(file, "</div>\n</div>\n");
}

static void put_vms(FILE *file, const struct account *account)
{
	const struct vm *vm;
	char what[160];

	fprintf(file, "<h2>Where the memory stands</h2>\n");
	for (vm = account->vms; vm < account->vms + account->nr_vms; vm++) {
		snprintf(what, sizeof(what), "process %d, %s%s", (int)vm->pid,
			 vm->group[0] == '-' ? "no group" : "group ",
			 vm->group[0] == '-' ? "" : vm->group);
		put_bar(file, vm->name, what, &vm->standing);
	}
	if (account->nr_vms > 1)
		put_bar(file, "All VMs", "", &account->total);
}

static void put_legend(FILE *file, const struct standing *total)
{
	char amount[AMOUNT_SIZE];
	enum band band;

	fprintf(file, "<table>\n<caption>The colours, and what all VMs together have of "
		"each</caption>\n<tr class=\"head\"><th scope=\"col\">Memory</th><th scope=\"col\" "
		"class=\"num\">Amount</th><th scope=\"col\" class=\"num\">Share</th></tr>\n");
	for (band = 0; band < NR_BANDS; band++)
		if (total->band[band])
			fprintf(file, "<tr><td><span class=\"key\" style=\"background:%s\"></span>"
				"%s<small>%s</small></td><td class=\"num\">%s</td>"
				"<td class=\"num\">%.1f&nbsp;%%</td></tr>\n", bands[band].css,
				bands[band].label, bands[band].help,
				mib(amount, total->band[band]),
				share_of(total->band[band], total->memory));
	fprintf(file, "</table>\n");
}

static void put_advice(FILE *file, const struct report *report)
{
	static const char *const marks[] = { "", "at most ", "free already: ", "not measured" };
	const struct advice *advice;
	char amount[AMOUNT_SIZE];

	if (!report->nr_advice)
		return;
	fprintf(file, "<h2>What would help, and its price</h2>\n<p>Predictions, as of the last "
		"complete pass. They overlap: do not add them up. &ldquo;At most&rdquo; is no "
		"prediction: nobody has looked into that memory.</p>\n"
		"<table class=\"stack\">\n<tr class=\"head\"><th scope=\"col\">What to do</th>"
		"<th scope=\"col\">Price</th><th scope=\"col\" class=\"num\">Would save</th></tr>\n");
	for (advice = report->advice; advice < report->advice + report->nr_advice; advice++) {
		fprintf(file, "<tr><td><b>");
		put_escaped(file, advice->what);
		fprintf(file, "</b><small>");
		put_escaped(file, advice->how);
		fprintf(file, "</small></td><td data-name=\"Price\">");
		put_escaped(file, advice->price);
		fprintf(file, "</td><td class=\"num\" data-name=\"Would save\">%s%s</td></tr>\n",
			marks[advice->certainty],
			advice->certainty == UNKNOWN ? "" : mib(amount, advice->pages));
	}
	fprintf(file, "</table>\n");
}

static void put_curve(FILE *file, const struct standing *total)
{
	char gain[AMOUNT_SIZE], price[AMOUNT_SIZE];
	size_t i;

	if (!total->sum.splits[0])
		return;
	fprintf(file, "<h2>Splitting huge pages</h2>\n<table>\n<caption>Of %llu huge pages of 2 "
		"MiB: splitting those that have at least so many twins</caption>\n"
		"<tr class=\"head\"><th scope=\"col\">Twins</th><th scope=\"col\" class=\"num\">Would save</th>"
		"<th scope=\"col\" class=\"num\">Less in huge pages</th></tr>\n",
		total->sum.blocks_huge);
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		fprintf(file, "<tr><td>%u</td><td class=\"num\">%s</td>"
			"<td class=\"num\">%s</td></tr>\n",
			advice_split_twins(i), mib(gain, advice_split_gain(total, i)),
			mib(price, total->sum.splits[i] * 512));
	fprintf(file, "</table>\n");
}

static void put_class_rows(FILE *file, const struct standing *standing)
{
	char amount[AMOUNT_SIZE];
	unsigned int class;
	__u64 pages;

	for (class = 0; class < PSHARE_NR_CLASSES; class++) {
		pages = standing_pages(standing, class);
		if (pages)
			fprintf(file, "<tr><td>%s<small>%s</small></td><td class=\"num\">%llu</td>"
				"<td class=\"num\">%s</td></tr>\n", page_classes[class].name,
				page_classes[class].help, pages, mib(amount, pages));
	}
}

static void put_classes(FILE *file, const struct account *account)
{
	const struct vm *vm;

	fprintf(file, "<h2>Every class</h2>\n");
	for (vm = account->vms; vm < account->vms + account->nr_vms; vm++) {
		fprintf(file, "<details>\n<summary>");
		put_escaped(file, vm->name);
		fprintf(file, " (process %d)</summary>\n<div class=\"wide\"><table>\n"
			"<tr class=\"head\"><th scope=\"col\">Class</th><th scope=\"col\" class=\"num\">Pages</th>"
			"<th scope=\"col\" class=\"num\">Amount</th></tr>\n",
			(int)vm->pid);
		put_class_rows(file, &vm->standing);
		fprintf(file, "</table></div>\n</details>\n");
	}
}

/**
 * report_html - write the report as a page
 * @report: the report
 * @file: where to
 */
void report_html(const struct report *report, FILE *file)
{
	const struct account *account = &report->account;
	char text[SENTENCE_SIZE];

	fputs(head, file);
	report_sum_sentence(report, text);
	put_tag(file, "h1", text);
	report_state_sentence(report, text);
	put_tag(file, "p", text);
	if (account->nr_ledgers) {
		put_vms(file, account);
		put_legend(file, &account->total);
		put_advice(file, report);
		put_curve(file, &account->total);
		put_classes(file, account);
	} else {
		fprintf(file, "<p>No region is registered.</p>\n");
	}
	fprintf(file, "<p class=\"soft\">pshare " PSHARE_VERSION ", %s</p>\n</body>\n</html>\n",
		report->time);
}
