#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Renews Documentation/benchmarks.rst from what was measured.
#
# usage: report.sh [BUILD-DIRECTORY [BENCHMARKS.RST]]
set -euo pipefail
here=$(dirname "$0")
for report in "$here"/report_*.pl; do
	"$report" "$@"
done
