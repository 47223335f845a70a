/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stands before the kernel's own tools/include: the slab allocator as the
 * rooms of the module use it, on top of malloc(), with faults on demand
 * (unit.h).
 */
#ifndef _UNIT_LINUX_SLAB_H
#define _UNIT_LINUX_SLAB_H

#include <linux/types.h>

/* Distinct bits, so that a test can see which flags a caller passed. */
#undef __GFP_NOWARN
#define __GFP_NOWARN	0x2000u
#undef __GFP_NORETRY
#define __GFP_NORETRY	0x10000u

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *obj));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, unsigned int flags);
void *kmem_cache_zalloc(struct kmem_cache *cache, unsigned int flags);
void kmem_cache_free(struct kmem_cache *cache, void *obj);
unsigned int kmem_cache_size(struct kmem_cache *cache);

#endif /* _UNIT_LINUX_SLAB_H */
