// SPDX-License-Identifier: GPL-2.0
/*
 * Kernels that lack what the module needs: loading names what is missing, and leaves
 * nothing behind.  Such a kernel is made by looking for something else: in a copy of
 * the module a name is changed.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib.h"

#define MODULE		"/pshare.ko"
#define CHANGED		"/tmp/changed.ko"
#define PAGES		16
#define MAX_SIZE	(64UL << 20)

/* All functions that any kernel is asked for; each kernel has most of them. */
static const char * const names[] = {
	"pidfd_get_pid", "ptep_clear_flush", "folio_free_swap", "lru_add_drain_all",
	"__mem_cgroup_charge", "__mmu_notifier_invalidate_range_start",
	"__mmu_notifier_invalidate_range_end", "mm_trace_rss_stat",
	"folio_add_anon_rmap_ptes", "folio_remove_rmap_ptes", "page_add_anon_rmap",
	"page_remove_rmap", "__pte_offset_map_lock", "pte_offset_map_lock",
	"__split_huge_page_to_list_to_order", "split_huge_page_to_list_to_order",
	"split_huge_page_to_list", "mm_kobj",
};

/* Each kernel needs more than these. */
#define LEAST_NAMES	10

FIXTURE(symbols) {
	char *module;
	size_t size;
	int log;
};

FIXTURE_SETUP(symbols)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	struct stat stat;

	if (module_loaded()) {
		close(ps_begin());
		ASSERT_EQ(0, module_unload());
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &stat));
	ASSERT_GT(MAX_SIZE, stat.st_size);
	self->size = stat.st_size;
	self->module = malloc(self->size);
	ASSERT_NE(NULL, self->module);
	ASSERT_EQ(self->size, read(fd, self->module, self->size));
	close(fd);
	self->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(symbols)
{
	unsetenv("PSHARE_KO");
	unlink(CHANGED);
	close(self->log);
	free(self->module);
}

/* Changes the last letter of each string @name of [start, end); their number. */
static unsigned int change_names(char *start, char *end, const char *name)
{
	size_t length = strlen(name) + 1;
	unsigned int found = 0;
	char *at;

	for (at = start; at + length <= end; at++) {
		at = memchr(at, name[0], end - at - length + 1);
		if (!at)
			break;
		if ((at > start && at[-1]) || memcmp(at, name, length))
			continue;
		at[length - 2] ^= 1;
		found++;
	}
	return found;
}

/*
 * Saves the module with another name in place of @name: among the @strings that its
 * code uses, or among the names that the kernel resolves.  What is there for debuggers
 * is left alone.
 */
static unsigned int save_without(FIXTURE_DATA(symbols) *self, const char *name, bool strings)
{
	const Elf64_Ehdr *header = (void *)self->module;
	const Elf64_Shdr *section = (void *)(self->module + header->e_shoff);
	unsigned int found = 0;
	int fd;

	for (unsigned int i = 0; i < header->e_shnum; i++) {
		char *start = self->module + section[i].sh_offset;
		bool wanted;

		if (strings)
			wanted = section[i].sh_type == SHT_PROGBITS &&
				 (section[i].sh_flags & SHF_ALLOC);
		else
			wanted = section[i].sh_type == SHT_STRTAB && i != header->e_shstrndx;
		if (wanted)
			found += change_names(start, start + section[i].sh_size, name);
	}
	fd = open(CHANGED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, self->module, self->size) != (ssize_t)self->size)
		lib_die("cannot write " CHANGED);
	close(fd);
	setenv("PSHARE_KO", CHANGED, 1);
	return found;
}

/* The kernel's log since the last look has both words in one line of the module's. */
static bool log_says(FIXTURE_DATA(symbols) *self, const char *first, const char *second)
{
	char record[2048];
	bool said = false;
	ssize_t got;

	while ((got = read(self->log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		if (got < 0)
			continue;
		record[got] = '\0';
		said |= strstr(record, ";pshare: ") && strstr(record, first) &&
			strstr(record, second);
	}
	return said;
}

static void skip_log(FIXTURE_DATA(symbols) *self)
{
	lseek(self->log, 0, SEEK_END);
	errno = 0;
}

static bool has_thread(void)
{
	return !system("pidof pshared >/dev/null 2>&1");
}

static bool file_has(const char *path, const char *word)
{
	static char text[65536];

	return !file_try_read(path, text, sizeof(text)) && strstr(text, word);
}

static void nothing_left(struct __test_metadata *_metadata)
{
	EXPECT_FALSE(module_loaded());
	EXPECT_NE(0, access("/dev/pshare", F_OK));
	EXPECT_NE(0, access(PSHARE_SYSFS, F_OK));
	EXPECT_NE(0, access("/sys/kernel/debug/pshare", F_OK));
	EXPECT_FALSE(has_thread());
	EXPECT_FALSE(file_has("/sys/kernel/debug/kprobes/list", "kallsyms_lookup_name"));
	EXPECT_FALSE(file_has("/proc/modules", "pshare"));
	EXPECT_FALSE(file_has("/proc/misc", "pshare"));
	EXPECT_NE(0, system("ls /sys/kernel/debug/shrinker 2>/dev/null | grep -q pshare"));
}

/* The module as it is loads after all that, and does its work. */
static void loads_and_works(struct __test_metadata *_metadata, const char *parameters)
{
	struct pair pair;

	unsetenv("PSHARE_KO");
	ASSERT_EQ(0, module_load(parameters));
	pair_start(&pair, PAGES, 0);
	pair_merge(&pair);
	EXPECT_EQ(0, pair_wrong(&pair.a));
	EXPECT_TRUE(has_thread());
	pair_stop(&pair);
	EXPECT_TRUE(ps_nothing_shared());
	ASSERT_EQ(0, module_unload());
	nothing_left(_metadata);
}

TEST_F_TIMEOUT(symbols, each_one_missing, 200)
{
	unsigned int missed = 0;
	char changed[64];

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!save_without(self, names[i], true))
			continue;
		snprintf(changed, sizeof(changed), "%s", names[i]);
		changed[strlen(changed) - 1] ^= 1;
		skip_log(self);
		EXPECT_GT(0, module_load("")) TH_LOG("%s", names[i]);
		/* The variable's message does not take its name from the table. */
		EXPECT_TRUE(log_says(self, "this kernel",
				     strcmp(names[i], "mm_kobj") ? changed : "mm_kobj"))
			TH_LOG("%s", names[i]);
		nothing_left(_metadata);
		/* Back again: the same letter. */
		ASSERT_LT(0, save_without(self, changed, true)) TH_LOG("%s", names[i]);
		missed++;
	}
	lib_note("%u names", missed);
	EXPECT_LE(LEAST_NAMES, missed);
	loads_and_works(_metadata, "");
}

/* Where a probe finds nothing, the module says what it wants to be told. */
TEST_F(symbols, without_kprobes)
{
	ASSERT_LT(0, save_without(self, "kallsyms_lookup_name", true));
	skip_log(self);
	EXPECT_EQ(-ENOENT, module_load(""));
	EXPECT_TRUE(log_says(self, "kprobes", "kallsyms_lookup_name_addr="));
	nothing_left(_metadata);
}

/* The address of a function, from /proc/kallsyms; 0 if there is none. */
static unsigned long long address_of(const char *name)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long long address, found = 0;
	char line[512], symbol[256];

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %*c %255s", &address, symbol) == 2 &&
		    !strcmp(symbol, name))
			found = address;
	if (file)
		fclose(file);
	return found;
}

TEST_F(symbols, address_as_parameter)
{
	unsigned long long right = address_of("kallsyms_lookup_name");
	const unsigned long long wrong[] = {
		right + 1, right + 4, right - 1, address_of("kallsyms_on_each_symbol"), 1, 4096,
		0x7fffffffffffULL, 0xffff888000000000ULL, 0xffffffffffffffffULL,
	};
	char parameter[64];

	ASSERT_NE(0, right);
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(parameter, sizeof(parameter), "kallsyms_lookup_name_addr=%#llx",
			 wrong[i]);
		skip_log(self);
		EXPECT_EQ(-EINVAL, module_load(parameter)) TH_LOG("%#llx", wrong[i]);
		EXPECT_TRUE(log_says(self, "is not", "kallsyms_lookup_name"));
		nothing_left(_metadata);
	}
	snprintf(parameter, sizeof(parameter), "kallsyms_lookup_name_addr=%#llx", right);
	loads_and_works(_metadata, parameter);
}

/* A name of the kernel's exports that is missing is the kernel's own to report. */
TEST_F(symbols, export_is_missing)
{
	ASSERT_LT(0, save_without(self, "handle_mm_fault", false));
	EXPECT_EQ(-ENOENT, module_load(""));
	nothing_left(_metadata);
	loads_and_works(_metadata, "");
}

TEST_HARNESS_MAIN
