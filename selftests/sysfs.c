// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/pshare and /sys/kernel/debug/pshare: values that are not right
 * are refused with EINVAL and change nothing, values that are right read back,
 * and who may not read or write cannot.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "lib/knobs.h"

#define DEBUGFS		"/sys/kernel/debug/pshare"
#define NOBODY		65534
#define NR_PAGES	64

/* The other knob that takes words, and numbers as well. */
static const char * const niceness[] = { "-20", "-1", "0", "5", "19", "idle" };

static const char * const counters[] = {
	"full_scans", "pages_shared", "pages_sharing", "pages_unshared", "pages_volatile",
	"pages_scanned", "ksm_zero_pages", "general_profit", "metadata_bytes",
};

static const char * const tables[] = {
	"regions", "groups", "scan", "ledger", "huge_pages", "savings", "aslr",
};

/* No knob may take any of these. */
static const char * const garbage[] = {
	"\n", " ", "x", "run", "on", "yes", "-", "+", ".", "--1", "-1", "-0", "-4294967295",
	"-18446744073709551615", "1x", "x1", "1 1", "1,1", "1.0", "1e0", "1\n\n", "1\n1", "\n1",
	"1\r\n", "0x", "0xg", "NaN", "%s%n", "4294967296", "4294967297", "8589934593",
	"9223372036854775807", "9223372036854775808", "18446744073709551615",
	"18446744073709551616", "18446744073709551617", "36893488147419103233",
	"99999999999999999999999999999999999999999999999999999999999999999999999999",
	"\xff", "1\xff", "\xd9\xa1", "../run", "1;2", "`1`", "Keep", "keep\n\n", " keep", "keep ",
	"kee", "keepx", "keep benefit", "benefit,always",
};

static void path_of(char *path, size_t size, const char *directory, const char *name)
{
	snprintf(path, size, "%s/%s", directory, name);
}

/* Every file of the directory, one after the other. */
static void read_all(char *text, size_t size)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		used += snprintf(text + used, size - used, "%s=%lld ", knobs[i].name,
				 ps_get(knobs[i].name));
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		used += snprintf(text + used, size - used, "%s=%lld ", counters[i],
				 ps_get(counters[i]));
	file_read(PSHARE_SYSFS "huge_policy", text + used, size - used);
	used += strlen(text + used);
	file_read(PSHARE_SYSFS "nice", text + used, size - used);
}

static int write_bytes(const char *name, const char *bytes, size_t length)
{
	char path[128];
	int fd, err = 0;

	path_of(path, sizeof(path), PSHARE_SYSFS, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, length) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* What a child found out travels in its exit status. */
static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int open_as_nobody(const char *path, int flags)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return status_of(pid);
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(255);
	fd = open(path, flags);
	_exit(fd >= 0 ? 0 : errno);
}

FIXTURE(sysfs) {
	int dev;
	struct child child;
	uint64_t id;
};

/* Some merged pages, so that the counters have something to say. */
FIXTURE_SETUP(sysfs) {
	self->dev = ps_begin();
	child_start(&self->child, NR_PAGES, 0);
	child_fill(&self->child, 0, NR_PAGES / 2, 7, 0);
	child_fill(&self->child, NR_PAGES / 2, NR_PAGES / 4, 100, 1);
	child_fill(&self->child, 3 * NR_PAGES / 4, NR_PAGES / 4, 0, 0);
	ASSERT_EQ(0, ps_add(self->dev, self->child.pid, self->child.mem, NR_PAGES * PAGE, NULL,
			    &self->id));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	/* Shared pages of the test before are freed within a second. */
	ASSERT_TRUE(ps_wait_counter("pages_shared", 1, 5000));
}

FIXTURE_TEARDOWN(sysfs) {
	unsigned int i;

	ps_set("run", 0);
	ps_set("pages_to_scan", 100);
	ps_set("sleep_millisecs", 20);
	ps_set("max_cpu_percent", 0);
	ps_set("target_scan_seconds", 0);
	ps_set("nice", 5);
	for (i = 0; i < 2; i++)
		ps_set("use_zero_pages", i);
	ps_set_text("huge_policy", "benefit");
	child_kill(&self->child);
	close(self->dev);
}

/* The files are these and no others; each has the mode that it should have. */
TEST_F(sysfs, files) {
	unsigned int found = 0, i;
	struct dirent *entry;
	char path[128];
	struct stat st;
	DIR *dir;

	for (i = 0; i < ARRAY_SIZE(knobs) + ARRAY_SIZE(counters); i++) {
		bool knob = i < ARRAY_SIZE(knobs);

		path_of(path, sizeof(path), PSHARE_SYSFS,
			knob ? knobs[i].name : counters[i - ARRAY_SIZE(knobs)]);
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
		EXPECT_EQ(S_IFREG | (knob ? 0644 : 0444), st.st_mode) TH_LOG("%s", path);
		EXPECT_EQ(0, st.st_uid);
	}
	dir = opendir(PSHARE_SYSFS);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir)))
		found += entry->d_name[0] != '.';
	closedir(dir);
	EXPECT_EQ(ARRAY_SIZE(knobs) + ARRAY_SIZE(counters) + 2, found);
	ASSERT_EQ(0, stat(PSHARE_SYSFS "huge_policy", &st));
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);
	ASSERT_EQ(0, stat(PSHARE_SYSFS "nice", &st));
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);
}

static bool reads(const char *name, const char *word)
{
	char path[128], text[64];

	path_of(path, sizeof(path), PSHARE_SYSFS, name);
	file_read(path, text, sizeof(text));
	return !strncmp(text, word, strlen(word)) && !strcmp(text + strlen(word), "\n");
}

static bool policy_is(const char *word)
{
	return reads("huge_policy", word);
}

/* Only a module that was just loaded has them. */
TEST(defaults) {
	if (module_loaded()) {
		close(ps_begin());
		ASSERT_EQ(0, module_unload());
	}
	ASSERT_EQ(0, module_load(""));
	EXPECT_EQ(0, ps_get("run"));
	EXPECT_EQ(100, ps_get("pages_to_scan"));
	EXPECT_EQ(20, ps_get("sleep_millisecs"));
	EXPECT_EQ(0, ps_get("max_cpu_percent"));
	EXPECT_EQ(0, ps_get("target_scan_seconds"));
	EXPECT_EQ(5, ps_get("nice"));
	EXPECT_EQ(1, ps_get("use_zero_pages"));
	EXPECT_TRUE(policy_is("benefit"));
	EXPECT_EQ(64, ps_get("huge_split_min"));
	EXPECT_EQ(6, ps_get("huge_min_free_percent"));
	EXPECT_EQ(0, ps_get("compare_groups"));
	EXPECT_EQ(0, ps_get("aslr_sample"));
	EXPECT_EQ(1, ps_get("scan_threads"));
	EXPECT_EQ(0, ps_get("full_scans"));
	EXPECT_EQ(0, ps_get("pages_scanned"));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, ps_get("pages_sharing"));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
}

/* One value, one newline, nothing else; the figures of the fixture are the right ones. */
TEST_F(sysfs, format) {
	char path[128], text[256], want[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs) + ARRAY_SIZE(counters); i++) {
		const char *name = i < ARRAY_SIZE(knobs) ? knobs[i].name :
							   counters[i - ARRAY_SIZE(knobs)];

		path_of(path, sizeof(path), PSHARE_SYSFS, name);
		ASSERT_EQ(0, file_try_read(path, text, sizeof(text)));
		snprintf(want, sizeof(want), "%lld\n", ps_get(name));
		EXPECT_STREQ(want, text) TH_LOG("%s", name);
		EXPECT_TRUE(text[0] != '-' || !strcmp(name, "general_profit"));
	}
	EXPECT_EQ(1, ps_get("pages_shared"));
	EXPECT_EQ(NR_PAGES / 2 - 1, ps_get("pages_sharing"));
	EXPECT_EQ(NR_PAGES / 4, ps_get("ksm_zero_pages"));
	EXPECT_EQ(NR_PAGES / 4, ps_get("pages_unshared"));
	EXPECT_EQ(0, ps_get("pages_volatile"));
	EXPECT_LT(0, ps_get("metadata_bytes"));
	EXPECT_EQ((ps_get("pages_sharing") + ps_get("ksm_zero_pages")) * (long long)PAGE -
		  ps_get("metadata_bytes"), ps_get("general_profit"));
}

TEST_F(sysfs, read_in_pieces) {
	char path[128], whole[64], byte;
	unsigned int i, k;
	int fd;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		path_of(path, sizeof(path), PSHARE_SYSFS, counters[i]);
		file_read(path, whole, sizeof(whole));
		fd = open(path, O_RDONLY);
		ASSERT_LE(0, fd);
		for (k = 0; whole[k]; k++) {
			EXPECT_EQ(1, pread(fd, &byte, 1, k));
			EXPECT_EQ(whole[k], byte);
		}
		EXPECT_EQ(0, pread(fd, &byte, 1, k));
		close(fd);
	}
}

TEST_F(sysfs, garbage) {
	static char before[2048], after[2048];
	unsigned int i, k;

	read_all(before, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		for (k = 0; k < ARRAY_SIZE(garbage); k++) {
			EXPECT_EQ(-EINVAL, ps_set_text(knobs[i].name, garbage[k]))
				TH_LOG("%s <- '%s'", knobs[i].name, garbage[k]);
		}
	}
	for (k = 0; k < ARRAY_SIZE(garbage); k++)
		EXPECT_EQ(-EINVAL, ps_set_text("huge_policy", garbage[k]));
	for (k = 0; k < 8; k++)
		EXPECT_EQ(-EINVAL, ps_set("huge_policy", k));
	for (k = 0; k < ARRAY_SIZE(garbage); k++) {
		/* These are numbers, and small ones. */
		if (!strcmp(garbage[k], "-1") || !strcmp(garbage[k], "-0"))
			continue;
		EXPECT_EQ(-EINVAL, ps_set_text("nice", garbage[k])) TH_LOG("%s", garbage[k]);
	}
	EXPECT_EQ(-EINVAL, write_bytes("nice", "\0", 1));
	EXPECT_EQ(-EINVAL, ps_set_text("nice", "Idle"));
	EXPECT_EQ(-EINVAL, ps_set_text("nice", "idle "));
	EXPECT_EQ(-EINVAL, ps_set_text("nice", "idle\n\n"));
	EXPECT_EQ(-EINVAL, ps_set("nice", -21));
	EXPECT_EQ(-EINVAL, ps_set("nice", 20));
	read_all(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

/* With the end of a line and without. */
TEST_F(sysfs, words_read_back) {
	unsigned int i;
	char text[32];

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		EXPECT_EQ(0, ps_set_text("huge_policy", policies[i]));
		EXPECT_TRUE(policy_is(policies[i]));
		EXPECT_EQ(0, ps_set_text("huge_policy", "keep"));
		snprintf(text, sizeof(text), "%s\n", policies[i]);
		EXPECT_EQ(0, ps_set_text("huge_policy", text));
		EXPECT_TRUE(policy_is(policies[i]));
	}
	for (i = 0; i < ARRAY_SIZE(niceness); i++) {
		EXPECT_EQ(0, ps_set_text("nice", niceness[i]));
		EXPECT_TRUE(reads("nice", niceness[i]));
		EXPECT_EQ(0, ps_set_text("nice", "7"));
		snprintf(text, sizeof(text), "%s\n", niceness[i]);
		EXPECT_EQ(0, ps_set_text("nice", text));
		EXPECT_TRUE(reads("nice", niceness[i]));
	}
}

TEST_F(sysfs, out_of_range) {
	static char before[2048], after[2048];
	unsigned int i;

	read_all(before, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		EXPECT_EQ(-EINVAL, ps_set(knobs[i].name, knobs[i].min - 1))
			TH_LOG("%s", knobs[i].name);
		EXPECT_EQ(-EINVAL, ps_set(knobs[i].name, knobs[i].max + 1))
			TH_LOG("%s", knobs[i].name);
		EXPECT_EQ(-EINVAL, ps_set(knobs[i].name, knobs[i].max + (1LL << 32)))
			TH_LOG("%s", knobs[i].name);
	}
	read_all(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

/* An empty write may be taken as nothing at all, but never as a value. */
TEST_F(sysfs, empty) {
	static char before[2048], after[2048];
	unsigned int i;
	int err;

	read_all(before, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		err = write_bytes(knobs[i].name, "", 0);
		EXPECT_TRUE(err == 0 || err == -EINVAL) TH_LOG("%s: %d", knobs[i].name, err);
		EXPECT_EQ(-EINVAL, write_bytes(knobs[i].name, "\0", 1));
	}
	read_all(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

/* Longer than a page, in digits, in blanks, and with a value in front. */
TEST_F(sysfs, too_long) {
	static char before[2048], after[2048], text[3 * PAGE];
	static const size_t lengths[] = { 100, PAGE - 1, PAGE, PAGE + 1, sizeof(text) };
	static const char fills[] = { '1', ' ', 'a', '\n' };
	unsigned int i, k, f;

	read_all(before, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		for (f = 0; f < ARRAY_SIZE(fills); f++) {
			memset(text, fills[f], sizeof(text));
			text[0] = '1';
			for (k = 0; k < ARRAY_SIZE(lengths); k++) {
				EXPECT_EQ(-EINVAL, write_bytes(knobs[i].name, text, lengths[k]))
					TH_LOG("%s, %zu bytes of '%c'", knobs[i].name, lengths[k],
					       fills[f]);
			}
		}
	}
	read_all(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

TEST_F(sysfs, counters_cannot_be_written) {
	static char before[2048], after[2048];
	char path[128];
	unsigned int i;

	read_all(before, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		path_of(path, sizeof(path), PSHARE_SYSFS, counters[i]);
		EXPECT_EQ(-EACCES, ps_set(counters[i], 0)) TH_LOG("%s", counters[i]);
		EXPECT_EQ(-1, open(path, O_RDWR));
		EXPECT_EQ(-1, unlink(path));
	}
	read_all(after, sizeof(after));
	EXPECT_STREQ(before, after);
}

TEST_F(sysfs, values_read_back) {
	static const long long values[] = { 0, 1, 2, 3, 99, 512, 65535, 65536, 0x7fffffff,
					    0x80000000,
					    0xffffffff };
	char text[32];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		for (k = 0; k < ARRAY_SIZE(values); k++) {
			if (values[k] < knobs[i].min || values[k] > knobs[i].max)
				continue;
			EXPECT_EQ(0, ps_set(knobs[i].name, values[k]));
			EXPECT_EQ(values[k], ps_get(knobs[i].name)) TH_LOG("%s", knobs[i].name);
			/* Without the newline, too. */
			snprintf(text, sizeof(text), "%lld", values[k]);
			EXPECT_EQ(0, ps_set_text(knobs[i].name, text));
			EXPECT_EQ(values[k], ps_get(knobs[i].name)) TH_LOG("%s", knobs[i].name);
		}
		EXPECT_EQ(0, ps_set(knobs[i].name, knobs[i].min));
	}
}

static bool scanned_since(void *before)
{
	return ps_get("full_scans") > *(long long *)before;
}

/* A sleep of 49 days ends at once when the knob is turned. */
TEST_F(sysfs, knobs_wake_the_scanner) {
	long long before;

	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
	ASSERT_EQ(0, ps_set("run", 1));
	sleep(1);
	before = ps_get("full_scans");
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	EXPECT_TRUE(lib_wait(scanned_since, &before, 10000));

	ASSERT_EQ(0, ps_set("sleep_millisecs", 0xffffffff));
	sleep(1);
	EXPECT_EQ(0, ps_set("run", 0));
	before = ps_get("pages_scanned");
	usleep(300000);
	EXPECT_EQ(before, ps_get("pages_scanned"));
}

TEST_F(sysfs, unprivileged) {
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		path_of(path, sizeof(path), PSHARE_SYSFS, knobs[i].name);
		EXPECT_EQ(0, open_as_nobody(path, O_RDONLY)) TH_LOG("%s", path);
		EXPECT_EQ(EACCES, open_as_nobody(path, O_WRONLY)) TH_LOG("%s", path);
	}
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		path_of(path, sizeof(path), PSHARE_SYSFS, counters[i]);
		EXPECT_EQ(0, open_as_nobody(path, O_RDONLY)) TH_LOG("%s", path);
		EXPECT_EQ(EACCES, open_as_nobody(path, O_WRONLY)) TH_LOG("%s", path);
	}
}

TEST_F(sysfs, debugfs_is_for_root) {
	char path[128];
	struct stat st;
	unsigned int i;

	/* Even where an administrator opened the mount to all. */
	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		path_of(path, sizeof(path), DEBUGFS, tables[i]);
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
		EXPECT_EQ(S_IFREG | 0400, st.st_mode) TH_LOG("%s: %o", path, st.st_mode);
		EXPECT_EQ(0, st.st_uid);
		EXPECT_EQ(EACCES, open_as_nobody(path, O_RDONLY));
	}
	ASSERT_EQ(0, stat(DEBUGFS, &st));
	EXPECT_EQ(0, st.st_mode & 022);
}

/* Byte by byte it reads as in one go; behind the end there is nothing. */
TEST_F(sysfs, debugfs_in_tiny_pieces) {
	static char whole[1 << 16], pieces[1 << 16];
	size_t used, step;
	char path[128];
	unsigned int i;
	ssize_t got;
	int fd;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		path_of(path, sizeof(path), DEBUGFS, tables[i]);
		file_read(path, whole, sizeof(whole));
		EXPECT_LT(10, strlen(whole)) TH_LOG("%s", path);
		EXPECT_EQ('\n', whole[strlen(whole) - 1]);
		for (step = 1; step < 40; step += 6) {
			fd = open(path, O_RDONLY);
			ASSERT_LE(0, fd);
			for (used = 0; (got = read(fd, pieces + used, step)) > 0; used += got)
				;
			EXPECT_EQ(0, got);
			pieces[used] = '\0';
			EXPECT_STREQ(whole, pieces) TH_LOG("%s by %zu", path, step);
			EXPECT_EQ(0, pread(fd, pieces, 1, 1 << 20));
			EXPECT_EQ(-1, write(fd, "1", 1));
			close(fd);
		}
	}
}

/* A table of regions that come and go while it is read and while pages are scanned. */
TEST_F(sysfs, debugfs_while_scanning) {
	double end = lib_seconds() + 3;
	char path[128], byte[3];
	pid_t coming;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, ps_set("pages_to_scan", 1000000));
	ASSERT_EQ(0, ps_set("sleep_millisecs", 0));
	ASSERT_EQ(0, ps_set("run", 1));
	coming = fork();
	if (!coming) {
		char *mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char group[32];
		uint64_t id;

		for (i = 0; lib_seconds() < end; i++) {
			snprintf(group, sizeof(group), "group-%u", i % 50);
			page_fill(mem, i);
			if (ps_add(self->dev, getpid(), mem, 4 * PAGE, group, &id) ||
			    ps_remove(self->dev, id))
				_exit(1);
		}
		_exit(i ? 0 : 2);
	}
	for (i = 0; lib_seconds() < end; i++) {
		path_of(path, sizeof(path), DEBUGFS, tables[i % ARRAY_SIZE(tables)]);
		fd = open(path, O_RDONLY);
		ASSERT_LE(0, fd);
		while (read(fd, byte, sizeof(byte)) > 0)
			;
		close(fd);
	}
	EXPECT_LT(3, i);
	EXPECT_EQ(0, status_of(coming));
}

/* The tables name the region, its group and what was done. */
TEST_F(sysfs, debugfs_tells) {
	static char text[1 << 16];
	char want[64];

	ASSERT_EQ(0, ps_add(self->dev, getpid(), (void *)PAGE, PAGE, "a.group", NULL));
	file_read(DEBUGFS "/groups", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "a.group"));
	file_read(DEBUGFS "/regions", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "a.group"));
	snprintf(want, sizeof(want), "%d", self->child.pid);
	EXPECT_NE(NULL, strstr(text, want));
	file_read(DEBUGFS "/scan", text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "refused"));
}

TEST_HARNESS_MAIN
