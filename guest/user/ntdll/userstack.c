/* Stacks for threads and fibers made by hand, and what else tools ask ntdll about memory. */
#include "guest/user/ntdll/ntdll.h"
#include "guest/user/ntdll/ldr.h"

#define LEAST_RESERVE 0x100000 /* of a reserve that the commit outgrows: whole multiples of it */
#define USER_SHARED_XSTATE \
	((const ULONG64 *)0x7ffe03d8) /* KUSER_SHARED_DATA.XState.EnabledFeatures */

struct initial_teb;
NTSTATUS NTAPI RtlCreateUserStack(SIZE_T commit, SIZE_T reserve, ULONG_PTR zero_bits,
				  SIZE_T commit_align, SIZE_T reserve_align,
				  struct initial_teb *teb);

struct initial_teb { /* INITIAL_TEB */
	PVOID OldStackBase, OldStackLimit;
	PVOID StackBase, StackLimit, DeallocationStack;
};

static SIZE_T round_up(SIZE_T n, SIZE_T unit)
{
	return (n + unit - 1) / unit * unit;
}

/* The reservation's top `commit` bytes are committed, with a guard page below if there is room. */
static NTSTATUS commit_top(char *base, SIZE_T reserve, SIZE_T commit)
{
	SIZE_T guard = commit < reserve ? PAGE_SIZE : 0, size = commit + guard;
	PVOID at = base + reserve - size;
	NTSTATUS status =
	    NtAllocateVirtualMemory(NtCurrentProcess(), &at, 0, &size, MEM_COMMIT, PAGE_READWRITE);
	ULONG old;

	if (!NT_SUCCESS(status) || !guard)
		return status;
	at = base + reserve - commit - guard;
	size = guard;
	return NtProtectVirtualMemory(NtCurrentProcess(), &at, &size, PAGE_READWRITE | PAGE_GUARD,
				      &old);
}

NTSTATUS NTAPI RtlCreateUserStack(SIZE_T commit, SIZE_T reserve, ULONG_PTR zero_bits,
				  SIZE_T commit_align, SIZE_T reserve_align,
				  struct initial_teb *teb)
{
	PIMAGE_NT_HEADERS nt = RtlImageNtHeader(NtCurrentPeb()->ImageBaseAddress);
	PVOID base = NULL;
	NTSTATUS status;

	if (!commit_align || !reserve_align)
		return STATUS_INVALID_PARAMETER;
	if (!commit)
		commit = nt->OptionalHeader.SizeOfStackCommit;
	if (!reserve)
		reserve = nt->OptionalHeader.SizeOfStackReserve;
	commit = round_up(round_up(commit, commit_align), PAGE_SIZE);
	if (commit >= reserve)
		reserve = round_up(commit, LEAST_RESERVE);
	reserve = round_up(round_up(reserve, reserve_align), PAGE_SIZE);
	status = NtAllocateVirtualMemory(NtCurrentProcess(), &base, zero_bits, &reserve,
					 MEM_RESERVE, PAGE_READWRITE);
	if (!NT_SUCCESS(status))
		return status;
	status = commit_top(base, reserve, commit);
	if (!NT_SUCCESS(status)) {
		SIZE_T all = 0;

		NtFreeVirtualMemory(NtCurrentProcess(), &base, &all, MEM_RELEASE);
		return status;
	}
	teb->OldStackBase = teb->OldStackLimit = NULL;
	teb->DeallocationStack = base;
	teb->StackBase = (char *)base + reserve;
	teb->StackLimit = (char *)base + reserve - commit;
	return STATUS_SUCCESS;
}

VOID NTAPI RtlFreeUserStack(PVOID stack)
{
	SIZE_T all = 0;

	NtFreeVirtualMemory(NtCurrentProcess(), &stack, &all, MEM_RELEASE);
}

ULONG64 NTAPI RtlGetEnabledExtendedFeatures(ULONG64 mask)
{
	return *USER_SHARED_XSTATE & mask;
}

/* By the export table alone: the image need not be a loaded module. */
PVOID NTAPI RtlFindExportedRoutineByName(PVOID image, PCSTR name)
{
	PIMAGE_NT_HEADERS nt = RtlImageNtHeader(image);
	const IMAGE_DATA_DIRECTORY *d;
	const IMAGE_EXPORT_DIRECTORY *e;
	char *base = image;

	if (!nt)
		return NULL;
	d = &nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT];
	if (!d->VirtualAddress || !d->Size)
		return NULL;
	e = (const IMAGE_EXPORT_DIRECTORY *)(base + d->VirtualAddress);
	for (DWORD i = 0; i < e->NumberOfNames; i++) {
		DWORD at = ((const DWORD *)(base + e->AddressOfNames))[i];
		WORD ordinal = ((const WORD *)(base + e->AddressOfNameOrdinals))[i];

		if (!strcmp(base + at, name) && ordinal < e->NumberOfFunctions)
			return base + ((const DWORD *)(base + e->AddressOfFunctions))[ordinal];
	}
	return NULL;
}
