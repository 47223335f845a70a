#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two real guests under KVM, inside a machine that QEMU emulates: mainline ksmd
# shares their memory, then pshare does, in the same boot.  The figures are in
# build/VERSION-guests.figures afterwards.
#
# usage: guests.sh VERSION check	judges, writes TAP
#        guests.sh VERSION show		shows what happens
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

usage="usage: guests.sh VERSION check|show"
version=${1:?$usage} mode=${2:?$usage}
kept=$build/qemu/$version-guests
dir=$(kernel_dir "$version")
limit=${SECONDS_ALL:-1500}
declare -A fig=()
trouble=''

static_program() {
	"${CC:-cc}" -O2 -Wall -Wextra -static -o "$1" "$2"
}

make_guest() {
	local root=$work/guest
	mkdir -p "$root"
	add_busybox "$root"
	static_program "$root/bin/guestmem" "$qemu_dir/guestmem.c"
	install -m 755 "$qemu_dir/guest-init.sh" "$root/init"
	pack "$root" "$work/guest.cpio"
}

make_host() {
	local root=$work/root rom
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
	ln "$dir/vmlinux.elf" "$root/vmlinux.elf" 2>/dev/null || cp "$dir/vmlinux.elf" "$root/"
	cp "$work/guest.cpio" "$root/guest.cpio"
	install -m 755 "$qemu_dir/host-init.sh" "$root/init"
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
	"@progress "*) show_progress "${1#@progress }" ;;
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

# As a guest here, 7.3 dies in fpstate_reset() before it has a console of its
# own, unless it leaves XSAVE alone.
guest_append=
[ "$version" = 6.1 ] || guest_append=noxsave

# One CPU: with two, the emulation of SVM sometimes kills the outer kernel.
run_host() {
	local line='' in_log=0 fd finished=0
	rm -f "$work/console" "$work/boot.log" "$work/figures"
	# Not a coproc: bash would close that at the machine's death, unread.
	exec {fd}< <(
		exec timeout -k 5 "$limit" bash -c \
			". '$qemu_dir/common.sh'; qemu '$version' 1 '${MEM:-3072}' '$work/init.cpio' \
			'$work/console' 'host.guest_memory=${GUEST_MEMORY:-256} host.mib=${GUEST_MIB:-32} host.guest_append=$guest_append'" \
			2>"$work/qemu.err"
	)
	pid=$!
	while IFS= read -r -t 300 -u "$fd" line; do
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

# Pages saved, by the counters and by the frames that pagemap shows.
compute() {
	fig[ksmd_zero]=$((${fig[ksmd_after_zero]:-0} - ${fig[ksmd_before_zero]:-0}))
	fig[ksmd_saved]=$((${fig[ksmd_pages_sharing]:-0} + fig[ksmd_zero]))
	fig[pshare_saved]=$((${fig[pshare_pages_sharing]:-0} + ${fig[pshare_ksm_zero_pages]:-0}))
	local who
	for who in ksmd pshare; do
		fig[${who}_frames_saved]=$((${fig[${who}_before_frames]:-0} - ${fig[${who}_after_frames]:-0}))
		fig[${who}_pss_saved]=$(((${fig[${who}_before_pss_anon_kib]:-0} - ${fig[${who}_after_pss_anon_kib]:-0}) / 4))
	done
	guests_ok=false clean=false
	[ -n "$trouble" ] || [ -z "${fig[rounds_unloaded]-}" ] || guests_ok=true
	if log_is_clean; then clean=true; fi
}

write_json() {
	local zero=${fig[pshare_ksm_zero_pages]:-0}
	cat >"$1" <<-JSON
	{
	  "kernel": "$(cat "$dir/release")",
	  "guests": ${fig[guests]:-0},
	  "pages_shared": ${fig[pshare_pages_shared]:-0},
	  "pages_sharing": ${fig[pshare_pages_sharing]:-0},
	  "zero_pages": $zero,
	  "anon_kib_before": ${fig[pshare_before_pss_anon_kib]:-0},
	  "anon_kib_after": ${fig[pshare_after_pss_anon_kib]:-0},
	  "anon_frames_before": ${fig[pshare_before_frames]:-0},
	  "anon_frames_after": ${fig[pshare_after_frames]:-0},
	  "seconds": ${fig[pshare_seconds]:-0},
	  "ksmd": {
	    "pages_shared": ${fig[ksmd_pages_shared]:-0},
	    "pages_sharing": ${fig[ksmd_pages_sharing]:-0},
	    "zero_pages": ${fig[ksmd_zero]},
	    "anon_kib_before": ${fig[ksmd_before_pss_anon_kib]:-0},
	    "anon_kib_after": ${fig[ksmd_after_pss_anon_kib]:-0},
	    "anon_frames_before": ${fig[ksmd_before_frames]:-0},
	    "anon_frames_after": ${fig[ksmd_after_frames]:-0},
	    "seconds": ${fig[ksmd_seconds]:-0}
	  },
	  "guests_ok": $guests_ok,
	  "kernel_log_clean": $clean
	}
	JSON
}

# --- what `make check` asserts ---------------------------------------------

number=0 failed=0
# expect TEXT COMMAND...: the command is true.
expect() {
	local text=$1 verdict=ok
	shift
	"$@" || { verdict="not ok" failed=$((failed + 1)); }
	number=$((number + 1))
	echo "$verdict $number guests: $text"
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

judge() {
	local known
	# The half that every guest has in common: there is no excuse for missing it.
	known=$((${GUEST_MIB:-32} * 256 / 2))
	echo "TAP version 13"
	expect "ran to the end${trouble:+: $trouble}" test -z "$trouble"
	expect "ksmd shares (${fig[ksmd_pages_sharing]:-0} pages and ${fig[ksmd_zero]} zero pages)" \
		at_least "${fig[ksmd_saved]}" 100 "$known"
	expect "pshare saves ${fig[pshare_saved]} pages, at least 98 % of ksmd's ${fig[ksmd_saved]}" \
		at_least "${fig[pshare_saved]}" 98 "${fig[ksmd_saved]}"
	expect "pagemap: pshare saves ${fig[pshare_frames_saved]} frames, at least 98 % of ksmd's ${fig[ksmd_frames_saved]}" \
		at_least "${fig[pshare_frames_saved]}" 98 "${fig[ksmd_frames_saved]}"
	expect "smaps confirms pshare's counters (${fig[pshare_pss_saved]} pages)" \
		near "${fig[pshare_pss_saved]}" "${fig[pshare_saved]}" 3
	expect "pagemap confirms pshare's counters (${fig[pshare_frames_saved]} frames)" \
		near "${fig[pshare_frames_saved]}" "${fig[pshare_saved]}" 3
	expect "pagemap shows pshare's zero pages (${fig[pshare_after_zero]:-0})" \
		near "$((${fig[pshare_after_zero]:-0} - ${fig[pshare_before_zero]:-0}))" \
		"${fig[pshare_ksm_zero_pages]:-0}" 3
	expect "the guests find every byte right while they are shared (rounds ${fig[rounds_scanned]:-none})" \
		test -n "${fig[rounds_scanned]-}"
	expect "pages are shared while the guests write (${fig[pshare_sharing_meanwhile]:-0})" \
		test "${fig[pshare_sharing_meanwhile]:-0}" -gt 0
	expect "run=2 leaves nothing shared" test "${fig[pshare_left_pages_shared]:-x}${fig[pshare_left_pages_sharing]:-x}${fig[pshare_left_ksm_zero_pages]:-x}" = 000
	expect "pagemap: each guest has all its frames again (${fig[pshare_undone_frames]:-0})" \
		near "${fig[pshare_undone_frames]:-0}" "${fig[pshare_undone_mapped]:-0}" 1
	expect "the guests find every byte right after unmerging and rmmod" test "$guests_ok" = true
	$clean || sed 's/^/# /' "$work/complaints"
	expect "the kernel log is clean" test "$clean" = true
	echo "1..$number"
	[ "$failed" -eq 0 ]
}

pid=''
leave() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$kept" "$work/root" "$work/guest"
	mv "$work" "$kept"
}

mkdir -p "$build/qemu"
work=$(mktemp -d "$kept.XXXXXX")
trap leave EXIT
trap 'exit 130' INT TERM
begin=$SECONDS
make_guest
make_host
run_host
compute
for name in "${!fig[@]}"; do
	echo "$name ${fig[$name]}"
done | sort >"$build/$version-guests.figures"
case $mode in
check)
	write_json "$build/$version-guests.json"
	judge
	;;
show)
	write_json "$build/demo.json"
	[ -z "$trouble" ]
	;;
esac
