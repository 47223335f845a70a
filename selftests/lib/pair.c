// SPDX-License-Identifier: GPL-2.0
/* Two children with equal pages; see lib.h. */
#include <string.h>
#include <unistd.h>

#include "lib.h"

void pair_start(struct pair *pair, size_t pages, int flags)
{
	int err;

	memset(pair, 0, sizeof(*pair));
	pair->dev = ps_begin();
	child_start(&pair->a, pages, flags);
	child_start(&pair->b, pages, flags);
	child_fill(&pair->a, 0, pages, PAIR_SEED, 1);
	child_fill(&pair->b, 0, pages, PAIR_SEED, 1);
	err = ps_add(pair->dev, pair->a.pid, pair->a.mem, pages * PAGE, "pair", &pair->region_a);
	if (!err)
		err = ps_add(pair->dev, pair->b.pid, pair->b.mem, pages * PAGE, "pair",
			     &pair->region_b);
	if (err)
		lib_die("cannot add a region: %s", strerror(-err));
}

size_t pair_same(struct pair *pair)
{
	return same_frames(pair->a.pid, pair->a.mem, pair->b.pid, pair->b.mem, pair->a.pages);
}

void pair_merge(struct pair *pair)
{
	int err = ps_scan(pair->dev, PASSES);
	size_t same = pair_same(pair);

	if (err)
		lib_die("cannot scan: %s", strerror(-err));
	if (same != pair->a.pages)
		lib_die("only %zu of %zu pages are shared", same, pair->a.pages);
}

size_t pair_wrong(struct child *child)
{
	return wrong_pages(child->pid, child->mem, child->pages, PAIR_SEED, 1) +
	       child_wrong(child, 0, child->pages, PAIR_SEED, 1);
}

void pair_stop(struct pair *pair)
{
	child_kill(&pair->a);
	child_kill(&pair->b);
	close(pair->dev);
}
