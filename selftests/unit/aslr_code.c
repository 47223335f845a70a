// SPDX-License-Identifier: GPL-2.0
/*
 * module/aslr.c on pages of a kernel's code, which holds 32 bits of addresses at any
 * offset, and on pages that a hostile guest may build.
 */
#include <pthread.h>
#include <string.h>

#include <linux/kernel.h>

#include "aslr_pages.h"
#include "kselftest.h"
#include "unit.h"

/* Basic blocks that a call may run through: some ten for each byte. */
#define MOST_STEPS	40000UL

/* Bytes of code: none that begins what counts as an address, or stands before one. */
static void fill_with_code(union bytes *page)
{
	static const u8 code[] = { 0x48, 0x48, 0x31, 0xc0, 0x0f, 0x1f, 0x44, 0xf3, 0x24,
				   0x5d, 0x5b, 0xc3, 0xcc, 0x75, 0x74, 0x08, 0x41, 0xd8 };
	unsigned int i;

	for (i = 0; i < PAGE_BYTES; i++)
		page->byte[i] = code[unit_below(sizeof(code))];
}

/* Puts 32 bits into both pages, as far as they lie in there. */
static void put_window(int offset, u32 value, u32 slide)
{
	u32 moved = value + slide;
	int i;

	for (i = 0; i < 4; i++) {
		if (offset + i < 0 || offset + i >= PAGE_BYTES)
			continue;
		a.byte[offset + i] = value >> 8 * i;
		b.byte[offset + i] = moved >> 8 * i;
	}
}

/* An instruction that loads an address of the image: 48 c7 c7 and the address. */
static void put_move(int offset, s64 slide)
{
	u32 address = 0x81000000 + unit_below(0x2000000);

	memcpy(a.byte + offset, "\x48\xc7\xc7", 3);
	memcpy(b.byte + offset, "\x48\xc7\xc7", 3);
	put_window(offset + 3, address, slide);
}

/* One of per-CPU data: 65 48 8b 05 and the negative of an address. */
static void put_percpu(int offset, s64 slide)
{
	u32 value = 0x20000 - (0x81000000 + unit_below(0x2000000));

	memcpy(a.byte + offset, "\x65\x48\x8b\x05", 4);
	memcpy(b.byte + offset, "\x65\x48\x8b\x05", 4);
	put_window(offset + 4, value, -slide);
}

/* A comparison with an address of the image: 49 81 fe and the address. */
static void put_compare(int offset, s64 slide)
{
	memcpy(a.byte + offset, "\x49\x81\xfe", 3);
	memcpy(b.byte + offset, "\x49\x81\xfe", 3);
	put_window(offset + 3, 0x81000000 + unit_below(0x2000000), slide);
}

static s64 text_slide(void)
{
	s64 slide = 0x200000 * (1 + unit_below(240));

	return unit_below(2) ? slide : -slide;
}

/* Makes all values fit for a slide that may be negative. */
static s64 begin_code(void)
{
	s64 slide = text_slide();

	if (slide < 0)
		slide = -slide;
	fill_with_code(&a);
	b = a;
	return slide;
}

static bool same_key(unsigned int place)
{
	u64 key_a, key_b;

	return pshare_aslr_similar(&a, place, SEED, &key_a) &&
	       pshare_aslr_similar(&b, place, SEED, &key_b) && key_a == key_b;
}

/* Pages of code with relocations at any offset: found, told apart, explained. */
void test_code(void)
{
	unsigned long pages = unit_ops() / 500 + 100, met = 0, sampled = 0;

	for (unit_step = 0; unit_step < pages; unit_step++) {
		s64 slide = begin_code();
		unsigned int windows = 0;
		int at;

		for (at = unit_below(40); at + 8 <= PAGE_BYTES; at += 8 + unit_below(160)) {
			if (unit_below(5))
				put_move(at, slide);
			else
				put_percpu(at, slide);
			windows++;
		}
		CHECK(windows > 1 && !same_hash());
		CHECK(verify());
		CHECK(match.words[PSHARE_SLIDE_WINDOW] == windows);
		CHECK(match.nr[PSHARE_SLIDE_TEXT] == 1);
		CHECK(match.slide[PSHARE_SLIDE_TEXT][0] == slide);
		CHECK(!match.words[PSHARE_SLIDE_TEXT] && !match.nr[PSHARE_SLIDE_WINDOW]);
		met += same_key(unit_step % 512);
		sampled += same_sample();
		/* A slide of its own for one of them. */
		put_move(0, slide + 0x200000);
		CHECK(!verify());
	}
	ksft_print_msg("%lu of %lu pages of code met, %lu were sampled together\n", met, pages,
		       sampled);
	CHECK(met >= pages * 98 / 100);
	CHECK(sampled >= pages * 95 / 100);
}

/* Code whose relocations are not in moves: there is less to tell where they are. */
void test_other_code(void)
{
	unsigned long pages = unit_ops() / 500 + 300, met = 0;
	int at;

	for (unit_step = 0; unit_step < pages; unit_step++) {
		s64 slide = begin_code();

		put_move(4, slide);
		for (at = 20 + unit_below(40); at + 8 <= PAGE_BYTES; at += 60 + unit_below(60))
			put_compare(at, slide);
		CHECK(verify());
		met += same_key(0);
	}
	ksft_print_msg("%lu of %lu pages of other code met\n", met, pages);
	CHECK(met >= pages * 97 / 100);
}

/* Every offset, with a slide of 16 MiB too, which leaves byte 2 alone; and the page's ends. */
void test_windows_everywhere(void)
{
	static const u32 slides[] = { 0x200000, 0x1000000, 0x1200000, 0x3000000, 0xe00000 };
	unsigned int i;
	int at;

	for (i = 0; i < ARRAY_SIZE(slides); i++) {
		for (at = -3; at < PAGE_BYTES; at++) {
			bool seen = at < PAGE_BYTES - 2;

			unit_step = i * 10000 + at + 3;
			begin_code();
			put_move(1000 + (at > 2000 ? 0 : 1500), slides[i]);
			put_move(1100 + (at > 2000 ? 0 : 1500), slides[i]);
			put_window(at, 0x81f23456, slides[i]);
			if (slides[i] == 0x1000000 || slides[i] == 0x3000000)
				seen = at < PAGE_BYTES - 3;
			CHECK(verify());
			CHECK(match.slide[PSHARE_SLIDE_TEXT][0] == slides[i]);
			CHECK(match.words[PSHARE_SLIDE_WINDOW] == 2 + seen);
		}
	}
}

/* One window alone is believed where an instruction has an address, and only there. */
void test_single_window(void)
{
	s64 slide = begin_code();

	put_move(1001, slide);
	CHECK(verify());
	CHECK(match.slide[PSHARE_SLIDE_TEXT][0] == slide);
	begin_code();
	put_window(1001, 0x81234567, slide);
	CHECK(!verify());
	/* Neither in the quarter of the text, nor in that of its negative. */
	begin_code();
	put_window(1001, 0x12345678, 0x200000);
	put_window(2001, 0x12345678, 0x200000);
	CHECK(!verify());
	begin_code();
	put_window(1001, 0xc2345678, 0x200000);
	put_window(2001, 0xc2345678, 0x200000);
	CHECK(!verify());
	/* From one quarter to another. */
	begin_code();
	put_window(1001, 0xbfe45678, 0x200000);
	put_window(2001, 0xbfe45678, 0x200000);
	CHECK(!verify());
	/* Not a multiple of 2 MiB. */
	begin_code();
	put_move(1001, 0x300000);
	put_move(2001, 0x300000);
	CHECK(!verify());
}

/* A true difference of one byte on a page of code, at each place. */
void test_code_with_difference(void)
{
	unsigned long taken = 0;
	unsigned int at;
	s64 slide;

	for (at = 0; at < PAGE_BYTES; at++) {
		unit_step = at;
		begin_code();
		b.byte[at] ^= 1 << unit_below(8);
		CHECK(!verify());
		CHECK(match.where == at);
		slide = begin_code();
		put_move(at < 2000 ? 3000 : 1000, slide);
		put_move(at < 2000 ? 3500 : 1500, slide);
		b.byte[at] ^= 1 << unit_below(8);
		taken += verify();
	}
	ksft_print_msg("%lu of %u bytes that differ were taken for a window\n", taken, PAGE_BYTES);
	CHECK(taken <= PAGE_BYTES / 200);
}

/* A window does not lend bytes to the next one. */
void test_overlapping_windows(void)
{
	begin_code();
	put_move(1001, 0x200000);
	put_move(1101, 0x200000);
	put_window(2000, 0x81034567, 0x200000);
	CHECK(verify());
	memcpy(a.byte + 2005, "\x03\x81", 2);
	memcpy(b.byte + 2005, "\x23\x81", 2);
	CHECK(!verify());
	CHECK(match.where == 1006 || match.where == 2005);
}

/* Windows that moved with modules, when aligned addresses tell both slides. */
void test_module_windows(void)
{
	const s64 text = 0x1200000, module = 0x5000;

	begin_code();
	put(0, 0xffffffff81234567, text);
	put(8, 0xffffffffc0123456, module);
	put_window(1001, 0xc0345678, module);
	put_window(1102, 0x81234567, text);
	put_window(1203, 0xc1234567, text - module);
	put_window(1305, 0x3e234567, module - text);
	CHECK(verify());
	CHECK(match.words[PSHARE_SLIDE_WINDOW] == 4);
	put_window(1407, 0xc0345678, module + 0x1000);
	CHECK(!verify());
	/* Without a slide of the text modules are ignored. */
	begin_code();
	put(8, 0xffffffffc0123456, module);
	put_window(1001, 0xc0345678, module);
	CHECK(!verify());
}

/* What is no code has no key; the place and the seed are part of it. */
void test_keys(void)
{
	unsigned long count = 0;
	u64 key, other;
	unsigned int i;

	memset(&a, 0, sizeof(a));
	CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
	fill(&a);
	CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
	memset(&a, 0xc7, sizeof(a));
	CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
	begin_code();
	CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
	put_move(1000, 0x200000);
	CHECK(pshare_aslr_similar(&a, 0, SEED, &key));
	CHECK(pshare_aslr_similar(&a, 0, SEED, &other) && other == key);
	CHECK(pshare_aslr_similar(&a, 1, SEED, &other) && other != key);
	CHECK(pshare_aslr_similar(&a, 0, SEED + 1, &other) && other != key);
	/* Without the prefixes of code it is none, and that is found soon. */
	fill(&a);
	memcpy(a.byte + 1000, "\xc7\xc7\x67\x45\x23\x81", 6);
	steps = 0;
	CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
	CHECK(steps < PAGE_WORDS);
	/* Calls alone make code, too. */
	begin_code();
	for (i = 0; i < 8; i++) {
		CHECK(!pshare_aslr_similar(&a, 0, SEED, &key));
		memcpy(a.byte + 100 + i * 333, "\xe8\x11\x22\x33\xff", 5);
	}
	CHECK(pshare_aslr_similar(&a, 0, SEED, &key));
	for (unit_step = 0; unit_step < 2000; unit_step++) {
		for (i = 0; i < PAGE_WORDS; i++)
			a.word[i] = unit_random();
		count += pshare_aslr_similar(&a, 0, SEED, &key);
	}
	CHECK(count < 100);
}

/* The most expensive pages that could be thought of, and pieces of them mixed. */
static void fill_hostile(union bytes *page, unsigned int kind, unsigned int shift)
{
	static const u64 words[] = {
		0x7f0000007f00007f, 0x00007f1234567000, 0xffffffff81200000, 0x8120000081200000,
		0x0000000000550000, 0x5500005500005500, 0xffffffffc0001000, 0xc7c7c7c7c7c7c7c7,
		0x80c7c7c7c7c7c748, 0xe8e8e8e8e8e8e8e8, 0x4848484848484848, 0, ~0ULL,
		0x8000000081000000, 0x0081000000810000, 0x00007f0000007f00,
	};
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++) {
		u64 word = words[kind % ARRAY_SIZE(words)];

		if (kind >= ARRAY_SIZE(words))
			word = words[unit_below(ARRAY_SIZE(words))];
		if (kind > ARRAY_SIZE(words))
			word = word << 8 * shift | word >> (64 - 8 * shift);
		page->word[i] = word + (unit_below(8) ? 0 : unit_below(4) * 0x200000);
	}
}

static unsigned long steps_of_all(void)
{
	unsigned long most = 0;
	u64 key;

#define COUNT(call) do { steps = 0; call; most = steps > most ? steps : most; } while (0)
	COUNT(pshare_aslr_hash(&a, SEED));
	COUNT(pshare_aslr_sample(&a, SEED));
	COUNT(pshare_aslr_similar(&a, 0, SEED, &key));
	COUNT(pshare_aslr_verify(&a, &b, &match));
#undef COUNT
	return most;
}

/* Whatever a page holds, it takes no longer than its size allows. */
void test_bounded_time(void)
{
	unsigned long most = 0, now;
	unsigned int kind, shift;

	for (unit_step = 0; unit_step < unit_ops() / 500 + 200; unit_step++) {
		kind = unit_below(32);
		shift = 1 + unit_below(7);
		fill_hostile(&a, kind, shift);
		b = a;
		if (unit_below(2))
			fill_hostile(&b, kind, shift);
		for (now = unit_below(4) * unit_below(400); now; now--)
			b.byte[unit_below(PAGE_BYTES)] += 0x20;
		if (!unit_below(4))
			put(0, 0xffffffff81000000, 0x200000);
		if (!unit_below(4)) {
			put(8, 0xffffffffc0000000, 0x1000);
			put(16, 0xffffffffc0000000, 0x2000);
		}
		now = steps_of_all();
		CHECK(now < MOST_STEPS);
		most = now > most ? now : most;
		/* Lets the worst be seen, not just the last. */
		verify();
	}
	ksft_print_msg("at most %lu basic blocks in one call\n", most);
	CHECK(most > PAGE_WORDS);
}

static void *scribble(void *stop)
{
	u32 state = 1;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		static const u8 bytes[] = { 0, 0xff, 0x7f, 0x55, 0x81, 0xc7, 0x20, 0xc0 };
		u8 byte = bytes[state >> 16 & 7];

		state = state * 1664525 + 1013904223;
		__atomic_store_n(&b.byte[state >> 20], byte, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A guest that goes on writing spoils the verdict, nothing else. */
void test_changing_pages(void)
{
	pthread_t thread;
	bool stop = false;
	u64 key;

	fill_hostile(&a, 40, 3);
	b = a;
	CHECK(!pthread_create(&thread, NULL, scribble, &stop));
	for (unit_step = 0; unit_step < unit_ops() / 200; unit_step++) {
		pshare_aslr_verify(&a, &b, &match);
		pshare_aslr_hash(&b, SEED);
		pshare_aslr_similar(&b, 0, SEED, &key);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK(match.where <= PAGE_BYTES);
}
