#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The index in user space, beside a tree ordered by memcmp and the machine's floor, on this
# machine's memory: build/bench-index.json.
#
# usage: index.sh VERSION
# In the environment: SIZES (MiB of pages), RUNS of each (2).  A size for which memory does
# not suffice is left out, and the figures say so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"

version=${1:?usage: index.sh VERSION}
dir=$build/bench/index
bench=$top/selftests/bench
skipped=''

# Pages, nodes of both trees, what flushes the caches, and something for everybody else.
fits() {
	awk -v mib="$1" '/^MemAvailable:/ { exit !($2 / 1024 > mib * 1.04 + 1536) }' /proc/meminfo
}

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
mkdir -p "$dir"
rm -f "$dir"/*.txt
make -s --no-print-directory -C "$bench" index OUT="$dir" KSRC="$(kernel_dir "$version")/source"
for run in $(seq "${RUNS:-2}"); do
	for size in ${SIZES:-256 1024 4096 16384}; do
		if fits "$size"; then
			"$dir/index_bench" "$size" >"$dir/$size.$run.txt"
		else
			echo "${0##*/}: $size MiB: memory does not suffice" >&2
			skipped+=" $size"
		fi
	done
done
"$bench/index.pl" collect "$(commit)" "$skipped" "$dir"/*.txt >"$build/bench-index.json.tmp"
mv "$build/bench-index.json.tmp" "$build/bench-index.json"
"$bench/index.pl" show "$build/bench-index.json"
