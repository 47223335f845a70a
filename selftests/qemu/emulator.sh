#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes ready the QEMU for machines with more than one CPU: that of Debian's trixie, in
# build/emulator/, to be run as build/emulator/qemu-system-x86_64.  It is unpacked, not
# installed.
#
# QEMU before 8.1 translates guest code without the lock of its page.  While the kernel
# patches a jump label, a CPU can keep the translation of a breakpoint that is no longer
# there, and dies of it ("Oops: int3"), with this module or without: on bookworm's 7.2 a
# program that only flips kernel.sched_schedstats brings 7.3 down within seconds.  Later
# ones still do so now and then: see qemu() in common.sh.
#
# usage: emulator.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$qemu_dir/debian.sh"

dir=$build/emulator
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
[ ! -x "$dir/qemu-system-x86_64" ] || exit 0

"$qemu_dir/deps.sh" mmdebstrap zstd
echo "emulator.sh: unpacking QEMU of trixie" >&2
# The last variant that is named counts.
make_debian "$dir/root" trixie '' qemu-system-x86 --variant=extract
# Its own loader finds its own libraries, wherever this directory is.
cat >"$dir/qemu-system-x86_64.tmp" <<'SCRIPT'
#!/bin/sh
root=$(dirname "$0")/root
lib=$root/usr/lib/x86_64-linux-gnu
QEMU_MODULE_DIR=$lib/qemu exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib" \
	"$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
SCRIPT
chmod +x "$dir/qemu-system-x86_64.tmp"
"$dir/qemu-system-x86_64.tmp" --version >"$dir/version"
mv "$dir/qemu-system-x86_64.tmp" "$dir/qemu-system-x86_64"
