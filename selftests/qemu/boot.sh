#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a kernel with the module and the selftests, runs them one after
# another, and prints their TAP lines, each with the name of its program.
# After each the whole kernel log must be clean, and the module must unload;
# a kernel with instruments is asked for leaks and whether lockdep is still on.
# If the kernel dies, the next program gets a new machine.
#
# usage: boot.sh VERSION TESTS-DIRECTORY NAME...
# In the environment: MODULE (pshare.ko), TOOL (the command pshare), CPUS, MEM
# (MiB), TURNS (see qemu() in common.sh), SECONDS_EACH (for one program), APPEND
# (words for the kernel's command line; NAME=VALUE gets into the environment of the
# programs), GCOV_DIR (gets what gcov counted, a directory for each machine).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

usage="usage: boot.sh VERSION TESTS-DIRECTORY NAME..."
version=${1:?$usage} tests_dir=${2:?$usage}
shift 2
[ $# -gt 0 ] || die "no tests are named"
programs=("$@")
scale=$(kernel_scale "$version")
seconds=${SECONDS_EACH:-$((900 * scale))}
# Before and after a program the kernel is searched for leaks, without a word meanwhile, which
# takes the debug kernel two minutes on a busy machine.
patience=$((seconds + 60 * scale))
kept=$build/qemu/$version-selftests${BOOT_NAME:+-$BOOT_NAME}
results=0 failures=0 dirty=0 tries=0 pid=''

# The modules of the kernel that the tests ask for, besides what this needs.
modules_wanted() {
	local list=$top/selftests/modules.list name
	echo zram brd loop
	[ -e "$list" ] || return 0
	# shellcheck disable=SC2013 # words are meant
	for name in $(sed 's/#.*//' "$list"); do
		case $name in
		*\?) grep -q "/${name%\?}\.ko" "$(kernel_dir "$version")"/root/lib/modules/*/modules.dep || continue ;;
		esac
		echo "${name%\?}"
	done
}

make_initramfs() {
	local root=$work/root name
	mkdir -p "$root/tests"
	add_busybox "$root"
	# shellcheck disable=SC2046 # a list of words
	add_modules "$version" "$root" $(modules_wanted)
	[ -z "${MODULE-}" ] || cp "$MODULE" "$root/"
	[ ! -x "${TOOL-}" ] || add_program "$root" "$TOOL" /bin/pshare
	for name in "${programs[@]}"; do
		add_program "$root" "$tests_dir/$name" "/tests/$name"
	done
	# Programs may bring more files along, below files/ of their directory.
	[ ! -d "$tests_dir/files" ] || cp -r "$tests_dir/files/." "$root/"
	cp "$qemu_dir/init.sh" "$root/init"
	chmod +x "$root/init"
	pack "$root" "$work/init.cpio"
}

# result ok|"not ok" TEXT
result() {
	results=$((results + 1))
	[ "$1" = ok ] || case $2 in *'# TODO'*) ;; *) failures=$((failures + 1)) ;; esac
	echo "$1 $results $2"
}

# demand TEXT COMMAND...: the command is true.
demand() {
	local text=$1
	shift
	if "$@"; then
		result ok "$text"
	else
		result "not ok" "$text"
	fi
}

# One program's output, a line at a time.
take_line() {
	local name=$1 line=$2
	case $line in
	"TAP version"*) ;;
	1..[0-9]*) planned=$((planned + ${line#1..})) ;;
	"ok "* | "not ok "*)
		seen=$((seen + 1))
		[[ $line =~ ^(ok|not ok)" "*[0-9]*" "*-?" "*(.*)$ ]]
		result "${BASH_REMATCH[1]}" "$name: ${BASH_REMATCH[2]}"
		;;
	"@leak "*)
		leaks=$((leaks + 1))
		echo "# $name: leak: ${line#@leak }"
		;;
	"@lockdep "*) lockdep=${line#@lockdep } ;;
	# That a test starts, and that it passed, is said by the line below.
	"#  RUN "* | "#            OK "* | '') ;;
	*) echo "# $name: ${line#\# }" ;;
	esac
}

# What the kernel said while the program ran, judged.  The console is a file
# that QEMU writes: the marker of the end is in it when the program has ended.
judge_log() {
	local name=$1
	tr -d '\r' <"$work/console" | sed -n "/selftest: begin $name\$/,\$p" >"$work/$name.log"
	if "$qemu_dir/kernlog.sh" "$work/$name.log" >"$work/complaints"; then
		result ok "$name: the kernel log is clean"
	else
		sed 's/^/# /' "$work/complaints"
		dirty=1
		result "not ok" "$name: the kernel log is clean"
	fi
}

finish_program() {
	local name=$1 status=$2
	if [ "$planned" -ne "$seen" ] || [ "$seen" -eq 0 ]; then
		result "not ok" "$name: ran to its end ($seen results of $planned, exit status $status)"
	elif [ "$status" = 99 ]; then
		result "not ok" "$name: the module can be unloaded afterwards"
	elif [ "$status" != 0 ] && [ "$status" != 4 ] && [ "$failed_before" -eq "$failures" ]; then
		result "not ok" "$name: exit status $status"
	fi
	# A kernel without the instrument has said nothing of it.
	if [ -n "$lockdep" ]; then
		demand "$name: kmemleak finds no leak" test "$leaks" -eq 0
		demand "$name: lockdep is still on" test "$lockdep" = 1
	fi
	judge_log "$name"
}

# What gcov counted in this machine, if it lived to say so.
keep_gcov() {
	local to
	[ -s "$work/gcov" ] || return 0
	mkdir -p "$GCOV_DIR"
	to=$(mktemp -d "$GCOV_DIR/machine.XXXXXX")
	base64 -d "$work/gcov" | tar -xz -C "$to"
	rm -f "$work/gcov"
}

# Boots one machine for the programs named; sets remaining to those that it
# did not come to.  Fails with 1 if the kernel does not boot, with 2 if that is
# worth another try: on a busy machine one comes up too late now and then.
run_machine() {
	local line current='' list in_log=0 fd wait_for
	list=$(IFS=, && echo "$*")
	remaining=("$@")
	rm -f "$work/console" "$work/boot.log"
	# The deadline of the whole machine; each line must come in time as well.
	# Not a coproc: bash would close that at the machine's death, unread.
	exec {fd}< <(
		exec timeout -k 5 $((60 * scale + $# * patience)) bash -c \
			". '$qemu_dir/common.sh'; qemu '$version' '${CPUS:-2}' \
			'${MEM:-$(kernel_memory "$version" 1536)}' '$work/init.cpio' '$work/console' \
			'pshare.tests=$list pshare.seconds=$seconds pshare.scale=$scale${GCOV_DIR:+ pshare.gcov=1}${APPEND:+ $APPEND}'" \
			2>"$work/qemu.err"
	)
	pid=$!
	# Now and then one stands still before it says anything.
	wait_for=$((90 + 30 * scale))
	while IFS= read -r -t "$wait_for" -u "$fd" line; do
		wait_for=$patience
		line=${line%$'\r'}
		case $line in
		@boot-log) in_log=1 ;;
		@boot-log-end) in_log=0 ;;
		"@begin "*)
			current=${line#@begin } planned=0 seen=0 failed_before=$failures leaks=0 lockdep=
			;;
		"@end "*)
			finish_program "$current" "${line##* }"
			current=
			remaining=("${remaining[@]:1}")
			# Whatever the kernel reports, lockdep gives up: a new machine for the rest.
			[ "$lockdep" != 0 ] || break
			;;
		"@gcov "*) echo "${line#@gcov }" >>"$work/gcov" ;;
		@done) break ;;
		*)
			if [ "$in_log" -eq 1 ]; then
				echo "$line" >>"$work/boot.log"
			elif [ -n "$current" ]; then
				take_line "$current" "$line"
			fi
			;;
		esac
	done
	# On the way down the kernel may have more to say; wait for QEMU itself.
	[ "$line" = @done ] || kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	exec {fd}<&-
	pid=''
	keep_gcov
	if [ -n "$current" ]; then
		result "not ok" "$current: ran to its end (the machine died, or said nothing for long)"
		judge_log "$current"
		remaining=("${remaining[@]:1}")
		return 0
	fi
	if [ ${#remaining[@]} -eq $# ]; then
		sed 's/^/# qemu: /' "$work/qemu.err"
		[ ! -e "$work/console" ] || tail -n 40 "$work/console" | sed 's/^/# console: /'
		tries=$((tries + 1))
		if [ "$tries" -lt 3 ]; then
			echo "# kernel $version did not come up, without the module: trying again"
			return 2
		fi
		result "not ok" "kernel $version boots"
		return 1
	fi
}

# No machine outlives this script.  What it leaves to read is in $kept; until
# then it has a directory of its own, so that several may run.
leave() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$kept" "$work/root"
	mv "$work" "$kept"
}

mkdir -p "$build/qemu"
work=$(mktemp -d "$kept.XXXXXX")
trap leave EXIT
trap 'exit 130' INT TERM

[ "${CPUS:-2}" -eq 1 ] || "$qemu_dir/emulator.sh"
make_initramfs
echo "TAP version 13"
remaining=("${programs[@]}") first=1
while [ ${#remaining[@]} -gt 0 ]; do
	status=0
	run_machine "${remaining[@]}" || status=$?
	case $status in
	1) break ;;
	2) continue ;;
	esac
	if [ "$first" -eq 1 ]; then
		first=0
		if ! "$qemu_dir/kernlog.sh" "$work/boot.log" | sed 's/^/# /'; then
			result "not ok" "kernel $version: the log is clean at the start"
		fi
	fi
	# Between the programs, and on the way down, somebody may have complained too.
	if [ "$dirty" -eq 0 ] && ! "$qemu_dir/kernlog.sh" "$work/console" >"$work/complaints"; then
		sed "s/^/# /" "$work/complaints"
		result "not ok" "kernel $version: the log is clean to the end"
	fi
done
echo "1..$results"
[ "$failures" -eq 0 ]
