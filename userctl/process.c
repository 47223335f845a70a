// SPDX-License-Identifier: GPL-2.0
/* Processes: their handle, their name, and which of them are virtual machines. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

/* What a descriptor of a KVM virtual machine looks like in /proc/PID/fd. */
#define VM_LINK	"anon_inode:kvm-vm"

/**
 * process_open - a handle of a process
 * @pid: its number
 * @pidfd: the handle
 *
 * Return: 0 or an errno.
 */
int process_open(pid_t pid, int *pidfd)
{
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return *pidfd < 0 ? errno : 0;
}

/**
 * process_comm - the name of a process
 * @pid: its number
 * @comm: COMM_SIZE bytes; "?" when it is gone
 *
 * A process chooses its name itself, so nothing but plain letters gets through
 * to a terminal.
 */
void process_comm(pid_t pid, char *comm)
{
	char path[64];
	ssize_t len = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, comm, COMM_SIZE - 1);
		close(fd);
	}
	comm[len < 0 ? 0 : len] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	if (!*comm)
		strcpy(comm, "?");
	for (; *comm; comm++)
		if (*comm <= ' ' || *comm > '~')
			*comm = '?';
}

/* Whether the process whose directory is open has a virtual machine. */
static bool has_vm(int proc, const char *pid)
{
	struct dirent *entry;
	bool found = false;
	char path[300], link[64];
	ssize_t len;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;	/* gone, or not ours to see */
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		len = readlinkat(fd, entry->d_name, link, sizeof(link));
		found = len == (ssize_t)strlen(VM_LINK) && !memcmp(link, VM_LINK, (size_t)len);
	}
	closedir(dir);
	return found;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/**
 * process_find_vms - every process that has a KVM virtual machine open
 * @pids: their numbers, sorted; free() when done
 * @nr: how many
 *
 * Return: 0 or an errno.
 */
int process_find_vms(pid_t **pids, size_t *nr)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int err = 0;

	*pids = NULL;
	*nr = 0;
	if (!dir)
		return errno;
	while ((entry = readdir(dir))) {
		pid_t *grown;
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (*end || pid <= 0 || pid > INT_MAX || !has_vm(dirfd(dir), entry->d_name))
			continue;
		grown = reallocarray(*pids, *nr + 1, sizeof(**pids));
		if (!grown) {
			err = ENOMEM;
			break;
		}
		*pids = grown;
		grown[(*nr)++] = (pid_t)pid;
	}
	closedir(dir);
	if (*nr)
		qsort(*pids, *nr, sizeof(**pids), compare_pids);
	return err;
}
