/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_MERGE_H
#define _PSHARE_MERGE_H

#include <linux/mm.h>
#include <linux/types.h>

struct mm_struct;
struct page;

/**
 * enum pshare_merge_result - what became of a merge
 * @PSHARE_MERGE_DONE:		the entry maps the shared page
 * @PSHARE_MERGE_DIFFERS:	the contents differ
 * @PSHARE_MERGE_RACED:		the contents differed once nobody could write any
 *				more: somebody wrote at the last moment
 * @PSHARE_MERGE_GONE:		the page is no longer there, or may not be merged
 * @PSHARE_MERGE_LOCKED:	somebody else works on the page
 * @PSHARE_MERGE_PINNED:	somebody holds the page: I/O or a pin
 * @PSHARE_MERGE_KEPT_HUGE:	the policy keeps the huge page whole
 * @PSHARE_MERGE_SPLIT:		the huge page could not be split
 * @PSHARE_MERGE_BUSY:		the address space stayed locked for long
 * @PSHARE_MERGE_NOMEM:		out of memory, or of the memory cgroup
 * @PSHARE_MERGE_ZEROED:	the zero page is there by now: a split may have put it there
 * @PSHARE_MERGE_CAPPED:	there are as many shared pages as there may be
 * @PSHARE_NR_MERGE_RESULTS:	number of results
 */
enum pshare_merge_result {
	PSHARE_MERGE_DONE,
	PSHARE_MERGE_DIFFERS,
	PSHARE_MERGE_RACED,
	PSHARE_MERGE_GONE,
	PSHARE_MERGE_LOCKED,
	PSHARE_MERGE_PINNED,
	PSHARE_MERGE_KEPT_HUGE,
	PSHARE_MERGE_SPLIT,
	PSHARE_MERGE_BUSY,
	PSHARE_MERGE_NOMEM,
	PSHARE_MERGE_ZEROED,
	PSHARE_MERGE_CAPPED,
	PSHARE_NR_MERGE_RESULTS
};

/**
 * enum pshare_spare - what memory an unshare may take
 * @PSHARE_SPARE_RESERVE:	leave the host a 64th of its memory
 * @PSHARE_SPARE_EXCHANGE:	a shared page will be freed for it: leave no reserve, but
 *				reclaim nothing of the memory cgroup's
 * @PSHARE_SPARE_NOTHING:	there is no second chance: reclaim and swap, too
 *
 * None of them calls the OOM killer.
 */
enum pshare_spare {
	PSHARE_SPARE_RESERVE,
	PSHARE_SPARE_EXCHANGE,
	PSHARE_SPARE_NOTHING,
};

/**
 * struct pshare_merge - a page that is to be replaced
 * @mm:		address space, with a reference on its users
 * @addr:	address of the page
 * @may_split:	a huge page that maps it as a whole may be split
 * @split:	set when one was
 * @zeros:	then, where splitting put the zero page: a bit for each page of the
 *		2 MiB around @addr
 */
struct pshare_merge {
	struct mm_struct *mm;
	unsigned long addr;
	bool may_split;
	bool split;
	DECLARE_BITMAP(zeros, HPAGE_PMD_NR);
};

enum pshare_merge_result pshare_merge_map(struct pshare_merge *merge, struct page *shared);
enum pshare_merge_result pshare_merge_copy(struct mm_struct *mm, unsigned long addr,
					   struct page **copy);
void pshare_merge_free(struct page *shared);
bool pshare_merge_full(struct page *shared);
int pshare_merge_sharers(struct page *shared);
int pshare_merge_unshare(struct mm_struct *mm, unsigned long addr, unsigned int tries,
			 enum pshare_spare spare, bool last);

#endif /* _PSHARE_MERGE_H */
