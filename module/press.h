/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_PRESS_H
#define _PSHARE_PRESS_H

struct pshare_batch;

unsigned long pshare_press_idle_time(void);
bool pshare_press_waits(void);
void pshare_press_relieve(struct pshare_batch *batch);

#endif /* _PSHARE_PRESS_H */
