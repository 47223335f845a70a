# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What was measured, for the figures.  Sourced, after common.sh.

# The commit, with "+changes" if what is measured, or measures, is not as committed.
# shellcheck disable=SC2154 # top is set there
commit() {
	local name
	name=$(git -C "$top" rev-parse --short=12 HEAD 2>/dev/null) || name=unknown
	[ -z "$(git -C "$top" status --porcelain -- module selftests/bench 2>/dev/null)" ] || name+=+changes
	echo "$name"
}
