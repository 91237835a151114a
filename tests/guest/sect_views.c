/*
 * Views of sections: NtMapViewOfSection and MapViewOfFile with their arguments, alignment, sizes,
 * rights and protections; NtProtectVirtualMemory on views; copy-on-write; reserved sections;
 * placeholders; what NtQueryVirtualMemory tells.
 */
#include "tests/guest/sect.h"
#include <psapi.h>

static const ULONG prots[] = {PAGE_NOACCESS,	      PAGE_READONLY,	     PAGE_READWRITE,
			      PAGE_WRITECOPY,	      PAGE_EXECUTE,	     PAGE_EXECUTE_READ,
			      PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};
enum { NPROTS = sizeof(prots) / sizeof(prots[0]) };

static LONG map_at(HANDLE h, void *at, ULONG_PTR zero_bits, ULONG64 offset, SIZE_T size,
		   ULONG inherit, ULONG type, ULONG protect)
{
	LARGE_INTEGER off;
	void *base = at;
	LONG st;
	off.QuadPart = (LONGLONG)offset;
	st = NtMapViewOfSection(h, SELF, &base, zero_bits, 0, &off, &size, inherit, type, protect);
	if (st >= 0)
		CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	return st;
}

static void arguments(void)
{
	HANDLE h = new_section(0x20000, PAGE_READWRITE, SEC_COMMIT, NULL, NULL), file, of_file;
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL), *private;
	SIZE_T size;
	void *base;
	LARGE_INTEGER off;
	LONG st;

	CHECK_EQ((ULONG_PTR)v & 0xffff, 0);
	CHECK_EQ(basic(v).RegionSize, 0x20000);
	CHECK_EQ(basic(v).Type, MEM_MAPPED);
	CHECK_EQ((ULONG)map_at(h, v, 0, 0, 0, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_CONFLICTING_ADDRESSES);
	CHECK_EQ((ULONG)map_at(h, v + 0x1000, 0, 0, 0, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_MAPPED_ALIGNMENT);
	CHECK_EQ((ULONG)map_at(h, v + 42, 0, 0, 0, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_MAPPED_ALIGNMENT);
	CHECK_EQ((ULONG)map_at(h, v, 0, 1, 0, 1, 0, PAGE_READWRITE), (ULONG)ST_MAPPED_ALIGNMENT);
	CHECK_EQ((ULONG)map_status(h, 0x1000, 0, PAGE_READWRITE), (ULONG)ST_MAPPED_ALIGNMENT);
	CHECK_EQ((ULONG)map_status(h, 0x10000, 0x10000, PAGE_READWRITE), 0);
	CHECK_EQ((ULONG)map_status(h, 0x10000, 0x10001, PAGE_READWRITE),
		 (ULONG)ST_INVALID_VIEW_SIZE);
	CHECK_EQ((ULONG)map_status(h, 0x20000, 0, PAGE_READWRITE), (ULONG)ST_INVALID_VIEW_SIZE);
	CHECK_EQ((ULONG)map_status(h, 0x30000, 1, PAGE_READWRITE), (ULONG)ST_INVALID_VIEW_SIZE);
	CHECK_EQ((ULONG)map_status(h, 0xffffffffffff0000ull, 0, PAGE_READWRITE),
		 (ULONG)ST_INVALID_VIEW_SIZE);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 0, 0, PAGE_READWRITE),
		 (ULONG)ST_INVALID_PARAMETER_8);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 3, 0, PAGE_READWRITE),
		 (ULONG)ST_INVALID_PARAMETER_8);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 2, 0, PAGE_READWRITE), 0);
	st = map_at(h, NULL, 0, 0, 0, 1, MEM_COMMIT, PAGE_READWRITE);
	CHECK(st == ST_INVALID_PARAMETER_9 || st == ST_INVALID_PARAMETER);
	st = map_at(h, NULL, 0, 0, 0, 1, 0x40000000,
		    PAGE_READWRITE); /* AT_ROUND_TO_PAGE: 32 bits only */
	CHECK(st == ST_INVALID_PARAMETER_9 || st == ST_INVALID_PARAMETER);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 1, MEM_TOP_DOWN, PAGE_READWRITE), 0);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 1, 0, 0), (ULONG)ST_INVALID_PAGE_PROTECTION);
	CHECK_EQ((ULONG)map_at(h, NULL, 0, 0, 0, 1, 0, 6), (ULONG)ST_INVALID_PAGE_PROTECTION);
	st = map_at(h, NULL, 22, 0, 0, 1, 0, PAGE_READWRITE);
	CHECK(st == ST_INVALID_PARAMETER_4 || st == ST_INVALID_PARAMETER);
	st = map_at(h, v + 0x100000, 12, 0, 0, 1, 0, PAGE_READWRITE);
	CHECK(st == ST_INVALID_PARAMETER_4 || st == ST_INVALID_PARAMETER);
	st = map_at(h, NULL, 21, 0, 0, 1, 0, PAGE_READWRITE);
	CHECK(st == ST_NO_MEMORY || st == ST_INVALID_PARAMETER);
	base = NULL;
	size = 0;
	off.QuadPart = 0;
	CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 1, 0, &off, &size, 1, 0, PAGE_READWRITE), 0);
	CHECK((ULONG_PTR)base < 0x80000000u);
	CHECK_EQ(size, 0x20000);
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	base = NULL;
	CHECK_EQ(
	    NtMapViewOfSection(h, SELF, &base, 0x3fffffff, 0, NULL, &size, 1, 0, PAGE_READWRITE),
	    0);
	CHECK((ULONG_PTR)base < 0x40000000u);
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	base = NULL;
	size = 0x1001; /* rounded up and told */
	CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE), 0);
	CHECK_EQ(size, 0x2000);
	CHECK_EQ(basic(base).RegionSize, 0x2000);
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	/* out of user space, and over its end */
	for (unsigned i = 0; i < 4; i++) {
		static const ULONG64 at[] = {0x7ffffffe0000, 0x7fffffff0000, 0xffff800000000000,
					     0xfffffffffff0000};
		st = map_at(h, (void *)at[i], 0, 0, 0, 1, 0, PAGE_READWRITE);
		CHECK(st == ST_INVALID_PARAMETER_3 || st == ST_INVALID_PARAMETER ||
		      st == ST_CONFLICTING_ADDRESSES);
	}
	CHECK_EQ((ULONG)map_at(NULL, NULL, 0, 0, 0, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_INVALID_HANDLE);
	CHECK_EQ((ULONG)map_at(SELF, NULL, 0, 0, 0, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_OBJECT_TYPE_MISMATCH);
	base = NULL;
	size = 0;
	CHECK_EQ((ULONG)NtMapViewOfSection(h, NULL, &base, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_INVALID_HANDLE);
	CHECK_EQ(
	    (ULONG)NtMapViewOfSection(h, SELF, (void *)1, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE),
	    (ULONG)ST_ACCESS_VIOLATION);
	CHECK_EQ((ULONG)NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, (SIZE_T *)1, 1, 0,
					   PAGE_READWRITE),
		 (ULONG)ST_ACCESS_VIOLATION);

	/* Win32's last errors */
	CHECK(!MapViewOfFileEx(h, FILE_MAP_WRITE, 0, 0, 0, v));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(!MapViewOfFileEx(h, FILE_MAP_WRITE, 0, 0, 0, v + 1));
	CHECK_EQ(GetLastError(), ERROR_MAPPED_ALIGNMENT);
	CHECK(!MapViewOfFile(h, FILE_MAP_WRITE, 0, 1, 0));
	CHECK_EQ(GetLastError(), ERROR_MAPPED_ALIGNMENT);
	CHECK(!MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0x20001));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!MapViewOfFile(h, FILE_MAP_WRITE, 1, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!MapViewOfFile(NULL, FILE_MAP_WRITE, 0, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);

	/* unmapping: any address within; nothing but views */
	private = allocate(PAGE, MEM_COMMIT, PAGE_READWRITE);
	CHECK_EQ((ULONG)NtUnmapViewOfSection(SELF, private), (ULONG)ST_NOT_MAPPED_VIEW);
	CHECK(!UnmapViewOfFile(private));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	release(private);
	CHECK_EQ((ULONG)NtUnmapViewOfSection(SELF, private), (ULONG)ST_NOT_MAPPED_VIEW);
	CHECK_EQ((ULONG)NtUnmapViewOfSection(SELF, NULL), (ULONG)ST_NOT_MAPPED_VIEW);
	CHECK_EQ((ULONG)NtUnmapViewOfSectionEx(SELF, v, 8), (ULONG)ST_INVALID_PARAMETER);
	size = 0;
	base = v;
	CHECK_EQ((ULONG)NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE),
		 (ULONG)ST_UNABLE_TO_DELETE_SECTION);
	CHECK_EQ((ULONG)NtFreeVirtualMemory(SELF, &base, &size, MEM_DECOMMIT),
		 (ULONG)ST_UNABLE_TO_DELETE_SECTION);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v + 0x1f123), 0);
	CHECK_EQ(basic(v).State, MEM_FREE);
	CHECK_EQ((ULONG)NtUnmapViewOfSection(SELF, v), (ULONG)ST_NOT_MAPPED_VIEW);
	CHECK_EQ((ULONG)map_at(h, v, 0, 0, 0, 1, 0, PAGE_READWRITE), 0); /* free again */
	CloseHandle(h);

	/* a file that does not end with a page: views neither */
	file = temp_file(NULL, DELETE, UNALIGNED_SIZE);
	of_file = new_section(0, PAGE_READONLY, SEC_COMMIT, file, NULL);
	CHECK_EQ((ULONG)map_status(of_file, 0, UNALIGNED_SIZE, PAGE_READONLY), 0);
	CHECK_EQ((ULONG)map_status(of_file, 0, UNALIGNED_SIZE + 1, PAGE_READONLY),
		 (ULONG)ST_INVALID_VIEW_SIZE);
	v = map(of_file, 0, 0, PAGE_READONLY, NULL);
	CHECK_EQ(basic(v).RegionSize, PAGE);
	CHECK_EQ(v[UNALIGNED_SIZE - 1], 1);
	CHECK_EQ(v[UNALIGNED_SIZE], 0);
	CHECK_EQ(v[PAGE - 1], 0);
	NtUnmapViewOfSection(SELF, v);
	CloseHandle(of_file);
	CloseHandle(file);
}

/* index into prots -> set of indices: what a section of that protection lets its views be */
static unsigned allowed_views(ULONG section)
{
	enum { NA = 1, RO = 2, RW = 4, WC = 8, X = 16, XR = 32, XRW = 64, XWC = 128 };
	switch (section) {
	case PAGE_READONLY:
	case PAGE_WRITECOPY:
		return NA | RO | WC;
	case PAGE_READWRITE:
		return NA | RO | WC | RW;
	case PAGE_EXECUTE_READ:
	case PAGE_EXECUTE_WRITECOPY:
		return NA | RO | WC | X | XR | XWC;
	case PAGE_EXECUTE_READWRITE:
		return 255;
	}
	return 0;
}

static void view_protections(void)
{
	char path[MAX_PATH];
	HANDLE file = temp_file(path, 0, 2 * PAGE), run;
	CloseHandle(file);
	run = CreateFileA(path, GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE, 7, NULL,
			  OPEN_EXISTING, 0, NULL);
	for (int of_file = 0; of_file < 2; of_file++)
		for (unsigned i = 0; i < NPROTS; i++) {
			HANDLE h;
			if (prots[i] == PAGE_NOACCESS || prots[i] == PAGE_EXECUTE)
				continue;
			h = new_section(2 * PAGE, prots[i], SEC_COMMIT, of_file ? run : NULL, NULL);
			CHECK(h != NULL);
			for (unsigned k = 0; k < NPROTS; k++) {
				BOOL yes = allowed_views(prots[i]) >> k & 1;
				LONG st = map_status(h, 0, 0, prots[k]);
				if (st != (yes ? 0 : ST_SECTION_PROTECTION))
					printf("section 0x%lx, view 0x%lx:\n", prots[i], prots[k]);
				CHECK_EQ((ULONG)st, yes ? 0 : (ULONG)ST_SECTION_PROTECTION);
			}
			CloseHandle(h);
		}
	CloseHandle(run);
	CHECK(DeleteFileA(path));
}

static void view_rights(void)
{
	static const struct {
		ULONG protect;
		ACCESS_MASK need;
	} row[] = {
	    {PAGE_NOACCESS, SECTION_MAP_READ},
	    {PAGE_READONLY, SECTION_MAP_READ},
	    {PAGE_WRITECOPY, SECTION_MAP_READ},
	    {PAGE_READWRITE, SECTION_MAP_WRITE},
	    {PAGE_EXECUTE, SECTION_MAP_EXECUTE},
	    {PAGE_EXECUTE_READ, SECTION_MAP_EXECUTE | SECTION_MAP_READ},
	    {PAGE_EXECUTE_WRITECOPY, SECTION_MAP_EXECUTE | SECTION_MAP_READ},
	    {PAGE_EXECUTE_READWRITE, SECTION_MAP_EXECUTE | SECTION_MAP_WRITE},
	};
	HANDLE h = new_section(PAGE, PAGE_EXECUTE_READWRITE, SEC_COMMIT, NULL, NULL);
	struct section_basic b;
	for (ACCESS_MASK a = 0; a < 8; a++) {
		ACCESS_MASK access = (a & 1 ? SECTION_MAP_READ : 0) |
				     (a & 2 ? SECTION_MAP_WRITE : 0) |
				     (a & 4 ? SECTION_MAP_EXECUTE : 0);
		HANDLE less = with_access(h, access);
		for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
			LONG st = map_status(less, 0, 0, row[i].protect);
			LONG want = (access & row[i].need) == row[i].need ? 0 : ST_ACCESS_DENIED;
			if (st != want)
				printf("rights 0x%lx, view 0x%lx:\n", access, row[i].protect);
			CHECK_EQ((ULONG)st, (ULONG)want);
		}
		CHECK_EQ((ULONG)NtQuerySection(less, 0, &b, sizeof(b), NULL),
			 (ULONG)ST_ACCESS_DENIED);
		CloseHandle(less);
	}
	CloseHandle(h);
}

/* MapViewOfFile's access word, over an EXECUTE_READWRITE section. */
static void access_words(void)
{
	static const struct {
		DWORD access;
		ULONG protect;
	} row[] = {
	    {0, PAGE_NOACCESS},
	    {FILE_MAP_COPY, PAGE_WRITECOPY},
	    {FILE_MAP_READ, PAGE_READONLY},
	    {FILE_MAP_READ | FILE_MAP_COPY, PAGE_READONLY},
	    {FILE_MAP_WRITE, PAGE_READWRITE},
	    {FILE_MAP_WRITE | FILE_MAP_READ, PAGE_READWRITE},
	    {FILE_MAP_WRITE | FILE_MAP_COPY, PAGE_READWRITE},
	    {FILE_MAP_WRITE | FILE_MAP_READ | FILE_MAP_COPY, PAGE_READWRITE},
	    {FILE_MAP_ALL_ACCESS, PAGE_READWRITE},
	    {FILE_MAP_EXECUTE | FILE_MAP_COPY, PAGE_EXECUTE_WRITECOPY},
	    {FILE_MAP_EXECUTE | FILE_MAP_READ, PAGE_EXECUTE_READ},
	    {FILE_MAP_EXECUTE | FILE_MAP_WRITE, PAGE_EXECUTE_READWRITE},
	    {FILE_MAP_EXECUTE | FILE_MAP_WRITE | FILE_MAP_READ, PAGE_EXECUTE_READWRITE},
	    {FILE_MAP_EXECUTE, PAGE_NOACCESS},
	    {SECTION_MAP_EXECUTE, PAGE_NOACCESS},
	    {SECTION_MAP_EXECUTE | FILE_MAP_COPY, PAGE_NOACCESS},
	    {SECTION_MAP_EXECUTE | FILE_MAP_READ, PAGE_READONLY},
	    {SECTION_MAP_EXECUTE | FILE_MAP_EXECUTE | FILE_MAP_COPY, PAGE_NOACCESS},
	    {SECTION_MAP_EXECUTE | FILE_MAP_EXECUTE | FILE_MAP_READ, PAGE_EXECUTE_READ},
	    {SECTION_MAP_EXECUTE | FILE_MAP_EXECUTE | FILE_MAP_WRITE, PAGE_EXECUTE_READWRITE},
	};
	HANDLE h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_EXECUTE_READWRITE, 0, PAGE,
				      "Local\\ntmm words"),
	       o;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		void *v = MapViewOfFile(h, row[i].access, 0, 0, 0);
		CHECK(v != NULL);
		if (basic(v).Protect != row[i].protect)
			printf("access word 0x%lx:\n", row[i].access);
		CHECK_EQ(basic(v).Protect, row[i].protect);
		CHECK_EQ(basic(v).AllocationProtect, row[i].protect);
		CHECK(UnmapViewOfFile(v));
	}
	o = OpenFileMappingA(FILE_MAP_READ, FALSE, "Local\\ntmm words");
	CHECK(!MapViewOfFile(o, FILE_MAP_WRITE, 0, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(UnmapViewOfFile(MapViewOfFile(o, FILE_MAP_READ, 0, 0, 0)));
	CHECK(UnmapViewOfFile(MapViewOfFile(o, FILE_MAP_COPY, 0, 0, 0)));
	CloseHandle(o);
	o = OpenFileMappingA(FILE_MAP_WRITE, FALSE, "Local\\ntmm words");
	CHECK(!MapViewOfFile(o, FILE_MAP_READ, 0, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(UnmapViewOfFile(MapViewOfFile(o, FILE_MAP_WRITE, 0, 0, 0)));
	CloseHandle(o);
	o = OpenFileMappingA(FILE_MAP_READ | FILE_MAP_EXECUTE, FALSE, "Local\\ntmm words");
	CHECK(UnmapViewOfFile(MapViewOfFile(o, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, 0)));
	CloseHandle(o);
	CloseHandle(h);
}

static void protect_views(void)
{
	static const unsigned may[NPROTS] = {
	    0x01, 0x0b, 0x0f, 0x0b,
	    0xbb, 0xbb, 0xff, 0xbb, /* by AllocationProtect, bits as in prots */
	};
	HANDLE h = new_section(4 * PAGE, PAGE_EXECUTE_READWRITE, SEC_COMMIT, NULL, NULL);
	for (unsigned i = 1; i < NPROTS; i++)
		for (unsigned k = 0; k < NPROTS; k++) {
			unsigned char *v = map(h, 0, 0, prots[i], NULL);
			ULONG old = 0;
			SIZE_T size = 1;
			void *at = v + PAGE + 5;
			LONG st = NtProtectVirtualMemory(SELF, &at, &size, prots[k], &old);
			BOOL yes = may[i] >> k & 1;
			if (st != (yes ? 0 : ST_SECTION_PROTECTION))
				printf("view 0x%lx, protection 0x%lx:\n", prots[i], prots[k]);
			CHECK_EQ((ULONG)st, yes ? 0 : (ULONG)ST_SECTION_PROTECTION);
			if (yes) {
				CHECK_EQ(old, prots[i]);
				CHECK_EQ(at, v + PAGE);
				CHECK_EQ(size, PAGE);
				CHECK_EQ(basic(v + PAGE).Protect, prots[k]);
				CHECK_EQ(basic(v + PAGE).AllocationProtect, prots[i]);
				CHECK_EQ(basic(v + PAGE).RegionSize, i == k ? 3 * PAGE : PAGE);
				CHECK_EQ(basic(v).Protect, prots[i]);
				CHECK_EQ(basic(v + 2 * PAGE).Protect, prots[i]);
			}
			NtUnmapViewOfSection(SELF, v);
		}
	CloseHandle(h);
}

static void copy_on_write(void)
{
	for (int of_file = 0; of_file < 2; of_file++)
		for (int execute = 0; execute < 2; execute++) {
			ULONG wc = execute ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
			ULONG rw = execute ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE, old;
			HANDLE file =
			    of_file ? temp_file(NULL, DELETE | GENERIC_EXECUTE, 4 * PAGE) : NULL;
			HANDLE h =
			    new_section(4 * PAGE, PAGE_EXECUTE_READWRITE, SEC_COMMIT, file, NULL);
			unsigned char *shared = map(h, 0, 0, PAGE_READWRITE, NULL);
			unsigned char *v = map(h, 0, 0, wc, NULL), *w = map(h, 0, 0, wc, NULL),
				      byte;
			DWORD n;
			SIZE_T done;

			for (int i = 0; i < 4; i++)
				shared[i * PAGE] = (unsigned char)(10 + i);
			CHECK_EQ(basic(v).Protect, wc);
			CHECK_EQ(basic(v).RegionSize, 4 * PAGE);
			CHECK_EQ(v[PAGE], 11);
			v[PAGE] = 99;
			CHECK_EQ(shared[PAGE], 11);
			CHECK_EQ(w[PAGE], 11);
			CHECK_EQ(basic(v).Protect, wc);
			CHECK_EQ(basic(v).RegionSize, PAGE);
			CHECK_EQ(basic(v + PAGE).Protect, rw);
			CHECK_EQ(basic(v + PAGE).RegionSize, PAGE);
			CHECK_EQ(basic(v + PAGE).AllocationProtect, wc);
			CHECK_EQ(basic(v + PAGE).Type, MEM_MAPPED);
			CHECK_EQ(basic(v + 2 * PAGE).RegionSize, 2 * PAGE);
			CHECK(!(resident(v + PAGE) & WS_SHARED));
			shared[PAGE] = 50; /* what is shared goes its own way */
			shared[2 * PAGE] = 51;
			CHECK_EQ(v[PAGE], 99);
			CHECK_EQ(w[PAGE], 50);
			CHECK_EQ(v[2 * PAGE], 51);
			/* protections after the copy: never copied twice */
			CHECK(VirtualProtect(v + PAGE, PAGE, PAGE_READONLY, &old));
			CHECK_EQ(old, rw);
			CHECK(!try_write(v + PAGE));
			CHECK(VirtualProtect(v + PAGE, PAGE, wc, &old));
			CHECK_EQ(old, PAGE_READONLY);
			CHECK_EQ(basic(v + PAGE).Protect, rw);
			v[PAGE] = 98;
			CHECK_EQ(v[PAGE], 98);
			CHECK(VirtualProtect(v, 4 * PAGE, PAGE_NOACCESS, &old));
			CHECK_EQ(old, wc);
			CHECK(!try_read(v + PAGE));
			CHECK(VirtualProtect(v, 4 * PAGE, wc, &old));
			CHECK_EQ(v[PAGE], 98);
			CHECK_EQ(v[0], 10);
			CHECK_EQ(basic(v).RegionSize, PAGE);
			/* the kernel's own writes, and WriteProcessMemory, copy as well */
			byte = 77;
			CHECK(WriteProcessMemory(SELF, v + 2 * PAGE, &byte, 1, &done));
			CHECK_EQ(v[2 * PAGE], 77);
			CHECK_EQ(shared[2 * PAGE], 51);
			CHECK_EQ(basic(v + 2 * PAGE).Protect, rw);
			if (of_file) {
				HANDLE again;
				SetFilePointer(file, PAGE, NULL, FILE_BEGIN);
				CHECK(ReadFile(file, v + 3 * PAGE, 1, &n,
					       NULL)); /* into the view: a copy */
				CHECK_EQ(v[3 * PAGE], 50);
				CHECK_EQ(shared[3 * PAGE], 13);
				again = new_section(0, PAGE_READONLY, SEC_COMMIT, file, NULL);
				CloseHandle(again);
			}
			/* through the pagefile and back */
			send_all_to_pagefile();
			CHECK_EQ(v[PAGE], 98);
			CHECK_EQ(v[2 * PAGE], 77);
			CHECK_EQ(v[0], 10);
			CHECK_EQ(w[PAGE], 50);
			CHECK_EQ(basic(v + PAGE).Protect, rw);
			CHECK_EQ(basic(v).Protect, wc);
			CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
			CHECK_EQ(NtUnmapViewOfSection(SELF, w), 0);
			w = map(h, 0, 0, wc, NULL); /* copies die with their view */
			CHECK_EQ(w[PAGE], 50);
			CHECK_EQ(NtUnmapViewOfSection(SELF, w), 0);
			CHECK_EQ(NtUnmapViewOfSection(SELF, shared), 0);
			CloseHandle(h);
			if (file)
				CloseHandle(file);
		}
}

static SIZE_T private_usage(void)
{
	PROCESS_MEMORY_COUNTERS_EX m = {.cb = sizeof(m)};
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&m, sizeof(m)));
	return m.PrivateUsage;
}

/* A READWRITE view whose pages become WRITECOPY later is charged then; a READONLY page of an image
 * that becomes writable, too. */
static void late_copies(void)
{
	HANDLE h = new_section(4 * PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL),
		      *w = map(h, 0, 0, PAGE_READWRITE, NULL);
	SIZE_T before = private_usage(), after;
	ULONG old;
	CHECK(VirtualProtect(v, 2 * PAGE, PAGE_WRITECOPY, &old));
	v[0] = 1;
	v[2 * PAGE] = 2;
	after = private_usage();
	CHECK_EQ(w[0], 0);
	CHECK_EQ(w[2 * PAGE], 2);
	CHECK(after >= before + 2 * PAGE);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CHECK_EQ(private_usage(), before);
	NtUnmapViewOfSection(SELF, w);
	CloseHandle(h);
}

static void reserved_sections(void)
{
	HANDLE h = new_section(0x40000, PAGE_READWRITE, SEC_RESERVE, NULL, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL),
		      *w = map(h, 0, 0, PAGE_READONLY, NULL), *x;
	MEMORY_BASIC_INFORMATION m = basic(v);
	SIZE_T size;
	void *base;
	ULONG old;

	CHECK_EQ(m.State, MEM_RESERVE);
	CHECK_EQ(m.Protect, 0);
	CHECK_EQ(m.AllocationProtect, PAGE_READWRITE);
	CHECK_EQ(m.RegionSize, 0x40000);
	CHECK_EQ(m.Type, MEM_MAPPED);
	CHECK(!try_read(v));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
	CHECK(!VirtualProtect(v, PAGE, PAGE_READONLY, &old));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK_EQ(VirtualAlloc(v + 0x10000, 0x10000, MEM_COMMIT, PAGE_READONLY), v + 0x10000);
	m = basic(v + 0x10000);
	CHECK_EQ(m.State, MEM_COMMIT);
	CHECK_EQ(m.Protect, PAGE_READONLY);
	CHECK_EQ(m.AllocationProtect, PAGE_READWRITE);
	CHECK_EQ(m.RegionSize, 0x10000);
	CHECK_EQ(basic(v).RegionSize, 0x10000);
	CHECK(try_read(v + 0x10000));
	CHECK(!try_write(v + 0x10000));
	m = basic(w + 0x10000); /* the commit is the section's, the protection the view's */
	CHECK_EQ(m.State, MEM_COMMIT);
	CHECK_EQ(m.Protect, PAGE_READONLY);
	CHECK_EQ(m.RegionSize, 0x10000);
	CHECK_EQ(basic(w).State, MEM_RESERVE);
	x = map(h, 0x10000, 0x20000, PAGE_READWRITE, NULL);
	CHECK_EQ(basic(x).State, MEM_COMMIT);
	CHECK_EQ(basic(x).Protect, PAGE_READWRITE);
	CHECK_EQ(basic(x).RegionSize, 0x10000);
	CHECK_EQ(basic(x + 0x10000).State, MEM_RESERVE);
	x[5] = 55;
	CHECK_EQ(v[0x10005], 55);
	CHECK_EQ(w[0x10005], 55);
	CHECK_EQ(VirtualAlloc(v + 0x10000, 0x10000, MEM_COMMIT, PAGE_READWRITE),
		 v + 0x10000); /* again */
	v[0x10006] = 56;
	CHECK_EQ(w[0x10006], 56);
	CHECK(!VirtualAlloc(w, PAGE, MEM_COMMIT, PAGE_READWRITE)); /* more than the view has */
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!VirtualAlloc(v, 0x50000, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(!VirtualAlloc(v, PAGE, MEM_RESERVE, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(!VirtualFree(v + 0x10000, PAGE, MEM_DECOMMIT));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!VirtualFree(v, 0, MEM_RELEASE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(NtUnmapViewOfSection(SELF, i == 0 ? v : i == 1 ? w : x), 0);
	v = map(h, 0, 0, PAGE_READWRITE, NULL); /* committed once, committed for good */
	CHECK_EQ(v[0x10005], 55);
	CHECK_EQ(basic(v).RegionSize, 0x10000);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);

	/* CommitSize of NtMapViewOfSection */
	h = new_section(0x20000, PAGE_READWRITE, SEC_RESERVE, NULL, NULL);
	base = NULL;
	size = 0x10000;
	CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 0, 0x1800, NULL, &size, 1, 0, PAGE_READWRITE),
		 0);
	CHECK_EQ(basic(base).State, MEM_COMMIT);
	CHECK_EQ(basic(base).RegionSize, 0x2000);
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	base = NULL;
	size = PAGE;
	CHECK_EQ((ULONG)NtMapViewOfSection(h, SELF, &base, 0, 2 * PAGE, NULL, &size, 1, 0,
					   PAGE_READWRITE),
		 (ULONG)ST_INVALID_PARAMETER_5);
	CloseHandle(h);
	/* Much more than there is can be reserved. */
	h = new_section(1ull << 32, PAGE_READWRITE, SEC_RESERVE, NULL, NULL);
	CHECK(h != NULL);
	v = map(h, 0, 0, PAGE_READWRITE, NULL);
	CHECK(v != NULL);
	CHECK(VirtualAlloc(v + (3ull << 30), PAGE, MEM_COMMIT, PAGE_READWRITE) != NULL);
	v[3ull << 30] = 1;
	CHECK_EQ(basic(v).RegionSize, 3ull << 30);
	CHECK(!VirtualAlloc(v, 1ull << 32, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_COMMITMENT_LIMIT);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
	/* A commit on committed views of other kinds */
	h = new_section(2 * PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	v = map(h, 0, 0, PAGE_READWRITE, NULL);
	v[0] = 7;
	CHECK_EQ(VirtualAlloc(v, PAGE, MEM_COMMIT, PAGE_READONLY), v);
	CHECK_EQ(v[0], 7);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
}

static void caching(void)
{
	static const struct {
		ULONG section, shown;
	} row[] = {{SEC_NOCACHE, PAGE_NOCACHE}, {SEC_WRITECOMBINE_, PAGE_WRITECOMBINE}};
	for (unsigned i = 0; i < 2; i++)
		for (unsigned kind = 0; kind < 2; kind++) {
			HANDLE h = new_section(0x10000, PAGE_READWRITE,
					       row[i].section | (kind ? SEC_RESERVE : SEC_COMMIT),
					       NULL, NULL);
			unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);
			ULONG old;
			CHECK_EQ(basic(v).AllocationProtect, PAGE_READWRITE | row[i].shown);
			if (kind) {
				CHECK_EQ(basic(v).Protect, 0);
				CHECK_EQ(VirtualAlloc(v, PAGE, MEM_COMMIT, PAGE_READONLY), v);
				CHECK_EQ(basic(v).Protect, PAGE_READONLY | row[i].shown);
				CHECK_EQ(VirtualAlloc(v, PAGE, MEM_COMMIT, PAGE_READWRITE), v);
			}
			CHECK_EQ(basic(v).Protect, PAGE_READWRITE | row[i].shown);
			*v = 3;
			CHECK_EQ(*v, 3);
			CHECK(VirtualProtect(v, PAGE, PAGE_READONLY, &old));
			CHECK_EQ(old, PAGE_READWRITE | row[i].shown);
			CHECK_EQ(basic(v).Protect, PAGE_READONLY | row[i].shown);
			CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
			CloseHandle(h);
		}
}

static void guards_and_watches(void)
{
	HANDLE h = new_section(4 * PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL),
		      *w = map(h, 0, 0, PAGE_READWRITE, NULL);
	ULONG old, granularity;
	void *pages[4];
	ULONG_PTR count = 4;

	v[PAGE] = 5;
	CHECK(VirtualProtect(v + PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD, &old));
	CHECK_EQ(basic(v + PAGE).Protect, PAGE_READWRITE | PAGE_GUARD);
	CHECK_EQ(w[PAGE], 5); /* the guard is the view's own */
	CHECK(!try_read(v + PAGE));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK_EQ(basic(v + PAGE).Protect, PAGE_READWRITE);
	CHECK(try_read(v + PAGE));
	CHECK_EQ(v[PAGE], 5);
	/* a page never touched */
	CHECK(VirtualProtect(v + 2 * PAGE, PAGE, PAGE_READONLY | PAGE_GUARD, &old));
	CHECK(!try_write(v + 2 * PAGE));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK(!try_write(v + 2 * PAGE));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
	/* copy-on-write and guard */
	CHECK(VirtualProtect(v + PAGE, PAGE, PAGE_WRITECOPY | PAGE_GUARD, &old));
	CHECK(!try_write(v + PAGE));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK(try_write(v + PAGE));
	CHECK_EQ(w[PAGE], 5);
	CHECK_EQ(basic(v + PAGE).Protect, PAGE_READWRITE);
	/* views are not watched */
	CHECK(NtGetWriteWatch(SELF, 0, v, 4 * PAGE, pages, &count, &granularity) < 0);
	CHECK(NtResetWriteWatch(SELF, v, 4 * PAGE) < 0);
	NtUnmapViewOfSection(SELF, v);
	NtUnmapViewOfSection(SELF, w);
	CloseHandle(h);
}

static void no_change(void)
{
	HANDLE h = new_section(2 * PAGE, PAGE_READWRITE, SEC_COMMIT | SEC_NO_CHANGE_, NULL, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);
	ULONG old;
	CHECK(!VirtualProtect(v, PAGE, PAGE_READONLY, &old));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(try_write(v));
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
}

static LONG map_ex(HANDLE h, void *at, ULONG64 offset, SIZE_T size, ULONG type, ULONG protect,
		   void *parameters, ULONG count, void **out)
{
	LARGE_INTEGER off;
	void *base = at;
	LONG st;
	off.QuadPart = (LONGLONG)offset;
	st = NtMapViewOfSectionEx(h, SELF, &base, &off, &size, type, protect, parameters, count);
	if (st >= 0 && !out)
		CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	if (out)
		*out = st >= 0 ? base : NULL;
	return st;
}

static void extended(void)
{
	HANDLE h = new_section(0x20000, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	struct requirements r = {NULL, (void *)0x2ffffffful, 0};
	struct extended_parameter p[2] = {{1, (ULONG_PTR)&r}, {1, (ULONG_PTR)&r}};
	void *v, *w;

	CHECK_EQ(map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, NULL, 0, &v), 0);
	CHECK_EQ(NtUnmapViewOfSectionEx(SELF, v, 1), 0);
	CHECK_EQ(map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &v), 0);
	CHECK((ULONG_PTR)v + 0x1ffff <= 0x2fffffff);
	CHECK_EQ((ULONG)map_ex(h, v, 0, 0, 0, PAGE_READWRITE, p, 1, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 2, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, NULL, 1, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	r.highest = (void *)0x2fffff00ul; /* not the end of a page */
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	r.highest = (void *)0x1fffful; /* no room */
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &w), (ULONG)ST_NO_MEMORY);
	r.highest = (void *)0xfffffffffffffffful;
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	r.highest = NULL;
	for (SIZE_T align = 1; align <= 0x100000; align <<= 1) {
		r.alignment = align;
		CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &w),
			 (ULONG)ST_INVALID_PARAMETER);
	}
	r.alignment = 0;
	CHECK_EQ(map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, NULL), 0);
	r.lowest = (void *)0x500000000ul;
	r.highest = (void *)0x50ffffffful;
	CHECK_EQ(map_ex(h, NULL, 0, 0, 0, PAGE_READWRITE, p, 1, &v), 0);
	CHECK((ULONG_PTR)v >= 0x500000000ul && (ULONG_PTR)v < 0x510000000ul);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CHECK_EQ((ULONG)map_ex(h, NULL, 0, 0, MEM_COMMIT, PAGE_READWRITE, NULL, 0, &w),
		 (ULONG)ST_INVALID_PARAMETER);
	CloseHandle(h);
}

typedef PVOID(WINAPI *alloc2_fn)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef PVOID(WINAPI *map3_fn)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef BOOL(WINAPI *unmap2_fn)(HANDLE, PVOID, ULONG);

static void *kernelbase(const char *name)
{
	void *f = (void *)(ULONG_PTR)GetProcAddress(GetModuleHandleA("kernelbase.dll"), name);
	CHECK(f != NULL);
	return f;
}

/* A ring buffer: the same pages twice, side by side, in placeholders. */
static void placeholders(void)
{
	alloc2_fn alloc2 = (alloc2_fn)(ULONG_PTR)kernelbase("VirtualAlloc2");
	map3_fn map3 = (map3_fn)(ULONG_PTR)kernelbase("MapViewOfFile3");
	unmap2_fn unmap2 = (unmap2_fn)(ULONG_PTR)kernelbase("UnmapViewOfFile2");
	const SIZE_T n = 3 * PAGE;
	HANDLE h =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, (DWORD)n, NULL);
	unsigned char *p, *a, *b;

	if (!alloc2 || !map3 || !unmap2)
		return;
	p = alloc2(NULL, NULL, 2 * n, MEM_RESERVE | PLACEHOLDER_RESERVE, PAGE_NOACCESS, NULL, 0);
	CHECK(p != NULL);
	CHECK(VirtualFree(p, n, MEM_RELEASE | PLACEHOLDER_PRESERVE));
	CHECK(!map3(h, NULL, p, 0, n - PAGE, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(!map3(h, NULL, p + PAGE, 0, n, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(!map3(h, NULL, p, 0, n, 0, PAGE_READWRITE, NULL, 0)); /* not without saying so */
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	a = map3(h, NULL, p, 0, n, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0);
	b = map3(h, SELF, p + n, 0, n, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0);
	CHECK_EQ(a, p);
	CHECK_EQ(b, p + n);
	for (SIZE_T i = 0; i < 2 * n; i++)
		p[i] = (unsigned char)(i * 7);
	CHECK(!memcmp(p, p + n, n));
	CHECK_EQ(p[0], (unsigned char)(n * 7));
	CHECK_EQ(basic(a).Type, MEM_MAPPED);
	CHECK_EQ(basic(a).RegionSize, n);
	/* one back to a placeholder, which takes private memory */
	CHECK(unmap2(SELF, b, PLACEHOLDER_PRESERVE));
	CHECK_EQ(basic(b).State, MEM_RESERVE);
	CHECK_EQ(basic(b).RegionSize, n);
	CHECK_EQ(basic(b).Type, MEM_PRIVATE);
	CHECK_EQ(alloc2(NULL, b, n, MEM_RESERVE | MEM_COMMIT | PLACEHOLDER_REPLACE, PAGE_READWRITE,
			NULL, 0),
		 b);
	CHECK_EQ(b[5], 0);
	b[5] = 1;
	CHECK_EQ(a[5], (unsigned char)((n + 5) * 7));
	CHECK(VirtualFree(b, 0, MEM_RELEASE));
	CHECK(unmap2(SELF, a, 0));
	CHECK_EQ(basic(a).State, MEM_FREE);
	/* what was no placeholder cannot become one */
	a = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(!unmap2(SELF, a, PLACEHOLDER_PRESERVE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(UnmapViewOfFile(a));
	CloseHandle(h);
}

struct region { /* MEMORY_REGION_INFORMATION */
	void *base;
	ULONG protect, type;
	SIZE_T size, commit, partition, node;
};

static void queries(void)
{
	union {
		UNICODE_STRING s;
		WCHAR room[600];
	} name;
	HANDLE file = temp_file(NULL, DELETE, 3 * PAGE),
	       h = new_section(0, PAGE_READWRITE, SEC_COMMIT, file, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL),
		      *self = (unsigned char *)GetModuleHandleA(NULL);
	unsigned char *private = allocate(PAGE, MEM_COMMIT, PAGE_READWRITE), *w;
	struct region r;
	SIZE_T got = 0;
	struct {
		void *base;
		SIZE_T size;
		ULONG flags;
	} image;
	WCHAR end[] = L".tmp";
	HANDLE pf;

	CHECK_EQ(NtQueryVirtualMemory(SELF, v + PAGE, 2, &name, sizeof(name), &got), 0);
	CHECK_EQ(name.s.Buffer, (WCHAR *)(&name.s + 1));
	CHECK(!wcsncmp(name.s.Buffer, L"\\Device\\", 8));
	CHECK(!memcmp((char *)name.s.Buffer + name.s.Length - 8, end, 8));
	CHECK_EQ(got, sizeof(name.s) + name.s.Length + 2);
	CHECK_EQ((ULONG)NtQueryVirtualMemory(SELF, v, 2, &name, sizeof(name.s) + 4, &got),
		 (ULONG)ST_BUFFER_OVERFLOW);
	CHECK_EQ((ULONG)NtQueryVirtualMemory(SELF, private, 2, &name, sizeof(name), &got),
		 (ULONG)ST_INVALID_ADDRESS);
	CHECK_EQ(NtQueryVirtualMemory(SELF, self, 2, &name, sizeof(name), &got), 0);
	pf = new_section(PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	w = map(pf, 0, 0, PAGE_READWRITE, NULL);
	CHECK_EQ((ULONG)NtQueryVirtualMemory(SELF, w, 2, &name, sizeof(name), &got),
		 (ULONG)ST_FILE_INVALID);

	CHECK_EQ(NtQueryVirtualMemory(SELF, v + PAGE, 3, &r, sizeof(r), &got), 0);
	CHECK_EQ(r.base, v);
	CHECK_EQ(r.size, 3 * PAGE);
	CHECK_EQ(r.protect, PAGE_READWRITE);
	CHECK_EQ(r.type & 0x3f, 2); /* MappedDataFile */
	CHECK_EQ(NtQueryVirtualMemory(SELF, w, 3, &r, sizeof(r), &got), 0);
	CHECK_EQ(r.type & 0x37, 0); /* MappedPageFile (8) or nothing */
	CHECK_EQ(NtQueryVirtualMemory(SELF, self + PAGE, 3, &r, sizeof(r), &got), 0);
	CHECK_EQ(r.type & 0x3f, 4); /* MappedImage */
	CHECK_EQ(r.base, self);

	CHECK_EQ(NtQueryVirtualMemory(SELF, self + PAGE, 6, &image, sizeof(image), &got), 0);
	CHECK_EQ(image.base, self);
	CHECK_EQ(image.size, r.size);
	CHECK_EQ(NtQueryVirtualMemory(SELF, v, 6, &image, sizeof(image), &got), 0);
	CHECK_EQ(image.base, NULL);
	CHECK_EQ(image.size, 0);

	{
		char path[MAX_PATH];
		HANDLE exe, data;
		unsigned char *bytes;

		GetModuleFileNameA(NULL, path, sizeof(path));
		exe =
		    CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
		data = CreateFileMappingA(exe, NULL, PAGE_READONLY, 0, 0, NULL);
		bytes = MapViewOfFile(data, FILE_MAP_READ, 0, 0, 0);
		CHECK(bytes != NULL);
		/* is the second a view of the first one's file? */
		CHECK_EQ((ULONG)NtAreMappedFilesTheSame(self, bytes), 0);
		CHECK_EQ((ULONG)NtAreMappedFilesTheSame(bytes, self), (ULONG)ST_NOT_SAME_DEVICE);
		CHECK_EQ((ULONG)NtAreMappedFilesTheSame(self, self + PAGE), 0);
		CHECK(UnmapViewOfFile(bytes));
		CloseHandle(data);
		CloseHandle(exe);
	}
	CHECK_EQ((ULONG)NtAreMappedFilesTheSame(v, v + PAGE), 0);
	CHECK_EQ((ULONG)NtAreMappedFilesTheSame(v, w), (ULONG)ST_NOT_SAME_DEVICE);
	CHECK_EQ((ULONG)NtAreMappedFilesTheSame(v, private), (ULONG)ST_CONFLICTING_ADDRESSES);
	CHECK_EQ((ULONG)NtAreMappedFilesTheSame(v, NULL), (ULONG)ST_INVALID_ADDRESS);
	{
		unsigned char *second = map(h, 0, 0, PAGE_READWRITE, NULL);
		CHECK_EQ((ULONG)NtAreMappedFilesTheSame(v, second), (ULONG)ST_NOT_SAME_DEVICE);
		NtUnmapViewOfSection(SELF, second);
	}
	NtUnmapViewOfSection(SELF, v);
	NtUnmapViewOfSection(SELF, w);
	release(private);
	CloseHandle(pf);
	CloseHandle(h);
	CloseHandle(file);
}

/* Into another process, and its rights. */
static void other_process(void)
{
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	char path[MAX_PATH];
	HANDLE h = new_section(0x10000, PAGE_READWRITE, SEC_COMMIT, NULL, NULL), less;
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);
	void *base = NULL;
	SIZE_T size = 0, done;
	char text[8] = {0};
	MEMORY_BASIC_INFORMATION m;

	GetModuleFileNameA(NULL, path, sizeof(path));
	CHECK(
	    CreateProcessA(path, NULL, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &si, &pi));
	CHECK(DuplicateHandle(SELF, pi.hProcess, SELF, &less,
			      PROCESS_ALL_ACCESS & ~PROCESS_VM_OPERATION, FALSE, 0));
	CHECK_EQ((ULONG)NtMapViewOfSection(h, less, &base, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE),
		 (ULONG)ST_ACCESS_DENIED);
	CHECK_EQ(NtMapViewOfSection(h, pi.hProcess, &base, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE),
		 0);
	CHECK_EQ((ULONG)NtUnmapViewOfSection(less, base), (ULONG)ST_ACCESS_DENIED);
	strcpy((char *)v + 0x8000, "shared");
	CHECK(ReadProcessMemory(pi.hProcess, (char *)base + 0x8000, text, 7, &done));
	CHECK(!strcmp(text, "shared"));
	CHECK(WriteProcessMemory(pi.hProcess, base, "back", 5, &done));
	CHECK(!strcmp((char *)v, "back"));
	CHECK_EQ(VirtualQueryEx(pi.hProcess, base, &m, sizeof(m)), sizeof(m));
	CHECK_EQ(m.Type, MEM_MAPPED);
	CHECK_EQ(NtUnmapViewOfSection(pi.hProcess, base), 0);
	CHECK_EQ(VirtualQueryEx(pi.hProcess, base, &m, sizeof(m)), sizeof(m));
	CHECK_EQ(m.State, MEM_FREE);
	TerminateProcess(pi.hProcess, 0);
	WaitForSingleObject(pi.hProcess, INFINITE);
	CHECK(NtMapViewOfSection(h, pi.hProcess, &base, 0, 0, NULL, &size, 1, 0, PAGE_READWRITE) <
	      0);
	CloseHandle(pi.hThread);
	CloseHandle(pi.hProcess);
	CloseHandle(less);
	NtUnmapViewOfSection(SELF, v);
	CloseHandle(h);
}

int main(void)
{
	probes_begin();
	arguments();
	view_protections();
	view_rights();
	access_words();
	protect_views();
	copy_on_write();
	late_copies();
	reserved_sections();
	caching();
	guards_and_watches();
	no_change();
	extended();
	placeholders();
	queries();
	other_process();
	return checks_end();
}
