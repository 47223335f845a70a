/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module and its device, for the programs that measure it.  Any failure ends the program,
 * with a word: a figure of half a pass is none.
 *
 * Needs nothing but the first version of the interface, so that an older module can be
 * measured beside a newer one.
 */
#ifndef _BENCH_DEVICE_H
#define _BENCH_DEVICE_H

#include <stdint.h>
#include <sys/types.h>

/* Exit status of a program that die() has ended. */
#define DIED	255

_Noreturn void die(const char *what);

/* Loads /pshare.ko.  Returns its device, open. */
int device_load(void);

/* Registers a range of a process, in a group or (NULL) in none.  Returns the region's number. */
uint64_t device_add(int dev, pid_t pid, uintptr_t start, uintptr_t end, const char *group);
void device_remove(int dev, uint64_t id);

/* So many full passes; returns when they are done. */
void device_scan(int dev, unsigned int passes);

#endif /* _BENCH_DEVICE_H */
