// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cli.h"
#include "output.h"

/* One process runs one command and writes one output. */
static struct {
	bool json;
	const char *command;
	struct json_object *doc;	/* JSON mode only */
	struct json_object *last_error;	/* JSON mode only; a reference of ours */
	void (*prepare)(void);		/* before words go to standard error, or NULL */
} out;

/**
 * output_begin - choose the mode, before anything else is said
 * @json: JSON mode
 */
void output_begin(bool json)
{
	out.json = json;
	if (json)
		out.doc = json_object_new_object();
}

/**
 * output_command - name the subcommand, for what is said from now on
 * @name: its name, which must stay
 */
void output_command(const char *name)
{
	out.command = name;
}

/**
 * output_end - write out what is left
 * @rc: exit code so far
 *
 * Return: the exit code; a result that could not be written is a failure.
 */
int output_end(int rc)
{
	int err = 0;

	if (out.json) {
		puts(json_object_to_json_string_ext(out.doc,
						    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_SPACED |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(out.last_error);
		json_object_put(out.doc);
	}
	if (fflush(stdout))
		err = errno;
	else if (ferror(stdout))
		err = EIO;
	if (err) {
		fprintf(stderr, "pshare: cannot write the result: %s\n", strerror(err));
		if (rc == RC_OK)
			rc = RC_FAILED;
	}
	return rc;
}

bool output_is_json(void)
{
	return out.json;
}

/* The document; the caller adds members, but does not put it. */
struct json_object *output_doc(void)
{
	return out.doc;
}

/* The failure that was reported last, as JSON, with a reference for the caller. */
struct json_object *output_last_error(void)
{
	return json_object_get(out.last_error);
}

static void say_command(void)
{
	fputs("pshare: ", stderr);
	if (out.command)
		fprintf(stderr, "%s: ", out.command);
}

/**
 * output_note - tell something that is no failure but good to know
 * @fmt: as for printf(), without a newline
 */
void output_note(const char *fmt, ...)
{
	struct json_object *notes;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	if (!out.json) {
		say_command();
		fprintf(stderr, "note: %s\n", text);
		return;
	}
	if (!json_object_object_get_ex(out.doc, "notes", &notes))
		notes = json_add_array(out.doc, "notes");
	json_object_array_add(notes, json_object_new_string(text));
}

/*
 * Words of the command line appear in messages, and may hold anything; JSON
 * wants UTF-8.
 */
static void json_add_message(struct json_object *obj, const char *key, const char *text)
{
	char clean[1024];
	char *c;

	snprintf(clean, sizeof(clean), "%s", text);
	for (c = clean; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	json_add_string(obj, key, clean);
}

static struct json_object *failure_json(const struct failure *failure)
{
	struct json_object *obj = json_object_new_object();
	const char *name = failure->err ? strerrorname_np(failure->err) : NULL;

	if (out.command)
		json_add_string(obj, "command", out.command);
	if (failure->subject)
		json_add_message(obj, "subject", failure->subject);
	json_object_object_add(obj, "errno", name ? json_object_new_string(name) : NULL);
	json_object_object_add(obj, "exit", json_object_new_int(failure->rc));
	json_add_message(obj, "message", failure->why);
	json_add_message(obj, "advice", failure->advice);
	return obj;
}

/**
 * output_prepare - who owns the terminal gives it back before a failure is said
 * @prepare: does it; NULL when nobody owns it any more
 */
void output_prepare(void (*prepare)(void))
{
	out.prepare = prepare;
}

/**
 * output_failure - say what failed, why, and what to do
 * @failure: all of that
 *
 * The first failure becomes the "error" of the document.
 *
 * Return: the exit code in @failure.
 */
int output_failure(const struct failure *failure)
{
	if (out.prepare)
		out.prepare();
	say_command();
	if (failure->subject)
		fprintf(stderr, "%s: ", failure->subject);
	fprintf(stderr, "%s: %s\n", failure->why, failure->advice);

	if (out.json) {
		json_object_put(out.last_error);
		out.last_error = failure_json(failure);
		if (!json_object_object_get_ex(out.doc, "error", NULL))
			json_object_object_add(out.doc, "error",
					       json_object_get(out.last_error));
	}
	return failure->rc;
}

/**
 * output_usage - the command line is wrong
 * @fmt: what is wrong with it, as for printf(), without a newline
 *
 * Return: RC_USAGE.
 */
int output_usage(const char *fmt, ...)
{
	char why[512], advice[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(advice, sizeof(advice), "see 'pshare help%s%s'",
		 out.command ? " " : "", out.command ? out.command : "");
	return output_failure(&(struct failure){
		.rc = RC_USAGE, .why = why, .advice = advice });
}

/**
 * format_bytes - an amount of memory for people
 * @buf: AMOUNT_SIZE bytes
 * @bytes: may be negative
 *
 * Never a smaller unit than MiB, so that amounts can be compared at a glance.
 *
 * Return: @buf.
 */
const char *format_bytes(char *buf, double bytes)
{
	static const char *const units[] = { "MiB", "GiB", "TiB", "PiB", "EiB" };
	double amount = bytes / (1024 * 1024);
	size_t i = 0;

	if (fabs(amount) < 0.05)
		amount = 0;	/* never "-0.0" */
	while (fabs(amount) >= 10 * 1024 && i + 1 < sizeof(units) / sizeof(units[0])) {
		amount /= 1024;
		i++;
	}
	snprintf(buf, AMOUNT_SIZE, "%.1f %s", amount, units[i]);
	return buf;
}

/**
 * format_pages - a number of pages for people
 * @buf: AMOUNT_SIZE bytes
 * @pages: of 4096 bytes
 *
 * Return: @buf.
 */
const char *format_pages(char *buf, __u64 pages)
{
	char amount[AMOUNT_SIZE];

	format_bytes(amount, (double)pages * PAGE_BYTES);
	snprintf(buf, AMOUNT_SIZE, "%llu page%s (%.24s)", pages, pages == 1 ? "" : "s", amount);
	return buf;
}

void json_add_u64(struct json_object *obj, const char *key, __u64 value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void json_add_string(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

void json_add_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

/* A new empty array under @key, which belongs to @obj. */
struct json_object *json_add_array(struct json_object *obj, const char *key)
{
	struct json_object *array = json_object_new_array();

	json_object_object_add(obj, key, array);
	return array;
}
