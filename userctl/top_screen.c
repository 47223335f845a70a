// SPDX-License-Identifier: GPL-2.0
/* 'top' on a terminal. */
#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bar.h"
#include "cli.h"
#include "output.h"
#include "top.h"

/* Lines above the VMs, and below them: the total and the keys. */
#define HEAD_LINES	4
#define FOOT_LINES	2
/* The bar takes what is left, if it is worth it. */
#define MIN_BAR		12

/**
 * struct screen - what is on the terminal
 * @style:	what it can show
 * @terminal:	of ncurses
 * @first:	the first VM that is shown
 */
struct screen {
	struct style style;
	SCREEN *terminal;
	int first;
};

static void leave(void)
{
	output_prepare(NULL);
	endwin();
}

/* Where there are but eight colours, a bright one is a bold one. */
static short colour_of(enum band band)
{
	return (short)(COLORS < 16 ? bands[band].colour % 8 : bands[band].colour);
}

static attr_t attribute_of(const struct screen *screen, enum band band)
{
	attr_t bold = COLORS < 16 && bands[band].colour >= 8 ? A_BOLD : A_NORMAL;

	return screen->style.colour ? (attr_t)COLOR_PAIR(band + 1) | bold : A_NORMAL;
}

static int enter(struct screen *screen, bool ascii)
{
	const char *term = getenv("TERM");
	enum band band;

	style_find(&screen->style, ascii);
	screen->terminal = newterm(NULL, stdout, stdin);
	if (!screen->terminal)
		return output_failure(&(struct failure){
			.rc = RC_FAILED, .subject = term ? term : "no TERM",
			.why = "this terminal is not known here",
			.advice = "set TERM, or use --batch" });
	output_prepare(leave);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (screen->style.colour && has_colors()) {
		start_color();
		use_default_colors();
		for (band = 0; band < NR_BANDS; band++)
			init_pair((short)(band + 1), colour_of(band), -1);
	} else {
		screen->style.colour = false;
	}
	return RC_OK;
}

/* A line, as much as fits. */
static void put_line(int y, const char *text, attr_t attribute)
{
	if (y < 0 || y >= LINES)
		return;
	attron(attribute);
	mvaddnstr(y, 0, text, COLS);
	attroff(attribute);
}

static void put_bar(const struct screen *screen, int y, const struct standing *standing)
{
	int width = COLS - TOP_COLUMNS, cells[NR_BANDS], i;
	enum band band;

	if (width < MIN_BAR || !standing->memory || y < 0 || y >= LINES)
		return;
	bar_cells(standing, width, cells);
	move(y, TOP_COLUMNS);
	for (band = 0; band < NR_BANDS; band++) {
		attron(attribute_of(screen, band));
		for (i = 0; i < cells[band]; i++) {
			if (screen->style.utf8)
				addstr(bands[band].glyph);
			else
				addch((chtype)bands[band].ascii);
		}
		attroff(attribute_of(screen, band));
	}
}

/* How many VMs fit. */
static int rows(void)
{
	int fit = LINES - HEAD_LINES - FOOT_LINES;

	return fit > 0 ? fit : 0;
}

static void scroll_to(struct screen *screen, const struct account *account, long first)
{
	long last = (long)account->nr_vms - rows();

	if (first > last)
		first = last;
	screen->first = first > 0 ? (int)first : 0;
}

static void draw(struct screen *screen, const struct top *top)
{
	const struct account *account = &top->now.account;
	char line[TOP_LINE], titles[TOP_LINE];
	int i, y = HEAD_LINES;

	scroll_to(screen, account, screen->first);
	erase();
	for (i = 0; i < 2; i++) {
		top_head(&top->now, (size_t)i, line);
		put_line(i, line, i ? A_NORMAL : A_BOLD);
	}
	top_titles(titles);
	snprintf(line, sizeof(line), "%-*s", COLS < TOP_LINE - 1 ? COLS : TOP_LINE - 1, titles);
	put_line(HEAD_LINES - 1, line, A_REVERSE);
	for (i = screen->first; i < (int)account->nr_vms && y < HEAD_LINES + rows(); i++, y++) {
		top_row(&account->vms[i], line);
		put_line(y, line, A_NORMAL);
		put_bar(screen, y, &account->vms[i].standing);
	}
	if (!account->nr_vms) {
		put_line(y, "no region is registered: 'pshare add --vms' does it", A_NORMAL);
	} else {
		top_total(&top->now, line);
		put_line(y, line, A_BOLD);
		put_bar(screen, y, &account->total);
	}
	snprintf(line, sizeof(line), "q quit  s shared  r ready  b blocked  m memory  "
		 "arrows scroll; by %s", top->sort);
	put_line(LINES - 1, line, A_DIM);
	refresh();
}

/* Return: whether to go on; @again when a new round is wanted at once. */
static bool on_key(struct screen *screen, struct top *top, int key, bool *again)
{
	static const char *const sorts[] = { "shared", "ready", "blocked", "memory" };
	size_t i;

	for (i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (key == sorts[i][0])
			top->sort = sorts[i];
	top_sort(top);
	if (key == KEY_UP || key == KEY_PPAGE)
		scroll_to(screen, &top->now.account,
			  screen->first - (key == KEY_UP ? 1 : rows()));
	if (key == KEY_DOWN || key == KEY_NPAGE)
		scroll_to(screen, &top->now.account,
			  screen->first + (key == KEY_DOWN ? 1 : rows()));
	*again = key == ' ';
	return key != 'q' && key != 'Q';
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* Shows a round until the next is due.  Return: whether to go on. */
static bool show_round(struct screen *screen, struct top *top)
{
	struct timespec start;
	bool again = false;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!again && !top_stopped()) {
		long left = (long)top->args->interval_ms - ms_since(&start);
		int key;

		draw(screen, top);
		if (left <= 0)
			return true;
		timeout((int)left);
		key = getch();
		if (key != ERR && !on_key(screen, top, key, &again))
			return false;
		/* A terminal that is gone answers at once, for ever. */
		if (key == ERR && ms_since(&start) < left / 2 && !top_stopped())
			napms(50);
	}
	return !top_stopped();
}

/**
 * top_screen - show rounds on the terminal until it is enough
 * @top: the session
 *
 * Return: an exit code, after a report.
 */
int top_screen(struct top *top)
{
	struct screen screen = { 0 };
	__u32 round = 0;
	int rc;

	rc = enter(&screen, top->args->given & OPT_BIT(OPT_ASCII));
	if (rc)
		return rc;
	do {
		rc = top_next(top);
		if (rc || !show_round(&screen, top))
			break;
	} while (!top->args->count || ++round < top->args->count);
	if (!rc)
		leave();
	delscreen(screen.terminal);
	return top_stopped() ? RC_INTERRUPTED : rc;
}
