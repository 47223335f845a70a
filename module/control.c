// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pshare: the ioctls.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "control.h"
#include "prune.h"
#include "region.h"
#include "scan.h"
#include "share.h"
#include "uapi/pshare.h"
#include "unmerge.h"

/* The ABI is what user space was compiled with: no size may change unseen. */
static_assert(sizeof(struct pshare_version) == 16);
static_assert(sizeof(struct pshare_add) == 104);
static_assert(sizeof(struct pshare_remove) == 16);
static_assert(sizeof(struct pshare_unmerge) == 24);
static_assert(sizeof(struct pshare_read) == 176);
static_assert(sizeof(struct pshare_scan) == 16);

/* The structs of all ioctls; each begins with its size and its flags. */
union argument {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct pshare_version version;
	struct pshare_add add;
	struct pshare_remove remove;
	struct pshare_read read;
	struct pshare_unmerge unmerge;
	struct pshare_scan scan;
};

static int do_version(union argument *arg)
{
	if (arg->version.reserved)
		return -EINVAL;
	arg->version.abi = PSHARE_ABI_VERSION;
	return 0;
}

static int check_group(const struct pshare_add *add)
{
	const char *c;

	if (!(add->flags & PSHARE_ADD_GROUP))
		return memchr_inv(add->group, 0, sizeof(add->group)) ? -EINVAL : 0;
	if (!add->group[0])
		return -EINVAL;
	if (strnlen(add->group, sizeof(add->group)) == sizeof(add->group))
		return -ENAMETOOLONG;
	for (c = add->group; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._:-", *c)))
			return -EINVAL;
	return 0;
}

static int check_range(const struct pshare_add *add)
{
	if (!(add->flags & PSHARE_ADD_RANGE))
		return add->start || add->end ? -EINVAL : 0;
	if (add->start >= add->end || !PAGE_ALIGNED(add->start) || !PAGE_ALIGNED(add->end))
		return -EINVAL;
	return 0;
}

/* The address space of a process, with a reference on its users, or NULL. */
static struct mm_struct *get_process_mm(struct pid *pid)
{
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	/* The first thread may have exited while others live on. */
	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_PID);
	if (task) {
		struct task_struct *thread;

		for_each_thread(task, thread) {
			mm = get_task_mm(thread);
			if (mm)
				break;
		}
	}
	rcu_read_unlock();
	return mm;
}

/* The address space of the process behind a pidfd, with a reference on its users. */
static struct mm_struct *get_mm(int pidfd, pid_t *nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	unsigned int flags;
	bool kthread;
	struct pid *pid;

	pid = pidfd_get_pid(pidfd, &flags);
	if (IS_ERR(pid))
		return ERR_PTR(-EBADF);
	*nr = pid_nr(pid);
	task = get_pid_task(pid, PIDTYPE_PID);
	kthread = task && task->flags & PF_KTHREAD;
	if (task)
		put_task_struct(task);
	mm = get_process_mm(pid);
	put_pid(pid);
	return mm ?: ERR_PTR(kthread ? -EINVAL : -ESRCH);
}

static int do_add(union argument *arg)
{
	struct pshare_add *add = &arg->add;
	struct pshare_region_spec spec = {
		.whole = !(add->flags & PSHARE_ADD_RANGE),
		.start = add->start,
		.end = add->end,
		.group = add->group,
	};
	u32 id;
	int err;

	if (add->reserved)
		return -EINVAL;
	err = check_group(add) ?: check_range(add);
	if (err)
		return err;
	spec.mm = get_mm(add->pidfd, &spec.pid);
	if (IS_ERR(spec.mm))
		return PTR_ERR(spec.mm);
	err = -ERESTARTSYS;
	if (!mutex_lock_interruptible(&pshare_scan_mutex)) {
		err = pshare_region_add(&spec, &id);
		mutex_unlock(&pshare_scan_mutex);
	}
	mmput(spec.mm);
	/* Even a failure may have left a group behind for the scanner to drop. */
	pshare_scan_kick();
	if (!err)
		add->id = id;
	return err;
}

/* The region with a number, with a reference; an error pointer if there is none. */
static struct pshare_region *find_region(u64 id)
{
	struct pshare_region *region = id <= U32_MAX ? pshare_region_get(id) : NULL;

	return region ?: ERR_PTR(-ENOENT);
}

static int do_unmerge(union argument *arg)
{
	struct pshare_unmerging how = { .zeros = true };
	struct pshare_region *region = find_region(arg->unmerge.id);
	int err;

	if (IS_ERR(region))
		return PTR_ERR(region);
	err = pshare_unmerge_region(region, &how);
	pshare_region_put(region);
	pshare_prune_settle();
	arg->unmerge.pages = how.pages;
	return err;
}

static int do_remove(union argument *arg)
{
	struct pshare_unmerging how = { .zeros = true };
	struct pshare_region *region = find_region(arg->remove.id);
	int err;

	if (IS_ERR(region))
		return PTR_ERR(region);
	/* Held before the first page is unmerged until it is gone. */
	mutex_lock(&pshare_scan_mutex);
	region->holds++;
	mutex_unlock(&pshare_scan_mutex);

	err = pshare_unmerge_region(region, &how);

	mutex_lock(&pshare_scan_mutex);
	region->holds--;
	if (!err)
		pshare_region_del(region);
	mutex_unlock(&pshare_scan_mutex);
	pshare_region_put(region);
	pshare_prune_settle();
	return err;
}

static unsigned long ineligible(const struct pshare_ledger *ledger)
{
	return pshare_ledger_pages(ledger, PSHARE_INELIGIBLE_SHARED) +
	       pshare_ledger_pages(ledger, PSHARE_INELIGIBLE_HUGETLB) +
	       pshare_ledger_pages(ledger, PSHARE_INELIGIBLE_PINNED) +
	       pshare_ledger_pages(ledger, PSHARE_INELIGIBLE_OTHER);
}

static void fill_read(struct pshare_read *read, const struct pshare_region *region)
{
	const struct pshare_ledger *ledger = &region->ledger;
	const char *group = region->group->name;

	read->id = region->id;
	read->start = region->start;
	read->end = region->end;
	read->pid = region->pid;
	read->state = (*group ? 0 : PSHARE_REGION_PRIVATE) |
		      (region->whole ? PSHARE_REGION_WHOLE : 0);
	read->scanned = READ_ONCE(region->scanned);
	read->merged = pshare_ledger_pages(ledger, PSHARE_MERGED);
	read->zero = pshare_ledger_pages(ledger, PSHARE_ZERO);
	read->volatile_ = pshare_ledger_pages(ledger, PSHARE_VOLATILE);
	read->unique = pshare_ledger_pages(ledger, PSHARE_UNIQUE);
	read->swapped = pshare_ledger_pages(ledger, PSHARE_SWAPPED);
	read->ineligible = ineligible(ledger);
	read->huge_splits = READ_ONCE(region->splits);
	read->refused = READ_ONCE(region->refused);
	memset(read->group, 0, sizeof(read->group));
	strscpy(read->group, group, sizeof(read->group));
}

static int do_read(union argument *arg)
{
	struct pshare_read *read = &arg->read;
	struct pshare_region *region;
	u64 id = read->id;

	/* The group of a region is valid as long as the region is registered. */
	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	for (;;) {
		if (read->flags & PSHARE_READ_NEXT)
			region = id <= U32_MAX ? pshare_region_get_next(id) : NULL;
		else
			region = id <= U32_MAX ? pshare_region_get(id) : NULL;
		if (!region || !pshare_region_dead(region))
			break;
		/* The scanner has not noticed yet that the process is gone. */
		id = (u64)region->id + 1;
		pshare_region_del(region);
		pshare_region_put(region);
		if (!(read->flags & PSHARE_READ_NEXT)) {
			region = NULL;
			break;
		}
	}
	if (region)
		fill_read(read, region);
	mutex_unlock(&pshare_scan_mutex);
	if (!region)
		return -ENOENT;
	pshare_region_put(region);
	return 0;
}

static int do_scan(union argument *arg)
{
	if (arg->scan.reserved || !arg->scan.passes)
		return -EINVAL;
	return pshare_scan_passes(arg->scan.passes);
}

/**
 * struct operation - one ioctl
 * @run:	does it; the argument is checked as far as the other members say
 * @size:	size of its struct
 * @min:	size of the struct's first version
 * @flags:	bits that may be set
 * @answers:	the struct is written back
 */
struct operation {
	int (*run)(union argument *arg);
	u32 size;
	u32 min;
	u32 flags;
	bool answers;
};

static const struct operation operations[] = {
	[_IOC_NR(PSHARE_IOC_VERSION)] = {
		.run = do_version,
		.size = sizeof(struct pshare_version),
		.min = offsetofend(struct pshare_version, reserved),
		.answers = true,
	},
	[_IOC_NR(PSHARE_IOC_ADD)] = {
		.run = do_add,
		.size = sizeof(struct pshare_add),
		.min = offsetofend(struct pshare_add, group),
		.flags = PSHARE_ADD_RANGE | PSHARE_ADD_GROUP,
		.answers = true,
	},
	[_IOC_NR(PSHARE_IOC_REMOVE)] = {
		.run = do_remove,
		.size = sizeof(struct pshare_remove),
		.min = offsetofend(struct pshare_remove, id),
	},
	[_IOC_NR(PSHARE_IOC_READ)] = {
		.run = do_read,
		.size = sizeof(struct pshare_read),
		.min = offsetofend(struct pshare_read, group),
		.flags = PSHARE_READ_NEXT,
		.answers = true,
	},
	[_IOC_NR(PSHARE_IOC_UNMERGE)] = {
		.run = do_unmerge,
		.size = sizeof(struct pshare_unmerge),
		.min = offsetofend(struct pshare_unmerge, pages),
		.answers = true,
	},
	[_IOC_NR(PSHARE_IOC_SCAN)] = {
		.run = do_scan,
		.size = sizeof(struct pshare_scan),
		.min = offsetofend(struct pshare_scan, reserved),
	},
};

static long pshare_ioctl(struct file *file, unsigned int cmd, unsigned long address)
{
	void __user *user = (void __user *)address;
	const struct operation *operation;
	union argument arg = {};
	u32 size;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (_IOC_TYPE(cmd) != PSHARE_IOC_MAGIC || _IOC_NR(cmd) >= ARRAY_SIZE(operations) ||
	    cmd != _IO(PSHARE_IOC_MAGIC, _IOC_NR(cmd)))
		return -ENOTTY;
	operation = &operations[_IOC_NR(cmd)];

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < operation->min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&arg, operation->size, user, size);
	if (err)
		return err;
	if (arg.flags & ~operation->flags)
		return -EINVAL;
	/* The size was read twice: what it was when it was checked is what counts. */
	arg.size = size;

	/* If the answer has no place to go, say so before anything has changed. */
	if (operation->answers && copy_to_user(user, &arg, min(size, operation->size)))
		return -EFAULT;
	err = operation->run(&arg);
	if (err || !operation->answers)
		return err;
	return copy_to_user(user, &arg, min(size, operation->size)) ? -EFAULT : 0;
}

static const struct file_operations pshare_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = pshare_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice pshare_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pshare",
	.fops = &pshare_fops,
	.mode = 0600,
};

/**
 * pshare_control_init() - make /dev/pshare
 *
 * Context: process, last of all: ioctls may come at once.
 * Return: 0, or an errno of misc_register().
 */
int pshare_control_init(void)
{
	return misc_register(&pshare_device);
}

/**
 * pshare_control_exit() - remove /dev/pshare
 *
 * Context: process; the module is not in use, so nobody has it open.
 */
void pshare_control_exit(void)
{
	misc_deregister(&pshare_device);
}
