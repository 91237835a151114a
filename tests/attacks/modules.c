/* Kernel modules: loaded as a program may that has the privilege, and attacked when they are there.
 */
#include "tests/attacks/attack.h"

#define SECRET 0x1122334455667788ull /* guest/modules/hello.c */

typedef struct {
	USHORT length, most;
	PWSTR buffer;
} name_t;
NTSYSAPI LONG NTAPI NtLoadDriver(name_t *name);
NTSYSAPI LONG NTAPI NtUnloadDriver(name_t *name);

/* The module lies beside this program. */
static name_t *path_of(const wchar_t *file)
{
	static wchar_t path[MAX_PATH + 8] = L"\\??\\";
	static name_t name;
	wchar_t *slash;

	GetModuleFileNameW(NULL, path + 4, MAX_PATH - 32);
	slash = wcsrchr(path, L'\\');
	wcscpy(slash + 1, file);
	name.buffer = path;
	name.length = name.most = (USHORT)(wcslen(path) * 2);
	return &name;
}

static LONG load(const wchar_t *file)
{
	static const int needed = 10; /* SeLoadDriverPrivilege */
	TOKEN_PRIVILEGES p = {1, {{{needed, 0}, SE_PRIVILEGE_ENABLED}}};
	HANDLE token;

	OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token);
	AdjustTokenPrivileges(token, FALSE, &p, 0, NULL, NULL);
	CloseHandle(token);
	return NtLoadDriver(path_of(file));
}

static enum outcome verdict_of(LONG st)
{
	if (st)
		printf("# status %08lx\n", (unsigned long)st);
	return st == 0 ? SUCCEEDED : st == (LONG)0xc0000428 ? REFUSED : FAILED;
}

/* Not an attack: what may be loaded is, works, and goes; again and again. */
static enum outcome module_load(void)
{
	for (int i = 0; i < 5; i++) {
		enum outcome o = verdict_of(load(L"hello.sys"));

		if (o != SUCCEEDED)
			return o;
		if (kread64(place(VULNERABLE_MODULE_KDP)) != SECRET ||
		    NtLoadDriver(path_of(L"hello.sys")) != (LONG)0xc000010e ||
		    NtUnloadDriver(path_of(L"hello.sys")) || place(VULNERABLE_MODULE) ||
		    NtUnloadDriver(path_of(L"hello.sys")) != (LONG)0xc0000034)
			return FAILED;
	}
	return SUCCEEDED;
}

/* The same module, one byte longer: nobody has approved it. */
static enum outcome module_hash(void)
{
	enum outcome o = verdict_of(load(L"changed.sys"));

	if (o == SUCCEEDED && NtUnloadDriver(path_of(L"changed.sys")))
		return FAILED;
	return o;
}

/* Approved, but with an instruction that nobody may have. */
static enum outcome module_cr(void)
{
	return verdict_of(load(L"crzero.sys"));
}

/* The same, with one that asks KVM to write where page tables do not count. */
static enum outcome module_vmcall(void)
{
	enum outcome o = verdict_of(load(L"vmcall.sys"));

	if (o == SUCCEEDED && NtUnloadDriver(path_of(L"vmcall.sys")))
		return FAILED;
	return o;
}

static enum outcome on_module(bool kdp)
{
	uint64_t va, was, value = 0x5a5a5a5a5a5a5a5aull;
	enum outcome o;
	LONG st;

	if (load(L"hello.sys"))
		return FAILED;
	va = place(kdp ? VULNERABLE_MODULE_KDP : VULNERABLE_MODULE) + (kdp ? 0 : 0x40);
	was = kread64(va);
	st = kforce(va, &value, sizeof(value));
	o = verdict(st, va, value);
	note(kdp ? "module-kdp" : "module-code");
	if (o == SUCCEEDED)
		kforce(va, &was, sizeof(was));
	return NtUnloadDriver(path_of(L"hello.sys")) ? FAILED : o;
}

static enum outcome module_kdp(void)
{
	return on_module(true);
}
static enum outcome module_code(void)
{
	return on_module(false);
}

/* Its code given back to the host while it is mapped; then as a block of the pool. */
static enum outcome module_take(void)
{
	uint64_t code;
	enum outcome o = REFUSED;

	if (load(L"hello.sys"))
		return FAILED;
	code = kphys(place(VULNERABLE_MODULE)) & PTE_FRAME;
	if (khypercall(NTMM_HC_MODULE_UNLOAD, code, 0, 0, 0) >= 0 ||
	    khypercall(NTMM_HC_POOL_FREE, code, 0, 0, 0) >= 0 ||
	    khypercall(NTMM_HC_POOL_WRITE, code, kphys(scratch()), 16, 0) >= 0)
		o = SUCCEEDED;
	return NtUnloadDriver(path_of(L"hello.sys")) ? FAILED : o;
}

const struct attack attacks_modules[] = {
    {"module-load", module_load}, {"module-hash", module_hash},
    {"module-cr", module_cr},	  {"module-vmcall", module_vmcall},
    {"module-kdp", module_kdp},	  {"module-code", module_code},
    {"module-take", module_take}, {0},
};
