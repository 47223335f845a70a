// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages would have a twin, were it not for address-space randomisation?
 */
#include <linux/bitops.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "masked.h"
#include "region.h"
#include "twins.h"
#include "walk.h"

/**
 * DOC: masked pages
 *
 * A page that is unique gets a second hash, in which the addresses that it holds are masked.
 * Where two such hashes meet the pages are compared word by word: they belong together if
 * all that differs are addresses, each moved by one of few slides of the kind that
 * randomisation makes.  See aslr.c, which knows nothing but the bytes of two pages.
 *
 * The trees are apart from those of the index proper, and empty unless the administrator asks
 * for a sample.  A node stands for a family of pages that differ in nothing but slides,
 * with a representative as in twins.c.  Families of one hash stand side by side.
 *
 * What is found is a lower bound.  Pages whose contents are in the order of addresses (a hash
 * table that is keyed by pointers) have changed places, too.  And who would be the twin
 * of a page that others share already is not looked for.
 */

/* Families of the same hash that one visit looks at, and that there may be. */
#define MAX_TRIES	8

/* Distinct slides of a class that are told apart. */
#define MAX_SLIDES	4096

/**
 * struct findings - of the pass under way, and of the last
 * @passing:	as far as the pass has come
 * @last:	of the last complete pass
 * @slides:	distinct slides of each class, in steps of its alignment, as far as the
 *		pass has come
 *
 * Guarded by the scan mutex.
 */
struct findings {
	struct pshare_masked_census passing;
	struct pshare_masked_census last;
	struct xarray slides[PSHARE_NR_SLIDES];
};

static struct findings findings;
static u64 seed;

/**
 * pshare_masked_init() - choose the seed of the hashes
 *
 * Context: once, before any other function of this room.
 */
void pshare_masked_init(void)
{
	unsigned int i;

	seed = get_random_u64();
	for (i = 0; i < PSHARE_NR_SLIDES; i++)
		xa_init(&findings.slides[i]);
}

/**
 * pshare_masked_exit() - free what is left
 *
 * Context: process; nobody else is there.
 */
void pshare_masked_exit(void)
{
	unsigned int i;

	for (i = 0; i < PSHARE_NR_SLIDES; i++)
		xa_destroy(&findings.slides[i]);
}

/**
 * pshare_masked_begin() - a pass begins
 *
 * Context: process, may sleep; scan mutex held.
 */
void pshare_masked_begin(void)
{
	pshare_masked_exit();
	memset(&findings.passing, 0, sizeof(findings.passing));
}

/**
 * pshare_masked_complete() - a pass is complete
 *
 * Context: scan mutex held.
 */
void pshare_masked_complete(void)
{
	findings.last = findings.passing;
}

/**
 * pshare_masked_last() - what the last complete pass found
 *
 * Context: scan mutex held.
 * Return: the figures.
 */
const struct pshare_masked_census *pshare_masked_last(void)
{
	return &findings.last;
}

/**
 * pshare_masked_look() - what does a page look like without addresses?
 * @page: the page, with a reference; it may change meanwhile
 * @addr: its address
 * @percent: of all pages, how many to look at; those that may belong together are
 *	     looked at together
 * @mask: filled
 *
 * Context: any.
 */
void pshare_masked_look(struct page *page, unsigned long addr, unsigned int percent,
			struct pshare_masked_page *mask)
{
	void *content = kmap_local_page(page);

	mask->sampled = pshare_aslr_sample(content, seed) < percent;
	if (mask->sampled) {
		mask->hash = pshare_aslr_hash(content, seed);
		/* Guest memory begins at a huge page, and so do kernels in it. */
		mask->similar = pshare_aslr_similar(content, pshare_ledger_place(addr), seed,
						    &mask->key);
	}
	kunmap_local(content);
}

/* The page at an address, with a reference, or NULL. */
static struct page *get_page_at(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;
	struct page *page = NULL;

	/* It is not worth to wait for. */
	if (!pshare_walk_lock(mm, 1))
		return NULL;
	vma = pshare_walk_vma(mm, addr);
	if (vma && pshare_walk_one(vma, addr, &page) != PSHARE_FOUND_ANON)
		page = NULL;
	mmap_read_unlock(mm);
	if (page && PageHWPoison(page)) {
		put_page(page);
		page = NULL;
	}
	return page;
}

static bool verify(struct page *page, struct page *twin, struct pshare_aslr_match *match)
{
	void *a = kmap_local_page(page);
	void *b = kmap_local_page(twin);
	bool same = pshare_aslr_verify(a, b, match);

	kunmap_local(b);
	kunmap_local(a);
	return same;
}

/* Does a page belong to the family of a node? */
static bool belongs(struct page *page, const struct pshare_node *node,
		    struct pshare_aslr_match *match)
{
	struct pshare_region *region = pshare_region_get(node->region);
	struct page *twin = NULL;
	struct mm_struct *mm;
	bool same = false;

	if (!region)
		return false;
	mm = pshare_region_get_mm(region);
	if (mm) {
		twin = get_page_at(mm, node->addr);
		mmput_async(mm);
	}
	if (twin) {
		same = verify(page, twin, match);
		findings.passing.refused += !same;
		put_page(twin);
	}
	pshare_region_put(region);
	return same;
}

/* Count a slide among those of its class; true if it is a new one. */
static bool count_slide(enum pshare_slide class, unsigned long known, s64 slide)
{
	struct xarray *slides = &findings.slides[class];
	unsigned long index = slide >> fls64(pshare_address_kinds[class].kept);

	if (known >= MAX_SLIDES || xa_load(slides, index))
		return false;
	/* Without memory it is not counted. */
	return !xa_err(xa_store(slides, index, xa_mk_value(1),
				GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY));
}

static void count_match(const struct pshare_aslr_match *match, bool across)
{
	struct pshare_masked_census *census = &findings.passing;
	enum pshare_slide class;
	unsigned int i;

	census->within += !across;
	census->across += across;
	for (class = 0; class < PSHARE_NR_SLIDES; class++) {
		struct pshare_masked_slides *slides = &census->slides[class];

		slides->pages += !!match->words[class];
		slides->words += match->words[class];
		for (i = 0; i < match->nr[class]; i++)
			slides->slides += count_slide(class, slides->slides,
						      match->slide[class][i]);
	}
}

static void set_blocked(u32 id, unsigned long addr, bool blocked)
{
	struct pshare_region *region = pshare_region_get(id);
	enum pshare_class from = blocked ? PSHARE_UNIQUE : PSHARE_ASLR_BLOCKED;

	if (!region)
		return;
	if (pshare_ledger_get(&region->ledger, addr) == from)
		pshare_ledger_set(&region->ledger, addr, 1,
				  blocked ? PSHARE_ASLR_BLOCKED : PSHARE_UNIQUE);
	pshare_region_put(region);
}

/**
 * struct guest - a page that looks for its family
 * @region:	its region
 * @addr:	its address
 * @page:	the page, with a reference
 * @free:	it may be merged: the policy does not keep it in a huge page
 * @compared:	pages that it was compared with
 */
struct guest {
	struct pshare_region *region;
	unsigned long addr;
	struct page *page;
	bool free;
	unsigned int compared;
};

/* Find the family of a page among those of one hash; true if it is blocked. */
static bool meet(struct guest *guest, enum pshare_tree tree, u64 hash)
{
	struct pshare_region *region = guest->region;
	struct pshare_visit visit = { .region = region, .addr = guest->addr };
	struct pshare_index *index = &region->group->index;
	struct pshare_node *node, *old = NULL;
	u16 pass = pshare_twins_pass();
	unsigned int tries = 0;

	for (node = pshare_index_find(index, tree, hash); node && tries < MAX_TRIES;
	     node = pshare_index_next_equal(node), tries++) {
		struct pshare_aslr_match match;

		if (node->pass != pass) {
			old = old ?: node;
			continue;
		}
		if (node->region == region->id && node->addr == guest->addr)
			return node->twice || node->was_twice;
		guest->compared++;
		if (!belongs(guest->page, node, &match))
			continue;
		count_match(&match, pshare_region_vm(node->region) != region->vm);
		region->ledger.passing.aslr += guest->free;
		if (!node->twice)
			set_blocked(node->region, node->addr, true);
		node->twice = true;
		return true;
	}
	if (tries == MAX_TRIES && !old)
		return false;
	if (!old)
		old = pshare_index_add(index, tree, hash);
	if (!old)
		return false;
	pshare_twins_note(&visit, old);
	return old->was_twice;
}

/**
 * pshare_masked_note() - a page is unique: would it be, with all addresses alike?
 * @region: the region
 * @mm: its address space, with a reference on its users
 * @addr: address of the page; the ledger has it as PSHARE_UNIQUE, and may have it as
 *	  PSHARE_ASLR_BLOCKED afterwards
 * @mask: what pshare_masked_look() said of it
 * @free: it may be merged: the policy does not keep it in a huge page
 *
 * Context: process, may sleep; scan mutex held, no other lock.
 * Return: pages that it was compared with.
 */
unsigned int pshare_masked_note(struct pshare_region *region, struct mm_struct *mm,
				unsigned long addr, const struct pshare_masked_page *mask,
				bool free)
{
	struct guest guest = { .region = region, .addr = addr, .free = free };
	bool blocked;

	lockdep_assert_held(&pshare_scan_mutex);
	guest.page = get_page_at(mm, addr);
	if (!guest.page)
		return 0;
	findings.passing.sampled++;
	blocked = meet(&guest, PSHARE_TREE_MASKED, mask->hash);
	if (!blocked && mask->similar)
		blocked = meet(&guest, PSHARE_TREE_SIMILAR, mask->key);
	put_page(guest.page);
	if (blocked)
		set_blocked(region->id, addr, true);
	return guest.compared;
}
