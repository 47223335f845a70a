// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/pshare: tables for people, for root only.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "debugfs.h"
#include "hugepage.h"
#include "knobs.h"
#include "masked.h"
#include "region.h"
#include "share.h"

static const char * const result_names[PSHARE_NR_MERGE_RESULTS] = {
	[PSHARE_MERGE_DONE]		= "merged",
	[PSHARE_MERGE_DIFFERS]		= "refused_differs",
	[PSHARE_MERGE_RACED]		= "refused_raced",
	[PSHARE_MERGE_GONE]		= "refused_gone",
	[PSHARE_MERGE_LOCKED]		= "refused_locked",
	[PSHARE_MERGE_PINNED]		= "refused_pinned",
	[PSHARE_MERGE_KEPT_HUGE]	= "refused_kept_huge",
	[PSHARE_MERGE_SPLIT]		= "refused_split",
	[PSHARE_MERGE_BUSY]		= "refused_busy",
	[PSHARE_MERGE_NOMEM]		= "refused_nomem",
	[PSHARE_MERGE_ZEROED]		= "zeroed_by_split",
	[PSHARE_MERGE_CAPPED]		= "refused_capped",
};

/* Adds the figures of a region to sums. */
typedef void (*add_up_fn)(unsigned long *sums, const struct pshare_region *region);

static void add_up(unsigned long *sums, unsigned int nr, const struct pshare_group *group,
		   add_up_fn add)
{
	struct pshare_region *region;
	u32 id = 0;

	memset(sums, 0, nr * sizeof(*sums));
	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		if (!group || region->group == group)
			add(sums, region);
		pshare_region_put(region);
		cond_resched();
	}
}

static const char *group_name(const struct pshare_group *group)
{
	return *group->name ? group->name : "(private)";
}

static void add_classes(unsigned long *sums, const struct pshare_region *region)
{
	enum pshare_class class;

	sums[PSHARE_NR_CLASSES] += region->ledger.size;
	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		sums[class] += pshare_ledger_pages(&region->ledger, class);
}

static void print_classes(struct seq_file *m, const unsigned long *sums)
{
	enum pshare_class class;

	seq_printf(m, " %lu", sums[PSHARE_NR_CLASSES]);
	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		seq_printf(m, " %lu", sums[class]);
	seq_putc(m, '\n');
}

static int ledger_show(struct seq_file *m, void *unused)
{
	unsigned long sums[PSHARE_NR_CLASSES + 1];
	struct pshare_group *group = NULL;
	struct pshare_region *region;
	enum pshare_class class;
	u32 id = 0;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	seq_puts(m, "kind id vm group pages");
	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		seq_printf(m, " %s", pshare_ledger_class_name(class));
	seq_putc(m, '\n');
	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		memset(sums, 0, sizeof(sums));
		add_classes(sums, region);
		seq_printf(m, "region %u %u %s", region->id, region->vm,
			   group_name(region->group));
		print_classes(m, sums);
		pshare_region_put(region);
	}
	while ((group = pshare_group_next(group))) {
		/* The group of a private region is that region. */
		if (!*group->name || !group->nr_regions)
			continue;
		add_up(sums, ARRAY_SIZE(sums), group, add_classes);
		seq_printf(m, "group - - %s", group->name);
		print_classes(m, sums);
	}
	add_up(sums, ARRAY_SIZE(sums), NULL, add_classes);
	seq_puts(m, "total - - -");
	print_classes(m, sums);
	mutex_unlock(&pshare_scan_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ledger);

static void print_block_names(struct seq_file *m)
{
	static const unsigned int most[] = PSHARE_TWIN_BINS;
	unsigned int i;

	seq_puts(m, "id group policy huge equal split gained");
	for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
		if (!i || most[i] == most[i - 1] + 1)
			seq_printf(m, " twins_%u", most[i]);
		else
			seq_printf(m, " twins_%u_%u", most[i - 1] + 1, most[i]);
	seq_putc(m, '\n');
}

static int huge_pages_show(struct seq_file *m, void *unused)
{
	struct pshare_region *region;
	unsigned int i;
	u32 id = 0;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	print_block_names(m);
	while ((region = pshare_region_get_next(id))) {
		const struct pshare_ledger *ledger = &region->ledger;
		const struct pshare_census *census = &ledger->census;

		id = region->id + 1;
		seq_printf(m, "%u %s %s %lu %lu %lu %lu", region->id, group_name(region->group),
			   pshare_hugepage_policy_name(pshare_hugepage_policy(region)),
			   census->blocks_huge, census->blocks_equal, region->splits,
			   ledger->gained);
		for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
			seq_printf(m, " %lu", census->twins[i]);
		seq_putc(m, '\n');
		pshare_region_put(region);
	}
	mutex_unlock(&pshare_scan_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(huge_pages);

/* The figures of a census that say what would be saved, in the order of their names. */
enum saving {
	SAVING_MERGING,
	SAVING_GROUPING,
	SAVING_ASLR,
	SAVING_SPLITTING,
	SAVING_SPLITS = SAVING_SPLITTING + PSHARE_NR_SPLIT_STEPS,
	NR_SAVINGS = SAVING_SPLITS + PSHARE_NR_SPLIT_STEPS
};

static void add_savings(unsigned long *sums, const struct pshare_region *region)
{
	const struct pshare_census *census = &region->ledger.census;
	unsigned int i;

	sums[SAVING_MERGING] += census->merging;
	sums[SAVING_GROUPING] += census->grouping;
	sums[SAVING_ASLR] += census->aslr;
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++) {
		sums[SAVING_SPLITTING + i] += census->splitting[i];
		sums[SAVING_SPLITS + i] += census->splits[i];
	}
}

static int savings_show(struct seq_file *m, void *unused)
{
	static const unsigned int least[] = PSHARE_SPLIT_STEPS;
	unsigned long sums[NR_SAVINGS];
	unsigned int i;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	add_up(sums, ARRAY_SIZE(sums), NULL, add_savings);
	mutex_unlock(&pshare_scan_mutex);
	seq_printf(m, "merging %lu\n", sums[SAVING_MERGING]);
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++)
		seq_printf(m, "splitting_%u %lu\nsplits_%u %lu\n",
			   least[i], sums[SAVING_SPLITTING + i],
			   least[i], sums[SAVING_SPLITS + i]);
	seq_printf(m, "grouping %lu\naslr %lu\n", sums[SAVING_GROUPING], sums[SAVING_ASLR]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(savings);

static int aslr_show(struct seq_file *m, void *unused)
{
	const struct pshare_masked_census *census;
	enum pshare_slide class;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	census = pshare_masked_last();
	seq_printf(m, "sample_percent %u\n", READ_ONCE(pshare_knobs.aslr_sample));
	seq_printf(m, "pages_sampled %lu\n", census->sampled);
	seq_printf(m, "blocked_within %lu\n", census->within);
	seq_printf(m, "blocked_across %lu\n", census->across);
	seq_printf(m, "refused %lu\n", census->refused);
	seq_puts(m, "class pages words slides\n");
	for (class = 0; class < PSHARE_NR_SLIDES; class++)
		seq_printf(m, "%s %lu %lu %lu\n", pshare_address_name(class),
			   census->slides[class].pages, census->slides[class].words,
			   census->slides[class].slides);
	mutex_unlock(&pshare_scan_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(aslr);

static int regions_show(struct seq_file *m, void *unused)
{
	struct pshare_region *region;
	enum pshare_class class;
	u32 id = 0;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	seq_puts(m, "id pid start end group scanned refused splits");
	for (class = 0; class < PSHARE_NR_CLASSES; class++)
		seq_printf(m, " %s", pshare_ledger_class_name(class));
	seq_putc(m, '\n');
	while ((region = pshare_region_get_next(id))) {
		id = region->id + 1;
		seq_printf(m, "%u %d %lx %lx %s %lu %lu %lu", region->id, region->pid,
			   region->start, region->end, group_name(region->group),
			   region->scanned, region->refused, region->splits);
		for (class = 0; class < PSHARE_NR_CLASSES; class++)
			seq_printf(m, " %lu", pshare_ledger_pages(&region->ledger, class));
		seq_putc(m, '\n');
		pshare_region_put(region);
	}
	mutex_unlock(&pshare_scan_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

static int groups_show(struct seq_file *m, void *unused)
{
	struct pshare_group *group = NULL;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	seq_puts(m, "group regions shared candidates\n");
	while ((group = pshare_group_next(group)))
		seq_printf(m, "%s %u %lu %lu\n", group_name(group),
			   group->nr_regions, group->index.count[PSHARE_TREE_SHARED],
			   group->index.count[PSHARE_TREE_CANDIDATE]);
	mutex_unlock(&pshare_scan_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(groups);

static int scan_show(struct seq_file *m, void *unused)
{
	enum pshare_merge_result result;

	seq_printf(m, "full_scans %lu\n", READ_ONCE(pshare_stats.full_scans));
	seq_printf(m, "pages_scanned %lu\n", READ_ONCE(pshare_stats.pages_scanned));
	seq_printf(m, "changed %lu\n", READ_ONCE(pshare_stats.changed));
	seq_printf(m, "huge_splits %lu\n", READ_ONCE(pshare_stats.splits));
	seq_printf(m, "given_back %lu\n", READ_ONCE(pshare_stats.given_back));
	seq_printf(m, "pages_single %lu\n", READ_ONCE(pshare_stats.pages_single));
	seq_printf(m, "pages_poisoned %lu\n", READ_ONCE(pshare_stats.pages_poisoned));
	for (result = 0; result < PSHARE_NR_MERGE_RESULTS; result++)
		seq_printf(m, "%s %lu\n", result_names[result],
			   READ_ONCE(pshare_stats.results[result]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(scan);

static struct dentry *dir;

/**
 * pshare_debugfs_init() - make the directory and its files
 *
 * Without them the module works as well, so errors are not looked at: that is
 * how debugfs is meant to be used.
 *
 * Context: process; the registry is ready.
 */
void pshare_debugfs_init(void)
{
	dir = debugfs_create_dir("pshare", NULL);
	debugfs_create_file("regions", 0400, dir, NULL, &regions_fops);
	debugfs_create_file("ledger", 0400, dir, NULL, &ledger_fops);
	debugfs_create_file("huge_pages", 0400, dir, NULL, &huge_pages_fops);
	debugfs_create_file("savings", 0400, dir, NULL, &savings_fops);
	debugfs_create_file("aslr", 0400, dir, NULL, &aslr_fops);
	debugfs_create_file("groups", 0400, dir, NULL, &groups_fops);
	debugfs_create_file("scan", 0400, dir, NULL, &scan_fops);
}

/**
 * pshare_debugfs_exit() - remove them
 *
 * Context: process, sleeps.
 */
void pshare_debugfs_exit(void)
{
	debugfs_remove(dir);
}
