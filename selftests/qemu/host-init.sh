#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the KVM host of guests.sh: starts two guests, lets ksmd share their
# memory, undoes that, lets pshare do it, and looks after the guests all the
# time.  The work of kvmhost-init.sh comes first.
# shellcheck source=selftests/qemu/kvmhost-init.sh
. /kvmhost-init.sh
ksm=/sys/kernel/mm/ksm
passes_wanted=4

# What the system says of the guests' processes, from outside.
measure() {
	for pid in $(pids); do
		cat "/proc/$pid/smaps_rollup"
	done | awk -v who="$1" '/^(Pss_Anon|Anonymous|Rss):/ { sum[substr($1, 1, length($1) - 1)] += $2 }
		END { for (i in sum) print "@fig " who "_" tolower(i) "_kib " sum[i] }'
	# shellcheck disable=SC2046 # a list
	vmpages count $(pids) | sed "s/^/@fig $1_/"
	fig "$1_anonpages_kib" "$(awk '/^AnonPages:/ { print $2 }' /proc/meminfo)"
}

# Zero pages back into pages of their own, while the guests stand still.
unzero() {
	# shellcheck disable=SC2046 # lists
	{
		kill -STOP $(pids)
		usleep 200000
		vmpages unzero $(pids) | sed "s/^/@fig $1_/"
		kill -CONT $(pids)
	}
}

ksmd_shares() {
	say "ksmd: merging"
	echo 1 >$ksm/use_zero_pages
	echo 20000 >$ksm/pages_to_scan
	echo 1 >$ksm/sleep_millisecs
	echo 1024 >$ksm/max_page_sharing
	begin=$(seconds) start=$(cat $ksm/full_scans) last=-1
	echo 1 >$ksm/run
	# A page counts once it stayed the same between passes: four are enough,
	# but go on while there is more to find.
	while :; do
		sleep 2
		now=$(cat $ksm/pages_sharing) passes=$(($(cat $ksm/full_scans) - start))
		progress "ksmd: $passes passes, $now pages sharing"
		[ "$passes" -lt 5 ] || [ $((now - last)) -gt 20 ] || break
		[ $(($(seconds) - begin)) -lt 300 ] || break
		[ "$passes" -le "${seen_passes:-0}" ] || last=$now
		seen_passes=$passes
	done
	fig ksmd_seconds $(($(seconds) - begin))
	fig ksmd_passes "$passes"
	echo 0 >$ksm/run
	for name in pages_shared pages_sharing pages_unshared pages_volatile; do
		fig ksmd_$name "$(cat $ksm/$name)"
	done
	measure ksmd_after
}

ksmd_unshares() {
	say "ksmd: unmerging"
	echo 2 >$ksm/run
	fig ksmd_left "$(cat $ksm/pages_shared)"
	unzero ksmd
	measure ksmd_undone
}

pshare_shares() {
	say "pshare: insmod, add --vms, scan"
	insmod /pshare.ko || fail "insmod refused"
	begin=$(seconds)
	pshare add --vms --group demo || fail "pshare add --vms: exit status $?"
	pshare scan --passes "$passes_wanted" >/run/scan 2>&1 &
	scanning=$!
	while kill -0 $scanning 2>/dev/null; do
		progress "pshare: $(cat $ours/full_scans) passes, $(cat $ours/pages_sharing) pages sharing," \
			"$(cat $ours/ksm_zero_pages) zero pages"
		sleep 1
	done
	wait $scanning || fail "pshare scan: exit status $?"
	fig pshare_seconds $(($(seconds) - begin))
	cat /run/scan
	for name in full_scans pages_shared pages_sharing pages_unshared pages_volatile pages_scanned \
		ksm_zero_pages general_profit metadata_bytes; do
		fig pshare_$name "$(cat $ours/$name)"
	done
	measure pshare_after
	pshare list
	pshare status
}

pshare_scans_while_guests_write() {
	say "the guests write while pshare scans"
	pshare set pages_to_scan 5000 >/dev/null || fail "pshare set pages_to_scan"
	pshare set sleep_millisecs 5 >/dev/null || fail "pshare set sleep_millisecs"
	pshare set run 1 >/dev/null || fail "pshare set run"
	command_guests write writing
	guests_live merged
	scans=$(cat $ours/full_scans) limit=$(($(seconds) + 900))
	while [ "$(cat $ours/full_scans)" -lt $((scans + 2)) ]; do
		[ "$(seconds)" -lt $limit ] || fail "the scanner stands still"
		progress "pshare: $(cat $ours/pages_sharing) pages sharing; guests in rounds" \
			"$(round_of guest1) and $(round_of guest2)"
		sleep 1
	done
	fig pshare_passes_meanwhile $(($(cat $ours/full_scans) - scans))
	guests_live scanned
	fig pshare_sharing_meanwhile "$(cat $ours/pages_sharing)"
}

pshare_unshares() {
	say "pshare: unmerging everything (run=2)"
	give_all_back
	for name in pages_shared pages_sharing ksm_zero_pages; do
		fig "pshare_left_$name" "$(cat $ours/$name)"
	done
	measure pshare_undone
	guests_live unmerged
	rmmod pshare || fail "rmmod refused"
	guests_live unloaded
}

[ "$(cat $ksm/run)" = 0 ] || fail "ksmd runs already"

say "starting two guests of $guest_memory MiB under KVM"
begin=$(seconds)
start_guest guest1 1 -no-reboot
start_guest guest2 2 -no-reboot
await_all READY 0 900
fig boot_seconds $(($(seconds) - begin))
fig guests 2
guests_live start

command_guests quiet quiet
unzero start
measure ksmd_before
ksmd_shares
ksmd_unshares
command_guests write writing
guests_live ksmd
command_guests quiet quiet
if [ -e /pshare.ko ]; then
	unzero pshare
	measure pshare_before
	pshare_shares
	guests_live quiet
	pshare_scans_while_guests_write
	pshare_unshares
fi
finish
