// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers for contents: the hash of a page, and that of a sample of it.
 */
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/highmem.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/xxhash.h>

#include "content.h"
#include "hash.h"

/**
 * DOC: hashes
 *
 * Reading a page from memory takes most of the time that a scanner spends on it.  Most
 * pages are like no other, and four cache lines are enough to see that: on the memory
 * of Debian guests 87.8 % of the pages that are unique differ from all others there.  The
 * lines are read side by side, so they cost little more than one.
 *
 * Whatever a sample says is no more than a reason to look closer, or not to.
 */

static u64 seed;
static u64 zero_hash;
u32 pshare_hash_zero_sample __read_mostly;

/* Between two of these some lines of the page that comes next are asked for. */
#define PIECE		512
static_assert(PAGE_SIZE % PIECE == 0);

/**
 * pshare_hash_page() - hash of a page's content
 * @page: the page, with a reference; it may change meanwhile
 * @next: the page that is going to be read after it, which needs no reference; or NULL
 *
 * A processor reads ahead within a page, and begins anew with each.  So @next is asked for
 * meanwhile, bit by bit, as not so many reads can be under way at a time.
 *
 * Context: any.
 * Return: xxh64, seeded anew each time the module is loaded.
 */
u64 pshare_hash_page(struct page *page, struct page *next)
{
	void *content = kmap_local_page(page);
	struct xxh64_state state;
	unsigned int at;

	xxh64_reset(&state, seed);
	for (at = 0; at < PAGE_SIZE; at += PIECE) {
		if (next)
			pshare_hash_prefetch(next, at, PIECE, L1_CACHE_BYTES);
		xxh64_update(&state, content + at, PIECE);
	}
	kunmap_local(content);
	return xxh64_digest(&state);
}

/**
 * pshare_hash_maybe_zero() - the same of a page that is most likely zero
 * @page: as for pshare_hash_page()
 * @next: likewise
 *
 * Context: any.
 * Return: the same hash.
 */
u64 pshare_hash_maybe_zero(struct page *page, struct page *next)
{
	void *content = kmap_local_page(page);
	bool zero;

	/* The test takes less time than asking for @next bit by bit would. */
	if (next)
		pshare_hash_prefetch(next, 0, PAGE_SIZE, L1_CACHE_BYTES);
	zero = pshare_content_is_zero(content);
	kunmap_local(content);
	return zero ? zero_hash : pshare_hash_page(page, NULL);
}

/**
 * pshare_hash_is_zero() - is this the hash of a page of zeroes?
 * @hash: the hash
 *
 * Return: true if so.
 */
bool pshare_hash_is_zero(u64 hash)
{
	return hash == zero_hash;
}

/*
 * By single loads, which wait for memory side by side.  What memcpy() is on many processors,
 * a string instruction, takes longer to begin than this to end.
 */
static __always_inline void copy_line(u64 *to, const u64 *from)
{
	BUILD_BUG_ON(PSHARE_SAMPLE_LINE != 8 * sizeof(u64));
	to[0] = READ_ONCE(from[0]);
	to[1] = READ_ONCE(from[1]);
	to[2] = READ_ONCE(from[2]);
	to[3] = READ_ONCE(from[3]);
	to[4] = READ_ONCE(from[4]);
	to[5] = READ_ONCE(from[5]);
	to[6] = READ_ONCE(from[6]);
	to[7] = READ_ONCE(from[7]);
}

/**
 * pshare_hash_sample() - hash of some lines of a page
 * @page: the page, which does not go away; it may change meanwhile
 *
 * Context: any.
 * Return: 32 bits, never 0.
 */
u32 pshare_hash_sample(struct page *page)
{
	void *content = kmap_local_page(page);
	u64 sample[PSHARE_SAMPLE_LINES][PSHARE_SAMPLE_LINE / sizeof(u64)];
	unsigned int i;

	/* In one piece they are hashed faster than one by one. */
	for (i = 0; i < PSHARE_SAMPLE_LINES; i++)
		copy_line(sample[i], content + i * PSHARE_SAMPLE_STEP);
	kunmap_local(content);
	return pshare_hash_fold(xxh64(sample, sizeof(sample), seed));
}

/**
 * pshare_hash_init() - choose the seed
 *
 * Context: once, before any other function of this room.
 */
void pshare_hash_init(void)
{
	seed = get_random_u64();
	zero_hash = pshare_hash_page(ZERO_PAGE(0), NULL);
	pshare_hash_zero_sample = pshare_hash_sample(ZERO_PAGE(0));
}
