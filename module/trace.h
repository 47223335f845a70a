/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pshare

#if !defined(_PSHARE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PSHARE_TRACE_H

#include <linux/tracepoint.h>

#include "merge.h"

/* Why a merge was refused, as text; the order is that of enum pshare_merge_result. */
#define show_pshare_result(result)				\
	__print_symbolic(result,				\
		{ PSHARE_MERGE_DIFFERS,		"differs" },	\
		{ PSHARE_MERGE_RACED,		"raced" },	\
		{ PSHARE_MERGE_GONE,		"gone" },	\
		{ PSHARE_MERGE_LOCKED,		"locked" },	\
		{ PSHARE_MERGE_PINNED,		"pinned" },	\
		{ PSHARE_MERGE_KEPT_HUGE,	"kept_huge" },	\
		{ PSHARE_MERGE_SPLIT,		"split" },	\
		{ PSHARE_MERGE_BUSY,		"busy" },	\
		{ PSHARE_MERGE_NOMEM,		"nomem" },	\
		{ PSHARE_MERGE_CAPPED,		"capped" })

DECLARE_EVENT_CLASS(pshare_pass,
	TP_PROTO(unsigned long full_scans, unsigned long pages_scanned),
	TP_ARGS(full_scans, pages_scanned),
	TP_STRUCT__entry(
		__field(unsigned long, full_scans)
		__field(unsigned long, pages_scanned)
	),
	TP_fast_assign(
		__entry->full_scans = full_scans;
		__entry->pages_scanned = pages_scanned;
	),
	TP_printk("full_scans=%lu pages_scanned=%lu",
		  __entry->full_scans, __entry->pages_scanned)
);

DEFINE_EVENT(pshare_pass, pshare_scan_start,
	TP_PROTO(unsigned long full_scans, unsigned long pages_scanned),
	TP_ARGS(full_scans, pages_scanned)
);

DEFINE_EVENT(pshare_pass, pshare_scan_end,
	TP_PROTO(unsigned long full_scans, unsigned long pages_scanned),
	TP_ARGS(full_scans, pages_scanned)
);

DECLARE_EVENT_CLASS(pshare_place,
	TP_PROTO(u32 region, int pid, unsigned long addr),
	TP_ARGS(region, pid, addr),
	TP_STRUCT__entry(
		__field(u32, region)
		__field(int, pid)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->pid = pid;
		__entry->addr = addr;
	),
	TP_printk("region=%u pid=%d addr=%#lx",
		  __entry->region, __entry->pid, __entry->addr)
);

DEFINE_EVENT(pshare_place, pshare_split,
	TP_PROTO(u32 region, int pid, unsigned long addr),
	TP_ARGS(region, pid, addr)
);

DEFINE_EVENT(pshare_place, pshare_unshare,
	TP_PROTO(u32 region, int pid, unsigned long addr),
	TP_ARGS(region, pid, addr)
);

TRACE_EVENT(pshare_merge,
	TP_PROTO(u32 region, int pid, unsigned long addr, unsigned long pfn),
	TP_ARGS(region, pid, addr, pfn),
	TP_STRUCT__entry(
		__field(u32, region)
		__field(int, pid)
		__field(unsigned long, addr)
		__field(unsigned long, pfn)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->pid = pid;
		__entry->addr = addr;
		__entry->pfn = pfn;
	),
	TP_printk("region=%u pid=%d addr=%#lx pfn=%#lx%s",
		  __entry->region, __entry->pid, __entry->addr, __entry->pfn,
		  __entry->pfn ? "" : " (zero page)")
);

TRACE_EVENT(pshare_refuse,
	TP_PROTO(u32 region, int pid, unsigned long addr, int reason),
	TP_ARGS(region, pid, addr, reason),
	TP_STRUCT__entry(
		__field(u32, region)
		__field(int, pid)
		__field(unsigned long, addr)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->pid = pid;
		__entry->addr = addr;
		__entry->reason = reason;
	),
	TP_printk("region=%u pid=%d addr=%#lx reason=%s",
		  __entry->region, __entry->pid, __entry->addr,
		  show_pshare_result(__entry->reason))
);

#endif /* _PSHARE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
