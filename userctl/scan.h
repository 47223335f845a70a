/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PSHARE_SCAN_H
#define PSHARE_SCAN_H

#include <linux/types.h>

int scan_passes(__u32 passes);

#endif /* PSHARE_SCAN_H */
