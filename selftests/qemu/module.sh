#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module for a kernel version, apart from the source tree, so that
# builds for several kernels and for several purposes do not meet.
#
# usage: module.sh VERSION DIRECTORY [SOURCE...] [-- MAKE-ARGUMENT...]
# Without SOURCE: pshare.  The result is in DIRECTORY.
# Kernels of another release of Debian have a root directory with the compiler
# that they were built with: the build runs in there (as root).
set -eu
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

version=${1:?usage: module.sh VERSION DIRECTORY [SOURCE...] [-- MAKE-ARGUMENT...]}
out=${2:?usage: module.sh VERSION DIRECTORY [SOURCE...] [-- MAKE-ARGUMENT...]}
shift 2
sources=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	sources+=("$1")
	shift
done
[ $# -eq 0 ] || shift
[ ${#sources[@]} -gt 0 ] || sources=("$top/Kbuild" "$top/module")

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
# What was deleted from the source must not live on here; times are kept, so
# that what did not change is not built again.
for source in "${sources[@]}"; do
	[ ! -d "$source" ] || (cd "$out" && find "${source##*/}" -name '*.[ch]' 2>/dev/null) |
		while read -r file; do
			[ -e "${source%/*}/$file" ] || rm -f "$out/$file"
		done
done
find "${sources[@]}" \( -name '*.[ch]' -o -name Kbuild -o -name '*.mk' \) -print |
	while read -r file; do
		for source in "${sources[@]}"; do
			case $file in "$source" | "$source"/*) break ;; esac
		done
		target=$out/${file#"${source%/*}/"}
		mkdir -p "${target%/*}"
		cmp -s "$file" "$target" || cp -p "$file" "$target"
	done

chroot=$(kernel_dir "$version")/chroot
if [ ! -d "$chroot" ]; then
	exec make -C "$(kernel_dir "$version")/headers" M="$out" -j"$(nproc)" "$@" modules
fi
# objtool asks for /proc and /dev.
# shellcheck disable=SC2016 # the shell within expands it
with_own_mounts bash -euc '
	chroot=$1 out=$2 release=$3
	shift 3
	trap "umount -l \"$chroot\"/{mnt,dev,proc} 2>/dev/null || true" EXIT
	mount --bind /proc "$chroot/proc"
	mount --bind /dev "$chroot/dev"
	mount --bind "$out" "$chroot/mnt"
	chroot "$chroot" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C \
		make -C "/lib/modules/$release/build" M=/mnt -j"$(nproc)" "$@" modules
' build "$chroot" "$out" "$(<"$(kernel_dir "$version")/release")" "$@"
