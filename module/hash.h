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
u64 pshare_hash_page(struct page *page);
u64 pshare_hash_maybe_zero(struct page *page);
bool pshare_hash_is_zero(u64 hash);
u32 pshare_hash_sample(struct page *page);
bool pshare_hash_sample_is_zero(u32 sample);

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
 * pshare_hash_prefetch() - the sample of a page is going to be read
 * @page: the page; needs no reference, nothing is read that could fault
 *
 * Where prefetch() is the compiler's own, GCC takes a function that does nothing else for one
 * without effect, and drops calls of it; unless it is inlined before it has a chance to.
 */
static __always_inline void pshare_hash_prefetch(struct page *page)
{
	unsigned int i;

	/* With highmem most pages have no address to tell the processor. */
	if (IS_ENABLED(CONFIG_HIGHMEM))
		return;
	for (i = 0; i < PSHARE_SAMPLE_LINES; i++)
		prefetch(page_address(page) + i * PSHARE_SAMPLE_STEP);
}

#endif /* _PSHARE_HASH_H */
