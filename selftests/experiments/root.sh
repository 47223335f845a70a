#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the disk of the guests of the experiments, once: a Debian with a few
# daemons and an interpreter, as an ext4 file system in build/experiments/root.img.
# Which packages, with which versions: build/experiments/root.packages.
#
# usage: root.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source-path=SCRIPTDIR source=../qemu/debian.sh
. "$qemu_dir/debian.sh"

suite=bookworm
packages=cron,dbus,nginx-light,openssh-server,procps,python3,redis-server,rsyslog
out=$build/experiments

mkdir -p "$out"
exec 9>"$out/root.lock"
flock 9
if [ "$(cat "$out/root.made" 2>/dev/null)" = "$suite $packages" ] && [ -s "$out/root.img" ]; then
	exit 0
fi
"$qemu_dir/deps.sh" mmdebstrap e2fsprogs
echo "root.sh: making a root directory of $suite for the guests" >&2
rm -f "$out/root.made"
make_debian "$out/root" "$suite" '' "$packages"
chroot "$out/root" dpkg-query -W >"$out/root.packages"
rm -rf "$out"/root/var/lib/apt/lists/* "$out"/root/var/cache/apt/*
# Nothing is ever written to it: what a guest writes stays in its memory.
rm -f "$out/root.img"
quietly mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -d "$out/root" "$out/root.img" \
	"$(du -sm "$out/root" | awk '{ print int($1 * 1.15) + 16 }')M"
rm -rf --one-file-system "$out/root"
echo "$suite $packages" >"$out/root.made"
