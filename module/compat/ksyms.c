// SPDX-License-Identifier: GPL-2.0
/*
 * The functions of mm/ that the module needs and the kernel does not export.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/pid.h>
#include <linux/rmap.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/swap.h>

#include "ksyms.h"

/**
 * DOC: unexported symbols
 *
 * Each function is defined here once more, under its own name and with the
 * prototype that the kernel's header declares, so the compiler checks the
 * prototype, inline functions of the headers link unchanged, and the rest of the
 * module reads as in-tree code does.  The body forwards through a static
 * call, which is patched into a direct jump: no indirect call meets a function
 * that the kernel has sealed against them (IBT), and none costs a retpoline.
 *
 * kallsyms_lookup_name() gives the addresses.  Its own comes from a kprobe that
 * is never armed for longer than it takes to read it, or from the module
 * parameter where the kernel has no kprobes.
 */

static unsigned long kallsyms_lookup_name_addr;
module_param(kallsyms_lookup_name_addr, ulong, 0400);
MODULE_PARM_DESC(kallsyms_lookup_name_addr,
		 "address of kallsyms_lookup_name in /proc/kallsyms, for kernels without kprobes");

/* A forwarder: result, name, parameters, arguments. */
#define KSYM(type, name, params, args)				\
	DEFINE_STATIC_CALL_NULL(ksym_##name, name);		\
	type name params					\
	{							\
		return static_call(ksym_##name) args;		\
	}

/* A forwarder to a function that returns nothing. */
#define KSYM_VOID(name, params, args)				\
	DEFINE_STATIC_CALL_NULL(ksym_##name, name);		\
	void name params					\
	{							\
		static_call(ksym_##name) args;			\
	}

KSYM(unsigned long, kallsyms_lookup_name, (const char *name), (name))
KSYM(struct pid *, pidfd_get_pid, (unsigned int fd, unsigned int *flags), (fd, flags))
KSYM(pte_t, ptep_clear_flush,
     (struct vm_area_struct *vma, unsigned long addr, pte_t *ptep), (vma, addr, ptep))
KSYM(bool, folio_free_swap, (struct folio *folio), (folio))
KSYM_VOID(lru_add_drain_all, (void), ())

#ifdef CONFIG_MEMCG
KSYM(int, __mem_cgroup_charge,
     (struct folio *folio, struct mm_struct *mm, gfp_t gfp), (folio, mm, gfp))
#endif

#ifdef CONFIG_DEBUG_VM
/* 6.1: what the headers' assertions print is not exported. */
KSYM_VOID(dump_mm, (const struct mm_struct *mm), (mm))
#endif

#ifdef CONFIG_MMU_NOTIFIER
KSYM(int, __mmu_notifier_invalidate_range_start, (struct mmu_notifier_range *range), (range))
#ifdef PSHARE_HAVE_INVALIDATE_RANGE
KSYM_VOID(__mmu_notifier_invalidate_range,
	  (struct mm_struct *mm, unsigned long start, unsigned long end), (mm, start, end))
#endif
#ifdef PSHARE_HAVE_RANGE_ONLY_END
KSYM_VOID(__mmu_notifier_invalidate_range_end,
	  (struct mmu_notifier_range *range, bool only_end), (range, only_end))
#else
KSYM_VOID(__mmu_notifier_invalidate_range_end, (struct mmu_notifier_range *range), (range))
#endif
#endif

#ifdef PSHARE_HAVE_RSS_STAT_COUNT
KSYM_VOID(mm_trace_rss_stat, (struct mm_struct *mm, int member, long count),
	  (mm, member, count))
#else
KSYM_VOID(mm_trace_rss_stat, (struct mm_struct *mm, int member), (mm, member))
#endif

#ifdef PSHARE_HAVE_FOLIO_RMAP
KSYM_VOID(folio_add_anon_rmap_ptes,
	  (struct folio *folio, struct page *page, int nr, struct vm_area_struct *vma,
	   unsigned long addr, rmap_t flags),
	  (folio, page, nr, vma, addr, flags))
KSYM_VOID(folio_remove_rmap_ptes,
	  (struct folio *folio, struct page *page, int nr, struct vm_area_struct *vma),
	  (folio, page, nr, vma))
#else
KSYM_VOID(page_add_anon_rmap,
	  (struct page *page, struct vm_area_struct *vma, unsigned long addr, rmap_t flags),
	  (page, vma, addr, flags))
KSYM_VOID(page_remove_rmap,
	  (struct page *page, struct vm_area_struct *vma, bool compound), (page, vma, compound))
#endif

#if defined(PSHARE_HAVE_PTE_MAP_LOCK_INNER)
KSYM(pte_t *, __pte_offset_map_lock,
     (struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp),
     (mm, pmd, addr, ptlp))
#elif defined(PSHARE_HAVE_PTE_MAP_LOCK)
KSYM(pte_t *, pte_offset_map_lock,
     (struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp),
     (mm, pmd, addr, ptlp))
#endif

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#if defined(PSHARE_HAVE_SPLIT_ORDER_INNER)
KSYM(int, __split_huge_page_to_list_to_order,
     (struct page *page, struct list_head *list, unsigned int order), (page, list, order))
#elif defined(PSHARE_HAVE_SPLIT_ORDER)
KSYM(int, split_huge_page_to_list_to_order,
     (struct page *page, struct list_head *list, unsigned int order), (page, list, order))
#else
KSYM(int, split_huge_page_to_list, (struct page *page, struct list_head *list), (page, list))
#endif
#endif

/**
 * struct ksym - a function to look up
 * @name:	its name
 * @key:	static call that forwards to it
 * @tramp:	trampoline of that static call
 * @own:	the forwarder, which a lookup must not find
 */
struct ksym {
	const char *name;
	struct static_call_key *key;
	void *tramp;
	void *own;
};

#define KSYM_ENTRY(_name)					\
	{							\
		.name = #_name,					\
		.key = &STATIC_CALL_KEY(ksym_##_name),		\
		.tramp = STATIC_CALL_TRAMP_ADDR(ksym_##_name),	\
		.own = _name,					\
	}

static const struct ksym ksyms[] = {
	KSYM_ENTRY(pidfd_get_pid),
	KSYM_ENTRY(ptep_clear_flush),
	KSYM_ENTRY(folio_free_swap),
	KSYM_ENTRY(lru_add_drain_all),
#ifdef CONFIG_MEMCG
	KSYM_ENTRY(__mem_cgroup_charge),
#endif
#ifdef CONFIG_DEBUG_VM
	KSYM_ENTRY(dump_mm),
#endif
#ifdef CONFIG_MMU_NOTIFIER
	KSYM_ENTRY(__mmu_notifier_invalidate_range_start),
	KSYM_ENTRY(__mmu_notifier_invalidate_range_end),
#ifdef PSHARE_HAVE_INVALIDATE_RANGE
	KSYM_ENTRY(__mmu_notifier_invalidate_range),
#endif
#endif
	KSYM_ENTRY(mm_trace_rss_stat),
#ifdef PSHARE_HAVE_FOLIO_RMAP
	KSYM_ENTRY(folio_add_anon_rmap_ptes),
	KSYM_ENTRY(folio_remove_rmap_ptes),
#else
	KSYM_ENTRY(page_add_anon_rmap),
	KSYM_ENTRY(page_remove_rmap),
#endif
#if defined(PSHARE_HAVE_PTE_MAP_LOCK_INNER)
	KSYM_ENTRY(__pte_offset_map_lock),
#elif defined(PSHARE_HAVE_PTE_MAP_LOCK)
	KSYM_ENTRY(pte_offset_map_lock),
#endif
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#if defined(PSHARE_HAVE_SPLIT_ORDER_INNER)
	KSYM_ENTRY(__split_huge_page_to_list_to_order),
#elif defined(PSHARE_HAVE_SPLIT_ORDER)
	KSYM_ENTRY(split_huge_page_to_list_to_order),
#else
	KSYM_ENTRY(split_huge_page_to_list),
#endif
#endif
};

#ifdef CONFIG_KPROBES
/* Address of kallsyms_lookup_name() as a kprobe reports it, or 0. */
static unsigned long probe_kallsyms(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	char symbol[KSYM_SYMBOL_LEN], *plus;
	unsigned long addr, offset = 0;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);

	/* Where functions begin with ENDBR the probe stands behind it. */
	sprint_symbol(symbol, addr);
	plus = strstr(symbol, "+0x");
	if (plus && sscanf(plus, "+0x%lx/", &offset) != 1)
		return 0;
	return addr - offset;
}
#else
static unsigned long probe_kallsyms(void)
{
	return 0;
}
#endif

static int find_kallsyms(void)
{
	unsigned long addr = kallsyms_lookup_name_addr;
	char symbol[KSYM_SYMBOL_LEN];

	if (!addr)
		addr = probe_kallsyms();
	if (!addr) {
		pr_err("no kprobes: pass kallsyms_lookup_name_addr= from /proc/kallsyms\n");
		return -ENOENT;
	}
	/* A parameter may be wrong: look before the jump. */
	sprint_symbol(symbol, addr);
	if (!strstarts(symbol, "kallsyms_lookup_name+0x0/")) {
		pr_err("%#lx is not kallsyms_lookup_name\n", addr);
		return -EINVAL;
	}
	static_call_update(ksym_kallsyms_lookup_name, (void *)addr);
	if (kallsyms_lookup_name("kallsyms_lookup_name") != addr) {
		pr_err("kallsyms_lookup_name does not find itself at %#lx\n", addr);
		return -EINVAL;
	}
	return 0;
}

#if defined(CONFIG_LOCKDEP) && defined(CONFIG_MMU_NOTIFIER)
/*
 * 6.1: the headers' inline functions name this map, and the kernel does not export
 * its own.  One of ours stands in its place, with the same name and key: lockdep
 * takes both for one, and sees one order of locks here and in the kernel.
 */
struct lockdep_map __mmu_notifier_invalidate_range_start_map;

static int find_lockdep_map(void)
{
	struct lockdep_map *own = &__mmu_notifier_invalidate_range_start_map;
	struct lockdep_map *map = (struct lockdep_map *)
		kallsyms_lookup_name("__mmu_notifier_invalidate_range_start_map");

	if (!map || map == own) {
		pr_err("this kernel has no __mmu_notifier_invalidate_range_start_map\n");
		return -ENOENT;
	}
	own->name = map->name;
	own->key = (struct lock_class_key *)map;
	return 0;
}
#else
static int find_lockdep_map(void)
{
	return 0;
}
#endif

/**
 * pshare_ksyms_init() - find the functions that the kernel does not export
 *
 * Context: process, before anything else of the module runs.
 * Return: 0; -ENOENT when a symbol is missing, which is then named in the log;
 * -EINVAL when the module parameter is wrong.
 */
int pshare_ksyms_init(void)
{
	int i, err = find_kallsyms();

	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(ksyms); i++) {
		void *addr = (void *)kallsyms_lookup_name(ksyms[i].name);

		if (!addr || addr == ksyms[i].own) {
			pr_err("this kernel has no %s\n", ksyms[i].name);
			return -ENOENT;
		}
		__static_call_update(ksyms[i].key, ksyms[i].tramp, addr);
	}
	return find_lockdep_map();
}

/**
 * pshare_ksyms_mm_kobj() - the directory /sys/kernel/mm
 *
 * 6.12 and later do not export mm_kobj.
 *
 * Context: process, after pshare_ksyms_init().
 * Return: its kobject, or NULL when the kernel does not tell.
 */
struct kobject *pshare_ksyms_mm_kobj(void)
{
	struct kobject **kobj = (struct kobject **)kallsyms_lookup_name("mm_kobj");

	if (!kobj)
		pr_err("this kernel does not tell where mm_kobj is (KALLSYMS_ALL)\n");
	return kobj ? *kobj : NULL;
}
