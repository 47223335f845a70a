// SPDX-License-Identifier: GPL-2.0
/* The report as a picture: bars, legend, techniques. */
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "report.h"

/* Everything is in units of the picture. */
#define WIDTH		900
#define MARGIN		24
#define BAR_LEFT	300
#define BAR_WIDTH	(WIDTH - MARGIN - BAR_LEFT - 70)
#define BAR_HEIGHT	22
#define ROW		34
#define LINE		24
#define HEAD		84
#define GAP		14

static const char style[] =
"<style>\n"
"text { font: 14px system-ui, 'DejaVu Sans', sans-serif; fill: #1b1f24; }\n"
".title { font-size: 19px; font-weight: 600; }\n"
".soft { fill: #555c66; }\n"
".num { text-anchor: end; font-variant-numeric: tabular-nums; }\n"
".page { fill: #ffffff; }\n"
".rest { fill: #e6e8eb; }\n"
"@media (prefers-color-scheme: dark) {\n"
"text { fill: #e8eaed; }\n"
".soft { fill: #a9b1bc; }\n"
".page { fill: #15181c; }\n"
".rest { fill: #2c3138; }\n"
"}\n"
"</style>\n";

static const char *mib(char *buf, __u64 pages)
{
	return format_bytes(buf, (double)pages * PAGE_BYTES);
}

static void put_text(FILE *file, int x, int y, const char *class, const char *text)
{
	fprintf(file, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	put_escaped(file, text);
	fprintf(file, "</text>\n");
}

static void put_segments(FILE *file, const struct standing *standing, int y)
{
	double left = BAR_LEFT, width;
	char amount[AMOUNT_SIZE];
	enum band band;

	fprintf(file, "<rect class=\"rest\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
		BAR_LEFT, y, BAR_WIDTH, BAR_HEIGHT);
	for (band = 0; band < NR_BANDS; band++) {
		if (!standing->band[band])
			continue;
		width = BAR_WIDTH * share_of(standing->band[band], standing->memory) / 100;
		/* A line of the page's colour keeps neighbours apart. */
		fprintf(file, "<rect fill=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\">"
			"<title>%s: %s</title></rect>\n", bands[band].css, left, y,
			width > 2 ? width - 1 : width, BAR_HEIGHT, bands[band].label,
			mib(amount, standing->band[band]));
		left += width;
	}
}

static void put_bar(FILE *file, const char *name, const struct standing *standing, int y)
{
	char text[AMOUNT_SIZE], shown[24];

	/* As much as there is room for. */
	snprintf(shown, sizeof(shown), "%.20s%s", name, strlen(name) > 20 ? ".." : "");
	put_text(file, MARGIN, y + 16, "name", shown);
	put_text(file, BAR_LEFT - 12, y + 16, "num soft", mib(text, standing->memory));
	put_segments(file, standing, y);
	snprintf(text, sizeof(text), "%.1f %%",
		 share_of(standing->band[BAND_SHARED], standing->memory));
	put_text(file, WIDTH - MARGIN, y + 16, "num", text);
}

static int put_legend(FILE *file, const struct standing *total, int y)
{
	char amount[AMOUNT_SIZE], text[AMOUNT_SIZE + 16];
	const int column = (WIDTH - 2 * MARGIN) / 2;
	enum band band;
	int n = 0;

	for (band = 0; band < NR_BANDS; band++) {
		int x = MARGIN + n % 2 * column, line = y + n / 2 * LINE;

		if (!total->band[band])
			continue;
		fprintf(file, "<rect fill=\"%s\" x=\"%d\" y=\"%d\" width=\"14\" height=\"14\"/>\n",
			bands[band].css, x, line);
		put_text(file, x + 22, line + 12, "name", bands[band].label);
		put_text(file, x + 280, line + 12, "num", mib(amount, total->band[band]));
		snprintf(text, sizeof(text), "%.1f %%", share_of(total->band[band], total->memory));
		put_text(file, x + 360, line + 12, "num soft", text);
		n++;
	}
	return y + (n + 1) / 2 * LINE;
}

static int put_advice(FILE *file, const struct report *report, int y)
{
	static const char *const marks[] = { "", "at most ", "free: ", "not measured" };
	char text[AMOUNT_SIZE + 16], amount[AMOUNT_SIZE];
	const struct advice *advice;

	if (!report->nr_advice)
		return y;
	put_text(file, MARGIN + 170, y + 12, "num soft", "would save");
	put_text(file, MARGIN + 194, y + 12, "soft", "what to do");
	put_text(file, MARGIN + 520, y + 12, "soft", "price");
	for (advice = report->advice; advice < report->advice + report->nr_advice; advice++) {
		bool known = advice->certainty != UNKNOWN;

		if (!advice_matters(advice, &report->account.total))
			continue;
		y += LINE;
		snprintf(text, sizeof(text), "%s%s", marks[advice->certainty],
			 known ? mib(amount, advice->pages) : "");
		put_text(file, MARGIN + 170, y + 12, "num", text);
		put_text(file, MARGIN + 194, y + 12, "name", advice->what);
		put_text(file, MARGIN + 520, y + 12, "name", advice->price);
	}
	return y + LINE;
}

static int legend_lines(const struct standing *total)
{
	enum band band;
	int n = 0;

	for (band = 0; band < NR_BANDS; band++)
		n += total->band[band] != 0;
	return (n + 1) / 2;
}

static int advice_lines(const struct report *report)
{
	const struct advice *advice;
	int n = report->nr_advice != 0;

	for (advice = report->advice; advice < report->advice + report->nr_advice; advice++)
		n += advice_matters(advice, &report->account.total);
	return n;
}

static void put_head(FILE *file, const struct report *report, size_t height)
{
	char sum[SENTENCE_SIZE], state[SENTENCE_SIZE];

	report_sum_sentence(report, sum);
	report_state_sentence(report, state);
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" "
		"width=\"%d\" height=\"%zu\" role=\"img\" aria-labelledby=\"t d\">\n",
		WIDTH, height, WIDTH, height);
	fprintf(file, "<title id=\"t\">What became of the memory of the VMs</title>\n"
		"<desc id=\"d\">");
	put_escaped(file, sum);
	fprintf(file, ". ");
	put_escaped(file, state);
	fprintf(file, ".</desc>\n%s", style);
	fprintf(file, "<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n");
	put_text(file, MARGIN, 34, "title", sum);
	put_text(file, MARGIN, 58, "soft", state);
	put_text(file, WIDTH - MARGIN, HEAD - 6, "num soft", "shared");
}

/**
 * report_svg - write the report as a picture
 * @report: the report
 * @file: where to
 */
void report_svg(const struct report *report, FILE *file)
{
	const struct account *account = &report->account;
	bool total = account->nr_vms > 1;
	size_t height, i, bars = account->nr_vms + total, lines;
	int y = HEAD;

	lines = (size_t)legend_lines(&account->total) + (size_t)advice_lines(report) + 1;
	height = HEAD + bars * ROW + lines * LINE + 3UL * GAP + MARGIN;
	put_head(file, report, height);
	for (i = 0; i < account->nr_vms; i++, y += ROW)
		put_bar(file, account->vms[i].name, &account->vms[i].standing, y);
	if (total) {
		put_bar(file, "total", &account->total, y);
		y += ROW;
	}
	y = put_legend(file, &account->total, y + GAP);
	y = put_advice(file, report, y + GAP);
	put_text(file, MARGIN, y + GAP + 12, "soft", report->time);
	fprintf(file, "</svg>\n");
}
