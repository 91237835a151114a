/*
 * Control Flow Guard, the user's side. An image built with it calls through two pointers of its
 * load configuration: one to a check of the address it is about to call, one to a check and the
 * call in one. As built they check nothing; in a process that has a bitmap of call targets (the
 * kernel's, guest/mm/cfg.c) the loader leads them to guardasm.S, which looks there.
 */
#include "guest/user/ntdll/ldr.h"
#include "guest/user/ntdll/except.h"

extern const char guard_code[], guard_code_end[];
void guard_check(void);
void guard_dispatch(void);

const void *guard_bitmap; /* NULL: every address may be called */

void guard_nothing(void);

/* What a thread's start address is checked by (excasm.S). */
void (*guard_check_own)(void) = guard_nothing;

void guard_init(PVOID bitmap)
{
	guard_bitmap = bitmap;
	if (bitmap)
		guard_check_own = guard_check;
}

BOOLEAN NTAPI LdrControlFlowGuardEnforced(void)
{
	return guard_bitmap != NULL;
}

/* No bitmap where the check looked: nothing there may be called. */
BOOLEAN guard_faulted(const EXCEPTION_RECORD *rec, const CONTEXT *ctx)
{
	return rec->ExceptionCode == (DWORD)STATUS_ACCESS_VIOLATION &&
	       ctx->Rip >= (DWORD64)guard_code && ctx->Rip < (DWORD64)guard_code_end;
}

/* The pointers lie in constant data. */
static NTSTATUS set_pointer(ULONG64 where, void (*to)(void))
{
	PVOID base = (PVOID)where;
	SIZE_T size = sizeof(to);
	ULONG old;
	NTSTATUS status;

	if (!where)
		return STATUS_SUCCESS;
	status = NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, PAGE_READWRITE, &old);
	if (!NT_SUCCESS(status))
		return status;
	*(void (**)(void))where = to;
	return NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, old, &old);
}

/* => before anything of the module runs */
NTSTATUS guard_module(struct module *m)
{
	/* IMAGE_LOAD_CONFIG_DIRECTORY64 from its GuardCFCheckFunctionPointer on */
	static const ULONG least = 0x94, check_at = 0x70;
	ULONG size = 0;
	const ULONG *config = RtlImageDirectoryEntryToData(
	    m->ldr.DllBase, TRUE, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, &size);
	const ULONG64 *pointer;
	NTSTATUS status;

	if (!guard_bitmap || !config || *config < least ||
	    !(m->nt->OptionalHeader.DllCharacteristics & IMAGE_DLLCHARACTERISTICS_GUARD_CF))
		return STATUS_SUCCESS;
	pointer = (const ULONG64 *)((const char *)config + check_at);
	status = set_pointer(pointer[0], guard_check);
	return NT_SUCCESS(status) ? set_pointer(pointer[1], guard_dispatch) : status;
}
