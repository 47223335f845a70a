// SPDX-License-Identifier: GPL-2.0
/*
 * The index: red-black trees over (hash -> page), with no knowledge of memory
 * management.  It builds in user space too, where selftests/unit tests it.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "index.h"

/**
 * DOC: index
 *
 * Mainline KSM orders its trees by the bytes of the pages, so each step down
 * touches another cold page.  Here the key is a 64-bit hash that lies in the
 * node: a lookup touches nodes only, and a page is read when hashes are equal.
 *
 * A hash is no proof.  Pages with the same hash and other bytes (a guest can
 * build them on purpose if it likes) stand side by side in the tree, and the
 * caller goes through them, from the first on with pshare_index_next_equal(), from
 * the last back with pshare_index_prev_equal().  It alone compares bytes.
 *
 * Nodes with equal hashes are kept in the order in which they were added.
 */

static struct kmem_cache *node_cache;

/* Nodes of all indexes; guarded by the scan mutex, read anywhere. */
static unsigned long nr_nodes;

/**
 * pshare_index_init() - make the allocator of nodes
 *
 * Context: process, once, before any other function of this room.
 * Return: 0, or -ENOMEM.
 */
int pshare_index_init(void)
{
	node_cache = kmem_cache_create("pshare_node", sizeof(struct pshare_node), 0, 0, NULL);
	return node_cache ? 0 : -ENOMEM;
}

/**
 * pshare_index_exit() - drop the allocator of nodes
 *
 * Context: process; every index is empty.
 */
void pshare_index_exit(void)
{
	kmem_cache_destroy(node_cache);
}

/**
 * pshare_index_setup() - make an empty index
 * @index: memory for it
 */
void pshare_index_setup(struct pshare_index *index)
{
	int tree;

	for (tree = 0; tree < PSHARE_NR_TREES; tree++) {
		index->root[tree] = RB_ROOT;
		index->count[tree] = 0;
	}
}

/**
 * pshare_index_find_from() - first node with a hash, or one behind it
 * @index: where to look
 * @tree: in which of its trees
 * @hash: smallest hash to look for
 *
 * Return: the node with the smallest hash from @hash on, the one that was added first if
 * there are several; or NULL when there is none.
 */
struct pshare_node *pshare_index_find_from(struct pshare_index *index,
					   enum pshare_tree tree, u64 hash)
{
	struct rb_node *rb = index->root[tree].rb_node;
	struct pshare_node *found = NULL;

	while (rb) {
		struct pshare_node *node = rb_entry(rb, struct pshare_node, rb);

		if (hash <= node->hash) {
			found = node;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return found;
}

/**
 * pshare_index_find() - first node with a hash
 * @index: where to look
 * @tree: in which of its trees
 * @hash: what to look for
 *
 * Return: the node that was added first among those with @hash, or NULL.
 */
struct pshare_node *pshare_index_find(struct pshare_index *index,
				      enum pshare_tree tree, u64 hash)
{
	struct pshare_node *node = pshare_index_find_from(index, tree, hash);

	return node && node->hash == hash ? node : NULL;
}

/**
 * pshare_index_find_last() - last node with a hash
 * @index: where to look
 * @tree: in which of its trees
 * @hash: what to look for
 *
 * Return: the node that was added last among those with @hash, or NULL.
 */
struct pshare_node *pshare_index_find_last(struct pshare_index *index,
					   enum pshare_tree tree, u64 hash)
{
	struct rb_node *rb = index->root[tree].rb_node;
	struct pshare_node *found = NULL;

	while (rb) {
		struct pshare_node *node = rb_entry(rb, struct pshare_node, rb);

		if (hash < node->hash) {
			rb = rb->rb_left;
		} else {
			found = node;
			rb = rb->rb_right;
		}
	}
	return found && found->hash == hash ? found : NULL;
}

/**
 * pshare_index_next_equal() - next node with the same hash
 * @node: where to go on from
 *
 * Return: the node, or NULL when there is no other.
 */
struct pshare_node *pshare_index_next_equal(struct pshare_node *node)
{
	struct pshare_node *next = pshare_index_next(node);

	return next && next->hash == node->hash ? next : NULL;
}

/**
 * pshare_index_prev_equal() - node before, if it has the same hash
 * @node: where to go back from
 *
 * Return: the node, or NULL when there is no other.
 */
struct pshare_node *pshare_index_prev_equal(struct pshare_node *node)
{
	struct pshare_node *prev = rb_entry_safe(rb_prev(&node->rb), struct pshare_node, rb);

	return prev && prev->hash == node->hash ? prev : NULL;
}

/**
 * pshare_index_first() - node with the smallest hash
 * @index: where to look
 * @tree: in which of its trees
 *
 * Return: the node, or NULL when the tree is empty.
 */
struct pshare_node *pshare_index_first(struct pshare_index *index, enum pshare_tree tree)
{
	return rb_entry_safe(rb_first(&index->root[tree]), struct pshare_node, rb);
}

/**
 * pshare_index_next() - next node in the order of hashes
 * @node: where to go on from
 *
 * Return: the node, or NULL when @node is the last.
 */
struct pshare_node *pshare_index_next(struct pshare_node *node)
{
	return rb_entry_safe(rb_next(&node->rb), struct pshare_node, rb);
}

/**
 * pshare_index_add() - add a node
 * @index: where to add it
 * @tree: to which of its trees
 * @hash: hash of the content
 *
 * The caller fills in what the node stands for.
 *
 * Context: process, may sleep.
 * Return: the node, behind all others with the same hash, or NULL when memory
 * is short; then nothing has changed.
 */
struct pshare_node *pshare_index_add(struct pshare_index *index,
				     enum pshare_tree tree, u64 hash)
{
	struct rb_node **link = &index->root[tree].rb_node, *parent = NULL;
	struct pshare_node *node;

	node = kmem_cache_zalloc(node_cache, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
	if (!node)
		return NULL;
	node->hash = hash;
	while (*link) {
		parent = *link;
		if (hash < rb_entry(parent, struct pshare_node, rb)->hash)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&node->rb, parent, link);
	rb_insert_color(&node->rb, &index->root[tree]);
	WRITE_ONCE(index->count[tree], index->count[tree] + 1);
	WRITE_ONCE(nr_nodes, nr_nodes + 1);
	return node;
}

/**
 * pshare_index_erase() - take a node out of its tree and free it
 * @index: where it is
 * @tree: in which of its trees
 * @node: the node; gone afterwards
 */
void pshare_index_erase(struct pshare_index *index, enum pshare_tree tree,
			struct pshare_node *node)
{
	rb_erase(&node->rb, &index->root[tree]);
	WRITE_ONCE(index->count[tree], index->count[tree] - 1);
	WRITE_ONCE(nr_nodes, nr_nodes - 1);
	kmem_cache_free(node_cache, node);
}

/**
 * pshare_index_clear_some() - free some of the nodes of a tree
 * @index: where to free
 * @tree: in which of its trees; it must hold no page that somebody else owns
 * @max: number of nodes to free at most, so that the caller can yield
 *
 * Return: true when the tree is empty.
 */
bool pshare_index_clear_some(struct pshare_index *index, enum pshare_tree tree,
			     unsigned long max)
{
	while (max-- && !RB_EMPTY_ROOT(&index->root[tree]))
		pshare_index_erase(index, tree, pshare_index_first(index, tree));
	return RB_EMPTY_ROOT(&index->root[tree]);
}

/**
 * pshare_index_any_hints() - is there a node in any tree but the shared pages'?
 * @index: where to look
 *
 * Return: true if so.
 */
bool pshare_index_any_hints(const struct pshare_index *index)
{
	enum pshare_tree tree;

	for (tree = PSHARE_TREE_HINTS; tree < PSHARE_NR_TREES; tree++)
		if (index->count[tree])
			return true;
	return false;
}

/**
 * pshare_index_clear_hints() - free some of the nodes of all trees but the shared pages'
 * @index: where to free
 * @max: number of nodes to free at most
 *
 * Return: true when these trees are empty.
 */
bool pshare_index_clear_hints(struct pshare_index *index, unsigned long max)
{
	enum pshare_tree tree;

	for (tree = PSHARE_TREE_HINTS; tree < PSHARE_NR_TREES; tree++) {
		unsigned long count = index->count[tree];

		if (!pshare_index_clear_some(index, tree, max))
			return false;
		max -= count;
	}
	return true;
}

/**
 * pshare_index_bytes() - what all indexes together cost
 *
 * Context: any.
 * Return: bytes of their nodes.
 */
unsigned long pshare_index_bytes(void)
{
	return READ_ONCE(nr_nodes) * kmem_cache_size(node_cache);
}
