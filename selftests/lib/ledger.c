// SPDX-License-Identifier: GPL-2.0
/* The ledger: asked for, and checked after each scan; see lib.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib.h"

#define DEBUGFS	"/sys/kernel/debug/pshare/"

const char * const ps_class_names[PSHARE_NR_CLASSES] = {
	"unscanned", "unpopulated", "swapped", "ineligible_shared", "ineligible_hugetlb",
	"ineligible_pinned", "ineligible_other", "zero", "merged_self", "merged_other",
	"duplicate_self", "duplicate_other", "duplicate_zero", "huge_blocked_self",
	"huge_blocked_other", "huge_blocked_zero", "group_blocked", "aslr_blocked", "volatile",
	"unique",
};

static int read_ledger(int dev, uint64_t id, unsigned int flags,
		       struct pshare_read_ledger *ledger)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->size = sizeof(*ledger);
	ledger->flags = flags;
	ledger->id = id;
	return ioctl(dev, PSHARE_IOC_LEDGER, ledger) ? -errno : 0;
}

int ps_ledger(int dev, uint64_t id, struct pshare_read_ledger *ledger)
{
	return read_ledger(dev, id, 0, ledger);
}

int ps_next_ledger(int dev, uint64_t id, struct pshare_read_ledger *ledger)
{
	return read_ledger(dev, id, PSHARE_READ_NEXT, ledger);
}

long long ps_try_figure(const char *table, const char *name)
{
	static char text[1 << 16];
	size_t length = strlen(name);
	char path[128], *line, *rest = text;
	int err;

	snprintf(path, sizeof(path), DEBUGFS "%s", table);
	err = file_try_read(path, text, sizeof(text));
	if (err)
		return err;
	while ((line = strsep(&rest, "\n")))
		if (!strncmp(line, name, length) && line[length] == ' ')
			return atoll(line + length);
	lib_die("%s has no figure %s", path, name);
}

long long ps_figure(const char *table, const char *name)
{
	long long figure = ps_try_figure(table, name);

	if (figure < 0)
		lib_die("cannot read the table %s: %s", table, strerror(-figure));
	return figure;
}

static uint64_t last_region(int dev)
{
	struct pshare_read_ledger ledger;
	uint64_t id = 0;

	while (!ps_next_ledger(dev, id, &ledger))
		id = ledger.id + 1;
	return id ? id - 1 : 0;
}

static void tell_ledger(const struct pshare_read_ledger *ledger)
{
	lib_note("region %llu of process %d has %llu pages, but:",
		 (unsigned long long)ledger->id, ledger->pid, (unsigned long long)ledger->pages);
	for (unsigned int i = 0; i < PSHARE_NR_CLASSES; i++)
		if (ledger->classes[i])
			lib_note("  %s %llu", ps_class_names[i],
				 (unsigned long long)ledger->classes[i]);
}

/* Is each page in exactly one class?  With @scanned also: is none left to be scanned? */
static bool adds_up(const struct pshare_read_ledger *ledger, bool scanned)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < PSHARE_NR_CLASSES; i++)
		sum += ledger->classes[i];
	if (sum == ledger->pages && !(scanned && ledger->classes[PSHARE_UNSCANNED]))
		return true;
	tell_ledger(ledger);
	return false;
}

unsigned int ps_wrong_ledgers(int dev)
{
	struct pshare_read_ledger ledger;
	unsigned int wrong = 0;
	uint64_t id = 0;

	for (; !ps_next_ledger(dev, id, &ledger); id = ledger.id + 1)
		wrong += !adds_up(&ledger, false);
	return wrong;
}

int ps_scan_only(int dev, unsigned int passes)
{
	struct pshare_scan scan = { .size = sizeof(scan), .passes = passes };

	return ioctl(dev, PSHARE_IOC_SCAN, &scan) ? -errno : 0;
}

int ps_scan(int dev, unsigned int passes)
{
	long long busy = ps_try_figure("scan", "refused_busy");
	struct pshare_read_ledger ledger;
	uint64_t id, last = last_region(dev);
	unsigned int wrong = 0;
	int err = ps_scan_only(dev, passes);

	if (err)
		return err;
	/*
	 * The scanner leaves out an address space that stays locked, and says so.  Where
	 * the table cannot be read, which some tests are about, it may have.
	 */
	busy = ps_try_figure("scan", "refused_busy") - busy;
	for (id = 0; !ps_next_ledger(dev, id, &ledger); id = ledger.id + 1)
		wrong += !adds_up(&ledger, !busy && ledger.id <= last);
	return wrong ? -EUCLEAN : 0;
}
