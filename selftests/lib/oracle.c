// SPDX-License-Identifier: GPL-2.0
/* The ledger by brute force: what is where; see oracle.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/oracle.h"
#include "lib/oracle_judge.h"

#define BLOCK_PAGES	(HUGE_PAGE / PAGE)
#define FRAME		((1ULL << 55) - 1)

/* How often to look anew at memory that changes meanwhile. */
#define LOOKS		20

void oracle_begin(struct oracle *oracle)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->use_zero = true;
	oracle->split_min = 64;
	/* It sees what other groups have, and so must the module. */
	if (ps_set("compare_groups", 1))
		lib_die("cannot set compare_groups");
}

/* Memory, all zero, that children which are started later do not inherit. */
static void *get_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, size, MADV_DONTFORK))
		lib_die("no memory for the oracle");
	return memory;
}

void oracle_end(struct oracle *oracle)
{
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		munmap(region->page, region->pages * sizeof(*region->page));
		munmap(region->block, region->blocks * sizeof(*region->block));
		munmap(region->contents, region->pages * PAGE);
	}
	oracle->nr = 0;
}

static size_t block_of(const struct oracle_region *region, size_t page)
{
	return ((uintptr_t)region->start + page * PAGE) / HUGE_PAGE -
	       (uintptr_t)region->start / HUGE_PAGE;
}

struct oracle_region *oracle_add(struct oracle *oracle, uint64_t id, pid_t pid, char *start,
				 size_t pages, const char *group,
				 enum pshare_huge_policy policy)
{
	struct oracle_region *region = &oracle->region[oracle->nr];

	if (oracle->nr == ORACLE_REGIONS)
		lib_die("more regions than %d", ORACLE_REGIONS);
	oracle->nr++;
	memset(region, 0, sizeof(*region));
	region->id = id;
	region->pid = pid;
	region->start = start;
	region->pages = pages;
	region->policy = policy;
	/* A private region is a group of its own; no name has a slash. */
	if (group)
		snprintf(region->group, sizeof(region->group), "%s", group);
	else
		snprintf(region->group, sizeof(region->group), "/%llu", (unsigned long long)id);
	region->blocks = block_of(region, pages - 1) + 1;
	region->page = get_memory(pages * sizeof(*region->page));
	region->block = get_memory(region->blocks * sizeof(*region->block));
	region->contents = get_memory(pages * PAGE);
	return region;
}

void oracle_note_zeros(struct oracle *oracle)
{
	uint64_t zero = zero_frame();

	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];

		for (size_t k = 0; k < region->pages; k++)
			if (pm_frame(region->pid, region->start + k * PAGE) == zero)
				region->page[k].known |= ORACLE_READ;
	}
}

void oracle_mark(struct oracle *oracle, pid_t pid, const char *start, size_t pages, int known)
{
	for (unsigned int i = 0; i < oracle->nr; i++) {
		struct oracle_region *region = &oracle->region[i];
		const char *at = region->start;

		for (size_t k = 0; region->pid == pid && k < region->pages; k++, at += PAGE)
			if (at >= start && at < start + pages * PAGE)
				region->page[k].known |= known;
	}
}

/* ---- mappings ---- */

static bool has_flag(const char *flags, const char *flag)
{
	const char *at = strstr(flags, flag);

	return at && at[-1] == ' ' && (at[2] == ' ' || at[2] == '\n');
}

/* The class of a mapping by its flags, the file behind it, and whether it was ever touched. */
static enum pshare_class class_of_vma(const char *flags, bool file, bool touched)
{
	static const char * const never[] = { "pf", "mm", "io", "de", "lo", "dp", "ss", "um",
					      "uw", "ui" };
	bool may = has_flag(flags, "rd");

	if (has_flag(flags, "ht"))
		return PSHARE_INELIGIBLE_HUGETLB;
	if (file || has_flag(flags, "sh") || has_flag(flags, "ms"))
		return PSHARE_INELIGIBLE_SHARED;
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		may &= !has_flag(flags, never[i]);
	if (may)
		return PSHARE_UNIQUE;
	return touched ? PSHARE_INELIGIBLE_OTHER : PSHARE_UNPOPULATED;
}

/* What smaps tells of one mapping after its first line; false at the end of the file. */
static bool read_vma(FILE *file, struct oracle_vma *vma, unsigned long inode)
{
	long touched = 0, kb;
	char line[512];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Anonymous: %ld", &kb) == 1 || sscanf(line, "Swap: %ld", &kb) == 1)
			touched += kb;
		if (sscanf(line, "AnonHugePages: %ld", &kb) == 1)
			vma->huge_kb = kb;
		if (!strncmp(line, "VmFlags:", 8)) {
			vma->class = class_of_vma(line + 8, inode, touched);
			return true;
		}
	}
	return false;
}

bool oracle_find_vma(pid_t pid, const char *address, struct oracle_vma *vma)
{
	unsigned long start, end, inode;
	bool found = false;
	char line[512];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/smaps", pid);
	file = fopen(line, "re");
	if (!file)
		lib_die("cannot open %s: %s", line, strerror(errno));
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &start, &end, &inode) != 3)
			continue;
		vma->start = (char *)start;
		vma->end = (char *)end;
		if (!read_vma(file, vma, inode))
			break;
		found = vma->end > address;
	}
	fclose(file);
	return found;
}

size_t oracle_huge_blocks(pid_t pid, const char *start, size_t pages)
{
	const char *at = start, *end = start + pages * PAGE;
	struct oracle_vma vma;
	size_t kb = 0;

	for (; at < end && oracle_find_vma(pid, at, &vma) && vma.start < end; at = vma.end)
		kb += vma.huge_kb;
	return kb / (HUGE_PAGE >> 10);
}

/* ---- pages ---- */

/* Files that are kept open while one process is looked at. */
struct eyes {
	int pagemap, flags, mem;
};

static int open_of(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		lib_die("cannot open %s: %s", path, strerror(errno));
	return fd;
}

static void open_eyes(struct eyes *eyes, pid_t pid)
{
	eyes->pagemap = open_of(pid, "pagemap");
	eyes->mem = open_of(pid, "mem");
	eyes->flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (eyes->flags < 0)
		lib_die("cannot open /proc/kpageflags: %s", strerror(errno));
}

static void close_eyes(struct eyes *eyes)
{
	close(eyes->pagemap);
	close(eyes->mem);
	close(eyes->flags);
}

static uint64_t read_word(int fd, uint64_t index)
{
	uint64_t value;

	if (pread(fd, &value, sizeof(value), index * sizeof(value)) != sizeof(value))
		lib_die("cannot read what the kernel knows of a page");
	return value;
}

static uint64_t flags_of(const struct eyes *eyes, uint64_t frame)
{
	return read_word(eyes->flags, frame);
}

/* Is the block that begins at @start mapped as a whole?  One frame after the other says so. */
static bool is_huge(const struct eyes *eyes, const struct oracle_vma *vma, uint64_t start)
{
	uint64_t entry[BLOCK_PAGES], frame;

	if (start < (uintptr_t)vma->start || start + HUGE_PAGE > (uintptr_t)vma->end)
		return false;
	if (pread(eyes->pagemap, entry, sizeof(entry), start / PAGE * sizeof(*entry)) !=
	    sizeof(entry))
		lib_die("cannot read pagemap");
	frame = entry[0] & FRAME;
	if (!(entry[0] & PM_PRESENT) || frame % BLOCK_PAGES ||
	    (flags_of(eyes, frame) & (1ULL << KPF_THP | 1ULL << KPF_ANON)) !=
	    (1ULL << KPF_THP | 1ULL << KPF_ANON))
		return false;
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		if (!(entry[i] & PM_PRESENT) || (entry[i] & FRAME) != frame + i)
			return false;
	return true;
}

/* Some kernels, 6.12 is one, say of all anonymous pages that they are KSM's. */
static bool is_shared(uint64_t flags)
{
	return flags & 1ULL << KPF_KSM && flags & 1ULL << KPF_LOCKED && !(flags & 1ULL << KPF_LRU);
}

/* A page that may be merged: what lies there? */
static void look_at_page(const struct eyes *eyes, struct oracle_region *region, size_t k)
{
	uint64_t at = (uintptr_t)region->start + k * PAGE, flags;
	uint64_t entry = read_word(eyes->pagemap, at / PAGE);
	struct oracle_page *page = &region->page[k];
	unsigned char *content = region->contents + k * PAGE;

	if (!(entry & PM_PRESENT)) {
		page->class = entry & PM_SWAPPED ? PSHARE_SWAPPED : PSHARE_UNPOPULATED;
		return;
	}
	page->frame = entry & FRAME;
	flags = flags_of(eyes, page->frame);
	if (flags & 1ULL << KPF_ZERO_PAGE) {
		page->class = page->known & ORACLE_READ || page->frame != zero_frame() ?
			      PSHARE_UNPOPULATED : PSHARE_ZERO;
		return;
	}
	if (!(flags & 1ULL << KPF_ANON)) {
		page->class = PSHARE_INELIGIBLE_OTHER;
		return;
	}
	if (page->known & ORACLE_DMA) {
		page->class = PSHARE_INELIGIBLE_PINNED;
		return;
	}
	page->merged = is_shared(flags);
	page->class = page->known & ORACLE_VOLATILE ? PSHARE_VOLATILE : PSHARE_UNIQUE;
	if (page->known & ORACLE_VOLATILE)
		return;
	if (pread(eyes->mem, content, PAGE, at) != (ssize_t)PAGE)
		lib_die("cannot read memory of process %d", region->pid);
	page->content = content;
}

/* The part of a mapping that lies in a region. */
static void look_at_vma(const struct eyes *eyes, struct oracle_region *region,
			const struct oracle_vma *vma)
{
	size_t first = vma->start > region->start ? (vma->start - region->start) / PAGE : 0;
	size_t end = (vma->end - region->start) / PAGE;

	for (size_t k = first; k < end && k < region->pages; k++) {
		struct oracle_page *page = &region->page[k];
		struct oracle_block *block = &region->block[block_of(region, k)];
		uint64_t at = (uintptr_t)region->start + k * PAGE;

		if (vma->class != PSHARE_UNIQUE) {
			page->class = vma->class;
			continue;
		}
		if (k == first || !(at % HUGE_PAGE))
			block->huge |= is_huge(eyes, vma, at & ~(HUGE_PAGE - 1));
		look_at_page(eyes, region, k);
		page->huge = block->huge && page->content;
	}
}

/*
 * smaps counts what entries of huge pages map: the blocks of the region that were taken
 * for huge must be those, where the region holds the whole mapping.
 */
static long huge_kb(const struct oracle_region *region, const struct oracle_vma *vma)
{
	long kb = 0;

	if (vma->class != PSHARE_UNIQUE || vma->start < region->start ||
	    vma->end > region->start + region->pages * PAGE)
		return vma->huge_kb;
	for (char *at = vma->start; at < vma->end; at += PAGE)
		if (!((uintptr_t)at % HUGE_PAGE) &&
		    region->block[block_of(region, (at - region->start) / PAGE)].huge)
			kb += HUGE_PAGE >> 10;
	return kb;
}

static void forget(struct oracle_region *region)
{
	for (size_t k = 0; k < region->pages; k++) {
		unsigned char known = region->page[k].known;

		memset(&region->page[k], 0, sizeof(region->page[k]));
		region->page[k].known = known;
		region->page[k].class = PSHARE_UNPOPULATED;
	}
	memset(region->block, 0, region->blocks * sizeof(*region->block));
}

/* False when the memory has changed while it was looked at; *@vma is where that was. */
static bool try_region(struct oracle_region *region, struct oracle_vma *vma)
{
	char *at = region->start, *end = at + region->pages * PAGE;
	bool same = true;
	struct eyes eyes;

	forget(region);
	open_eyes(&eyes, region->pid);
	while (same && at < end && oracle_find_vma(region->pid, at, vma) && vma->start < end) {
		look_at_vma(&eyes, region, vma);
		same = huge_kb(region, vma) == vma->huge_kb;
		at = vma->end;
	}
	close_eyes(&eyes);
	return same;
}

/* khugepaged may be at work, on a slow machine above all: then look again. */
static void look_at_region(struct oracle_region *region)
{
	struct oracle_vma vma;

	for (unsigned int tries = 0; !try_region(region, &vma); tries++) {
		if (tries == LOOKS)
			lib_die("%p to %p of process %d: %ld KiB seem huge, smaps says %ld",
				vma.start, vma.end, region->pid, huge_kb(region, &vma),
				vma.huge_kb);
		lib_sleep_ms(100);
	}
}

void oracle_look(struct oracle *oracle)
{
	for (unsigned int i = 0; i < oracle->nr; i++) {
		look_at_region(&oracle->region[i]);
		for (size_t k = 0; k < oracle->region[i].pages; k++)
			oracle->region[i].page[k].region = i;
	}
	oracle_judge(oracle);
}
