#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: installs what it needs, builds, boots a KVM host with two
# guests in an emulated machine, lets mainline ksmd and then pshare share their
# memory, and prints both side by side.  Writes build/demo.json.
#
# usage: demo.sh VERSION
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

version=${1:?usage: demo.sh VERSION}
dir=$(kernel_dir "$version")
begin=$SECONDS

step() {
	echo "[$((SECONDS - begin)) s] $*"
}

step "packages"
"$qemu_dir/deps.sh"
step "kernel $version"
"$qemu_dir/kernel.sh" "$version"
step "pshare.ko and the command pshare"
quietly "$qemu_dir/module.sh" "$version" "$dir/module"
quietly make -C "$top/userctl" OUT="$build/userctl"
step "a KVM host, emulated (stock $(<"$dir/release") with kvm_amd)"
MODULE=$dir/module/pshare.ko TOOL=$build/userctl/pshare "$qemu_dir/guests.sh" "$version" show || {
	echo "The demonstration failed." >&2
	exit 1
}

declare -A fig=()
while read -r name value; do
	fig[$name]=$value
done <"$build/$version-guests.figures"

mib() {
	echo "$(($1 / 256)).$(($1 % 256 * 10 / 256)) MiB"
}

row() {
	printf '  %-44s %12s %12s\n' "$@"
}

echo
echo "Two guests under KVM on $(<"$dir/release"), the same pages in the same boot:"
row '' ksmd pshare
row 'pages shared (kept, one for many)' "${fig[ksmd_pages_shared]}" "${fig[pshare_pages_shared]}"
row 'pages sharing (saved)' "${fig[ksmd_pages_sharing]}" "${fig[pshare_pages_sharing]}"
row 'zero pages (saved)' "${fig[ksmd_zero]}" "${fig[pshare_ksm_zero_pages]}"
row 'saved in all, by the counters' "$(mib "${fig[ksmd_saved]}")" "$(mib "${fig[pshare_saved]}")"
row 'page frames before (pagemap of the QEMUs)' "${fig[ksmd_before_frames]}" "${fig[pshare_before_frames]}"
row 'page frames after' "${fig[ksmd_after_frames]}" "${fig[pshare_after_frames]}"
row 'anonymous KiB before (smaps, Pss_Anon)' "${fig[ksmd_before_pss_anon_kib]}" "${fig[pshare_before_pss_anon_kib]}"
row 'anonymous KiB after' "${fig[ksmd_after_pss_anon_kib]}" "${fig[pshare_after_pss_anon_kib]}"
row 'passes' "${fig[ksmd_passes]}" "${fig[pshare_full_scans]}"
row 'seconds (emulated: not a comparison of speed)' "${fig[ksmd_seconds]}" "${fig[pshare_seconds]}"
echo
echo "  (ksmd is given the guests' RAM by QEMU; pshare has the whole processes.)"
echo
if [ "${fig[ksmd_saved]}" -gt 0 ]; then
	echo "pshare saves $((fig[pshare_saved] * 100 / fig[ksmd_saved])) % of what ksmd saves."
fi
# says NAME YES NO: what build/demo.json says of NAME, in words.
says() {
	if grep -q "\"$1\": true" "$build/demo.json"; then
		echo "$2"
	else
		echo "$3"
		exit 1
	fi
}
says guests_ok "Both guests live, and found every byte right in each of ${fig[rounds_unloaded]} rounds." \
	"THE GUESTS ARE NOT WELL."
says kernel_log_clean "The kernel log is clean." "THE KERNEL LOG IS NOT CLEAN: see $build/qemu/$version-guests."
echo "The figures are in build/demo.json.  It took $((SECONDS - begin)) s."
