// SPDX-License-Identifier: GPL-2.0
/*
 * Nobody reads a byte that somebody else wrote: writes to shared pages, by every
 * way that leads to them, in both directions, and across fork.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PAGES	64

FIXTURE(isolate) {
	struct pair pair;
	struct child *a, *b;
};

FIXTURE_SETUP(isolate)
{
	self->a = &self->pair.a;
	self->b = &self->pair.b;
	pair_start(&self->pair, PAGES, 0);
}

FIXTURE_TEARDOWN(isolate)
{
	pair_stop(&self->pair);
}

/* Pages that read other than they should: those of @first, with @byte at @offset. */
static size_t wrong_bytes(struct child *child, size_t first, size_t step, size_t offset,
			  unsigned char byte)
{
	unsigned char page[PAGE], expected[PAGE];
	size_t wrong = 0;

	for (size_t i = first; i < child->pages; i += step) {
		page_fill(expected, PAIR_SEED + i);
		expected[offset] = byte;
		if (peek(child->pid, child_page(child, i), page, PAGE) ||
		    memcmp(page, expected, PAGE))
			wrong++;
	}
	return wrong;
}

/* Pages that do not hold what pair_start() put in. */
static size_t wrong_untouched(struct child *child, size_t first, size_t step)
{
	size_t wrong = 0;

	for (size_t i = first; i < child->pages; i += step)
		wrong += wrong_pages(child->pid, child_page(child, i), 1, PAIR_SEED + i, 0);
	return wrong;
}

TEST_F(isolate, writes_in_both_directions)
{
	pair_merge(&self->pair);
	for (size_t i = 0; i < PAGES; i += 4)
		child_poke(self->a, i, 11, 'a');
	EXPECT_EQ(PAGES * 3 / 4, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->b));
	for (size_t i = 1; i < PAGES; i += 4)
		child_poke(self->b, i, PAGE - 1, 'b');
	EXPECT_EQ(PAGES / 2, pair_same(&self->pair));

	EXPECT_EQ(PAGES / 4, wrong_untouched(self->a, 0, 1));
	EXPECT_EQ(0, wrong_bytes(self->a, 0, 4, 11, 'a'));
	EXPECT_EQ(0, wrong_bytes(self->b, 1, 4, PAGE - 1, 'b'));
	EXPECT_EQ(0, wrong_untouched(self->b, 0, 4));
	EXPECT_EQ(0, wrong_untouched(self->b, 2, 4));
	EXPECT_EQ(0, wrong_untouched(self->a, 1, 4));
	EXPECT_EQ(0, wrong_untouched(self->a, 2, 4));
	EXPECT_EQ(0, wrong_untouched(self->a, 3, 4));
}

/* All in one page table, between two processes, again and again. */
TEST_F(isolate, write_and_merge_again)
{
	for (int round = 0; round < 6; round++) {
		struct child *writer = round % 2 ? self->a : self->b;
		struct child *other = round % 2 ? self->b : self->a;

		pair_merge(&self->pair);
		for (size_t i = 0; i < PAGES; i++)
			child_poke(writer, i, 500, round);
		EXPECT_EQ(0, pair_same(&self->pair));
		EXPECT_EQ(0, pair_wrong(other));
		EXPECT_EQ(0, wrong_bytes(writer, 0, 1, 500, round));
		child_fill(writer, 0, PAGES, PAIR_SEED, 1);
	}
}

TEST_F(isolate, child_forked_after_the_merge)
{
	struct child fork;

	pair_merge(&self->pair);
	child_fork(self->a, &fork);
	for (size_t i = 0; i < PAGES; i += 4)
		child_poke(&fork, i, 40, 'f');
	for (size_t i = 1; i < PAGES; i += 4)
		child_poke(self->a, i, 40, 'a');
	for (size_t i = 2; i < PAGES; i += 4)
		child_poke(self->b, i, 40, 'b');
	EXPECT_EQ(0, wrong_bytes(&fork, 0, 4, 40, 'f'));
	EXPECT_EQ(0, wrong_untouched(&fork, 1, 4));
	EXPECT_EQ(0, wrong_untouched(&fork, 2, 4));
	EXPECT_EQ(0, wrong_untouched(&fork, 3, 4));
	EXPECT_EQ(0, wrong_bytes(self->a, 1, 4, 40, 'a'));
	EXPECT_EQ(0, wrong_untouched(self->a, 0, 4));
	EXPECT_EQ(0, wrong_untouched(self->a, 2, 4));
	EXPECT_EQ(0, wrong_bytes(self->b, 2, 4, 40, 'b'));
	EXPECT_EQ(0, wrong_untouched(self->b, 0, 4));
	EXPECT_EQ(0, wrong_untouched(self->b, 1, 4));
	child_kill(&fork);
}

/* Pages that fork shares already, copy on write, when the scanner comes to them. */
TEST_F(isolate, child_forked_before_the_merge)
{
	struct child fork;

	child_fork(self->a, &fork);
	pair_merge(&self->pair);
	EXPECT_EQ(0, pair_wrong(&fork));
	for (size_t i = 0; i < PAGES; i += 2)
		child_poke(&fork, i, 40, 'f');
	for (size_t i = 1; i < PAGES; i += 2)
		child_poke(self->a, i, 40, 'a');
	EXPECT_EQ(0, wrong_bytes(&fork, 0, 2, 40, 'f'));
	EXPECT_EQ(0, wrong_untouched(&fork, 1, 2));
	EXPECT_EQ(0, wrong_bytes(self->a, 1, 2, 40, 'a'));
	EXPECT_EQ(0, wrong_untouched(self->a, 0, 2));
	EXPECT_EQ(0, pair_wrong(self->b));
	child_kill(&fork);
}

TEST_F(isolate, parent_and_child_both_registered)
{
	struct child fork;

	child_fork(self->a, &fork);
	ASSERT_EQ(0, ps_add(self->pair.dev, fork.pid, fork.mem, PAGES * PAGE, "pair", NULL));
	pair_merge(&self->pair);
	EXPECT_EQ(PAGES, same_frames(fork.pid, fork.mem, self->b->pid, self->b->mem, PAGES));
	for (size_t i = 0; i < PAGES; i++)
		child_poke(&fork, i, 0, 'f');
	EXPECT_EQ(0, wrong_bytes(&fork, 0, 1, 0, 'f'));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(PAGES, pair_same(&self->pair));
	child_kill(&fork);
}

TEST_F(isolate, zero_pages)
{
	struct child fork;

	child_fill(self->a, 0, PAGES, 0, 0);
	child_fill(self->b, 0, PAGES, 0, 0);
	ASSERT_EQ(0, ps_scan(self->pair.dev, PASSES));
	ASSERT_EQ(PAGES, zero_frames(self->a->pid, self->a->mem, PAGES));
	child_fork(self->a, &fork);
	child_fill(self->a, 0, 16, 5, 1);
	child_fill(&fork, 16, 16, 6, 1);
	child_fill(self->b, 32, 16, 7, 1);
	EXPECT_EQ(0, wrong_pages(self->a->pid, self->a->mem, 16, 5, 1));
	EXPECT_EQ(0, wrong_pages(self->a->pid, child_page(self->a, 16), 48, 0, 0));
	EXPECT_EQ(0, wrong_pages(fork.pid, child_page(&fork, 16), 16, 6, 1));
	EXPECT_EQ(0, wrong_pages(fork.pid, fork.mem, 16, 0, 0));
	EXPECT_EQ(0, wrong_pages(self->b->pid, child_page(self->b, 32), 16, 7, 1));
	EXPECT_EQ(0, wrong_pages(self->b->pid, self->b->mem, 32, 0, 0));
	child_kill(&fork);
}

TEST_F(isolate, ptrace_writes)
{
	long word;

	pair_merge(&self->pair);
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, self->a->pid, NULL, NULL));
	ASSERT_EQ(self->a->pid, waitpid(self->a->pid, NULL, 0));
	for (size_t i = 0; i < PAGES; i += 2) {
		/* One byte of the word becomes another. */
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, self->a->pid, child_page(self->a, i), NULL);
		ASSERT_EQ(0, errno);
		word = (word & ~0xffL) | 'p';
		ASSERT_EQ(0, ptrace(PTRACE_POKEDATA, self->a->pid, child_page(self->a, i), word));
	}
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->a->pid, NULL, NULL));
	EXPECT_EQ(0, wrong_bytes(self->a, 0, 2, 0, 'p'));
	EXPECT_EQ(0, wrong_untouched(self->a, 1, 2));
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(PAGES / 2, pair_same(&self->pair));
}

/* As a debugger sets breakpoints: into memory that the process itself can't write. */
TEST_F(isolate, ptrace_writes_to_read_only_memory)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_mprotect(self->a, 0, PAGES, PROT_READ));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, self->a->pid, NULL, NULL));
	ASSERT_EQ(self->a->pid, waitpid(self->a->pid, NULL, 0));
	for (size_t i = 0; i < PAGES; i++)
		ASSERT_EQ(0, ptrace(PTRACE_POKEDATA, self->a->pid, child_page(self->a, i), 0L));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->a->pid, NULL, NULL));
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(0, pair_same(&self->pair));
	for (size_t i = 0; i < PAGES; i++) {
		unsigned char page[PAGE], expected[PAGE];

		page_fill(expected, PAIR_SEED + i);
		memset(expected, 0, sizeof(long));
		ASSERT_EQ(0, peek(self->a->pid, child_page(self->a, i), page, PAGE));
		EXPECT_EQ(0, memcmp(page, expected, PAGE));
	}
}

TEST_F(isolate, process_vm_writev)
{
	static const char byte = 'w';

	pair_merge(&self->pair);
	for (size_t i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, poke(self->b->pid, child_page(self->b, i) + 9, &byte, 1));
	EXPECT_EQ(0, wrong_bytes(self->b, 0, 2, 9, 'w'));
	EXPECT_EQ(0, wrong_untouched(self->b, 1, 2));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(PAGES / 2, pair_same(&self->pair));
}

/* read(2) into shared pages: here it is the kernel that writes. */
static long do_read_file(struct child *self, const long *arg)
{
	long got, want = self->pages * PAGE;
	int fd = open("/dev/zero", O_RDONLY);

	got = read(fd, self->mem, want);
	close(fd);
	return got != want;
}

TEST_F(isolate, the_kernel_writes)
{
	pair_merge(&self->pair);
	ASSERT_EQ(0, child_call(self->a, do_read_file));
	EXPECT_EQ(0, wrong_pages(self->a->pid, self->a->mem, PAGES, 0, 0));
	EXPECT_EQ(0, pair_wrong(self->b));
	EXPECT_EQ(0, pair_same(&self->pair));
}

/* Atomic instructions write through a path of their own in the fault handler. */
static long do_atomics(struct child *self, const long *arg)
{
	for (size_t i = 0; i < self->pages; i++)
		__atomic_fetch_xor((unsigned long *)child_page(self, i), 1UL, __ATOMIC_SEQ_CST);
	return 0;
}

TEST_F(isolate, atomic_writes)
{
	pair_merge(&self->pair);
	child_call(self->a, do_atomics);
	EXPECT_EQ(0, pair_same(&self->pair));
	EXPECT_EQ(0, pair_wrong(self->b));
	child_call(self->a, do_atomics);
	EXPECT_EQ(0, pair_wrong(self->a));
}

/* A figure of the scanner's, from debugfs. */
static long long scanner_figure(const char *name)
{
	char text[2048], *line;

	file_read("/sys/kernel/debug/pshare/scan", text, sizeof(text));
	line = strstr(text, name);
	if (!line)
		lib_die("the scanner has no figure %s", name);
	return atoll(line + strlen(name));
}

/* For arg[0] ms: writes to some pages and takes it back, so that they seem unchanged. */
static long do_write_and_undo(struct child *self, const long *arg)
{
	double end = lib_seconds() + arg[0] / 1000.0;
	volatile unsigned long *word;
	unsigned long held;
	long wrong = 0;

	while (lib_seconds() < end) {
		for (int i = 0; i < 20000; i++) {
			word = (void *)child_page(self, i % arg[1]);
			held = *word;
			*word = ~held;
			/* Long enough to be interrupted here. */
			for (volatile int k = 0; k < 20; k++)
				;
			wrong += *word != ~held;
			*word = held;
			wrong += *word != held;
		}
		lib_sleep_ms(1);
	}
	return wrong;
}

/*
 * Writes that fall between the scanner's look at a page and its exchange: if the
 * content were not compared after the last moment to write, they would be lost.
 */
TEST_F(isolate, writes_while_the_page_is_exchanged)
{
	long long merged, raced;

	pair_merge(&self->pair);
	merged = scanner_figure("merged ");
	raced = scanner_figure("refused_raced ");
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("pages_to_scan", 10000));
	ASSERT_EQ(0, ps_set("run", 1));
	EXPECT_EQ(0, child_call(self->a, do_write_and_undo, 8000, 8));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_EQ(0, pair_wrong(self->a));
	EXPECT_EQ(0, pair_wrong(self->b));
	merged = scanner_figure("merged ") - merged;
	raced = scanner_figure("refused_raced ") - raced;
	lib_note("%lld merges, %lld stopped by a write at the last moment", merged, raced);
	EXPECT_LT(0, merged);
}

TEST_HARNESS_MAIN
