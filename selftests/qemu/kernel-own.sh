#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds a kernel of our own from a distribution's source, with the instruments
# that no distribution turns on, into build/kernels/VERSION-NAME:
#   tree	the source, configured and built: what modules are built against
#   built	what it was made from; what is there already is kept while this holds
# and the rest as kernel.sh has it, which calls this.  The configuration is
# debug.config, then NAME.config, and nothing else.
#
# usage: kernel-own.sh VERSION-NAME	(6.1-debug)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

version=${1:?usage: kernel-own.sh VERSION-NAME}
base=${version%%-*} name=${version#*-}
dir=$(kernel_dir "$version")
package=linux-source-$base
fragments=("$qemu_dir/debug.config")
[ "$name" = debug ] || fragments+=("$qemu_dir/$name.config")
[ -e "${fragments[-1]}" ] || die "there is no ${fragments[-1]}"
[ "$base" = 6.1 ] || die "only 6.1 is built here"

# The guests run the distribution's kernel, and the tests take its source's parts.
"$qemu_dir/kernel.sh" "$base"

mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

source_release=$(dpkg-query -W -f '${Version}' "$package")
made_from="$package $source_release
$("${CC:-cc}" --version | head -n 1)
$(cat "${fragments[@]}" "$0" | sha256sum)"
[ ! -e "$dir/built" ] || [ "$(<"$dir/built")" != "$made_from" ] || exit 0
rm -f "$dir/built" "$dir/release"
"$qemu_dir/deps.sh" flex bison

unpack() {
	rm -rf "$dir/tree" "$dir/tree.tmp"
	mkdir -p "$dir/tree.tmp"
	tar -x -C "$dir/tree.tmp" -f "/usr/src/$package.tar.xz" --strip-components=1
	# Until 6.3 nobody told it that x86-64 has had a good unwinder since 4.14.
	sed -i '/^config FAULT_INJECTION_STACKTRACE_FILTER$/,/^$/{/depends on !X86_64$/d}' \
		"$dir/tree.tmp/lib/Kconfig.debug"
	# The PVH entry runs before KASAN has a shadow, and dies at the first access
	# that is checked.  It asks for Xen with memcmp(), which is checked elsewhere.
	sed -i '$a KASAN_SANITIZE := n\nKCSAN_SANITIZE := n' \
		"$dir/tree.tmp/arch/x86/platform/pvh/Makefile"
	sed -i 's/u32 msr = xen_cpuid_base();/u32 msr = 0;/' \
		"$dir/tree.tmp/arch/x86/platform/pvh/enlighten.c"
	echo "$source_release" >"$dir/tree.tmp/.unpacked"
	mv "$dir/tree.tmp" "$dir/tree"
}

# What was wished for last is what must have come out.
check_config() {
	awk -v config="$dir/tree/.config" '
		function option(line) {
			sub(/^# /, "", line)
			sub(/[ =].*/, "", line)
			return line
		}
		/^CONFIG_|^# CONFIG_.* is not set$/ { wished[option($0)] = $0 }
		END {
			while ((getline line <config) > 0)
				have[option(line)] = line
			for (name in wished) {
				off = wished[name] ~ /is not set$/ && !(name in have)
				if (have[name] != wished[name] && !off) {
					print "not to be had: " wished[name]
					bad = 1
				}
			}
			exit bad
		}' "${fragments[@]}"
}

build_it() {
	cat "${fragments[@]}" >"$dir/fragments"
	KCONFIG_ALLCONFIG=$dir/fragments make -s -C "$dir/tree" allnoconfig
	check_config
	make -s -C "$dir/tree" -j"$(nproc)" bzImage modules
	rm -rf "$dir/root"
	make -s -C "$dir/tree" INSTALL_MOD_PATH="$dir/root" modules_install
}

[ "$(cat "$dir/tree/.unpacked" 2>/dev/null)" = "$source_release" ] || unpack
begin=$SECONDS
echo "kernel-own.sh: building kernel $version, which takes some minutes" >&2
quietly build_it || die "cannot build kernel $version"
echo "kernel-own.sh: built kernel $version in $((SECONDS - begin)) s" >&2
cp "$dir/tree/arch/x86/boot/bzImage" "$dir/bzImage"
strip -o "$dir/vmlinux.elf" "$dir/tree/vmlinux"
ln -sfn "../$base/source" "$dir/source"
ln -sfn tree "$dir/headers"
make -s -C "$dir/tree" kernelrelease >"$dir/release"
echo "$made_from" >"$dir/built"
