// SPDX-License-Identifier: GPL-2.0
/*
 * A tree as KSM is described to have it: nodes refer to pages, and are ordered by memcmp
 * of those.  KSM finds the page of a node by a walk of page tables, or checks that it still
 * is what it was; here a pointer does, so this is the tree alone, at its best.
 */
#include <linux/rbtree.h>
#include <stdlib.h>
#include <string.h>

#include "index_bench.h"

/* As large as mainline's struct of a scanned page. */
struct node {
	struct rb_node rb;
	const unsigned char *page;
} __attribute__((aligned(64)));

static struct rb_root root = RB_ROOT;
static struct node *nodes;
static unsigned long used, room;

static size_t node_bytes(void)
{
	return sizeof(struct node);
}

static void setup(unsigned long count)
{
	nodes = arena(count * sizeof(*nodes));
	room = count;
}

static void insert(const struct content *content)
{
	struct rb_node **link = &root.rb_node, *parent = NULL;
	struct node *node = &nodes[used];

	if (used++ == room)
		abort();
	node->page = content->bytes;
	while (*link) {
		parent = *link;
		if (memcmp(content->bytes, rb_entry(parent, struct node, rb)->page, PAGE) < 0)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&node->rb, parent, link);
	rb_insert_color(&node->rb, &root);
}

static const unsigned char *find(const struct content *content)
{
	struct rb_node *rb = root.rb_node;

	while (rb) {
		const struct node *node = rb_entry(rb, struct node, rb);
		int order = memcmp(content->bytes, node->page, PAGE);

		if (!order)
			return node->page;
		rb = order < 0 ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

/* Contents are random, so the first line of a page decides. */
static unsigned int lines(const struct content *content, const void **line)
{
	struct rb_node *rb = root.rb_node;
	unsigned int count = 0;

	while (rb && count + 1 < MOST_LINES) {
		const struct node *node = rb_entry(rb, struct node, rb);

		line[count++] = node;
		line[count++] = node->page;
		rb = memcmp(content->bytes, node->page, PAGE) < 0 ? rb->rb_left : rb->rb_right;
	}
	return count;
}

const struct contender memcmp_tree = { "memcmp", node_bytes, setup, insert, find, lines };
