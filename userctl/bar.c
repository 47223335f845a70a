// SPDX-License-Identifier: GPL-2.0
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "account.h"
#include "bar.h"

/* What is not a terminal, or does not know its width, is as wide as this. */
#define USUAL_COLUMNS	80
#define MIN_COLUMNS	40
#define MAX_COLUMNS	200

static int find_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return USUAL_COLUMNS;
	if (size.ws_col < MIN_COLUMNS)
		return MIN_COLUMNS;
	return size.ws_col > MAX_COLUMNS ? MAX_COLUMNS : size.ws_col;
}

/**
 * style_find - find out what standard output can show
 * @style: filled in
 * @ascii: the user wants nothing but ASCII
 */
void style_find(struct style *style, bool ascii)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	/* Letters only: numbers keep their point. */
	setlocale(LC_CTYPE, "");
	style->utf8 = !ascii && !strcmp(nl_langinfo(CODESET), "UTF-8");
	style->colour = isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
			strcmp(term, "dumb") != 0;
	style->columns = find_columns();
}

/* Draws a band, so many columns wide. */
void style_glyph(const struct style *style, enum band band, int times)
{
	const struct band_info *info = &bands[band];

	if (!times)
		return;
	if (style->colour)
		printf("\033[%dm", info->colour < 8 ? 30 + info->colour : 82 + info->colour);
	while (times--) {
		if (style->utf8)
			fputs(info->glyph, stdout);
		else
			putchar(info->ascii);
	}
	if (style->colour)
		fputs("\033[0m", stdout);
}

/* The band that has the most, or lacks the most, of what is its due. */
static enum band furthest(const double due[NR_BANDS], const int cells[NR_BANDS], int sign)
{
	enum band band, found = 0;
	double most = -1e300;

	for (band = 0; band < NR_BANDS; band++) {
		double off = sign * (cells[band] - due[band]);

		/* The last cell of a band is not taken away. */
		if (off > most && (sign < 0 ? due[band] > 0 : cells[band] > 1)) {
			most = off;
			found = band;
		}
	}
	return found;
}

/**
 * bar_cells - share out the columns of a bar
 * @standing: what the bar shows; all of it is the whole width
 * @width: of the bar, at least NR_BANDS
 * @cells: the columns of each band; a band that is not empty gets one at least
 */
void bar_cells(const struct standing *standing, int width, int cells[NR_BANDS])
{
	double due[NR_BANDS];
	enum band band;
	int used = 0;

	for (band = 0; band < NR_BANDS; band++) {
		due[band] = width * share_of(standing->band[band], standing->memory) / 100;
		cells[band] = (int)due[band];
		if (!cells[band] && standing->band[band])
			cells[band] = 1;
		used += cells[band];
	}
	if (!standing->memory)
		return;
	for (; used < width; used++)
		cells[furthest(due, cells, -1)]++;
	for (; used > width; used--)
		cells[furthest(due, cells, 1)]--;
}

/* One bar, without a newline; blank where there is no memory at all. */
void bar_print(const struct style *style, const struct standing *standing, int width)
{
	int cells[NR_BANDS];
	enum band band;

	if (!standing->memory) {
		printf("%*s", width, "");
		return;
	}
	bar_cells(standing, width, cells);
	for (band = 0; band < NR_BANDS; band++)
		style_glyph(style, band, cells[band]);
}
