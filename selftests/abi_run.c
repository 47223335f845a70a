// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pshare: callers without privilege, and scans that cannot go on.  Each is
 * refused with the errno that the UAPI header promises, and nothing has changed.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "abi.h"

#define NOBODY	65534

/* What a child found out travels in its exit status. */
static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int drop_cap(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -1;
	data[cap / 32].effective &= ~(1U << cap % 32);
	return syscall(SYS_capset, &head, data);
}

/* In a child without privilege: 0 if every call gives EPERM, else 1 + its number. */
static int all_refused(struct _test_data_abi *self, int dev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		make_valid(self, i);
		if (!ioctl(dev, calls[i].cmd, &self->arg) || errno != EPERM)
			return 1 + i;
	}
	return 0;
}

TEST_F(abi, without_capability) {
	static struct snapshot before, after;
	pid_t pid;

	take_snapshot(self->dev, &before);
	pid = fork();
	if (!pid)
		_exit(drop_cap(CAP_SYS_ADMIN) ? 100 : all_refused(self, self->dev));
	EXPECT_EQ(0, status_of(pid));
	take_snapshot(self->dev, &after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* All other capabilities do not help; this one alone is enough. */
TEST_F(abi, capability_alone) {
	pid_t pid = fork();
	unsigned int cap;

	if (!pid) {
		for (cap = 0; cap <= CAP_LAST_CAP; cap++)
			if (cap != CAP_SYS_ADMIN)
				drop_cap(cap);
		make_valid(self, 3);
		_exit(accepted(self, PSHARE_IOC_READ));
	}
	EXPECT_EQ(ACCEPTED, status_of(pid));
}

TEST_F(abi, unprivileged_user_with_inherited_fd) {
	static struct snapshot before, after;
	pid_t pid;

	take_snapshot(self->dev, &before);
	pid = fork();
	if (!pid)
		_exit(setgid(NOBODY) || setuid(NOBODY) ? 100 : all_refused(self, self->dev));
	EXPECT_EQ(0, status_of(pid));
	take_snapshot(self->dev, &after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

static int send_fd(int sock, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = sizeof(room) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int sock)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = sizeof(room) };
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

TEST_F(abi, unprivileged_user_with_passed_fd) {
	int sock[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid) {
		close(self->dev);
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(100);
		fd = receive_fd(sock[1]);
		_exit(fd < 0 ? 101 : all_refused(self, fd));
	}
	EXPECT_EQ(0, send_fd(sock[0], self->dev));
	EXPECT_EQ(0, status_of(pid));
}

/* root of a user namespace of its own is not root here. */
TEST_F(abi, root_of_a_user_namespace) {
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWUSER) ? 100 : all_refused(self, self->dev));
	EXPECT_EQ(0, status_of(pid));
}

TEST_F(abi, device_node) {
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, fstat(self->dev, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	pid = fork();
	if (!pid) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(100);
		_exit(open("/dev/pshare", O_RDONLY) >= 0 ? 101 : errno == EACCES ? 0 : errno);
	}
	EXPECT_EQ(0, status_of(pid));
}

TEST_F(abi, scan_no_passes) {
	make_valid(self, 5)->scan.passes = 0;
	EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_SCAN));
}

/* Passes that were asked for are done, also when there is no region. */
TEST_F(abi, scan_counts_passes) {
	long long before = ps_get("full_scans");

	make_valid(self, 5)->scan.passes = 7;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
	EXPECT_LE(before + 7, ps_get("full_scans"));

	ASSERT_EQ(ACCEPTED, remove_id(self, self->id));
	make_valid(self, 5)->scan.passes = 3;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
}

TEST_F(abi, scan_while_unmerging) {
	ASSERT_EQ(0, ps_set("run", 2));
	make_valid(self, 5);
	EXPECT_EQ(EBUSY, refused(self, PSHARE_IOC_SCAN));
	EXPECT_EQ(2, ps_get("run"));
	ASSERT_EQ(0, ps_set("run", 0));
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
}

TEST_F(abi, scan_leaves_run_alone) {
	make_valid(self, 5)->scan.passes = 2;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
	EXPECT_EQ(0, ps_get("run"));
	ASSERT_EQ(0, ps_set("run", 1));
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
	EXPECT_EQ(1, ps_get("run"));
}

static void take_signal(int sig)
{
	(void)sig;
}

/* A scan that would take for ever ends at a signal; the next one works. */
TEST_F(abi, scan_interrupted) {
	struct sigaction action = { .sa_handler = take_signal };
	struct itimerval once = { .it_value.tv_usec = 300000 };

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &once, NULL));
	make_valid(self, 5)->scan.passes = 0xffffffff;
	EXPECT_EQ(EINTR, accepted(self, PSHARE_IOC_SCAN));
	make_valid(self, 5)->scan.passes = 2;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
}

/*
 * Many programs take a signal every few milliseconds, to be profiled for example,
 * and have their calls restarted.  A scan that began anew each time would never end.
 */
TEST_F(abi, scan_under_steady_signals) {
	struct itimerval steady = { { .tv_usec = 20000 }, { .tv_usec = 20000 } };
	struct sigaction action = { .sa_handler = take_signal, .sa_flags = SA_RESTART };
	struct itimerval none = { };
	double begin;
	int err;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	make_valid(self, 5)->scan.passes = 100;
	begin = lib_seconds();
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
	/* So many that they take more than a second. */
	self->arg.scan.passes = 1 + 100 * (unsigned int)(1.5 / (lib_seconds() - begin));
	lib_note("%u passes", self->arg.scan.passes);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &steady, NULL));
	err = accepted(self, PSHARE_IOC_SCAN);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &none, NULL));
	EXPECT_TRUE(err == ACCEPTED || err == EINTR) TH_LOG("errno %d", err);
}

/* run=2 ends a scan that is under way; it does not hang. */
TEST_F(abi, scan_ended_by_run) {
	pid_t pid = fork();

	if (!pid) {
		make_valid(self, 5)->scan.passes = 0xffffffff;
		_exit(accepted(self, PSHARE_IOC_SCAN));
	}
	usleep(300000);
	EXPECT_EQ(0, ps_set("run", 2));
	EXPECT_EQ(EBUSY, status_of(pid));
	EXPECT_EQ(0, ps_set("run", 0));
}

/* Several at once: each gets its passes.  One of them is killed. */
TEST_F(abi, scans_side_by_side) {
	pid_t pids[4], endless;
	unsigned int i;

	endless = fork();
	if (!endless) {
		make_valid(self, 5)->scan.passes = 0xffffffff;
		_exit(accepted(self, PSHARE_IOC_SCAN));
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (!pids[i]) {
			make_valid(self, 5)->scan.passes = 1 + i;
			_exit(accepted(self, PSHARE_IOC_SCAN));
		}
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		EXPECT_EQ(ACCEPTED, status_of(pids[i]))
			TH_LOG("scan of %u passes", 1 + i);
	}
	end_victim(endless);
	make_valid(self, 5);
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
}

TEST_HARNESS_MAIN
