// SPDX-License-Identifier: GPL-2.0
/* /dev/pshare: opening it, calling it, listing what it holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <pshare.h>

#include "cli.h"
#include "device.h"
#include "errors.h"
#include "knobs.h"

#define DEVICE	"/dev/pshare"

/**
 * device_try_open - open /dev/pshare in silence
 * @fd: the descriptor
 *
 * Return: 0 or an errno.
 */
int device_try_open(int *fd)
{
	*fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	return *fd < 0 ? errno : 0;
}

/**
 * device_open - open /dev/pshare
 * @fd: the descriptor
 *
 * Return: an exit code, after a report.
 */
int device_open(int *fd)
{
	int err = device_try_open(fd);

	if (!err)
		return RC_OK;
	return fail(knobs_present() ? OP_NODE : OP_OPEN, err, NULL);
}

/* Return: 0 or an errno. */
int device_call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? errno : 0;
}

/* Return: 0 or an errno. */
int device_version(int fd, unsigned int *abi)
{
	struct pshare_version version = { .size = sizeof(version) };
	int err = device_call(fd, PSHARE_IOC_VERSION, &version);

	*abi = version.abi;
	return err;
}

static int append(struct regions *regions, const struct pshare_read *region)
{
	size_t nr = regions->nr;

	/* The room doubles each time the number reaches a power of two. */
	if (!(nr & (nr - 1))) {
		size_t room = nr ? 2 * nr : 1;
		struct pshare_read *at = reallocarray(regions->at, room, sizeof(*at));

		if (!at)
			return ENOMEM;
		regions->at = at;
	}
	regions->at[regions->nr++] = *region;
	return 0;
}

/**
 * regions_read - read all regions
 * @fd: /dev/pshare
 * @regions: filled in; regions_free() when done, also after a failure
 *
 * A region that comes or goes meanwhile may be in it or not.
 *
 * Return: 0 or an errno.
 */
int regions_read(int fd, struct regions *regions)
{
	__u64 id = 0;
	int err;

	*regions = (struct regions){ 0 };
	for (;;) {
		struct pshare_read region = {
			.size = sizeof(region), .flags = PSHARE_READ_NEXT, .id = id,
		};

		err = device_call(fd, PSHARE_IOC_READ, &region);
		if (err == ENOENT)
			return 0;
		if (!err)
			err = append(regions, &region);
		if (err)
			return err;
		id = region.id + 1;
		if (!id)
			return 0;
	}
}

void regions_free(struct regions *regions)
{
	free(regions->at);
	*regions = (struct regions){ 0 };
}
