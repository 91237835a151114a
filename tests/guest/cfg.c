/*
 * Control Flow Guard. The compiler here cannot build with it, so the load configuration and its
 * table of functions are written out, and guarded calls are made as such a compiler makes them:
 * through the image's dispatch pointer, or the check pointer and then the call. The build sets
 * IMAGE_DLLCHARACTERISTICS_GUARD_CF in the header; `cfg_off.exe off` is the same without it, where
 * every call goes through.
 *
 * A call that is refused ends the process, so each is made in a child: `child CALL [check]`.
 */
#include "tests/guest/vm.h"
#include "tests/guest/proc.h"

#include <psapi.h>

#define STACK_BUFFER_OVERRUN 0xc0000409u
#define FID_SUPPRESSED	     "1"
#define MB		     (1ull << 20)

/* In the order of their addresses: code of the C library, then of this file. */
__asm__(".text\n"
	".macro target name, value\n"
	"	.p2align 4\n"
	"	.globl \\name\n"
	"\\name: mov $\\value, %eax\n"
	"	ret\n"
	".endm\n"
	"	target guarded_listed, 1\n"
	"	target guarded_unlisted, 2\n"
	"	target guarded_suppressed, 3\n"
	"	target guarded_pad, 0\n"
	"guarded_odd: mov $4, %eax\n" /* in the middle of 16 bytes: all of them are valid */
	"	ret\n"
	".globl guarded_odd, guarded_sum\n"
	"	.p2align 4\n"
	"guarded_sum: lea (%rcx,%rdx), %rax\n" /* do arguments arrive? */
	"	add %r8, %rax\n"
	"	add %r9, %rax\n"
	"	cvttsd2si %xmm0, %rdx\n"
	"	add %rdx, %rax\n"
	"	ret\n"
	/* int call_dispatch(a, b, c, d, target), call_check the same */
	".globl call_dispatch, call_check\n"
	"call_dispatch:\n"
	"	sub $40, %rsp\n"
	"	mov 80(%rsp), %rax\n"
	"	call *guard_dispatch_pointer(%rip)\n"
	"	add $40, %rsp\n"
	"	ret\n"
	"call_check:\n"
	"	sub $56, %rsp\n"
	"	mov %rcx, 32(%rsp)\n"
	"	mov 96(%rsp), %rcx\n"
	"	call *guard_check_pointer(%rip)\n"
	"	mov %rcx, %rax\n"
	"	mov 32(%rsp), %rcx\n"
	"	call *%rax\n"
	"	add $56, %rsp\n"
	"	ret\n"
	"guard_off_check: ret\n"
	"guard_off_dispatch: jmp *%rax\n"
	".section .rdata, \"dr\"\n"
	"	.p2align 3\n"
	".globl guard_check_pointer, guard_dispatch_pointer\n"
	"guard_check_pointer: .quad guard_off_check\n"
	"guard_dispatch_pointer: .quad guard_off_dispatch\n"
	".macro entry name, flags\n"
	"	.rva \\name\n"
	"	.byte \\flags\n"
	".endm\n"
	"guard_table:\n"
	"	entry mainCRTStartup, 0\n"
	"	entry guarded_listed, 0\n"
	"	entry guarded_suppressed, " FID_SUPPRESSED "\n"
	"	entry guarded_odd, 0\n"
	"	entry guarded_sum, 0\n"
	"	entry guarded_thread, 0\n"
	"	entry guarded_work, 0\n"
	"guard_table_end:\n"
	"	.p2align 3\n"
	".globl _load_config_used\n"
	"_load_config_used:\n" /* IMAGE_LOAD_CONFIG_DIRECTORY64 */
	"	.long 0x138\n"
	"	.zero 0x6c\n"
	"	.quad guard_check_pointer\n"
	"	.quad guard_dispatch_pointer\n"
	"	.quad guard_table\n"
	"	.quad (guard_table_end - guard_table) / 5\n"
	"	.long 0x10000500\n" /* instrumented, table present, an entry has 1 byte more */
	"	.zero 0x138 - 0x94\n"
	".text\n");

int call_dispatch(int a, int b, int c, int d, const void *target);
int call_check(int a, int b, int c, int d, const void *target);
int guarded_listed(void), guarded_unlisted(void), guarded_suppressed(void), guarded_odd(void),
    guarded_sum(void);
extern const char guarded_pad[];
extern const IMAGE_LOAD_CONFIG_DIRECTORY64 _load_config_used;

static int off; /* the process runs without */

static BOOL(WINAPI *set_targets)(HANDLE, PVOID, SIZE_T, ULONG, CFG_CALL_TARGET_INFO *);

__attribute__((used, aligned(16))) DWORD WINAPI guarded_thread(void *argument)
{
	return (DWORD)(ULONG_PTR)argument + 1;
}

/* Code that returns at once, everywhere. */
static unsigned char *code(SIZE_T size, ULONG protect)
{
	unsigned char *p = allocate(size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	ULONG old;

	CHECK(p != NULL);
	memset(p, 0xc3, size);
	CHECK(VirtualProtect(p, size, protect, &old));
	return p;
}

/* The same, with no place in it to be called at. */
static unsigned char *closed_code(SIZE_T size)
{
	unsigned char *p =
	    allocate(size, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE | PAGE_TARGETS_INVALID);

	CHECK(p != NULL);
	memset(p, 0xc3, size);
	return p;
}

static BOOL set_one(unsigned char *p, ULONG_PTR offset, ULONG_PTR flags)
{
	CFG_CALL_TARGET_INFO target = {offset, flags};
	BOOL ok = set_targets(SELF, p, PAGE, 1, &target);

	CHECK_EQ(target.Flags, ok ? flags | CFG_CALL_TARGET_PROCESSED : flags);
	return ok;
}

/* ---- calls, each in a child ---- */

static const void *of_listed(void)
{
	return guarded_listed;
}
static const void *of_unlisted(void)
{
	return guarded_unlisted;
}
static const void *of_suppressed(void)
{
	return guarded_suppressed;
}
static const void *of_middle(void) /* an instruction of a listed function */
{
	return (const char *)guarded_listed + 5;
}
static const void *of_odd(void)
{
	return guarded_odd;
}
static const void *of_odd_start(void) /* the 16 bytes in which a listed function begins */
{
	return guarded_pad;
}
static const void *of_dll(void) /* built without: any place */
{
	return (const void *)GetProcAddress(GetModuleHandleA("msvcrt.dll"), "abs");
}
static const void *of_null(void)
{
	return NULL;
}
static const void *of_kernel(void)
{
	return (const void *)0xfffff80000001000ull;
}
static const void *of_hole(void)
{
	return (const void *)0x8000000000001000ull;
}
static const void *of_data(void)
{
	static unsigned char ret = 0xc3;

	return &ret;
}
static const void *of_heap(void)
{
	return calloc(1, 64);
}
static const void *of_code(void)
{
	return code(PAGE, PAGE_EXECUTE_READ) + 7;
}
static const void *of_allocated(void)
{
	unsigned char *p =
	    allocate(0x100000, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE) + 0xfffff;

	*p = 0xc3;
	return p;
}
static const void *of_committed(void)
{
	unsigned char *p = allocate(0x10000, MEM_RESERVE, PAGE_READWRITE);

	p = allocate_at(p + 0x3000, PAGE, MEM_COMMIT, PAGE_EXECUTE_READWRITE, NULL);
	*p = 0xc3;
	return p;
}
static const void *of_closed(void)
{
	return closed_code(PAGE);
}
static const void *of_closed_kept(void) /* PAGE_TARGETS_NO_UPDATE: still closed */
{
	unsigned char *p = closed_code(PAGE);

	CHECK_EQ(protect_pages(p, PAGE, PAGE_READWRITE), 0);
	CHECK_EQ(protect_pages(p, PAGE, PAGE_EXECUTE_READ | PAGE_TARGETS_NO_UPDATE), 0);
	return p;
}
static const void *of_closed_opened(void)
{
	unsigned char *p = closed_code(PAGE);

	CHECK_EQ(protect_pages(p, PAGE, PAGE_EXECUTE_READ), 0);
	return p + 9;
}
static const void *of_target(void)
{
	unsigned char *p = closed_code(PAGE);

	CHECK(set_one(p, 0x20, CFG_CALL_TARGET_VALID));
	return p + 0x20;
}
static const void *of_target_kept(void)
{
	unsigned char *p = closed_code(PAGE);

	CHECK(set_one(p, 0x20, CFG_CALL_TARGET_VALID));
	CHECK_EQ(protect_pages(p, PAGE, PAGE_READWRITE), 0);
	CHECK_EQ(protect_pages(p, PAGE, PAGE_EXECUTE_READ | PAGE_TARGETS_NO_UPDATE), 0);
	return p + 0x20;
}
static const void *of_target_odd(void)
{
	unsigned char *p = closed_code(PAGE);

	CHECK(set_one(p, 0x20, CFG_CALL_TARGET_VALID));
	return p + 0x21;
}
static const void *of_target_next(void)
{
	unsigned char *p = closed_code(PAGE);

	CHECK(set_one(p, 0x20, CFG_CALL_TARGET_VALID));
	return p + 0x30;
}
static const void *of_target_cleared(void)
{
	unsigned char *p = code(PAGE, PAGE_EXECUTE_READ);

	CHECK(set_one(p, 0x20, 0));
	return p + 0x20;
}
static const void *of_beside_cleared(void)
{
	unsigned char *p = code(PAGE, PAGE_EXECUTE_READ);

	CHECK(set_one(p, 0x20, 0));
	return p + 0x31;
}
static const void *of_reused(void) /* what is freed is no target when it comes back as data */
{
	unsigned char *p = code(PAGE, PAGE_EXECUTE_READ);

	CHECK_EQ(release(p), 0);
	CHECK(allocate_at(p, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, NULL) == p);
	return p;
}
static const void *of_decommitted(void)
{
	unsigned char *p = code(4 * PAGE, PAGE_EXECUTE_READ), *all = p;
	SIZE_T size = 0;

	CHECK_EQ(NtFreeVirtualMemory(SELF, &all, &size, MEM_DECOMMIT), 0);
	CHECK(allocate_at(p, PAGE, MEM_COMMIT, PAGE_READWRITE, NULL) == p);
	return p;
}
static const void *of_paged(void) /* the bitmap is memory like other */
{
	unsigned char *p = closed_code(PAGE);

	CHECK(set_one(p, 0x20, CFG_CALL_TARGET_VALID));
	CHECK(SetProcessWorkingSetSize(SELF, (SIZE_T)-1, (SIZE_T)-1));
	CHECK(set_one(p, 0x40, CFG_CALL_TARGET_VALID));
	CHECK(SetProcessWorkingSetSize(SELF, (SIZE_T)-1, (SIZE_T)-1));
	return p + 0x20;
}

static const void *view(DWORD access)
{
	HANDLE h =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_EXECUTE_READWRITE, 0, PAGE, NULL);
	unsigned char *p = MapViewOfFile(h, access, 0, 0, 0);

	CHECK(p != NULL);
	*p = 0xc3;
	CloseHandle(h);
	return p;
}
static const void *of_view(void)
{
	return view(FILE_MAP_WRITE | FILE_MAP_EXECUTE);
}
static const void *of_closed_view(void)
{
	return view(FILE_MAP_WRITE | FILE_MAP_EXECUTE | FILE_MAP_TARGETS_INVALID);
}
static const void *of_unmapped(void) /* a DLL that is gone; its place is data */
{
	HMODULE m = LoadLibraryExA("user32.dll", NULL, 0);
	const unsigned char *f = (const void *)GetProcAddress(m, "MessageBoxA");
	unsigned char *p = (unsigned char *)((ULONG_PTR)f & ~0xffffull);

	CHECK(m && FreeLibrary(m));
	CHECK(allocate_at(p, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, NULL) == p);
	return f;
}

static const struct call {
	const char *name;
	const void *(*target)(void);
	int valid;
	int runs; /* without the guard it returns, too */
} calls[] = {
    {"listed", of_listed, 1, 1},
    {"unlisted", of_unlisted, 0, 1},
    {"suppressed", of_suppressed, 0, 1},
    {"middle", of_middle, 0, 1},
    {"odd", of_odd, 1, 1},
    {"odd-start", of_odd_start, 1, 1},
    {"dll", of_dll, 1, 1},
    {"null", of_null, 0, 0},
    {"kernel", of_kernel, 0, 0},
    {"hole", of_hole, 0, 0},
    {"data", of_data, 0, 0},
    {"heap", of_heap, 0, 0},
    {"code", of_code, 1, 1},
    {"allocated", of_allocated, 1, 1},
    {"committed", of_committed, 1, 1},
    {"closed", of_closed, 0, 1},
    {"closed-kept", of_closed_kept, 0, 1},
    {"closed-opened", of_closed_opened, 1, 1},
    {"target", of_target, 1, 2},
    {"target-kept", of_target_kept, 1, 2},
    {"target-odd", of_target_odd, 0, 2},
    {"target-next", of_target_next, 0, 2},
    {"target-cleared", of_target_cleared, 0, 2},
    {"beside-cleared", of_beside_cleared, 1, 2},
    {"reused", of_reused, 0, 0},
    {"decommitted", of_decommitted, 0, 0},
    {"paged", of_paged, 1, 2},
    {"view", of_view, 1, 1},
    {"closed-view", of_closed_view, 0, 1},
    {"unmapped", of_unmapped, 0, 0},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Nobody is asked about a call that is refused. */
static LONG CALLBACK asked(EXCEPTION_POINTERS *info)
{
	ExitProcess(info->ExceptionRecord->ExceptionCode == STACK_BUFFER_OVERRUN ? 77 : 78);
}

static int child(const char *name, const char *how)
{
	for (const struct call *c = calls; c < calls + CALLS; c++)
		if (!strcmp(name, c->name)) {
			const void *target = c->target();

			AddVectoredExceptionHandler(1, asked);
			SetUnhandledExceptionFilter(asked);
			if (how)
				call_check(0, 0, 0, 0, target);
			else
				call_dispatch(0, 0, 0, 0, target);
			return checks_failed ? 1 : 0;
		}
	if (!strcmp(name, "thread")) {
		DWORD code = 0;
		HANDLE t = CreateThread(NULL, 0, (LPTHREAD_START_ROUTINE)(void *)guarded_unlisted,
					NULL, 0, NULL);

		WaitForSingleObject(t, INFINITE);
		GetExitCodeThread(t, &code);
		return code == 2 ? 0 : 1;
	}
	return 99;
}

static void each_call(void)
{
	for (const struct call *c = calls; c < calls + CALLS; c++) {
		DWORD want = off ? (c->runs ? 0 : 78) : c->valid ? 0 : STACK_BUFFER_OVERRUN;
		DWORD got, checked;

		if (off && c->runs == 2)
			continue;
		got = checked = run_child(c->name, "", FALSE);
		if ((c - calls) % 5 == 0) /* the other form; a process takes its time */
			checked = run_child(c->name, "check", FALSE);
		if (got != want || checked != want)
			printf("call of %s: %lx, %lx\n", c->name, got, checked);
		CHECK(got == want && checked == want);
	}
	CHECK_EQ(run_child("thread", "", FALSE), off ? 0 : STACK_BUFFER_OVERRUN);
}

/* ---- in this process ---- */

static void policy(void)
{
	PROCESS_MITIGATION_CONTROL_FLOW_GUARD_POLICY p;
	BOOLEAN(NTAPI * enforced)
	(void) =
	    (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "LdrControlFlowGuardEnforced");

	CHECK(GetProcessMitigationPolicy(SELF, ProcessControlFlowGuardPolicy, &p, sizeof(p)));
	CHECK_EQ(p.EnableControlFlowGuard, !off);
	CHECK(enforced && enforced() == !off);
	CHECK_EQ(_load_config_used.Size, 0x138);
	p.EnableControlFlowGuard = !p.EnableControlFlowGuard; /* neither on nor off afterwards */
	CHECK(!SetProcessMitigationPolicy(ProcessControlFlowGuardPolicy, &p, sizeof(p)));
}

static void arguments(void)
{
	int (*sum)(double, int, int, int, const void *) = (void *)call_dispatch;

	CHECK_EQ(call_dispatch(1, 20, 300, 4000, guarded_listed), 1);
	CHECK_EQ(call_check(1, 20, 300, 4000, guarded_listed), 1);
	CHECK_EQ(sum(50000.0, 20, 300, 4000, guarded_sum) & ~0xf, 54320 & ~0xf);
}

static void threads(void)
{
	DWORD code = 0;
	HANDLE t = CreateThread(NULL, 0, guarded_thread, (void *)41, 0, NULL);

	CHECK_EQ(WaitForSingleObject(t, 60000), WAIT_OBJECT_0);
	CHECK(GetExitCodeThread(t, &code) && code == 42);
	CloseHandle(t);
}

static void refusals(void)
{
	unsigned char *p = closed_code(PAGE),
		      *data = allocate(PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CFG_CALL_TARGET_INFO t[3] = {{0, 1}, {0x18, 1}, {0x40, 1}};
	ULONG old;

	CHECK(!set_targets(SELF, p, PAGE, 3, t) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK_EQ(t[0].Flags, off ? 1 : 3); /* up to the bad one */
	CHECK_EQ(t[1].Flags, 1);
	CHECK_EQ(t[2].Flags, 1);
	if (!off) {
		CHECK(!set_one(p, PAGE, 1)); /* not in the region */
		CHECK(!set_one(p, 0, 8));    /* no such flag */
		CHECK(!set_one(data, 0, 1)); /* not executable */
		CHECK(set_one(p, PAGE - 16, 1));
		t[0] = (CFG_CALL_TARGET_INFO){0x20, 1};
		t[1] = (CFG_CALL_TARGET_INFO){0x10, 1}; /* not ascending */
		CHECK(!set_targets(SELF, p, PAGE, 2, t) &&
		      GetLastError() == ERROR_INVALID_PARAMETER);
		CHECK(!set_targets(SELF, p, 2 * PAGE, 1, t)); /* beyond the region */
	}
	/* PAGE_TARGETS_* without execution */
	CHECK(!VirtualProtect(data, PAGE, PAGE_READONLY | PAGE_TARGETS_NO_UPDATE, &old) &&
	      GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_TARGETS_INVALID) &&
	      GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!CreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
				  PAGE_EXECUTE_READWRITE | PAGE_TARGETS_INVALID, 0, PAGE, NULL));
	CHECK_EQ(release(p), 0);
	CHECK_EQ(release(data), 0);
}

/* A reserved region, a 64th of the address space, that shows what is committed and lets nobody in.
 */
static void bitmap(void)
{
	MEMORY_BASIC_INFORMATION m;
	unsigned char *found = NULL, *p = NULL;
	SIZE_T size = 0, reserved = 0, whole;
	SYSTEM_INFO info;
	ULONG old;
	void *base;

	GetSystemInfo(&info);
	whole = ((ULONG_PTR)info.lpMaximumApplicationAddress / 64 + 0x10000) & ~0xffffull;
	for (; VirtualQuery(p, &m, sizeof(m)); p = (unsigned char *)m.BaseAddress + m.RegionSize)
		if (m.State != MEM_FREE && m.Type == MEM_MAPPED && m.RegionSize > whole / 2)
			found = m.AllocationBase;
	CHECK_EQ(found != NULL, !off);
	if (!found)
		return;
	for (p = found; VirtualQuery(p, &m, sizeof(m)) && m.AllocationBase == found;
	     p += m.RegionSize) {
		reserved += m.State == MEM_RESERVE ? m.RegionSize : 0;
		if (m.State == MEM_COMMIT) {
			CHECK_EQ(m.Protect, PAGE_READONLY);
			CHECK(try_read(p));
			CHECK(!try_write(p));
			size += m.RegionSize;
		}
	}
	CHECK_EQ(p - found, whole);
	CHECK(size >= PAGE && size < MB);
	CHECK_EQ(reserved + size, whole);
	base = found;
	size = 0;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE), ST_UNABLE_TO_DELETE_SECTION);
	CHECK(!VirtualAlloc(found, PAGE, MEM_COMMIT, PAGE_READWRITE));
	CHECK(!VirtualProtect(found, PAGE, PAGE_READWRITE, &old));
	CHECK(!UnmapViewOfFile(found));
}

static SIZE_T charged(void)
{
	PROCESS_MEMORY_COUNTERS c;

	CHECK(GetProcessMemoryInfo(SELF, &c, sizeof(c)));
	return c.PagefileUsage;
}

/* What the bitmap takes is charged, and given back. */
static void charge(void)
{
	SIZE_T before, during, much = 8 * MB;
	unsigned char *p, *big;

	release(code(PAGE, PAGE_EXECUTE_READ));
	before = charged();
	p = allocate(much, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
	CHECK(p != NULL);
	during = charged() - before - much;
	CHECK(off ? during == 0 : during >= much / 64 && during <= much / 64 + 2 * PAGE);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(charged(), before);
	/* closed code takes none; neither does reserving */
	p = closed_code(much);
	big = allocate(1024 * MB, MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	CHECK(big != NULL);
	CHECK_EQ(charged(), before + much);
	CHECK_EQ(release(big), 0);
	if (!off) {
		CHECK(set_one(p + much / 2, 0, 1)); /* with nothing near */
		CHECK_EQ(charged(), before + much + PAGE);
		CHECK(set_one(p + much / 2, 0, 0));
	}
	CHECK_EQ(charged(), before + much);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(charged(), before);
}

/* Several threads, each with code that comes and goes and is called while it is there. */
__attribute__((used, aligned(16))) DWORD WINAPI guarded_work(void *argument)
{
	ULONG seed = (ULONG)(ULONG_PTR)argument, bad = 0;

	for (int i = 0; i < 300; i++) {
		SIZE_T size = PAGE * (1 + (seed = seed * 1103515245 + 12345) / 65536 % 100);
		unsigned char *p = VirtualAlloc(NULL, size, MEM_COMMIT, PAGE_EXECUTE_READWRITE);
		SIZE_T at = (seed = seed * 1103515245 + 12345) / 16 % size;

		if (!p)
			return 1000;
		p[at] = 0xc3;
		call_dispatch(0, 0, 0, 0, p + at);
		if (!off && i % 3 == 0)
			bad += !set_one(p, at % PAGE & ~15ull, 0);
		if (i % 50 == 49)
			SetProcessWorkingSetSize(SELF, (SIZE_T)-1, (SIZE_T)-1);
		bad += !VirtualFree(p, 0, MEM_RELEASE);
	}
	return bad;
}

static void many(void)
{
	SIZE_T before = charged();
	HANDLE t[4];
	DWORD code;

	for (int i = 0; i < 4; i++)
		t[i] = CreateThread(NULL, 0, guarded_work, (void *)(ULONG_PTR)(i + 1), 0, NULL);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(WaitForSingleObject(t[i], 120000), WAIT_OBJECT_0);
		CHECK(GetExitCodeThread(t[i], &code) && code == 0);
		CloseHandle(t[i]);
	}
	CHECK(charged() < before + 64 * PAGE);
}

int main(int argc, char **argv)
{
	HMODULE kernel32 = GetModuleHandleA("kernel32.dll");

	set_targets = (void *)GetProcAddress(kernel32, "SetProcessValidCallTargets");
	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argv[2], argv[3]);
	off = argc > 1 && !strcmp(argv[1], "off");
	CHECK(set_targets != NULL);
	probes_begin();
	policy();
	arguments();
	threads();
	refusals();
	bitmap();
	charge();
	many();
	each_call();
	return checks_end();
}
