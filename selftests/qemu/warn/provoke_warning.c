// SPDX-License-Identifier: GPL-2.0
/*
 * Warns when it is loaded, or sleeps where no signal reaches it.  The test
 * harness must notice that; the module is for nothing else.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>

static unsigned int sleep_seconds;
module_param(sleep_seconds, uint, 0);
MODULE_PARM_DESC(sleep_seconds, "Sleep for so long instead of warning");

static int __init provoke_warning_init(void)
{
	if (sleep_seconds)
		ssleep(sleep_seconds);
	else
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
