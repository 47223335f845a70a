// SPDX-License-Identifier: GPL-2.0
/*
 * Registered regions, the groups they belong to, and how long both live.
 */
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "region.h"

/**
 * DOC: regions
 *
 * A region holds the struct mm_struct of its process, not its users: the
 * process's memory goes when the process goes.  Who wants to look at the memory
 * takes pshare_region_get_mm() for a short time and drops it with mmput_async(),
 * so that the scanner never tears down somebody's address space itself.
 *
 * The registry is an xarray by number.  Its lock is a leaf: it guards finding a
 * region and taking a reference, nothing else.  Adding and removing regions, and
 * all that concerns groups, happens under the scan mutex.
 */

DEFINE_MUTEX(pshare_scan_mutex);

static DEFINE_XARRAY_ALLOC1(regions);
static u32 next_id = 1;
static LIST_HEAD(groups);

static void free_region(struct kref *ref)
{
	struct pshare_region *region = container_of(ref, struct pshare_region, ref);

	pshare_ledger_clear(&region->ledger);
	mmdrop(region->mm);
	kfree(region);
}

/**
 * pshare_region_put() - drop a reference
 * @region: the region; may be freed
 *
 * Context: process, may sleep.
 */
void pshare_region_put(struct pshare_region *region)
{
	kref_put(&region->ref, free_region);
}

/**
 * pshare_region_get() - find a region by its number
 * @id: the number
 *
 * Context: any process context.
 * Return: the region with a reference, or NULL.
 */
struct pshare_region *pshare_region_get(u32 id)
{
	struct pshare_region *region;

	xa_lock(&regions);
	region = xa_load(&regions, id);
	if (region)
		kref_get(&region->ref);
	xa_unlock(&regions);
	return region;
}

/**
 * pshare_region_get_next() - find the region with the next number
 * @id: smallest number to look for
 *
 * Context: any process context.
 * Return: the region with a reference, or NULL when there is none from @id on.
 */
struct pshare_region *pshare_region_get_next(u32 id)
{
	struct pshare_region *region;
	unsigned long index = id;

	xa_lock(&regions);
	region = xa_find(&regions, &index, U32_MAX, XA_PRESENT);
	if (region)
		kref_get(&region->ref);
	xa_unlock(&regions);
	return region;
}

/**
 * pshare_region_vm() - which VM does a region belong to?
 * @id: number of the region
 *
 * Context: any process context.
 * Return: number of the VM, or 0 when there is no such region.
 */
u32 pshare_region_vm(u32 id)
{
	struct pshare_region *region;
	u32 vm;

	xa_lock(&regions);
	region = xa_load(&regions, id);
	vm = region ? region->vm : 0;
	xa_unlock(&regions);
	return vm;
}

/**
 * pshare_region_get_of_vm() - find a region of a VM
 * @vm: number of the VM
 *
 * Context: any process context.
 * Return: a region with a reference, or NULL.
 */
struct pshare_region *pshare_region_get_of_vm(u32 vm)
{
	struct pshare_region *region;
	unsigned long index;

	xa_lock(&regions);
	/* Mostly its first one. */
	region = xa_load(&regions, vm);
	if (!region)
		xa_for_each(&regions, index, region)
			if (region->vm == vm)
				break;
	if (region)
		kref_get(&region->ref);
	xa_unlock(&regions);
	return region;
}

/**
 * pshare_region_any() - is any region registered?
 *
 * Context: any.
 * Return: true if so.
 */
bool pshare_region_any(void)
{
	return !xa_empty(&regions);
}

/**
 * pshare_region_get_mm() - the address space of a region, if its process lives
 * @region: the region
 *
 * Return: the address space with a reference on its users, to be dropped soon
 * and with mmput_async(), or NULL.
 */
struct mm_struct *pshare_region_get_mm(struct pshare_region *region)
{
	return mmget_not_zero(region->mm) ? region->mm : NULL;
}

/**
 * pshare_region_dead() - has the process of a region given up its memory?
 * @region: the region
 *
 * Return: true when it has exited or called execve(2).
 */
bool pshare_region_dead(const struct pshare_region *region)
{
	return !atomic_read(&region->mm->mm_users);
}

/* The group of a name, or a new one; an empty name never finds another. */
static struct pshare_group *join_group(const char *name)
{
	struct pshare_group *group;

	list_for_each_entry(group, &groups, list)
		if (*name && !strcmp(group->name, name))
			goto found;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return NULL;
	pshare_index_setup(&group->index);
	group->salt = get_random_u32();
	strscpy(group->name, name, sizeof(group->name));
	list_add_tail(&group->list, &groups);
found:
	group->nr_regions++;
	return group;
}

/**
 * pshare_group_next() - go through all groups
 * @group: the last one, or NULL to begin
 *
 * Context: scan mutex held.
 * Return: the next group, or NULL at the end.
 */
struct pshare_group *pshare_group_next(struct pshare_group *group)
{
	lockdep_assert_held(&pshare_scan_mutex);
	if (!group)
		return list_first_entry_or_null(&groups, struct pshare_group, list);
	return list_is_last(&group->list, &groups) ? NULL : list_next_entry(group, list);
}

/**
 * pshare_group_any() - is there any group?
 *
 * Context: any.
 * Return: true if so.
 */
bool pshare_group_any(void)
{
	return !list_empty(&groups);
}

/**
 * pshare_group_drop_empty() - free a group that nobody needs any more, or a part of it
 *
 * A group outlives its regions as long as somebody maps one of its pages: a
 * child of a registered process for example.
 *
 * Context: scan mutex held.
 * Return: true when there is nothing left to free.
 */
bool pshare_group_drop_empty(void)
{
	struct pshare_group *group, *next;

	lockdep_assert_held(&pshare_scan_mutex);
	list_for_each_entry_safe(group, next, &groups, list) {
		if (group->nr_regions || group->index.count[PSHARE_TREE_SHARED])
			continue;
		if (!pshare_index_clear_hints(&group->index, PSHARE_STEP))
			return false;
		list_del(&group->list);
		kfree(group);
	}
	return true;
}

static bool overlaps(const struct pshare_region *region, const struct mm_struct *mm,
		     unsigned long start, unsigned long end)
{
	return region->mm == mm && start < region->end && region->start < end;
}

/**
 * pshare_region_add() - register a region
 * @spec: what it shall be; its address space is grabbed
 * @id: set to the number of the region
 *
 * Context: process, may sleep; scan mutex held.
 * Return: 0; -ERANGE if the range reaches outside the user address space;
 * -EEXIST if it overlaps a region of the same address space; -ENOMEM.
 */
int pshare_region_add(const struct pshare_region_spec *spec, u32 *id)
{
	unsigned long start = spec->whole ? 0 : spec->start;
	unsigned long end = spec->whole ? spec->mm->task_size & PAGE_MASK : spec->end;
	struct pshare_region *region;
	unsigned long index;
	u32 vm = 0;
	int err;

	lockdep_assert_held(&pshare_scan_mutex);
	if (end > spec->mm->task_size)
		return -ERANGE;
	xa_for_each(&regions, index, region) {
		if (overlaps(region, spec->mm, start, end))
			return -EEXIST;
		if (region->mm == spec->mm)
			vm = region->vm;
	}

	region = kzalloc(sizeof(*region), GFP_KERNEL);
	if (!region)
		return -ENOMEM;
	kref_init(&region->ref);
	pshare_ledger_setup(&region->ledger, (end - start) >> PAGE_SHIFT);
	region->pid = spec->pid;
	region->whole = spec->whole;
	region->own_policy = spec->own_policy;
	region->huge_policy = spec->huge_policy;
	region->start = start;
	region->end = end;
	region->mm = spec->mm;
	mmgrab(spec->mm);

	err = -ENOMEM;
	region->group = join_group(spec->group);
	if (!region->group)
		goto err_group;
	/* Who goes over all of them asks for the number behind the last. */
	err = xa_alloc_cyclic(&regions, &region->id, region, XA_LIMIT(0, U32_MAX - 1), &next_id,
			      GFP_KERNEL);
	if (err < 0)
		goto err_id;
	region->vm = vm ?: region->id;
	*id = region->id;
	return 0;

err_id:
	/* An empty group is dropped when the module looks for such. */
	region->group->nr_regions--;
err_group:
	pshare_region_put(region);
	return err;
}

/**
 * pshare_region_del() - take a region from the registry
 * @region: the region, with a reference of the caller's
 *
 * Shared pages that it maps are none of this function's business.
 *
 * Context: process, may sleep; scan mutex held.
 */
void pshare_region_del(struct pshare_region *region)
{
	lockdep_assert_held(&pshare_scan_mutex);
	if (region->gone)
		return;
	region->gone = true;
	xa_erase(&regions, region->id);
	region->group->nr_regions--;
	pshare_region_put(region);
}

/**
 * pshare_region_exit() - free the registry
 *
 * Context: process; no region is registered, and no index has a shared page.
 */
void pshare_region_exit(void)
{
	xa_destroy(&regions);
}
