#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the KVM host of guests.sh: starts guests, stops them once they have settled, and
# has ksmd and pshare share their memory, one after the other.  What was merged is undone
# between the two, so both get the same bytes in pages that are all their own.
# shellcheck source=selftests/qemu/kvmhost-init.sh
. /kvmhost-init.sh

# A second of guests at work may be a minute outside.
# shellcheck disable=SC2034 # for kvmhost-init.sh
pause=0.1
count=2 order='ksmd pshare' passes=8
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	host.guests=*) count=${word#*=} ;;
	host.passes=*) passes=${word#*=} ;;
	# With a comma between them.
	host.order=*) order=$(echo "${word#*=}" | tr , ' ') ;;
	esac
done

# Both get small pages: a huge page that the first has split would be lost to the second.
split_huge_pages() {
	local pid left=0
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
	for pid in $(pids); do
		awk -v pid="$pid" '$1 ~ /^[0-9a-f]+-[0-9a-f]+$/ { range = $1 }
			$1 == "AnonHugePages:" && $2 > 0 { sub("-", ",0x", range); print pid ",0x" range }' \
			"/proc/$pid/smaps" | while read -r range; do
			echo "$range" >/sys/kernel/debug/split_huge_pages
		done
		left=$((left + $(awk '$1 == "AnonHugePages:" { sum += $2 } END { print sum + 0 }' \
			"/proc/$pid/smaps")))
	done
	[ "$left" -eq 0 ] || fail "$left KiB of huge pages cannot be split"
}

measure() {
	local subject=$1
	# 6.1 never takes back the zero pages that ksmd has placed.
	# shellcheck disable=SC2046 # a list
	vmpages unzero $(pids) >/dev/null
	say "$subject: $passes passes"
	# shellcheck disable=SC2046 # a list
	saving "$subject" "$passes" $(pids) || fail "saving $subject: exit status $?"
}

say "starting $count guests of $guest_memory MiB under KVM"
for number in $(seq "$count"); do
	start_guest "guest$number" "$number" -no-reboot
done
await_all READY 0 1500
command_guests quiet quiet
look_after
# shellcheck disable=SC2046 # a list
kill -STOP $(pids)
usleep 300000
split_huge_pages
for subject in $order; do
	measure "$subject"
done
# shellcheck disable=SC2046 # a list
kill -CONT $(pids)
guests_live end
fig complete 1
finish
