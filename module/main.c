// SPDX-License-Identifier: GPL-2.0
/*
 * pshare: shares identical pages between virtual machines.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "compat/ksyms.h"
#include "control.h"
#include "debugfs.h"
#include "hash.h"
#include "hotplug.h"
#include "index.h"
#include "ledger.h"
#include "masked.h"
#include "region.h"
#include "scan.h"
#include "sysfs.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init pshare_init(void)
{
	int err;

	err = pshare_ksyms_init();
	if (err)
		return err;
	err = pshare_index_init();
	if (err)
		return err;
	err = pshare_ledger_init();
	if (err)
		goto err_ledger;
	pshare_hash_init();
	pshare_masked_init();
	err = pshare_scan_init();
	if (err)
		goto err_scan;
	err = pshare_hotplug_init();
	if (err)
		goto err_hotplug;
	pshare_debugfs_init();
	err = pshare_sysfs_init();
	if (err)
		goto err_sysfs;
	err = pshare_control_init();
	if (err)
		goto err_control;
	return 0;

err_control:
	pshare_sysfs_exit();
err_sysfs:
	pshare_debugfs_exit();
	pshare_hotplug_exit();
err_hotplug:
	pshare_scan_exit();
err_scan:
	pshare_masked_exit();
	pshare_region_exit();
	pshare_ledger_exit();
err_ledger:
	pshare_index_exit();
	return err;
}

static void __exit pshare_exit(void)
{
	pshare_control_exit();
	pshare_sysfs_exit();
	pshare_debugfs_exit();
	pshare_hotplug_exit();
	pshare_scan_exit();
	pshare_masked_exit();
	pshare_region_exit();
	pshare_ledger_exit();
	pshare_index_exit();
}

module_init(pshare_init);
module_exit(pshare_exit);

MODULE_DESCRIPTION("Shares identical pages between virtual machines");
MODULE_AUTHOR("The pshare maintainers");
MODULE_LICENSE("GPL");
