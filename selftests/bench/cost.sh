#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Counts the instructions that a page costs in a steady pass, in a machine whose
# clock is its instructions: the figures repeat, on any machine.
#
# usage: cost.sh VERSION [COMMIT...]
# Each COMMIT is measured beside what is here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

usage="usage: cost.sh VERSION [COMMIT...]"
version=${1:?$usage}
shift
dir=$build/bench/$version

# measure NAME SOURCE: builds the module of a source tree, and measures it.
measure() {
	local name=$1 source=$2
	quietly env BUILD="$build" "$source/selftests/qemu/module.sh" "$version" "$dir/$name"
	COUNT=1 CPUS=1 MEM=512 BOOT_NAME=cost MODULE=$dir/$name/pshare.ko SECONDS_EACH=600 \
		"$qemu_dir/boot.sh" "$version" "$dir/tests" cost >"$dir/$name.tap" || {
		cat "$dir/$name.tap"
		die "$name: the run failed"
	}
	awk -v name="$name" '/# cost: cost / { print name, $4, $5 }' "$dir/$name.tap"
}

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
mkdir -p "$dir"
make -s --no-print-directory -C "$top/selftests/bench" OUT="$dir/tests"
echo "source kind instructions-per-page"
for commit in "$@"; do
	rm -rf "$dir/source"
	mkdir -p "$dir/source"
	git -C "$top" archive "$commit" | tar -x -C "$dir/source"
	measure "$commit" "$dir/source"
done
measure here "$top"
