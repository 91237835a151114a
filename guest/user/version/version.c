/*
 * version.dll: the VS_VERSION_INFO resource of a file.
 *
 * It is a tree of blocks, each { bytes, bytes or characters of its value, 1 if that is text, name
 * }, then, aligned to four bytes each, the value and the children. VerQueryValueA narrows texts
 * into the second half of the buffer, so the size told is twice the resource's.
 */
#include "guest/user/include/nt.h"

#define RT_VERSION_	 MAKEINTRESOURCEW(16)
#define VS_VERSION_INFO_ MAKEINTRESOURCEW(1)
#define LOAD_AS_DATA	 (LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_IMAGE_RESOURCE)

__declspec(dllimport) HMODULE WINAPI LoadLibraryExW(LPCWSTR name, HANDLE file, DWORD flags);
__declspec(dllimport) WINBOOL WINAPI FreeLibrary(HMODULE m);
__declspec(dllimport) HRSRC WINAPI FindResourceW(HMODULE m, LPCWSTR name, LPCWSTR type);
__declspec(dllimport) HGLOBAL WINAPI LoadResource(HMODULE m, HRSRC r);
__declspec(dllimport) DWORD WINAPI SizeofResource(HMODULE m, HRSRC r);

struct block {
	WORD bytes, value, is_text;
	WCHAR name[];
};

static BOOL fail(DWORD error)
{
	NtCurrentTeb()->LastErrorValue = error;
	return FALSE;
}

static PWSTR widen(LPCSTR text)
{
	SIZE_T n = strlen(text) + 1;
	PWSTR w = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, n * sizeof(WCHAR));
	ULONG got;

	if (w)
		RtlMultiByteToUnicodeN(w, (ULONG)(n * sizeof(WCHAR)), &got, text, (ULONG)n);
	return w;
}

static void discard(PWSTR w)
{
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, w);
}

/* The resource's bytes, of the module that the caller frees; NULL with the last error set. */
static const void *open_resource(LPCWSTR file, HMODULE *m, DWORD *bytes)
{
	HRSRC r;

	*m = LoadLibraryExW(file, NULL, LOAD_LIBRARY_AS_DATAFILE);
	if (!*m)
		return NULL;
	r = FindResourceW(*m, VS_VERSION_INFO_, RT_VERSION_);
	if (!r) {
		FreeLibrary(*m);
		return NULL;
	}
	*bytes = SizeofResource(*m, r);
	return LoadResource(*m, r);
}

DWORD WINAPI GetFileVersionInfoSizeW(LPCWSTR file, LPDWORD unused);
DWORD WINAPI GetFileVersionInfoSizeW(LPCWSTR file, LPDWORD unused)
{
	DWORD bytes = 0;
	HMODULE m;

	if (unused)
		*unused = 0;
	if (!file || !open_resource(file, &m, &bytes))
		return 0;
	FreeLibrary(m);
	return bytes * 2;
}

WINBOOL WINAPI GetFileVersionInfoW(LPCWSTR file, DWORD unused, DWORD room, LPVOID data);
WINBOOL WINAPI GetFileVersionInfoW(LPCWSTR file, DWORD unused, DWORD room, LPVOID data)
{
	const void *resource;
	DWORD bytes;
	HMODULE m;

	(void)unused;
	if (!data)
		return fail(ERROR_INVALID_DATA);
	resource = file ? open_resource(file, &m, &bytes) : NULL;
	if (!resource)
		return FALSE;
	memset(data, 0, room);
	memcpy(data, resource, room < bytes ? room : bytes);
	FreeLibrary(m);
	return room >= bytes || fail(ERROR_INSUFFICIENT_BUFFER);
}

DWORD WINAPI GetFileVersionInfoSizeA(LPCSTR file, LPDWORD unused);
DWORD WINAPI GetFileVersionInfoSizeA(LPCSTR file, LPDWORD unused)
{
	PWSTR w = file ? widen(file) : NULL;
	DWORD bytes = GetFileVersionInfoSizeW(w, unused);

	discard(w);
	return bytes;
}

WINBOOL WINAPI GetFileVersionInfoA(LPCSTR file, DWORD unused, DWORD room, LPVOID data);
WINBOOL WINAPI GetFileVersionInfoA(LPCSTR file, DWORD unused, DWORD room, LPVOID data)
{
	PWSTR w = file ? widen(file) : NULL;
	BOOL ok = GetFileVersionInfoW(w, unused, room, data);

	discard(w);
	return ok;
}

/* Flags choose among languages; there is one. */
DWORD WINAPI GetFileVersionInfoSizeExW(DWORD flags, LPCWSTR file, LPDWORD unused);
DWORD WINAPI GetFileVersionInfoSizeExW(DWORD flags, LPCWSTR file, LPDWORD unused)
{
	(void)flags;
	return GetFileVersionInfoSizeW(file, unused);
}

DWORD WINAPI GetFileVersionInfoSizeExA(DWORD flags, LPCSTR file, LPDWORD unused);
DWORD WINAPI GetFileVersionInfoSizeExA(DWORD flags, LPCSTR file, LPDWORD unused)
{
	(void)flags;
	return GetFileVersionInfoSizeA(file, unused);
}

WINBOOL WINAPI GetFileVersionInfoExW(DWORD flags, LPCWSTR file, DWORD unused, DWORD room,
				     LPVOID data);
WINBOOL WINAPI GetFileVersionInfoExW(DWORD flags, LPCWSTR file, DWORD unused, DWORD room,
				     LPVOID data)
{
	(void)flags;
	return GetFileVersionInfoW(file, unused, room, data);
}

WINBOOL WINAPI GetFileVersionInfoExA(DWORD flags, LPCSTR file, DWORD unused, DWORD room,
				     LPVOID data);
WINBOOL WINAPI GetFileVersionInfoExA(DWORD flags, LPCSTR file, DWORD unused, DWORD room,
				     LPVOID data)
{
	(void)flags;
	return GetFileVersionInfoA(file, unused, room, data);
}

/* --- looking something up --- */

static const char *align4(const char *p, const void *start)
{
	return p + (-(ULONG_PTR)(p - (const char *)start) & 3);
}

static const char *value_of(const struct block *b, const void *start)
{
	return align4((const char *)(b->name + wcslen(b->name) + 1), start);
}

static ULONG value_bytes(const struct block *b)
{
	return b->is_text ? b->value * (ULONG)sizeof(WCHAR) : b->value;
}

/* The child whose name is the first `chars` characters of `name`. */
static const struct block *child(const struct block *b, const void *start, LPCWSTR name,
				 SIZE_T chars)
{
	const char *end = (const char *)b + b->bytes;
	const char *p = align4(value_of(b, start) + value_bytes(b), start);

	while (p + sizeof(struct block) < end) {
		const struct block *c = (const struct block *)p;

		if (!c->bytes)
			break;
		if (!_wcsnicmp(c->name, name, chars) && !c->name[chars])
			return c;
		p = align4(p + c->bytes, start);
	}
	return NULL;
}

static const struct block *find(const void *data, LPCWSTR path)
{
	const struct block *b = data;

	while (b && *path) {
		SIZE_T n;

		while (*path == '\\')
			path++;
		n = wcscspn(path, L"\\");
		if (n)
			b = child(b, data, path, n);
		path += n;
	}
	return b;
}

WINBOOL WINAPI VerQueryValueW(LPCVOID data, LPCWSTR path, LPVOID *value, PUINT length);
WINBOOL WINAPI VerQueryValueW(LPCVOID data, LPCWSTR path, LPVOID *value, PUINT length)
{
	const struct block *b = data ? find(data, path) : NULL;

	if (!b) {
		if (length)
			*length = 0;
		return fail(ERROR_RESOURCE_TYPE_NOT_FOUND);
	}
	*value = (LPVOID)value_of(b, data);
	if (length)
		*length = b->value;
	return TRUE;
}

WINBOOL WINAPI VerQueryValueA(LPCVOID data, LPCSTR path, LPVOID *value, PUINT length);
WINBOOL WINAPI VerQueryValueA(LPCVOID data, LPCSTR path, LPVOID *value, PUINT length)
{
	PWSTR w = widen(path);
	const struct block *b = w && data ? find(data, w) : NULL;
	const char *at;
	ULONG got;
	char *to;

	discard(w);
	if (!b) {
		if (length)
			*length = 0;
		return fail(ERROR_RESOURCE_TYPE_NOT_FOUND);
	}
	at = value_of(b, data);
	*value = (LPVOID)at;
	if (length)
		*length = b->value;
	if (b->is_text && b->value) {
		to = (char *)data + ((const struct block *)data)->bytes +
		     (at - (const char *)data) / 2;
		RtlUnicodeToMultiByteN(to, b->value, &got, (PCWSTR)at,
				       b->value * (ULONG)sizeof(WCHAR));
		*value = to;
	}
	return TRUE;
}
