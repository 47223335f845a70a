/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SWEEP_H
#define _PSHARE_SWEEP_H

#include <linux/types.h>

bool pshare_sweep_some(unsigned long *seen);
bool pshare_sweep_settled(void);
void pshare_sweep_exit(void);

#endif /* _PSHARE_SWEEP_H */
