// SPDX-License-Identifier: GPL-2.0
#include "lib/knobs.h"

const struct knob knobs[NR_KNOBS] = {
	{ "run", 0, 3 },
	{ "pages_to_scan", 1, 0xffffffff },
	{ "sleep_millisecs", 0, 0xffffffff },
	{ "max_cpu_percent", 0, 100 },
	{ "target_scan_seconds", 0, 0xffffffff },
	{ "use_zero_pages", 0, 1 },
	{ "max_pages_shared", 0, 0xffffffff },
	{ "huge_split_min", 1, 512 },
	{ "huge_min_free_percent", 0, 100 },
	{ "compare_groups", 0, 1 },
	{ "aslr_sample", 0, 100 },
	{ "scan_threads", 1, 16 },
};

const char * const policies[NR_POLICIES] = { "keep", "benefit", "pressure", "always" };
