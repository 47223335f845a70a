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
#include "hugepage.h"
#include "prune.h"
#include "region.h"
#include "scan.h"
#include "share.h"
#include "uapi/pshare.h"
#include "unmerge.h"

/* The ABI is what user space was compiled with: no size may change unseen. */
static_assert(sizeof(struct pshare_version) == 16);
static_assert(sizeof(struct pshare_add) == 112);
static_assert(sizeof(struct pshare_remove) == 16);
static_assert(sizeof(struct pshare_unmerge) == 24);
static_assert(sizeof(struct pshare_read) == 176);
static_assert(sizeof(struct pshare_scan) == 16);
static_assert(sizeof(struct pshare_read_ledger) == 552);

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
	struct pshare_read_ledger ledger;
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
		.own_policy = add->flags & PSHARE_ADD_HUGE_POLICY,
		.huge_policy = add->huge_policy,
	};
	u32 id;
	int err;

	if (add->reserved || add->reserved2)
		return -EINVAL;
	if (spec.own_policy && add->size < offsetofend(struct pshare_add, huge_policy))
		return -EINVAL;
	if (add->huge_policy >= (spec.own_policy ? PSHARE_NR_HUGE_POLICIES : 1))
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

static unsigned long sum(const struct pshare_ledger *ledger, enum pshare_class first,
			 enum pshare_class last)
{
	unsigned long pages = 0;
	enum pshare_class class;

	for (class = first; class <= last; class++)
		pages += pshare_ledger_pages(ledger, class);
	return pages;
}

static u32 state_of(const struct pshare_region *region)
{
	return (*region->group->name ? 0 : PSHARE_REGION_PRIVATE) |
	       (region->whole ? PSHARE_REGION_WHOLE : 0);
}

static void fill_read(struct pshare_read *read, const struct pshare_region *region)
{
	const struct pshare_ledger *ledger = &region->ledger;

	read->id = region->id;
	read->start = region->start;
	read->end = region->end;
	read->pid = region->pid;
	read->state = state_of(region);
	read->scanned = READ_ONCE(region->scanned);
	read->merged = sum(ledger, PSHARE_MERGED_SELF, PSHARE_MERGED_OTHER);
	read->zero = pshare_ledger_pages(ledger, PSHARE_ZERO);
	read->volatile_ = pshare_ledger_pages(ledger, PSHARE_VOLATILE);
	read->unique = pshare_ledger_pages(ledger, PSHARE_UNIQUE) +
		       sum(ledger, PSHARE_GROUP_BLOCKED, PSHARE_ASLR_BLOCKED);
	read->swapped = pshare_ledger_pages(ledger, PSHARE_SWAPPED);
	read->ineligible = sum(ledger, PSHARE_INELIGIBLE_SHARED, PSHARE_INELIGIBLE_OTHER);
	read->huge_splits = READ_ONCE(region->splits);
	read->refused = READ_ONCE(region->refused);
	memset(read->group, 0, sizeof(read->group));
	strscpy(read->group, region->group->name, sizeof(read->group));
}

/* Has any other VM pages that were replaced by the zero page? */
static bool others_have_zeros(u32 vm)
{
	struct pshare_region *region;
	bool found = false;
	u32 id = 0;

	while (!found && (region = pshare_region_get_next(id))) {
		id = region->id + 1;
		found = region->vm != vm && pshare_ledger_pages(&region->ledger, PSHARE_ZERO);
		pshare_region_put(region);
	}
	return found;
}

static void fill_ledger(struct pshare_read_ledger *read, const struct pshare_region *region)
{
	const struct pshare_ledger *ledger = &region->ledger;
	const struct pshare_census *census = &ledger->census;
	unsigned int i;

	read->id = region->id;
	read->pages = ledger->size;
	read->pid = region->pid;
	read->state = state_of(region);
	read->vm = region->vm;
	read->huge_policy = pshare_hugepage_policy(region);
	memset(read->classes, 0, sizeof(read->classes));
	for (i = 0; i < PSHARE_NR_CLASSES; i++)
		read->classes[i] = pshare_ledger_pages(ledger, i);
	read->zero_other = others_have_zeros(region->vm) ? read->classes[PSHARE_ZERO] : 0;
	read->blocks_huge = census->blocks_huge;
	read->blocks_equal = census->blocks_equal;
	read->blocks_split = region->splits;
	read->split_gained = ledger->gained;
	for (i = 0; i < PSHARE_NR_TWIN_BINS; i++)
		read->twins[i] = census->twins[i];
	read->merging = census->merging;
	for (i = 0; i < PSHARE_NR_SPLIT_STEPS; i++) {
		read->splitting[i] = census->splitting[i];
		read->splits[i] = census->splits[i];
	}
	read->grouping = census->grouping;
	read->aslr = census->aslr;
	memset(read->group, 0, sizeof(read->group));
	strscpy(read->group, region->group->name, sizeof(read->group));
}

/*
 * The region with the number @id, or with PSHARE_READ_NEXT in @flags the first from there
 * on, with a reference; NULL if there is none.  A process that is gone, which the scanner
 * has not noticed yet, has no region.  The mutex may be dropped in between.
 */
static struct pshare_region *find_living(u64 id, u32 flags)
{
	struct pshare_region *region;

	lockdep_assert_held(&pshare_scan_mutex);
	for (;;) {
		if (id > U32_MAX)
			return NULL;
		region = flags & PSHARE_READ_NEXT ? pshare_region_get_next(id) :
						    pshare_region_get(id);
		if (!region || !pshare_region_dead(region))
			return region;
		id = (u64)region->id + 1;
		pshare_region_del(region);
		/* What was known of it goes, which takes a while if it was large. */
		mutex_unlock(&pshare_scan_mutex);
		pshare_region_put(region);
		mutex_lock(&pshare_scan_mutex);
		if (!(flags & PSHARE_READ_NEXT))
			return NULL;
	}
}

static int do_read(union argument *arg)
{
	struct pshare_region *region;

	/* The group of a region is valid as long as the region is registered. */
	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	region = find_living(arg->read.id, arg->flags);
	if (region)
		fill_read(&arg->read, region);
	mutex_unlock(&pshare_scan_mutex);
	if (!region)
		return -ENOENT;
	pshare_region_put(region);
	return 0;
}

static int do_ledger(union argument *arg)
{
	struct pshare_region *region;

	if (mutex_lock_interruptible(&pshare_scan_mutex))
		return -ERESTARTSYS;
	region = find_living(arg->ledger.id, arg->flags);
	if (region)
		fill_ledger(&arg->ledger, region);
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
		.flags = PSHARE_ADD_RANGE | PSHARE_ADD_GROUP | PSHARE_ADD_HUGE_POLICY,
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
	[_IOC_NR(PSHARE_IOC_LEDGER)] = {
		.run = do_ledger,
		.size = sizeof(struct pshare_read_ledger),
		.min = offsetofend(struct pshare_read_ledger, group),
		.flags = PSHARE_READ_NEXT,
		.answers = true,
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
