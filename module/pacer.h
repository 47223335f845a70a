/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_PACER_H
#define _PSHARE_PACER_H

#include <linux/types.h>

#include "pace.h"

/* For pshare_pacer_next(): the pass has been through all regions; no pass is under way. */
#define PSHARE_PACER_SWEEP	((u64)U32_MAX + 1)
#define PSHARE_PACER_BETWEEN	((u64)U32_MAX + 2)

void pshare_pacer_begin(void);
void pshare_pacer_end(void);
void pshare_pacer_stop(void);
void pshare_pacer_seen(u32 region, unsigned long pages);
struct pshare_pace_plan pshare_pacer_next(u64 region);
u64 pshare_pacer_clock(void);
void pshare_pacer_excuse(u64 since);
u64 pshare_pacer_beside(u64 time);

#endif /* _PSHARE_PACER_H */
