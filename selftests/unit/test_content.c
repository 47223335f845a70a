// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that differ in as little as can be, wherever it is, are not the same.  What stands
 * beside a page is none of its business.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/mm.h>

#include "content.h"
#include "kselftest.h"
#include "unit.h"

#define PAGE_WORDS	(PAGE_SIZE / sizeof(unsigned long))
#define PAGE_BITS	(PAGE_SIZE * 8)
#define LINE_WORDS	8

/* Bytes of memory that ends where a page does, so that sanitizers see what goes beyond. */
static unsigned long *a, *b;

static void flip(unsigned long *page, unsigned int bit)
{
	((unsigned char *)page)[bit / 8] ^= 1 << bit % 8;
}

static bool same(void)
{
	bool one = pshare_content_same(a, b);

	CHECK(one == pshare_content_same(b, a));
	CHECK(one == !memcmp(a, b, PAGE_SIZE));
	return one;
}

static bool zero(void)
{
	bool is = pshare_content_is_zero(a);
	static const unsigned long zeros[PAGE_WORDS];

	CHECK(is == !memcmp(a, zeros, PAGE_SIZE));
	return is;
}

static void fill(u64 (*word)(void))
{
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++)
		a[i] = word();
	memcpy(b, a, PAGE_SIZE);
}

static u64 no_bit(void)
{
	return 0;
}

static u64 all_bits(void)
{
	return ~0ULL;
}

/* Each bit alone, in pages of @word; in the end both are again what they were. */
static void each_bit(u64 (*word)(void))
{
	unsigned int bit;

	fill(word);
	CHECK(same());
	for (bit = 0; bit < PAGE_BITS; bit++) {
		flip(a, bit);
		CHECK(!same());
		flip(b, bit);
		CHECK(same());
		flip(a, bit);
		CHECK(!same());
		flip(b, bit);
	}
	CHECK(same());
}

static void test_one_bit(void)
{
	each_bit(no_bit);
	each_bit(all_bits);
	each_bit(unit_random);
}

static void test_one_bit_is_not_zero(void)
{
	unsigned int bit;

	fill(no_bit);
	CHECK(zero());
	for (bit = 0; bit < PAGE_BITS; bit++) {
		flip(a, bit);
		CHECK(!zero());
		flip(a, bit);
	}
	CHECK(zero());
	fill(all_bits);
	CHECK(!zero());
}

/* Differences that would cancel each other if words were added up, or the like. */
static void test_two_words(void)
{
	unsigned int line, i, j, bit;

	fill(no_bit);
	for (line = 0; line < PAGE_WORDS; line += LINE_WORDS) {
		for (i = 0; i < LINE_WORDS; i++) {
			for (j = 0; j < LINE_WORDS; j++) {
				if (i == j)
					continue;
				bit = unit_below(64);
				a[line + i] = 1UL << bit;
				a[line + j] = 1UL << bit;
				CHECK(!same() && !zero());
				a[line + j] = 0 - a[line + i];
				CHECK(!same() && !zero());
				a[line + j] = ~a[line + i];
				CHECK(!same() && !zero());
				a[line + i] = 0;
				a[line + j] = 0;
			}
		}
	}
	CHECK(same() && zero());
}

/* Any number of differences. */
static void test_random(void)
{
	unsigned long i, ops = unit_ops() / 100;
	unsigned int n;

	for (unit_step = 0; unit_step < ops; unit_step++) {
		fill(unit_below(2) ? unit_random : no_bit);
		CHECK(same());
		n = unit_below(4);
		for (i = 0; i < n; i++)
			flip(a, unit_below(PAGE_BITS));
		same();
		zero();
	}
}

/* The same bytes within, others on both sides. */
static void test_neighbours(void)
{
	unsigned char *x = aligned_alloc(PAGE_SIZE, 3 * PAGE_SIZE);
	unsigned char *y = aligned_alloc(PAGE_SIZE, 3 * PAGE_SIZE);

	CHECK(x && y);
	memset(x, 1, 3 * PAGE_SIZE);
	memset(y, 2, 3 * PAGE_SIZE);
	memset(x + PAGE_SIZE, 0, PAGE_SIZE);
	memset(y + PAGE_SIZE, 0, PAGE_SIZE);
	CHECK(pshare_content_same(x + PAGE_SIZE, y + PAGE_SIZE));
	CHECK(pshare_content_is_zero(x + PAGE_SIZE));
	free(x);
	free(y);
}

static const struct unit_test tests[] = {
	{ "one bit makes a page another, wherever it is", test_one_bit },
	{ "one bit makes a page not zero, wherever it is", test_one_bit_is_not_zero },
	{ "two differences do not cancel each other", test_two_words },
	{ "any differences, as memcmp() says", test_random },
	{ "what lies beside a page does not matter", test_neighbours },
};

int main(void)
{
	int status;

	a = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	b = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	if (!a || !b)
		return KSFT_FAIL;
	status = unit_main("content", tests, ARRAY_SIZE(tests));
	free(a);
	free(b);
	return status;
}
