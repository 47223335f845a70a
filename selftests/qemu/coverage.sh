#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines of the module the selftests reach: runs them on a kernel with
# gcov, with a module that counts.  Writes TAP, and into build/:
#   coverage.txt	a table of the files, and each line that was not reached
#   coverage.json	the same table
#
# usage: coverage.sh VERSION TESTS-DIRECTORY NAME...
# In the environment: TOOL (the command pshare), COVERAGE_WANTED (percent)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

usage="usage: coverage.sh VERSION TESTS-DIRECTORY NAME..."
version=${1:?$usage} tests_dir=${2:?$usage}
shift 2
wanted=${COVERAGE_WANTED:-90}
dir=$(kernel_dir "$version")
objects=$dir/coverage
work=$build/coverage

has_instruments "$version" || die "kernel $version has no gcov"
quietly "$qemu_dir/module.sh" "$version" "$objects" -- GCOV_PROFILE=y
rm -rf "$work"
mkdir -p "$work"
status=0
GCOV_DIR=$work/machines BOOT_NAME=coverage MODULE=$objects/pshare.ko \
	boot_each "$version" "$tests_dir" "$@" | tee "$work/tap" || status=$?

# A machine's data, beside the notes of the compiler: gcov's own listing.
for machine in "$work/machines/"*; do
	[ -d "$machine" ] || continue
	(cd "$objects" && find module -name '*.gcno') | while read -r notes; do
		mkdir -p "$machine/${notes%/*}"
		cp "$objects/$notes" "$machine/$notes"
		[ ! -e "$machine/${notes%.gcno}.gcda" ] ||
			(cd "$objects" && gcov -t -o "$machine/${notes%/*}" "${notes%.gcno}.c") \
				>>"$work/listing" 2>>"$work/gcov.err"
	done
done
[ -s "$work/listing" ] || die "the machines have sent nothing"

# The same line may be in several objects, and in several machines' data.
# COUNT:LINE:TEXT, where COUNT is "-" for no code and "#####" for not reached.
awk -v root="$objects/" -v table="$work/table" -v missed="$work/missed" '
	/^ *-: *0:Source:/ {
		file = $0
		sub(/^ *-: *0:Source:/, "", file)
		if (index(file, root) == 1)
			file = substr(file, length(root) + 1)
		next
	}
	/^ *[^:]+: *[0-9]+:/ && file ~ /^module\// {
		split($0, part, ":")
		count = part[1]
		line = part[2] + 0
		gsub(/ /, "", count)
		if (count == "-" || line == 0)
			next
		key = file SUBSEP line
		if (!(key in hit)) {
			hit[key] = 0
			lines[file]++
		}
		if (count !~ /^[#=]/)
			hit[key] = 1
		text[key] = substr($0, length(part[1]) + length(part[2]) + 3)
		if (line > last[file])
			last[file] = line
	}
	END {
		for (file in lines) {
			reached = 0
			for (line = 1; line <= last[file]; line++) {
				key = file SUBSEP line
				if (!(key in hit))
					continue
				reached += hit[key]
				if (!hit[key])
					printf "%s:%d:%s\n", file, line, text[key] >missed
			}
			print file, lines[file], reached >table
		}
	}' "$work/listing"
touch "$work/missed"
sort -o "$work/table" "$work/table"
sort -t : -k 1,1 -k 2,2n -o "$work/missed" "$work/missed"

read -r total reached < <(awk '{ t += $2; r += $3 } END { print t + 0, r + 0 }' "$work/table")
percent=$(awk -v t="$total" -v r="$reached" 'BEGIN { printf "%.1f", t ? 100 * r / t : 0 }')
{
	awk 'BEGIN { printf "%-28s %6s %8s %8s\n", "file", "lines", "reached", "percent" }
		{ printf "%-28s %6d %8d %8.1f\n", $1, $2, $3, 100 * $3 / $2 }' "$work/table"
	printf '%-28s %6d %8d %8s\n\n' all "$total" "$reached" "$percent"
	echo "Not reached:"
	cat "$work/missed"
} >"$build/coverage.txt"
{
	printf '{\n  "kernel": "%s",\n  "programs": %d,\n' "$(<"$dir/release")" "$#"
	printf '  "lines": %d,\n  "reached": %d,\n  "percent": %s,\n  "files": [\n' \
		"$total" "$reached" "$percent"
	awk '{ printf "%s    { \"file\": \"%s\", \"lines\": %d, \"reached\": %d, \"percent\": %.1f }",
		(NR > 1 ? ",\n" : ""), $1, $2, $3, 100 * $3 / $2 } END { print "" }' "$work/table"
	printf '  ]\n}\n'
} >"$build/coverage.json"

sed '/^$/,$d; s/^/# /' "$build/coverage.txt"
verdict=ok
if [ "$total" -eq 0 ] || [ $((reached * 100)) -lt $((total * wanted)) ]; then
	verdict="not ok" status=1
fi
echo "$verdict 1 coverage: the selftests reach $reached of $total lines of module/, $percent %, at least $wanted %"
echo "1..1"
exit "$status"
