// SPDX-License-Identifier: GPL-2.0
/*
 * The files of /sys/kernel/mm/pshare.  The table serves for order and for
 * explanations only: files that a newer module adds are shown and set as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "knobs.h"

#define SYSFS	"/sys/kernel/mm/pshare"

const struct knob knobs[] = {
	{ "run", "0 (stop), 1 (run), 2 (stop and unmerge everything) or 3 (estimate)",
	  "the scanner" },
	{ "pages_to_scan", "1 to 4294967295", "pages visited before each sleep" },
	{ "sleep_millisecs", "0 to 4294967295", "length of that sleep" },
	{ "max_cpu_percent", "0 to 100", "most of one CPU to use; 0: as the two above say" },
	{ "target_scan_seconds", "0 to 4294967295", "how long a pass shall take; 0: as it comes" },
	{ "nice", "-20 to 19, or idle", "priority of the scanner's threads" },
	{ "scan_threads", "1 to 16", "threads that read memory" },
	{ "use_zero_pages", "0 or 1", "zero-filled pages become the zero page" },
	{ "max_pages_shared", "0 to 4294967295", "most shared pages there may be; 0: no limit" },
	{ "huge_policy", "keep, benefit, pressure or always", "when huge pages are split" },
	{ "huge_split_min", "1 to 512", "twins that make a huge page worth splitting" },
	{ "huge_min_free_percent", "0 to 100", "less than this available is pressure" },
	{ "compare_groups", "0 or 1", "look for pages that only other groups have, too" },
	{ "aslr_sample", "0 to 100", "percent of unshared pages looked at for ASLR" },
	{ "full_scans", NULL, "passes done" },
	{ "pages_shared", NULL, "shared pages that exist" },
	{ "pages_sharing", NULL, "pages saved by them" },
	{ "ksm_zero_pages", NULL, "pages saved by the zero page" },
	{ "pages_unshared", NULL, "pages without a twin" },
	{ "pages_volatile", NULL, "pages that change too fast" },
	{ "pages_scanned", NULL, "pages visited" },
	{ "general_profit", NULL, "bytes saved, less the module's own" },
	{ "metadata_bytes", NULL, "bytes that the module needs" },
	{ NULL, NULL, NULL },
};

/* Return: the entry of the table, or NULL. */
const struct knob *knob_find(const char *name)
{
	const struct knob *knob;

	for (knob = knobs; knob->name; knob++)
		if (!strcmp(knob->name, name))
			return knob;
	return NULL;
}

/* Whether the module is loaded, as far as sysfs can tell. */
bool knobs_present(void)
{
	DIR *dir = opendir(SYSFS);

	if (!dir)
		return false;
	closedir(dir);
	return true;
}

/* A name that stays inside the directory. */
static bool name_is_sane(const char *name)
{
	return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int knob_open(const char *name, int flags, int *fd)
{
	char path[128];
	int len;

	if (!name_is_sane(name))
		return ENOENT;
	len = snprintf(path, sizeof(path), SYSFS "/%s", name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return ENOENT;
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? errno : 0;
}

/**
 * knob_read - read a file
 * @name: its name
 * @value: KNOB_SIZE bytes, for the value without its newline
 *
 * Return: 0 or an errno.
 */
int knob_read(const char *name, char *value)
{
	ssize_t len;
	int fd, err;

	err = knob_open(name, O_RDONLY, &fd);
	if (err)
		return err;
	len = read(fd, value, KNOB_SIZE - 1);
	err = len < 0 ? errno : 0;
	close(fd);
	if (err)
		return err;
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

/* Return: 0 or an errno. */
int knob_write(const char *name, const char *value)
{
	size_t len = strlen(value);
	ssize_t done;
	int fd, err;

	err = knob_open(name, O_WRONLY, &fd);
	if (err)
		return err;
	/* One write: sysfs takes a value whole or not at all. */
	done = write(fd, value, len);
	if (done < 0)
		err = errno;
	else if ((size_t)done != len)
		err = EIO;
	close(fd);
	return err;
}

/* The value of a file as a number; 0 when it cannot be read. */
long long knob_number(const char *name)
{
	char value[KNOB_SIZE];

	if (knob_read(name, value))
		return 0;
	return strtoll(value, NULL, 10);
}

/* A number if it is one, else a string. */
struct json_object *knob_json(const char *value)
{
	long long signed_value;
	char *end;

	errno = 0;
	signed_value = strtoll(value, &end, 10);
	if (end != value && !*end && !errno)
		return json_object_new_int64(signed_value);
	return json_object_new_string(value);
}

static int compare_names(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	const struct knob *kx = knob_find(x), *ky = knob_find(y);

	if (kx && ky)
		return kx < ky ? -1 : kx > ky;
	if (kx || ky)
		return kx ? -1 : 1;
	return strcmp(x, y);
}

/**
 * knobs_names - which files there are
 * @names: those of the table first; knobs_names_free() when done
 * @nr: how many
 *
 * Return: 0 or an errno.
 */
int knobs_names(char ***names, size_t *nr)
{
	struct dirent *entry;
	DIR *dir = opendir(SYSFS);
	int err = 0;

	*names = NULL;
	*nr = 0;
	if (!dir)
		return errno;
	while (!err && (entry = readdir(dir))) {
		char **grown;

		if (!name_is_sane(entry->d_name))
			continue;
		grown = reallocarray(*names, *nr + 1, sizeof(**names));
		if (!grown) {
			err = ENOMEM;
			break;
		}
		*names = grown;
		grown[*nr] = strdup(entry->d_name);
		if (!grown[*nr])
			err = ENOMEM;
		else
			++*nr;
	}
	closedir(dir);
	if (*nr)
		qsort(*names, *nr, sizeof(**names), compare_names);
	return err;
}

void knobs_names_free(char **names, size_t nr)
{
	while (nr)
		free(names[--nr]);
	free(names);
}
