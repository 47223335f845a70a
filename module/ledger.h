/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_LEDGER_H
#define _PSHARE_LEDGER_H

#include <linux/types.h>
#include <linux/xarray.h>

/**
 * enum pshare_class - where a page of a region stands, as of its last visit
 * @PSHARE_UNPOPULATED:		no memory behind it, or not visited yet
 * @PSHARE_SWAPPED:		in swap
 * @PSHARE_INELIGIBLE_SHARED:	shared or file mapping
 * @PSHARE_INELIGIBLE_HUGETLB:	hugetlbfs
 * @PSHARE_INELIGIBLE_PINNED:	somebody holds it, for I/O for example
 * @PSHARE_INELIGIBLE_OTHER:	anything else that cannot be merged
 * @PSHARE_ZERO:		was replaced by the zero page
 * @PSHARE_MERGED:		maps a shared page
 * @PSHARE_DUPLICATE:		has a twin, and merging was put off
 * @PSHARE_VOLATILE:		changed since the last visit, or visited once only
 * @PSHARE_UNIQUE:		did not change and has no twin
 * @PSHARE_NR_CLASSES:		number of classes
 */
enum pshare_class {
	PSHARE_UNPOPULATED,
	PSHARE_SWAPPED,
	PSHARE_INELIGIBLE_SHARED,
	PSHARE_INELIGIBLE_HUGETLB,
	PSHARE_INELIGIBLE_PINNED,
	PSHARE_INELIGIBLE_OTHER,
	PSHARE_ZERO,
	PSHARE_MERGED,
	PSHARE_DUPLICATE,
	PSHARE_VOLATILE,
	PSHARE_UNIQUE,
	PSHARE_NR_CLASSES
};

/**
 * struct pshare_ledger - the state of the pages of one region
 * @blocks:	struct block for each 2 MiB that has something to tell, by address
 * @nr_blocks:	blocks in @blocks
 * @size:	pages of the region, never changes
 * @pages:	pages of blocks in each class; PSHARE_UNPOPULATED is not counted
 *		but is what is left of @size
 * @mapped:	pages of whole mappings that cannot be merged, as of the last pass
 * @passing:	the same as far as the pass under way has come
 *
 * All of it is written under the scan mutex; the figures are read anywhere, and
 * may be a moment old.
 */
struct pshare_ledger {
	struct xarray blocks;
	unsigned long nr_blocks;
	unsigned long size;
	unsigned long pages[PSHARE_NR_CLASSES];
	unsigned long mapped[PSHARE_NR_CLASSES];
	unsigned long passing[PSHARE_NR_CLASSES];
};

int pshare_ledger_init(void);
void pshare_ledger_exit(void);

void pshare_ledger_setup(struct pshare_ledger *ledger, unsigned long size);
void pshare_ledger_clear(struct pshare_ledger *ledger);
int pshare_ledger_set(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
		      enum pshare_class class);
void pshare_ledger_skip(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
			enum pshare_class class);
void pshare_ledger_begin(struct pshare_ledger *ledger);
void pshare_ledger_complete(struct pshare_ledger *ledger);
enum pshare_class pshare_ledger_get(struct pshare_ledger *ledger, unsigned long addr);
int pshare_ledger_fingerprint(struct pshare_ledger *ledger, unsigned long addr, u32 new,
			      u32 *old);
unsigned long pshare_ledger_pages(const struct pshare_ledger *ledger, enum pshare_class class);
unsigned long pshare_ledger_bytes(const struct pshare_ledger *ledger);
const char *pshare_ledger_class_name(enum pshare_class class);

#endif /* _PSHARE_LEDGER_H */
