// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a batch once the locks are dropped: its pages are hashed, and let go.
 */
#include <linux/mm.h>

#include "batch.h"
#include "hash.h"
#include "walk.h"

/* Memory that has failed meanwhile is not read.  @next is the page that comes next, or NULL. */
static void hash_item(struct pshare_item *item, struct page *next)
{
	if (PageHWPoison(item->page))
		item->found = PSHARE_FOUND_UNFIT;
	else if (pshare_hash_sample_is_zero(item->sample))
		item->hash = pshare_hash_maybe_zero(item->page, next);
	else
		item->hash = pshare_hash_page(item->page, next);
}

/**
 * pshare_batch_hash() - hash the pages of a batch that are to be looked at
 * @batch: what pshare_walk_gather() filled
 *
 * Context: process, no lock of the pages' held.
 */
void pshare_batch_hash(struct pshare_batch *batch)
{
	struct pshare_item *item, *last = NULL;

	for (item = batch->item; item < batch->item + batch->nr; item++) {
		if (!item->page)
			continue;
		/* Nor is it called for. */
		if (PageHWPoison(item->page))
			item->found = PSHARE_FOUND_UNFIT;
		if (item->found != PSHARE_FOUND_ANON)
			continue;
		if (last)
			hash_item(last, item->page);
		last = item;
	}
	if (last)
		hash_item(last, NULL);
}

/**
 * pshare_batch_put_pages() - drop the references of a batch
 * @batch: what pshare_walk_gather() filled; its pages are gone afterwards
 */
void pshare_batch_put_pages(struct pshare_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		if (!batch->item[i].page)
			continue;
		put_page(batch->item[i].page);
		batch->item[i].page = NULL;
	}
}
