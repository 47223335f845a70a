// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger against brute force (lib/oracle.h): memory of every kind at once, under each
 * policy, in a dry run and in earnest.  Each figure is equal to the page.
 *
 * PSHARE_LEDGER_SEED repeats the layouts of a run, PSHARE_LEDGER_ROUNDS makes it longer.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "kselftest_harness.h"
#include "lib/layout.h"
#include "lib/oracle.h"

#define VMS		4
#define ROUNDS		3
#define SWAP_BYTES	(64UL << 20)

/* A policy, how it is tried, and what may be split for. */
struct stage {
	bool dry;
	enum pshare_huge_policy policy;
	unsigned int split_min;
};

static const char * const policy_words[] = { "keep", "benefit", "pressure", "always" };

/* In this order: what is merged, or split, stays so. */
static const struct stage stages[] = {
	{ true, PSHARE_HUGE_KEEP, 64 },
	{ true, PSHARE_HUGE_BENEFIT, 64 },
	{ true, PSHARE_HUGE_ALWAYS, 64 },
	{ false, PSHARE_HUGE_KEEP, 64 },
	{ true, PSHARE_HUGE_BENEFIT, 8 },
	{ false, PSHARE_HUGE_BENEFIT, 64 },
	{ false, PSHARE_HUGE_BENEFIT, 8 },
	{ true, PSHARE_HUGE_ALWAYS, 64 },
	{ false, PSHARE_HUGE_ALWAYS, 64 },
};

FIXTURE(ledger) {
	int dev;
	unsigned int round;			/* of writes to volatile pages */
	struct layout *layout[VMS];
	struct child child[VMS];
	struct oracle oracle;
	bool own_policy[ORACLE_REGIONS];
};

FIXTURE_SETUP(ledger)
{
	self->dev = ps_begin();
	/* run=3 has the scanner run by itself, too; passes are ours to ask for. */
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
	layout_stop_khugepaged();
	swap_on(SWAP_BYTES);
	oracle_begin(&self->oracle);
}

FIXTURE_TEARDOWN(ledger)
{
	ps_set("run", 0);
	for (unsigned int i = 0; i < VMS; i++)
		child_kill(&self->child[i]);
	oracle_end(&self->oracle);
	close(self->dev);
	EXPECT_EQ(0, swap_off());
}

/* Registers pages of a VM; @policy below 0: that of the knob. */
static struct oracle_region *add(struct _test_data_ledger *self, unsigned int vm, size_t first,
				 size_t pages, const char *group, int policy)
{
	struct child *child = &self->child[vm];
	char *start = child_page(child, first);
	uint64_t id;
	int err;

	if (policy < 0)
		err = ps_add(self->dev, child->pid, start, pages * PAGE, group, &id);
	else
		err = ps_add_policy(self->dev, child->pid, start, pages * PAGE, group, policy, &id);
	if (err)
		lib_die("cannot add a region: %s", strerror(-err));
	self->own_policy[self->oracle.nr] = policy >= 0;
	return oracle_add(&self->oracle, id, child->pid, start, pages, group,
			  policy < 0 ? PSHARE_HUGE_BENEFIT : policy);
}

/* All regions are known: what cannot be seen from outside. */
static void tell(struct _test_data_ledger *self)
{
	oracle_note_zeros(&self->oracle);
	for (unsigned int i = 0; i < VMS; i++)
		if (self->layout[i])
			layout_tell(self->layout[i], &self->child[i], &self->oracle);
}

static int set_stage(struct _test_data_ledger *self, const struct stage *stage)
{
	self->oracle.dry = stage->dry;
	self->oracle.split_min = stage->split_min;
	for (unsigned int i = 0; i < self->oracle.nr; i++)
		if (!self->own_policy[i])
			self->oracle.region[i].policy = stage->policy;
	return ps_set_text("huge_policy", policy_words[stage->policy]) ?:
	       ps_set("huge_split_min", stage->split_min) ?:
	       ps_set("run", stage->dry ? 3 : 0);
}

/* Until all has settled; then the volatile pages are written, and it goes over them once. */
static int scan(struct _test_data_ledger *self)
{
	int err = ps_scan(self->dev, PASSES + 2);

	self->round++;
	for (unsigned int i = 0; i < VMS; i++)
		if (self->layout[i])
			layout_write(self->layout[i], &self->child[i], self->round);
	return err ?: ps_scan(self->dev, 1);
}

static size_t wrong_bytes(struct _test_data_ledger *self)
{
	size_t wrong = 0;

	for (unsigned int i = 0; i < VMS; i++)
		if (self->layout[i])
			wrong += layout_wrong(self->layout[i], &self->child[i], self->round);
	return wrong;
}

/* ---- what debugfs says ---- */

/* A row of the table that is "KIND ID ..." or "KIND - - NAME ...": its figures. */
static bool find_row(const char *kind, const char *id, const char *name, uint64_t *figures)
{
	static char text[1 << 16];
	char *line, *rest = text, row_kind[16], row_id[16], row_name[80], *at;
	int used;

	file_read("/sys/kernel/debug/pshare/ledger", text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%15s %15s %*s %79s%n", row_kind, row_id, row_name, &used) != 3 ||
		    strcmp(row_kind, kind) || strcmp(row_id, id) ||
		    (*name && strcmp(row_name, name)))
			continue;
		at = line + used;
		for (unsigned int i = 0; i <= PSHARE_NR_CLASSES; i++)
			figures[i] = strtoull(at, &at, 10);
		return !*at;
	}
	return false;
}

/* The size of the regions, and their pages in each class; of one group, or all of them. */
static void sum_up(const struct oracle *oracle, const char *group, uint64_t *figures)
{
	memset(figures, 0, (PSHARE_NR_CLASSES + 1) * sizeof(*figures));
	for (unsigned int i = 0; i < oracle->nr; i++) {
		const struct oracle_region *region = &oracle->region[i];

		if (group && strcmp(region->group, group))
			continue;
		figures[0] += region->pages;
		for (unsigned int k = 0; k < PSHARE_NR_CLASSES; k++)
			figures[k + 1] += region->class[k];
	}
}

/* Rows of debugfs that are not what brute force found. */
static unsigned int wrong_rows(const struct oracle *oracle)
{
	uint64_t module[PSHARE_NR_CLASSES + 1], ours[PSHARE_NR_CLASSES + 1];
	unsigned int wrong = 0;
	char id[16];

	for (unsigned int i = 0; i < oracle->nr; i++) {
		const struct oracle_region *region = &oracle->region[i];

		snprintf(id, sizeof(id), "%llu", (unsigned long long)region->id);
		ours[0] = region->pages;
		memcpy(ours + 1, region->class, sizeof(region->class));
		wrong += !find_row("region", id, "", module) || memcmp(module, ours, sizeof(ours));
		if (*region->group == '/')
			continue;
		sum_up(oracle, region->group, ours);
		wrong += !find_row("group", "-", region->group, module) ||
			 memcmp(module, ours, sizeof(ours));
	}
	sum_up(oracle, NULL, ours);
	return wrong + (!find_row("total", "-", "-", module) ||
			memcmp(module, ours, sizeof(ours)));
}

/* All that is there to be compared, after a stage. */
static void compare(struct __test_metadata *_metadata, struct _test_data_ledger *self,
		    const struct stage *stage)
{
	ASSERT_EQ(0, set_stage(self, stage));
	ASSERT_EQ(0, scan(self));
	oracle_look(&self->oracle);
	ASSERT_EQ(0, oracle_compare(&self->oracle, self->dev)) {
		TH_LOG("%s, %s, for %u twins", stage->dry ? "dry" : "in earnest",
		       policy_words[stage->policy], stage->split_min);
	}
	ASSERT_EQ(0, wrong_rows(&self->oracle));
	EXPECT_EQ(self->oracle.saved, ps_get("pages_sharing") + ps_get("ksm_zero_pages"));
}

/* ---- one of each ---- */

#define POPULAR	5	/* a content that many have */
#define UNIQUE	(1ULL << 32)

/* Small pages of every kind, from page 0 on; the numbers are in the test. */
static void lay_kinds(struct layout *layout)
{
	static const struct {
		enum layout_kind kind;
		size_t pages;
	} kinds[] = {
		{ LAYOUT_UNTOUCHED, 7 }, { LAYOUT_READ, 6 }, { LAYOUT_DROPPED, 5 },
		{ LAYOUT_HOLE, 4 }, { LAYOUT_NONE, 3 }, { LAYOUT_LOCKED, 2 }, { LAYOUT_SWAP, 9 },
		{ LAYOUT_FILE, 8 }, { LAYOUT_PRIVATE_FILE, 1 }, { LAYOUT_PIN, 10 },
		{ LAYOUT_DMA, 13 }, { LAYOUT_VOLATILE, 11 }, { LAYOUT_READ_ONLY, 12 },
	};
	size_t at = 0;

	layout_fill(layout, 0, BLOCK_PAGES, UNIQUE, 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		/* But for the kind they would be merged. */
		if (kinds[i].kind != LAYOUT_VOLATILE)
			layout_fill(layout, at, kinds[i].pages, POPULAR, 0);
		layout_set(layout, at, kinds[i].pages, kinds[i].kind);
		at += kinds[i].pages;
	}
	layout_fill(layout, 100, 20, POPULAR, 0);
	layout_fill(layout, 120, 30, 0, 0);
	layout_fill(layout, 150, 40, 1000, 1);
}

/*
 * Four VMs; the first has a bit of everything, the second twins of it in the same group, the
 * third in another, the fourth huge pages in the same.
 */
static void lay_one_of_each(struct _test_data_ledger *self)
{
	for (unsigned int i = 0; i < VMS; i++)
		self->layout[i] = layout_new(2);
	lay_kinds(self->layout[0]);
	self->layout[0]->block[1] = LAYOUT_HUGETLB;
	layout_fill(self->layout[0], BLOCK_PAGES, BLOCK_PAGES, POPULAR, 0);

	layout_fill(self->layout[1], 0, BLOCK_PAGES, UNIQUE + 1000, 1);
	layout_fill(self->layout[1], 10, 25, 1000, 1);
	layout_fill(self->layout[2], 0, BLOCK_PAGES, UNIQUE + 2000, 1);
	layout_fill(self->layout[2], 10, 40, 1000, 1);
	layout_fill(self->layout[2], 100, 5, 0, 0);

	self->layout[3]->block[0] = LAYOUT_HUGE;
	layout_fill(self->layout[3], 0, BLOCK_PAGES, UNIQUE + 3000, 1);
	layout_fill(self->layout[3], 200, 7, POPULAR, 0);
	layout_fill(self->layout[3], 300, 6, 0, 0);
	layout_fill(self->layout[3], 400, 5, 2000, 0);
	for (unsigned int i = 0; i < VMS; i++)
		layout_start(self->layout[i], &self->child[i]);
}

TEST_F_TIMEOUT(ledger, one_of_each, 300)
{
	static const struct stage keep = { false, PSHARE_HUGE_KEEP, 64 };
	const size_t pages = 2 * BLOCK_PAGES;
	struct oracle_region *region[VMS];

	lay_one_of_each(self);
	region[0] = add(self, 0, 0, pages, "a", -1);
	region[1] = add(self, 1, 0, pages, "a", -1);
	region[2] = add(self, 2, 0, pages, "b", -1);
	region[3] = add(self, 3, 0, pages, "a", -1);
	tell(self);
	compare(_metadata, self, &keep);

	/* The oracle is right, too: these numbers are those of the layout. */
	EXPECT_EQ(7 + 6 + 5 + 4, region[0]->class[PSHARE_UNPOPULATED]);
	EXPECT_EQ(9, region[0]->class[PSHARE_SWAPPED]);
	EXPECT_EQ(8 + 1, region[0]->class[PSHARE_INELIGIBLE_SHARED]);
	EXPECT_EQ(512, region[0]->class[PSHARE_INELIGIBLE_HUGETLB]);
	EXPECT_EQ(10 + 13, region[0]->class[PSHARE_INELIGIBLE_PINNED]);
	EXPECT_EQ(3 + 2, region[0]->class[PSHARE_INELIGIBLE_OTHER]);
	EXPECT_EQ(30, region[0]->class[PSHARE_ZERO]);
	EXPECT_EQ(20 + 12, region[0]->class[PSHARE_MERGED_SELF]);
	EXPECT_EQ(25, region[0]->class[PSHARE_MERGED_OTHER]);
	EXPECT_EQ(15, region[0]->class[PSHARE_GROUP_BLOCKED]);
	EXPECT_EQ(11, region[0]->class[PSHARE_VOLATILE]);
	EXPECT_EQ(40, region[2]->class[PSHARE_GROUP_BLOCKED]);
	EXPECT_EQ(5, region[2]->class[PSHARE_ZERO]);
	EXPECT_EQ(7, region[3]->class[PSHARE_HUGE_OTHER]);
	EXPECT_EQ(6, region[3]->class[PSHARE_HUGE_ZERO]);
	EXPECT_EQ(5, region[3]->class[PSHARE_HUGE_SELF]);
	EXPECT_EQ(512 - 18, region[3]->class[PSHARE_UNIQUE]);
	EXPECT_EQ(1, region[3]->blocks_huge);
	EXPECT_EQ(40, self->oracle.grouping);
	EXPECT_EQ(0, wrong_bytes(self));
}

/*
 * Two regions that have a huge page in common; the second keeps it, the first splits it.  Later
 * kernels then map the zero page in both.
 */
TEST_F_TIMEOUT(ledger, huge_page_of_two_regions, 200)
{
	static const struct stage keep = { false, PSHARE_HUGE_KEEP, 64 };
	struct child *child = &self->child[0];

	self->layout[0] = layout_new(1);
	self->layout[0]->block[0] = LAYOUT_HUGE;
	layout_fill(self->layout[0], 0, BLOCK_PAGES, UNIQUE, 1);
	layout_fill(self->layout[0], 10, 20, POPULAR, 0);
	layout_fill(self->layout[0], 290, 40, 0, 0);
	layout_start(self->layout[0], child);
	add(self, 0, 0, 300, "a", PSHARE_HUGE_ALWAYS);
	add(self, 0, 300, BLOCK_PAGES - 300, "b", -1);
	tell(self);
	compare(_metadata, self, &keep);
	EXPECT_EQ(20, self->oracle.region[0].class[PSHARE_MERGED_SELF]);
	EXPECT_EQ(40, zero_frames(child->pid, child->mem, BLOCK_PAGES));
	EXPECT_EQ(30, self->oracle.region[1].class[PSHARE_ZERO]);
	EXPECT_EQ(0, wrong_bytes(self));
	/* Each is given its own when it is asked for. */
	ASSERT_EQ(0, ps_remove(self->dev, self->oracle.region[1].id));
	EXPECT_EQ(10, zero_frames(child->pid, child->mem, BLOCK_PAGES));
	EXPECT_EQ(0, wrong_bytes(self));
}

/*
 * A huge page in three mappings is one to the kernel all the same.  When it is split for a
 * twin in the first, later kernels map the zero page in the third.
 */
TEST_F_TIMEOUT(ledger, huge_page_of_several_mappings, 200)
{
	static const struct stage keep = { false, PSHARE_HUGE_KEEP, 64 };
	struct child *child = &self->child[0];

	self->layout[0] = layout_new(1);
	self->layout[0]->block[0] = LAYOUT_HUGE;
	layout_fill(self->layout[0], 0, BLOCK_PAGES, UNIQUE, 1);
	layout_fill(self->layout[0], 10, 20, POPULAR, 0);
	layout_set(self->layout[0], 200, 1, LAYOUT_READ_ONLY);
	layout_fill(self->layout[0], 290, 40, 0, 0);
	layout_start(self->layout[0], child);
	add(self, 0, 0, BLOCK_PAGES, "a", -1);
	tell(self);
	compare(_metadata, self, &keep);
	EXPECT_EQ(20, self->oracle.region[0].class[PSHARE_MERGED_SELF]);
	EXPECT_EQ(40, self->oracle.region[0].class[PSHARE_ZERO]);
	EXPECT_EQ(0, wrong_bytes(self));
	ASSERT_EQ(0, ps_remove(self->dev, self->oracle.region[0].id));
	EXPECT_EQ(0, zero_frames(child->pid, child->mem, BLOCK_PAGES));
	EXPECT_EQ(0, wrong_bytes(self));
}

/*
 * Who is read as a whole leaves traces in caches.  So a page that nobody in its group has must
 * not be read because another group has it: unless the administrator asks.
 */
TEST_F_TIMEOUT(ledger, other_groups_are_not_looked_for, 200)
{
	static const unsigned int blocked[] = { 0, 40, 0 };
	struct pshare_read_ledger ledger = { .size = sizeof(ledger) };
	long long bytes[ARRAY_SIZE(blocked)];
	uint64_t id;

	for (unsigned int vm = 0; vm < 2; vm++) {
		self->layout[vm] = layout_new(1);
		layout_fill(self->layout[vm], 0, BLOCK_PAGES, UNIQUE + vm * BLOCK_PAGES, 1);
		layout_fill(self->layout[vm], 100, 40, POPULAR, 1);
		layout_start(self->layout[vm], &self->child[vm]);
	}
	id = add(self, 0, 0, BLOCK_PAGES, "a", -1)->id;
	add(self, 1, 0, BLOCK_PAGES, "b", -1);
	for (unsigned int i = 0; i < ARRAY_SIZE(blocked); i++) {
		ASSERT_EQ(0, ps_set("compare_groups", blocked[i] ? 1 : 0));
		ASSERT_EQ(0, ps_scan(self->dev, 4));
		ASSERT_EQ(0, ps_ledger(self->dev, id, &ledger));
		EXPECT_EQ(blocked[i], ledger.classes[PSHARE_GROUP_BLOCKED]);
		EXPECT_EQ(BLOCK_PAGES - blocked[i], ledger.classes[PSHARE_UNIQUE]);
		bytes[i] = ps_get("metadata_bytes");
	}
	/* Who was read has a node of the index. */
	EXPECT_EQ(bytes[0], bytes[2]);
	EXPECT_LE(bytes[0] + 2 * 40 * 32, bytes[1]);
}

/* ---- layouts at random ---- */

static uint64_t random_state, unique_seed;

static uint64_t below(uint64_t n)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* Some that everybody has, some that only this VM has, zeros; some of them often. */
static uint64_t random_content(unsigned int vm)
{
	switch (below(6)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return 10000 * (vm + 1) + below(below(100) + 1);
	default:
		return 1 + below(below(800) + 1);
	}
}

/* A few pages of a block are of some other kind. */
static void random_kinds(struct layout *layout, size_t first, bool huge)
{
	for (unsigned int n = below(8); n; n--) {
		enum layout_kind kind = below(LAYOUT_KINDS);
		size_t at = first + below(BLOCK_PAGES), pages = 1 + below(6);

		if (at + pages > first + BLOCK_PAGES)
			continue;
		/* Most of these would break up a huge page, or cannot be in one. */
		if (huge && kind != LAYOUT_VOLATILE && below(12))
			continue;
		if (huge && kind != LAYOUT_DROPPED && kind != LAYOUT_READ_ONLY &&
		    kind != LAYOUT_VOLATILE)
			continue;
		for (size_t i = at; i < at + pages; i++) {
			layout->page[i].kind = kind;
			if (kind == LAYOUT_VOLATILE)
				layout->page[i].seed = unique_seed++;
			if (kind == LAYOUT_PIN)
				layout->page[i].seed = 0;
		}
	}
}

static void random_block(struct _test_data_ledger *self, unsigned int vm, size_t nr)
{
	static const unsigned int densities[] = { 0, 1, 3, 9, 40, 64, 100, 300, 512 };
	struct layout *layout = self->layout[vm], *from = self->layout[below(vm + 1)];
	unsigned int density = densities[below(ARRAY_SIZE(densities))];
	size_t first = nr * BLOCK_PAGES, other = below(from->blocks) * BLOCK_PAGES;

	layout->block[nr] = below(3) ? LAYOUT_HUGE : LAYOUT_SMALL;
	if (!below(8)) {
		/* As another is. */
		for (size_t i = 0; i < BLOCK_PAGES; i++)
			layout_fill(layout, first + i, 1,
				    from->page[other + i].kind == LAYOUT_VOLATILE ? unique_seed++ :
				    from->page[other + i].seed, 0);
		return;
	}
	if (!below(12)) {
		layout_fill(layout, first, BLOCK_PAGES, 0, 0);
		return;
	}
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		layout_fill(layout, first + i, 1,
			    below(BLOCK_PAGES) < density ? random_content(vm) : unique_seed++, 0);
	random_kinds(layout, first, layout->block[nr] == LAYOUT_HUGE);
}

/* Regions that need not begin or end where blocks do. */
static void random_regions(struct _test_data_ledger *self, unsigned int vm)
{
	static const char * const groups[] = { "red", "red", "red", "blue", NULL };
	size_t pages = self->layout[vm]->blocks * BLOCK_PAGES, from = 0, to;

	while (from < pages) {
		to = below(2) ? pages : from + 1 + below(pages - from);
		add(self, vm, from, to - from, groups[below(ARRAY_SIZE(groups))],
		    below(3) ? -1 : (int)below(PSHARE_NR_HUGE_POLICIES));
		from = to + (below(3) ? 0 : below(100));
	}
}

static void random_layout(struct _test_data_ledger *self)
{
	for (unsigned int vm = 0; vm < VMS; vm++) {
		self->layout[vm] = layout_new(2 + below(4));
		for (size_t nr = 0; nr < self->layout[vm]->blocks; nr++)
			random_block(self, vm, nr);
		layout_start(self->layout[vm], &self->child[vm]);
		random_regions(self, vm);
	}
}

static void end_layout(struct _test_data_ledger *self)
{
	for (unsigned int vm = 0; vm < VMS; vm++) {
		child_kill(&self->child[vm]);
		layout_free(self->layout[vm]);
		self->layout[vm] = NULL;
	}
	oracle_end(&self->oracle);
}

static bool no_regions(void *dev)
{
	return !ps_regions(*(int *)dev);
}

TEST_F_TIMEOUT(ledger, random_layouts, 1500)
{
	uint64_t seed, rounds = number_from("PSHARE_LEDGER_ROUNDS", ROUNDS);

	ASSERT_EQ(sizeof(seed), getrandom(&seed, sizeof(seed), 0));
	seed = number_from("PSHARE_LEDGER_SEED", seed >> 32);
	unique_seed = UNIQUE;
	for (uint64_t round = 0; round < rounds; round++) {
		random_state = seed + round;
		lib_note("PSHARE_LEDGER_SEED=%#llx", (unsigned long long)random_state);
		random_layout(self);
		tell(self);
		for (unsigned int i = 0; i < ARRAY_SIZE(stages); i++)
			compare(_metadata, self, &stages[i]);
		EXPECT_EQ(0, wrong_bytes(self));
		end_layout(self);
		ASSERT_TRUE(lib_wait(no_regions, &self->dev, 5000));
		ASSERT_TRUE(ps_nothing_shared());
	}
}

TEST_HARNESS_MAIN
