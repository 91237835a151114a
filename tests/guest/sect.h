/* For the tests of sections: the calls of ntdll.dll on sections, their statuses, and small helpers.
 * Values: public winnt.h, ntstatus.h, phnt. */
#ifndef NTMM_TESTS_GUEST_SECT_H
#define NTMM_TESTS_GUEST_SECT_H

#include "tests/guest/vm.h"
#include <winternl.h>
#include <string.h>

#ifndef SECTION_MAP_EXECUTE_EXPLICIT
#define SECTION_MAP_EXECUTE_EXPLICIT 0x20
#endif
#ifndef SEC_PARTITION_OWNER_HANDLE
#define SEC_PARTITION_OWNER_HANDLE 0x40000
#endif
#define SEC_BASED_	     0x200000
#define SEC_NO_CHANGE_	     0x400000
#define SEC_WRITECOMBINE_    0x40000000
#define SEC_LARGE_PAGES_     0x80000000u
#define SEC_NO_EXECUTE_IMAGE (SEC_IMAGE | SEC_NOCACHE)
#define PLACEHOLDER_RESERVE  0x40000u
#define PLACEHOLDER_REPLACE  0x4000u
#define PLACEHOLDER_PRESERVE 0x2u
#define UNALIGNED_SIZE	     4090u /* of sections that do not end with a page */

/* Macros, so that vm.h may come to know some of them, too. */
#define ST_IMAGE_NOT_AT_BASE	    ((LONG)0x40000003)
#define ST_OBJECT_NAME_EXISTS	    ((LONG)0x40000000)
#define ST_INVALID_INFO_CLASS	    ((LONG)0xc0000003)
#define ST_NOT_MAPPED_VIEW	    ((LONG)0xc0000019)
#define ST_UNABLE_TO_DELETE_SECTION ((LONG)0xc000001b)
#define ST_INVALID_VIEW_SIZE	    ((LONG)0xc000001f)
#define ST_INVALID_FILE_FOR_SECTION ((LONG)0xc0000020)
#define ST_ALREADY_COMMITTED	    ((LONG)0xc0000021)
#define ST_ACCESS_DENIED	    ((LONG)0xc0000022)
#define ST_OBJECT_TYPE_MISMATCH	    ((LONG)0xc0000024)
#define ST_NOT_COMMITTED	    ((LONG)0xc000002d)
#define ST_OBJECT_NAME_INVALID	    ((LONG)0xc0000033)
#define ST_OBJECT_NAME_NOT_FOUND    ((LONG)0xc0000034)
#define ST_OBJECT_NAME_COLLISION    ((LONG)0xc0000035)
#define ST_OBJECT_PATH_NOT_FOUND    ((LONG)0xc000003a)
#define ST_OBJECT_PATH_SYNTAX_BAD   ((LONG)0xc000003b)
#define ST_SECTION_TOO_BIG	    ((LONG)0xc0000040)
#define ST_SECTION_NOT_IMAGE	    ((LONG)0xc0000049)
#define ST_SECTION_PROTECTION	    ((LONG)0xc000004e)
#define ST_INVALID_IMAGE_FORMAT	    ((LONG)0xc000007b)
#define ST_SECTION_NOT_EXTENDED	    ((LONG)0xc0000087)
#define ST_NOT_MAPPED_DATA	    ((LONG)0xc0000088)
#define ST_NOT_SAME_DEVICE	    ((LONG)0xc00000d4)
#define ST_MAPPED_FILE_SIZE_ZERO    ((LONG)0xc000011e)
#define ST_COMMITMENT_LIMIT	    ((LONG)0xc000012d)
#define ST_INVALID_IMAGE_NOT_MZ	    ((LONG)0xc000012f)
#define ST_INVALID_PARAMETER_8	    ((LONG)0xc00000f6)
#define ST_INVALID_PARAMETER_9	    ((LONG)0xc00000f7)
#define ST_MAPPED_ALIGNMENT	    ((LONG)0xc0000220)
#define ST_USER_MAPPED_FILE	    ((LONG)0xc0000243)

NTSYSAPI LONG NTAPI NtCreateSection(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, LARGE_INTEGER *,
				    ULONG protect, ULONG attributes, HANDLE file);
NTSYSAPI LONG NTAPI NtCreateSectionEx(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, LARGE_INTEGER *,
				      ULONG protect, ULONG attributes, HANDLE file,
				      void *parameters, ULONG count);
NTSYSAPI LONG NTAPI NtOpenSection(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSAPI LONG NTAPI NtMapViewOfSection(HANDLE, HANDLE process, void *base, ULONG_PTR zero_bits,
				       SIZE_T commit, LARGE_INTEGER *offset, SIZE_T *size,
				       ULONG inherit, ULONG type, ULONG protect);
NTSYSAPI LONG NTAPI NtMapViewOfSectionEx(HANDLE, HANDLE process, void *base, LARGE_INTEGER *offset,
					 SIZE_T *size, ULONG type, ULONG protect, void *parameters,
					 ULONG count);
NTSYSAPI LONG NTAPI NtUnmapViewOfSection(HANDLE, const void *);
NTSYSAPI LONG NTAPI NtUnmapViewOfSectionEx(HANDLE, const void *, ULONG);
NTSYSAPI LONG NTAPI NtExtendSection(HANDLE, LARGE_INTEGER *);
NTSYSAPI LONG NTAPI NtQuerySection(HANDLE, ULONG class, void *, SIZE_T, SIZE_T *);
NTSYSAPI LONG NTAPI NtAreMappedFilesTheSame(const void *, const void *);
NTSYSAPI LONG NTAPI NtFlushVirtualMemory(HANDLE, void *base, SIZE_T *size, IO_STATUS_BLOCK *);

struct section_basic {
	void *base;
	ULONG attributes;
	LARGE_INTEGER size;
};
struct section_image { /* SECTION_IMAGE_INFORMATION */
	void *entry;
	ULONG zero_bits;
	SIZE_T stack_reserve, stack_commit;
	ULONG subsystem;
	USHORT subsystem_minor, subsystem_major;
	ULONG os_version;
	USHORT characteristics, dll_characteristics, machine;
	BOOLEAN contains_code;
	UCHAR flags;
	ULONG loader_flags, file_size, checksum;
};
struct extended_parameter { /* MEM_EXTENDED_PARAMETER */
	ULONG64 type, value;
};
struct requirements { /* MEM_ADDRESS_REQUIREMENTS */
	void *lowest, *highest;
	SIZE_T alignment;
};

struct nt_name {
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING string;
};
static inline OBJECT_ATTRIBUTES *nt_name(struct nt_name *n, const WCHAR *text, ULONG flags)
{
	n->string.Buffer = (WCHAR *)text;
	n->string.Length = (USHORT)(wcslen(text) * sizeof(WCHAR));
	n->string.MaximumLength = n->string.Length + sizeof(WCHAR);
	InitializeObjectAttributes(&n->attributes, &n->string, flags, NULL, NULL);
	return &n->attributes;
}

/* NtCreateSection of anonymous sections; the handle, or NULL with the status in *status. */
static inline HANDLE new_section(ULONG64 size, ULONG protect, ULONG attributes, HANDLE file,
				 LONG *status)
{
	LARGE_INTEGER max;
	HANDLE h = NULL;
	LONG st;
	max.QuadPart = (LONGLONG)size;
	st = NtCreateSection(&h, SECTION_ALL_ACCESS, NULL, size ? &max : NULL, protect, attributes,
			     file);
	if (status)
		*status = st;
	return st < 0 ? NULL : h;
}
static inline LONG create_status(ULONG64 size, ULONG protect, ULONG attributes, HANDLE file)
{
	LONG st;
	HANDLE h = new_section(size, protect, attributes, file, &st);
	if (h)
		CloseHandle(h);
	return st;
}

/* The whole section; NULL with the status in *status (may be NULL). */
static inline unsigned char *map(HANDLE section, ULONG64 offset, SIZE_T size, ULONG protect,
				 LONG *status)
{
	LARGE_INTEGER at;
	void *base = NULL;
	LONG st;
	at.QuadPart = (LONGLONG)offset;
	st = NtMapViewOfSection(section, SELF, &base, 0, 0, &at, &size, 1, 0, protect);
	if (status)
		*status = st;
	return st < 0 ? NULL : base;
}
static inline LONG map_status(HANDLE section, ULONG64 offset, SIZE_T size, ULONG protect)
{
	LONG st;
	void *base = map(section, offset, size, protect, &st);
	if (base)
		NtUnmapViewOfSection(SELF, base);
	return st;
}

static inline HANDLE with_access(HANDLE h, ACCESS_MASK access)
{
	HANDLE copy = NULL;
	CHECK(DuplicateHandle(SELF, h, SELF, &copy, access, FALSE, 0));
	return copy;
}

/* A file in the folder for temporary ones; `path` may be NULL. Of `size` bytes, page n filled with
 * n + 1. */
static inline HANDLE temp_file(char *path, DWORD access, SIZE_T size)
{
	static int n;
	char folder[MAX_PATH], own[MAX_PATH];
	unsigned char page[PAGE];
	HANDLE h;
	DWORD done;
	if (!path)
		path = own;
	CHECK(GetTempPathA(MAX_PATH, folder));
	snprintf(path, MAX_PATH, "%ssect%lu_%d.tmp", folder, GetCurrentProcessId(), n++);
	h = CreateFileA(path, GENERIC_READ | GENERIC_WRITE | access,
			FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, CREATE_ALWAYS,
			path == own ? FILE_FLAG_DELETE_ON_CLOSE : FILE_ATTRIBUTE_NORMAL, NULL);
	CHECK(h != INVALID_HANDLE_VALUE);
	for (SIZE_T at = 0; at < size; at += PAGE) {
		memset(page, (int)(at / PAGE + 1), PAGE);
		CHECK(
		    WriteFile(h, page, (DWORD)(size - at < PAGE ? size - at : PAGE), &done, NULL));
	}
	return h;
}

#endif
