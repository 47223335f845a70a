/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_ASLR_H
#define _PSHARE_ASLR_H

#include <linux/types.h>

#include "address.h"

/**
 * struct pshare_aslr_match - how two pages differ
 * @slide:	distances of each class, second page minus first, in the order in
 *		which they were met; that of text also if only windows tell it
 * @nr:		valid entries of @slide
 * @words:	addresses, or windows, of each class that were moved
 * @still:	addresses of the kernel's text that both pages have
 * @where:	if the pages are no match: offset of the first byte that is not
 *		explained, else 4096
 */
struct pshare_aslr_match {
	s64 slide[PSHARE_NR_SLIDES][PSHARE_MAX_SLIDES];
	u8 nr[PSHARE_NR_SLIDES];
	u16 words[PSHARE_NR_SLIDES];
	u16 still;
	u16 where;
};

u64 pshare_aslr_hash(const void *page, u64 seed);
u32 pshare_aslr_sample(const void *page, u64 seed);
bool pshare_aslr_similar(const void *page, unsigned int place, u64 seed, u64 *key);
bool pshare_aslr_verify(const void *a, const void *b, struct pshare_aslr_match *match);

#endif /* _PSHARE_ASLR_H */
