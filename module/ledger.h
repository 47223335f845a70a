/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_LEDGER_H
#define _PSHARE_LEDGER_H

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "uapi/pshare.h"

/**
 * struct pshare_block - 2 MiB of a region
 * @fingerprint:	of each page's content when it was last visited, 0 when it has not been:
 *			pshare_hash_sample(), or a part of pshare_hash_page()
 * @class:		enum pshare_class of each page
 * @whole:		pages whose fingerprint is of the whole content
 * @alike:		pages whose sample was that of another page, too, at the end of the
 *			last pass
 * @digest:		of the contents, in the order in which the last pass met them
 * @twins:		pages with a twin, or zero, that are not merged
 * @tried:		the pass in which it was tried to split it under pressure
 * @huge:		a huge page maps it, as of the last visit of one of its pages
 * @split:		it was a huge page, and we have split it
 */
struct pshare_block {
	u32 fingerprint[HPAGE_PMD_NR];
	u8 class[HPAGE_PMD_NR];
	DECLARE_BITMAP(whole, HPAGE_PMD_NR);
	DECLARE_BITMAP(alike, HPAGE_PMD_NR);
	u64 digest;
	u16 twins;
	u16 tried;
	bool huge;
	bool split;
};

/**
 * enum pshare_seen - what a page's sample says, beside what was seen last
 * @PSHARE_SEEN_NEW:	it was not visited before
 * @PSHARE_SEEN_CHANGED: it is not what it was
 * @PSHARE_SEEN_UNLIKE:	it is what it was, and no other page is like that
 * @PSHARE_SEEN_ALIKE:	it is what it was, and another page may be the same
 * @PSHARE_SEEN_BROKEN:	it was shared, or zero, and then written; until the whole of it has
 *			held still the sample is not enough
 */
enum pshare_seen {
	PSHARE_SEEN_NEW,
	PSHARE_SEEN_CHANGED,
	PSHARE_SEEN_UNLIKE,
	PSHARE_SEEN_ALIKE,
	PSHARE_SEEN_BROKEN,
};

/**
 * struct pshare_census - what one pass found in a region, beside the classes
 * @blocks_huge: blocks that a huge page maps
 * @blocks_equal: of these, blocks that equal another as a whole; the zero ones apart
 * @twins:	of these, how many have so many twins; see PSHARE_NR_TWIN_BINS
 * @splits:	of these, how many have at least so many; see PSHARE_SPLIT_STEPS
 * @splitting:	pages that would be saved if the blocks of @splits were split
 * @merging:	pages that would be saved by merging what may be merged
 * @grouping:	pages that would be saved beyond that if all groups were one
 * @aslr:	pages that would be saved beyond that without randomised addresses
 */
struct pshare_census {
	unsigned long blocks_huge;
	unsigned long blocks_equal;
	unsigned long twins[PSHARE_NR_TWIN_BINS];
	unsigned long splits[PSHARE_NR_SPLIT_STEPS];
	unsigned long splitting[PSHARE_NR_SPLIT_STEPS];
	unsigned long merging;
	unsigned long grouping;
	unsigned long aslr;
};

/**
 * struct pshare_ledger - the state of the pages of one region
 * @blocks:	struct pshare_block for each 2 MiB that has something to tell, by address
 * @last:	the block that was used last, or NULL
 * @last_index:	its index in @blocks
 * @nr_blocks:	blocks in @blocks; written under its lock
 * @size:	pages of the region, never changes
 * @unscanned:	pages that no pass has come to yet
 * @gained:	pages merged, or zero, in blocks that we have split
 * @pages:	pages of blocks in each class; PSHARE_UNPOPULATED is not counted
 *		but is what is left of @size
 * @mapped:	pages of whole mappings that cannot be merged, as of the last pass
 * @mapping:	the same as far as the pass under way has come
 * @census:	what else the last complete pass found
 * @passing:	the same as far as the pass under way has come
 * @through:	the pass under way has been through the region
 *
 * All of it is written under the scan mutex.  @nr_blocks, @unscanned, @pages and
 * @mapped are read anywhere, and may be a moment old.
 *
 * Who holds the mutex may have others look at pages while he waits for them (crew.c).  They
 * may call pshare_ledger_any(), and pshare_ledger_look(), _add(), _see(), _note() and _samples(),
 * each for blocks of its own.
 */
struct pshare_ledger {
	struct xarray blocks;
	struct pshare_block *last;
	unsigned long last_index;
	unsigned long nr_blocks;
	unsigned long size;
	unsigned long unscanned;
	unsigned long gained;
	unsigned long pages[PSHARE_NR_CLASSES];
	unsigned long mapped[PSHARE_NR_CLASSES];
	unsigned long mapping[PSHARE_NR_CLASSES];
	struct pshare_census census;
	struct pshare_census passing;
	bool through;
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
void pshare_ledger_reach(struct pshare_ledger *ledger, unsigned long left);
void pshare_ledger_complete(struct pshare_ledger *ledger);
enum pshare_class pshare_ledger_get(struct pshare_ledger *ledger, unsigned long addr);
bool pshare_ledger_all(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
		       enum pshare_class class);
struct pshare_block *pshare_ledger_find(struct pshare_ledger *ledger, unsigned long addr);
bool pshare_ledger_any(struct pshare_ledger *ledger, unsigned long addr, unsigned long end);
struct pshare_block *pshare_ledger_look(struct pshare_ledger *ledger, unsigned long addr);
struct pshare_block *pshare_ledger_make(struct pshare_ledger *ledger, unsigned long addr);
struct pshare_block *pshare_ledger_add(struct pshare_ledger *ledger, unsigned long addr);
enum pshare_seen pshare_ledger_see(struct pshare_block *block, unsigned int place, u32 sample);
void pshare_ledger_unsee(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr);
void pshare_ledger_note(struct pshare_block *block, unsigned int place, u32 sample);
void pshare_ledger_doubt(struct pshare_block *block, unsigned int place, u64 hash);
bool pshare_ledger_hold_still(struct pshare_block *block, unsigned int place, u64 hash,
			      u32 sample);
void pshare_ledger_mark(struct pshare_ledger *ledger, struct pshare_block *block, bool huge,
			bool split);
unsigned long pshare_ledger_pages(const struct pshare_ledger *ledger, enum pshare_class class);
unsigned long pshare_ledger_bytes(const struct pshare_ledger *ledger);

/**
 * pshare_ledger_place() - which page of its block is at an address?
 * @addr: the address
 *
 * Return: 0 to HPAGE_PMD_NR - 1.
 */
static inline unsigned int pshare_ledger_place(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) % HPAGE_PMD_NR;
}

/**
 * pshare_ledger_samples() - is a page going to be sampled, most likely?
 * @block: where it lies
 * @place: which of its pages it is
 *
 * Return: true unless it is saved already, as of its last visit.
 */
static inline bool pshare_ledger_samples(const struct pshare_block *block, unsigned int place)
{
	return block->class[place] < PSHARE_ZERO || block->class[place] > PSHARE_MERGED_OTHER;
}

const char *pshare_ledger_class_name(enum pshare_class class);

#endif /* _PSHARE_LEDGER_H */
