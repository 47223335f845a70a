/* SPDX-License-Identifier: GPL-2.0 */
/* The ledgers of all regions, and what they come to for each VM and in total. */
#ifndef PSHARE_ACCOUNT_H
#define PSHARE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <pshare.h>

#include "classes.h"
#include "process.h"

/**
 * struct standing - where the pages of some regions stand
 * @sum:	the numbers of their ledgers, added up; the rest is of no meaning
 * @band:	pages in each band
 * @memory:	all bands together: the pages that have, or may have, content
 * @room:	pages without memory behind them, in regions that have a range
 * @unknown:	pages in classes of a newer module
 * @unseen:	a region without a range has not been gone through yet
 *
 * A region without a range is an address space.  How much of that is empty, or
 * has not been scanned yet, says nothing about a VM, so it counts in @sum only.
 */
struct standing {
	struct pshare_read_ledger sum;
	__u64 band[NR_BANDS];
	__u64 memory;
	__u64 room;
	__u64 unknown;
	bool unseen;
};

/**
 * struct vm - a process, and the regions that it has
 * @number:	as the module counts them
 * @pid:	of the process
 * @name:	of the guest, or else of the process
 * @comm:	of the process
 * @group:	of its regions; "-" for none, "(several)" if they differ
 * @regions:	how many
 * @standing:	of all of them
 */
struct vm {
	__u32 number;
	pid_t pid;
	char name[NAME_SIZE];
	char comm[COMM_SIZE];
	char group[PSHARE_GROUP_SIZE];
	size_t regions;
	struct standing standing;
};

/**
 * struct account - all that was asked for
 * @ledgers:	of the regions, sorted by id
 * @nr_ledgers:	how many
 * @all:	how many regions there are, also those that were not asked for
 * @vms:	those that have the regions, the largest first
 * @nr_vms:	how many
 * @total:	of all of them
 */
struct account {
	struct pshare_read_ledger *ledgers;
	size_t nr_ledgers;
	size_t all;
	struct vm *vms;
	size_t nr_vms;
	struct standing total;
};

struct args;

int account_open(const struct args *args, struct account *account);
int account_read(int fd, const struct args *args, struct account *account);
void account_free(struct account *account);

__u64 standing_pages(const struct standing *standing, unsigned int class);
__u64 standing_blocked(const struct standing *standing);
double share_of(__u64 part, __u64 whole);

#endif /* PSHARE_ACCOUNT_H */
