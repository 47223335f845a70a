// SPDX-License-Identifier: GPL-2.0
/*
 * What must not be taken out of the machine.
 */
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/page-flags.h>
#include <linux/sched.h>

#include "compat/compat.h"
#include "hotplug.h"

/**
 * DOC: memory hot-unplug
 *
 * A block of memory with a shared page in it stays: the kernel sees a page that it
 * cannot move.  But it takes a page whose memory has failed for one that is in
 * nobody's way, for it would have unmapped any other.  Ours are mapped still, so
 * the block would go from under the processes that map them.  We say no.
 */

static bool is_failed_and_mapped(struct page *page)
{
	struct folio *folio;

	if (!PageHWPoison(page))
		return false;
	folio = page_folio(page);
	return folio->mapping == PSHARE_MAPPING_KSM && folio_mapped(folio);
}

/* The frames are online, and cannot go before we return. */
static int going_offline(struct notifier_block *unused, unsigned long action, void *arg)
{
	const struct memory_notify *range = arg;
	unsigned long pfn;

	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	for (pfn = range->start_pfn; pfn < range->start_pfn + range->nr_pages; pfn++) {
		if (is_failed_and_mapped(pfn_to_page(pfn)))
			return notifier_from_errno(-EBUSY);
		if (!(pfn % PAGES_PER_SECTION))
			cond_resched();
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_notifier = {
	.notifier_call = going_offline,
};

/**
 * pshare_hotplug_init() - be asked before a block of memory goes
 *
 * Context: process, once.
 * Return: 0 or a negative errno.
 */
int pshare_hotplug_init(void)
{
	return register_memory_notifier(&memory_notifier);
}

/**
 * pshare_hotplug_exit() - be asked no more
 *
 * Context: process, sleeps until nobody is inside.
 */
void pshare_hotplug_exit(void)
{
	unregister_memory_notifier(&memory_notifier);
}
