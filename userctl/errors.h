/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_ERRORS_H
#define PSHARE_ERRORS_H

/* What was tried when it failed: the same errno can mean different things. */
enum op {
	OP_OPEN,	/* open /dev/pshare; the module is not there at all */
	OP_NODE,	/* the same, but the module is loaded */
	OP_VERSION,	/* the ioctls ... */
	OP_ADD,
	OP_REMOVE,
	OP_READ,
	OP_UNMERGE,
	OP_SCAN,
	OP_PIDFD,	/* pidfd_open(2) */
	OP_GET,		/* read or write a file of sysfs */
	OP_SET,
	OP_PROC,	/* read /proc */
	OP_FIND,	/* look for a process or a group among the regions */
	OP_FILE,	/* write a file that the user named */
};

/* For what an older module does not have, and says so by other means. */
int fail_too_old(const char *subject);

__attribute__((format(printf, 3, 4)))
int fail(enum op op, int err, const char *subject, ...);

#endif /* PSHARE_ERRORS_H */
