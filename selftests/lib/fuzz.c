// SPDX-License-Identifier: GPL-2.0
/* Calls made up, and what must become of them; see fuzz.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "lib/fuzz.h"

#define CALLS	3000

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

uint64_t fuzz_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		lib_die("no random numbers");
	seed = number_from("PSHARE_FUZZ_SEED", seed >> 32);
	lib_note("PSHARE_FUZZ_SEED=%#llx PSHARE_FUZZ_CALLS=%u", (unsigned long long)seed,
		 fuzz_calls());
	return seed;
}

unsigned int fuzz_calls(void)
{
	return number_from("PSHARE_FUZZ_CALLS", CALLS);
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

unsigned int rng_below(struct rng *rng, unsigned int n)
{
	return rng_next(rng) % n;
}

bool rng_one_in(struct rng *rng, unsigned int n)
{
	return !rng_below(rng, n);
}

struct region *find_region(struct world *world, uint64_t id)
{
	for (unsigned int i = 0; i < world->nr_regions; i++)
		if (world->region[i].id == id)
			return &world->region[i];
	return NULL;
}

void drop_region(struct world *world, struct region *region)
{
	*region = world->region[--world->nr_regions];
}

#define SIZE(name)	sizeof(struct pshare_##name)

/* Name, number, size, size in the first version, flags, whether it answers, errnos. */
const struct op fuzz_ops[OP_NONE] = {
	{ "VERSION", PSHARE_IOC_VERSION, SIZE(version), 16, 0, true, 0 },
	{ "ADD", PSHARE_IOC_ADD, SIZE(add), 104,
	  PSHARE_ADD_RANGE | PSHARE_ADD_GROUP | PSHARE_ADD_HUGE_POLICY, true,
	  ERRNO(ENAMETOOLONG) | ERRNO(EBADF) | ERRNO(ESRCH) | ERRNO(ERANGE) | ERRNO(EEXIST) |
	  ERRNO(ENOMEM) | ERRNO(EINTR) },
	{ "REMOVE", PSHARE_IOC_REMOVE, SIZE(remove), 16, 0, false,
	  ERRNO(ENOENT) | ERRNO(ENOMEM) | ERRNO(EBUSY) | ERRNO(EINTR) },
	{ "READ", PSHARE_IOC_READ, SIZE(read), 176, PSHARE_READ_NEXT, true,
	  ERRNO(ENOENT) | ERRNO(EINTR) },
	{ "UNMERGE", PSHARE_IOC_UNMERGE, SIZE(unmerge), 24, 0, true,
	  ERRNO(ENOENT) | ERRNO(ENOMEM) | ERRNO(EBUSY) | ERRNO(EINTR) },
	{ "SCAN", PSHARE_IOC_SCAN, SIZE(scan), 16, 0, false, ERRNO(EBUSY) | ERRNO(EINTR) },
	{ "LEDGER", PSHARE_IOC_LEDGER, SIZE(read_ledger), 552, PSHARE_READ_NEXT, true,
	  ERRNO(ENOENT) | ERRNO(EINTR) },
};

/* ---- the model ---- */

static uint64_t expect_group(const struct pshare_add *add)
{
	size_t length = strnlen(add->group, PSHARE_GROUP_SIZE);
	uint64_t errnos = 0;

	if (!(add->flags & PSHARE_ADD_GROUP)) {
		for (unsigned int i = 0; i < PSHARE_GROUP_SIZE; i++)
			if (add->group[i])
				return ERRNO(EINVAL);
		return 0;
	}
	if (!length)
		return ERRNO(EINVAL);
	if (length == PSHARE_GROUP_SIZE)
		errnos = ERRNO(ENAMETOOLONG);
	for (unsigned int i = 0; i < length; i++) {
		unsigned char c = add->group[i];

		if (c > 127 || (!isalnum(c) && !strchr("._:-", c)))
			errnos |= ERRNO(EINVAL);
	}
	return errnos;
}

static uint64_t expect_policy(const struct pshare_add *add)
{
	unsigned int policies = add->flags & PSHARE_ADD_HUGE_POLICY ? PSHARE_NR_HUGE_POLICIES : 1;

	/* Who asks for a policy must know where it stands. */
	if (policies > 1 && add->size < offsetof(struct pshare_add, reserved2))
		return ERRNO(EINVAL);
	return add->huge_policy >= policies || add->reserved2 ? ERRNO(EINVAL) : 0;
}

static uint64_t expect_range(const struct pshare_add *add)
{
	uint64_t errnos = 0;

	if (!(add->flags & PSHARE_ADD_RANGE))
		return add->start || add->end ? ERRNO(EINVAL) : 0;
	if (add->start >= add->end || add->start % PAGE || add->end % PAGE)
		errnos |= ERRNO(EINVAL);
	if (add->end > USER_END)
		errnos |= ERRNO(ERANGE);
	return errnos;
}

static uint64_t expect_process(const struct world *world, const struct pshare_add *add)
{
	bool range = add->flags & PSHARE_ADD_RANGE;
	uint64_t start = range ? add->start : 0, end = range ? add->end : USER_END;
	const struct region *region;
	unsigned int i, k;

	for (i = 0; i < PROCS; i++)
		if (world->proc[i].pidfd == add->pidfd)
			break;
	if (i == PROCS || world->proc[i].kind == KIND_NO_PIDFD)
		return ERRNO(EBADF);
	if (world->proc[i].kind == KIND_KTHREAD)
		return ERRNO(EINVAL);
	if (world->proc[i].kind == KIND_DEAD)
		return ERRNO(ESRCH);
	for (k = 0; k < world->nr_regions; k++) {
		region = &world->region[k];
		if (region->proc == i && start < region->end && region->start < end)
			return ERRNO(EEXIST);
	}
	return 0;
}

static uint64_t expect_id(struct world *world, uint64_t id, bool next)
{
	for (unsigned int i = 0; i < world->nr_regions; i++)
		if (next ? world->region[i].id >= id : world->region[i].id == id)
			return 0;
	return ERRNO(ENOENT);
}

/* The same, when the struct can be read. */
static uint64_t expect_meaning(struct world *world, unsigned int op, const union argument *arg)
{
	uint64_t errnos = 0;

	if (arg->flags & ~fuzz_ops[op].flags)
		errnos |= ERRNO(EINVAL);
	switch (op) {
	case OP_ADD:
		errnos |= arg->add.reserved ? ERRNO(EINVAL) : 0;
		errnos |= expect_group(&arg->add) | expect_range(&arg->add);
		errnos |= expect_policy(&arg->add);
		return errnos | expect_process(world, &arg->add);
	case OP_REMOVE:
	case OP_UNMERGE:
		return errnos | expect_id(world, arg->remove.id, false);
	case OP_READ:
	case OP_LEDGER:
		return errnos | expect_id(world, arg->read.id,
					  arg->read.flags & PSHARE_READ_NEXT);
	case OP_SCAN:
		errnos |= arg->scan.reserved || !arg->scan.passes ? ERRNO(EINVAL) : 0;
		return errnos | (world->run == 2 ? ERRNO(EBUSY) : 0);
	default:
		return errnos | (arg->version.reserved ? ERRNO(EINVAL) : 0);
	}
}

/*
 * The errnos that a call may end with: all that is wrong with it, for nobody
 * promised an order.  None means that it must succeed.
 */
uint64_t expect(struct world *world, const struct request *request)
{
	unsigned int i, size = request->arg.size, known, read;
	union argument arg = { 0 };
	uint64_t errnos = 0;

	if (request->op == OP_NONE)
		return ERRNO(ENOTTY);
	if (request->room < sizeof(request->arg.size))
		return ERRNO(EFAULT);
	known = fuzz_ops[request->op].size;
	if (size < fuzz_ops[request->op].min)
		errnos |= ERRNO(EINVAL);
	if (size > PAGE)
		errnos |= ERRNO(E2BIG);
	if (request->room < size)
		errnos |= ERRNO(EFAULT);
	for (i = known; i < size && i < request->room; i++)
		if (request->arg.bytes[i])
			errnos |= ERRNO(E2BIG);
	if (fuzz_ops[request->op].answers && request->place == PLACE_READONLY)
		errnos |= ERRNO(EFAULT);
	/* Of a shorter struct the rest is zero. */
	read = size < known ? size : known;
	if (request->room >= read && size >= fuzz_ops[request->op].min) {
		memcpy(arg.bytes, request->arg.bytes, read);
		errnos |= expect_meaning(world, request->op, &arg);
	}
	return errnos;
}

/* ---- making calls up ---- */

/* A number of the kind that goes wrong, or right. */
static uint64_t odd_number(struct world *world, struct rng *rng)
{
	const struct proc *proc = &world->proc[rng_below(rng, PROCS)];
	const uint64_t odd[] = {
		0, 1, 2, 63, 64, 104, 112, 176, 552, 4095, PAGE, PAGE + 1, (uintptr_t)proc->mem,
		(uintptr_t)proc->mem + FUZZ_PAGES * PAGE, USER_END, USER_END - PAGE,
		0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 47, 1ULL << 63,
		0xffff888000000000, 0xffffffffff600000, -PAGE, -1ULL, proc->pidfd,
		world->last_id, world->last_id + 1, rng_next(rng), rng_next(rng) & ~(PAGE - 1),
	};

	return odd[rng_below(rng, sizeof(odd) / sizeof(*odd))];
}

static void make_group(struct rng *rng, char *group)
{
	static const char * const names[] = { "a", "b", "web.1", "x:y-z_0", "default" };
	unsigned int i;

	snprintf(group, PSHARE_GROUP_SIZE, "%s",
		 names[rng_below(rng, sizeof(names) / sizeof(*names))]);
	if (!rng_one_in(rng, 8))
		return;
	/* Of any length, also too long; now and then with a byte that is not allowed. */
	memset(group, 'n', rng_one_in(rng, 2) ? PSHARE_GROUP_SIZE : PSHARE_GROUP_SIZE - 1);
	i = rng_below(rng, PSHARE_GROUP_SIZE);
	if (rng_one_in(rng, 2))
		group[i] = rng_next(rng);
}

static void make_add(struct world *world, struct rng *rng, struct pshare_add *add)
{
	const struct proc *proc = &world->proc[rng_below(rng, PROCS)];
	unsigned int first = rng_below(rng, FUZZ_PAGES);

	/* Mostly somebody who lives. */
	if (proc->kind != KIND_LIVE && !rng_one_in(rng, 4))
		proc = &world->proc[rng_below(rng, 4)];
	add->pidfd = proc->pidfd;
	if (!rng_one_in(rng, 8)) {
		add->flags |= PSHARE_ADD_RANGE;
		add->start = (uintptr_t)proc->mem + first * PAGE;
		add->end = add->start + (1 + rng_below(rng, FUZZ_PAGES - first)) * PAGE;
	}
	if (!rng_one_in(rng, 3)) {
		add->flags |= PSHARE_ADD_GROUP;
		make_group(rng, add->group);
	}
	if (rng_one_in(rng, 3)) {
		add->flags |= PSHARE_ADD_HUGE_POLICY;
		add->huge_policy = rng_below(rng, PSHARE_NR_HUGE_POLICIES + rng_one_in(rng, 8));
	}
	/* A program of version 1. */
	if (rng_one_in(rng, 8))
		add->size = fuzz_ops[OP_ADD].min;
}

static uint64_t make_id(struct world *world, struct rng *rng)
{
	if (!world->nr_regions || rng_one_in(rng, 8))
		return rng_below(rng, world->last_id + 3);
	return world->region[rng_below(rng, world->nr_regions)].id;
}

static unsigned long make_unknown_cmd(struct rng *rng)
{
	unsigned long cmd = rng_next(rng) >> rng_below(rng, 64);

	switch (rng_below(rng, 4)) {
	case 0:
		cmd = _IO(PSHARE_IOC_MAGIC, OP_NONE + rng_below(rng, 256 - OP_NONE));
		break;
	case 1:
		cmd = _IOWR(PSHARE_IOC_MAGIC, rng_below(rng, OP_NONE), struct pshare_add);
		break;
	case 2:
		cmd = _IO(rng_below(rng, PSHARE_IOC_MAGIC), rng_below(rng, OP_NONE));
		break;
	}
	/* These belong to every file, whatever stands behind it: FIONREAD and its like. */
	if (_IOC_TYPE(cmd) != PSHARE_IOC_MAGIC)
		cmd = _IO(0xbc, rng_below(rng, 256));
	else if (cmd == _IO(PSHARE_IOC_MAGIC, _IOC_NR(cmd)) && _IOC_NR(cmd) < OP_NONE)
		cmd = _IO(PSHARE_IOC_MAGIC, 0x80);
	return cmd;
}

/* Spoil something in the bytes. */
static void spoil(struct world *world, struct rng *rng, struct request *request)
{
	union argument *arg = &request->arg;
	unsigned int size = request->op == OP_NONE ? 16 : fuzz_ops[request->op].size;
	uint64_t odd = odd_number(world, rng);

	switch (rng_below(rng, 7)) {
	case 0:
		arg->words[rng_below(rng, size / 8)] = odd;
		break;
	case 1:
		memcpy(arg->bytes + rng_below(rng, size / 4) * 4, &odd, 4);
		break;
	case 2:
		arg->bytes[rng_below(rng, size)] ^= 1U << rng_below(rng, 8);
		break;
	case 3:
		arg->size = size + rng_below(rng, 64);
		break;
	case 4:
		arg->size = rng_one_in(rng, 2) ? rng_below(rng, 2 * PAGE) : odd;
		break;
	case 5:
		arg->size = size + 1 + rng_below(rng, 200);
		arg->bytes[size + rng_below(rng, arg->size - size)] = 1;
		break;
	case 6:
		arg->flags |= 1U << rng_below(rng, 32);
		break;
	}
}

static void place(struct rng *rng, struct request *request)
{
	static const uint64_t nowhere[] = { 0, 8, 0xffff888000001000, 0x800000000000, -8ULL,
					    0xffffffffff600000, USER_END, PAGE };
	unsigned int size = request->op == OP_NONE ? 16 : fuzz_ops[request->op].size;

	request->place = PLACE_PLAIN;
	request->room = sizeof(request->arg);
	if (!rng_one_in(rng, 6))
		return;
	request->place = 1 + rng_below(rng, 4);
	if (request->place == PLACE_EDGE)
		request->room = rng_below(rng, 2) ? size : rng_below(rng, size + 16);
	if (request->place != PLACE_NOWHERE)
		return;
	request->room = 0;
	request->address = nowhere[rng_below(rng, sizeof(nowhere) / sizeof(*nowhere))];
}

void make_request(struct world *world, struct rng *rng, struct request *request)
{
	static const unsigned char weights[] = {
		0, OP_ADD, OP_ADD, OP_ADD, OP_ADD, OP_REMOVE, OP_REMOVE, OP_READ, OP_READ, OP_READ,
		OP_UNMERGE, OP_UNMERGE, OP_SCAN, OP_LEDGER, OP_LEDGER, OP_LEDGER, OP_NONE,
	};
	union argument *arg = &request->arg;
	unsigned int i;

	memset(request, 0, sizeof(*request));
	request->op = weights[rng_below(rng, sizeof(weights))];
	if (world->nr_regions == MAX_REGIONS)
		request->op = OP_REMOVE;
	if (request->op == OP_NONE) {
		request->cmd = make_unknown_cmd(rng);
		arg->size = 16;
	} else {
		request->cmd = fuzz_ops[request->op].cmd;
		arg->size = fuzz_ops[request->op].size;
	}
	switch (request->op) {
	case OP_ADD:
		make_add(world, rng, &arg->add);
		break;
	case OP_REMOVE:
	case OP_READ:
	case OP_UNMERGE:
	case OP_LEDGER:
		arg->read.id = make_id(world, rng);
		if ((fuzz_ops[request->op].flags & PSHARE_READ_NEXT) && rng_one_in(rng, 2))
			arg->flags = PSHARE_READ_NEXT;
		break;
	case OP_SCAN:
		arg->scan.passes = 1 + rng_below(rng, 2);
		break;
	}
	place(rng, request);
	for (i = rng_one_in(rng, 2) ? 1 + rng_below(rng, 2) : 0; i; i--)
		spoil(world, rng, request);
	/* A scan of many passes would be right, and would never end. */
	if (request->op == OP_SCAN && arg->scan.passes > 2)
		arg->scan.passes = 1 + arg->scan.passes % 2;
}

void arena_map(struct arena *arena)
{
	char *mem = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (mem == MAP_FAILED || munmap(mem + 4 * PAGE, PAGE))
		lib_die("no memory for the structs");
	arena->plain = mem;
	arena->readonly = mem + 2 * PAGE;
	arena->edge = mem + 3 * PAGE;
}

/* Makes the call: 0 or the errno.  *@answer is what the struct holds afterwards. */
int send_request(int dev, const struct arena *arena, const struct request *request,
		 union argument *answer)
{
	char *at = arena->plain;
	int err;

	switch (request->place) {
	case PLACE_NOWHERE:
		return ioctl(dev, request->cmd, (void *)request->address) ? errno : 0;
	case PLACE_ODD:
		at += 1 + request->arg.size % 1000;
		break;
	case PLACE_EDGE:
		at = arena->edge + PAGE - request->room;
		break;
	case PLACE_READONLY:
		at = arena->readonly;
		mprotect(at, PAGE, PROT_READ | PROT_WRITE);
		break;
	case PLACE_PLAIN:
		break;
	}
	memcpy(at, request->arg.bytes, request->room);
	if (request->place == PLACE_READONLY)
		mprotect(at, PAGE, PROT_READ);
	err = ioctl(dev, request->cmd, at) ? errno : 0;
	memcpy(answer->bytes, at, request->room);
	return err;
}

void tell_request(const struct request *request, int err, uint64_t allowed)
{
	char hex[3 * 192 + 1] = "";
	unsigned int size = request->op < OP_NONE ? fuzz_ops[request->op].size + 8 : 16;

	for (unsigned int i = 0; i < size; i++)
		sprintf(hex + 2 * i, "%02x", request->arg.bytes[i]);
	lib_note("%s, command %#lx, place %d, %u bytes readable: errno %d, allowed %#llx",
		 request->op < OP_NONE ? fuzz_ops[request->op].name : "unknown", request->cmd,
		 request->place, request->room, err, (unsigned long long)allowed);
	lib_note("%s", hex);
}

