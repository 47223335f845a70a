#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the machine that runs the selftests.  Talks to boot.sh on the second
# serial line, in lines that begin with @:
#	@begin NAME	the next lines are the output of this program
#	@end NAME STATUS
#	@boot-log, @boot-log-end	what the kernel said before the first program
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
# The emulated CPUs stand still when the host is busy: that is no lockup.
echo 60 >/proc/sys/kernel/watchdog_thresh
# Every message counts, from every moment.
echo '@boot-log'
dmesg
echo '@boot-log-end'
dmesg -n 8

tests="" seconds=300
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	pshare.tests=*) tests=$(echo "${word#*=}" | tr , ' ') ;;
	pshare.seconds=*) seconds=${word#*=} ;;
	esac
done

unload() {
	[ -d /sys/module/pshare ] || return 0
	if ! rmmod pshare; then
		echo "# pshare cannot be unloaded after $1"
		return 1
	fi
}

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
	echo "selftest: end $name" >/dev/kmsg
	echo "@end $name $status"
done
echo '@done'
poweroff -f
