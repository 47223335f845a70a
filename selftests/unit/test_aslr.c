// SPDX-License-Identifier: GPL-2.0
/* module/aslr.c on pages that are made: of each, what was moved is known. */
#include <string.h>

#include <linux/kernel.h>

#include "aslr_pages.h"
#include "kselftest.h"
#include "unit.h"

static void classes(void)
{
	static const struct {
		u64 word;
		enum pshare_slide class;
	} known[] = {
		{ 0, PSHARE_NR_SLIDES }, { 1, PSHARE_NR_SLIDES },
		{ 0xffffff, PSHARE_NR_SLIDES }, { 0x44000000, PSHARE_NR_SLIDES },
		{ 0x54ffffffffff, PSHARE_NR_SLIDES }, { 0x570000000000, PSHARE_NR_SLIDES },
		{ 0x7dffffffffff, PSHARE_NR_SLIDES }, { 0x800000000000, PSHARE_NR_SLIDES },
		{ 0x1550000000000, PSHARE_NR_SLIDES }, { 0xff0fffffffffffff, PSHARE_NR_SLIDES },
		{ 0xfffff7ffffffffff, PSHARE_SLIDE_KERNEL },
		{ 0xfffff81000000000, PSHARE_SLIDE_KERNEL },
		{ 0xffffffff7fffffff, PSHARE_SLIDE_KERNEL },
		{ 0xffffffffff000000, PSHARE_NR_SLIDES }, { ~0ULL, PSHARE_NR_SLIDES },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		CHECK(pshare_address_class(known[i].word) == known[i].class);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		CHECK(pshare_address_class(ranges[i].first) == ranges[i].class);
		CHECK(pshare_address_class(ranges[i].last) == ranges[i].class);
		CHECK(pshare_address_kinds[ranges[i].class].kept == ranges[i].align - 1);
		CHECK(pshare_address_kinds[ranges[i].class].most == ranges[i].slides);
	}
	CHECK(!strcmp(pshare_address_name(PSHARE_SLIDE_PIE), "pie"));
	CHECK(!strcmp(pshare_address_name(PSHARE_SLIDE_WINDOW), "window"));
	CHECK(!strcmp(pshare_address_name(PSHARE_NR_SLIDES), "none"));
}

static void equal_pages(void)
{
	union bytes zero = { { 0 } };

	CHECK(pshare_aslr_verify(&zero, &zero, &match));
	CHECK(pshare_aslr_sample(&zero, SEED) < 100);
	begin_pair();
	CHECK(same_hash());
	CHECK(verify());
	CHECK(!match.words[PSHARE_SLIDE_MMAP] && !match.nr[PSHARE_SLIDE_MMAP]);
	CHECK(pshare_aslr_hash(&a, SEED) != pshare_aslr_hash(&zero, SEED));
	CHECK(!pshare_aslr_verify(&a, &zero, &match));
	CHECK(pshare_aslr_hash(&a, SEED) != pshare_aslr_hash(&a, SEED + 1));
}

/* Each kind of address, from one of them to a page full. */
static void each_kind(void)
{
	unsigned int kind, words, i;

	for (kind = 0; kind < ARRAY_SIZE(ranges); kind++) {
		for (words = 1; words <= PAGE_WORDS; words *= 2) {
			s64 slide = some_slide(&ranges[kind]);

			begin_pair();
			for (i = 0; i < words; i++)
				put_some(PAGE_WORDS / words * i * 8, &ranges[kind], slide);
			unit_step = kind * 1000 + words;
			check_one(ranges[kind].class, words, slide);
		}
	}
}

/* The smallest slide of each kind, and half of that, which is none. */
static void alignment(void)
{
	unsigned int kind, bit;

	for (kind = 0; kind < ARRAY_SIZE(ranges); kind++) {
		const struct range *range = &ranges[kind];

		unit_step = kind;
		begin_pair();
		put_some(8, range, range->align);
		check_one(range->class, 1, range->align);
		for (bit = 0; 1ULL << bit < range->align; bit++) {
			begin_pair();
			put_some(8, range, 1ULL << bit);
			CHECK(!same_hash());
			CHECK(!verify());
			begin_pair();
			put_some(8, range, range->align + (1ULL << bit));
			CHECK(!same_hash());
			CHECK(!verify());
		}
	}
}

/* As many slides as a page may show, and one more. */
static void number_of_slides(void)
{
	unsigned int kind, i, repeat;

	for (kind = 0; kind < ARRAY_SIZE(ranges); kind++) {
		const struct range *range = &ranges[kind];
		u64 address = range->first + (range->last - range->first) / 2;

		unit_step = kind;
		begin_pair();
		for (repeat = 0; repeat < 3; repeat++)
			for (i = 0; i < range->slides; i++)
				put(repeat * 64 + i * 8, address, range->align * (i + 1));
		CHECK(same_hash());
		CHECK(verify());
		CHECK(match.nr[range->class] == range->slides);
		CHECK(match.words[range->class] == 3 * range->slides);
		for (i = 0; i < range->slides; i++)
			CHECK(match.slide[range->class][i] == range->align * (i + 1));
		put(1024, address, range->align * (i + 1));
		CHECK(same_hash());
		CHECK(!verify());
		CHECK(match.where >= 1024 && match.where < 1032);
	}
}

/* All kinds at once; kernel code aside, which has its own tests. */
static void all_kinds(void)
{
	s64 slide[ARRAY_SIZE(ranges)];
	unsigned int i, kind;

	for (unit_step = 0; unit_step < unit_ops() / 1000; unit_step++) {
		begin_pair();
		for (kind = 0; kind < ARRAY_SIZE(ranges); kind++)
			slide[kind] = some_slide(&ranges[kind]);
		for (i = 0; i < PAGE_WORDS; i++) {
			kind = unit_below(4 * ARRAY_SIZE(ranges));
			if (kind < ARRAY_SIZE(ranges))
				put_some(i * 8, &ranges[kind], slide[kind]);
		}
		CHECK(same_hash());
		CHECK(same_sample());
		CHECK(verify());
	}
}

/* Addresses of programs at other even offsets are found, at odd ones they are not. */
static void not_aligned(void)
{
	unsigned int kind, offset, i;

	for (kind = 5; kind <= 6; kind++) {
		const struct range *range = &ranges[kind];

		for (offset = 0; offset <= PAGE_BYTES - 8; offset++) {
			s64 slide = some_slide(range);

			/* Now and then one that leaves byte 1 alone. */
			if (unit_below(4) == 0)
				slide &= ~0xffffLL;
			slide = slide ?: 0x10000;
			unit_step = kind * 10000 + offset;
			begin_pair();
			put_some(offset, range, slide);
			if (offset % 2 == 0) {
				check_one(range->class, 1, slide);
			} else {
				CHECK(!same_hash());
				CHECK(!verify());
			}
		}
		/* One behind the other, at each distance. */
		for (offset = 8; offset <= 64; offset += 2) {
			s64 slide = some_slide(range);
			unsigned int start = 2 + 2 * unit_below(3), words = 0;

			if (offset == 8)
				start = 6;
			unit_step = kind * 10000 + offset;
			begin_pair();
			for (i = start; i + 8 <= PAGE_BYTES; i += offset, words++)
				put_some(i, range, slide);
			check_one(range->class, words, slide);
		}
	}
	/* Other kinds are found where they are aligned only. */
	for (kind = 0; kind < 5; kind++) {
		begin_pair();
		put_some(1004, &ranges[kind], some_slide(&ranges[kind]));
		CHECK(!same_hash());
	}
}

/* Alignment and kind are kept of an address at any even offset. */
static void not_aligned_kept(void)
{
	unsigned int offset, bit;

	for (offset = 64; offset < 72; offset += 2) {
		for (bit = 0; bit < 12; bit++) {
			unit_step = offset * 100 + bit;
			begin_pair();
			put(offset, 0x7f1234567000, 1 << bit);
			CHECK(!same_hash());
			CHECK(!verify());
		}
		begin_pair();
		put(offset, 0x551234567000, 0x2a0000000000);
		CHECK(!same_hash());
		CHECK(!verify());
	}
}

/* The slides of addresses at any even offset count as those of aligned ones. */
static void not_aligned_limits(void)
{
	unsigned int i;

	begin_pair();
	for (i = 0; i < 4; i++)
		put(i * 16 + 2 * (i % 2), 0x7f1234567000, 0x1000 * (i + 1));
	CHECK(same_hash());
	CHECK(verify());
	CHECK(match.nr[PSHARE_SLIDE_MMAP] == 4);
	put(514, 0x7f1234567000, 0x8000);
	CHECK(same_hash());
	CHECK(!verify());
	begin_pair();
	put(514, 0x7f1234567000, 0x8010);
	CHECK(!same_hash());
	CHECK(!verify());
}

/* One byte that is no part of an address, or below its alignment. */
static void one_true_difference(void)
{
	const struct range *range = &ranges[6];
	s64 slide = some_slide(range);
	unsigned int i, at;

	begin_pair();
	for (i = 0; i < PAGE_WORDS; i += 2)
		put_some(i * 8, range, slide);
	check_one(range->class, PAGE_WORDS / 2, slide);
	for (at = 0; at < PAGE_BYTES; at++) {
		u8 before = b.byte[at];

		unit_step = at;
		if (at % 16 > 0 && at % 16 < 8)
			continue;
		b.byte[at] ^= 1 << unit_below(8);
		CHECK(!same_hash());
		CHECK(!verify());
		CHECK(match.where == at || (at % 16 == 0 && match.where <= at + 5));
		b.byte[at] = before;
	}
	check_one(range->class, PAGE_WORDS / 2, slide);
}

/* What looks like a moved address, and is none. */
static void alike(void)
{
	/* A number became an address. */
	begin_pair();
	put(64, 0x1234, 0x7f1234567000);
	CHECK(!same_hash());
	CHECK(!verify());
	/* An address of one kind became one of another. */
	begin_pair();
	put(64, 0x551234567000, 0x2a0000000000);
	CHECK(pshare_address_class(b.word[8]) == PSHARE_SLIDE_MMAP);
	CHECK(!same_hash());
	CHECK(!verify());
	begin_pair();
	put(64, 0xffffffffbfe00000, 0x400000);
	CHECK(!same_hash());
	CHECK(!verify());
	/* The same addresses, in another order. */
	begin_pair();
	put(64, 0x7f1234567010, 0x10);
	put(72, 0x7f1234567020, -0x10);
	CHECK(!same_hash());
	CHECK(!verify());
	/* Addresses that moved by a page each, as on a page of unlike pointers. */
	begin_pair();
	for (int i = 0; i < 8; i++)
		put(64 + 8 * i, 0x7f1234567010, 0x1000 * (i + 1));
	CHECK(same_hash());
	CHECK(!verify());
	/* Small negative numbers. */
	begin_pair();
	put(64, -0x5000, 0x1000);
	CHECK(!same_hash());
	CHECK(!verify());
	/* A null pointer, in one of them. */
	begin_pair();
	put(64, 0x7f1234567000, -0x7f1234567000);
	CHECK(!same_hash());
	CHECK(!verify());
}

/* Modules do not move unless the text does. */
static void modules_and_text(void)
{
	begin_pair();
	put(0, 0xffffffffc0123456, 0x5000);
	check_one(PSHARE_SLIDE_MODULE, 1, 0x5000);
	put(8, 0xffffffff81234567, 0);
	CHECK(same_hash());
	CHECK(!verify());
	put(16, 0xffffffff81234567, 0x1200000);
	CHECK(same_hash());
	CHECK(verify());
	CHECK(match.still == 1);
}

/*
 * The mask by its definition, byte by byte: aligned addresses first, then those of
 * programs at even offsets, from left to right.
 */
static void model_mask(const union bytes *page, union bytes *masked, bool *taken)
{
	unsigned int i, k;

	memset(taken, false, PAGE_BYTES);
	*masked = *page;
	for (i = 0; i < PAGE_WORDS; i++) {
		enum pshare_slide class = pshare_address_class(page->word[i]);

		if (class == PSHARE_NR_SLIDES)
			continue;
		masked->word[i] &= pshare_address_kinds[class].kept;
		masked->word[i] |= 0x1000000000000000ULL * (class + 1);
		memset(taken + i * 8, true, 8);
	}
	for (i = 0; i <= PAGE_BYTES - 8; i += 2) {
		const u8 *byte = page->byte + i;
		bool user = byte[5] == 0x55 || byte[5] == 0x56 || byte[5] == 0x7e ||
			    byte[5] == 0x7f;

		for (k = 0; k < 8; k++)
			user = user && !taken[i + k];
		if (!user || byte[6] || byte[7])
			continue;
		masked->byte[i + 1] &= 0x0f;
		memset(masked->byte + i + 2, 0, 3);
		masked->byte[i + 5] = byte[5] < 0x7e ? 0x55 : 0x7f;
		memset(taken + i, true, 8);
	}
}

/* A page of bytes that make addresses overlap in each possible way. */
static void fill_with_soup(union bytes *page)
{
	static const u8 soup[] = { 0, 0, 0, 0, 0, 0x55, 0x56, 0x7e, 0x7f, 0x01, 0x10, 0xff };
	unsigned int i;

	for (i = 0; i < PAGE_BYTES; i++)
		page->byte[i] = soup[unit_below(sizeof(soup))];
}

/* Whatever the model says is masked may change, anything else may not. */
static void hash_against_model(void)
{
	static bool taken_a[PAGE_BYTES], taken_b[PAGE_BYTES];
	union bytes masked_a, masked_b;
	unsigned long equal = 0, other = 0;
	unsigned int i, at, tries;

	for (unit_step = 0; unit_step < unit_ops() / 2000 + 100; unit_step++) {
		fill_with_soup(&a);
		model_mask(&a, &masked_a, taken_a);
		for (tries = 0; tries < 40; tries++) {
			b = a;
			for (i = 0; i <= unit_below(3); i++) {
				at = unit_below(PAGE_BYTES - 1);
				/* Rather what belongs to an address, and is moved. */
				while (tries % 4 && !(taken_a[at] && taken_a[at + 1]))
					at = unit_below(PAGE_BYTES - 1);
				b.byte[at] ^= 1 << unit_below(8);
			}
			model_mask(&b, &masked_b, taken_b);
			if (!memcmp(&masked_a, &masked_b, sizeof(masked_a))) {
				CHECK(same_hash());
				equal++;
			} else {
				CHECK(!same_hash());
				other++;
			}
		}
	}
	CHECK(equal > other / 50 && other > equal / 50);
}

/* Random pages do not meet; and copies with random changes are not taken for moved. */
static void no_false_matches(void)
{
	unsigned int i, changes;

	for (unit_step = 0; unit_step < unit_ops() / 500; unit_step++) {
		for (i = 0; i < PAGE_WORDS; i++) {
			a.word[i] = unit_random();
			b.word[i] = unit_random();
		}
		CHECK(!same_hash());
		CHECK(!verify());
		b = a;
		changes = 1 + unit_below(5);
		for (i = 0; i < changes; i++)
			b.word[unit_below(PAGE_WORDS)] ^= unit_random();
		CHECK(!same_hash());
		CHECK(!verify());
	}
}

/* The sample is spread evenly, and depends on the seed. */
static void sample_is_even(void)
{
	unsigned long count[100] = { 0 }, pages = unit_ops() / 20 + 1000, kept = 0, i;
	unsigned int k;

	for (i = 0; i < pages; i++) {
		u32 sample;

		for (k = 0; k < 8; k++)
			a.word[k + 128 * unit_below(4)] = unit_random() & 0x1f1f1f1f1f1f1f1f;
		sample = pshare_aslr_sample(&a, SEED);
		CHECK(sample < 100);
		count[sample]++;
		kept += sample == pshare_aslr_sample(&a, SEED + 1);
	}
	/* Each of the four lines matters. */
	for (k = 0; k < PAGE_WORDS; k += PAGE_WORDS / 4) {
		unsigned long same = 0;

		for (i = 0; i < 200; i++) {
			fill(&a);
			b = a;
			b.word[k + 4] ^= 0x0101010101010101 * (1 + unit_below(7));
			same += same_sample();
		}
		CHECK(same < 20);
	}
	/* Six standard deviations. */
	for (k = 0; k < 100; k++) {
		double off = count[k] - pages / 100.0;

		CHECK(off * off < 36 * (pages / 100.0) + 36);
	}
	CHECK(kept < pages / 20);
}

static const struct unit_test tests[] = {
	{ "what an address is", classes },
	{ "equal pages and the zero page", equal_pages },
	{ "each kind of address", each_kind },
	{ "slides are multiples of the alignment", alignment },
	{ "few slides on one page", number_of_slides },
	{ "all kinds on one page", all_kinds },
	{ "addresses at any even offset", not_aligned },
	{ "their kind and alignment", not_aligned_kept },
	{ "their slides are counted together", not_aligned_limits },
	{ "one true difference", one_true_difference },
	{ "pages that only look alike", alike },
	{ "modules move with the text", modules_and_text },
	{ "the mask against a model", hash_against_model },
	{ "no false matches of random pages", no_false_matches },
	{ "the sample is even", sample_is_even },
	{ "pages of code", test_code },
	{ "pages of other code", test_other_code },
	{ "windows at every offset", test_windows_everywhere },
	{ "a single window", test_single_window },
	{ "code with a true difference", test_code_with_difference },
	{ "windows do not overlap", test_overlapping_windows },
	{ "windows moved with modules", test_module_windows },
	{ "keys are for code", test_keys },
	{ "bounded time on hostile pages", test_bounded_time },
	{ "pages that change meanwhile", test_changing_pages },
};

int main(void)
{
	return unit_main("aslr", tests, ARRAY_SIZE(tests));
}
