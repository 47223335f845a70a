// SPDX-License-Identifier: GPL-2.0
/*
 * stress-ng, in rounds: each line of the list is what runs side by side in one
 * round.  What it says about itself is kept: operations done, and failures that
 * its own checks (--verify) found.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "stress.h"

#define MAX_ROUNDS	32
#define MAX_STRESSORS	128
#define MAX_WORDS	96
#define PATIENCE	900	/* seconds that it may take beyond its time to end */
#define OUTPUT		"/tmp/stress-ng.out"
#define METRICS		"/tmp/stress-ng.yaml"

struct stressor {
	char name[32];
	double ops;
	unsigned long failures;
	unsigned int rounds;
};

static char *rounds[MAX_ROUNDS];
static unsigned int nr_rounds;
static struct stressor stressors[MAX_STRESSORS];
static unsigned int nr_stressors, noted, unsuccessful;
static pid_t running;
static double deadline;

unsigned int rounds_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];

	if (!file)
		lib_die("cannot open %s", path);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#\n")] = '\0';
		if (line[strspn(line, " \t")] == '\0')
			continue;
		if (nr_rounds == MAX_ROUNDS)
			lib_die("more rounds than %d", MAX_ROUNDS);
		rounds[nr_rounds++] = strdup(line);
	}
	fclose(file);
	return nr_rounds;
}

static struct stressor *find(const char *name)
{
	for (unsigned int i = 0; i < nr_stressors; i++)
		if (!strcmp(stressors[i].name, name))
			return &stressors[i];
	if (nr_stressors == MAX_STRESSORS)
		lib_die("more stressors than %d", MAX_STRESSORS);
	snprintf(stressors[nr_stressors].name, sizeof(stressors->name), "%s", name);
	return &stressors[nr_stressors++];
}

static void __attribute__((noreturn)) be_stress_ng(const char *options, unsigned int seconds)
{
	char time[16], *word, *rest = strdup(options);
	const char *args[MAX_WORDS] = {
		"stress-ng", "--verify", "--metrics-brief", "--yaml", METRICS, "--timeout", time,
		"--temp-path", "/tmp", "--no-rand-seed",
	};
	unsigned int count = 0;
	int out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	while (args[count])
		count++;
	snprintf(time, sizeof(time), "%us", seconds);
	while ((word = strsep(&rest, " \t")))
		if (*word && count < MAX_WORDS - 1)
			args[count++] = word;
	dup2(out, 1);
	dup2(out, 2);
	/* Its own group of signals: what it sends to all of them must not come here. */
	setsid();
	/*
	 * Not even root may do all: with this capability madvise injects memory errors,
	 * and dies of them, here and wherever its pages are shared.
	 */
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
	execv("/usr/bin/stress-ng", (char **)args);
	_exit(127);
}

void rounds_begin(unsigned int round, unsigned int seconds)
{
	const char *options = rounds[round % nr_rounds];
	int go[2];
	char byte;

	unlink(METRICS);
	if (pipe2(go, O_CLOEXEC))
		lib_die("no pipe: %s", strerror(errno));
	running = fork();
	if (running < 0)
		lib_die("cannot fork: %s", strerror(errno));
	if (!running) {
		/* Not before the follower knows this process, and the group has it. */
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(127);
		be_stress_ng(options, seconds);
	}
	if (cg_enter(CGROUP, running))
		lib_die("cannot put stress-ng into its control group");
	follow_root(running);
	if (write(go[1], "", 1) != 1)
		lib_die("stress-ng did not wait");
	close(go[0]);
	close(go[1]);
	deadline = lib_seconds() + seconds + PATIENCE;
}

/* "... dispatching hogs: 2 vm, 1 mmap": what fails altogether is in no metrics. */
static void take_hogs(const char *list)
{
	unsigned int count;
	char word[32];
	int length;

	while (sscanf(list, " %u %31[^ ,\n]%n", &count, word, &length) == 2) {
		find(word);
		list += length;
		list += *list == ',';
	}
}

/* "stress-ng: fail:  [pid] name: what", where name may begin with stress-ng-. */
static void take_output_line(const char *line)
{
	static const char hogs[] = "dispatching hogs: ";
	const char *name = strstr(line, "] "), *list = strstr(line, hogs);
	char word[32];

	if (list)
		take_hogs(list + strlen(hogs));
	/* A stressor that cannot work here is one that the list should not have. */
	if (strstr(line, "skipping"))
		lib_note("%s", line);
	if (!strstr(line, "fail:") || !name)
		return;
	name += 2;
	if (!strncmp(name, "stress-ng-", 10))
		name += 10;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, ": "), name);
	find(word)->failures++;
	if (noted++ < 20)
		lib_note("%s", line);
}

static void take_output(void)
{
	FILE *file = fopen(OUTPUT, "re");
	char line[1024];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		take_output_line(line);
	}
	fclose(file);
}

/* Of the metrics: "- stressor: NAME", later "bogo-ops: NUMBER". */
static void take_metrics(void)
{
	FILE *file = fopen(METRICS, "re");
	struct stressor *stressor = NULL;
	char line[512], word[32];
	double ops;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " - stressor: %31s", word) == 1) {
			stressor = find(word);
			stressor->rounds++;
		} else if (stressor && sscanf(line, " bogo-ops: %lf", &ops) == 1) {
			stressor->ops += ops;
		}
	}
	fclose(file);
}

static void print_output(void)
{
	FILE *file = fopen(OUTPUT, "re");
	unsigned int lines = 0;
	char line[1024];

	while (file && fgets(line, sizeof(line), file) && lines++ < 40) {
		line[strcspn(line, "\n")] = '\0';
		lib_note("%s", line);
	}
	if (file)
		fclose(file);
}

static void take_end(int status)
{
	/* 3: a stressor found nothing to do; its operations tell. */
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != 3)) {
		lib_note("stress-ng ended with %s %d, and had said:",
			 WIFEXITED(status) ? "status" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		print_output();
		unsuccessful++;
	}
	take_output();
	take_metrics();
	running = 0;
}

bool rounds_running(void)
{
	int status;

	if (!running)
		return false;
	if (waitpid(running, &status, WNOHANG) == running) {
		take_end(status);
		/* A child that nobody waited for must not run into the next round. */
		cg_write(CGROUP, "cgroup.kill", "1");
	} else if (lib_seconds() > deadline) {
		lib_note("stress-ng does not come to its end");
		rounds_end();
		unsuccessful++;
	}
	return running;
}

void rounds_end(void)
{
	int status;

	if (!running)
		return;
	cg_write(CGROUP, "cgroup.kill", "1");
	waitpid(running, &status, 0);
	running = 0;
}

unsigned int rounds_failed(void)
{
	unsigned int failed = unsuccessful;

	for (unsigned int i = 0; i < nr_stressors; i++)
		failed += stressors[i].failures != 0;
	return failed;
}

unsigned int rounds_idle(void)
{
	unsigned int idle = 0;

	for (unsigned int i = 0; i < nr_stressors; i++) {
		if (stressors[i].ops < 1) {
			lib_note("%s did nothing", stressors[i].name);
			idle++;
		}
	}
	return idle;
}

unsigned int rounds_stressors(void)
{
	return nr_stressors;
}

void rounds_print(void)
{
	for (unsigned int i = 0; i < nr_stressors; i++)
		printf("# stressor %s %.0f %lu %u\n", stressors[i].name, stressors[i].ops,
		       stressors[i].failures, stressors[i].rounds);
	printf("# figure rounds_unsuccessful %u\n", unsuccessful);
}
