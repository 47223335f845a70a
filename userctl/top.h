/* SPDX-License-Identifier: GPL-2.0 */
/* What 'top' shows each round; how it is drawn is another's matter. */
#ifndef PSHARE_TOP_H
#define PSHARE_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include "account.h"

struct args;

/**
 * struct round - the state at one moment
 * @account:	the ledgers, with the VMs in the order that was asked for
 * @at:		seconds, on a clock that only runs forward
 * @time:	of day
 * @run:	the knob
 * @passes:	complete passes
 * @scanned:	pages visited since the module was loaded
 * @saved:	pages saved
 * @has_rates:	there was a round before this
 * @scan_rate:	pages visited each second since then
 * @save_rate:	pages saved each second since then; negative when they become fewer
 */
struct round {
	struct account account;
	double at;
	char time[16];
	long long run;
	unsigned long long passes;
	__u64 scanned;
	__u64 saved;
	bool has_rates;
	double scan_rate;
	double save_rate;
};

/**
 * struct top - a session
 * @args:	the command line
 * @sort:	what to sort by
 * @now:	the last round
 */
struct top {
	const struct args *args;
	const char *sort;
	struct round now;
};

/* Bytes of a line of text. */
#define TOP_LINE	256
/* Columns of what is left of the bars. */
#define TOP_COLUMNS	80

bool top_sort_known(const char *sort);
int top_next(struct top *top);
void top_sort(struct top *top);
bool top_stopped(void);

void top_head(const struct round *round, size_t nr, char *line);
void top_titles(char *line);
void top_row(const struct vm *vm, char *line);
void top_total(const struct round *round, char *line);

int top_screen(struct top *top);

#endif /* PSHARE_TOP_H */
