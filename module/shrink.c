// SPDX-License-Identifier: GPL-2.0
/*
 * What the module does when the host runs short of memory.
 */
#include <linux/compiler.h>

#include "compat/shrinker.h"
#include "scan.h"
#include "share.h"
#include "shrink.h"

/**
 * DOC: memory pressure
 *
 * A shared page that a single entry maps saves nothing, and costs: it cannot be
 * swapped.  It gets a page of its own instead, which can.  That needs mmap_lock and
 * a page fault, and a reclaiming task may hold any lock of the kernel.  So the
 * shrinker frees nothing itself: it tells how many such pages there are, and wakes
 * the scanner's thread.  Shared pages that nobody maps are freed on the way.
 */

static struct shrinker *shrinker;

static unsigned long count_singles(struct shrinker *unused, struct shrink_control *sc)
{
	return READ_ONCE(pshare_stats.pages_single) ?: SHRINK_EMPTY;
}

static unsigned long give_back_singles(struct shrinker *unused, struct shrink_control *sc)
{
	pshare_scan_relieve();
	return SHRINK_STOP;
}

/**
 * pshare_shrink_init() - be told when memory is short
 *
 * Context: process, once; the scanner's thread runs.
 * Return: 0, or -ENOMEM.
 */
int pshare_shrink_init(void)
{
	return compat_shrinker_register(&shrinker, "pshare", count_singles, give_back_singles);
}

/**
 * pshare_shrink_exit() - be told no more
 *
 * Context: process, sleeps until nobody is inside.
 */
void pshare_shrink_exit(void)
{
	compat_shrinker_unregister(shrinker);
}
