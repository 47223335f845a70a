/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the selftests share: the module and its device, an independent view of
 * memory (page frames and bytes of other processes), and child processes that
 * do as they are told.
 *
 * Functions that a test judges return 0, or a value, or -errno.  Functions that
 * only prepare a test end it with a message when they fail: see lib_die().
 */
#ifndef _PSHARE_SELFTESTS_LIB_H
#define _PSHARE_SELFTESTS_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "uapi/pshare.h"

#define PAGE		4096UL
#define HUGE_PAGE	(2UL << 20)

/* Passes that merge whatever holds still; the rule is three. */
#define PASSES		4

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PSHARE_SYSFS	"/sys/kernel/mm/pshare/"
#define KSM_SYSFS	"/sys/kernel/mm/ksm/"

/* Ends the test as failed, with a message. */
void lib_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A TAP comment. */
void lib_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many times as long things take, on a kernel with instruments: PSHARE_TEST_SCALE. */
unsigned int lib_scale(void);

/* Waits until @done(@arg) is true; false when that took longer than @ms. */
bool lib_wait(bool (*done)(void *arg), void *arg, unsigned int ms);
void lib_sleep_ms(unsigned int ms);
double lib_seconds(void);

/* For qsort(3). */
int lib_compare_doubles(const void *a, const void *b);

/* Files.  file_write() returns 0 or -errno, the others end the test. */
int file_write(const char *path, const char *text);
int file_try_read(const char *path, char *text, size_t size);
void file_read(const char *path, char *text, size_t size);
long long file_number(const char *path);
/* A figure of /proc/vmstat, by its name; -1 if this kernel has none of it. */
long long vmstat(const char *name);

/*
 * The module.  module_load() loads /pshare.ko, or what PSHARE_KO in the
 * environment names, with @parameters (may be ""); module_unload() does not wait.
 */
bool module_loaded(void);
int module_load(const char *parameters);
int module_unload(void);
/* A module of the distribution's kernel: false if there is none. */
bool modprobe(const char *name, const char *parameters);

/*
 * The state in which each test begins: the module loaded, its knobs at their
 * defaults, no regions of a test before.  Returns the open device.  PSHARE_TEST_THREADS in
 * the environment: scan_threads, 1 by default.
 */
int ps_begin(void);

/* The device; -errno as the kernel gave it. */
int ps_open(void);
int ps_abi(int dev);
/* Whole process with @length 0; private with @group NULL. */
int ps_add(int dev, pid_t pid, const void *start, size_t length, const char *group,
	   uint64_t *id);
/* The same with a policy for huge pages. */
int ps_add_policy(int dev, pid_t pid, const void *start, size_t length, const char *group,
		  enum pshare_huge_policy policy, uint64_t *id);
int ps_remove(int dev, uint64_t id);
int ps_read(int dev, uint64_t id, struct pshare_read *read);
int ps_next(int dev, uint64_t id, struct pshare_read *read);
int ps_unmerge(int dev, uint64_t id, uint64_t *pages);
/*
 * Full passes.  Afterwards the ledger of each region must add up, and the passes must have
 * been over all that was registered before, or it is -EUCLEAN.
 */
int ps_scan(int dev, unsigned int passes);
/* Without a look at the ledger: somebody else adds and removes regions meanwhile. */
int ps_scan_only(int dev, unsigned int passes);
/* Number of regions that the module lists. */
unsigned int ps_regions(int dev);

/* Where the pages of a region stand. */
extern const char * const ps_class_names[PSHARE_NR_CLASSES];
int ps_ledger(int dev, uint64_t id, struct pshare_read_ledger *ledger);
int ps_next_ledger(int dev, uint64_t id, struct pshare_read_ledger *ledger);
/* Regions whose classes do not add up to their size. */
unsigned int ps_wrong_ledgers(int dev);
/* A figure of a table of lines "NAME FIGURE" in debugfs; -errno if it cannot be read. */
long long ps_try_figure(const char *table, const char *name);
long long ps_figure(const char *table, const char *name);

/* Knobs and counters in /sys/kernel/mm/pshare and /sys/kernel/mm/ksm. */
long long ps_get(const char *name);
/* After run has become 0 each ledger must add up, or it is -EUCLEAN. */
int ps_set(const char *name, long long value);
int ps_set_text(const char *name, const char *text);
long long ksm_get(const char *name);
int ksm_set(const char *name, long long value);
/* Waits until the counter has this value; false after @ms. */
bool ps_wait_counter(const char *name, long long value, unsigned int ms);
/* The module has a few seconds to see that nobody maps a shared page any more. */
bool ps_nothing_shared(void);

/* Contents: a page is known by its seed; seed 0 is the page of zeros. */
void page_fill(void *page, uint64_t seed);
bool page_is(const void *page, uint64_t seed);

/* The page table of a process, as /proc/PID/pagemap shows it. */
#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_EXCLUSIVE	(1ULL << 56)
#define PM_SWAPPED	(1ULL << 62)
#define PM_PRESENT	(1ULL << 63)
uint64_t pm_entry(pid_t pid, const void *address);
/* Frame number, 0 if no page is there. */
uint64_t pm_frame(pid_t pid, const void *address);
/* The frame of the kernel's zero page. */
uint64_t zero_frame(void);
/* Pages i below @count for which both have the same frame. */
size_t same_frames(pid_t pid1, const void *address1, pid_t pid2, const void *address2,
		   size_t count);
/* Frames that the @count pages lie in: @count if nothing is shared. */
size_t different_frames(pid_t pid, const void *address, size_t count);
/* Pages that are the kernel's zero page. */
size_t zero_frames(pid_t pid, const void *address, size_t count);
/*
 * Pages that lie in frames of the module's: those are locked for as long as they
 * live, and /proc/kpageflags says so.
 */
size_t shared_frames(pid_t pid, const void *address, size_t count);
/* What /proc/kpageflags says of a frame. */
uint64_t frame_flags(uint64_t frame);
/* The same of @count frames from @first on. */
void frames_flags(uint64_t first, size_t count, uint64_t *flags);
/* Frames that occur in both ranges, wherever. */
size_t common_frames(pid_t pid1, const void *address1, size_t count1, pid_t pid2,
		     const void *address2, size_t count2);
/* Remembers frames; counts those that are no longer where they were. */
void frames_save(pid_t pid, const void *address, size_t count, uint64_t *frames);
size_t frames_changed(pid_t pid, const void *address, size_t count, const uint64_t *frames);
/* Pages whose entry in pagemap has any of these bits set. */
size_t pages_with(pid_t pid, const void *address, size_t count, uint64_t bits);

/*
 * Bytes of a process, seen from outside; 0 or -errno.  peek() leaves shared pages
 * shared, poke() is process_vm_writev(2).
 */
int peek(pid_t pid, const void *address, void *to, size_t length);
int poke(pid_t pid, void *address, const void *from, size_t length);
/* Pages that do not hold page i of the pattern @seed + i * @step. */
size_t wrong_pages(pid_t pid, const void *address, size_t count, uint64_t seed,
		   uint64_t step);

/* Figures in KiB, of the mapping at @address, of a process, of the machine. */
long smaps_kb(pid_t pid, const void *address, const char *field);
long rollup_kb(pid_t pid, const char *field);
long status_kb(pid_t pid, const char *field);
long meminfo_kb(const char *field);
/* "VmFlags" of the mapping at @address has this two-letter flag. */
bool vma_flag(pid_t pid, const void *address, const char *flag);

/*
 * Swap on a disk in compressed memory, of @bytes.  Pages that hold one word over and
 * over take no room there.
 */
#define SWAP_DISK	"/dev/zram0"
void swap_on(unsigned long bytes);
/* 0 or -errno; also when there is none. */
int swap_off(void);

/* cgroup2 with the memory controller; NAME is a directory below the root. */
void cg_create(const char *name);
int cg_enter(const char *name, pid_t pid);
long long cg_number(const char *name, const char *file);
int cg_write(const char *name, const char *file, const char *text);
int cg_remove(const char *name);

/*
 * A child with memory of its own: @pages pages at @mem, private anonymous memory.
 * It sleeps until child_call() has it run a function, in its own address space.
 */
struct child_slot;
struct child {
	pid_t pid;
	int pidfd;
	char *mem;
	size_t pages;
	struct child_slot *slot;
};

typedef long (*child_fn)(struct child *self, const long *arg);

#define CHILD_HUGE	1	/* aligned to 2 MiB, and MADV_HUGEPAGE */

void child_start(struct child *child, size_t pages, int flags);
/* The same, in the cgroup @cgroup from its first page on (NULL: in none). */
void child_start_in(struct child *child, size_t pages, int flags, const char *cgroup);
long child_call_args(struct child *child, child_fn fn, const long arg[6]);
/* Up to six arguments, each converted to long. */
#define child_call(child, fn, ...) \
	child_call_args(child, fn, (const long[6]){ __VA_ARGS__ })
/* child_call() in two halves: the child runs while the test goes on. */
void child_post_args(struct child *child, child_fn fn, const long arg[6]);
#define child_post(child, fn, ...) \
	child_post_args(child, fn, (const long[6]){ __VA_ARGS__ })
long child_finish(struct child *child);
/* The same with a deadline: false if the child has not come back after @ms. */
bool child_finish_in(struct child *child, unsigned int ms, long *result);

/* Pages first to first + count - 1 get the contents seed, seed + step, ... */
void child_fill(struct child *child, size_t first, size_t count, uint64_t seed, uint64_t step);
/* Pages that do not hold that, as the child itself reads them. */
size_t child_wrong(struct child *child, size_t first, size_t count, uint64_t seed,
		   uint64_t step);
void child_poke(struct child *child, size_t page, size_t offset, unsigned char byte);
/* madvise() and mprotect() by the child, on its memory: 0 or -errno. */
int child_madvise(struct child *child, size_t first, size_t count, int advice);
int child_mprotect(struct child *child, size_t first, size_t count, int protection);
/* The child forks: @new obeys too, and has the memory at the same place. */
void child_fork(struct child *child, struct child *new);
/* The child becomes a program that only sleeps. */
void child_exec(struct child *child);
void child_exit(struct child *child);
/* SIGKILL; returns when the process has gone.  Each child is stopped once. */
void child_kill(struct child *child);
/* The address of a page of the child's memory. */
static inline char *child_page(const struct child *child, size_t page)
{
	return child->mem + page * PAGE;
}

/*
 * What most tests begin with: two children whose pages hold the same, each page
 * something else, and which are registered in one group.
 */
#define PAIR_SEED	1000
struct pair {
	int dev;
	struct child a, b;
	uint64_t region_a, region_b;
};

void pair_start(struct pair *pair, size_t pages, int flags);
/* Scans; ends the test unless each page of a lies in the frame of b's. */
void pair_merge(struct pair *pair);
/* Pages that a and b share. */
size_t pair_same(struct pair *pair);
/* Pages of @child that do not hold what pair_start() put in, from inside and outside. */
size_t pair_wrong(struct child *child);
void pair_stop(struct pair *pair);

#endif /* _PSHARE_SELFTESTS_LIB_H */
