/*
 * Atoms: one table, local and global alike. Numbers below 0xC000 are names of the form "#n".
 */
#include "guest/user/kernel32/k32.h"

#define FIRST_ATOM 0xc000
#define MAX_ATOMS  1024

static RTL_SRWLOCK atoms_lock;
static struct atom {
	PWSTR name;
	LONG refs;
} atoms[MAX_ATOMS];

static ATOM integer_atom(LPCWSTR name)
{
	ULONG n;

	if ((ULONG_PTR)name < 0x10000)
		return (ATOM)(ULONG_PTR)name;
	if (*name != '#')
		return 0;
	n = wcstoul(name + 1, NULL, 10);
	return n < FIRST_ATOM ? (ATOM)n : 0;
}

static ATOM find_atom(LPCWSTR name, BOOL add)
{
	int free_at = -1, found = -1;

	RtlAcquireSRWLockExclusive(&atoms_lock);
	for (int i = 0; i < MAX_ATOMS && found < 0; i++) {
		if (atoms[i].name && !_wcsicmp(atoms[i].name, name))
			found = i;
		else if (!atoms[i].name && free_at < 0)
			free_at = i;
	}
	if (add && found < 0 && free_at >= 0) {
		PWSTR copy = heap_new((wcslen(name) + 1) * sizeof(WCHAR));

		if (copy) {
			wcscpy(copy, name);
			atoms[free_at] = (struct atom){copy, 0};
			found = free_at;
		}
	}
	if (add && found >= 0)
		atoms[found].refs++;
	RtlReleaseSRWLockExclusive(&atoms_lock);
	if (found < 0)
		fail(add ? ERROR_NOT_ENOUGH_MEMORY : ERROR_FILE_NOT_FOUND);
	return found < 0 ? 0 : (ATOM)(FIRST_ATOM + found);
}

ATOM WINAPI GlobalAddAtomW(LPCWSTR name)
{
	ATOM a = integer_atom(name);

	if (a || (ULONG_PTR)name < 0x10000)
		return a;
	if (!*name || wcslen(name) > 255) {
		fail(*name ? ERROR_INVALID_PARAMETER : ERROR_INVALID_NAME);
		return 0;
	}
	return find_atom(name, TRUE);
}

ATOM WINAPI GlobalFindAtomW(LPCWSTR name)
{
	ATOM a = integer_atom(name);

	return a || (ULONG_PTR)name < 0x10000 ? a : find_atom(name, FALSE);
}

ATOM WINAPI GlobalDeleteAtom(ATOM a)
{
	PWSTR gone = NULL;
	BOOL ok = a < FIRST_ATOM;

	if (a >= FIRST_ATOM && a - FIRST_ATOM < MAX_ATOMS) {
		struct atom *t = &atoms[a - FIRST_ATOM];

		RtlAcquireSRWLockExclusive(&atoms_lock);
		ok = t->name != NULL;
		if (ok && !--t->refs) {
			gone = t->name;
			t->name = NULL;
		}
		RtlReleaseSRWLockExclusive(&atoms_lock);
	}
	heap_delete(gone);
	if (!ok)
		fail(ERROR_INVALID_HANDLE);
	return ok ? 0 : a;
}

UINT WINAPI GlobalGetAtomNameW(ATOM a, LPWSTR out, int room)
{
	WCHAR number[8];
	LPCWSTR name = NULL;
	UINT n = 0;

	if (room <= 0 || !a) {
		fail(room <= 0 ? ERROR_MORE_DATA : ERROR_INVALID_HANDLE);
		return 0;
	}
	RtlAcquireSRWLockShared(&atoms_lock);
	if (a < FIRST_ATOM) {
		_snwprintf(number, ARRAY_COUNT(number), L"#%u", a);
		name = number;
	} else if (a - FIRST_ATOM < MAX_ATOMS) {
		name = atoms[a - FIRST_ATOM].name;
	}
	if (name) {
		n = (UINT)min(wcslen(name), (SIZE_T)room - 1);
		memcpy(out, name, n * sizeof(WCHAR));
		out[n] = 0;
	}
	RtlReleaseSRWLockShared(&atoms_lock);
	if (!name)
		fail(ERROR_INVALID_HANDLE);
	return n;
}

static ATOM narrow_atom(ATOM(WINAPI *f)(LPCWSTR), LPCSTR name)
{
	PWSTR w;
	ATOM a;

	if ((ULONG_PTR)name < 0x10000)
		return f((LPCWSTR)name);
	if (!wide_copy(name, &w))
		return 0;
	a = f(w);
	heap_delete(w);
	return a;
}

ATOM WINAPI GlobalAddAtomA(LPCSTR name)
{
	return narrow_atom(GlobalAddAtomW, name);
}

ATOM WINAPI GlobalFindAtomA(LPCSTR name)
{
	return narrow_atom(GlobalFindAtomW, name);
}

UINT WINAPI GlobalGetAtomNameA(ATOM a, LPSTR out, int room)
{
	WCHAR wide[256];
	UINT n = GlobalGetAtomNameW(a, wide, ARRAY_COUNT(wide));

	if (!n)
		return 0;
	n = min(n, (UINT)room - 1);
	ansi_result(wide, n, out, (DWORD)room);
	return n;
}

WINBOOL WINAPI InitAtomTable(DWORD size)
{
	(void)size; /* it has room anyway */
	return TRUE;
}
