/* SPDX-License-Identifier: GPL-2.0 */
/* Bars on a terminal. */
#ifndef PSHARE_BAR_H
#define PSHARE_BAR_H

#include <stdbool.h>

#include "classes.h"

struct standing;

/**
 * struct style - what the terminal, or whatever it is, can show
 * @utf8:	it takes UTF-8
 * @colour:	it is a terminal that has colours
 * @columns:	its width
 */
struct style {
	bool utf8;
	bool colour;
	int columns;
};

void style_find(struct style *style, bool ascii);
void style_glyph(const struct style *style, enum band band, int times);

void bar_cells(const struct standing *standing, int width, int cells[NR_BANDS]);
void bar_print(const struct style *style, const struct standing *standing, int width);

#endif /* PSHARE_BAR_H */
