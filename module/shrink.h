/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SHRINK_H
#define _PSHARE_SHRINK_H

#include <linux/types.h>

struct pshare_batch;
struct wait_queue_head;

int pshare_shrink_init(struct wait_queue_head *thread_wait);
void pshare_shrink_exit(void);
unsigned long pshare_shrink_idle_time(void);
void pshare_shrink_relieve(struct pshare_batch *batch);

#endif /* _PSHARE_SHRINK_H */
