#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the machine that runs the selftests.  Talks to boot.sh on the second
# serial line, in lines that begin with @:
#	@begin NAME	the next lines are the output of this program
#	@leak TEXT	a line of what kmemleak says, after the program and its module
#	@lockdep 0|1	whether lockdep is still on (only a kernel that has it)
#	@end NAME STATUS
#	@boot-log, @boot-log-end	what the kernel said before the first program
#	@gcov BASE64	a piece of what gcov counted
#	@done
# The kernel's log goes to the first serial line.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/hugepages
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw -echo
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
mount -t hugetlbfs huge /dev/hugepages
echo 0 >/proc/sys/kernel/panic_on_oops
echo 4 >/proc/sys/vm/nr_hugepages
ulimit -c 0
# khugepaged would make huge pages of what tests have split: one scan, then it sleeps for weeks.
echo 2147483647 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
# Free pages in lists of each CPU, tens of MiB, are not counted as available: short lists.
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
# The emulated CPUs stand still when the host is busy: that is no lockup.
echo 60 >/proc/sys/kernel/watchdog_thresh
# Every message counts, from every moment.
echo '@boot-log'
dmesg
echo '@boot-log-end'
dmesg -n 8

tests="" seconds=300 gcov=0
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	pshare.tests=*) tests=$(echo "${word#*=}" | tr , ' ') ;;
	pshare.seconds=*) seconds=${word#*=} ;;
	pshare.gcov=*) gcov=${word#*=} ;;
	pshare.scale=*) export PSHARE_TEST_SCALE="${word#*=}" ;;
	esac
done

unload() {
	[ -d /sys/module/pshare ] || return 0
	if ! rmmod pshare; then
		echo "# pshare cannot be unloaded after $1"
		return 1
	fi
}

kmemleak=/sys/kernel/debug/kmemleak
# An object must be five seconds old, and the same at two scans.
scan_for_leaks() {
	echo scan >$kmemleak
	sleep 6
	echo scan >$kmemleak
}

ask_instruments() {
	[ -e $kmemleak ] || return 0
	scan_for_leaks
	sed 's/^/@leak /' $kmemleak
	# Told once, and not again after the next program.
	echo clear >$kmemleak
	sed -n 's/^ *debug_locks: */@lockdep /p' /proc/lockdep_stats
}

# What the kernel lost by itself, on its way up, is none of our business.
if [ -e $kmemleak ]; then
	scan_for_leaks
	sed 's/^/# before the first program: /' $kmemleak
	echo clear >$kmemleak
fi
cd /tests || poweroff -f
for name in $tests; do
	echo "@begin $name"
	echo "selftest: begin $name" >/dev/kmsg
	timeout -s KILL "$seconds" "./$name"
	status=$?
	[ "$status" -ne 137 ] || echo "# killed after $seconds seconds"
	unload "$name" || status=99
	# What is freed after a grace period, and warns then, belongs to this program.
	usleep 300000
	ask_instruments
	echo "selftest: end $name" >/dev/kmsg
	echo "@end $name $status"
done

# The kernel keeps what a module counted after it has gone.  The files have no
# size: tar must meet copies.
if [ "$gcov" = 1 ]; then
	gcov_root=/sys/kernel/debug/gcov
	module=$(find $gcov_root -type d -name module | head -n 1)
	cd "$module" || poweroff -f
	find . -name '*.gcda' | while read -r file; do
		mkdir -p "/tmp/gcov/module/${file%/*}"
		cat "$file" >"/tmp/gcov/module/$file"
	done
	cd /tmp/gcov || poweroff -f
	tar -c module | gzip | base64 | sed 's/^/@gcov /'
fi
echo '@done'
poweroff -f
