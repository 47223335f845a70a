/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_COMPAT_KSYMS_H
#define _PSHARE_COMPAT_KSYMS_H

int pshare_ksyms_init(void);

#endif /* _PSHARE_COMPAT_KSYMS_H */
