/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_ALIKE_H
#define _PSHARE_ALIKE_H

#include <linux/types.h>

void pshare_alike_stale(void);
bool pshare_alike_some(unsigned long *seen);
unsigned long pshare_alike_bytes(void);
void pshare_alike_pause(void);
void pshare_alike_exit(void);

#endif /* _PSHARE_ALIKE_H */
