// SPDX-License-Identifier: GPL-2.0
/*
 * Every errno that the module or the kernel may answer with, in words: why it
 * happened, and what to do.  The dictionary in uapi/pshare.h is the reference;
 * a test goes through it and asks for a sentence for each.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "errors.h"
#include "output.h"

#define ON(op)		(1U << (op))
#define ON_ANY		(~0U)
#define ON_SPLIT	(ON(OP_REMOVE) | ON(OP_UNMERGE))

struct sentence {
	int err;
	unsigned int ops;	/* when any of these was tried */
	enum rc rc;
	const char *why;
	const char *advice;
};

#define LOAD	"run 'modprobe pshare' or 'insmod pshare.ko' as root"
#define MATCH	"load the module of the same release; 'pshare version' shows both"
#define DEFECT	"this is a defect: please report it with the output of 'pshare version'"
#define AGAIN	"what was done so far stays done; run the same command again to finish"

/* The first that fits is taken, so the particular stand before the general. */
static const struct sentence sentences[] = {
	{ ENOENT, ON(OP_OPEN), RC_ABSENT,
	  "the module is not loaded (/dev/pshare is missing)", LOAD },
	{ ENOENT, ON(OP_NODE), RC_ABSENT,
	  "the module is loaded, but /dev/pshare is missing",
	  "mount devtmpfs on /dev, or run mknod with the numbers in /sys/class/misc/pshare/dev" },
	{ ENXIO, ON(OP_OPEN) | ON(OP_NODE), RC_ABSENT,
	  "the module is not loaded (/dev/pshare is there, but nothing answers)", LOAD },
	{ ENODEV, ON(OP_OPEN) | ON(OP_NODE), RC_ABSENT,
	  "the module is not loaded (/dev/pshare is there, but nothing answers)", LOAD },
	{ EACCES, ON(OP_OPEN) | ON(OP_NODE), RC_DENIED,
	  "only root may open /dev/pshare", "run pshare as root, for example with sudo" },
	{ EPERM, ON(OP_OPEN) | ON(OP_NODE), RC_DENIED,
	  "this user or container may not open /dev/pshare",
	  "run pshare as root on the host, outside of any container" },

	{ ESRCH, ON(OP_PIDFD), RC_NOT_FOUND,
	  "there is no process with this PID", "look for it with 'pgrep -a qemu' or 'ps -e'" },
	{ EINVAL, ON(OP_PIDFD), RC_USAGE,
	  "this is the number of a thread, not of a process",
	  "give the PID of its process: the line Tgid in /proc/PID/status" },
	{ ENOENT, ON(OP_PIDFD), RC_USAGE,
	  "this is the number of a thread, not of a process",
	  "give the PID of its process: the line Tgid in /proc/PID/status" },
	{ ENOSYS, ON(OP_PIDFD), RC_FAILED,
	  "this kernel has no pidfd_open(2)", "use Linux 6.1 or newer" },

	{ ENOENT, ON(OP_GET) | ON(OP_SET), RC_ABSENT,
	  "the module is not loaded (/sys/kernel/mm/pshare is missing)", LOAD },
	{ EACCES, ON(OP_GET) | ON(OP_SET), RC_DENIED,
	  "only root may do this", "run pshare as root, for example with sudo" },
	{ EINVAL, ON(OP_SET), RC_USAGE,
	  "the module does not take this value, and nothing was changed",
	  "'pshare help set' tells what each knob takes" },
	{ ERANGE, ON(OP_SET), RC_USAGE,
	  "the value is out of range, and nothing was changed",
	  "'pshare help set' tells what each knob takes" },
	{ ENOMEM, ON(OP_SET), RC_NO_MEMORY,
	  "giving every page its own copy would exhaust the memory of the host or of a memory "
	  "cgroup; pages handled so far have their own copy, the others stay shared, and no "
	  "content is lost",
	  "free memory, or raise memory.max of the guests' cgroups, and set it again" },
	{ EBUSY, ON(OP_SET), RC_BUSY,
	  "an address space stayed locked for long by somebody else, so that some pages could "
	  "not be unmerged", "try again" },

	{ EINVAL, ON(OP_ADD), RC_USAGE,
	  "the module refused the request: the process is a kernel thread, which has no memory, "
	  "or the range or the name of the group is malformed",
	  "give a user process, a range of whole 4096-byte pages, and a name of letters, digits "
	  "and . _ : -" },
	{ EINVAL, ON(OP_SCAN), RC_USAGE,
	  "the module refused the number of passes", "give a number from 1 to 4294967295" },
	{ ENOMEM, ON(OP_ADD), RC_NO_MEMORY,
	  "the kernel is out of memory, and nothing was registered",
	  "free memory and try again" },
	{ ENOMEM, ON_SPLIT, RC_NO_MEMORY,
	  "giving every page its own copy would exhaust the memory of the host or of the "
	  "process's memory cgroup; pages handled so far have their own copy, the others stay "
	  "shared, no content is lost, and the region stays registered",
	  "free memory, or raise memory.max of the cgroup, and run the same command again" },
	{ EBUSY, ON(OP_SCAN), RC_BUSY,
	  "the knob run is 2, which keeps everything unmerged",
	  "run 'pshare set run 0' or 'pshare set run 1' first" },
	{ EBUSY, ON_SPLIT, RC_BUSY,
	  "the address space stayed locked for long by somebody else, so that some pages could "
	  "not be unmerged", "try again; no content is lost and the region stays registered" },
	{ EEXIST, ON_ANY, RC_EXISTS,
	  "the range overlaps a region that the process already has",
	  "'pshare list --pid PID' shows it; remove that region first" },

	{ ENOENT, ON(OP_FIND), RC_NOT_FOUND,
	  "it has no region", "'pshare list' shows what is registered" },
	{ ENOENT, ON(OP_FILE), RC_FAILED,
	  "the directory of this file does not exist", "make it, or give another name" },
	{ EACCES, ON(OP_FILE), RC_DENIED,
	  "this file may not be written here", "give a name in a directory of your own" },
	{ ENOSPC, ON(OP_FILE), RC_FAILED,
	  "the file system is full, and an older file of this name is as it was",
	  "make room, or give a name on another file system" },
	{ EROFS, ON(OP_FILE), RC_FAILED,
	  "the file system is mounted read-only", "give a name on another file system" },
	{ EISDIR, ON(OP_FILE), RC_FAILED,
	  "this is a directory", "give the name of a file" },

	{ EPERM, ON_ANY, RC_DENIED,
	  "the caller lacks CAP_SYS_ADMIN in the initial user namespace",
	  "run pshare as root on the host, outside of any container" },
	{ EACCES, ON_ANY, RC_DENIED,
	  "permission denied", "run pshare as root, for example with sudo" },
	{ ENOTTY, ON_ANY, RC_ABSENT,
	  "what answers at /dev/pshare does not know this request: the module is older than "
	  "this command", MATCH },
	{ EFAULT, ON_ANY, RC_FAILED,
	  "the module could not read or write the memory of this command", DEFECT },
	{ EINVAL, ON_ANY, RC_FAILED,
	  "the module found the request malformed", MATCH },
	{ E2BIG, ON_ANY, RC_ABSENT,
	  "this command asks for something that the module is too old to know", MATCH },
	{ ENAMETOOLONG, ON_ANY, RC_USAGE,
	  "the name of the group is too long", "use at most 63 characters" },
	{ EBADF, ON_ANY, RC_FAILED,
	  "the module did not accept the handle (pidfd) of the process", DEFECT },
	{ ESRCH, ON_ANY, RC_NOT_FOUND,
	  "the process has exited, or is exiting",
	  "nothing is left to be done for it; give the PID of a running process" },
	{ ERANGE, ON_ANY, RC_USAGE,
	  "the range reaches outside the user address space of the process",
	  "take the addresses from /proc/PID/maps" },
	{ ENOENT, ON_ANY, RC_NOT_FOUND,
	  "no region has this number", "'pshare list' shows those that exist" },
	{ ENOMEM, ON_ANY, RC_NO_MEMORY,
	  "the kernel is out of memory", "free memory and try again" },
	{ EBUSY, ON_ANY, RC_BUSY, "the module is busy", "try again" },
	{ EINTR, ON_ANY, RC_INTERRUPTED, "interrupted by a signal before the end", AGAIN },
	{ ENODEV, ON_ANY, RC_ABSENT,
	  "the module is being unloaded", "wait for that; then, to use it again, " LOAD },
};

static const struct sentence *find(enum op op, int err)
{
	size_t i;

	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (sentences[i].err == err && (sentences[i].ops & ON(op)))
			return &sentences[i];
	return NULL;
}

/**
 * fail - report the failure of a system call
 * @op: what was tried
 * @err: errno
 * @subject: what it was tried on, as for printf(); NULL when there is nothing
 *	to name
 *
 * Return: the exit code that goes with it.
 */
int fail(enum op op, int err, const char *subject, ...)
{
	const struct sentence *sentence = find(op, err);
	struct failure failure = { .err = err };
	char text[256];
	va_list ap;

	if (subject) {
		va_start(ap, subject);
		vsnprintf(text, sizeof(text), subject, ap);
		va_end(ap);
		failure.subject = text;
	}
	if (sentence) {
		failure.rc = sentence->rc;
		failure.why = sentence->why;
		failure.advice = sentence->advice;
	} else {
		failure.rc = RC_FAILED;
		failure.why = strerror(err);
		failure.advice = "the kernel log ('dmesg') may tell more";
	}
	return output_failure(&failure);
}

/**
 * fail_too_old - report that the module is too old for what was asked
 * @subject: what it does not have
 *
 * Return: the exit code that goes with it.
 */
int fail_too_old(const char *subject)
{
	return output_failure(&(struct failure){
		.rc = RC_ABSENT, .subject = subject,
		.why = "the module is older than this command, and does not know this",
		.advice = MATCH });
}
