/*
 * Thread stacks: their sizes by the creator's wish, growth by the guard page, a guard page the
 * program sets itself, a stack the program makes and switches to, the last pages,
 * RtlCreateUserStack.
 */
#include <intrin.h>
#include "tests/guest/vm.h"

struct initial_teb {
	void *old_base, *old_limit, *base, *limit, *deallocation;
};
NTSYSAPI LONG NTAPI RtlCreateUserStack(SIZE_T commit, SIZE_T reserve, ULONG_PTR bits,
				       SIZE_T commit_align, SIZE_T reserve_align,
				       struct initial_teb *);
NTSYSAPI void NTAPI RtlFreeUserStack(void *);

#define TEB_BASE	 0x08
#define TEB_LIMIT	 0x10
#define TEB_DEALLOCATION 0x1478

static ULONG64 teb_field(ULONG offset)
{
	ULONG64 v;

	__asm__ volatile("movq %%gs:(%1), %0" : "=r"(v) : "r"((ULONG64)offset));
	return v;
}

static void set_teb_field(ULONG offset, ULONG64 v)
{
	__asm__ volatile("movq %0, %%gs:(%1)" : : "r"(v), "r"((ULONG64)offset) : "memory");
}

static ULONG committed(void)
{
	return (ULONG)(teb_field(TEB_BASE) - teb_field(TEB_LIMIT));
}

static ULONG reserved(void)
{
	return (ULONG)(teb_field(TEB_BASE) - teb_field(TEB_DEALLOCATION));
}

/* 32 KB below here are touched, lowest page last. */
static __attribute__((noinline)) void grow(void)
{
	volatile char room[0x8000];

	for (int i = sizeof(room) - 1; i >= 0; i -= 256)
		room[i] = 1;
}

static __attribute__((noinline)) void grow_a_little(void)
{
	volatile char room[0x1000];

	for (int i = sizeof(room) - 1; i >= 0; i -= 256)
		room[i] = 1;
}

struct want {
	ULONG commit, reserve;
};

static DWORD WINAPI sizes_thread(void *p)
{
	const struct want *want = p;
	char *bottom = (char *)teb_field(TEB_DEALLOCATION);
	MEMORY_BASIC_INFORMATION m;
	ULONG guard;

	CHECK_EQ(committed(), want->commit);
	CHECK_EQ(reserved(), want->reserve);
	m = basic(bottom);
	CHECK(m.AllocationBase == bottom && m.BaseAddress == bottom);
	CHECK_EQ(m.AllocationProtect, PAGE_READWRITE);
	CHECK_EQ(m.State, MEM_RESERVE);
	CHECK_EQ(m.Protect, 0);
	CHECK_EQ(m.Type, MEM_PRIVATE);

	grow();
	CHECK_EQ(committed(), 0x9000);
	CHECK_EQ(reserved(), want->reserve);
	m = basic(bottom);
	guard = reserved() - committed() - (ULONG)m.RegionSize;
	CHECK(guard >= PAGE && guard <= 3 * PAGE);
	m = basic(bottom + m.RegionSize);
	CHECK_EQ(m.State, MEM_COMMIT);
	CHECK_EQ(m.Protect, PAGE_READWRITE | PAGE_GUARD);
	CHECK_EQ(m.RegionSize, guard);
	CHECK_EQ(m.AllocationProtect, PAGE_READWRITE);
	m = basic((void *)teb_field(TEB_LIMIT));
	CHECK_EQ(m.Protect, PAGE_READWRITE);
	CHECK_EQ(m.RegionSize, committed());
	return 0;
}

/* A guard page that the program sets in its own stack moves StackLimit up; growth comes back to it.
 */
static DWORD WINAPI own_guard_thread(void *p)
{
	char *at, *below;
	SIZE_T guard, size = PAGE;
	ULONG old;

	sizes_thread(p);
	at = (char *)teb_field(TEB_DEALLOCATION);
	guard = teb_field(TEB_LIMIT) - (ULONG64)at - basic(at).RegionSize;
	at = (char *)teb_field(TEB_LIMIT) + 0x2000;
	CHECK(allocate_at(at, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, NULL) != NULL);
	CHECK_EQ(committed(), 0x6000);
	CHECK_EQ(basic(at - 0x2000).RegionSize, 0x2000);
	CHECK_EQ(basic(at - 0x2000).Protect, PAGE_READWRITE);
	CHECK_EQ(basic(at).RegionSize, PAGE);
	CHECK_EQ(basic((void *)teb_field(TEB_LIMIT)).RegionSize, 0x6000);

	at = (char *)teb_field(TEB_LIMIT) + 0x4000;
	below = at - guard - PAGE;
	CHECK(allocate_at(at, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, NULL) != NULL);
	CHECK_EQ(committed(), 0x1000);
	CHECK_EQ(basic(below).RegionSize, guard + PAGE);
	grow_a_little();
	CHECK_EQ(committed(), 0x2000);
	CHECK_EQ(basic(below).RegionSize, PAGE);
	CHECK_EQ(basic(below).Protect, PAGE_READWRITE);
	CHECK_EQ(basic(below + PAGE).RegionSize, guard);
	CHECK_EQ(basic(below + PAGE).Protect, PAGE_READWRITE | PAGE_GUARD);

	at = below + guard + PAGE; /* a StackLimit below the guard changes nothing */
	CHECK(allocate_at(at, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, NULL) != NULL);
	set_teb_field(TEB_LIMIT, (ULONG64)below);
	CHECK_EQ(basic(below + PAGE).RegionSize, guard + PAGE);
	grow_a_little();
	CHECK_EQ(committed(), 0x2000);

	grow();
	at = (char *)teb_field(TEB_LIMIT) + 0x2000;
	CHECK_EQ(NtProtectVirtualMemory(SELF, &at, &size, PAGE_READWRITE | PAGE_GUARD, &old), 0);
	CHECK_EQ(old, PAGE_READWRITE);
	CHECK_EQ(committed(), 0x6000);
	grow();
	at = (char *)teb_field(TEB_LIMIT) + 0x2000;
	CHECK_EQ(NtProtectVirtualMemory(SELF, &at, &size, PAGE_READWRITE | PAGE_GUARD, &old), 0);
	CHECK_EQ(NtProtectVirtualMemory(SELF, &at, &size, PAGE_READWRITE, &old), 0);
	CHECK_EQ(old, PAGE_READWRITE | PAGE_GUARD);
	CHECK_EQ(committed(), 0x6000); /* not moved back, nor does it grow any more */
	grow();
	CHECK_EQ(committed(), 0x6000);
	return 0;
}

static void run(LPTHREAD_START_ROUTINE fn, ULONG commit, ULONG reserve, SIZE_T size, ULONG flags)
{
	struct want want = {commit, reserve};
	HANDLE t = CreateThread(NULL, size, fn, &want, flags, NULL);

	CHECK(t != NULL);
	CHECK_EQ(WaitForSingleObject(t, 30000), 0);
	CloseHandle(t);
}

void *call_on(void (*fn)(void), void *stack_top);
__asm__(".globl call_on\n"
	"call_on:\n"
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	andq $-16, %rdx\n"
	"	leaq -32(%rdx), %rsp\n"
	"	call *%rcx\n"
	"	movq %rbp, %rsp\n"
	"	popq %rbp\n"
	"	ret\n");

static ULONG pages_grown;

/* Every page down to the fifth from the bottom comes by the guard page. */
static void touch_all(void)
{
	volatile char *p = (volatile char *)&p, *bottom = (char *)teb_field(TEB_DEALLOCATION);

	for (; p >= bottom + 4 * PAGE; p -= PAGE) {
		p[0] |= 0;
		pages_grown++;
	}
}

static void own_stack(void)
{
	const SIZE_T size = 0x400000;
	char *stack = (char *)allocate(size, MEM_RESERVE, PAGE_READWRITE);
	ULONG64 was[3] = {teb_field(TEB_DEALLOCATION), teb_field(TEB_BASE), teb_field(TEB_LIMIT)};

	CHECK(allocate_at(stack + size - PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD,
			  NULL) != NULL);
	set_teb_field(TEB_DEALLOCATION, (ULONG64)stack);
	set_teb_field(TEB_BASE, (ULONG64)stack + size);
	set_teb_field(TEB_LIMIT, (ULONG64)stack + size);
	call_on(touch_all, stack + size);
	set_teb_field(TEB_DEALLOCATION, was[0]);
	set_teb_field(TEB_BASE, was[1]);
	set_teb_field(TEB_LIMIT, was[2]);
	CHECK(pages_grown >= size / PAGE - 6);
	CHECK_EQ(basic(stack).State, MEM_RESERVE);
	CHECK_EQ(release(stack), 0);
}

/* Another thread's guard page is nobody's growth: the exception, once. */
static volatile LONG hold;

static DWORD WINAPI idle_thread(void *out)
{
	*(ULONG64 volatile *)out = teb_field(TEB_LIMIT);
	while (!hold)
		Sleep(1);
	return 0;
}

static void guard_of_another_thread(void)
{
	volatile ULONG64 limit = 0;
	HANDLE t = CreateThread(NULL, 0, idle_thread, (void *)&limit, 0, NULL);
	char *guard;

	while (!limit)
		Sleep(1);
	guard = (char *)limit - 8;
	CHECK_EQ(basic(guard).Protect, PAGE_READWRITE | PAGE_GUARD);
	CHECK(!try_read(guard));
	CHECK_EQ(fault.ExceptionCode, (ULONG)ST_GUARD_PAGE);
	CHECK_EQ(fault.ExceptionInformation[0], 0);
	CHECK_EQ(fault.ExceptionInformation[1], (ULONG64)guard);
	CHECK(try_read(guard));
	CHECK_EQ(basic(guard).Protect, PAGE_READWRITE);
	hold = 1;
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CloseHandle(t);
}

static void user_stacks(void)
{
	static const struct {
		SIZE_T commit, reserve, commit_align, reserve_align, want_commit, want_reserve;
	} row[] = {
	    {0x2000, 0x200000, 1, 1, 0x2000, 0x200000},
	    {0x100000, 0x100000, 1, 1, 0x100000, 0x100000},
	    {0x20000, 0x20000, 1, 1, 0x20000, 0x100000},
	    {0x11000, 0x140000, 0x4000, 0x40000, 0x14000, 0x140000},
	    {0x1000, 0x110000, 1, 0x40000, 0x1000, 0x140000},
	};
	struct initial_teb s;

	for (ULONG i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		CHECK_EQ(RtlCreateUserStack(row[i].commit, row[i].reserve, 0, row[i].commit_align,
					    row[i].reserve_align, &s),
			 0);
		CHECK(!s.old_base && !s.old_limit);
		CHECK_EQ((char *)s.base - (char *)s.deallocation, row[i].want_reserve);
		CHECK_EQ((char *)s.base - (char *)s.limit, row[i].want_commit);
		RtlFreeUserStack(s.deallocation);
		CHECK_EQ(basic(s.deallocation).State, MEM_FREE);
	}
	CHECK_EQ(RtlCreateUserStack(0x11000, 0x110000, 0, 1, 0, &s), ST_INVALID_PARAMETER);
	CHECK_EQ(RtlCreateUserStack(0x11000, 0x110000, 0, 0, 1, &s), ST_INVALID_PARAMETER);
	CHECK_EQ(RtlCreateUserStack(0x2000, 0x100000, 5, 1, 1, &s), 0);
	CHECK((ULONG64)s.base <= 1ull << 27);
	RtlFreeUserStack(s.deallocation);
}

int main(void)
{
	HANDLE t;

	probes_begin();
	run(own_guard_thread, 0x4000, 0x200000, 0x3f00, 0); /* this program's header: 2 MB */
	run(own_guard_thread, 0x2000, 0x400000, 0x3ff000, STACK_SIZE_PARAM_IS_A_RESERVATION);
	t = CreateThread(NULL, 0x80000000, (LPTHREAD_START_ROUTINE)(void *)ExitThread, NULL,
			 STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
	CHECK(t != NULL);
	CHECK_EQ(WaitForSingleObject(t, 10000), 0);
	CloseHandle(t);
	own_stack();
	guard_of_another_thread();
	user_stacks();
	return checks_end();
}
