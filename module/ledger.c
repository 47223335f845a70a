// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger: the class of each page, and what it looked like last time.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "ledger.h"

/**
 * DOC: ledger
 *
 * The state of pages lies in flat arrays, one block for 2 MiB of a region's
 * addresses: five bytes a page, and nothing at all where a region has no
 * memory.  The counters of the classes are kept with each change, so nobody
 * has to walk the blocks to read them.
 *
 * Mappings that cannot be merged as a whole (a file, a reservation of address
 * space) may be larger than any memory.  They get no blocks: the pages are added up
 * while a pass goes over them.
 */

#define BLOCK_PAGES	512

/**
 * struct block - 2 MiB of a region
 * @fingerprint:	part of the hash of each page's content when it was last
 *			visited, 0 when it has not been
 * @class:		enum pshare_class of each page
 */
struct block {
	u32 fingerprint[BLOCK_PAGES];
	u8 class[BLOCK_PAGES];
};

static struct kmem_cache *block_cache;

static const char * const class_names[PSHARE_NR_CLASSES] = {
	[PSHARE_UNPOPULATED]		= "unpopulated",
	[PSHARE_SWAPPED]		= "swapped",
	[PSHARE_INELIGIBLE_SHARED]	= "ineligible_shared",
	[PSHARE_INELIGIBLE_HUGETLB]	= "ineligible_hugetlb",
	[PSHARE_INELIGIBLE_PINNED]	= "ineligible_pinned",
	[PSHARE_INELIGIBLE_OTHER]	= "ineligible_other",
	[PSHARE_ZERO]			= "zero",
	[PSHARE_MERGED]			= "merged",
	[PSHARE_DUPLICATE]		= "duplicate",
	[PSHARE_VOLATILE]		= "volatile",
	[PSHARE_UNIQUE]			= "unique",
};

/**
 * pshare_ledger_init() - make the allocator of blocks
 *
 * Context: process, once, before any other function of this room.
 * Return: 0, or -ENOMEM.
 */
int pshare_ledger_init(void)
{
	block_cache = KMEM_CACHE(block, 0);
	return block_cache ? 0 : -ENOMEM;
}

/**
 * pshare_ledger_exit() - drop the allocator of blocks
 *
 * Context: process; every ledger is clear.
 */
void pshare_ledger_exit(void)
{
	kmem_cache_destroy(block_cache);
}

/**
 * pshare_ledger_setup() - make an empty ledger
 * @ledger: memory for it, all zero
 * @size: pages of the region
 */
void pshare_ledger_setup(struct pshare_ledger *ledger, unsigned long size)
{
	xa_init(&ledger->blocks);
	ledger->size = size;
}

/**
 * pshare_ledger_clear() - free the blocks
 * @ledger: the ledger; it is not used any more
 *
 * Context: process, may sleep; nobody else uses the ledger.
 */
void pshare_ledger_clear(struct pshare_ledger *ledger)
{
	struct block *block;
	unsigned long index;

	xa_for_each(&ledger->blocks, index, block) {
		kmem_cache_free(block_cache, block);
		cond_resched();
	}
	xa_destroy(&ledger->blocks);
}

/* The block of an address, made if it is not there; NULL when memory is short. */
static struct block *get_block(struct pshare_ledger *ledger, unsigned long addr)
{
	unsigned long index = addr >> HPAGE_PMD_SHIFT;
	struct block *block = xa_load(&ledger->blocks, index);
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;

	BUILD_BUG_ON(BLOCK_PAGES != HPAGE_PMD_NR);
	BUILD_BUG_ON(PSHARE_UNPOPULATED != 0);

	if (block)
		return block;
	block = kmem_cache_zalloc(block_cache, gfp);
	if (!block)
		return NULL;
	if (xa_err(xa_store(&ledger->blocks, index, block, gfp))) {
		kmem_cache_free(block_cache, block);
		return NULL;
	}
	WRITE_ONCE(ledger->nr_blocks, ledger->nr_blocks + 1);
	return block;
}

static void set_class(struct pshare_ledger *ledger, struct block *block, unsigned int place,
		      enum pshare_class class)
{
	enum pshare_class old = block->class[place];

	if (old == class)
		return;
	block->class[place] = class;
	if (old != PSHARE_UNPOPULATED)
		WRITE_ONCE(ledger->pages[old], ledger->pages[old] - 1);
	if (class != PSHARE_UNPOPULATED)
		WRITE_ONCE(ledger->pages[class], ledger->pages[class] + 1);
}

static unsigned int place_of(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) % BLOCK_PAGES;
}

/**
 * pshare_ledger_set() - put pages into a class
 * @ledger: of the region
 * @addr: address of the first page
 * @nr: number of pages, at least 1, and no more than fit into a bounded time
 * @class: the class
 *
 * Context: process, may sleep; scan mutex held.
 * Return: 0, or -ENOMEM; then a part of the pages may be in the class.
 */
int pshare_ledger_set(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
		      enum pshare_class class)
{
	for (; nr; nr--, addr += PAGE_SIZE) {
		struct block *block = get_block(ledger, addr);

		if (!block)
			return -ENOMEM;
		set_class(ledger, block, place_of(addr), class);
	}
	return 0;
}

/**
 * pshare_ledger_skip() - a stretch in which no page can be merged, of any length
 * @ledger: of the region
 * @addr: address of the first page
 * @nr: number of pages
 * @class: PSHARE_UNPOPULATED for a hole, else why nothing can be merged
 *
 * What was known of its pages is forgotten, and blocks are freed.  The time it
 * takes goes by the memory that was there, not by the length.
 *
 * Context: process, may sleep; scan mutex held.
 */
void pshare_ledger_skip(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
			enum pshare_class class)
{
	unsigned long index, end = addr + (nr << PAGE_SHIFT);
	struct block *block;

	xa_for_each_range(&ledger->blocks, index, block, addr >> HPAGE_PMD_SHIFT,
			  (end - 1) >> HPAGE_PMD_SHIFT) {
		unsigned long start = index << HPAGE_PMD_SHIFT;
		unsigned long at = max(addr, start);
		unsigned long stop = min(end, start + HPAGE_PMD_SIZE);
		bool whole = stop - at == HPAGE_PMD_SIZE;

		for (; at < stop; at += PAGE_SIZE) {
			set_class(ledger, block, place_of(at), PSHARE_UNPOPULATED);
			block->fingerprint[place_of(at)] = 0;
		}
		if (whole) {
			xa_erase(&ledger->blocks, index);
			kmem_cache_free(block_cache, block);
			WRITE_ONCE(ledger->nr_blocks, ledger->nr_blocks - 1);
		}
		cond_resched();
	}
	if (class != PSHARE_UNPOPULATED)
		ledger->passing[class] += nr;
}

/**
 * pshare_ledger_begin() - a pass has come to the start of the region
 * @ledger: of the region
 *
 * The last one may have left it before its end.
 *
 * Context: scan mutex held.
 */
void pshare_ledger_begin(struct pshare_ledger *ledger)
{
	memset(ledger->passing, 0, sizeof(ledger->passing));
}

/**
 * pshare_ledger_complete() - a pass has come to the end of the region
 * @ledger: of the region
 *
 * Context: scan mutex held.
 */
void pshare_ledger_complete(struct pshare_ledger *ledger)
{
	enum pshare_class class;

	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		WRITE_ONCE(ledger->mapped[class], ledger->passing[class]);
}

/**
 * pshare_ledger_get() - class of a page
 * @ledger: of the region
 * @addr: address of the page
 *
 * Context: scan mutex held.
 * Return: its class; PSHARE_UNPOPULATED where there is no block.
 */
enum pshare_class pshare_ledger_get(struct pshare_ledger *ledger, unsigned long addr)
{
	struct block *block = xa_load(&ledger->blocks, addr >> HPAGE_PMD_SHIFT);

	return block ? block->class[place_of(addr)] : PSHARE_UNPOPULATED;
}

/**
 * pshare_ledger_fingerprint() - note what a page looks like, and read what it did
 * @ledger: of the region
 * @addr: address of the page
 * @new: fingerprint of its content now, not 0
 * @old: set to the fingerprint of the last visit, 0 if there was none
 *
 * Context: process, may sleep; scan mutex held.
 * Return: 0, or -ENOMEM; then nothing is noted.
 */
int pshare_ledger_fingerprint(struct pshare_ledger *ledger, unsigned long addr, u32 new,
			      u32 *old)
{
	struct block *block = get_block(ledger, addr);

	if (!block)
		return -ENOMEM;
	*old = block->fingerprint[place_of(addr)];
	block->fingerprint[place_of(addr)] = new;
	return 0;
}

static unsigned long counted(const struct pshare_ledger *ledger, enum pshare_class class)
{
	return READ_ONCE(ledger->pages[class]) + READ_ONCE(ledger->mapped[class]);
}

/**
 * pshare_ledger_pages() - number of pages in a class
 * @ledger: of the region
 * @class: the class
 *
 * Context: any.
 * Return: 4096-byte pages.
 */
unsigned long pshare_ledger_pages(const struct pshare_ledger *ledger, enum pshare_class class)
{
	unsigned long others = 0;

	if (class != PSHARE_UNPOPULATED)
		return counted(ledger, class);
	for (class = PSHARE_UNPOPULATED + 1; class < PSHARE_NR_CLASSES; class++)
		others += counted(ledger, class);
	return ledger->size - min(others, ledger->size);
}

/**
 * pshare_ledger_bytes() - what a ledger costs
 * @ledger: of the region
 *
 * Context: any.
 * Return: bytes of its blocks.
 */
unsigned long pshare_ledger_bytes(const struct pshare_ledger *ledger)
{
	return READ_ONCE(ledger->nr_blocks) * kmem_cache_size(block_cache);
}

/**
 * pshare_ledger_class_name() - what people call a class
 * @class: the class
 *
 * Return: a name in lower case.
 */
const char *pshare_ledger_class_name(enum pshare_class class)
{
	return class_names[class];
}
