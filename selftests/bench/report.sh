#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Renews Documentation/benchmarks.rst from what was measured: here, and what the
# documentation has kept of earlier runs of other parts.
#
# usage: report.sh [BUILD-DIRECTORY [BENCHMARKS.RST]]
set -euo pipefail
here=$(dirname "$0")
if [ $# -eq 0 ]; then
	# shellcheck source-path=SCRIPTDIR source=../qemu/common.sh
	. "$here/../qemu/common.sh"
	data=$top/Documentation/benchmarks/data
	mkdir -p "$data"
	find "$build" -maxdepth 1 -name 'bench-*.json' -exec cp {} "$data/" \;
	set -- "$data"
fi
for report in "$here"/report_*.pl; do
	"$report" "$@"
done
