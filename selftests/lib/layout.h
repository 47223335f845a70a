/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of children, laid out page by page: what each page holds, and what else was done
 * to it.
 */
#ifndef _PSHARE_SELFTESTS_LAYOUT_H
#define _PSHARE_SELFTESTS_LAYOUT_H

#include "lib.h"
#include "lib/oracle.h"

#define BLOCK_PAGES	(HUGE_PAGE / PAGE)
#define LAYOUT_BLOCKS	16

enum layout_kind {
	LAYOUT_UNTOUCHED,	/* no memory */
	LAYOUT_FILL,		/* written once */
	LAYOUT_VOLATILE,	/* written again when layout_write() is called */
	LAYOUT_READ,		/* read, never written */
	LAYOUT_DROPPED,		/* written, and given back */
	LAYOUT_READ_ONLY,	/* written, and may not be written any more */
	LAYOUT_NONE,		/* written, and may not even be read any more */
	LAYOUT_LOCKED,		/* written, and locked in memory */
	LAYOUT_SWAP,		/* written, and swapped out */
	LAYOUT_PIN,		/* written, and put into a pipe by reference */
	LAYOUT_DMA,		/* written, and pinned as for a device */
	LAYOUT_HOLE,		/* no mapping */
	LAYOUT_FILE,		/* a shared mapping */
	LAYOUT_PRIVATE_FILE,	/* a file's page that was written to */
	LAYOUT_KINDS
};

enum layout_block { LAYOUT_SMALL, LAYOUT_HUGE, LAYOUT_HUGETLB };

struct layout {
	size_t blocks;
	enum layout_block block[LAYOUT_BLOCKS];
	struct {
		enum layout_kind kind;
		uint64_t seed;
	} page[LAYOUT_BLOCKS * BLOCK_PAGES];
};

/* Empty: all small and untouched.  Known to all children that are started later. */
struct layout *layout_new(size_t blocks);
void layout_free(struct layout *layout);
/* Pages that hold @seed, @seed + @step, ... */
void layout_fill(struct layout *layout, size_t first, size_t count, uint64_t seed,
		 uint64_t step);
/* Their kind from now on. */
void layout_set(struct layout *layout, size_t first, size_t count, enum layout_kind kind);
/* Starts the child, with its memory like that. */
void layout_start(const struct layout *layout, struct child *child);
/* What the oracle cannot see. */
void layout_tell(const struct layout *layout, const struct child *child,
		 struct oracle *oracle);
/* The volatile pages get contents that nobody has; @round: never the same again. */
void layout_write(const struct layout *layout, struct child *child, unsigned int round);
/* Pages that do not hold what they should, seen from outside. */
size_t layout_wrong(const struct layout *layout, const struct child *child,
		    unsigned int round);

/* The kernel leaves small pages small. */
void layout_stop_khugepaged(void);

#endif /* _PSHARE_SELFTESTS_LAYOUT_H */
