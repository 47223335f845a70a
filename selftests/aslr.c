// SPDX-License-Identifier: GPL-2.0
/* Pages that only the addresses in them keep apart: counted exactly, and no others. */
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64
#define EACH	8		/* pages of one kind */
#define WORDS	5		/* addresses in a page */
#define SEED	5000

/* Kinds of addresses, and a distance by which randomisation can move each. */
static const struct kind {
	const char *name;
	uint64_t address, slide;
} kinds[] = {
	{ "text", 0xffffffff81234560, 0x3000000 },
	{ "module", 0xffffffffc0345678, 0x27000 },
	{ "kernel", 0xffff888012345678, 0x2c0000000 },
	{ "pie", 0x000055d012345678, 0x1234567000 },
	{ "mmap", 0x00007f1212345678, 0x2345678000 },
	{ "heap", 0x0000000001234568, 0x1a5000 },
};

#define NR_KINDS	(sizeof(kinds) / sizeof(*kinds))

FIXTURE(aslr) {
	int dev;
	struct child a, b;
	uint64_t region_a, region_b;
};

FIXTURE_SETUP(aslr)
{
	self->dev = ps_begin();
	ASSERT_EQ(0, ps_set("aslr_sample", 100));
	child_start(&self->a, PAGES, 0);
	child_start(&self->b, PAGES, 0);
}

FIXTURE_TEARDOWN(aslr)
{
	child_kill(&self->a);
	child_kill(&self->b);
	ps_set("aslr_sample", 0);
	close(self->dev);
}

/* Page @arg[0] gets the content @arg[1], and addresses from @arg[2] on, @arg[3] apart. */
static long do_write(struct child *self, const long *arg)
{
	uint64_t *word = (uint64_t *)child_page(self, arg[0]);

	page_fill(word, arg[1]);
	for (int i = 0; i < WORDS; i++)
		word[64 * (i + 1)] = arg[2] + i * arg[3];
	return 0;
}

static void write_page(struct child *child, size_t page, uint64_t seed, uint64_t address)
{
	child_call(child, do_write, page, seed, address, 8);
}

static void add_both(struct __test_metadata *_metadata, FIXTURE_DATA(aslr) *self)
{
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, self->a.mem, PAGES * PAGE, "aslr",
			    &self->region_a));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, self->b.mem, PAGES * PAGE, "aslr",
			    &self->region_b));
}

static uint64_t blocked(int dev, uint64_t id)
{
	struct pshare_read_ledger ledger;

	return ps_ledger(dev, id, &ledger) ? ~0ULL : ledger.classes[PSHARE_ASLR_BLOCKED];
}

static uint64_t saving(int dev, uint64_t id)
{
	struct pshare_read_ledger ledger;

	return ps_ledger(dev, id, &ledger) ? ~0ULL : ledger.aslr;
}

static void each_kind(struct __test_metadata *_metadata, FIXTURE_DATA(aslr) *self,
		      const struct kind *kind)
{
	lib_note("addresses: %s", kind->name);
	for (size_t i = 0; i < EACH; i++) {
		write_page(&self->a, i, SEED + i, kind->address);
		write_page(&self->b, i + 7, SEED + i, kind->address + kind->slide);
	}
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(EACH, blocked(self->dev, self->region_a));
	EXPECT_EQ(EACH, blocked(self->dev, self->region_b));
	EXPECT_EQ(EACH, saving(self->dev, self->region_a) + saving(self->dev, self->region_b));
	EXPECT_EQ(EACH, ps_figure("aslr", "blocked_across"));
	EXPECT_EQ(0, ps_figure("aslr", "blocked_within"));
	EXPECT_EQ(0, ps_figure("aslr", "refused"));
	/* The first figure behind a class is its pages. */
	EXPECT_EQ(EACH, ps_figure("aslr", kind->name));
	ASSERT_EQ(0, child_madvise(&self->a, 0, PAGES, MADV_DONTNEED));
	ASSERT_EQ(0, child_madvise(&self->b, 0, PAGES, MADV_DONTNEED));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, blocked(self->dev, self->region_a));
}

TEST_F(aslr, every_kind_of_address)
{
	add_both(_metadata, self);
	for (size_t i = 0; i < NR_KINDS; i++)
		each_kind(_metadata, self, &kinds[i]);
}

/* A process with itself, and three that belong together. */
TEST_F(aslr, within_and_three)
{
	const struct kind *mmap = &kinds[4];

	write_page(&self->a, 1, SEED, mmap->address);
	write_page(&self->a, 9, SEED, mmap->address + mmap->slide);
	write_page(&self->a, 2, SEED + 1, mmap->address);
	write_page(&self->a, 8, SEED + 1, mmap->address + mmap->slide);
	write_page(&self->b, 3, SEED + 1, mmap->address + 2 * mmap->slide);
	add_both(_metadata, self);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(4, blocked(self->dev, self->region_a));
	EXPECT_EQ(1, blocked(self->dev, self->region_b));
	EXPECT_EQ(3, saving(self->dev, self->region_a) + saving(self->dev, self->region_b));
	EXPECT_EQ(2, ps_figure("aslr", "blocked_within"));
	EXPECT_EQ(1, ps_figure("aslr", "blocked_across"));
	/* Who writes leaves the others. */
	child_fill(&self->a, 9, 1, 99, 0);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(2, blocked(self->dev, self->region_a));
	EXPECT_EQ(1, blocked(self->dev, self->region_b));
}

/* What only looks alike, and what is the same, is not blocked by addresses. */
TEST_F(aslr, others_are_not)
{
	const struct kind *text = &kinds[0], *pie = &kinds[3], *mmap = &kinds[4];

	/* No slide that randomisation makes. */
	write_page(&self->a, 0, SEED, mmap->address);
	write_page(&self->b, 0, SEED, mmap->address + mmap->slide + 8);
	write_page(&self->a, 1, SEED + 1, text->address);
	write_page(&self->b, 1, SEED + 1, text->address + 0x1000);
	/* A byte more is different. */
	write_page(&self->a, 2, SEED + 2, mmap->address);
	write_page(&self->b, 2, SEED + 2, mmap->address + mmap->slide);
	child_poke(&self->b, 2, 4000, 0x5a);
	/* One distance for each of them is more than randomisation makes. */
	write_page(&self->a, 4, SEED + 4, pie->address);
	child_call(&self->b, do_write, 4, SEED + 4, pie->address, 8 + pie->slide);
	/* The same. */
	write_page(&self->a, 3, SEED + 3, mmap->address);
	write_page(&self->b, 3, SEED + 3, mmap->address);
	add_both(_metadata, self);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, blocked(self->dev, self->region_a));
	EXPECT_EQ(0, blocked(self->dev, self->region_b));
	EXPECT_EQ(0, saving(self->dev, self->region_a) + saving(self->dev, self->region_b));
	EXPECT_EQ(1, ps_figure("aslr", "refused"));
	EXPECT_EQ(1, same_frames(self->a.pid, child_page(&self->a, 3), self->b.pid,
				 child_page(&self->b, 3), 1));
}

TEST_F(aslr, off_and_on)
{
	const struct kind *pie = &kinds[3];

	for (size_t i = 0; i < EACH; i++) {
		write_page(&self->a, i, SEED + i, pie->address);
		write_page(&self->b, i, SEED + i, pie->address + pie->slide);
	}
	ASSERT_EQ(0, ps_set("aslr_sample", 0));
	add_both(_metadata, self);
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, blocked(self->dev, self->region_a));
	EXPECT_EQ(0, ps_figure("aslr", "pages_sampled"));
	ASSERT_EQ(0, ps_set("aslr_sample", 100));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(EACH, blocked(self->dev, self->region_a));
	ASSERT_EQ(0, ps_set("aslr_sample", 0));
	ASSERT_EQ(0, ps_scan(self->dev, 2));
	EXPECT_EQ(0, blocked(self->dev, self->region_a));
	EXPECT_EQ(0, blocked(self->dev, self->region_b));
}

/* Nothing crosses a group, not even in a statistic. */
TEST_F(aslr, groups_are_apart)
{
	const struct kind *pie = &kinds[3];

	write_page(&self->a, 0, SEED, pie->address);
	write_page(&self->b, 0, SEED, pie->address + pie->slide);
	ASSERT_EQ(0, ps_add(self->dev, self->a.pid, self->a.mem, PAGES * PAGE, "one",
			    &self->region_a));
	ASSERT_EQ(0, ps_add(self->dev, self->b.pid, self->b.mem, PAGES * PAGE, NULL,
			    &self->region_b));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(0, blocked(self->dev, self->region_a));
	EXPECT_EQ(0, blocked(self->dev, self->region_b));
}

TEST_HARNESS_MAIN
