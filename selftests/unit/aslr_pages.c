// SPDX-License-Identifier: GPL-2.0
/* Pairs of pages that are made for the tests of module/aslr.c. */
#include <string.h>

#include <linux/kernel.h>

#include "aslr_pages.h"
#include "kselftest.h"
#include "unit.h"

union bytes a, b;
struct pshare_aslr_match match;
unsigned long steps;

__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

const struct range ranges[NR_RANGES] = {
	{ PSHARE_SLIDE_TEXT, 0xffffffff80000000, 0xffffffffbfffffff, 0x200000, 1 },
	{ PSHARE_SLIDE_MODULE, 0xffffffffc0000000, 0xfffffffffeffffff, 0x1000, 2 },
	{ PSHARE_SLIDE_KERNEL, 0xffff888000000000, 0xffffe8ffffffffff, 0x40000000, 3 },
	{ PSHARE_SLIDE_KERNEL, 0xff11000000000000, 0xff90ffffffffffff, 0x40000000, 3 },
	{ PSHARE_SLIDE_IMAGE, 0xfffff80000000000, 0xfffff80fffffffff, 0x1000, 3 },
	{ PSHARE_SLIDE_PIE, 0x550000000000, 0x56ffffffffff, 0x1000, 3 },
	{ PSHARE_SLIDE_MMAP, 0x7e0000000000, 0x7fffffffffff, 0x1000, 4 },
	{ PSHARE_SLIDE_HEAP, 0x1000000, 0x43ffffff, 0x1000, 1 },
};

/* Bytes that are part of no address: lower-case letters but 'e'. */
static u8 filler(void)
{
	return "abcdfghijklmnopqrstuvwxyz"[unit_below(25)];
}

void fill(union bytes *page)
{
	int i;

	for (i = 0; i < PAGE_BYTES; i++)
		page->byte[i] = filler();
}

void begin_pair(void)
{
	fill(&a);
	b = a;
}

static u64 between(u64 first, u64 last)
{
	return first + unit_below(last - first + 1);
}

s64 some_slide(const struct range *range)
{
	u64 places = (range->last - range->first + 1) / 4 / range->align;
	s64 slide = range->align * between(1, places);

	return unit_below(2) ? slide : -slide;
}

/* Byte 1 or 3 may be the highest of an aligned word, and make that an address of a kernel. */
static bool has_ff(u64 address)
{
	return (address >> 8 & 0xff) == 0xff || (address >> 24 & 0xff) == 0xff;
}

/* An address that stays in its range when it is moved. */
static u64 some_address(const struct range *range, s64 slide)
{
	u64 address;

	do {
		address = between(range->first, range->last);
	} while (address + slide < range->first || address + slide > range->last ||
		 has_ff(address) || has_ff(address + slide));
	return address;
}

void put(unsigned int offset, u64 address, s64 slide)
{
	u64 moved = address + slide;

	memcpy(a.byte + offset, &address, 8);
	memcpy(b.byte + offset, &moved, 8);
}

void put_some(unsigned int offset, const struct range *range, s64 slide)
{
	put(offset, some_address(range, slide), slide);
}

bool same_hash(void)
{
	return pshare_aslr_hash(&a, SEED) == pshare_aslr_hash(&b, SEED);
}

bool same_sample(void)
{
	return pshare_aslr_sample(&a, SEED) == pshare_aslr_sample(&b, SEED);
}

bool verify(void)
{
	struct pshare_aslr_match back;
	bool ok = pshare_aslr_verify(&a, &b, &match);
	int class, i;

	CHECK(pshare_aslr_verify(&b, &a, &back) == ok);
	CHECK(ok == (match.where == PAGE_BYTES));
	CHECK(back.where == match.where);
	if (!ok)
		return false;
	CHECK(back.still == match.still);
	for (class = 0; class < PSHARE_NR_SLIDES; class++) {
		CHECK(back.words[class] == match.words[class]);
		CHECK(back.nr[class] == match.nr[class]);
		CHECK(match.nr[class] <= PSHARE_MAX_SLIDES);
		for (i = 0; i < match.nr[class]; i++)
			CHECK(back.slide[class][i] == -match.slide[class][i]);
	}
	return true;
}

void check_one(enum pshare_slide class, unsigned int words, s64 slide)
{
	int other;

	CHECK(same_hash());
	CHECK(same_sample());
	CHECK(verify());
	CHECK(match.words[class] == words);
	CHECK(match.nr[class] == 1);
	CHECK(match.slide[class][0] == slide);
	for (other = 0; other < PSHARE_NR_SLIDES; other++)
		CHECK(other == class || (!match.words[other] && !match.nr[other]));
}
