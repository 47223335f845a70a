// SPDX-License-Identifier: GPL-2.0
/* Children that do as they are told; see lib.h. */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#define SLEEPER		"--sleep-until-killed"
#define CHILDREN	128
#define CHILD_PATIENCE	100	/* seconds that a child may take for one call */

struct child_slot {
	sem_t request, answer;
	struct child self;
	child_fn fn;
	long arg[6];
	long result;
};

/* Shared between the test and its children, so that no page of it is private. */
static struct child_slot *slots;
static unsigned int slots_used;
static pid_t slots_owner;

/* What child_exec() starts: this program again, doing nothing. */
static void __attribute__((constructor)) sleeper(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], SLEEPER))
		return;
	for (;;)
		pause();
}

static bool test_is_alive(void)
{
	return !kill(slots_owner, 0);
}

static void __attribute__((noreturn)) serve(struct child_slot *slot)
{
	struct timespec deadline;

	for (;;) {
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec++;
		if (sem_timedwait(&slot->request, &deadline)) {
			if (!test_is_alive())
				_exit(1);
			continue;
		}
		slot->result = slot->fn(&slot->self, slot->arg);
		sem_post(&slot->answer);
	}
}

static struct child_slot *new_slot(void)
{
	struct child_slot *slot;

	if (slots_owner != getpid()) {
		slots = mmap(NULL, CHILDREN * sizeof(*slots), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (slots == MAP_FAILED)
			lib_die("no memory for the children");
		slots_owner = getpid();
		slots_used = 0;
	}
	if (slots_used == CHILDREN)
		lib_die("more children than %d", CHILDREN);
	slot = &slots[slots_used++];
	sem_init(&slot->request, 1, 0);
	sem_init(&slot->answer, 1, 0);
	return slot;
}

/* The child's memory.  At the same place in each child that a test starts. */
static void map_memory(struct child *self, size_t pages, int flags)
{
	size_t spare = flags & CHILD_HUGE ? HUGE_PAGE : 0;
	uintptr_t start;
	char *mem;

	mem = mmap(NULL, pages * PAGE + spare, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		lib_die("a child got no memory");
	if (flags & CHILD_HUGE) {
		start = ((uintptr_t)mem + spare - 1) & ~(spare - 1);
		if (start > (uintptr_t)mem)
			munmap(mem, start - (uintptr_t)mem);
		munmap((char *)start + pages * PAGE, (uintptr_t)mem + spare - start);
		mem = (char *)start;
	}
	madvise(mem, pages * PAGE, flags & CHILD_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	self->mem = mem;
	self->pages = pages;
}

static long do_nothing(struct child *self, const long *arg)
{
	return 0;
}

void child_start_in(struct child *child, size_t pages, int flags, const char *cgroup)
{
	struct child_slot *slot = new_slot();
	int err;

	fflush(stdout);
	child->pid = fork();
	if (child->pid < 0)
		lib_die("cannot fork: %s", strerror(errno));
	if (!child->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		if (getppid() != slots_owner)
			_exit(1);
		err = cgroup ? cg_enter(cgroup, getpid()) : 0;
		if (err)
			lib_die("a child cannot enter %s: %s", cgroup, strerror(-err));
		slot->self.slot = slot;
		slot->self.pid = getpid();
		map_memory(&slot->self, pages, flags);
		serve(slot);
	}
	child->slot = slot;
	child->pidfd = syscall(SYS_pidfd_open, child->pid, 0);
	child_call(child, do_nothing);
	child->mem = slot->self.mem;
	child->pages = pages;
}

void child_start(struct child *child, size_t pages, int flags)
{
	child_start_in(child, pages, flags, NULL);
}

void child_post_args(struct child *child, child_fn fn, const long arg[6])
{
	child->slot->fn = fn;
	memcpy(child->slot->arg, arg, sizeof(child->slot->arg));
	sem_post(&child->slot->request);
}

static bool child_gone(struct child *child, int ms)
{
	struct pollfd pollfd = { .fd = child->pidfd, .events = POLLIN };

	return poll(&pollfd, 1, ms) == 1;
}

bool child_finish_in(struct child *child, unsigned int ms, long *result)
{
	double end = lib_seconds() + ms / 1000.0 * lib_scale();
	struct timespec deadline;

	do {
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec++;
		if (!sem_timedwait(&child->slot->answer, &deadline)) {
			*result = child->slot->result;
			return true;
		}
		if (child_gone(child, 0))
			lib_die("child %d died", child->pid);
	} while (lib_seconds() < end);
	return false;
}

long child_finish(struct child *child)
{
	long result;

	if (!child_finish_in(child, CHILD_PATIENCE * 1000, &result))
		lib_die("child %d does not answer", child->pid);
	return result;
}

long child_call_args(struct child *child, child_fn fn, const long arg[6])
{
	child_post_args(child, fn, arg);
	return child_finish(child);
}

static long do_fill(struct child *self, const long *arg)
{
	for (long i = 0; i < arg[1]; i++)
		page_fill(child_page(self, arg[0] + i), arg[2] + i * arg[3]);
	return 0;
}

void child_fill(struct child *child, size_t first, size_t count, uint64_t seed, uint64_t step)
{
	if (first + count > child->pages)
		lib_die("a child has no such pages");
	child_call(child, do_fill, first, count, seed, step);
}

static long do_count_wrong(struct child *self, const long *arg)
{
	long wrong = 0;

	for (long i = 0; i < arg[1]; i++)
		wrong += !page_is(child_page(self, arg[0] + i), arg[2] + i * arg[3]);
	return wrong;
}

size_t child_wrong(struct child *child, size_t first, size_t count, uint64_t seed,
		   uint64_t step)
{
	return child_call(child, do_count_wrong, first, count, seed, step);
}

static long do_poke(struct child *self, const long *arg)
{
	*(volatile unsigned char *)(child_page(self, arg[0]) + arg[1]) = arg[2];
	return 0;
}

void child_poke(struct child *child, size_t page, size_t offset, unsigned char byte)
{
	child_call(child, do_poke, page, offset, byte);
}

static long do_madvise(struct child *self, const long *arg)
{
	return madvise(child_page(self, arg[0]), arg[1] * PAGE, arg[2]) ? -errno : 0;
}

int child_madvise(struct child *child, size_t first, size_t count, int advice)
{
	return child_call(child, do_madvise, first, count, advice);
}

static long do_mprotect(struct child *self, const long *arg)
{
	return mprotect(child_page(self, arg[0]), arg[1] * PAGE, arg[2]) ? -errno : 0;
}

int child_mprotect(struct child *child, size_t first, size_t count, int protection)
{
	return child_call(child, do_mprotect, first, count, protection);
}

static long do_fork(struct child *self, const long *arg)
{
	struct child_slot *slot = (struct child_slot *)arg[0];
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	slot->self = *self;
	slot->self.slot = slot;
	slot->self.pid = getpid();
	serve(slot);
}

void child_fork(struct child *child, struct child *new)
{
	struct child_slot *slot = new_slot();
	long pid = child_call(child, do_fork, (long)slot);

	if (pid < 0)
		lib_die("a child cannot fork: %s", strerror(-pid));
	new->pid = pid;
	new->pidfd = syscall(SYS_pidfd_open, pid, 0);
	new->mem = child->mem;
	new->pages = child->pages;
	new->slot = slot;
	child_call(new, do_nothing);
}

static long do_exec(struct child *self, const long *arg)
{
	execl("/proc/self/exe", "sleeper", SLEEPER, NULL);
	return -errno;
}

static bool is_sleeper(void *arg)
{
	struct child *child = arg;
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", child->pid);
	file_read(path, text, sizeof(text));
	return !strcmp(text, "sleeper");
}

void child_exec(struct child *child)
{
	child_post(child, do_exec);
	if (!lib_wait(is_sleeper, child, 10000))
		lib_die("child %d does not start the sleeper", child->pid);
}

static void child_reap(struct child *child)
{
	if (!child_gone(child, CHILD_PATIENCE * 1000))
		lib_die("child %d does not end", child->pid);
	waitpid(child->pid, NULL, 0);
	close(child->pidfd);
	child->pid = 0;
}

static long do_exit(struct child *self, const long *arg)
{
	_exit(0);
}

void child_exit(struct child *child)
{
	child_post(child, do_exit);
	child_reap(child);
}

void child_kill(struct child *child)
{
	if (!child->pid)
		return;
	kill(child->pid, SIGKILL);
	child_reap(child);
}
