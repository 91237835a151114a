/* NtSystemDebugControl: what tests and tools ask of the memory manager (docs/user-kernel.md). */
#include "guest/mm/mi.h"
#include "guest/ke/syscall.h"
#include "guest/ke/kdp.h"
#include "guest/abi/machine.h"

enum debug_command {
	DBG_PFNCHECK = 0x1000,
	DBG_COUNTERS = 0x1001,
	DBG_INJECT = 0x1002,
	DBG_TRIM = 0x1003,
	DBG_FLUSH = 0x1004,
	DBG_PURGE = 0x1005,
	DBG_NULL = 0x1006,
};

static NTSTATUS answer(void *out, u32 room, const void *data, u32 bytes, u32 *returned)
{
	NTSTATUS st;

	if (room < bytes)
		return STATUS_INFO_LENGTH_MISMATCH;
	st = copy_to_user(out, data, bytes);
	if (!st && returned)
		st = copy_to_user(returned, &bytes, 4);
	return st;
}

NTSYSCALL NTSTATUS NtSystemDebugControl(u32 command, const void *in, u32 in_bytes, void *out,
					u32 out_bytes, u32 *returned)
{
	u32 args[3];
	u64 n;
	NTSTATUS st;

	switch (command) {
	case DBG_NULL:
		return STATUS_SUCCESS;
	case DBG_PFNCHECK:
		n = MmPfnCheck();
		return answer(out, out_bytes, &n, sizeof(n), returned);
	case DBG_COUNTERS:
		MmRefreshCounters();
		return answer(out, out_bytes, &MmCounters, sizeof(MmCounters), returned);
	case DBG_INJECT:
		if (in_bytes != sizeof(args))
			return STATUS_INFO_LENGTH_MISMATCH;
		if ((st = copy_from_user(args, in, sizeof(args))))
			return st;
		if (!ke_on_ntmm || hypercall(NTMM_HC_INJECT, args[0], args[1], args[2], 0) != 0)
			return STATUS_NOT_SUPPORTED;
		return STATUS_SUCCESS;
	case DBG_TRIM:
		MmEmptyAllWorkingSets();
		return STATUS_SUCCESS;
	case DBG_FLUSH:
		MmFlushModifiedList();
		return STATUS_SUCCESS;
	case DBG_PURGE:
		MmPurgeStandbyList();
		return STATUS_SUCCESS;
	}
	return ExProtectionControl(command, in, in_bytes, out, out_bytes, returned);
}
