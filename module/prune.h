/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_PRUNE_H
#define _PSHARE_PRUNE_H

#include <linux/types.h>

void pshare_prune_settle(void);
void pshare_prune_lend(void);
void pshare_prune_forget_candidates(void);
unsigned long pshare_prune_abandon(void);

#endif /* _PSHARE_PRUNE_H */
