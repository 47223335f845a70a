/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_DEBUGFS_H
#define _PSHARE_DEBUGFS_H

void pshare_debugfs_init(void);
void pshare_debugfs_exit(void);

#endif /* _PSHARE_DEBUGFS_H */
