#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of a guest: keeps its memory busy, says so on its console.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -F /dev/ttyS0 raw -echo
number=0 mib=32 scratch=0 kind=mixed
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	guest.number=*) number=${word#*=} ;;
	guest.mib=*) mib=${word#*=} ;;
	guest.scratch=*) scratch=${word#*=} ;;
	guest.kind=*) kind=${word#*=} ;;
	esac
done
# Memory is taken from guests that were given the drivers for it.
if [ -d /lib/modules ]; then
	modprobe virtio_mmio
	modprobe virtio_balloon
fi
exec guestmem "$number" "$mib" "$scratch" "$kind"
