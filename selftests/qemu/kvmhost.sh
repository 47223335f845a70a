# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: GPL-2.0
#
# An emulated machine that is a KVM host: what guests.sh and load.sh share.
# Sourced, after common.sh; kvmhost-init.sh is the part of it within the machine.
#
# A script sets these: version, work (directory), mode (show or check), limit
# (seconds), silence (seconds without a word, 300).  In the environment: MODULE (pshare.ko), TOOL (the command pshare).

# The kernel that is tested is the host's.  What was built for finding mistakes
# is too slow and too big for a guest: its guests run what it was made from.
guest_version=${version%%-*}
dir=$(kernel_dir "$version")
guest_dir=$(kernel_dir "$guest_version")
declare -A fig=()
trouble='' pid=''

# As a guest here, 7.3 dies in fpstate_reset() before it has a console of its
# own, unless it leaves XSAVE alone.
guest_append=
[ "$guest_version" = 6.1 ] || guest_append=noxsave

static_program() {
	"${CC:-cc}" -O2 -Wall -Wextra -static -o "$1" "$2"
}

# The kernel of the guests: unpacked it boots faster, but always at the same addresses.
guest_kernel=$guest_dir/vmlinux.elf

# make_guest "KERNEL-MODULE..." [INIT [FILE...]]: the files go to its root directory.
make_guest() {
	local root=$work/guest init=${2:-$qemu_dir/guest-init.sh}
	[ "$guest_version" = "$version" ] || "$qemu_dir/kernel.sh" "$guest_version"
	mkdir -p "$root"
	add_busybox "$root"
	# shellcheck disable=SC2086 # a list of words
	[ -z "$1" ] || add_modules "$guest_version" "$root" $1
	static_program "$root/bin/guestmem" "$qemu_dir/guestmem.c"
	install -m 755 "$init" "$root/init"
	shift "$(($# < 2 ? $# : 2))"
	[ $# -eq 0 ] || cp "$@" "$root/"
	pack "$root" "$work/guest.cpio"
}

# make_host INIT [FILE...]: after make_guest; the files go to its root directory.
make_host() {
	local root=$work/root init=$1 rom
	shift
	mkdir -p "$root/usr/share/qemu"
	add_busybox "$root"
	add_modules "$version" "$root" kvm_amd
	add_program "$root" "$(command -v qemu-system-x86_64)" /bin/qemu-system-x86_64
	# The firmware of a microvm, and what starts a PVH kernel in it.
	for rom in bios-microvm.bin qboot.rom pvh.bin linuxboot_dma.bin; do
		cp -L "/usr/share/qemu/$rom" "$root/usr/share/qemu/"
	done
	if [ -n "${MODULE-}" ]; then
		cp "$MODULE" "$root/pshare.ko"
		add_program "$root" "${TOOL:?the command pshare}" /bin/pshare
	fi
	static_program "$root/bin/vmpages" "$qemu_dir/vmpages.c"
	ln "$guest_kernel" "$root/" 2>/dev/null || cp "$guest_kernel" "$root/"
	cp "$work/guest.cpio" "$root/guest.cpio"
	install -m 755 "$qemu_dir/kvmhost-init.sh" "$root/kvmhost-init.sh"
	install -m 755 "$init" "$root/init"
	[ $# -eq 0 ] || cp "$@" "$root/"
	pack "$root" "$work/init.cpio"
}

show() {
	case $mode in
	show)
		[ ! -t 1 ] || printf '\r\033[K'
		echo "$*"
		;;
	*) echo "# $*" ;;
	esac
}

# A line that the next one replaces, where somebody watches.
show_progress() {
	if [ "$mode" = show ] && [ -t 1 ]; then
		printf '\r\033[K  %s' "$*"
	fi
}

take_line() {
	local name value
	case $1 in
	"@say "*) show "[$((SECONDS - begin)) s] ${1#@say }" ;;
	"@progress "*)
		echo "[$((SECONDS - begin)) s] ${1#@progress }" >>"$work/progress"
		show_progress "${1#@progress }"
		;;
	"@fig "*)
		read -r _ name value <<<"$1"
		fig[$name]=$value
		echo "$name $value" >>"$work/figures"
		;;
	"@fail "*)
		trouble=${1#@fail }
		show "FAILED: $trouble"
		;;
	*) show "  $1" ;;
	esac
}

# run_host MIB APPEND: boots, takes what it says, until it is done.
# One CPU: with two, the emulation of SVM sometimes kills the outer kernel.
run_host() {
	local line='' in_log=0 fd finished=0
	rm -f "$work/console" "$work/boot.log" "$work/figures"
	begin=$SECONDS trouble=''
	# Not a coproc: bash would close that at the machine's death, unread.
	exec {fd}< <(
		exec timeout -k 5 "$limit" bash -c \
			". '$qemu_dir/common.sh'; qemu '$version' 1 '$1' '$work/init.cpio' \
			'$work/console' '$2 host.guest_append=$guest_append'" \
			2>"$work/qemu.err"
	)
	pid=$!
	while IFS= read -r -t "${silence:-300}" -u "$fd" line; do
		line=${line%$'\r'}
		case $line in
		@log) in_log=1 ;;
		@log-end) in_log=0 ;;
		@done) finished=1; break ;;
		*)
			if [ "$in_log" -eq 1 ]; then
				echo "$line" >>"$work/boot.log"
			else
				take_line "$line"
			fi
			;;
		esac
	done
	[ "$finished" -eq 1 ] || kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	exec {fd}<&-
	pid=''
	if [ "$finished" -eq 0 ]; then
		trouble=${trouble:-the machine died, or said nothing for long}
		sed 's/^/# qemu: /' "$work/qemu.err"
		tail -n 40 "$work/console" | sed 's/^/# console: /'
	fi
}

log_is_clean() {
	cat "$work/boot.log" "$work/console" >"$work/kernel.log" 2>/dev/null
	"$qemu_dir/kernlog.sh" "$work/kernel.log" >"$work/complaints"
}

# --- judging ----------------------------------------------------------------

number=0 failed=0
# expect TEXT COMMAND...: the command is true.
expect() {
	local text=$1 verdict=ok
	shift
	"$@" || { verdict="not ok" failed=$((failed + 1)); }
	number=$((number + 1))
	echo "$verdict $number ${subject:-guests}: $text"
}

# at_least A PERCENT B: A is at least so many percent of B, and B is not nothing.
at_least() {
	[ "$3" -gt 0 ] && [ $(($1 * 100)) -ge $(($3 * $2)) ]
}

# near A B PERCENT: they differ by no more.
near() {
	local difference=$(($1 - $2))
	[ $((${difference#-} * 100)) -le $(($2 * $3)) ] && [ "$2" -gt 0 ]
}

# begin_work NAME: a directory of its own, so that several may run; what is to
# be read afterwards is in build/qemu/NAME.
begin_work() {
	kept=$build/qemu/$1
	mkdir -p "$build/qemu"
	work=$(mktemp -d "$kept.XXXXXX")
	trap end_work EXIT
	trap 'exit 130' INT TERM
}

# No machine outlives its script.
end_work() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$kept" "$work/root" "$work/guest"
	mv "$work" "$kept"
}
