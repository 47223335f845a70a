/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_HOTPLUG_H
#define _PSHARE_HOTPLUG_H

int pshare_hotplug_init(void);
void pshare_hotplug_exit(void);

#endif /* _PSHARE_HOTPLUG_H */
