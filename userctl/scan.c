// SPDX-License-Identifier: GPL-2.0
/* pshare scan */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "cli.h"
#include "device.h"
#include "errors.h"
#include "knobs.h"
#include "output.h"
#include "scan.h"
#include "wait.h"

/* The module's counters at some moment. */
struct sample {
	__u64 full_scans;
	__u64 pages_scanned;
	__u64 pages_shared;
	__u64 pages_sharing;
	__u64 ksm_zero_pages;
};

struct progress {
	struct sample before;
	__u32 passes;
	int width;	/* of the longest line so far, to overwrite it */
};

struct scan_call {
	int fd;
	struct pshare_scan scan;
};

static struct sample take_sample(void)
{
	return (struct sample){
		.full_scans = (__u64)knob_number("full_scans"),
		.pages_scanned = (__u64)knob_number("pages_scanned"),
		.pages_shared = (__u64)knob_number("pages_shared"),
		.pages_sharing = (__u64)knob_number("pages_sharing"),
		.ksm_zero_pages = (__u64)knob_number("ksm_zero_pages"),
	};
}

static __u64 saved_pages(const struct sample *sample)
{
	return sample->pages_sharing + sample->ksm_zero_pages;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Draws the line; runs in the watching thread. */
static void draw(void *arg)
{
	struct progress *progress = arg;
	struct sample now = take_sample();
	__u64 pass = now.full_scans - progress->before.full_scans + 1;
	char amount[AMOUNT_SIZE];
	int width;

	/* A pass that was under way when we came does not count. */
	if (pass > progress->passes)
		pass = progress->passes;
	width = fprintf(stderr, "\rpass %llu of %u: %llu pages scanned, %s saved",
			pass, progress->passes,
			now.pages_scanned - progress->before.pages_scanned,
			format_pages(amount, saved_pages(&now)));
	if (width < progress->width)
		fprintf(stderr, "%*s", progress->width - width, "");
	else
		progress->width = width;
	fflush(stderr);
}

static void erase(const struct progress *progress)
{
	if (progress->width)
		fprintf(stderr, "\r%*s\r", progress->width, "");
}

static int do_scan(void *arg)
{
	struct scan_call *call = arg;

	return device_call(call->fd, PSHARE_IOC_SCAN, &call->scan);
}

static struct json_object *sample_json(const struct sample *sample)
{
	struct json_object *obj = json_object_new_object();

	json_add_u64(obj, "full_scans", sample->full_scans);
	json_add_u64(obj, "pages_scanned", sample->pages_scanned);
	json_add_u64(obj, "pages_shared", sample->pages_shared);
	json_add_u64(obj, "pages_sharing", sample->pages_sharing);
	json_add_u64(obj, "ksm_zero_pages", sample->ksm_zero_pages);
	json_add_u64(obj, "saved_pages", saved_pages(sample));
	return obj;
}

static void show(const struct progress *progress, const struct sample *after, double seconds)
{
	__u32 passes = progress->passes;
	char text[32], amount[AMOUNT_SIZE];

	snprintf(text, sizeof(text), "%.3f", seconds);
	if (output_is_json()) {
		struct json_object *doc = output_doc();

		json_add_u64(doc, "passes", passes);
		json_object_object_add(doc, "seconds", json_object_new_double_s(seconds, text));
		json_object_object_add(doc, "before", sample_json(&progress->before));
		json_object_object_add(doc, "after", sample_json(after));
		return;
	}
	printf("%u pass%s in %.1f s, %llu pages scanned\n", passes, passes == 1 ? "" : "es",
	       seconds, after->pages_scanned - progress->before.pages_scanned);
	printf("saved before %s", format_pages(amount, saved_pages(&progress->before)));
	printf(", now %s\n", format_pages(amount, saved_pages(after)));
}

static bool no_region(int fd)
{
	struct pshare_read region = { .size = sizeof(region), .flags = PSHARE_READ_NEXT };

	return device_call(fd, PSHARE_IOC_READ, &region) == ENOENT;
}

/* The passes themselves; with a line that shows the progress, on a terminal. */
static int do_passes(struct progress *progress)
{
	struct scan_call call = {
		.scan = { .size = sizeof(call.scan), .passes = progress->passes },
	};
	bool terminal = isatty(STDERR_FILENO);
	int rc, err;

	rc = device_open(&call.fd);
	if (rc)
		return rc;
	if (no_region(call.fd))
		output_note("no region is registered, so there is nothing to scan");
	err = wait_call(do_scan, &call, terminal ? draw : NULL, progress);
	erase(progress);
	close(call.fd);
	return err ? fail(OP_SCAN, err, NULL) : RC_OK;
}

/**
 * scan_passes - do full passes and wait for them, without a word on the result
 * @passes: how many
 *
 * Return: an exit code, after a report.
 */
int scan_passes(__u32 passes)
{
	struct progress progress = { .passes = passes, .before = take_sample() };

	return do_passes(&progress);
}

int cmd_scan(const struct args *args)
{
	struct progress progress = { .passes = args->passes, .before = take_sample() };
	double start = seconds_now();
	struct sample after;
	int rc;

	rc = do_passes(&progress);
	if (rc)
		return rc;
	after = take_sample();
	show(&progress, &after, seconds_now() - start);
	if (knob_number("run") == 3)
		output_note("nothing was merged, because run is 3, which estimates only: "
			    "'pshare report' shows what was found");
	return RC_OK;
}
