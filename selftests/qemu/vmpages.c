// SPDX-License-Identifier: GPL-2.0
/*
 * An independent witness: counts the page frames behind the anonymous memory of
 * processes, as /proc/PID/pagemap shows them.  It believes neither ksmd nor pshare.
 *
 * usage: vmpages count PID...
 *	prints: mapped N (entries that map a page other than the zero page)
 *		frames N (different page frames behind them)
 *		zero N (entries that map the zero page)
 * usage: vmpages unzero PID...
 *	gives a page of its own to each entry that maps the zero page, by writing
 *	a byte that is zero already.  The processes must be stopped (SIGSTOP), or
 *	what they write at the same moment is lost.  Prints: unzeroed N
 *	(Linux 6.1 never takes back the zero pages that ksmd placed.)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE		4096UL
#define PM_FRAME	((1ULL << 55) - 1)
#define PM_FILE		(1ULL << 61)
#define PM_PRESENT	(1ULL << 63)

static uint64_t zero_frame;
static uint64_t *frames;
static size_t frames_used, frames_room;
static unsigned long mapped, zero;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_pagemap(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	return fd;
}

/* Reading untouched memory maps the zero page: so its frame is known. */
static void learn_zero_frame(void)
{
	volatile char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_pagemap("self");
	uint64_t entry;

	if (page == MAP_FAILED)
		die("mmap");
	(void)page[0];
	if (pread(fd, &entry, 8, (uintptr_t)page / PAGE * 8) != 8 || !(entry & PM_FRAME))
		die("pagemap of the zero page");
	zero_frame = entry & PM_FRAME;
	close(fd);
}

static void keep(uint64_t frame)
{
	if (frames_used == frames_room) {
		frames_room = frames_room ? 2 * frames_room : 65536;
		frames = realloc(frames, frames_room * sizeof(*frames));
		if (!frames)
			die("realloc");
	}
	frames[frames_used++] = frame;
}

static void unzero(const char *pid, uintptr_t addr)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)addr, 1 };

	if (process_vm_readv(atoi(pid), &local, 1, &remote, 1, 0) != 1 || byte)
		return;
	process_vm_writev(atoi(pid), &local, 1, &remote, 1, 0);
}

static void look_at_range(const char *pid, int pagemap, uintptr_t start, uintptr_t end, int undo)
{
	static uint64_t entries[512];
	uintptr_t addr;
	ssize_t got, i;

	for (addr = start; addr < end; addr += got / 8 * PAGE) {
		size_t want = (end - addr) / PAGE * 8;

		got = pread(pagemap, entries, want < sizeof(entries) ? want : sizeof(entries),
			    addr / PAGE * 8);
		if (got < 8)
			return;
		for (i = 0; i < got / 8; i++) {
			if (!(entries[i] & PM_PRESENT) || (entries[i] & PM_FILE))
				continue;
			if ((entries[i] & PM_FRAME) != zero_frame) {
				mapped++;
				keep(entries[i] & PM_FRAME);
				continue;
			}
			zero++;
			if (undo)
				unzero(pid, addr + i * PAGE);
		}
	}
}

/* Anonymous memory only: no file behind it, and not [vdso], [vvar], [vsyscall]. */
static void look_at_process(const char *pid, int undo)
{
	char path[64], line[512], perms[8], name[256];
	uintptr_t start, end;
	unsigned long inode;
	int pagemap, got;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "r");
	if (!maps)
		die(path);
	pagemap = open_pagemap(pid);
	while (fgets(line, sizeof(line), maps)) {
		name[0] = 0;
		got = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %lu %255s", &start, &end,
			     perms, &inode, name);
		if (got < 4 || inode || !strncmp(name, "[v", 2) || perms[3] != 'p')
			continue;
		if (undo && perms[1] != 'w')
			continue;
		look_at_range(pid, pagemap, start, end, undo);
	}
	fclose(maps);
	close(pagemap);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	int i, undo = argc > 1 && !strcmp(argv[1], "unzero");
	size_t different = 0, at;

	if (argc < 3 || (!undo && strcmp(argv[1], "count"))) {
		fprintf(stderr, "usage: vmpages count|unzero PID...\n");
		return 2;
	}
	learn_zero_frame();
	for (i = 2; i < argc; i++)
		look_at_process(argv[i], undo);
	if (undo) {
		printf("unzeroed %lu\n", zero);
		return 0;
	}
	qsort(frames, frames_used, sizeof(*frames), compare);
	for (at = 0; at < frames_used; at++)
		different += !at || frames[at] != frames[at - 1];
	printf("mapped %lu\nframes %zu\nzero %lu\n", mapped, different, zero);
	return 0;
}
