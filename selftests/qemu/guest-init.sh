#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Init of a guest: keeps its memory busy, says so on its console.
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -F /dev/ttyS0 raw -echo
guest=0 mib=32
# shellcheck disable=SC2013 # words are meant
for word in $(cat /proc/cmdline); do
	case $word in
	guest.number=*) guest=${word#*=} ;;
	guest.mib=*) mib=${word#*=} ;;
	esac
done
exec guestmem "$guest" "$mib"
