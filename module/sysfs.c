// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/pshare: the knobs, and the figures that mainline KSM has, too.
 */
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "alike.h"
#include "compat/ksyms.h"
#include "crew.h"
#include "hugepage.h"
#include "index.h"
#include "knobs.h"
#include "ledger.h"
#include "region.h"
#include "scan.h"
#include "share.h"
#include "sysfs.h"

struct pshare_knobs pshare_knobs = {
	.run = PSHARE_RUN_STOP,
	.pages_to_scan = 100,
	.sleep_millisecs = 20,
	.nice = 5,
	.use_zero_pages = 1,
	.scan_threads = 1,
};

/**
 * struct sums - figures of all regions together, in pages but for @metadata
 * @shared:	shared pages that exist
 * @sharing:	entries that map one, beyond the first of each: what is saved
 * @zero:	pages replaced by the zero page
 * @unshared:	pages without a twin
 * @volatile_:	pages that change, or were visited once only
 * @metadata:	bytes that the module needs for its book-keeping
 */
struct sums {
	unsigned long shared;
	unsigned long sharing;
	unsigned long zero;
	unsigned long unshared;
	unsigned long volatile_;
	unsigned long metadata;
};

/* Takes no mutex, so the figures may be a moment apart. */
static void add_up(struct sums *sums)
{
	struct pshare_region *region;
	u32 id = 0;

	memset(sums, 0, sizeof(*sums));
	sums->shared = READ_ONCE(pshare_stats.pages_shared);
	sums->sharing = READ_ONCE(pshare_stats.pages_sharing);
	sums->metadata = pshare_index_bytes() + pshare_alike_bytes() + pshare_crew_bytes();
	while ((region = pshare_region_get_next(id))) {
		const struct pshare_ledger *ledger = &region->ledger;

		id = region->id + 1;
		sums->zero += pshare_ledger_pages(ledger, PSHARE_ZERO);
		sums->unshared += pshare_ledger_pages(ledger, PSHARE_UNIQUE) +
				  pshare_ledger_pages(ledger, PSHARE_GROUP_BLOCKED) +
				  pshare_ledger_pages(ledger, PSHARE_ASLR_BLOCKED);
		sums->volatile_ += pshare_ledger_pages(ledger, PSHARE_VOLATILE);
		sums->metadata += pshare_ledger_bytes(ledger) + sizeof(*region);
		pshare_region_put(region);
	}
}

/* A file that can be read. */
#define SHOW(_name, format, value)						\
	static ssize_t _name##_show(struct kobject *kobj,			\
				    struct kobj_attribute *attr, char *buf)	\
	{									\
		return sysfs_emit(buf, format "\n", value);			\
	}

/* A file for one of struct sums. */
#define SHOW_SUM(_name, format, value)						\
	static ssize_t _name##_show(struct kobject *kobj,			\
				    struct kobj_attribute *attr, char *buf)	\
	{									\
		struct sums sums;						\
										\
		add_up(&sums);							\
		return sysfs_emit(buf, format "\n", value);			\
	}									\
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

static ssize_t store_knob(unsigned int *knob, unsigned int min, unsigned int max,
			  const char *buf, size_t count)
{
	unsigned int value;

	/* A value out of the range of the type is as wrong as a word. */
	if (kstrtouint(buf, 10, &value) || value < min || value > max)
		return -EINVAL;
	WRITE_ONCE(*knob, value);
	pshare_scan_kick();
	return count;
}

/* A knob with its range. */
#define KNOB(_name, _knob, _min, _max)						\
	SHOW(_name, "%u", READ_ONCE(_knob))					\
	static ssize_t _name##_store(struct kobject *kobj,			\
				     struct kobj_attribute *attr,		\
				     const char *buf, size_t count)		\
	{									\
		return store_knob(&(_knob), _min, _max, buf, count);		\
	}									\
	static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

KNOB(pages_to_scan, pshare_knobs.pages_to_scan, 1, UINT_MAX);
KNOB(sleep_millisecs, pshare_knobs.sleep_millisecs, 0, UINT_MAX);
KNOB(max_cpu_percent, pshare_knobs.max_cpu_percent, 0, 100);
KNOB(target_scan_seconds, pshare_knobs.target_scan_seconds, 0, UINT_MAX);
KNOB(use_zero_pages, pshare_knobs.use_zero_pages, 0, 1);
KNOB(max_pages_shared, pshare_knobs.max_pages_shared, 0, UINT_MAX);
KNOB(compare_groups, pshare_knobs.compare_groups, 0, 1);
KNOB(aslr_sample, pshare_knobs.aslr_sample, 0, 100);
KNOB(scan_threads, pshare_knobs.scan_threads, 1, PSHARE_MOST_THREADS);
KNOB(huge_split_min, pshare_huge_knobs.split_min, 1, HPAGE_PMD_NR);
KNOB(huge_min_free_percent, pshare_huge_knobs.min_free_percent, 0, 100);

static ssize_t huge_policy_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int policy = READ_ONCE(pshare_huge_knobs.policy);

	return sysfs_emit(buf, "%s\n", pshare_hugepage_policy_name(policy));
}

static ssize_t huge_policy_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	unsigned int policy;

	for (policy = 0; policy < PSHARE_NR_HUGE_POLICIES; policy++) {
		if (!sysfs_streq(buf, pshare_hugepage_policy_name(policy)))
			continue;
		WRITE_ONCE(pshare_huge_knobs.policy, policy);
		pshare_scan_kick();
		return count;
	}
	return -EINVAL;
}

static struct kobj_attribute huge_policy_attr = __ATTR_RW(huge_policy);

static ssize_t nice_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int nice = READ_ONCE(pshare_knobs.nice);

	return nice == PSHARE_NICE_IDLE ? sysfs_emit(buf, "idle\n") :
					  sysfs_emit(buf, "%d\n", nice);
}

static ssize_t nice_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	int nice;

	if (sysfs_streq(buf, "idle"))
		nice = PSHARE_NICE_IDLE;
	else if (kstrtoint(buf, 10, &nice) || nice < MIN_NICE || nice > MAX_NICE)
		return -EINVAL;
	WRITE_ONCE(pshare_knobs.nice, nice);
	pshare_scan_kick();
	return count;
}

static struct kobj_attribute nice_attr = __ATTR_RW(nice);

SHOW(run, "%u", READ_ONCE(pshare_knobs.run))

static ssize_t run_store(struct kobject *kobj, struct kobj_attribute *attr,
			 const char *buf, size_t count)
{
	unsigned int run;
	int err;

	if (kstrtouint(buf, 10, &run) || run >= PSHARE_NR_RUNS)
		return -EINVAL;
	err = pshare_scan_set_run(run);
	return err ?: count;
}

static struct kobj_attribute run_attr = __ATTR_RW(run);

SHOW(full_scans, "%lu", READ_ONCE(pshare_stats.full_scans))
SHOW(pages_scanned, "%lu", READ_ONCE(pshare_stats.pages_scanned))

static struct kobj_attribute full_scans_attr = __ATTR_RO(full_scans);
static struct kobj_attribute pages_scanned_attr = __ATTR_RO(pages_scanned);

SHOW_SUM(pages_shared, "%lu", sums.shared);
SHOW_SUM(pages_sharing, "%lu", sums.sharing);
SHOW_SUM(pages_unshared, "%lu", sums.unshared);
SHOW_SUM(pages_volatile, "%lu", sums.volatile_);
SHOW_SUM(ksm_zero_pages, "%lu", sums.zero);
SHOW_SUM(metadata_bytes, "%lu", sums.metadata);
SHOW_SUM(general_profit, "%ld",
	 (long)((sums.sharing + sums.zero) * PAGE_SIZE) - (long)sums.metadata);

static struct attribute *pshare_attrs[] = {
	&run_attr.attr,
	&pages_to_scan_attr.attr,
	&sleep_millisecs_attr.attr,
	&max_cpu_percent_attr.attr,
	&target_scan_seconds_attr.attr,
	&nice_attr.attr,
	&use_zero_pages_attr.attr,
	&max_pages_shared_attr.attr,
	&compare_groups_attr.attr,
	&aslr_sample_attr.attr,
	&scan_threads_attr.attr,
	&huge_policy_attr.attr,
	&huge_split_min_attr.attr,
	&huge_min_free_percent_attr.attr,
	&full_scans_attr.attr,
	&pages_scanned_attr.attr,
	&pages_shared_attr.attr,
	&pages_sharing_attr.attr,
	&pages_unshared_attr.attr,
	&pages_volatile_attr.attr,
	&ksm_zero_pages_attr.attr,
	&metadata_bytes_attr.attr,
	&general_profit_attr.attr,
	NULL
};

static const struct attribute_group pshare_attr_group = {
	.attrs = pshare_attrs,
};

static struct kobject *pshare_kobj;

/**
 * pshare_sysfs_init() - make the directory and its files
 *
 * Context: process; the scanner is ready: knobs may be written at once.
 * Return: 0; -ENOENT without /sys/kernel/mm; -ENOMEM; an errno of
 * sysfs_create_group().
 */
int pshare_sysfs_init(void)
{
	struct kobject *mm = pshare_ksyms_mm_kobj();
	int err;

	if (!mm)
		return -ENOENT;
	pshare_kobj = kobject_create_and_add("pshare", mm);
	if (!pshare_kobj)
		return -ENOMEM;
	err = sysfs_create_group(pshare_kobj, &pshare_attr_group);
	if (err)
		kobject_put(pshare_kobj);
	return err;
}

/**
 * pshare_sysfs_exit() - remove them, and wait for who reads or writes
 *
 * Context: process, sleeps.
 */
void pshare_sysfs_exit(void)
{
	sysfs_remove_group(pshare_kobj, &pshare_attr_group);
	kobject_put(pshare_kobj);
}
