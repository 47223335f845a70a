// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of shared pages: counted while they are mapped, freed when they are
 * not, put aside when the memory that they lie in has gone bad.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "prune.h"
#include "region.h"
#include "share.h"
#include "sharers.h"

/**
 * DOC: pruning
 *
 * Entries that map a shared page go without telling us: by a write, an exit, an
 * munmap(2).  So the shared pages are looked at from time to time.
 *
 * A page whose memory has failed is marked by the kernel (PG_hwpoison), which then
 * leaves it where it is: it is on no LRU, so nobody knows how to take it out of
 * service.  We must not read it any more.  It leaves the index, so that nobody joins
 * it, and is never given a second use: the allocator keeps poisoned pages when they
 * are freed.  Who maps it keeps it, and is killed by the kernel when he touches it.
 *
 * The kernel's error injection (MADV_HWPOISON) marks the page as well, but before 7.3
 * it then waits for the page's lock, once or twice, and memory hot-unplug may do so
 * later.  So the lock is lent: given away when somebody waits for it, taken back at a
 * later look.  They see that they can do nothing with the page, and give up.
 */

/**
 * struct bad_page - a shared page whose memory has failed
 * @list:	in bad_pages
 * @page:	the page, with the reference that its node had
 * @unlocked:	we have given its lock away, and want it back
 */
struct bad_page {
	struct list_head list;
	struct page *page;
	bool unlocked;
};

/* Guarded by the scan mutex. */
static LIST_HEAD(bad_pages);

/**
 * struct pruning - how far prune() has come
 * @group:	where it is, NULL at the start
 * @node:	shared page to go on with, NULL at the end of the group
 * @sharing:	entries beyond the first of each page so far
 * @single:	pages that a single entry maps, so far
 * @first:	first shared page of the content at hand, if it has several; else NULL
 * @last:	the one before @node
 * @vm:		whom @first belongs to, by pshare_sharers_of()
 * @mixed:	the pages of this content are not one VM's alone
 * @verdict:	the same, as the last look has found it
 *
 * The scan mutex is dropped between steps, but only pruning takes groups and nodes
 * of mapped pages away, and prune_mutex lets one prune at a time.
 */
struct pruning {
	struct pshare_group *group;
	struct pshare_node *node;
	unsigned long sharing;
	unsigned long single;
	struct pshare_node *first;
	struct pshare_node *last;
	u32 vm;
	bool mixed;
	bool verdict;
};

static DEFINE_MUTEX(prune_mutex);

static void forget_node(struct pshare_group *group, struct pshare_node *node)
{
	pshare_index_erase(&group->index, PSHARE_TREE_SHARED, node);
	pshare_count(pshare_stats.pages_shared, -1);
}

/* Put a poisoned page aside; false when memory is short: the next look will do. */
static bool put_aside(struct pshare_group *group, struct pshare_node *node)
{
	struct bad_page *bad = kmalloc(sizeof(*bad), GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);

	if (!bad)
		return false;
	bad->page = node->page;
	bad->unlocked = false;
	list_add(&bad->list, &bad_pages);
	forget_node(group, node);
	pshare_count(pshare_stats.pages_poisoned, 1);
	pr_warn("the memory of a shared page has failed, at frame %#lx: nobody will join it\n",
		page_to_pfn(bad->page));
	return true;
}

/*
 * Lend the locks of poisoned pages to who waits for them, take them back, and let
 * those pages go that nobody maps any more.
 */
static void look_at_bad_pages(void)
{
	struct bad_page *bad, *next;

	lockdep_assert_held(&pshare_scan_mutex);
	list_for_each_entry_safe(bad, next, &bad_pages, list) {
		if (bad->unlocked) {
			bad->unlocked = !trylock_page(bad->page);
		} else if (folio_test_waiters(page_folio(bad->page))) {
			unlock_page(bad->page);
			bad->unlocked = true;
		}
		if (bad->unlocked || pshare_merge_sharers(bad->page))
			continue;
		pshare_merge_free(bad->page);
		list_del(&bad->list);
		kfree(bad);
		pshare_count(pshare_stats.pages_poisoned, -1);
	}
}

/**
 * pshare_prune_lend() - look after the pages whose memory has failed
 *
 * Who waits for the lock of one gets it for a while.
 *
 * Context: process, sleeps; takes the scan mutex.
 */
void pshare_prune_lend(void)
{
	mutex_lock(&pshare_scan_mutex);
	look_at_bad_pages();
	mutex_unlock(&pshare_scan_mutex);
}

/* All shared pages of a content have been looked at. */
static void end_content(struct pruning *at)
{
	if (at->first)
		pshare_sharers_note_elsewhere(at->first->page, at->mixed);
	at->first = NULL;
}

/*
 * A content with more sharers than a page may have has several pages, one behind the other.
 * Are they all one VM's?  What is found out is noted with the first, and the others learn
 * of it at the next look: so a look never has to go back.
 *
 * Who looks for room does so at the end: the page with most of it changes places until it is
 * there.  That pages of one hash have one content is taken for granted; if not, a
 * figure is wrong, and nothing else.
 */
static void compare_sharers(struct pruning *at, struct pshare_node *node)
{
	bool more = at->node && at->node->hash == node->hash;
	u32 vm;

	/* The one that was to come may have had no sharers any more. */
	if (at->first && at->first->hash != node->hash)
		end_content(at);
	if (!at->first && !more) {
		pshare_sharers_note_elsewhere(node->page, false);
		return;
	}
	vm = pshare_sharers_of(node->page);
	if (!at->first) {
		at->first = node;
		at->vm = vm;
		at->mixed = false;
		at->verdict = pshare_sharers_elsewhere(node->page);
	} else {
		at->mixed |= !vm || vm != at->vm;
		pshare_sharers_note_elsewhere(node->page, at->verdict);
		if (pshare_merge_sharers(at->last->page) < pshare_merge_sharers(node->page))
			swap(at->last->page, node->page);
	}
	at->last = node;
	if (!more)
		end_content(at);
}

/* Look at some shared pages; true when all have been looked at. */
static bool prune_step(struct pruning *at)
{
	unsigned int step;

	for (step = 0; step < PSHARE_STEP; step++) {
		struct pshare_node *node = at->node;
		int sharers;

		if (!node) {
			end_content(at);
			at->group = pshare_group_next(at->group);
			if (!at->group)
				return true;
			at->node = pshare_index_first(&at->group->index, PSHARE_TREE_SHARED);
			continue;
		}
		at->node = pshare_index_next(node);
		if (unlikely(PageHWPoison(node->page)) && put_aside(at->group, node))
			continue;
		sharers = pshare_merge_sharers(node->page);
		if (!sharers) {
			pshare_merge_free(node->page);
			forget_node(at->group, node);
			continue;
		}
		at->sharing += sharers - 1;
		at->single += sharers == 1;
		compare_sharers(at, node);
	}
	return false;
}

/*
 * Free the shared pages that nobody maps any more, count the sharers of the others,
 * and drop the groups that nobody needs.
 */
static void prune(void)
{
	struct pruning at = {};
	bool done = false;

	mutex_lock(&prune_mutex);
	while (!done) {
		mutex_lock(&pshare_scan_mutex);
		done = prune_step(&at);
		if (done) {
			WRITE_ONCE(pshare_stats.pages_sharing, at.sharing);
			WRITE_ONCE(pshare_stats.pages_single, at.single);
		}
		mutex_unlock(&pshare_scan_mutex);
		cond_resched();
	}
	pshare_prune_lend();
	for (done = false; !done; ) {
		mutex_lock(&pshare_scan_mutex);
		done = pshare_group_drop_empty();
		mutex_unlock(&pshare_scan_mutex);
		cond_resched();
	}
	mutex_unlock(&prune_mutex);
}

/**
 * pshare_prune_settle() - see to it that the figures are those of now
 *
 * Frees the shared pages that nobody maps any more, and forgets the regions whose
 * process is gone.
 *
 * Context: process, sleeps; takes the prune mutex, and the scan mutex many times.
 */
void pshare_prune_settle(void)
{
	struct pshare_region *region;
	u32 id = 0;

	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		if (pshare_region_dead(region)) {
			mutex_lock(&pshare_scan_mutex);
			pshare_region_del(region);
			mutex_unlock(&pshare_scan_mutex);
		}
		pshare_region_put(region);
		cond_resched();
	}
	prune();
}

/*
 * Until nobody has wanted the lock of a poisoned page for a while.  The kernel may want
 * it twice, with something in between that waits for every CPU.
 */
static void quiet_bad_pages(void)
{
	unsigned int tries = 0, quiet = 0;
	struct bad_page *bad;

	while (!list_empty(&bad_pages) && quiet < 30 && tries++ < 300) {
		quiet++;
		list_for_each_entry(bad, &bad_pages, list)
			if (bad->unlocked || folio_test_waiters(page_folio(bad->page)))
				quiet = 0;
		look_at_bad_pages();
		msleep(100);
	}
}

/**
 * pshare_prune_abandon() - forget the shared pages that are mapped still
 *
 * They stay locked and allocated for ever.  That is safe for who maps them: they
 * are copied on write as before.  Nothing is left to clean up behind them.
 *
 * Context: process, sleeps, for up to half a minute if memory has failed; scan mutex
 * held, which nobody else wants any more: the module is being unloaded, and no region
 * is registered.
 * Return: number of pages.
 */
unsigned long pshare_prune_abandon(void)
{
	struct pshare_group *group = NULL;
	struct bad_page *bad, *next;
	unsigned long pages = 0;

	lockdep_assert_held(&pshare_scan_mutex);
	quiet_bad_pages();
	list_for_each_entry_safe(bad, next, &bad_pages, list) {
		list_del(&bad->list);
		kfree(bad);
		pages++;
	}
	while ((group = pshare_group_next(group))) {
		pages += group->index.count[PSHARE_TREE_SHARED];
		while (!pshare_index_clear_some(&group->index, PSHARE_TREE_SHARED, PSHARE_STEP))
			cond_resched();
	}
	while (!pshare_group_drop_empty())
		cond_resched();
	return pages;
}

/* Free some hints of some group; true when there is none left in any. */
static bool forget_some(void)
{
	struct pshare_group *group = NULL;

	while ((group = pshare_group_next(group))) {
		if (!pshare_index_any_hints(&group->index))
			continue;
		pshare_index_clear_hints(&group->index, PSHARE_STEP);
		return false;
	}
	return true;
}

/**
 * pshare_prune_forget_candidates() - free the hints of all groups
 *
 * Context: process, sleeps; takes and drops the scan mutex.
 */
void pshare_prune_forget_candidates(void)
{
	bool done = false;

	while (!done) {
		mutex_lock(&pshare_scan_mutex);
		done = forget_some();
		mutex_unlock(&pshare_scan_mutex);
		cond_resched();
	}
}
