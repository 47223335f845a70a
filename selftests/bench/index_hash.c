// SPDX-License-Identifier: GPL-2.0
/* module/index.c, and the allocator that it stands on. */
#include <linux/compiler.h>
#include <linux/slab.h>
#include <linux/rbtree.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "index_bench.h"

static struct pshare_index the_index;

/* One cache, which hands out what lies side by side, as a fresh slab does. */
struct kmem_cache {
	size_t size;
	char *next;
	char *end;
};

static struct kmem_cache cache;
static size_t wanted;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *obj))
{
	cache.size = size;
	cache.next = arena(wanted * size);
	cache.end = cache.next + wanted * size;
	return &cache;
}

void kmem_cache_destroy(struct kmem_cache *unused)
{
}

/* The arena is zero, and nothing is used twice. */
void *kmem_cache_zalloc(struct kmem_cache *from, unsigned int flags)
{
	void *object = from->next;

	if (from->next + from->size > from->end)
		return NULL;
	from->next += from->size;
	return object;
}

void kmem_cache_free(struct kmem_cache *unused, void *object)
{
}

unsigned int kmem_cache_size(struct kmem_cache *of)
{
	return of->size;
}

static size_t node_bytes(void)
{
	return sizeof(struct pshare_node);
}

static void setup(unsigned long nodes)
{
	wanted = nodes;
	if (pshare_index_init())
		abort();
	pshare_index_setup(&the_index);
}

static void insert(const struct content *content)
{
	struct pshare_node *node;

	node = pshare_index_add(&the_index, PSHARE_TREE_CANDIDATE, content->hash);
	if (!node)
		abort();
	node->addr = (unsigned long)content->bytes;
}

static const unsigned char *find(const struct content *content)
{
	struct pshare_node *node;

	node = pshare_index_find(&the_index, PSHARE_TREE_CANDIDATE, content->hash);
	for (; node; node = pshare_index_next_equal(node))
		if (!memcmp((void *)node->addr, content->bytes, PAGE))
			return (void *)node->addr;
	return NULL;
}

static unsigned int lines(const struct content *content, const void **line)
{
	struct rb_node *rb = the_index.root[PSHARE_TREE_CANDIDATE].rb_node;
	unsigned int count = 0;

	while (rb && count < MOST_LINES) {
		struct pshare_node *node = rb_entry(rb, struct pshare_node, rb);

		line[count++] = node;
		rb = content->hash <= node->hash ? rb->rb_left : rb->rb_right;
	}
	return count;
}

const struct contender hash_tree = { "hash", node_bytes, setup, insert, find, lines };
