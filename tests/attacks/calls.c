/* Hypercalls that ask for what is not theirs, and too much of everything. */
#include "tests/attacks/attack.h"

#define EFAULT_ (-14)
#define EROFS_	(-30)
#define EPERM_	(-1)
#define ENOSYS_ (-38)

/* An address outside of the guest, or one whose end wraps around, for every call that takes one. */
static enum outcome outside(void)
{
	static const uint64_t places[] = {
	    1ull << 46, ~0ull, ~0ull - 8, NTMM_PCI_HOLE_START, NTMM_PCI_HOLE_END, 1ull << 63};
	uint64_t block;
	call_t *c = calloc(1, sizeof(*c));

	c->op = POOL_ALLOCATE;
	c->bytes = 64;
	c->arg[0] = 9;
	if (secure_pool(c))
		return FAILED;
	block = kphys(c->result);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t p = places[i];

		if (khypercall(NTMM_HC_BUGCHECK, p, 0, 0, 0) != EFAULT_ ||
		    khypercall(NTMM_HC_PUBLISH, NTMM_PUBLISH_COUNTERS, p, 4096, 0) != EFAULT_ ||
		    khypercall(NTMM_HC_POOL_WRITE, block, p, 16, 9) != EFAULT_ ||
		    khypercall(NTMM_HC_POOL_WRITE, p, block, 16, 9) >= 0 ||
		    khypercall(NTMM_HC_KDP_WRITE, p, block, 16, 0) >= 0 ||
		    khypercall(NTMM_HC_VAULT, p, 0, 0, 0) != EFAULT_ ||
		    khypercall(NTMM_HC_NOTE, p, 0, 0, 0) != EFAULT_ ||
		    khypercall(NTMM_HC_POOL_FREE, p, 9, 0, 0) >= 0)
			return SUCCEEDED;
	}
	return khypercall(NTMM_HC_POOL_FREE, block, 9, 0, 0) == 0 ? REFUSED : FAILED;
}

static enum outcome unknown(void)
{
	static const uint32_t numbers[] = {0, 100, 255, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (khypercall(numbers[i], 1, 2, 3, 4) != ENOSYS_)
			return SUCCEEDED;
	return REFUSED;
}

/* The initialization's own door, after it. */
static enum outcome late_write(void)
{
	uint64_t idt = place(VULNERABLE_IDT) + 0x3f * 16, value = 0x5a5a5a5a5a5a5a5aull;
	uint64_t was = kread64(idt);
	int64_t r;

	kwrite(scratch(), &value, sizeof(value));
	r = khypercall(NTMM_HC_KDP_WRITE, kphys(idt), kphys(scratch()), 8, 0);
	if (r == 0 && kread64(idt) == value) {
		kwrite(scratch(), &was, sizeof(was));
		khypercall(NTMM_HC_KDP_WRITE, kphys(idt), kphys(scratch()), 8, 0);
		return SUCCEEDED;
	}
	return r < 0 && kread64(idt) == was ? REFUSED : FAILED;
}

/* The secret is given out only with what was checked: the other CPU changes the key meanwhile. */
static struct ntmm_vault *volatile shared;
static volatile LONG racing;

static DWORD WINAPI racer(void *unused)
{
	(void)unused;
	while (racing) {
		shared->handle = 1;
		shared->key[0] = 77;
		shared->bytes = 16;
		shared->handle = 2;
		shared->key[0] = 78;
		shared->bytes = ~0ull;
	}
	return 0;
}

static enum outcome double_fetch(void)
{
	uint64_t was, va = scratch();
	uint8_t *page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	struct ntmm_vault *v = (void *)page;
	enum outcome o = REFUSED;
	HANDLE thread;
	uint64_t handles[2];

	/* a page that kernel and program see: the call's block lies there while it is made */
	memset(page, 1, 4096);
	VirtualLock(page, 4096);
	if (entry_change(va + 4096, PTE_FRAME, kread64(entry_of((uint64_t)page)) & PTE_FRAME, &was))
		return REFUSED; /* not even that may be mapped */
	for (int i = 0; i < 2; i++) {
		memset(v, 0, sizeof(*v));
		v->op = NTMM_VAULT_STORE;
		v->key[0] = (uint64_t)i + 100;
		v->bytes = 16;
		memset(v->data, i ? 'B' : 'A', 16);
		handles[i] = (uint64_t)khypercall(NTMM_HC_VAULT, kphys(va + 4096), 0, 0, 0);
	}
	shared = v;
	racing = 1;
	thread = CreateThread(NULL, 0, racer, NULL, 0, NULL);
	for (int i = 0; i < 300 && o == REFUSED; i++) {
		int64_t r;

		v->op = NTMM_VAULT_UNSEAL;
		memset(v->data, 0, 16);
		r = khypercall(NTMM_HC_VAULT, kphys(va + 4096), 0, 0, 0);
		if (r > 0 || v->data[0])
			o = SUCCEEDED; /* neither key is the right one, ever */
	}
	racing = 0;
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	for (int i = 0; i < 2; i++)
		if ((int64_t)handles[i] <= 0)
			o = FAILED;
	entry_restore(va + 4096, was);
	return o;
}

/* A batch of page-table changes whose entries another CPU changes while the host reads them: first
 * harmless, then writable and executable. */
static struct ntmm_pte *volatile batch;

static DWORD WINAPI batch_racer(void *unused)
{
	uint64_t good = batch->set;

	(void)unused;
	while (racing) {
		batch->set = good;
		batch->set = good & ~PTE_NX;
	}
	return 0;
}

static enum outcome table_race(void)
{
	uint64_t va = scratch(), at = entry_of(va), was, kept;
	uint8_t *page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	enum outcome o = REFUSED;
	HANDLE thread;
	int done = 0;

	memset(page, 0, 4096);
	VirtualLock(page, 4096);
	if (entry_change(va + 4096, PTE_FRAME, kread64(entry_of((uint64_t)page)) & PTE_FRAME, &was))
		return FAILED;
	kept = kread64(at);
	batch = (struct ntmm_pte *)page;
	*batch = (struct ntmm_pte){at - DIRECT_MAP, ~0ull, kept, 0};
	racing = 1;
	thread = CreateThread(NULL, 0, batch_racer, NULL, 0, NULL);
	for (int i = 0; i < 100 && o == REFUSED; i++) {
		/* at the levels without this call it is a store of what is there at that moment */
		int64_t r = khypercall(NTMM_HC_PTES, kphys(va + 4096), 1, 0, 0);

		if (r == ENOSYS_)
			kstore(STORE_Q, at, batch->set);
		else
			done += r == 1;
		if (!(kread64(at) & PTE_NX))
			o = SUCCEEDED;
	}
	racing = 0;
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	entry_store(at, kept);
	kflush(va, 1);
	entry_restore(va + 4096, was);
	return o == REFUSED && !done ? FAILED : o;
}

/* Batches that lie, or whose entries lie, outside of the guest or of the tables. */
static enum outcome table_outside(void)
{
	static const uint64_t places[] = {
	    1ull << 46, ~7ull, ~0ull << 12, 0, NTMM_KERNEL_GPA, NTMM_PCI_HOLE_START, NTMM_HIGH_RAM};
	uint64_t va = scratch(), at = entry_of(va), w = kphys(va);
	struct ntmm_pte e = {0, 0, 1, 0};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t p = places[i];

		e.gpa = p;
		kwrite(va, &e, sizeof(e));
		if (khypercall(NTMM_HC_PTES, p, 1, 0, 0) >= 0 ||
		    khypercall(NTMM_HC_PTES, w, 1, 0, 0) >= 0 ||
		    khypercall(NTMM_HC_PTE, p, 0, 1, 0) >= 0 ||
		    khypercall(NTMM_HC_ROOT, p, 0, 0, 0) >= 0 ||
		    khypercall(NTMM_HC_CR3, p, 0, 0, 0) >= 0 ||
		    khypercall(NTMM_HC_TABLES, p, 0, 0, 0) >= 0)
			return SUCCEEDED;
	}
	return khypercall(NTMM_HC_PTES, w, 0, 0, 0) >= 0 ||
		       khypercall(NTMM_HC_PTES, w, NTMM_PTES + 1, 0, 0) >= 0 ||
		       khypercall(NTMM_HC_PTES, w + 4080, 1, 0, 0) >= 0 ||
		       khypercall(NTMM_HC_PTES, at - DIRECT_MAP, 1, 0, 0) >= 0 ||
		       khypercall(NTMM_HC_PTE, at - DIRECT_MAP + 1, 0, 0, 0) >= 0
		   ? SUCCEEDED
		   : REFUSED;
}

/* Tables that are in use, made something else: each would keep what it says. */
static enum outcome table_recycle(void)
{
	uint64_t va = scratch(), w = kphys(va), cr3 = place(VULNERABLE_CR3) & PTE_FRAME;
	uint64_t *mine = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	const uint64_t pages[] = {cr3,
				  place(VULNERABLE_SYSTEM_CR3),
				  kread64(DIRECT_MAP + cr3) & PTE_FRAME,
				  (*mine = 1, entry_of((uint64_t)mine) - DIRECT_MAP) & PTE_FRAME,
				  (entry_of(va) - DIRECT_MAP) & PTE_FRAME,
				  w & PTE_FRAME,
				  0,
				  cr3 + 8,
				  1ull << 46};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		kwrite(va, &pages[i], sizeof(pages[i]));
		if (khypercall(NTMM_HC_RECYCLE, w, 1, 0, 0) != 0)
			return SUCCEEDED;
	}
	return khypercall(NTMM_HC_RECYCLE, w, NTMM_RECYCLE + 1, 0, 0) >= 0 ||
		       khypercall(NTMM_HC_RECYCLE, 1ull << 46, 1, 0, 0) >= 0
		   ? SUCCEEDED
		   : REFUSED;
}

/* Ten thousand stores that are refused: the machine and its log live on. */
static enum outcome flood(void)
{
	uint64_t va = place(VULNERABLE_TEXT), was, old = kread64(va);
	LONG st = 0;

	if (entry_change(va, 0, PTE_W, &was))
		return REFUSED;
	for (int i = 0; i < 500 && st != (LONG)STATUS_NO_MEMORY; i++)
		st = kstore(STORE_Q, va, old + 1);
	if (st == 0) {
		enum outcome o = kread64(va) == old + 1 ? SUCCEEDED : FAILED;

		kstore(STORE_Q, va, old);
		entry_restore(va, was);
		return o;
	}
	entry_restore(va, was);
	return kread64(va) == old ? REFUSED : FAILED;
}

/* Notes and faults on purpose are the tester's: a program without the options gets neither. */
static enum outcome inject_unasked(void)
{
	return khypercall(NTMM_HC_INJECT, 0, NTMM_INJECT_WRITE_ERROR, 1, 0) == EPERM_ ? REFUSED
										      : SUCCEEDED;
}

const struct attack attacks_calls[] = {
    {"hypercall-outside", outside},
    {"hypercall-unknown", unknown},
    {"late-kdp-write", late_write},
    {"double-fetch", double_fetch},
    {"flood", flood},
    {"table-race", table_race},
    {"table-outside", table_outside},
    {"table-recycle", table_recycle},
    {"inject-unasked", inject_unasked},
    {0},
};
