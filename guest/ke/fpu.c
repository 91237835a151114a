/* User floating-point state: XSAVE of what programs use (x87, SSE, AVX), FXSAVE where that is all.
 * The kernel itself never touches these registers. */
#include "guest/ke/thread.h"

u32 ke_xsave_size = 512;
u64 ke_xsave_mask;

#define XSAVE_X87     1u
#define XSAVE_SSE     2u
#define XSAVE_AVX     4u
#define MXCSR_DEFAULT 0x1f80u
#define FCW_DEFAULT   0x27fu /* Windows: 53-bit precision */

void INIT_CODE ke_init_fpu(void)
{
	u32 r[4];

	write_cr0((read_cr0() | CR0_MP | CR0_NE) & ~0xcul); /* not EM, TS */
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	cpuid(1, 0, r);
	if (!(r[2] & (1u << 26)))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	cpuid(0xd, 0, r);
	ke_xsave_mask = r[0] & (XSAVE_X87 | XSAVE_SSE | XSAVE_AVX);
	__asm__ volatile("xsetbv" ::"c"(0), "a"((u32)ke_xsave_mask), "d"(0));
	cpuid(0xd, 0, r);
	ke_xsave_size = r[1]; /* for what XCR0 enables */
}

void ke_fpu_save(void *area)
{
	if (ke_xsave_mask)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((u32)ke_xsave_mask), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

void ke_fpu_restore(const void *area)
{
	if (ke_xsave_mask)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((u32)ke_xsave_mask), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void ke_fpu_init_area(void *area)
{
	memset(area, 0, ke_xsave_size);
	*(u16 *)area = FCW_DEFAULT;
	*(u32 *)((u8 *)area + 24) = MXCSR_DEFAULT;
	if (ke_xsave_mask)
		*(u64 *)((u8 *)area + 512) = XSAVE_X87 | XSAVE_SSE; /* XSTATE_BV */
}
