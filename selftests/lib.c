// SPDX-License-Identifier: GPL-2.0
/* What the selftests share; see lib.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

/* ---- the frame ---- */

static void __attribute__((format(printf, 1, 0))) print_comment(const char *format, va_list args)
{
	printf("# ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
}

void lib_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_comment(format, args);
	va_end(args);
}

void lib_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_comment(format, args);
	va_end(args);
	abort();
}

double lib_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void lib_sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, (ms % 1000) * 1000000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

unsigned int lib_scale(void)
{
	const char *text = getenv("PSHARE_TEST_SCALE");
	int scale = text ? atoi(text) : 1;

	return scale > 1 ? scale : 1;
}

/* The limits of single tests: the linker sends kselftest_harness.h here. */
unsigned int __real_alarm(unsigned int seconds);
unsigned int __wrap_alarm(unsigned int seconds);

unsigned int __wrap_alarm(unsigned int seconds)
{
	return __real_alarm(seconds * lib_scale());
}

bool lib_wait(bool (*done)(void *arg), void *arg, unsigned int ms)
{
	double end = lib_seconds() + ms / 1000.0 * lib_scale();
	unsigned int late = 0;

	while (!done(arg)) {
		/* While the machine stands still nobody can do anything: looks count, too. */
		if (lib_seconds() > end && ++late > 50)
			return false;
		lib_sleep_ms(20);
	}
	return true;
}

int lib_compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* ---- files ---- */

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

int file_try_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (used < size - 1 && got > 0) {
		got = read(fd, text + used, size - 1 - used);
		if (got < 0) {
			close(fd);
			return -errno;
		}
		used += got;
	}
	close(fd);
	text[used] = '\0';
	return 0;
}

void file_read(const char *path, char *text, size_t size)
{
	int err = file_try_read(path, text, size);

	if (err)
		lib_die("cannot read %s: %s", path, strerror(-err));
}

long long file_number(const char *path)
{
	char text[64], *end;
	long long value;

	file_read(path, text, sizeof(text));
	value = strtoll(text, &end, 10);
	if (end == text || *end != '\n')
		lib_die("%s holds no number: %s", path, text);
	return value;
}

long long vmstat(const char *name)
{
	static char text[65536];
	size_t length = strlen(name);
	char *line = text;

	file_read("/proc/vmstat", text, sizeof(text));
	while (line && (strncmp(line, name, length) || line[length] != ' ')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line ? atoll(line + length) : -1;
}

/* ---- the module ---- */

bool module_loaded(void)
{
	return !access("/sys/module/pshare", F_OK);
}

int module_load(const char *parameters)
{
	const char *path = getenv("PSHARE_KO") ?: "/pshare.ko";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		lib_die("cannot open %s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = -errno;
	close(fd);
	return err;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "pshare", O_NONBLOCK) ? -errno : 0;
}

bool modprobe(const char *name, const char *parameters)
{
	char command[256];

	snprintf(command, sizeof(command), "modprobe %s %s >/dev/null 2>&1", name, parameters);
	return !system(command);
}

static bool no_regions(void *dev)
{
	return !ps_regions(*(int *)dev);
}

int ps_begin(void)
{
	const char *threads = getenv("PSHARE_TEST_THREADS");
	int dev, err;

	if (!module_loaded()) {
		err = module_load("");
		if (err)
			lib_die("cannot load the module: %s", strerror(-err));
	}
	dev = ps_open();
	if (dev < 0)
		lib_die("cannot open the device: %s", strerror(-dev));
	if (ps_set("run", 0) || ps_set("pages_to_scan", 100) || ps_set("sleep_millisecs", 20) ||
	    ps_set("max_cpu_percent", 0) || ps_set("target_scan_seconds", 0) ||
	    ps_set("nice", 5) || ps_set("use_zero_pages", 1) || ps_set("max_pages_shared", 0) ||
	    ps_set_text("huge_policy", "benefit") || ps_set("huge_split_min", 64) ||
	    ps_set("huge_min_free_percent", 6) || ps_set("compare_groups", 0) ||
	    ps_set("aslr_sample", 0) || ps_set("scan_threads", threads ? atoi(threads) : 1))
		lib_die("cannot set the knobs to their defaults");
	if (!lib_wait(no_regions, &dev, 5000))
		lib_die("a region of the test before is still there");
	if (!ps_nothing_shared())
		lib_die("pages of the test before are still shared");
	return dev;
}

/* ---- the device ---- */

static int call(int dev, unsigned long request, void *arg)
{
	return ioctl(dev, request, arg) ? -errno : 0;
}

int ps_open(void)
{
	int dev = open("/dev/pshare", O_RDWR | O_CLOEXEC);

	return dev < 0 ? -errno : dev;
}

int ps_abi(int dev)
{
	struct pshare_version version = { .size = sizeof(version) };
	int err = call(dev, PSHARE_IOC_VERSION, &version);

	return err ?: (int)version.abi;
}

/* Fills in what is the same with and without a policy, and makes the call. */
static int add_region(int dev, pid_t pid, const void *start, size_t length, const char *group,
		      struct pshare_add *add, uint64_t *id)
{
	int err;

	add->size = sizeof(*add);
	add->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (add->pidfd < 0)
		return -errno;
	if (length) {
		add->flags |= PSHARE_ADD_RANGE;
		add->start = (uintptr_t)start;
		add->end = add->start + length;
	}
	if (group) {
		add->flags |= PSHARE_ADD_GROUP;
		snprintf(add->group, sizeof(add->group), "%s", group);
	}
	err = call(dev, PSHARE_IOC_ADD, add);
	close(add->pidfd);
	if (!err && id)
		*id = add->id;
	return err;
}

int ps_add(int dev, pid_t pid, const void *start, size_t length, const char *group,
	   uint64_t *id)
{
	struct pshare_add add = { 0 };

	return add_region(dev, pid, start, length, group, &add, id);
}

int ps_add_policy(int dev, pid_t pid, const void *start, size_t length, const char *group,
		  enum pshare_huge_policy policy, uint64_t *id)
{
	struct pshare_add add = { .flags = PSHARE_ADD_HUGE_POLICY, .huge_policy = policy };

	return add_region(dev, pid, start, length, group, &add, id);
}

int ps_remove(int dev, uint64_t id)
{
	struct pshare_remove remove = { .size = sizeof(remove), .id = id };

	return call(dev, PSHARE_IOC_REMOVE, &remove);
}

static int read_region(int dev, uint64_t id, unsigned int flags, struct pshare_read *read)
{
	memset(read, 0, sizeof(*read));
	read->size = sizeof(*read);
	read->flags = flags;
	read->id = id;
	return call(dev, PSHARE_IOC_READ, read);
}

int ps_read(int dev, uint64_t id, struct pshare_read *read)
{
	return read_region(dev, id, 0, read);
}

int ps_next(int dev, uint64_t id, struct pshare_read *read)
{
	return read_region(dev, id, PSHARE_READ_NEXT, read);
}

int ps_unmerge(int dev, uint64_t id, uint64_t *pages)
{
	struct pshare_unmerge unmerge = { .size = sizeof(unmerge), .id = id };
	int err = call(dev, PSHARE_IOC_UNMERGE, &unmerge);

	if (!err && pages)
		*pages = unmerge.pages;
	return err;
}

unsigned int ps_regions(int dev)
{
	struct pshare_read read;
	unsigned int count = 0;
	uint64_t id = 0;

	while (!ps_next(dev, id, &read)) {
		id = read.id + 1;
		count++;
	}
	return count;
}

/* ---- knobs and counters ---- */

static long long get_in(const char *directory, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", directory, name);
	return file_number(path);
}

static int set_in(const char *directory, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", directory, name);
	return file_write(path, text);
}

long long ps_get(const char *name)
{
	return get_in(PSHARE_SYSFS, name);
}

long long ksm_get(const char *name)
{
	return get_in(KSM_SYSFS, name);
}

int ps_set_text(const char *name, const char *text)
{
	return set_in(PSHARE_SYSFS, name, text);
}

/* Whoever stops the scanner learns whether all that it has counted adds up. */
static int check_ledgers(void)
{
	int dev = ps_open();
	unsigned int wrong;

	if (dev < 0)
		return 0;
	wrong = ps_wrong_ledgers(dev);
	close(dev);
	return wrong ? -EUCLEAN : 0;
}

int ps_set(const char *name, long long value)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%lld\n", value);
	err = set_in(PSHARE_SYSFS, name, text);
	return err || strcmp(name, "run") || value ? err : check_ledgers();
}

int ksm_set(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", value);
	return set_in(KSM_SYSFS, name, text);
}

struct wanted {
	const char *name;
	long long value;
};

static bool counter_is(void *arg)
{
	const struct wanted *wanted = arg;

	return ps_get(wanted->name) == wanted->value;
}

bool ps_wait_counter(const char *name, long long value, unsigned int ms)
{
	struct wanted wanted = { name, value };

	return lib_wait(counter_is, &wanted, ms);
}

bool ps_nothing_shared(void)
{
	return ps_wait_counter("pages_shared", 0, 10000) &&
	       ps_wait_counter("pages_sharing", 0, 10000);
}

/* ---- cgroups ---- */

static void cg_path(char *path, size_t size, const char *name, const char *file)
{
	snprintf(path, size, "/sys/fs/cgroup/%s%s%s", name, *file ? "/" : "", file);
}

void cg_create(const char *name)
{
	char path[128];
	int err;

	err = file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (err)
		lib_die("no memory controller in /sys/fs/cgroup: %s", strerror(-err));
	cg_path(path, sizeof(path), name, "");
	if (mkdir(path, 0755) && errno != EEXIST)
		lib_die("cannot make %s: %s", path, strerror(errno));
}

int cg_write(const char *name, const char *file, const char *text)
{
	char path[128];

	cg_path(path, sizeof(path), name, file);
	return file_write(path, text);
}

int cg_enter(const char *name, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", pid);
	return cg_write(name, "cgroup.procs", text);
}

long long cg_number(const char *name, const char *file)
{
	char path[128];

	cg_path(path, sizeof(path), name, file);
	return file_number(path);
}

int cg_remove(const char *name)
{
	char path[128];

	cg_path(path, sizeof(path), name, "");
	return rmdir(path) ? -errno : 0;
}
