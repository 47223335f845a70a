#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rules of the house (Documentation/design.rst), kept by a script:
# arrows point one way, rooms of one rank do not include each other, the
# version of the kernel is nobody's business but compat's, files stay small.
# Prints each breach and fails if there is one.
#
# usage: house.sh MODULE-DIRECTORY
set -eu

dir=${1:?usage: house.sh MODULE-DIRECTORY}
breaches=0

# What stands higher may include what stands lower, never the reverse.
rank_of() {
	case $1 in
	uapi/* | compat/*) echo 0 ;;
	content) echo 3 ;;
	sharers | knobs | address | hash | pace) echo 5 ;;
	index | ledger | mask) echo 10 ;;
	walk) echo 12 ;;
	batch) echo 15 ;;
	merge | region) echo 20 ;;
	# Tracepoints have fields of the rooms below, and are hit in those above.
	trace) echo 25 ;;
	hugepage | aslr | alike) echo 30 ;;
	crew) echo 31 ;;
	twins) echo 32 ;;
	share | masked | sweep | pacer) echo 33 ;;
	prune) echo 35 ;;
	unmerge) echo 36 ;;
	shrink) echo 38 ;;
	visit) echo 38 ;;
	press) echo 39 ;;
	scan) echo 40 ;;
	hotplug) echo 45 ;;
	control | sysfs | debugfs) echo 50 ;;
	main) echo 60 ;;
	*) echo unknown ;;
	esac
}

breach() {
	echo "$*"
	breaches=$((breaches + 1))
}

# The room of a file, as a path below the module's directory: scan, compat/ksyms.
room_of() {
	local room=${1#"$dir/"}
	echo "${room%.[ch]}"
}

check_include() {
	local file=$1 included=$2 from to target
	from=$(room_of "$file")
	target=$dir/$included
	[ -e "$target" ] || target=${file%/*}/$included
	if [ ! -e "$target" ]; then
		# Generated, or of the kernel's own: not a room of the house.
		breach "$file: includes \"$included\", which is not in the house"
		return
	fi
	to=$(room_of "$(realpath -s "$target")")
	[ "$from" != "$to" ] || return 0
	# compat's own files know each other.
	case $from:$to in compat/*:compat/*) return 0 ;; esac
	if [ "$(rank_of "$to")" = unknown ]; then
		breach "$file: includes \"$included\", which has no rank: give it one in house.sh"
	elif [ "$(rank_of "$to")" -gt "$(rank_of "$from")" ]; then
		breach "$file: includes \"$included\", which stands above it"
	elif [ "$(rank_of "$to")" -eq "$(rank_of "$from")" ] &&
	     [ "$(rank_of "$to")" -ne 0 ]; then
		breach "$file: includes \"$included\", a room of its own rank"
	fi
}

dir=$(realpath "$dir")
while IFS= read -r file; do
	room=$(room_of "$file")
	if [ "$(rank_of "$room")" = unknown ]; then
		breach "$file: this room has no rank: give it one in house.sh"
		continue
	fi
	while IFS= read -r included; do
		check_include "$file" "$included"
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")

	case $room in
	compat/*) ;;
	*)
		if grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION|linux/version\.h|PSHARE_HAVE_' "$file"; then
			breach "$file: asks for the version of the kernel: only compat/ may"
		fi
		;;
	esac

	lines=$(wc -l <"$file")
	case $file in
	*/uapi/*) most=600 ;;
	*.h) most=200 ;;
	*) most=600 ;;
	esac
	[ "$lines" -le "$most" ] || breach "$file: $lines lines, more than $most"
	head -n 1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
		breach "$file: no SPDX line at its top"
done < <(find "$dir" -name '*.[ch]' ! -name '*.mod.c' | sort)
[ "$breaches" -eq 0 ]
