/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_PROCESS_H
#define PSHARE_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Fits the name of a process. */
#define COMM_SIZE	32
/* Fits the name of a guest; what is longer is cut. */
#define NAME_SIZE	64

int process_open(pid_t pid, int *pidfd);
void process_comm(pid_t pid, char *comm);
void process_name(pid_t pid, char *name);
int process_find_vms(pid_t **pids, size_t *nr);

#endif /* PSHARE_PROCESS_H */
