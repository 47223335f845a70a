#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds a distribution's kernel source as User Mode Linux, into build/kernels/VERSION-uml:
#   linux	the kernel, a program
#   headers	what modules are built against
#   release	its name for itself
#   built	what it was made from; what is there already is kept while this holds
#
# usage: kernel-uml.sh VERSION	(6.1)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"

version=${1:?usage: kernel-uml.sh VERSION}
dir=$(kernel_dir "$version-uml")
tree=$dir/tree
package=linux-source-$version
config=$top/selftests/bench/uml.config
patch=$top/selftests/bench/uml.patch
[ "$version" = 6.1 ] || die "only 6.1 is built here"

mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

source_release=$(dpkg-query -W -f '${Version}' "$package")
made_from="$package $source_release
$("${CC:-cc}" --version | head -n 1)
$(cat "$config" "$patch" "$0" | sha256sum)"
[ ! -e "$dir/built" ] || [ "$(<"$dir/built")" != "$made_from" ] || exit 0
rm -f "$dir/built"
"$qemu_dir/deps.sh" flex bison patch

unpack() {
	rm -rf "$tree" "$tree.tmp"
	mkdir -p "$tree.tmp"
	tar -x -C "$tree.tmp" -f "/usr/src/$package.tar.xz" --strip-components=1
	patch -s -d "$tree.tmp" -p1 <"$patch"
	{ echo "$source_release" && cat "$patch"; } >"$tree.tmp/.unpacked"
	mv "$tree.tmp" "$tree"
}

# What is wished for is what must have come out.
check_config() {
	local wish
	grep '^CONFIG_' "$config" | while read -r wish; do
		grep -qxF "$wish" "$tree/.config" || die "not to be had: $wish"
	done
}

build_it() {
	make -s -C "$tree" ARCH=um x86_64_defconfig
	cat "$config" >>"$tree/.config"
	make -s -C "$tree" ARCH=um olddefconfig
	check_config
	make -s -C "$tree" ARCH=um -j"$(nproc)" linux modules
}

{ echo "$source_release" && cat "$patch"; } | cmp -s - "$tree/.unpacked" || unpack
begin=$SECONDS
echo "${0##*/}: building kernel $version for User Mode Linux, which takes some minutes" >&2
quietly build_it || die "cannot build the kernel"
echo "${0##*/}: built it in $((SECONDS - begin)) s" >&2
ln -sfn tree "$dir/headers"
ln -sfn tree/linux "$dir/linux"
make -s -C "$tree" ARCH=um kernelrelease >"$dir/release"
echo "$made_from" >"$dir/built"
