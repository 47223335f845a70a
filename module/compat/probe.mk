# SPDX-License-Identifier: GPL-2.0
#
# What the headers of the kernel that is built for look like.  Distributions
# carry changes back, so the header is asked and not the version number.  Each
# line: the capability, the header below include/linux, what to find in it.
pshare-has = $(if $(shell grep -Es '$(3)' $(srctree)/include/linux/$(2)),-DPSHARE_HAVE_$(1))

# 6.8: the reverse map became folio based, page_add_anon_rmap() went
ccflags-y += $(call pshare-has,FOLIO_RMAP,rmap.h,folio_add_anon_rmap_ptes)
# 6.3: mmu_notifier_range_init() lost its vma
ccflags-y += $(call pshare-has,RANGE_VMA,mmu_notifier.h,range_init.range.event.flags.vma)
# 6.6: __mmu_notifier_invalidate_range_end() lost only_end
ccflags-y += $(call pshare-has,RANGE_ONLY_END,mmu_notifier.h,bool only_end)
# 6.6: flushing the TLB tells devices with SVA by itself
ccflags-y += $(call pshare-has,INVALIDATE_RANGE,mmu_notifier.h,__mmu_notifier_invalidate_range\>)
# 6.2: mm_trace_rss_stat() lost its count
ccflags-y += $(call pshare-has,RSS_STAT_COUNT,mm.h,mm_trace_rss_stat.*long count)
# 6.5: mapping a page table can fail and is out of line; later it lost its underscores
ccflags-y += $(call pshare-has,PTE_MAP_LOCK_INNER,mm.h,pte_t \*__pte_offset_map_lock\>)
ccflags-y += $(call pshare-has,PTE_MAP_LOCK,mm.h,^pte_t \*pte_offset_map_lock\>)
# 6.9: splitting takes an order; later it moved behind two underscores
ccflags-y += $(call pshare-has,SPLIT_ORDER_INNER,huge_mm.h,int __split_huge_page_to_list_to_order\>)
ccflags-y += $(call pshare-has,SPLIT_ORDER,huge_mm.h,int split_huge_page_to_list_to_order\>)
# 6.19: entries that are not present became leaves of their own kind
ccflags-y += $(call pshare-has,SOFTLEAF,leafops.h,softleaf_is_swap)
# after 6.12: vma_alloc_folio() lost its hugepage
ccflags-y += $(call pshare-has,ALLOC_HUGEPAGE,gfp.h,bool hugepage|vma.*addr.*hugepage)
# 6.12: splitting a huge page puts the zero page where it was zero
ccflags-y += $(call pshare-has,SPLIT_ZEROPAGE,rmap.h,(RMP|TTU)_USE_SHARED_ZEROPAGE)
# 6.7: shrinkers are allocated
ccflags-y += $(call pshare-has,SHRINKER_ALLOC,shrinker.h,struct shrinker \*shrinker_alloc)
# after 6.12: the mark of a large folio that is poisoned in part lost its Page form
ccflags-y += $(call pshare-has,PAGE_HAS_POISON,page-flags.h,PAGEFLAG.HasHWPoisoned)

# Kernels without huge pages, as User Mode Linux, do not know how large one would be.
ifndef CONFIG_TRANSPARENT_HUGEPAGE
ccflags-y += -include $(src)/module/compat/block.h
endif
