/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SELFTESTS_LEAKS_H
#define _PSHARE_SELFTESTS_LEAKS_H

#include <stddef.h>

/*
 * Frames of the whole machine that only pshare makes: marked as KSM pages, locked,
 * and on no LRU list.  After the module is gone there must be none.
 */
size_t leaks_frames(void);
/* The same, once those that are on their way have had a few seconds. */
size_t leaks_frames_settled(void);

/* Objects that kmemleak has lost sight of; 0 also without kmemleak.  Takes a while. */
size_t leaks_objects(void);

#endif /* _PSHARE_SELFTESTS_LEAKS_H */
