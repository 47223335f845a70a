# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Root directories of Debian, of any release, from where this machine's own
# packages come from.  Sourced, after common.sh.

# Where this machine's own release comes from, the others come from, too.
mirror() {
	local codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# shellcheck disable=SC2016 # apt's own words
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' \
		"Codename: $codename" | head -n 1
}

# make_debian DIRECTORY SUITE BACKPORTS PACKAGES [MMDEBSTRAP-OPTION...]: a new root
# directory with these packages (a,b,c); BACKPORTS may be empty.
make_debian() {
	local to=$1 suite=$2 backports=$3 packages=$4 site sources=() options=() line
	shift 4
	[ "$(id -u)" -eq 0 ] || die "only root can make a root directory of $suite"
	site=$(mirror)
	[ -n "$site" ] || { "$qemu_dir/deps.sh" update && site=$(mirror); }
	[ -n "$site" ] || die "apt names no mirror of this machine's own release"
	sources=("deb $site $suite main")
	[ -z "$backports" ] || sources+=("deb $site $backports main")
	# How this machine's apt reaches the network.
	while read -r line; do
		options+=(--aptopt="$line")
	done < <(apt-config dump --format '%f "%v";%n' Acquire | grep -i '::proxy.* "..*";' || true)
	rm -rf --one-file-system "$to.tmp"
	quietly with_own_mounts mmdebstrap --mode=root --variant=minbase --include="$packages" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		--aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$@" \
		"${options[@]+"${options[@]}"}" "$suite" "$to.tmp" "${sources[@]}" ||
		die "cannot make a root directory of $suite"
	rm -rf --one-file-system "$to"
	mv "$to.tmp" "$to"
}
