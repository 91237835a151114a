/*
 * Start of kernel32, and the helpers of k32.h.
 */
#include "guest/user/kernel32/k32.h"

BOOL succeed(NTSTATUS status)
{
	if (NT_SUCCESS(status))
		return TRUE;
	NtCurrentTeb()->LastErrorValue = RtlNtStatusToDosError(status);
	return FALSE;
}

BOOL fail(DWORD error)
{
	NtCurrentTeb()->LastErrorValue = error;
	return FALSE;
}

void *heap_new(SIZE_T bytes)
{
	return RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, bytes);
}

void heap_delete(void *p)
{
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, p);
}

BOOL wide_copy(LPCSTR text, PWSTR *out)
{
	SIZE_T n;
	ULONG got;

	*out = NULL;
	if (!text)
		return TRUE;
	n = strlen(text) + 1;
	*out = heap_new(n * sizeof(WCHAR));
	if (!*out)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	RtlMultiByteToUnicodeN(*out, (ULONG)(n * sizeof(WCHAR)), &got, text, (ULONG)n);
	return TRUE;
}

DWORD ansi_result(PCWSTR text, SIZE_T chars, LPSTR out, DWORD room)
{
	ULONG got;

	if (chars + 1 > room)
		return (DWORD)chars + 1;
	RtlUnicodeToMultiByteN(out, (ULONG)chars, &got, text, (ULONG)(chars * sizeof(WCHAR)));
	out[chars] = 0;
	return (DWORD)chars;
}

PLARGE_INTEGER nt_timeout(DWORD ms, PLARGE_INTEGER t)
{
	if (ms == INFINITE)
		return NULL;
	t->QuadPart = -(LONGLONG)ms * TICKS_PER_MS;
	return t;
}

BOOL named_attributes(struct named *n, LPCWSTR name, LPSECURITY_ATTRIBUTES sa, ULONG more)
{
	static const WCHAR folder[] = L"\\BaseNamedObjects\\";
	ULONG flags = OBJ_OPENIF | more | (sa && sa->bInheritHandle ? OBJ_INHERIT : 0);

	if (name) {
		if (!_wcsnicmp(name, L"Local\\", 6))
			name += 6;
		else if (!_wcsnicmp(name, L"Global\\", 7))
			name += 7;
		if (wcslen(name) + ARRAY_COUNT(folder) > ARRAY_COUNT(n->buffer))
			return fail(ERROR_FILENAME_EXCED_RANGE);
		if (wcschr(name, '\\'))
			return fail(ERROR_PATH_NOT_FOUND);
	}
	if (name && *name) {
		wcscpy(n->buffer, folder);
		wcscat(n->buffer, name);
		RtlInitUnicodeString(&n->name, n->buffer);
	}
	InitializeObjectAttributes(&n->attr, name && *name ? &n->name : NULL, flags, NULL,
				   sa ? sa->lpSecurityDescriptor : NULL);
	return TRUE;
}

BOOL path_attributes(LPCWSTR path, OBJECT_ATTRIBUTES *attr, UNICODE_STRING *n, BOOL inherit)
{
	NTSTATUS status;

	if (!path || !*path)
		return fail(ERROR_PATH_NOT_FOUND);
	status = RtlDosPathNameToNtPathName_U_WithStatus(path, n, NULL, NULL);
	if (!NT_SUCCESS(status))
		return fail(status == STATUS_NAME_TOO_LONG ? ERROR_FILENAME_EXCED_RANGE
							   : ERROR_PATH_NOT_FOUND);
	InitializeObjectAttributes(attr, n, OBJ_CASE_INSENSITIVE | (inherit ? OBJ_INHERIT : 0),
				   NULL, NULL);
	return TRUE;
}

HANDLE created(NTSTATUS status, const HANDLE *handle)
{
	if (!NT_SUCCESS(status)) {
		succeed(status);
		return NULL;
	}
	fail(status == STATUS_OBJECT_NAME_EXISTS ? ERROR_ALREADY_EXISTS : ERROR_SUCCESS);
	return *handle;
}

HANDLE open_named(open_call call, DWORD access, BOOL inherit, LPCWSTR name)
{
	SECURITY_ATTRIBUTES sa = {sizeof(sa), NULL, inherit};
	struct named n;
	HANDLE h = NULL;

	if (!name) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (!named_attributes(&n, name, &sa, 0))
		return NULL;
	n.attr.Attributes &= ~(ULONG)OBJ_OPENIF;
	return succeed(call(&h, access, &n.attr)) ? h : NULL;
}

HANDLE open_named_a(open_call call, DWORD access, BOOL inherit, LPCSTR name)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = open_named(call, access, inherit, w);
	heap_delete(w);
	return h;
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved);
BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH) {
		LdrDisableThreadCalloutsForDll(self);
		init_command_line();
		init_unhandled_filter();
	}
	return TRUE;
}
