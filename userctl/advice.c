// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "advice.h"
#include "knobs.h"
#include "output.h"

#define HUGE_BYTES	(2.0 * 1024 * 1024)

/* The step that is told of first: with it nearly all is saved that can be. */
#define USUAL_TWINS	64

/* What is no prediction is worth a line when it is so much of all, in percent. */
#define WORTH_A_LINE	0.5

const char *const certainties[] = {
	[PREDICTED]	= "predicted",
	[AT_MOST]	= "at_most",
	[FREE]		= "free_already",
	[UNKNOWN]	= "not_measured",
};

static const unsigned int steps[PSHARE_NR_SPLIT_STEPS] = PSHARE_SPLIT_STEPS;

/* How many twins a huge page has at least that is split at this step. */
unsigned int advice_split_twins(size_t step)
{
	return steps[step];
}

/* What splitting saves beyond merging alone. */
__u64 advice_split_gain(const struct standing *standing, size_t step)
{
	__u64 both = standing->sum.splitting[step], merging = standing->sum.merging;

	return both > merging ? both - merging : 0;
}

/**
 * advice_split_step - the step that is worth telling first
 * @standing: of all VMs
 *
 * Return: the usual one, or the first where the usual one would save less than
 * half of what there is to save.
 */
size_t advice_split_step(const struct standing *standing)
{
	size_t step = 0;

	while (steps[step] != USUAL_TWINS)
		step++;
	if (advice_split_gain(standing, step) < advice_split_gain(standing, 0) / 2)
		return 0;
	return step;
}

static struct advice *add(struct advice *list, size_t *nr, const struct advice *advice)
{
	if (!advice->pages && advice->certainty != UNKNOWN)
		return NULL;
	list[*nr] = *advice;
	return &list[(*nr)++];
}

/*
 * Huge pages that are split by merging alone, because the policy says so.  Where
 * huge_split_min lies between two steps, the upper one stands for it.
 */
static __u64 planned_splits(const struct pshare_read_ledger *ledger)
{
	long long least = knob_number("huge_split_min");
	size_t step;

	if (ledger->huge_policy == PSHARE_HUGE_ALWAYS)
		return ledger->splits[0];
	if (ledger->huge_policy != PSHARE_HUGE_BENEFIT)
		return 0;
	for (step = 0; step < PSHARE_NR_SPLIT_STEPS; step++)
		if (steps[step] >= least)
			return ledger->splits[step];
	return 0;
}

/* Huge pages that are split by merging alone; with @step: only by that step. */
static double count_splits(const struct account *account, const size_t *step)
{
	const struct pshare_read_ledger *ledger;
	double splits = 0;

	for (ledger = account->ledgers; ledger < account->ledgers + account->nr_ledgers; ledger++) {
		__u64 planned = planned_splits(ledger);

		if (!step)
			splits += (double)planned;
		else if (ledger->splits[*step] > planned)
			splits += (double)(ledger->splits[*step] - planned);
	}
	return splits;
}

static void add_merging(const struct account *account, struct advice *list, size_t *nr)
{
	double splits = count_splits(account, NULL);
	long long run = knob_number("run");
	char amount[AMOUNT_SIZE];
	struct advice *advice;

	advice = add(list, nr, &(struct advice){
		.name = "merge", .pages = account->total.sum.merging,
		.what = "merge what has a twin",
		.price = "CPU; faults at first writes",
		.how = run == 1 ?
		"The scanner is at it: run is 1. Huge pages are split as far as their policy "
		"says. Pages that the guests write to get their own copy again." :
		"'pshare set run 1' merges in the background, 'pshare scan' at once. Huge pages "
		"are split as far as their policy says. Pages that the guests write to get their "
		"own copy again.",
	});
	if (advice && splits > 0)
		snprintf(advice->price, sizeof(advice->price), "CPU; %.16s huge pages",
			 format_bytes(amount, splits * HUGE_BYTES));
}

static void add_balloon(const struct standing *standing, struct advice *list, size_t *nr)
{
	const __u64 *class = standing->sum.classes;

	add(list, nr, &(struct advice){
		.name = "balloon", .pages = class[PSHARE_DUPLICATE_ZERO] + class[PSHARE_HUGE_ZERO],
		.what = "balloon: let guests return zeroes",
		.price = "needs a driver in the guest",
		.how =
		"Zero pages are often memory that a guest has freed. A virtio balloon with "
		"free-page-reporting returns it without a scan, huge pages included. Merging and "
		"splitting would save the same pages: count them once.",
	});
}

static void add_splitting(const struct account *account, struct advice *list, size_t *nr)
{
	const struct standing *standing = &account->total;
	size_t step = advice_split_step(standing);
	char amount[AMOUNT_SIZE];
	struct advice *advice;

	advice = add(list, nr, &(struct advice){
		.name = "split", .pages = advice_split_gain(standing, step),
		.how =
		"'pshare set huge_policy benefit' and huge_split_min, or 'pshare add "
		"--huge-policy'. Policy pressure waits until memory is short. Guests get slower, "
		"by the misses of the TLB that huge pages prevent. This is beyond what the policy "
		"allows now.",
	});
	if (!advice)
		return;
	snprintf(advice->what, sizeof(advice->what), "split huge pages of %u+ twins",
		 steps[step]);
	snprintf(advice->price, sizeof(advice->price), "%.16s of huge pages",
		 format_bytes(amount, count_splits(account, &step) * HUGE_BYTES));
}

static bool several_groups(const struct account *account)
{
	const char *first = account->nr_vms ? account->vms[0].group : "";
	size_t i;

	for (i = 1; i < account->nr_vms; i++)
		if (strcmp(account->vms[i].group, first))
			return true;
	/* Those without a name are by themselves. */
	return !strcmp(first, "(several)") || (!strcmp(first, "-") && account->nr_vms > 1);
}

/* Does the module look for what groups have in common?  An older one always does. */
static bool groups_compared(void)
{
	char value[KNOB_SIZE];

	return knob_read("compare_groups", value) || strcmp(value, "0") ||
	       knob_number("run") == 3;
}

static void add_grouping(const struct account *account, struct advice *list, size_t *nr)
{
	__u64 pages = account->total.sum.grouping;
	bool unknown = !pages && !groups_compared() && several_groups(account);
	struct advice *advice;

	advice = add(list, nr, &(struct advice){
		.name = "group", .pages = pages,
		.certainty = unknown ? UNKNOWN : PREDICTED,
		.what = "put all VMs into one group",
		.price = "isolation between the groups",
		.how = unknown ?
		"'pshare estimate', or 'pshare set compare_groups 1' and three passes more, tell "
		"what groups have in common. Meanwhile a guest may find out, from the caches of "
		"the CPU, that a VM outside of its group has a page like one of its own." :
		"Remove the regions and add them with the same --group. VMs of one group can "
		"find out, by timing a write, that another has the same page: only for VMs that "
		"trust each other. While compare_groups is 0 the figure is a lower bound.",
	});
	if (advice && unknown)
		snprintf(advice->price, sizeof(advice->price), "measure it: pshare estimate");
}

static void add_aslr(const struct standing *standing, struct advice *list, size_t *nr)
{
	long long sample = knob_number("aslr_sample");
	struct advice *advice;

	advice = add(list, nr, &(struct advice){
		.name = "aslr", .pages = standing->sum.aslr,
		.certainty = sample || standing->sum.aslr ? PREDICTED : UNKNOWN,
		.what = "guests without ASLR and KASLR",
		.price = "security; better accept it",
		.how = sample || standing->sum.aslr ?
		"Boot the guests with nokaslr and norandmaps. Randomised addresses protect "
		"guests from attacks, so mostly the price is too high. The figure is a lower "
		"bound, and covers the pages that aslr_sample chose." :
		"'pshare set aslr_sample 100' and three passes more tell what randomised "
		"addresses cost. Measuring takes CPU time, so it is off.",
	});
	if (advice && advice->certainty == UNKNOWN)
		snprintf(advice->price, sizeof(advice->price), "measure it: aslr_sample is 0");
}

static void add_unseen(const struct standing *standing, struct advice *list, size_t *nr)
{
	const __u64 *class = standing->sum.classes;

	add(list, nr, &(struct advice){
		.name = "wait", .certainty = AT_MOST,
		.pages = standing->band[BAND_CHANGING] + standing->band[BAND_UNSCANNED],
		.what = "wait: scan more passes",
		.price = "time",
		.how = "A page is looked at when it did not change between two visits. Guests that "
		"are idle at times have less that changes; what never rests is not worth merging.",
	});
	add(list, nr, &(struct advice){
		.name = "unpin", .certainty = AT_MOST, .pages = class[PSHARE_INELIGIBLE_PINNED],
		.what = "unpin: no VFIO, no vDPA",
		.price = "devices passed through",
		.how = "A device that is passed through may write to any page of its guest, so the "
		"kernel pins them all, and nothing of it can be shared.",
	});
	add(list, nr, &(struct advice){
		.name = "hugetlb", .certainty = AT_MOST, .pages = class[PSHARE_INELIGIBLE_HUGETLB],
		.what = "THP in place of hugetlbfs",
		.price = "no guarantee of huge pages",
		.how = "Memory of hugetlbfs cannot be shared. With transparent huge pages "
		"(-m without -mem-path) the policy decides page by page.",
	});
	add(list, nr, &(struct advice){
		.name = "private", .certainty = AT_MOST, .pages = class[PSHARE_INELIGIBLE_SHARED],
		.what = "private memory, no share=on",
		.price = "vhost-user and virtiofs",
		.how = "Memory of a memfd or with share=on belongs to several processes, and "
		"cannot be merged. vhost-user devices and virtiofs need it.",
	});
	add(list, nr, &(struct advice){
		.name = "unlock", .certainty = AT_MOST, .pages = class[PSHARE_INELIGIBLE_OTHER],
		.what = "no mlock, no ksmd, no userfaultfd",
		.price = "what each is there for",
		.how = "Locked memory, pages that ksmd has merged, device memory and memory under "
		"userfaultfd are left alone.",
	});
}

static void add_free(const struct standing *standing, struct advice *list, size_t *nr)
{
	add(list, nr, &(struct advice){
		.name = "swap", .certainty = FREE, .pages = standing->sum.classes[PSHARE_SWAPPED],
		.what = "leave in swap what is there",
		.price = "time, when needed again",
		.how = "Pages in swap are not read in to be merged. They take no memory now.",
	});
	add(list, nr, &(struct advice){
		.name = "overcommit", .certainty = FREE, .pages = standing->room,
		.what = "overcommit: host more guests",
		.price = "swap, if all want theirs",
		.how = "Memory that the guests were promised and have not touched, or have given "
		"back. It is free now; nothing has to be shared for it. Known for regions with a "
		"range only.",
	});
}

/* Whether to tell it where there is little room. */
bool advice_matters(const struct advice *advice, const struct standing *total)
{
	return advice->certainty == PREDICTED || advice->certainty == UNKNOWN ||
	       share_of(advice->pages, total->memory) >= WORTH_A_LINE;
}

static int compare(const void *a, const void *b)
{
	const struct advice *x = a, *y = b;

	if (x->certainty != y->certainty)
		return x->certainty < y->certainty ? -1 : 1;
	if (x->pages != y->pages)
		return x->pages < y->pages ? 1 : -1;
	return 0;
}

/**
 * advice_make - everything that there is to be said
 * @account: the ledgers
 * @list: MAX_ADVICE entries; what is predicted comes first, and what saves more
 *
 * Techniques that would save nothing are left out.  They overlap, so their
 * figures do not add up.
 *
 * Return: how many.
 */
size_t advice_make(const struct account *account, struct advice *list)
{
	const struct standing *standing = &account->total;
	size_t nr = 0;

	if (!account->nr_ledgers)
		return 0;
	add_merging(account, list, &nr);
	add_balloon(standing, list, &nr);
	add_splitting(account, list, &nr);
	add_grouping(account, list, &nr);
	add_aslr(standing, list, &nr);
	add_unseen(standing, list, &nr);
	add_free(standing, list, &nr);
	qsort(list, nr, sizeof(*list), compare);
	return nr;
}
