#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Judges a kernel log: prints what should not be in it, with the lines that
# follow, and fails if there is anything.  KASAN, KCSAN and page table check say
# BUG, and lockdep WARNING or BUG, before they say anything else.
#
# usage: kernlog.sh FILE
set -u

complaints='BUG[: ]|WARNING[: ]|cut here|Bad page|Bad rss-counter|bad pmd|bad pte'
complaints+='|KASAN: (null-ptr|probably|maybe)|UBSAN|KFENCE|page allocation failure'
complaints+='|kmemleak: ([0-9]+ new suspected|Cannot|Found object|Freeing unknown|.*disabled)'
complaints+='|page_table_check'
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
# That a page cannot be moved out of a block of memory is no fault, though it is dumped.
allowed='page dumped because: (unmovable page|isolation failed|migration failure)'
# -a: a dying machine may leave bytes that are no text.
if grep -aEv "$allowed" "$1" | grep -aEq "$complaints"; then
	grep -aEv "$allowed" "$1" | grep -aE -A 25 "$complaints" | head -n 80
	exit 1
fi
