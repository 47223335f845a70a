#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# What a guest of the experiments does.  It starts its daemons, says "now idle", and
# waits.  Told "work", it gives redis something to keep, builds heaps, and says "now
# worked".  Told "fill", it does the same, fills its page cache, and says "now filled".
# From then on it stands as still as a machine with daemons can.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -F /dev/ttyS0 raw -echo
number=0
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in guest.number=*) number=${word#*=} ;; esac
done

# Where things lie: the judge wants to know whether two guests differ in this.
places() {
	echo "place text $(sed -n 's/ T _text$//p' /proc/kallsyms)"
	echo "place program $(sed -n '1s/-.*//p' /proc/self/maps)"
	echo "place library $(sed -n '/libc/{s/-.*//p;q}' /proc/self/maps)"
	echo "place stack $(sed -n '/\[stack\]/s/-.*//p' /proc/self/maps)"
}

start_daemons() {
	mount -t tmpfs run /run
	mkdir -p /run/dbus /run/sshd /run/redis /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs shm /dev/shm
	chown redis /run/redis
	hostname "guest$number"
	ip link set lo up 2>/dev/null || true
	rsyslogd
	dbus-daemon --system --fork
	cron
	/usr/sbin/sshd
	nginx
	redis-server --daemonize yes --save '' --dir /run/redis --unixsocket /run/redis/socket \
		--port 0 --enable-debug-command local >/dev/null
}

# heap NAME HASH-SEED: a program that keeps what it builds.
heap() {
	PYTHONHASHSEED=$2 python3 -S /root/guest-heap.py "$1" "$number" 6 </dev/null >"/run/$1.log" 2>&1 &
	while ! grep -q built "/run/$1.log"; do
		kill -0 $! || { echo "panic: $1: $(cat "/run/$1.log")"; break; }
		sleep 1
	done
}

# Memory goes to the page cache until this many KiB are left, or there is no more to read.
fill_cache() {
	# shellcheck disable=SC2016 # the shell that xargs starts expands it
	find /usr /var/lib /etc -xdev -type f -size +16k | sort | xargs -n 50 sh -c '
		[ "$(sed -n "s/^MemFree: *\([0-9]*\).*/\1/p" /proc/meminfo)" -gt "$0" ] || exit 255
		exec cat "$@" >/dev/null' "$1" 2>/dev/null || true
}

# How far it has come, for who reads the console.
phase() {
	echo "phase $1 at $(cut -d ' ' -f 1 /proc/uptime) s"
}

memory() {
	sed -n 's/^\(MemTotal\|MemFree\|Cached\|AnonPages\): *\([0-9]*\).*/memory \1 \2/p' /proc/meminfo
}

work() {
	phase redis
	redis-cli -s /run/redis/socket debug populate 5000 key 400 >/dev/null ||
		echo "panic: redis"
	phase heaps
	heap steady 0
	heap random random
	phase worked
}

places
start_daemons
sleep 2
# All but the children of kthreadd.
ps -o comm= --ppid 2 -N | tr '\n' ' ' | sed 's/^/programs /'
echo
memory
echo "now idle"
while read -r command; do
	case $command in
	work)
		work
		memory
		echo "now worked"
		;;
	fill)
		work
		phase cache
		fill_cache 16384
		sync
		sleep 2
		phase settled
		memory
		echo "now filled"
		;;
	esac
done
