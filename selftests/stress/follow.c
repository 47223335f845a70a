// SPDX-License-Identifier: GPL-2.0
/*
 * The follower: registers processes while they come and go.
 *
 * The kernel tells of each fork and exec (the connector of process events).
 * What a full buffer swallowed, and all that lives when the module has been
 * loaded anew, is found in the control group that stress-ng lives in.
 */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define MAX_PID		(1 << 22)
#define BUFFER		(4 << 20)

struct follow_counts follow_counts;

static atomic_uchar followed[MAX_PID];
static atomic_bool all_anew;

/* Most are in one group, some in another, some share with themselves only. */
static const char *group_of(pid_t pid)
{
	switch (pid % 8) {
	case 0:
		return NULL;
	case 1:
		return "other";
	default:
		return "stress";
	}
}

/* Has the number come to name a thread, a thread of the kernel, or nothing meanwhile? */
static bool is_process(pid_t pid)
{
	bool leads = false, has_memory = false;
	char path[64], line[256];
	FILE *status;
	int tgid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		leads |= sscanf(line, "Tgid: %d", &tgid) == 1 && tgid == pid;
		has_memory |= !strncmp(line, "VmSize:", 7);
	}
	if (status)
		fclose(status);
	return leads && has_memory;
}

static void strange(pid_t pid, int err)
{
	if (atomic_fetch_add(&follow_counts.strange, 1) < 8)
		lib_note("process %d cannot be registered: %s", pid, strerror(-err));
}

static void add(pid_t pid)
{
	int dev = module_get(), err = -ENODEV;

	if (dev >= 0)
		err = ps_add(dev, pid, NULL, 0, group_of(pid), NULL);
	module_put();
	switch (err) {
	case 0:
		atomic_fetch_add(&follow_counts.added, 1);
		break;
	case -ESRCH:
		atomic_fetch_add(&follow_counts.late, 1);
		break;
	case -ENOMEM:
		atomic_fetch_add(&follow_counts.nomem, 1);
		break;
	case -EINVAL:	/* pidfd_open(2) and the module take no threads of others */
		if (!is_process(pid)) {
			atomic_fetch_add(&follow_counts.late, 1);
			break;
		}
		strange(pid, err);
		break;
	case -EEXIST:	/* already, or its parent lent it its memory: vfork */
	case -ENODEV:
		break;
	default:
		strange(pid, err);
	}
}

static void add_all(void)
{
	FILE *file = fopen("/sys/fs/cgroup/" CGROUP "/cgroup.procs", "re");
	int pid;

	if (!file)
		lib_die("cannot read the processes of " CGROUP);
	while (fscanf(file, "%d", &pid) == 1) {
		atomic_store(&followed[pid], 1);
		add(pid);
	}
	fclose(file);
	for (unsigned int nr = 0; nr < WITNESSES; nr++)
		add(witness_pid(nr));
}

static void take_event(const struct proc_event *event)
{
	pid_t parent, child;

	/* An old kernel calls it what, a new one what is said to be an enum. */
	switch ((unsigned int)event->what) {
	case PROC_EVENT_FORK:
		parent = event->event_data.fork.parent_tgid;
		child = event->event_data.fork.child_tgid;
		if (event->event_data.fork.child_pid != child || !atomic_load(&followed[parent]))
			break;
		atomic_store(&followed[child], 1);
		add(child);
		break;
	case PROC_EVENT_EXEC:
		child = event->event_data.exec.process_tgid;
		if (atomic_load(&followed[child]))
			add(child);
		break;
	case PROC_EVENT_EXIT:
		child = event->event_data.exit.process_tgid;
		if (event->event_data.exit.process_pid == child)
			atomic_store(&followed[child], 0);
		break;
	}
}

static int listen_to_kernel(void)
{
	struct {
		struct nlmsghdr header;
		struct cn_msg message;
		enum proc_cn_mcast_op what;
	} __attribute__((packed)) request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = NLMSG_DONE },
		.message = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(request.what) },
		.what = PROC_CN_MCAST_LISTEN,
	};
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	int fd = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	int size = BUFFER;

	if (fd < 0 || bind(fd, (void *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    send(fd, &request, sizeof(request), 0) != sizeof(request))
		lib_die("the kernel does not tell of processes: %s", strerror(errno));
	return fd;
}

static void *follow(void *unused)
{
	char buffer[8192] __attribute__((aligned(8)));
	struct pollfd listener = { .fd = listen_to_kernel(), .events = POLLIN };
	double last = 0;
	ssize_t got;

	(void)unused;
	for (;;) {
		if (atomic_exchange(&all_anew, false) || lib_seconds() > last + 2) {
			add_all();
			last = lib_seconds();
		}
		if (poll(&listener, 1, 100) <= 0)
			continue;
		/* ENOBUFS: something was lost, which the next look at all finds. */
		got = recv(listener.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (got < 0)
			continue;
		for (struct nlmsghdr *header = (void *)buffer; NLMSG_OK(header, got);
		     header = NLMSG_NEXT(header, got)) {
			struct cn_msg *message = NLMSG_DATA(header);

			take_event((struct proc_event *)message->data);
		}
	}
	return NULL;
}

void follow_root(pid_t pid)
{
	atomic_store(&followed[pid], 1);
	add(pid);
}

void follow_all(void)
{
	atomic_store(&all_anew, true);
}

void follow_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, follow, NULL))
		lib_die("no thread for the follower");
}
