/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that may last.  While wait_call() runs, SIGINT, SIGTERM and SIGHUP do not end
 * the process but the call, which returns EINTR; one that comes some time after
 * that ends the process.
 */
#ifndef PSHARE_WAIT_H
#define PSHARE_WAIT_H

#include <stdbool.h>

int wait_call(int (*call)(void *arg), void *arg, void (*tick)(void *arg), void *tick_arg);
int wait_ioctl(int fd, unsigned long request, void *arg);
bool wait_interrupted(void);

#endif /* PSHARE_WAIT_H */
