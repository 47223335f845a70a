#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Real guests under KVM that have a hard time while pshare's scanner runs at full
# speed, inside a machine that QEMU emulates.  Writes TAP; the figures are in
# build/VERSION-load.figures afterwards.  Each phase is a machine of its own:
#
# storm		two guests write and read all the time, have memory taken away and
#		given back by virtio-balloon, reboot, are reset; one is killed in
#		mid-scan and started again
# pressure	three guests with the same memory rewrite all of it, when the host has
#		not as much: the OOM killer may choose a guest, no byte is wrong
#		in the others, and the host and the module live
# migrate	a guest that shares moves to another QEMU, on the loopback address
#
# The judges are the guests themselves, which know each byte of theirs; the page
# frames that /proc/PID/pagemap shows; and the kernel's log.
#
# usage: load.sh VERSION [PHASE...]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

usage="usage: load.sh VERSION [PHASE...]"
version=${1:?$usage} mode=check
shift
[ $# -gt 0 ] || set -- storm pressure migrate
# shellcheck source-path=SCRIPTDIR source=kvmhost.sh
. "$qemu_dir/kvmhost.sh"
limit=${SECONDS_ALL:-5400}
: "${MODULE:?pshare.ko}"

# is NAME OPERATOR VALUE: a figure that is there, and as it should be.
is() {
	test -n "${fig[$1]-}" && test "${fig[$1]}" "$2" "$3"
}

judge_storm() {
	expect "two guests that write share pages (${fig[common]:-0} frames in common)" is common -ge 100
	expect "memory was taken away and given back 3 times, no byte is wrong (rounds ${fig[rounds_ballooned]:-none})" \
		test "${fig[balloon_cycles]:-0}${fig[rounds_ballooned]:+ right}" = "3 right"
	expect "the scanner was merging when a guest was killed (${fig[sharing_when_killed]:-0} pages sharing)" \
		is sharing_when_killed -gt 0
	expect "the region of the killed guest ended with it" is regions_after_kill -eq 1
	expect "after reboot, and start, no byte is wrong (rounds ${fig[rounds_restarted]:-none})" \
		test -n "${fig[rounds_restarted]-}"
	expect "one guest was started three times in the same process" is boots_of_guest1 -eq 3
	expect "after a reset no byte is wrong (rounds ${fig[rounds_reset]:-none})" \
		test -n "${fig[rounds_reset]-}"
	expect "guests that were started again share again (${fig[common_again]:-0} frames in common)" \
		is common_again -ge 100
}

judge_pressure() {
	expect "three guests share most of their memory (${fig[sharing]:-0} pages)" \
		is sharing -ge $((2 * 256 * pressure_mib))
	expect "run=2 is refused when memory would run out (status ${fig[run2_status]:-none})" \
		is run2_status -eq 7
	expect "and nobody is killed for it, nor the reserve used up (${fig[run2_left_mib]:-0} MiB left)" \
		is run2_killed -eq 0
	expect "no byte is wrong after that (rounds ${fig[rounds_refused]:-none})" \
		test -n "${fig[rounds_refused]-}"
	expect "memory did run out (${fig[oom_kills]:-0} killed by the OOM killer)" is oom_kills -ge 1
	expect "no more guests are gone than were killed (${fig[survivors]:-0} of ${fig[guests]:-0} left)" \
		test $((${fig[survivors]:-0} + ${fig[oom_kills]:-0})) -ge "${fig[guests]:-9}"
	expect "no byte is wrong in the others (rounds ${fig[rounds_survived]:-none})" \
		test -n "${fig[rounds_survived]-}"
	expect "the module knows who is left (${fig[regions]:-0} regions)" \
		is regions -eq "${fig[survivors]:-9}"
	expect "and shares again (${fig[sharing_again]:-0} pages)" is sharing_again -gt 0
}

judge_migrate() {
	expect "two guests that write share pages (${fig[common]:-0} frames in common)" is common -ge 100
	expect "one moved to another QEMU (in ${fig[migration_seconds]:-no} s)" \
		test -n "${fig[migration_seconds]-}"
	expect "and went on there where it was (round ${fig[last_round_before]:-none}, then ${fig[first_round_after]:-none})" \
		is first_round_after -gt "${fig[last_round_before]:-999999}"
	expect "without a boot" is boots_after -eq 0
	expect "the region of the QEMU that it left ended" is regions -eq 2
	expect "no byte is wrong (rounds ${fig[rounds_moved]:-none})" test -n "${fig[rounds_moved]-}"
	expect "it shares again (${fig[common_again]:-0} frames in common)" is common_again -ge 100
	expect "and no byte is wrong (rounds ${fig[rounds_shared]:-none})" test -n "${fig[rounds_shared]-}"
}

judge() {
	local clean=true
	expect "ran to the end${trouble:+: $trouble}" test -z "$trouble"
	"judge_$phase"
	expect "run=2 leaves nothing shared" test "${fig[left]-}" = 0+0+0
	expect "the guests find every byte right after unmerging and rmmod (rounds ${fig[rounds_unloaded]:-none})" \
		test -n "${fig[rounds_unloaded]-}"
	log_is_clean || { clean=false; sed 's/^/# /' "$work/complaints"; }
	expect "the kernel log is clean" test "$clean" = true
}

# run_phase MIB APPEND
run_phase() {
	fig=()
	make_guest 'virtio_mmio virtio_balloon'
	make_host "$qemu_dir/load-init.sh"
	run_host "$1" "host.phase=$phase $2"
	subject=$phase
	judge
	for name in "${!fig[@]}"; do
		echo "$phase.$name ${fig[$name]}"
	done | sort >>"$build/$version-load.figures"
}

pressure_mib=${GUEST_MIB:-64}
mkdir -p "$build"
: >"$build/$version-load.figures"
echo "TAP version 13"
for phase in "$@"; do
	begin_work "$version-load-$phase"
	case $phase in
	storm | migrate)
		run_phase "${MEM:-2048}" "host.guest_memory=${GUEST_MEMORY:-192} host.mib=${GUEST_MIB:-32} \
host.scratch=${GUEST_SCRATCH:-16}"
		;;
	pressure)
		run_phase "${MEM:-1152}" "host.guest_memory=${GUEST_MEMORY:-192} host.mib=$pressure_mib \
host.kind=equal"
		;;
	*) die "no phase is called $phase" ;;
	esac
	end_work
	trap - EXIT
done
echo "1..$number"
[ "$failed" -eq 0 ]
