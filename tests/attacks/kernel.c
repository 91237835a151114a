/* The primitives. */
#include "tests/attacks/attack.h"

static LONG control(ULONG command, call_t *c)
{
	ULONG returned;

	return NtSystemDebugControl(command, c, sizeof(*c), c, sizeof(*c), &returned);
}

LONG driver(call_t *c)
{
	return control(DEBUG_VULNERABLE, c);
}

LONG secure_pool(call_t *c)
{
	return control(DEBUG_POOL, c);
}

LONG kread(uint64_t va, void *buf, size_t bytes)
{
	static call_t c;
	LONG st;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_READ;
	c.address = va;
	c.bytes = bytes;
	st = driver(&c);
	if (st == 0)
		memcpy(buf, c.data, bytes);
	return st;
}

LONG kwrite(uint64_t va, const void *buf, size_t bytes)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_WRITE;
	c.address = va;
	c.bytes = bytes;
	memcpy(c.data, buf, bytes);
	return driver(&c);
}

LONG kstore(enum store_form form, uint64_t va, uint64_t value)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_STORE;
	c.form = form;
	c.address = va;
	c.arg[0] = value;
	return driver(&c);
}

LONG kcall(uint64_t va, uint64_t a, uint64_t b, uint64_t c2, uint64_t d, uint64_t *result)
{
	static call_t c;
	LONG st;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_CALL;
	c.address = va;
	c.arg[0] = a;
	c.arg[1] = b;
	c.arg[2] = c2;
	c.arg[3] = d;
	st = driver(&c);
	*result = c.result;
	return st;
}

static uint64_t ask(uint32_t op, uint64_t address)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = op;
	c.address = address;
	return driver(&c) == 0 ? c.result : 0;
}

uint64_t place(enum vulnerable_place what)
{
	return ask(VULNERABLE_PLACE, what);
}

uint64_t kphys(uint64_t va)
{
	return ask(VULNERABLE_PHYSICAL, va);
}

int64_t khypercall(uint32_t number, uint64_t a, uint64_t b, uint64_t c2, uint64_t d)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_HYPERCALL;
	c.form = number;
	c.arg[0] = a;
	c.arg[1] = b;
	c.arg[2] = c2;
	c.arg[3] = d;
	driver(&c);
	return (int64_t)c.result;
}

LONG device(uint64_t frame, uint64_t slot, unsigned pagefile, bool write)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_DEVICE;
	c.address = frame;
	c.arg[0] = slot;
	c.arg[1] = (uint64_t)pagefile << 8 | write;
	return driver(&c);
}

void note(const char *text)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_NOTE;
	strncpy((char *)c.data, text, NTMM_NOTE_BYTES - 1);
	driver(&c);
}

uint64_t kread64(uint64_t va)
{
	uint64_t v = 0;

	return kread(va, &v, sizeof(v)) == 0 ? v : 0;
}

void kflush(uint64_t va, uint64_t bytes)
{
	static call_t c;

	memset(&c, 0, sizeof(c));
	c.op = VULNERABLE_FLUSH;
	c.address = va;
	c.bytes = bytes;
	driver(&c);
}

uint64_t entry_of(uint64_t va)
{
	uint64_t e = place(VULNERABLE_CR3);

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t at = DIRECT_MAP + (e & PTE_FRAME) + (va >> shift & 511) * 8;

		e = kread64(at);
		if (!(e & PTE_P))
			return 0;
		if (shift == 12 || (shift < 39 && (e & PTE_PS)))
			return at;
	}
	return 0;
}

LONG entry_store(uint64_t at, uint64_t value)
{
	LONG st = kstore(STORE_Q, at, value);

	if (st && khypercall(NTMM_HC_PTE, at - DIRECT_MAP, ~0ull, value, 0) == 0)
		return 0;
	return st;
}

LONG entry_change(uint64_t va, uint64_t clear, uint64_t set, uint64_t *was)
{
	uint64_t at = entry_of(va), v;
	LONG st;

	if (!at)
		return STATUS_INVALID_PARAMETER;
	*was = kread64(at);
	v = (*was & ~clear) | set;
	st = entry_store(at, v);
	kflush(va, 1);
	return st;
}

LONG entry_restore(uint64_t va, uint64_t was)
{
	uint64_t unused;

	return entry_change(va, ~0ull, was, &unused);
}

LONG kforce(uint64_t va, const void *buf, size_t bytes)
{
	uint64_t was;
	LONG st = entry_change(va, 0, PTE_W, &was);

	if (st)
		return st;
	st = kwrite(va, buf, bytes);
	entry_restore(va, was);
	return st;
}

uint64_t scratch(void)
{
	return place(VULNERABLE_SCRATCH);
}

enum outcome verdict(LONG status, uint64_t va, uint64_t want)
{
	bool there = kread64(va) == want;

	if (status == 0)
		return there ? SUCCEEDED : FAILED;
	return there ? FAILED : REFUSED;
}
