/* The end: stop the other CPUs, walk the frame pointers, tell the host, or the serial port. */
#include "guest/ke/thread.h"
#include "guest/mm/mm.h"
#include "guest/abi/machine.h"

extern const char ke_text_start[], ke_text_end[];

static struct ntmm_bugcheck report;
static volatile u32 once;

static u32 walk_stack(u64 rbp, u64 *frame, u32 max)
{
	KTHREAD *t = current_thread();
	u32 n = 0;

	while (n < max && t && rbp >= t->stack && rbp + 16 <= t->stack_top && !(rbp & 7)) {
		u64 ret = ((u64 *)rbp)[1], next = ((u64 *)rbp)[0];

		if (ret < (u64)ke_text_start || ret >= (u64)ke_text_end)
			break;
		frame[n++] = ret;
		if (next <= rbp)
			break;
		rbp = next;
	}
	return n;
}

_Noreturn void ke_bugcheck_at(enum bugcheck_code code, const u64 p[4], const char *text, u64 rip,
			      u64 rsp, u64 rbp)
{
	cli();
	if (!atomic_exchange(&once, 1)) {
		for (u32 i = 0; i < ke_cpu_count; i++)
			if (ke_cpu[i] && ke_cpu[i]->online && ke_cpu[i] != this_cpu())
				apic_ipi(ke_cpu[i]->apic_id, VEC_IPI_STOP);
		report.code = code;
		report.cpu = this_cpu()->number;
		for (u32 i = 0; i < 4; i++)
			report.param[i] = p[i];
		report.rip = rip;
		report.rsp = rsp;
		report.rbp = rbp;
		report.nframes = walk_stack(rbp, report.frame, NTMM_BUGCHECK_FRAMES);
		ke_snprintf(report.text, sizeof(report.text), "%s", text ? text : "");
		if (ke_on_ntmm)
			hypercall(NTMM_HC_BUGCHECK, MmGetPhysicalAddress(&report), 0, 0, 0);
		dbg_print("*** STOP 0x%x (%lx, %lx, %lx, %lx) %s\nrip %lx rsp %lx cpu %u\n", code,
			  p[0], p[1], p[2], p[3], report.text, rip, rsp, report.cpu);
		for (u32 i = 0; i < report.nframes; i++)
			dbg_print("  %lx\n", report.frame[i]);
		outb(0xf4, 0x10); /* QEMU's isa-debug-exit, where it has one; else */
		outb(0x505, 1);	  /* its pvpanic: the guest has panicked */
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void KeBugCheckEx(enum bugcheck_code code, u64 p1, u64 p2, u64 p3, u64 p4,
			    const char *text)
{
	u64 p[4] = {p1, p2, p3, p4};

	ke_bugcheck_at(code, p, text, (u64)__builtin_return_address(0),
		       (u64)__builtin_frame_address(0), (u64)__builtin_frame_address(0));
}
