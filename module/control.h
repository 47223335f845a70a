/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_CONTROL_H
#define _PSHARE_CONTROL_H

int pshare_control_init(void);
void pshare_control_exit(void);

#endif /* _PSHARE_CONTROL_H */
