/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trees that find a page by its content, as the benchmark of the index sees them.  What is
 * known of module/index.c is in index_hash.c alone.
 */
#ifndef _BENCH_INDEX_H
#define _BENCH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	4096UL

/* Cache lines that one lookup may read. */
#define MOST_LINES	256

/**
 * struct content - what to look for
 * @hash:	its hash
 * @bytes:	a page with it
 */
struct content {
	uint64_t hash;
	const unsigned char *bytes;
};

/**
 * struct contender - a tree
 * @name:	what its figures are called by
 * @node_bytes:	memory for each page
 * @setup:	make it, empty, with room for so many nodes
 * @insert:	add a page that has this content
 * @find:	a page with this content, or NULL
 * @lines:	the addresses that @find reads, in order; returns how many
 */
struct contender {
	const char *name;
	size_t (*node_bytes)(void);
	void (*setup)(unsigned long nodes);
	void (*insert)(const struct content *content);
	const unsigned char *(*find)(const struct content *content);
	unsigned int (*lines)(const struct content *content, const void **line);
};

extern const struct contender hash_tree, memcmp_tree;

/* Memory in huge pages, as the kernel sees its own. */
void *arena(size_t bytes);

#endif /* _BENCH_INDEX_H */
