// SPDX-License-Identifier: GPL-2.0
/*
 * A double of the module, for tests without a kernel: preloaded, it answers
 * for /dev/pshare and shows other files in place of /proc and /sys.  It checks
 * each request as the ABI asks the module to, so that a command that sends a
 * wrong one fails here as it would there.
 *
 * DOUBLE_ROOT	directory that holds the tree for /sys/kernel/mm/pshare and /proc
 * DOUBLE_FAIL	CALL=ERRNO, or CALL@KEY=ERRNO for one pid or region only: that call
 *		fails.  CALL: OPEN, VERSION, ADD, REMOVE, READ, UNMERGE, SCAN, LEDGER,
 *		PIDFD, GET, SET, PROC.  Several are separated by blanks
 * DOUBLE_EMPTY	set: no region is registered at the start
 * DOUBLE_LEDGER	file with other ledgers, one a line, in words like zero=12
 * DOUBLE_ABI	1: be a module of that version
 * DOUBLE_SCAN_MS	how long a pass takes; 0 when not set
 * DOUBLE_DEAF	how many signals a scan misses, as if they came just before the call
 * DOUBLE_LOG	file that gets one line for each request
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <pshare.h>

#define MAX_REGIONS	16
#define MAX_LEDGERS	64
#define MAX_FDS		1024
#define TOP		0x7ffffffff000ULL
#define SYSFS		"/sys/kernel/mm/pshare"

/* Prototypes of what libc does not declare in this form. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

/* What a descriptor stands for; pid of a pidfd, name of a knob. */
static struct {
	bool device;
	int pid;
	char knob[64];
} fds[MAX_FDS];

static struct pshare_read regions[MAX_REGIONS] = {
	{ .id = 1, .pid = 4242, .state = PSHARE_REGION_WHOLE, .end = TOP, .scanned = 196608,
	  .merged = 20000, .zero = 11670, .volatile_ = 1500, .unique = 32000, .swapped = 7,
	  .ineligible = 359, .huge_splits = 64, .refused = 3, .group = "lab" },
	{ .id = 2, .pid = 4343, .state = PSHARE_REGION_WHOLE, .end = TOP, .scanned = 196607,
	  .merged = 19000, .zero = 12000, .volatile_ = 1501, .unique = 33000, .group = "lab" },
	{ .id = 5, .pid = 4444, .state = PSHARE_REGION_PRIVATE, .start = 0x7f0000000000,
	  .end = 0x7f0010000000, .scanned = 65536, .merged = 100, .zero = 1, .volatile_ = 2,
	  .unique = 65433, .refused = 18446744073709551615ULL },
};

static size_t nr_regions;
static __u64 next_id = 6;

/* Two that have no range and 256 MiB each; one of 256 MiB with a range. */
static const char usual_ledgers[] =
"id=1 pid=4242 vm=1 state=2 group=lab pages=34359738367 huge_policy=0"
" unpopulated=34359672831 zero=11670 merged_self=4000 merged_other=16000 duplicate_self=300"
" duplicate_other=1200 duplicate_zero=500 huge_blocked_self=1000 huge_blocked_other=9000"
" huge_blocked_zero=3000 group_blocked=800 aslr_blocked=2500 volatile=1500 swapped=7"
" ineligible_shared=200 ineligible_pinned=100 ineligible_other=59 unique=13700 zero_other=11670"
" blocks_huge=100 blocks_equal=3 blocks_split=64 split_gained=9000 twins0=10 twins1=6 twins2=14"
" twins3=30 twins4=32 twins5=8 merging=1700 splitting0=13800 splitting1=13700 splitting2=13500"
" splitting3=9800 splitting4=4200 splits0=90 splits1=84 splits2=70 splits3=40 splits4=8"
" grouping=900 aslr=2300\n"
"id=2 pid=4343 vm=2 state=2 group=lab pages=34359738367 huge_policy=2"
" unpopulated=34359672831 zero=12000 merged_self=3000 merged_other=16000 duplicate_other=600"
" huge_blocked_other=4000 huge_blocked_zero=1000 group_blocked=700 aslr_blocked=2400"
" volatile=1501 unique=24335 zero_other=12000 blocks_huge=40 twins0=10 twins1=2 twins2=4"
" twins3=10 twins4=14 merging=500 splitting0=5500 splitting1=5490 splitting2=5400"
" splitting3=3000 splitting4=500 splits0=30 splits1=28 splits2=24 splits3=14 grouping=300"
" aslr=2400\n"
"id=5 pid=4444 vm=3 state=1 pages=65536 huge_policy=1 unpopulated=30000 zero=1 merged_self=100"
" volatile=2 unique=30433 ineligible_hugetlb=5000\n";

static struct pshare_read_ledger ledgers[MAX_LEDGERS];
static size_t nr_ledgers;

/* The words of a ledger's line. */
static const struct {
	const char *name;
	size_t offset;
} words[] = {
#define WORD(name, member) { name, offsetof(struct pshare_read_ledger, member) }
#define CLASS(name, class) WORD(name, classes[PSHARE_ ## class])
	WORD("id", id), WORD("pages", pages),
	CLASS("unscanned", UNSCANNED), CLASS("unpopulated", UNPOPULATED),
	CLASS("swapped", SWAPPED), CLASS("ineligible_shared", INELIGIBLE_SHARED),
	CLASS("ineligible_hugetlb", INELIGIBLE_HUGETLB),
	CLASS("ineligible_pinned", INELIGIBLE_PINNED),
	CLASS("ineligible_other", INELIGIBLE_OTHER), CLASS("zero", ZERO),
	CLASS("merged_self", MERGED_SELF), CLASS("merged_other", MERGED_OTHER),
	CLASS("duplicate_self", DUPLICATE_SELF),
	CLASS("duplicate_other", DUPLICATE_OTHER),
	CLASS("duplicate_zero", DUPLICATE_ZERO), CLASS("huge_blocked_self", HUGE_SELF),
	CLASS("huge_blocked_other", HUGE_OTHER), CLASS("huge_blocked_zero", HUGE_ZERO),
	CLASS("group_blocked", GROUP_BLOCKED), CLASS("aslr_blocked", ASLR_BLOCKED),
	CLASS("volatile", VOLATILE), CLASS("unique", UNIQUE),
	WORD("newer", classes[PSHARE_MAX_CLASSES - 1]),
	WORD("zero_other", zero_other),
	WORD("blocks_huge", blocks_huge), WORD("blocks_equal", blocks_equal),
	WORD("blocks_split", blocks_split), WORD("split_gained", split_gained),
	WORD("twins0", twins[0]), WORD("twins1", twins[1]), WORD("twins2", twins[2]),
	WORD("twins3", twins[3]), WORD("twins4", twins[4]), WORD("twins5", twins[5]),
	WORD("merging", merging), WORD("splitting0", splitting[0]),
	WORD("splitting1", splitting[1]), WORD("splitting2", splitting[2]),
	WORD("splitting3", splitting[3]), WORD("splitting4", splitting[4]),
	WORD("splits0", splits[0]), WORD("splits1", splits[1]), WORD("splits2", splits[2]),
	WORD("splits3", splits[3]), WORD("splits4", splits[4]), WORD("grouping", grouping),
	WORD("aslr", aslr),
#undef CLASS
#undef WORD
};

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static void take_word(const char *word, struct pshare_read_ledger *ledger)
{
	const char *equals = strchr(word, '=');
	unsigned long long value;
	size_t i;

	if (!equals)
		abort();
	value = strtoull(equals + 1, NULL, 10);
	if (!strncmp(word, "pid=", 4)) {
		ledger->pid = (int)value;
	} else if (!strncmp(word, "vm=", 3)) {
		ledger->vm = (__u32)value;
	} else if (!strncmp(word, "state=", 6)) {
		ledger->state = (__u32)value;
	} else if (!strncmp(word, "huge_policy=", 12)) {
		ledger->huge_policy = (__u32)value;
	} else if (!strncmp(word, "group=", 6)) {
		memcpy(ledger->group, equals + 1,
		       strnlen(equals + 1, sizeof(ledger->group)));
	} else {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (!strncmp(word, words[i].name, (size_t)(equals - word)) &&
			    !words[i].name[equals - word])
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			abort();
		*(__u64 *)((char *)ledger + words[i].offset) = value;
	}
}

static void take_ledgers(char *text)
{
	char *line, *word, *next_line, *next_word;

	for (line = strtok_r(text, "\n", &next_line); line;
	     line = strtok_r(NULL, "\n", &next_line), nr_ledgers++) {
		if (nr_ledgers == MAX_LEDGERS)
			abort();
		for (word = strtok_r(line, " \t", &next_word); word;
		     word = strtok_r(NULL, " \t", &next_word))
			take_word(word, &ledgers[nr_ledgers]);
	}
}

static void read_ledgers(void)
{
	const char *path = getenv("DOUBLE_LEDGER");
	static char text[65536];
	FILE *file;

	if (!path) {
		memcpy(text, usual_ledgers, sizeof(usual_ledgers));
	} else {
		file = fopen(path, "r");
		if (!file || !fread(text, 1, sizeof(text) - 1, file))
			abort();
		fclose(file);
	}
	take_ledgers(text);
}

static unsigned int abi(void)
{
	const char *text = getenv("DOUBLE_ABI");

	return text ? (unsigned int)strtoul(text, NULL, 10) : PSHARE_ABI_VERSION;
}

__attribute__((constructor)) static void start(void)
{
	if (getenv("DOUBLE_EMPTY"))
		return;
	read_ledgers();
	for (nr_regions = 0; regions[nr_regions].id; nr_regions++)
		;
}

__attribute__((format(printf, 1, 2))) static void record(const char *fmt, ...)
{
	const char *path = getenv("DOUBLE_LOG");
	FILE *file = path ? fopen(path, "a") : NULL;
	va_list ap;

	if (!file)
		return;
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fputc('\n', file);
	fclose(file);
}

static int errno_of(const char *name)
{
	int err;

	for (err = 1; err < 256; err++) {
		const char *known = strerrorname_np(err);

		if (known && !strcmp(known, name))
			return err;
	}
	fprintf(stderr, "double: no errno %s\n", name);
	abort();
}

/* The errno that DOUBLE_FAIL asks for; @key is a pid, a region or 0. */
static int injected(const char *call, unsigned long long key)
{
	const char *list = getenv("DOUBLE_FAIL");
	char copy[256], plain[64], keyed[64], *word, *save;

	if (!list)
		return 0;
	snprintf(copy, sizeof(copy), "%s", list);
	snprintf(plain, sizeof(plain), "%s", call);
	snprintf(keyed, sizeof(keyed), "%s@%llu", call, key);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');

		if (!equals)
			abort();
		*equals = '\0';
		if (!strcmp(word, plain) || !strcmp(word, keyed))
			return errno_of(equals + 1);
	}
	return 0;
}

static int fail_with(int err)
{
	errno = err;
	return -1;
}

/* Where a path really is; @path itself when it is none of ours. */
static const char *redirect(const char *path, char *buf)
{
	const char *root = getenv("DOUBLE_ROOT");

	if (!root || (strncmp(path, SYSFS, strlen(SYSFS)) && strcmp(path, "/proc") &&
		      strncmp(path, "/proc/", 6)))
		return path;
	snprintf(buf, PATH_MAX, "%s%s", root, path);
	return buf;
}

static int open_device(int flags)
{
	int err = injected("OPEN", 0);
	int (*real_open)(const char *, int, ...) = real("open");
	int fd;

	if (err)
		return fail_with(err);
	if ((flags & O_ACCMODE) != O_RDWR)
		return fail_with(EACCES);
	fd = real_open("/dev/null", flags);
	if (fd >= 0)
		fds[fd].device = true;
	return fd;
}

static bool writable(const char *knob)
{
	return !strcmp(knob, "run") || !strcmp(knob, "pages_to_scan") ||
	       !strcmp(knob, "sleep_millisecs") || !strcmp(knob, "max_cpu_percent") ||
	       !strcmp(knob, "target_scan_seconds") || !strcmp(knob, "nice") ||
	       !strcmp(knob, "scan_threads") || !strcmp(knob, "use_zero_pages") ||
	       !strcmp(knob, "max_pages_shared") || !strcmp(knob, "huge_policy") ||
	       !strcmp(knob, "huge_split_min") || !strcmp(knob, "huge_min_free_percent") ||
	       !strcmp(knob, "compare_groups") || !strcmp(knob, "aslr_sample");
}

static int double_open(const char *path, int flags, unsigned int mode)
{
	int (*real_open)(const char *, int, ...) = real("open");
	char buf[PATH_MAX];
	const char *name = NULL;
	int fd, err;

	if (!strcmp(path, "/dev/pshare"))
		return open_device(flags);
	if (!strncmp(path, SYSFS "/", strlen(SYSFS "/"))) {
		name = path + strlen(SYSFS "/");
		err = injected((flags & O_ACCMODE) == O_RDONLY ? "GET" : "SET", 0);
		if (err == EACCES)
			return fail_with(err);
		/* sysfs asks this even of root. */
		if ((flags & O_ACCMODE) != O_RDONLY && !access(redirect(path, buf), F_OK) &&
		    !writable(name))
			return fail_with(EACCES);
	}
	fd = real_open(redirect(path, buf), flags, mode);
	if (fd >= 0) {
		memset(&fds[fd], 0, sizeof(fds[fd]));
		if (name)
			snprintf(fds[fd].knob, sizeof(fds[fd].knob), "%s", name);
	}
	return fd;
}

int open(const char *path, int flags, ...)
{
	unsigned int mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, unsigned int) : 0;
	va_end(ap);
	return double_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	unsigned int mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, unsigned int) : 0;
	va_end(ap);
	return double_open(path, flags, mode);
}

int __open_2(const char *path, int flags)
{
	return double_open(path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return double_open(path, flags, 0);
}

DIR *opendir(const char *path)
{
	DIR *(*real_opendir)(const char *) = real("opendir");
	char buf[PATH_MAX];
	int err = strcmp(path, "/proc") ? 0 : injected("PROC", 0);

	if (err) {
		errno = err;
		return NULL;
	}
	return real_opendir(redirect(path, buf));
}

/* What the module takes for a knob. */
static bool takes(const char *knob, const char *text)
{
	unsigned long long value, max = UINT_MAX;
	char *end;

	if (!strcmp(knob, "huge_policy"))
		return !strcmp(text, "keep") || !strcmp(text, "benefit") ||
		       !strcmp(text, "pressure") || !strcmp(text, "always");
	if (!strcmp(knob, "nice")) {
		long nice = strtol(text, &end, 10);

		return !strcmp(text, "idle") ||
		       (end != text && !*end && nice >= -20 && nice <= 19);
	}
	if (!strcmp(knob, "run"))
		max = abi() < 2 ? 2 : 3;
	if (!strcmp(knob, "huge_split_min"))
		max = 512;
	if (!strcmp(knob, "huge_min_free_percent") || !strcmp(knob, "aslr_sample") ||
	    !strcmp(knob, "max_cpu_percent"))
		max = 100;
	if (!strcmp(knob, "scan_threads"))
		max = 16;
	if (!strcmp(knob, "use_zero_pages") || !strcmp(knob, "compare_groups"))
		max = 1;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > max)
		return false;
	return value || (strcmp(knob, "pages_to_scan") != 0 &&
			 strcmp(knob, "huge_split_min") != 0 && strcmp(knob, "scan_threads") != 0);
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t (*real_write)(int, const void *, size_t) = real("write");
	char text[64];
	int err;

	if (fd < 0 || fd >= MAX_FDS || !fds[fd].knob[0])
		return real_write(fd, data, size);
	snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)data);
	record("SET %s %s", fds[fd].knob, text);
	err = injected("SET", 0);
	if (err)
		return fail_with(err);
	if (!takes(fds[fd].knob, text))
		return fail_with(EINVAL);
	if (ftruncate(fd, 0))
		return -1;
	return real_write(fd, data, size);
}

ssize_t read(int fd, void *data, size_t size)
{
	ssize_t (*real_read)(int, void *, size_t) = real("read");
	int err = fd >= 0 && fd < MAX_FDS && fds[fd].knob[0] ? injected("GET", 0) : 0;

	return err ? fail_with(err) : real_read(fd, data, size);
}

static int open_pidfd(int pid)
{
	int (*real_open)(const char *, int, ...) = real("open");
	int err = injected("PIDFD", (unsigned long long)pid);
	char path[64], buf[PATH_MAX];
	int fd;

	if (err)
		return fail_with(err);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (access(redirect(path, buf), F_OK))
		return fail_with(ESRCH);
	fd = real_open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		fds[fd].pid = pid;
	return fd;
}

long syscall(long number, ...)
{
	va_list ap;
	long pid, flags;

	va_start(ap, number);
	pid = va_arg(ap, int);
	flags = va_arg(ap, int);
	va_end(ap);
	if (number != SYS_pidfd_open) {
		fprintf(stderr, "double: unexpected system call %ld\n", number);
		abort();
	}
	return flags ? fail_with(EINVAL) : open_pidfd((int)pid);
}

int close(int fd)
{
	int (*real_close)(int) = real("close");

	if (fd >= 0 && fd < MAX_FDS)
		memset(&fds[fd], 0, sizeof(fds[fd]));
	return real_close(fd);
}

static int on_version(struct pshare_version *arg)
{
	record("VERSION");
	if (arg->size != sizeof(*arg) || arg->flags || arg->reserved)
		return EINVAL;
	arg->abi = abi();
	return 0;
}

static int check_add(const struct pshare_add *arg)
{
	size_t len = strnlen(arg->group, sizeof(arg->group));

	if (abi() < 2 && (arg->huge_policy || arg->reserved2))
		return E2BIG;
	if (arg->size != sizeof(*arg) || arg->reserved || arg->reserved2 ||
	    arg->flags & ~(PSHARE_ADD_RANGE | PSHARE_ADD_GROUP |
			   (abi() < 2 ? 0 : PSHARE_ADD_HUGE_POLICY)))
		return EINVAL;
	if (arg->huge_policy >= PSHARE_NR_HUGE_POLICIES ||
	    (arg->huge_policy && !(arg->flags & PSHARE_ADD_HUGE_POLICY)))
		return EINVAL;
	if (len == sizeof(arg->group))
		return ENAMETOOLONG;
	if (!(arg->flags & PSHARE_ADD_RANGE) && (arg->start || arg->end))
		return EINVAL;
	if (arg->flags & PSHARE_ADD_RANGE &&
	    (arg->start >= arg->end || (arg->start | arg->end) % 4096))
		return EINVAL;
	if (arg->end > TOP)
		return ERANGE;
	if (!(arg->flags & PSHARE_ADD_GROUP) != !len)
		return EINVAL;
	if (arg->pidfd < 0 || arg->pidfd >= MAX_FDS || !fds[arg->pidfd].pid)
		return EBADF;
	return 0;
}

static int on_add(struct pshare_add *arg)
{
	__u64 end = arg->flags & PSHARE_ADD_RANGE ? arg->end : TOP;
	struct pshare_read *region = &regions[nr_regions];
	int pid = arg->pidfd >= 0 ? fds[arg->pidfd].pid : 0;
	int err = check_add(arg);
	size_t i;

	record("ADD flags=%u pid=%d start=%llx end=%llx group=%.64s%s%.0u", arg->flags, pid,
	       arg->start, arg->end, arg->group, arg->huge_policy ? " huge=" : "",
	       arg->huge_policy);
	if (err)
		return err;
	err = injected("ADD", (unsigned long long)pid);
	if (err)
		return err;
	for (i = 0; i < nr_regions; i++)
		if (regions[i].pid == pid && arg->start < regions[i].end && end > regions[i].start)
			return EEXIST;
	if (nr_regions == MAX_REGIONS - 1)
		return ENOMEM;
	*region = (struct pshare_read){ .id = next_id++, .pid = pid, .start = arg->start,
					.end = end };
	memcpy(region->group, arg->group, sizeof(region->group));
	nr_regions++;
	arg->id = region->id;
	return 0;
}

static struct pshare_read *find(__u64 id, bool next)
{
	size_t i;

	for (i = 0; i < nr_regions; i++)
		if (regions[i].id == id || (next && regions[i].id > id))
			return &regions[i];
	return NULL;
}

static int on_read(struct pshare_read *arg)
{
	struct pshare_read *region = find(arg->id, arg->flags & PSHARE_READ_NEXT);

	if (arg->size != sizeof(*arg) || arg->flags & ~PSHARE_READ_NEXT)
		return EINVAL;
	if (!region)
		return ENOENT;
	*arg = *region;
	arg->size = sizeof(*arg);
	return 0;
}

static int on_ledger(struct pshare_read_ledger *arg)
{
	size_t i = 0;

	if (abi() < 2)
		return ENOTTY;
	if (arg->size != sizeof(*arg) || arg->flags & ~PSHARE_READ_NEXT)
		return EINVAL;
	while (i < nr_ledgers && (arg->flags & PSHARE_READ_NEXT ? ledgers[i].id < arg->id :
				  ledgers[i].id != arg->id))
		i++;
	if (i == nr_ledgers)
		return ENOENT;
	*arg = ledgers[i];
	arg->size = sizeof(*arg);
	return 0;
}

static int on_remove(struct pshare_remove *arg)
{
	struct pshare_read *region = find(arg->id, false);

	record("REMOVE %llu", arg->id);
	if (arg->size != sizeof(*arg) || arg->flags)
		return EINVAL;
	if (!region)
		return ENOENT;
	nr_regions--;
	memmove(region, region + 1, (size_t)(&regions[nr_regions] - region) * sizeof(*region));
	return 0;
}

static int on_unmerge(struct pshare_unmerge *arg)
{
	struct pshare_read *region = find(arg->id, false);

	record("UNMERGE %llu", arg->id);
	if (arg->size != sizeof(*arg) || arg->flags)
		return EINVAL;
	if (!region)
		return ENOENT;
	arg->pages = region->merged + region->zero;
	region->merged = 0;
	region->zero = 0;
	return 0;
}

static void bump(const char *knob, long long by)
{
	char path[PATH_MAX];
	long long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s" SYSFS "/%s", getenv("DOUBLE_ROOT"), knob);
	file = fopen(path, "r+");
	if (!file)
		abort();
	if (fscanf(file, "%lld", &value) != 1)
		abort();
	rewind(file);
	fprintf(file, "%lld\n", value + by);
	fclose(file);
}

/* Sleeps until a signal ends it, but the first @deaf ones do not. */
static int sleep_through(struct timespec delay, long *deaf)
{
	while (nanosleep(&delay, &delay))
		if ((*deaf)-- <= 0)
			return EINTR;
	return 0;
}

static int on_scan(const struct pshare_scan *arg)
{
	const char *text = getenv("DOUBLE_SCAN_MS");
	long ms = text ? strtol(text, NULL, 10) : 0;
	struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
	const char *deaf_text = getenv("DOUBLE_DEAF");
	long deaf = deaf_text ? strtol(deaf_text, NULL, 10) : 0;
	__u32 pass;

	record("SCAN %u", arg->passes);
	if (arg->size != sizeof(*arg) || arg->flags || arg->reserved || !arg->passes)
		return EINVAL;
	/* A pass was under way when the request came; its end counts, too. */
	bump("full_scans", 1);
	for (pass = 0; pass < arg->passes; pass++) {
		if (ms && sleep_through(delay, &deaf))
			return EINTR;
		bump("full_scans", 1);
		bump("pages_scanned", 1000);
		bump("pages_sharing", 100);
	}
	return 0;
}

/* The keys are at the same place in these three. */
static int on_keyed(unsigned long request, void *arg)
{
	switch (request) {
	case PSHARE_IOC_READ:
		return injected("READ", 0) ? injected("READ", 0) : on_read(arg);
	case PSHARE_IOC_REMOVE: {
		int err = injected("REMOVE", ((struct pshare_remove *)arg)->id);

		return err ? err : on_remove(arg);
	}
	default: {
		int err = injected("UNMERGE", ((struct pshare_unmerge *)arg)->id);

		return err ? err : on_unmerge(arg);
	}
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real_ioctl)(int, unsigned long, ...) = real("ioctl");
	va_list ap;
	void *arg;
	int err;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd < 0 || fd >= MAX_FDS || !fds[fd].device)
		return real_ioctl(fd, request, arg);

	switch (request) {
	case PSHARE_IOC_VERSION:
		err = injected("VERSION", 0);
		err = err ? err : on_version(arg);
		break;
	case PSHARE_IOC_ADD:
		err = on_add(arg);
		break;
	case PSHARE_IOC_SCAN:
		err = injected("SCAN", 0);
		err = err ? err : on_scan(arg);
		break;
	case PSHARE_IOC_LEDGER:
		err = injected("LEDGER", 0);
		err = err ? err : on_ledger(arg);
		break;
	case PSHARE_IOC_READ:
	case PSHARE_IOC_REMOVE:
	case PSHARE_IOC_UNMERGE:
		err = on_keyed(request, arg);
		break;
	default:
		err = ENOTTY;
	}
	return err ? fail_with(err) : 0;
}
