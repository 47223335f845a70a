// SPDX-License-Identifier: GPL-2.0
/*
 * Commits one of the faults that a kernel with instruments reports.  The test
 * harness must notice that; the module is for nothing else.
 */
#include <linux/init.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *fault;
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "use-after-free, lock-order, sleep-in-atomic, lost-node or list");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static void use_after_free(void)
{
	int *number = kmalloc(sizeof(*number), GFP_KERNEL);

	if (!number)
		return;
	kfree(number);
	WRITE_ONCE(*number, 1);
}

static void lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void lost_node(void)
{
	void *volatile node = kmalloc(96, GFP_KERNEL);

	(void)node;
}

static void list_twice(void)
{
	LIST_HEAD(head);
	struct list_head node;

	list_add(&node, &head);
	list_add(&node, &head);
}

static const struct {
	const char *name;
	void (*commit)(void);
} faults[] = {
	{ "use-after-free", use_after_free },
	{ "lock-order", lock_order },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "lost-node", lost_node },
	{ "list", list_twice },
};

static int __init provoke_fault_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (fault && !strcmp(fault, faults[i].name)) {
			faults[i].commit();
			return 0;
		}
	}
	return -EINVAL;
}

static void __exit provoke_fault_exit(void)
{
}

module_init(provoke_fault_init);
module_exit(provoke_fault_exit);
MODULE_DESCRIPTION("Commits a fault that debug kernels report");
MODULE_LICENSE("GPL");
