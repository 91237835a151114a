/*
 * The registry: its predefined keys are there and nothing is in them. What looks for something is
 * told ERROR_FILE_NOT_FOUND or ERROR_NO_MORE_ITEMS, what would make something ERROR_ACCESS_DENIED.
 */
#include "guest/user/include/nt.h"

/* There is nothing here that a parameter could make a difference to. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static BOOL predefined(HKEY key)
{
	return (ULONG_PTR)key >> 31 == (ULONG_PTR)HKEY_CLASSES_ROOT >> 31;
}

static LSTATUS open_key(HKEY key, BOOL named, PHKEY out)
{
	*out = NULL;
	if (!predefined(key))
		return ERROR_INVALID_HANDLE;
	if (named)
		return ERROR_FILE_NOT_FOUND;
	*out = key;
	return ERROR_SUCCESS;
}

LSTATUS WINAPI RegCloseKey(HKEY key)
{
	return predefined(key) ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
}

LSTATUS WINAPI RegFlushKey(HKEY key)
{
	return predefined(key) ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
}

LSTATUS WINAPI RegOpenCurrentUser(REGSAM access, PHKEY out)
{
	*out = HKEY_CURRENT_USER;
	return ERROR_SUCCESS;
}

LSTATUS WINAPI RegOpenKeyExA(HKEY key, LPCSTR name, DWORD options, REGSAM access, PHKEY out)
{
	return open_key(key, name && *name, out);
}

LSTATUS WINAPI RegOpenKeyExW(HKEY key, LPCWSTR name, DWORD options, REGSAM access, PHKEY out)
{
	return open_key(key, name && *name, out);
}

LSTATUS WINAPI RegOpenKeyA(HKEY key, LPCSTR name, PHKEY out)
{
	return open_key(key, name && *name, out);
}

LSTATUS WINAPI RegOpenKeyW(HKEY key, LPCWSTR name, PHKEY out)
{
	return open_key(key, name && *name, out);
}

LSTATUS WINAPI RegCreateKeyExA(HKEY key, LPCSTR name, DWORD reserved, LPSTR class, DWORD options,
			       REGSAM access, const LPSECURITY_ATTRIBUTES attributes, PHKEY out,
			       LPDWORD disposition)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegCreateKeyExW(HKEY key, LPCWSTR name, DWORD reserved, LPWSTR class, DWORD options,
			       REGSAM access, const LPSECURITY_ATTRIBUTES attributes, PHKEY out,
			       LPDWORD disposition)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegCreateKeyA(HKEY key, LPCSTR name, PHKEY out)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegCreateKeyW(HKEY key, LPCWSTR name, PHKEY out)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegQueryValueExA(HKEY key, LPCSTR name, LPDWORD reserved, LPDWORD type, LPBYTE data,
				LPDWORD size)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegQueryValueExW(HKEY key, LPCWSTR name, LPDWORD reserved, LPDWORD type, LPBYTE data,
				LPDWORD size)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegGetValueA(HKEY key, LPCSTR name, LPCSTR value, DWORD flags, LPDWORD type,
			    PVOID data, LPDWORD size)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegGetValueW(HKEY key, LPCWSTR name, LPCWSTR value, DWORD flags, LPDWORD type,
			    PVOID data, LPDWORD size)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegSetValueExA(HKEY key, LPCSTR name, DWORD reserved, DWORD type, const BYTE *data,
			      DWORD size)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegSetValueExW(HKEY key, LPCWSTR name, DWORD reserved, DWORD type, const BYTE *data,
			      DWORD size)
{
	return ERROR_ACCESS_DENIED;
}

LSTATUS WINAPI RegDeleteKeyA(HKEY key, LPCSTR name)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegDeleteKeyW(HKEY key, LPCWSTR name)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegDeleteValueA(HKEY key, LPCSTR name)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegDeleteValueW(HKEY key, LPCWSTR name)
{
	return ERROR_FILE_NOT_FOUND;
}

LSTATUS WINAPI RegEnumKeyExA(HKEY key, DWORD index, LPSTR name, LPDWORD chars, LPDWORD reserved,
			     LPSTR class, LPDWORD class_chars, PFILETIME written)
{
	return ERROR_NO_MORE_ITEMS;
}

LSTATUS WINAPI RegEnumKeyExW(HKEY key, DWORD index, LPWSTR name, LPDWORD chars, LPDWORD reserved,
			     LPWSTR class, LPDWORD class_chars, PFILETIME written)
{
	return ERROR_NO_MORE_ITEMS;
}

LSTATUS WINAPI RegEnumValueA(HKEY key, DWORD index, LPSTR name, LPDWORD chars, LPDWORD reserved,
			     LPDWORD type, LPBYTE data, LPDWORD size)
{
	return ERROR_NO_MORE_ITEMS;
}

LSTATUS WINAPI RegEnumValueW(HKEY key, DWORD index, LPWSTR name, LPDWORD chars, LPDWORD reserved,
			     LPDWORD type, LPBYTE data, LPDWORD size)
{
	return ERROR_NO_MORE_ITEMS;
}
