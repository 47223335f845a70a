// SPDX-License-Identifier: GPL-2.0
/*
 * What address randomisation costs in sharing: pages that would be equal if the
 * addresses stored in them had not been moved.  No knowledge of memory
 * management: 4096 bytes in, a verdict out.  It builds in user space too, where
 * selftests/unit tests it.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>

#include "aslr.h"
#include "mask.h"

/**
 * DOC: aslr
 *
 * A guest's memory is full of addresses, and each boot, and each execve, moves
 * what they point to.  Two pages that differ in nothing else could be shared
 * if the guests did not randomise.  Three steps find them:
 *
 * 1. A hash that leaves out of each address what randomisation moves, and keeps
 *    what it cannot move: the kind of the address, and the bits below the
 *    alignment.  Pages that differ by relocation only have the same hash.
 * 2. The code of a Linux kernel holds the low 32 bits of addresses at any
 *    offset, which no mask can tell from other bytes.  Its pages get a key for
 *    similarity: the smallest hash of any of its words, of those that a
 *    relocation leaves alone.  A kernel's image starts at a multiple of 2 MiB
 *    of physical memory, so equal pages lie in frames of equal number mod 512.
 * 3. Pages that meet are compared.  Each byte that differs must belong to an
 *    address, all addresses of one kind must have moved by the same few
 *    distances, and those must be such as randomisation can choose.
 *
 * What is found is a lower bound: structures whose order follows from addresses,
 * such as hash tables keyed by pointers, differ in more than relocation.
 *
 * Pages may change while they are looked at.  The verdict is then worth nothing,
 * but every function still ends, within its page and its time.
 */

#define PAGE_BYTES	4096
#define PAGE_WORDS	(PAGE_BYTES / 8)

/* Of each quarter of a page, the words of its first cache line are looked at. */
#define QUARTER_WORDS	(PAGE_WORDS / 4)
#define LINE_WORDS	8

/* Calls in a page that make it code; one load of an address does, too. */
#define CODE_ENOUGH	8U
/* Prefixes among the words looked at without which a page is no code. */
#define PREFIXES_ENOUGH	3U

static inline u64 mix(u64 hash, u64 word)
{
	hash += word * 0xd6e8feb86659fd93ULL;
	return (hash << 29 | hash >> 35) * 0xa0761d6478bd642fULL;
}

static inline u64 scramble(u64 hash)
{
	hash = (hash ^ hash >> 32) * 0xe7037ed1a0b428dbULL;
	return hash ^ hash >> 29;
}

/**
 * pshare_aslr_hash() - hash of a page without what randomisation moves
 * @page: 4096 bytes, aligned to 8
 * @seed: makes the hash unpredictable to guests
 *
 * Equal for pages that differ only in addresses moved by legal slides, other than
 * addresses within code.  Nothing else follows from it: see pshare_aslr_verify().
 *
 * Return: the hash.
 */
u64 pshare_aslr_hash(const void *page, u64 seed)
{
	const u64 *word = page;
	u64 lane[4] = { seed, ~seed, seed << 1, seed >> 1 };
	struct pshare_mask mask = { .room = 0 };
	unsigned int i;

	/* Four chains of multiplications at once keep the processor busy. */
	for (i = 0; i < PAGE_WORDS; i += 4) {
		lane[0] = mix(lane[0], pshare_mask_next(&mask, word[i]));
		lane[1] = mix(lane[1], pshare_mask_next(&mask, word[i + 1]));
		lane[2] = mix(lane[2], pshare_mask_next(&mask, word[i + 2]));
		lane[3] = mix(lane[3], pshare_mask_next(&mask, word[i + 3]));
	}
	lane[0] = mix(lane[0], mask.held);
	return scramble(mix(mix(mix(lane[0], lane[1]), lane[2]), lane[3]));
}

/* The high bit of each byte from 0x80 to 0xbf. */
static inline u64 bytes_of_text(u64 word)
{
	return word & ~(word << 1) & 0x8080808080808080ULL;
}

static inline bool has_byte(u64 word, u8 byte)
{
	u64 other = word ^ byte * 0x0101010101010101ULL;

	return (other - 0x0101010101010101ULL) & ~other & 0x8080808080808080ULL;
}

/*
 * May no relocation of 32 bits reach into @word?  An address of the kernel's
 * image has a highest byte from 0x80 to 0xbf whatever the slide is, and the only
 * other byte that a slide moves is the one before it.  The highest byte may be in
 * the next word; then, mostly, there is a 0xc7 in this one, which moves the address.
 * Accesses to per-CPU data (before Linux 6.15) hold the negative of an address,
 * behind a prefix of 0x65 and at most three more bytes.  Words that might hold
 * addresses by these rules are left out, so that those which remain are the same ones
 * whatever the slide is.
 */
static inline bool is_settled(u64 before, u64 word)
{
	return !bytes_of_text(word) && !has_byte(word, 0xc7) && !has_byte(word, 0x65) &&
	       !has_byte(before, 0x65);
}

/* How much like code of a kernel is what begins in this word? */
static unsigned int count_code(const u8 *page, unsigned int offset)
{
	unsigned int end = min(offset + 8, PAGE_BYTES - 5U), count = 0;
	const u8 *at;

	for (at = page + offset; at < page + end; at++) {
		/* mov $address, %register */
		if (at[0] == 0xc7 && (at[1] & 0xf8) == 0xc0 && (at[5] & 0xc0) == 0x80)
			count += CODE_ENOUGH;
		/* call of something within 16 MiB */
		if (at[0] == 0xe8 && (at[4] == 0 || at[4] == 0xff))
			count++;
	}
	return count;
}

/* Code of 64 bits has the prefix 0x48 everywhere, data has not: a first, quick look. */
static bool has_prefixes(const u64 *word)
{
	unsigned int count = 0, line, i;

	for (line = 0; line < PAGE_WORDS; line += QUARTER_WORDS)
		for (i = line; i < line + LINE_WORDS; i++)
			count += has_byte(word[i], 0x48);
	return count >= PREFIXES_ENOUGH;
}

static bool is_kernel_code(const void *page)
{
	const u64 *word = page;
	unsigned int count = 0, i;

	if (!has_prefixes(word))
		return false;
	for (i = 0; i < PAGE_WORDS && count < CODE_ENOUGH; i++)
		if (has_byte(word[i], 0xc7) || has_byte(word[i], 0xe8))
			count += count_code(page, i * 8);
	return count >= CODE_ENOUGH;
}

/**
 * pshare_aslr_similar() - a key that two copies of a page of kernel code share
 * @page: 4096 bytes, aligned to 8
 * @place: the number of its frame in the guest, mod 512
 * @seed: makes the key unpredictable to guests
 * @key: set if the page is a candidate
 *
 * A candidate has an instruction that loads the address of something in a
 * kernel's image into a register, or several calls: 99 of 100 pages of a kernel's
 * code that hold relocations do.  Most other pages are told from code by a look at
 * four cache lines, those of pshare_aslr_sample().
 *
 * Return: whether the page is a candidate.
 */
bool pshare_aslr_similar(const void *page, unsigned int place, u64 seed, u64 *key)
{
	const u64 *word = page;
	u64 least = ~0ULL;
	unsigned int i;

	if (!is_kernel_code(page))
		return false;
	/* What the neighbours of the first and the last word hold is not known. */
	for (i = 1; i < PAGE_WORDS - 1; i++) {
		u64 hash;

		/* Padding is everywhere. */
		if (word[i] == (word[i] << 8 | word[i] >> 56))
			continue;
		if (!is_settled(word[i - 1], word[i]))
			continue;
		hash = scramble(word[i] ^ seed);
		if (hash < least)
			least = hash;
	}
	if (least == ~0ULL)
		return false;
	*key = scramble(mix(mix(seed, least), place));
	return true;
}

/**
 * pshare_aslr_sample() - a number that twins have in common
 * @page: 4096 bytes, aligned to 8
 * @seed: makes the number unpredictable to guests
 *
 * Looks at the cache lines 0, 16, 32 and 48.  Whoever takes the pages below some
 * percentage takes both of a pair, or none, be they twins by hash or by
 * similarity.  Pages that agree in those lines are sampled together.
 *
 * Return: 0 to 99, evenly spread.
 */
u32 pshare_aslr_sample(const void *page, u64 seed)
{
	const u64 *word = page;
	u64 hash = seed;
	unsigned int line;

	for (line = 0; line < PAGE_WORDS; line += QUARTER_WORDS) {
		struct pshare_mask mask = { .room = 0 };
		u64 before, masked, after;
		unsigned int i;

		/* The first two are there for what they tell about the third. */
		pshare_mask_next(&mask, word[line]);
		pshare_mask_next(&mask, word[line + 1]);
		before = pshare_mask_next(&mask, word[line + 2]);
		masked = pshare_mask_next(&mask, word[line + 3]);
		for (i = 4; i <= LINE_WORDS; i++) {
			after = mask.held;
			if (i < LINE_WORDS)
				after = pshare_mask_next(&mask, word[line + i]);
			if (is_settled(before, masked))
				hash = mix(hash, masked);
			before = masked;
			masked = after;
		}
	}
	return (scramble(hash) >> 32) * 100 >> 32;
}

/**
 * struct pair - two pages that are compared
 * @a:		the first
 * @b:		the second
 * @match:	what was found
 * @done:	all before this byte is explained, and belongs to no other address
 * @explained:	a bit for each word that differs and is an aligned address in both
 */
struct pair {
	const u8 *a;
	const u8 *b;
	struct pshare_aslr_match *match;
	int done;
	unsigned long explained[PAGE_WORDS / BITS_PER_LONG];
};

static inline bool is_explained(const struct pair *pair, int offset)
{
	unsigned int i = offset / 8;

	return pair->explained[i / BITS_PER_LONG] >> i % BITS_PER_LONG & 1;
}

/* Is this a distance that this kind of address may have on this page? */
static bool note_slide(struct pshare_aslr_match *match, enum pshare_slide class, s64 slide)
{
	const struct pshare_address_kind *kind = &pshare_address_kinds[class];
	unsigned int i;

	if (slide & kind->kept)
		return false;
	for (i = 0; i < match->nr[class]; i++)
		if (match->slide[class][i] == slide)
			return true;
	if (i == kind->most)
		return false;
	match->slide[class][i] = slide;
	match->nr[class]++;
	return true;
}

static bool note_address(struct pshare_aslr_match *match, u64 a, u64 b)
{
	enum pshare_slide class = pshare_address_class(a);

	if (class == PSHARE_NR_SLIDES || class != pshare_address_class(b) ||
	    !note_slide(match, class, b - a))
		return false;
	match->words[class]++;
	return true;
}

static void explain_words(struct pair *pair)
{
	const u64 *a = (const u64 *)pair->a, *b = (const u64 *)pair->b;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++) {
		u64 x = READ_ONCE(a[i]), y = READ_ONCE(b[i]);

		if (x == y)
			pair->match->still += pshare_address_class(x) == PSHARE_SLIDE_TEXT;
		else if (note_address(pair->match, x, y))
			pair->explained[i / BITS_PER_LONG] |= 1UL << i % BITS_PER_LONG;
	}
}

/* Is [@from, @to), as far as it lies in the page, free of what is explained already? */
static bool is_free(const struct pair *pair, int from, int to)
{
	from = max(from, 0);
	to = min(to, PAGE_BYTES);
	return from >= pair->done && !is_explained(pair, from) && !is_explained(pair, to - 1);
}

/*
 * Is the byte at @at, the first that is not explained, part of a program's address
 * at an even offset?  Such an address keeps its lowest byte and its highest two.
 */
static bool explain_user(struct pair *pair, int at)
{
	int from;

	for (from = (at - 5 + 1) & ~1; from < at; from += 2) {
		enum pshare_slide class;
		u64 a, b;

		if (from < 0 || from + 8 > PAGE_BYTES || !is_free(pair, from, from + 8))
			continue;
		memcpy(&a, pair->a + from, 8);
		memcpy(&b, pair->b + from, 8);
		class = pshare_address_user_class(a);
		if (class == PSHARE_NR_SLIDES || class != pshare_address_user_class(b))
			continue;
		if (!note_slide(pair->match, class, b - a))
			continue;
		pair->match->words[class]++;
		pair->done = from + 8;
		return true;
	}
	return false;
}

/* 32 bits at any offset; what lies outside of the page is read as 0. */
static u32 load(const u8 *page, int from)
{
	u32 value = 0;
	int i;

	if (from >= 0 && from + 4 <= PAGE_BYTES) {
		memcpy(&value, page + from, 4);
		return value;
	}
	for (i = max(from, 0); i < min(from + 4, PAGE_BYTES); i++)
		value |= (u32)page[i] << 8 * (i - from);
	return value;
}

/* Do @a and @b both have the same high bits? */
static inline bool both(u32 a, u32 b, u32 high)
{
	return a >> 30 == high && b >> 30 == high;
}

/*
 * Where does a window start that moved by @slide, if @at is its first byte that
 * differs?  A slide leaves alone its own lowest bytes that are zero, and no more.
 */
static inline int window_start(int at, u32 slide)
{
	return at - (int)__ffs(slide) / 8;
}

/* Did the window at @from move by @slide?  @high: its two highest bits, or -1 for any. */
static bool window_moved(const struct pair *pair, int from, u32 slide, int high)
{
	u32 a = load(pair->a, from), b = load(pair->b, from);
	u32 seen = from + 4 > PAGE_BYTES ? (1U << 8 * (PAGE_BYTES - from)) - 1 : ~0U;

	if ((b - a - slide) & seen)
		return false;
	return high < 0 || seen != ~0U || both(a, b, high);
}

static bool try_window(struct pair *pair, int at, u32 slide, int high)
{
	int from;

	if (!slide)
		return false;
	from = window_start(at, slide);
	if (!is_free(pair, from, from + 4) || !window_moved(pair, from, slide, high))
		return false;
	pair->match->words[PSHARE_SLIDE_WINDOW]++;
	pair->done = from + 4;
	return true;
}

/*
 * The highest byte of a window may be the first of the page.  What it got from the
 * byte before it is not known, if that moved, too.
 */
static bool try_edge(struct pair *pair, u32 slide, u8 high)
{
	u8 a = pair->a[0], b = pair->b[0], moved = b - a - (slide >> 24);

	if (pair->done || a >> 6 != high || b >> 6 != high)
		return false;
	if (moved && (moved != 1 || !(slide << 8)))
		return false;
	pair->match->words[PSHARE_SLIDE_WINDOW]++;
	pair->done = 1;
	return true;
}

/*
 * Is the byte at @at part of a window of 32 bits that moved by the slide of the
 * kernel's text, or of modules, or their difference (calls from one to the other)?
 * The kernel's image lies in the highest quarter but one, modules in the highest;
 * the negative of an address of the image lies in the second.
 */
static bool explain_window(struct pair *pair, int at)
{
	const struct pshare_aslr_match *match = pair->match;
	u32 text = match->slide[PSHARE_SLIDE_TEXT][0];
	unsigned int i;

	if (!text)
		return false;
	if (try_window(pair, at, text, 2) || try_window(pair, at, -text, 1))
		return true;
	if (!at && (try_edge(pair, text, 2) || try_edge(pair, -text, 1)))
		return true;
	for (i = 0; i < match->nr[PSHARE_SLIDE_MODULE]; i++) {
		u32 module = match->slide[PSHARE_SLIDE_MODULE][i];

		if (try_window(pair, at, module, 3) ||
		    try_window(pair, at, module - text, -1) ||
		    try_window(pair, at, text - module, -1))
			return true;
	}
	return false;
}

/* Goes on from where it is.  Returns the first byte that is not explained, or 4096. */
static int explain_bytes(struct pair *pair)
{
	const u64 *a = (const u64 *)pair->a, *b = (const u64 *)pair->b;
	int i;

	for (i = pair->done / 8; i < PAGE_WORDS; i++) {
		u64 differ = READ_ONCE(a[i]) ^ READ_ONCE(b[i]);

		if (is_explained(pair, i * 8))
			continue;
		while (pair->done < i * 8 + 8) {
			int at;

			if (pair->done > i * 8)
				differ &= ~0ULL << 8 * (pair->done - i * 8);
			if (!differ)
				break;
			at = i * 8 + __ffs(differ) / 8;
			if (!explain_user(pair, at) && !explain_window(pair, at))
				return at;
		}
	}
	return PAGE_BYTES;
}

/*
 * The slide of the text by the window whose first byte that differs is at @at, if
 * that is the window's byte @byte; 0 if this cannot be.
 */
static s64 guess_slide(const struct pair *pair, int at, int byte)
{
	int from = at - byte;
	u32 a, b;
	s32 slide;

	if (from + 4 > PAGE_BYTES)
		return 0;
	a = load(pair->a, from);
	b = load(pair->b, from);
	slide = b - a;
	if (!slide || window_start(at, slide) != from)
		return 0;
	if (both(a, b, 2))
		return slide;
	return both(a, b, 1) ? -slide : 0;
}

/*
 * No aligned address tells the slide of the text.  Then the first byte that is not
 * explained does, or none: it is byte 2 or byte 3 of a window.  One window alone
 * proves little, unless it stands where an instruction has an address.
 */
static int learn_slide(struct pair *pair, int at)
{
	const struct pshare_aslr_match match = *pair->match;
	const int done = pair->done;
	int byte, end;

	for (byte = 2; byte <= 3; byte++) {
		s64 slide = guess_slide(pair, at, byte);

		if (!slide || !note_slide(pair->match, PSHARE_SLIDE_TEXT, slide))
			continue;
		end = explain_bytes(pair);
		if (end == PAGE_BYTES && pair->match->words[PSHARE_SLIDE_WINDOW] == 1 &&
		    (at - byte < 2 || pair->a[at - byte - 2] != 0xc7))
			end = at;
		if (end == PAGE_BYTES)
			return end;
		*pair->match = match;
		pair->done = done;
	}
	return at;
}

/*
 * If the first byte of the page does not tell the slide, as the rest of its window
 * lies on the page before: let others tell it, and see whether it fits.
 */
static int learn_behind_edge(struct pair *pair)
{
	int end;

	pair->done = 1;
	end = explain_bytes(pair);
	if (end < PAGE_BYTES)
		end = learn_slide(pair, end);
	if (end < PAGE_BYTES)
		return end;
	pair->done = 0;
	return explain_window(pair, 0) ? PAGE_BYTES : 0;
}

/**
 * pshare_aslr_verify() - do two pages differ in nothing but addresses that were moved?
 * @a: 4096 bytes, aligned to 8
 * @b: the same
 * @match: set to what was found
 *
 * Each byte that differs must belong to an address: an aligned word that is of the
 * same class in both pages, an address of a program at an even offset, or 32 bits at any
 * offset that moved as the kernel's text or modules did.  Slides are multiples of the
 * alignment of their class, and one page has few of them.  Modules move only if
 * the text does.  Takes time for one page, whatever is in it.
 *
 * Return: whether they do; true for equal pages.
 */
bool pshare_aslr_verify(const void *a, const void *b, struct pshare_aslr_match *match)
{
	struct pair pair = { .a = a, .b = b, .match = match };
	int end;

	memset(match, 0, sizeof(*match));
	explain_words(&pair);
	end = explain_bytes(&pair);
	if (end < PAGE_BYTES && !match->nr[PSHARE_SLIDE_TEXT])
		end = learn_slide(&pair, end);
	if (!end && !match->nr[PSHARE_SLIDE_TEXT])
		end = learn_behind_edge(&pair);
	if (match->nr[PSHARE_SLIDE_MODULE] && !match->nr[PSHARE_SLIDE_TEXT] && match->still)
		end = min(end, PAGE_BYTES - 1);
	match->where = end;
	return end == PAGE_BYTES;
}
