# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Programs that count, one in a machine.  Sourced, after common.sh.
#
# A script sets these: version, dir, which has the programs in tests/ and pshare.ko in module/.

# counted PROGRAM TAP MIB APPEND: runs it in a machine whose clock counts instructions.
counted() {
	COUNT=1 CPUS=1 MEM=$3 BOOT_NAME=$1 MODULE=$dir/module/pshare.ko SECONDS_EACH=1800 \
		APPEND=$4 "$qemu_dir/boot.sh" "$version" "$dir/tests" "$1" >"$2" || {
		cat "$2"
		die "$1: the run failed"
	}
}
