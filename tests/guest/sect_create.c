/*
 * Section objects: NtCreateSection, NtCreateSectionEx, NtOpenSection, NtQuerySection,
 * NtExtendSection and CreateFileMapping, OpenFileMapping: arguments, attributes, names, rights,
 * sizes, statuses.
 */
#include "tests/guest/sect.h"

#define ACCESS_ALL (SECTION_ALL_ACCESS)

static HANDLE file_of_page, empty, program;

static void attributes_of_pagefile_sections(void)
{
	static const struct {
		ULONG flags, reported;
		LONG status;
	} row[] = {
	    {SEC_COMMIT, SEC_COMMIT, 0},
	    {SEC_RESERVE, SEC_RESERVE, 0},
	    {SEC_COMMIT | SEC_NOCACHE, SEC_COMMIT | SEC_NOCACHE, 0},
	    {SEC_RESERVE | SEC_NOCACHE, SEC_RESERVE | SEC_NOCACHE, 0},
	    {SEC_COMMIT | SEC_WRITECOMBINE_, SEC_COMMIT | SEC_WRITECOMBINE_, 0},
	    {SEC_RESERVE | SEC_WRITECOMBINE_, SEC_RESERVE | SEC_WRITECOMBINE_, 0},
	    {0, 0, ST_INVALID_PARAMETER_6},
	    {SEC_RESERVE | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_NOCACHE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_WRITECOMBINE_, 0, ST_INVALID_PARAMETER_6},
	    {SEC_LARGE_PAGES_, 0, ST_INVALID_PARAMETER_6},
	    {SEC_FILE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_FILE | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_LARGE_PAGES_ | SEC_RESERVE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE | SEC_RESERVE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE | SEC_WRITECOMBINE_, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE, 0, ST_INVALID_FILE_FOR_SECTION},
	};
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct section_basic b;
		LONG st;
		HANDLE h = new_section(PAGE, PAGE_READWRITE, row[i].flags, NULL, &st);
		if (st != row[i].status)
			printf("attributes 0x%lx:\n", row[i].flags);
		CHECK_EQ((ULONG)st, (ULONG)row[i].status);
		if (!h)
			continue;
		CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
		CHECK_EQ(b.attributes, row[i].reported);
		CHECK_EQ(b.size.QuadPart, PAGE);
		CHECK_EQ(b.base, NULL);
		CloseHandle(h);
	}
}

static void attributes_of_file_sections(void)
{
	static const struct {
		ULONG flags, reported;
		LONG status;
	} row[] = {
	    {SEC_COMMIT, SEC_FILE, 0},
	    {SEC_RESERVE, SEC_FILE, 0},
	    {SEC_COMMIT | SEC_NOCACHE, SEC_FILE | SEC_NOCACHE, 0},
	    {SEC_RESERVE | SEC_NOCACHE, SEC_FILE | SEC_NOCACHE, 0},
	    {SEC_COMMIT | SEC_WRITECOMBINE_, SEC_FILE | SEC_WRITECOMBINE_, 0},
	    {SEC_RESERVE | SEC_WRITECOMBINE_, SEC_FILE | SEC_WRITECOMBINE_, 0},
	    {SEC_RESERVE | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_NOCACHE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_FILE, 0, ST_INVALID_PARAMETER_6},
	    {SEC_LARGE_PAGES_ | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE | SEC_COMMIT, 0, ST_INVALID_PARAMETER_6},
	    {SEC_IMAGE, 0, ST_INVALID_IMAGE_NOT_MZ},
	};
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct section_basic b;
		LONG st;
		HANDLE h = new_section(0, PAGE_READONLY, row[i].flags, file_of_page, &st);
		if (st != row[i].status)
			printf("attributes 0x%lx:\n", row[i].flags);
		CHECK_EQ((ULONG)st, (ULONG)row[i].status);
		if (!h)
			continue;
		CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
		CHECK_EQ(b.attributes, row[i].reported);
		CHECK_EQ(b.size.QuadPart, UNALIGNED_SIZE);
		CloseHandle(h);
	}
	CHECK_EQ((ULONG)create_status(0, PAGE_READONLY, SEC_COMMIT, empty),
		 (ULONG)ST_MAPPED_FILE_SIZE_ZERO);
	CHECK_EQ((ULONG)create_status(0, PAGE_READONLY, SEC_IMAGE, empty),
		 (ULONG)ST_INVALID_FILE_FOR_SECTION);
	CHECK_EQ((ULONG)create_status(0, PAGE_READONLY, SEC_COMMIT, (HANDLE)0xabcd),
		 (ULONG)ST_INVALID_HANDLE);
	CHECK_EQ((ULONG)create_status(0, PAGE_READONLY, SEC_COMMIT, SELF),
		 (ULONG)ST_OBJECT_TYPE_MISMATCH);
}

static void image_sections(void)
{
	struct section_image i;
	struct section_basic b;
	IMAGE_NT_HEADERS64 *nt;
	unsigned char *module = (unsigned char *)GetModuleHandleA(NULL),
		      *own = (unsigned char *)(ULONG_PTR)image_sections;
	SIZE_T returned = 0, size = 0, was_size;
	LONG st;
	void *base = NULL, *other = NULL;
	HANDLE h = new_section(0, PAGE_EXECUTE_READ, SEC_IMAGE, program, &st);
	DWORD file_size = GetFileSize(program, NULL);

	CHECK_EQ(st, 0);
	nt = (IMAGE_NT_HEADERS64 *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
	CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), &returned), 0);
	CHECK_EQ(returned, sizeof(b));
	CHECK_EQ(b.attributes, SEC_FILE | SEC_IMAGE);
	CHECK_EQ(b.size.QuadPart, nt->OptionalHeader.SizeOfImage);
	CHECK_EQ(NtQuerySection(h, 1, &i, sizeof(i), &returned), 0);
	CHECK_EQ(returned, 64);
	CHECK_EQ(i.machine, IMAGE_FILE_MACHINE_AMD64);
	CHECK_EQ(i.subsystem, nt->OptionalHeader.Subsystem);
	CHECK_EQ(i.stack_reserve, nt->OptionalHeader.SizeOfStackReserve);
	CHECK_EQ(i.stack_commit, nt->OptionalHeader.SizeOfStackCommit);
	CHECK_EQ(i.characteristics, nt->FileHeader.Characteristics);
	CHECK_EQ(i.dll_characteristics, nt->OptionalHeader.DllCharacteristics);
	CHECK_EQ(i.checksum, nt->OptionalHeader.CheckSum);
	CHECK_EQ(i.file_size, file_size);
	CHECK_EQ(i.contains_code, TRUE);
	CHECK_EQ((unsigned char *)i.entry, module + nt->OptionalHeader.AddressOfEntryPoint);

	/* The program itself lies at the image's base: a second view goes elsewhere, and is not it.
	 */
	st = NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, 1, 0, PAGE_READONLY);
	CHECK_EQ((ULONG)st, ST_IMAGE_NOT_AT_BASE);
	CHECK(base != module);
	CHECK_EQ(size, (nt->OptionalHeader.SizeOfImage + PAGE - 1) & ~(SIZE_T)(PAGE - 1));
	was_size = size;
	CHECK_EQ(basic(base).Type, MEM_IMAGE);
	CHECK_EQ(basic(base).AllocationProtect, PAGE_EXECUTE_WRITECOPY);
	CHECK_EQ(basic(base).Protect, PAGE_READONLY);
	CHECK_EQ(basic((char *)base + (own - module)).Protect, PAGE_EXECUTE_READ);
	CHECK(!memcmp((char *)base + (own - module), own, 64));
	CHECK_EQ(NtAreMappedFilesTheSame(base, module), 0);
	size = 0;
	CHECK_EQ((ULONG)NtMapViewOfSection(h, SELF, &other, 0, 0, NULL, &size, 1, 0, PAGE_READONLY),
		 ST_IMAGE_NOT_AT_BASE);
	CHECK(other != base);
	CHECK_EQ(size, was_size);
	CHECK_EQ(NtUnmapViewOfSection(SELF, (char *)other + 0x1234), 0);
	CHECK_EQ(basic(other).State, MEM_FREE);
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	CloseHandle(h);

	/* No code runs from an image mapped so. */
	CHECK_EQ((ULONG)create_status(0, PAGE_EXECUTE_READ, SEC_NO_EXECUTE_IMAGE, program),
		 (ULONG)ST_INVALID_PAGE_PROTECTION);
	h = new_section(0, PAGE_READONLY, SEC_NO_EXECUTE_IMAGE, program, &st);
	CHECK_EQ(st, 0);
	base = NULL;
	size = 0;
	st = NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, 1, 0, PAGE_READONLY);
	CHECK(st >= 0);
	CHECK_EQ(basic((char *)base + (own - module)).Protect, PAGE_READONLY);
	CHECK(try_read((char *)base + (own - module)));
	CHECK(!try_execute((char *)base + (own - module)));
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	CloseHandle(h);
	h = new_section(PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	CHECK_EQ((ULONG)NtQuerySection(h, 1, &i, sizeof(i), NULL), (ULONG)ST_SECTION_NOT_IMAGE);
	CHECK_EQ((ULONG)NtQuerySection(h, 1, &i, sizeof(i) + 1, NULL), (ULONG)ST_SECTION_NOT_IMAGE);
	CHECK_EQ((ULONG)NtQuerySection(h, 1, &i, sizeof(i) + (1ull << 36), NULL),
		 (ULONG)ST_ACCESS_VIOLATION); /* all of the buffer is probed */
	CHECK_EQ((ULONG)NtQuerySection(h, 1, &i, sizeof(i) - 1, NULL),
		 (ULONG)ST_INFO_LENGTH_MISMATCH);
	CloseHandle(h);
}

static void protections(void)
{
	static const ULONG good[] = {
	    PAGE_READONLY,	    PAGE_READWRITE,	    PAGE_WRITECOPY, PAGE_EXECUTE_READ,
	    PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE};
	static const ULONG bad[] = {0,
				    PAGE_NOACCESS,
				    PAGE_READONLY | PAGE_READWRITE,
				    PAGE_READWRITE | PAGE_GUARD,
				    PAGE_READWRITE | PAGE_NOCACHE,
				    PAGE_READWRITE | PAGE_WRITECOMBINE,
				    0x800,
				    0xff};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_EQ((ULONG)create_status(PAGE, good[i], SEC_COMMIT, NULL), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ((ULONG)create_status(PAGE, bad[i], SEC_COMMIT, NULL),
			 (ULONG)ST_INVALID_PAGE_PROTECTION);
	for (ULONG p = 1; p < 0x100; p <<= 1) {
		HANDLE h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, p, 0, PAGE, NULL);
		if (p == PAGE_NOACCESS || p == PAGE_EXECUTE) {
			CHECK(!h);
			CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
		} else {
			CHECK(h != NULL);
		}
		if (h)
			CloseHandle(h);
	}
}

/* What the file's handle must be able to do. */
static void file_access(void)
{
	enum { R = FILE_READ_DATA, W = FILE_WRITE_DATA, X = FILE_EXECUTE };
	static const struct {
		ULONG protect, need;
	} row[] = {
	    {PAGE_READONLY, R},
	    {PAGE_WRITECOPY, R},
	    {PAGE_READWRITE, R | W},
	    {PAGE_EXECUTE_READ, R | X},
	    {PAGE_EXECUTE_WRITECOPY, R | X},
	    {PAGE_EXECUTE_READWRITE, R | W | X},
	};
	char path[MAX_PATH];
	HANDLE h = temp_file(path, 0, PAGE);
	CloseHandle(h);
	for (ULONG have = 0; have < 8; have++) {
		ULONG access = (have & 1 ? R : 0) | (have & 2 ? W : 0) | (have & 4 ? X : 0);
		h = CreateFileA(path, access | SYNCHRONIZE, 7, NULL, OPEN_EXISTING, 0, NULL);
		CHECK(h != INVALID_HANDLE_VALUE);
		for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
			LONG st = create_status(0, row[i].protect, SEC_COMMIT, h);
			LONG want = (access & row[i].need) == row[i].need ? 0 : ST_ACCESS_DENIED;
			if (st != want)
				printf("file access 0x%lx, protection 0x%lx:\n", access,
				       row[i].protect);
			CHECK_EQ((ULONG)st, (ULONG)want);
		}
		CloseHandle(h);
	}
	CHECK(DeleteFileA(path));
}

static void sizes(void)
{
	char path[MAX_PATH];
	LARGE_INTEGER size;
	struct section_basic b;
	HANDLE h, f = temp_file(path, 0, 3 * PAGE);
	LONG st;
	DWORD n;

	CHECK_EQ((ULONG)create_status(0, PAGE_READWRITE, SEC_COMMIT, NULL),
		 (ULONG)ST_INVALID_PARAMETER_4);
	CHECK(!CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0, NULL));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	h = new_section(UNALIGNED_SIZE, PAGE_READWRITE, SEC_COMMIT, NULL, &st);
	CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.size.QuadPart, PAGE);
	CloseHandle(h);
	CHECK_EQ((ULONG)create_status(1ull << 45, PAGE_READWRITE, SEC_COMMIT, NULL),
		 (ULONG)ST_SECTION_TOO_BIG);
	CHECK_EQ((ULONG)create_status(1ull << 40, PAGE_READWRITE, SEC_COMMIT, NULL),
		 (ULONG)ST_COMMITMENT_LIMIT);

	/* Smaller than the file; larger: only what may be written grows. */
	h = new_section(PAGE + 1, PAGE_READONLY, SEC_COMMIT, f, &st);
	CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.size.QuadPart, PAGE + 1);
	CloseHandle(h);
	CHECK_EQ((ULONG)create_status(4 * PAGE, PAGE_READONLY, SEC_COMMIT, f),
		 (ULONG)ST_SECTION_TOO_BIG);
	CHECK_EQ((ULONG)create_status(4 * PAGE, PAGE_WRITECOPY, SEC_COMMIT, f),
		 (ULONG)ST_SECTION_TOO_BIG);
	CHECK(!CreateFileMappingA(f, NULL, PAGE_READONLY, 0, 4 * PAGE, NULL));
	CHECK_EQ(GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
	h = new_section(4 * PAGE + 7, PAGE_READWRITE, SEC_COMMIT, f, &st);
	CHECK_EQ(st, 0);
	CHECK_EQ(GetFileSize(f, NULL), 4 * PAGE + 7);
	CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.size.QuadPart, 4 * PAGE + 7);

	/* NtExtendSection */
	size.QuadPart = PAGE;
	CHECK_EQ(NtExtendSection(h, &size), 0);
	CHECK_EQ(size.QuadPart, 4 * PAGE + 7);
	size.QuadPart = 40 * PAGE;
	CHECK_EQ(NtExtendSection(h, &size), 0);
	CHECK_EQ(size.QuadPart, 40 * PAGE);
	CHECK_EQ(GetFileSize(f, NULL), 40 * PAGE);
	CHECK_EQ(NtQuerySection(h, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.size.QuadPart, 40 * PAGE);
	{
		unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);
		CHECK_EQ(v[2 * PAGE], 3);
		CHECK_EQ(v[39 * PAGE], 0);
		v[39 * PAGE] = 77;
		size.QuadPart = 400 * PAGE; /* while it is mapped */
		CHECK_EQ(NtExtendSection(h, &size), 0);
		CHECK_EQ(v[39 * PAGE], 77);
		CHECK_EQ(v[2 * PAGE], 3);
		CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
		v = map(h, 0, 0, PAGE_READWRITE, NULL);
		CHECK_EQ(v[39 * PAGE], 77);
		CHECK_EQ(v[399 * PAGE], 0);
		CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	}
	{
		HANDLE less = with_access(h, SECTION_ALL_ACCESS & ~SECTION_EXTEND_SIZE);
		size.QuadPart = 401 * PAGE;
		CHECK_EQ((ULONG)NtExtendSection(less, &size), (ULONG)ST_ACCESS_DENIED);
		CloseHandle(less);
	}
	CloseHandle(h);
	h = new_section(PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	size.QuadPart = 2 * PAGE;
	CHECK_EQ((ULONG)NtExtendSection(h, &size), (ULONG)ST_SECTION_NOT_EXTENDED);
	CloseHandle(h);
	SetFilePointer(f, 0, NULL, FILE_BEGIN);
	CHECK(ReadFile(f, path, 1, &n, NULL));
	CHECK_EQ(path[0], 1);
	CloseHandle(f);

	/* An empty file is extended, too. */
	f = temp_file(NULL, DELETE, 0);
	CHECK(!CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0, NULL));
	CHECK_EQ(GetLastError(), ERROR_FILE_INVALID);
	h = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0x12345, NULL);
	CHECK(h != NULL);
	CHECK_EQ(GetFileSize(f, NULL), 0x12345);
	CloseHandle(h);
	CloseHandle(f);
}

static void bad_pointers(void)
{
	LARGE_INTEGER size;
	HANDLE h = NULL;
	struct section_basic b;
	struct nt_name n;
	void *reserved = allocate(PAGE, MEM_RESERVE, PAGE_READWRITE);
	size.QuadPart = PAGE;
	CHECK_EQ((ULONG)NtCreateSection(reserved, ACCESS_ALL, NULL, &size, PAGE_READWRITE,
					SEC_COMMIT, NULL),
		 (ULONG)ST_ACCESS_VIOLATION);
	CHECK_EQ((ULONG)NtCreateSection(&h, ACCESS_ALL, NULL, reserved, PAGE_READWRITE, SEC_COMMIT,
					NULL),
		 (ULONG)ST_ACCESS_VIOLATION);
	CHECK_EQ((ULONG)NtCreateSection(&h, ACCESS_ALL, reserved, &size, PAGE_READWRITE, SEC_COMMIT,
					NULL),
		 (ULONG)ST_ACCESS_VIOLATION);
	CHECK_EQ(
	    (ULONG)NtOpenSection(reserved, ACCESS_ALL, nt_name(&n, L"\\BaseNamedObjects\\x", 0)),
	    (ULONG)ST_ACCESS_VIOLATION);
	h = new_section(PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	CHECK_EQ((ULONG)NtQuerySection(h, 0, reserved, sizeof(b), NULL),
		 (ULONG)ST_ACCESS_VIOLATION);
	CHECK_EQ((ULONG)NtQuerySection(h, 0, &b, sizeof(b) - 1, NULL),
		 (ULONG)ST_INFO_LENGTH_MISMATCH);
	CHECK_EQ((ULONG)NtQuerySection(h, 0, &b, 200, NULL), 0);
	CHECK_EQ((ULONG)NtQuerySection(h, 99, &b, sizeof(b), NULL), (ULONG)ST_INVALID_INFO_CLASS);
	CHECK_EQ((ULONG)NtQuerySection(SELF, 0, &b, sizeof(b), NULL),
		 (ULONG)ST_OBJECT_TYPE_MISMATCH);
	CloseHandle(h);
	CHECK_EQ((ULONG)NtQuerySection(h, 0, &b, sizeof(b), NULL), (ULONG)ST_INVALID_HANDLE);
	CHECK_EQ(release(reserved), 0);
}

static LONG create_named(HANDLE *h, const WCHAR *name, ULONG flags, ULONG size)
{
	LARGE_INTEGER max;
	struct nt_name n;
	max.QuadPart = size;
	*h = NULL;
	return NtCreateSection(h, ACCESS_ALL, nt_name(&n, name, flags), &max, PAGE_READWRITE,
			       SEC_COMMIT, NULL);
}

static LONG open_nt(HANDLE *h, const WCHAR *name, ULONG flags, ACCESS_MASK access)
{
	struct nt_name n;
	*h = NULL;
	return NtOpenSection(h, access, nt_name(&n, name, flags));
}

static void nt_names(void)
{
	static const WCHAR name[] = L"\\BaseNamedObjects\\ntmm_Section";
	struct section_basic b;
	HANDLE a, c, e;
	DWORD handles, after;

	CHECK_EQ((ULONG)create_named(&a, name, 0, PAGE), 0);
	CHECK_EQ((ULONG)create_named(&c, name, 0, PAGE), (ULONG)ST_OBJECT_NAME_COLLISION);
	CHECK_EQ(c, NULL);
	CHECK_EQ((ULONG)create_named(&c, name, OBJ_OPENIF, 5 * PAGE), ST_OBJECT_NAME_EXISTS);
	CHECK_EQ(NtQuerySection(c, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.size.QuadPart, PAGE);
	CloseHandle(c);
	GetProcessHandleCount(SELF, &handles);
	for (int i = 0; i < 10; i++)
		CHECK_EQ((ULONG)create_named(&c, name, 0, PAGE), (ULONG)ST_OBJECT_NAME_COLLISION);
	GetProcessHandleCount(SELF, &after);
	CHECK_EQ(after, handles);
	CHECK_EQ((ULONG)open_nt(&c, name, 0, SECTION_MAP_READ), 0);
	CHECK_EQ((ULONG)NtQuerySection(c, 0, &b, sizeof(b), NULL), (ULONG)ST_ACCESS_DENIED);
	CloseHandle(c);
	CHECK_EQ((ULONG)open_nt(&c, L"\\BaseNamedObjects\\NTMM_section", 0, SECTION_QUERY),
		 (ULONG)ST_OBJECT_NAME_NOT_FOUND);
	CHECK_EQ((ULONG)open_nt(&c, L"\\BaseNamedObjects\\NTMM_section", OBJ_CASE_INSENSITIVE,
				SECTION_QUERY),
		 0);
	CloseHandle(c);
	CHECK_EQ((ULONG)open_nt(&c, L"\\BaseNamedObjects\\ntmm_none", 0, SECTION_QUERY),
		 (ULONG)ST_OBJECT_NAME_NOT_FOUND);
	CHECK_EQ((ULONG)open_nt(&c, L"\\NoSuchFolder\\x", 0, SECTION_QUERY),
		 (ULONG)ST_OBJECT_PATH_NOT_FOUND);
	CHECK_EQ((ULONG)open_nt(&c, L"x", 0, SECTION_QUERY), (ULONG)ST_OBJECT_PATH_SYNTAX_BAD);

	e = CreateEventA(NULL, FALSE, FALSE, "ntmm_Event");
	CHECK_EQ((ULONG)create_named(&c, L"\\BaseNamedObjects\\ntmm_Event", 0, PAGE),
		 (ULONG)ST_OBJECT_NAME_COLLISION);
	CHECK_EQ((ULONG)create_named(&c, L"\\BaseNamedObjects\\ntmm_Event", OBJ_OPENIF, PAGE),
		 (ULONG)ST_OBJECT_TYPE_MISMATCH);
	CHECK_EQ((ULONG)open_nt(&c, L"\\BaseNamedObjects\\ntmm_Event", 0, SECTION_QUERY),
		 (ULONG)ST_OBJECT_TYPE_MISMATCH);
	CloseHandle(e);

	/* The name goes with the last handle; a view keeps the memory. */
	{
		unsigned char *v = map(a, 0, 0, PAGE_READWRITE, NULL), *w;
		*v = 42;
		CloseHandle(a);
		CHECK_EQ((ULONG)open_nt(&c, name, 0, SECTION_QUERY),
			 (ULONG)ST_OBJECT_NAME_NOT_FOUND);
		CHECK_EQ((ULONG)create_named(&a, name, 0, PAGE), 0);
		w = map(a, 0, 0, PAGE_READWRITE, NULL);
		CHECK_EQ(*w, 0);
		CHECK_EQ(*v, 42);
		NtUnmapViewOfSection(SELF, v);
		NtUnmapViewOfSection(SELF, w);
		CloseHandle(a);
	}
}

static void win32_names(void)
{
	HANDLE a, b, c;

	SetLastError(1234);
	a = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE,
			       "Local\\ntmm Shared");
	CHECK(a != NULL);
	CHECK_EQ(GetLastError(), 0);
	b = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READONLY, 0, 9 * PAGE,
			       "ntmm Shared");
	CHECK(b != NULL);
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	c = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, "Local\\ntmm Shared");
	CHECK(c != NULL);
	CloseHandle(c);
	c = OpenFileMappingW(FILE_MAP_READ, FALSE, L"Session\\1\\ntmm Shared");
	if (!c) /* in this session only; not every system lets one name it so */
		CHECK(GetLastError() == ERROR_PATH_NOT_FOUND ||
		      GetLastError() == ERROR_FILE_NOT_FOUND ||
		      GetLastError() == ERROR_ACCESS_DENIED ||
		      GetLastError() == ERROR_BAD_PATHNAME);
	else
		CloseHandle(c);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "Local\\NTMM shared"));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "Local\\none of that name"));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, NULL));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "no\\such folder"));
	CHECK_EQ(GetLastError(), ERROR_PATH_NOT_FOUND);
	CloseHandle(a);
	CloseHandle(b);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "ntmm Shared"));

	a = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE,
			       L"Global\\ntmm G");
	CHECK(a != NULL);
	b = OpenFileMappingW(FILE_MAP_WRITE, FALSE, L"Global\\ntmm G");
	CHECK(b != NULL);
	CloseHandle(b);
	CHECK(!OpenFileMappingW(FILE_MAP_WRITE, FALSE, L"Global\\ntmm g"));
	CloseHandle(a);
	/* A name that is another kind of object's. */
	a = CreateMutexA(NULL, FALSE, "ntmm mutex");
	CHECK(
	    !CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, "ntmm mutex"));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "ntmm mutex"));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CloseHandle(a);
}

/* Threads that create, open and close one name: no handle may leak, none be lost. */
static DWORD WINAPI name_racer(void *context)
{
	LONG *bad = context;
	for (int i = 0; i < 300; i++) {
		HANDLE h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE,
					      "ntmm race");
		HANDLE o;
		DWORD e = GetLastError();
		if (!h || (e && e != ERROR_ALREADY_EXISTS)) {
			InterlockedIncrement(bad);
			continue;
		}
		o = OpenFileMappingA(FILE_MAP_READ, FALSE, "ntmm race");
		if (!o)
			InterlockedIncrement(bad);
		else
			CloseHandle(o);
		CloseHandle(h);
	}
	return 0;
}

static void name_race(void)
{
	HANDLE t[4];
	LONG bad = 0;
	DWORD before, after;
	GetProcessHandleCount(SELF, &before);
	for (int i = 0; i < 4; i++)
		t[i] = CreateThread(NULL, 0, name_racer, &bad, 0, NULL);
	WaitForMultipleObjects(4, t, TRUE, INFINITE);
	for (int i = 0; i < 4; i++)
		CloseHandle(t[i]);
	GetProcessHandleCount(SELF, &after);
	CHECK_EQ(bad, 0);
	CHECK_EQ(after, before);
	CHECK(!OpenFileMappingA(FILE_MAP_READ, FALSE, "ntmm race"));
}

static void create_ex(void)
{
	struct extended_parameter p[2] = {{2, 0}, {2, 0}}; /* NumaNode */
	LARGE_INTEGER size;
	HANDLE h = NULL;
	LONG st;
	size.QuadPart = PAGE;
	st = NtCreateSectionEx(&h, ACCESS_ALL, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL, NULL,
			       0);
	CHECK_EQ((ULONG)st, 0);
	CloseHandle(h);
	CHECK_EQ((ULONG)NtCreateSectionEx(&h, ACCESS_ALL, NULL, &size, PAGE_READWRITE, SEC_COMMIT,
					  NULL, NULL, 1),
		 (ULONG)ST_INVALID_PARAMETER);
	h = NULL;
	CHECK_EQ((ULONG)NtCreateSectionEx(&h, ACCESS_ALL, NULL, &size, PAGE_READWRITE, SEC_COMMIT,
					  NULL, p, 2),
		 (ULONG)ST_INVALID_PARAMETER);
	p[0].type = 1; /* SectionNumaNode is an extended parameter of its own */
	CHECK_EQ((ULONG)create_status(PAGE, PAGE_READWRITE, SEC_COMMIT | SEC_BASED_, NULL),
		 (ULONG)ST_INVALID_PARAMETER_6);
}

int main(void)
{
	char path[MAX_PATH];

	probes_begin();
	file_of_page = temp_file(NULL, DELETE, UNALIGNED_SIZE);
	empty = temp_file(NULL, DELETE, 0);
	GetModuleFileNameA(NULL, path, sizeof(path));
	program = CreateFileA(path, GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ, NULL,
			      OPEN_EXISTING, 0, NULL);
	CHECK(program != INVALID_HANDLE_VALUE);
	attributes_of_pagefile_sections();
	attributes_of_file_sections();
	image_sections();
	protections();
	file_access();
	sizes();
	bad_pointers();
	nt_names();
	win32_names();
	name_race();
	create_ex();
	return checks_end();
}
