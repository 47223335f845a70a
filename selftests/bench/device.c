// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "uapi/pshare.h"

void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(DIED);
}

int device_load(void)
{
	int dev, fd = open("/pshare.ko", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("pshare.ko");
	close(fd);
	dev = open("/dev/pshare", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die("/dev/pshare");
	return dev;
}

uint64_t device_add(int dev, pid_t pid, uintptr_t start, uintptr_t end, const char *group)
{
	struct pshare_add arg = {
		/* That of the first version. */
		.size = offsetof(struct pshare_add, group) + PSHARE_GROUP_SIZE,
		.flags = PSHARE_ADD_RANGE,
		.start = start,
		.end = end,
	};

	if (group) {
		arg.flags |= PSHARE_ADD_GROUP;
		snprintf(arg.group, sizeof(arg.group), "%s", group);
	}
	arg.pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (arg.pidfd < 0 || ioctl(dev, PSHARE_IOC_ADD, &arg))
		die("PSHARE_IOC_ADD");
	close(arg.pidfd);
	return arg.id;
}

void device_remove(int dev, uint64_t id)
{
	struct pshare_remove arg = { .size = sizeof(arg), .id = id };

	if (ioctl(dev, PSHARE_IOC_REMOVE, &arg))
		die("PSHARE_IOC_REMOVE");
}

void device_scan(int dev, unsigned int passes)
{
	struct pshare_scan arg = { .size = sizeof(arg), .passes = passes };

	if (ioctl(dev, PSHARE_IOC_SCAN, &arg))
		die("PSHARE_IOC_SCAN");
}
