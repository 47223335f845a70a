/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pshare: user interface of /dev/pshare.
 *
 * Every ioctl takes a pointer to a struct whose first member is its size in
 * bytes.  A caller that is older than the module passes a shorter struct: what
 * it does not know is taken as zero.  A caller that is newer passes a longer
 * one: it is accepted as long as the part that the module does not know is
 * zero.  Unknown bits in @flags are refused, and so is anything but zero in a
 * member that is named "reserved".  A call that fails changes nothing and
 * writes nothing back, unless its description says otherwise.
 */
#ifndef _UAPI_PSHARE_H
#define _UAPI_PSHARE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Incremented when an ioctl is added or a struct grows; never goes back. */
#define PSHARE_ABI_VERSION	2

/* Bytes of a group name with its terminating NUL. */
#define PSHARE_GROUP_SIZE	64

/*
 * The errno dictionary.  What each means, wherever it is returned:
 *
 * EPERM	the caller lacks CAP_SYS_ADMIN in the initial user namespace
 * ENOTTY	no such ioctl
 * EFAULT	the struct, or a part of it, is not readable or not writable; for
 *		remove and unmerge also: the kernel could not give a page its own
 *		copy, other than for want of memory
 * EINVAL	a size below that of the first version of the struct; unknown
 *		bits in flags; a reserved member that is not zero; a range that
 *		is empty, reversed or not aligned to 4096; a range without
 *		PSHARE_ADD_RANGE or a name without PSHARE_ADD_GROUP; a policy for
 *		huge pages that does not exist, or one without
 *		PSHARE_ADD_HUGE_POLICY; a group
 *		name that is empty or has a character outside [A-Za-z0-9._:-];
 *		a kernel thread, which has no memory; passes == 0
 * E2BIG	the struct is longer than the module knows, and what it does
 *		not know is not zero; or it is longer than a page
 * ENAMETOOLONG	a group name without a NUL within PSHARE_GROUP_SIZE bytes
 * EBADF	pidfd is not an open pidfd
 * ESRCH	the process has exited, or is exiting
 * ERANGE	the range reaches outside the user address space of the process
 * EEXIST	the range overlaps a region that the process already has
 * ENOENT	no region has this id; for PSHARE_IOC_READ with PSHARE_READ_NEXT:
 *		no region has this id or a greater one
 * ENOMEM	out of memory.  For remove and unmerge: giving each page its own
 *		copy would exhaust the host or the memory cgroup of the process;
 *		pages handled so far have their own copy, the others stay
 *		shared, no content is lost, and the region stays registered
 * EBUSY	an address space stayed locked for long by somebody else, and
 *		pages in it could not be unmerged: try again; for scan: the knob
 *		run is 2
 * EINTR	a signal arrived.  What was done so far stays done: pages unmerged,
 *		passes completed
 * ENODEV	the module is being unloaded
 */

/**
 * struct pshare_version - argument of PSHARE_IOC_VERSION
 * @size:	in: sizeof(struct pshare_version)
 * @flags:	in: 0
 * @abi:	out: PSHARE_ABI_VERSION of the module
 * @reserved:	0
 */
struct pshare_version {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 reserved;
};

/* Register [start, end) only; without it: all of the process, now and later. */
#define PSHARE_ADD_RANGE	(1U << 0)
/* @group holds a name; without it the region shares with itself only. */
#define PSHARE_ADD_GROUP	(1U << 1)
/* @huge_policy holds a policy; without it the region goes by the knob huge_policy. */
#define PSHARE_ADD_HUGE_POLICY	(1U << 2)

/**
 * enum pshare_huge_policy - when to split a huge page for the twins of its pages
 * @PSHARE_HUGE_KEEP:		never
 * @PSHARE_HUGE_BENEFIT:	when at least huge_split_min of its pages have a twin, or
 *				are zero
 * @PSHARE_HUGE_PRESSURE:	while the host has less memory available than
 *				huge_min_free_percent, those with the most twins first
 * @PSHARE_HUGE_ALWAYS:		when one has
 * @PSHARE_NR_HUGE_POLICIES:	number of policies
 */
enum pshare_huge_policy {
	PSHARE_HUGE_KEEP,
	PSHARE_HUGE_BENEFIT,
	PSHARE_HUGE_PRESSURE,
	PSHARE_HUGE_ALWAYS,
	PSHARE_NR_HUGE_POLICIES
};

/**
 * struct pshare_add - argument of PSHARE_IOC_ADD: register a region
 * @size:	in: sizeof(struct pshare_add)
 * @flags:	in: PSHARE_ADD_*
 * @pidfd:	in: the process, as pidfd_open(2) names it
 * @reserved:	0
 * @start:	in: first address, with PSHARE_ADD_RANGE; else 0
 * @end:	in: address behind the last, with PSHARE_ADD_RANGE; else 0
 * @id:	out: number of the region; never used again while the module
 *		is loaded
 * @group:	in: NUL-terminated name, with PSHARE_ADD_GROUP; else all zero
 * @huge_policy: in: enum pshare_huge_policy, with PSHARE_ADD_HUGE_POLICY; else 0.
 *		Since version 2
 * @reserved2:	0.  Since version 2
 *
 * The region ends by itself when the process exits or calls execve(2).
 */
struct pshare_add {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 reserved;
	__u64 start;
	__u64 end;
	__u64 id;
	char group[PSHARE_GROUP_SIZE];
	__u32 huge_policy;
	__u32 reserved2;
};

/**
 * struct pshare_remove - argument of PSHARE_IOC_REMOVE: unmerge, and forget
 * @size:	in: sizeof(struct pshare_remove)
 * @flags:	in: 0
 * @id:	in: number of the region
 */
struct pshare_remove {
	__u32 size;
	__u32 flags;
	__u64 id;
};

/**
 * struct pshare_unmerge - argument of PSHARE_IOC_UNMERGE
 * @size:	in: sizeof(struct pshare_unmerge)
 * @flags:	in: 0
 * @id:	in: number of the region; it stays registered, so the scanner
 *		may merge its pages again
 * @pages:	out: pages that were given their own copy
 */
struct pshare_unmerge {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 pages;
};

/* Read the region with the smallest number that is not below @id. */
#define PSHARE_READ_NEXT	(1U << 0)

/* In @state: registered without a name, so it shares with itself only. */
#define PSHARE_REGION_PRIVATE	(1U << 0)
/* In @state: registered without a range. */
#define PSHARE_REGION_WHOLE	(1U << 1)

/**
 * struct pshare_read - argument of PSHARE_IOC_READ: a region and its counters
 * @size:	in: sizeof(struct pshare_read)
 * @flags:	in: PSHARE_READ_*
 * @id:	in: number of the region, out: the number of the one found.  To
 *		list all regions start with PSHARE_READ_NEXT and id 0, go on
 *		with the last id plus one, end at ENOENT
 * @start:	out: first address
 * @end:	out: address behind the last
 * @pid:	out: process (thread group) as seen from the initial namespace
 * @state:	out: PSHARE_REGION_*
 * @scanned:	out: pages looked at since the region was added, all passes
 * @merged:	out: pages that map a shared page
 * @zero:	out: pages that pshare replaced by the zero page
 * @volatile_:	out: pages that changed between the last two visits, or have
 *		been visited once
 * @unique:	out: pages that did not change and have no twin
 * @swapped:	out: pages in swap
 * @ineligible:	out: pages that cannot be merged: shared or file mappings,
 *		hugetlb, locked, anything else
 * @huge_splits: out: huge pages of the region that were split for sharing
 * @refused:	out: merges that were tried and refused, for any reason
 * @group:	out: name of the group, empty for a private region
 *
 * merged to ineligible are numbers of 4096-byte pages as of each page's last
 * visit by the scanner; scanned, huge_splits and refused only grow.
 */
struct pshare_read {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 start;
	__u64 end;
	__s32 pid;
	__u32 state;
	__u64 scanned;
	__u64 merged;
	__u64 zero;
	__u64 volatile_;
	__u64 unique;
	__u64 swapped;
	__u64 ineligible;
	__u64 huge_splits;
	__u64 refused;
	char group[PSHARE_GROUP_SIZE];
};

/**
 * struct pshare_scan - argument of PSHARE_IOC_SCAN: full passes, at full speed
 * @size:	in: sizeof(struct pshare_scan)
 * @flags:	in: 0
 * @passes:	in: number of passes that must begin after the call and be
 *		complete before it returns, at least 1
 * @reserved:	0
 *
 * Works with the knob run at 0 and at 1, and leaves it alone.
 */
struct pshare_scan {
	__u32 size;
	__u32 flags;
	__u32 passes;
	__u32 reserved;
};

/**
 * enum pshare_class - where a page of a region stands, as of its last visit
 * @PSHARE_UNSCANNED:		no pass has come to it yet
 * @PSHARE_UNPOPULATED:		no memory behind it
 * @PSHARE_SWAPPED:		in swap
 * @PSHARE_INELIGIBLE_SHARED:	shared or file mapping
 * @PSHARE_INELIGIBLE_HUGETLB:	hugetlbfs
 * @PSHARE_INELIGIBLE_PINNED:	somebody holds it, for I/O for example
 * @PSHARE_INELIGIBLE_OTHER:	anything else that cannot be merged
 * @PSHARE_ZERO:		pshare has replaced it by the zero page
 * @PSHARE_MERGED_SELF:		maps a shared page that only this VM maps
 * @PSHARE_MERGED_OTHER:	maps a shared page that another VM maps, too
 * @PSHARE_DUPLICATE_SELF:	has twins, in this VM only, and is not merged (yet)
 * @PSHARE_DUPLICATE_OTHER:	has a twin in another VM, and is not merged (yet)
 * @PSHARE_DUPLICATE_ZERO:	is zero, and is not replaced (yet)
 * @PSHARE_HUGE_SELF:		has twins, in this VM only, and lies in a huge page that
 *				the policy keeps whole; or they all do
 * @PSHARE_HUGE_OTHER:		the same with a twin in another VM
 * @PSHARE_HUGE_ZERO:		is zero, and lies in a huge page that the policy keeps whole
 * @PSHARE_GROUP_BLOCKED:	has a twin, but only in other groups
 * @PSHARE_ASLR_BLOCKED:	would have a twin, were it not for the addresses in it
 * @PSHARE_VOLATILE:		changed since the last visit, or visited once only
 * @PSHARE_UNIQUE:		did not change and has no twin
 * @PSHARE_NR_CLASSES:		number of classes
 *
 * A VM is a process: regions of one process are one VM.
 */
enum pshare_class {
	PSHARE_UNSCANNED,
	PSHARE_UNPOPULATED,
	PSHARE_SWAPPED,
	PSHARE_INELIGIBLE_SHARED,
	PSHARE_INELIGIBLE_HUGETLB,
	PSHARE_INELIGIBLE_PINNED,
	PSHARE_INELIGIBLE_OTHER,
	PSHARE_ZERO,
	PSHARE_MERGED_SELF,
	PSHARE_MERGED_OTHER,
	PSHARE_DUPLICATE_SELF,
	PSHARE_DUPLICATE_OTHER,
	PSHARE_DUPLICATE_ZERO,
	PSHARE_HUGE_SELF,
	PSHARE_HUGE_OTHER,
	PSHARE_HUGE_ZERO,
	PSHARE_GROUP_BLOCKED,
	PSHARE_ASLR_BLOCKED,
	PSHARE_VOLATILE,
	PSHARE_UNIQUE,
	PSHARE_NR_CLASSES
};

/* Classes that a later version may come to know. */
#define PSHARE_MAX_CLASSES	32

/* For how many twins in a huge page the price of splitting is told. */
#define PSHARE_NR_SPLIT_STEPS	5
/* The steps themselves: huge pages with at least so many twins. */
#define PSHARE_SPLIT_STEPS	{ 1, 8, 64, 256, 512 }
/* The bins of the histogram of twins in a huge page, by the most that belong there. */
#define PSHARE_NR_TWIN_BINS	6
#define PSHARE_TWIN_BINS	{ 0, 8, 64, 256, 511, 512 }

/**
 * struct pshare_read_ledger - argument of PSHARE_IOC_LEDGER: where a region's pages stand
 * @size:	in: sizeof(struct pshare_read_ledger)
 * @flags:	in: PSHARE_READ_*
 * @id:		in, out: as of struct pshare_read
 * @pages:	out: size of the region; the sum of @classes
 * @pid:	out: process (thread group) as seen from the initial namespace
 * @state:	out: PSHARE_REGION_*
 * @vm:		out: number of the VM: regions of one process have the same
 * @huge_policy: out: enum pshare_huge_policy that the region goes by now
 * @classes:	out: pages in each of enum pshare_class; the rest is 0
 * @zero_other:	out: pages of PSHARE_ZERO, if another VM has such, too; else 0
 * @blocks_huge: out: blocks (2 MiB) that a transparent huge page maps
 * @blocks_equal: out: of these, blocks equal to another as a whole, the zero ones apart
 * @blocks_split: out: how often pshare has split a block, since the region was added
 * @split_gained: out: pages merged now, or zero, in blocks that pshare has split
 * @twins:	out: of @blocks_huge, how many have so many twins; PSHARE_NR_TWIN_BINS
 * @merging:	out: pages that would be saved by merging what the policy allows to merge
 * @splitting:	out: pages that would be saved by merging if the blocks with at least so
 *		many twins were split, and no others; PSHARE_SPLIT_STEPS
 * @splits:	out: how many blocks that would be
 * @grouping:	out: pages that would be saved, beyond @merging, if all groups were one
 * @aslr:	out: pages that would be saved, beyond @merging, without address-space
 *		randomisation, as far as they were sampled
 * @group:	out: name of the group, empty for a private region
 *
 * @blocks_huge to @aslr are as of the last complete pass, without blocks_split and
 * split_gained.  A saving counts with the region whose page is found second.
 */
struct pshare_read_ledger {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 pages;
	__s32 pid;
	__u32 state;
	__u32 vm;
	__u32 huge_policy;
	__u64 classes[PSHARE_MAX_CLASSES];
	__u64 zero_other;
	__u64 blocks_huge;
	__u64 blocks_equal;
	__u64 blocks_split;
	__u64 split_gained;
	__u64 twins[PSHARE_NR_TWIN_BINS];
	__u64 merging;
	__u64 splitting[PSHARE_NR_SPLIT_STEPS];
	__u64 splits[PSHARE_NR_SPLIT_STEPS];
	__u64 grouping;
	__u64 aslr;
	char group[PSHARE_GROUP_SIZE];
};

#define PSHARE_IOC_MAGIC	0xbd
#define PSHARE_IOC_VERSION	_IO(PSHARE_IOC_MAGIC, 0)
#define PSHARE_IOC_ADD		_IO(PSHARE_IOC_MAGIC, 1)
#define PSHARE_IOC_REMOVE	_IO(PSHARE_IOC_MAGIC, 2)
#define PSHARE_IOC_READ		_IO(PSHARE_IOC_MAGIC, 3)
#define PSHARE_IOC_UNMERGE	_IO(PSHARE_IOC_MAGIC, 4)
#define PSHARE_IOC_SCAN		_IO(PSHARE_IOC_MAGIC, 5)
#define PSHARE_IOC_LEDGER	_IO(PSHARE_IOC_MAGIC, 6)

#endif /* _UAPI_PSHARE_H */
