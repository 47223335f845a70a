// SPDX-License-Identifier: GPL-2.0
/*
 * The pace on a machine that is played: a clock, a thread, and regions that it walks.
 * What the thread has used, and when passes began, is counted here.
 */
#include <string.h>

#include <linux/kernel.h>

#include "kselftest.h"
#include "pace.h"
#include "unit.h"

#define USEC		1000ULL
#define MSEC		(1000 * USEC)
#define SEC		(1000 * MSEC)
#define TICK		(4 * MSEC)

#define NR_REGIONS	4
#define NR_PASSES	64

/* The pages of a region, how many of 1024 a pass sees of them, and where it is. */
struct machine {
	struct pshare_pace pace;
	struct pshare_pace_rules rules;
	u64 pages[NR_REGIONS];
	u64 seen_of_1024;
	u64 ns_per_page;	/* CPU time */
	u64 ns_per_pass;	/* the same, for conclusions */
	unsigned int stolen;	/* percent of the time when it would run that it does not */
	bool in_pass;
	unsigned int region;
	u64 seen;
	u64 clock, cpu;
	u64 longest_run, longest_sleep, longest_slice, run, wakes;
	u64 began[NR_PASSES];
	unsigned int passes;
};

static struct machine m;

static void setup(unsigned int percent, unsigned int seconds)
{
	memset(&m, 0, sizeof(m));
	m.rules.percent = percent;
	m.rules.threads = 1;
	m.rules.seconds = seconds;
	m.seen_of_1024 = 1024;
	m.ns_per_page = 500;
	/* Both clocks have run before; one of them wraps in between. */
	m.clock = unit_random() >> 2;
	m.cpu = 0 - 3 * MSEC;
}

static struct pshare_pace_work work_of_machine(void)
{
	struct pshare_pace_work work = { .between = !m.in_pass, .seen = m.seen };
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++) {
		work.total += m.pages[i];
		if (!m.in_pass || i > m.region)
			work.later += m.pages[i];
		else if (i == m.region)
			work.here += m.pages[i];
	}
	return work;
}

static void run_for(u64 cpu)
{
	u64 time = cpu * 100 / (100 - m.stolen);

	/* Those that help run all along. */
	m.cpu += cpu * m.rules.threads;
	m.clock += time;
	m.run += cpu;
	m.longest_run = max(m.longest_run, m.run);
}

static void sleep_for(u64 time)
{
	/* A timer of ticks, or a fine one that may be late. */
	if (time >= 2 * TICK)
		time += unit_below(2 * TICK) - TICK;
	else
		time += unit_below(time / 2 + 1);
	m.clock += time;
	m.longest_sleep = max(m.longest_sleep, time);
	m.run = 0;
	m.wakes++;
}

static void begin_pass(void)
{
	m.in_pass = true;
	m.region = 0;
	m.seen = 0;
	if (m.passes < NR_PASSES)
		m.began[m.passes] = m.clock;
	m.passes++;
	pshare_pace_begin(&m.pace);
}

/* Look at a batch, or come to the end of a region or of the pass; pages seen. */
static u64 scan_some(void)
{
	u64 all, pages;

	if (!m.in_pass) {
		begin_pass();
		return 0;
	}
	if (m.region == NR_REGIONS) {
		run_for(m.ns_per_pass);
		m.in_pass = false;
		pshare_pace_end(&m.pace, work_of_machine().total, work_of_machine().total *
				m.seen_of_1024 / 1024);
		return 0;
	}
	all = m.pages[m.region] * m.seen_of_1024 / 1024;
	pages = min(all - min(all, m.seen), (u64)64);
	run_for(pages * m.ns_per_page + 200);
	m.seen += pages;
	if (m.seen >= all) {
		m.region++;
		m.seen = 0;
	}
	return pages;
}

/* Do what is planned, once. */
static void step(void)
{
	struct pshare_pace_work work = work_of_machine();
	struct pshare_pace_plan plan = pshare_pace_next(&m.pace, &m.rules, &work, m.clock, m.cpu);
	u64 begin = m.clock, seen = 0;
	bool was_in_pass;

	unit_step++;
	run_for(2 * USEC);
	if (plan.sleep) {
		CHECK(plan.sleep <= SEC);
		sleep_for(plan.sleep);
		return;
	}
	CHECK(plan.time >= MSEC && plan.time <= 5 * MSEC && plan.pages);
	m.longest_slice = max(m.longest_slice, plan.time);
	do {
		was_in_pass = m.in_pass;
		seen += scan_some();
	} while (m.clock - begin < plan.time && seen < plan.pages && (m.in_pass || !was_in_pass));
	pshare_pace_scanned(&m.pace, seen);
}

static void play(u64 time)
{
	u64 begin = m.clock;

	m.longest_run = 0;
	m.longest_sleep = 0;
	m.run = 0;
	m.wakes = 0;
	while (m.clock - begin < time)
		step();
}

/* CPU time used in a while, in 1/10000 of one CPU. */
static unsigned int use(u64 time)
{
	u64 clock = m.clock, cpu = m.cpu;

	play(time);
	return (m.cpu - cpu) * 10000 / (m.clock - clock);
}

static bool about(u64 value, u64 wanted, unsigned int percent)
{
	return value * 100 >= wanted * (100 - percent) && value * 100 <= wanted * (100 + percent);
}

/* It comes to what is allowed, whatever a page costs, and whoever takes the CPU away. */
static void limits(void)
{
	static const unsigned int percents[] = { 1, 2, 5, 10, 25, 33, 50, 75, 90, 95 };
	static const u64 costs[] = { 20, 500, 20000 };
	unsigned int i, k, stolen;

	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		for (k = 0; k < ARRAY_SIZE(costs); k++) {
			for (stolen = 0; stolen <= (percents[i] <= 33 ? 60 : 0); stolen += 60) {
				setup(percents[i], 0);
				m.pages[1] = 1 << 28;
				m.ns_per_page = costs[k];
				m.stolen = stolen;
				CHECK(about(use(20 * SEC), percents[i] * 100, 3));
				/* A slice may be followed by another when a sleep was long. */
				CHECK(m.longest_run < 12 * MSEC || percents[i] > 50);
			}
		}
	}
}

/* From the first seconds on, and in each of them. */
static void limits_soon(void)
{
	unsigned int i;

	setup(20, 0);
	m.pages[0] = 1 << 28;
	for (i = 0; i < 60; i++)
		CHECK(about(use(SEC), 2000, 15));
	m.rules.percent = 60;
	for (i = 0; i < 60; i++)
		CHECK(about(use(SEC), 6000, 15));
	m.rules.percent = 2;
	play(SEC);
	for (i = 0; i < 60; i++)
		CHECK(about(use(5 * SEC), 200, 15));
}

static void smooth(void)
{
	setup(10, 0);
	m.pages[0] = 1 << 28;
	play(SEC);
	CHECK(m.longest_run < 5 * MSEC && m.longest_sleep < 30 * MSEC);
	CHECK(m.wakes < 110);
	setup(1, 0);
	m.pages[0] = 1 << 28;
	play(10 * SEC);
	CHECK(m.longest_run < 3 * MSEC && m.longest_sleep < 150 * MSEC);
	setup(50, 0);
	m.pages[0] = 1 << 28;
	play(SEC);
	CHECK(m.longest_run < 12 * MSEC && m.longest_sleep < 20 * MSEC);
}

/* No limit: it never sleeps, but once in a pass. */
static void no_limit(void)
{
	static const unsigned int percents[] = { 100, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		setup(percents[i], 0);
		m.pages[0] = 1 << 28;
		CHECK(use(10 * SEC) > 9990);
		CHECK(!m.wakes && m.longest_slice == 5 * MSEC);
		/* Whatever the clocks say. */
		m.cpu += SEC;
		CHECK(use(SEC) > 9990);
		m.pages[0] = 100;
		play(40 * SEC);
		m.passes = 0;
		play(SEC);
		CHECK(m.passes >= 30 && m.passes <= 52);
	}
}

/* What was not used is not saved up; what was used too much is paid for some seconds. */
static void no_savings(void)
{
	u64 cpu, clock;

	setup(10, 0);
	m.pages[0] = 1 << 28;
	play(SEC);
	m.clock += 3600 * SEC;
	cpu = m.cpu;
	play(100 * MSEC);
	CHECK(m.cpu - cpu < 16 * MSEC);

	/* Something that takes a second of CPU time. */
	m.clock += SEC;
	m.cpu += SEC;
	clock = m.clock;
	cpu = m.cpu;
	play(8 * SEC);
	CHECK(m.cpu - cpu < 2 * MSEC);
	play(4 * SEC);
	CHECK(m.cpu - cpu > 50 * MSEC);
	/* It would be hours. */
	m.clock += SEC;
	m.cpu += 3600 * SEC;
	clock = m.clock;
	cpu = m.cpu;
	while (m.cpu - cpu < 10 * MSEC)
		play(100 * MSEC);
	CHECK(m.clock - clock > 9 * SEC && m.clock - clock < 11 * SEC);

	/* Nor does it matter any more when there was no limit meanwhile. */
	m.cpu += 3600 * SEC;
	step();
	m.rules.percent = 0;
	play(SEC);
	m.rules.percent = 10;
	cpu = m.cpu;
	play(SEC);
	CHECK(m.cpu - cpu > 90 * MSEC);

	/* The same goes for pages. */
	setup(0, 100);
	m.pages[0] = 1000000;
	play(10 * SEC);
	pshare_pace_scanned(&m.pace, 500000);
	cpu = m.cpu;
	play(4 * SEC);
	CHECK(m.cpu - cpu > 10 * MSEC);
}

/* What could not wait takes nothing from what is allowed, nor gives anything. */
static void excused(void)
{
	const u64 other = SEC / 2;
	unsigned int i;
	u64 cpu;

	setup(2, 0);
	m.pages[0] = 1 << 28;
	play(SEC);
	cpu = m.cpu;
	for (i = 0; i < 40; i++) {
		play(SEC);
		m.cpu += other;
		m.clock += other;
		pshare_pace_excuse(&m.pace, other);
	}
	/* While that was done nothing could be scanned, and that is not made up for. */
	CHECK(about(m.cpu - cpu - 40 * other, 40 * SEC / 50, 10));
}

static void three_regions(u64 pages)
{
	m.pages[0] = pages / 8;
	m.pages[1] = pages / 2;
	m.pages[3] = pages - m.pages[0] - m.pages[1];
}

/* Each pass takes as long as it shall, the first one too. */
static void targets(void)
{
	static const unsigned int seconds[] = { 1, 2, 10, 60, 3600 };
	static const u64 pages[] = { 1, 1000, 100000, 1500000 };
	unsigned int i, k, pass;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		for (k = 0; k < ARRAY_SIZE(pages); k++) {
			setup(0, seconds[i]);
			three_regions(pages[k]);
			play(seconds[i] * 7 * SEC / 2);
			CHECK(m.passes == 4);
			for (pass = 0; pass < 3; pass++)
				CHECK(about(m.began[pass + 1] - m.began[pass], seconds[i] * SEC,
					    seconds[i] == 1 ? 6 : 2));
		}
	}
}

/* And takes no more CPU than that, evenly. */
static void targets_are_even(void)
{
	unsigned int i;

	setup(0, 20);
	three_regions(4000000);
	for (i = 0; i < 80; i++)
		CHECK(about(use(500 * MSEC), 1000, 20));
	CHECK(m.longest_run < 8 * MSEC);
	/* Also when passes end too early, and the next has to wait. */
	setup(0, 2);
	three_regions(320000);
	m.seen_of_1024 = 900;
	play(20 * SEC);
	m.pace.cost = 3 * PSHARE_PACE_COST;
	for (i = 0; i < 20; i++)
		CHECK(use(100 * MSEC) < 4000);
	/* 1.6 s of CPU time in 2 s. */
	setup(0, 2);
	three_regions(3200000);
	CHECK(about(use(20 * SEC), 8000, 5));
	CHECK(m.passes == 10 || m.passes == 11);
}

/* Sleeps grow when there is little to do. */
static void targets_of_little(void)
{
	setup(0, 3600);
	three_regions(2000);
	play(600 * SEC);
	CHECK(m.wakes < 600 * 3);
	CHECK(m.passes == 1);
}

/* Passes look at a part of the memory only, or come by more than was expected. */
static void targets_learn(void)
{
	static const unsigned int parts[] = { 1, 60, 300, 1500, 3000 };
	unsigned int i, pass;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		setup(0, 20);
		m.seen_of_1024 = parts[i];
		m.ns_per_pass = 100 * MSEC;
		three_regions(1000000);
		play(250 * SEC);
		/* Twice the memory may take twice the time, once. */
		if (parts[i] < 1024)
			CHECK(about(m.began[1] - m.began[0], 20 * SEC, 2));
		CHECK(m.began[1] - m.began[0] < 50 * SEC);
		for (pass = 3; pass < 10; pass++)
			CHECK(about(m.began[pass + 1] - m.began[pass], 20 * SEC, 4));
	}
	/* Exceptions teach little. */
	setup(0, 20);
	pshare_pace_end(&m.pace, 0, 1000000);
	CHECK(m.pace.cost == 4 * PSHARE_PACE_COST);
	setup(0, 20);
	pshare_pace_end(&m.pace, 1000000, 0);
	CHECK(m.pace.cost == PSHARE_PACE_COST / 256);
}

/* Evenly, too, when it has learnt: not all at once, with a wait for the rest. */
static void targets_learn_evenly(void)
{
	unsigned int used, i;

	setup(0, 20);
	m.seen_of_1024 = 100;
	three_regions(10000000);
	play(200 * SEC);
	for (i = 0; i < 200; i++) {
		used = use(SEC);
		CHECK(used > 150 && used < 350);
	}
	/* Nor when there is more than was expected. */
	setup(0, 20);
	m.seen_of_1024 = 3000;
	three_regions(1000000);
	do {
		CHECK(use(SEC) < 3000);
	} while (m.passes == 1);
}

/* Memory that comes, or goes, while a pass is under way. */
static void targets_with_changes(void)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		setup(0, 10);
		three_regions(1000000);
		play(24 * SEC + (i & 1) * SEC);
		CHECK(m.passes == 3);
		switch (i / 2) {
		case 0:
			/* The first two are gone, and were seen. */
			m.pages[0] = 0;
			m.pages[1] = 0;
			break;
		case 1:
			/* The rest is gone. */
			m.pages[3] = 0;
			break;
		case 2:
			m.pages[2] = 3000000;
			break;
		}
		play(40 * SEC);
		CHECK(about(m.began[3] - m.began[2], 10 * SEC, 8));
		CHECK(about(m.began[4] - m.began[3], 10 * SEC, 5));
		CHECK(about(m.began[6] - m.began[5], 10 * SEC, 3));
	}
}

/* The limit is stronger than the target, and costs no more time than it must. */
static void both(void)
{
	u64 needed;

	setup(10, 10);
	three_regions(1000000);
	CHECK(about(use(40 * SEC), 500, 5));
	CHECK(m.passes == 4 || m.passes == 5);
	setup(10, 2);
	three_regions(1000000);
	CHECK(about(use(40 * SEC), 1000, 5));
	needed = 10 * 1000000 * m.ns_per_page;
	CHECK(about(m.began[4] - m.began[3], needed, 10));
	/* As if nothing had been. */
	m.rules.percent = 0;
	play(4 * SEC);
	m.passes = 0;
	play(20 * SEC);
	CHECK(m.passes == 10 || m.passes == 11);
	CHECK(about(m.began[4] - m.began[3], 2 * SEC, 3));
}

/* A CPU that is not to be had makes a pass late, not the next one. */
static void late(void)
{
	setup(0, 10);
	three_regions(1000000);
	play(15 * SEC);
	m.clock += 3 * SEC;
	CHECK(use(200 * MSEC) < 7000);
	play(40 * SEC);
	CHECK(about(m.began[2] - m.began[1], 10 * SEC, 5));
	CHECK(about(m.began[3] - m.began[2], 10 * SEC, 3));
}

static void stop_and_go(void)
{
	struct pshare_pace_work work;
	struct pshare_pace_plan plan;

	/* A pass that has ended waits for the time of the next... */
	setup(0, 100);
	three_regions(1000);
	play(SEC);
	three_regions(0);
	play(50 * SEC);
	CHECK(m.passes == 1 && !m.in_pass);
	/* ... but not if it was stopped meanwhile. */
	pshare_pace_stop(&m.pace);
	m.clock += 3600 * SEC;
	three_regions(1000);
	work = work_of_machine();
	plan = pshare_pace_next(&m.pace, &m.rules, &work, m.clock, m.cpu);
	CHECK(!plan.sleep && plan.pages == 1);
	/* Neither is what it was due, nor what it owed. */
	setup(10, 0);
	m.pages[0] = 1 << 28;
	play(SEC);
	m.cpu += 100 * SEC;
	step();
	pshare_pace_stop(&m.pace);
	m.clock += 3600 * SEC;
	m.cpu += 3600 * SEC;
	CHECK(about(use(SEC), 1000, 10));
	/* What was learnt is kept. */
	setup(0, 10);
	m.seen_of_1024 = 100;
	three_regions(1000000);
	play(60 * SEC);
	CHECK(about(m.pace.cost, 100, 5));
	pshare_pace_stop(&m.pace);
	CHECK(about(m.pace.cost, 100, 5));
}

static u64 any_number(void)
{
	return unit_random() >> unit_below(64) >> unit_below(2);
}

/* A limit is one for all of them together: also that of one CPU. */
static void several(void)
{
	static const unsigned int percents[] = { 10, 50, 95, 100 };
	unsigned int i, threads;

	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		for (threads = 2; threads <= 16; threads *= 2) {
			setup(percents[i], 0);
			m.rules.threads = threads;
			m.pages[1] = 1 << 28;
			CHECK(about(use(20 * SEC), percents[i] * 100, 5));
		}
	}
}

/* Nothing that goes in makes it busy, stops it, or is undefined. */
static void anything(void)
{
	unsigned long i;

	setup(0, 0);
	for (i = 0; i < unit_ops() / 4; i++) {
		struct pshare_pace_plan plan;
		struct pshare_pace_work work = {
			.total = any_number(), .later = any_number(), .here = any_number(),
			.seen = any_number(), .between = unit_below(2),
		};

		unit_step = i;
		m.rules.percent = unit_below(3) ? unit_below(101) : (unsigned int)any_number();
		m.rules.threads = 1 + unit_below(16);
		m.rules.seconds = any_number();
		m.clock += any_number();
		m.cpu += any_number();
		switch (unit_below(8)) {
		case 0:
			pshare_pace_stop(&m.pace);
			break;
		case 1:
			pshare_pace_begin(&m.pace);
			break;
		case 2:
			pshare_pace_end(&m.pace, any_number(), any_number());
			break;
		}
		plan = pshare_pace_next(&m.pace, &m.rules, &work, m.clock, m.cpu);
		CHECK(plan.sleep <= SEC);
		CHECK(plan.sleep ? !plan.time && !plan.pages : plan.time >= MSEC && plan.pages);
		pshare_pace_scanned(&m.pace, any_number());
	}
}

static const struct unit_test tests[] = {
	{ "uses the CPU time that it may use", limits },
	{ "does so from the beginning, and when the limit changes", limits_soon },
	{ "a limit is for all threads together", several },
	{ "slices are short, and so are sleeps", smooth },
	{ "without a limit it sleeps once in a pass", no_limit },
	{ "neither saves up nor owes for long", no_savings },
	{ "what could not wait counts for nothing", excused },
	{ "a pass takes as long as it shall", targets },
	{ "and uses the CPU evenly", targets_are_even },
	{ "and wakes up seldom when there is little to do", targets_of_little },
	{ "learns how much of the memory a pass looks at", targets_learn },
	{ "and works evenly then", targets_learn_evenly },
	{ "takes memory into account that comes and goes", targets_with_changes },
	{ "the limit is stronger than the target", both },
	{ "being late once is made good", late },
	{ "can be stopped, and goes on afresh", stop_and_go },
	{ "takes any numbers", anything },
};

int main(void)
{
	return unit_main("pace", tests, ARRAY_SIZE(tests));
}
