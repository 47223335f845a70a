#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots KVM hosts with two real guests in emulated machines, and measures what huge
# pages, randomised addresses and full memory cost in sharing: what pshare predicts, what
# it then saves, what page frames say.  Every boot's figures go to build/experiments.json;
# report.pl writes Documentation/experiments.rst and its plots from them.
#
# usage: experiments.sh
# In the environment:
#	KERNELS		the first of them is the host's, and the guests'
#	BOOTS		of each experiment; 3
#	FIRST		number of the first boot, to go on where another run ended; 1
#	EXPERIMENTS	thp aslr fill
#	REPORT		0: leave the documentation alone
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

here=$top/selftests/experiments
kernels=${KERNELS:-6.1}
version=${kernels%% *} mode=check
limit=${SECONDS_ALL:-3600}
guest_memory=${GUEST_MEMORY:-256}
memory=${MEM:-3072}
out=$build/experiments
data=$top/Documentation/experiments/data
mkdir -p "$data"

"$qemu_dir/deps.sh"
"$qemu_dir/kernel.sh" "$version"
"$here/root.sh"
# shellcheck source-path=SCRIPTDIR source=../qemu/kvmhost.sh
. "$qemu_dir/kvmhost.sh"
# An unpacked kernel is never placed at random.
guest_kernel=$guest_dir/bzImage

if [ -z "${MODULE-}" ]; then
	quietly "$qemu_dir/module.sh" "$version" "$dir/module"
	quietly make -C "$top/userctl" OUT="$build/userctl"
	MODULE=$dir/module/pshare.ko TOOL=$build/userctl/pshare
fi
: "${TOOL:?the command pshare}"

commit() {
	local name
	name=$(git -C "$top" rev-parse --short=12 HEAD 2>/dev/null) || name=unknown
	[ -z "$(git -C "$top" status --porcelain -- module userctl selftests 2>/dev/null)" ] || name+=+changes
	echo "$name"
}

# A figure's dots make objects of it.
to_json() {
	perl -MJSON::PP -e '
		my %boot = (experiment => shift, kernel => shift, release => shift, commit => shift,
			    date => shift, guest_mib => shift() + 0, host_mib => shift() + 0,
			    log_clean => shift() ? JSON::PP::true : JSON::PP::false);
		while (<STDIN>) {
			my ($name, $value) = split(/ /, $_, 2);
			chomp $value;
			my @path = split(/\./, $name);
			my $at = $boot{figures} //= {};
			my $last = pop @path;
			$at = $at->{$_} //= {} for @path;
			$at->{$last} = $value =~ s/^"(.*)"$/$1/ ? $value : $value + 0;
		}
		print JSON::PP->new->canonical->pretty->encode(\%boot);
	' "$@"
}

# All that have been made, of each experiment its boots in order: here, and those that the
# documentation has kept of earlier runs.
join_json() {
	local file name separator=''
	echo '{ "boots": ['
	for name in $(find "$out" "$data" -name '*-[0-9]*.json' -printf '%f\n' | sort -uV); do
		file=$out/$name
		[ -e "$file" ] || file=$data/$name
		printf '%s' "$separator"
		cat "$file"
		separator=','
	done
	echo '] }'
}

# run_boot EXPERIMENT NUMBER: not without its figures, and not with a kernel that complains.
run_boot() {
	local experiment=$1 boot=$2 clean=1 name=$version-$1-$2
	echo "# ---- $experiment, boot $boot, kernel $version"
	fig=()
	begin_work "$version-experiment-$experiment"
	make_guest 'virtio_mmio virtio_blk crc32c_generic ext4 overlay' \
		"$here/guest-init.sh" "$here/guest-work.sh" "$here/guest-heap.py"
	static_program "$work/thp" "$here/thp.c"
	make_host "$here/host-init.sh" "$out/root.img" "$work/thp"
	run_host "$memory" "host.guest_memory=$guest_memory host.experiment=$experiment"
	log_is_clean || { clean=0; sed 's/^/# /' "$work/complaints"; }
	subject="$experiment, boot $boot"
	expect "ran to its end${trouble:+: $trouble}" test -n "${fig[complete]-}"
	expect "the kernel log is clean" test "$clean" = 1
	if [ -n "${fig[complete]-}" ]; then
		rm -f "$out/$name.json"
		to_json "$experiment" "$version" "$(<"$dir/release")" "$(commit)" "$(date -u +%Y-%m-%d)" \
			"$guest_memory" "$memory" "$clean" <"$work/figures" >"$out/$name.json.tmp"
		mv "$out/$name.json.tmp" "$out/$name.json"
	fi
	end_work
	trap - EXIT
}

echo "TAP version 13"
for boot in $(seq "${FIRST:-1}" "${BOOTS:-3}"); do
	for experiment in ${EXPERIMENTS:-thp aslr fill}; do
		run_boot "$experiment" "$boot"
		join_json >"$build/experiments.json.tmp"
		mv "$build/experiments.json.tmp" "$build/experiments.json"
	done
done
if [ "${REPORT:-1}" != 0 ]; then
	cp "$out"/*-[0-9]*.json "$data/"
	expect "the report is written" "$here/report.pl" "$build/experiments.json"
fi
echo "1..$number"
[ "$failed" -eq 0 ]
