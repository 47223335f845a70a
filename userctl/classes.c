// SPDX-License-Identifier: GPL-2.0
#include <pshare.h>

#include "classes.h"

const struct page_class page_classes[PSHARE_NR_CLASSES] = {
	[PSHARE_UNSCANNED] = { "unscanned", BAND_UNSCANNED,
		"no pass has come to it yet" },
	[PSHARE_UNPOPULATED] = { "unpopulated", BAND_NONE,
		"no memory behind it: never touched, or given back" },
	[PSHARE_SWAPPED] = { "swapped", BAND_SWAPPED,
		"in swap" },
	[PSHARE_INELIGIBLE_SHARED] = { "ineligible_shared", BAND_INELIGIBLE,
		"shared or file mapping" },
	[PSHARE_INELIGIBLE_HUGETLB] = { "ineligible_hugetlb", BAND_INELIGIBLE,
		"hugetlbfs" },
	[PSHARE_INELIGIBLE_PINNED] = { "ineligible_pinned", BAND_INELIGIBLE,
		"held by somebody, for I/O for example" },
	[PSHARE_INELIGIBLE_OTHER] = { "ineligible_other", BAND_INELIGIBLE,
		"cannot be merged for another reason" },
	[PSHARE_ZERO] = { "zero", BAND_SHARED,
		"replaced by the zero page" },
	[PSHARE_MERGED_SELF] = { "merged_self", BAND_SHARED,
		"maps a page that is shared within this VM" },
	[PSHARE_MERGED_OTHER] = { "merged_other", BAND_SHARED,
		"maps a page that is shared with another VM" },
	[PSHARE_DUPLICATE_SELF] = { "duplicate_self", BAND_READY,
		"has a twin in this VM only, and is not merged yet" },
	[PSHARE_DUPLICATE_OTHER] = { "duplicate_other", BAND_READY,
		"has a twin in another VM, and is not merged yet" },
	[PSHARE_DUPLICATE_ZERO] = { "duplicate_zero", BAND_READY,
		"is zero, and is not replaced yet" },
	[PSHARE_HUGE_SELF] = { "huge_blocked_self", BAND_HUGE,
		"has a twin in this VM only, and a huge page is kept whole" },
	[PSHARE_HUGE_OTHER] = { "huge_blocked_other", BAND_HUGE,
		"has a twin in another VM, and a huge page is kept whole" },
	[PSHARE_HUGE_ZERO] = { "huge_blocked_zero", BAND_HUGE,
		"is zero, and lies in a huge page that is kept whole" },
	[PSHARE_GROUP_BLOCKED] = { "group_blocked", BAND_GROUP,
		"has a twin, but only in another group" },
	[PSHARE_ASLR_BLOCKED] = { "aslr_blocked", BAND_ASLR,
		"would have a twin, were it not for the addresses in it" },
	[PSHARE_VOLATILE] = { "volatile", BAND_CHANGING,
		"changed since the last visit, or was visited once only" },
	[PSHARE_UNIQUE] = { "unique", BAND_UNIQUE,
		"did not change, and has no twin" },
};

/*
 * The glyphs and the letters tell the bands apart where there is no colour.
 * The colours of pages are of middle luminance, so that each has a contrast of
 * 3 to 1 at least with a light and with a dark page.
 */
const struct band_info bands[NR_BANDS] = {
	[BAND_SHARED] = { "shared", "shared",
		"shared already, also with the zero page",
		'#', "\u2588", 2, "#16875d" },
	[BAND_READY] = { "ready", "can be shared",
		"has a twin or is zero, and nothing is in the way",
		'+', "\u2593", 10, "#5b8c00" },
	[BAND_HUGE] = { "huge", "huge pages",
		"has a twin or is zero, but a huge page is kept whole",
		'H', "\u2592", 3, "#b86e00" },
	[BAND_GROUP] = { "group", "other groups",
		"has a twin, but only in another group",
		'G', "\u256c", 5, "#a855c7" },
	[BAND_ASLR] = { "aslr", "ASLR",
		"would have a twin if addresses were not randomised",
		'A', "\u2573", 1, "#d64545" },
	[BAND_CHANGING] = { "changing", "changing",
		"changed between the last two visits, or was visited once only",
		'~', "\u2248", 6, "#0e87a8" },
	[BAND_UNSCANNED] = { "unscanned", "not scanned yet",
		"no pass has come to it yet",
		'?', "?", 7, "#7d7d7d" },
	[BAND_SWAPPED] = { "swapped", "in swap",
		"in swap, where nobody looks for twins",
		's', "s", 4, "#4d7fe0" },
	[BAND_INELIGIBLE] = { "ineligible", "cannot be shared",
		"shared or file mapping, hugetlbfs, pinned, or anything else that cannot be merged",
		'x', "x", 8, "#94785e" },
	[BAND_UNIQUE] = { "unique", "unique",
		"did not change, and has no twin",
		'.', "\u2591", 7, "#7b86a0" },
};

const char *const huge_policies[PSHARE_NR_HUGE_POLICIES] = {
	[PSHARE_HUGE_KEEP]	= "keep",
	[PSHARE_HUGE_BENEFIT]	= "benefit",
	[PSHARE_HUGE_PRESSURE]	= "pressure",
	[PSHARE_HUGE_ALWAYS]	= "always",
};

/* A newer module may have more of them. */
const char *huge_policy_name(unsigned int policy)
{
	return policy < PSHARE_NR_HUGE_POLICIES ? huge_policies[policy] : "unknown";
}
