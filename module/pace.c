// SPDX-License-Identifier: GPL-2.0
/*
 * Pacing: when to scan, for how long, and when to sleep.  Arithmetic only: the
 * clocks are the caller's.
 */
#include <linux/kernel.h>
#include <linux/types.h>

#include "pace.h"

/**
 * DOC: pacing
 *
 * Two accounts are kept, and the thread scans while neither is overdrawn.
 *
 * The account of CPU time earns so many percent of the time that goes by, and pays
 * what the threads have run, whatever for.  Time for which they were ready and did not run
 * costs nothing.
 *
 * The account of pages earns what is left of the pass, spread over what is left of its
 * time.  This corrects itself: memory that comes or goes, or a CPU that was not to be
 * had, changes the pages for each second that is left.  How many pages have memory
 * behind them is known of each region, but not how many of them a pass will look at, nor
 * what it takes to draw its conclusions: so passes before tell what to expect.
 *
 * Neither account saves up much: who was kept from scanning does not make up for it in
 * a burst.
 */

#define MSEC	((u64)1000000)
#define SEC	(1000 * MSEC)

/* A look that comes later than this has slept, or was not let run: not for us to make up. */
#define LONGEST_GAP	(4 * SEC)

/* Who plans is asked again after this at the latest. */
#define LONGEST_SLEEP	(1 * SEC)

/* Slices of CPU time come every 20 ms, if they are not too short or long then. */
#define PERIOD		(20 * MSEC)
#define SHORTEST_SLICE	(1 * MSEC)
#define LONGEST_SLICE	(5 * MSEC)

/* CPU time that is not worth a sleep when it is overdrawn. */
#define SMALL_CHANGE	(MSEC / 20)

/* An overdraft is paid back within so long; what is more is forgiven. */
#define LONGEST_DEBT	(10 * SEC)

/* Pages that are worth waking up for, and how long to wait for them. */
#define WORTH		512
#define SHORTEST_WAIT	(2 * MSEC)
#define LONGEST_WAIT	(500 * MSEC)

/* Passes over little memory come no faster than this. */
#define SHORTEST_PASS	(20 * MSEC)

/* Pages for each ms, at most, in parts of PSHARE_PACE_PAGE: more is as good as no limit. */
#define FASTEST		((s64)1 << 40)

/* 1 PiB. */
#define MOST_PAGES	((u64)1 << 38)

/**
 * pshare_pace_stop() - nobody scans at this pace now
 * @pace: the account; what was learnt is kept
 *
 * Context: any.
 */
void pshare_pace_stop(struct pshare_pace *pace)
{
	pace->going = false;
	pace->begun = false;
	pace->elapsed = 0;
	pace->credit = 0;
	pace->due = 0;
}

/**
 * pshare_pace_begin() - a pass begins
 * @pace: the account
 *
 * Context: any.
 */
void pshare_pace_begin(struct pshare_pace *pace)
{
	pace->begun = true;
	pace->elapsed = 0;
	/* What became due while nothing was to be done is no reason for a burst. */
	pace->due = 0;
}

/**
 * pshare_pace_end() - learn from a complete pass
 * @pace: the account
 * @total: pages of all regions that have memory behind them
 * @seen: pages that the pass has seen
 *
 * Context: any.
 */
void pshare_pace_end(struct pshare_pace *pace, u64 total, u64 seen)
{
	u64 cost;

	total = clamp(total, (u64)1, MOST_PAGES);
	cost = clamp(min(seen, MOST_PAGES) * PSHARE_PACE_COST / total,
		     PSHARE_PACE_COST / 256, PSHARE_PACE_COST * 4);
	pace->cost = pace->cost ? (pace->cost + cost) / 2 : cost;
}

/**
 * pshare_pace_scanned() - pages were seen
 * @pace: the account
 * @pages: how many
 *
 * Context: any.
 */
void pshare_pace_scanned(struct pshare_pace *pace, u64 pages)
{
	pace->due -= min(pages, MOST_PAGES) * PSHARE_PACE_PAGE;
}

/**
 * pshare_pace_excuse() - CPU time was used that counts for no limit
 * @pace: the account
 * @cpu: how much, in ns, since the last plan was made
 *
 * Context: any.
 */
void pshare_pace_excuse(struct pshare_pace *pace, u64 cpu)
{
	pace->cpu += cpu;
}

/* Pages that a pass is going to see where so many have memory. */
static u64 expect(const struct pshare_pace *pace, u64 pages)
{
	pages = min(pages, MOST_PAGES);
	return pace->cost ? pages * pace->cost / PSHARE_PACE_COST : pages;
}

static u64 time_of_pass(const struct pshare_pace_rules *rules)
{
	return rules->seconds ? rules->seconds * SEC : SHORTEST_PASS;
}

/* Pages that become due in a ms, in parts of PSHARE_PACE_PAGE. */
static s64 rate(const struct pshare_pace *pace, const struct pshare_pace_rules *rules,
		const struct pshare_pace_work *work)
{
	u64 time = time_of_pass(rules), here = expect(pace, work->here), left, least;

	left = expect(pace, work->later) + here - min(here, work->seen);
	/* There may be more than is expected; and empty memory takes a look, too. */
	least = max(expect(pace, work->total) / 16, (u64)WORTH);
	left = min(max(left, least), MOST_PAGES);
	/* Nor is there to be a burst at the end. */
	time = max(time - min(pace->elapsed, time), time / 16);
	return clamp((s64)(left * PSHARE_PACE_PAGE / (time / MSEC)), (s64)1, FASTEST);
}

static bool is_limited(const struct pshare_pace_rules *rules)
{
	return rules->percent && rules->percent < 100 * rules->threads;
}

/* How long a slice of CPU time is. */
static u64 slice(const struct pshare_pace_rules *rules)
{
	if (!is_limited(rules))
		return LONGEST_SLICE;
	return clamp(rules->percent * PERIOD / 100, SHORTEST_SLICE, LONGEST_SLICE);
}

/* The CPU time that was used, and what was earned in @gap. */
static void settle_cpu(struct pshare_pace *pace, const struct pshare_pace_rules *rules,
		       u64 gap, u64 used)
{
	s64 debt;

	if (!is_limited(rules)) {
		pace->credit = 0;
		return;
	}
	debt = (s64)(rules->percent * LONGEST_DEBT / 100);
	pace->credit += (s64)(gap * rules->percent / 100);
	pace->credit -= (s64)min(used, LONGEST_DEBT);
	pace->credit = clamp(pace->credit, -debt, (s64)slice(rules));
}

static void settle_pages(struct pshare_pace *pace, const struct pshare_pace_rules *rules,
			 const struct pshare_pace_work *work, u64 gap)
{
	s64 ms = rate(pace, rules, work), most;

	if (!rules->seconds) {
		pace->due = 0;
		return;
	}
	most = max(ms * (s64)(LONGEST_WAIT / MSEC), WORTH * PSHARE_PACE_PAGE);
	pace->due += ms * (s64)(gap / 1000) / 1000;
	pace->due = clamp(pace->due, -most, most);
}

/* Bring the accounts to date. */
static void settle(struct pshare_pace *pace, const struct pshare_pace_rules *rules,
		   const struct pshare_pace_work *work, u64 clock, u64 cpu)
{
	u64 gap;

	if (pace->going) {
		gap = min(clock - pace->clock, LONGEST_GAP);
		pace->elapsed += min(gap, ~pace->elapsed);
		settle_cpu(pace, rules, gap, cpu - pace->cpu);
		settle_pages(pace, rules, work, gap);
	}
	pace->going = true;
	pace->clock = clock;
	pace->cpu = cpu;
}

/* How long to wait until CPU time is there again. */
static u64 wait_for_cpu(const struct pshare_pace *pace, const struct pshare_pace_rules *rules)
{
	if (!is_limited(rules) || pace->credit >= -(s64)SMALL_CHANGE)
		return 0;
	return (u64)-pace->credit * 100 / rules->percent;
}

/* How long to wait until enough pages are due. */
static u64 wait_for_pages(const struct pshare_pace *pace, const struct pshare_pace_rules *rules,
			  const struct pshare_pace_work *work)
{
	u64 ms, time = time_of_pass(rules);

	/* A pass that has ended too early: the next one is not due. */
	if (work->between && pace->begun)
		return time - min(pace->elapsed, time);
	if (!rules->seconds || work->between || pace->due >= PSHARE_PACE_PAGE)
		return 0;
	ms = (u64)(WORTH * PSHARE_PACE_PAGE - pace->due) / (u64)rate(pace, rules, work);
	return clamp(ms * MSEC, SHORTEST_WAIT, LONGEST_WAIT);
}

/**
 * pshare_pace_next() - what to do next
 * @pace: the account
 * @rules: what the administrator wants; one of them at least
 * @work: what there is to do
 * @clock: the time, in ns
 * @cpu: CPU time that all threads have used so far, in ns
 *
 * Context: any.
 * Return: for how long to sleep, or for how long and how many pages to scan.
 */
struct pshare_pace_plan pshare_pace_next(struct pshare_pace *pace,
					 const struct pshare_pace_rules *rules,
					 const struct pshare_pace_work *work, u64 clock, u64 cpu)
{
	struct pshare_pace_plan plan = { 0 };
	u64 sleep;

	settle(pace, rules, work, clock, cpu);
	sleep = max(wait_for_cpu(pace, rules), wait_for_pages(pace, rules, work));
	plan.sleep = min(sleep, LONGEST_SLEEP);
	if (plan.sleep)
		return plan;
	plan.time = slice(rules);
	if (!rules->seconds)
		plan.pages = ~0ULL;
	else
		plan.pages = work->between ? 1 : pace->due / PSHARE_PACE_PAGE;
	return plan;
}
