// SPDX-License-Identifier: GPL-2.0
/*
 * What ksmd or pshare saves of the memory of other processes, pass by pass, and what its
 * thread runs for it.  Both get the same memory: all that these processes have marked as
 * mergeable, as QEMU does with a guest's RAM.  They must stand still meanwhile.
 *
 * usage: saving ksmd|pshare PASSES PID...
 *
 * Prints lines for kvmhost.sh:
 *	@fig SUBJECT.memory REGISTERED POPULATED	in pages
 *	@fig SUBJECT.pass.N RAN SHARING ZERO MAPPED FRAMES
 *	@fig SUBJECT.refused.REASON COUNT		of pshare, when all is done
 * RAN is in nanoseconds; SHARING is the counter pages_sharing.  The others are what
 * vmpages says, which believes neither.  Pass 0 is the state before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subject.h"

#define SCAN_TABLE	"/sys/kernel/debug/pshare/scan"

struct frames {
	unsigned long mapped, frames, zero;
};

static const char *witness;

static void make_witness(char **pids, int count)
{
	static char command[512];
	int i;

	strcpy(command, "vmpages count");
	for (i = 0; i < count; i++) {
		strncat(command, " ", sizeof(command) - strlen(command) - 1);
		strncat(command, pids[i], sizeof(command) - strlen(command) - 1);
	}
	witness = command;
}

static struct frames look(void)
{
	FILE *out = popen(witness, "r");
	struct frames f;
	int fields = 0;

	if (out)
		fields = fscanf(out, "mapped %lu frames %lu zero %lu",
				&f.mapped, &f.frames, &f.zero);
	if (fields != 3 || pclose(out))
		die(witness);
	return f;
}

/* The ranges that are marked, each given to the subject. */
static void add_marked(const struct subject *subject, const char *pid,
		       unsigned long *registered, unsigned long *populated)
{
	uintptr_t from, to, start = 0, end = 0;
	unsigned long kib, rss = 0;
	char path[64], line[512];
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	smaps = fopen(path, "re");
	if (!smaps)
		die(path);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
			rss = kib;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " mg")) {
			*registered += (end - start) / PAGE;
			*populated += rss * 1024 / PAGE;
			subject_add_marked(subject, atoi(pid), start, end);
		}
	}
	fclose(smaps);
}

static void report(const char *name, int pass, uint64_t ran, unsigned long sharing)
{
	struct frames f = look();

	printf("@fig %s.pass.%d %" PRIu64 " %lu %lu %lu %lu\n", name, pass, ran, sharing, f.zero,
	       f.mapped, f.frames);
	fflush(stdout);
}

static void report_refusals(const char *name)
{
	char line[128], reason[64];
	unsigned long count;
	FILE *scan = fopen(SCAN_TABLE, "re");

	if (!scan)
		return;
	while (fgets(line, sizeof(line), scan))
		if (sscanf(line, "refused_%63s %lu", reason, &count) == 2)
			printf("@fig %s.refused.%s %lu\n", name, reason, count);
	fclose(scan);
}

int main(int argc, char **argv)
{
	unsigned long registered = 0, populated = 0;
	const struct subject *subject = NULL;
	int i, passes;

	if (argc > 3 && !strcmp(argv[1], "ksmd"))
		subject = &ksmd;
	else if (argc > 3 && !strcmp(argv[1], "pshare"))
		subject = &pshare;
	if (!subject) {
		fprintf(stderr, "usage: saving ksmd|pshare PASSES PID...\n");
		return 2;
	}
	passes = atoi(argv[2]);
	make_witness(argv + 3, argc - 3);
	subject_begin(subject);
	report(argv[1], 0, 0, subject_knob(subject, "pages_sharing"));
	for (i = 3; i < argc; i++)
		add_marked(subject, argv[i], &registered, &populated);
	printf("@fig %s.memory %lu %lu\n", argv[1], registered, populated);
	for (i = 1; i <= passes; i++) {
		uint64_t ran = subject_pass(subject);

		report(argv[1], i, ran, subject_knob(subject, "pages_sharing"));
	}
	report_refusals(argv[1]);
	subject_end(subject);
	return 0;
}
