#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A harness that cannot fail proves nothing: runs programs that warn, fail,
# stop early, hang and kill the kernel, and demands that boot.sh notices each.
# On a kernel with instruments, too, whether each of these is noticed.
#
# usage: harness.sh VERSION
set -eu
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

version=${1:?usage: harness.sh VERSION}
work=$build/qemu/$version-harness
number=0 failed=0

# notices TEXT LINE...: each line, a pattern, is in what boot.sh printed.
notices() {
	local text=$1 verdict=ok line
	shift
	for line in "$@"; do
		grep -Eq "$line" "$work/output" || {
			echo "# not found: $line"
			verdict="not ok"
		}
	done
	number=$((number + 1))
	[ "$verdict" = ok ] || failed=$((failed + 1))
	echo "$verdict $number harness: $text"
}

rm -rf "$work/tests"
mkdir -p "$work/tests/files/tests"
find "$qemu_dir/harness" -type f -exec cp -t "$work/tests" {} +
quietly "$qemu_dir/module.sh" "$version" "$work/module" "$qemu_dir/warn/Kbuild" \
	"$qemu_dir/warn/provoke_warning.c" "$qemu_dir/warn/provoke_fault.c"
cp "$work/module/"provoke_{warning,fault}.ko "$work/tests/files/tests/"
faults=()
if has_instruments "$version"; then
	faults=(lock-order uses-freed sleep-in-atomic list lost-node)
fi

status=0
BOOT_NAME=harness MODULE='' TOOL='' SECONDS_EACH=10 "$qemu_dir/boot.sh" "$version" "$work/tests" \
	clean "${faults[@]+"${faults[@]}"}" warns fails short hangs stuck dies last \
	>"$work/output" || status=$?

echo "TAP version 13"
echo "# exit status $status" >>"$work/output"
notices "accepts a program that passes" \
	'^ok [0-9]+ clean: first$' '^ok [0-9]+ clean: # SKIP second$' \
	'^ok [0-9]+ clean: the kernel log is clean$'
notices "notices a WARN" '^ok [0-9]+ warns: warned$' \
	'^not ok [0-9]+ warns: the kernel log is clean$' '^# .*WARNING: CPU.*provoke_warning'
notices "notices a failed test" '^not ok [0-9]+ fails: fails$' '^ok .* fails: the kernel log is clean$'
notices "notices a program that stops early" '^not ok [0-9]+ short: ran to its end'
notices "kills a program that hangs" '^# hangs: killed after 10 seconds$' \
	'^not ok [0-9]+ hangs: ran to its end'
notices "gives up a program that cannot be killed" '^not ok [0-9]+ stuck: ran to its end'
notices "notices a kernel that dies" '^not ok [0-9]+ dies: ran to its end' \
	'^not ok [0-9]+ dies: the kernel log is clean$'
notices "goes on after a kernel that died" '^ok [0-9]+ last: runs on a new machine$' \
	'^ok [0-9]+ last: the kernel log is clean$'
for fault in "${faults[@]+"${faults[@]}"}"; do
	dirty="^not ok [0-9]+ $fault: the kernel log is clean\$"
	case $fault in
	uses-freed) notices "notices a use after free" "$dirty" '^# .*BUG: KASAN: use-after-free' ;;
	lock-order) notices "notices two orders of locks" "$dirty" \
		'^# .*WARNING: possible circular locking dependency detected' \
		'^not ok [0-9]+ lock-order: lockdep is still on$' ;;
	sleep-in-atomic) notices "notices who sleeps with a spinlock held" "$dirty" \
		'^# .*BUG: sleeping function called from invalid context' ;;
	list) notices "notices a broken list" "$dirty" '^# .*list_add double add' ;;
	lost-node) notices "notices an object that nobody can free any more" "$dirty" \
		'^not ok [0-9]+ lost-node: kmemleak finds no leak$' '^# lost-node: leak: unreferenced object' ;;
	esac
done
notices "fails when anything failed" '^# exit status 1$'
echo "1..$number"
[ "$failed" -eq 0 ] || sed 's/^/# /' "$work/output"
[ "$failed" -eq 0 ]
