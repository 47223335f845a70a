#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The checks that need no booting: compiler, sparse, checkpatch, the rules of
# the house, the scripts.  Writes TAP; what was found precedes each verdict.
#
# usage: static.sh VERSION [build]
# With "build": only whether the module builds without a warning.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

usage="usage: static.sh VERSION [build]"
version=${1:?$usage} only=${2-}
work=$build/static/$version
number=0 failed=0

# verdict STATUS TEXT: says what is in $work/found, then ok or not ok.
verdict() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number static: $2"
	else
		sed "s/^/# /" "$work/found" | head -n 200
		failed=$((failed + 1))
		echo "not ok $number static: $2"
	fi
}

# Builds the module anew with more checks; any warning fails.
clean_build() {
	local name=$1 status=0
	shift
	rm -rf "${work:?}/$name"
	"$qemu_dir/module.sh" "$version" "$work/$name" -- "$@" >"$work/log" 2>&1 || status=$?
	# Distributions' headers come without vmlinux, so BTF is always skipped.
	grep -E 'warning|error|undefined' "$work/log" >"$work/found" && status=1
	[ "$status" -eq 0 ] || [ -s "$work/found" ] || cp "$work/log" "$work/found"
	return "$status"
}

# checkpatch IGNORED FILE...
checkpatch() {
	local ignored=$1
	shift
	[ $# -gt 0 ] || return 0
	perl "$(kernel_dir "$version")/source/scripts/checkpatch.pl" --no-tree --strict --terse \
		--no-summary --show-types --max-line-length=100 --ignore "$ignored" -f "$@" 2>&1 |
		sed "s|^$top/||"
}

# What is left out, and why:
#   FILE_PATH_CHANGES: there is no MAINTAINERS file
#   MACRO_ARG_REUSE: macros that make tables and functions use a name twice
#   UNCOMMENTED_DEFINITION: takes each local pointer to a lock for a lock
#   BIT_MACRO in uapi/: BIT() is not there in user space
#   OPEN_ENDED_LINE, PARENTHESIS_ALIGNMENT in trace.h: the style of TRACE_EVENT()
#   MULTISTATEMENT_MACRO_USE_DO_WHILE, LEADING_SPACE in compat/ksyms: a macro
#	there defines functions
#   LINUX_VERSION_CODE in compat/: it is for that
everywhere=FILE_PATH_CHANGES,MACRO_ARG_REUSE
checkpatch_module() {
	local file
	for file in "$@"; do
		case $file in
		*/uapi/*) checkpatch $everywhere,BIT_MACRO "$file" ;;
		*/compat/*) checkpatch $everywhere,LINUX_VERSION_CODE,LEADING_SPACE,MULTISTATEMENT_MACRO_USE_DO_WHILE,UNCOMMENTED_DEFINITION "$file" ;;
		*/trace*.h) checkpatch $everywhere,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT "$file" ;;
		*) checkpatch $everywhere,UNCOMMENTED_DEFINITION "$file" ;;
		esac
	done >"$work/found"
	[ ! -s "$work/found" ]
}

# Programs of user space have no helpers of the kernel, return what they like,
# print sentences longer than a line, and stand in for functions of libc.  The
# two lines taken out are false alarms on FIXTURE_DATA() and on (long[6]){ ... }.
checkpatch_programs() {
	checkpatch "$everywhere,PREFER_KERNEL_TYPES,AVOID_EXTERNS,ENOSYS,STRCPY,STRNCPY,\
ARRAY_SIZE,BIT_MACRO,USE_NEGATIVE_ERRNO,SPLIT_STRING,VOLATILE,MIN_MAX,MINMAX,\
PREFER_DEFINED_ATTRIBUTE_MACRO,COMPLEX_MACRO,CONST_STRUCT,EMBEDDED_FUNCTION_NAME,\
PRINTF_L,SSCANF_TO_KSTRTO,DEPRECATED_API,CONSIDER_KSTRTO,NEW_TYPEDEFS,PREFER_FALLTHROUGH,CAMELCASE,\
FUNCTION_ARGUMENTS,MISSING_SPACE" "$@" |
		grep -v -e "SPACING: spaces preferred around that '\*' (ctx:WxV)" \
			-e "SPACING: space required before the open brace '{'" >"$work/found" || true
	[ ! -s "$work/found" ]
}

sources() {
	local path
	for path in "$@"; do
		[ -e "$top/$path" ] && find "$top/$path" -name '*.[ch]' ! -name '*.mod.c'
	done | sort
}

# The rules of the house must be able to fail: breaks each in a copy.
house_breaks() {
	local file=$1 line=$2
	rm -rf "$work/house"
	cp -r "$top/module" "$work/house"
	echo "$line" >>"$work/house/$file"
	if "$top/selftests/static/house.sh" "$work/house" >>"$work/found" 2>&1; then
		echo "not noticed: $line in $file" >>"$work/found"
		return 1
	fi
}

house_can_fail() {
	: >"$work/found"
	house_breaks index.c '#include "scan.h"' &&
		house_breaks merge.c '#include "region.h"' &&
		house_breaks compat/compat.h '#include "index.h"' &&
		house_breaks scan.c '#include <linux/version.h>' &&
		house_breaks scan.c '#if LINUX_VERSION_CODE > 0'
}

mkdir -p "$work"
echo "TAP version 13"

if [ "$only" = build ]; then
	status=0; clean_build plain || status=$?
	verdict "$status" "builds without a warning for $(<"$(kernel_dir "$version")/release")"
	echo 1..1
	exit "$failed"
fi

status=0; clean_build w1 W=1 || status=$?
verdict "$status" "builds without a warning with W=1"

status=0; clean_build sparse C=2 CF=-D__CHECK_ENDIAN__ || status=$?
verdict "$status" "sparse finds nothing"

# The same goes for the programs.
clean_programs() {
	local status=0
	rm -rf "$work/programs" "$work/userctl"
	{
		make -s --no-print-directory -C "$top/selftests" OUT="$work/programs" \
			KSFT="$(kernel_dir "$version")/source/tools/testing/selftests" &&
			make -s --no-print-directory -C "$top/selftests/stress" OUT="$work/programs" &&
			make -s --no-print-directory -C "$top/userctl" OUT="$work/userctl"
	} >"$work/log" 2>&1 || status=$?
	grep -E 'warning:|error:' "$work/log" >"$work/found" && status=1
	[ "$status" -eq 0 ] || [ -s "$work/found" ] || cp "$work/log" "$work/found"
	return "$status"
}

status=0; clean_programs || status=$?
verdict "$status" "the programs build without a warning"

mapfile -t files < <(sources module)
status=0; checkpatch_module "${files[@]}" || status=$?
verdict "$status" "checkpatch --strict finds nothing in the module"

mapfile -t files < <(sources selftests userctl | grep -v '/unit/include/')
status=0; checkpatch_programs "${files[@]}" || status=$?
verdict "$status" "checkpatch --strict finds nothing in the programs"

status=0; "$top/selftests/static/house.sh" "$top/module" >"$work/found" 2>&1 || status=$?
verdict "$status" "the rules of the house are kept"

status=0; house_can_fail || status=$?
verdict "$status" "a breach of the rules of the house is noticed"

mapfile -t files < <(cd "$top" && git ls-files -co --exclude-standard |
	while read -r file; do
		[ ! -f "$file" ] || ! head -n 1 "$file" | grep -aqE '^#!/bin/(ba|da)?sh' || echo "$file"
	done)
status=0; (cd "$top" && shellcheck -x "${files[@]}") >"$work/found" 2>&1 || status=$?
verdict "$status" "shellcheck finds nothing in the scripts"

# The project is built where it is; nothing of the machines it was made on.
status=0
(cd "$top" && git ls-files -co --exclude-standard | grep -vx COPYING | while read -r file; do
	[ ! -f "$file" ] || head -n 3 "$file" | grep -aq 'SPDX-License-Identifier\|^%YAML' ||
		case $file in *.c | *.h | *.sh | Kbuild | *Makefile) echo "$file" ;; esac
done) >"$work/found" 2>&1 || status=$?
[ ! -s "$work/found" ] || status=1
verdict "$status" "each source file names its licence"

echo "1..$number"
[ "$failed" -eq 0 ]
