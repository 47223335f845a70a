// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pshare: calls at random, from all sides at once, under a storm of signals,
 * and from 32-bit programs.
 */
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "abi.h"

static uint64_t random_state;

static uint64_t random_number(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 20;
}

/* The variable SEED repeats a run. */
static void seed_random(void)
{
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) ^ getpid();
	lib_note("SEED=%#llx", (unsigned long long)random_state);
}

static void do_nothing(int sig)
{
	(void)sig;
}

/* A signal every so many microseconds, until it is called with 0. */
static void signal_storm(unsigned int us, int flags)
{
	struct itimerval timer = { { .tv_usec = us }, { .tv_usec = us } };
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* A number of the kind that goes wrong. */
static uint64_t odd_number(struct _test_data_abi *self)
{
	const uint64_t odd[] = { 0, 1, 4095, PAGE, self->start, self->end, self->id, USER_END,
				 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 47,
				 0xffff888000000000, ~0ULL, -PAGE };

	return odd[random_number() % ARRAY_SIZE(odd)];
}

/*
 * Structs with some members replaced by odd ones.  Whatever the answer is, it is
 * one of the dictionary, and the module goes on.
 */
TEST_F_TIMEOUT(abi, random_structs, 100)
{
	static const int known[] = { EFAULT, EINVAL, E2BIG, ENAMETOOLONG, EBADF, ESRCH, ERANGE,
				     EEXIST, ENOENT, EINTR };
	double end = lib_seconds() + 5;
	unsigned int n, i, k, good = 0, err;
	static struct snapshot snap;
	__u64 *words;

	seed_random();
	signal_storm(20000, 0);	/* some scans would never end */
	/* A busy machine gets the time that it needs. */
	for (n = 0; lib_seconds() < end || (n <= 100 && lib_seconds() < end + 60); n++) {
		i = random_number() % ARRAY_SIZE(calls);
		words = (__u64 *)make_valid(self, i);
		for (k = random_number() % 3; k; k--)
			words[random_number() % (calls[i].size / 8 + 1)] = odd_number(self);
		if (random_number() % 2)
			self->arg.size = calls[i].size;
		err = accepted(self, calls[i].cmd);
		good += !err;
		for (k = 0; err && k < ARRAY_SIZE(known); k++)
			if (known[k] == (int)err)
				err = 0;
		ASSERT_EQ(0, err) TH_LOG("%s", calls[i].name);
		take_snapshot(self->dev, &snap);
		if (snap.nr == MAX_REGIONS)
			remove_id(self, snap.region[1].id);
	}
	signal_storm(0, 0);
	lib_note("%u calls, %u accepted", n, good);
	EXPECT_LT(100, n);
	EXPECT_LT(0, good);
	make_valid(self, 5);
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_SCAN));
}

static bool one_region_left(void *arg)
{
	return ps_regions(((struct _test_data_abi *)arg)->dev) == 1;
}

/* One of several that add, scan, read, unmerge and remove as they like. */
static int meddle(struct _test_data_abi *self, double end)
{
	unsigned char *mem = (unsigned char *)(uintptr_t)self->start;
	uint64_t id = 0, pages;
	struct pshare_read read;
	unsigned int n;
	int err;

	for (n = 0; lib_seconds() < end; n++) {
		err = 0;
		switch (random_number() % 6) {
		case 0:
			err = ps_add(self->dev, getpid(), mem, RANGE, "mix", &id);
			break;
		case 1:
			err = ps_scan_only(self->dev, 1 + random_number() % 3);
			break;
		case 2:
			err = ps_remove(self->dev, id);
			break;
		case 3:
			err = ps_unmerge(self->dev, random_number() % 2 ? id : self->id, &pages);
			break;
		case 4:
			err = ps_next(self->dev, random_number() % (id + 3), &read);
			break;
		case 5:
			memset(mem + random_number() % NR_PAGES * PAGE, n % 4, PAGE);
			break;
		}
		if (err && err != -EEXIST && err != -ENOENT)
			return -err;
	}
	return 0;
}

/* Some of them are killed in the middle of it; the others do not notice. */
TEST_F(abi, calls_from_all_sides)
{
	double end = lib_seconds() + 6;
	pid_t pid[5], victim;
	unsigned int i;
	int status;

	seed_random();
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		random_number();
		if (!pid[i])
			_exit(meddle(self, end));
	}
	while (lib_seconds() < end) {
		victim = fork();
		if (!victim) {
			random_state += getpid();
			_exit(meddle(self, end));
		}
		usleep(random_number() % 100000);
		end_victim(victim);
	}
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("child %u", i);
	}
	EXPECT_EQ(0, ps_set("run", 0));
	/* Of all of them only the region of the fixture is left, and no shared page. */
	EXPECT_TRUE(lib_wait(one_region_left, self, 10000));
	ASSERT_EQ(ACCEPTED, remove_id(self, self->id));
	EXPECT_TRUE(ps_wait_counter("pages_shared", 0, 5000));
	EXPECT_EQ(0, ps_get("pages_sharing"));
}

/* What has not begun when the signal comes is done again by the kernel itself. */
TEST_F(abi, short_calls_are_restarted)
{
	double end = lib_seconds() + 3;
	unsigned int n;

	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	signal_storm(2000, SA_RESTART);
	for (n = 0; lib_seconds() < end; n++) {
		make_valid(self, 3);
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
		make_add(self);
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
		/* These may be, and then they have not removed it. */
		while (ps_unmerge(self->dev, self->arg.add.id, NULL) == -EINTR)
			;
		while (ps_remove(self->dev, self->arg.add.id) == -EINTR)
			;
	}
	signal_storm(0, 0);
	EXPECT_LT(10, n);
}

#ifdef __x86_64__
/* ioctl(2) as a 32-bit program calls it: 0 or -errno. */
static long ioctl32(int fd, unsigned int cmd, void *arg)
{
	long result;

	asm volatile("int $0x80" : "=a" (result) :
		     "a" (54L), "b" ((long)fd), "c" ((long)cmd), "d" (arg) :
		     "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static void no_such_calls(int sig)
{
	_exit(KSFT_SKIP);
}

TEST_F(abi, calls_of_32_bit_programs)
{
	static const unsigned int order[] = { 0, 1, 3, 4, 5, 6, 2 };
	union argument *low;
	unsigned int i, n;
	__u64 id = 0;
	pid_t pid;
	int status;

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, no_such_calls);
		_exit(ioctl32(-1, 0, NULL) == -EBADF ? 0 : KSFT_SKIP);
	}
	waitpid(pid, &status, 0);
	if (status)
		SKIP(return, "the kernel has no 32-bit calls");
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		n = order[i];
		*low = *make_valid(self, n);
		EXPECT_EQ(0, ioctl32(self->dev, calls[n].cmd, low)) TH_LOG("%s", calls[n].name);
		if (calls[n].cmd == PSHARE_IOC_ADD)
			id = low->add.id;
		if (calls[n].cmd == PSHARE_IOC_READ)
			EXPECT_EQ(self->victim, low->read.pid);
		if (calls[n].cmd == PSHARE_IOC_LEDGER)
			EXPECT_EQ(self->victim, low->ledger.pid);
		*low = *make_valid(self, n);
		low->size = calls[n].min - 1;
		EXPECT_EQ(-EINVAL, ioctl32(self->dev, calls[n].cmd, low));
	}
	EXPECT_LT(self->id, id);
	EXPECT_EQ(0, remove_id(self, id));
}
#endif

TEST_HARNESS_MAIN
