/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_INDEX_H
#define _PSHARE_INDEX_H

#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * enum pshare_tree - the two trees of an index
 * @PSHARE_TREE_SHARED:		pages that the module owns: content never changes
 * @PSHARE_TREE_CANDIDATE:	places whose page held still for a pass: a hint,
 *				its content may have changed since
 * @PSHARE_NR_TREES:		number of trees
 */
enum pshare_tree {
	PSHARE_TREE_SHARED,
	PSHARE_TREE_CANDIDATE,
	PSHARE_NR_TREES
};

/**
 * struct pshare_node - one page in a tree
 * @rb:		place in the tree
 * @hash:	64-bit hash of the content; several nodes may have the same
 * @page:	the shared page, in PSHARE_TREE_SHARED
 * @region:	number of the region, in PSHARE_TREE_CANDIDATE
 * @addr:	address in that region, in PSHARE_TREE_CANDIDATE
 */
struct pshare_node {
	struct rb_node rb;
	u64 hash;
	union {
		struct page *page;
		struct {
			u32 region;
			unsigned long addr;
		};
	};
};

/**
 * struct pshare_index - pages of one group, findable by the hash of their content
 * @root:	one tree of each kind, ordered by hash; guarded by the scan mutex
 * @count:	nodes in each; written under the scan mutex, read anywhere
 */
struct pshare_index {
	struct rb_root root[PSHARE_NR_TREES];
	unsigned long count[PSHARE_NR_TREES];
};

int pshare_index_init(void);
void pshare_index_exit(void);

void pshare_index_setup(struct pshare_index *index);
struct pshare_node *pshare_index_find(struct pshare_index *index,
				      enum pshare_tree tree, u64 hash);
struct pshare_node *pshare_index_next_equal(struct pshare_node *node);
struct pshare_node *pshare_index_first(struct pshare_index *index,
				       enum pshare_tree tree);
struct pshare_node *pshare_index_next(struct pshare_node *node);
struct pshare_node *pshare_index_add(struct pshare_index *index,
				     enum pshare_tree tree, u64 hash);
void pshare_index_erase(struct pshare_index *index, enum pshare_tree tree,
			struct pshare_node *node);
bool pshare_index_clear_some(struct pshare_index *index, enum pshare_tree tree,
			     unsigned long max);
unsigned long pshare_index_bytes(void);

#endif /* _PSHARE_INDEX_H */
