/* SPDX-License-Identifier: GPL-2.0 */
/* The knobs in sysfs, for tests that try them all. */
#ifndef _PSHARE_SELFTESTS_KNOBS_H
#define _PSHARE_SELFTESTS_KNOBS_H

/* Those that take numbers. */
struct knob {
	const char *name;
	long long min, max;
};

#define NR_KNOBS	12
extern const struct knob knobs[NR_KNOBS];

/* What huge_policy takes. */
#define NR_POLICIES	4
extern const char * const policies[NR_POLICIES];

#endif /* _PSHARE_SELFTESTS_KNOBS_H */
