// SPDX-License-Identifier: GPL-2.0
/* The ledger by brute force: what follows from what is where; see oracle.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/oracle.h"
#include "lib/oracle_judge.h"

#define BLOCK_PAGES	(HUGE_PAGE / PAGE)

static const unsigned int least[PSHARE_NR_SPLIT_STEPS] = PSHARE_SPLIT_STEPS;
static const unsigned int most[PSHARE_NR_TWIN_BINS] = PSHARE_TWIN_BINS;

/* qsort() passes nothing along. */
static const struct oracle *judged;

/* All pages that take part in sharing, those of one content and then one group together. */
struct list {
	struct oracle_page **page;
	size_t nr;
};

static const char *group_of(const struct oracle_page *page)
{
	return judged->region[page->region].group;
}

static pid_t vm_of(const struct oracle_page *page)
{
	return judged->region[page->region].pid;
}

static struct oracle_block *block_of(struct oracle *oracle, const struct oracle_page *page)
{
	struct oracle_region *region = &oracle->region[page->region];
	uint64_t at = (uintptr_t)region->start + (page - region->page) * PAGE;

	return &region->block[at / HUGE_PAGE - (uintptr_t)region->start / HUGE_PAGE];
}

static uint64_t hash_of(const unsigned char *content)
{
	const uint64_t *words = (const uint64_t *)content;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < PAGE / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9fb21c651e98df25ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

static int compare_pages(const void *first, const void *second)
{
	const struct oracle_page *a = *(struct oracle_page *const *)first;
	const struct oracle_page *b = *(struct oracle_page *const *)second;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return strcmp(group_of(a), group_of(b));
}

static bool same_content(const struct oracle_page *a, const struct oracle_page *b)
{
	return a->hash == b->hash;
}

static bool same_group(const struct oracle_page *a, const struct oracle_page *b)
{
	return same_content(a, b) && !strcmp(group_of(a), group_of(b));
}

/* Pages from @first on that are the same in the sense of @same. */
static size_t run_length(const struct list *list, size_t first,
			 bool (*same)(const struct oracle_page *, const struct oracle_page *))
{
	size_t n = 1;

	while (first + n < list->nr && same(list->page[first], list->page[first + n]))
		n++;
	return n;
}

/* A pin shows when somebody tries to merge the page. */
static bool is_pinned(const struct oracle *oracle, const struct oracle_page *page)
{
	return page->known & ORACLE_PINNED && !oracle->dry;
}

static void collect(struct oracle *oracle, struct list *list)
{
	static const unsigned char zeros[PAGE];
	size_t pages = 0;

	for (unsigned int i = 0; i < oracle->nr; i++)
		pages += oracle->region[i].pages;
	list->page = malloc(pages * sizeof(*list->page));
	if (!list->page)
		lib_die("no memory for the oracle");
	list->nr = 0;
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		for (size_t k = 0; k < region->pages; k++) {
			struct oracle_page *page = &region->page[k];

			if (!page->content)
				continue;
			page->hash = hash_of(page->content);
			page->zero = oracle->use_zero && !memcmp(page->content, zeros, PAGE);
			if (is_pinned(oracle, page))
				page->class = PSHARE_INELIGIBLE_PINNED;
			else
				list->page[list->nr++] = page;
		}
	}
	qsort(list->page, list->nr, sizeof(*list->page), compare_pages);
	/* Equal hashes are a reason to look, no more. */
	for (size_t i = 1; i < list->nr; i++)
		if (same_content(list->page[i - 1], list->page[i]) &&
		    memcmp(list->page[i - 1]->content, list->page[i]->content, PAGE))
			lib_die("two contents have one hash: choose another seed");
}

/* Who has a twin in his group, and where?  @n pages of one content and group. */
static void find_twins(struct oracle *oracle, struct oracle_page **page, size_t n)
{
	bool others = false;

	for (size_t i = 1; i < n; i++)
		others |= vm_of(page[i]) != vm_of(page[0]);
	for (size_t i = 0; i < n; i++) {
		page[i]->twin = n > 1 || page[i]->zero;
		page[i]->other = others;
		if (page[i]->twin && page[i]->huge)
			block_of(oracle, page[i])->twins++;
	}
}

/* At which steps may a page be merged? */
static void find_steps(struct oracle *oracle, struct oracle_page *page)
{
	const struct oracle_block *block = block_of(oracle, page);
	const struct oracle_region *region = &oracle->region[page->region];

	page->steps = ~0U;
	if (!page->huge)
		return;
	page->steps = 0;
	for (unsigned int i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		page->steps |= block->twins >= least[i] ? 1U << i : 0;
	if (region->policy == PSHARE_HUGE_ALWAYS ||
	    (region->policy == PSHARE_HUGE_BENEFIT && block->twins >= oracle->split_min))
		page->steps |= 1U << ORACLE_NOW;
}

static bool is_free(const struct oracle_page *page)
{
	return page->merged || page->steps & 1U << ORACLE_NOW;
}

/* Does another VM map the frame?  @n pages of one content and group. */
static bool others_map(struct oracle_page **page, size_t n, const struct oracle_page *one)
{
	for (size_t i = 0; i < n; i++)
		if (page[i]->merged && page[i]->frame == one->frame && vm_of(page[i]) != vm_of(one))
			return true;
	return false;
}

static enum pshare_class classify(struct oracle_page **page, size_t n,
				  const struct oracle_page *one, size_t free)
{
	if (one->merged)
		return others_map(page, n, one) ? PSHARE_MERGED_OTHER : PSHARE_MERGED_SELF;
	if (one->zero)
		return is_free(one) ? PSHARE_DUPLICATE_ZERO : PSHARE_HUGE_ZERO;
	if (!one->twin)
		return PSHARE_UNIQUE;
	/* To merge it takes two. */
	if (is_free(one) && free > 1)
		return one->other ? PSHARE_DUPLICATE_OTHER : PSHARE_DUPLICATE_SELF;
	return one->other ? PSHARE_HUGE_OTHER : PSHARE_HUGE_SELF;
}

/* What @n pages of one content and group would save at each step. */
static void count_savings(struct oracle *oracle, struct oracle_page **page, size_t n)
{
	for (unsigned int step = 0; step <= ORACLE_NOW; step++) {
		size_t allowed = 0;
		bool shared = page[0]->zero;

		for (size_t i = 0; i < n; i++) {
			shared |= page[i]->merged;
			allowed += !page[i]->merged && page[i]->steps & 1U << step;
		}
		oracle->saving[step] += shared || !allowed ? allowed : allowed - 1;
	}
}

/* One content in one group: true if it could be shared with other groups now. */
static bool judge_group(struct oracle *oracle, struct oracle_page **page, size_t n)
{
	size_t free = 0;

	for (size_t i = 0; i < n; i++)
		free += is_free(page[i]);
	for (size_t i = 0; i < n; i++)
		page[i]->class = classify(page, n, page[i], free);
	count_savings(oracle, page, n);
	return free;
}

/* One content, in all groups. */
static void judge_content(struct oracle *oracle, const struct list *list, size_t first, size_t n)
{
	size_t groups = 0, joining = 0, step;

	for (size_t i = first; i < first + n; i += step) {
		step = run_length(list, i, same_group);
		joining += judge_group(oracle, list->page + i, step);
		groups++;
	}
	if (list->page[first]->zero)
		return;
	oracle->grouping += joining ? joining - 1 : 0;
	for (size_t i = first; groups > 1 && i < first + n; i++)
		if (list->page[i]->class == PSHARE_UNIQUE)
			list->page[i]->class = PSHARE_GROUP_BLOCKED;
}

/* ---- blocks ---- */

/*
 * The first page of a block, if all of it lies in the region, is mapped as a whole, and has
 * nothing but twins, not only zeros: it may equal another.
 */
static struct oracle_page *whole_block(struct oracle_region *region, size_t nr)
{
	uint64_t start = ((uintptr_t)region->start / HUGE_PAGE + nr) * HUGE_PAGE;
	size_t first = (start - (uintptr_t)region->start) / PAGE;
	bool zeros = true;

	if (!region->block[nr].huge || region->block[nr].twins < BLOCK_PAGES)
		return NULL;
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		zeros &= region->page[first + i].zero;
	return zeros ? NULL : &region->page[first];
}

/* Does a block of the region's group equal this one? */
static bool equals_another(struct oracle *oracle, const struct oracle_page *block)
{
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		if (strcmp(region->group, group_of(block)))
			continue;
		for (size_t nr = 0; nr < region->blocks; nr++) {
			struct oracle_page *other = whole_block(region, nr);

			if (other && other != block &&
			    !memcmp(other->content, block->content, HUGE_PAGE))
				return true;
		}
	}
	return false;
}

static void judge_blocks(struct oracle *oracle, struct oracle_region *region)
{
	for (size_t nr = 0; nr < region->blocks; nr++) {
		const struct oracle_block *block = &region->block[nr];
		const struct oracle_page *whole;
		unsigned int bin = 0;

		if (!block->huge)
			continue;
		region->blocks_huge++;
		while (block->twins > most[bin])
			bin++;
		region->twins[bin]++;
		for (unsigned int i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
			region->splits[i] += block->twins >= least[i];
		whole = whole_block(region, nr);
		if (whole && equals_another(oracle, whole))
			region->blocks_equal++;
	}
}

/* ---- all together ---- */

static int compare_frames(const void *a, const void *b)
{
	uint64_t x = (*(struct oracle_page *const *)a)->frame;
	uint64_t y = (*(struct oracle_page *const *)b)->frame;

	return x < y ? -1 : x > y;
}

/* What is saved now: pages that map a frame of another's.  No frame crosses a group. */
static void count_saved(struct oracle *oracle, struct list *list)
{
	qsort(list->page, list->nr, sizeof(*list->page), compare_frames);
	for (size_t i = 1; i < list->nr; i++) {
		if (!list->page[i]->merged || list->page[i]->frame != list->page[i - 1]->frame)
			continue;
		oracle->saved++;
		if (strcmp(group_of(list->page[i]), group_of(list->page[i - 1])))
			lib_die("frame %#llx is in two groups",
				(unsigned long long)list->page[i]->frame);
	}
}

static void reset(struct oracle *oracle)
{
	memset(oracle->saving, 0, sizeof(oracle->saving));
	oracle->grouping = 0;
	oracle->saved = 0;
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		memset(region->class, 0, sizeof(region->class));
		memset(region->twins, 0, sizeof(region->twins));
		memset(region->splits, 0, sizeof(region->splits));
		region->blocks_huge = 0;
		region->blocks_equal = 0;
	}
}

void oracle_judge(struct oracle *oracle)
{
	struct list list;
	size_t n;

	judged = oracle;
	reset(oracle);
	collect(oracle, &list);
	for (size_t i = 0; i < list.nr; i += n) {
		n = run_length(&list, i, same_group);
		find_twins(oracle, list.page + i, n);
	}
	for (size_t i = 0; i < list.nr; i++)
		find_steps(oracle, list.page[i]);
	for (size_t i = 0; i < list.nr; i += n) {
		n = run_length(&list, i, same_content);
		judge_content(oracle, &list, i, n);
	}
	count_saved(oracle, &list);
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		judge_blocks(oracle, region);
		for (size_t k = 0; k < region->pages; k++)
			region->class[region->page[k].class]++;
		oracle->saved += region->class[PSHARE_ZERO];
	}
	free(list.page);
}

/* ---- against the module's own ---- */

static unsigned int differs(const struct oracle_region *region, const char *what,
			    const char *detail, uint64_t module, uint64_t ours)
{
	if (module == ours)
		return 0;
	if (region)
		lib_note("region %llu of process %d, policy %d, group %s: %s%s: %llu by the "
			 "module, %llu by brute force", (unsigned long long)region->id, region->pid,
			 region->policy, region->group, what, detail, (unsigned long long)module,
			 (unsigned long long)ours);
	else
		lib_note("all regions: %s%s: %llu by the module, %llu by brute force", what, detail,
			 (unsigned long long)module, (unsigned long long)ours);
	return 1;
}

static const char *number(unsigned int value)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return text;
}

/* Has another VM pages that were replaced by the zero page? */
static bool others_have_zeros(const struct oracle *oracle, const struct oracle_region *region)
{
	for (unsigned int i = 0; i < oracle->nr; i++)
		if (oracle->region[i].pid != region->pid && oracle->region[i].class[PSHARE_ZERO])
			return true;
	return false;
}

static unsigned int compare_region(const struct oracle *oracle,
				   const struct oracle_region *region,
				   const struct pshare_read_ledger *ledger)
{
	unsigned int i, wrong = 0;

	wrong += differs(region, "pages", "", ledger->pages, region->pages);
	wrong += differs(region, "policy", "", ledger->huge_policy, region->policy);
	for (i = 0; i < PSHARE_NR_CLASSES; i++)
		wrong += differs(region, ps_class_names[i], "", ledger->classes[i],
				 region->class[i]);
	wrong += differs(region, "zero_other", "", ledger->zero_other,
			 others_have_zeros(oracle, region) ? region->class[PSHARE_ZERO] : 0);
	wrong += differs(region, "huge blocks", "", ledger->blocks_huge, region->blocks_huge);
	wrong += differs(region, "equal blocks", "", ledger->blocks_equal, region->blocks_equal);
	for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
		wrong += differs(region, "blocks with twins up to ", number(most[i]),
				 ledger->twins[i], region->twins[i]);
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		wrong += differs(region, "blocks to split at ", number(least[i]),
				 ledger->splits[i], region->splits[i]);
	return wrong;
}

unsigned int oracle_compare(struct oracle *oracle, int dev)
{
	uint64_t saving[PSHARE_NR_SPLIT_STEPS + 1] = { 0 }, grouping = 0;
	struct pshare_read_ledger ledger;
	unsigned int i, k, wrong = 0;

	for (i = 0; i < oracle->nr; i++) {
		if (ps_ledger(dev, oracle->region[i].id, &ledger))
			lib_die("a region has gone");
		wrong += compare_region(oracle, &oracle->region[i], &ledger);
		for (k = 0; k < PSHARE_NR_SPLIT_STEPS; k++)
			saving[k] += ledger.splitting[k];
		saving[ORACLE_NOW] += ledger.merging;
		grouping += ledger.grouping;
	}
	for (k = 0; k < PSHARE_NR_SPLIT_STEPS; k++)
		wrong += differs(NULL, "saving by splitting at ", number(least[k]), saving[k],
				 oracle->saving[k]);
	wrong += differs(NULL, "saving by merging", "", saving[ORACLE_NOW],
			 oracle->saving[ORACLE_NOW]);
	wrong += differs(NULL, "saving by grouping", "", grouping, oracle->grouping);
	return wrong;
}
