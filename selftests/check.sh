#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs parts of the tests, shows their TAP lines and counts them.
#
# usage: check.sh PART...
# Parts: unit static tool harness selftests guests
# In the environment: KERNELS (versions), TESTS (programs of selftests; all)
# Ends with one line "N passed, N failed, N skipped"; fails if anything failed.
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
export BUILD=${BUILD:-$top/build}
out=$BUILD/check
kernels=${KERNELS:-6.1}
first_kernel=${kernels%% *}
passed=0 failed=0 skipped=0 failures=()

kernel() {
	echo "$BUILD/kernels/$1"
}

# part NAME COMMAND...: what it prints is TAP, maybe several plans in a row.
part() {
	local name=$1 file status=0 ok bad skip planned before=$SECONDS
	file=$(mktemp "$out/tap.XXXXXX")
	shift
	echo "# ---- $name"
	# There is one line of sums, at the end, and it is ours.
	"$@" 2>&1 </dev/null | sed -u -E 's/^[0-9]+ passed, /# &/' | tee "$file" || status=$?
	skip=$(grep -cE '^ok .*# SKIP' "$file")
	ok=$(($(grep -cE '^ok ' "$file") - skip))
	bad=$(grep -cE '^not ok ' "$file")
	planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$file" | paste -sd+ | bc)
	# Silence is no success: a part that broke off, or ran nothing, failed.
	if [ "${planned:-0}" -ne $((ok + bad + skip)) ] || [ "${planned:-0}" -eq 0 ] ||
	   { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
		echo "not ok $name: broke off ($((ok + bad + skip)) results of ${planned:-0}, status $status)" |
			tee -a "$file"
		bad=$((bad + 1))
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	while read -r line; do
		failures+=("$name: $line")
	done < <(grep -E '^not ok ' "$file")
	mv "$file" "$out/${name//[ :]/-}.tap"
	echo "# $name: $ok passed, $bad failed, $skip skipped, $((SECONDS - before)) s"
}

unit() {
	make -s --no-print-directory -C "$top/selftests/unit" check \
		KSRC="$(kernel "$first_kernel")/source" OUT="$BUILD/unit"
}

tool() {
	make -s --no-print-directory -C "$top/userctl" all static OUT="$BUILD/userctl" >"$log" 2>&1 ||
		{ sed 's/^/# /' "$log" && return 1; }
	make -s --no-print-directory -C "$top/userctl" check OUT="$BUILD/userctl"
}

# Builds that must succeed before anything can be tested.
build_module() {
	"$top/selftests/qemu/module.sh" "$1" "$(kernel "$1")/module" >"$log" 2>&1 &&
		build_tool >>"$log" 2>&1 && return
	sed 's/^/# /' "$log"
	return 1
}

build_tool() {
	flock "$out" make -s --no-print-directory -C "$top/userctl" OUT="$BUILD/userctl"
}

selftests() {
	local version=$1 dir names
	dir=$(kernel "$version")
	flock "$dir/lock" make -s --no-print-directory -C "$top/selftests" OUT="$dir/selftests" \
		KSFT="$dir/source/tools/testing/selftests" >"$log" 2>&1 || {
		sed 's/^/# /' "$log"
		return 1
	}
	build_module "$version" || return
	names=${TESTS:-$(cd "$top/selftests" && printf "%s\n" *.c | sed -n "s/\.c\$//p" | grep -vx lib)}
	# shellcheck disable=SC2086 # a list of words
	MODULE=$dir/module/pshare.ko TOOL=$BUILD/userctl/pshare \
		"$top/selftests/qemu/boot.sh" "$version" "$dir/selftests" $names
}

guests() {
	build_module "$1" || return
	MODULE=$(kernel "$1")/module/pshare.ko TOOL=$BUILD/userctl/pshare \
		"$top/selftests/qemu/guests.sh" "$1" check
}

mkdir -p "$out"
log=$(mktemp "$out/build.XXXXXX")
trap 'rm -f "$log"' EXIT
begin=$SECONDS
"$top/selftests/qemu/deps.sh" || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
for version in $kernels; do
	"$top/selftests/qemu/kernel.sh" "$version" || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
done

for name in "$@"; do
	case $name in
	unit | tool) part "$name" "$name" ;;
	static | harness)
		script=$top/selftests/static/static.sh
		[ "$name" = static ] || script=$top/selftests/qemu/harness.sh
		for version in $kernels; do
			part "$name $version" "$script" "$version"
		done
		;;
	selftests | guests)
		for version in $kernels; do
			part "$name $version" "$name" "$version"
		done
		;;
	*)
		echo "check.sh: no part is called $name" >&2
		exit 2
		;;
	esac
done

echo "# $((SECONDS - begin)) s in all"
for line in "${failures[@]+"${failures[@]}"}"; do
	echo "# failed: $line"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
