#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh OUT: tests of the command in user space, against a double of the module
# (double.c).  OUT is where it was built.  TAP on standard output; ends with the
# counts; exit code 1 when a test failed.  With UPDATE=1 the golden outputs are
# written anew instead of compared.

# shellcheck disable=SC2034,SC1091,SC2016

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
out=$1
uapi=$top/../module/uapi/pshare.h
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

passed=0 failed=0 skipped=0

ok()
{
	passed=$((passed + 1))
	echo "ok $((passed + failed + skipped)) $1"
}

not_ok()
{
	failed=$((failed + 1))
	echo "not ok $((passed + failed + skipped)) $1"
	[ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

skip()
{
	skipped=$((skipped + 1))
	echo "ok $((passed + failed + skipped)) $1 # SKIP $2"
}

# check NAME COMMAND...: passes when the command does.
check()
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "$said"
	fi
}

# same NAME EXPECTED ACTUAL
same()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "$(printf 'expected:\n%s\nfound:\n%s' "$2" "$3")"
	fi
}

# A fresh tree in place of /sys and /proc: two virtual machines that are
# registered, one that is not (4545), a process without one (4646), and a name
# that would do harm to a terminal.
fresh()
{
	local sys=$work/root/sys/kernel/mm/pshare proc=$work/root/proc pid name value

	rm -rf "$work/root" "$work/log"
	mkdir -p "$sys"
	while read -r name value; do
		echo "$value" > "$sys/$name"
	done <<-END
		run 1
		pages_to_scan 100
		sleep_millisecs 20
		max_cpu_percent 0
		target_scan_seconds 0
		nice 5
		scan_threads 1
		use_zero_pages 1
		max_pages_shared 1048576
		huge_policy benefit
		huge_split_min 64
		huge_min_free_percent 6
		compare_groups 1
		aslr_sample 10
		full_scans 12
		pages_shared 17000
		pages_sharing 22100
		pages_unshared 65000
		pages_volatile 3003
		pages_scanned 458751
		ksm_zero_pages 23671
		general_profit 183000000
		metadata_bytes 4477952
	END
	for pid in 4242 4343 4545 4646 self; do
		mkdir -p "$proc/$pid/fd"
		printf 'qemu-system-x86_64\0-m\0256\0' > "$proc/$pid/cmdline"
		echo "qemu-system-x86" > "$proc/$pid/comm"
		ln -s anon_inode:kvm-vm "$proc/$pid/fd/9"
		ln -s /dev/null "$proc/$pid/fd/0"
	done
	printf '/usr/bin/qemu-system-x86_64\0-name\0guest=web-1,debug-threads=on\0-m\0256\0' \
		> "$proc/4242/cmdline"
	rm "$proc/4646/fd/9"
	ln -s anon_inode:kvm-vcpu:0 "$proc/4646/fd/10"
	printf 'a\033[2Jb c\n' > "$proc/4646/comm"
}

# run ARGUMENTS...: the command with the double.  Sets so, se (its outputs) and
# rc.  Assignments in front of the call reach the double.
run()
{
	DOUBLE_ROOT=$work/root DOUBLE_LOG=$work/log LD_PRELOAD=$out/tests/double.so \
		"$out/pshare" "$@" > "$work/so" 2> "$work/se" < /dev/null
	rc=$?
	so=$(cat "$work/so")
	se=$(cat "$work/se")
}

# golden NAME ARGUMENTS...: outputs and exit code as they were approved.
golden()
{
	local name=$1 file=$here/golden/$1 text

	shift
	run "$@"
	text=$(printf '$ pshare'; printf ' %s' "$@"; printf '\n%s\n' "$so"
	       printf -- '--- standard error\n%s\n--- exit %s\n' "$se" "$rc")
	# The only things that are not the same each time.
	text=$(sed -E 's/in [0-9.]+ s,/in N s,/; s/"seconds": [0-9.]+/"seconds": N/
		s/^(pshare top  )[0-9:]{8}/\1HH:MM:SS/; s/"time": "[-0-9: UTC]+"/"time": "T"/' <<< "$text")
	if [ -n "$UPDATE" ]; then
		mkdir -p "$here/golden"
		check "golden $name (written)" eval 'printf "%s\n" "$text" > "$file"'
	elif [ ! -f "$file" ]; then
		not_ok "golden $name" "$file is missing"
	else
		same "golden $name" "$(cat "$file")" "$text"
	fi
}

# What the module was asked to do.
log()
{
	cat "$work/log" 2>/dev/null
}

# both NAME ARGUMENTS...: golden in text and in JSON.
both()
{
	local name=$1

	shift
	fresh
	golden "$name" "$@"
	fresh
	golden "$name.json" "$@" --json
	check "golden $name.json is JSON" json_valid
}

json_valid()
{
	"$out/tests/json" < "$work/so"
}

json_get()
{
	"$out/tests/json" "$@" < "$work/so"
}

. "$here/tests.sh"
. "$here/report.sh"

echo "1..$((passed + failed + skipped))"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
