/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_ADDRESS_H
#define _PSHARE_ADDRESS_H

#include <linux/types.h>

/**
 * enum pshare_slide - what of a guest is moved as one, told by the value of an address
 * @PSHARE_SLIDE_TEXT:		image of a Linux kernel
 * @PSHARE_SLIDE_MODULE:	modules of a Linux kernel
 * @PSHARE_SLIDE_KERNEL:	direct map, vmalloc, vmemmap: other addresses of a kernel
 * @PSHARE_SLIDE_IMAGE:		kernel and drivers of Windows
 * @PSHARE_SLIDE_PIE:		position-independent programs and their heap
 * @PSHARE_SLIDE_MMAP:		mappings, libraries and stacks
 * @PSHARE_SLIDE_HEAP:		heap of programs that are not position-independent
 * @PSHARE_SLIDE_WINDOW:	32 bits at any offset, in the code of a kernel; moved by
 *				the slide of text or modules, so it has no slides of its own
 * @PSHARE_NR_SLIDES:		number of classes; as a class: no address
 */
enum pshare_slide {
	PSHARE_SLIDE_TEXT,
	PSHARE_SLIDE_MODULE,
	PSHARE_SLIDE_KERNEL,
	PSHARE_SLIDE_IMAGE,
	PSHARE_SLIDE_PIE,
	PSHARE_SLIDE_MMAP,
	PSHARE_SLIDE_HEAP,
	PSHARE_SLIDE_WINDOW,
	PSHARE_NR_SLIDES
};

/* Slides that one pair of pages may show in any class. */
#define PSHARE_MAX_SLIDES	4

/**
 * struct pshare_address_kind - what is known of a class of addresses
 * @name:	one word, for tables
 * @kept:	bits of an address that randomisation leaves alone; every slide is
 *		a multiple of the next higher bit
 * @most:	slides that one pair of pages may show, up to PSHARE_MAX_SLIDES
 */
struct pshare_address_kind {
	const char *name;
	u64 kept;
	unsigned int most;
};

extern const struct pshare_address_kind pshare_address_kinds[PSHARE_NR_SLIDES];

const char *pshare_address_name(enum pshare_slide class);

#define PSHARE_KERNEL_FIRST	0xff10000000000000ULL	/* 5 levels; 0xffff8... with 4 */
#define PSHARE_IMAGE_FIRST	0xfffff80000000000ULL
#define PSHARE_IMAGE_LAST	0xfffff80fffffffffULL
#define PSHARE_TEXT_FIRST	0xffffffff80000000ULL
#define PSHARE_MODULE_FIRST	0xffffffffc0000000ULL
#define PSHARE_MODULE_LAST	0xfffffffffeffffffULL
#define PSHARE_HEAP_FIRST	0x01000000ULL
#define PSHARE_HEAP_LAST	0x43ffffffULL

/* Is this byte 5, the highest that is not zero, of an address of a program? */
static inline bool pshare_address_is_user(u8 byte)
{
	return (u8)(byte - 0x55) < 2 || (byte & 0xfe) == 0x7e;
}

/* What the address of a program, at any even offset, is: PIE, MMAP or none. */
static inline enum pshare_slide pshare_address_user_class(u64 word)
{
	u64 high = word >> 40;

	if (high > 0xff || !pshare_address_is_user(high))
		return PSHARE_NR_SLIDES;
	return high < 0x7e ? PSHARE_SLIDE_PIE : PSHARE_SLIDE_MMAP;
}

/* What an aligned word is, by its value alone. */
static inline enum pshare_slide pshare_address_class(u64 word)
{
	if (word < PSHARE_KERNEL_FIRST) {
		if (word - PSHARE_HEAP_FIRST <= PSHARE_HEAP_LAST - PSHARE_HEAP_FIRST)
			return PSHARE_SLIDE_HEAP;
		return pshare_address_user_class(word);
	}
	if (word >= PSHARE_MODULE_FIRST)
		return word <= PSHARE_MODULE_LAST ? PSHARE_SLIDE_MODULE : PSHARE_NR_SLIDES;
	if (word >= PSHARE_TEXT_FIRST)
		return PSHARE_SLIDE_TEXT;
	if (word >= PSHARE_IMAGE_FIRST && word <= PSHARE_IMAGE_LAST)
		return PSHARE_SLIDE_IMAGE;
	return PSHARE_SLIDE_KERNEL;
}

#endif /* _PSHARE_ADDRESS_H */
