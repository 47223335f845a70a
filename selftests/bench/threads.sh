#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What passes take by the clock with one scan thread and with two, by turns, in a machine
# with two CPUs: build/bench-threads.json.  Says something only where nobody else wants the
# CPUs of this machine, two or more: its load is told beside.
#
# usage: threads.sh VERSION
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"

version=${1:?usage: threads.sh VERSION}
dir=$build/bench/$version-threads
bench=$top/selftests/bench

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
mkdir -p "$dir"
make -s --no-print-directory -C "$bench" OUT="$dir/tests"
quietly "$qemu_dir/module.sh" "$version" "$dir/module"
read -r before _ </proc/loadavg
CPUS=2 MEM=3072 BOOT_NAME=threads MODULE=$dir/module/pshare.ko SECONDS_EACH=1200 \
	"$qemu_dir/boot.sh" "$version" "$dir/tests" threads >"$dir/threads.tap" || {
	cat "$dir/threads.tap"
	die "the run failed"
}
read -r after _ </proc/loadavg
"$bench/threads.pl" "$(<"$(kernel_dir "$version")/release")" "$(commit)" "$(nproc)" "$before" \
	"$after" "$dir/threads.tap" >"$build/bench-threads.json.tmp"
mv "$build/bench-threads.json.tmp" "$build/bench-threads.json"
