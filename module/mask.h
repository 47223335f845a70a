/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_MASK_H
#define _PSHARE_MASK_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "address.h"

/* What is kept of an address of a program, which may be at any even offset. */
#define PSHARE_USER_BITS	0xfffULL

/**
 * struct pshare_mask - takes the words of a page one by one, and masks what is moved
 * @held:	the last word, as far as it is known
 * @room:	bytes at the end of @held that belong to no address
 *
 * An address that is not aligned lies in two words, so each word is done when
 * the next one has been seen.  Aligned addresses come first; of those at other
 * even offsets that overlap, the one that begins first.
 */
struct pshare_mask {
	u64 held;
	unsigned int room;
};

/* A mark in place of the highest byte of an address of either kind. */
static inline u64 pshare_mask_mark(u8 byte)
{
	return byte < 0x7e ? 0x55 : 0x7f;
}

/* Can these three bytes be the highest three of an address of a program? */
static inline bool pshare_mask_may_be_user(u64 bytes)
{
	return (u32)(bytes & 0xffffff) - 0x55 <= 0x7f - 0x55;
}

/*
 * Does no address begin or end in @word, whose predecessor is @before?  Asks for
 * more than need be, but all at once: it is the branches that cost time here.
 */
static inline bool pshare_mask_is_plain(u64 before, u64 word)
{
	return !(pshare_mask_may_be_user(word >> 8) | pshare_mask_may_be_user(word >> 24) |
		 pshare_mask_may_be_user(word >> 40) |
		 pshare_mask_may_be_user(word << 8 | before >> 56) |
		 (word >= PSHARE_KERNEL_FIRST) |
		 (word - PSHARE_HEAP_FIRST <= PSHARE_HEAP_LAST - PSHARE_HEAP_FIRST));
}

/* Takes @word; gives back the word before it, masked. */
static inline u64 pshare_mask_next(struct pshare_mask *mask, u64 word)
{
	u64 done = mask->held;
	unsigned int room = mask->room;
	enum pshare_slide class;

	mask->held = word;
	mask->room = 6;
	if (likely(pshare_mask_is_plain(done, word)))
		return done;
	class = pshare_address_class(word);
	if (class != PSHARE_NR_SLIDES) {
		mask->held = (word & pshare_address_kinds[class].kept) | (u64)(class + 1) << 56;
		mask->room = 0;
	} else if (room >= 6 && !(word & 0xffff) && pshare_address_is_user(done >> 56)) {
		done = (done & (PSHARE_USER_BITS << 16 | 0xffff)) |
		       pshare_mask_mark(done >> 56) << 56;
	} else if (room >= 4 && !(word >> 16 & 0xffff) && pshare_address_is_user(word >> 8)) {
		done &= PSHARE_USER_BITS << 32 | 0xffffffff;
		mask->held = (word & ~0xffffULL) | pshare_mask_mark(word >> 8) << 8;
		mask->room = 4;
	} else if (room >= 2 && !(word >> 32 & 0xffff) && pshare_address_is_user(word >> 24)) {
		done &= PSHARE_USER_BITS << 48 | 0xffffffffffffULL;
		mask->held = (word & ~0xffffffffULL) | pshare_mask_mark(word >> 24) << 24;
		mask->room = 2;
	}
	return done;
}

#endif /* _PSHARE_MASK_H */
