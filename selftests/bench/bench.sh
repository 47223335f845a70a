#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All that is measured beside ksmd, one part after the other; joins what came out in
# build/bench.json and renews Documentation/benchmarks.rst.  A part that fails has no
# figures then, and the others have.
#
# usage: bench.sh VERSION
# In the environment: BENCH (count index guests locks native profile threads)
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

version=${1:?usage: bench.sh VERSION}
bench=$top/selftests/bench
failed=''

run_part() {
	local begin=$SECONDS
	echo "# ---- bench-$1"
	case $1 in
	count) "$bench/count.sh" "$version" all ;;
	profile) "$bench/native.sh" "$version" profile ;;
	*) "$bench/$1.sh" "$version" ;;
	esac || failed+=" $1"
	echo "# bench-$1: $((SECONDS - begin)) s"
}

for part in ${BENCH:-count index guests locks native profile threads}; do
	# What an earlier run has left is not what this one measured.
	rm -f "$build/bench-$part.json"
	run_part "$part"
done
"$bench/bench.pl" "$build"/bench-*.json >"$build/bench.json.tmp" && mv "$build/bench.json.tmp" "$build/bench.json" ||
	failed+=" join"
"$bench/report.sh" || failed+=" report"
[ -z "$failed" ] || die "failed:$failed"
