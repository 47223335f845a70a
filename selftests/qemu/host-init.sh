#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of the KVM host of guests.sh: starts two guests, lets ksmd share their
# memory, undoes that, lets pshare do it, and looks after the guests all the
# time.  Talks to guests.sh on the second serial line, in lines that begin with @:
#	@say TEXT		for the person who watches
#	@progress TEXT		the same, replaced by the next
#	@fig NAME VALUE		a figure
#	@fail TEXT		something went wrong
#	@log ... @log-end	the kernel's log before that on the console
#	@done
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw -echo
mount -t debugfs debug /sys/kernel/debug
mount -t tmpfs run /run
echo 0 >/proc/sys/kernel/panic_on_oops
echo 60 >/proc/sys/kernel/watchdog_thresh
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
echo @log
dmesg
echo @log-end
dmesg -n 8

guests="1 2"
ksm=/sys/kernel/mm/ksm
ours=/sys/kernel/mm/pshare

say() {
	echo "@say $*"
}

progress() {
	echo "@progress $*"
}

fig() {
	echo "@fig $1 $2"
}

seconds() {
	read -r up rest </proc/uptime
	echo "${up%.*}"
}

fail() {
	echo "@fail $*"
	finish
}

finish() {
	for guest in $guests; do
		echo "@say end of guest $guest's console:"
		# The guest may be in the middle of a line: what comes next must not join it.
		printf '%s\n' "$(tail -n 3 "/run/guest$guest.log" 2>/dev/null)"
	done
	# shellcheck disable=SC2086 # a list
	kill -9 $pids 2>/dev/null
	usleep 500000
	echo @done
	poweroff -f
}

start_guest() {
	mkfifo "/run/guest$1.in" "/run/guest$1.out"
	cat "/run/guest$1.out" >"/run/guest$1.log" &
	qemu-system-x86_64 -L /usr/share/qemu -enable-kvm -M microvm,rtc=on,mem-merge=on -cpu host \
		-m "$2" -smp 1 -nodefaults -no-user-config -display none -no-reboot \
		-chardev "pipe,id=console,path=/run/guest$1" -serial chardev:console \
		-kernel /vmlinux.elf -initrd /guest.cpio -append "console=ttyS0 panic=-1 \
mitigations=off no_timer_check cryptomgr.notests numa=off rcupdate.rcu_expedited=1 quiet nokaslr $guest_append \
guest.number=$1 guest.mib=$3" </dev/null >"/run/guest$1.err" 2>&1 &
	pids="$pids $!"
}

# The last round that the guest found in order.
round_of() {
	round=$(grep '^round .* ok' "/run/guest$1.log" | tail -n 1 | tr -dc 0-9)
	echo "${round:-0}"
}

# Every guest says TEXT at least once more than COUNT times, in time.
await() {
	text=$1 count=$2 limit=$(($(seconds) + $3))
	for guest in $guests; do
		while [ "$(grep -c "$text" "/run/guest$guest.log")" -le "$count" ]; do
			if grep -qE 'MISMATCH|panic|Oops|BUG' "/run/guest$guest.log"; then
				fail "guest $guest: $(grep -E 'MISMATCH|panic|Oops|BUG' "/run/guest$guest.log" | head -n 1)"
			fi
			for pid in $pids; do
				[ -d "/proc/$pid" ] || fail "a guest has died: $(cat /run/guest*.err)"
			done
			[ "$(seconds)" -lt "$limit" ] || fail "guest $guest does not say '$text'"
			progress "waiting for guest $guest: $text"
			sleep 1
		done
	done
}

# Tell all guests, and wait until they have done it.
command_guests() {
	before=$(grep -c "now $2" /run/guest1.log)
	for guest in $guests; do
		echo "$1" >"/run/guest$guest.in"
	done
	await "now $2" "$before" 120
}

# Every guest goes through two more rounds, and finds every byte right.
guests_live() {
	first=$(round_of 1) second=$(round_of 2) limit=$(($(seconds) + 180))
	while [ "$(round_of 1)" -lt $((first + 2)) ] || [ "$(round_of 2)" -lt $((second + 2)) ]; do
		progress "guests re-read their memory: rounds $(round_of 1) and $(round_of 2)"
		[ "$(seconds)" -lt "$limit" ] || fail "the guests stand still ($1)"
		sleep 1
	done
	await READY 0 5
	fig "rounds_$1" "$(round_of 1)+$(round_of 2)"
}

# What the system says of the guests' processes, from outside.
measure() {
	for pid in $pids; do
		cat "/proc/$pid/smaps_rollup"
	done | awk -v who="$1" '/^(Pss_Anon|Anonymous|Rss):/ { sum[substr($1, 1, length($1) - 1)] += $2 }
		END { for (i in sum) print "@fig " who "_" tolower(i) "_kib " sum[i] }'
	# shellcheck disable=SC2086 # a list
	vmpages count $pids | sed "s/^/@fig $1_/"
	fig "$1_anonpages_kib" "$(awk '/^AnonPages:/ { print $2 }' /proc/meminfo)"
}

# Zero pages back into pages of their own, while the guests stand still.
unzero() {
	# shellcheck disable=SC2086 # lists
	{
		kill -STOP $pids
		usleep 200000
		vmpages unzero $pids | sed "s/^/@fig $1_/"
		kill -CONT $pids
	}
}

ksmd_shares() {
	say "ksmd: merging"
	echo 1 >$ksm/use_zero_pages
	echo 20000 >$ksm/pages_to_scan
	echo 1 >$ksm/sleep_millisecs
	echo 1024 >$ksm/max_page_sharing
	begin=$(seconds) start=$(cat $ksm/full_scans) last=-1
	echo 1 >$ksm/run
	# A page counts once it stayed the same between passes: four are enough,
	# but go on while there is more to find.
	while :; do
		sleep 2
		now=$(cat $ksm/pages_sharing) passes=$(($(cat $ksm/full_scans) - start))
		progress "ksmd: $passes passes, $now pages sharing"
		[ "$passes" -lt 5 ] || [ $((now - last)) -gt 20 ] || break
		[ $(($(seconds) - begin)) -lt 300 ] || break
		[ "$passes" -le "${seen_passes:-0}" ] || last=$now
		seen_passes=$passes
	done
	fig ksmd_seconds $(($(seconds) - begin))
	fig ksmd_passes "$passes"
	echo 0 >$ksm/run
	for name in pages_shared pages_sharing pages_unshared pages_volatile; do
		fig ksmd_$name "$(cat $ksm/$name)"
	done
	measure ksmd_after
}

ksmd_unshares() {
	say "ksmd: unmerging"
	echo 2 >$ksm/run
	fig ksmd_left "$(cat $ksm/pages_shared)"
	unzero ksmd
	measure ksmd_undone
}

pshare_shares() {
	say "pshare: insmod, add --vms, scan"
	insmod /pshare.ko || fail "insmod refused"
	begin=$(seconds)
	pshare add --vms --group demo || fail "pshare add --vms: exit status $?"
	pshare scan --passes "$passes_wanted" >/run/scan 2>&1 &
	scanning=$!
	while kill -0 $scanning 2>/dev/null; do
		progress "pshare: $(cat $ours/full_scans) passes, $(cat $ours/pages_sharing) pages sharing," \
			"$(cat $ours/ksm_zero_pages) zero pages"
		sleep 1
	done
	wait $scanning || fail "pshare scan: exit status $?"
	fig pshare_seconds $(($(seconds) - begin))
	cat /run/scan
	for name in full_scans pages_shared pages_sharing pages_unshared pages_volatile pages_scanned \
		ksm_zero_pages general_profit metadata_bytes; do
		fig pshare_$name "$(cat $ours/$name)"
	done
	measure pshare_after
	pshare list
	pshare status
}

pshare_scans_while_guests_write() {
	say "the guests write while pshare scans"
	pshare set pages_to_scan 5000 >/dev/null || fail "pshare set pages_to_scan"
	pshare set sleep_millisecs 5 >/dev/null || fail "pshare set sleep_millisecs"
	pshare set run 1 >/dev/null || fail "pshare set run"
	command_guests write writing
	guests_live merged
	scans=$(cat $ours/full_scans) limit=$(($(seconds) + 240))
	while [ "$(cat $ours/full_scans)" -lt $((scans + 2)) ]; do
		[ "$(seconds)" -lt $limit ] || fail "the scanner stands still"
		progress "pshare: $(cat $ours/pages_sharing) pages sharing; guests in rounds" \
			"$(round_of 1) and $(round_of 2)"
		sleep 1
	done
	fig pshare_passes_meanwhile $(($(cat $ours/full_scans) - scans))
	guests_live scanned
	fig pshare_sharing_meanwhile "$(cat $ours/pages_sharing)"
}

pshare_unshares() {
	say "pshare: unmerging everything (run=2)"
	pshare set run 2 >/dev/null || fail "pshare set run 2: exit status $?"
	for name in pages_shared pages_sharing ksm_zero_pages; do
		fig "pshare_left_$name" "$(cat $ours/$name)"
	done
	measure pshare_undone
	guests_live unmerged
	rmmod pshare || fail "rmmod refused"
	guests_live unloaded
}

mib=32 guest_memory=256 guest_append='' passes_wanted=4
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	host.guest_memory=*) guest_memory=${word#*=} ;;
	host.guest_append=*) guest_append=${word#*=} ;;
	host.mib=*) mib=${word#*=} ;;
	host.passes=*) passes_wanted=${word#*=} ;;
	esac
done
pids=
modprobe kvm_amd || fail "modprobe kvm_amd"
[ -c /dev/kvm ] || fail "no /dev/kvm"
[ "$(cat $ksm/run)" = 0 ] || fail "ksmd runs already"

say "starting two guests of $guest_memory MiB under KVM"
begin=$(seconds)
for guest in $guests; do
	start_guest "$guest" "$guest_memory" "$mib"
done
await READY 0 600
fig boot_seconds $(($(seconds) - begin))
fig guests 2
guests_live start

command_guests quiet quiet
unzero start
measure ksmd_before
ksmd_shares
ksmd_unshares
command_guests write writing
guests_live ksmd
command_guests quiet quiet
if [ -e /pshare.ko ]; then
	unzero pshare
	measure pshare_before
	pshare_shares
	guests_live quiet
	pshare_scans_while_guests_write
	pshare_unshares
fi
finish
