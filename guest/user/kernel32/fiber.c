/*
 * Fibers: stacks that a thread switches between by itself.
 *
 * TEB.NtTib.FiberData points at the running fiber, whose first word is the program's parameter.
 * A fiber that is not running keeps its registers on its stack (fiberasm.S) and its part of the TEB
 * in its structure. Fiber-local values (FLS) belong to the fiber.
 */
#include "guest/user/kernel32/k32.h"

struct fiber {
	LPVOID parameter; /* GetFiberData reads it through the TEB */
	LPFIBER_START_ROUTINE start;
	PVOID stack_base, stack_limit, deallocation; /* 0x10: as fiberasm.S has them */
	PVOID rsp;
	PVOID fls;
	ULONG guaranteed;
	BOOL is_thread; /* made of a thread: its stack is the thread's own */
};
_Static_assert(offsetof(struct fiber, stack_base) == 0x10, "fiberasm.S");
_Static_assert(offsetof(struct fiber, rsp) == 0x28, "fiberasm.S");
_Static_assert(offsetof(struct fiber, guaranteed) == 0x38, "fiberasm.S");

#define HAS_FIBER  0x0004 /* TEB.SameTebFlags: FiberData is a fiber */
#define SAVED_SIZE (0xb8 + 8 * 8)

void switch_stacks(struct fiber *from, struct fiber *to);
void fiber_entry(void);
DECLSPEC_NORETURN void run_fiber(struct fiber *f);

static struct fiber *current(void)
{
	PTEB teb = NtCurrentTeb();

	return teb->SameTebFlags & HAS_FIBER ? teb->NtTib.FiberData : NULL;
}

DECLSPEC_NORETURN void run_fiber(struct fiber *f)
{
	f->start(f->parameter);
	ExitThread(0); /* a fiber routine that returns ends its thread */
}

WINBOOL WINAPI IsThreadAFiber(VOID)
{
	return current() != NULL;
}

LPVOID WINAPI ConvertThreadToFiberEx(LPVOID parameter, DWORD flags)
{
	PTEB teb = NtCurrentTeb();
	struct fiber *f;

	(void)flags; /* floating-point state is always switched */
	if (current()) {
		fail(ERROR_ALREADY_FIBER);
		return NULL;
	}
	f = heap_new(sizeof(*f));
	if (!f) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	f->parameter = parameter;
	f->is_thread = TRUE;
	teb->NtTib.FiberData = f;
	teb->SameTebFlags |= HAS_FIBER;
	return f;
}

LPVOID WINAPI ConvertThreadToFiber(LPVOID parameter)
{
	return ConvertThreadToFiberEx(parameter, 0);
}

WINBOOL WINAPI ConvertFiberToThread(VOID)
{
	PTEB teb = NtCurrentTeb();
	struct fiber *f = current();

	if (!f)
		return fail(ERROR_ALREADY_THREAD);
	teb->SameTebFlags &= ~HAS_FIBER;
	teb->NtTib.FiberData = NULL;
	heap_delete(f);
	return TRUE;
}

/* Reserves a stack, commits its top, and puts a guard page below that. */
static BOOL make_stack(struct fiber *f, SIZE_T commit, SIZE_T reserve)
{
	PIMAGE_NT_HEADERS64 nt = RtlImageNtHeader(NtCurrentPeb()->ImageBaseAddress);
	PVOID base = NULL, top;
	SIZE_T size;

	if (!reserve)
		reserve = nt->OptionalHeader.SizeOfStackReserve;
	if (!commit)
		commit = nt->OptionalHeader.SizeOfStackCommit;
	commit = (max(commit, PAGE_SIZE) + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1);
	if (commit + 2 * PAGE_SIZE > reserve)
		reserve = commit + 0x100000;
	reserve = (reserve + GRANULARITY - 1) & ~(SIZE_T)(GRANULARITY - 1);
	if (!succeed(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &reserve, MEM_RESERVE,
					     PAGE_READWRITE)))
		return FALSE;
	f->deallocation = base;
	f->stack_base = (char *)base + reserve;
	f->stack_limit = (char *)f->stack_base - commit;
	top = f->stack_limit;
	size = commit;
	if (!succeed(NtAllocateVirtualMemory(NtCurrentProcess(), &top, 0, &size, MEM_COMMIT,
					     PAGE_READWRITE)))
		goto fail;
	top = (char *)f->stack_limit - PAGE_SIZE;
	size = PAGE_SIZE;
	if (!succeed(NtAllocateVirtualMemory(NtCurrentProcess(), &top, 0, &size, MEM_COMMIT,
					     PAGE_READWRITE | PAGE_GUARD)))
		goto fail;
	return TRUE;
fail:
	size = 0;
	NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
	return FALSE;
}

LPVOID WINAPI CreateFiberEx(SIZE_T commit, SIZE_T reserve, DWORD flags, LPFIBER_START_ROUTINE start,
			    LPVOID parameter)
{
	struct fiber *f = heap_new(sizeof(*f));
	ULONG64 *frame;

	(void)flags;
	if (!f) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	f->parameter = parameter;
	f->start = start;
	if (!make_stack(f, commit, reserve)) {
		heap_delete(f);
		return NULL;
	}
	/* What switch_stacks takes off: registers, then the return address; RSP mod 16 is 0 then.
	 */
	frame = (ULONG64 *)((char *)f->stack_base - 0x40 - SAVED_SIZE - 8);
	memset(frame, 0, SAVED_SIZE);
	*(ULONG *)((char *)frame + 0xa0) = 0x1f80; /* MXCSR and control word at their defaults */
	*(USHORT *)((char *)frame + 0xa8) = 0x27f;
	frame[(0xb8 + 3 * 8) / 8] = (ULONG64)f; /* R12 */
	frame[SAVED_SIZE / 8] = (ULONG64)fiber_entry;
	f->rsp = frame;
	return f;
}

LPVOID WINAPI CreateFiber(SIZE_T commit, LPFIBER_START_ROUTINE start, LPVOID parameter)
{
	return CreateFiberEx(commit, 0, 0, start, parameter);
}

VOID WINAPI SwitchToFiber(LPVOID to)
{
	struct fiber *from = current();

	if (from != to)
		switch_stacks(from, to);
}

VOID WINAPI DeleteFiber(LPVOID fiber)
{
	struct fiber *f = fiber;
	SIZE_T size = 0;

	if (f == current()) /* documented: the thread ends with its running fiber */
		ExitThread(1);
	RtlProcessFlsData(f->fls, 1);
	RtlProcessFlsData(f->fls, 2);
	if (!f->is_thread)
		NtFreeVirtualMemory(NtCurrentProcess(), &f->deallocation, &size, MEM_RELEASE);
	heap_delete(f);
}
