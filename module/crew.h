/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_CREW_H
#define _PSHARE_CREW_H

#include <linux/types.h>

struct mm_struct;
struct pshare_item;
struct pshare_region;

/* Parts that one round may have for each thread. */
#define PSHARE_CREW_PARTS	32U

/**
 * struct pshare_crew_part - what was found in a part of a round: in one block, or less
 * @start:	its first address
 * @end:	address behind the last that was looked at
 * @whole:	it was looked at to its end; if not, what comes behind it was, maybe
 * @blockless:	it was not, for want of a block at @end
 * @noted:	a sample was noted that no item tells of
 * @nr:		number of items
 * @item:	the items, by rising address and without gaps, hashed; their pages are gone
 *
 * Valid until the next round.
 */
struct pshare_crew_part {
	unsigned long start;
	unsigned long end;
	bool whole;
	bool blockless;
	bool noted;
	unsigned int nr;
	struct pshare_item *item;
};

unsigned int pshare_crew_threads(void);
unsigned long pshare_crew_bytes(void);
unsigned int pshare_crew_gather(struct pshare_region *region, struct mm_struct *mm,
				unsigned long addr, unsigned long end, unsigned int parts,
				u16 pass);
const struct pshare_crew_part *pshare_crew_part(unsigned int i);

void pshare_crew_man(void);
void pshare_crew_dismiss(void);
void pshare_crew_be_nice(void);
u64 pshare_crew_runtime(void);

#endif /* _PSHARE_CREW_H */
