/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pairs of pages that are made for the tests of module/aslr.c: what was moved is known.
 *
 * A page is filled with bytes that are no part of any address, then addresses are
 * put in, then moved in a second page.
 */
#ifndef _ASLR_PAGES_H
#define _ASLR_PAGES_H

#include "aslr.h"

#define PAGE_BYTES	4096
#define PAGE_WORDS	512
#define SEED		0x5eedULL

union bytes {
	u64 word[PAGE_WORDS];
	u8 byte[PAGE_BYTES];
};

/* Two pages that were one, and what is to be found. */
extern union bytes a, b;
extern struct pshare_aslr_match match;

/* Basic blocks that ran: the compiler puts in the calls that count them. */
extern unsigned long steps;

/* For each class of aligned addresses: its range, and what a slide is a multiple of. */
struct range {
	enum pshare_slide class;
	u64 first, last, align;
	unsigned int slides;
};

#define NR_RANGES	8
extern const struct range ranges[NR_RANGES];

/* Fills a page, or both with the same, with bytes that are part of no address. */
void fill(union bytes *page);
void begin_pair(void);

/* A slide that is not 0, and less than a quarter of the range. */
s64 some_slide(const struct range *range);

/* Puts an address into the first page, and what it was moved to into the second. */
void put(unsigned int offset, u64 address, s64 slide);
void put_some(unsigned int offset, const struct range *range, s64 slide);

bool same_hash(void);
bool same_sample(void);
/* Verifies both ways: what is found must be the same, with slides turned round. */
bool verify(void);
/* The pair is explained by addresses of one class alone, which moved by @slide. */
void check_one(enum pshare_slide class, unsigned int words, s64 slide);

/* Tests of what is about code, and about hostile pages: aslr_code.c. */
void test_code(void);
void test_other_code(void);
void test_windows_everywhere(void);
void test_single_window(void);
void test_code_with_difference(void);
void test_overlapping_windows(void);
void test_module_windows(void);
void test_keys(void);
void test_bounded_time(void);
void test_changing_pages(void);

#endif /* _ASLR_PAGES_H */
