/* Protected data: through the host until it is sealed. */
#include "guest/ke/ke.h"
#include "guest/ke/cpu.h"
#include "guest/ke/kdp.h"
#include "guest/ke/runblock.h"
#include "guest/ke/thread.h"
#include "guest/mm/mi.h"
#include "guest/abi/machine.h"

#define WRITE_MOST 4096u

extern char ke_text_end[], ke_init_end[], ke_kdp_start[], ke_kdp_end[];
u32 ke_vbs;

void ke_init_vbs(void)
{
	u32 r[4];

	if (!ke_on_ntmm)
		return;
	cpuid(NTMM_CPUID_INFO, 0, r);
	ke_vbs = r[3];
}

void ke_hosted_cr3(u64 cr3)
{
	if (hypercall(NTMM_HC_CR3, cr3 & ~(PAGE_SIZE - 1), 0, 0, 0) < 0)
		KeBugCheckEx(KERNEL_SECURITY_CHECK_FAILURE, cr3, 0, 0, 0,
			     "the host refuses page tables");
}

void kdp_write(void *dst, const void *src, u64 bytes)
{
	if (!(ke_vbs & NTMM_FEATURE_KDP)) {
		memcpy(dst, src, bytes);
		return;
	}
	for (u64 done = 0, n; done < bytes; done += n) {
		const u8 *from = (const u8 *)src + done;

		n = MIN(bytes - done, PAGE_SIZE - ((u64)from & (PAGE_SIZE - 1)));
		n = MIN(n, WRITE_MOST);
		if (hypercall(NTMM_HC_KDP_WRITE, MmGetPhysicalAddress((u8 *)dst + done),
			      MmGetPhysicalAddress(from), n, 0) < 0)
			KeBugCheckEx(KERNEL_SECURITY_CHECK_FAILURE, (u64)dst, n, 0, 0,
				     "protected data cannot be written");
	}
}

void ke_seal(void)
{
	static const struct ntmm_layout layout = {
	    .cpu_process = offsetof(KPCR, process),
	    .process_pid = offsetof(EPROCESS, pid),
	    .process_name = offsetof(EPROCESS, name),
	};

	_Static_assert(sizeof(((EPROCESS *)0)->name) == NTMM_PROCESS_NAME, "the host reads it");
	if (!ke_on_ntmm)
		return;
	hypercall(NTMM_HC_PUBLISH, NTMM_PUBLISH_LAYOUT, MmGetPhysicalAddress(&layout),
		  sizeof(layout), 0);
	if (!(ke_vbs & NTMM_FEATURE_KDP))
		return;
	for (char *va = ke_kdp_start; va < ke_kdp_end; va += PAGE_SIZE) {
		pte_change(mm_system_pte((u64)va), PTE_HW_WRITE, 0);
		ke_flush_tlb_page((1ul << ke_cpu_count) - 1, (u64)va); /* it is global */
	}
	for (char *va = ke_text_end; ke_vbs & NTMM_FEATURE_HVCI && va < ke_init_end;
	     va += PAGE_SIZE) {
		pte_store(mm_system_pte((u64)va), 0);
		ke_flush_tlb_page((1ul << ke_cpu_count) - 1, (u64)va);
	}
	if (hypercall(NTMM_HC_SEAL, 0, 0, 0, 0) < 0)
		KeBugCheckEx(KERNEL_SECURITY_CHECK_FAILURE, 0, 0, 0, 0, "the host refuses to seal");
}
