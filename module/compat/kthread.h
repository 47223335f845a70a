/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_COMPAT_KTHREAD_H
#define _PSHARE_COMPAT_KTHREAD_H

#include <linux/kthread.h>

/* 6.14: kthread_create_worker() does not start the thread any more. */
#ifndef kthread_run_worker
#define kthread_run_worker	kthread_create_worker
#endif

#endif /* _PSHARE_COMPAT_KTHREAD_H */
