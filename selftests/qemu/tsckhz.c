// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of the time stamp counter in kHz, measured against the
 * system's clock: /proc/cpuinfo shows the momentary clock of a core instead.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	double start_ms = now();
	unsigned long long start = __rdtsc();

	nanosleep(&pause, NULL);
	printf("%.0f\n", (__rdtsc() - start) / (now() - start_ms));
	return 0;
}
