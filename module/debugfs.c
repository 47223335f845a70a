// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/pshare: tables for people, for root only.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "debugfs.h"
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
		const char *group = region->group->name;

		id = region->id + 1;
		seq_printf(m, "%u %d %lx %lx %s %lu %lu %lu", region->id, region->pid,
			   region->start, region->end, *group ? group : "(private)",
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
		seq_printf(m, "%s %u %lu %lu\n", *group->name ? group->name : "(private)",
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
