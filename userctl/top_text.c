// SPDX-License-Identifier: GPL-2.0
/* The lines of 'top', the same for the screen and for a file. */
#include <stdio.h>

#include "output.h"
#include "top.h"

static const char *mib(char *buf, __u64 pages)
{
	return format_bytes(buf, (double)pages * PAGE_BYTES);
}

/**
 * top_head - one of the two lines above the table
 * @round: the state
 * @nr: which, 0 or 1
 * @line: TOP_LINE bytes
 */
void top_head(const struct round *round, size_t nr, char *line)
{
	static const char *const states[] = { "stopped", "merging", "unmerged", "estimating" };
	const struct account *account = &round->account;
	char amount[AMOUNT_SIZE], rate[AMOUNT_SIZE];

	if (nr == 0) {
		snprintf(line, TOP_LINE, "pshare top  %s  %s, %llu passes; %zu VM%s, %s",
			 round->time, round->run >= 0 && round->run <= 3 ? states[round->run] : "?",
			 round->passes, account->nr_vms, account->nr_vms == 1 ? "" : "s",
			 mib(amount, account->total.memory));
		return;
	}
	if (!round->has_rates) {
		snprintf(line, TOP_LINE, "saved %s", mib(amount, round->saved));
		return;
	}
	snprintf(line, TOP_LINE, "saved %s, %s%s/s; visiting %.0f pages/s",
		 mib(amount, round->saved), round->save_rate < 0 ? "" : "+",
		 format_bytes(rate, round->save_rate * PAGE_BYTES), round->scan_rate);
}

static void put_row(char *line, const char *pid, const char *name, const char *group,
		    const struct standing *standing)
{
	char memory[AMOUNT_SIZE], shared[AMOUNT_SIZE], ready[AMOUNT_SIZE], blocked[AMOUNT_SIZE];

	snprintf(line, TOP_LINE, "%7s %-14.14s %-8.8s %11s %11s %11s %11s", pid, name, group,
		 mib(memory, standing->memory), mib(shared, standing->band[BAND_SHARED]),
		 mib(ready, standing->band[BAND_READY]), mib(blocked, standing_blocked(standing)));
}

void top_titles(char *line)
{
	snprintf(line, TOP_LINE, "%7s %-14s %-8s %11s %11s %11s %11s", "PID", "VM", "GROUP",
		 "MEMORY", "SHARED", "READY", "BLOCKED");
}

void top_row(const struct vm *vm, char *line)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)vm->pid);
	put_row(line, pid, vm->name, vm->group, &vm->standing);
}

void top_total(const struct round *round, char *line)
{
	put_row(line, "", "total", "", &round->account.total);
}
