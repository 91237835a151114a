/*
 * Images: loading and freeing DLLs, order of DllMain and TLS callbacks, circular imports, exports
 * by name and ordinal, forwarders, delayed imports, shared and private data, resources, damaged
 * files.
 */
#include "tests/guest/sect.h"

/* Bound when first called (a delayed import of img_one.dll). */
__declspec(dllimport) int one_answer(void);

static FARPROC proc(HMODULE m, const char *name)
{
	FARPROC f = GetProcAddress(m, name);
	if (!f)
		printf("no %s\n", (ULONG_PTR)name < 0x10000 ? "such ordinal" : name);
	CHECK(f != NULL);
	return f;
}
#define CALL(m, name, type) ((type(*)(LONG))(void *)proc(m, name))

static const char *log_text(void)
{
	static char text[200];
	text[0] = 0;
	GetEnvironmentVariableA("IMG_LOG", text, sizeof(text));
	SetEnvironmentVariableA("IMG_LOG", NULL);
	return text;
}
static void log_is(const char *want, int line)
{
	const char *got = log_text();
	if (strcmp(got, want))
		printf("line %d: the DLLs' log is \"%s\", not \"%s\"\n", line, got, want);
	CHECK(!strcmp(got, want));
}
#define LOG_IS(want) log_is(want, __LINE__)

static void life(void)
{
	HMODULE one, again, other;
	char path[MAX_PATH];
	DWORD n;

	CHECK(!GetModuleHandleA("img_one.dll"));
	CHECK_EQ(GetLastError(), ERROR_MOD_NOT_FOUND);
	one = LoadLibraryA("img_one.dll");
	CHECK(one != NULL);
	if (!one)
		return;
	LOG_IS("BtA"); /* what it needs first; TLS callbacks before DllMain */
	CHECK_EQ(GetModuleHandleA("img_one"), one);
	CHECK_EQ(GetModuleHandleA("IMG_ONE.DLL"), one);
	CHECK(GetModuleHandleA("img_two.dll") != NULL);
	CHECK_EQ(CALL(one, "one_asks_other", int)(0), 'B');
	CHECK_EQ(CALL(GetModuleHandleA("img_two"), "two_asks_other", int)(0), 'A');
	again = LoadLibraryA("IMG_ONE");
	CHECK_EQ(again, one);
	n = GetModuleFileNameA(one, path, sizeof(path));
	CHECK(n > 12 && !_stricmp(path + n - 12, "\\img_one.dll"));
	CHECK_EQ(strlen(path), n);
	again = LoadLibraryA(path);
	CHECK_EQ(again, one);
	memset(path, 'x', sizeof(path));
	CHECK_EQ(GetModuleFileNameA(one, path, 5), 5);
	CHECK_EQ(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
	CHECK_EQ(path[4], 0);
	CHECK_EQ(path[5], 'x');
	CHECK(GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				     GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
				 (const char *)(ULONG_PTR)proc(one, "pages"), &other));
	CHECK_EQ(other, one);
	CHECK(GetModuleHandleExA(0, "img_one.dll", &other)); /* one more reference */
	CHECK(FreeLibrary(one));
	CHECK(FreeLibrary(one));
	CHECK(FreeLibrary(one));
	CHECK_EQ(GetModuleHandleA("img_one.dll"), one);
	LOG_IS("");
	CHECK(FreeLibrary(one));
	LOG_IS("ab");
	CHECK(!GetModuleHandleA("img_one.dll"));
	CHECK(!GetModuleHandleA("img_two.dll"));
	CHECK_EQ(basic(one).State, MEM_FREE);
	CHECK(!FreeLibrary(one));
	again = LoadLibraryA("img_one.dll");
	CHECK_EQ(again, one); /* one base for an image, as long as the system runs */
	LOG_IS("BtA");
	CHECK(FreeLibrary(again));
	LOG_IS("ab");
	CHECK(!LoadLibraryA("img_none.dll"));
	CHECK_EQ(GetLastError(), ERROR_MOD_NOT_FOUND);
	CHECK(!LoadLibraryA("no folder\\img_one.dll"));
	CHECK_EQ(GetLastError(), ERROR_MOD_NOT_FOUND);
	/* DllMain says no */
	SetEnvironmentVariableA("IMG_FAIL", "1");
	CHECK(!LoadLibraryA("img_one.dll"));
	CHECK_EQ(GetLastError(), ERROR_DLL_INIT_FAILED);
	CHECK(!GetModuleHandleA("img_one.dll"));
	SetEnvironmentVariableA("IMG_FAIL", NULL);
	log_text();
}

static void exports(void)
{
	HMODULE one = LoadLibraryA("img_one.dll"), k = GetModuleHandleA("kernel32.dll");
	CHECK_EQ(CALL(one, "one_answer", int)(0), 'A');
	CHECK_EQ(CALL(one, MAKEINTRESOURCEA(1), int)(0), 'A');
	CHECK_EQ(CALL(one, MAKEINTRESOURCEA(77), LONG)(0), 4711);
	CHECK_EQ(proc(one, "forwarded"), proc(k, "GetCurrentProcessId"));
	CHECK_EQ(CALL(one, "forwarded_to_two", int)(0), 'B');
	CHECK_EQ(*(LONG *)(void *)proc(one, "shared_count"), CALL(one, "add_shared", LONG)(0));
	CHECK(!GetProcAddress(one, "forwarded_nowhere"));
	CHECK_EQ(GetLastError(), ERROR_PROC_NOT_FOUND);
	CHECK(!GetProcAddress(one, "One_Answer"));
	CHECK_EQ(GetLastError(), ERROR_PROC_NOT_FOUND);
	CHECK(!GetProcAddress(one, "by_ordinal_only"));
	CHECK(!GetProcAddress(one, MAKEINTRESOURCEA(76)));
	CHECK_EQ(GetLastError(), ERROR_PROC_NOT_FOUND);
	CHECK(!GetProcAddress(one, ""));
	CHECK(FreeLibrary(one));
	log_text();
}

static DWORD WINAPI nothing(void *context)
{
	(void)context;
	return 0;
}

static void thread(void)
{
	HANDLE t = CreateThread(NULL, 0, nothing, NULL, 0, NULL);
	WaitForSingleObject(t, INFINITE);
	CloseHandle(t);
}

static void threads(void)
{
	HMODULE one = LoadLibraryA("img_one.dll");
	log_text();
	thread();
	LOG_IS("LnK"); /* in the order of initialization */
	CHECK(FreeLibrary(one));
	log_text();
}

/* binutils 2.42 and later put the addresses of delayed imports into a read-only section, which
 * their helper does not know. */
static void make_imports_writable(void)
{
	BYTE *image = (BYTE *)GetModuleHandleA(NULL);
	IMAGE_NT_HEADERS *nt = (IMAGE_NT_HEADERS *)(image + ((IMAGE_DOS_HEADER *)image)->e_lfanew);
	IMAGE_SECTION_HEADER *s = IMAGE_FIRST_SECTION(nt);
	DWORD old;

	for (WORD i = 0; i < nt->FileHeader.NumberOfSections; i++)
		if (!memcmp(s[i].Name, ".idata", 7))
			CHECK(VirtualProtect(image + s[i].VirtualAddress, s[i].Misc.VirtualSize,
					     PAGE_READWRITE, &old));
}

static void delayed(void)
{
	make_imports_writable();
	CHECK(!GetModuleHandleA("img_one.dll"));
	CHECK_EQ(one_answer(), 'A');
	CHECK(GetModuleHandleA("img_one.dll") != NULL);
	CHECK_EQ(one_answer(), 'A');
	LOG_IS("BtA");
	CHECK(FreeLibrary(GetModuleHandleA("img_one.dll")));
	LOG_IS("ab");
}

static BOOL text_is(HMODULE m, HRSRC r, const char *text)
{
	HGLOBAL g = r ? LoadResource(m, r) : NULL;
	return g && SizeofResource(m, r) == strlen(text) &&
	       !memcmp(LockResource(g), text, strlen(text));
}

static void resources_of(HMODULE m)
{
	CHECK(text_is(m, FindResourceA(m, MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(10)),
		      "a resource of nineteen"));
	CHECK(text_is(m, FindResourceA(m, "#1", "#10"), "a resource of nineteen"));
	CHECK(text_is(m, FindResourceA(m, "text_name", MAKEINTRESOURCEA(10)), "named"));
	CHECK(text_is(m, FindResourceExA(m, MAKEINTRESOURCEA(10), "TEXT_NAME", 0), "named"));
	CHECK(FindResourceA(m, MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(16)) != NULL); /* RT_VERSION */
	CHECK(!FindResourceA(m, MAKEINTRESOURCEA(2), MAKEINTRESOURCEA(10)));
	CHECK_EQ(GetLastError(), ERROR_RESOURCE_NAME_NOT_FOUND);
	CHECK(!FindResourceA(m, MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(222)));
	CHECK_EQ(GetLastError(), ERROR_RESOURCE_TYPE_NOT_FOUND);
}

static void resources(void)
{
	HMODULE m = LoadLibraryA("img_one.dll"), d;
	resources_of(m);
	CHECK(FreeLibrary(m));
	log_text();
	d = LoadLibraryExA("img_one.dll", NULL, LOAD_LIBRARY_AS_DATAFILE);
	CHECK(d != NULL);
	CHECK_EQ((ULONG_PTR)d & 3, 1);
	CHECK_EQ(basic((void *)((ULONG_PTR)d & ~(ULONG_PTR)3)).Type, MEM_MAPPED);
	CHECK(!GetModuleHandleA("img_one.dll"));
	resources_of(d);
	CHECK(!GetProcAddress(d, "one_answer"));
	CHECK(FreeLibrary(d));
	d = LoadLibraryExA("img_one.dll", NULL, LOAD_LIBRARY_AS_IMAGE_RESOURCE);
	CHECK(d != NULL);
	CHECK_EQ((ULONG_PTR)d & 3, 2);
	CHECK_EQ(basic((void *)((ULONG_PTR)d & ~(ULONG_PTR)3)).Type, MEM_IMAGE);
	resources_of(d);
	CHECK(FreeLibrary(d));
	LOG_IS("");
	m = LoadLibraryExA("img_one.dll", NULL, DONT_RESOLVE_DLL_REFERENCES);
	CHECK(m != NULL);
	LOG_IS("");
	CHECK(GetProcAddress(m, "one_answer") != NULL);
	CHECK(FreeLibrary(m));
	log_text();
	CHECK(!FindResourceA(NULL, MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(10)));
}

/* A DLL's data: one copy a process, made when it is written; its shared section: one for all. */
static void data(void)
{
	HMODULE one = LoadLibraryA("img_one.dll");
	unsigned char *pages = (unsigned char *)CALL(one, "pages", ULONG_PTR)(0);
	unsigned char *shared = (unsigned char *)proc(one, "shared_count");
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	char text[100], path[MAX_PATH];
	DWORD code = 0;
	LONG before = CALL(one, "add_shared", LONG)(0);

	CHECK_EQ(basic(pages + PAGE).Protect, PAGE_WRITECOPY);
	CHECK_EQ(basic(pages + PAGE).Type, MEM_IMAGE);
	CHECK_EQ(basic(shared).Protect, PAGE_READWRITE);
	CHECK_EQ(pages[PAGE], 0);
	CHECK(resident(pages + PAGE) & WS_SHARED);
	CALL(one, "add_private", LONG)(10);
	GetModuleFileNameA(NULL, path, sizeof(path));
	snprintf(text, sizeof(text), "img_load child %p %ld", (void *)one, before);
	CHECK(CreateProcessA(path, text, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi));
	WaitForSingleObject(pi.hProcess, INFINITE);
	CHECK(GetExitCodeProcess(pi.hProcess, &code));
	CHECK_EQ(code, 0);
	CloseHandle(pi.hThread);
	CloseHandle(pi.hProcess);
	CHECK_EQ(CALL(one, "add_shared", LONG)(0), before + 100);
	CHECK_EQ(CALL(one, "add_private", LONG)(0), 15);
	CHECK_EQ(pages[PAGE], 0); /* the child wrote its own */
	pages[PAGE] = 9;
	CHECK_EQ(basic(pages + PAGE).Protect, PAGE_READWRITE);
	CHECK_EQ(basic(pages + PAGE).RegionSize, PAGE);
	CHECK_EQ(basic(pages + 2 * PAGE).Protect, PAGE_WRITECOPY);
	CHECK(!(resident(pages + PAGE) & WS_SHARED));
	send_all_to_pagefile();
	CHECK_EQ(pages[PAGE], 9);
	CHECK_EQ(CALL(one, "add_shared", LONG)(0), before + 100);
	CHECK_EQ(CALL(one, "add_private", LONG)(0), 15);
	/* code pages written to: a copy of this process's own */
	{
		unsigned char *code_page = (unsigned char *)proc(one, "one_answer"),
			      was = *code_page;
		ULONG old;
		SIZE_T done;
		CHECK_EQ(basic(code_page).Protect, PAGE_EXECUTE_READ);
		CHECK(VirtualProtect(code_page, 1, PAGE_EXECUTE_READWRITE, &old));
		CHECK_EQ(old, PAGE_EXECUTE_READ);
		CHECK_EQ(basic(code_page).Protect, PAGE_EXECUTE_WRITECOPY);
		*code_page = 0xcc;
		CHECK_EQ(basic(code_page).Protect, PAGE_EXECUTE_READWRITE);
		*code_page = was;
		CHECK(VirtualProtect(code_page, 1, PAGE_EXECUTE_READ, &old));
		CHECK_EQ(CALL(one, "one_answer", int)(0), 'A');
		CHECK(
		    WriteProcessMemory(SELF, code_page, &was, 1, &done)); /* without asking first */
	}
	CHECK(FreeLibrary(one));
	log_text();
}

static int child(const char *base, LONG shared)
{
	HMODULE one = LoadLibraryA("img_one.dll");
	char text[32];
	snprintf(text, sizeof(text), "%p", (void *)one);
	CHECK(!strcmp(text, base)); /* one base for all processes */
	CHECK_EQ(CALL(one, "add_shared", LONG)(0), shared);
	CHECK_EQ(CALL(one, "add_private", LONG)(0), 5);
	CHECK_EQ(CALL(one, "add_shared", LONG)(100), shared + 100);
	((char *)CALL(one, "pages", ULONG_PTR)(0))[PAGE] = 77;
	return (int)checks_failed;
}

/* ---- damaged files ---- */

#define ST_INVALID_IMAGE_PROTECT ((LONG)0xc0000130)

static unsigned char dll[1 << 20];
static DWORD dll_bytes;
static IMAGE_NT_HEADERS64 *nt;

static LONG image_status(void)
{
	char path[MAX_PATH];
	HANDLE f = temp_file(path, 0, 0), x;
	DWORD done;
	LONG st;
	CHECK(WriteFile(f, dll, dll_bytes, &done, NULL));
	CloseHandle(f);
	x = CreateFileA(path, GENERIC_READ | GENERIC_EXECUTE, 7, NULL, OPEN_EXISTING, 0, NULL);
	st = create_status(0, PAGE_EXECUTE_READ, SEC_IMAGE, x);
	if (st < 0) {
		CHECK(!LoadLibraryA(path));
		CHECK_EQ(GetLastError(), ERROR_BAD_EXE_FORMAT);
	}
	CloseHandle(x);
	CHECK(DeleteFileA(path));
	return st;
}

#define DAMAGED(field, value, status)                             \
	do {                                                      \
		typeof(field) was_ = (field);                     \
		(field) = (typeof(field))(value);                 \
		CHECK_EQ((ULONG)image_status(), (ULONG)(status)); \
		(field) = was_;                                   \
	} while (0)

static void damaged_files(void)
{
	IMAGE_SECTION_HEADER *s;
	HANDLE f = CreateFileA("img_one.dll", GENERIC_READ, 1, NULL, OPEN_EXISTING, 0, NULL);
	DWORD whole;
	CHECK(f != INVALID_HANDLE_VALUE);
	CHECK(ReadFile(f, dll, sizeof(dll), &dll_bytes, NULL));
	CloseHandle(f);
	nt = (IMAGE_NT_HEADERS64 *)(dll + ((IMAGE_DOS_HEADER *)dll)->e_lfanew);
	s = IMAGE_FIRST_SECTION(nt);
	CHECK_EQ((ULONG)image_status(), 0);
	DAMAGED(dll[0], 'X', ST_INVALID_IMAGE_NOT_MZ);
	DAMAGED(((IMAGE_DOS_HEADER *)dll)->e_lfanew, 0x7fffff00, ST_INVALID_IMAGE_PROTECT);
	DAMAGED(nt->Signature, 0x4550 + 0x100, ST_INVALID_IMAGE_PROTECT);
	DAMAGED(nt->OptionalHeader.Magic, 0x999, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->FileHeader.NumberOfSections, 500, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->FileHeader.SizeOfOptionalHeader, 2, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->OptionalHeader.SizeOfImage, 0x1000, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->OptionalHeader.SectionAlignment, 0x1001, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->OptionalHeader.FileAlignment, 3, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(nt->OptionalHeader.ImageBase, 0x180000123ull, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(s[1].VirtualAddress, s[1].VirtualAddress + 0x1000, ST_INVALID_IMAGE_FORMAT);
	DAMAGED(s[1].PointerToRawData, 0x7fffff00, ST_INVALID_FILE_FOR_SECTION);
	DAMAGED(s[1].SizeOfRawData, 0x7fffff00, ST_INVALID_FILE_FOR_SECTION);
	whole = dll_bytes;
	dll_bytes = s[2].PointerToRawData + 16; /* cut */
	CHECK_EQ((ULONG)image_status(), (ULONG)ST_INVALID_FILE_FOR_SECTION);
	dll_bytes = 100;
	CHECK(image_status() < 0);
	dll_bytes = whole;
	/* Random damage to the headers: no status but these, and no crash. */
	for (unsigned i = 0, x = 12345; i < 60; i++) {
		unsigned char was[4];
		unsigned at;
		LONG st;
		x = x * 1103515245 + 12345;
		at = ((IMAGE_DOS_HEADER *)dll)->e_lfanew + (x >> 8) % 500;
		memcpy(was, dll + at, 4);
		dll[at] ^= (unsigned char)(x >> 20 | 1);
		st = image_status();
		CHECK(st == 0 || (ULONG)st == (ULONG)ST_INVALID_IMAGE_FORMAT ||
		      (ULONG)st == (ULONG)ST_INVALID_FILE_FOR_SECTION ||
		      (ULONG)st == (ULONG)ST_INVALID_IMAGE_NOT_MZ || (ULONG)st == 0xc0000130u ||
		      (ULONG)st == 0xc0000131u);
		memcpy(dll + at, was, 4);
	}
}

/* This program's file, with its header changed; the copy's name. */
static const char *changed_self(USHORT flags_on, int no_stack)
{
	static char copy[MAX_PATH];
	char self[MAX_PATH];
	IMAGE_NT_HEADERS64 nt;
	LONG at = 0;
	DWORD n;
	HANDLE f;

	GetModuleFileNameA(NULL, self, sizeof(self));
	GetTempPathA(sizeof(copy), copy);
	strcat(copy, "changed.exe");
	CHECK(CopyFileA(self, copy, FALSE));
	f = CreateFileA(copy, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
	SetFilePointer(f, 0x3c, NULL, FILE_BEGIN);
	CHECK(ReadFile(f, &at, 4, &n, NULL));
	SetFilePointer(f, at, NULL, FILE_BEGIN);
	CHECK(ReadFile(f, &nt, sizeof(nt), &n, NULL));
	nt.FileHeader.Characteristics |= flags_on;
	if (flags_on & IMAGE_FILE_RELOCS_STRIPPED)
		nt.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC] =
		    (IMAGE_DATA_DIRECTORY){0, 0};
	if (no_stack)
		nt.OptionalHeader.SizeOfStackReserve = nt.OptionalHeader.SizeOfStackCommit = 0;
	SetFilePointer(f, at, NULL, FILE_BEGIN);
	CHECK(WriteFile(f, &nt, sizeof(nt), &n, NULL));
	CloseHandle(f);
	return copy;
}

/* A program loaded as a library: mapped, anywhere even without relocations, and not bound. */
static void program_as_library(void)
{
	const char *name = changed_self(IMAGE_FILE_RELOCS_STRIPPED, 0);
	HANDLE f = CreateFileA(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	HANDLE h = CreateFileMappingA(f, NULL, PAGE_READONLY | SEC_IMAGE, 0, 0, NULL);
	void *view = MapViewOfFile(h, FILE_MAP_READ, 0, 0, 0);
	HMODULE m = LoadLibraryA(name);
	IMAGE_NT_HEADERS64 *nt;
	IMAGE_IMPORT_DESCRIPTOR *import;

	CHECK(view != NULL);
	CHECK(m != NULL && (void *)m != view);
	if (m) {
		nt = (void *)((char *)m + ((IMAGE_DOS_HEADER *)m)->e_lfanew);
		import = (void *)((char *)m +
				  nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT]
				      .VirtualAddress);
		/* as the file has it */
		CHECK_EQ(*(ULONG64 *)((char *)m + import->FirstThunk),
			 *(ULONG64 *)((char *)m + import->OriginalFirstThunk));
		CHECK(FreeLibrary(m));
	}
	CHECK(UnmapViewOfFile(view));
	CloseHandle(h);
	CloseHandle(f);
	CHECK(DeleteFileA(name));
}

/* A header that asks for no stack gets the usual one. */
static void no_stack(void)
{
	const char *name = changed_self(0, 1);
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi = {0};
	char line[MAX_PATH + 16];
	DWORD code = 0;

	snprintf(line, sizeof(line), "\"%s\" stack", name);
	CHECK(CreateProcessA(name, line, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi));
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 60000), WAIT_OBJECT_0);
	CHECK(GetExitCodeProcess(pi.hProcess, &code) && code == 33);
	CloseHandle(pi.hProcess);
	CloseHandle(pi.hThread);
	CHECK(DeleteFileA(name));
}

int main(int argc, char **argv)
{
	probes_begin();
	if (argc == 2 && !strcmp(argv[1], "stack")) {
		volatile char much[0x20000];

		memset((char *)much, 1, sizeof(much));
		return 32 + much[0x10000];
	}
	if (argc == 4 && !strcmp(argv[1], "child"))
		return child(argv[2], atol(argv[3]));
	life();
	exports();
	threads();
	delayed();
	resources();
	data();
	damaged_files();
	program_as_library();
	no_stack();
	return checks_end();
}
