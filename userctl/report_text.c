// SPDX-License-Identifier: GPL-2.0
/* The report on a terminal: one screen, if there are not too many VMs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bar.h"
#include "output.h"
#include "report.h"

/* VMs that fit on a screen of 24 lines; with --long all are shown. */
#define USUAL_VMS	6

/* Widths of what is left of a bar and right of it. */
#define LEFT_COLUMNS	(8 + 12)
#define RIGHT_COLUMNS	8

/* Two columns of the legend need as much. */
#define WIDE_COLUMNS	78

static int name_columns(const struct style *style)
{
	return style->columns < 64 ? 9 : 17;
}

static bool has_percents(const struct style *style)
{
	return style->columns >= 50;
}

static int bar_columns(const struct style *style)
{
	int right = has_percents(style) ? RIGHT_COLUMNS : 0;

	return style->columns - LEFT_COLUMNS - name_columns(style) - right;
}

static const char *mib(char *buf, __u64 pages)
{
	return format_bytes(buf, (double)pages * PAGE_BYTES);
}

static void print_line(const struct style *style, const char *text)
{
	printf("%.*s\n", style->columns, text);
}

static void print_bar(const struct style *style, const char *pid, const char *name,
		      const struct standing *standing)
{
	char amount[AMOUNT_SIZE];
	int width = name_columns(style) - 1;

	printf("%7s %-*.*s %11s ", pid, width, width, name, mib(amount, standing->memory));
	bar_print(style, standing, bar_columns(style));
	if (has_percents(style))
		printf(" %5.1f %%", share_of(standing->band[BAND_SHARED], standing->memory));
	putchar('\n');
}

static void print_bars(const struct style *style, const struct account *account, bool all)
{
	int bar = bar_columns(style), width = name_columns(style) - 1;
	size_t i, shown = account->nr_vms;
	char pid[16];

	/* One that is left out needs a line, too. */
	if (!all && shown > USUAL_VMS + 1)
		shown = USUAL_VMS;
	printf("%7s %-*s %11s %-*.*s%s\n", "PID", width, "VM", "MEMORY", bar, bar,
	       "all of it, by what became of it", has_percents(style) ? "  SHARED" : "");
	for (i = 0; i < shown; i++) {
		snprintf(pid, sizeof(pid), "%d", (int)account->vms[i].pid);
		print_bar(style, pid, account->vms[i].name, &account->vms[i].standing);
	}
	if (shown < account->nr_vms)
		printf("%7s and %zu smaller ones: --long shows them\n", "",
		       account->nr_vms - shown);
	if (account->nr_vms > 1)
		print_bar(style, "", "total", &account->total);
}

static void print_legend(const struct style *style, const struct standing *total)
{
	bool wide = style->columns >= WIDE_COLUMNS;
	char amount[AMOUNT_SIZE];
	enum band band;
	int nr = 0;

	for (band = 0; band < NR_BANDS; band++) {
		if (!total->band[band])
			continue;
		if (nr++)
			fputs(wide && nr % 2 == 0 ? "   " : "\n", stdout);
		style_glyph(style, band, 1);
		printf(" %-16s %11s %5.1f %%", bands[band].label,
		       mib(amount, total->band[band]), share_of(total->band[band], total->memory));
	}
	if (nr)
		putchar('\n');
}

static void print_advice(const struct style *style, const struct report *report, bool all)
{
	static const char *const marks[] = { "", "<=", "free", "?" };
	char amount[AMOUNT_SIZE], line[256];
	const struct advice *advice;

	if (!report->nr_advice)
		return;
	snprintf(line, sizeof(line), "%16s  %-33s %s", "WOULD SAVE", "WHAT TO DO", "PRICE");
	print_line(style, line);
	for (advice = report->advice; advice < report->advice + report->nr_advice; advice++) {
		bool known = advice->certainty != UNKNOWN;

		if (!all && !advice_matters(advice, &report->account.total))
			continue;
		snprintf(line, sizeof(line), "%-4s %11s  %-33s %s", marks[advice->certainty],
			 known ? mib(amount, advice->pages) : "", advice->what, advice->price);
		print_line(style, line);
	}
}

static void print_classes(const struct standing *standing)
{
	char amount[AMOUNT_SIZE];
	unsigned int class;
	__u64 pages;

	for (class = 0; class < PSHARE_NR_CLASSES; class++) {
		pages = standing_pages(standing, class);
		if (pages)
			printf("  %-19s %12llu pages %12s  %s\n", page_classes[class].name, pages,
			       mib(amount, pages), page_classes[class].help);
	}
}

static void print_huge(const struct standing *standing)
{
	static const char *const bins[PSHARE_NR_TWIN_BINS] = {
		"0", "1-8", "9-64", "65-256", "257-511", "512",
	};
	const struct pshare_read_ledger *sum = &standing->sum;
	char gain[AMOUNT_SIZE], price[AMOUNT_SIZE];
	size_t i;

	printf("  huge pages: %llu, of these equal to another as a whole %llu; split so far %llu, "
	       "which gained %s\n", sum->blocks_huge, sum->blocks_equal, sum->blocks_split,
	       mib(gain, sum->split_gained));
	if (!sum->blocks_huge)
		return;
	for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
		if (sum->twins[i])
			printf("    with %-7s twins %12llu\n", bins[i], sum->twins[i]);
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		if (sum->splits[i])
			printf("    splitting those of %3u or more saves %12s and gives up %12s\n",
			       advice_split_twins(i), mib(gain, advice_split_gain(standing, i)),
			       mib(price, sum->splits[i] * 512));
}

static void print_details(const struct report *report)
{
	const struct account *account = &report->account;
	const struct advice *advice;
	const struct vm *vm;

	for (advice = report->advice; advice < report->advice + report->nr_advice; advice++)
		printf("\n%s\n  %s\n", advice->what, advice->how);
	for (vm = account->vms; vm < account->vms + account->nr_vms; vm++) {
		printf("\nVM %s: process %d (%s), %zu region%s, group %s\n", vm->name,
		       (int)vm->pid, vm->comm, vm->regions, vm->regions == 1 ? "" : "s",
		       vm->group);
		print_classes(&vm->standing);
		print_huge(&vm->standing);
	}
	if (account->nr_vms == 1)
		return;
	printf("\nAll VMs\n");
	print_classes(&account->total);
	print_huge(&account->total);
}

/**
 * report_text - show the report on standard output
 * @report: the report
 * @ascii: nothing but ASCII
 * @all: every VM, every class, and what there is to say on each technique
 */
void report_text(const struct report *report, bool ascii, bool all)
{
	char line[SENTENCE_SIZE];
	struct style style;

	if (!report->account.nr_ledgers)
		return;
	style_find(&style, ascii);
	report_sum_sentence(report, line);
	print_line(&style, line);
	report_state_sentence(report, line);
	print_line(&style, line);
	print_bars(&style, &report->account, all);
	putchar('\n');
	print_legend(&style, &report->account.total);
	putchar('\n');
	print_advice(&style, report, all);
	if (all)
		print_details(report);
}
