/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SCAN_H
#define _PSHARE_SCAN_H

#include <linux/types.h>

#include "knobs.h"

int pshare_scan_init(void);
void pshare_scan_exit(void);
void pshare_scan_kick(void);
int pshare_scan_passes(unsigned int passes);
int pshare_scan_set_run(enum pshare_run run);

#endif /* _PSHARE_SCAN_H */
