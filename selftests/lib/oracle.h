/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger by brute force, from outside: what the pages of the regions hold (read
 * through /proc/PID/mem), where they lie (pagemap, kpageflags, smaps), and the words of
 * uapi/pshare.h, make the classes and the savings.  Nothing here asks the module, and
 * contents are compared byte by byte.
 *
 * What cannot be seen from outside the test has to tell: who is pinned, what was written
 * since the last pass, and where the kernel had the zero page before the first.
 */
#ifndef _PSHARE_SELFTESTS_ORACLE_H
#define _PSHARE_SELFTESTS_ORACLE_H

#include "lib.h"

#define ORACLE_REGIONS	32

/* What the test knows of a page. */
#define ORACLE_PINNED	1	/* somebody has a reference, which is noticed when it is merged */
#define ORACLE_VOLATILE	2
#define ORACLE_DMA	8	/* pinned for a device, which can be seen */
#define ORACLE_READ	4	/* read and never written: the zero page is the kernel's */

/* The bit of what the policies allow now, beside those of PSHARE_SPLIT_STEPS. */
#define ORACLE_NOW	PSHARE_NR_SPLIT_STEPS

/* One page: where it lies, what it holds, where it stands. */
struct oracle_page {
	const unsigned char *content;	/* NULL if it takes no part in sharing */
	uint64_t hash;
	uint64_t frame;
	unsigned int region;
	unsigned int class;
	unsigned char known;		/* ORACLE_* */
	bool zero, huge, merged;
	bool twin;			/* zero, or another of its group holds the same */
	bool other;			/* one of another VM does */
	bool pair;			/* one that may be merged, too, does, or a shared one */
	unsigned int steps;		/* at which it may be merged; a mask */
};

/* 2 MiB of a region. */
struct oracle_block {
	bool huge;
	unsigned int twins;
};

struct oracle_region {
	uint64_t id;
	pid_t pid;
	char *start;
	size_t pages;
	char group[PSHARE_GROUP_SIZE + 16];
	enum pshare_huge_policy policy;
	struct oracle_page *page;
	struct oracle_block *block;	/* from that of @start on */
	size_t blocks;
	unsigned char *contents;	/* of all pages */

	/* What the ledger must say. */
	uint64_t class[PSHARE_NR_CLASSES];
	uint64_t blocks_huge, blocks_equal;
	uint64_t twins[PSHARE_NR_TWIN_BINS];
	uint64_t splits[PSHARE_NR_SPLIT_STEPS];
};

struct oracle {
	struct oracle_region region[ORACLE_REGIONS];
	unsigned int nr;
	bool dry;			/* nothing is merged, so no pin is noticed */
	bool use_zero;
	unsigned int split_min;

	/* Of all regions together. */
	uint64_t saving[PSHARE_NR_SPLIT_STEPS + 1];	/* by steps, and ORACLE_NOW */
	uint64_t grouping;
	uint64_t saved;			/* now: by frames, and zero pages */
};

void oracle_begin(struct oracle *oracle);
void oracle_end(struct oracle *oracle);
/* A region that was added; @group NULL: a private one. */
struct oracle_region *oracle_add(struct oracle *oracle, uint64_t id, pid_t pid, char *start,
				 size_t pages, const char *group,
				 enum pshare_huge_policy policy);
/* Before the first pass: pages that the kernel maps to the zero page are not ours. */
void oracle_note_zeros(struct oracle *oracle);
/* What is known of the pages of a process from outside. */
void oracle_mark(struct oracle *oracle, pid_t pid, const char *start, size_t pages, int known);
/* Looks at all pages and makes the figures.  All processes must hold still. */
void oracle_look(struct oracle *oracle);
/* Figures of the module's ledger that are others; each is told. */
unsigned int oracle_compare(struct oracle *oracle, int dev);

/* A mapping, as smaps shows it. */
struct oracle_vma {
	char *start, *end;
	enum pshare_class class;	/* of all its pages, or PSHARE_UNIQUE: look at each */
	long huge_kb;
};

/* The mapping that holds @address, or the next behind it; false if there is none. */
bool oracle_find_vma(pid_t pid, const char *address, struct oracle_vma *vma);
/* Huge pages that the mappings which touch a range map as a whole: smaps. */
size_t oracle_huge_blocks(pid_t pid, const char *start, size_t pages);

#endif /* _PSHARE_SELFTESTS_ORACLE_H */
