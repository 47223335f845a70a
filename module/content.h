/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_CONTENT_H
#define _PSHARE_CONTENT_H

#include <linux/types.h>

bool pshare_content_same(const void *a, const void *b);
bool pshare_content_is_zero(const void *page);

#endif /* _PSHARE_CONTENT_H */
