/*
 * KUSER_SHARED_DATA: what does not change while the machine runs. Times are in time.c. Layout and
 * PF_* numbers: public headers of Windows 10 x64 (ntddk.h, winnt.h).
 */
#include "guest/ke/thread.h"
#include "guest/ke/aslr.h"
#include "guest/mm/mm.h"

#define MACHINE_AMD64	      0x8664
#define ARCHITECTURE_AMD64    9
#define PRODUCT_WORKSTATION   1
#define SUITE_WORKSTATION     0x110 /* VER_SUITE_SINGLEUSERTS | VER_SUITE_TERMINAL */
#define NX_ALWAYS_ON	      1
#define TICK_COUNT_MULTIPLIER 0x0fa00000 /* 15.625 ms a tick, in 2^-24 ms */
#define BUILD		      19045
#define SESSION		      1

#define KUSER_SYSTEM_ROOT	 0x030
#define KUSER_PROCESSOR_FEATURES 0x274
#define KUSER_PROCESSORS	 0x3c0
#define KUSER_XSTATE		 0x3d8 /* enabled features, then 8 bytes, size, flags, then ... */
#define KUSER_XSTATE_FEATURES	 0x3f0 /* ... offset and size of each */

static const struct {
	u16 offset, bytes;
	u32 value;
} fields[] = {
    {0x004, 4, TICK_COUNT_MULTIPLIER},
    {0x02c, 2, MACHINE_AMD64}, /* ImageNumberLow, High */
    {0x02e, 2, MACHINE_AMD64},
    {0x244, 4, (u32)LARGE_PAGE_SIZE}, /* LargePageMinimum */
    {0x260, 4, BUILD},
    {0x264, 4, PRODUCT_WORKSTATION},
    {0x268, 1, true}, /* ProductTypeIsValid */
    {0x26a, 2, ARCHITECTURE_AMD64},
    {0x26c, 4, 10}, /* NtMajorVersion, NtMinorVersion */
    {0x270, 4, 0},
    {0x2d0, 4, SUITE_WORKSTATION},
    {0x2d5, 1, NX_ALWAYS_ON}, /* MitigationPolicies */
    {0x2d8, 4, SESSION},      /* ActiveConsoleId */
    {0x3c4, 1, 1},	      /* ActiveGroupCount */
    {0x3c6, 1, 1},	      /* QpcBypassEnabled: RDTSC is the counter */
};

/* Which PF_* a CPUID bit tells. XSAVE: only with the operating system's part. */
enum register_of_cpuid { EAX, EBX, ECX, EDX };
static const struct {
	u8 feature; /* PF_* */
	u8 reg, bit;
	u32 leaf;
	u32 xsave; /* XCR0 bits it needs */
} features[] = {
    {2, EDX, 8, 1, 0},		  /* PF_COMPARE_EXCHANGE_DOUBLE */
    {3, EDX, 23, 1, 0},		  /* PF_MMX_INSTRUCTIONS_AVAILABLE */
    {6, EDX, 25, 1, 0},		  /* PF_XMMI_INSTRUCTIONS_AVAILABLE */
    {7, EDX, 31, 0x80000001, 0},  /* PF_3DNOW_INSTRUCTIONS_AVAILABLE */
    {8, EDX, 4, 1, 0},		  /* PF_RDTSC_INSTRUCTION_AVAILABLE */
    {9, EDX, 6, 1, 0},		  /* PF_PAE_ENABLED */
    {10, EDX, 26, 1, 0},	  /* PF_XMMI64_INSTRUCTIONS_AVAILABLE */
    {12, EDX, 20, 0x80000001, 0}, /* PF_NX_ENABLED */
    {13, ECX, 0, 1, 0},		  /* PF_SSE3_INSTRUCTIONS_AVAILABLE */
    {14, ECX, 13, 1, 0},	  /* PF_COMPARE_EXCHANGE128 */
    {17, ECX, 26, 1, 3},	  /* PF_XSAVE_ENABLED */
    {22, EBX, 0, 7, 0},		  /* PF_RDWRFSGSBASE_AVAILABLE */
    {28, ECX, 30, 1, 0},	  /* PF_RDRAND_INSTRUCTION_AVAILABLE */
    {32, EDX, 27, 0x80000001, 0}, /* PF_RDTSCP_INSTRUCTION_AVAILABLE */
    {33, ECX, 22, 7, 0},	  /* PF_RDPID_INSTRUCTION_AVAILABLE */
    {36, ECX, 9, 1, 0},		  /* PF_SSSE3_INSTRUCTIONS_AVAILABLE */
    {37, ECX, 19, 1, 0},	  /* PF_SSE4_1_INSTRUCTIONS_AVAILABLE */
    {38, ECX, 20, 1, 0},	  /* PF_SSE4_2_INSTRUCTIONS_AVAILABLE */
    {39, ECX, 28, 1, 7},	  /* PF_AVX_INSTRUCTIONS_AVAILABLE */
    {40, EBX, 5, 7, 7},		  /* PF_AVX2_INSTRUCTIONS_AVAILABLE */
    {41, EBX, 16, 7, 0xe7},	  /* PF_AVX512F_INSTRUCTIONS_AVAILABLE */
    {42, EBX, 9, 7, 0},		  /* PF_ERMS_AVAILABLE */
};
#define PF_FASTFAIL_AVAILABLE 23

static void set_features(void)
{
	static const u32 leaves[] = {1, 7, 0x80000001};
	u8 *out = MmUserSharedData + KUSER_PROCESSOR_FEATURES;
	u32 r[ARRAY_SIZE(leaves)][4] = {0}, highest[4];

	for (u32 l = 0; l < ARRAY_SIZE(leaves); l++) {
		cpuid(leaves[l] & 0x80000000, 0, highest);
		if (highest[EAX] >= leaves[l])
			cpuid(leaves[l], 0, r[l]);
	}
	for (u32 i = 0; i < ARRAY_SIZE(features); i++)
		for (u32 l = 0; l < ARRAY_SIZE(leaves); l++)
			if (features[i].leaf == leaves[l])
				out[features[i].feature] =
				    (r[l][features[i].reg] >> features[i].bit & 1) &&
				    (features[i].xsave & ~ke_xsave_mask) == 0;
	out[PF_FASTFAIL_AVAILABLE] = true;
}

/* XSTATE_CONFIGURATION, for the state that ke/fpu.c saves: the standard layout. */
static void set_xstate(void)
{
	static const u32 place[][2] = {{0, 160}, {160, 256}, {576, 256}}; /* x87, SSE, AVX */
	u64 enabled = ke_xsave_mask ? ke_xsave_mask : 3;

	*(u64 *)(MmUserSharedData + KUSER_XSTATE) = enabled;
	*(u64 *)(MmUserSharedData + KUSER_XSTATE + 8) = enabled; /* all of it is volatile */
	*(u32 *)(MmUserSharedData + KUSER_XSTATE + 0x10) = ke_xsave_size;
	for (u32 i = 0; i < ARRAY_SIZE(place); i++)
		if (enabled >> i & 1)
			memcpy(MmUserSharedData + KUSER_XSTATE_FEATURES + 8 * i, place[i], 8);
}

void ke_init_shared_data(void)
{
	static const u16 root[] = u"C:\\Windows";
	u8 *data = MmUserSharedData;
	u32 pages = (u32)MmCounters.phys_total, cookie = (u32)ke_random();

	for (u32 i = 0; i < ARRAY_SIZE(fields); i++)
		memcpy(data + fields[i].offset, &fields[i].value, fields[i].bytes);
	memcpy(data + KUSER_SYSTEM_ROOT, root, sizeof(root));
	memcpy(data + 0x2e8, &pages, sizeof(pages));   /* NumberOfPhysicalPages */
	memcpy(data + 0x330, &cookie, sizeof(cookie)); /* Cookie: of RtlEncodeSystemPointer */
	set_features();
	set_xstate();
	ke_publish_processors();
}

void ke_publish_processors(void)
{
	*(volatile u32 *)(MmUserSharedData + KUSER_PROCESSORS) = ke_cpu_count;
}
