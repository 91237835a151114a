/* Bring-up, in the order things depend on each other. */
#include "guest/ke/thread.h"
#include "guest/ke/syscall.h"
#include "guest/ke/kdp.h"
#include "guest/mm/mm.h"
#include "guest/ps/ps.h"
#include "guest/io/io.h"
#include "guest/abi/machine.h"

bool ke_on_ntmm, ke_has_smap;
u64 ke_entry_tsc;

_Noreturn void ke_start(u64 start_info_pa);
void ke_init_boot_cpu(void);

static void mark(enum ntmm_mark m)
{
	if (ke_on_ntmm)
		hypercall(NTMM_HC_MARK, m, 0, 0, 0);
}

static void phase1(void *context)
{
	(void)context;
	ke_start_cpus();
	ke_publish_processors();
	IoInitSystem();
	MmInitPaging();
	ke_publish_mminfo();
	ke_seal();
	mark(NTMM_MARK_DEVICES_READY);
	PsStartInitialProcess();
}

_Noreturn void ke_start(u64 start_info_pa)
{
	u32 r[4];

	ke_entry_tsc = rdtsc();
	cpuid(1, 0, r);
	if (r[2] & 1u << 31) {
		cpuid(NTMM_CPUID_SIGNATURE, 0, r);
		ke_on_ntmm = r[1] == NTMM_CPUID_EBX && r[2] == r[1] && r[3] == r[1];
	}
	ke_init_vbs();
	mark(NTMM_MARK_KERNEL_ENTRY);
	if (!ke_on_ntmm) { /* a PC has two 8259s: masked for ever */
		outb(0x21, 0xff);
		outb(0xa1, 0xff);
	}
	ke_init_boot_cpu();
	irql_set(DISPATCH_LEVEL);
	ke_init_scheduler();
	MmInitSystem(start_info_pa);
	ke_init_apic();
	ke_init_time();
	mark(NTMM_MARK_MM_READY);
	PsInitSystem();
	ObInitSystem();
	PsCreateSystemThread(phase1, NULL, 8, "phase 1");
	sti();
	ke_idle();
}
