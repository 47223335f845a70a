#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Judges a kernel log: prints what should not be in it, with the lines that
# follow, and fails if there is anything.
#
# usage: kernlog.sh FILE
set -u

complaints='BUG[: ]|WARNING[: ]|cut here|Bad page|Bad rss-counter|bad pmd|bad pte'
complaints+='|K[AC]SAN|UBSAN|KFENCE|kmemleak|page allocation failure'
complaints+='|possible (circular|recursive|irq) |inconsistent lock state|suspicious RCU usage'
complaints+='|bad unlock balance|held lock freed|locks? still held|lock held when returning'
complaints+='|sleeping function called|scheduling while atomic|Invalid wait context'
complaints+='|general protection|Oops|unable to handle|Unable to handle|Kernel panic'
complaints+='|rcu.*(self-)?detected.*stall|rcu.*stalls? on|soft lockup|hard LOCKUP'
complaints+='|hung task|blocked for more than|refcount_t|list_(add|del) corruption'
complaints+='|Objects remaining in|page dumped because|use-after-free|double fault'
complaints+='|bad_page|nonzero mapcount|non-zero _refcount|Segmentation fault'

if [ ! -s "${1:?usage: kernlog.sh FILE}" ]; then
	echo "the kernel log is empty"
	exit 1
fi
# -a: a dying machine may leave bytes that are no text.
if grep -aEq "$complaints" "$1"; then
	grep -aE -A 25 "$complaints" "$1" | head -n 80
	exit 1
fi
