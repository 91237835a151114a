/* The A forms of profile.c: names widened, answers narrowed. */
#include "guest/user/kernel32/k32.h"

struct names {
	PWSTR section, key, value, file;
};

static BOOL widen(struct names *n, LPCSTR section, LPCSTR key, LPCSTR value, LPCSTR file)
{
	*n = (struct names){0};
	return wide_copy(section, &n->section) && wide_copy(key, &n->key) &&
	       wide_copy(value, &n->value) && wide_copy(file, &n->file);
}

static void discard(struct names *n)
{
	heap_delete(n->section);
	heap_delete(n->key);
	heap_delete(n->value);
	heap_delete(n->file);
}

/* An answer of n characters and its one or two terminators. */
static void narrow(PCWSTR from, DWORD n, DWORD ends, LPSTR out, DWORD room)
{
	DWORD chars = min(n + ends, room);
	ULONG got;

	RtlUnicodeToMultiByteN(out, chars, &got, from, chars * (ULONG)sizeof(WCHAR));
}

DWORD WINAPI GetPrivateProfileStringA(LPCSTR section, LPCSTR key, LPCSTR otherwise, LPSTR out,
				      DWORD room, LPCSTR file)
{
	PWSTR wide = heap_new((room + 2) * sizeof(WCHAR));
	struct names names;
	DWORD n = 0;

	if (wide && widen(&names, section, key, otherwise, file)) {
		memset(wide, 0, (room + 2) * sizeof(WCHAR));
		n = GetPrivateProfileStringW(names.section, names.key, names.value, wide, room,
					     names.file);
		narrow(wide, n, section && key ? 1 : 2, out, room);
		discard(&names);
	}
	heap_delete(wide);
	return n;
}

DWORD WINAPI GetPrivateProfileSectionNamesA(LPSTR out, DWORD room, LPCSTR file)
{
	return GetPrivateProfileStringA(NULL, NULL, NULL, out, room, file);
}

DWORD WINAPI GetPrivateProfileSectionA(LPCSTR section, LPSTR out, DWORD room, LPCSTR file)
{
	PWSTR wide = heap_new((room + 2) * sizeof(WCHAR));
	struct names names;
	DWORD n = 0;

	if (wide && widen(&names, section, NULL, NULL, file)) {
		memset(wide, 0, (room + 2) * sizeof(WCHAR));
		n = GetPrivateProfileSectionW(names.section, wide, room, names.file);
		if (out)
			narrow(wide, n, 2, out, room);
		discard(&names);
	}
	heap_delete(wide);
	return n;
}

UINT WINAPI GetPrivateProfileIntA(LPCSTR section, LPCSTR key, INT otherwise, LPCSTR file)
{
	UINT v = (UINT)otherwise;
	struct names names;

	if (widen(&names, section, key, NULL, file))
		v = GetPrivateProfileIntW(names.section, names.key, otherwise, names.file);
	discard(&names);
	return v;
}

WINBOOL WINAPI WritePrivateProfileStringA(LPCSTR section, LPCSTR key, LPCSTR value, LPCSTR file)
{
	struct names names;
	BOOL ok = widen(&names, section, key, value, file) &&
		  WritePrivateProfileStringW(names.section, names.key, names.value, names.file);

	discard(&names);
	return ok;
}

WINBOOL WINAPI WritePrivateProfileSectionA(LPCSTR section, LPCSTR lines, LPCSTR file)
{
	SIZE_T n = 0;
	PWSTR wide = NULL;
	struct names names;
	ULONG got;
	BOOL ok = widen(&names, section, NULL, NULL, file);

	if (ok && lines) {
		while (lines[n])
			n += strlen(lines + n) + 1;
		n++;
		wide = heap_new(n * sizeof(WCHAR));
		ok = wide || fail(ERROR_NOT_ENOUGH_MEMORY);
		if (ok)
			RtlMultiByteToUnicodeN(wide, (ULONG)(n * sizeof(WCHAR)), &got, lines,
					       (ULONG)n);
	}
	ok = ok && WritePrivateProfileSectionW(names.section, wide, names.file);
	heap_delete(wide);
	discard(&names);
	return ok;
}
