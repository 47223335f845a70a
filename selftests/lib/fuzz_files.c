// SPDX-License-Identifier: GPL-2.0
/* Knobs and tables, used by somebody who does not know how; see fuzz.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fuzz.h"

#define DEBUGFS		"/sys/kernel/debug/pshare/"

static const struct {
	const char *name;
	unsigned long long min, max;
} knobs[] = {
	{ "run", 0, 2 },
	{ "pages_to_scan", 1, 0xffffffff },
	{ "sleep_millisecs", 0, 0xffffffff },
	{ "use_zero_pages", 0, 1 },
	{ "max_pages_shared", 0, 0xffffffff },
};

static void make_text(struct rng *rng, char *text)
{
	static const char * const odd[] = {
		"", "\n", " 1", "1 ", "+1", "-1", "0x1", "1\n\n", "1\n", "1.0", "1e3", "00001\n",
		"4294967295", "4294967296", "18446744073709551616", "99999999999999999999999999",
		"one", "1,2", "\t0", "0\r\n", "%s%n", "2147483648\n", "+\n", "+-1", "0", "1", "2",
	};
	unsigned int i, length;

	if (!rng_one_in(rng, 4)) {
		strcpy(text, odd[rng_below(rng, sizeof(odd) / sizeof(*odd))]);
		return;
	}
	length = rng_below(rng, 100);
	for (i = 0; i < length; i++)
		text[i] = rng_one_in(rng, 2) ? '0' + rng_below(rng, 10) : 1 + rng_below(rng, 255);
	text[i] = '\0';
}

/* Decimal digits, with a sign and an end of line if need be, within the limits? */
static bool text_valid(const char *text, unsigned int knob, unsigned long long *value)
{
	size_t digits;

	text += *text == '+';
	digits = strspn(text, "0123456789");
	if (!digits || strcmp(text + digits + (text[digits] == '\n'), ""))
		return false;
	errno = 0;
	*value = strtoull(text, NULL, 10);
	return !errno && *value >= knobs[knob].min && *value <= knobs[knob].max;
}

/* Writes at random to a knob: what is not allowed must change nothing. */
const char *fuzz_knob(struct world *world, struct rng *rng, bool alone)
{
	unsigned int knob = rng_below(rng, sizeof(knobs) / sizeof(*knobs));
	unsigned long long value;
	static char why[256];
	long long before, after;
	char text[128];
	int err;

	make_text(rng, text);
	if (!*text)
		return NULL;
	before = ps_get(knobs[knob].name);
	err = ps_set_text(knobs[knob].name, text);
	after = ps_get(knobs[knob].name);
	if (text_valid(text, knob, &value)) {
		world->run = knob || err ? world->run : (long long)value;
		if (!err && (!alone || after == (long long)value))
			return NULL;
		/* To unmerge all takes time and memory, and signals come. */
		if (!alone && (err == -EINTR || err == -EBUSY || err == -ENOMEM))
			return NULL;
	} else if (err == -EINVAL && (!alone || after == before)) {
		return NULL;
	}
	snprintf(why, sizeof(why), "%s: '%s' gives %d, and leaves %lld", knobs[knob].name, text,
		 err, after);
	return why;
}

/* Reads a table in pieces of any size from any place, and tries to write to it. */
const char *fuzz_table(struct rng *rng)
{
	static const char * const tables[] = {
		DEBUGFS "regions", DEBUGFS "groups", DEBUGFS "scan", PSHARE_SYSFS "pages_shared",
		PSHARE_SYSFS "general_profit", PSHARE_SYSFS "metadata_bytes", PSHARE_SYSFS "run",
		"/sys/module/pshare/parameters/kallsyms_lookup_name_addr",
	};
	const char *path = tables[rng_below(rng, sizeof(tables) / sizeof(*tables))];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned int i, length;
	char piece[512];
	off_t at;

	if (fd < 0)
		return path;
	for (i = rng_below(rng, 6); i; i--) {
		at = rng_one_in(rng, 8) ? (off_t)(rng_next(rng) >> rng_below(rng, 64)) :
		     rng_below(rng, 3000);
		length = rng_below(rng, sizeof(piece));
		if (pread(fd, piece, length, at) < 0 && at >= 0 && errno != EINTR &&
		    errno != EINVAL && errno != EOVERFLOW)
			break;
	}
	if (write(fd, "1", 1) >= 0)
		i = 1;
	close(fd);
	return i ? path : NULL;
}
