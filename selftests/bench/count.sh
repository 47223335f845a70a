#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Counts the instructions of ksmd and pshare on the same memory, in a machine whose clock
# they are.  The figures repeat to a thousandth, on any machine.
#
# usage: count.sh VERSION all		both, and the kernel's own faults; build/bench-count.json
#        count.sh VERSION check		pshare, compared with reference.json: fails at 5 % more
#        count.sh VERSION reference	pshare; writes reference.json
# In the environment: REPEATS of all (2).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"
# shellcheck source-path=SCRIPTDIR source=counted.sh
. "$top/selftests/bench/counted.sh"

usage="usage: count.sh VERSION all|check|reference"
version=${1:?$usage} what=${2:?$usage}
dir=$build/bench/$version-count
bench=$top/selftests/bench
reference=$bench/reference.json

# collect FILE: all that was counted.
collect() {
	"$bench/count.pl" collect "$(<"$(kernel_dir "$version")/release")" "$(commit)" \
		"$dir"/*.tap >"$1.tmp"
	mv "$1.tmp" "$1"
}

case $what in
all) programs="count_faults count_ksmd count_pshare" repeats=${REPEATS:-2} ;;
check | reference) programs=count_pshare repeats=1 ;;
*) die "$usage" ;;
esac

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
rm -rf "$dir/tests"
mkdir -p "$dir"
rm -f "$dir"/*.tap
make -s --no-print-directory -C "$bench" OUT="$dir/tests"
quietly "$qemu_dir/module.sh" "$version" "$dir/module"
for repeat in $(seq "$repeats"); do
	for program in $programs; do
		counted "$program" "$dir/$program.$repeat.tap" 512 norandmaps
	done
done

case $what in
all)
	collect "$build/bench-count.json"
	"$bench/count.pl" show "$build/bench-count.json"
	;;
reference)
	collect "$dir/now.json"
	"$bench/count.pl" reference "$dir/now.json" >"$reference.tmp"
	mv "$reference.tmp" "$reference"
	;;
check)
	collect "$dir/now.json"
	"$bench/count.pl" check "$dir/now.json" "$reference"
	;;
esac
