/*
 * Debug registers of threads: DR0-DR3 and DR7 in a processor are those of the thread that runs
 * there, if it has a breakpoint enabled; else DR7 is 0, which costs nothing. They may only name
 * user addresses. A breakpoint that the kernel itself runs into, when it touches the program's
 * memory, is forgotten: programs see only their own accesses.
 *
 * Lock: none. A thread's registers are changed by itself or while it does not run.
 */
#include "guest/ke/thread.h"
#include "guest/mm/mm.h"

#define DR6_DEFAULT 0xffff0ff0ul
#define DR6_TOLD    0xe00ful	 /* what a program gets to see, as on Windows */
#define DR7_ALLOWED 0xffff0355ul /* no global enables, no general detect */
#define DR7_ENABLES 0x55ul
#define DR7_NONE    0x400ul

static void write_dr7(u64 v)
{
	__asm__ volatile("mov %0, %%dr7" ::"r"(v) : "memory");
}

void ke_load_debug(const KTHREAD *t)
{
	KPCR *cpu = this_cpu();

	if (LIKELY(!cpu->breakpoints && !(t->dr7 & DR7_ENABLES)))
		return;
	write_dr7(DR7_NONE);
	cpu->breakpoints = t->dr7 & DR7_ENABLES;
	if (!cpu->breakpoints)
		return;
	__asm__ volatile("mov %0, %%dr0" ::"r"(t->dr[0]));
	__asm__ volatile("mov %0, %%dr1" ::"r"(t->dr[1]));
	__asm__ volatile("mov %0, %%dr2" ::"r"(t->dr[2]));
	__asm__ volatile("mov %0, %%dr3" ::"r"(t->dr[3]));
	write_dr7(t->dr7 | DR7_NONE);
}

u64 ke_take_dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	__asm__ volatile("mov %0, %%dr6" ::"r"(DR6_DEFAULT));
	return v & DR6_TOLD;
}

void ke_set_debug(KTHREAD *t, const u64 dr[6])
{
	u64 flags = irq_save();

	for (u32 i = 0; i < 4; i++)
		t->dr[i] = dr[i] <= MM_HIGHEST_USER ? dr[i] : 0;
	t->dr6 = dr[4] & DR6_TOLD;
	t->dr7 = dr[5] & DR7_ALLOWED;
	if (t == current_thread())
		ke_load_debug(t);
	irq_restore(flags);
}
