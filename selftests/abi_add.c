// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pshare: ranges, groups and processes that cannot be registered.  Each is
 * refused with the errno that the UAPI header promises, and nothing has changed.
 */
#include <fcntl.h>
#include <limits.h>

#include "abi.h"

static int add_group(struct _test_data_abi *self, const char *name, size_t len, bool ok)
{
	struct pshare_add *add = make_add(self);

	add->flags |= PSHARE_ADD_GROUP;
	memcpy(add->group, name, len);
	return ok ? accepted(self, PSHARE_IOC_ADD) : refused(self, PSHARE_IOC_ADD);
}

static int refused_pidfd(struct _test_data_abi *self, int pidfd)
{
	make_add(self)->pidfd = pidfd;
	return refused(self, PSHARE_IOC_ADD);
}

TEST_F(abi, range_unaligned) {
	static const unsigned int off[] = { 1, 8, 512, 2048, 4095 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(EINVAL, add_range(self, self->start + off[i], self->end, false));
		EXPECT_EQ(EINVAL, add_range(self, self->start, self->end - off[i], false));
		EXPECT_EQ(EINVAL, add_range(self, self->start + off[i], self->end + off[i],
					    false));
	}
}

TEST_F(abi, range_empty_or_reversed) {
	EXPECT_EQ(EINVAL, add_range(self, self->start, self->start, false));
	EXPECT_EQ(EINVAL, add_range(self, 0, 0, false));
	EXPECT_EQ(EINVAL, add_range(self, self->end, self->start, false));
	EXPECT_EQ(EINVAL, add_range(self, self->start, 0, false));
}

TEST_F(abi, range_wraps) {
	EXPECT_EQ(EINVAL, add_range(self, -PAGE, 0, false));
	EXPECT_EQ(EINVAL, add_range(self, -PAGE, PAGE, false));
	EXPECT_EQ(EINVAL, add_range(self, USER_END - PAGE, 0, false));
}

TEST_F(abi, range_outside_user_space) {
	EXPECT_EQ(ERANGE, add_range(self, self->start, -PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, USER_END - PAGE, USER_END + PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, USER_END, USER_END + PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, 1ULL << 47, (1ULL << 47) + PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, 1ULL << 48, (1ULL << 48) + PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, 0xffff888000000000, 0xffff888000100000, false));
	EXPECT_EQ(ERANGE, add_range(self, -2 * PAGE, -PAGE, false));
	EXPECT_EQ(ERANGE, add_range(self, 0, -PAGE, false));
}

/* A range need not be mapped yet; the last page of user space is a valid one. */
TEST_F(abi, range_at_the_edges) {
	EXPECT_EQ(ACCEPTED, add_range(self, 0, PAGE, true));
	EXPECT_EQ(ACCEPTED, add_range(self, USER_END - PAGE, USER_END, true));
}

TEST_F(abi, range_or_group_without_flag) {
	struct pshare_add *add = make_add(self);
	unsigned int i;

	add->flags = 0;
	add->end = 0;
	EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD));
	add->start = 0;
	add->end = self->end;
	EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD));
	for (i = 0; i < PSHARE_GROUP_SIZE; i += 9) {
		make_add(self)->group[i] = 'g';
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD)) TH_LOG("byte %u", i);
	}
}

TEST_F(abi, overlap) {
	__u64 from = self->end, to = self->end + RANGE;
	struct pshare_add *add;

	EXPECT_EQ(EEXIST, add_range(self, from, to, false)) TH_LOG("the same");
	EXPECT_EQ(EEXIST, add_range(self, from + PAGE, to - PAGE, false)) TH_LOG("inside");
	EXPECT_EQ(EEXIST, add_range(self, from - PAGE, to + PAGE, false)) TH_LOG("around");
	EXPECT_EQ(EEXIST, add_range(self, from - PAGE, from + PAGE, false)) TH_LOG("front");
	EXPECT_EQ(EEXIST, add_range(self, to - PAGE, to + PAGE, false)) TH_LOG("back");
	EXPECT_EQ(EEXIST, add_range(self, 0, USER_END, false)) TH_LOG("all");
	add = make_add(self);
	add->flags = 0;
	add->start = 0;
	add->end = 0;
	EXPECT_EQ(EEXIST, refused(self, PSHARE_IOC_ADD)) TH_LOG("whole process");

	/* A neighbour on either side is none. */
	EXPECT_EQ(ACCEPTED, add_range(self, from - PAGE, from, true));
	EXPECT_EQ(ACCEPTED, add_range(self, to, to + PAGE, true));
}

TEST_F(abi, overlap_in_another_group) {
	EXPECT_EQ(ACCEPTED, add_group(self, "a", 1, true));
	EXPECT_EQ(EEXIST, add_group(self, "a", 1, false));
	EXPECT_EQ(EEXIST, add_group(self, "b", 1, false));
	EXPECT_EQ(EEXIST, add_range(self, self->start, self->end, false));
}

TEST_F(abi, overlap_with_whole_process) {
	struct pshare_add *add;

	ASSERT_EQ(ACCEPTED, remove_id(self, self->id));
	add = make_add(self);
	add->flags = 0;
	add->start = 0;
	add->end = 0;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
	add->id = 0;
	EXPECT_EQ(EEXIST, refused(self, PSHARE_IOC_ADD));
	EXPECT_EQ(EEXIST, add_range(self, self->start, self->end, false));
}

/* Two processes may have regions at the same addresses. */
TEST_F(abi, same_range_of_another_process) {
	pid_t other = start_victim();

	ASSERT_LT(0, other);
	make_add(self)->pidfd = pidfd_of(other);
	self->arg.add.start = self->end;
	self->arg.add.end = self->end + RANGE;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
	end_victim(other);
}

TEST_F(abi, group_names) {
	char name[PSHARE_GROUP_SIZE + 1];
	unsigned int c, pos;
	__u64 id;

	EXPECT_EQ(EINVAL, add_group(self, "", 0, false));
	memset(name, 'n', sizeof(name));
	EXPECT_EQ(ENAMETOOLONG, add_group(self, name, PSHARE_GROUP_SIZE, false));
	EXPECT_EQ(ACCEPTED, add_group(self, name, PSHARE_GROUP_SIZE - 1, true));
	EXPECT_EQ(ACCEPTED, remove_id(self, self->arg.add.id));

	for (c = 1; c < 256; c++) {
		bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == ':' || c == '-';

		pos = c % 3;
		memset(name, 'n', 3);
		name[pos] = c;
		if (!good) {
			EXPECT_EQ(EINVAL, add_group(self, name, 3, false)) TH_LOG("%#x", c);
			continue;
		}
		EXPECT_EQ(ACCEPTED, add_group(self, name, 3, true)) TH_LOG("%#x", c);
		id = self->arg.add.id;
		make_valid(self, 3)->read.id = id;
		EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
		name[3] = 0;
		EXPECT_STREQ(name, self->arg.read.group);
		EXPECT_EQ(ACCEPTED, remove_id(self, id));
	}
}

static int add_policy(struct _test_data_abi *self, __u32 policy, bool flag, bool ok)
{
	struct pshare_add *add = make_add(self);

	add->flags |= flag ? PSHARE_ADD_HUGE_POLICY : 0;
	add->huge_policy = policy;
	return ok ? accepted(self, PSHARE_IOC_ADD) : refused(self, PSHARE_IOC_ADD);
}

TEST_F(abi, huge_policies) {
	static const __u32 wrong[] = { PSHARE_NR_HUGE_POLICIES, 5, 64, 0x7fffffff, 0x80000000,
				       0xffffffff };
	unsigned int i;
	__u64 id;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(EINVAL, add_policy(self, wrong[i], true, false));
		EXPECT_EQ(EINVAL, add_policy(self, wrong[i], false, false));
	}
	for (i = 0; i < PSHARE_NR_HUGE_POLICIES; i++) {
		if (i)
			EXPECT_EQ(EINVAL, add_policy(self, i, false, false));
		ASSERT_EQ(ACCEPTED, add_policy(self, i, true, true));
		id = self->arg.add.id;
		make_valid(self, 6)->ledger.id = id;
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_LEDGER));
		EXPECT_EQ(i, self->arg.ledger.huge_policy);
		EXPECT_EQ(ACCEPTED, remove_id(self, id));
	}
}

/* Without a policy of its own a region goes by the knob, also when that is turned. */
TEST_F(abi, huge_policy_of_the_knob) {
	static const char * const words[] = { "keep", "benefit", "pressure", "always" };
	struct pshare_read_ledger ledger;
	unsigned int i;
	__u64 own;

	ASSERT_EQ(ACCEPTED, add_policy(self, PSHARE_HUGE_PRESSURE, true, true));
	own = self->arg.add.id;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		ASSERT_EQ(0, ps_set_text("huge_policy", words[i]));
		ASSERT_EQ(0, ps_ledger(self->dev, self->id, &ledger));
		EXPECT_EQ(i, ledger.huge_policy);
		ASSERT_EQ(0, ps_ledger(self->dev, own, &ledger));
		EXPECT_EQ(PSHARE_HUGE_PRESSURE, ledger.huge_policy);
	}
	ASSERT_EQ(0, ps_set_text("huge_policy", "benefit"));
}

TEST_F(abi, pidfd_is_none) {
	int fds[2];

	EXPECT_EQ(EBADF, refused_pidfd(self, -1));
	EXPECT_EQ(EBADF, refused_pidfd(self, -100));	/* AT_FDCWD */
	EXPECT_EQ(EBADF, refused_pidfd(self, INT_MIN));
	EXPECT_EQ(EBADF, refused_pidfd(self, INT_MAX));
	EXPECT_EQ(EBADF, refused_pidfd(self, 1000));
	EXPECT_EQ(EBADF, refused_pidfd(self, self->dev));
	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(EBADF, refused_pidfd(self, fds[0]));
	close(fds[0]);
	EXPECT_EQ(EBADF, refused_pidfd(self, fds[0]));
	close(fds[1]);
	fds[0] = open("/proc/self", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(EBADF, refused_pidfd(self, fds[0]));
	fds[1] = open("/proc/self", O_PATH);
	EXPECT_EQ(EBADF, refused_pidfd(self, fds[1]));
	close(fds[0]);
	close(fds[1]);
	close(self->pidfd);
	EXPECT_EQ(EBADF, refused_pidfd(self, self->pidfd));
}

/* A kernel thread: kthreadd is always the second process. */
TEST_F(abi, kernel_thread) {
	int pidfd = pidfd_of(2);

	ASSERT_LE(0, pidfd);
	EXPECT_EQ(EINVAL, refused_pidfd(self, pidfd));
	make_add(self)->pidfd = pidfd;
	self->arg.add.flags = 0;
	self->arg.add.start = 0;
	self->arg.add.end = 0;
	EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD));
}

/* A process that has exited: as a zombie, and when it is forgotten. */
TEST_F(abi, exited_process) {
	pid_t pid = start_victim();
	int pidfd = pidfd_of(pid);
	siginfo_t info;

	ASSERT_LE(0, pidfd);
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(ESRCH, refused_pidfd(self, pidfd));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(ESRCH, refused_pidfd(self, pidfd));
}

/* Asked of debugfs, which is only told: who asks by ioctl forgets it himself. */
static bool forgotten(void *pid)
{
	static char text[1 << 16];
	char word[16];

	snprintf(word, sizeof(word), " %d ", *(pid_t *)pid);
	file_read("/sys/kernel/debug/pshare/regions", text, sizeof(text));
	return !strstr(text, word);
}

/* After its process exited, a region's id is as good as unknown. */
TEST_F(abi, region_of_an_exited_process) {
	unsigned int i, calls_by_id[] = { 2, 3, 4, 6 };

	kill(self->victim, SIGKILL);
	waitpid(self->victim, NULL, 0);
	ASSERT_TRUE(lib_wait(forgotten, &self->victim, 20000));
	for (i = 0; i < ARRAY_SIZE(calls_by_id); i++) {
		make_valid(self, calls_by_id[i]);
		EXPECT_EQ(ENOENT, refused(self, calls[calls_by_id[i]].cmd))
			TH_LOG("%s", calls[calls_by_id[i]].name);
	}
	self->victim = start_victim();
}

TEST_HARNESS_MAIN
