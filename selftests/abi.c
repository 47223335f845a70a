// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pshare: structs, pointers and numbers that are not right.  Each is refused
 * with the errno that the UAPI header promises, and nothing has changed.
 */
#include <sys/ioctl.h>
#include <termios.h>

#include "abi.h"

TEST_F(abi, version) {
	make_valid(self, 0);
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_VERSION));
	EXPECT_EQ(PSHARE_ABI_VERSION, self->arg.version.abi);
	EXPECT_EQ(0, self->arg.version.flags);
	EXPECT_EQ(0, self->arg.version.reserved);
	EXPECT_EQ(sizeof(struct pshare_version), self->arg.version.size);
}

/* What all the others are measured against: each call without a fault succeeds. */
TEST_F(abi, valid_calls) {
	static const unsigned int order[] = { 0, 1, 3, 4, 5, 6, 2 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		make_valid(self, order[i]);
		EXPECT_EQ(ACCEPTED, accepted(self, calls[order[i]].cmd))
			TH_LOG("%s", calls[order[i]].name);
	}
}

TEST_F(abi, struct_too_short) {
	unsigned int i, size;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size = 0; size < calls[i].min; size++) {
			make_valid(self, i)->size = size;
			ASSERT_EQ(EINVAL, refused(self, calls[i].cmd))
				TH_LOG("%s, size %u", calls[i].name, size);
		}
	}
}

TEST_F(abi, struct_longer_with_zero_tail) {
	static const unsigned int order[] = { 0, 1, 3, 4, 5, 6, 2 };
	static const unsigned int more[] = { 1, 4, 8, 100 };
	unsigned int i, k, n;
	__u64 id = 0;

	for (k = 0; k < ARRAY_SIZE(more) + 1; k++) {
		for (i = 0; i < ARRAY_SIZE(order); i++) {
			n = order[i];
			make_valid(self, n);
			self->arg.size = k < ARRAY_SIZE(more) ? calls[n].size + more[k] : PAGE;
			ASSERT_EQ(ACCEPTED, accepted(self, calls[n].cmd))
				TH_LOG("%s, size %u", calls[n].name, self->arg.size);
			if (calls[n].cmd == PSHARE_IOC_ADD)
				id = self->arg.add.id;
			EXPECT_TRUE(calls[n].cmd != PSHARE_IOC_READ ||
				    self->arg.read.pid == self->victim);
			EXPECT_TRUE(calls[n].cmd != PSHARE_IOC_LEDGER ||
				    self->arg.ledger.pid == self->victim);
		}
		/* The region of the fixture went; the new one takes its place. */
		self->id = id;
		ASSERT_EQ(ACCEPTED, remove_id(self, id));
		ASSERT_EQ(ACCEPTED, add_range(self, self->end, self->end + RANGE, true));
		self->id = self->arg.add.id;
	}
}

TEST_F(abi, struct_longer_with_something_in_it) {
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		make_valid(self, i)->size = calls[i].size + 8;
		self->arg.bytes[calls[i].size] = 1;
		EXPECT_EQ(E2BIG, refused(self, calls[i].cmd)) TH_LOG("%s", calls[i].name);

		make_valid(self, i)->size = calls[i].size + 1;
		self->arg.bytes[calls[i].size] = 0x80;
		EXPECT_EQ(E2BIG, refused(self, calls[i].cmd)) TH_LOG("%s", calls[i].name);

		make_valid(self, i)->size = PAGE;
		self->arg.bytes[PAGE - 1] = 1;
		EXPECT_EQ(E2BIG, refused(self, calls[i].cmd)) TH_LOG("%s", calls[i].name);
	}
}

TEST_F(abi, struct_longer_than_a_page) {
	static const __u32 sizes[] = { PAGE + 1, 2 * PAGE, 0x7fffffff, 0x80000000, 0xffffffff };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (k = 0; k < ARRAY_SIZE(sizes); k++) {
			make_valid(self, i)->size = sizes[k];
			EXPECT_EQ(E2BIG, refused(self, calls[i].cmd))
				TH_LOG("%s, size %u", calls[i].name, sizes[k]);
		}
	}
}

TEST_F(abi, unknown_flags) {
	unsigned int i, bit;
	__u32 known;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].cmd == PSHARE_IOC_ADD)
			known = PSHARE_ADD_RANGE | PSHARE_ADD_GROUP | PSHARE_ADD_HUGE_POLICY;
		else if (calls[i].cmd == PSHARE_IOC_READ || calls[i].cmd == PSHARE_IOC_LEDGER)
			known = PSHARE_READ_NEXT;
		else
			known = 0;
		for (bit = 0; bit < 32; bit++) {
			if (known & 1U << bit)
				continue;
			make_valid(self, i)->version.flags |= 1U << bit;
			EXPECT_EQ(EINVAL, refused(self, calls[i].cmd))
				TH_LOG("%s, bit %u", calls[i].name, bit);
		}
	}
}

TEST_F(abi, reserved_members) {
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		make_valid(self, 0)->version.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_VERSION)) TH_LOG("bit %u", bit);
		make_add(self)->reserved = 1U << bit;
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD)) TH_LOG("bit %u", bit);
		make_add(self)->reserved2 = 1U << bit;
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD)) TH_LOG("bit %u", bit);
		make_valid(self, 5)->scan.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_SCAN)) TH_LOG("bit %u", bit);
	}
}

/* What the module fills in may hold anything before: structs are used again. */
TEST_F(abi, answers_are_not_read) {
	struct pshare_read_ledger *ledger = &self->arg.ledger;
	struct pshare_read *read = &self->arg.read;
	unsigned int i, sum = 0;

	make_valid(self, 0)->version.abi = ~0U;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_VERSION));
	EXPECT_EQ(PSHARE_ABI_VERSION, self->arg.version.abi);

	make_add(self)->id = ~0ULL;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
	EXPECT_NE(~0ULL, self->arg.add.id);

	make_valid(self, 4)->unmerge.pages = ~0ULL;
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_UNMERGE));
	EXPECT_EQ(NR_PAGES, self->arg.unmerge.pages);

	make_valid(self, 3);
	memset(&read->start, 0xff, sizeof(*read) - offsetof(struct pshare_read, start));
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
	EXPECT_EQ(self->end, read->start);
	EXPECT_EQ(0, read->merged + read->zero + read->swapped + read->ineligible);
	EXPECT_EQ(0, read->group[0]);
	EXPECT_EQ(0, read->group[PSHARE_GROUP_SIZE - 1]);

	make_valid(self, 6);
	memset(&ledger->pages, 0xff, sizeof(*ledger) - offsetof(struct pshare_read_ledger, pages));
	EXPECT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_LEDGER));
	EXPECT_EQ(NR_PAGES, ledger->pages);
	for (i = 0; i < PSHARE_GROUP_SIZE; i++)
		EXPECT_EQ(0, ledger->group[i]);
	for (i = 0; i < PSHARE_NR_CLASSES; i++)
		sum += ledger->classes[i];
	EXPECT_EQ(NR_PAGES, sum);
	EXPECT_EQ(0, ledger->blocks_huge + ledger->blocks_equal + ledger->blocks_split +
		  ledger->split_gained + ledger->grouping + ledger->aslr + ledger->zero_other);
}

/* A program of version 1 knows nothing of policies; its struct ends before them. */
TEST_F(abi, shorter_struct_of_version_1) {
	unsigned int size;
	__u64 id;

	for (size = ADD_SIZE_1; size < sizeof(struct pshare_add); size++) {
		make_add(self)->size = size;
		/* What lies behind it is neither read nor written. */
		memset(self->arg.bytes + size, 0xa5, 64);
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD)) TH_LOG("size %u", size);
		EXPECT_EQ(size, self->arg.size);
		EXPECT_EQ(0xa5, self->arg.bytes[size]);
		EXPECT_EQ(0xa5, self->arg.bytes[sizeof(struct pshare_add)]);
		id = self->arg.add.id;
		make_valid(self, 6)->ledger.id = id;
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_LEDGER));
		EXPECT_EQ(PSHARE_HUGE_BENEFIT, self->arg.ledger.huge_policy);
		ASSERT_EQ(ACCEPTED, remove_id(self, id));
	}
	/* A part of a member counts, too: this policy is 1, were it all there. */
	make_add(self)->size = ADD_SIZE_1 + 1;
	self->arg.add.huge_policy = 1;
	EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD));
	/* Who asks for a policy must bring one. */
	for (size = ADD_SIZE_1; size < ADD_SIZE_1 + sizeof(__u32); size++) {
		make_add(self)->size = size;
		self->arg.add.flags |= PSHARE_ADD_HUGE_POLICY;
		EXPECT_EQ(EINVAL, refused(self, PSHARE_IOC_ADD)) TH_LOG("size %u", size);
	}
}

TEST_F(abi, bad_pointers) {
	void *nowhere[] = { NULL, (void *)8, self->hole + PAGE, (void *)0xffff888000001000,
			    (void *)0x800000000000, (void *)-4096L };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (k = 0; k < ARRAY_SIZE(nowhere); k++) {
			EXPECT_EQ(EFAULT, refused_at(self->dev, calls[i].cmd, nowhere[k],
						     self->hole, 0))
				TH_LOG("%s at %p", calls[i].name, nowhere[k]);
		}
		/* The size can be read, the end of the struct cannot. */
		make_valid(self, i);
		for (k = 4; k < calls[i].size; k += 4) {
			unsigned char *at = self->hole + PAGE - k;

			memcpy(at, &self->arg, k);
			EXPECT_EQ(EFAULT, refused_at(self->dev, calls[i].cmd, at, at, k))
				TH_LOG("%s, %u bytes", calls[i].name, k);
		}
	}
}

/* Where the answer cannot be written the call fails, and has done nothing. */
TEST_F(abi, answer_cannot_be_written) {
	static const unsigned int answering[] = { 0, 1, 3, 4, 6 };
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(answering); i++) {
		n = answering[i];
		make_valid(self, n);
		ASSERT_EQ(0, mprotect(self->hole, PAGE, PROT_READ | PROT_WRITE));
		memcpy(self->hole, &self->arg, calls[n].size);
		ASSERT_EQ(0, mprotect(self->hole, PAGE, PROT_READ));
		if (calls[n].cmd == PSHARE_IOC_UNMERGE) {
			/* Its description says nothing of going back. */
			EXPECT_EQ(-1, ioctl(self->dev, calls[n].cmd, self->hole));
			EXPECT_EQ(EFAULT, errno);
			continue;
		}
		EXPECT_EQ(EFAULT, refused_at(self->dev, calls[n].cmd, self->hole, self->hole,
					     calls[n].size))
			TH_LOG("%s", calls[n].name);
	}
}

TEST_F(abi, unknown_ioctl) {
	static const unsigned long cmds[] = {
		0, ~0UL, TCGETS, _IO(PSHARE_IOC_MAGIC, 255), _IO(0xbc, 0), _IO(0xbe, 0),
		_IOWR(PSHARE_IOC_MAGIC, 0, struct pshare_version),
		_IOR(PSHARE_IOC_MAGIC, 3, struct pshare_read),
		_IOW(PSHARE_IOC_MAGIC, 1, struct pshare_add),
		_IOR(PSHARE_IOC_MAGIC, 6, struct pshare_read_ledger),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		make_valid(self, 0);
		EXPECT_EQ(ENOTTY, refused(self, cmds[i])) TH_LOG("%#lx", cmds[i]);
	}
	for (i = ARRAY_SIZE(calls); i < 64; i++) {
		make_valid(self, 0);
		EXPECT_EQ(ENOTTY, refused(self, _IO(PSHARE_IOC_MAGIC, i))) TH_LOG("number %u", i);
	}
}

TEST_F(abi, device_has_no_other_calls) {
	char byte = 0;

	EXPECT_EQ(-1, read(self->dev, &byte, 1));
	EXPECT_EQ(-1, write(self->dev, &byte, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->dev, 0));
}

TEST_F(abi, unknown_id) {
	static const unsigned int by_id[] = { 2, 3, 4, 6 };
	__u64 ids[] = { 0, self->id + 1, self->id + (1ULL << 32), 1ULL << 32, 0x7fffffff,
			0xffffffff, ~0ULL };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(by_id); i++) {
		for (k = 0; k < ARRAY_SIZE(ids); k++) {
			/* The id has the same place in all these structs. */
			make_valid(self, by_id[i])->read.id = ids[k];
			EXPECT_EQ(ENOENT, refused(self, calls[by_id[i]].cmd))
				TH_LOG("%s, id %#llx", calls[by_id[i]].name, ids[k]);
		}
	}
}

TEST_F(abi, id_of_a_removed_region) {
	static const unsigned int by_id[] = { 2, 3, 4, 6 };
	unsigned int i;

	ASSERT_EQ(ACCEPTED, remove_id(self, self->id));
	for (i = 0; i < ARRAY_SIZE(by_id); i++) {
		make_valid(self, by_id[i]);
		EXPECT_EQ(ENOENT, refused(self, calls[by_id[i]].cmd));
	}
	/* The number is not used again. */
	for (i = 0; i < 20; i++) {
		make_valid(self, 1);
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
		EXPECT_LT(self->id, self->arg.add.id);
		self->id = self->arg.add.id;
		ASSERT_EQ(ACCEPTED, remove_id(self, self->id));
	}
}

TEST_F(abi, read_tells_what_was_added) {
	struct pshare_read *read = &self->arg.read;

	make_valid(self, 3);
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
	EXPECT_EQ(sizeof(*read), read->size);
	EXPECT_EQ(self->id, read->id);
	EXPECT_EQ(self->end, read->start);
	EXPECT_EQ(self->end + RANGE, read->end);
	EXPECT_EQ(self->victim, read->pid);
	EXPECT_EQ(PSHARE_REGION_PRIVATE, read->state);
	EXPECT_STREQ("", read->group);
	/* The victim has four kinds of pages, four of each. */
	EXPECT_EQ(NR_PAGES, read->merged);
	EXPECT_LE(3 * NR_PAGES, read->scanned);
	EXPECT_EQ(0, read->zero + read->unique + read->swapped + read->ineligible);

	make_add(self)->flags |= PSHARE_ADD_GROUP;
	strcpy(self->arg.add.group, "a.Group:1_-");
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_ADD));
	self->id = self->arg.add.id;
	make_valid(self, 3);
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
	EXPECT_EQ(0, read->state);
	EXPECT_STREQ("a.Group:1_-", read->group);
	EXPECT_EQ(0, read->scanned);
}

/* READ_NEXT finds each region once, in the order of ids, over gaps, then ENOENT. */
TEST_F(abi, read_next) {
	__u64 ids[6], id = 0;
	unsigned int i;

	ids[0] = self->id;
	for (i = 1; i < ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(ACCEPTED, add_range(self, self->start + i * PAGE,
					      self->start + (i + 1) * PAGE, true));
		ids[i] = self->arg.add.id;
		EXPECT_LT(ids[i - 1], ids[i]);
	}
	ASSERT_EQ(ACCEPTED, remove_id(self, ids[2]));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		if (i == 2)
			continue;
		make_valid(self, 3)->read.id = id;
		self->arg.read.flags = PSHARE_READ_NEXT;
		ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_READ));
		EXPECT_EQ(ids[i], self->arg.read.id);
		EXPECT_EQ(i ? self->start + i * PAGE : self->end, self->arg.read.start);
		id = self->arg.read.id + 1;
	}
	for (i = 0; i < 3; i++) {
		make_valid(self, 3)->read.id = i == 0 ? id : i == 1 ? ~0ULL : id + (1ULL << 32);
		self->arg.read.flags = PSHARE_READ_NEXT;
		EXPECT_EQ(ENOENT, refused(self, PSHARE_IOC_READ));
	}
	/* An id above 32 bits must not wrap round to a small one. */
	make_valid(self, 3)->read.id = 1ULL << 32;
	self->arg.read.flags = PSHARE_READ_NEXT;
	EXPECT_EQ(ENOENT, refused(self, PSHARE_IOC_READ));
}

/* The same region by both calls, whichever way it is asked for. */
TEST_F(abi, ledger_tells_what_read_does) {
	struct pshare_read_ledger ledger, next;
	struct pshare_read read;

	ASSERT_EQ(0, ps_ledger(self->dev, self->id, &ledger));
	ASSERT_EQ(0, ps_next_ledger(self->dev, 0, &next));
	next.flags = 0;
	EXPECT_EQ(0, memcmp(&ledger, &next, sizeof(next)));
	ASSERT_EQ(0, ps_read(self->dev, self->id, &read));
	EXPECT_EQ(sizeof(ledger), ledger.size);
	EXPECT_EQ(self->id, ledger.id);
	EXPECT_EQ(NR_PAGES, ledger.pages);
	EXPECT_EQ(read.pid, ledger.pid);
	EXPECT_EQ(read.state, ledger.state);
	EXPECT_NE(0, ledger.vm);
	EXPECT_EQ(PSHARE_HUGE_BENEFIT, ledger.huge_policy);
	/* Four kinds of pages, four of each, in one process. */
	EXPECT_EQ(NR_PAGES, ledger.classes[PSHARE_MERGED_SELF]);
	EXPECT_EQ(read.merged, ledger.classes[PSHARE_MERGED_SELF]);

	EXPECT_EQ(-ENOENT, ps_ledger(self->dev, self->id + 1, &ledger));
	EXPECT_EQ(-ENOENT, ps_next_ledger(self->dev, self->id + 1, &ledger));
	EXPECT_EQ(-ENOENT, ps_next_ledger(self->dev, 1ULL << 32, &ledger));
}

TEST_F(abi, unmerge_tells_how_many) {
	make_valid(self, 4);
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_UNMERGE));
	EXPECT_EQ(NR_PAGES, self->arg.unmerge.pages);
	make_valid(self, 4);
	ASSERT_EQ(ACCEPTED, accepted(self, PSHARE_IOC_UNMERGE));
	EXPECT_EQ(0, self->arg.unmerge.pages);
}

TEST_HARNESS_MAIN
