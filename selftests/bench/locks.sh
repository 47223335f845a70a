#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long ksmd and pshare hold mmap_lock and the locks of page tables, in instructions.
# Writes build/bench-locks.json.
#
# usage: locks.sh VERSION
# In the environment: REPEATS (2).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"
# shellcheck source-path=SCRIPTDIR source=counted.sh
. "$top/selftests/bench/counted.sh"

version=${1:?usage: locks.sh VERSION}
dir=$build/bench/$version-locks
bench=$top/selftests/bench

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
mkdir -p "$dir"
rm -f "$dir"/*.tap
make -s --no-print-directory -C "$bench" OUT="$dir/tests"
quietly "$qemu_dir/module.sh" "$version" "$dir/module"
for repeat in $(seq "${REPEATS:-2}"); do
	for program in locks_ksmd locks_pshare; do
		# The array of struct pages must be where it is without randomisation.
		counted "$program" "$dir/$program.$repeat.tap" 768 'norandmaps nokaslr'
	done
done
"$bench/locks.pl" collect "$(<"$(kernel_dir "$version")/release")" "$(commit)" "$dir"/*.tap \
	>"$build/bench-locks.json.tmp"
mv "$build/bench-locks.json.tmp" "$build/bench-locks.json"
"$bench/locks.pl" show "$build/bench-locks.json"
