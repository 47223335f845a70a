#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two real guests under KVM, inside a machine that QEMU emulates: mainline ksmd
# shares their memory, then pshare does, in the same boot.  The figures are in
# build/VERSION-guests.figures afterwards.
#
# usage: guests.sh VERSION check	judges, writes TAP
#        guests.sh VERSION show		shows what happens
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

usage="usage: guests.sh VERSION check|show"
version=${1:?$usage} mode=${2:?$usage}
# shellcheck source-path=SCRIPTDIR source=kvmhost.sh
. "$qemu_dir/kvmhost.sh"
limit=${SECONDS_ALL:-1500}

# Pages saved, by the counters and by the frames that pagemap shows.
compute() {
	fig[ksmd_zero]=$((${fig[ksmd_after_zero]:-0} - ${fig[ksmd_before_zero]:-0}))
	fig[ksmd_saved]=$((${fig[ksmd_pages_sharing]:-0} + fig[ksmd_zero]))
	fig[pshare_saved]=$((${fig[pshare_pages_sharing]:-0} + ${fig[pshare_ksm_zero_pages]:-0}))
	local who
	for who in ksmd pshare; do
		fig[${who}_frames_saved]=$((${fig[${who}_before_frames]:-0} - ${fig[${who}_after_frames]:-0}))
		fig[${who}_pss_saved]=$(((${fig[${who}_before_pss_anon_kib]:-0} - ${fig[${who}_after_pss_anon_kib]:-0}) / 4))
	done
	guests_ok=false clean=false
	[ -n "$trouble" ] || [ -z "${fig[rounds_unloaded]-}" ] || guests_ok=true
	if log_is_clean; then clean=true; fi
}

write_json() {
	local zero=${fig[pshare_ksm_zero_pages]:-0}
	cat >"$1" <<-JSON
	{
	  "kernel": "$(cat "$dir/release")",
	  "guests": ${fig[guests]:-0},
	  "pages_shared": ${fig[pshare_pages_shared]:-0},
	  "pages_sharing": ${fig[pshare_pages_sharing]:-0},
	  "zero_pages": $zero,
	  "anon_kib_before": ${fig[pshare_before_pss_anon_kib]:-0},
	  "anon_kib_after": ${fig[pshare_after_pss_anon_kib]:-0},
	  "anon_frames_before": ${fig[pshare_before_frames]:-0},
	  "anon_frames_after": ${fig[pshare_after_frames]:-0},
	  "seconds": ${fig[pshare_seconds]:-0},
	  "ksmd": {
	    "pages_shared": ${fig[ksmd_pages_shared]:-0},
	    "pages_sharing": ${fig[ksmd_pages_sharing]:-0},
	    "zero_pages": ${fig[ksmd_zero]},
	    "anon_kib_before": ${fig[ksmd_before_pss_anon_kib]:-0},
	    "anon_kib_after": ${fig[ksmd_after_pss_anon_kib]:-0},
	    "anon_frames_before": ${fig[ksmd_before_frames]:-0},
	    "anon_frames_after": ${fig[ksmd_after_frames]:-0},
	    "seconds": ${fig[ksmd_seconds]:-0}
	  },
	  "guests_ok": $guests_ok,
	  "kernel_log_clean": $clean
	}
	JSON
}

# --- what `make check` asserts ---------------------------------------------

judge() {
	local known
	# The half that every guest has in common: there is no excuse for missing it.
	known=$((${GUEST_MIB:-32} * 256 / 2))
	echo "TAP version 13"
	expect "ran to the end${trouble:+: $trouble}" test -z "$trouble"
	expect "ksmd shares (${fig[ksmd_pages_sharing]:-0} pages and ${fig[ksmd_zero]} zero pages)" \
		at_least "${fig[ksmd_saved]}" 100 "$known"
	expect "pshare saves ${fig[pshare_saved]} pages, at least 98 % of ksmd's ${fig[ksmd_saved]}" \
		at_least "${fig[pshare_saved]}" 98 "${fig[ksmd_saved]}"
	expect "pagemap: pshare saves ${fig[pshare_frames_saved]} frames, at least 98 % of ksmd's ${fig[ksmd_frames_saved]}" \
		at_least "${fig[pshare_frames_saved]}" 98 "${fig[ksmd_frames_saved]}"
	expect "smaps confirms pshare's counters (${fig[pshare_pss_saved]} pages)" \
		near "${fig[pshare_pss_saved]}" "${fig[pshare_saved]}" 3
	expect "pagemap confirms pshare's counters (${fig[pshare_frames_saved]} frames)" \
		near "${fig[pshare_frames_saved]}" "${fig[pshare_saved]}" 3
	expect "pagemap shows pshare's zero pages (${fig[pshare_after_zero]:-0})" \
		near "$((${fig[pshare_after_zero]:-0} - ${fig[pshare_before_zero]:-0}))" \
		"${fig[pshare_ksm_zero_pages]:-0}" 3
	expect "the guests find every byte right while they are shared (rounds ${fig[rounds_scanned]:-none})" \
		test -n "${fig[rounds_scanned]-}"
	expect "pages are shared while the guests write (${fig[pshare_sharing_meanwhile]:-0})" \
		test "${fig[pshare_sharing_meanwhile]:-0}" -gt 0
	expect "run=2 leaves nothing shared" test "${fig[pshare_left_pages_shared]:-x}${fig[pshare_left_pages_sharing]:-x}${fig[pshare_left_ksm_zero_pages]:-x}" = 000
	expect "pagemap: each guest has all its frames again (${fig[pshare_undone_frames]:-0})" \
		near "${fig[pshare_undone_frames]:-0}" "${fig[pshare_undone_mapped]:-0}" 1
	expect "the guests find every byte right after unmerging and rmmod" test "$guests_ok" = true
	$clean || sed 's/^/# /' "$work/complaints"
	expect "the kernel log is clean" test "$clean" = true
	echo "1..$number"
	[ "$failed" -eq 0 ]
}

begin_work "$version-guests"
make_guest ''
make_host "$qemu_dir/host-init.sh"
run_host "${MEM:-3072}" "host.guest_memory=${GUEST_MEMORY:-256} host.mib=${GUEST_MIB:-32}"
compute
for name in "${!fig[@]}"; do
	echo "$name ${fig[$name]}"
done | sort >"$build/$version-guests.figures"
case $mode in
check)
	write_json "$build/$version-guests.json"
	judge
	;;
show)
	write_json "$build/demo.json"
	[ -z "$trouble" ]
	;;
esac
