/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz*.c programs share: numbers from a seed, ioctls with one or more
 * things wrong in them, and a model that says, from the bytes of a call and from what
 * was done before, with which errno it must end.  The model is written after the UAPI
 * header, not after the module.
 */
#ifndef _PSHARE_SELFTESTS_FUZZ_H
#define _PSHARE_SELFTESTS_FUZZ_H

#include "lib.h"

#define USER_END	0x7ffffffff000ULL
#define PROCS		8
#define FUZZ_PAGES	16	/* of each process */
#define MAX_REGIONS	24
#define SEEDS		6	/* contents of pages; 0 is the page of zeros */

/* A set of errnos; every errno of the dictionary is below 64. */
#define ERRNO(e)	(1ULL << (e))

/* The seed of this run, which is printed, and its number of calls. */
uint64_t fuzz_seed(void);
unsigned int fuzz_calls(void);

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *rng);
unsigned int rng_below(struct rng *rng, unsigned int n);
bool rng_one_in(struct rng *rng, unsigned int n);

enum kind { KIND_LIVE, KIND_DEAD, KIND_KTHREAD, KIND_NO_PIDFD };

/**
 * struct proc - somebody whose memory may be registered
 * @kind:	what its pidfd stands for
 * @pid:	the process
 * @pidfd:	what is passed
 * @mem:	16 pages of it, NULL if they are none of the fuzzer's business
 */
struct proc {
	enum kind kind;
	pid_t pid;
	int pidfd;
	char *mem;
};

/* A region that was added; @dead: its process has gone, so it may be forgotten. */
struct region {
	uint64_t id;
	unsigned int proc;
	uint64_t start, end;
	bool whole, dead;
	char group[PSHARE_GROUP_SIZE];
};

struct world {
	struct proc proc[PROCS];
	struct region region[MAX_REGIONS];
	unsigned int nr_regions;
	uint64_t last_id;
	long long run;
};

/* NULL if there is none. */
struct region *find_region(struct world *world, uint64_t id);
void drop_region(struct world *world, struct region *region);

union argument {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct pshare_version version;
	struct pshare_add add;
	struct pshare_remove remove;
	struct pshare_read read;
	struct pshare_unmerge unmerge;
	struct pshare_scan scan;
	struct pshare_read_ledger ledger;
	unsigned char bytes[PAGE];
	__u64 words[PAGE / 8];
};

struct op {
	const char *name;
	unsigned long cmd;
	unsigned int size, min;
	__u32 flags;
	bool answers;
	uint64_t errnos;	/* besides EFAULT, EINVAL and E2BIG */
};

#define OP_ADD		1
#define OP_REMOVE	2
#define OP_READ		3
#define OP_UNMERGE	4
#define OP_SCAN		5
#define OP_LEDGER	6
#define OP_NONE		7	/* no such ioctl */

extern const struct op fuzz_ops[OP_NONE];

/* Where the struct lies. */
enum place { PLACE_PLAIN, PLACE_ODD, PLACE_EDGE, PLACE_READONLY, PLACE_NOWHERE };

/**
 * struct request - one ioctl
 * @op:		index into ops[], or OP_NONE
 * @cmd:	its number
 * @arg:	the struct, and what lies behind it
 * @place:	where it is put
 * @room:	bytes of it that can be read
 * @address:	what is passed when it is put nowhere
 */
struct request {
	unsigned int op;
	unsigned long cmd;
	union argument arg;
	enum place place;
	unsigned int room;
	uint64_t address;
};

void make_request(struct world *world, struct rng *rng, struct request *request);

/*
 * The errnos that a call may end with: all that is wrong with it, for nobody
 * promised an order.  None means that it must succeed.
 */
uint64_t expect(struct world *world, const struct request *request);

/* Pages to put structs into: two to write to, one to read, one before a hole. */
struct arena {
	char *plain, *readonly, *edge;
};

void arena_map(struct arena *arena);
/* Makes the call: 0 or the errno.  *@answer is what the struct holds afterwards. */
int send_request(int dev, const struct arena *arena, const struct request *request,
		 union argument *answer);
/* A comment that tells of a call. */
void tell_request(const struct request *request, int err, uint64_t allowed);

/*
 * A knob is written to, a table is read, with anything: NULL, or what was wrong.
 * @alone: nobody else turns knobs, so they must hold what was written.
 */
const char *fuzz_knob(struct world *world, struct rng *rng, bool alone);
const char *fuzz_table(struct rng *rng);

#endif /* _PSHARE_SELFTESTS_FUZZ_H */
