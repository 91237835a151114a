/* The memory calls of ntdll.dll, and what their tests share. Values: public winnt.h, ntstatus.h. */
#ifndef NTMM_TESTS_GUEST_VM_H
#define NTMM_TESTS_GUEST_VM_H

#include "tests/guest/inject.h"

#define PAGE  0x1000u
#define LARGE 0x200000u
#define SELF  ((HANDLE)-1)

enum status {
	ST_SUCCESS = 0,
	ST_WORKING_SET_LIMIT_RANGE = 0x40000002,
	ST_WAS_LOCKED = 0x40000019,
	ST_GUARD_PAGE = (int)0x80000001,
	ST_BUFFER_OVERFLOW = (int)0x80000005,
	ST_PARTIAL_COPY = (int)0x8000000d,
	ST_DEVICE_BUSY = (int)0x80000011,
	ST_INFO_LENGTH_MISMATCH = (int)0xc0000004,
	ST_ACCESS_VIOLATION = (int)0xc0000005,
	ST_INVALID_HANDLE = (int)0xc0000008,
	ST_INVALID_PARAMETER = (int)0xc000000d,
	ST_NO_MEMORY = (int)0xc0000017,
	ST_CONFLICTING_ADDRESSES = (int)0xc0000018,
	ST_NOT_MAPPED_VIEW = (int)0xc0000019,
	ST_UNABLE_TO_FREE_VM = (int)0xc000001a,
	ST_UNABLE_TO_DELETE_SECTION = (int)0xc000001b,
	ST_INVALID_VIEW_SIZE = (int)0xc000001f,
	ST_NOT_COMMITTED = (int)0xc000002d,
	ST_NOT_LOCKED = (int)0xc000002a,
	ST_INVALID_PAGE_PROTECTION = (int)0xc0000045,
	ST_SECTION_PROTECTION = (int)0xc000004e,
	ST_PRIVILEGE_NOT_HELD = (int)0xc0000061,
	ST_INSUFFICIENT_RESOURCES = (int)0xc000009a,
	ST_FILE_INVALID = (int)0xc0000098,
	ST_FREE_VM_NOT_AT_BASE = (int)0xc000009f,
	ST_MEMORY_NOT_ALLOCATED = (int)0xc00000a0,
	ST_WORKING_SET_QUOTA = (int)0xc00000a1,
	ST_NOT_SUPPORTED = (int)0xc00000bb,
	ST_INVALID_PARAMETER_1 = (int)0xc00000ef,
	ST_INVALID_PARAMETER_2,
	ST_INVALID_PARAMETER_3,
	ST_INVALID_PARAMETER_4,
	ST_INVALID_PARAMETER_5,
	ST_INVALID_PARAMETER_6,
	ST_MAPPED_ALIGNMENT = (int)0xc0000220,
	ST_COMMITMENT_LIMIT = (int)0xc000012d,
	ST_INVALID_ADDRESS = (int)0xc0000141,
};

NTSYSAPI LONG NTAPI NtAllocateVirtualMemory(HANDLE, void *base, ULONG_PTR zero_bits, SIZE_T *size,
					    ULONG type, ULONG protect);
NTSYSAPI LONG NTAPI NtAllocateVirtualMemoryEx(HANDLE, void *base, SIZE_T *size, ULONG type,
					      ULONG protect, void *parameters, ULONG count);
NTSYSAPI LONG NTAPI NtFreeVirtualMemory(HANDLE, void *base, SIZE_T *size, ULONG type);
NTSYSAPI LONG NTAPI NtProtectVirtualMemory(HANDLE, void *base, SIZE_T *size, ULONG protect,
					   ULONG *old);
NTSYSAPI LONG NTAPI NtQueryVirtualMemory(HANDLE, const void *base, ULONG class, void *out,
					 SIZE_T length, SIZE_T *returned);
NTSYSAPI LONG NTAPI NtLockVirtualMemory(HANDLE, void *base, SIZE_T *size, ULONG type);
NTSYSAPI LONG NTAPI NtUnlockVirtualMemory(HANDLE, void *base, SIZE_T *size, ULONG type);
NTSYSAPI LONG NTAPI NtReadVirtualMemory(HANDLE, const void *from, void *to, SIZE_T, SIZE_T *done);
NTSYSAPI LONG NTAPI NtWriteVirtualMemory(HANDLE, void *to, const void *from, SIZE_T, SIZE_T *done);
NTSYSAPI LONG NTAPI NtGetWriteWatch(HANDLE, ULONG flags, void *base, SIZE_T size, void **pages,
				    ULONG_PTR *count, ULONG *granularity);
NTSYSAPI LONG NTAPI NtResetWriteWatch(HANDLE, void *base, SIZE_T size);
NTSYSAPI LONG NTAPI NtAllocateUserPhysicalPages(HANDLE, ULONG_PTR *count, ULONG_PTR *pages);
NTSYSAPI LONG NTAPI NtFreeUserPhysicalPages(HANDLE, ULONG_PTR *count, ULONG_PTR *pages);
NTSYSAPI LONG NTAPI NtMapUserPhysicalPages(void *base, ULONG_PTR count, ULONG_PTR *pages);
NTSYSAPI LONG NTAPI NtMapUserPhysicalPagesScatter(void **bases, ULONG_PTR count, ULONG_PTR *pages);
NTSYSAPI LONG NTAPI NtSetInformationVirtualMemory(HANDLE, ULONG class, ULONG_PTR count,
						  void *ranges, void *data, ULONG length);
NTSYSAPI LONG NTAPI RtlAdjustPrivilege(ULONG privilege, BOOLEAN enable, BOOLEAN thread,
				       BOOLEAN *was);

#define SE_LOCK_MEMORY_LUID 4
static inline void hold_lock_privilege(BOOLEAN yes)
{
	BOOLEAN was;
	CHECK_EQ(RtlAdjustPrivilege(SE_LOCK_MEMORY_LUID, yes, FALSE, &was), 0);
}

/* NtAllocateVirtualMemory; NULL when it fails, the status in *status (may be NULL). */
static inline unsigned char *allocate_at(void *at, SIZE_T size, ULONG type, ULONG protect,
					 LONG *status)
{
	LONG st = NtAllocateVirtualMemory(SELF, &at, 0, &size, type, protect);
	if (status)
		*status = st;
	return st < 0 ? NULL : at;
}

static inline unsigned char *allocate(SIZE_T size, ULONG type, ULONG protect)
{
	return allocate_at(NULL, size, type, protect, NULL);
}

static inline LONG release(void *base)
{
	SIZE_T size = 0;
	return NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE);
}

static inline LONG protect_pages(void *base, SIZE_T size, ULONG protect)
{
	ULONG old;
	return NtProtectVirtualMemory(SELF, &base, &size, protect, &old);
}

static inline MEMORY_BASIC_INFORMATION basic(const void *p)
{
	MEMORY_BASIC_INFORMATION m = {0};
	CHECK_EQ(NtQueryVirtualMemory(SELF, p, 0, &m, sizeof(m), NULL), 0);
	return m;
}

/* One word of MEMORY_WORKING_SET_EX_INFORMATION. */
static inline ULONG64 resident(const void *p)
{
	ULONG64 entry[2] = {(ULONG_PTR)p, 0};
	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 4, entry, sizeof(entry), NULL), 0);
	return entry[1];
}
#define WS_VALID      1u
#define WS_SHARE(w)   ((w) >> 1 & 7)
#define WS_PROTECT(w) ((w) >> 4 & 0x7ff)
#define WS_SHARED     (1u << 15)
#define WS_LOCKED     (1u << 22)
#define WS_LARGE      (1u << 23)

#endif
