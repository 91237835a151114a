/*
 * Environment variables.
 */
#include "guest/user/kernel32/k32.h"

DWORD WINAPI GetEnvironmentVariableW(LPCWSTR name, LPWSTR out, DWORD room)
{
	SIZE_T n = 0;
	NTSTATUS status;

	if (!name || !*name) {
		fail(ERROR_ENVVAR_NOT_FOUND);
		return 0;
	}
	status = RtlQueryEnvironmentVariable(NULL, name, wcslen(name), out, room, &n);
	if (status == STATUS_VARIABLE_NOT_FOUND) {
		fail(ERROR_ENVVAR_NOT_FOUND);
		return 0;
	}
	if (!NT_SUCCESS(status) && out && room)
		out[0] = 0;
	if (NT_SUCCESS(status) && n == room) /* fits only without its terminator */
		return (DWORD)n + 1;
	return (DWORD)n;
}

DWORD WINAPI GetEnvironmentVariableA(LPCSTR name, LPSTR out, DWORD room)
{
	PWSTR w, value = NULL;
	DWORD n, got;

	if (!wide_copy(name, &w))
		return 0;
	n = GetEnvironmentVariableW(w, NULL, 0);
	if (n) {
		value = heap_new(n * sizeof(WCHAR));
		if (!value) {
			n = 0;
			fail(ERROR_NOT_ENOUGH_MEMORY);
		} else {
			got = GetEnvironmentVariableW(w, value, n);
			n = ansi_result(value, got, out, room);
		}
	}
	heap_delete(value);
	heap_delete(w);
	return n;
}

WINBOOL WINAPI SetEnvironmentVariableW(LPCWSTR name, LPCWSTR value)
{
	UNICODE_STRING n, v;
	NTSTATUS status;

	if (!name || !*name)
		return fail(ERROR_INVALID_PARAMETER);
	RtlInitUnicodeString(&n, name);
	RtlInitUnicodeString(&v, value);
	status = RtlSetEnvironmentVariable(NULL, &n, value ? &v : NULL);
	if (status == STATUS_VARIABLE_NOT_FOUND)
		return fail(ERROR_ENVVAR_NOT_FOUND);
	return succeed(status);
}

WINBOOL WINAPI SetEnvironmentVariableA(LPCSTR name, LPCSTR value)
{
	PWSTR n, v = NULL;
	BOOL ok = FALSE;

	if (!wide_copy(name, &n))
		return FALSE;
	if (wide_copy(value, &v))
		ok = SetEnvironmentVariableW(n, v);
	heap_delete(v);
	heap_delete(n);
	return ok;
}

static SIZE_T block_chars(PCWSTR env)
{
	PCWSTR p = env;

	while (*p)
		p += wcslen(p) + 1;
	return p - env + 1;
}

LPWSTR WINAPI GetEnvironmentStringsW(VOID)
{
	PCWSTR env;
	PWSTR copy;
	SIZE_T n;

	RtlAcquirePebLock();
	env = NtCurrentPeb()->ProcessParameters->Environment;
	n = block_chars(env) * sizeof(WCHAR);
	copy = heap_new(n);
	if (copy)
		memcpy(copy, env, n);
	RtlReleasePebLock();
	if (!copy)
		fail(ERROR_NOT_ENOUGH_MEMORY);
	return copy;
}

/* Exported as GetEnvironmentStringsA too. The text is in the OEM code page, as on Windows. */
LPCH WINAPI GetEnvironmentStringsA_(VOID);
LPCH WINAPI GetEnvironmentStringsA_(VOID)
{
	PWSTR wide = GetEnvironmentStringsW();
	SIZE_T n;
	LPCH a;
	ULONG got;

	if (!wide)
		return NULL;
	n = block_chars(wide);
	a = heap_new(n);
	if (a)
		RtlUnicodeToOemN(a, (ULONG)n, &got, wide, (ULONG)(n * sizeof(WCHAR)));
	heap_delete(wide);
	return a;
}

WINBOOL WINAPI FreeEnvironmentStringsW(LPWCH env)
{
	heap_delete(env);
	return TRUE;
}

WINBOOL WINAPI FreeEnvironmentStringsA(LPCH env)
{
	heap_delete(env);
	return TRUE;
}

WINBOOL WINAPI SetEnvironmentStringsW(LPWCH env)
{
	SIZE_T n = block_chars(env) * sizeof(WCHAR);
	PWSTR copy = heap_new(n);

	if (!copy)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	memcpy(copy, env, n);
	RtlSetCurrentEnvironment(copy, NULL);
	return TRUE;
}

DWORD WINAPI ExpandEnvironmentStringsW(LPCWSTR text, LPWSTR out, DWORD room)
{
	SIZE_T n = 0;
	NTSTATUS status;

	if (!text)
		text = L"";
	status = RtlExpandEnvironmentStrings(NULL, text, wcslen(text), out, room, &n);

	if (!NT_SUCCESS(status) && status != STATUS_BUFFER_TOO_SMALL) {
		succeed(status);
		return 0;
	}
	return (DWORD)n;
}

DWORD WINAPI ExpandEnvironmentStringsA(LPCSTR text, LPSTR out, DWORD room)
{
	PWSTR w, wide;
	DWORD n;

	if (!wide_copy(text, &w))
		return 0;
	n = ExpandEnvironmentStringsW(w, NULL, 0);
	wide = heap_new(n * sizeof(WCHAR));
	if (wide) {
		ExpandEnvironmentStringsW(w, wide, n);
		ansi_result(wide, n - 1, out, room);
	} else {
		n = 0;
		fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	heap_delete(wide);
	heap_delete(w);
	return n;
}
