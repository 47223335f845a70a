#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes every allocation of the module fail, at each place in its turn, in a booted
# kernel that can do that.  Writes TAP, and a table of the places to
# build/faults.json.
#
# usage: faults.sh VERSION	(6.1-debug)
# In the environment: SITES (only places whose names contain this), SOURCE (a
# directory with Kbuild and module/, in place of this one's)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

version=${1:?usage: faults.sh VERSION}
dir=$(kernel_dir "$version")
work=$dir/faults
here=$top/selftests/faults
source=${SOURCE:-$top}

# prepare: everything that is booted; what it says goes to $work/log.
prepare() {
	mkdir -p "$work/tests/files"
	"$qemu_dir/module.sh" "$version" "$work/module" "$source/Kbuild" "$source/module" -- \
		KCFLAGS="-g -fno-optimize-sibling-calls"
	"$here/sites.pl" "$work/module/pshare.ko" "$here/callees" >"$work/tests/files/faults.sites"
	make -s --no-print-directory -C "$top/selftests" OUT="$work/tests" \
		KSFT="$dir/source/tools/testing/selftests" "$work/tests/faults"
}

mkdir -p "$work"
exec 9>"$work/.lock"
flock 9
prepare >"$work/log" 2>&1 || {
	sed 's/^/# /' "$work/log"
	echo "not ok 1 faults: cannot be built"
	echo "1..1"
	exit 1
}

status=0
# Little memory: all of it is looked through after each place.
MODULE=$work/module/pshare.ko BOOT_NAME=faults MEM=${MEM:-1024} SECONDS_EACH=${SECONDS_EACH:-3600} \
	APPEND="${SITES:+PSHARE_FAULTS_ONLY=$SITES}" \
	"$qemu_dir/boot.sh" "$version" "$work/tests" faults | tee "$work/tap" |
	grep --line-buffered -v '^# faults: site: ' || status=$?

# A line for each place; those whose callee cannot fail are told with the reason.
{
	echo '{'
	echo "  \"kernel\": \"$(<"$dir/release")\","
	echo '  "sites": ['
	sed -n 's/^# faults: site: \(.*\)$/    \1,/p' "$work/tap" | sed '$s/,$//'
	echo '  ],'
	echo '  "never": ['
	awk -F'\t' -v table="$work/tests/files/faults.sites" '
		BEGIN {
			while ((getline line < table) > 0) {
				split(line, word, " ")
				if (word[6] == "never")
					count[word[4]]++
			}
		}
		/^(#|$)/ { next }
		{
			pattern = "^" $1 "$"
			gsub(/\*/, ".*", pattern)
			for (callee in count)
				if (count[callee] && callee ~ pattern) {
					printf "%s    {\"callee\": \"%s\", \"sites\": %d, \"reason\": \"%s\"}",
						sep, callee, count[callee], $2
					sep = ",\n"
					count[callee] = 0
				}
		}
		END { print "" }' "$here/callees"
	echo '  ]'
	echo '}'
} >"$build/faults.json"
exit "$status"
