/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_COMPAT_KSYMS_H
#define _PSHARE_COMPAT_KSYMS_H

struct kobject;

int pshare_ksyms_init(void);
struct kobject *pshare_ksyms_mm_kobj(void);

#endif /* _PSHARE_COMPAT_KSYMS_H */
