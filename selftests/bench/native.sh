#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksmd and pshare by turns on the same memory at this machine's own speed, in User Mode
# Linux: build/bench-native.json.
#
# With "profile": what pshare's passes over the mix spend their time on, by perf:
# build/bench-profile.json.
#
# usage: native.sh VERSION [profile]
# In the environment: SIZES (MiB of memory, 16384 at most; of a profile 4096), MEMORY ("mix unique"),
# ROUNDS of each (3; beyond 4096 MiB, where one takes 15 minutes or more, 1), and KEEP=1: what was measured
# of others before is kept.  A size for which this machine's memory does not suffice is left out, and
# the figures say so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=commit.sh
. "$top/selftests/bench/commit.sh"

version=${1:?usage: native.sh VERSION [profile]}
profile=${2-}
bench=$top/selftests/bench
dir=$build/bench/$version-native
kernel=$(kernel_dir "$version-uml")
skipped='' recorder=()

# What a machine with so much memory of processes needs: for each 4096 bytes 64 for the kernel's page, 64
# for ksmd's item and 8 for the entry of a page table, which is a thirtieth; to spare; and itself.
machine_mib() {
	echo $(($1 * 9 / 8 + 384))
}

# Is there that, with what this machine's kernel needs for it, and all others?  Almost each page
# has a mapping of its own in some process: some 250 bytes for 4096.
fits() {
	awk -v mib="$(machine_mib "$1")" '/^MemAvailable:/ { exit !($2 / 1024 > mib * 1.09 + 1024) }' \
		/proc/meminfo
}

# with_memory MIB COMMAND...: with a file system for a machine's memory, which is a file, that is
# gone with the command.  It is made of huge pages, as any kernel maps its memory; where there are
# none in files, of small ones.
with_memory() {
	local mib=$1
	shift
	mkdir -p "$dir/memory"
	# shellcheck disable=SC2016 # for the other shell to expand
	TMPDIR=$dir/memory with_own_mounts bash -c '
		mount -t tmpfs -o "huge=always,size=$0m" memory "$TMPDIR" ||
			mount -t tmpfs -o "size=$0m" memory "$TMPDIR" || exit
		exec "$@"' $((mib + 64)) "$@"
}

# measure MIB KIND: in a machine of their own.
measure() {
	local name=$1.$2 mib
	mib=$(machine_mib "$1")
	with_memory "$mib" "${recorder[@]}" "$bench/uml.pl" $((600 + $1 * 2)) "$kernel/linux" "mem=${mib}M" \
		rootfstype=hostfs "rootflags=$dir/root" root=none rw con0=null,fd:2 con=null \
		ssl0=fd:0,fd:1 ssl=null init=/init quiet panic=-1 slab_nomerge "uml_dir=$dir" \
		"MIB=$1" "ROUNDS=${ROUNDS:-$(($1 > 4096 ? 1 : 3))}" "MEMORY=$2" ${profile:+PROFILE=1} \
		>"$dir/$name.part" 2>"$dir/$name.log" || {
		tail -n 30 "$dir/$name.log" >&2
		die "$1 MiB, $2: the run failed"
	}
	# How busy the machine was while that went on.
	awk '{ print "load " $2 }' /proc/loadavg >>"$dir/$name.part"
	echo "commit $(commit)" >>"$dir/$name.part"
	mv "$dir/$name.part" "$dir/$name.txt"
}

"$qemu_dir/deps.sh" ${profile:+linux-perf}
"$bench/kernel-uml.sh" "$version"
[ -z "$profile" ] || dir+=-profile
mkdir -p "$dir/root"
[ -n "${KEEP-}" ] || rm -f "$dir"/*.txt
make -s --no-print-directory -C "$bench" native OUT="$dir"
quietly "$qemu_dir/module.sh" "$version-uml" "$dir/module" -- ARCH=um
cp "$dir/module/pshare.ko" "$dir/root/"
cp "$dir/native" "$dir/root/init"
if [ -n "$profile" ]; then
	size=${SIZES:-4096}
	fits "$size" || die "$size MiB: memory does not suffice"
	# Once: the next time the module may lie elsewhere.
	export STAMP=1 ROUNDS=1
	recorder=(perf record -q -k mono -e cpu-clock -F 4000 -o "$dir/perf.data")
	measure "$size" mix
	perf script -i "$dir/perf.data" --ns -F time,ip,sym >"$dir/perf.txt" 2>"$dir/perf.log" ||
		die "perf script: $(tail -n 1 "$dir/perf.log")"
	rm -f "$dir/perf.data"
	"$bench/profile.pl" "$(<"$kernel/release")" "$(commit)" "$size" "$dir/$size.mix.txt" \
		"$dir/perf.txt" >"$build/bench-profile.json.tmp"
	mv "$build/bench-profile.json.tmp" "$build/bench-profile.json"
	exit 0
fi
for size in ${SIZES:-256 1024 4096 16384}; do
	if fits "$size"; then
		for kind in ${MEMORY:-mix unique}; do
			measure "$size" "$kind"
		done
	else
		echo "${0##*/}: $size MiB: memory does not suffice" >&2
		skipped+=" $size"
	fi
done
"$bench/native.pl" collect "$(<"$kernel/release")" "$(commit)" "$skipped" "$dir"/*.txt \
	>"$build/bench-native.json.tmp"
mv "$build/bench-native.json.tmp" "$build/bench-native.json"
"$bench/native.pl" show "$build/bench-native.json"
