/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stands before the kernel's own tools/include, whose header wants others: what rooms
 * that know pages as so many bytes need of it.
 */
#ifndef _UNIT_LINUX_MM_H
#define _UNIT_LINUX_MM_H

#undef PAGE_SHIFT
#define PAGE_SHIFT	12
#undef PAGE_SIZE
#define PAGE_SIZE	(1UL << PAGE_SHIFT)

#endif /* _UNIT_LINUX_MM_H */
