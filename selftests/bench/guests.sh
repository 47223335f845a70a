#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Real guests under KVM, in an emulated host: what ksmd and pshare save of the same memory
# after each pass, and what that takes.  Writes build/bench-guests.json.
#
# usage: guests.sh VERSION
# In the environment: REPEATS (boots, 2; the first of the two alternates), GUESTS (2),
# GUEST_MIB (memory of each that its program fills, 32), PASSES (8), COUNT (1: by a clock
# that counts instructions; most of the time a guest then hangs as it boots).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"

version=${1:?usage: guests.sh VERSION} mode=check
bench=$top/selftests/bench
out=$build/bench/$version-guests
# A pass may take minutes where others work, and says nothing meanwhile.
limit=${SECONDS_ALL:-5400} silence=1800
guests=${GUESTS:-2} guest_memory=${GUEST_MEMORY:-256} guest_mib=${GUEST_MIB:-32} passes=${PASSES:-8}
memory=${MEM:-$((1024 + guests * (guest_memory + 128)))}
repeats=${REPEATS:-2}
unit=nanoseconds
[ -z "${COUNT-}" ] || unit=instructions

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
# shellcheck source-path=SCRIPTDIR source=../qemu/kvmhost.sh
. "$qemu_dir/kvmhost.sh"
mkdir -p "$out"
rm -f "$out"/*.figures
quietly "$qemu_dir/module.sh" "$version" "$out/module"
quietly make -C "$top/userctl" OUT="$build/userctl"
quietly make -C "$bench" OUT="$out/tests" "$out/tests/saving"
MODULE=$out/module/pshare.ko TOOL=$build/userctl/pshare

# run_boot NUMBER: figures only of a boot that came to its end without a complaint.
run_boot() {
	local order=ksmd,pshare clean=1
	[ $(($1 % 2)) -eq 1 ] || order=pshare,ksmd
	subject="bench-guests, boot $1"
	fig=()
	begin_work "$version-bench-guests"
	make_guest ''
	mkdir -p "$work/root/bin"
	cp "$out/tests/saving" "$work/root/bin/"
	make_host "$bench/guests-init.sh"
	run_host "$memory" "host.guests=$guests host.guest_memory=$guest_memory \
host.mib=$guest_mib host.passes=$passes host.order=$order"
	log_is_clean || { clean=0; sed 's/^/# /' "$work/complaints"; }
	expect "ran to its end${trouble:+: $trouble}" test -n "${fig[complete]-}"
	expect "the kernel log is clean" test "$clean" = 1
	[ -z "${fig[complete]-}" ] || [ "$clean" = 0 ] || cp "$work/figures" "$out/$1.figures"
	end_work
	trap - EXIT
}

echo "TAP version 13"
for boot in $(seq "$repeats"); do
	run_boot "$boot"
done
if [ "$failed" -eq 0 ]; then
	"$bench/guests.pl" collect "$(<"$dir/release")" "$(commit)" "$unit" "$guests" "$guest_memory" "$guest_mib" \
		"$out"/*.figures >"$build/bench-guests.json.tmp"
	mv "$build/bench-guests.json.tmp" "$build/bench-guests.json"
	"$bench/guests.pl" show "$build/bench-guests.json"
fi
echo "1..$number"
[ "$failed" -eq 0 ]
