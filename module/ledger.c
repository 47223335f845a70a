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
	[PSHARE_UNSCANNED]		= "unscanned",
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
 */
void pshare_ledger_setup(struct pshare_ledger *ledger)
{
	xa_init(&ledger->blocks);
}

/**
 * pshare_ledger_clear() - forget everything
 * @ledger: the ledger; it is empty afterwards
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
	memset(ledger->pages, 0, sizeof(ledger->pages));
	ledger->nr_blocks = 0;
}

/* The block of an address, made if it is not there; NULL when memory is short. */
static struct block *get_block(struct pshare_ledger *ledger, unsigned long addr)
{
	unsigned long index = addr >> HPAGE_PMD_SHIFT;
	struct block *block = xa_load(&ledger->blocks, index);
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;

	BUILD_BUG_ON(BLOCK_PAGES != HPAGE_PMD_NR);
	BUILD_BUG_ON(PSHARE_UNSCANNED != 0);

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
	WRITE_ONCE(ledger->pages[PSHARE_UNSCANNED],
		   ledger->pages[PSHARE_UNSCANNED] + BLOCK_PAGES);
	return block;
}

static void set_class(struct pshare_ledger *ledger, struct block *block, unsigned int nth,
		      enum pshare_class class)
{
	enum pshare_class old = block->class[nth];

	if (old == class)
		return;
	block->class[nth] = class;
	WRITE_ONCE(ledger->pages[old], ledger->pages[old] - 1);
	WRITE_ONCE(ledger->pages[class], ledger->pages[class] + 1);
}

static unsigned int place_of(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) % BLOCK_PAGES;
}

/* Set the pages of [addr, end) in the blocks that exist. */
static void set_known(struct pshare_ledger *ledger, unsigned long addr, unsigned long end,
		      enum pshare_class class)
{
	struct block *block;
	unsigned long index;

	xa_for_each_range(&ledger->blocks, index, block, addr >> HPAGE_PMD_SHIFT,
			  (end - 1) >> HPAGE_PMD_SHIFT) {
		unsigned long at = max(addr, index << HPAGE_PMD_SHIFT);
		unsigned long stop = min(end, (index + 1) << HPAGE_PMD_SHIFT);

		for (; at < stop; at += PAGE_SIZE)
			set_class(ledger, block, place_of(at), class);
		cond_resched();
	}
}

/**
 * pshare_ledger_set() - put pages into a class
 * @ledger: of the region
 * @addr: address of the first page
 * @nr: number of pages, at least 1
 * @class: the class
 *
 * A hole costs nothing: where there is no block none is made for
 * PSHARE_UNPOPULATED.
 *
 * Context: process, may sleep; scan mutex held.
 * Return: 0, or -ENOMEM; then a part of the pages may be in the class.
 */
int pshare_ledger_set(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
		      enum pshare_class class)
{
	unsigned long end = addr + (nr << PAGE_SHIFT);

	if (class == PSHARE_UNPOPULATED) {
		set_known(ledger, addr, end, class);
		return 0;
	}
	for (; addr < end; addr += PAGE_SIZE) {
		struct block *block = get_block(ledger, addr);

		if (!block)
			return -ENOMEM;
		set_class(ledger, block, place_of(addr), class);
		if (!place_of(addr))
			cond_resched();
	}
	return 0;
}

/**
 * pshare_ledger_get() - class of a page
 * @ledger: of the region
 * @addr: address of the page
 *
 * Context: scan mutex held.
 * Return: its class; PSHARE_UNSCANNED where there is no block.
 */
enum pshare_class pshare_ledger_get(struct pshare_ledger *ledger, unsigned long addr)
{
	struct block *block = xa_load(&ledger->blocks, addr >> HPAGE_PMD_SHIFT);

	return block ? block->class[place_of(addr)] : PSHARE_UNSCANNED;
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
	return READ_ONCE(ledger->pages[class]);
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
