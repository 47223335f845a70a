/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two that are measured side by side, ksmd and pshare, driven pass by pass from within
 * the kernel that they run in.
 *
 * Any failure ends the program, with a word: a figure of half a pass is none.
 */
#ifndef _BENCH_SUBJECT_H
#define _BENCH_SUBJECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"

#define PAGE	4096UL

struct subject;

extern const struct subject ksmd, ksmd_no_zero, pshare;

const char *subject_name(const struct subject *subject);

/* The name of its thread; further ones have more behind that. */
const char *subject_thread(const struct subject *subject);

/* What one of its files in /sys says. */
unsigned long subject_knob(const struct subject *subject, const char *name);

/* Nothing of an earlier round is left afterwards; subject_end() undoes it. */
void subject_begin(const struct subject *subject);
void subject_end(const struct subject *subject);

/* Let it have memory of this process. */
void subject_add(const struct subject *subject, char *mem, size_t bytes);

/*
 * Let it have memory of another process that has marked that for ksmd already.  All of
 * these share with each other.
 */
void subject_add_marked(const struct subject *subject, pid_t pid, uintptr_t start, uintptr_t end);

/* One full pass.  Returns the nanoseconds that its thread ran meanwhile. */
uint64_t subject_pass(const struct subject *subject);

/* No pass for some seconds.  Returns the nanoseconds that its thread ran meanwhile. */
uint64_t subject_rest(const struct subject *subject, unsigned int seconds);

/*
 * Give every page a copy of its own (run = 2).  Returns the nanoseconds of this thread
 * and of the scanner's.
 */
uint64_t subject_unmerge(const struct subject *subject);

/* Nanoseconds that the calling thread has run. */
uint64_t own_time(void);

#endif /* _BENCH_SUBJECT_H */
