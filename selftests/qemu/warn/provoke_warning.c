// SPDX-License-Identifier: GPL-2.0
/*
 * Warns when it is loaded.  The test harness must notice that; the module is
 * for nothing else.
 */
#include <linux/bug.h>
#include <linux/init.h>
#include <linux/module.h>

static int __init provoke_warning_init(void)
{
	WARN(1, "provoked, to see whether the test harness notices\n");
	return 0;
}

static void __exit provoke_warning_exit(void)
{
}

module_init(provoke_warning_init);
module_exit(provoke_warning_exit);
MODULE_DESCRIPTION("Provokes a warning of the kernel");
MODULE_LICENSE("GPL");
