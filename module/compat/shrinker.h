/* SPDX-License-Identifier: GPL-2.0 */
/*
 * 6.7: shrinkers are allocated by the kernel, not embedded or static.
 */
#ifndef _PSHARE_COMPAT_SHRINKER_H
#define _PSHARE_COMPAT_SHRINKER_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

typedef unsigned long (*compat_shrinker_fn)(struct shrinker *, struct shrink_control *);

/* Have these called when memory is short.  *@shrinker is for unregistering. */
static inline int compat_shrinker_register(struct shrinker **shrinker, const char *name,
					   compat_shrinker_fn count, compat_shrinker_fn scan)
{
#ifdef PSHARE_HAVE_SHRINKER_ALLOC
	struct shrinker *new = shrinker_alloc(0, "%s", name);
#else
	struct shrinker *new = kzalloc(sizeof(*new), GFP_KERNEL);
	int err;
#endif

	if (!new)
		return -ENOMEM;
	new->count_objects = count;
	new->scan_objects = scan;
	new->seeks = DEFAULT_SEEKS;
#ifdef PSHARE_HAVE_SHRINKER_ALLOC
	shrinker_register(new);
#else
	err = register_shrinker(new, "%s", name);
	if (err) {
		kfree(new);
		return err;
	}
#endif
	*shrinker = new;
	return 0;
}

static inline void compat_shrinker_unregister(struct shrinker *shrinker)
{
#ifdef PSHARE_HAVE_SHRINKER_ALLOC
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

#endif /* _PSHARE_COMPAT_SHRINKER_H */
