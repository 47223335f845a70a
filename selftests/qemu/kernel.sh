#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Gets a distribution's kernel ready for booting, into build/kernels/VERSION:
#   release	the kernel's name for itself
#   bzImage	as distributed
#   vmlinux.elf	unpacked: boots faster, by PVH, and without KASLR
#   root/	the unpacked package, with its modules
#   source/	the parts of a kernel source that the tests take: those of 6.1, for all
# and what modules are built with, either of these:
#   headers	link to the headers, built against with this machine's own compiler
#   chroot/	the kernel's own release of Debian: its headers, its compiler
# What is there already is kept.  A kernel of our own is made by kernel-own.sh.
#
# usage: kernel.sh VERSION	(6.1, 6.12, 7.3, 6.1-debug)
set -eu
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$qemu_dir/debian.sh"

version=${1:?usage: kernel.sh VERSION}
dir=$(kernel_dir "$version")

# This machine's own release has 6.1; the others come in releases of their own.
source_version=6.1
suite='' backports=''
case $version in
"$source_version") ;;
*-*) exec "$qemu_dir/kernel-own.sh" "$version" ;;
6.12) suite=trixie ;;
7.3) suite=trixie backports=trixie-backports ;;
*) die "version $version is in no release of Debian that is known here (6.1 6.12 7.3)" ;;
esac

# The parts of the source that are used, by directory or file name.
source_parts=(
	scripts/checkpatch.pl scripts/spelling.txt scripts/const_structs.checkpatch
	scripts/extract-vmlinux
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/lib tools/include tools/arch/x86/include
)

# Prints the newest release of this version whose headers are installed here.
installed_release() {
	local path
	for path in /lib/modules/"$version".*-amd64/build; do
		path=${path%/build}
		case $path in *-cloud-* | *-rt-*) continue ;; esac
		[ -e "$path/build/Makefile" ] && echo "${path##*/}"
	done | sort -V | tail -n 1
}

# fetch DIRECTORY PACKAGE
fetch() {
	(cd "$1" && apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		download "$2") >"$1/log" 2>&1 || { cat "$1/log" && return 1; }
}

download_image() {
	local package=linux-image-$1 download=$dir/download
	mkdir -p "$download"
	if ! ls "$download/$package"_*.deb >/dev/null 2>&1; then
		# The lists may be gone, or older than the archive.
		quietly fetch "$download" "$package" 2>/dev/null ||
			{ "$qemu_dir/deps.sh" update && quietly fetch "$download" "$package"; } ||
			die "cannot download $package, which must match the installed headers: \
run 'apt-get install linux-headers-amd64'"
	fi
}

# unpack_image RELEASE DEB...: only the packages' own files: nothing is
# installed, no script of theirs runs.
unpack_image() {
	local release=$1 deb
	shift
	rm -rf "$dir/root"
	mkdir -p "$dir/root"
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir/root"
	done
	# Newer packages know /usr/lib only.
	[ -e "$dir/root/lib" ] || ln -s usr/lib "$dir/root/lib"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$dir/root" "$release"
	if [ -e "$dir/root/boot/vmlinuz-$release" ]; then
		cp "$dir/root/boot/vmlinuz-$release" "$dir/bzImage"
	else
		cp "$dir/root/lib/modules/$release/vmlinuz" "$dir/bzImage"
	fi
	bash "$dir/source/scripts/extract-vmlinux" "$dir/bzImage" >"$dir/vmlinux.elf"
	[ -s "$dir/vmlinux.elf" ] || die "cannot unpack $dir/bzImage"
}

unpack_source() {
	local to=$1 tarball=/usr/src/linux-source-$source_version.tar.xz
	[ -e "$tarball" ] || die "$tarball is missing: install linux-source-$source_version"
	rm -rf "$to.tmp"
	mkdir -p "$to.tmp"
	tar -x -C "$to.tmp" -f "$tarball" --strip-components=1 \
		"${source_parts[@]/#/linux-source-$source_version/}"
	rm -rf "$to"
	mv "$to.tmp" "$to"
}

# Run by mmdebstrap when all is installed, with the new root for $1: puts the
# image that belongs to the headers, in all its packages, to /image.
# shellcheck disable=SC2016 # the shell that runs it expands it
fetch_image='set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
cd "$1/usr/src"
release=$(ls -d linux-headers-*-amd64)
release=${release#linux-headers-}
mkdir "$1/image"
cd "$1/image"
echo "$release" >release
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
	--no-breaks --no-replaces --no-enhances "linux-image-$release" |
	grep -x "linux-[a-z]*-$release" | grep -v -e "^linux-headers-" -e "^linux-kbuild-" | sort -u)
apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 download $packages'

make_chroot() {
	local include
	echo "kernel.sh: making a root directory of $suite for kernel $version" >&2
	include=gcc,make,libc6-dev,kmod,bc,libelf-dev,linux-headers-amd64${backports:+/$backports}
	rm -rf --one-file-system "$dir/chroot.new"
	make_debian "$dir/chroot.new" "$suite" "$backports" "$include" --customize-hook="$fetch_image"
	case $(<"$dir/chroot.new/image/release") in
	"$version".*) ;;
	*) die "${backports:-$suite} has kernel $(<"$dir/chroot.new/image/release") now, not $version" ;;
	esac
	rm -rf --one-file-system "$dir/chroot"
	mv "$dir/chroot.new" "$dir/chroot"
}

mkdir -p "$dir" "$(kernel_dir $source_version)"
# Another version may be at it at the same time.
exec 8>"$(kernel_dir $source_version)/source.lock"
flock 8
[ -e "$(kernel_dir $source_version)/source/scripts/extract-vmlinux" ] ||
	unpack_source "$(kernel_dir $source_version)/source"
exec 8>&-

exec 9>"$dir/lock"
flock 9
if [ -z "$suite" ]; then
	release=$(installed_release)
	[ -n "$release" ] || die "no kernel headers of version $version are installed"
else
	[ -e "$dir/source" ] || ln -sfn "../$source_version/source" "$dir/source"
	{ [ -e "$dir/chroot/image/release" ] && [ -s "$dir/release" ]; } ||
		"$qemu_dir/deps.sh" mmdebstrap zstd
	[ -e "$dir/chroot/image/release" ] || { rm -f "$dir/release"; make_chroot; }
	release=$(<"$dir/chroot/image/release")
fi
if [ "$(cat "$dir/release" 2>/dev/null)" != "$release" ]; then
	rm -f "$dir/release"
	if [ -z "$suite" ]; then
		download_image "$release"
		unpack_image "$release" "$dir/download/linux-image-$release"_*.deb
		rm -rf "$dir/download"
		ln -sfn "/lib/modules/$release/build" "$dir/headers"
	else
		unpack_image "$release" "$dir/chroot/image/"*.deb
		rm -f "$dir/chroot/image/"*.deb
	fi
	echo "$release" >"$dir/release"
fi
