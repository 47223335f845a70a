// SPDX-License-Identifier: GPL-2.0
/* Memory as others see it: frames, bytes and figures; see lib.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib.h"

#define PM_FRAME	((1ULL << 55) - 1)
#define MAX_PAGES	65536

/* ---- contents ---- */

/* splitmix64: word @i of the page @seed. */
static uint64_t word(uint64_t seed, unsigned int i)
{
	uint64_t z = seed * 0xd1342543de82ef95ULL + (i + 1) * 0x9e3779b97f4a7c15ULL;

	if (!seed)
		return 0;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void page_fill(void *page, uint64_t seed)
{
	volatile uint64_t *words = page;

	for (unsigned int i = 0; i < PAGE / sizeof(*words); i++)
		words[i] = word(seed, i);
}

bool page_is(const void *page, uint64_t seed)
{
	const volatile uint64_t *words = page;

	for (unsigned int i = 0; i < PAGE / sizeof(*words); i++)
		if (words[i] != word(seed, i))
			return false;
	return true;
}

/* ---- frames ---- */

static void read_entries(pid_t pid, const void *address, size_t count, uint64_t *entries)
{
	off_t offset = (uintptr_t)address / PAGE * sizeof(*entries);
	ssize_t length = count * sizeof(*entries);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		lib_die("cannot open %s: %s", path, strerror(errno));
	if (pread(fd, entries, length, offset) != length)
		lib_die("cannot read %s at %p", path, address);
	close(fd);
}

static uint64_t *get_entries(pid_t pid, const void *address, size_t count)
{
	uint64_t *entries;

	if (!count || count > MAX_PAGES)
		lib_die("%zu pages cannot be looked at", count);
	entries = malloc(count * sizeof(*entries));
	if (!entries)
		lib_die("no memory for %zu entries", count);
	read_entries(pid, address, count, entries);
	return entries;
}

static uint64_t frame_of(uint64_t entry)
{
	if (!(entry & PM_PRESENT))
		return 0;
	if (!(entry & PM_FRAME))
		lib_die("pagemap hides frames: not root?");
	return entry & PM_FRAME;
}

uint64_t pm_entry(pid_t pid, const void *address)
{
	uint64_t entry;

	read_entries(pid, address, 1, &entry);
	return entry;
}

uint64_t pm_frame(pid_t pid, const void *address)
{
	return frame_of(pm_entry(pid, address));
}

uint64_t zero_frame(void)
{
	static uint64_t frame;
	volatile char *mem;

	if (frame)
		return frame;
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		lib_die("no memory");
	/* A read of memory never written maps the zero page, or the huge one. */
	madvise((void *)mem, PAGE, MADV_NOHUGEPAGE);
	(void)*mem;
	frame = pm_frame(getpid(), (void *)mem);
	if (!frame)
		lib_die("cannot find the zero page");
	munmap((void *)mem, PAGE);
	return frame;
}

size_t same_frames(pid_t pid1, const void *address1, pid_t pid2, const void *address2,
		   size_t count)
{
	uint64_t *entries1 = get_entries(pid1, address1, count);
	uint64_t *entries2 = get_entries(pid2, address2, count);
	size_t same = 0;

	for (size_t i = 0; i < count; i++)
		if (frame_of(entries1[i]) && frame_of(entries1[i]) == frame_of(entries2[i]))
			same++;
	free(entries1);
	free(entries2);
	return same;
}

static int compare_frames(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

size_t different_frames(pid_t pid, const void *address, size_t count)
{
	uint64_t *entries = get_entries(pid, address, count);
	size_t different = 0;

	for (size_t i = 0; i < count; i++)
		entries[i] = frame_of(entries[i]);
	qsort(entries, count, sizeof(*entries), compare_frames);
	for (size_t i = 0; i < count; i++)
		if (entries[i] && (!i || entries[i] != entries[i - 1]))
			different++;
	free(entries);
	return different;
}

size_t zero_frames(pid_t pid, const void *address, size_t count)
{
	uint64_t *entries = get_entries(pid, address, count);
	uint64_t zero = zero_frame();
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (frame_of(entries[i]) == zero)
			found++;
	free(entries);
	return found;
}

void frames_flags(uint64_t first, size_t count, uint64_t *flags)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = count * sizeof(*flags);

	if (pread(fd, flags, bytes, first * sizeof(*flags)) != bytes)
		lib_die("cannot read /proc/kpageflags");
	close(fd);
}

uint64_t frame_flags(uint64_t frame)
{
	uint64_t flags;

	frames_flags(frame, 1, &flags);
	return flags;
}

size_t shared_frames(pid_t pid, const void *address, size_t count)
{
	uint64_t *entries = get_entries(pid, address, count);
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (frame_of(entries[i]) && frame_flags(frame_of(entries[i])) & 1ULL << KPF_LOCKED)
			found++;
	free(entries);
	return found;
}

size_t common_frames(pid_t pid1, const void *address1, size_t count1, pid_t pid2,
		     const void *address2, size_t count2)
{
	uint64_t *entries1 = get_entries(pid1, address1, count1);
	uint64_t *entries2 = get_entries(pid2, address2, count2);
	size_t common = 0;

	for (size_t i = 0; i < count1; i++) {
		for (size_t j = 0; j < count2; j++) {
			if (frame_of(entries1[i]) &&
			    frame_of(entries1[i]) == frame_of(entries2[j])) {
				common++;
				break;
			}
		}
	}
	free(entries1);
	free(entries2);
	return common;
}

void frames_save(pid_t pid, const void *address, size_t count, uint64_t *frames)
{
	read_entries(pid, address, count, frames);
	for (size_t i = 0; i < count; i++)
		frames[i] = frame_of(frames[i]);
}

size_t frames_changed(pid_t pid, const void *address, size_t count, const uint64_t *frames)
{
	uint64_t *entries = get_entries(pid, address, count);
	size_t changed = 0;

	for (size_t i = 0; i < count; i++)
		changed += frame_of(entries[i]) != frames[i];
	free(entries);
	return changed;
}

size_t pages_with(pid_t pid, const void *address, size_t count, uint64_t bits)
{
	uint64_t *entries = get_entries(pid, address, count);
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (entries[i] & bits)
			found++;
	free(entries);
	return found;
}

/* ---- bytes ---- */

/*
 * Through /proc/PID/mem: process_vm_readv(2) pins what it reads, and the kernel
 * gives a shared page that is to be pinned a copy of its own.
 */
int peek(pid_t pid, const void *address, void *to, size_t length)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pread(fd, to, length, (uintptr_t)address);
	close(fd);
	if (got < 0)
		return -errno;
	return (size_t)got == length ? 0 : -EFAULT;
}

int poke(pid_t pid, void *address, const void *from, size_t length)
{
	struct iovec local = { (void *)from, length }, remote = { address, length };
	ssize_t done = process_vm_writev(pid, &local, 1, &remote, 1, 0);

	if (done < 0)
		return -errno;
	return (size_t)done == length ? 0 : -EFAULT;
}

size_t wrong_pages(pid_t pid, const void *address, size_t count, uint64_t seed,
		   uint64_t step)
{
	uint64_t page[PAGE / sizeof(uint64_t)];
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++) {
		if (peek(pid, (const char *)address + i * PAGE, page, PAGE) ||
		    !page_is(page, seed + i * step))
			wrong++;
	}
	return wrong;
}

/* ---- figures ---- */

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), pid ? "/proc/%2$d/%1$s" : "/proc/%1$s", name, pid);
	file = fopen(path, "re");
	if (!file)
		lib_die("cannot open %s: %s", path, strerror(errno));
	return file;
}

/* The figure in a line "field:  figure kB", or -1. */
static long figure(const char *line, const char *field)
{
	size_t length = strlen(field);

	if (strncmp(line, field, length) || line[length] != ':')
		return -1;
	return atol(line + length + 1);
}

static long find_figure(pid_t pid, const char *name, const char *field)
{
	FILE *file = open_proc(pid, name);
	char line[512];
	long found = -1;

	while (found < 0 && fgets(line, sizeof(line), file))
		found = figure(line, field);
	fclose(file);
	if (found < 0)
		lib_die("/proc/%d/%s has no %s", pid, name, field);
	return found;
}

long rollup_kb(pid_t pid, const char *field)
{
	return find_figure(pid, "smaps_rollup", field);
}

long status_kb(pid_t pid, const char *field)
{
	return find_figure(pid, "status", field);
}

long meminfo_kb(const char *field)
{
	return find_figure(0, "meminfo", field);
}

/* Puts the line of the mapping at @address that begins with @field into @line. */
static void smaps_line(pid_t pid, const void *address, const char *field, char *line,
		       size_t size)
{
	unsigned long start, end, wanted = (unsigned long)address;
	FILE *file = open_proc(pid, "smaps");
	size_t length = strlen(field);
	bool inside = false, found = false;

	while (!found && fgets(line, size, file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= wanted && wanted < end;
		else if (inside)
			found = !strncmp(line, field, length) && line[length] == ':';
	}
	fclose(file);
	if (!found)
		lib_die("process %d has no %s at %p", pid, field, address);
}

long smaps_kb(pid_t pid, const void *address, const char *field)
{
	char line[512];

	smaps_line(pid, address, field, line, sizeof(line));
	return figure(line, field);
}

bool vma_flag(pid_t pid, const void *address, const char *flag)
{
	char line[512], word[8];

	smaps_line(pid, address, "VmFlags", line, sizeof(line));
	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(line, word);
}
