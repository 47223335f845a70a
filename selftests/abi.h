/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the abi*.c programs share: a process with a region, valid calls to spoil,
 * and refused(), which makes a call that must fail and must leave no trace: not
 * in the list of regions, not in a counter, not in a byte of the caller's struct.
 */
#ifndef _SELFTESTS_ABI_H
#define _SELFTESTS_ABI_H

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib.h"

#define NR_PAGES	16
#define RANGE		(NR_PAGES * PAGE)
#define MAX_REGIONS	16
#define USER_END	0x7ffffffff000ULL

/* What refused() says besides an errno. */
#define ACCEPTED	0
#define WROTE_BACK	-2
#define CHANGED		-3

/* All that a refused call must leave alone. */
struct snapshot {
	unsigned int nr;
	struct pshare_read region[MAX_REGIONS];
	char knobs[1024];
};

/* The struct of an ioctl as it was when a program of version 1 was compiled. */
#define ADD_SIZE_1	104

/* Every ioctl, how long its struct is, and how short it may be. */
static const struct {
	const char *name;
	unsigned long cmd;
	unsigned int size, min;
} calls[] = {
	{ "VERSION", PSHARE_IOC_VERSION, sizeof(struct pshare_version), 16 },
	{ "ADD", PSHARE_IOC_ADD, sizeof(struct pshare_add), ADD_SIZE_1 },
	{ "REMOVE", PSHARE_IOC_REMOVE, sizeof(struct pshare_remove), 16 },
	{ "READ", PSHARE_IOC_READ, sizeof(struct pshare_read), 176 },
	{ "UNMERGE", PSHARE_IOC_UNMERGE, sizeof(struct pshare_unmerge), 24 },
	{ "SCAN", PSHARE_IOC_SCAN, sizeof(struct pshare_scan), 16 },
	{ "LEDGER", PSHARE_IOC_LEDGER, sizeof(struct pshare_read_ledger), 552 },
};

/* Room for the longest struct that is taken, and more. */
union argument {
	__u32 size;
	struct pshare_version version;
	struct pshare_add add;
	struct pshare_remove remove;
	struct pshare_read read;
	struct pshare_unmerge unmerge;
	struct pshare_scan scan;
	struct pshare_read_ledger ledger;
	unsigned char bytes[2 * PAGE];
};

FIXTURE(abi) {
	int dev;		/* /dev/pshare */
	pid_t victim;		/* a process that does nothing */
	int pidfd;		/* of the victim */
	__u64 start, end;	/* memory of the victim */
	__u64 id;		/* a region of the victim, behind end */
	unsigned char *hole;	/* a page to write to, and one behind it that is not mapped */
	union argument arg;
};

/* The file of the knobs and counters, one after the other, as text. */
static void read_knobs(char *text, size_t room)
{
	static const char * const names[] = {
		"run", "pages_to_scan", "sleep_millisecs", "use_zero_pages",
		"max_pages_shared", "full_scans", "pages_shared", "pages_sharing",
		"pages_unshared", "pages_volatile", "pages_scanned", "ksm_zero_pages",
		"general_profit", "metadata_bytes", "huge_split_min", "huge_min_free_percent",
		"compare_groups", "aslr_sample",
	};
	unsigned int i;
	size_t len = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		len += snprintf(text + len, room - len, "%s=%lld\n", names[i],
				ps_get(names[i]));
	file_read(PSHARE_SYSFS "huge_policy", text + len, room - len);
}

static void take_snapshot(int dev, struct snapshot *snap)
{
	struct pshare_read *read = snap->region;

	memset(snap, 0, sizeof(*snap));
	for (snap->nr = 0; snap->nr < MAX_REGIONS; snap->nr++, read++) {
		read->size = sizeof(*read);
		read->flags = PSHARE_READ_NEXT;
		read->id = snap->nr ? read[-1].id + 1 : 0;
		if (ioctl(dev, PSHARE_IOC_READ, read))
			break;
	}
	if (snap->nr < MAX_REGIONS)
		memset(read, 0, sizeof(*read));
	read_knobs(snap->knobs, sizeof(snap->knobs));
}

/*
 * Makes a call that is to be refused.  Returns its errno, ACCEPTED if it
 * succeeded, or, when it failed but left traces, WROTE_BACK or CHANGED.
 */
static int refused_at(int dev, unsigned long cmd, void *arg, const void *look, size_t len)
{
	static struct snapshot before, after;
	static unsigned char copy[2 * PAGE];
	int err;

	take_snapshot(dev, &before);
	memcpy(copy, look, len);
	err = ioctl(dev, cmd, arg) ? errno : ACCEPTED;
	if (err == ACCEPTED)
		return ACCEPTED;
	if (memcmp(copy, look, len))
		return WROTE_BACK;
	take_snapshot(dev, &after);
	return memcmp(&before, &after, sizeof(before)) ? CHANGED : err;
}

static int refused(struct _test_data_abi *self, unsigned long cmd)
{
	return refused_at(self->dev, cmd, &self->arg, &self->arg, sizeof(self->arg));
}

static int accepted(struct _test_data_abi *self, unsigned long cmd)
{
	return ioctl(self->dev, cmd, &self->arg) ? errno : ACCEPTED;
}

static int pidfd_of(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/* A call of the @i-th kind with nothing wrong in it. */
static union argument *make_valid(struct _test_data_abi *self, unsigned int i)
{
	union argument *arg = &self->arg;

	memset(arg, 0, sizeof(*arg));
	arg->size = calls[i].size;
	switch (calls[i].cmd) {
	case PSHARE_IOC_ADD:
		arg->add.flags = PSHARE_ADD_RANGE;
		arg->add.pidfd = self->pidfd;
		arg->add.start = self->start;
		arg->add.end = self->end;
		break;
	case PSHARE_IOC_REMOVE:
		arg->remove.id = self->id;
		break;
	case PSHARE_IOC_READ:
		arg->read.id = self->id;
		break;
	case PSHARE_IOC_UNMERGE:
		arg->unmerge.id = self->id;
		break;
	case PSHARE_IOC_SCAN:
		arg->scan.passes = 1;
		break;
	case PSHARE_IOC_LEDGER:
		arg->ledger.id = self->id;
		break;
	}
	return arg;
}

static struct pshare_add *make_add(struct _test_data_abi *self)
{
	return &make_valid(self, 1)->add;
}

static int add_range(struct _test_data_abi *self, __u64 start, __u64 end, bool ok)
{
	struct pshare_add *add = make_add(self);

	add->start = start;
	add->end = end;
	return ok ? accepted(self, PSHARE_IOC_ADD) : refused(self, PSHARE_IOC_ADD);
}

static int remove_id(struct _test_data_abi *self, __u64 id)
{
	make_valid(self, 2)->remove.id = id;
	return accepted(self, PSHARE_IOC_REMOVE);
}

/* A process that waits to be killed; its memory is a copy of ours. */
static pid_t start_victim(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end_victim(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

FIXTURE_SETUP(abi) {
	unsigned char *mem;
	unsigned int i;

	self->dev = ps_begin();
	ASSERT_LE(0, self->dev);
	mem = mmap(NULL, 2 * RANGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < 2 * NR_PAGES; i++)
		memset(mem + i * PAGE, i % 4 + 1, PAGE);
	self->hole = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	ASSERT_NE(MAP_FAILED, self->hole);
	ASSERT_EQ(0, munmap(self->hole + PAGE, PAGE));

	self->victim = start_victim();
	ASSERT_LT(0, self->victim);
	self->pidfd = pidfd_of(self->victim);
	ASSERT_LE(0, self->pidfd);
	self->start = (__u64)(uintptr_t)mem;
	self->end = self->start + RANGE;
	ASSERT_EQ(ACCEPTED, add_range(self, self->end, self->end + RANGE, true));
	self->id = self->arg.add.id;
	make_valid(self, 5)->scan.passes = PASSES;
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
	/* Four kinds of pages; those of the test before are freed within a second. */
	ASSERT_TRUE(ps_wait_counter("pages_shared", 4, 5000));
}

FIXTURE_TEARDOWN(abi) {
	static struct snapshot snap;
	unsigned int i;

	take_snapshot(self->dev, &snap);
	for (i = 0; i < snap.nr; i++)
		remove_id(self, snap.region[i].id);
	ps_set("run", 0);
	end_victim(self->victim);
	close(self->dev);
}

#endif /* _SELFTESTS_ABI_H */
