// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of several NUMA nodes: a shared page lies on the node where its sharers had the page,
 * not where the scanner happens to run.  Judged by move_pages(2), which tells of each page
 * the node.
 *
 * Needs a machine of two nodes; the kernel can pretend to have them (numa=fake=2).
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64
#define SEED	4400

FIXTURE(nodes) {
	bool two;
	int dev;
	struct child child[2];
};

FIXTURE_VARIANT(nodes) {
	int node;
};

FIXTURE_VARIANT_ADD(nodes, first) { .node = 0 };
FIXTURE_VARIANT_ADD(nodes, second) { .node = 1 };

static long bind_to(struct child *self, const long *arg)
{
	unsigned long mask = 1UL << arg[0];

	return syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)) ? -errno : 0;
}

/* Pages of a child that lie on a node. */
static size_t pages_on(struct child *child, int node)
{
	int status[PAGES];
	void *page[PAGES];
	size_t found = 0;

	for (int i = 0; i < PAGES; i++)
		page[i] = child_page(child, i);
	if (syscall(SYS_move_pages, child->pid, PAGES, page, NULL, status, 0))
		lib_die("move_pages: %s", strerror(errno));
	for (int i = 0; i < PAGES; i++)
		found += status[i] == node;
	return found;
}

FIXTURE_SETUP(nodes)
{
	self->two = !access("/sys/devices/system/node/node1", F_OK);
	if (!self->two)
		return;
	self->dev = ps_begin();
	for (int i = 0; i < 2; i++) {
		struct child *child = &self->child[i];

		child_start(child, PAGES, 0);
		ASSERT_EQ(0, child_call(child, bind_to, variant->node));
		child_fill(child, 0, PAGES, SEED, 1);
		ASSERT_EQ(PAGES, pages_on(child, variant->node));
		ASSERT_EQ(0, ps_add(self->dev, child->pid, child->mem, PAGES * PAGE, "one", NULL));
	}
}

FIXTURE_TEARDOWN(nodes)
{
	if (!self->two)
		return;
	for (int i = 0; i < 2; i++)
		child_kill(&self->child[i]);
	close(self->dev);
}

TEST_F(nodes, shared_where_it_was)
{
	struct child *a = &self->child[0], *b = &self->child[1];

	if (!self->two)
		SKIP(return, "a machine of one node");
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	EXPECT_EQ(PAGES, same_frames(a->pid, a->mem, b->pid, b->mem, PAGES));
	EXPECT_EQ(PAGES, shared_frames(a->pid, a->mem, PAGES));
	EXPECT_EQ(PAGES, pages_on(a, variant->node));
	EXPECT_EQ(0, wrong_pages(a->pid, a->mem, PAGES, SEED, 1));

	/* What a writer gets goes by its own policy, as it does everywhere. */
	child_poke(a, 0, 0, 1);
	EXPECT_EQ(PAGES, pages_on(a, variant->node));
	EXPECT_EQ(PAGES, pages_on(b, variant->node));
}

TEST_HARNESS_MAIN
