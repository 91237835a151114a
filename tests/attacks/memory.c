/* Writes to what the kernel must keep: code, constants, tables, sealed data, secrets. */
#include "tests/attacks/attack.h"

#define MARK 0x5a5a5a5a5a5a5a5aull

/* Forces eight bytes and puts them back. */
static enum outcome overwrite(uint64_t va)
{
	uint64_t was = kread64(va), value = MARK;
	LONG st = kforce(va, &value, sizeof(value));
	enum outcome o = verdict(st, va, MARK);

	if (kread64(va) != was)
		kforce(va, &was, sizeof(was));
	return o;
}

/* Unused bytes between functions would do no harm; these are of the boot code, which has run. */
static enum outcome patch_text(void)
{
	return overwrite(place(VULNERABLE_TEXT));
}

static enum outcome patch_rodata(void)
{
	return overwrite(place(VULNERABLE_RODATA) + 0x100);
}

static enum outcome patch_idt(void)
{
	return overwrite(place(VULNERABLE_IDT) + 0x3f * 16); /* a vector that nothing uses */
}

static enum outcome patch_gdt(void)
{
	return overwrite(place(VULNERABLE_GDT) + 63 * 80); /* of a CPU that is not there */
}

static enum outcome hook_syscall(void)
{
	return overwrite(place(VULNERABLE_SYSCALLS) + 0x1f0);
}

/* ---- every form of store, at the boot code ---- */

static const struct {
	enum store_form form;
	unsigned offset; /* from what is compared */
} forms[] = {
    {STORE_B, 0},     {STORE_W, 0},	  {STORE_D, 0},	     {STORE_Q, 0},    {STORE_STOSB, 0},
    {STORE_STOSQ, 0}, {STORE_MOVSB, 0},	  {STORE_XCHG, 0},   {STORE_XADD, 0}, {STORE_ADD, 0},
    {STORE_OR, 0},    {STORE_CMPXCHG, 0}, {STORE_MOVUPS, 0}, {STORE_BTS, 0},  {STORE_BACK, 0},
};

/* What memory holds after the form has stored `value` over 32 bytes of `old`. */
static void expect(enum store_form form, uint64_t value, const uint8_t *old, uint8_t *out)
{
	uint64_t q;

	memcpy(out, old, 32);
	memcpy(&q, old, 8);
	switch (form) {
	case STORE_B:
		memcpy(out, &value, 1);
		return;
	case STORE_W:
		memcpy(out, &value, 2);
		return;
	case STORE_D:
		memcpy(out, &value, 4);
		return;
	case STORE_STOSB:
	case STORE_BACK:
		memset(out, (int)(value & 0xff), 16);
		return;
	case STORE_STOSQ:
		for (int i = 0; i < 4; i++)
			memcpy(out + i * 8, &value, 8);
		return;
	case STORE_MOVSB:
	case STORE_MOVUPS:
		memcpy(out, &value, 8);
		memcpy(out + 8, &value, 8);
		return;
	case STORE_XADD:
	case STORE_ADD:
		q += value;
		break;
	case STORE_OR:
		q |= (uint32_t)value;
		break;
	case STORE_BTS:
		q |= 1ull << (value & 63);
		break;
	default:
		q = value;
	}
	memcpy(out, &q, 8);
}

static enum outcome store_forms_at(uint64_t va)
{
	unsigned done = 0, refused = 0, wrong = 0;
	uint64_t was;

	if (entry_change(va, 0, PTE_W, &was))
		return REFUSED;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		uint64_t value = forms[i].form == STORE_BTS ? 13 : 0x1122334455667788ull;
		uint8_t old[32], want[32], now[32];
		LONG st;

		kread(va, old, sizeof(old));
		expect(forms[i].form, value, old, want);
		st = kstore(forms[i].form, va, value);
		kread(va, now, sizeof(now));
		if (st == 0 && memcmp(now, want, sizeof(now)) == 0) {
			done++;
		} else if (st != 0 && memcmp(now, old, sizeof(now)) == 0) {
			refused++;
		} else {
			printf("# form %d: status %lx, memory is neither old nor new\n",
			       forms[i].form, (unsigned long)st);
			wrong++;
		}
		if (memcmp(now, old, sizeof(now)))
			kwrite(va, old, sizeof(old));
	}
	entry_restore(va, was);
	return wrong ? FAILED : refused == 0 ? SUCCEEDED : done == 0 ? REFUSED : FAILED;
}

/* A push with the stack in the kernel's code: no exception can be raised on that stack either. */
static enum outcome push_text(void)
{
	uint64_t va = place(VULNERABLE_TEXT) + 0x40, was, old = kread64(va);
	enum outcome o;
	LONG st;

	if (entry_change(va, 0, PTE_W, &was))
		return REFUSED;
	st = kstore(STORE_PUSH, va, MARK);
	o = verdict(st, va, MARK);
	if (kread64(va) != old)
		kwrite(va, &old, sizeof(old));
	entry_restore(va, was);
	return o;
}

/* The vulnerable driver's own page, which a policy may protect. */
static enum outcome write_region(void)
{
	return overwrite(place(VULNERABLE_REGION));
}

static enum outcome store_forms(void)
{
	return store_forms_at(place(VULNERABLE_TEXT) + 0x10);
}

/* Eight bytes at a time over a page boundary. */
static enum outcome store_across(void)
{
	uint64_t va = place(VULNERABLE_RODATA) - 4, was1, was2, value = MARK, old = kread64(va);
	LONG st = entry_change(va, 0, PTE_W, &was1);
	enum outcome o;

	if (!st)
		st = entry_change(va + 4, 0, PTE_W, &was2);
	if (st)
		return REFUSED;
	st = kstore(STORE_Q, va, value);
	o = verdict(st, va, MARK);
	if (kread64(va) != old)
		kstore(STORE_Q, va, old);
	entry_restore(va, was1);
	entry_restore(va + 4, was2);
	return o;
}

/* ---- other ways to the same memory ---- */

/* The frame of `target` at an address of ours, writable; from the kernel. */
static enum outcome through_alias(uint64_t target)
{
	uint64_t va = scratch(), was, frame = kphys(target) & PTE_FRAME, value = MARK, old;
	uint64_t at = va + (target & 0xfff);
	enum outcome o;
	LONG st;

	old = kread64(target);
	st = entry_change(va, PTE_FRAME, frame | PTE_W, &was);
	if (st)
		return REFUSED;
	st = kwrite(at, &value, sizeof(value));
	note("alias"); /* a scan, with the mapping there */
	o = verdict(st, target, MARK);
	if (kread64(target) != old)
		kwrite(at, &old, sizeof(old));
	entry_restore(va, was);
	return o;
}

static enum outcome alias_text(void)
{
	return through_alias(place(VULNERABLE_TEXT));
}

static enum outcome alias_idt(void)
{
	return through_alias(place(VULNERABLE_IDT) + 0x3f * 16);
}

/* A page of ours, in user mode, shows the kernel's code. */
static enum outcome user_alias(void)
{
	static volatile uint64_t *page;
	uint64_t was, text = place(VULNERABLE_TEXT), old = kread64(text);
	enum outcome o;
	LONG st;

	if (!page)
		page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	page[0] = 1;
	VirtualLock((void *)page, 4096);
	st = entry_change((uint64_t)page, PTE_FRAME, kphys(text) & PTE_FRAME, &was);
	if (st)
		return REFUSED;
	extern int user_store(volatile uint64_t * to, uint64_t value);
	st = user_store(page, MARK) ? 0 : STATUS_ACCESS_VIOLATION;
	note("user-alias"); /* a scan, with the mapping there */
	o = verdict(st, text, MARK);
	if (kread64(text) != old)
		user_store(page, old);
	entry_restore((uint64_t)page, was);
	return o;
}

/* ---- sealed data ---- */

#define KEY 0x1122334455667788ull

static uint64_t pool_block(bool seal)
{
	static call_t c;
	uint64_t block;

	memset(&c, 0, sizeof(c));
	c.op = POOL_ALLOCATE;
	c.bytes = 64;
	c.arg[0] = KEY;
	if (secure_pool(&c))
		return 0;
	block = c.result;
	c.op = POOL_WRITE;
	c.address = block;
	c.bytes = 8;
	memcpy(c.data, "constant", 8);
	if (secure_pool(&c) || kread64(block) != 0x746e6174736e6f63ull)
		return 0;
	c.op = POOL_SEAL;
	if (seal && secure_pool(&c))
		return 0;
	return block;
}

static LONG pool_op(enum pool_op op, uint64_t block, uint64_t key)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = op;
	c.address = block;
	c.bytes = 8;
	memset(c.data, 0x5a, 8);
	c.arg[0] = key;
	return secure_pool(&c);
}

static enum outcome write_pool(void)
{
	uint64_t block = pool_block(true);
	enum outcome o;

	if (!block)
		return FAILED;
	o = overwrite(block);
	return pool_op(POOL_FREE, block, KEY) ? FAILED : o;
}

/* Even with its key a sealed block is not written, and without the key none is. */
static enum outcome pool_rewrite(void)
{
	uint64_t block = pool_block(true);
	enum outcome o = verdict(pool_op(POOL_WRITE, block, KEY), block, MARK);

	return pool_op(POOL_FREE, block, KEY) ? FAILED : o;
}

static enum outcome pool_wrong_key(void)
{
	uint64_t block = pool_block(false);
	enum outcome o = verdict(pool_op(POOL_WRITE, block, KEY + 1), block, MARK);

	return pool_op(POOL_FREE, block, KEY) ? FAILED : o;
}

static enum outcome pool_free_wrong_key(void)
{
	uint64_t block = pool_block(true);
	LONG st = pool_op(POOL_FREE, block, KEY ^ 1);

	if (st == 0)
		return SUCCEEDED;
	return kread64(block) && pool_op(POOL_FREE, block, KEY) == 0 ? REFUSED : FAILED;
}

/* Static KDP: a module's section, written freely until it is protected. */
static enum outcome write_section(void)
{
	static uint64_t section;
	static call_t c;
	uint64_t value = 7;

	if (!section) {
		memset(&c, 0, sizeof(c));
		c.op = POOL_SECTION;
		c.bytes = 4096;
		if (secure_pool(&c))
			return FAILED;
		section = c.result;
		if (kwrite(section, &value, 8) || kread64(section) != 7)
			return FAILED;
		if (pool_op(POOL_PROTECT_SECTION, section, 0) != (LONG)STATUS_INVALID_PARAMETER)
			return FAILED; /* a size is not for the caller to give */
		c.op = POOL_PROTECT_SECTION;
		c.address = section;
		c.bytes = 0;
		if (secure_pool(&c))
			return FAILED;
	}
	return overwrite(section);
}

/* ---- secrets ---- */

#define SECURE (NTMM_KDP_END - NTMM_VAULT_BYTES)
static const char secret[] = "the secret of this test, 32 byte";

static int64_t vault(struct ntmm_vault *v)
{
	ULONG returned;

	return NtSystemDebugControl(DEBUG_VAULT, v, sizeof(*v), v, sizeof(*v), &returned);
}

static uint32_t store_secret(void)
{
	static struct ntmm_vault v;

	memset(&v, 0, sizeof(v));
	v.op = NTMM_VAULT_STORE;
	v.bytes = sizeof(secret);
	v.key[0] = KEY;
	memcpy(v.data, secret, sizeof(secret));
	return vault(&v) == 0 ? v.handle : 0;
}

static bool erase_secret(uint32_t handle)
{
	static struct ntmm_vault v;

	memset(&v, 0, sizeof(v));
	v.op = NTMM_VAULT_ERASE;
	v.handle = handle;
	v.key[0] = KEY;
	return vault(&v) == 0;
}

static enum outcome read_vault(void)
{
	uint32_t handle = store_secret();
	char page[4096] = {0};
	bool found = false;
	LONG st;

	if (!handle)
		return FAILED;
	st = kread(DIRECT_MAP + SECURE + (handle - 1) * 1024, page, 1024);
	for (size_t i = 0; !found && i + sizeof(secret) < sizeof(page); i++)
		found = memcmp(page + i, secret, sizeof(secret)) == 0;
	if (!erase_secret(handle))
		return FAILED;
	return found ? SUCCEEDED : st ? REFUSED : FAILED;
}

static enum outcome write_vault(void)
{
	uint32_t handle = store_secret();
	uint64_t va = DIRECT_MAP + SECURE, was, value = MARK;
	static struct ntmm_vault v;
	LONG st = entry_change(va, 0, PTE_W, &was);

	if (!handle)
		return FAILED;
	if (!st) {
		st = kstore(STORE_Q, va + (handle - 1) * 1024, value);
		entry_restore(va, was);
	}
	memset(&v, 0, sizeof(v));
	v.op = NTMM_VAULT_UNSEAL;
	v.handle = handle;
	v.key[0] = KEY;
	if (vault(&v) || v.bytes != sizeof(secret) || !erase_secret(handle))
		return FAILED;
	if (memcmp(v.data, secret, sizeof(secret)) == 0)
		return st ? REFUSED : FAILED;
	return SUCCEEDED;
}

/* Guessing the key: three wrong ones and nobody gets it any more. At every level. */
static enum outcome guess_key(void)
{
	uint32_t handle = store_secret();
	static struct ntmm_vault v;

	for (uint64_t key = 0; key < 16; key++) {
		memset(&v, 0, sizeof(v));
		v.op = NTMM_VAULT_UNSEAL;
		v.handle = handle;
		v.key[0] = key == 15 ? KEY : key;
		if (vault(&v) == 0)
			return SUCCEEDED;
	}
	return handle ? REFUSED : FAILED;
}

/* ---- devices ---- */

/* A page of the second pagefile into a frame that the kernel must keep. */
static enum outcome dma_to(uint64_t va)
{
	static uint64_t page[512];
	uint64_t frame = kphys(va) >> 12, mine = kphys(scratch()) >> 12;
	enum outcome o;
	LONG st;

	memset(page, 0x77, sizeof(page));
	kwrite(scratch(), page, sizeof(page));
	if (device(mine, 5, 1, true))
		return FAILED;
	kread(va, page, sizeof(page));
	kwrite(scratch() + 4096, page, sizeof(page)); /* to put back */
	st = device(frame, 5, 1, false);
	o = verdict(st, va, 0x7777777777777777ull);
	if (o == SUCCEEDED &&
	    (device(kphys(scratch() + 4096) >> 12, 6, 1, true) || device(frame, 6, 1, false)))
		return FAILED;
	return o;
}

static enum outcome dma_text(void)
{
	return dma_to(DIRECT_MAP + NTMM_KDP_GPA - 4096); /* behind the last constant */
}

/* A page table that nobody uses yet. */
static enum outcome dma_table(void)
{
	uint32_t first, count, unused;

	__asm__ volatile("cpuid"
			 : "=a"(first), "=b"(count), "=c"(unused), "=d"(unused)
			 : "a"(NTMM_CPUID_TABLES), "c"(0));
	return count ? dma_to(DIRECT_MAP + ((uint64_t)first + count - 1) * 4096) : FAILED;
}

/* A device copies the vault to a disk, from where it is read. */
static enum outcome dma_vault(void)
{
	uint32_t handle = store_secret();
	static char page[4096];
	bool found = false;
	LONG st;

	if (!handle)
		return FAILED;
	st = device(SECURE >> 12, 7, 1, true);
	if (st == 0)
		st = device(kphys(scratch()) >> 12, 7, 1, false);
	kread(scratch(), page, sizeof(page));
	for (size_t i = 0; st == 0 && i + sizeof(secret) < sizeof(page); i++)
		found |= memcmp(page + i, secret, sizeof(secret)) == 0;
	return !erase_secret(handle) ? FAILED : found ? SUCCEEDED : st ? REFUSED : FAILED;
}

const struct attack attacks_memory[] = {
    {"patch-text", patch_text},
    {"patch-rodata", patch_rodata},
    {"patch-idt", patch_idt},
    {"patch-gdt", patch_gdt},
    {"hook-syscall", hook_syscall},
    {"store-forms", store_forms},
    {"store-across", store_across},
    {"push-text", push_text},
    {"write-region", write_region},
    {"alias-text", alias_text},
    {"alias-idt", alias_idt},
    {"user-alias", user_alias},
    {"write-pool", write_pool},
    {"pool-rewrite", pool_rewrite},
    {"pool-wrong-key", pool_wrong_key},
    {"pool-free-wrong-key", pool_free_wrong_key},
    {"write-section", write_section},
    {"read-vault", read_vault},
    {"write-vault", write_vault},
    {"guess-key", guess_key},
    {"dma-text", dma_text},
    {"dma-vault", dma_vault},
    {"dma-table", dma_table},
    {0},
};
