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

/* Nothing but plain letters gets through to a terminal, nor breaks a column. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			*text = '?';
}

/**
 * process_comm - the name of a process
 * @pid: its number
 * @comm: COMM_SIZE bytes; "?" when it is gone
 *
 * A process chooses its name itself, so it is made plain.
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
	make_plain(comm);
}

/* The first bytes of a file of a process; -1 when it is gone. */
static ssize_t read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	ssize_t len, used = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((size_t)used < size) {
		len = read(fd, buf + used, size - (size_t)used);
		if (len <= 0)
			break;
		used += len;
	}
	close(fd);
	return used;
}

/* "guest=NAME,debug-threads=on" or "NAME,process=..."; ",," is one comma. */
static void take_guest(const char *value, char *name)
{
	static const char key[] = "guest=";
	size_t used = 0;

	if (!strncmp(value, key, sizeof(key) - 1))
		value += sizeof(key) - 1;
	for (; *value && used < NAME_SIZE - 1; value++) {
		if (*value == ',' && *++value != ',')
			break;
		name[used++] = *value;
	}
	name[used] = '\0';
}

/**
 * process_name - what its owner calls a virtual machine
 * @pid: number of the process
 * @name: NAME_SIZE bytes: what QEMU was given with -name, else the name of the
 *	process
 */
void process_name(pid_t pid, char *name)
{
	static char line[32768];
	ssize_t len = read_proc(pid, "cmdline", line, sizeof(line) - 1);
	const char *word = line, *base;

	process_comm(pid, name);
	if (len <= 0)
		return;
	line[len] = '\0';
	base = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
	if (!strstr(base, "qemu") && !strstr(base, "kvm"))
		return;
	while ((word += strlen(word) + 1) < line + len) {
		if (strcmp(word, "-name") != 0 && strcmp(word, "--name") != 0)
			continue;
		word += strlen(word) + 1;
		if (word < line + len && *word && *word != ',')
			take_guest(word, name);
		break;
	}
	make_plain(name);
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
