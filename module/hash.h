/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_HASH_H
#define _PSHARE_HASH_H

#include <linux/mm.h>
#include <linux/prefetch.h>
#include <linux/types.h>

/* The sample of a page: so many lines of so many bytes, evenly spread. */
#define PSHARE_SAMPLE_LINES	4
#define PSHARE_SAMPLE_LINE	64
#define PSHARE_SAMPLE_STEP	(PAGE_SIZE / PSHARE_SAMPLE_LINES)

void pshare_hash_init(void);
u64 pshare_hash_page(struct page *page, struct page *next);
u64 pshare_hash_maybe_zero(struct page *page, struct page *next);
bool pshare_hash_is_zero(u64 hash);
u32 pshare_hash_sample(struct page *page);

/* Constant after pshare_hash_init(). */
extern u32 pshare_hash_zero_sample;

/**
 * pshare_hash_sample_is_zero() - is this the sample of a page that is zero there?
 * @sample: what pshare_hash_sample() said
 *
 * Return: true if so.
 */
static inline bool pshare_hash_sample_is_zero(u32 sample)
{
	return sample == pshare_hash_zero_sample;
}

/**
 * pshare_hash_fold() - the part of a hash that the ledger keeps
 * @hash: the hash
 *
 * Return: 32 bits of it; never 0, which means 'none'.
 */
static inline u32 pshare_hash_fold(u64 hash)
{
	return upper_32_bits(hash) ?: 1;
}

/**
 * pshare_hash_prefetch() - some of a page is going to be read
 * @page: the page; needs no reference, nothing is read that could fault
 * @at: where in it, in bytes
 * @size: bytes from there on
 * @step: from one line that is wanted to the next, in bytes
 *
 * Where prefetch() is the compiler's own, GCC takes a function that does nothing else for one
 * without effect, and drops calls of it; unless it is inlined before it has a chance to.
 */
static __always_inline void pshare_hash_prefetch(struct page *page, unsigned int at,
						 unsigned int size, unsigned int step)
{
	unsigned int end = at + size;

	/* With highmem most pages have no address to tell the processor. */
	if (IS_ENABLED(CONFIG_HIGHMEM))
		return;
	for (; at < end; at += step)
		prefetch(page_address(page) + at);
}

/**
 * pshare_hash_prefetch_sample() - the sample of a page is going to be read
 * @page: as above
 */
static __always_inline void pshare_hash_prefetch_sample(struct page *page)
{
	pshare_hash_prefetch(page, 0, PAGE_SIZE, PSHARE_SAMPLE_STEP);
}

#endif /* _PSHARE_HASH_H */
