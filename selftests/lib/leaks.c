// SPDX-License-Identifier: GPL-2.0
/* What is left behind in the whole machine; see leaks.h. */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "lib/leaks.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

static bool is_ours(uint64_t flags)
{
	const uint64_t want = 1ULL << KPF_KSM | 1ULL << KPF_LOCKED;
	const uint64_t never = 1ULL << KPF_LRU | 1ULL << KPF_NOPAGE | 1ULL << KPF_SLAB;

	return (flags & want) == want && !(flags & never);
}

size_t leaks_frames(void)
{
	static uint64_t flags[1 << 15];
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	size_t count = 0;
	ssize_t got;

	if (fd < 0)
		lib_die("cannot open /proc/kpageflags");
	while ((got = read(fd, flags, sizeof(flags))) > 0)
		for (ssize_t i = 0; i < got / (ssize_t)sizeof(*flags); i++)
			count += is_ours(flags[i]);
	close(fd);
	return count;
}

size_t leaks_frames_settled(void)
{
	size_t count = leaks_frames();

	for (unsigned int i = 0; count && i < 10; i++) {
		lib_sleep_ms(300);
		count = leaks_frames();
	}
	return count;
}

size_t leaks_objects(void)
{
	static char report[1 << 16];
	size_t count = 0;

	if (access(KMEMLEAK, F_OK))
		return 0;
	/* What is young is passed over, and what moved meanwhile is found the second time. */
	for (unsigned int i = 0; i < 2; i++) {
		lib_sleep_ms(6000);
		if (file_write(KMEMLEAK, "scan"))
			lib_die("kmemleak does not scan: it has given up");
	}
	file_read(KMEMLEAK, report, sizeof(report));
	for (char *at = report; (at = strstr(at, "unreferenced object")); at++)
		count++;
	if (count)
		lib_note("%s", report);
	return count;
}
