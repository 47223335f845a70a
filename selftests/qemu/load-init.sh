#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the KVM host of load.sh.  Guests have a hard time while pshare scans at
# full speed; host.phase says which:
#	storm	they write, are ballooned, reboot, one is killed and started again
#	pressure	they unshare more memory than the host has
#	migrate	one moves to another QEMU
# shellcheck source=selftests/qemu/kvmhost-init.sh
. /kvmhost-init.sh

ask() {
	local before
	before=$(wc -c <"/run/$1.monitor.log")
	echo "$2" >"/run/$1.monitor.in"
	sleep 1
	tail -c "+$((before + 1))" "/run/$1.monitor.log" | tr -d '\r'
}

# hope TEXT SECONDS COMMAND...: until the command is true.
hope() {
	local text=$1 limit=$(($(seconds) + $2))
	shift 2
	until "$@"; do
		look_after
		progress "waiting until $text"
		[ "$(seconds)" -lt "$limit" ] || fail "not in time: $text"
		sleep 1
	done
}

knob() {
	pshare set "$1" "$2" >/dev/null || fail "pshare set $1 $2: exit status $?"
}

counter() {
	cat "$ours/$1"
}

register() {
	pshare add --pid "$(cat "/run/$1.pid")" --group load >/dev/null ||
		fail "pshare add of $1: exit status $?"
}

# The regions that the module knows.
regions() {
	grep -cE '^ *[0-9]' /sys/kernel/debug/pshare/regions
}

regions_are() {
	[ "$(regions)" = "$1" ]
}

start_scanner() {
	insmod /pshare.ko || fail "insmod refused"
	for guest in $guests; do
		register "$guest"
	done 2>/dev/null
	knob pages_to_scan 100000
	knob sleep_millisecs 0
	knob run 1
}

# More passes, at full speed, beside whatever goes on.
passes() {
	local target=$(($(counter full_scans) + $1))
	hope "the scanner has done $1 passes" 900 at_pass "$target"
}

at_pass() {
	[ "$(counter full_scans)" -ge "$1" ]
}

frames_of() {
	# shellcheck disable=SC2046 # a list
	vmpages count $(for guest in "$@"; do cat "/run/$guest.pid"; done) | sed -n 's/^frames //p'
}

# Page frames that two guests have in common, as pagemap shows them.
common_frames() {
	echo $(($(frames_of "$1") + $(frames_of "$2") - $(frames_of "$1" "$2")))
}

share_some() {
	[ "$(common_frames "$1" "$2")" -ge "$3" ]
}

# At the end of each phase: everything can be given back, and the module leaves.
leave_in_order() {
	say "run=2, rmmod"
	give_all_back
	fig left "$(counter pages_shared)+$(counter pages_sharing)+$(counter ksm_zero_pages)"
	guests_live unmerged
	rmmod pshare || fail "rmmod refused"
	guests_live unloaded
	finish
}

# --- storm -------------------------------------------------------------------

balloon_of() {
	ask "$1" "info balloon" | sed -n "s/.*actual=\([0-9]*\).*/\1/p"
}

balloon_in() {
	local actual
	actual=$(balloon_of "$1")
	[ "${actual:-0}" -ge "$2" ] && [ "$actual" -le "$3" ]
}

# The guests give a fifth of their memory away, and get it back.
balloons() {
	local cycle small=$((guest_memory * 4 / 5)) guest
	for cycle in 1 2 3; do
		say "balloon, cycle $cycle"
		for guest in $guests; do
			ask "$guest" "balloon $small" >/dev/null
		done
		for guest in $guests; do
			hope "$guest has given memory away" 900 balloon_in "$guest" 1 $((small + 2))
		done
		for guest in $guests; do
			ask "$guest" "balloon $guest_memory" >/dev/null
		done
		for guest in $guests; do
			hope "$guest has its memory again" 900 balloon_in "$guest" "$guest_memory" "$guest_memory"
		done
		look_after
	done
	fig balloon_cycles $cycle
	guests_live ballooned
}

storm() {
	local ready killed
	say "two guests write; the scanner runs"
	# Reset through ACPI, a guest here gets stuck in its boot code, pshare or not.
	guest_append="$guest_append reboot=t"
	start_guest guest1 1 -device "$balloon"
	start_guest guest2 2 -device "$balloon"
	await_all READY 0 1800
	start_scanner
	passes 3
	hope "the guests share" 900 share_some guest1 guest2 100
	fig common "$(common_frames guest1 guest2)"
	balloons

	say "guest1 reboots, guest2 is killed in mid-scan and started again"
	ready=$(times_said guest1 READY)
	echo reboot >/run/guest1.in
	killed=$(cat /run/guest2.pid)
	fig sharing_when_killed "$(counter pages_sharing)"
	kill -KILL "$killed"
	forget_guest guest2
	hope "the region of the killed guest is gone" 900 regions_are 1
	fig regions_after_kill "$(regions)"
	start_guest guest2 2 -device "$balloon"
	register guest2
	await guest1 READY "$ready" 1800
	await guest2 READY 0 1800
	guests_live restarted

	say "guest1 is reset, guest2 goes on"
	ready=$(times_said guest1 READY)
	ask guest1 system_reset >/dev/null
	await guest1 READY "$ready" 1800
	fig boots_of_guest1 "$(times_said guest1 READY)"
	passes 3
	hope "the guests share" 900 share_some guest1 guest2 100
	fig common_again "$(common_frames guest1 guest2)"
	guests_live reset
	fig passes "$(counter full_scans)"
}

# --- pressure ----------------------------------------------------------------

available() {
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}

oom_kills() {
	awk '/^oom_kill / { print $2 }' /proc/vmstat
}

# Fill memory until so many MiB are left.  It is nobody's, so nobody dies for it.
leave_mib() {
	local step from=0
	mount -t tmpfs -o size=100% fill /mnt || fail "mount of tmpfs"
	while step=$(($(available) - $1)) && [ "$step" -gt 0 ]; do
		[ "$step" -le 64 ] || step=64
		fallocate -o $((from << 20)) -l $((step << 20)) /mnt/fill || fail "cannot fill memory"
		from=$((from + step))
		progress "filling memory: $(available) MiB are left"
	done
	fig mib_left "$(available)"
}

# Each guest has either died or got as far as it should.
all_decided() {
	local guest
	for guest in $guests; do
		alive "$guest" || { forget_guest "$guest"; continue; }
		[ "$(times_said "$guest" "now different")" -gt 0 ] || return 1
		[ "$(round_of "$guest")" -ge $(($(cat "/run/$guest.before") + 2)) ] || return 1
	done
}

pressure() {
	local need guest count
	say "three guests with the same in their memory"
	for number in 1 2 3; do
		start_guest "guest$number" "$number" -no-reboot
	done
	await_all READY 0 1800
	command_guests quiet quiet
	start_scanner
	passes 4
	hope "the guests share" 900 share_some guest1 guest2 $((mib * 256))
	fig sharing "$(counter pages_sharing)"
	fig common "$(common_frames guest1 guest2)"

	# What two of them need beyond the copy that there is.
	need=$((2 * mib))
	knob run 0
	leave_mib $((need * 6 / 10))
	say "$(available) MiB are left, unsharing takes $need MiB and more"
	pshare set run 2
	fig run2_status $?
	fig run2_killed "$(oom_kills)"
	fig run2_left_mib "$(available)"
	guests_live refused
	knob run 1
	passes 3

	say "all guests rewrite all of their memory"
	count=0
	for guest in $guests; do
		round_of "$guest" >"/run/$guest.before"
		echo differ >"/run/$guest.in"
		count=$((count + 1))
	done
	hope_without_guests "each guest has died or gone on" 1200 all_decided
	# shellcheck disable=SC2086 # a list
	set -- $guests
	fig guests $count
	fig survivors $#
	fig oom_kills "$(oom_kills)"
	[ $# -gt 0 ] || fail "no guest has survived"
	guests_live survived

	say "memory is there again; the survivors share again"
	rm /mnt/fill
	command_guests quiet quiet
	passes 4
	fig sharing_again "$(counter pages_sharing)"
	fig regions "$(regions)"
	guests_live again
}

# hope(), while guests may die.
hope_without_guests() {
	local text=$1 limit=$(($(seconds) + $2))
	shift 2
	until "$@"; do
		progress "waiting until $text"
		[ "$(seconds)" -lt "$limit" ] || fail "not in time: $text"
		sleep 1
	done
}

# --- migrate -----------------------------------------------------------------

migrated() {
	local status
	status=$(ask guest1 "info migrate" | sed -n 's/^Migration status: //p')
	case $status in
	failed* | cancel*) fail "the migration: $status" ;;
	esac
	[ "$status" = completed ]
}

migrate() {
	local last first
	ip link set lo up || fail "no loopback"
	say "two guests that write; they share"
	start_guest guest1 1 -no-reboot
	start_guest guest2 2 -no-reboot
	await_all READY 0 1800
	start_scanner
	passes 3
	hope "the guests share" 900 share_some guest1 guest2 100
	fig common "$(common_frames guest1 guest2)"

	say "guest1 moves to another QEMU, which is registered before its memory arrives"
	start_guest moved 1 -no-reboot -incoming tcp:127.0.0.1:4444
	register moved
	sleep 3
	ask guest1 "migrate_set_parameter max-bandwidth 1G" >/dev/null
	ask guest1 "migrate_set_parameter downtime-limit 20000" >/dev/null
	begin=$(seconds)
	ask guest1 "migrate -d tcp:127.0.0.1:4444"
	hope "the migration is complete" 900 migrated
	fig migration_seconds $(($(seconds) - begin))
	ask guest1 "info migrate" | grep -E 'total ram|transferred|duplicate|normal:|downtime:'
	last=$(round_of guest1)
	fig last_round_before "$last"
	forget_guest guest1
	ask guest1 quit >/dev/null
	await moved '^round .* ok' 1 900
	first=$(grep -a '^round .* ok' /run/moved.log | head -n 1 | tr -dc 0-9)
	fig first_round_after "$first"
	fig boots_after "$(times_said moved READY)"
	hope "the source is gone" 900 source_gone
	fig regions "$(regions)"
	guests_live moved
	passes 3
	hope "the guest that moved shares again" 900 share_some moved guest2 100
	fig common_again "$(common_frames moved guest2)"
	guests_live shared
}

source_gone() {
	! alive guest1 && regions_are 2
}

phase='' balloon=virtio-balloon-device,free-page-reporting=on,deflate-on-oom=on
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	host.phase=*) phase=${word#*=} ;;
	esac
done
"$phase"
leave_in_order
