#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Gets a distribution's kernel ready for booting, into build/kernels/VERSION:
#   release	the kernel's name for itself
#   bzImage	as distributed
#   vmlinux.elf	unpacked: boots faster, by PVH, and without KASLR
#   root/	the unpacked package, with its modules
#   headers	link to the headers that modules are built against
# and the parts of its source that the tests take, into build/kernels/VERSION/source.
# What is there already is kept.
#
# usage: kernel.sh VERSION
set -eu
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

version=${1:?usage: kernel.sh VERSION}
dir=$(kernel_dir "$version")

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

# Only the package's own files: nothing is installed, no script of it runs.
unpack_image() {
	local release=$1 package=linux-image-$1 download=$dir/download
	mkdir -p "$download"
	if ! ls "$download/$package"_*.deb >/dev/null 2>&1; then
		# The lists may be gone, or older than the archive.
		quietly fetch "$download" "$package" 2>/dev/null ||
			{ "$qemu_dir/deps.sh" update && quietly fetch "$download" "$package"; } ||
			die "cannot download $package, which must match the installed headers: \
run 'apt-get install linux-headers-amd64'"
	fi
	rm -rf "$dir/root"
	mkdir -p "$dir/root"
	dpkg-deb --fsys-tarfile "$download/$package"_*.deb | tar -x -C "$dir/root"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$dir/root" "$release"
	cp "$dir/root/boot/vmlinuz-$release" "$dir/bzImage"
	rm -rf "$download"
}

unpack_source() {
	local tarball=/usr/src/linux-source-$version.tar.xz
	[ -e "$tarball" ] || die "$tarball is missing: install linux-source-$version"
	rm -rf "$dir/source.tmp"
	mkdir -p "$dir/source.tmp"
	tar -x -C "$dir/source.tmp" -f "$tarball" --strip-components=1 \
		"${source_parts[@]/#/linux-source-$version/}"
	rm -rf "$dir/source"
	mv "$dir/source.tmp" "$dir/source"
}

mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

[ -e "$dir/source/scripts/extract-vmlinux" ] || unpack_source

release=$(installed_release)
[ -n "$release" ] || die "no kernel headers of version $version are installed"
if [ "$(cat "$dir/release" 2>/dev/null)" != "$release" ]; then
	rm -f "$dir/release"
	unpack_image "$release"
	bash "$dir/source/scripts/extract-vmlinux" "$dir/bzImage" >"$dir/vmlinux.elf"
	[ -s "$dir/vmlinux.elf" ] || die "cannot unpack $dir/bzImage"
	ln -sfn "/lib/modules/$release/build" "$dir/headers"
	echo "$release" >"$dir/release"
fi
