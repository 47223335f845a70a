// SPDX-License-Identifier: GPL-2.0
/* All that the module does, on little memory; see faults.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "lib/leaks.h"

#define GROUP		"faults"
#define DEBUGFS		"/sys/kernel/debug/pshare/"

/*
 * What a and b hold: twins, zeros, and pages of their own, at the begin of the huge
 * page and behind it.  The rest of the huge page is not registered, to save time.
 */
static const struct stretch {
	size_t first, count;
	uint64_t seed, step;
	bool own;
} stretches[] = {
	{ 0, 16, 1000, 1, false },
	{ 16, 8, 0, 0, false },
	{ 24, WORK_HEAD - 24, 10000, 1, true },
	{ WORK_HUGE, 16, 2000, 1, false },
	{ WORK_HUGE + 16, 8, 0, 0, false },
	{ WORK_HUGE + 24, WORK_TAIL - 25, 20000, 1, true },
};

/* What this page holds differs in an address only, which nobody checks. */
#define MOVED	(WORK_PAGES - 1)

#define NR_STRETCHES	(sizeof(stretches) / sizeof(*stretches))

/* ---- what is said ---- */

void work_wrong(struct work *work, const char *format, ...)
{
	size_t used = strlen(work->wrong);
	va_list args;

	va_start(args, format);
	if (used < sizeof(work->wrong) - 2) {
		if (used)
			work->wrong[used++] = ' ';
		vsnprintf(work->wrong + used, sizeof(work->wrong) - used, format, args);
	}
	va_end(args);
}

void work_note(struct work *work, const char *call, int err)
{
	char text[64];
	size_t used = strlen(work->said);

	if (!err)
		return;
	snprintf(text, sizeof(text), "%s: %s", call, strerrorname_np(-err));
	if (err != -ENOMEM && err != -EFAULT)
		work_wrong(work, "%s.", text);
	else if (!strstr(work->said, text))
		snprintf(work->said + used, sizeof(work->said) - used, "%s%s",
			 used ? ", " : "", text);
}

/* ---- processes ---- */

static uint64_t seed_of(const struct work *work, const struct child *child,
			const struct stretch *stretch)
{
	return stretch->seed + (stretch->own && child == &work->b ? 100000 : 0);
}

static void fill(struct work *work, struct child *child)
{
	uint64_t address = child == &work->a ? 0x00007f1234567000 : 0x00007f4234567000;

	child_fill(child, MOVED, 1, 30000, 0);
	for (unsigned int i = 0; i < sizeof(address); i++)
		child_poke(child, MOVED, 64 + i, address >> (8 * i));
	for (unsigned int i = 0; i < NR_STRETCHES; i++)
		child_fill(child, stretches[i].first, stretches[i].count,
			   seed_of(work, child, &stretches[i]), stretches[i].step);
}

static void check_bytes(struct work *work, struct child *child, const char *when)
{
	size_t inside = 0, outside = 0;

	for (unsigned int i = 0; i < NR_STRETCHES; i++) {
		const struct stretch *stretch = &stretches[i];
		uint64_t seed = seed_of(work, child, stretch);

		outside += wrong_pages(child->pid, child_page(child, stretch->first),
				       stretch->count, seed, stretch->step);
		inside += child_wrong(child, stretch->first, stretch->count, seed, stretch->step);
	}
	if (inside || outside)
		work_wrong(work, "%zu pages are wrong from inside, %zu from outside, %s.", inside,
			   outside, when);
}

void work_begin(struct work *work)
{
	work->dev = ps_begin();
	/* Few pages of the huge page have a twin, and every room shall have work. */
	if (ps_set_text("huge_policy", "always") || ps_set("aslr_sample", 100))
		lib_die("cannot set the knobs");
}

void work_start(struct work *work)
{
	memset(work, 0, sizeof(*work));
	child_start(&work->a, WORK_PAGES, CHILD_HUGE);
	child_start(&work->b, WORK_PAGES, CHILD_HUGE);
	fill(work, &work->a);
	fill(work, &work->b);
	work_begin(work);
}

/* ---- calls ---- */

/* Either part is a region. */
static void add(struct work *work, struct child *child)
{
	work_note(work, "add", ps_add(work->dev, child->pid, child->mem, WORK_HEAD * PAGE, GROUP,
				      NULL));
	work_note(work, "add", ps_add(work->dev, child->pid, child_page(child, WORK_HUGE),
				      WORK_TAIL * PAGE, GROUP, NULL));
}

/* For each region: @what is 'u' to unmerge, 'r' to remove. */
static void for_regions(struct work *work, char what)
{
	struct pshare_read read;
	uint64_t id = 0;
	int err;

	while (!(err = ps_next(work->dev, id, &read))) {
		id = read.id + 1;
		if (what == 'u')
			work_note(work, "unmerge", ps_unmerge(work->dev, read.id, NULL));
		else
			work_note(work, "remove", ps_remove(work->dev, read.id));
	}
	work_note(work, "read", err == -ENOENT ? 0 : err);
}

static void read_tables(struct work *work)
{
	static const char * const tables[] = {
		DEBUGFS "regions", DEBUGFS "groups", DEBUGFS "scan", DEBUGFS "ledger",
		DEBUGFS "huge_pages", DEBUGFS "savings", DEBUGFS "aslr",
		PSHARE_SYSFS "pages_shared", PSHARE_SYSFS "general_profit",
	};
	static char text[1 << 14];

	for (unsigned int i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		work_note(work, "table", file_try_read(tables[i], text, sizeof(text)));
}

/* Two blocks of address space in which nothing is mapped yet, not even a table. */
static char *fresh_blocks(void)
{
	char *mem = mmap(NULL, 4 * HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		lib_die("no address space");
	madvise(mem, 4 * HUGE_PAGE, MADV_NOHUGEPAGE);
	return (char *)(((uintptr_t)mem + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
}

static int version(int dev, void *at)
{
	return ioctl(dev, PSHARE_IOC_VERSION, at) ? -errno : 0;
}

/* The struct lies where a page has to be made first: at its begin, its end, behind. */
static void copy_faults(struct work *work)
{
	struct pshare_version call = { .size = sizeof(call) };
	char *edge;
	pid_t pid;
	int err;

	err = version(work->dev, fresh_blocks());
	work_note(work, "version", err == -EINVAL ? 0 : err);

	edge = fresh_blocks() + HUGE_PAGE;
	memcpy(edge - 8, &call, 8);
	work_note(work, "version", version(work->dev, edge - 8));

	edge = fresh_blocks() + HUGE_PAGE;
	call.size = PAGE;
	memcpy(edge - sizeof(call), &call, sizeof(call));
	work_note(work, "version", version(work->dev, edge - sizeof(call)));

	/* Shared with a child: the answer needs a copy of the page. */
	edge = fresh_blocks();
	call.size = sizeof(call);
	memcpy(edge, &call, sizeof(call));
	pid = fork();
	if (!pid) {
		close(work->dev);
		for (;;)
			pause();
	}
	work_note(work, "version", version(work->dev, edge));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool singles_seen(void *unused)
{
	return ps_try_figure("scan", "pages_single") > 0;
}

static bool singles_gone(void *unused)
{
	return !ps_try_figure("scan", "pages_single");
}

/* The shrinkers are called, and pages that one place maps are given back. */
static void squeeze(void)
{
	lib_wait(singles_seen, NULL, 2000);
	file_write("/proc/sys/vm/drop_caches", "2");
	lib_wait(singles_gone, NULL, 2000);
}

void work_clear(struct work *work)
{
	for_regions(work, 'r');
}

void work_do(struct work *work)
{
	unsigned int i;

	add(work, &work->a);
	add(work, &work->b);
	work_note(work, "add", ps_add(work->dev, getpid(), NULL, 0, NULL, NULL));
	read_tables(work);
	copy_faults(work);
	work_note(work, "scan", ps_scan(work->dev, 3));

	/* Somebody who is not registered maps what is shared, too. */
	child_fork(&work->a, &work->c);
	/* One mapping less, and one that is left alone with its page. */
	child_fill(&work->b, WORK_HUGE, 2, 7, 1);
	child_fill(&work->b, 0, 2, 9, 1);
	child_fill(&work->a, 4, 1, 77, 0);
	child_fill(&work->c, 4, 1, 77, 0);
	squeeze();
	/* A helper comes, and goes. */
	work_note(work, "threads", ps_set("scan_threads", 2));
	work_note(work, "scan", ps_scan(work->dev, 3));
	work_note(work, "threads", ps_set("scan_threads", 1));

	for_regions(work, 'u');
	work_note(work, "scan", ps_scan(work->dev, 2));
	for (i = 0; i < 2; i++)
		work_note(work, "run", ps_set("run", 2));
	work_note(work, "run", ps_set("run", 0));
	work_note(work, "scan", ps_scan(work->dev, 2));
	for_regions(work, 'r');
	child_kill(&work->c);

	/* As it was before. */
	child_fill(&work->a, 4, 1, 1004, 0);
	child_fill(&work->b, 0, 2, 1000, 1);
	child_fill(&work->b, WORK_HUGE, 2, 2000, 1);
}

/* ---- an answer that cannot be written any more ---- */

struct dropper {
	char *page;
	unsigned int us;
};

static void *drop_page(void *arg)
{
	struct dropper *dropper = arg;

	usleep(dropper->us);
	madvise(dropper->page, PAGE, MADV_DONTNEED);
	return NULL;
}

void work_drop_answers(struct work *work)
{
	struct pshare_unmerge *call;
	struct dropper dropper;
	struct pshare_read read;
	struct failures now;
	pthread_t thread;

	dropper.page = fresh_blocks();
	call = (struct pshare_unmerge *)dropper.page;
	add(work, &work->a);
	add(work, &work->b);
	for (unsigned int i = 0; i < 60; i++) {
		if (ps_scan(work->dev, 3) || ps_next(work->dev, 0, &read))
			lib_die("cannot merge");
		*call = (struct pshare_unmerge){ .size = sizeof(*call), .id = read.id };
		dropper.us = i * 100;
		pthread_create(&thread, NULL, drop_page, &dropper);
		if (ioctl(work->dev, PSHARE_IOC_UNMERGE, call) && errno != EINVAL)
			work_note(work, "unmerge", -errno);
		pthread_join(thread, NULL);
		now = inject_count();
		if (now.slab || now.page)
			break;
	}
	for_regions(work, 'r');
}

/* ---- memory that fails ---- */

static void ignore(int number)
{
}

/* Waits until the module lends the lock of the page. */
static long poison(struct child *self, const long *arg)
{
	signal(SIGBUS, ignore);
	return madvise(child_page(self, arg[0]), PAGE, MADV_HWPOISON) ? -errno : 0;
}

void work_poison(struct work *work, size_t page)
{
	add(work, &work->a);
	add(work, &work->b);
	if (ps_scan(work->dev, PASSES))
		lib_die("cannot merge");
	child_post(&work->a, poison, WORK_HUGE + page);
	/* At the end of each pass the shared pages are looked at. */
	for (unsigned int i = 0; i < 20 && !inject_count().slab; i++)
		work_note(work, "scan", ps_scan(work->dev, 1));
}

void work_poisoned(struct work *work)
{
	child_finish(&work->a);
	for_regions(work, 'r');
}

/* ---- afterwards ---- */

/* Pages of a and b in the same frame; adds to *@zero those that are the zero page. */
static size_t shared_pages(struct work *work, size_t first, size_t count, size_t *zero)
{
	const char *a = child_page(&work->a, first), *b = child_page(&work->b, first);

	*zero += zero_frames(work->a.pid, a, count) + zero_frames(work->b.pid, b, count);
	return same_frames(work->a.pid, a, work->b.pid, b, count);
}

void work_check(struct work *work)
{
	char said[sizeof(work->said)];
	size_t same, zero = 0;
	int err;

	check_bytes(work, &work->a, "after the failures");
	check_bytes(work, &work->b, "after the failures");
	strcpy(said, work->said);
	for_regions(work, 'r');
	add(work, &work->a);
	add(work, &work->b);
	if (strcmp(said, work->said))
		work_wrong(work, "add fails when nothing does.");
	err = ps_scan(work->dev, PASSES);
	if (err)
		work_wrong(work, "scan: %d when nothing fails.", err);
	same = shared_pages(work, 0, WORK_HEAD, &zero) +
	       shared_pages(work, WORK_HUGE, WORK_TAIL, &zero);
	/* Zeros are the same frame, too. */
	if (same != 48 || zero != 32)
		work_wrong(work, "%zu pages are shared, not 48; %zu zero, not 32.", same, zero);
	check_bytes(work, &work->a, "when all is shared");
	check_bytes(work, &work->b, "when all is shared");
}

void work_unload(struct work *work)
{
	int err;

	close(work->dev);
	work->dev = -1;
	err = module_unload();
	if (err)
		work_wrong(work, "the module stays: %d.", err);
	check_bytes(work, &work->a, "after the module has gone");
	check_bytes(work, &work->b, "after the module has gone");
}

void work_end(struct work *work)
{
	child_kill(&work->a);
	child_kill(&work->b);
}

void work_leaks(struct work *work)
{
	size_t left = leaks_frames_settled();

	if (left)
		work_wrong(work, "%zu shared pages are left.", left);
}
