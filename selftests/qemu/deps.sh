#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the distribution's packages that the build and the tests need, if
# they are missing.  Nothing else of this project touches the machine itself.
#
# usage: deps.sh [PACKAGE...]	installs these besides
#        deps.sh update	reads the package lists again, installs nothing
set -eu

# The one list.  Versioned: the kernel that is tested is the one whose headers
# are installed here.
packages="gcc libc6-dev make perl xz-utils cpio kmod bc file procps groff-base
	linux-headers-amd64 linux-source-6.1 libelf-dev sparse shellcheck
	qemu-system-x86 busybox-static libjson-c-dev libncurses-dev liburing-dev"

as_root=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1
}

# become_root WHY
become_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null || {
		echo "deps: only root can do this: $1" >&2
		exit 1
	}
	as_root=(sudo)
}

if [ "${1-}" = update ]; then
	become_root "apt-get update"
	apt update || { cat "$log" >&2; exit 1; }
	exit 0
fi

# The status of a package that apt has never heard of is no error here.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
	sed -n 's/^installed //p')
missing=
for package in $packages "$@"; do
	grep -qxF "$package" <<<"$installed" || missing+=" $package"
done
[ -n "$missing" ] || exit 0

echo "deps: installing$missing" >&2
become_root "install$missing"

# The lists of a fresh machine are empty or old: read them again only then.
# shellcheck disable=SC2086 # a list of words
if ! apt install --no-install-recommends $missing; then
	apt update || { cat "$log" >&2; exit 1; }
	apt install --no-install-recommends $missing || { cat "$log" >&2; exit 1; }
fi
