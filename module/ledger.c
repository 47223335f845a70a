// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger: the class of each page, and what it looked like last time.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "hash.h"
#include "ledger.h"

/**
 * DOC: ledger
 *
 * The state of pages lies in flat arrays, one block for 2 MiB of a region's
 * addresses: some five bytes a page, and nothing at all where a region has no
 * memory.  The counters of the classes are kept with each change, so nobody
 * has to walk the blocks to read them.
 *
 * Mappings that cannot be merged as a whole (a file, a reservation of address
 * space) may be larger than any memory.  They get no blocks: the pages are added up
 * while a pass goes over them.
 */

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
	[PSHARE_MERGED_SELF]		= "merged_self",
	[PSHARE_MERGED_OTHER]		= "merged_other",
	[PSHARE_DUPLICATE_SELF]		= "duplicate_self",
	[PSHARE_DUPLICATE_OTHER]	= "duplicate_other",
	[PSHARE_DUPLICATE_ZERO]		= "duplicate_zero",
	[PSHARE_HUGE_SELF]		= "huge_blocked_self",
	[PSHARE_HUGE_OTHER]		= "huge_blocked_other",
	[PSHARE_HUGE_ZERO]		= "huge_blocked_zero",
	[PSHARE_GROUP_BLOCKED]		= "group_blocked",
	[PSHARE_ASLR_BLOCKED]		= "aslr_blocked",
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
	block_cache = KMEM_CACHE(pshare_block, 0);
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
	ledger->unscanned = size;
}

/**
 * pshare_ledger_clear() - free the blocks
 * @ledger: the ledger; it is not used any more
 *
 * Context: process, may sleep; nobody else uses the ledger.
 */
void pshare_ledger_clear(struct pshare_ledger *ledger)
{
	struct pshare_block *block;
	unsigned long index;

	xa_for_each(&ledger->blocks, index, block) {
		kmem_cache_free(block_cache, block);
		cond_resched();
	}
	xa_destroy(&ledger->blocks);
}

/**
 * pshare_ledger_find() - the block of an address
 * @ledger: of the region
 * @addr: the address
 *
 * Context: scan mutex held.
 * Return: the block, valid while the scan mutex is held and nothing is skipped, or NULL
 * when nothing is known of its pages.
 */
struct pshare_block *pshare_ledger_find(struct pshare_ledger *ledger, unsigned long addr)
{
	unsigned long index = addr >> HPAGE_PMD_SHIFT;
	struct pshare_block *block;

	/* The scanner asks for one after the other. */
	if (ledger->last && ledger->last_index == index)
		return ledger->last;
	block = xa_load(&ledger->blocks, index);
	if (block) {
		ledger->last = block;
		ledger->last_index = index;
	}
	return block;
}

/**
 * pshare_ledger_any() - is anything known of a stretch?
 * @ledger: of the region
 * @addr: first address
 * @end: address behind the last
 *
 * Context: scan mutex held, or by who holds it and waits.
 * Return: true when there is a block of which some lies there.
 */
bool pshare_ledger_any(struct pshare_ledger *ledger, unsigned long addr, unsigned long end)
{
	unsigned long index = addr >> HPAGE_PMD_SHIFT;

	return xa_find(&ledger->blocks, &index, (end - 1) >> HPAGE_PMD_SHIFT, XA_PRESENT);
}

/**
 * pshare_ledger_look() - the same for who is not alone
 * @ledger: of the region
 * @addr: the address
 *
 * Context: scan mutex held, or by who holds it and waits.
 * Return: as of pshare_ledger_find().
 */
struct pshare_block *pshare_ledger_look(struct pshare_ledger *ledger, unsigned long addr)
{
	return xa_load(&ledger->blocks, addr >> HPAGE_PMD_SHIFT);
}

/**
 * pshare_ledger_add() - make the block of an address that has none
 * @ledger: of the region
 * @addr: the address
 *
 * Context: process, may sleep; scan mutex held, or by who holds it and waits, for an address
 * that nobody else makes a block for.
 * Return: as of pshare_ledger_find(), or NULL when memory is short.
 */
struct pshare_block *pshare_ledger_add(struct pshare_ledger *ledger, unsigned long addr)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	struct pshare_block *block = kmem_cache_alloc(block_cache, gfp);
	int err;

	if (!block)
		return NULL;
	memset(block, 0, sizeof(*block));
	memset(block->class, PSHARE_UNPOPULATED, sizeof(block->class));
	xa_lock(&ledger->blocks);
	err = __xa_insert(&ledger->blocks, addr >> HPAGE_PMD_SHIFT, block, gfp);
	if (!err)
		WRITE_ONCE(ledger->nr_blocks, ledger->nr_blocks + 1);
	xa_unlock(&ledger->blocks);
	if (!err)
		return block;
	kmem_cache_free(block_cache, block);
	return NULL;
}

/**
 * pshare_ledger_make() - the block of an address, made if it is not there
 * @ledger: of the region
 * @addr: the address
 *
 * Context: process, may sleep; scan mutex held.
 * Return: as of pshare_ledger_find(), or NULL when memory is short.
 */
struct pshare_block *pshare_ledger_make(struct pshare_ledger *ledger, unsigned long addr)
{
	return pshare_ledger_find(ledger, addr) ?: pshare_ledger_add(ledger, addr);
}

static void drop_block(struct pshare_ledger *ledger, unsigned long index,
		       struct pshare_block *block)
{
	if (ledger->last == block)
		ledger->last = NULL;
	xa_lock(&ledger->blocks);
	__xa_erase(&ledger->blocks, index);
	WRITE_ONCE(ledger->nr_blocks, ledger->nr_blocks - 1);
	xa_unlock(&ledger->blocks);
	kmem_cache_free(block_cache, block);
}

static bool is_saved(enum pshare_class class)
{
	return class >= PSHARE_ZERO && class <= PSHARE_MERGED_OTHER;
}

static bool has_twin(enum pshare_class class)
{
	return class >= PSHARE_DUPLICATE_SELF && class <= PSHARE_HUGE_ZERO;
}

static void set_class(struct pshare_ledger *ledger, struct pshare_block *block,
		      unsigned int place, enum pshare_class class)
{
	enum pshare_class old = block->class[place];

	if (old == class)
		return;
	block->class[place] = class;
	block->twins += has_twin(class) - has_twin(old);
	if (block->split)
		ledger->gained += is_saved(class) - is_saved(old);
	if (old != PSHARE_UNPOPULATED)
		WRITE_ONCE(ledger->pages[old], ledger->pages[old] - 1);
	if (class != PSHARE_UNPOPULATED)
		WRITE_ONCE(ledger->pages[class], ledger->pages[class] + 1);
}

/**
 * pshare_ledger_mark() - note what a block is made of
 * @ledger: of the region
 * @block: one of its blocks
 * @huge: a huge page maps it
 * @split: it was one, and we have split it
 *
 * Context: scan mutex held.
 */
void pshare_ledger_mark(struct pshare_ledger *ledger, struct pshare_block *block, bool huge,
			bool split)
{
	unsigned long saved = 0;
	unsigned int place;

	block->huge = huge;
	if (block->split == split)
		return;
	for (place = 0; place < HPAGE_PMD_NR; place++)
		saved += is_saved(block->class[place]);
	ledger->gained += split ? saved : -saved;
	block->split = split;
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
	while (nr) {
		struct pshare_block *block = pshare_ledger_make(ledger, addr);
		unsigned int place = pshare_ledger_place(addr);
		unsigned long end = min(place + nr, HPAGE_PMD_NR + 0UL);

		if (!block)
			return -ENOMEM;
		nr -= end - place;
		addr += (end - place) << PAGE_SHIFT;
		/* As a rule all is as it was. */
		if (!memchr_inv(&block->class[place], class, end - place))
			continue;
		for (; place < end; place++)
			set_class(ledger, block, place, class);
	}
	return 0;
}

/**
 * pshare_ledger_see() - a page is visited: is it what it was?
 * @block: where it lies
 * @place: which of its pages it is
 * @sample: pshare_hash_sample() of it; noted
 *
 * Context: scan mutex held, or by who holds it and waits.
 * Return: what is to be done with it.
 */
enum pshare_seen pshare_ledger_see(struct pshare_block *block, unsigned int place, u32 sample)
{
	u32 last = block->fingerprint[place];

	/* Who writes where the sample is not would have it copied over and over. */
	if (is_saved(block->class[place]) || test_bit(place, block->whole))
		return PSHARE_SEEN_BROKEN;
	if (last != sample) {
		block->fingerprint[place] = sample;
		return last ? PSHARE_SEEN_CHANGED : PSHARE_SEEN_NEW;
	}
	if (test_bit(place, block->alike) || pshare_hash_sample_is_zero(sample))
		return PSHARE_SEEN_ALIKE;
	return PSHARE_SEEN_UNLIKE;
}

/**
 * pshare_ledger_unsee() - pages that were noted are going to be visited once more
 * @ledger: of the region
 * @addr: address of the first page; each was in a block
 * @nr: number of pages
 *
 * Context: scan mutex held.
 */
void pshare_ledger_unsee(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr)
{
	for (; nr; nr--, addr += PAGE_SIZE) {
		struct pshare_block *block = pshare_ledger_find(ledger, addr);

		/* One that has gone meanwhile has taken its notes along. */
		if (block)
			block->fingerprint[pshare_ledger_place(addr)] = 0;
	}
}

/**
 * pshare_ledger_note() - note the sample of a page, whatever was known of it
 * @block: where it lies
 * @place: which of its pages it is
 * @sample: pshare_hash_sample() of it
 *
 * Context: scan mutex held, or by who holds it and waits.
 */
void pshare_ledger_note(struct pshare_block *block, unsigned int place, u32 sample)
{
	__clear_bit(place, block->whole);
	block->fingerprint[place] = sample;
}

/**
 * pshare_ledger_doubt() - a page changes, though its sample may not
 * @block: where it lies
 * @place: which of its pages it is
 * @hash: pshare_hash_page() of it, which the next visit compares
 *
 * Context: scan mutex held.
 */
void pshare_ledger_doubt(struct pshare_block *block, unsigned int place, u64 hash)
{
	__set_bit(place, block->whole);
	block->fingerprint[place] = pshare_hash_fold(hash);
}

/**
 * pshare_ledger_hold_still() - has a page that was written held still since the last visit?
 * @block: where it lies
 * @place: which of its pages it is; PSHARE_SEEN_BROKEN
 * @hash: pshare_hash_page() of it; noted if it has not
 * @sample: pshare_hash_sample() of it; noted if it has
 *
 * Context: scan mutex held.
 * Return: true if so: from now on it is judged by its sample.
 */
bool pshare_ledger_hold_still(struct pshare_block *block, unsigned int place, u64 hash,
			      u32 sample)
{
	if (!test_bit(place, block->whole) ||
	    block->fingerprint[place] != pshare_hash_fold(hash)) {
		pshare_ledger_doubt(block, place, hash);
		return false;
	}
	pshare_ledger_note(block, place, sample);
	return true;
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
	struct pshare_block *block;

	xa_for_each_range(&ledger->blocks, index, block, addr >> HPAGE_PMD_SHIFT,
			  (end - 1) >> HPAGE_PMD_SHIFT) {
		unsigned long start = index << HPAGE_PMD_SHIFT;
		unsigned long at = max(addr, start);
		unsigned long stop = min(end, start + HPAGE_PMD_SIZE);
		bool whole = stop - at == HPAGE_PMD_SIZE;

		for (; at < stop; at += PAGE_SIZE) {
			set_class(ledger, block, pshare_ledger_place(at), PSHARE_UNPOPULATED);
			block->fingerprint[pshare_ledger_place(at)] = 0;
			__clear_bit(pshare_ledger_place(at), block->whole);
		}
		if (whole)
			drop_block(ledger, index, block);
		cond_resched();
	}
	if (class != PSHARE_UNPOPULATED)
		ledger->mapping[class] += nr;
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
	memset(&ledger->mapping, 0, sizeof(ledger->mapping));
	memset(&ledger->passing, 0, sizeof(ledger->passing));
	ledger->through = false;
}

/**
 * pshare_ledger_reach() - a pass has come to some place in the region
 * @ledger: of the region
 * @left: pages from there to the end; 0 when it is through
 *
 * Context: scan mutex held.
 */
void pshare_ledger_reach(struct pshare_ledger *ledger, unsigned long left)
{
	if (left < ledger->unscanned)
		WRITE_ONCE(ledger->unscanned, left);
	ledger->through = !left;
}

/**
 * pshare_ledger_complete() - a pass is complete
 * @ledger: of the region; nothing changes if the pass has not been through it
 *
 * Context: scan mutex held.
 */
void pshare_ledger_complete(struct pshare_ledger *ledger)
{
	enum pshare_class class;

	if (!ledger->through)
		return;
	ledger->through = false;
	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		WRITE_ONCE(ledger->mapped[class], ledger->mapping[class]);
	ledger->census = ledger->passing;
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
	struct pshare_block *block = pshare_ledger_find(ledger, addr);

	return block ? block->class[pshare_ledger_place(addr)] : PSHARE_UNPOPULATED;
}

/**
 * pshare_ledger_all() - are all pages of a stretch in one class?
 * @ledger: of the region
 * @addr: address of the first page
 * @nr: number of pages
 * @class: the class; not PSHARE_UNPOPULATED
 *
 * Context: scan mutex held.
 * Return: true if so.
 */
bool pshare_ledger_all(struct pshare_ledger *ledger, unsigned long addr, unsigned long nr,
		       enum pshare_class class)
{
	while (nr) {
		struct pshare_block *block = pshare_ledger_find(ledger, addr);
		unsigned int place = pshare_ledger_place(addr);
		unsigned long here = min(nr, HPAGE_PMD_NR - place + 0UL);

		if (!block || memchr_inv(&block->class[place], class, here))
			return false;
		nr -= here;
		addr += here << PAGE_SHIFT;
	}
	return true;
}

/*
 * Pages of whole mappings are as of the last pass, those of blocks as of now: what was one
 * and has become the other would count twice.
 */
static unsigned long excess(const struct pshare_ledger *ledger)
{
	unsigned long sum = READ_ONCE(ledger->unscanned);
	enum pshare_class class;

	for (class = PSHARE_UNPOPULATED + 1; class < PSHARE_NR_CLASSES; class++)
		sum += READ_ONCE(ledger->pages[class]) + READ_ONCE(ledger->mapped[class]);
	return sum > ledger->size ? sum - ledger->size : 0;
}

static unsigned long mapped(const struct pshare_ledger *ledger, enum pshare_class class)
{
	unsigned long over = excess(ledger);
	enum pshare_class before;

	for (before = 0; over && before < class; before++)
		over -= min(over, READ_ONCE(ledger->mapped[before]));
	return READ_ONCE(ledger->mapped[class]) - min(over, READ_ONCE(ledger->mapped[class]));
}

/**
 * pshare_ledger_pages() - number of pages in a class
 * @ledger: of the region
 * @class: the class
 *
 * Context: any; with the scan mutex held the sum of all classes is the size of the region.
 * Return: 4096-byte pages.
 */
unsigned long pshare_ledger_pages(const struct pshare_ledger *ledger, enum pshare_class class)
{
	unsigned long pages = READ_ONCE(ledger->pages[class]);
	unsigned long others = READ_ONCE(ledger->unscanned);

	if (class == PSHARE_UNSCANNED)
		return others;
	if (class != PSHARE_UNPOPULATED)
		return READ_ONCE(ledger->mapped[class]) ? pages + mapped(ledger, class) : pages;
	for (class = PSHARE_UNPOPULATED + 1; class < PSHARE_NR_CLASSES; class++)
		others += READ_ONCE(ledger->pages[class]) + READ_ONCE(ledger->mapped[class]);
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
