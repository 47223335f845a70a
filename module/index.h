/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_INDEX_H
#define _PSHARE_INDEX_H

#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * enum pshare_tree - the trees of an index
 * @PSHARE_TREE_SHARED:		pages that the module owns: content never changes
 * @PSHARE_TREE_CANDIDATE:	contents that held still for a pass, and a place where
 *				each was seen: a hint, it may have changed since
 * @PSHARE_TREE_BLOCK:		the same of whole blocks that huge pages map
 * @PSHARE_TREE_MASKED:		families of pages that differ in addresses only, by a hash
 *				of what is left without those
 * @PSHARE_TREE_SIMILAR:	the same by what pages of code have in common
 * @PSHARE_NR_TREES:		number of trees
 */
enum pshare_tree {
	PSHARE_TREE_SHARED,
	PSHARE_TREE_CANDIDATE,
	PSHARE_TREE_BLOCK,
	PSHARE_TREE_MASKED,
	PSHARE_TREE_SIMILAR,
	PSHARE_NR_TREES
};

/**
 * struct pshare_node - one content in a tree
 * @rb:		place in the tree
 * @hash:	64-bit hash of the content; several nodes may have the same
 * @page:	the shared page, in PSHARE_TREE_SHARED
 * @addr:	address of its representative, in the other trees
 * @region:	number of the region of the representative, in the other trees
 * @pass:	the pass in which it was met last, as a number that wraps
 * @steps:	what a further page of this content would save: see twins.c
 * @twice:	it was met twice in that pass
 * @pair:	two of these may be merged
 * @others:	they belong to different VMs
 * @was_twice:	@twice of the pass before
 * @was_pair:	@pair of the pass before
 * @was_others:	@others of the pass before
 * @free:	the representative may be merged
 * @elsewhere:	another group has this content, too
 */
struct pshare_node {
	struct rb_node rb;
	u64 hash;
	union {
		struct page *page;
		unsigned long addr;
	};
	u32 region;
	u16 pass;
	u16 steps:6;
	u16 twice:1;
	u16 pair:1;
	u16 others:1;
	u16 was_twice:1;
	u16 was_pair:1;
	u16 was_others:1;
	u16 free:1;
	u16 elsewhere:1;
};

/**
 * struct pshare_index - contents of one group, findable by their hash
 * @root:	one tree of each kind, ordered by hash; guarded by the scan mutex
 * @count:	nodes in each; written under the scan mutex, read anywhere
 */
struct pshare_index {
	struct rb_root root[PSHARE_NR_TREES];
	unsigned long count[PSHARE_NR_TREES];
};

/* The first of the trees whose nodes are no more than hints: they may go at any time. */
#define PSHARE_TREE_HINTS	PSHARE_TREE_CANDIDATE

int pshare_index_init(void);
void pshare_index_exit(void);

void pshare_index_setup(struct pshare_index *index);
struct pshare_node *pshare_index_find(struct pshare_index *index,
				      enum pshare_tree tree, u64 hash);
struct pshare_node *pshare_index_find_from(struct pshare_index *index,
					   enum pshare_tree tree, u64 hash);
struct pshare_node *pshare_index_find_last(struct pshare_index *index,
					   enum pshare_tree tree, u64 hash);
struct pshare_node *pshare_index_next_equal(struct pshare_node *node);
struct pshare_node *pshare_index_prev_equal(struct pshare_node *node);
struct pshare_node *pshare_index_first(struct pshare_index *index,
				       enum pshare_tree tree);
struct pshare_node *pshare_index_next(struct pshare_node *node);
struct pshare_node *pshare_index_add(struct pshare_index *index,
				     enum pshare_tree tree, u64 hash);
void pshare_index_erase(struct pshare_index *index, enum pshare_tree tree,
			struct pshare_node *node);
bool pshare_index_clear_some(struct pshare_index *index, enum pshare_tree tree,
			     unsigned long max);
bool pshare_index_any_hints(const struct pshare_index *index);
bool pshare_index_clear_hints(struct pshare_index *index, unsigned long max);
unsigned long pshare_index_bytes(void);

#endif /* _PSHARE_INDEX_H */
