#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs stress-ng's memory stressors for some minutes on each kernel, every
# process of theirs registered, while the module scans at full speed, has its
# knobs turned, and comes and goes.  Prints TAP, and writes what happened to
# build/stress.json: of each kernel its last run.
#
# usage: stress.sh
# In the environment:
#	KERNELS		versions; all that the module supports
#	MINUTES		on each kernel; 30
#	SEED		of what is left to chance; printed
#	PSHARE_CONTROL	1: without the module, to know what fails anyway; the
#			result goes to build/stress-control.json
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

kernels=${KERNELS:-6.1 6.12 7.3}
minutes=${MINUTES:-30}
control=${PSHARE_CONTROL:-0}
seed=${SEED:-$RANDOM}
cpus=2 memory=2048 nodes=2
kind=stress
[ "$control" = 0 ] || kind=stress-control
out=$build/$kind

# What boot.sh puts into the machine: the program, and stress-ng beside it.
make_tests() {
	local dir=$1
	rm -rf "$dir/tests"
	mkdir -p "$dir/tests/files/etc"
	make -s --no-print-directory -C "$top/selftests/stress" OUT="$dir/tests"
	add_program "$dir/tests/files" "$(command -v stress-ng)" /usr/bin/stress-ng
	cp "$top/selftests/stress/stress.list" "$dir/tests/files/etc/"
	printf 'seconds %u\nseed %u\ncontrol %u\n' $((minutes * 60)) "$seed" "$control" \
		>"$dir/tests/files/etc/stress.conf"
}

commit() {
	local name
	name=$(git -C "$top" rev-parse --short=12 HEAD 2>/dev/null) || name=unknown
	[ -z "$(git -C "$top" status --porcelain -- module selftests 2>/dev/null)" ] || name+=+changes
	echo "$name"
}

# The lines that the program printed, and those of boot.sh, as one object.
to_json() {
	local version=$1 file=$2 leaked
	# The module says so itself when it goes; see the administrator's guide.
	leaked=$(grep -aoE '[0-9]+ shared pages could not be unmerged' \
		"$build/qemu/$version-selftests-$kind/console" | awk '{ n += $1 } END { print n + 0 }')
	awk -v release="$(<"$(kernel_dir "$version")/release")" -v commit="$commit" -v seed="$seed" \
		-v minutes="$minutes" -v cpus="$cpus" -v memory="$memory" -v nodes="$nodes" -v leaked="$leaked" \
		-v control="$control" -v date="$(date -u +%Y-%m-%d)" -v ng="$ng" '
		/^# stress: figure / { figures = figures sprintf(",\n  \"%s\": %s", $4, $5) }
		/^# stress: counter / { counters = counters sprintf("%s\n    \"%s\": %s", csep, $4, $5); csep = "," }
		/^# stress: stressor / {
			list = list sprintf("%s\n    { \"name\": \"%s\", \"bogo_ops\": %s, \"failures\": %s, \"rounds\": %s }",
				lsep, $4, $5, $6, $7)
			lsep = ","
			ops += $5
			failures += $6
		}
		/^ok / { passed++ }
		/^not ok / { failed++ }
		/^ok .*the kernel log is clean/ { clean = 1 }
		END {
			printf "{\n  \"release\": \"%s\",\n  \"commit\": \"%s\",\n  \"date\": \"%s\"", release, commit, date
			printf ",\n  \"stress_ng\": \"%s\",\n  \"minutes\": %s,\n  \"seed\": %s", ng, minutes, seed
			printf ",\n  \"cpus\": %s,\n  \"memory_mib\": %s,\n  \"nodes\": %s,\n  \"control\": %s", cpus, memory, nodes, control ? "true" : "false"
			printf ",\n  \"passed\": %d,\n  \"failed\": %d,\n  \"log_clean\": %s", passed, failed, clean ? "true" : "false"
			printf ",\n  \"pages_left_behind\": %s%s", leaked, figures
			printf ",\n  \"stress_ng_ops\": %.0f,\n  \"stress_ng_failures\": %d", ops, failures
			printf ",\n  \"counters\": {%s\n  },\n  \"stressors\": [%s\n  ]\n}\n", counters, list
		}' "$file"
}

# All that has been run, of each kernel the last.
join_json() {
	local version separator=''
	echo '{ "kernels": {'
	for version in $(cd "$out" && printf '%s\n' *.json | sed 's/\.json$//' | sort -V); do
		printf '%s"%s": ' "$separator" "$version"
		cat "$out/$version.json"
		separator=','
	done
	echo '} }'
}

run_kernel() {
	local version=$1 status=0 dir
	dir=$out/$version
	mkdir -p "$dir"
	"$qemu_dir/kernel.sh" "$version"
	make_tests "$dir"
	if [ "$control" = 0 ]; then
		quietly "$qemu_dir/module.sh" "$version" "$dir/module"
		export MODULE=$dir/module/pshare.ko
	fi
	echo "# ---- stress $version, $minutes minutes, seed $seed"
	# Two nodes, so that the kernel and stress-ng move pages between them.  A
	# machine that says nothing more is given half an hour beyond its time.
	CPUS=$cpus MEM=$memory APPEND=numa=fake=$nodes BOOT_NAME=$kind \
		SECONDS_EACH=$((minutes * 60 + 1800)) \
		"$qemu_dir/boot.sh" "$version" "$dir/tests" stress | tee "$dir/tap" || status=$?
	to_json "$version" "$dir/tap" >"$out/$version.json"
	return "$status"
}

"$qemu_dir/deps.sh" stress-ng
ng=$(stress-ng --version | sed 's/.*version \([0-9.]*\).*/\1/')
commit=$(commit)
failed=0
for version in $kernels; do
	run_kernel "$version" || failed=1
	# Runs of several kernels may go on side by side.
	(flock 9 && join_json >"$build/$kind.json.tmp" && mv "$build/$kind.json.tmp" "$build/$kind.json") \
		9>"$out/lock"
done
echo "# written: ${build#"$top/"}/$kind.json"
[ "$failed" -eq 0 ]
