// SPDX-License-Identifier: GPL-2.0
/*
 * What a lookup costs by the number of pages: in the tree of module/index.c, in one ordered
 * by memcmp of whole pages, and what the machine takes to read the same cache lines with
 * nothing else.
 *
 * usage: index_bench MIB	so much memory in pages, each with a node
 *
 * All pages are there, of random bytes, and are added in random order.  Prints lines of
 * TREE OPERATION NANOSECONDS, one for each batch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "index_bench.h"

#define BATCHES	15
#define BATCH	20000UL
/* Of inserting, which makes the trees grow. */
#define INSERTS	2000UL
/* Memory to read so that nothing that was read before is in a cache: above any of them. */
#define FLUSH	(512UL << 20)
#define HUGE	(2UL << 20)

static const struct contender *const trees[] = { &hash_tree, &memcmp_tree };

static unsigned char *pages, *flush;
static unsigned long nr_pages;
/* What was read must be used, or the compiler leaves it out. */
static volatile uint64_t sink;

void *arena(size_t bytes)
{
	size_t size = (bytes + 2 * HUGE - 1) / HUGE * HUGE;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start = (char *)(((uintptr_t)mem + HUGE - 1) / HUGE * HUGE);

	if (mem == MAP_FAILED || madvise(start, mem + size - start, MADV_HUGEPAGE)) {
		perror("arena");
		exit(1);
	}
	return start;
}

/* splitmix64 */
static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The hash of the content with a number: any 64 bits do. */
static uint64_t hash_of(uint64_t number)
{
	return mixed(~number);
}

static void fill(unsigned char *page, uint64_t number)
{
	uint64_t *word = (uint64_t *)page;
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = mixed(number * PAGE + i);
}

static uint64_t random_number(void)
{
	static uint64_t state;

	return mixed(++state * 0xd1342543de82ef95);
}

static double read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* For many lookups together: what others take of the CPU does not count. */
static double now(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* For a single one: read without a system call, as clock_cost() tells. */
static double soon(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static void flush_caches(void)
{
	uint64_t sum = 0;
	unsigned long i;

	for (i = 0; i < FLUSH; i += 64)
		sum += *(uint64_t *)(flush + i);
	sink = sum;
}

static void print(const char *tree, const char *operation, double time, unsigned long count)
{
	printf("%s %s %.2f\n", tree, operation, time / count);
	fflush(stdout);
}

/* All pages, in random order; what the last ones cost, when the tree is about full. */
static void build(const struct contender *tree, unsigned int *order)
{
	double begin = 0;
	unsigned long i;

	tree->setup(nr_pages);
	for (i = 0; i < nr_pages; i++) {
		struct content content = { hash_of(order[i]), pages + order[i] * PAGE };

		tree->insert(&content);
		if (i < nr_pages - BATCHES * INSERTS - 1 || (nr_pages - 1 - i) % INSERTS)
			continue;
		if (begin)
			print(tree->name, "insert", now() - begin, INSERTS);
		begin = now();
	}
}

/*
 * Contents that no page has.  The page that is looked for was read a moment ago, to find its
 * hash or checksum: it is in the cache.
 */
static void miss(const struct contender *tree)
{
	static unsigned char page[PAGE] __attribute__((aligned(4096)));
	struct content content = { 0, page };
	unsigned long i, found = 0;
	double begin;

	flush_caches();
	begin = now();
	for (i = 0; i < BATCH; i++) {
		content.hash = random_number();
		*(uint64_t *)page = content.hash;
		found += !!tree->find(&content);
	}
	print(tree->name, "miss", now() - begin, BATCH);
	if (found) {
		fprintf(stderr, "%s: found what is not there\n", tree->name);
		exit(1);
	}
}

/* Contents that a page has: the two pages are compared as a whole at the end. */
static void hit(const struct contender *tree)
{
	static unsigned char page[PAGE] __attribute__((aligned(4096)));
	double all = 0;
	unsigned long i;

	flush_caches();
	for (i = 0; i < BATCH; i++) {
		unsigned long number = random_number() % nr_pages;
		struct content content = { hash_of(number), page };
		const unsigned char *found;
		double begin;

		fill(page, number);
		begin = soon();
		found = tree->find(&content);
		all += soon() - begin;
		if (found != pages + number * PAGE) {
			fprintf(stderr, "%s: did not find page %lu\n", tree->name, number);
			exit(1);
		}
	}
	print(tree->name, "hit", all, BATCH);
}

/* What the clock takes, which is in each hit. */
static void clock_cost(void)
{
	double all = 0;
	unsigned long i;

	for (i = 0; i < BATCH; i++) {
		double begin = soon();

		all += soon() - begin;
	}
	print("machine", "clock", all, BATCH);
}

/*
 * The floor: the lines that lookups read, each after the one before it has come (as a tree
 * has to), or all of a lookup at once.
 */
static void floor_of(const struct contender *tree)
{
	static unsigned char page[PAGE] __attribute__((aligned(4096)));
	static const void *line[BATCH * 64];
	static unsigned int count[BATCH];
	struct content content = { 0, page };
	unsigned long i, all = 0, at;
	uint64_t value = 0;
	double begin;
	unsigned int j;

	for (i = 0; i < BATCH; i++) {
		const void *path[MOST_LINES];

		content.hash = random_number();
		*(uint64_t *)page = content.hash;
		count[i] = tree->lines(&content, path);
		if (all + count[i] > BATCH * 64) {
			fprintf(stderr, "%s: too deep\n", tree->name);
			exit(1);
		}
		memcpy(line + all, path, count[i] * sizeof(*line));
		all += count[i];
	}
	print(tree->name, "lines", all, BATCH);
	flush_caches();
	begin = now();
	for (at = 0; at < all; at++)
		/* Never true, but who knows that before the line is here? */
		value = *(const volatile uint64_t *)((const char *)line[at] + (value == 1));
	print(tree->name, "chase", now() - begin, BATCH);
	flush_caches();
	begin = now();
	for (i = 0, at = 0; i < BATCH; i++)
		for (j = 0; j < count[i]; j++)
			value += *(const volatile uint64_t *)line[at++];
	print(tree->name, "independent", now() - begin, BATCH);
	sink = value;
}

static unsigned int *random_order(void)
{
	unsigned int *order = malloc(nr_pages * sizeof(*order)), swap;
	unsigned long i, j;

	if (!order)
		exit(1);
	for (i = 0; i < nr_pages; i++)
		order[i] = i;
	for (i = nr_pages - 1; i; i--) {
		j = random_number() % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	return order;
}

int main(int argc, char **argv)
{
	unsigned long mib = argc == 2 ? strtoul(argv[1], NULL, 0) : 0, i;
	unsigned int *order, batch;

	nr_pages = mib << 20 >> 12;
	if (nr_pages < 2 * BATCH) {
		fprintf(stderr, "usage: %s MIB (at least %lu)\n", argv[0], (2 * BATCH >> 8) + 1);
		return 2;
	}
	pages = arena(nr_pages * PAGE);
	flush = arena(FLUSH);
	memset(flush, 1, FLUSH);
	for (i = 0; i < nr_pages; i++)
		fill(pages + i * PAGE, i);
	for (i = 0; i < 2; i++) {
		order = random_order();
		build(trees[i], order);
		free(order);
		print(trees[i]->name, "node_bytes", trees[i]->node_bytes(), 1);
	}
	/* Turn by turn, so that what else the machine does meets both. */
	for (batch = 0; batch < BATCHES; batch++) {
		clock_cost();
		for (i = 0; i < 2; i++) {
			miss(trees[i]);
			hit(trees[i]);
			floor_of(trees[i]);
		}
	}
	return 0;
}
