// SPDX-License-Identifier: GPL-2.0
/*
 * Input at random for all interfaces: ioctls, knobs, tables, parameters of the module,
 * by one caller, so each answer is compared with a model (lib/fuzz.h).  Meanwhile the
 * registered processes write, die and come anew, and their bytes are checked.
 *
 * PSHARE_FUZZ_SEED repeats a run, PSHARE_FUZZ_CALLS makes it longer.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/fuzz.h"
#include "lib/leaks.h"

#define CHILDREN	3
#define RESPAWNS	40

/* To repeat a run exactly the addresses must be the same, too. */
static void __attribute__((constructor)) stay_in_place(int argc, char **argv)
{
	int old = personality(0xffffffff);

	if (old == -1 || old & ADDR_NO_RANDOMIZE || personality(old | ADDR_NO_RANDOMIZE) == -1)
		return;
	execv("/proc/self/exe", argv);
}

/**
 * struct alone - one caller, of whom all is known
 * @dev:	the device
 * @child:	processes of which proc[1] and so on tell
 * @seed:	what their pages hold
 * @respawns:	children that may still be started
 * @digest:	of all that was asked and answered
 */
struct alone {
	int dev;
	struct rng rng;
	struct world world;
	struct arena arena;
	struct child child[CHILDREN];
	uint64_t seed[CHILDREN][FUZZ_PAGES];
	unsigned int respawns;
	unsigned int accepted, refused;
	uint64_t digest;
};

static void digest(struct alone *alone, uint64_t value)
{
	alone->digest = (alone->digest ^ value) * 0x100000001b3ULL;
}

/* Regions of a process that has gone are on their way out. */
static void mark_dead(struct world *world, unsigned int proc)
{
	for (unsigned int i = 0; i < world->nr_regions; i++)
		if (world->region[i].proc == proc)
			world->region[i].dead = true;
}

/* What keeps the device open keeps the module. */
static long close_device(struct child *self, const long *arg)
{
	return close(arg[0]);
}

static void spawn(struct alone *alone, unsigned int i)
{
	struct proc *proc = &alone->world.proc[1 + i];
	struct child *child = &alone->child[i];

	/* That of the life before; see fuzz_child(). */
	if (proc->pidfd > 0)
		close(proc->pidfd);
	child_start(child, FUZZ_PAGES, 0);
	child_call(child, close_device, alone->dev);
	memset(alone->seed[i], 0, sizeof(alone->seed[i]));
	*proc = (struct proc){ KIND_LIVE, child->pid, child->pidfd, child->mem };
	/* Its regions of a life before are as dead as they were. */
	for (unsigned int k = 0; k < alone->world.nr_regions; k++)
		if (alone->world.region[k].proc == 1 + i)
			alone->world.region[k].proc = PROCS;
}

/* proc[]: ourselves, the children, init, a kernel thread, a zombie, no pidfd at all. */
static void people(struct alone *alone)
{
	struct proc *proc = alone->world.proc;
	pid_t zombie;

	proc[0] = (struct proc){ KIND_LIVE, getpid(), syscall(SYS_pidfd_open, getpid(), 0),
		mmap(NULL, FUZZ_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
	for (unsigned int i = 0; i < CHILDREN; i++)
		spawn(alone, i);
	proc[4] = (struct proc){ KIND_LIVE, 1, syscall(SYS_pidfd_open, 1, 0), NULL };
	proc[5] = (struct proc){ KIND_KTHREAD, 2, syscall(SYS_pidfd_open, 2, 0), NULL };
	zombie = fork();
	if (!zombie)
		_exit(0);
	proc[6] = (struct proc){ KIND_DEAD, zombie, syscall(SYS_pidfd_open, zombie, 0), NULL };
	waitid(P_PID, zombie, NULL, WEXITED | WNOWAIT);
	proc[7] = (struct proc){ KIND_NO_PIDFD, 0, open("/proc/self", O_RDONLY), NULL };
}

static const char *check_children(struct alone *alone)
{
	for (unsigned int i = 0; i < CHILDREN; i++) {
		struct child *child = &alone->child[i];
		const uint64_t *seed = alone->seed[i];

		for (unsigned int k = 0; child->pid && k < FUZZ_PAGES; k++)
			if (wrong_pages(child->pid, child_page(child, k), 1, seed[k], 0) ||
			    child_wrong(child, k, 1, seed[k], 0))
				return "a page of a child holds what it did not write";
	}
	return NULL;
}

/* What a call that succeeded has told us, and changed. */
static const char *note_success(struct alone *alone, const struct request *request,
				const union argument *answer)
{
	struct world *world = &alone->world;
	const struct pshare_read *read = &answer->read;
	struct region *region;
	uint64_t sum = 0;

	switch (request->op) {
	case OP_ADD:
		if (answer->add.id <= world->last_id)
			return "the id of a new region is not a new one";
		region = &world->region[world->nr_regions++];
		memset(region, 0, sizeof(*region));
		region->id = answer->add.id;
		world->last_id = region->id;
		while (world->proc[region->proc].pidfd != request->arg.add.pidfd)
			region->proc++;
		region->whole = !(request->arg.flags & PSHARE_ADD_RANGE);
		region->start = region->whole ? 0 : request->arg.add.start;
		region->end = region->whole ? USER_END : request->arg.add.end;
		strcpy(region->group, request->arg.add.group);
		break;
	case OP_REMOVE:
		drop_region(world, find_region(world, request->arg.remove.id));
		break;
	case OP_LEDGER:
		region = find_region(world, answer->ledger.id);
		if (!region || answer->ledger.pages != (region->end - region->start) / PAGE ||
		    strcmp(answer->ledger.group, region->group))
			return "the ledger tells of a region that was not registered";
		for (unsigned int i = 0; i < PSHARE_NR_CLASSES; i++)
			sum += answer->ledger.classes[i];
		if (sum != answer->ledger.pages)
			return "the classes of a ledger do not add up";
		break;
	case OP_READ:
		region = find_region(world, read->id);
		if (!region)
			return "a region is listed that is not registered";
		if (read->start != region->start || read->end != region->end ||
		    strcmp(read->group, region->group) ||
		    (region->proc < PROCS && read->pid != world->proc[region->proc].pid) ||
		    read->state != ((region->whole ? PSHARE_REGION_WHOLE : 0) |
				    (*region->group ? 0 : PSHARE_REGION_PRIVATE)))
			return "a region is not what was registered";
		for (unsigned int i = 0; request->arg.flags && i < world->nr_regions; i++)
			if (!world->region[i].dead && world->region[i].id < read->id &&
			    world->region[i].id >= request->arg.read.id)
				return "a region was passed over";
		break;
	}
	return NULL;
}

/* A region whose process has gone may be there still, or not any more. */
static bool may_be_gone(struct world *world, const struct request *request)
{
	struct region *region;

	if (request->op != OP_REMOVE && request->op != OP_READ && request->op != OP_UNMERGE &&
	    request->op != OP_LEDGER)
		return false;
	if ((request->op != OP_READ && request->op != OP_LEDGER) ||
	    !(request->arg.flags & PSHARE_READ_NEXT)) {
		region = find_region(world, request->arg.read.id);
		return region && region->dead;
	}
	for (unsigned int i = 0; i < world->nr_regions; i++)
		if (world->region[i].id >= request->arg.read.id && !world->region[i].dead)
			return false;
	return true;
}

static const char *fuzz_ioctl(struct alone *alone)
{
	static struct request request;
	static union argument answer;
	uint64_t allowed;
	bool maybe;
	int err;

	make_request(&alone->world, &alone->rng, &request);
	allowed = expect(&alone->world, &request);
	maybe = !allowed && may_be_gone(&alone->world, &request);
	err = send_request(alone->dev, &alone->arena, &request, &answer);
	if (!maybe) {
		digest(alone, request.op);
		digest(alone, allowed);
		digest(alone, err);
	}
	alone->accepted += !err;
	alone->refused += !!err;
	if (maybe && err == ENOENT) {
		if (request.op == OP_REMOVE)
			drop_region(&alone->world,
				    find_region(&alone->world, request.arg.remove.id));
		return NULL;
	}
	if (err ? !(allowed & ERRNO(err)) : !!allowed) {
		tell_request(&request, err, allowed);
		return "a call did not end as the header promises";
	}
	if (err && request.place != PLACE_NOWHERE &&
	    memcmp(request.arg.bytes, answer.bytes, request.room)) {
		tell_request(&request, err, allowed);
		return "a call that failed has written something back";
	}
	return err ? NULL : note_success(alone, &request, &answer);
}

/* A child writes, gives memory back, dies, or is born. */
static const char *fuzz_child(struct alone *alone)
{
	unsigned int i = rng_below(&alone->rng, CHILDREN);
	unsigned int page = rng_below(&alone->rng, FUZZ_PAGES);
	unsigned int seed = rng_below(&alone->rng, SEEDS);
	struct child *child = &alone->child[i];

	if (!child->pid) {
		if (alone->respawns) {
			alone->respawns--;
			spawn(alone, i);
		}
		return NULL;
	}
	switch (rng_below(&alone->rng, 12)) {
	case 0:
		if (!alone->respawns)
			break;
		/* child_kill() closes the pidfd: have one that stays, of a dead process. */
		alone->world.proc[1 + i].pidfd = dup(child->pidfd);
		alone->world.proc[1 + i].kind = KIND_DEAD;
		child_kill(child);
		mark_dead(&alone->world, 1 + i);
		break;
	case 1:
		if (child_madvise(child, page, 1, MADV_DONTNEED))
			return "a child cannot give memory back";
		alone->seed[i][page] = 0;
		break;
	default:
		child_fill(child, page, 1, seed, 0);
		alone->seed[i][page] = seed;
		break;
	}
	return NULL;
}

/* While the device is open the module stays; when it is not, it goes and comes again. */
static const char *fuzz_unload(struct alone *alone)
{
	int err = module_unload();

	if (err != -EAGAIN)
		return "the module went, or would have, while its device was open";
	if (!rng_one_in(&alone->rng, 8))
		return NULL;
	close(alone->dev);
	err = module_unload();
	if (err)
		return "the module does not go";
	if (check_children(alone))
		return "bytes are wrong after the module has gone";
	alone->world.nr_regions = 0;
	alone->world.last_id = 0;
	alone->world.run = 0;
	alone->dev = ps_begin();
	return NULL;
}

static const char *fuzz_step(struct alone *alone, unsigned int n)
{
	unsigned int kind = rng_below(&alone->rng, 100);
	const char *why;

	if (n % 128 == 127) {
		why = check_children(alone);
		if (why)
			return why;
	}
	if (kind < 60)
		return fuzz_ioctl(alone);
	if (kind < 85)
		return fuzz_child(alone);
	if (kind < 92)
		return fuzz_knob(&alone->world, &alone->rng, true);
	if (kind < 98)
		return fuzz_table(&alone->rng);
	return fuzz_unload(alone);
}

FIXTURE(fuzz)
{
	struct alone *alone;
};

FIXTURE_SETUP(fuzz)
{
	struct alone *alone = calloc(1, sizeof(*alone));

	ASSERT_NE(NULL, alone);
	self->alone = alone;
	alone->rng.state = fuzz_seed();
	alone->respawns = RESPAWNS;
	alone->dev = ps_begin();
	arena_map(&alone->arena);
	people(alone);
}

FIXTURE_TEARDOWN(fuzz)
{
	struct alone *alone = self->alone;

	for (unsigned int i = 0; i < CHILDREN; i++)
		child_kill(&alone->child[i]);
	close(alone->dev);
	free(alone);
}

TEST_F_TIMEOUT(fuzz, alone, 3600)
{
	struct alone *alone = self->alone;
	struct pshare_read read;
	unsigned int n, calls = fuzz_calls();
	const char *why = NULL;
	uint64_t id = 0;

	for (n = 0; n < calls && !why; n++)
		why = fuzz_step(alone, n);
	lib_note("%u steps: %u ioctls accepted, %u refused, digest %#llx", n, alone->accepted,
		 alone->refused, (unsigned long long)alone->digest);
	ASSERT_EQ(NULL, why) TH_LOG("step %u: %s", n - 1, why);
	EXPECT_LT(n / 10, alone->accepted);
	EXPECT_LT(n / 20, alone->refused);
	ASSERT_EQ(NULL, check_children(alone));

	/* All that was registered can be taken back, and then nothing is left. */
	EXPECT_EQ(0, ps_set("run", 0));
	while (!ps_next(alone->dev, id, &read)) {
		EXPECT_EQ(0, ps_remove(alone->dev, read.id));
		id = read.id + 1;
	}
	EXPECT_EQ(0, ps_regions(alone->dev));
	EXPECT_TRUE(ps_nothing_shared());
	ASSERT_EQ(NULL, check_children(alone));
	close(alone->dev);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, leaks_frames_settled());
	EXPECT_EQ(NULL, check_children(alone));
	alone->dev = ps_begin();
}

/* A parameter that is wrong: the module does not load, and leaves nothing behind. */
TEST_F_TIMEOUT(fuzz, parameters, 300)
{
	static const char * const wrong[] = {
		"", "0x", "-1", "zero", "1e6", "0xffffffffffffffffff", "99999999999999999999",
		" ", "%p", "=", "0x1000 0x2000",
	};
	struct rng *rng = &self->alone->rng;
	char parameters[128], value[32];
	int err;

	close(self->alone->dev);
	ASSERT_EQ(0, module_unload());
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(wrong); i++) {
		snprintf(value, sizeof(value), "%#llx",
			 (unsigned long long)(rng_next(rng) >> rng_below(rng, 63)) | 1);
		snprintf(parameters, sizeof(parameters), "kallsyms_lookup_name_addr=%s",
			 i < ARRAY_SIZE(wrong) ? wrong[i] : value);
		err = module_load(parameters);
		EXPECT_TRUE(err == -EINVAL || err == -ERANGE || err == -ENOENT)
			TH_LOG("%s: %d", parameters, err);
		ASSERT_FALSE(module_loaded());
		EXPECT_NE(0, access("/dev/pshare", F_OK));
		EXPECT_NE(0, access("/sys/kernel/mm/pshare", F_OK));
		EXPECT_NE(0, access("/sys/kernel/debug/pshare", F_OK));
	}
	self->alone->dev = ps_begin();
}

TEST_HARNESS_MAIN
