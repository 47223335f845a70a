#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test must be able to fail: puts one fault after another into a room of the
# module and demands that its unit test notices.  Writes TAP.
#
# usage: mutants.sh LIST SOURCE BUILD-DIRECTORY COMPILER-COMMAND...
# The compiler command makes BUILD-DIRECTORY/test from BUILD-DIRECTORY/mutant.c.
# A line of LIST is a name, a fault, and maybe the header beside SOURCE that it is
# for, with tabs between them.
set -u
list=$1 source=$2 dir=$3
shift 3
tab=$(printf '\t')
total=$(grep -c "^[^#].*$tab" "$list")
number=0 missed=0

verdict() {
	number=$((number + 1))
	[ "$1" = ok ] || missed=$((missed + 1))
	echo "$1 $number $2"
}

mkdir -p "$dir" || exit 1
echo "TAP version 13"
echo "1..$total"
while IFS="$tab" read -r name fault header; do
	case $name in '' | '#'*) continue ;; esac
	# The mutant includes what lies beside it before anything else.
	cp "$source" "$dir/mutant.c"
	cp "${source%/*}"/*.h "$dir"
	original=$source mutant=$dir/mutant.c
	[ -z "$header" ] || original=${source%/*}/$header mutant=$dir/$header
	sed -E "$fault" "$original" >"$mutant"
	if cmp -s "$original" "$mutant"; then
		verdict "not ok" "$name: the fault changes nothing"
	elif ! "$@" 2>"$dir/errors"; then
		sed 's/^/# /' "$dir/errors"
		verdict "not ok" "$name: does not compile"
	elif FIRST=1 OPS=20000 timeout 60 "$dir/test" >"$dir/output" 2>&1 </dev/null; then
		verdict "not ok" "$name: not noticed"
	else
		verdict ok "$name: noticed"
	fi
done <"$list"
echo "# Totals: pass:$((total - missed)) fail:$missed xfail:0 xpass:0 skip:0 error:0"
[ "$missed" -eq 0 ] && [ "$number" -eq "$total" ]
