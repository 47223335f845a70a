// SPDX-License-Identifier: GPL-2.0
/*
 * ksmd and pshare by turns on the same processes and contents, in a kernel whose code runs
 * at this machine's own speed: User Mode Linux.  This is its init; see native.sh.
 *
 * In the environment: MIB of memory, ROUNDS, and MEMORY, the kinds of it; PROFILE=1: pshare
 * alone, and where its functions lie.
 *
 * A kernel in a process does not know how long it had a CPU.  Who started it does, and
 * answers on the serial line: a line "?" there asks for the CPU time, in nanoseconds.  Other
 * lines are figures,
 *	pass SUBJECT MEMORY ROUND NANOSECONDS SAVED-BY-COUNTERS SAVED-BY-FRAMES
 *	metadata SUBJECT MEMORY ROUND BYTES
 *	expect MEMORY PAGES-THAT-CAN-BE-SAVED
 *	rest NANOSECONDS-OF-CPU-IN-A-SECOND
 *	symbol ADDRESS NAME
 * and "done".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib.h"

/* What a process may have, so that the map of its pages on this machine has room. */
#define PROCESS_MIB	128UL
#define PROCESS_PAGES	(PROCESS_MIB << 20 >> 12)
#define PROCESSES	128UL

#define PASSES_EACH	9
#define TEMPLATES	1000UL
#define GROUP		"bench"

/* Beyond all memory there is, so that each waking of ksmd is one pass. */
#define ALL_PAGES	1000000000
/* Long enough that it does not wake up by itself. */
#define FOREVER_MS	100000000

#define PM_FRAME	((1ULL << 55) - 1)
#define FRAMES		(32UL << 30 >> 12)

enum memory {
	MIX,		/* a quarter zero, a quarter copies of templates, the rest unique */
	UNIQUE,		/* no two pages are alike */
	KINDS
};

static const char * const memory_name[] = { "mix", "unique" };

/**
 * struct subject - one of the two that are measured
 * @name:	what figures are called by
 * @begin, @end: before the first pass, and after the last
 * @pass:	go over all memory once
 * @saved:	pages saved, by its counters
 * @metadata:	bytes of its book-keeping
 */
struct subject {
	const char *name;
	void (*begin)(void);
	void (*end)(void);
	void (*pass)(void);
	long long (*saved)(void);
	long long (*metadata)(void);
};

static struct child child[PROCESSES];
static unsigned long processes;
static FILE *line;
static int dev;

static void need(int err, const char *what)
{
	if (err)
		lib_die("%s: %s", what, strerror(-err));
}

static void open_line(void)
{
	struct termios termios;
	int fd = open("/dev/ttyS0", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &termios))
		lib_die("ttyS0: %s", strerror(errno));
	cfmakeraw(&termios);
	tcsetattr(fd, TCSANOW, &termios);
	line = fdopen(fd, "r+");
	setvbuf(line, NULL, _IONBF, 0);
}

static unsigned long long cpu_time(void)
{
	unsigned long long time = 0;
	char text[32];
	size_t used = 0;

	if (write(fileno(line), "?\n", 2) != 2)
		lib_die("ttyS0: %s", strerror(errno));
	/* The answer may come in pieces. */
	while (used < sizeof(text) - 1 && read(fileno(line), text + used, 1) == 1 &&
	       text[used] != '\n')
		used++;
	text[used] = '\0';
	if (sscanf(text, "%llu", &time) != 1)
		lib_die("no CPU time: %s", text);
	return time;
}

/* ---- memory ---- */

static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The content of page @i of all, as a number; 0 is zero. */
static uint64_t content(enum memory memory, unsigned long i)
{
	uint64_t random = mixed(i);

	if (memory == MIX && !(random & 3))
		return 0;
	if (memory == MIX && (random & 3) == 1)
		return (random >> 2) % TEMPLATES + 1;
	return TEMPLATES + i + 1;
}

/* Pages that one would save who merges all that are alike, and zero pages. */
static unsigned long expect(enum memory memory)
{
	static unsigned char seen[TEMPLATES + 1];
	unsigned long i, saved = 0;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < processes * PROCESS_PAGES; i++) {
		uint64_t number = content(memory, i);

		if (number > TEMPLATES)
			continue;
		saved += !number || seen[number];
		seen[number] = 1;
	}
	return saved;
}

/*
 * New pages, with the same content as ever.  Each fault costs this kernel dearly: have them
 * all made, and with the protection all mapped, at once.
 */
static long do_fill(struct child *self, const long *arg)
{
	const size_t bytes = self->pages * PAGE;
	unsigned long i;

	if (madvise(self->mem, bytes, MADV_DONTNEED) ||
	    madvise(self->mem, bytes, MADV_POPULATE_WRITE) ||
	    mprotect(self->mem, bytes, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    mprotect(self->mem, bytes, PROT_READ | PROT_WRITE))
		return -errno;
	for (i = 0; i < self->pages; i++)
		page_fill(child_page(self, i), content(arg[0], arg[1] * PROCESS_PAGES + i));
	return 0;
}

static long do_compare(struct child *self, const long *arg)
{
	long i, wrong = 0;

	for (i = 0; i < (long)self->pages; i++)
		wrong += !page_is(child_page(self, i),
				  content(arg[0], arg[1] * PROCESS_PAGES + i));
	return wrong;
}

static void fill(enum memory memory)
{
	for (unsigned long i = 0; i < processes; i++)
		need(child_call(&child[i], do_fill, memory, i), "filling memory");
}

/*
 * Where a hypervisor keeps page tables of its own, the first look at a page costs a fault there:
 * see to it that the kernel has had a look at each, as other kernels have.
 */
static void touch(void)
{
	static char buffer[1UL << 20];
	char path[32];

	for (unsigned long i = 0; i < processes; i++) {
		off_t at = (uintptr_t)child[i].mem, end = at + (off_t)(PROCESS_MIB << 20);
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/mem", child[i].pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		for (; at < end; at += sizeof(buffer))
			if (pread(fd, buffer, sizeof(buffer), at) != sizeof(buffer))
				lib_die("%s: %s", path, strerror(errno));
		close(fd);
	}
}

/*
 * Nor has the machine below given all its memory yet: have it do so, for what the scanners
 * allocate, too.  A file's pages are written by the kernel alone, and need no map.
 */
static void populate(void)
{
	static const char zeros[1UL << 20];
	unsigned long i, left, mib = 0;
	char text[128];
	FILE *file = fopen("/proc/meminfo", "re");
	int fd;

	while (file && !mib && fgets(text, sizeof(text), file))
		if (sscanf(text, "MemFree: %lu kB", &mib) == 1)
			mib >>= 10;
	/* For the list of the file's pages, and some to spare. */
	left = 64 + mib / 128;
	if (!mib)
		lib_die("meminfo: no MemFree");
	fclose(file);
	mkdir("/memory", 0755);
	if (mount("ramfs", "/memory", "ramfs", 0, NULL))
		lib_die("ramfs: %s", strerror(errno));
	fd = open("/memory/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		lib_die("/memory/file: %s", strerror(errno));
	for (i = left; i < mib; i++)
		if (write(fd, zeros, sizeof(zeros)) != sizeof(zeros))
			lib_die("/memory/file: %s", strerror(errno));
	close(fd);
	if (umount("/memory"))
		lib_die("umount: %s", strerror(errno));
}

static void compare(enum memory memory)
{
	for (unsigned long i = 0; i < processes; i++)
		if (child_call(&child[i], do_compare, memory, i))
			lib_die("process %lu has lost something", i);
}

/* A process that does not run has no time, and nothing to be mapped anew for it. */
static void stop_all(void)
{
	int status;

	for (unsigned long i = 0; i < processes; i++)
		if (kill(child[i].pid, SIGSTOP) ||
		    waitpid(child[i].pid, &status, WUNTRACED) != child[i].pid ||
		    !WIFSTOPPED(status))
			lib_die("process %lu does not stop", i);
}

static void continue_all(void)
{
	for (unsigned long i = 0; i < processes; i++)
		kill(child[i].pid, SIGCONT);
}

/* Pages that have no frame of their own: one of each frame is no saving, of zero all are. */
static unsigned long count_saved(void)
{
	static unsigned char seen[FRAMES / 8];
	static uint64_t entry[PROCESS_PAGES];
	unsigned long i, j, saved = 0;
	uint64_t zero = zero_frame();
	char path[64];
	int fd;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < processes; i++) {
		snprintf(path, sizeof(path), "/proc/%d/pagemap", child[i].pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || pread(fd, entry, sizeof(entry),
				    (uintptr_t)child[i].mem / PAGE * 8) != sizeof(entry))
			lib_die("%s: %s", path, strerror(errno));
		close(fd);
		for (j = 0; j < PROCESS_PAGES; j++) {
			uint64_t frame = entry[j] & PM_FRAME;

			if (!(entry[j] & PM_PRESENT) || !frame || frame >= FRAMES)
				lib_die("page %lu of process %lu has no frame", j, i);
			if (frame == zero || seen[frame / 8] & 1 << frame % 8)
				saved++;
			seen[frame / 8] |= 1 << frame % 8;
		}
	}
	return saved;
}

/* ---- ksmd ---- */

static void ksmd_begin(void)
{
	need(ksm_set("run", 2), "run");
	need(ksm_set("pages_to_scan", ALL_PAGES), "pages_to_scan");
	need(ksm_set("use_zero_pages", 1), "use_zero_pages");
	for (unsigned long i = 0; i < processes; i++)
		need(child_madvise(&child[i], 0, PROCESS_PAGES, MADV_MERGEABLE), "MADV_MERGEABLE");
}

static void ksmd_end(void)
{
	need(ksm_set("run", 2), "run");
	for (unsigned long i = 0; i < processes; i++)
		need(child_madvise(&child[i], 0, PROCESS_PAGES, MADV_UNMERGEABLE),
		     "MADV_UNMERGEABLE");
}

/* It looks up from its sleep when the length of that changes, or when it may run. */
static void ksmd_pass(void)
{
	long long before = ksm_get("full_scans");

	need(ksm_set("sleep_millisecs",
		     FOREVER_MS + (ksm_get("sleep_millisecs") == FOREVER_MS)), "sleep_millisecs");
	need(ksm_set("run", 1), "run");
	while (ksm_get("full_scans") == before)
		lib_sleep_ms(20);
	/* What it does after its last page belongs to the pass. */
	lib_sleep_ms(5);
	if (ksm_get("full_scans") != before + 1)
		lib_die("ksmd went over memory more than once");
}

/* This version does not count zero pages. */
static long long ksmd_saved(void)
{
	return ksm_get("pages_sharing");
}

static long long ksmd_metadata(void)
{
	unsigned long active, size;
	char text[256], name[64];
	long long bytes = 0;
	FILE *file = fopen("/proc/slabinfo", "re");

	if (!file)
		lib_die("slabinfo: %s", strerror(errno));
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "%63s %lu %*u %lu", name, &active, &size) == 3 &&
		    !strncmp(name, "ksm_", 4))
			bytes += (long long)active * size;
	fclose(file);
	return bytes;
}

/* ---- pshare ---- */

static void load(void)
{
	char text[256], parameter[64] = "";
	FILE *file = fopen("/proc/kallsyms", "re");

	while (file && fgets(text, sizeof(text), file))
		if (strstr(text, " kallsyms_lookup_name\n"))
			snprintf(parameter, sizeof(parameter), "kallsyms_lookup_name_addr=0x%.16s",
				 text);
	if (!file || !*parameter)
		lib_die("kallsyms: no kallsyms_lookup_name");
	fclose(file);
	need(module_load(parameter), "loading the module");
}

/* perf does not know a module's functions: all of this kernel is one program to it. */
static void tell_symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long address;
	char text[256], name[128];

	while (file && fgets(text, sizeof(text), file))
		if (sscanf(text, "%lx %*1[tT] %127s [pshare]", &address, name) == 2 &&
		    strstr(text, "[pshare]"))
			fprintf(line, "symbol %lx %s\n", address, name);
	if (!file)
		lib_die("kallsyms: %s", strerror(errno));
	fclose(file);
}

static void pshare_begin(void)
{
	load();
	if (getenv("PROFILE"))
		tell_symbols();
	dev = ps_open();
	need(dev < 0 ? dev : 0, "/dev/pshare");
	for (unsigned long i = 0; i < processes; i++)
		need(ps_add(dev, child[i].pid, child[i].mem, PROCESS_PAGES * PAGE, GROUP, NULL),
		     "adding a region");
}

static void pshare_end(void)
{
	need(ps_set("run", 2), "run");
	close(dev);
	need(module_unload(), "unloading the module");
}

static void pshare_pass(void)
{
	need(ps_scan_only(dev, 1), "a pass");
	/* As for ksmd. */
	lib_sleep_ms(5);
}

static long long pshare_saved(void)
{
	return ps_get("pages_sharing") + ps_get("ksm_zero_pages");
}

static long long pshare_metadata(void)
{
	return ps_get("metadata_bytes");
}

static const struct subject subjects[] = {
	{ "ksmd", ksmd_begin, ksmd_end, ksmd_pass, ksmd_saved, ksmd_metadata },
	{ "pshare", pshare_begin, pshare_end, pshare_pass, pshare_saved, pshare_metadata },
};

/* ---- both ---- */

static void measure(const struct subject *subject, enum memory memory, unsigned int round)
{
	const char *name = subject->name, *kind = memory_name[memory];

	fill(memory);
	touch();
	subject->begin();
	stop_all();
	for (int i = 0; i < PASSES_EACH; i++) {
		unsigned long long time = cpu_time();

		subject->pass();
		time = cpu_time() - time;
		fprintf(line, "pass %s %s %u %llu %lld %lu\n", name, kind, round, time,
			subject->saved(), count_saved());
	}
	fprintf(line, "metadata %s %s %u %lld\n", name, kind, round, subject->metadata());
	continue_all();
	compare(memory);
	subject->end();
}

/*
 * What was merged and given back lies anywhere afterwards, as it does on a host that has run
 * for long, and who reads all of it waits longer for each page.  So that not the first of all
 * to be measured alone has memory in order, it is merged and given back once before.
 */
static void scatter(enum memory memory)
{
	const struct subject *subject = &subjects[0];

	fill(memory);
	subject->begin();
	for (int i = 0; i < 2; i++)
		subject->pass();
	if (!count_saved())
		lib_die("nothing was merged");
	subject->end();
}

/* What goes on when nothing does, which is in all other figures, too. */
static void measure_rest(void)
{
	unsigned long long time = cpu_time();

	lib_sleep_ms(5000);
	fprintf(line, "rest %llu\n", (cpu_time() - time) / 5);
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY))
		lib_die("mount: %s", strerror(errno));
}

static unsigned long number(const char *name)
{
	const char *text = getenv(name);
	unsigned long value = text ? strtoul(text, NULL, 10) : 0;

	if (!value)
		lib_die("%s is not set", name);
	return value;
}

int main(void)
{
	const char *wanted = getenv("MEMORY") ?: "";
	bool profile = getenv("PROFILE");
	unsigned long rounds, round, i;
	enum memory memory;

	mount_all();
	open_line();
	rounds = number("ROUNDS");
	processes = number("MIB") / PROCESS_MIB;
	if (!processes || processes > PROCESSES)
		lib_die("%lu processes are not to be had", processes);
	for (i = 0; i < processes; i++)
		child_start(&child[i], PROCESS_PAGES, 0);
	populate();
	measure_rest();
	for (memory = 0; memory < KINDS; memory++) {
		if (!strstr(wanted, memory_name[memory]))
			continue;
		fprintf(line, "expect %s %lu\n", memory_name[memory], expect(memory));
		if (expect(memory))
			scatter(memory);
		/* Each is first by turns. */
		for (round = 1; round <= rounds; round++)
			for (i = 0; i < 2; i++)
				if (!profile || (round + i) % 2 == 0)
					measure(&subjects[(round + i + 1) % 2], memory, round);
	}
	fprintf(line, "done\n");
	reboot(RB_POWER_OFF);
	return 1;
}
