/*
 * Boot of the memory manager: RAM map, the kernel's own page tables, PFN database, page lists.
 *
 * Until the tables are loaded only the first 16 MB can be reached (at their kernel addresses), so
 * the pages for them come from there: after the kernel image, around the boot modules. Afterwards
 * all RAM is at MM_DIRECT_MAP.
 */
#include "guest/mm/mi.h"
#include "guest/mm/store.h"
#include "guest/mm/pin.h"
#include "guest/ke/kdp.h"
#include "guest/ke/runblock.h"
#include "guest/abi/machine.h"
#include "guest/abi/runblock.h"

/* Xen's public PVH start info, version 1. */
struct hvm_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};
struct hvm_module {
	u64 start, size, cmdline, reserved;
};
struct hvm_memmap {
	u64 start, size;
	u32 type, reserved;
};
#define HVM_MAGIC      0x336ec578u
#define HVM_RAM	       1u
#define BOOT_MAPPED    0x1000000ul /* what boot.S maps */
#define LOW_RAM_FIRST  0x10000ul   /* below 1 MB only this is used, after boot data was copied */
#define LOW_RAM_LAST   0x80000ul
#define LOW_MEMORY_END 0x100000ul
#define MAX_RANGES     16

extern char ke_text_start[], ke_init_end[], ke_rodata_end[], ke_kdp_start[], ke_kdp_end[],
    ke_data_start[], ke_image_end[];

static struct {
	u64 start, end;
} ram[MAX_RANGES], reserved[5];
static u32 ram_count, reserved_count;
static u64 boot_next; /* physical address of the next page to give out */
static bool direct_map_ready;
static MMPTE *pml4;
static char runblock_copy[NTMM_RUNBLOCK_MAX / 4];
u8 *MmUserSharedData;
pfn_t mm_shared_data_pfn;

static u64 image_pa(const void *va)
{
	return (u64)va - MM_KERNEL_IMAGE;
}

static void *boot_va(u64 pa)
{
	return (void *)((direct_map_ready ? MM_DIRECT_MAP : MM_KERNEL_IMAGE) + pa);
}

static _Noreturn void boot_stop(const char *why, u64 a, u64 b)
{
	KeBugCheckEx(PHASE0_INITIALIZATION_FAILED, a, b, 0, 0, why);
}

static bool overlaps_reserved(u64 pa)
{
	for (u32 i = 0; i < reserved_count; i++)
		if (pa < reserved[i].end && pa + PAGE_SIZE > reserved[i].start)
			return true;
	return false;
}

static bool in_ram(u64 pa)
{
	for (u32 i = 0; i < ram_count; i++)
		if (pa >= ram[i].start && pa < ram[i].end)
			return true;
	return false;
}

static u64 boot_alloc_page(void)
{
	u64 pa;

	while (overlaps_reserved(boot_next))
		boot_next += PAGE_SIZE;
	pa = boot_next;
	if (!in_ram(pa) || (!direct_map_ready && pa >= BOOT_MAPPED))
		boot_stop("no memory for the kernel's page tables", pa, 0);
	boot_next += PAGE_SIZE;
	memset(boot_va(pa), 0, PAGE_SIZE);
	return pa;
}

/* A page for tables: of the pool, if there is one. */
static u64 boot_alloc_table(void)
{
	u64 pa = mm_boot_table();

	if (!pa)
		return boot_alloc_page();
	if (!direct_map_ready && pa >= BOOT_MAPPED)
		boot_stop("the pool of page tables is out of reach", pa, 0);
	memset(boot_va(pa), 0, PAGE_SIZE);
	return pa;
}

static MMPTE *next_table(MMPTE *entry)
{
	if (!(*entry & PTE_VALID))
		*entry = boot_alloc_table() | PTE_VALID | PTE_HW_WRITE;
	return boot_va(*entry & PTE_FRAME);
}

static MMPTE *boot_pde(u64 va)
{
	MMPTE *t = next_table(&pml4[va >> 39 & 511]);

	t = next_table(&t[va >> 30 & 511]);
	return &t[va >> 21 & 511];
}

static void boot_map(u64 va, u64 pa, u64 bits)
{
	MMPTE *pt = next_table(boot_pde(va));

	pt[va >> 12 & 511] = pa | bits | PTE_VALID;
}

/* Copies out of PVH's structures everything that is needed; they lie in memory that gets reused. */
static void read_start_info(u64 pa)
{
	const struct hvm_start_info *si = boot_va(pa);
	const struct hvm_memmap *m;

	if (pa >= BOOT_MAPPED || si->magic != HVM_MAGIC || si->version < 1)
		boot_stop("no PVH start info of version 1", pa, 0);
	m = boot_va(si->memmap);
	for (u32 i = 0; i < si->memmap_entries && ram_count < MAX_RANGES; i++) {
		u64 start = ALIGN_UP(m[i].start, PAGE_SIZE);
		u64 end = ALIGN_DOWN(m[i].start + m[i].size, PAGE_SIZE);

		if (m[i].type != HVM_RAM || end <= MAX(start, LOW_MEMORY_END))
			continue;
		ram[ram_count].start = MAX(start, LOW_MEMORY_END);
		ram[ram_count++].end = end;
	}
	reserved[reserved_count].start = image_pa(ke_text_start);
	reserved[reserved_count++].end = image_pa(ke_image_end);
	if (mm_pool_pages) {
		reserved[reserved_count].start = mm_pool_first << PAGE_SHIFT;
		reserved[reserved_count++].end = (mm_pool_first + mm_pool_pages) << PAGE_SHIFT;
	}
	if (si->nr_modules) {
		const struct hvm_module *mod = boot_va(si->modlist);

		reserved[reserved_count].start = mod->start;
		reserved[reserved_count++].end = mod->start + mod->size;
	}
}

/* All RAM, by 2 MB pages, no-execute; the kernel's text and read-only data without write. */
static void build_direct_map(void)
{
	u64 text = image_pa(ke_text_start);

	for (u32 i = 0; i < ram_count; i++)
		for (u64 pa = ALIGN_DOWN(i ? ram[i].start : 0, LARGE_PAGE_SIZE); pa < ram[i].end;
		     pa += LARGE_PAGE_SIZE)
			*boot_pde(MM_DIRECT_MAP + pa) =
			    pa | PTE_VALID | (pa == text ? 0 : PTE_HW_WRITE) | PTE_LARGE |
			    PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY | PTE_NX;
}

static void map_image(void)
{
	for (char *va = ke_text_start; va < ke_image_end; va += PAGE_SIZE) {
		u64 bits = va < ke_init_end	? 0
			   : va < ke_rodata_end ? PTE_NX
						: PTE_NX | PTE_HW_WRITE;

		if (va >= ke_rodata_end && va < ke_data_start &&
		    (va < ke_kdp_start || va >= ke_kdp_end))
			continue;
		boot_map((u64)va, image_pa(va), bits | PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY);
	}
}

/* Entries that share a page of the database with [first, end) but are no RAM. */
static void mark_hole(u64 first, u64 end)
{
	u64 low = ALIGN_DOWN((u64)&mm_pfn[first], PAGE_SIZE);
	u64 high = ALIGN_UP((u64)&mm_pfn[end], PAGE_SIZE);

	for (u64 p = first; p-- > 0 && (u64)&mm_pfn[p] >= low;)
		mm_pfn[p].state = PFN_BAD;
	for (u64 p = end; (u64)&mm_pfn[p + 1] <= high; p++)
		mm_pfn[p].state = PFN_BAD;
}

static void build_pfn_database(void)
{
	for (u32 i = 0; i < ram_count; i++) {
		u64 first = i ? ram[i].start >> PAGE_SHIFT : 0, end = ram[i].end >> PAGE_SHIFT;

		for (u64 va = ALIGN_DOWN((u64)&mm_pfn[first], PAGE_SIZE); va < (u64)&mm_pfn[end];
		     va += PAGE_SIZE) {
			MMPTE *pt = next_table(boot_pde(va));

			if (!pt[va >> 12 & 511])
				boot_map(va, boot_alloc_page(),
					 PTE_HW_WRITE | PTE_GLOBAL | PTE_NX | PTE_ACCESSED |
					     PTE_DIRTY);
		}
		mark_hole(first, end);
		mm_highest_pfn = MAX(mm_highest_pfn, (pfn_t)(end - 1));
	}
}

/* From here on tables are changed by hypercall: the direct map of the pool is read-only. */
static void INIT_CODE lock_tables(void)
{
	write_cr0(read_cr0() & ~CR0_WP); /* the entries that change are in the pool, too */
	for (u64 i = 0; i < mm_pool_pages; i += LARGE_PAGE_SIZE >> PAGE_SHIFT) {
		u64 va = MM_DIRECT_MAP + ((mm_pool_first + i) << PAGE_SHIFT);

		*boot_pde(va) &= ~PTE_HW_WRITE;
		invlpg(va);
	}
	write_cr0(read_cr0() | CR0_WP);
	mm_start_hosting();
}

/*
 * Everything boot took is the kernel's for ever; the rest is free, or zeroed where the host says
 * that its memory is: then neither the zero-page thread nor the host has to touch all RAM at start.
 */
static void fill_lists(void)
{
	const char *told = runblock_get("ram");
	bool zero = told && strcmp(told, "zero") == 0;

	for (u32 i = 0; i < ram_count; i++)
		for (u64 pa = i ? ram[i].start : 0; pa < ram[i].end; pa += PAGE_SIZE) {
			pfn_t p = (pfn_t)(pa >> PAGE_SHIFT);
			bool low = pa < LOW_MEMORY_END;
			bool taken =
			    low ? pa < LOW_RAM_FIRST || pa >= LOW_RAM_LAST
				: (pa >= image_pa(ke_text_start) && pa < boot_next) ||
				      (pa >= NTMM_KERNEL_GPA && pa < image_pa(ke_image_end));

			if (low && !taken)
				taken = overlaps_reserved(pa) || mm_pool_pages;
			if (p - mm_pool_first < mm_pool_pages) {
				mm_pfn[p].state = PFN_ACTIVE;
				mm_pfn[p].flags = PFN_F_KERNEL;
				mm_pfn[p].use = NTMM_USE_TABLE;
				mm_pfn[p].refs = 1;
				continue;
			}
			if (low && taken) {
				mm_pfn[p].state = PFN_BAD; /* never ours */
				continue;
			}
			mm_total_pages++;
			if (taken) {
				mm_pfn[p].state = PFN_ACTIVE;
				mm_pfn[p].flags = PFN_F_KERNEL;
				mm_pfn[p].refs = 1;
			} else if (zero && !low && !overlaps_reserved(pa)) {
				page_list_push(&mm_zeroed, p, PFN_ZEROED);
			} else {
				page_list_push(&mm_free, p, PFN_FREE);
			}
		}
}

void MmInitSystem(u64 start_info_pa)
{
	u64 module = 0, module_size = 0;

	mm_find_pool();
	read_start_info(start_info_pa);
	if (reserved_count > 1 + !!mm_pool_pages) {
		module = reserved[reserved_count - 1].start;
		module_size = MIN(reserved[reserved_count - 1].end - module, sizeof(runblock_copy));
	}
	boot_next = ALIGN_UP(image_pa(ke_image_end), PAGE_SIZE);
	pml4 = boot_va(boot_alloc_table());
	for (u32 i = 0; i < 5; i++) { /* the shared kernel slots */
		static const u64 slot[] = {MM_DIRECT_MAP, MM_SHARED_DATA, MM_KERNEL_IMAGE,
					   MM_SYSTEM_PTES, MM_PFN_DATABASE};

		next_table(&pml4[slot[i] >> 39 & 511]);
	}
	build_direct_map();
	map_image();
	/* the other CPUs' start-up code runs from an identity map of low memory, in boot_pml4 */
	mm_system_pml4 = (pfn_t)((u64)pml4 - MM_KERNEL_IMAGE) >> PAGE_SHIFT;
	ke_native_cr3((u64)mm_system_pml4 << PAGE_SHIFT);
	direct_map_ready = true;
	pml4 = pfn_to_va(mm_system_pml4);
	if (module_size) {
		memcpy(runblock_copy, boot_va(module), module_size);
		ke_set_runblock(runblock_copy, module_size);
	}
	build_pfn_database();
	mm_shared_data_pfn = (pfn_t)(boot_alloc_page() >> PAGE_SHIFT);
	boot_map(MM_SHARED_DATA, (u64)mm_shared_data_pfn << PAGE_SHIFT,
		 PTE_HW_WRITE | PTE_NX | PTE_GLOBAL);
	MmUserSharedData = (u8 *)MM_SHARED_DATA;
	lock_tables();
	fill_lists();
	mm_init_events();
	mm_init_pagein();
	MmCounters.magic = NTMM_COUNTERS_MAGIC;
	MmCounters.version = NTMM_COUNTERS_VERSION;
	MmCounters.count = (sizeof(MmCounters) - 16) / 8;
	MmCounters.phys_total = mm_total_pages;
	mm_low_pages = MAX(128, mm_total_pages / 64);
	mm_high_pages = mm_low_pages * 3;
	mm_init_commit();
	if (ke_on_ntmm)
		hypercall(NTMM_HC_PUBLISH, NTMM_PUBLISH_COUNTERS, MmGetPhysicalAddress(&MmCounters),
			  sizeof(MmCounters), 0);
	mm_init_sharing();
}

u64 MmGetPhysicalAddress(const void *va)
{
	u64 a = (u64)va;

	if (a >= MM_KERNEL_IMAGE && a < (u64)ke_image_end)
		return a - MM_KERNEL_IMAGE;
	if (a >= MM_DIRECT_MAP && a < MM_SHARED_DATA && (a - MM_DIRECT_MAP) >> 39 == 0)
		return a - MM_DIRECT_MAP;
	return (*mm_system_pte(a) & PTE_FRAME) + (a & (PAGE_SIZE - 1));
}

void *MmAllocateContiguous(u64 bytes)
{
	u64 pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	pfn_t first = mm_take_contiguous(pages, 1, PFN_F_KERNEL, NTMM_USE_DRIVER);

	return first ? pfn_to_va(first) : NULL;
}

void MmInitPaging(void)
{
	mm_init_pin();
	mm_init_pagefiles();
	mm_init_store();
	mm_init_writer();
	mm_init_balance();
}
