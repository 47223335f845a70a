/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_DEVICE_H
#define PSHARE_DEVICE_H

#include <stddef.h>

struct pshare_read;

/* All regions, sorted by id. */
struct regions {
	struct pshare_read *at;
	size_t nr;
};

int device_open(int *fd);
int device_try_open(int *fd);
int device_call(int fd, unsigned long request, void *arg);
int device_version(int fd, unsigned int *abi);

int regions_read(int fd, struct regions *regions);
void regions_free(struct regions *regions);

#endif /* PSHARE_DEVICE_H */
