# SPDX-License-Identifier: GPL-2.0
#
# pshare: builds, tests and demonstrates.  The module itself is in Kbuild.

# The kernel that `make modules` builds for: the running one, if its headers
# are there, else the newest of this version that has headers here.
KERNELS ?= 6.1 6.12 7.3
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/$(firstword $(KERNELS)).*-amd64/build 2>/dev/null | sort -rV))
TESTS ?=
PREFIX ?= /usr/local
DESTDIR ?=

export KERNELS TESTS SEED CALLS SITES PHASES BENCH

DEBUG_KERNEL := 6.1-debug
PARTS := unit static tool harness selftests guests

all: modules tool

help:
	@echo 'Build, for the kernel of KDIR ($(KDIR)):'
	@echo '  all              the module and the command (the default)'
	@echo '  modules          the module, pshare.ko'
	@echo '  tool             the command, build/userctl/pshare'
	@echo '  install          the command, its manual and completion (PREFIX, DESTDIR)'
	@echo '  modules_install  the module, for modprobe'
	@echo '  clean            removes all that was built, and what was downloaded'
	@echo
	@echo 'Test; installs the packages it needs, boots kernels in QEMU, touches nothing else here:'
	@echo '  check            everything in this list; KERNELS=6.1 chooses one of 6.1, 6.12, 7.3'
	@echo '  unit             parts of the module in user space'
	@echo '  static           compiler warnings, sparse, checkpatch, rules of the house, scripts'
	@echo '  tool-check       the command, in user space'
	@echo '  harness          whether the test harness notices failures'
	@echo '  selftests        programs in a booted kernel; TESTS="share thp" chooses some'
	@echo '  guests           two real guests under KVM, beside mainline ksmd'
	@echo 'With a kernel of our own that has KASAN, lockdep, kmemleak and others, built first (minutes):'
	@echo '  check-debug      harness, selftests, guests, faults and fuzz on it'
	@echo '  faults           every allocation of the module fails, each in its turn: build/faults.json'
	@echo '  fuzz             input at random for all interfaces; CALLS=20000, SEED=... repeats a run'
	@echo '  coverage         which lines of the module the selftests reach: build/coverage.txt'
	@echo
	@echo '  demo             the guests, to watch; writes build/demo.json'
	@echo '  load             guests that are ballooned, reset, killed, moved, starved, on each of KERNELS; PHASES=storm'
	@echo '  cost             instructions that a page costs in a steady pass; COMMITS=... for others beside it'
	@echo '  bench-count      instructions to scan, merge and unshare a page, beside ksmd: build/bench-count.json'
	@echo '  bench            all of bench-*, one after the other: build/bench.json, Documentation/benchmarks.rst; BENCH="count index"'
	@echo '  bench-guests     what real guests save pass by pass, beside ksmd: build/bench-guests.json; REPEATS=2 GUESTS=2'
	@echo '  bench-locks      how long locks are held, beside ksmd: build/bench-locks.json; REPEATS=2'
	@echo '  bench-report     Documentation/benchmarks.rst anew from build/bench-*.json'
	@echo '  bench-index      time of lookups beside a tree ordered by memcmp: build/bench-index.json; SIZES="256 1024"'
	@echo '  bench-native     CPU time of passes beside ksmd, in User Mode Linux: build/bench-native.json; SIZES="256 1024"'
	@echo '  bench-profile    what those passes of pshare spend their time on, by perf: build/bench-profile.json; SIZES=4096'
	@echo '  bench-threads    time of passes with one and two scan threads: build/bench-threads.json'
	@echo '  bench-check      the same of pshare only; fails if one is 5 % above selftests/bench/reference.json'
	@echo '  bench-reference  writes that file anew'
	@echo '  experiments      what huge pages, ASLR and full memory cost real guests, and what was predicted:'
	@echo '                   build/experiments.json, Documentation/experiments.rst; BOOTS=3 EXPERIMENTS="thp aslr fill"'
	@echo '  stress           stress-ng, MINUTES=30 on each of KERNELS; writes build/stress.json'

modules:
	@[ -n "$(KDIR)" ] || { echo 'No kernel headers: install linux-headers-amd64, or set KDIR' >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

modules_install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) \
		$$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

tool:
	$(MAKE) -C userctl OUT=$(CURDIR)/build/userctl

install: tool
	$(MAKE) -C userctl install OUT=$(CURDIR)/build/userctl PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

# With TESTS only these programs are run.
check:
	@selftests/check.sh $(if $(TESTS),selftests,$(PARTS))

unit static harness selftests guests load:
	@selftests/check.sh $@

tool-check:
	@selftests/check.sh tool

check-debug:
	@KERNELS=$(DEBUG_KERNEL) selftests/check.sh $(if $(TESTS),selftests,harness selftests guests faults fuzz)

# fuzz: SEED=... repeats a run.
faults fuzz:
	@KERNELS=$(DEBUG_KERNEL) selftests/check.sh $@

coverage:
	@KERNELS=$(DEBUG_KERNEL) selftests/check.sh $@

demo:
	@selftests/qemu/demo.sh $(firstword $(KERNELS))

# Not parts of check: these take long, or as long as they are told to.
experiments:
	@selftests/experiments/experiments.sh

stress:
	@selftests/stress/stress.sh

# In instructions, so that it is the same on every machine.  COMMITS=... measures those, too.
cost:
	@selftests/bench/cost.sh $(firstword $(KERNELS)) $(COMMITS)

# The same beside ksmd, with merging and write faults: build/bench-count.json.
bench-count:
	@selftests/bench/count.sh $(firstword $(KERNELS)) all

# Lookups by the size of memory, in user space, by this machine's clock: build/bench-index.json.
bench-index:
	@selftests/bench/index.sh $(firstword $(KERNELS))

# Passes at this machine's own speed, in a kernel that is a process: build/bench-native.json.
bench-native:
	@selftests/bench/native.sh $(firstword $(KERNELS))

# Where that time goes: build/bench-profile.json.
bench-profile:
	@selftests/bench/native.sh $(firstword $(KERNELS)) profile

# Real guests under KVM, in instructions: build/bench-guests.json.
bench-guests:
	@selftests/bench/guests.sh $(firstword $(KERNELS))

# How long mmap_lock and the locks of page tables are held, in instructions: build/bench-locks.json.
bench-locks:
	@selftests/bench/locks.sh $(firstword $(KERNELS))

# All of them, joined: build/bench.json, and the page that shows them.
bench:
	@selftests/bench/bench.sh $(firstword $(KERNELS))

bench-report:
	@selftests/bench/report.sh

# Passes with one and two threads, by this machine's clock: build/bench-threads.json.
bench-threads:
	@selftests/bench/threads.sh $(firstword $(KERNELS))

# Fails when a figure of pshare is more than 5 % above selftests/bench/reference.json.
bench-check:
	@selftests/bench/count.sh $(firstword $(KERNELS)) check

bench-reference:
	@selftests/bench/count.sh $(firstword $(KERNELS)) reference

# kbuild's own clean needs headers; what it would remove is known.
clean:
	rm -rf --one-file-system build pshare.ko pshare.o pshare.mod pshare.mod.c pshare.mod.o modules.order Module.symvers
	rm -f .pshare.* .*.cmd
	find module \( -name '*.o' -o -name '.*.cmd' -o -name '.*.d' \) -delete

.PHONY: all help modules modules_install tool install check unit static tool-check \
	harness selftests guests load check-debug faults fuzz coverage demo stress cost bench-count \
	bench-index bench-native bench-guests bench-locks bench-threads bench bench-report \
	bench-check bench-reference clean
