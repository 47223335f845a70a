// SPDX-License-Identifier: GPL-2.0
/*
 * Huge pages in a range of a process, as /proc/PID/pagemap and /proc/kpageflags show
 * them; and back again, once they have been split.
 *
 * usage: thp list PID START-END
 *	prints the address of each 2 MiB that one huge page maps
 * usage: thp collapse PID <ADDRESSES
 *	makes a huge page of each 2 MiB at these addresses (MADV_COLLAPSE); prints
 *	collapsed N, and failed N
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGES		512UL
#define PAGE		4096UL
#define PM_FRAME	((1ULL << 55) - 1)
#define PM_PRESENT	(1ULL << 63)
#define KPF_HEAD	(1ULL << 15)
#define KPF_THP		(1ULL << 22)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	return fd;
}

/* Do these entries map the pages of one huge page, in order, from its first on? */
static int is_huge(const uint64_t *entries, int flags)
{
	uint64_t first = entries[0] & PM_FRAME, word;
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		if (!(entries[i] & PM_PRESENT) || (entries[i] & PM_FRAME) != first + i)
			return 0;
	if (pread(flags, &word, 8, first * 8) != 8)
		die("kpageflags");
	return (word & KPF_THP) && (word & KPF_HEAD);
}

static void list(const char *pid, const char *range)
{
	uint64_t entries[PAGES];
	uintptr_t start, end;
	int pagemap, flags;
	char path[64];

	if (sscanf(range, "%" SCNxPTR "-%" SCNxPTR, &start, &end) != 2)
		die("range");
	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	pagemap = open_file(path);
	flags = open_file("/proc/kpageflags");
	start = (start + PAGES * PAGE - 1) / (PAGES * PAGE) * (PAGES * PAGE);
	for (; start + PAGES * PAGE <= end; start += PAGES * PAGE) {
		if (pread(pagemap, entries, sizeof(entries), start / PAGE * 8) !=
		    (ssize_t)sizeof(entries))
			die("pagemap");
		if (is_huge(entries, flags))
			printf("%" PRIxPTR "\n", start);
	}
}

/* A page that somebody just looks at cannot be moved: a second try, and a third. */
static int collapse_block(int pidfd, uintptr_t addr)
{
	struct iovec block = { (void *)addr, PAGES * PAGE };
	int tries;

	for (tries = 0; tries < 5; tries++) {
		if (syscall(SYS_process_madvise, pidfd, &block, 1, MADV_COLLAPSE, 0) ==
		    (long)(PAGES * PAGE))
			return 1;
		if (errno != EAGAIN && errno != EBUSY)
			break;
		usleep(20000);
	}
	fprintf(stderr, "thp: %" PRIxPTR ": %s\n", addr, strerror(errno));
	return 0;
}

static void collapse(const char *pid)
{
	unsigned long done = 0, failed = 0;
	int pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);
	uintptr_t addr;

	if (pidfd < 0)
		die("pidfd_open");
	while (scanf("%" SCNxPTR, &addr) == 1) {
		if (collapse_block(pidfd, addr))
			done++;
		else
			failed++;
	}
	printf("collapsed %lu\nfailed %lu\n", done, failed);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "list")) {
		list(argv[2], argv[3]);
	} else if (argc == 3 && !strcmp(argv[1], "collapse")) {
		collapse(argv[2]);
	} else {
		fprintf(stderr, "usage: thp list PID START-END\n"
				"       thp collapse PID <ADDRESSES\n");
		return 2;
	}
	return 0;
}
