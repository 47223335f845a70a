// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "cli.h"
#include "device.h"
#include "errors.h"

/* The numbers of a ledger lie next to each other, from @classes to @group. */
#define FIRST	offsetof(struct pshare_read_ledger, classes)
#define LAST	offsetof(struct pshare_read_ledger, group)
_Static_assert((LAST - FIRST) % sizeof(__u64) == 0, "only numbers from classes to group");

/* No sum is so large that it begins anew. */
static void add_to(__u64 *sum, __u64 number)
{
	if (__builtin_add_overflow(*sum, number, sum))
		*sum = ~0ULL;
}

static void add_ledger(struct standing *standing, const struct pshare_read_ledger *ledger)
{
	const __u64 *from = (const __u64 *)((const char *)ledger + FIRST);
	__u64 *to = (__u64 *)((char *)&standing->sum + FIRST);
	bool whole = ledger->state & PSHARE_REGION_WHOLE;
	unsigned int class;
	size_t i;

	for (i = 0; i < (LAST - FIRST) / sizeof(__u64); i++)
		add_to(&to[i], from[i]);
	add_to(&standing->sum.pages, ledger->pages);

	for (class = 0; class < PSHARE_NR_CLASSES; class++) {
		if (whole && class == PSHARE_UNSCANNED)
			standing->unseen |= ledger->classes[class] != 0;
		else if (!whole && class == PSHARE_UNPOPULATED)
			add_to(&standing->room, ledger->classes[class]);
		else if (page_classes[class].band != BAND_NONE)
			add_to(&standing->band[page_classes[class].band], ledger->classes[class]);
	}
	for (; class < PSHARE_MAX_CLASSES; class++)
		add_to(&standing->unknown, ledger->classes[class]);
}

static void add_up(struct standing *standing)
{
	enum band band;

	standing->memory = 0;
	for (band = 0; band < NR_BANDS; band++)
		add_to(&standing->memory, standing->band[band]);
}

/* Pages of a class, without those of empty or unseen address space. */
__u64 standing_pages(const struct standing *standing, unsigned int class)
{
	if (class == PSHARE_UNPOPULATED)
		return standing->room;
	if (class == PSHARE_UNSCANNED)
		return standing->band[BAND_UNSCANNED];
	return standing->sum.classes[class];
}

/* What has a twin that something else than the lack of a pass keeps it from. */
__u64 standing_blocked(const struct standing *standing)
{
	__u64 blocked = standing->band[BAND_HUGE];

	add_to(&blocked, standing->band[BAND_GROUP]);
	add_to(&blocked, standing->band[BAND_ASLR]);
	return blocked;
}

/* In percent. */
double share_of(__u64 part, __u64 whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static bool wanted(const struct args *args, const struct pshare_read_ledger *ledger)
{
	size_t i;

	if (args->given & OPT_BIT(OPT_PID))
		return ledger->pid == args->pid;
	if (args->given & OPT_BIT(OPT_GROUP))
		return !(ledger->state & PSHARE_REGION_PRIVATE) &&
		       !strncmp(ledger->group, args->group, sizeof(ledger->group));
	if (!(args->given & OPT_BIT(OPT_ID)))
		return true;
	for (i = 0; i < args->nr_ids; i++)
		if (args->ids[i] == ledger->id)
			return true;
	return false;
}

static int append(struct account *account, const struct pshare_read_ledger *ledger)
{
	size_t nr = account->nr_ledgers;

	/* The room doubles each time the number reaches a power of two. */
	if (!(nr & (nr - 1))) {
		size_t room = nr ? 2 * nr : 1;
		struct pshare_read_ledger *at = reallocarray(account->ledgers, room, sizeof(*at));

		if (!at)
			return ENOMEM;
		account->ledgers = at;
	}
	account->ledgers[account->nr_ledgers++] = *ledger;
	return 0;
}

static int read_ledgers(int fd, const struct args *args, struct account *account)
{
	__u64 id = 0;
	int err;

	do {
		struct pshare_read_ledger ledger = {
			.size = sizeof(ledger), .flags = PSHARE_READ_NEXT, .id = id,
		};

		err = device_call(fd, PSHARE_IOC_LEDGER, &ledger);
		if (err == ENOENT)
			return 0;
		if (err)
			return err;
		account->all++;
		if (wanted(args, &ledger))
			err = append(account, &ledger);
		if (err)
			return err;
		id = ledger.id + 1;
	} while (id);
	return 0;
}

static struct vm *find_vm(struct account *account, const struct pshare_read_ledger *ledger)
{
	struct vm *vm;

	for (vm = account->vms; vm < account->vms + account->nr_vms; vm++)
		if (vm->number == ledger->vm && vm->pid == ledger->pid)
			return vm;
	vm->number = ledger->vm;
	vm->pid = ledger->pid;
	process_comm(vm->pid, vm->comm);
	process_name(vm->pid, vm->name);
	account->nr_vms++;
	return vm;
}

static void add_region(struct account *account, const struct pshare_read_ledger *ledger)
{
	struct vm *vm = find_vm(account, ledger);
	char group[PSHARE_GROUP_SIZE] = "-";

	if (!(ledger->state & PSHARE_REGION_PRIVATE))
		snprintf(group, sizeof(group), "%.*s", PSHARE_GROUP_SIZE - 1, ledger->group);
	if (!vm->regions)
		strcpy(vm->group, group);
	else if (strcmp(vm->group, group) != 0)
		strcpy(vm->group, "(several)");
	vm->regions++;
	add_ledger(&vm->standing, ledger);
	add_ledger(&account->total, ledger);
}

static int compare_vms(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;

	if (x->standing.memory != y->standing.memory)
		return x->standing.memory < y->standing.memory ? 1 : -1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int sum_up(struct account *account)
{
	size_t i;

	/* At most as many as regions, and never none at all. */
	account->vms = calloc(account->nr_ledgers + 1, sizeof(*account->vms));
	if (!account->vms)
		return ENOMEM;
	for (i = 0; i < account->nr_ledgers; i++)
		add_region(account, &account->ledgers[i]);
	for (i = 0; i < account->nr_vms; i++)
		add_up(&account->vms[i].standing);
	add_up(&account->total);
	qsort(account->vms, account->nr_vms, sizeof(*account->vms), compare_vms);
	return 0;
}

/* Reports what was asked for and does not exist. */
static int check_wanted(const struct args *args, const struct account *account)
{
	int rc = RC_OK;
	size_t i, j;

	for (i = 0; i < args->nr_ids; i++) {
		for (j = 0; j < account->nr_ledgers && account->ledgers[j].id != args->ids[i]; j++)
			;
		if (j == account->nr_ledgers)
			rc = fail(OP_READ, ENOENT, "region %llu", args->ids[i]);
	}
	if (account->nr_ledgers)
		return rc;
	if (args->given & OPT_BIT(OPT_PID))
		rc = fail(OP_FIND, ENOENT, "process %d", (int)args->pid);
	else if (args->given & OPT_BIT(OPT_GROUP))
		rc = fail(OP_FIND, ENOENT, "group %s", args->group);
	return rc;
}

/**
 * account_read - read the ledgers that a command line asks for
 * @fd: /dev/pshare
 * @args: the command line: ID..., --pid, --group, or all
 * @account: filled in; account_free() when done, also after a failure
 *
 * Return: an exit code, after a report.
 */
int account_read(int fd, const struct args *args, struct account *account)
{
	int err;

	*account = (struct account){ 0 };
	err = read_ledgers(fd, args, account);
	if (err)
		return fail(OP_READ, err, NULL);
	err = sum_up(account);
	if (err)
		return fail(OP_READ, err, NULL);
	return check_wanted(args, account);
}

/* account_read() with a device that is open for as long as it takes. */
int account_open(const struct args *args, struct account *account)
{
	int fd, rc;

	*account = (struct account){ 0 };
	rc = device_open(&fd);
	if (rc)
		return rc;
	rc = account_read(fd, args, account);
	close(fd);
	return rc;
}

void account_free(struct account *account)
{
	free(account->ledgers);
	free(account->vms);
	*account = (struct account){ 0 };
}
