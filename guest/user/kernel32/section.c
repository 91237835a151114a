/*
 * File mappings: sections and their views.
 */
#include "guest/user/kernel32/k32.h"

#define ATTRIBUTE_BITS 0xfffff000u /* of flProtect: section attributes; below: protection */

HANDLE WINAPI CreateFileMappingW(HANDLE file, LPSECURITY_ATTRIBUTES sa, DWORD protect,
				 DWORD size_high, DWORD size_low, LPCWSTR name)
{
	ULONG attributes = protect & ATTRIBUTE_BITS, page = protect & ~ATTRIBUTE_BITS;
	LARGE_INTEGER size = {.QuadPart = (LONGLONG)((ULONG64)size_high << 32 | size_low)};
	ACCESS_MASK access = STANDARD_RIGHTS_REQUIRED | SECTION_QUERY | SECTION_MAP_READ;
	struct named n;
	HANDLE h = NULL;
	NTSTATUS status;

	if (!attributes)
		attributes = SEC_COMMIT;
	switch (page) {
	case PAGE_READONLY:
	case PAGE_WRITECOPY:
		break;
	case PAGE_READWRITE:
		access |= SECTION_MAP_WRITE;
		break;
	case PAGE_EXECUTE_READ:
	case PAGE_EXECUTE_WRITECOPY:
		access |= SECTION_MAP_EXECUTE | SECTION_MAP_EXECUTE_EXPLICIT;
		break;
	case PAGE_EXECUTE_READWRITE:
		access |= SECTION_MAP_WRITE | SECTION_MAP_EXECUTE | SECTION_MAP_EXECUTE_EXPLICIT;
		break;
	default:
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (file == INVALID_HANDLE_VALUE) {
		file = NULL;
		if (!size.QuadPart) {
			fail(ERROR_INVALID_PARAMETER);
			return NULL;
		}
	}
	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	status = NtCreateSection(&h, access, &n.attr, size.QuadPart ? &size : NULL, page,
				 attributes, file);
	if (status == STATUS_OBJECT_TYPE_MISMATCH && name) {
		fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	return created(status, &h);
}

HANDLE WINAPI CreateFileMappingA(HANDLE file, LPSECURITY_ATTRIBUTES sa, DWORD protect,
				 DWORD size_high, DWORD size_low, LPCSTR name)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateFileMappingW(file, sa, protect, size_high, size_low, w);
	heap_delete(w);
	return h;
}

HANDLE WINAPI CreateFileMappingNumaW(HANDLE file, LPSECURITY_ATTRIBUTES sa, DWORD protect,
				     DWORD high, DWORD low, LPCWSTR name, DWORD node)
{
	(void)node;
	return CreateFileMappingW(file, sa, protect, high, low, name);
}

HANDLE WINAPI CreateFileMappingFromApp(HANDLE file, PSECURITY_ATTRIBUTES sa, ULONG protect,
				       ULONG64 size, PCWSTR name)
{
	return CreateFileMappingW(file, sa, protect, (DWORD)(size >> 32), (DWORD)size, name);
}

HANDLE WINAPI CreateFileMapping2(HANDLE file, SECURITY_ATTRIBUTES *sa, ULONG access, ULONG page,
				 ULONG attributes, ULONG64 size, PCWSTR name,
				 MEM_EXTENDED_PARAMETER *parameters, ULONG count);
HANDLE WINAPI CreateFileMapping2(HANDLE file, SECURITY_ATTRIBUTES *sa, ULONG access, ULONG page,
				 ULONG attributes, ULONG64 size, PCWSTR name,
				 MEM_EXTENDED_PARAMETER *parameters, ULONG count)
{
	LARGE_INTEGER max = {.QuadPart = (LONGLONG)size};
	struct named n;
	HANDLE h = NULL;

	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(NtCreateSectionEx(&h, access, &n.attr, size ? &max : NULL, page,
					 attributes ? attributes : SEC_COMMIT,
					 file == INVALID_HANDLE_VALUE ? NULL : file, parameters,
					 count),
		       &h);
}

/* FILE_MAP_EXECUTE is not a section right: it asks for SECTION_MAP_EXECUTE_EXPLICIT. */
HANDLE WINAPI OpenFileMappingW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	SECURITY_ATTRIBUTES sa = {sizeof(sa), NULL, inherit};
	struct named n;
	HANDLE h = NULL;

	if (!name) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (access == FILE_MAP_COPY)
		access = SECTION_MAP_READ; /* the old number of this access is not a right at all */
	if (!named_attributes(&n, name, &sa, 0))
		return NULL;
	n.attr.Attributes &= ~(ULONG)OBJ_OPENIF;
	return succeed(NtOpenSection(&h, access, &n.attr)) ? h : NULL;
}

HANDLE WINAPI OpenFileMappingA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = OpenFileMappingW(access, inherit, w);
	heap_delete(w);
	return h;
}

/* The access word of MapViewOfFile to a protection (windows-compatible in every combination). */
static ULONG view_protection(DWORD access)
{
	BOOL execute = (access & FILE_MAP_EXECUTE) != 0;
	ULONG targets = access & FILE_MAP_TARGETS_INVALID ? PAGE_TARGETS_INVALID : 0;

	if (access & FILE_MAP_WRITE)
		return execute ? PAGE_EXECUTE_READWRITE | targets : PAGE_READWRITE;
	if (access & FILE_MAP_READ)
		return execute ? PAGE_EXECUTE_READ | targets : PAGE_READONLY;
	if (access & FILE_MAP_COPY && !(access & SECTION_MAP_EXECUTE))
		return execute ? PAGE_EXECUTE_WRITECOPY | targets : PAGE_WRITECOPY;
	return PAGE_NOACCESS;
}

LPVOID WINAPI MapViewOfFileExNuma(HANDLE h, DWORD access, DWORD high, DWORD low, SIZE_T size,
				  LPVOID where, DWORD node)
{
	LARGE_INTEGER offset = {.QuadPart = (LONGLONG)((ULONG64)high << 32 | low)};
	ULONG type = 0;
	PVOID base = where;

	(void)node;
	if (access & FILE_MAP_LARGE_PAGES)
		type |= MEM_LARGE_PAGES;
	return succeed(NtMapViewOfSection(h, NtCurrentProcess(), &base, 0, 0, &offset, &size,
					  ViewUnmap, type, view_protection(access)))
		   ? base
		   : NULL;
}

LPVOID WINAPI MapViewOfFileEx(HANDLE h, DWORD access, DWORD high, DWORD low, SIZE_T size,
			      LPVOID where)
{
	return MapViewOfFileExNuma(h, access, high, low, size, where, NUMA_NO_PREFERRED_NODE);
}

LPVOID WINAPI MapViewOfFile(HANDLE h, DWORD access, DWORD high, DWORD low, SIZE_T size)
{
	return MapViewOfFileEx(h, access, high, low, size, NULL);
}

PVOID WINAPI MapViewOfFileFromApp(HANDLE h, ULONG access, ULONG64 offset, SIZE_T size)
{
	return MapViewOfFileEx(h, access, (DWORD)(offset >> 32), (DWORD)offset, size, NULL);
}

PVOID WINAPI MapViewOfFileNuma2(HANDLE h, HANDLE process, ULONG64 offset, PVOID where, SIZE_T size,
				ULONG type, ULONG protect, ULONG node)
{
	LARGE_INTEGER off = {.QuadPart = (LONGLONG)offset};
	PVOID base = where;

	(void)node;
	return succeed(NtMapViewOfSection(h, process ? process : NtCurrentProcess(), &base, 0, 0,
					  &off, &size, ViewUnmap, type, protect))
		   ? base
		   : NULL;
}

PVOID WINAPI MapViewOfFile3(HANDLE h, HANDLE process, PVOID where, ULONG64 offset, SIZE_T size,
			    ULONG type, ULONG protect, MEM_EXTENDED_PARAMETER *parameters,
			    ULONG count)
{
	LARGE_INTEGER off = {.QuadPart = (LONGLONG)offset};
	PVOID base = where;

	return succeed(NtMapViewOfSectionEx(h, process ? process : NtCurrentProcess(), &base, &off,
					    &size, type, protect, parameters, count))
		   ? base
		   : NULL;
}

PVOID WINAPI MapViewOfFile3FromApp(HANDLE h, HANDLE process, PVOID where, ULONG64 offset,
				   SIZE_T size, ULONG type, ULONG protect,
				   MEM_EXTENDED_PARAMETER *parameters, ULONG count)
{
	return MapViewOfFile3(h, process, where, offset, size, type, protect, parameters, count);
}

WINBOOL WINAPI UnmapViewOfFileEx(PVOID base, ULONG flags)
{
	return succeed(NtUnmapViewOfSectionEx(NtCurrentProcess(), base, flags));
}

WINBOOL WINAPI UnmapViewOfFile2(HANDLE process, PVOID base, ULONG flags)
{
	return succeed(NtUnmapViewOfSectionEx(process ? process : NtCurrentProcess(), base, flags));
}

WINBOOL WINAPI UnmapViewOfFile(LPCVOID base)
{
	return succeed(NtUnmapViewOfSection(NtCurrentProcess(), (PVOID)base));
}

WINBOOL WINAPI FlushViewOfFile(LPCVOID address, SIZE_T size)
{
	PVOID base = (PVOID)address;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status = NtFlushVirtualMemory(NtCurrentProcess(), &base, &size, &iosb);

	if (status == STATUS_NOT_MAPPED_DATA) /* backed by the pagefile: nothing to write */
		return TRUE;
	return succeed(status);
}
