#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the KVM host of the experiments; host.experiment says which of them.  Guests
# run until they say that they stand still; then they are stopped, and looked at.  So
# whatever is measured of one set of guests is measured of the same bytes.
#
# Figures go by names with dots: SET.MOMENT.WHAT.
# shellcheck source=selftests/qemu/kvmhost-init.sh
. /kvmhost-init.sh
tables=/sys/kernel/debug/pshare
thp=/sys/kernel/mm/transparent_hugepage
# With guests that stand still the last pages have settled by then.
passes_wanted=6

# --- guests -----------------------------------------------------------------

# start SET THP WORDS: two guests, idle, with huge pages or without, with these words
# on their kernel's command line.
start() {
	local guest
	set_name=$1 guest_random=$3
	say "$set_name: starting two guests of $guest_memory MiB, huge pages $2, ${3:-no words}"
	echo "$2" >$thp/enabled
	guests='' begin=$(seconds)
	for number in 1 2; do
		start_guest "guest$number" "$number" -no-reboot \
			-drive id=root,file=/root.img,format=raw,if=none,readonly=on \
			-device virtio-blk-device,drive=root
	done
	await_all "now idle" 0 600
	fig "$set_name.seconds.idle" $(($(seconds) - begin))
	for guest in $guests; do
		sed -n "s/\r//; s/^place \([a-z]*\) \([0-9a-f]*\)$/@fig $set_name.$guest.place.\1 \"\2\"/p" \
			"/run/$guest.log"
	done
	say "$(sed -n 's/\r//; /^programs/p' /run/guest1.log)"
}

# have COMMAND WHAT: all guests do something, until they say that it is "now WHAT".
have() {
	begin=$(seconds)
	(while sleep 10; do
		progress "guest1: $(grep -a '^phase' /run/guest1.log | tail -n 1)"
	done) &
	watcher=$!
	command_guests "$1" "$2"
	kill $watcher
	fig "$set_name.seconds.$2" $(($(seconds) - begin))
	say "$set_name: $(sed -n 's/\r//; s/^phase //p' /run/guest1.log | tr '\n' ',')"
	say "$set_name: $2: $(sed -n 's/\r//; s/^memory //p' /run/guest1.log | tail -n 4 | tr '\n' ' ')"
}

# The guests do not run while they are looked at.
hold() {
	look_after
	# Somebody who was waiting for the disk has it now.
	sleep 2
	# shellcheck disable=SC2046 # a list
	kill -STOP $(pids)
	usleep 300000
}

release() {
	# shellcheck disable=SC2046 # a list
	kill -CONT $(pids)
}

stop_guests() {
	local guest
	for guest in $guests; do
		kill -9 "$(cat "/run/$guest.pid")" 2>/dev/null
	done
	guests=''
	sleep 2
	echo 1 >/proc/sys/vm/drop_caches
}

# The range that is a guest's RAM: the first mapping that is as large.
ram_of() {
	local range inode
	while read -r range _ _ _ inode _; do
		if [ "$inode" = 0 ] &&
		   [ $((0x${range#*-} - 0x${range%-*})) -ge $((guest_memory << 20)) ]; then
			echo "$range"
			return
		fi
	done <"/proc/$1/maps"
}

# --- the module -------------------------------------------------------------

# register GROUP: the guests' RAM, nothing else of QEMU; without a group if it is empty.
register() {
	local pid
	for pid in $(pids); do
		pshare add --pid "$pid" --range "$(ram_of "$pid")" ${1:+--group "$1"} >/dev/null 2>/run/add ||
			fail "pshare add: $(cat /run/add)"
	done
}

knob() {
	echo "$2" >"$ours/$1" || fail "$2 cannot be written to $1"
}

# load GROUP: the module anew, as it comes, and the guests registered.
load() {
	insmod /pshare.ko || fail "insmod refused"
	knob max_pages_shared 0
	register "$1"
}

# unload: everything as it was before.
unload() {
	give_all_back
	rmmod pshare || fail "rmmod refused"
}

# passes RUN: at full speed, until the figures of the last have settled.
passes() {
	local begin
	begin=$(seconds)
	knob run "$1"
	pshare scan --passes "$passes_wanted" >/run/scan 2>&1 || fail "pshare scan: $(cat /run/scan)"
	knob run 0
	progress "$set_name: $passes_wanted passes, $(($(seconds) - begin)) s"
}

# What is to be seen without the module: page frames, huge pages, free memory.
oracle() {
	local pid range huge=0
	# shellcheck disable=SC2046 # a list
	vmpages count $(pids) | sed "s/^/@fig $1.oracle./"
	for pid in $(pids); do
		range=$(ram_of "$pid")
		huge=$((huge + $(/thp list "$pid" "$range" | wc -l)))
	done
	fig "$1.oracle.huge" $huge
	awk -v name="$1" '/^(MemFree|MemAvailable|AnonPages|AnonHugePages):/ {
		print "@fig " name ".oracle." tolower(substr($1, 1, length($1) - 1)) "_kib " $2 }' /proc/meminfo
}

# Everything that the module says.
shot() {
	local name saved
	for name in pages_shared pages_sharing ksm_zero_pages pages_unshared pages_volatile metadata_bytes; do
		fig "$1.$name" "$(cat "$ours/$name")"
	done
	saved=$(($(cat "$ours/pages_sharing") + $(cat "$ours/ksm_zero_pages")))
	fig "$1.saved" $saved
	sed "s/^/@fig $1.savings./" "$tables/savings"
	sed -n "s/^/@fig $1.scan./p" "$tables/scan"
	awk -v name="$1" 'NR == 1 { split($0, head) }
		$1 == "total" { for (i = 5; i <= NF; i++) print "@fig " name ".ledger." head[i] " " $i }' \
		"$tables/ledger"
	awk -v name="$1" 'NR == 1 { split($0, head); next }
		{ for (i = 4; i <= NF; i++) sum[head[i]] += $i }
		END { for (i in sum) print "@fig " name ".huge_pages." i " " sum[i] }' "$tables/huge_pages"
	oracle "$1"
	say "$1: $saved pages saved, $(sed -n 's/^merging //p' "$tables/savings") more to be had"
}

shot_aslr() {
	awk -v name="$1.aslr" '$1 == "class" { for (i = 2; i <= NF; i++) head[i] = $i; next }
		NF == 2 { print "@fig " name "." $1 " " $2; next }
		{ for (i = 2; i <= NF; i++) print "@fig " name ".class." $1 "." head[i] " " $i }' "$tables/aslr"
}

# --- the experiments --------------------------------------------------------

# Huge pages that were split come back.
make_huge_again() {
	local pid
	for pid in $(pids); do
		/thp collapse "$pid" <"/run/huge.$pid" 2>/run/collapse >"/run/collapsed.$pid" ||
			fail "thp collapse: $(cat /run/collapse)"
	done
}

# policy NAME POLICY MINIMUM: from huge pages as they were at first.
policy() {
	say "$set_name: policy $1"
	make_huge_again
	load guests
	knob huge_policy "$2"
	knob huge_split_min "$3"
	oracle "$set_name.$1.before"
	passes 1
	shot "$set_name.$1.after"
	unload
}

# What huge pages cost, and what each policy makes of it.
run_thp() {
	local pid
	start never never nokaslr
	have fill filled
	hold
	load guests
	passes 3
	shot never.estimate
	passes 1
	shot never.merged
	unload
	stop_guests

	start always always nokaslr
	have fill filled
	hold
	for pid in $(pids); do
		/thp list "$pid" "$(ram_of "$pid")" >"/run/huge.$pid"
	done
	load guests
	oracle always.before
	# keep is what a dry run with this policy says of small pages alone.
	knob huge_policy keep
	passes 3
	shot always.estimate
	unload
	policy keep keep 64
	for least in 1 8 64 256 512; do
		policy "benefit_$least" benefit $least
	done
	policy always always 64
}

# aslr_set NAME WORDS: with zeroes in free memory.  What a boot leaves there is the same in both
# guests and would be shared, but it is not the same from one way of booting to another.
aslr_set() {
	start "$1" never "init_on_free=1 $2"
	have work worked
	hold
	load guests
	oracle "$1.before"
	knob aslr_sample 100
	passes 3
	shot "$1.estimate"
	shot_aslr "$1.estimate"
	knob aslr_sample 0
	passes 1
	shot "$1.merged"
	unload
	stop_guests
}

# What randomised addresses cost: each half of them, and both.
run_aslr() {
	aslr_set both ''
	aslr_set user nokaslr
	aslr_set kernel norandmaps
	aslr_set none 'nokaslr norandmaps'
}

# measure_groups MOMENT: each guest by itself, then both in one group.
measure_groups() {
	hold
	load ''
	oracle "$1.before"
	# Else twins in another group are counted by the estimate alone.
	knob compare_groups 1
	knob huge_policy always
	passes 3
	shot "$1.private.estimate"
	passes 1
	shot "$1.private.merged"
	unload
	load guests
	knob huge_policy always
	passes 3
	shot "$1.group.estimate"
	passes 1
	shot "$1.group.merged"
	unload
	release
}

# What is left to share when guests have filled their memory.
run_fill() {
	start guests always nokaslr
	measure_groups idle
	have fill filled
	measure_groups filled
}

# shellcheck disable=SC2034 # for kvmhost-init.sh
guest_kernel=/bzImage
experiment=''
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in host.experiment=*) experiment=${word#*=} ;; esac
done
case $experiment in
thp | aslr | fill) "run_$experiment" ;;
*) fail "no experiment is called '$experiment'" ;;
esac
fig complete 1
finish
