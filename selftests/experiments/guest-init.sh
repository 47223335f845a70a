#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# First program of a guest of the experiments, in its initramfs: mounts the disk,
# which is never written to, with memory over it, and goes on in there.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
for module in virtio_mmio virtio_blk crc32c_generic ext4 overlay; do
	modprobe "$module"
done
mkdir /disk /new
mount -t tmpfs memory /mnt
mkdir /mnt/upper /mnt/work
tries=0
until [ -b /dev/vda ] || [ "$tries" -ge 100 ]; do
	tries=$((tries + 1))
	usleep 100000
done
mount -t ext4 -o ro /dev/vda /disk || echo "panic: no disk"
mount -t overlay -o lowerdir=/disk,upperdir=/mnt/upper,workdir=/mnt/work root /new ||
	echo "panic: no overlay"
cp /guest-work.sh /guest-heap.py /new/root/
chmod 755 /new/root/guest-work.sh
for dir in proc sys dev; do
	mount --move "/$dir" "/new/$dir"
done
exec switch_root /new /root/guest-work.sh
