/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_REGION_H
#define _PSHARE_REGION_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>

#include "index.h"
#include "ledger.h"
#include "uapi/pshare.h"

struct mm_struct;
struct mutex;

/*
 * Held while pages are visited, merged or pruned, and while regions and groups
 * come and go, for one batch of pages or PSHARE_STEP nodes at a time.
 */
extern struct mutex pshare_scan_mutex;

/* Nodes of an index that may be looked at, or freed, in one hold of it. */
#define PSHARE_STEP	4096UL

/**
 * struct pshare_group - regions that may share pages with each other
 * @list:	in the list of groups; guarded by the scan mutex
 * @index:	the group's pages; guarded by the scan mutex
 * @nr_regions:	regions of the group; guarded by the scan mutex.  The group
 *		dies when there is none and its index has no shared page
 * @salt:	a number at random, never changes; see alike.c
 * @name:	its name, never changes; empty for the group of a private region
 */
struct pshare_group {
	struct list_head list;
	struct pshare_index index;
	unsigned int nr_regions;
	u32 salt;
	char name[PSHARE_GROUP_SIZE];
};

/**
 * struct pshare_region - a registered range of the memory of one process
 * @ref:	one for being registered, one for each that works with it
 * @id:		its number, never changes
 * @pid:	its process in the initial namespace, never changes
 * @vm:		number of its VM: that of the first region of this address space;
 *		never changes
 * @whole:	registered without a range; never changes
 * @own_policy:	it has a policy for huge pages of its own; never changes
 * @huge_policy: enum pshare_huge_policy, with @own_policy; never changes
 * @mm:		address space: the struct only (mmgrab), never its memory; dies
 *		with the region
 * @group:	whom it shares with; valid while it is registered
 * @start:	first address, never changes
 * @end:	address behind the last, never changes
 * @gone:	it was taken from the registry; guarded by the scan mutex
 * @holds:	reasons for the scanner to leave it alone; guarded by the scan mutex
 * @ledger:	the state of its pages; written under the scan mutex
 * @scanned:	pages looked at; written under the scan mutex
 * @splits:	huge pages split; written under the scan mutex
 * @refused:	merges refused; written under the scan mutex
 */
struct pshare_region {
	struct kref ref;
	u32 id;
	pid_t pid;
	u32 vm;
	bool whole;
	bool own_policy;
	unsigned int huge_policy;
	struct mm_struct *mm;
	struct pshare_group *group;
	unsigned long start;
	unsigned long end;
	bool gone;
	unsigned int holds;
	struct pshare_ledger ledger;
	unsigned long scanned;
	unsigned long splits;
	unsigned long refused;
};

/**
 * struct pshare_region_spec - what a region shall be
 * @mm:		address space, with a reference on its users
 * @pid:	its process in the initial namespace
 * @whole:	all of the address space: @start and @end are ignored
 * @start:	first address, aligned
 * @end:	address behind the last, aligned
 * @group:	name of a group, or empty: the region shares with itself only
 * @own_policy:	@huge_policy is enum pshare_huge_policy; else the knob decides
 * @huge_policy: see @own_policy
 */
struct pshare_region_spec {
	struct mm_struct *mm;
	pid_t pid;
	bool whole;
	unsigned long start;
	unsigned long end;
	const char *group;
	bool own_policy;
	unsigned int huge_policy;
};

int pshare_region_add(const struct pshare_region_spec *spec, u32 *id);
void pshare_region_del(struct pshare_region *region);
struct pshare_region *pshare_region_get(u32 id);
struct pshare_region *pshare_region_get_next(u32 id);
u32 pshare_region_vm(u32 id);
struct pshare_region *pshare_region_get_of_vm(u32 vm);
void pshare_region_put(struct pshare_region *region);
struct mm_struct *pshare_region_get_mm(struct pshare_region *region);
bool pshare_region_dead(const struct pshare_region *region);
bool pshare_region_any(void);

struct pshare_group *pshare_group_next(struct pshare_group *group);
bool pshare_group_any(void);
bool pshare_group_drop_empty(void);

void pshare_region_exit(void);

#endif /* _PSHARE_REGION_H */
