// SPDX-License-Identifier: GPL-2.0
/* Swap on zram; see lib.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "lib.h"

#define ZRAM	"/sys/block/zram0/"

/* The header that mkswap(8) writes. */
static void make_swap(unsigned long bytes)
{
	struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char rest[PAGE - 1024 - 12 - 10];
		char magic[10];
	} __attribute__((packed)) header = {
		.version = 1,
		.last_page = bytes / PAGE - 1,
		.magic = "SWAPSPACE2",
	};
	int fd = open(SWAP_DISK, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, &header, sizeof(header)) != sizeof(header) || fsync(fd))
		lib_die("cannot write %s: %s", SWAP_DISK, strerror(errno));
	close(fd);
}

void swap_on(unsigned long bytes)
{
	char text[32];

	swap_off();
	if (!modprobe("zram", "") && access(ZRAM, F_OK))
		lib_die("this kernel has no zram");
	snprintf(text, sizeof(text), "%lu", bytes);
	if (file_write(ZRAM "reset", "1") || file_write(ZRAM "disksize", text))
		lib_die("cannot set up zram");
	make_swap(bytes);
	if (swapon(SWAP_DISK, 0))
		lib_die("cannot swap to %s: %s", SWAP_DISK, strerror(errno));
}

int swap_off(void)
{
	int err = swapoff(SWAP_DISK) ? -errno : 0;

	file_write(ZRAM "reset", "1");
	return err;
}
