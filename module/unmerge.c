// SPDX-License-Identifier: GPL-2.0
/*
 * Giving shared pages back: those of a region, and those that ended up outside.
 */
#include <linux/delay.h>
#include <linux/freezer.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "merge.h"
#include "prune.h"
#include "region.h"
#include "share.h"
#include "trace.h"
#include "unmerge.h"
#include "walk.h"

/**
 * DOC: unmerging
 *
 * A region knows where its shared pages are: in its range.  But fork(2) copies
 * entries into address spaces that were never registered, and mremap(2) moves
 * them out of the range.  Such orphans keep a shared page alive, which costs
 * nothing, until everything is to be unmerged.  Then every address space of the
 * host is searched for them.
 *
 * Unmerging works in steps, one batch at a time, a region's under the scan mutex, so
 * others get their turn.  A region that is being unmerged is on hold: the scanner does
 * not merge behind our back.
 */

/* Rounds in vain, 50 ms apart, before what is left is given up: at unload, and else. */
#define MAX_ROUNDS_EXIT	200
#define MAX_ROUNDS	4

/* Tries in vain at one place of a locked address space, 50 ms and some 100 apart. */
#define MAX_BUSY	30

/* Does the ledger say that the zero page at @addr is ours? */
static bool our_zero(struct pshare_region *region, unsigned long addr)
{
	return region && pshare_ledger_get(&region->ledger, addr) == PSHARE_ZERO;
}

/* Is there a signal that this should stop for? */
static bool interrupted(const struct pshare_unmerging *how)
{
	return !how->insist && signal_pending(current);
}

static enum pshare_spare spare(const struct pshare_unmerging *how)
{
	if (how->singles)
		return PSHARE_SPARE_EXCHANGE;
	return how->insist ? PSHARE_SPARE_NOTHING : PSHARE_SPARE_RESERVE;
}

/* A page of a region that is not shared (any more), whatever the ledger says. */
static void correct_class(struct pshare_region *region, unsigned long addr,
			  enum pshare_class class)
{
	enum pshare_class old = pshare_ledger_get(&region->ledger, addr);

	if (old == PSHARE_MERGED_SELF || old == PSHARE_MERGED_OTHER || old == PSHARE_ZERO)
		pshare_ledger_set(&region->ledger, addr, 1, class);
}

/* An item in which nothing is shared: written, unmapped or swapped meanwhile. */
static void correct_item(struct pshare_region *region, const struct pshare_item *item)
{
	bool swapped = item->found == PSHARE_FOUND_SWAPPED;
	unsigned long i;

	switch (item->found) {
	case PSHARE_FOUND_ANON:
	case PSHARE_FOUND_PINNED:
	case PSHARE_FOUND_SWAPPED:
	case PSHARE_FOUND_BUSY:
	case PSHARE_FOUND_UNFIT:
		for (i = 0; i < item->nr; i++)
			correct_class(region, item->addr + (i << PAGE_SHIFT),
				      swapped ? PSHARE_SWAPPED : PSHARE_VOLATILE);
		break;
	default:
		/* Of any length. */
		pshare_ledger_skip(&region->ledger, item->addr, item->nr, PSHARE_UNPOPULATED);
		break;
	}
}

/* Class of a page that was just given its own copy. */
static enum pshare_class unmerged_class(struct pshare_region *region, unsigned long addr,
					const struct pshare_unmerging *how)
{
	if (how->singles)
		return PSHARE_UNIQUE;
	/* Its twins are as they were: it could be merged again at once. */
	switch (pshare_ledger_get(&region->ledger, addr)) {
	case PSHARE_ZERO:
		return PSHARE_DUPLICATE_ZERO;
	case PSHARE_MERGED_OTHER:
		return PSHARE_DUPLICATE_OTHER;
	default:
		return PSHARE_DUPLICATE_SELF;
	}
}

/* Unshare one page; @region is NULL outside of regions. */
static int unmerge_page(struct mm_struct *mm, struct pshare_region *region,
			unsigned long addr, struct pshare_unmerging *how)
{
	int err = pshare_merge_unshare(mm, addr, PSHARE_LOCK_PATIENT, spare(how), false);

	if (err < 0)
		return err;
	how->pages += !err;
	if (region && !err)
		trace_pshare_unshare(region->id, region->pid, addr);
	if (region && !err)
		pshare_ledger_set(&region->ledger, addr, 1, unmerged_class(region, addr, how));
	else if (region && err == 1)
		correct_class(region, addr, PSHARE_VOLATILE);
	return 0;
}

/* Would the next page fail as well, or is one failure enough? */
static bool hopeless(int err, const struct pshare_unmerging *how)
{
	return err && (!how->insist || err == -ENOMEM || err == -EBUSY);
}

/* Unshare the pages of an item; @region is NULL outside of regions. */
static int unmerge_item(struct mm_struct *mm, struct pshare_region *region,
			const struct pshare_item *item, struct pshare_unmerging *how)
{
	unsigned long addr, end = item->addr + (item->nr << PAGE_SHIFT);
	bool zero = item->found == PSHARE_FOUND_ZERO;
	int err, first_err = 0;

	if (how->singles && item->found != PSHARE_FOUND_LAST)
		return 0;
	if (!zero && item->found != PSHARE_FOUND_SHARED && item->found != PSHARE_FOUND_LAST) {
		if (region)
			correct_item(region, item);
		return 0;
	}
	if (zero && !how->zeros)
		return 0;
	for (addr = item->addr; addr < end; addr += PAGE_SIZE) {
		if (zero && !our_zero(region, addr))
			continue;
		err = unmerge_page(mm, region, addr, how);
		first_err = first_err ?: err;
		if (hopeless(err, how))
			break;
		if (interrupted(how))
			return -EINTR;
		cond_resched();
	}
	return first_err;
}

/* Unshare what one batch finds from *@addr on. */
static int unmerge_batch(struct mm_struct *mm, struct pshare_region *region,
			 unsigned long *addr, unsigned long end, struct pshare_batch *batch,
			 struct pshare_unmerging *how)
{
	int err, first_err = 0;
	unsigned int i;

	if (!pshare_walk_gather(mm, addr, end, batch))
		return -EBUSY;
	for (i = 0; i < batch->nr; i++) {
		err = unmerge_item(mm, region, &batch->item[i], how);
		first_err = first_err ?: err;
		if (hopeless(err, how))
			break;
	}
	return first_err;
}

/*
 * Unshare all of [addr, end), batch by batch, under the scan mutex if it is a
 * region's.  With errors it goes on as long as it gets somewhere.
 */
static int unmerge_range(struct mm_struct *mm, struct pshare_region *region,
			 unsigned long addr, unsigned long end, struct pshare_batch *batch,
			 struct pshare_unmerging *how)
{
	unsigned int busy = 0;
	int err, first_err = 0;

	while (addr < end) {
		unsigned long pages = how->pages, from = addr;

		/* The memory of a dead process needs nothing. */
		if (!mmget_not_zero(mm))
			break;
		if (region)
			mutex_lock(&pshare_scan_mutex);
		err = unmerge_batch(mm, region, &addr, end, batch, how);
		if (region)
			mutex_unlock(&pshare_scan_mutex);
		mmput_async(mm);

		/* At unload everything is tried again anyway. */
		if (err == -EBUSY && !how->insist && busy++ < MAX_BUSY) {
			if (signal_pending(current))
				return -EINTR;
			msleep(50);
			addr = from;
			continue;
		}
		busy = 0;
		first_err = first_err ?: err;
		if (err == -EBUSY || (err && (!how->insist || how->pages == pages)))
			break;
		cond_resched();
		if (how->insist)
			try_to_freeze();
		else if (signal_pending(current))
			return -EINTR;
	}
	return first_err;
}

/**
 * pshare_unmerge_region() - give every merged page of a region its own copy
 * @region: the region, with a reference of the caller's
 * @how: how, and how far it went
 *
 * Context: process, may sleep; takes and drops the scan mutex.
 * Return: 0, also when the process is gone meanwhile; -ENOMEM when memory is about
 * to run out, -EBUSY when the address space stayed locked for long, -EINTR at
 * a signal, -EFAULT when a page could not be unshared: what is not done then stays
 * shared.
 */
int pshare_unmerge_region(struct pshare_region *region, struct pshare_unmerging *how)
{
	struct pshare_batch *batch;
	int err;

	batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	batch->all = true;

	mutex_lock(&pshare_scan_mutex);
	region->holds++;
	mutex_unlock(&pshare_scan_mutex);
	err = unmerge_range(region->mm, region, region->start, region->end, batch, how);
	mutex_lock(&pshare_scan_mutex);
	region->holds--;
	mutex_unlock(&pshare_scan_mutex);

	kfree(batch);
	return err;
}

/* Grab the address spaces of all processes; NULL when memory is short. */
static struct mm_struct **grab_all(unsigned int *nr)
{
	struct task_struct *task;
	struct mm_struct **mms;
	unsigned int max = 0;

	*nr = 0;
	rcu_read_lock();
	for_each_process(task)
		max++;
	rcu_read_unlock();

	/* A process more that is forked meanwhile is found by the next search. */
	mms = kvcalloc(max, sizeof(*mms), GFP_KERNEL);
	if (!mms)
		return NULL;
	rcu_read_lock();
	for_each_process(task) {
		struct task_struct *thread;

		/* The first thread may have exited while others live on. */
		for_each_thread(task, thread) {
			struct mm_struct *mm = NULL;

			task_lock(thread);
			if (thread->mm && !(thread->flags & PF_KTHREAD)) {
				mm = thread->mm;
				mmgrab(mm);
			}
			task_unlock(thread);
			if (!mm)
				continue;
			mms[(*nr)++] = mm;
			break;
		}
		if (*nr == max)
			break;
	}
	rcu_read_unlock();
	return mms;
}

/*
 * Search every process for shared pages, and unshare them.  Zero pages outside of
 * regions are left alone.  Address spaces behind one that failed are searched all the
 * same, unless a signal came.
 */
static int unmerge_orphans(struct pshare_unmerging *how)
{
	struct pshare_batch *batch;
	struct mm_struct **mms;
	unsigned int i, nr;
	int err = -ENOMEM;

	batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return err;
	batch->all = true;
	mms = grab_all(&nr);
	if (!mms)
		goto out;
	err = 0;
	for (i = 0; i < nr; i++) {
		if (interrupted(how))
			err = -EINTR;
		else
			err = unmerge_range(mms[i], NULL, 0, mms[i]->task_size & PAGE_MASK,
					    batch, how) ?: err;
		mmdrop(mms[i]);
	}
	kvfree(mms);
out:
	kfree(batch);
	return err;
}

static int unmerge_regions(struct pshare_unmerging *how)
{
	struct pshare_region *region;
	int err, first_err = 0;
	u32 id = 0;

	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		err = pshare_unmerge_region(region, how);
		pshare_region_put(region);
		first_err = first_err ?: err;
		if (err && !how->insist)
			break;
	}
	return first_err;
}

/**
 * pshare_unmerge_singles() - give back some shared pages that nobody else maps
 * @at: how far it has come; all zero to begin
 * @batch: to work with
 *
 * Looks at one batch of a registered region.  A region whose process or memory cgroup
 * has no memory left, or that is locked for long, is passed over.
 *
 * Context: process, sleeps; takes the scan mutex.
 * Return: true when all regions have been looked at.
 */
bool pshare_unmerge_singles(struct pshare_singles *at, struct pshare_batch *batch)
{
	struct pshare_unmerging how = { .singles = true };
	struct pshare_region *region = pshare_region_get_next(at->region);
	struct mm_struct *mm;
	int err = -EBUSY;

	if (!region)
		return true;
	if (region->id != at->region || !at->addr) {
		at->region = region->id;
		at->addr = region->start;
	}
	mutex_lock(&pshare_scan_mutex);
	mm = region->holds ? NULL : pshare_region_get_mm(region);
	if (mm) {
		batch->all = true;
		batch->vm = 0;
		err = unmerge_batch(mm, region, &at->addr, region->end, batch, &how);
		batch->all = false;
	}
	mutex_unlock(&pshare_scan_mutex);
	if (mm)
		mmput_async(mm);
	at->pages += how.pages;
	if (err == -EBUSY || err == -ENOMEM || at->addr >= region->end) {
		at->region++;
		at->addr = 0;
	}
	pshare_region_put(region);
	return false;
}

/**
 * pshare_unmerge_all() - unmerge every region, then what is left elsewhere
 * @how: how, and how far it went
 *
 * Goes on until no shared page is left or it is of no use.  Address spaces that are
 * being torn down, or made by fork(2), are found by nobody for a while, so it takes
 * its time.
 *
 * Context: process, sleeps; takes and drops the prune and the scan mutex; the scanner
 * merges nothing.
 * Return: 0, or the first error, as of pshare_unmerge_region(); -EBUSY when shared
 * pages are left for no other reason.
 */
int pshare_unmerge_all(struct pshare_unmerging *how)
{
	unsigned int rounds = 0, max;
	unsigned long pages;
	int err;

	do {
		pages = how->pages;
		err = unmerge_regions(how);
		pshare_prune_settle();
		if (READ_ONCE(pshare_stats.pages_shared) && (!err || how->insist)) {
			err = unmerge_orphans(how) ?: err;
			pshare_prune_settle();
		}
		if (!READ_ONCE(pshare_stats.pages_shared) || (err && !how->insist))
			return err;
		/* Exits and locks pass; an error of another kind is there to stay. */
		max = how->insist && (!err || err == -EBUSY) ? MAX_ROUNDS_EXIT : MAX_ROUNDS;
		rounds = how->pages == pages ? rounds + 1 : 0;
		msleep(50);
	} while (rounds < max);
	return err ?: -EBUSY;
}
