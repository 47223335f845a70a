// SPDX-License-Identifier: GPL-2.0
/*
 * What module/aslr.c makes of real memory: reads two files of 4096-byte pages,
 * memory of two guests or processes, and prints which pages of the second equal
 * one of the first, and which would, had the addresses in them not been moved.
 *
 * usage: aslr_dump [-t] [-p] FIRST SECOND
 *   -t	cost of each function instead, in nanoseconds per page of FIRST
 *   -p	the files are two copies of one memory: page by page, which pairs differ,
 *	which of them meet by hash or key, and which are explained
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "aslr.h"

#define PAGE_BYTES	4096
#define SEED		0x70736861726500ULL
/* Pages of the same hash, or key, that are tried for one page. */
#define MAX_TRIES	8
#define ROUNDS		9

struct dump {
	const unsigned char *bytes;
	unsigned long pages;
};

struct entry {
	u64 hash;
	unsigned long page;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct dump open_dump(const char *name)
{
	struct dump dump;
	struct stat stat;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || fstat(fd, &stat))
		die(name);
	dump.pages = stat.st_size / PAGE_BYTES;
	dump.bytes = mmap(NULL, dump.pages * PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	if (dump.bytes == MAP_FAILED)
		die(name);
	close(fd);
	return dump;
}

static const void *page_of(const struct dump *dump, unsigned long page)
{
	return dump->bytes + page * PAGE_BYTES;
}

static bool is_zero(const void *page)
{
	const u64 *word = page;
	int i;

	for (i = 0; i < PAGE_BYTES / 8; i++)
		if (word[i])
			return false;
	return true;
}

static u64 hash_content(const void *page)
{
	const u64 *word = page;
	u64 hash = SEED;
	int i;

	for (i = 0; i < PAGE_BYTES / 8; i++) {
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

/* The first entry with a hash that is not below @hash. */
static unsigned long lower_bound(const struct entry *entries, unsigned long count, u64 hash)
{
	unsigned long low = 0, high = count;

	while (low < high) {
		unsigned long middle = (low + high) / 2;

		if (entries[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct entry *entries, unsigned long count, u64 hash)
{
	unsigned long i = lower_bound(entries, count, hash);

	return i < count && entries[i].hash == hash;
}

static struct entry *new_entries(unsigned long count)
{
	struct entry *entries = calloc(count + 1, sizeof(*entries));

	if (!entries)
		die("calloc");
	return entries;
}

/* Contents of all pages that are not zero, sorted. */
static struct entry *index_contents(const struct dump *dump, unsigned long *count)
{
	struct entry *entries = new_entries(dump->pages);
	unsigned long i;

	*count = 0;
	for (i = 0; i < dump->pages; i++)
		if (!is_zero(page_of(dump, i)))
			entries[(*count)++] = (struct entry){ hash_content(page_of(dump, i)), i };
	qsort(entries, *count, sizeof(*entries), compare_entries);
	return entries;
}

/* The one of two ways in which pages can meet: by hash, or by key. */
typedef bool (*meet_fn)(const struct dump *dump, unsigned long page, u64 *hash);

static bool by_hash(const struct dump *dump, unsigned long page, u64 *hash)
{
	*hash = pshare_aslr_hash(page_of(dump, page), SEED);
	return true;
}

static bool by_key(const struct dump *dump, unsigned long page, u64 *hash)
{
	return pshare_aslr_similar(page_of(dump, page), page % 512, SEED, hash);
}

struct result {
	unsigned long met, matched, refused, sampled_apart;
	unsigned long moved[PSHARE_NR_SLIDES], words[PSHARE_NR_SLIDES];
};

static void count_match(struct result *result, const struct pshare_aslr_match *match)
{
	int class;

	result->matched++;
	for (class = 0; class < PSHARE_NR_SLIDES; class++) {
		result->moved[class] += !!match->words[class];
		result->words[class] += match->words[class];
	}
}

static bool try_one(const struct dump *dump, const struct entry *entries, unsigned long count,
		    u64 hash, const void *page, struct result *result)
{
	unsigned long i = lower_bound(entries, count, hash), tries;
	struct pshare_aslr_match match;

	if (i == count || entries[i].hash != hash)
		return false;
	result->met++;
	for (tries = 0; tries < MAX_TRIES && i < count && entries[i].hash == hash; tries++, i++) {
		const void *other = page_of(dump, entries[i].page);

		if (!pshare_aslr_verify(other, page, &match))
			continue;
		count_match(result, &match);
		if (pshare_aslr_sample(other, SEED) != pshare_aslr_sample(page, SEED))
			result->sampled_apart++;
		return true;
	}
	result->refused++;
	return false;
}

static void print_result(const char *name, const struct result *result)
{
	int class;

	printf("%s: met %lu, explained %lu, refused %lu, sampled apart %lu\n", name, result->met,
	       result->matched, result->refused, result->sampled_apart);
	for (class = 0; class < PSHARE_NR_SLIDES; class++)
		if (result->words[class])
			printf("  %-8s %lu pages, %lu addresses\n", pshare_address_name(class),
			       result->moved[class], result->words[class]);
}

/* Which of the pages @left of @b meet one of @a; takes out those that are explained. */
static void meet(const struct dump *a, const struct dump *b, const char *name, meet_fn fn,
		 const struct entry *all, unsigned long nr_all, bool *left)
{
	struct entry *entries = new_entries(a->pages);
	struct result result = { 0 };
	unsigned long count = 0, i;
	u64 hash;

	for (i = 0; i < a->pages; i++)
		if (!is_zero(page_of(a, i)) &&
		    !has(all, nr_all, hash_content(page_of(a, i))) && fn(a, i, &hash))
			entries[count++] = (struct entry){ hash, i };
	qsort(entries, count, sizeof(*entries), compare_entries);
	for (i = 0; i < b->pages; i++)
		if (left[i] && fn(b, i, &hash) &&
		    try_one(a, entries, count, hash, page_of(b, i), &result))
			left[i] = false;
	print_result(name, &result);
	free(entries);
}

static void compare_dumps(const struct dump *a, const struct dump *b)
{
	unsigned long in_a, in_b, i, zero = 0, equal = 0, unique = 0;
	struct entry *content_a = index_contents(a, &in_a);
	struct entry *content_b = index_contents(b, &in_b);
	bool *left = calloc(b->pages + 1, sizeof(*left));

	if (!left)
		die("calloc");
	for (i = 0; i < b->pages; i++) {
		if (is_zero(page_of(b, i)))
			zero++;
		else if (has(content_a, in_a, hash_content(page_of(b, i))))
			equal++;
		else
			left[i] = true;
	}
	printf("pages of the second: %lu, zero %lu, equal to one of the first %lu, left %lu\n",
	       b->pages, zero, equal, b->pages - zero - equal);
	meet(a, b, "by hash", by_hash, content_b, in_b, left);
	meet(a, b, "by key", by_key, content_b, in_b, left);
	for (i = 0; i < b->pages; i++)
		unique += left[i];
	printf("not explained: %lu\n", unique);
	free(left);
	free(content_a);
	free(content_b);
}

static void compare_pairs(const struct dump *a, const struct dump *b)
{
	unsigned long differ = 0, hashed = 0, keyed = 0, found = 0, i;
	struct result all = { 0 };
	struct pshare_aslr_match match;

	for (i = 0; i < a->pages && i < b->pages; i++) {
		const void *x = page_of(a, i), *y = page_of(b, i);
		bool met_hash, met_key;
		u64 key_x, key_y;

		if (!memcmp(x, y, PAGE_BYTES))
			continue;
		differ++;
		met_hash = pshare_aslr_hash(x, SEED) == pshare_aslr_hash(y, SEED);
		met_key = by_key(a, i, &key_x) && by_key(b, i, &key_y) && key_x == key_y;
		hashed += met_hash;
		keyed += met_key && !met_hash;
		if (pshare_aslr_sample(x, SEED) != pshare_aslr_sample(y, SEED))
			all.sampled_apart++;
		if (pshare_aslr_verify(x, y, &match)) {
			count_match(&all, &match);
			found += met_hash || met_key;
		} else if (getenv("VERBOSE")) {
			printf("page %lu: byte %u, met %d %d\n", i, match.where, met_hash, met_key);
		}
	}
	all.met = hashed + keyed;
	all.refused = differ - all.matched;
	printf("pairs that differ: %lu\n", differ);
	printf("meet by hash %lu, by key only %lu\n", hashed, keyed);
	printf("meet and explained: %lu\n", found);
	print_result("all pairs", &all);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static u64 run_hash(const void *page, const void *other)
{
	return pshare_aslr_hash(page, SEED);
}

static u64 run_sample(const void *page, const void *other)
{
	return pshare_aslr_sample(page, SEED);
}

static u64 run_similar(const void *page, const void *other)
{
	u64 key = 0;

	return pshare_aslr_similar(page, 0, SEED, &key) + key;
}

static u64 run_content(const void *page, const void *other)
{
	return hash_content(page);
}

static u64 run_verify(const void *page, const void *other)
{
	struct pshare_aslr_match match;

	return pshare_aslr_verify(page, other, &match);
}

static void time_one(const char *name, u64 (*run)(const void *, const void *),
		     const struct dump *a, const struct dump *b)
{
	unsigned long pages = a->pages < b->pages ? a->pages : b->pages;
	unsigned long step = 7919, i, at;
	double took[ROUNDS];
	volatile u64 sum = 0;
	int round;

	while (pages % step == 0)
		step++;
	for (round = 0; round < ROUNDS; round++) {
		double begin = now();

		for (i = 0, at = 0; i < pages; i++, at = (at + step) % pages)
			sum += run(page_of(a, at), page_of(b, at));
		took[round] = (now() - begin) / pages;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare_doubles);
	printf("%-8s median %6.0f ns/page, %6.0f to %6.0f\n", name, took[ROUNDS / 2], took[0],
	       took[ROUNDS - 1]);
}

int main(int argc, char **argv)
{
	bool timing = false, pairs = false;
	struct dump a, b;
	int option;

	while ((option = getopt(argc, argv, "tp")) != -1) {
		if (option == '?')
			return 2;
		*(option == 't' ? &timing : &pairs) = true;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: aslr_dump [-t] [-p] FIRST SECOND\n");
		return 2;
	}
	a = open_dump(argv[optind]);
	b = open_dump(argv[optind + 1]);
	if (timing) {
		time_one("sample", run_sample, &a, &b);
		time_one("hash", run_hash, &a, &b);
		time_one("similar", run_similar, &a, &b);
		time_one("verify", run_verify, &a, &b);
		time_one("content", run_content, &a, &b);
	} else if (pairs) {
		compare_pairs(&a, &b);
	} else {
		compare_dumps(&a, &b);
	}
	return 0;
}
