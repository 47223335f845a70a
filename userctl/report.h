/* SPDX-License-Identifier: GPL-2.0 */
/* What 'report' and 'estimate' show, and the forms in which they do. */
#ifndef PSHARE_REPORT_H
#define PSHARE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "account.h"
#include "advice.h"

struct args;
struct json_object;

/**
 * struct report - all figures
 * @account:	the ledgers
 * @advice:	what could be done
 * @nr_advice:	how much of it
 * @passes:	complete passes since the module was loaded
 * @run:	the knob
 * @saved:	pages that the module saves, all regions together
 * @time:	when the ledgers were read, in UTC
 */
struct report {
	struct account account;
	struct advice advice[MAX_ADVICE];
	size_t nr_advice;
	unsigned long long passes;
	long long run;
	__u64 saved;
	char time[32];
};

/* The sentences above the bars; each fits SENTENCE_SIZE. */
#define SENTENCE_SIZE	160
void report_sum_sentence(const struct report *report, char *buf);
void report_state_sentence(const struct report *report, char *buf);

int report_read(const struct args *args, struct report *report);
int report_show(const struct args *args, const struct report *report);
void report_free(struct report *report);

void report_text(const struct report *report, bool ascii, bool all);
void report_json(const struct report *report, struct json_object *doc);
void report_svg(const struct report *report, FILE *file);
void report_html(const struct report *report, FILE *file);

/* Text that may hold anything, as a part of an XML or HTML document. */
void put_escaped(FILE *file, const char *text);

#endif /* PSHARE_REPORT_H */
