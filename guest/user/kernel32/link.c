/*
 * CreateHardLink and CreateSymbolicLink.
 */
#include "guest/user/kernel32/k32.h"

WINBOOL WINAPI CreateHardLinkW(LPCWSTR link, LPCWSTR file, LPSECURITY_ATTRIBUTES sa)
{
	FILE_RENAME_INFORMATION *info; /* FILE_LINK_INFORMATION is the same */
	UNICODE_STRING nt;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE h;
	SIZE_T size;

	(void)sa;
	h = CreateFileW(file, FILE_WRITE_ATTRIBUTES,
			FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
			FILE_FLAG_BACKUP_SEMANTICS, NULL);
	if (h == INVALID_HANDLE_VALUE)
		return FALSE;
	status = RtlDosPathNameToNtPathName_U_WithStatus(link, &nt, NULL, NULL);
	if (!NT_SUCCESS(status)) {
		NtClose(h);
		return fail(ERROR_PATH_NOT_FOUND);
	}
	size = offsetof(FILE_RENAME_INFORMATION, FileName) + nt.Length;
	info = heap_new(size + sizeof(WCHAR));
	if (!info) {
		status = STATUS_NO_MEMORY;
	} else {
		info->ReplaceIfExists = FALSE;
		info->RootDirectory = NULL;
		info->FileNameLength = nt.Length;
		memcpy(info->FileName, nt.Buffer, nt.Length);
		status = NtSetInformationFile(h, &iosb, info, (ULONG)size, FileLinkInformation);
	}
	heap_delete(info);
	RtlFreeUnicodeString(&nt);
	NtClose(h);
	return succeed(status);
}

struct symbolic_link { /* REPARSE_DATA_BUFFER */
	ULONG tag;
	USHORT bytes, reserved, target_at, target_bytes, print_at, print_bytes;
	ULONG flags;
	WCHAR names[];
};
#define TAG_SYMLINK   0xa000000c
#define FLAG_RELATIVE 1
#define SET_REPARSE   0x000900a4

static struct symbolic_link *describe(LPCWSTR target, PCUNICODE_STRING nt, ULONG *size)
{
	BOOL relative = !nt->Buffer;
	USHORT print = (USHORT)(wcslen(target) * sizeof(WCHAR)),
	       bytes = relative ? print : nt->Length;
	struct symbolic_link *l;

	*size = (ULONG)sizeof(*l) + bytes + print;
	l = heap_new(*size);
	if (!l)
		return NULL;
	l->tag = TAG_SYMLINK;
	l->bytes = (USHORT)(*size - 8);
	l->reserved = 0;
	l->target_at = 0;
	l->target_bytes = bytes;
	l->print_at = bytes;
	l->print_bytes = print;
	l->flags = relative ? FLAG_RELATIVE : 0;
	memcpy(l->names, relative ? target : nt->Buffer, bytes);
	memcpy((char *)l->names + bytes, target, print);
	return l;
}

BOOLEAN APIENTRY CreateSymbolicLinkW(LPCWSTR link, LPCWSTR target, DWORD flags)
{
	BOOL folder = flags & SYMBOLIC_LINK_FLAG_DIRECTORY;
	BOOL absolute =
	    target && (target[0] == '\\' || target[0] == '/' || (target[0] && target[1] == ':'));
	UNICODE_STRING nt = {0};
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	struct symbolic_link *l;
	ULONG size;
	HANDLE h;

	if (!target || !*target || flags & ~3ul)
		return (BOOLEAN)fail(ERROR_INVALID_PARAMETER);
	if (absolute &&
	    !NT_SUCCESS(RtlDosPathNameToNtPathName_U_WithStatus(target, &nt, NULL, NULL)))
		return (BOOLEAN)fail(ERROR_PATH_NOT_FOUND);
	l = describe(target, &nt, &size);
	if (absolute)
		RtlFreeUnicodeString(&nt);
	if (!l)
		return FALSE;
	if (folder && !CreateDirectoryW(link, NULL)) {
		heap_delete(l);
		return FALSE;
	}
	h = CreateFileW(link, DELETE | FILE_WRITE_ATTRIBUTES, 0, NULL,
			folder ? OPEN_EXISTING : CREATE_NEW,
			FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
	if (h == INVALID_HANDLE_VALUE) {
		if (GetLastError() == ERROR_FILE_EXISTS)
			fail(ERROR_ALREADY_EXISTS);
		heap_delete(l);
		return FALSE;
	}
	status = NtFsControlFile(h, NULL, NULL, NULL, &iosb, SET_REPARSE, l, size, NULL, 0);
	if (!NT_SUCCESS(status)) { /* nothing is left of what is no link */
		FILE_DISPOSITION_INFORMATION gone = {TRUE};

		NtSetInformationFile(h, &iosb, &gone, sizeof(gone), FileDispositionInformation);
	}
	NtClose(h);
	heap_delete(l);
	return (BOOLEAN)succeed(status);
}

WINBOOL WINAPI CreateHardLinkA(LPCSTR link, LPCSTR file, LPSECURITY_ATTRIBUTES sa)
{
	PWSTR w = NULL, w2 = NULL;
	BOOL ok = wide_copy(link, &w) && wide_copy(file, &w2) && CreateHardLinkW(w, w2, sa);

	heap_delete(w);
	heap_delete(w2);
	return ok;
}

BOOLEAN APIENTRY CreateSymbolicLinkA(LPCSTR link, LPCSTR target, DWORD flags)
{
	PWSTR w = NULL, w2 = NULL;
	BOOL ok =
	    wide_copy(link, &w) && wide_copy(target, &w2) && CreateSymbolicLinkW(w, w2, flags);

	heap_delete(w);
	heap_delete(w2);
	return (BOOLEAN)ok;
}
