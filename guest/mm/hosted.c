/*
 * Page tables at level hvci: they lie in a pool that the host has set apart and alone changes. The
 * kernel reads them as ever.
 *
 * A page of the pool keeps its level once it has been a table of it (ept/tables.h), so free ones
 * wait in a chain by level (MMPFN.flink); those of the kernel half are never freed. A free table is
 * all zero, but for a root, which keeps the system's half. When there are none of a level, the host
 * makes pages without a level of those of others, which stops all processors for a moment. The last
 * few are for the kernel's half.
 *
 * At other levels there is no pool, and tables are ordinary kernel pages. Lock: F for the chains.
 */
#include "guest/mm/mi.h"
#include "guest/ke/kdp.h"
#include "guest/abi/machine.h"

#define LEVELS 4u

u64 mm_pool_first, mm_pool_pages;
u64 mm_pool_va, mm_pool_bytes;
static u64 used; /* pages of the pool that have been a table; F once there are threads */
static u32 chain[LEVELS + 1]; /* 0: of no level */
static u64 free_tables;	      /* in all chains */
#define FOR_KERNEL 8u

void mm_find_pool(void)
{
	u32 r[4];

	if (!(ke_vbs & NTMM_FEATURE_HVCI))
		return;
	cpuid(NTMM_CPUID_TABLES, 0, r);
	mm_pool_first = r[0];
	mm_pool_pages = r[1];
}

u64 mm_boot_table(void)
{
	return used < mm_pool_pages ? (mm_pool_first + used++) << PAGE_SHIFT : 0;
}

static _Noreturn void refused(const MMPTE *pte, MMPTE v, s64 why)
{
	KeBugCheckEx(KERNEL_SECURITY_CHECK_FAILURE, (u64)pte, v, (u64)why, 0,
		     "the host refuses a page-table entry");
}

void mm_start_hosting(void)
{
	if (!mm_pool_pages)
		return;
	if (hypercall(NTMM_HC_TABLES, (u64)mm_system_pml4 << PAGE_SHIFT, 0, 0, 0) < 0)
		refused(NULL, mm_system_pml4, 0);
	mm_pool_va = MM_DIRECT_MAP + (mm_pool_first << PAGE_SHIFT);
	mm_pool_bytes = mm_pool_pages << PAGE_SHIFT;
}

MMPTE mm_hosted_change(MMPTE *pte, MMPTE clear, MMPTE set)
{
	u64 rax = NTMM_HC_PTE, gpa = (u64)pte - MM_DIRECT_MAP;
	register u64 r8 __asm__("r8") = set;
	register u64 r9 __asm__("r9") = 0;

	__asm__ volatile("outl %%eax, %%dx"
			 : "+a"(rax), "+r"(r9)
			 : "d"(NTMM_PORT_HYPERCALL), "D"(gpa), "S"(clear), "r"(r8)
			 : "memory");
	if (UNLIKELY(rax))
		refused(pte, set, (s64)rax);
	return r9;
}

/* ask: in one page */
static void change_all(struct ntmm_pte *ask, u32 n)
{
	s64 done = hypercall(NTMM_HC_PTES, MmGetPhysicalAddress(ask), n, 0, 0);

	if (UNLIKELY(done != n))
		refused(NULL, done < 0 ? 0 : ask[done].set, done);
}

void mm_hosted_flush(struct pte_queue *q)
{
	change_all(q->ask, q->n);
	for (u32 i = 0; i < q->n; i++)
		if (q->dirty[i])
			*q->dirty[i] = q->ask[i].old & PTE_DIRTY;
	q->n = 0;
}

void mm_hosted_defer(struct pte_queue *q, MMPTE *pte, MMPTE clear, MMPTE set, bool *dirty)
{
	q->ask[q->n] =
	    (struct ntmm_pte){.gpa = (u64)pte - MM_DIRECT_MAP, .clear = clear, .set = set};
	q->dirty[q->n] = dirty;
	if (++q->n == PTE_QUEUE)
		mm_hosted_flush(q);
}

/* ---- pages for tables ---- */

/* => F */
static pfn_t pop(u32 level)
{
	pfn_t p = chain[level];

	if (p) {
		chain[level] = mm_pfn[p].flink;
		mm_pfn[p].flink = 0;
		free_tables--;
	}
	return p;
}

static void push(u32 level, pfn_t p)
{
	mm_pfn[p].flink = chain[level];
	chain[level] = p;
	free_tables++;
}

/* => F. Free tables lose their level. */
static void recycle(void)
{
	static u64 page[NTMM_RECYCLE] __attribute__((aligned(NTMM_RECYCLE * 8)));
	u32 n = 0;

	for (u32 level = 1; level <= LEVELS; level++)
		for (pfn_t p; n < NTMM_RECYCLE && (p = pop(level));)
			page[n++] = (u64)p << PAGE_SHIFT;
	if (n && hypercall(NTMM_HC_RECYCLE, MmGetPhysicalAddress(page), n, 0, 0) != n)
		refused(NULL, n, 0);
	while (n)
		push(0, (pfn_t)(page[--n] >> PAGE_SHIFT));
}

static pfn_t take_pooled(u32 level)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	pfn_t p = 0;

	if (!level || free_tables + mm_pool_pages - used > FOR_KERNEL) {
		p = level ? pop(level) : 0;
		if (!p && used < mm_pool_pages)
			p = (pfn_t)(mm_pool_first + used++);
		if (!p && !chain[0])
			recycle();
		if (!p)
			p = pop(0);
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return p;
}

pfn_t mm_take_table(u32 level)
{
	return UNLIKELY(mm_pool_pages) ? take_pooled(level) : mm_take_kernel_page(NTMM_USE_TABLE);
}

pfn_t mm_take_kernel_table(void)
{
	return mm_take_table(0);
}

void mm_free_table(pfn_t p, u32 level)
{
	KIRQL old;

	if (LIKELY(!mm_pool_pages)) {
		mm_free_kernel_page(p);
		return;
	}
	old = KeAcquireSpinLock(&pfn_lock);
	push(level, p);
	KeReleaseSpinLock(&pfn_lock, old);
}

u32 mm_hosted_tables(MMPTE *e, u64 va, u32 shift, u32 level)
{
	struct ntmm_pte ask[LEVELS] __attribute__((aligned(128))); /* in one page */
	const u32 first = (shift - 12) / 9;
	u32 n = 0;

	_Static_assert(sizeof(ask) == 128, "the host takes them from one page");
	for (; shift > level; shift -= 9, n++) {
		pfn_t p = mm_take_table(first - n);

		if (!p)
			break;
		ask[n] = (struct ntmm_pte){.gpa = (u64)e - MM_DIRECT_MAP,
					   .clear = ~0ul,
					   .set = (u64)p << PAGE_SHIFT | PTE_VALID | PTE_HW_WRITE |
						  PTE_USER | PTE_ACCESSED};
		e = (MMPTE *)pfn_to_va(p) + (va >> (shift - 9) & 511);
	}
	if (shift > level) {
		while (n--)
			mm_free_table(pte_pfn(ask[n].set), first - n);
		return 0;
	}
	for (u32 i = 0; i < n; i++)
		mm_pfn[ask[i].gpa >> PAGE_SHIFT].share++;
	change_all(ask, n);
	return n;
}

bool mm_tables_left(void)
{
	/* an address may need one of each level but the root's */
	return !mm_pool_pages || free_tables + mm_pool_pages - used >= FOR_KERNEL + LEVELS - 1;
}

void mm_fill_root(pfn_t p)
{
	const u64 *kernel = pfn_to_va(mm_system_pml4);
	u64 *t = pfn_to_va(p);

	if (mm_pool_pages) {
		if (hypercall(NTMM_HC_ROOT, (u64)p << PAGE_SHIFT, 0, 0, 0) < 0)
			refused(NULL, p, 0);
		return;
	}
	for (u32 i = 256; i < 512; i++)
		t[i] = kernel[i];
}
