// SPDX-License-Identifier: GPL-2.0
/*
 * Who looks alike: which samples occur more than once.
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alike.h"
#include "hash.h"
#include "knobs.h"
#include "region.h"

/**
 * DOC: alike
 *
 * A page need not be hashed as a whole, nor have a node in a tree, as long as no other page
 * has the same sample.  The ledgers hold the sample of each page, so who has one in
 * common is found by going over them when a pass is over: a bit for each sample that
 * has occurred, another for each that has done so again, and then a bit for each page whose
 * sample has.  The two bitmaps are needed for a moment only; what stays is a bit a page.
 *
 * Bits are shared by chance, so in further rounds, in which samples have other bits, only
 * those take part that were left by the one before.  With 8 bits a page 1 - exp(-1/8) or 12 %
 * are left by chance after the first, with 7 it is 13 %.  Later rounds have room for whoever is
 * left, and take little time, for they look at those pages alone: after the third it is 0.1 % at
 * most.  What stays are pages whose samples are the same number, of N pages that are compared
 * with each other 1 - exp(-N / 2^32): 0.1 % of 16 GiB, 6 % of 1 TiB.
 *
 * With much memory the bitmaps would outgrow all caches.  So the samples are taken in parts then,
 * by their value, one part after the other.  That has its price, too: each part goes over
 * all samples, and no processor can guess which belong to it.
 *
 * What it costs to be alike by mere chance is a hash in each pass.
 *
 * Who is alike is read as a whole, and a guest can find out whether a page of its own was
 * read: by which of its lines are in a cache.  So who else has a sample must be a matter
 * of the group alone.  Each group has other bits for a sample, which nobody can guess.  What
 * isolation costs is not seen then, as far as pages are unique in their own group.  To
 * have that counted the administrator asks for it: with a knob, or by an estimate.
 */

#define ROUNDS		3
#define BITS_EACH	7	/* of each bitmap, for a page of the part, at least; often 8 */
#define MAX_PARTS	8	/* beyond that the bitmaps grow, up to MOST_ORDER; then fill up */
#define MAX_SMALL_PARTS	64	/* where there was no memory for as many bits as wanted */
#define BEST_ORDER	25	/* of the number of bits: 4 MiB each, which large caches can hold */
#define MOST_ORDER	28
#define LEAST_ORDER	15	/* for when there is no memory */

#define STEP_BLOCKS	16	/* in one hold of the scan mutex */
#define STEP_CLEAR	((size_t)SZ_1M)

/* Nor does a search take more than one in so many bytes that are to be had. */
#define AVAILABLE	16

/**
 * struct marks - a word of each bitmap
 * @once:	samples of the part that have occurred
 * @twice:	those that have done so again
 *
 * Side by side: it is one line that has to come into the cache.
 */
struct marks {
	unsigned long once;
	unsigned long twice;
};

/**
 * struct alike - how far the search has come
 * @stale:	samples have changed since the last one
 * @apart:	it is made for each group by itself
 * @pages:	of all ledgers, when the last one began
 * @marks:	both bitmaps; NULL when no search is under way
 * @cleared:	bytes of them that are cleared for the part and round at hand
 * @order:	log2 of the number of bits in each
 * @parts:	in how many parts the samples are taken
 * @part:	the one that it is in
 * @round:	the round that it is in
 * @marking:	the part has been counted, and its pages are marked
 * @region:	number of the region that it is in
 * @index:	of the next block there
 * @salt:	what makes the bits of its group, if @apart
 *
 * Guarded by the scan mutex.
 */
struct alike {
	bool stale;
	bool apart;
	unsigned long pages;
	struct marks *marks;
	size_t cleared;
	unsigned int order;
	unsigned int parts;
	unsigned int part;
	unsigned int round;
	bool marking;
	u32 region;
	unsigned long index;
	u32 salt;
};

static struct alike alike;

static struct marks spare[BITS_TO_LONGS(1UL << LEAST_ORDER)];

/**
 * pshare_alike_stale() - samples have changed
 *
 * Context: scan mutex held.
 */
void pshare_alike_stale(void)
{
	alike.stale = true;
}

static unsigned long count_pages(void)
{
	struct pshare_region *region;
	unsigned long blocks = 0;
	u32 id = 0;

	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		blocks += region->ledger.nr_blocks;
		pshare_region_put(region);
	}
	return blocks * HPAGE_PMD_NR;
}

/* Bytes of both bitmaps. */
static size_t bytes_of(unsigned int order)
{
	return BITS_TO_LONGS(1UL << order) * sizeof(struct marks);
}

/*
 * Both bitmaps in one piece, smaller ones when memory is short: page by page the kernel would
 * try to free some, while the scan mutex is held.
 */
static void allocate(unsigned int order)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	u64 most = (u64)max(si_mem_available(), 0L) * (PAGE_SIZE / AVAILABLE);

	while (order > LEAST_ORDER && bytes_of(order) > most)
		order--;
	alike.marks = NULL;
	for (; !alike.marks && order > LEAST_ORDER; order--) {
		alike.order = order;
		alike.marks = kvmalloc(bytes_of(order), gfp);
	}
	if (!alike.marks) {
		alike.order = LEAST_ORDER;
		alike.marks = spare;
	}
}

/* Clear a piece of the bitmaps; true when all of them is clear.  *@seen as below. */
static bool clear_some(unsigned long *seen)
{
	size_t left = bytes_of(alike.order) - alike.cleared, size = min(STEP_CLEAR, left);

	if (!left)
		return true;
	memset((char *)alike.marks + alike.cleared, 0, size);
	alike.cleared += size;
	*seen += size / L1_CACHE_BYTES;
	return false;
}

/* Is each group to be looked at by itself? */
static bool groups_apart(void)
{
	return !READ_ONCE(pshare_knobs.compare_groups) &&
	       READ_ONCE(pshare_knobs.run) != PSHARE_RUN_ESTIMATE;
}

static void begin(unsigned long pages)
{
	u64 bits = max(pages, 1UL) * (u64)BITS_EACH;
	unsigned int order = order_base_2(bits), most = MAX_PARTS;

	if (order > BEST_ORDER)
		order = clamp_t(unsigned int, order - ilog2(MAX_PARTS), BEST_ORDER, MOST_ORDER);
	allocate(order);
	/* More of chance is better than going over the ledgers for ever. */
	if (alike.order < order)
		most = MAX_SMALL_PARTS;
	alike.parts = min_t(u64, ((bits - 1) >> alike.order) + 1, most);
	alike.part = 0;
	alike.round = 0;
	alike.marking = false;
	alike.region = 0;
	alike.index = 0;
	alike.stale = false;
	alike.apart = groups_apart();
	alike.pages = pages;
	alike.cleared = 0;
}

/**
 * pshare_alike_bytes() - memory that a search takes, just now
 *
 * Context: any; a moment old.
 * Return: bytes.
 */
unsigned long pshare_alike_bytes(void)
{
	struct marks *marks = READ_ONCE(alike.marks);

	return marks && marks != spare ? bytes_of(READ_ONCE(alike.order)) : 0;
}

static void free_bitmaps(void)
{
	if (alike.marks != spare)
		kvfree(alike.marks);
	alike.marks = NULL;
}

/**
 * pshare_alike_exit() - give up a search that is under way
 *
 * Context: scan mutex held, or nobody else is there.
 */
void pshare_alike_exit(void)
{
	free_bitmaps();
	alike.stale = true;
}

/**
 * pshare_alike_pause() - nobody is going to go on with a search for a while
 *
 * Frees its memory; the next one begins anew.
 *
 * Context: scan mutex held.
 */
void pshare_alike_pause(void)
{
	lockdep_assert_held(&pshare_scan_mutex);
	if (alike.marks)
		pshare_alike_exit();
}

/* The next block, or NULL when this was the last. */
static struct pshare_block *next_block(void)
{
	struct pshare_block *block = NULL;
	struct pshare_region *region;

	while (!block && (region = pshare_region_get_next(alike.region))) {
		if (region->id != alike.region) {
			alike.region = region->id;
			alike.index = 0;
		}
		block = xa_find(&region->ledger.blocks, &alike.index, ULONG_MAX, XA_PRESENT);
		if (block) {
			alike.index++;
			alike.salt = alike.apart ? region->group->salt : 0;
		} else {
			alike.region++;
			alike.index = 0;
		}
		pshare_region_put(region);
	}
	return block;
}

/* Does the part at hand have pages with this sample? */
static bool concerns(const struct alike *now, u32 sample)
{
	return (u64)sample * now->parts >> 32 == now->part && sample &&
	       !pshare_hash_sample_is_zero(sample);
}

/* In each round samples have other bits, and in each group if that is wanted. */
static u32 bit_of(const struct alike *now, u32 sample)
{
	u32 value = ror32(sample, 11 * now->round) ^ 0x5bd1e995 * now->round;

	return hash_32(value ^ now->salt, now->order);
}

/* Of a word of a block's bitmaps: the pages that the round may have, beside the part. */
static unsigned long candidates(const struct alike *now, const struct pshare_block *block,
				unsigned int word)
{
	return (now->round ? block->alike[word] : ~0UL) & ~block->whole[word];
}

/*
 * Neither of the two branches on what has occurred: chance is all that could be guessed, and a
 * wrong guess waits for the bits to come from memory.  Each has a copy of its own of how things
 * stand, which does not change by what is written: else it would be read anew for each page.
 * Both return how many samples were looked at.
 */
static unsigned int count_block(const struct pshare_block *block)
{
	const struct alike now = alike;
	unsigned int word, nr = 0;

	for (word = 0; word < ARRAY_SIZE(block->alike); word++) {
		const u32 *samples = &block->fingerprint[word * BITS_PER_LONG];
		unsigned long left = candidates(&now, block, word);

		nr += hweight_long(left);
		for (; left; left &= left - 1) {
			u32 sample = samples[__ffs(left)], bit;
			struct marks *marks;

			if (!concerns(&now, sample))
				continue;
			bit = bit_of(&now, sample);
			marks = &now.marks[BIT_WORD(bit)];
			marks->twice |= marks->once & BIT_MASK(bit);
			marks->once |= BIT_MASK(bit);
		}
	}
	return nr;
}

static unsigned int mark_block(struct pshare_block *block)
{
	const struct alike now = alike;
	unsigned int word, nr = 0;

	for (word = 0; word < ARRAY_SIZE(block->alike); word++) {
		const u32 *samples = &block->fingerprint[word * BITS_PER_LONG];
		unsigned long left = candidates(&now, block, word), judged = 0, not_alone = 0;

		nr += hweight_long(left);
		for (; left; left &= left - 1) {
			unsigned int place = __ffs(left);
			unsigned long twice;
			u32 bit;

			if (!concerns(&now, samples[place]))
				continue;
			bit = bit_of(&now, samples[place]);
			twice = now.marks[BIT_WORD(bit)].twice >> bit % BITS_PER_LONG & 1;
			judged |= BIT(place);
			not_alone |= twice << place;
		}
		block->alike[word] = (block->alike[word] & ~judged) | not_alone;
	}
	return nr;
}

/* All blocks were counted, or marked; true when there is nothing left to do. */
static bool next_phase(void)
{
	alike.region = 0;
	alike.index = 0;
	alike.marking = !alike.marking;
	if (alike.marking)
		return false;
	if (++alike.part == alike.parts) {
		alike.part = 0;
		alike.round++;
	}
	alike.cleared = 0;
	return alike.round == ROUNDS;
}

/**
 * pshare_alike_some() - at the end of a pass: find the pages that look like others
 * @seen: how much was done is added, as a number of nodes that would take as long
 *
 * Does a part of it.
 *
 * Context: process, may sleep; scan mutex held.
 * Return: true when all is done.
 */
bool pshare_alike_some(unsigned long *seen)
{
	struct pshare_block *block = NULL;
	unsigned int nr;

	lockdep_assert_held(&pshare_scan_mutex);
	if (!alike.marks) {
		unsigned long pages = count_pages();

		if (!alike.stale && pages == alike.pages && alike.apart == groups_apart())
			return true;
		begin(pages);
	}
	if (!clear_some(seen))
		return false;
	*seen += STEP_BLOCKS;
	for (nr = 0; nr < STEP_BLOCKS; nr++) {
		block = next_block();
		if (!block)
			break;
		*seen += alike.marking ? mark_block(block) : count_block(block);
		cond_resched();
	}
	if (block || !next_phase())
		return false;
	/* Samples that have changed meanwhile are a matter of the next one. */
	free_bitmaps();
	return true;
}
