#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs parts of the tests, shows their TAP lines and counts them.
#
# usage: check.sh PART...
# Parts: unit static tool harness selftests guests load coverage faults fuzz
# In the environment: KERNELS (versions), TESTS (programs of selftests; all), SEED
# and CALLS (of fuzz), SITES (of faults), STRICT (1: what fails once has failed)
# What a kernel's version matters to is run with each; with the first only the
# harness, unless it is alone; the checks of the source with 6.1.  PHASES of load.
# Ends with a line for each kernel and one line "N passed, N failed, N skipped"
# for all; fails if anything failed.
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
export BUILD=${BUILD:-$top/build}
# shellcheck source-path=SCRIPTDIR source=qemu/common.sh
. "$top/selftests/qemu/common.sh"
out=$BUILD/check
kernels=${KERNELS:-6.1}
static_kernel=6.1
passed=0 failed=0 skipped=0 failures=() doubts=()
declare -A kernel_passed=() kernel_failed=() kernel_skipped=()

# count NAME PASSED FAILED SKIPPED: the last word of the name may be a kernel.
count() {
	local version=${1##* }
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
	[ "$version" != "$1" ] || return 0
	kernel_passed[$version]=$((${kernel_passed[$version]:-0} + $2))
	kernel_failed[$version]=$((${kernel_failed[$version]:-0} + $3))
	kernel_skipped[$version]=$((${kernel_skipped[$version]:-0} + $4))
}

# unstable NAME TAP: two tests at most have failed on a kernel as distributed, where the clock
# is that of a busy machine; and their programs pass twice in machines of their own.  The
# kernel's complaints, crashes, and the debug kernel's findings are never forgiven.
unstable() {
	local version=${1##* } programs file=$2.again i
	[ "${1%% *}" = selftests ] && [ -z "${STRICT-}" ] || return 1
	case $version in *-*) return 1 ;; esac
	[ "$(grep -c '^not ok ' "$2")" -le 2 ] || return 1
	! grep '^not ok ' "$2" | grep -qvE '^not ok [0-9]+ [a-z_]+: [a-z_]+\.[a-z0-9_.]+$' || return 1
	programs=$(sed -n 's/^not ok [0-9]* \([a-z_]*\): .*/\1/p' "$2" | sort -u | tr '\n' ' ')
	for i in 1 2; do
		echo "# once more, try $i of 2: $programs"
		if ! TESTS=$programs selftests "$version" >"$file" 2>&1 </dev/null ||
		   ! grep -q '^1\.\.[1-9]' "$file" || grep -q '^not ok ' "$file"; then
			sed 's/^/# /' "$file"
			return 1
		fi
	done
}

# part NAME COMMAND...: what it prints is TAP, maybe several plans in a row.
part() {
	local name=$1 file status=0 ok bad skip planned before=$SECONDS took
	file=$(mktemp "$out/tap.XXXXXX")
	shift
	echo "# ---- $name"
	# There is one line of sums, at the end, and it is ours.
	"$@" 2>&1 </dev/null | sed -u -E 's/^[0-9]+ passed, /# &/' | tee "$file" || status=$?
	skip=$(grep -cE '^ok .*# SKIP' "$file")
	ok=$(($(grep -cE '^ok ' "$file") - skip))
	bad=$(grep -cE '^not ok ' "$file")
	if [ "$bad" -gt 0 ] && unstable "$name" "$file"; then
		while read -r line; do
			doubts+=("$name: $line")
		done < <(grep -E '^not ok ' "$file")
		# They count as what they are most of the time, and are named at the end.
		sed -i -E 's/^not ok (.*)$/ok \1 (failed once, passed twice)/' "$file"
		ok=$((ok + bad)) bad=0 status=0
	fi
	planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$file" | paste -sd+ | bc)
	# Silence is no success: a part that broke off, or ran nothing, failed.
	if [ "${planned:-0}" -ne $((ok + bad + skip)) ] || [ "${planned:-0}" -eq 0 ] ||
	   { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
		echo "not ok $name: broke off ($((ok + bad + skip)) results of ${planned:-0}, status $status)" |
			tee -a "$file"
		bad=$((bad + 1))
	fi
	count "$name" "$ok" "$bad" "$skip"
	while read -r line; do
		failures+=("$name: $line")
	done < <(grep -E '^not ok ' "$file")
	mv "$file" "$out/${name//[ :]/-}.tap"
	took=", $((SECONDS - before)) s"
	# It was run before, and has said how long that took.
	[ "$1" != again ] || took=
	echo "# $name: $ok passed, $bad failed, $skip skipped$took"
}

unit() {
	make -s --no-print-directory -C "$top/selftests/unit" check \
		KSRC="$(kernel_dir "$first_kernel")/source" OUT="$BUILD/unit"
}

tool() {
	make -s --no-print-directory -C "$top/userctl" all static OUT="$BUILD/userctl" >"$log" 2>&1 ||
		{ sed 's/^/# /' "$log" && return 1; }
	make -s --no-print-directory -C "$top/userctl" check OUT="$BUILD/userctl"
}

harness() {
	"$top/selftests/qemu/harness.sh" "$1"
}

static() {
	local build=build
	[ "$1" != "$static_kernel" ] || build=
	"$top/selftests/static/static.sh" "$1" ${build:+"$build"}
}

# Builds that must succeed before anything can be tested.
build_module() {
	"$top/selftests/qemu/module.sh" "$1" "$(kernel_dir "$1")/module" >"$log" 2>&1 &&
		build_tool >>"$log" 2>&1 && return
	sed 's/^/# /' "$log"
	return 1
}

build_tool() {
	flock "$out" make -s --no-print-directory -C "$top/userctl" OUT="$BUILD/userctl"
}

# The programs of selftests, for a kernel, and their names.
build_tests() {
	local dir
	dir=$(kernel_dir "$1")
	names=${TESTS:-$(cd "$top/selftests" && printf "%s\n" *.c | sed -n "s/\.c\$//p" | grep -vx lib)}
	flock "$dir/lock" make -s --no-print-directory -C "$top/selftests" OUT="$dir/selftests" \
		KSFT="$dir/source/tools/testing/selftests" >"$log" 2>&1 && return
	sed 's/^/# /' "$log"
	return 1
}

selftests() {
	local version=$1 dir names
	dir=$(kernel_dir "$version")
	build_tests "$version" && build_module "$version" || return
	# shellcheck disable=SC2086 # a list of words
	MODULE=$dir/module/pshare.ko TOOL=$BUILD/userctl/pshare \
		boot_each "$version" "$dir/selftests" $names
}

# ahead JOB...: runs these, two at a time: machines wait more than they work, and what needs no
# machine has one thread.  A job is a part, and a kernel's version where it has one; what each said is
# kept for again().
ahead() {
	local job
	# A process group each, so that nothing of them is left when this script has to go.
	set -m
	for job in "$@"; do
		while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n; done
		keep "$job" &
		groups+=("$!")
	done
	set +m
	wait
	groups=()
}

kept_in() {
	echo "$out/${1// /-}.ahead"
}

keep() {
	local file status=0 before=$SECONDS
	file=$(kept_in "$1")
	log=$file.log
	# shellcheck disable=SC2086 # a part, and maybe a version
	$1 >"$file" 2>&1 </dev/null || status=$?
	echo "# it took $((SECONDS - before)) s, beside another" >>"$file"
	echo "$status" >"$file.status"
	rm -f "$log"
}

again() {
	local file
	file=$(kept_in "$1")
	cat "$file"
	return "$(<"$file.status")"
}

stop() {
	local group
	for group in "${groups[@]+"${groups[@]}"}"; do
		kill -TERM -- "-$group" 2>/dev/null
	done
	exit 130
}

coverage() {
	local version=$1 names
	build_tests "$version" && build_tool >"$log" 2>&1 || return
	# shellcheck disable=SC2086 # a list of words
	TOOL=$BUILD/userctl/pshare \
		"$top/selftests/qemu/coverage.sh" "$version" "$(kernel_dir "$version")/selftests" $names
}

faults() {
	"$top/selftests/faults/faults.sh" "$1"
}

# Longer than among the selftests, or with a seed that is to be repeated.
fuzz() {
	local calls=${CALLS:-20000}
	TESTS="fuzz fuzz_mix" SECONDS_EACH=$((300 + calls / 10)) \
		APPEND="PSHARE_FUZZ_CALLS=$calls${SEED:+ PSHARE_FUZZ_SEED=$SEED}" selftests "$1"
}

guests() {
	build_module "$1" || return
	MODULE=$(kernel_dir "$1")/module/pshare.ko TOOL=$BUILD/userctl/pshare \
		"$top/selftests/qemu/guests.sh" "$1" check
}

# PHASES: those of load.sh, all by default.
load() {
	build_module "$1" || return
	# shellcheck disable=SC2086 # a list of words
	MODULE=$(kernel_dir "$1")/module/pshare.ko TOOL=$BUILD/userctl/pshare \
		"$top/selftests/qemu/load.sh" "$1" ${PHASES-}
}

mkdir -p "$out"
log=$(mktemp "$out/build.XXXXXX")
groups=()
trap 'rm -f "$log"' EXIT
trap stop INT TERM
begin=$SECONDS
"$top/selftests/qemu/deps.sh" || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
wanted=$kernels
# The checks of the source need one kernel more, if it is not among them.
case " $* " in *" static "*) wanted+=" $static_kernel" ;; esac
usable=
for version in $wanted; do
	case " $usable " in *" $version "*) continue ;; esac
	if "$top/selftests/qemu/kernel.sh" "$version"; then
		usable+=" $version"
	else
		# The others can be tested all the same.
		echo "not ok kernel $version: cannot be made ready"
		failures+=("kernel $version: cannot be made ready")
		count "kernel $version" 0 1 0
	fi
done
tested=
for version in $kernels; do
	case " $usable " in *" $version "*) tested+="${tested:+ }$version" ;; esac
done
first_kernel=${tested%% *}
[ -n "$first_kernel" ] || { echo "$passed passed, $failed failed, $skipped skipped"; exit 1; }

# What boots has a limit of time: it shall not go into making ready.
case " $* " in
*" harness "* | *" selftests "* | *" coverage "* | *" faults "* | *" fuzz "*)
	if ! "$top/selftests/qemu/emulator.sh"; then
		echo "not ok emulator: cannot be made ready"
		failures+=("emulator: cannot be made ready")
		count emulator 0 1 0
	fi
	;;
esac

# The jobs of a part: its name, and where a kernel matters each version.
jobs_of() {
	local version
	case $1 in
	unit | tool) echo "$1" ;;
	static)
		echo "static $static_kernel"
		for version in $tested; do
			[ "$version" = "$static_kernel" ] || echo "static $version"
		done
		;;
	harness)
		# Among other parts it is the scripts that matter, and they are the same.
		for version in $harnessed; do echo "harness $version"; done
		;;
	*) for version in $tested; do echo "$1 $version"; done ;;
	esac
}

# What goes side by side: parts that do little in machines, and those that take long in them.
group_of() {
	case $1 in
	unit | static | tool | harness) echo quiet ;;
	selftests | guests) echo long ;;
	load | coverage | faults | fuzz) echo "$1" ;;
	*)
		echo "check.sh: no part is called $1" >&2
		exit 2
		;;
	esac
}

one_by_one() {
	local job
	for job in "$@"; do
		# shellcheck disable=SC2086 # as in keep()
		part "$job" $job
	done
}

# two_by_two JOB...: side by side, and what they said in this order.
two_by_two() {
	local job
	ahead "$@"
	for job in "$@"; do
		part "$job" again "$job"
	done
}

[ $# -eq 1 ] && harnessed=$tested || harnessed=$first_kernel
groups_done=
for name in "$@"; do
	group=$(group_of "$name") || exit
	case " $groups_done " in *" $group "*) continue ;; esac
	groups_done+=" $group"
	list=()
	for other in "$@"; do
		[ "$(group_of "$other")" != "$group" ] ||
			mapfile -t -O ${#list[@]} list < <(jobs_of "$other")
	done
	case $group:$tested in
	quiet:* | "long:"*" "*) beside=1 ;;
	# Who waits for one kernel wants to see how it goes.
	*) beside=0 ;;
	esac
	if [ "$beside" -eq 1 ] && [ ${#list[@]} -gt 1 ]; then
		two_by_two "${list[@]}"
	else
		one_by_one "${list[@]}"
	fi
done

echo "# $((SECONDS - begin)) s in all"
for line in "${doubts[@]+"${doubts[@]}"}"; do
	echo "# unstable, failed once and passed twice: $line"
done
for line in "${failures[@]+"${failures[@]}"}"; do
	echo "# failed: $line"
done
for version in $(printf '%s\n' "${!kernel_passed[@]}" | sort -V); do
	release=$(cat "$(kernel_dir "$version")/release" 2>/dev/null) || release="not there"
	echo "# kernel $version ($release): ${kernel_passed[$version]} passed," \
		"${kernel_failed[$version]} failed, ${kernel_skipped[$version]} skipped"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
