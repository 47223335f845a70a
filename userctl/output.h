/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the user gets to see.
 *
 * Text mode: results on standard output, failures and notes on standard error.
 * JSON mode: exactly one document on standard output, whatever happens.  It has
 * a member "error" if and only if the exit code is not 0.  Failures are said in
 * words on standard error, too; notes are collected in a member "notes".
 */
#ifndef PSHARE_OUTPUT_H
#define PSHARE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct json_object;

#define PAGE_BYTES	4096ULL

/* Fits what format_bytes() and format_pages() write. */
#define AMOUNT_SIZE	64

void output_begin(bool json);
void output_command(const char *name);
int output_end(int rc);

bool output_is_json(void);
struct json_object *output_doc(void);
struct json_object *output_last_error(void);

__attribute__((format(printf, 1, 2)))
void output_note(const char *fmt, ...);

/**
 * struct failure - all that is to be said about one
 * @rc:		exit code
 * @err:	errno, or 0 when no system call failed
 * @subject:	what it happened to, or NULL
 * @why:	what is wrong, and why
 * @advice:	what to do about it
 */
struct failure {
	int rc;
	int err;
	const char *subject;
	const char *why;
	const char *advice;
};

int output_failure(const struct failure *failure);
void output_prepare(void (*prepare)(void));

__attribute__((format(printf, 1, 2)))
int output_usage(const char *fmt, ...);

const char *format_bytes(char *buf, double bytes);
const char *format_pages(char *buf, __u64 pages);

void json_add_u64(struct json_object *obj, const char *key, __u64 value);
void json_add_string(struct json_object *obj, const char *key, const char *value);
void json_add_bool(struct json_object *obj, const char *key, bool value);
struct json_object *json_add_array(struct json_object *obj, const char *key);

#endif /* PSHARE_OUTPUT_H */
