/*
 * Files and folders through kernel32: dispositions, sharing, positions, times, names without regard
 * to case, listings, renaming, deletion, byte-range locks, overlapped calls, files that are mapped.
 * All in a folder of its own below the temporary one.
 */
#include <string.h>

#include "tests/guest/check.h"

static char root[MAX_PATH];

/* A path in our folder; up to four live at once. */
static const char *in(const char *name)
{
	static char path[4][2 * MAX_PATH];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s\\%s", root, name);
	return p;
}

#define RW  (GENERIC_READ | GENERIC_WRITE)
#define ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

static HANDLE open_file(const char *name, DWORD access, DWORD share, DWORD how, DWORD flags)
{
	SetLastError(0xdead);
	return CreateFileA(in(name), access, share, NULL, how, flags, NULL);
}

static void check_refused(const char *name, DWORD access, DWORD share, DWORD how, DWORD error)
{
	HANDLE h = open_file(name, access, share, how, 0);

	CHECK(h == INVALID_HANDLE_VALUE);
	CHECK_EQ(GetLastError(), error);
	if (h != INVALID_HANDLE_VALUE)
		CloseHandle(h);
}

static void put_file(const char *name, const char *text)
{
	HANDLE h = open_file(name, GENERIC_WRITE, 0, CREATE_ALWAYS, 0);
	DWORD n;

	CHECK(h != INVALID_HANDLE_VALUE);
	CHECK(WriteFile(h, text, (DWORD)strlen(text), &n, NULL));
	CHECK_EQ(n, strlen(text));
	CHECK(CloseHandle(h));
}

static void dispositions(void)
{
	HANDLE h;

	check_refused("none", GENERIC_READ, 0, OPEN_EXISTING, ERROR_FILE_NOT_FOUND);
	check_refused("no\\path", GENERIC_READ, 0, OPEN_EXISTING, ERROR_PATH_NOT_FOUND);
	check_refused("none", GENERIC_WRITE, 0, TRUNCATE_EXISTING, ERROR_FILE_NOT_FOUND);
	check_refused("bad*name", RW, 0, CREATE_ALWAYS, ERROR_INVALID_NAME);
	h = open_file("New.txt", RW, 0, CREATE_NEW, 0);
	CHECK(h != INVALID_HANDLE_VALUE);
	CHECK(CloseHandle(h));
	check_refused("nEW.TXT", RW, 0, CREATE_NEW, ERROR_FILE_EXISTS);
	put_file("new.txt", "12345");
	h = open_file("NEW.txt", RW, 0, OPEN_ALWAYS, 0);
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK_EQ(GetFileSize(h, NULL), 5);
	CHECK(CloseHandle(h));
	h = open_file("new.txt", RW, 0, TRUNCATE_EXISTING, 0);
	CHECK_EQ(GetFileSize(h, NULL), 0);
	CHECK(CloseHandle(h));
	h = open_file("other.txt", RW, 0, OPEN_ALWAYS, 0);
	CHECK_EQ(GetLastError(), 0);
	CHECK(CloseHandle(h));
	h = open_file("new.txt", RW, 0, CREATE_ALWAYS, 0);
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK(CloseHandle(h));
	CHECK(DeleteFileA(in("NEW.TXT")));
	CHECK(DeleteFileA(in("other.txt")));
	CHECK(!DeleteFileA(in("other.txt")));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
}

static void sharing(void)
{
	HANDLE a, b;

	put_file("share", "x");
	a = open_file("share", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
	b = open_file("SHARE", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
	CHECK(b != INVALID_HANDLE_VALUE);
	check_refused("share", GENERIC_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
		      ERROR_SHARING_VIOLATION);
	check_refused("share", GENERIC_WRITE, ALL, OPEN_EXISTING, ERROR_SHARING_VIOLATION);
	CHECK(!DeleteFileA(in("share")));
	CHECK_EQ(GetLastError(), ERROR_SHARING_VIOLATION);
	CloseHandle(a);
	CloseHandle(b);
	a = open_file("share", GENERIC_WRITE, ALL, OPEN_EXISTING, 0);
	CHECK(a != INVALID_HANDLE_VALUE);
	b = open_file("share", GENERIC_WRITE, ALL, OPEN_EXISTING, 0);
	CHECK(b != INVALID_HANDLE_VALUE);
	CHECK(DeleteFileA(in("share"))); /* goes when both are closed */
	CloseHandle(a);
	CloseHandle(b);
	CHECK_EQ(GetFileAttributesA(in("share")), INVALID_FILE_ATTRIBUTES);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
}

static void positions(void)
{
	HANDLE h = open_file("pos", RW, 0, CREATE_ALWAYS, 0);
	static unsigned char data[150000], back[150000];
	LARGE_INTEGER size;
	DWORD n;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 31 + (i >> 8));
	CHECK(WriteFile(h, data, sizeof(data), &n, NULL));
	CHECK_EQ(n, sizeof(data));
	CHECK_EQ(SetFilePointer(h, 0, NULL, FILE_CURRENT), sizeof(data));
	CHECK_EQ(SetFilePointer(h, 0, NULL, FILE_BEGIN), 0);
	CHECK(ReadFile(h, back, sizeof(back), &n, NULL));
	CHECK_EQ(n, sizeof(back));
	CHECK(memcmp(data, back, sizeof(data)) == 0);
	CHECK(ReadFile(h, back, 10, &n, NULL)); /* the end: success, nothing */
	CHECK_EQ(n, 0);
	CHECK_EQ(SetFilePointer(h, -10, NULL, FILE_END), sizeof(data) - 10);
	CHECK(ReadFile(h, back, 100, &n, NULL));
	CHECK_EQ(n, 10);
	CHECK_EQ(SetFilePointer(h, -1, NULL, FILE_BEGIN), INVALID_SET_FILE_POINTER);
	CHECK_EQ(GetLastError(), ERROR_NEGATIVE_SEEK);
	CHECK_EQ(SetFilePointer(h, 5000, NULL, FILE_BEGIN), 5000);
	CHECK(SetEndOfFile(h));
	CHECK_EQ(GetFileSize(h, NULL), 5000);
	CHECK_EQ(SetFilePointer(h, 9000, NULL, FILE_BEGIN), 9000);
	CHECK(WriteFile(h, "!", 1, &n, NULL)); /* a hole reads as zeroes */
	CHECK(GetFileSizeEx(h, &size));
	CHECK_EQ(size.QuadPart, 9001);
	CHECK_EQ(SetFilePointer(h, 4990, NULL, FILE_BEGIN), 4990);
	CHECK(ReadFile(h, back, 100, &n, NULL));
	CHECK_EQ(n, 100);
	CHECK(memcmp(back, data + 4990, 10) == 0 && back[10] == 0 && back[99] == 0);
	CloseHandle(h);
	h = open_file("pos", FILE_APPEND_DATA, ALL, OPEN_EXISTING, 0);
	CHECK(WriteFile(h, "ab", 2, &n, NULL));
	CHECK(WriteFile(h, "cd", 2, &n, NULL));
	CloseHandle(h);
	h = open_file("pos", GENERIC_READ, 0, OPEN_EXISTING, 0);
	CHECK_EQ(SetFilePointer(h, 9001, NULL, FILE_BEGIN), 9001);
	CHECK(ReadFile(h, back, 100, &n, NULL));
	CHECK(n == 4 && memcmp(back, "abcd", 4) == 0);
	CHECK(!WriteFile(h, "x", 1, &n, NULL));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!ReadFile(h, NULL, 10, &n, NULL) || n == 0); /* behind the end */
	SetFilePointer(h, 0, NULL, FILE_BEGIN);
	CHECK(!ReadFile(h, (void *)0x10, 10, &n, NULL));
	CHECK_EQ(GetLastError(), ERROR_NOACCESS);
	CloseHandle(h);
	CHECK(DeleteFileA(in("pos")));
}

static void times_and_attributes(void)
{
	HANDLE h = open_file("times", RW, 0, CREATE_ALWAYS, 0);
	SYSTEMTIME st = {
	    .wYear = 2001, .wMonth = 2, .wDay = 3, .wHour = 4, .wMinute = 5, .wSecond = 6};
	WIN32_FILE_ATTRIBUTE_DATA data;
	BY_HANDLE_FILE_INFORMATION info;
	FILETIME ft, got;

	CHECK(SystemTimeToFileTime(&st, &ft));
	CHECK(SetFileTime(h, NULL, &ft, &ft));
	CHECK(GetFileTime(h, NULL, NULL, &got));
	CHECK_EQ(CompareFileTime(&ft, &got), 0);
	CHECK(GetFileInformationByHandle(h, &info));
	CHECK_EQ(info.nNumberOfLinks, 1);
	CHECK_EQ(info.nFileSizeLow, 0);
	CloseHandle(h);
	CHECK(GetFileAttributesExA(in("TIMES"), GetFileExInfoStandard, &data));
	CHECK_EQ(CompareFileTime(&data.ftLastWriteTime, &ft), 0);
	CHECK(!(data.dwFileAttributes & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_DIRECTORY)));
	CHECK(SetFileAttributesA(in("times"), FILE_ATTRIBUTE_READONLY));
	CHECK(GetFileAttributesA(in("times")) & FILE_ATTRIBUTE_READONLY);
	check_refused("times", GENERIC_WRITE, 0, OPEN_EXISTING, ERROR_ACCESS_DENIED);
	CHECK(!DeleteFileA(in("times")));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(SetFileAttributesA(in("times"), FILE_ATTRIBUTE_NORMAL));
	CHECK(DeleteFileA(in("times")));
}

static unsigned count_files(const char *pattern)
{
	WIN32_FIND_DATAA found;
	HANDLE h = FindFirstFileA(in(pattern), &found);
	unsigned n = 0;

	if (h == INVALID_HANDLE_VALUE)
		return 0;
	do
		n += !(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
	while (FindNextFileA(h, &found));
	CHECK_EQ(GetLastError(), ERROR_NO_MORE_FILES);
	CHECK(FindClose(h));
	return n;
}

static void folders(void)
{
	WIN32_FIND_DATAA found;
	HANDLE h;

	CHECK(CreateDirectoryA(in("Folder"), NULL));
	CHECK(!CreateDirectoryA(in("FOLDER"), NULL));
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK(GetFileAttributesA(in("folder")) & FILE_ATTRIBUTE_DIRECTORY);
	for (unsigned i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "folder\\file%02u.%s", i, i % 3 ? "txt" : "dat");
		put_file(name, "some");
	}
	put_file("folder\\noextension", "");
	CHECK_EQ(count_files("folder\\*"), 101);
	CHECK_EQ(count_files("folder\\*.*"), 101);
	CHECK_EQ(count_files("folder\\*.TXT"), 66);
	CHECK_EQ(count_files("folder\\file0?.*"), 10);
	CHECK_EQ(count_files("folder\\*."), 1);
	CHECK_EQ(count_files("folder\\nothing*"), 0);
	h = FindFirstFileA(in("folder\\FILE01.txt"), &found);
	CHECK(h != INVALID_HANDLE_VALUE);
	CHECK(strcmp(found.cFileName, "file01.txt") == 0);
	CHECK_EQ(found.nFileSizeLow, 4);
	CHECK(FindClose(h));
	CHECK(!RemoveDirectoryA(in("folder")));
	CHECK_EQ(GetLastError(), ERROR_DIR_NOT_EMPTY);
	CHECK(!DeleteFileA(in("folder")));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	check_refused("folder", GENERIC_READ, ALL, OPEN_EXISTING, ERROR_ACCESS_DENIED);
	h = open_file("folder\\file02.txt", GENERIC_READ, ALL, OPEN_EXISTING, 0);
	CHECK(!MoveFileA(in("folder"), in("moved")));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CloseHandle(h);
	CHECK(MoveFileA(in("folder"), in("Moved")));
	for (unsigned i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "MOVED\\FILE%02u.%s", i, i % 3 ? "txt" : "dat");
		CHECK(DeleteFileA(in(name)));
	}
	CHECK(DeleteFileA(in("moved\\noextension")));
	CHECK(RemoveDirectoryA(in("moved")));
	CHECK(!RemoveDirectoryA(in("moved")));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
}

static void renames(void)
{
	WIN32_FIND_DATAA found;
	HANDLE h;

	put_file("one", "1");
	put_file("two", "22");
	CHECK(!MoveFileA(in("one"), in("TWO")));
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK(!MoveFileA(in("three"), in("four")));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(MoveFileA(in("one"), in("One"))); /* only the spelling */
	h = FindFirstFileA(in("one"), &found);
	CHECK(h != INVALID_HANDLE_VALUE && strcmp(found.cFileName, "One") == 0);
	FindClose(h);
	CHECK(MoveFileExA(in("one"), in("TWO"), MOVEFILE_REPLACE_EXISTING));
	CHECK_EQ(GetFileAttributesA(in("one")), INVALID_FILE_ATTRIBUTES);
	h = FindFirstFileA(in("two"), &found);
	CHECK(h != INVALID_HANDLE_VALUE && strcmp(found.cFileName, "TWO") == 0);
	CHECK_EQ(found.nFileSizeLow, 1);
	FindClose(h);
	CHECK(DeleteFileA(in("two")));
}

static void delete_on_close(void)
{
	HANDLE a = open_file("doc", RW | DELETE, ALL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE), b;
	DWORD n;

	CHECK(a != INVALID_HANDLE_VALUE);
	b = open_file("doc", GENERIC_READ, ALL, OPEN_EXISTING, 0);
	CHECK(b != INVALID_HANDLE_VALUE);
	CHECK(WriteFile(a, "abc", 3, &n, NULL));
	CloseHandle(a);
	check_refused("doc", GENERIC_READ, ALL, OPEN_EXISTING, ERROR_ACCESS_DENIED); /* pending */
	CloseHandle(b);
	check_refused("doc", GENERIC_READ, ALL, OPEN_EXISTING, ERROR_FILE_NOT_FOUND);
}

static void locks(void)
{
	HANDLE a, b;
	char buffer[32];
	DWORD n;

	put_file("locks", "0123456789abcdef");
	a = open_file("locks", RW, ALL, OPEN_EXISTING, 0);
	b = open_file("locks", RW, ALL, OPEN_EXISTING, 0);
	CHECK(LockFile(a, 4, 0, 4, 0));
	CHECK(!LockFile(b, 7, 0, 4, 0));
	CHECK_EQ(GetLastError(), ERROR_LOCK_VIOLATION);
	CHECK(LockFile(b, 8, 0, 4, 0));
	CHECK(ReadFile(b, buffer, 4, &n, NULL));
	CHECK(!ReadFile(b, buffer, 4, &n, NULL)); /* 4..7 */
	CHECK_EQ(GetLastError(), ERROR_LOCK_VIOLATION);
	CHECK(!WriteFile(b, "xxxx", 4, &n, NULL));
	CHECK_EQ(GetLastError(), ERROR_LOCK_VIOLATION);
	CHECK(ReadFile(a, buffer, 8, &n, NULL)); /* its owner's own */
	CHECK(!UnlockFile(a, 4, 0, 3, 0));
	CHECK_EQ(GetLastError(), ERROR_NOT_LOCKED);
	CHECK(UnlockFile(a, 4, 0, 4, 0));
	CHECK(ReadFile(b, buffer, 4, &n, NULL));
	CloseHandle(b); /* its locks go with it */
	SetFilePointer(a, 8, NULL, FILE_BEGIN);
	CHECK(WriteFile(a, "XXXX", 4, &n, NULL));
	CloseHandle(a);
	CHECK(DeleteFileA(in("locks")));
}

static DWORD completed_error, completed_bytes, completions;

static void CALLBACK completed(DWORD error, DWORD bytes, OVERLAPPED *ov)
{
	completed_error = error;
	completed_bytes = bytes;
	completions += ov->Offset == 3;
}

static void overlapped(void)
{
	HANDLE h;
	OVERLAPPED ov = {0};
	char buffer[16] = "";
	DWORD n = 0;
	BOOL ok;

	put_file("over", "0123456789");
	h = open_file("over", RW, 0, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
	ov.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	ov.Offset = 4;
	ok = ReadFile(h, buffer, 4, NULL, &ov);
	CHECK(ok || GetLastError() == ERROR_IO_PENDING);
	CHECK(GetOverlappedResult(h, &ov, &n, TRUE));
	CHECK(n == 4 && memcmp(buffer, "4567", 4) == 0);
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	ov.Offset = 10;
	ok = ReadFile(h, buffer, 4, NULL, &ov);
	CHECK(!ok);
	if (GetLastError() == ERROR_IO_PENDING)
		CHECK(!GetOverlappedResult(h, &ov, &n, TRUE));
	CHECK_EQ(GetLastError(), ERROR_HANDLE_EOF);
	CloseHandle(ov.hEvent);
	memset(&ov, 0, sizeof(ov));
	ov.Offset = 3;
	CHECK(ReadFileEx(h, buffer, 2, &ov, completed));
	CHECK_EQ(completions, 0);
	CHECK_EQ(SleepEx(1000, TRUE), WAIT_IO_COMPLETION);
	CHECK_EQ(completions, 1);
	CHECK(completed_error == 0 && completed_bytes == 2 && memcmp(buffer, "34", 2) == 0);
	CloseHandle(h);
	CHECK(DeleteFileA(in("over")));
}

/* A view and the file are one: what is written to either is seen in the other. */
static void mapped(void)
{
	HANDLE h = open_file("mapped", RW, ALL, CREATE_ALWAYS, 0), section;
	char buffer[8192];
	char *view;
	DWORD n;

	memset(buffer, 'a', sizeof(buffer));
	CHECK(WriteFile(h, buffer, sizeof(buffer), &n, NULL));
	section = CreateFileMappingA(h, NULL, PAGE_READWRITE, 0, 0, NULL);
	CHECK(section != NULL);
	view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(view != NULL);
	CHECK(view[0] == 'a' && view[8191] == 'a');
	SetFilePointer(h, 4090, NULL, FILE_BEGIN);
	CHECK(WriteFile(h, "across the page", 15, &n, NULL));
	CHECK(memcmp(view + 4090, "across the page", 15) == 0);
	memcpy(view + 100, "through the view", 16);
	SetFilePointer(h, 100, NULL, FILE_BEGIN);
	CHECK(ReadFile(h, buffer, 16, &n, NULL));
	CHECK(memcmp(buffer, "through the view", 16) == 0);
	SetFilePointer(h, 4096, NULL, FILE_BEGIN);
	CHECK(!SetEndOfFile(h));
	CHECK_EQ(GetLastError(), ERROR_USER_MAPPED_FILE);
	check_refused("mapped", RW, ALL, CREATE_ALWAYS, ERROR_USER_MAPPED_FILE);
	CHECK(!DeleteFileA(in("mapped")));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(FlushViewOfFile(view, 0));
	CHECK(UnmapViewOfFile(view));
	CloseHandle(section);
	CHECK(SetEndOfFile(h));
	CHECK_EQ(GetFileSize(h, NULL), 4096);
	CloseHandle(h);
	h = open_file("mapped", GENERIC_READ, 0, OPEN_EXISTING, 0);
	CHECK(ReadFile(h, buffer, sizeof(buffer), &n, NULL));
	CHECK(n == 4096 && memcmp(buffer + 100, "through the view", 16) == 0);
	CHECK(memcmp(buffer + 4090, "across", 6) == 0);
	CloseHandle(h);
	CHECK(DeleteFileA(in("mapped")));
}

/* A running program is one of the mapped files that cannot be written. */
static void images(void)
{
	char self[MAX_PATH];
	HANDLE h;

	CHECK(GetModuleFileNameA(NULL, self, sizeof(self)));
	CHECK(CopyFileA(self, in("copy.exe"), TRUE));
	CHECK(!CopyFileA(self, in("copy.exe"), TRUE));
	CHECK_EQ(GetLastError(), ERROR_FILE_EXISTS);
	HMODULE m = LoadLibraryExA(in("copy.exe"), NULL, DONT_RESOLVE_DLL_REFERENCES);
	CHECK(m != NULL);
	check_refused("copy.exe", GENERIC_WRITE, ALL, OPEN_EXISTING, ERROR_SHARING_VIOLATION);
	CHECK(!DeleteFileA(in("copy.exe")));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(FreeLibrary(m));
	h = open_file("copy.exe", GENERIC_WRITE, ALL, OPEN_EXISTING, 0);
	CHECK(h != INVALID_HANDLE_VALUE);
	CloseHandle(h);
	CHECK(DeleteFileA(in("copy.exe")));
}

static void devices(void)
{
	HANDLE h = CreateFileA("NUL", RW, 0, NULL, OPEN_EXISTING, 0, NULL);
	char c;
	DWORD n;

	CHECK(h != INVALID_HANDLE_VALUE);
	CHECK_EQ(GetFileType(h), FILE_TYPE_CHAR);
	CHECK(WriteFile(h, "abc", 3, &n, NULL));
	CHECK_EQ(n, 3);
	CHECK(ReadFile(h, &c, 1, &n, NULL));
	CHECK_EQ(n, 0);
	CloseHandle(h);
	h = open_file("disk", RW, 0, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE);
	CHECK_EQ(GetFileType(h), FILE_TYPE_DISK);
	CloseHandle(h);
}

int main(void)
{
	char temp[MAX_PATH];
	ULARGE_INTEGER available, total;

	CHECK(GetTempPathA(sizeof(temp), temp));
	snprintf(root, sizeof(root), "%sfiles.%lu", temp, GetCurrentProcessId());
	CHECK(CreateDirectoryA(root, NULL));
	dispositions();
	sharing();
	positions();
	times_and_attributes();
	folders();
	renames();
	delete_on_close();
	locks();
	overlapped();
	mapped();
	images();
	devices();
	CHECK(GetDiskFreeSpaceExA(root, &available, &total, NULL));
	CHECK(total.QuadPart >= available.QuadPart && total.QuadPart > 0);
	CHECK(RemoveDirectoryA(root));
	return checks_end();
}
