// SPDX-License-Identifier: GPL-2.0
/* The frame of the unit tests: TAP, random numbers, and a slab allocator. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/slab.h>

#include "kselftest.h"
#include "unit.h"

#define DEFAULT_OPS	1000000UL
#define LIVE		0x6c697665UL
#define DEAD		0x64656164UL
#define POISON_NEW	0xa5
#define POISON_FREED	0x6b

unsigned long unit_step;

static u64 seed, random_state;
static unsigned long ops;
static jmp_buf leave_test;

struct kmem_cache {
	unsigned int size;
	unsigned long objects;
};

/* In front of each object; keeps the object aligned as malloc() does. */
struct head {
	struct kmem_cache *cache;
	unsigned long mark;
};

static unsigned long fail_every, allocations, failed, objects, caches;
static unsigned int common_flags = ~0U;
static bool fail_cache;

void unit_fail(const char *file, int line, const char *what)
{
	ksft_print_msg("%s:%d: step %lu: not true: %s\n", file, line, unit_step, what);
	longjmp(leave_test, 1);
}

/* splitmix64: small, and good enough to choose operations. */
u64 unit_random(void)
{
	u64 z = (random_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

u64 unit_below(u64 limit)
{
	return unit_random() % limit;
}

unsigned long unit_ops(void)
{
	return ops;
}

void unit_fail_every(unsigned long nth)
{
	fail_every = nth;
	allocations = 0;
}

void unit_fail_cache(void)
{
	fail_cache = true;
}

unsigned long unit_failed(void)
{
	return failed;
}

unsigned long unit_objects(void)
{
	return objects;
}

unsigned long unit_caches(void)
{
	return caches;
}

unsigned int unit_common_flags(void)
{
	return common_flags;
}

/* A broken caller of the allocator is as good as a crash: nothing can go on. */
static void die(const char *why)
{
	ksft_exit_fail_msg("allocator: %s (step %lu, SEED=%#llx)\n", why, unit_step,
			   (unsigned long long)seed);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *obj))
{
	struct kmem_cache *cache;

	(void)name;
	(void)align;
	(void)flags;
	if (ctor)
		die("constructors are not played here");
	if (fail_cache) {
		fail_cache = false;
		return NULL;
	}
	cache = calloc(1, sizeof(*cache));
	if (!cache)
		die("no memory for a cache");
	cache->size = size;
	caches++;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	if (cache->objects)
		die("cache destroyed while objects are left");
	caches--;
	free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, unsigned int flags)
{
	struct head *head;

	if (!cache)
		die("allocation from no cache");
	common_flags &= flags;
	if (fail_every && ++allocations % fail_every == 0) {
		failed++;
		return NULL;
	}
	head = malloc(sizeof(*head) + cache->size);
	if (!head)
		die("no memory for an object");
	memset(head + 1, POISON_NEW, cache->size);
	head->cache = cache;
	head->mark = LIVE;
	cache->objects++;
	objects++;
	return head + 1;
}

void *kmem_cache_zalloc(struct kmem_cache *cache, unsigned int flags)
{
	void *obj = kmem_cache_alloc(cache, flags);

	return obj ? memset(obj, 0, cache->size) : NULL;
}

void kmem_cache_free(struct kmem_cache *cache, void *obj)
{
	struct head *head = (struct head *)obj - 1;

	if (!obj || head->mark != LIVE || head->cache != cache)
		die("free of what is no object of this cache");
	memset(obj, POISON_FREED, cache->size);
	head->mark = DEAD;
	cache->objects--;
	objects--;
	free(head);
}

unsigned int kmem_cache_size(struct kmem_cache *cache)
{
	return cache->size;
}

static unsigned long long env_number(const char *name, unsigned long long otherwise)
{
	const char *text = getenv(name);
	unsigned long long value;
	char *end;

	if (!text || !*text)
		return otherwise;
	value = strtoull(text, &end, 0);
	if (*end)
		ksft_exit_fail_msg("%s=%s is no number\n", name, text);
	return value;
}

static u64 fresh_seed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (u64)now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void run_one(const struct unit_test *test)
{
	unsigned long before = objects;

	random_state = seed;
	unit_step = 0;
	unit_fail_every(0);
	if (setjmp(leave_test)) {
		ksft_test_result_fail("%s\n", test->name);
		if (env_number("FIRST", 0))
			ksft_exit_fail();
		return;
	}
	test->run();
	if (objects != before)
		ksft_print_msg("%ld objects were left behind\n", (long)(objects - before));
	ksft_test_result(objects == before, "%s\n", test->name);
}

int unit_main(const char *room, const struct unit_test *tests, unsigned int count)
{
	unsigned int only, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	seed = env_number("SEED", fresh_seed());
	ops = env_number("OPS", DEFAULT_OPS);
	only = env_number("TEST", 0);
	if (only > count)
		ksft_exit_fail_msg("TEST=%u, but there are %u tests\n", only, count);
	ksft_print_msg("%s: SEED=%#llx OPS=%lu\n", room, (unsigned long long)seed, ops);
	ksft_set_plan(only ? 1 : count);
	for (i = 0; i < count; i++)
		if (!only || only == i + 1)
			run_one(&tests[i]);
	ksft_finished();
	return KSFT_FAIL;
}
