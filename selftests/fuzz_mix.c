// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of fuzz.c by several callers at once, under signals, while processes that
 * are registered write, fork, move and drop memory, are born and killed, and somebody
 * tries to unload the module.  Whatever the answer is, it is of the dictionary; no
 * process finds a byte that it did not write; and nothing is left.
 *
 * PSHARE_FUZZ_SEED and PSHARE_FUZZ_CALLS as in fuzz.c; here each caller repeats its
 * calls, but not when the others' come.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/fuzz.h"
#include "lib/leaks.h"

#define CALLERS		3
#define CHILDREN	3
#define PATIENCE	3000	/* seconds that all may take */

/**
 * struct common - what all processes see
 * @stop:	children: come to an end
 * @last_id:	greatest number of a region that anybody was told
 * @pid:	processes that may be registered, some of them dead
 * @mem:	where the children have their pages
 * @seed:	what the children's pages hold in the end
 * @accepted:	calls that succeeded
 * @refused:	calls that did not
 */
struct common {
	atomic_bool stop;
	atomic_ulong last_id;
	atomic_int pid[PROCS];
	char *mem[CHILDREN];
	uint64_t seed[CHILDREN][FUZZ_PAGES];
	atomic_ulong accepted, refused;
};

/* ---- a process that lives ---- */

struct life {
	struct child *self;
	struct rng rng;
	uint64_t seed[FUZZ_PAGES];
};

static long wrong_in(const struct life *life)
{
	long wrong = 0;

	for (unsigned int i = 0; i < FUZZ_PAGES; i++)
		wrong += !page_is(child_page(life->self, i), life->seed[i]);
	return wrong;
}

/* Another has the same memory for a while, reads it and writes to its own. */
static long have_a_child(struct life *life)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		long wrong = wrong_in(life);

		page_fill(child_page(life->self, rng_below(&life->rng, FUZZ_PAGES)), 99);
		_exit(wrong ? 1 : 0);
	}
	if (pid < 0)
		return 0;
	return waitpid(pid, &status, 0) == pid && status ? 1 : 0;
}

static long move_away_and_back(struct life *life, char *page)
{
	char *spare = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (spare == MAP_FAILED ||
	    mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare)
		return 1;
	return mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) != page;
}

static long live_a_moment(struct life *life)
{
	unsigned int i = rng_below(&life->rng, FUZZ_PAGES);
	char *page = child_page(life->self, i);

	switch (rng_below(&life->rng, 40)) {
	case 0:
		return have_a_child(life);
	case 1:
		return move_away_and_back(life, page);
	case 2:
		if (madvise(page, PAGE, MADV_DONTNEED))
			return 1;
		life->seed[i] = 0;
		return 0;
	case 3:
		return mprotect(page, PAGE, PROT_READ) || !page_is(page, life->seed[i]) ||
		       mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	case 4 ... 9:
		life->seed[i] = rng_below(&life->rng, SEEDS);
		page_fill(page, life->seed[i]);
		return 0;
	default:
		/* Pages have to hold still now and then to be merged. */
		usleep(500);
		return !page_is(page, life->seed[i]);
	}
}

/* A child, until it is told to stop: what it found wrong. */
static long live(struct child *self, const long *arg)
{
	struct common *common = (struct common *)arg[0];
	struct life life = { .self = self, .rng.state = arg[1] };
	long wrong = 0;

	signal(SIGCHLD, SIG_DFL);
	while (!atomic_load(&common->stop))
		wrong += live_a_moment(&life);
	memcpy(common->seed[arg[2]], life.seed, sizeof(life.seed));
	return wrong + wrong_in(&life);
}

/* ---- a caller ---- */

struct caller {
	int dev;
	unsigned int number;
	struct common *common;
	struct rng rng;
	struct world world;
	struct arena arena;
	pid_t mayfly;
};

static void do_nothing(int sig)
{
}

/* What a caller knows of the world is old news. */
static void look_around(struct caller *caller)
{
	struct world *world = &caller->world;

	world->last_id = atomic_load(&caller->common->last_id);
	for (unsigned int i = 0; i < PROCS; i++) {
		struct proc *proc = &world->proc[i];

		if (proc->pidfd > 0)
			close(proc->pidfd);
		proc->kind = KIND_LIVE;
		proc->pid = atomic_load(&caller->common->pid[i]);
		proc->pidfd = syscall(SYS_pidfd_open, proc->pid, 0);
	}
}

/* A process of which nobody expects anything but that it dies soon. */
static void renew_mayfly(struct caller *caller)
{
	char *mem = caller->world.proc[CHILDREN].mem;

	if (caller->mayfly) {
		kill(caller->mayfly, SIGKILL);
		waitpid(caller->mayfly, NULL, 0);
	}
	caller->mayfly = fork();
	if (!caller->mayfly) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
		close(caller->dev);
		for (unsigned int i = 0; ; i++) {
			page_fill(mem + i % FUZZ_PAGES * PAGE, i % SEEDS);
			usleep(1000);
		}
	}
	atomic_store(&caller->common->pid[CHILDREN + 1 + caller->number], caller->mayfly);
}

static const char *call_once(struct caller *caller)
{
	static struct request request;
	static union argument answer;
	uint64_t known = ERRNO(EFAULT) | ERRNO(EINVAL) | ERRNO(E2BIG);
	int err;

	make_request(&caller->world, &caller->rng, &request);
	known = request.op == OP_NONE ? ERRNO(ENOTTY) : known | fuzz_ops[request.op].errnos;
	err = send_request(caller->dev, &caller->arena, &request, &answer);
	atomic_fetch_add(err ? &caller->common->refused : &caller->common->accepted, 1);
	if (err && !(known & ERRNO(err))) {
		tell_request(&request, err, known);
		return "an errno that the header does not know";
	}
	if (!err && request.op == OP_ADD)
		atomic_store(&caller->common->last_id, answer.add.id);
	/* An address space is full of regions soon: make room. */
	if (err == EEXIST)
		ps_remove(caller->dev, 1 + rng_below(&caller->rng, caller->world.last_id + 1));
	return NULL;
}

/* Knobs at random mostly mean that nothing is merged. */
static const char *scan_on(void)
{
	int err = ps_set("sleep_millisecs", 0) ?: ps_set("max_pages_shared", 0) ?:
		  ps_set("pages_to_scan", 1000) ?: ps_set("target_scan_seconds", 0) ?:
		  ps_set("max_cpu_percent", 0) ?: ps_set("run", 1);

	return err && err != -EINTR ? "the scanner cannot be started" : NULL;
}

static const char *step(struct caller *caller)
{
	unsigned int kind = rng_below(&caller->rng, 100);
	int err;

	if (kind < 78)
		return call_once(caller);
	if (kind < 80)
		return scan_on();
	if (kind < 85)
		return fuzz_knob(&caller->world, &caller->rng, false);
	if (kind < 92)
		return fuzz_table(&caller->rng);
	if (kind < 98) {
		look_around(caller);
		if (kind >= 96)
			renew_mayfly(caller);
		return NULL;
	}
	err = module_unload();
	return err == -EAGAIN ? NULL : "the module went while its device was open";
}

/* Calls under a storm of signals, so nobody waits long for a scan. */
static void __attribute__((noreturn)) call_in(struct caller *caller, unsigned int calls)
{
	struct sigaction action = { .sa_handler = do_nothing };
	const char *why = NULL;
	unsigned int n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	arena_map(&caller->arena);
	for (unsigned int i = 0; i < CHILDREN; i++)
		caller->world.proc[i].mem = caller->common->mem[i];
	for (unsigned int i = CHILDREN; i < PROCS; i++)
		caller->world.proc[i].mem = mmap(NULL, FUZZ_PAGES * PAGE, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	look_around(caller);
	renew_mayfly(caller);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ { .tv_usec = 30000 }, { .tv_usec = 30000 } },
		  NULL);
	for (n = 0; n < calls && !why; n++)
		why = step(caller);
	if (why)
		lib_note("caller %u, step %u: %s", caller->number, n - 1, why);
	kill(caller->mayfly, SIGKILL);
	_exit(why ? 1 : 0);
}

FIXTURE(fuzz_mix)
{
	int dev;
	uint64_t seed;
	struct common *common;
	struct child child[CHILDREN];
};

FIXTURE_SETUP(fuzz_mix)
{
	self->seed = fuzz_seed();
	self->common = mmap(NULL, sizeof(*self->common), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->common);
	close(ps_begin());
	for (unsigned int i = 0; i < CHILDREN; i++) {
		child_start(&self->child[i], FUZZ_PAGES, 0);
		atomic_store(&self->common->pid[i], self->child[i].pid);
		self->common->mem[i] = self->child[i].mem;
	}
	atomic_store(&self->common->pid[CHILDREN], getpid());
	atomic_store(&self->common->pid[PROCS - 1], 2);
	self->dev = ps_open();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(fuzz_mix)
{
	for (unsigned int i = 0; i < CHILDREN; i++)
		child_kill(&self->child[i]);
	close(self->dev);
}

static void remove_all(struct __test_metadata *_metadata, int dev)
{
	struct pshare_read read;
	uint64_t id = 0;

	while (!ps_next(dev, id, &read)) {
		EXPECT_EQ(0, ps_remove(dev, read.id));
		id = read.id + 1;
	}
	EXPECT_EQ(0, ps_regions(dev));
}

/* Pages that do not hold what their owner has written last, from inside and outside. */
static size_t wrong_bytes(struct _test_data_fuzz_mix *self)
{
	size_t wrong = 0;

	for (unsigned int i = 0; i < CHILDREN; i++) {
		struct child *child = &self->child[i];
		const uint64_t *seed = self->common->seed[i];

		for (unsigned int k = 0; k < FUZZ_PAGES; k++)
			wrong += wrong_pages(child->pid, child_page(child, k), 1, seed[k], 0) +
				 child_wrong(child, k, 1, seed[k], 0);
	}
	return wrong;
}

TEST_F_TIMEOUT(fuzz_mix, together, PATIENCE)
{
	struct common *common = self->common;
	struct caller caller = { .common = common };
	pid_t pid[CALLERS];
	long wrong = 0;
	int status;

	for (unsigned int i = 0; i < CHILDREN; i++)
		child_post(&self->child[i], live, (long)common, self->seed + i, i);
	for (unsigned int i = 0; i < CALLERS; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			close(self->dev);
			caller.number = i;
			caller.rng.state = self->seed * CALLERS + i;
			caller.dev = ps_open();
			call_in(&caller, fuzz_calls() / CALLERS);
		}
	}
	for (unsigned int i = 0; i < CALLERS; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("caller %u", i);
	}
	lib_note("%lu calls accepted, %lu refused, %lld pages scanned, %lld full scans",
		 atomic_load(&common->accepted), atomic_load(&common->refused),
		 ps_get("pages_scanned"), ps_get("full_scans"));
	EXPECT_LT(fuzz_calls() / 20, atomic_load(&common->accepted));

	atomic_store(&common->stop, true);
	for (unsigned int i = 0; i < CHILDREN; i++)
		wrong += child_finish(&self->child[i]);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, ps_set("run", 0));
	remove_all(_metadata, self->dev);
	EXPECT_EQ(0, wrong_bytes(self));
	close(self->dev);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, leaks_frames_settled());
	EXPECT_EQ(0, wrong_bytes(self));
	self->dev = ps_begin();
}

TEST_HARNESS_MAIN
