// SPDX-License-Identifier: GPL-2.0
/*
 * The command and the module together: what 'pshare report', 'estimate' and 'top' tell is
 * what the ledgers say and what pagemap shows.  How it is told is tested in user space.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/layout.h"

#define TOOL		"/bin/pshare"
#define VMS		3
#define BLOCKS		4
#define VM_PAGES	(BLOCKS * BLOCK_PAGES)

/* Two VMs share a group; the third has one of its own. */
static const char * const groups[VMS] = { "lab", "lab", "other" };

FIXTURE(tool) {
	int dev;
	struct layout *layout[VMS];
	struct child child[VMS];
	uint64_t id[VMS];
	/* What the command said last. */
	char *text;
	int status;
};

static void lay_out(struct layout *layout, unsigned int vm)
{
	uint64_t unique = (vm + 1ULL) << 32;

	layout->block[1] = LAYOUT_HUGE;
	layout->block[2] = LAYOUT_HUGE;
	/* Zeros, twins of everybody and of this VM, the rest its own; the last block is empty. */
	layout_fill(layout, 0, 3 * BLOCK_PAGES, unique, 1);
	layout_fill(layout, 0, 100, 0, 0);
	layout_fill(layout, 100, 150, 1000, 1);
	layout_fill(layout, 250, 30, 50 * (vm + 1), 0);
	layout_fill(layout, BLOCK_PAGES, 300, 2000, 1);
	layout_fill(layout, 2 * BLOCK_PAGES, 20, 3000, 1);
}

FIXTURE_SETUP(tool)
{
	int err;

	if (access(TOOL, X_OK))
		SKIP(return, "there is no " TOOL);
	self->dev = ps_begin();
	self->text = malloc(1 << 20);
	ASSERT_NE(NULL, self->text);
	layout_stop_khugepaged();
	ASSERT_EQ(0, ps_set_text("huge_policy", "keep"));
	for (unsigned int vm = 0; vm < VMS; vm++) {
		self->layout[vm] = layout_new(BLOCKS);
		lay_out(self->layout[vm], vm);
	}
	for (unsigned int vm = 0; vm < VMS; vm++) {
		struct child *child = &self->child[vm];

		layout_start(self->layout[vm], child);
		err = ps_add(self->dev, child->pid, child->mem, VM_PAGES * PAGE, groups[vm],
			     &self->id[vm]);
		ASSERT_EQ(0, err);
	}
}

FIXTURE_TEARDOWN(tool)
{
	ps_set("run", 0);
	for (unsigned int vm = 0; vm < VMS; vm++) {
		child_kill(&self->child[vm]);
		layout_free(self->layout[vm]);
	}
	free(self->text);
	close(self->dev);
}

/* Runs the command and keeps what it says. */
static void tool(struct _test_data_tool *self, const char *words)
{
	char line[128];
	size_t used = 0, more;
	FILE *pipe;

	snprintf(line, sizeof(line), TOOL " %s 2>/dev/null", words);
	pipe = popen(line, "r");
	if (!pipe)
		lib_die("cannot run %s", line);
	do {
		more = fread(self->text + used, 1, (1 << 20) - 1 - used, pipe);
		used += more;
	} while (more);
	self->text[used] = '\0';
	self->status = pclose(pipe);
	self->status = WIFEXITED(self->status) ? WEXITSTATUS(self->status) : -1;
}

/* The number of @key behind the first @part of the document; -1 if it is not there. */
static long long number(struct _test_data_tool *self, const char *part, const char *key)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", part);
	at = strstr(self->text, quoted);
	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = at ? strstr(at, quoted) : NULL;
	return at ? strtoll(at + strlen(quoted), NULL, 10) : -1;
}

/* The sum of all regions, as the module itself tells it. */
static struct pshare_read_ledger sum_of(struct _test_data_tool *self)
{
	struct pshare_read_ledger sum = { 0 }, one;

	for (unsigned int vm = 0; vm < VMS; vm++) {
		if (ps_ledger(self->dev, self->id[vm], &one))
			lib_die("cannot read a ledger");
		for (unsigned int class = 0; class < PSHARE_NR_CLASSES; class++)
			sum.classes[class] += one.classes[class];
		sum.pages += one.pages;
		sum.merging += one.merging;
		sum.grouping += one.grouping;
		sum.blocks_huge += one.blocks_huge;
	}
	return sum;
}

/* Is the total of the document what the ledgers say? */
static void compare(struct __test_metadata *_metadata, struct _test_data_tool *self)
{
	struct pshare_read_ledger sum = sum_of(self);

	for (unsigned int class = 0; class < PSHARE_NR_CLASSES; class++) {
		EXPECT_EQ(sum.classes[class], number(self, "classes", ps_class_names[class])) {
			TH_LOG("class %s", ps_class_names[class]);
		}
	}
	EXPECT_EQ(sum.pages, number(self, "total", "pages"));
	EXPECT_EQ(sum.pages - sum.classes[PSHARE_UNPOPULATED], number(self, "total", "memory"));
	EXPECT_EQ(sum.merging, number(self, "total", "merging"));
	EXPECT_EQ(sum.grouping, number(self, "total", "grouping"));
	EXPECT_EQ(sum.blocks_huge, number(self, "total", "blocks_huge"));
}

/* Page frames that are saved. */
static size_t saved(struct _test_data_tool *self)
{
	size_t zeros = 0, shared = 0, frames = 0;

	for (unsigned int vm = 0; vm < VMS; vm++) {
		struct child *child = &self->child[vm];

		zeros += zero_frames(child->pid, child->mem, VM_PAGES);
		shared += shared_frames(child->pid, child->mem, VM_PAGES);
	}
	frames = ps_get("pages_shared");
	return zeros + shared - frames;
}

TEST_F_TIMEOUT(tool, estimate, 200)
{
	static uint64_t frames[VMS][VM_PAGES];

	for (unsigned int vm = 0; vm < VMS; vm++)
		frames_save(self->child[vm].pid, self->child[vm].mem, VM_PAGES, frames[vm]);
	tool(self, "estimate --passes 5 --json");
	ASSERT_EQ(0, self->status);
	compare(_metadata, self);
	/* Something of each is there, or nothing has been compared. */
	EXPECT_LT(0, number(self, "total", "duplicate_zero"));
	EXPECT_LT(0, number(self, "total", "duplicate_other"));
	EXPECT_LT(0, number(self, "total", "huge_blocked_other"));
	EXPECT_LT(0, number(self, "total", "group_blocked"));
	EXPECT_LT(0, number(self, "total", "merging"));
	EXPECT_EQ(VMS * BLOCK_PAGES, number(self, "total", "room"));

	EXPECT_EQ(0, ps_get("run"));
	EXPECT_EQ(0, ps_get("pages_shared"));
	EXPECT_EQ(0, ps_get("ksm_zero_pages"));
	for (unsigned int vm = 0; vm < VMS; vm++)
		EXPECT_EQ(0, frames_changed(self->child[vm].pid, self->child[vm].mem, VM_PAGES,
					    frames[vm]));
}

/* What it predicts is what the frames then show. */
TEST_F_TIMEOUT(tool, prediction, 200)
{
	long long predicted;

	tool(self, "estimate --passes 5 --json");
	ASSERT_EQ(0, self->status);
	predicted = number(self, "total", "merging");
	tool(self, "scan --passes 5");
	ASSERT_EQ(0, self->status);
	EXPECT_EQ(predicted, saved(self));
	tool(self, "report --json");
	ASSERT_EQ(0, self->status);
	compare(_metadata, self);
	EXPECT_EQ(predicted, ps_get("pages_sharing") + ps_get("ksm_zero_pages"));
	EXPECT_EQ(0, number(self, "total", "merging"));
	for (unsigned int vm = 0; vm < VMS; vm++)
		EXPECT_EQ(0, layout_wrong(self->layout[vm], &self->child[vm], 0));
}

/* One screen; shown in the log of the test. */
TEST_F_TIMEOUT(tool, screen, 200)
{
	unsigned int lines = 0;
	char *line, *next;

	ASSERT_EQ(0, ps_set("aslr_sample", 100));
	tool(self, "estimate --passes 5");
	ASSERT_EQ(0, self->status);
	for (line = strtok_r(self->text, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
		lib_note("%s", line);
		EXPECT_GE(80, strlen(line));
		lines++;
	}
	EXPECT_LT(10, lines);
	EXPECT_GE(24, lines);
}

/* A process without a range has an address space, which says nothing of its memory. */
TEST_F_TIMEOUT(tool, whole_process, 200)
{
	struct pshare_read_ledger ledger;
	char words[64];
	uint64_t id;

	ASSERT_EQ(0, ps_remove(self->dev, self->id[0]));
	ASSERT_EQ(0, ps_add(self->dev, self->child[0].pid, NULL, 0, NULL, &id));
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	snprintf(words, sizeof(words), "report %llu --json", (unsigned long long)id);
	tool(self, words);
	ASSERT_EQ(0, self->status);
	ASSERT_EQ(0, ps_ledger(self->dev, id, &ledger));
	EXPECT_LT(1ULL << 34, ledger.pages);
	EXPECT_EQ(ledger.pages - ledger.classes[PSHARE_UNPOPULATED],
		  number(self, "total", "memory"));
	EXPECT_EQ(0, number(self, "total", "room"));
	EXPECT_LE(3 * BLOCK_PAGES, number(self, "total", "memory"));
}

TEST_F_TIMEOUT(tool, top, 200)
{
	ASSERT_EQ(0, ps_scan(self->dev, PASSES));
	tool(self, "top --count 2 --interval 1 --json");
	ASSERT_EQ(0, self->status);
	EXPECT_EQ(sum_of(self).pages - sum_of(self).classes[PSHARE_UNPOPULATED],
		  number(self, "total", "memory"));
	EXPECT_EQ(saved(self), number(self, "rounds", "saved_pages"));
	EXPECT_NE(NULL, strstr(self->text, "\"pages_scanned_per_second\": 0"));
}

static bool unloaded(void *unused)
{
	return !module_unload();
}

/* The device is not kept open between two rounds. */
TEST_F_TIMEOUT(tool, top_lets_the_module_go, 200)
{
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->dev);
		if (!freopen("/dev/null", "w", stdout))
			_exit(125);
		execl(TOOL, TOOL, "top", "--json", "--count", "2", "--interval", "600", NULL);
		_exit(126);
	}
	/* The children have the test's own descriptor, too. */
	for (unsigned int vm = 0; vm < VMS; vm++)
		child_kill(&self->child[vm]);
	close(self->dev);
	self->dev = -1;
	/* It has the device open for a moment. */
	lib_sleep_ms(3000);
	EXPECT_TRUE(lib_wait(unloaded, NULL, 30000));
	kill(pid, SIGTERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(130, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

TEST_HARNESS_MAIN
