/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SHRINK_H
#define _PSHARE_SHRINK_H

int pshare_shrink_init(void);
void pshare_shrink_exit(void);

#endif /* _PSHARE_SHRINK_H */
