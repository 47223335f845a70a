# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts that boot kernels share.  Sourced, not run.

# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
qemu_dir=$top/selftests/qemu
build=${BUILD:-$top/build}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The directory that kernel.sh made for a kernel version (6.1, 6.12, 7.3, 6.1-debug).
kernel_dir() {
	echo "$build/kernels/$1"
}

# Whether this is a kernel of our own, with KASAN, lockdep, kmemleak and others.
has_instruments() {
	case $1 in
	*-*) ;;
	*) return 1 ;;
	esac
}

# How many times as long things take on this kernel: one that watches each
# access to memory is slow.
kernel_scale() {
	if has_instruments "$1"; then echo 5; else echo 1; fi
}

# kernel_memory VERSION MIB: what leaves the programs so much.  KASAN takes an
# eighth, and keeps what was freed for a while.
kernel_memory() {
	if has_instruments "$1"; then echo $(($2 + $2 / 2)); else echo "$2"; fi
}

# Run a command quietly: its output is shown only if it fails.
quietly() {
	local log status=0
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || status=$?
	[ "$status" -eq 0 ] || cat "$log" >&2
	rm -f "$log"
	return "$status"
}

# A command with mounts of its own, which nobody else sees and which do not
# outlive it.  Where / itself is no mount (in a chroot) it must see to that.
with_own_mounts() {
	if unshare -m true 2>/dev/null; then
		unshare -m "$@"
	else
		unshare -m --propagation unchanged "$@"
	fi
}

# add_modules VERSION ROOT NAME...: copy kernel modules, and those that they
# stand on, into the file tree ROOT, ready for modprobe.
add_modules() {
	local dir release root=$2 path
	dir=$(kernel_dir "$1")
	release=$(<"$dir/release")
	shift 2
	mkdir -p "$root/lib/modules/$release"
	cp "$dir/root/lib/modules/$release/"modules.{builtin,builtin.modinfo,order} \
		"$root/lib/modules/$release/"
	# Built-in ones print "builtin NAME", and are there already.
	for path in $(PATH=$PATH:/sbin:/usr/sbin modprobe -d "$dir/root" -S "$release" \
			-C /dev/null --show-depends -a "$@" | sed -n 's/^insmod //p' | sort -u); do
		path=${path#"$dir/root"}
		mkdir -p "$root${path%/*}"
		# busybox knows plain modules only.
		case $path in
		*.xz) xz -dc "$dir/root$path" >"$root${path%.xz}" ;;
		*) cp "$dir/root$path" "$root$path" ;;
		esac
	done
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$root" "$release"
}

# add_busybox ROOT: busybox with a link for each of its commands, and the
# directories that an init mounts things on.
add_busybox() {
	local name
	mkdir -p "$1"/{bin,dev,proc,sys,tmp,run,mnt,etc,root}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for name in $("$1/bin/busybox" --list); do
		[ "$name" = busybox ] || ln -sf busybox "$1/bin/$name"
	done
	ln -sfn bin "$1/sbin"
}

# add_program ROOT FILE PATH: a program, to PATH below ROOT, with the shared
# libraries it needs.  What was there (a link to busybox, say) is replaced.
add_program() {
	local lib
	mkdir -p "$1${3%/*}"
	rm -f "$1$3"
	cp "$2" "$1$3"
	for lib in $(ldd "$2" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$1${lib%/*}"
		[ -e "$1$lib" ] || cp -L "$lib" "$1$lib"
	done
}

# pack ROOT FILE: the initramfs.  Not compressed: the emulated CPU is the slow part.
pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) >"$2.tmp"
	mv "$2.tmp" "$2"
}

# The frequency of the time stamp counter, which the emulated CPU shares, so
# that the kernel need not measure it on a busy machine.
tsc_khz() {
	if [ ! -x "$build/qemu/tsckhz" ]; then
		mkdir -p "$build/qemu"
		"${CC:-cc}" -O2 -o "$build/qemu/tsckhz" "$qemu_dir/tsckhz.c"
	fi
	"$build/qemu/tsckhz"
}

# qemu VERSION CPUS MIB INITRAMFS CONSOLE APPEND: boots; what the machine says
# on its second serial line goes to stdout, the kernel's console to CONSOLE.
# mem-merge=off: this machine's own ksmd is none of our business.
# With COUNT=1 in the environment a nanosecond there is an instruction of its
# only CPU: that repeats, where time does not.  Several CPUs need what emulator.sh makes.
#
# With TURNS=1 the CPUs take turns in one thread of QEMU.  Programs that make the kernel patch
# its code while it runs need that.  QEMU, as of 10.0, first drops its translations of the code
# that a CPU writes to, then writes: another CPU that translates in between keeps the
# breakpoint that jump labels are patched by, and dies of it later ("Oops: int3").  On a
# busy machine that takes minutes, with this module or without: flipping
# kernel.sched_schedstats is enough.
qemu() {
	local dir accel=tcg,thread=multi count='' khz numa=numa=off program=qemu-system-x86_64
	dir=$(kernel_dir "$1")
	[ "$2" -eq 1 ] || program=$build/emulator/$program
	[ -z "${TURNS-}" ] || accel=tcg,thread=single
	if [ -n "${COUNT-}" ]; then
		accel=tcg,thread=single count='-icount shift=0,sleep=off' khz=1000000
	else
		khz=$(tsc_khz)
	fi
	# Later kernels (7.3) do not pretend to have nodes when it is off.
	case $6 in *numa=*) numa='' ;; esac
	# shellcheck disable=SC2086 # words are meant
	exec "$program" -M q35,mem-merge=off -cpu max,la57=off -m "$3" -smp "$2" \
		-accel $accel $count -nodefaults -no-user-config -display none \
		-no-reboot -serial "file:$5" -serial stdio \
		-kernel "$dir/vmlinux.elf" -initrd "$4" -append "console=ttyS0 panic=-1 \
mitigations=off no_timer_check tsc=reliable tsc_early_khz=$khz cryptomgr.notests $numa \
init_on_alloc=0 rcupdate.rcu_expedited=1 rcupdate.rcu_cpu_stall_timeout=60 printk.time=1 quiet $6" \
		</dev/null
}

# boot_each VERSION TESTS-DIRECTORY NAME...: boot.sh for the programs that share a machine, then
# for those that need another one: where the kernel's code may be patched (tracepoints, the
# freezer; TURNS above), and with two nodes.
boot_each() {
	local plain=() patching=() of_nodes=() name status=0 prefix=${BOOT_NAME:+$BOOT_NAME-}
	for name in "${@:3}"; do
		case $name in
		holds | squeeze | suspend | trace) patching+=("$name") ;;
		nodes) of_nodes+=("$name") ;;
		*) plain+=("$name") ;;
		esac
	done
	[ ${#plain[@]} -eq 0 ] || "$qemu_dir/boot.sh" "$1" "$2" "${plain[@]}" || status=$?
	[ ${#patching[@]} -eq 0 ] || TURNS=1 BOOT_NAME=${prefix}patching \
		"$qemu_dir/boot.sh" "$1" "$2" "${patching[@]}" || status=$?
	[ ${#of_nodes[@]} -eq 0 ] || APPEND="numa=fake=2${APPEND:+ $APPEND}" BOOT_NAME=${prefix}nodes \
		"$qemu_dir/boot.sh" "$1" "$2" "${of_nodes[@]}" || status=$?
	return "$status"
}
