/* The secure pool and sections of modules: the host's, asked for by hypercall (abi/machine.h). */
#include "guest/ke/cpu.h"
#include "guest/ke/ke.h"
#include "guest/ke/kdp.h"
#include "guest/mm/mi.h"
#include "guest/ke/thread.h"
#include "guest/abi/machine.h"

/* -errno of Linux, as hypercalls give them */
static NTSTATUS status_of(s64 r)
{
	static const struct {
		s64 error;
		NTSTATUS status;
	} rows[] = {
	    {-1, STATUS_ACCESS_DENIED},		  /* EPERM */
	    {-2, STATUS_OBJECT_NAME_NOT_FOUND},	  /* ENOENT */
	    {-7, STATUS_BUFFER_TOO_SMALL},	  /* E2BIG */
	    {-12, STATUS_NO_MEMORY},		  /* ENOMEM */
	    {-13, STATUS_ACCESS_DENIED},	  /* EACCES */
	    {-14, STATUS_ACCESS_VIOLATION},	  /* EFAULT */
	    {-22, STATUS_INVALID_PARAMETER},	  /* EINVAL */
	    {-28, STATUS_INSUFFICIENT_RESOURCES}, /* ENOSPC */
	    {-30, STATUS_ACCESS_DENIED},	  /* EROFS */
	    {-114, STATUS_ALREADY_COMMITTED},	  /* EALREADY */
	};

	if (r >= 0)
		return STATUS_SUCCESS;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].error == r)
			return rows[i].status;
	return STATUS_NOT_SUPPORTED;
}

static s64 ask(u32 number, u64 a, u64 b, u64 c, u64 d)
{
	return ke_on_ntmm ? hypercall(number, a, b, c, d) : -38; /* ENOSYS */
}

NTSTATUS ExSecurePoolAllocate(u64 bytes, u64 key, void **block)
{
	s64 r = ask(NTMM_HC_POOL_ALLOC, bytes, key, 0, 0);

	if (r > 0)
		*block = (void *)(MM_DIRECT_MAP + (u64)r);
	return status_of(r);
}

NTSTATUS ExSecurePoolWrite(void *dst, const void *src, u64 bytes, u64 key)
{
	for (u64 done = 0, n; done < bytes; done += n) {
		const u8 *from = (const u8 *)src + done;
		s64 r;

		n = MIN(bytes - done, PAGE_SIZE - ((u64)from & (PAGE_SIZE - 1)));
		r = ask(NTMM_HC_POOL_WRITE, MmGetPhysicalAddress((u8 *)dst + done),
			MmGetPhysicalAddress(from), n, key);
		if (r < 0)
			return status_of(r);
	}
	return STATUS_SUCCESS;
}

NTSTATUS ExSecurePoolSeal(void *block, u64 key)
{
	return status_of(ask(NTMM_HC_POOL_SEAL, MmGetPhysicalAddress(block), key, 0, 0));
}

NTSTATUS ExSecurePoolFree(void *block, u64 key)
{
	return status_of(ask(NTMM_HC_POOL_FREE, MmGetPhysicalAddress(block), key, 0, 0));
}

/* A section is mapped by itself: the direct map of protected memory is read-only. */
NTSTATUS ExAllocateSection(u64 bytes, void **section)
{
	u64 pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	u8 *va = mm_reserve_system(pages);
	s64 r;

	if (!va)
		return STATUS_NO_MEMORY;
	r = ask(NTMM_HC_SECTION, bytes, 0, 0, 0);
	for (u64 k = 0; r > 0 && k < pages; k++)
		pte_store(mm_system_pte((u64)va + k * PAGE_SIZE),
			  ((u64)r + k * PAGE_SIZE) | PTE_VALID | PTE_HW_WRITE | PTE_NX |
			      PTE_ACCESSED | PTE_DIRTY);
	if (r > 0)
		*section = va;
	else
		mm_release_system(va, pages);
	return status_of(r);
}

NTSTATUS MmProtectDriverSection(void *section, u64 bytes)
{
	u64 va = (u64)section, gpa = MmGetPhysicalAddress(section);
	MMPTE *pte;

	if (bytes) /* as documented: the whole section */
		return STATUS_INVALID_PARAMETER;
	for (; (pte = mm_system_pte(va)) && (*pte & PTE_VALID) &&
	       pte_pfn(*pte) == (gpa + va - (u64)section) >> PAGE_SHIFT;
	     va += PAGE_SIZE) {
		pte_change(pte, PTE_HW_WRITE, 0);
		ke_flush_tlb_page((1ul << ke_cpu_count) - 1, va);
	}
	return status_of(ask(NTMM_HC_SECTION_SEAL, gpa, 0, 0, 0));
}

NTSTATUS ExVaultCall(struct ntmm_vault *call, s64 *result)
{
	*result = ask(NTMM_HC_VAULT, MmGetPhysicalAddress(call), 0, 0, 0);
	return status_of(*result);
}
