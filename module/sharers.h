/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SHARERS_H
#define _PSHARE_SHARERS_H

#include <linux/compiler.h>
#include <linux/mm.h>

/*
 * Is a shared page shared by one VM with itself, or by several?  Nobody can list who maps
 * it, so each visit of a page that maps it leaves a note in page->private, which nobody
 * else uses: the page is in no swap cache, has no buffers, and is never on the LRU.
 *
 * The note is: the first VM that came by in a pass (32 bits), the number of that pass (16
 * bits), whether another came in this pass, and whether one did in the pass before.  A
 * content of many sharers has several shared pages: whether another VM maps one of the others
 * (pruning looks).  Pages that equal it and are not merged, because a huge page is kept for
 * example, are twins as well: in which pass one of another VM came by last (13 bits, 0 for
 * none).
 */
#define PSHARE_NOTE_OTHERS	1UL
#define PSHARE_NOTE_HAD_OTHERS	2UL
#define PSHARE_NOTE_ELSEWHERE	4UL
#define PSHARE_NOTE_TWIN_SHIFT	3
#define PSHARE_NOTE_TWINS	0x1fffUL
#define PSHARE_NOTE_TWIN	(PSHARE_NOTE_TWINS << PSHARE_NOTE_TWIN_SHIFT)
#define PSHARE_NOTE_PASS_SHIFT	16
#define PSHARE_NOTE_VM_SHIFT	32

/**
 * pshare_sharers_note() - a page of a VM maps a shared page
 * @page: the shared page
 * @vm: number of the VM, not 0
 * @pass: number of the pass, which wraps
 *
 * The scanner's helpers may do so for one page at the same time (crew.c).  They are all in one
 * region, so @vm and @pass are the same, and nobody else writes notes meanwhile.  Then what is
 * written goes by the note that was there before, and comes out the same for all: who finds
 * it written already leaves it as it is.  So whoever reads and writes in whatever order, the
 * word has one of two values, the old and the new, and ends as the new.
 *
 * Context: any; scan mutex held, or by who holds it and waits.
 * Return: true if another VM maps it, too, or another page of its content, as far as this
 * pass and the last have seen.
 */
static inline bool pshare_sharers_note(struct page *page, u32 vm, u16 pass)
{
	unsigned long old = READ_ONCE(page_private(page)), note = old;
	u16 noted = note >> PSHARE_NOTE_PASS_SHIFT;

	if (!note || noted != pass) {
		bool had = note & PSHARE_NOTE_OTHERS && noted == (u16)(pass - 1);

		note = (unsigned long)vm << PSHARE_NOTE_VM_SHIFT |
		       (unsigned long)pass << PSHARE_NOTE_PASS_SHIFT |
		       (note & (PSHARE_NOTE_TWIN | PSHARE_NOTE_ELSEWHERE)) |
		       (had ? PSHARE_NOTE_HAD_OTHERS : 0);
	} else if (note >> PSHARE_NOTE_VM_SHIFT != vm) {
		note |= PSHARE_NOTE_OTHERS;
	}
	if (note != old)
		WRITE_ONCE(page_private(page), note);
	return note & (PSHARE_NOTE_OTHERS | PSHARE_NOTE_HAD_OTHERS | PSHARE_NOTE_ELSEWHERE);
}

/**
 * pshare_sharers_of() - which VM does a shared page belong to, if it is one alone?
 * @page: the shared page
 *
 * Context: any; scan mutex held.
 * Return: number of the VM; 0 if several VMs map it, or none has been seen.
 */
static inline u32 pshare_sharers_of(struct page *page)
{
	unsigned long note = page_private(page);

	return note & (PSHARE_NOTE_OTHERS | PSHARE_NOTE_HAD_OTHERS) ? 0 :
	       note >> PSHARE_NOTE_VM_SHIFT;
}

/**
 * pshare_sharers_first() - a VM that maps a shared page
 * @page: the shared page
 *
 * Context: any; scan mutex held.
 * Return: number of the VM that was seen first in the last pass that saw any, or 0.
 */
static inline u32 pshare_sharers_first(struct page *page)
{
	return page_private(page) >> PSHARE_NOTE_VM_SHIFT;
}

/**
 * pshare_sharers_elsewhere() - does another VM map another page of the same content?
 * @page: a shared page
 *
 * Context: any; scan mutex held.
 * Return: what was noted last.
 */
static inline bool pshare_sharers_elsewhere(struct page *page)
{
	return page_private(page) & PSHARE_NOTE_ELSEWHERE;
}

/**
 * pshare_sharers_note_elsewhere() - note whether another VM maps another page of the content
 * @page: the shared page
 * @elsewhere: what is noted
 *
 * Context: any; scan mutex held.
 */
static inline void pshare_sharers_note_elsewhere(struct page *page, bool elsewhere)
{
	unsigned long note = page_private(page) & ~PSHARE_NOTE_ELSEWHERE;

	if (elsewhere != pshare_sharers_elsewhere(page))
		set_page_private(page, note | (elsewhere ? PSHARE_NOTE_ELSEWHERE : 0));
}

/* The mark of a pass in PSHARE_NOTE_TWIN; never 0. */
static inline unsigned long pshare_sharers_mark(u16 pass)
{
	return (pass % PSHARE_NOTE_TWINS + 1) << PSHARE_NOTE_TWIN_SHIFT;
}

/**
 * pshare_sharers_note_twin() - a page equals a shared page, and is not merged
 * @page: the shared page
 * @vm: number of the VM that the page belongs to, not 0
 * @pass: number of the pass, which wraps
 *
 * Context: any; scan mutex held.
 * Return: true if a VM other than @vm maps the shared page, or another of its content, or has
 * such a page, too, as far as this pass and the last have seen.
 */
static inline bool pshare_sharers_note_twin(struct page *page, u32 vm, u16 pass)
{
	unsigned long note = page_private(page), twin = note & PSHARE_NOTE_TWIN;

	if (pshare_sharers_of(page) == vm && !pshare_sharers_elsewhere(page))
		return twin == pshare_sharers_mark(pass) ||
		       twin == pshare_sharers_mark(pass - 1);
	set_page_private(page, (note & ~PSHARE_NOTE_TWIN) | pshare_sharers_mark(pass));
	return true;
}

#endif /* _PSHARE_SHARERS_H */
