/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_MASKED_H
#define _PSHARE_MASKED_H

#include <linux/types.h>

#include "aslr.h"

struct mm_struct;
struct page;
struct pshare_region;

/**
 * struct pshare_masked_page - what a page looks like without the addresses in it
 * @sampled:	it belongs to the sample; else the rest is not set
 * @similar:	@key is set
 * @hash:	hash of what is left when addresses are masked
 * @key:	the same for most pages of code that differ in addresses only
 */
struct pshare_masked_page {
	bool sampled;
	bool similar;
	u64 hash;
	u64 key;
};

/**
 * struct pshare_masked_slides - what was found of one class of address
 * @pages:	pages blocked by addresses of this class, or by others as well
 * @words:	addresses in them that were moved
 * @slides:	distinct distances
 */
struct pshare_masked_slides {
	unsigned long pages;
	unsigned long words;
	unsigned long slides;
};

/**
 * struct pshare_masked_census - what a pass found
 * @sampled:	unique pages that were looked at
 * @within:	pages that would equal another of the same VM; not counting the first that
 *		was found of those that belong together
 * @across:	the same with another VM
 * @refused:	pairs that looked alike, and differ in more than addresses
 * @slides:	by class of address
 */
struct pshare_masked_census {
	unsigned long sampled;
	unsigned long within;
	unsigned long across;
	unsigned long refused;
	struct pshare_masked_slides slides[PSHARE_NR_SLIDES];
};

void pshare_masked_init(void);
void pshare_masked_exit(void);
void pshare_masked_begin(void);
void pshare_masked_complete(void);
void pshare_masked_look(struct page *page, unsigned long addr, unsigned int percent,
			struct pshare_masked_page *mask);
unsigned int pshare_masked_note(struct pshare_region *region, struct mm_struct *mm,
				unsigned long addr, const struct pshare_masked_page *mask,
				bool free);
const struct pshare_masked_census *pshare_masked_last(void);

#endif /* _PSHARE_MASKED_H */
