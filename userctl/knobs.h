/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_KNOBS_H
#define PSHARE_KNOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct json_object;

/* Longer than any value. */
#define KNOB_SIZE	64

/**
 * struct knob - a file in /sys/kernel/mm/pshare
 * @name:	of the file
 * @takes:	the values that may be written; NULL for a counter
 * @help:	a few words
 */
struct knob {
	const char *name;
	const char *takes;
	const char *help;
};

/* Those that this release knows, in good order; ends with a name of NULL. */
extern const struct knob knobs[];

const struct knob *knob_find(const char *name);
bool knobs_present(void);
int knobs_names(char ***names, size_t *nr);
void knobs_names_free(char **names, size_t nr);

int knob_read(const char *name, char *value);
int knob_write(const char *name, const char *value);
long long knob_number(const char *name);
struct json_object *knob_json(const char *value);

#endif /* PSHARE_KNOBS_H */
