/*
 * Mapped files: views and ReadFile/WriteFile tell one story, dirty pages reach the file, sizes, the
 * file's end within a page, truncation and deletion refused while mapped, files cut beneath a view.
 *   sect_files.exe [A B]    A and B: drives that are one and the same folder of the host
 */
#include "tests/guest/sect.h"

static void read_at(HANDLE f, LONG at, void *to, DWORD n)
{
	DWORD done = 0;
	CHECK_EQ(SetFilePointer(f, at, NULL, FILE_BEGIN), at);
	CHECK(ReadFile(f, to, n, &done, NULL));
	CHECK_EQ(done, n);
}
static void write_at(HANDLE f, LONG at, const void *from, DWORD n)
{
	DWORD done = 0;
	CHECK_EQ(SetFilePointer(f, at, NULL, FILE_BEGIN), at);
	CHECK(WriteFile(f, from, n, &done, NULL));
	CHECK_EQ(done, n);
}

static void coherence(void)
{
	char path[MAX_PATH], text[32];
	HANDLE f = temp_file(path, 0, 40 * PAGE), again, h, second;
	unsigned char *v, *w, *wc, byte;

	again = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	h = new_section(0, PAGE_READWRITE, SEC_COMMIT, f, NULL);
	second = new_section(0, PAGE_READWRITE, SEC_COMMIT, again, NULL);
	v = map(h, 0, 0, PAGE_READWRITE, NULL);
	w = map(second, 0x10000, 0, PAGE_READWRITE, NULL);
	wc = map(h, 0, 0, PAGE_WRITECOPY, NULL);
	CHECK_EQ(basic(w).RegionSize, 24 * PAGE);
	CHECK_EQ(v[17 * PAGE], 18);
	CHECK_EQ(w[PAGE], 18);
	/* two sections of one file, one set of pages */
	memcpy(v + 17 * PAGE + 100, "through the view", 17);
	CHECK(!strcmp((char *)w + PAGE + 100, "through the view"));
	CHECK(!strcmp((char *)wc + 17 * PAGE + 100, "through the view"));
	read_at(again, 17 * PAGE + 100, text, 17);
	CHECK(!strcmp(text, "through the view"));
	/* WriteFile: to pages that are in memory, and to ones that are not yet */
	write_at(again, 17 * PAGE + 108, "WRITTEN", 7);
	CHECK(!strcmp((char *)v + 17 * PAGE + 100, "through WRITTENw"));
	write_at(again, 30 * PAGE - 2, "span", 4);
	CHECK(!memcmp(v + 30 * PAGE - 2, "span", 4));
	CHECK(!memcmp(wc + 30 * PAGE - 2, "span", 4));
	/* the same with the pages out of memory in between */
	v[3 * PAGE] = 200;
	send_all_to_pagefile();
	read_at(f, 3 * PAGE, &byte, 1);
	CHECK_EQ(byte, 200);
	write_at(f, 3 * PAGE + 1, "x", 1);
	CHECK_EQ(v[3 * PAGE], 200);
	CHECK_EQ(v[3 * PAGE + 1], 'x');
	/* a private copy is nobody's business */
	wc[5 * PAGE] = 77;
	read_at(f, 5 * PAGE, &byte, 1);
	CHECK_EQ(byte, 6);
	CHECK_EQ(v[5 * PAGE], 6);
	write_at(f, 5 * PAGE, "y", 1);
	CHECK_EQ(wc[5 * PAGE], 77);
	CHECK_EQ(v[5 * PAGE], 'y');
	/* ReadFile into a view of the file itself */
	read_at(f, 6 * PAGE, v + 7 * PAGE, PAGE);
	CHECK_EQ(v[7 * PAGE + 5], 7);
	write_at(f, 8 * PAGE, v + 9 * PAGE, PAGE);
	CHECK_EQ(w[0], 17);
	CHECK_EQ(v[8 * PAGE + 5], 10);
	CHECK_EQ(NtUnmapViewOfSection(SELF, w), 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, wc), 0);
	/* Handles go, the view stays; what it writes reaches the file when it goes. */
	CloseHandle(second);
	CloseHandle(again);
	CloseHandle(h);
	CloseHandle(f);
	memcpy(v + 20 * PAGE, "last words", 11);
	v[39 * PAGE + 4095] = 'Z';
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	f = CreateFileA(path, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(f != INVALID_HANDLE_VALUE);
	read_at(f, 20 * PAGE, text, 11);
	CHECK(!strcmp(text, "last words"));
	read_at(f, 40 * PAGE - 1, &byte, 1);
	CHECK_EQ(byte, 'Z');
	CHECK_EQ(GetFileSize(f, NULL), 40 * PAGE);
	CloseHandle(f);
	CHECK(DeleteFileA(path));
}

static void the_end_of_the_file(void)
{
	char path[MAX_PATH];
	HANDLE f = temp_file(path, 0, 2 * PAGE + 100),
	       h = new_section(0, PAGE_READWRITE, SEC_COMMIT, f, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL), byte = 9, page[PAGE];
	DWORD n;

	CHECK_EQ(basic(v).RegionSize, 3 * PAGE);
	CHECK_EQ(v[2 * PAGE + 99], 3);
	CHECK_EQ(v[2 * PAGE + 100], 0);
	CHECK_EQ(v[3 * PAGE - 1], 0);
	v[2 * PAGE + 50] = 123; /* in the file */
	v[2 * PAGE + 200] = 45; /* beyond: goes nowhere */
	CHECK(FlushViewOfFile(v, 0));
	CHECK_EQ(GetFileSize(f, NULL), 2 * PAGE + 100);
	SetFilePointer(f, 2 * PAGE, NULL, FILE_BEGIN);
	CHECK(ReadFile(f, page, PAGE, &n, NULL));
	CHECK_EQ(n, 100);
	CHECK_EQ(page[50], 123);
	v[2 * PAGE + 200] = 0;
	/* The file grows within that page, by WriteFile and by SetEndOfFile. */
	write_at(f, 2 * PAGE + 150, &byte, 1);
	CHECK_EQ(v[2 * PAGE + 150], 9);
	v[2 * PAGE + 140] = 8;
	CHECK(FlushViewOfFile(v, 0));
	read_at(f, 2 * PAGE + 140, &byte, 1);
	CHECK_EQ(byte, 8);
	SetFilePointer(f, 3 * PAGE, NULL, FILE_BEGIN);
	CHECK(SetEndOfFile(f));
	v[3 * PAGE - 1] = 33;
	read_at(f, 3 * PAGE - 1, &byte, 1);
	CHECK_EQ(byte, 33);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
	CloseHandle(f);
	CHECK(DeleteFileA(path));
}

static void flushing(void)
{
	HANDLE f = temp_file(NULL, DELETE, 4 * PAGE),
	       h = new_section(0, PAGE_READWRITE, SEC_COMMIT, f, NULL);
	HANDLE pf = new_section(PAGE, PAGE_READWRITE, SEC_COMMIT, NULL, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL),
		      *p = map(pf, 0, 0, PAGE_READWRITE, NULL);
	unsigned char *private = allocate(PAGE, MEM_COMMIT, PAGE_READWRITE);
	IO_STATUS_BLOCK io;
	void *base = v + PAGE + 10;
	SIZE_T size = 1;

	v[PAGE] = 1;
	CHECK_EQ(NtFlushVirtualMemory(SELF, &base, &size, &io), 0);
	CHECK_EQ(base, v + PAGE);
	CHECK_EQ(size, PAGE);
	CHECK_EQ(io.Status, 0);
	base = v + PAGE;
	size = 0; /* to the end of the view */
	CHECK_EQ(NtFlushVirtualMemory(SELF, &base, &size, &io), 0);
	CHECK_EQ(size, 3 * PAGE);
	base = private;
	size = 0;
	CHECK_EQ((ULONG)NtFlushVirtualMemory(SELF, &base, &size, &io), (ULONG)ST_NOT_MAPPED_VIEW);
	base = p;
	CHECK_EQ((ULONG)NtFlushVirtualMemory(SELF, &base, &size, &io), (ULONG)ST_NOT_MAPPED_DATA);
	base = v;
	size = 5 * PAGE;
	CHECK(NtFlushVirtualMemory(SELF, &base, &size, &io) < 0);
	CHECK(FlushViewOfFile(v, 0));
	CHECK(FlushViewOfFile(v + 2 * PAGE, 2 * PAGE));
	CHECK(FlushViewOfFile(p, 0));
	CHECK(!FlushViewOfFile(private, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK(FlushFileBuffers(f));
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CHECK(!FlushViewOfFile(v, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	v = map(h, 0, 0, PAGE_READONLY, NULL);
	CHECK(FlushViewOfFile(v, 0));
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, p), 0);
	release(private);
	CloseHandle(pf);
	CloseHandle(h);
	CloseHandle(f);
}

static BOOL cut(HANDLE f, LONG at)
{
	SetFilePointer(f, at, NULL, FILE_BEGIN);
	return SetEndOfFile(f);
}

static void truncation(void)
{
	char path[MAX_PATH];
	HANDLE f = temp_file(path, 0, 4 * PAGE),
	       h = new_section(2 * PAGE, PAGE_READWRITE, SEC_COMMIT, f, NULL), other;
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);

	CHECK(!cut(f, PAGE));
	CHECK_EQ(GetLastError(), ERROR_USER_MAPPED_FILE);
	CHECK(!cut(f, 0));
	CHECK_EQ(GetLastError(), ERROR_USER_MAPPED_FILE);
	CHECK_EQ(GetFileSize(f, NULL), 4 * PAGE);
	CHECK(cut(f, 6 * PAGE)); /* longer is no matter */
	other =
	    CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 7, NULL, TRUNCATE_EXISTING, 0, NULL);
	CHECK(other == INVALID_HANDLE_VALUE);
	CHECK_EQ(GetLastError(), ERROR_USER_MAPPED_FILE);
	other = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 7, NULL, CREATE_ALWAYS, 0, NULL);
	CHECK(other == INVALID_HANDLE_VALUE);
	CHECK_EQ(GetLastError(), ERROR_USER_MAPPED_FILE);
	CHECK_EQ(v[PAGE], 2);
	/* a mapped file cannot be deleted */
	CHECK(!DeleteFileA(path));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CloseHandle(f);
	CHECK(!DeleteFileA(path));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
	f = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(cut(f, PAGE + 1));
	CHECK_EQ(GetFileSize(f, NULL), PAGE + 1);
	/* shorter, then mapped anew: nothing of the old pages is left */
	CHECK(cut(f, 3 * PAGE));
	h = new_section(0, PAGE_READONLY, SEC_COMMIT, f, NULL);
	v = map(h, 0, 0, PAGE_READONLY, NULL);
	CHECK_EQ(v[PAGE], 2);
	CHECK_EQ(v[PAGE + 1], 0);
	CHECK_EQ(v[2 * PAGE], 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(h);
	CloseHandle(f);
	CHECK(DeleteFileA(path));

	/* an image that is mapped is neither written nor deleted */
	GetModuleFileNameA(NULL, path, sizeof(path));
	f = CreateFileA(path, GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(f == INVALID_HANDLE_VALUE);
	CHECK(GetLastError() == ERROR_SHARING_VIOLATION || GetLastError() == ERROR_ACCESS_DENIED);
	CHECK(!DeleteFileA(path));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
}

/* Deletion with FILE_SHARE_DELETE and an open section: the file's pages live as long as the view.
 */
static void delete_on_close(void)
{
	HANDLE f = temp_file(NULL, DELETE, 2 * PAGE),
	       h = new_section(0, PAGE_READWRITE, SEC_COMMIT, f, NULL);
	unsigned char *v = map(h, 0, 0, PAGE_READWRITE, NULL);
	v[0] = 88;
	CloseHandle(f); /* deletes, or tries to */
	CloseHandle(h);
	CHECK_EQ(v[0], 88);
	CHECK_EQ(v[PAGE], 2);
	send_all_to_pagefile();
	CHECK_EQ(v[0], 88);
	CHECK_EQ(v[PAGE], 2);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
}

static void large_file(void)
{
	char path[MAX_PATH];
	const LONGLONG size = (1ll << 32) + 0x30000;
	LARGE_INTEGER end;
	HANDLE f = temp_file(path, 0, 0), h;
	unsigned char *v, byte;
	OVERLAPPED at = {0};
	DWORD n;

	end.QuadPart = size;
	CHECK(SetFilePointerEx(f, end, NULL, FILE_BEGIN));
	CHECK(SetEndOfFile(f));
	h = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0, NULL);
	CHECK(h != NULL);
	v = MapViewOfFile(h, FILE_MAP_WRITE, 1, 0x10000, 0x20000);
	CHECK(v != NULL);
	CHECK_EQ(v[0x1ffff], 0);
	memcpy(v + 0x12345, "far out", 8);
	CHECK(FlushViewOfFile(v, 0));
	at.OffsetHigh = 1;
	at.Offset = 0x10000 + 0x12345;
	CHECK(ReadFile(f, &byte, 1, &n, &at));
	CHECK_EQ(byte, 'f');
	CHECK(UnmapViewOfFile(v));
	CHECK(!MapViewOfFile(h, FILE_MAP_WRITE, 1, 0x10000, 0x20001));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CloseHandle(h);
	CloseHandle(f);
	CHECK(DeleteFileA(path));
}

/* More of the file is written through the view than there is memory, by two threads. */
static unsigned char *stream;
static DWORD WINAPI streamer(void *context)
{
	SIZE_T half = (SIZE_T)(ULONG_PTR)context;
	for (SIZE_T page = half; page < 4096; page += 2)
		for (unsigned i = 0; i < PAGE; i += 512)
			*(ULONG64 *)(stream + page * PAGE + i) = page * 1000 + i;
	return 0;
}

static void streams(void)
{
	char path[MAX_PATH];
	HANDLE f = temp_file(path, 0, 0),
	       h = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 4096 * PAGE, NULL), t[2];
	ULONG64 word;
	unsigned bad = 0;

	stream = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(stream != NULL);
	for (ULONG_PTR i = 0; i < 2; i++)
		t[i] = CreateThread(NULL, 0, streamer, (void *)i, 0, NULL);
	WaitForMultipleObjects(2, t, TRUE, INFINITE);
	for (int i = 0; i < 2; i++)
		CloseHandle(t[i]);
	for (SIZE_T page = 4096; page-- > 0;)
		for (unsigned i = 0; i < PAGE; i += 512)
			bad += *(ULONG64 *)(stream + page * PAGE + i) != page * 1000 + i;
	CHECK_EQ(bad, 0);
	CHECK(UnmapViewOfFile(stream));
	CloseHandle(h);
	for (LONG page = 0; page < 4096; page += 61) {
		read_at(f, page * (LONG)PAGE + 512, &word, sizeof(word));
		CHECK_EQ(word, (ULONG64)page * 1000 + 512);
	}
	CloseHandle(f);
	CHECK(DeleteFileA(path));
}

/* The host cuts the file: its pages that are not in memory cannot be had any more. */
static void cut_beneath(char a, char b)
{
	char one[] = "?:\\cut_beneath.tmp", two[] = "?:\\cut_beneath.tmp";
	unsigned char page[PAGE], *v;
	HANDLE f, h, g;
	DWORD n;

	one[0] = a;
	two[0] = b;
	f = CreateFileA(one, GENERIC_READ | GENERIC_WRITE, 7, NULL, CREATE_ALWAYS, 0, NULL);
	CHECK(f != INVALID_HANDLE_VALUE);
	for (int i = 0; i < 64; i++) {
		memset(page, i + 1, PAGE);
		CHECK(WriteFile(f, page, PAGE, &n, NULL));
	}
	h = new_section(0, PAGE_READWRITE, SEC_COMMIT, f, NULL);
	v = map(h, 0, 0, PAGE_READWRITE, NULL);
	CHECK_EQ(v[0], 1);
	g = CreateFileA(two, GENERIC_READ | GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(g != INVALID_HANDLE_VALUE);
	CHECK(cut(g, 32 * PAGE + 100)); /* it knows nothing of the view: as the host itself */
	CHECK_EQ(v[20 * PAGE], 21);
	CHECK(!try_read(v + 40 * PAGE));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_IN_PAGE_ERROR);
	CHECK_EQ(fault.NumberParameters, 3);
	CHECK_EQ(fault.ExceptionInformation[0], 0);
	CHECK_EQ(fault.ExceptionInformation[1], (ULONG_PTR)(v + 40 * PAGE));
	CHECK((LONG)fault.ExceptionInformation[2] < 0);
	CHECK(!try_write(v + 63 * PAGE));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_IN_PAGE_ERROR);
	CHECK_EQ(fault.ExceptionInformation[0], 1);
	CHECK(
	    !try_read(v + 32 * PAGE + 50)); /* part of the page is gone: not a byte of it is told */
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_IN_PAGE_ERROR);
	CHECK(try_read(v + 31 * PAGE));
	CHECK_EQ(v[31 * PAGE], 32);
	/* a system call that meets such a page */
	CHECK(!WriteFile(f, v + 41 * PAGE, 1, &n, NULL));
	CHECK(cut(g, 64 * PAGE)); /* and it is there again */
	CHECK(try_read(v + 40 * PAGE));
	CHECK_EQ(v[40 * PAGE], 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, v), 0);
	CloseHandle(g);
	CloseHandle(h);
	CloseHandle(f);
	CHECK(DeleteFileA(one));
}

int main(int argc, char **argv)
{
	probes_begin();
	coherence();
	the_end_of_the_file();
	flushing();
	truncation();
	delete_on_close();
	large_file();
	streams();
	if (argc > 2)
		cut_beneath(argv[1][0], argv[2][0]);
	CHECK_EQ(pfncheck_errors(), 0);
	return checks_end();
}
