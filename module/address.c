// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses in the memory of x86-64 guests: what a word that looks like one may
 * point to, and by how much randomisation can have moved that.  Builds in user
 * space, too.
 */
#include "address.h"

/**
 * DOC: addresses
 *
 * Systems give each kind of memory a place of its own, and randomise within it.
 * So the high bits of an address tell its kind, whatever the slide is, and the
 * low bits, below the alignment of the slide, are those it always has.
 *
 * Linux (Documentation/arch/x86/x86_64/mm.rst has the map):
 * - text: KASLR moves the image by multiples of CONFIG_PHYSICAL_ALIGN, 2 MiB,
 *   within 1 GiB (arch/x86/boot/compressed/kaslr.c)
 * - modules: their area begins behind that GiB, and they begin 1 to 1024 pages
 *   behind its start (arch/x86/kernel/module.c)
 * - direct map, vmalloc, vmemmap: each moves by multiples of PUD_SIZE, 1 GiB
 *   (arch/x86/mm/kaslr.c)
 * - programs and mappings: moved by up to 2^mmap_rnd_bits pages, 28 by default
 *   and 32 at most (arch/x86/mm/mmap.c, fs/binfmt_elf.c).  2^28 pages are 1 TiB:
 *   programs start at two thirds of 128 TiB, and have 0x55 or 0x56 in byte 5;
 *   mappings and stacks end at 128 TiB, and have 0x7e or 0x7f
 * - heap: up to 1 GiB behind the program (arch_randomize_brk()), so that of a
 *   program at a fixed address lies between 16 MiB and 1088 MiB
 *
 * Windows: the kernel, which has 256 places, and its drivers lie behind
 * 0xfffff80000000000, on page boundaries at least; libraries and programs at
 * 0x7ff... .  Its heaps and stacks have no place that would tell them from numbers.
 *
 * Bits kept, and slides per page, were chosen by what predicted best on memory
 * of Linux guests.  The class for Windows follows from its map alone.
 */
const struct pshare_address_kind pshare_address_kinds[PSHARE_NR_SLIDES] = {
	[PSHARE_SLIDE_TEXT]	= { "text", (1ULL << 21) - 1, 1 },
	[PSHARE_SLIDE_MODULE]	= { "module", (1ULL << 12) - 1, 2 },
	[PSHARE_SLIDE_KERNEL]	= { "kernel", (1ULL << 30) - 1, 3 },
	[PSHARE_SLIDE_IMAGE]	= { "image", (1ULL << 12) - 1, 3 },
	[PSHARE_SLIDE_PIE]	= { "pie", (1ULL << 12) - 1, 3 },
	[PSHARE_SLIDE_MMAP]	= { "mmap", (1ULL << 12) - 1, 4 },
	[PSHARE_SLIDE_HEAP]	= { "heap", (1ULL << 12) - 1, 1 },
	[PSHARE_SLIDE_WINDOW]	= { "window", (1ULL << 12) - 1, 0 },
};

/**
 * pshare_address_name() - name of a class of addresses
 * @class: the class
 *
 * Return: one word.
 */
const char *pshare_address_name(enum pshare_slide class)
{
	return class < PSHARE_NR_SLIDES ? pshare_address_kinds[class].name : "none";
}
