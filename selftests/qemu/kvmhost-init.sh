# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# What the inits of an emulated KVM host share: host-init.sh and load-init.sh
# source it first.  Mounts what is needed and talks to kvmhost.sh on the second
# serial line, in lines that begin with @:
#	@say TEXT		for the person who watches
#	@progress TEXT		the same, replaced by the next
#	@fig NAME VALUE		a figure
#	@fail TEXT		something went wrong
#	@log ... @log-end	the kernel's log before that on the console
#	@done
#
# A guest goes by a name.  In /run there are for each: NAME.in and NAME.log, its
# console; NAME.monitor.in and NAME.monitor.log, QEMU's monitor; NAME.pid, NAME.err.
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
# As hosts that share memory should have it.  By default khugepaged makes a huge page of one
# page and 511 zero pages, and figures are of a moment that has gone.
echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none
echo @log
dmesg
echo @log-end
dmesg -n 8

# shellcheck disable=SC2034 # for those who source this
ours=/sys/kernel/mm/pshare
# The guests that must be alive, by name.
guests=''
# Seconds between two looks at a guest that is waited for.
pause=1
# What a guest says when it is not well.
unwell='MISMATCH|panic|Oops|BUG'

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

# What the guests said last, then the end of the machine.
finish() {
	local guest
	for guest in $guests; do
		echo "@say end of the console of $guest:"
		# The guest may be in the middle of a line: what comes next must not join it.
		printf '%s\n' "$(tail -n 3 "/run/$guest.log" 2>/dev/null)"
	done
	for guest in /run/*.pid; do
		kill -9 "$(cat "$guest")" 2>/dev/null
	done
	usleep 500000
	echo @done
	poweroff -f
}

# start_guest NAME NUMBER [QEMU-OPTION...]: the number tells what the memory holds.
# A guest stands still when this machine is busy: that is no lockup.
start_guest() {
	local name=$1 number=$2 pipe
	shift 2
	rm -f "/run/$name".*
	for pipe in "$name" "$name.monitor"; do
		mkfifo "/run/$pipe.in" "/run/$pipe.out"
		: >"/run/$pipe.log"
		cat "/run/$pipe.out" >"/run/$pipe.log" &
	done
	qemu-system-x86_64 -L /usr/share/qemu -enable-kvm -M microvm,rtc=on,mem-merge=on -cpu host \
		-m "$guest_memory" -smp 1 -nodefaults -no-user-config -display none \
		-chardev "pipe,id=console,path=/run/$name" -serial chardev:console \
		-chardev "pipe,id=monitor,path=/run/$name.monitor" -mon chardev=monitor \
		-kernel "$guest_kernel" -initrd /guest.cpio -append "console=ttyS0 panic=-1 \
mitigations=off no_timer_check cryptomgr.notests numa=off rcupdate.rcu_expedited=1 \
rcupdate.rcu_cpu_stall_suppress=1 nowatchdog quiet $guest_random $guest_append \
guest.number=$number guest.mib=$mib guest.scratch=$scratch guest.kind=$kind" \
		"$@" </dev/null >"/run/$name.err" 2>&1 &
	echo $! >"/run/$name.pid"
	guests="$guests $name"
	# Not before it has become QEMU is it the process that may be registered.
	while [ ! -s "/run/$name.monitor.log" ]; do
		alive "$name" || fail "$name does not start: $(cat "/run/$name.err")"
		usleep 200000
	done
}

# The processes of the guests.
pids() {
	local guest
	for guest in $guests; do
		cat "/run/$guest.pid"
	done
}

# A process that is dead, but not yet reaped, has no program any more.
alive() {
	[ -e "/proc/$(cat "/run/$1.pid")/exe" ]
}

# The guest is to be gone: it is no trouble that it does not answer.
forget_guest() {
	local guest left=''
	for guest in $guests; do
		[ "$guest" = "$1" ] || left="$left $guest"
	done
	guests=$left
}

# Fails if a guest has died, or found its memory wrong.
look_after() {
	local guest
	for guest in $guests; do
		alive "$guest" || fail "$guest has died: $(cat "/run/$guest.err")"
		if grep -aqE "$unwell" "/run/$guest.log"; then
			fail "$guest: $(grep -aE "$unwell" "/run/$guest.log" | head -n 1)"
		fi
	done
}

# The last round that the guest found in order.
round_of() {
	local round
	round=$(grep -a '^round .* ok' "/run/$1.log" | tail -n 1 | tr -dc 0-9)
	echo "${round:-0}"
}

# How often a guest has said a text.
times_said() {
	grep -ac "$2" "/run/$1.log"
}

# await GUEST TEXT COUNT SECONDS: until it has said TEXT more than COUNT times.
await() {
	local limit=$(($(seconds) + $4))
	while [ "$(times_said "$1" "$2")" -le "$3" ]; do
		look_after
		[ "$(seconds)" -lt "$limit" ] || fail "$1 does not say '$2'"
		progress "waiting for $1: $2"
		sleep "$pause"
	done
}

await_all() {
	local guest
	for guest in $guests; do
		await "$guest" "$@"
	done
}

# Tell all guests a command, and wait until they say that it is "now $2".
command_guests() {
	local guest
	for guest in $guests; do
		times_said "$guest" "now $2" >"/run/$guest.before"
		echo "$1" >"/run/$guest.in"
	done
	for guest in $guests; do
		await "$guest" "now $2" "$(cat "/run/$guest.before")" 900
	done
}

# Every guest goes through two more rounds, and finds every byte right.
guests_live() {
	local guest rounds='' limit=$(($(seconds) + 900))
	for guest in $guests; do
		round_of "$guest" >"/run/$guest.before"
	done
	for guest in $guests; do
		while [ "$(round_of "$guest")" -lt $(($(cat "/run/$guest.before") + 2)) ]; do
			look_after
			progress "$guest re-reads its memory: round $(round_of "$guest")"
			[ "$(seconds)" -lt "$limit" ] || fail "$guest stands still ($1)"
			sleep 1
		done
		rounds="$rounds${rounds:++}$(round_of "$guest")"
	done
	look_after
	fig "rounds_$1" "$rounds"
}

# Everything is unmerged (run=2).  Somebody may hold the lock of an address space for
# long where the CPU is short, khugepaged for one: then pshare says so, and to try again.
give_all_back() {
	local status try
	for try in 1 2 3 4 5 6 7 8; do
		status=0
		pshare set run 2 >/dev/null || status=$?
		fig run2_tries "$try"
		[ "$status" -ne 0 ] || return 0
		[ "$status" -eq 8 ] || break
		sleep 2
	done
	fail "pshare set run 2: exit status $status"
}

mib=32 guest_memory=256 guest_append='' scratch=0 kind=mixed
guest_kernel=/vmlinux.elf guest_random=nokaslr
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	host.guest_memory=*) guest_memory=${word#*=} ;;
	host.guest_append=*) guest_append=${word#*=} ;;
	host.mib=*) mib=${word#*=} ;;
	host.scratch=*) scratch=${word#*=} ;;
	host.kind=*) kind=${word#*=} ;;
	esac
done
modprobe kvm_amd || fail "modprobe kvm_amd"
[ -c /dev/kvm ] || fail "no /dev/kvm"
