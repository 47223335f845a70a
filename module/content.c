// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes of whole pages: are they the same, are they zero?  Builds in user space too, where
 * selftests/unit tests it.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>

#include "content.h"

/**
 * DOC: content
 *
 * On x86 memcmp() is the kernel's generic one, which looks up which byte differs, and takes
 * eight instructions a word.  Who merges compares whole pages, twice, and need not know
 * where they differ: a cache line at a time takes less than half of that.
 *
 * No bit is left out: what these functions call the same is taken for the same for good.
 */

/* Words that are looked at between two branches: a cache line. */
#define STRIDE		8
#define PAGE_WORDS	(PAGE_SIZE / sizeof(unsigned long))
static_assert(PAGE_WORDS % STRIDE == 0);

/**
 * pshare_content_same() - do two pages hold the same bytes?
 * @a: a page, mapped
 * @b: another
 *
 * A page that is being written meanwhile may be called either.
 *
 * Context: any.
 * Return: true if all bytes are the same.
 */
bool pshare_content_same(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b, *end = x + PAGE_WORDS;

	for (; x < end; x += STRIDE, y += STRIDE)
		if ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) |
		    (x[4] ^ y[4]) | (x[5] ^ y[5]) | (x[6] ^ y[6]) | (x[7] ^ y[7]))
			return false;
	return true;
}

/**
 * pshare_content_is_zero() - is each byte of a page zero?
 * @page: the page, mapped
 *
 * Context, and what of a page that is being written: as above.
 * Return: true if so.
 */
bool pshare_content_is_zero(const void *page)
{
	const unsigned long *x = page, *end = x + PAGE_WORDS;

	for (; x < end; x += STRIDE)
		if (x[0] | x[1] | x[2] | x[3] | x[4] | x[5] | x[6] | x[7])
			return false;
	return true;
}
