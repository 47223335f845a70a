/* SPDX-License-Identifier: GPL-2.0 */
/* What an administrator could do, what it would save, and what it would cost. */
#ifndef PSHARE_ADVICE_H
#define PSHARE_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct account;
struct standing;

/* Room for everything that advice_make() may have to say. */
#define MAX_ADVICE	14

/**
 * enum certainty - what is known about an amount
 * @PREDICTED:	it would be saved, if nothing changes
 * @AT_MOST:	nobody has looked into this memory; no more than this is there to save
 * @FREE:	it is free already
 * @UNKNOWN:	it was not measured
 */
enum certainty {
	PREDICTED,
	AT_MOST,
	FREE,
	UNKNOWN,
};

/**
 * struct advice - one technique
 * @name:	for programs
 * @what:	what to do, in a few words
 * @price:	what it costs, in a few words
 * @how:	sentences: how it is done, and what to know about it
 * @certainty:	what @pages is
 * @pages:	that it would save
 */
struct advice {
	const char *name;
	char what[48];
	char price[48];
	const char *how;
	enum certainty certainty;
	__u64 pages;
};

extern const char *const certainties[];

size_t advice_make(const struct account *account, struct advice *list);
bool advice_matters(const struct advice *advice, const struct standing *total);
size_t advice_split_step(const struct standing *standing);
__u64 advice_split_gain(const struct standing *standing, size_t step);
unsigned int advice_split_twins(size_t step);

#endif /* PSHARE_ADVICE_H */
