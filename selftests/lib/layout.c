// SPDX-License-Identifier: GPL-2.0
/* Memory of children, laid out page by page; see layout.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/layout.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

#define MAX_DMA		512

/* Contents that no layout asks for. */
#define VOLATILE_SEEDS	(1ULL << 56)

struct layout *layout_new(size_t blocks)
{
	struct layout *layout = mmap(NULL, sizeof(*layout), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (layout == MAP_FAILED || blocks > LAYOUT_BLOCKS)
		lib_die("no memory for a layout");
	layout->blocks = blocks;
	return layout;
}

void layout_free(struct layout *layout)
{
	munmap(layout, sizeof(*layout));
}

void layout_fill(struct layout *layout, size_t first, size_t count, uint64_t seed,
		 uint64_t step)
{
	for (size_t i = 0; i < count; i++) {
		layout->page[first + i].kind = LAYOUT_FILL;
		layout->page[first + i].seed = seed + i * step;
	}
}

void layout_set(struct layout *layout, size_t first, size_t count, enum layout_kind kind)
{
	for (size_t i = 0; i < count; i++)
		layout->page[first + i].kind = kind;
}

static uint64_t seed_of(const struct layout *layout, size_t i, unsigned int round)
{
	if (layout->page[i].kind != LAYOUT_VOLATILE || !round)
		return layout->page[i].seed;
	return VOLATILE_SEEDS + layout->page[i].seed + ((uint64_t)round << 40);
}

void layout_stop_khugepaged(void)
{
	/* No limit of entries would do: 512 pages of one's own are collapsed in any case. */
	if (file_write(KHUGEPAGED "scan_sleep_millisecs", "2147483647"))
		lib_die("cannot stop khugepaged");
}

/* ---- what the child does ---- */

static bool is_written(enum layout_kind kind)
{
	switch (kind) {
	case LAYOUT_UNTOUCHED:
	case LAYOUT_READ:
	case LAYOUT_HOLE:
	case LAYOUT_FILE:
	case LAYOUT_PRIVATE_FILE:
		return false;
	default:
		return true;
	}
}

static int map_block(struct child *self, size_t nr, enum layout_block kind)
{
	char *start = self->mem + nr * HUGE_PAGE;

	if (kind != LAYOUT_HUGETLB)
		return madvise(start, HUGE_PAGE, kind == LAYOUT_HUGE ? MADV_HUGEPAGE :
								       MADV_NOHUGEPAGE);
	return mmap(start, HUGE_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1, 0) != start;
}

static int map_file(char *page, int how, uint64_t seed)
{
	int fd = memfd_create("layout", 0);

	if (fd < 0 || ftruncate(fd, PAGE) ||
	    mmap(page, PAGE, PROT_READ | PROT_WRITE, how | MAP_FIXED, fd, 0) != page)
		return -1;
	page_fill(page, seed);
	return close(fd);
}

static int put_into_pipe(char *page)
{
	struct iovec iov = { page, PAGE };
	int fds[2];

	/* They stay open until the child ends. */
	return pipe(fds) || vmsplice(fds[1], &iov, 1, 0) != (ssize_t)PAGE;
}

/* As buffers of a ring that stays until the child ends. */
static int pin_pages(struct child *self, const struct layout *layout)
{
	struct iovec iov[MAX_DMA];
	struct io_uring_params params = { 0 };
	unsigned int nr = 0;
	int ring;

	for (size_t i = 0; i < layout->blocks * BLOCK_PAGES; i++) {
		if (layout->page[i].kind != LAYOUT_DMA)
			continue;
		if (nr == MAX_DMA)
			lib_die("more pages to pin than %d", MAX_DMA);
		iov[nr++] = (struct iovec){ child_page(self, i), PAGE };
	}
	if (!nr)
		return 0;
	ring = syscall(SYS_io_uring_setup, 8, &params);
	return ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, iov, nr);
}

static int treat_page(const struct layout *layout, char *page, size_t i)
{
	switch (layout->page[i].kind) {
	case LAYOUT_READ:
		return *(volatile char *)page;
	case LAYOUT_DROPPED:
		return madvise(page, PAGE, MADV_DONTNEED);
	case LAYOUT_READ_ONLY:
		return mprotect(page, PAGE, PROT_READ);
	case LAYOUT_NONE:
		return mprotect(page, PAGE, PROT_NONE);
	case LAYOUT_LOCKED:
		return mlock(page, PAGE);
	case LAYOUT_PIN:
		return put_into_pipe(page);
	case LAYOUT_HOLE:
		return munmap(page, PAGE);
	case LAYOUT_FILE:
		return map_file(page, MAP_SHARED, layout->page[i].seed);
	case LAYOUT_PRIVATE_FILE:
		return map_file(page, MAP_PRIVATE, layout->page[i].seed);
	default:
		return 0;
	}
}

static long do_build(struct child *self, const long *arg)
{
	const struct layout *layout = (const struct layout *)arg[0];
	size_t pages = layout->blocks * BLOCK_PAGES;

	for (size_t nr = 0; nr < layout->blocks; nr++)
		if (map_block(self, nr, layout->block[nr]))
			return -errno;
	for (size_t i = 0; i < pages; i++)
		if (is_written(layout->page[i].kind))
			page_fill(child_page(self, i), layout->page[i].seed);
	for (size_t i = 0; i < pages; i++)
		if (treat_page(layout, child_page(self, i), i))
			return errno ? -errno : -EIO;
	return pin_pages(self, layout) ? -errno : 0;
}

static long do_page_out(struct child *self, const long *arg)
{
	const struct layout *layout = (const struct layout *)arg[0];
	size_t left = 0;

	for (size_t i = 0; i < layout->blocks * BLOCK_PAGES; i++) {
		char *page = child_page(self, i);

		if (layout->page[i].kind != LAYOUT_SWAP ||
		    pm_entry(getpid(), page) & PM_SWAPPED)
			continue;
		madvise(page, PAGE, MADV_PAGEOUT);
		left += !(pm_entry(getpid(), page) & PM_SWAPPED);
	}
	return left;
}

static long do_write(struct child *self, const long *arg)
{
	const struct layout *layout = (const struct layout *)arg[0];

	for (size_t i = 0; i < layout->blocks * BLOCK_PAGES; i++)
		if (layout->page[i].kind == LAYOUT_VOLATILE)
			page_fill(child_page(self, i), seed_of(layout, i, arg[1]));
	return 0;
}

/* ---- what the test asks for ---- */

void layout_start(const struct layout *layout, struct child *child)
{
	long err, left = 1;

	child_start(child, layout->blocks * BLOCK_PAGES, CHILD_HUGE);
	err = child_call(child, do_build, (long)layout);
	if (err)
		lib_die("a child cannot lay out its memory: %s", strerror(-err));
	/* Those in the batches of the LRU only go at a later try: see swap.c. */
	for (int i = 0; i < 10 && left; i++) {
		if (i)
			file_write("/proc/sys/vm/compact_memory", "1");
		left = child_call(child, do_page_out, (long)layout);
	}
	if (left)
		lib_die("%ld pages do not go to swap", left);
}

void layout_tell(const struct layout *layout, const struct child *child,
		 struct oracle *oracle)
{
	for (size_t i = 0; i < layout->blocks * BLOCK_PAGES; i++) {
		if (layout->page[i].kind == LAYOUT_PIN)
			oracle_mark(oracle, child->pid, child_page(child, i), 1, ORACLE_PINNED);
		if (layout->page[i].kind == LAYOUT_DMA)
			oracle_mark(oracle, child->pid, child_page(child, i), 1, ORACLE_DMA);
		if (layout->page[i].kind == LAYOUT_VOLATILE)
			oracle_mark(oracle, child->pid, child_page(child, i), 1, ORACLE_VOLATILE);
	}
}

void layout_write(const struct layout *layout, struct child *child, unsigned int round)
{
	child_call(child, do_write, (long)layout, round);
}

size_t layout_wrong(const struct layout *layout, const struct child *child,
		    unsigned int round)
{
	size_t wrong = 0;

	for (size_t i = 0; i < layout->blocks * BLOCK_PAGES; i++) {
		enum layout_kind kind = layout->page[i].kind;

		/* What was never written, or has gone, has nothing to be looked at. */
		if (!is_written(kind) || kind == LAYOUT_DROPPED || kind == LAYOUT_NONE)
			continue;
		wrong += wrong_pages(child->pid, child_page(child, i), 1,
				     seed_of(layout, i, round), 0);
	}
	return wrong;
}
