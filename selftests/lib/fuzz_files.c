// SPDX-License-Identifier: GPL-2.0
/* Knobs and tables, used by somebody who does not know how; see fuzz.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fuzz.h"
#include "lib/knobs.h"

#define DEBUGFS		"/sys/kernel/debug/pshare/"

static void make_text(struct rng *rng, char *text)
{
	static const char * const odd[] = {
		"", "\n", " 1", "1 ", "+1", "-1", "0x1", "1\n\n", "1\n", "1.0", "1e3", "00001\n",
		"4294967295", "4294967296", "18446744073709551616", "99999999999999999999999999",
		"one", "1,2", "\t0", "0\r\n", "%s%n", "2147483648\n", "+\n", "+-1", "0", "1", "2",
		"3", "4\n", "64", "100\n", "101", "512", "513", "keep", "always\n", "benefit ",
		"idle", "idle\n", "idle ", "-7", "-20\n", "-21",
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
	return !errno && *value >= (unsigned long long)knobs[knob].min &&
	       *value <= (unsigned long long)knobs[knob].max;
}

static bool is_policy(const char *text)
{
	for (unsigned int i = 0; i < NR_POLICIES; i++) {
		size_t length = strlen(policies[i]);

		if (!strncmp(text, policies[i], length) &&
		    (!text[length] || !strcmp(text + length, "\n")))
			return true;
	}
	return false;
}

/* The same for the knob that takes words. */
static const char *fuzz_policy(struct rng *rng, bool alone)
{
	char text[128], before[64], after[64];
	static char why[256];
	int err;

	if (rng_one_in(rng, 2))
		strcpy(text, policies[rng_below(rng, NR_POLICIES)]);
	else
		make_text(rng, text);
	if (!*text)
		return NULL;
	file_read(PSHARE_SYSFS "huge_policy", before, sizeof(before));
	err = ps_set_text("huge_policy", text);
	file_read(PSHARE_SYSFS "huge_policy", after, sizeof(after));
	if (is_policy(text) ? !err && (!alone || !strncmp(after, text, strlen(after) - 1)) :
	    err == -EINVAL && (!alone || !strcmp(before, after)))
		return NULL;
	snprintf(why, sizeof(why), "huge_policy: '%s' gives %d, and leaves %s", text, err, after);
	return why;
}

/* Decimal digits, with a sign and an end of line if need be; or a word. */
static bool is_nice(const char *text)
{
	bool minus = *text == '-', plus = *text == '+';
	size_t digits = strspn(text + (minus || plus), "0123456789");
	long long value = strtoll(text, NULL, 10);

	if (!strcmp(text, "idle") || !strcmp(text, "idle\n"))
		return true;
	text += (minus || plus) + digits;
	return digits && !strcmp(text + (*text == '\n'), "") && value >= -20 && value <= 19;
}

/* The same for the knob that takes negative numbers, and a word. */
static const char *fuzz_nice(struct rng *rng, bool alone)
{
	char text[128], before[64], after[64];
	static char why[256];
	int err;

	if (rng_one_in(rng, 2))
		snprintf(text, sizeof(text), "%d", (int)rng_below(rng, 50) - 25);
	else
		make_text(rng, text);
	if (!*text)
		return NULL;
	file_read(PSHARE_SYSFS "nice", before, sizeof(before));
	err = ps_set_text("nice", text);
	file_read(PSHARE_SYSFS "nice", after, sizeof(after));
	if (is_nice(text) ? !err && (!alone || *text == 'i' || atoi(after) == atoi(text)) :
	    err == -EINVAL && (!alone || !strcmp(before, after)))
		return NULL;
	snprintf(why, sizeof(why), "nice: '%s' gives %d, and leaves %s", text, err, after);
	return why;
}

/* Writes at random to a knob: what is not allowed must change nothing. */
const char *fuzz_knob(struct world *world, struct rng *rng, bool alone)
{
	unsigned int knob = rng_below(rng, NR_KNOBS);
	unsigned long long value;
	static char why[256];
	long long before, after;
	char text[128];
	int err;

	if (rng_one_in(rng, 6))
		return fuzz_policy(rng, alone);
	if (rng_one_in(rng, 8))
		return fuzz_nice(rng, alone);
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
		DEBUGFS "regions", DEBUGFS "groups", DEBUGFS "scan", DEBUGFS "ledger",
		DEBUGFS "huge_pages", DEBUGFS "savings", DEBUGFS "aslr",
		PSHARE_SYSFS "pages_shared",
		PSHARE_SYSFS "huge_policy",
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
