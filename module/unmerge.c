// SPDX-License-Identifier: GPL-2.0
/*
 * Giving shared pages back: those of a region, and those that ended up outside.
 */
#include <linux/freezer.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "merge.h"
#include "region.h"
#include "unmerge.h"
#include "walk.h"

/**
 * DOC: unmerging
 *
 * A region knows where its shared pages are: in its range.  But fork(2) copies
 * entries into address spaces that were never registered, and mremap(2) moves
 * them out of the range.  Such orphans keep a shared page alive, which costs
 * nothing, until the module is to be unloaded.  Then every address space of the
 * host is searched for them.
 *
 * Unmerging works in steps, one batch at a time under the scan mutex, so others
 * get their turn.  A region that is being unmerged is on hold: the scanner does
 * not merge behind our back.
 */

/* Does the ledger say that the zero page at @addr is ours? */
static bool our_zero(struct pshare_region *region, unsigned long addr)
{
	return region && pshare_ledger_get(&region->ledger, addr) == PSHARE_ZERO;
}

/* Unshare the pages of an item; @region is NULL outside of regions. */
static int unmerge_item(struct mm_struct *mm, struct pshare_region *region,
			const struct pshare_item *item, struct pshare_unmerging *how)
{
	unsigned long addr, end = item->addr + (item->nr << PAGE_SHIFT);
	bool zero = item->found == PSHARE_FOUND_ZERO;
	int err;

	if (item->found != PSHARE_FOUND_SHARED && item->found != PSHARE_FOUND_LAST &&
	    !(zero && how->zeros))
		return 0;
	for (addr = item->addr; addr < end; addr += PAGE_SIZE) {
		if (zero && !our_zero(region, addr))
			continue;
		err = pshare_merge_unshare(mm, addr);
		if (err)
			return err;
		how->pages++;
		/* Its twins are as they were: it could be merged again at once. */
		if (region)
			pshare_ledger_set(&region->ledger, addr, 1, PSHARE_DUPLICATE);
		if (how->killable && signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Unshare what one batch finds from *@addr on. */
static int unmerge_batch(struct mm_struct *mm, struct pshare_region *region,
			 unsigned long *addr, unsigned long end, struct pshare_batch *batch,
			 struct pshare_unmerging *how)
{
	unsigned int i;
	int err = 0;

	if (!pshare_walk_gather(mm, addr, end, batch))
		return -EBUSY;
	for (i = 0; !err && i < batch->nr; i++)
		err = unmerge_item(mm, region, &batch->item[i], how);
	return err;
}

static int lock_scan(const struct pshare_unmerging *how)
{
	if (how->killable)
		return mutex_lock_interruptible(&pshare_scan_mutex);
	mutex_lock(&pshare_scan_mutex);
	return 0;
}

/**
 * pshare_unmerge_region() - give every merged page of a region its own copy
 * @region: the region, with a reference of the caller's
 * @how: how, and how far it went
 *
 * Context: process, may sleep; takes and drops the scan mutex.
 * Return: 0, also when the process or the region is gone meanwhile; -ENOMEM when
 * memory is about to run out, -EBUSY when the address space stayed locked for
 * long, -EINTR at a signal, -EFAULT when a page could not be unshared: what is
 * not done then stays shared.
 */
int pshare_unmerge_region(struct pshare_region *region, struct pshare_unmerging *how)
{
	unsigned long addr = region->start;
	struct pshare_batch *batch;
	struct mm_struct *mm;
	int err;

	batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	batch->all = true;
	err = lock_scan(how);
	if (err)
		goto out;
	region->holds++;
	while (!err && addr < region->end && !region->gone) {
		mm = pshare_region_get_mm(region);
		if (!mm)
			break;
		err = unmerge_batch(mm, region, &addr, region->end, batch, how);
		mmput_async(mm);

		mutex_unlock(&pshare_scan_mutex);
		cond_resched();
		try_to_freeze();
		mutex_lock(&pshare_scan_mutex);
		if (!err && how->killable && signal_pending(current))
			err = -EINTR;
	}
	region->holds--;
	mutex_unlock(&pshare_scan_mutex);
out:
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

static int unmerge_mm(struct mm_struct *mm, struct pshare_batch *batch,
		      struct pshare_unmerging *how)
{
	unsigned long addr = 0, end = mm->task_size & PAGE_MASK;
	int err = 0;

	while (!err && addr < end) {
		if (!mmget_not_zero(mm))
			break;
		err = unmerge_batch(mm, NULL, &addr, end, batch, how);
		mmput_async(mm);
		cond_resched();
		try_to_freeze();
		if (!err && how->killable && signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/**
 * pshare_unmerge_orphans() - search every process for shared pages, and unshare them
 * @how: how, and how far it went; zero pages outside of regions are left alone
 *
 * Context: process, may sleep; the scanner merges nothing.
 * Return: 0, or the first error, as of pshare_unmerge_region(); address spaces
 * behind one that failed are searched all the same, unless a signal came.
 */
int pshare_unmerge_orphans(struct pshare_unmerging *how)
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
		if (err != -EINTR)
			err = unmerge_mm(mms[i], batch, how) ?: err;
		mmdrop(mms[i]);
	}
	kvfree(mms);
out:
	kfree(batch);
	return err;
}
