/*
 * The address space and sharing, as introductions to Windows' memory teach them: what is in each
 * partition, that reserved pages fault, that memory is shared by a section of the pagefile or of a
 * file (by a DLL's shared section: img_load.c), how large user space is. seeds.exe [2gb]      2gb:
 * it was linked without /LARGEADDRESSAWARE
 */
#include "tests/guest/sect.h"

#define AV_AT(p, kind)                                                     \
	do {                                                               \
		CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION); \
		CHECK_EQ(fault.ExceptionInformation[0], (kind));           \
		CHECK_EQ(fault.ExceptionInformation[1], (ULONG_PTR)(p));   \
	} while (0)

static void partitions(BOOL small)
{
	SYSTEM_INFO si;
	MEMORY_BASIC_INFORMATION m;
	ULONG_PTR top = small ? 0x7ffeffff : 0x7ffffffeffff;
	char *null_partition[] = {(char *)0, (char *)8, (char *)0xffff};
	char *strip = (char *)(top + 1);

	GetSystemInfo(&si);
	CHECK_EQ(si.lpMinimumApplicationAddress, 0x10000);
	CHECK_EQ(si.lpMaximumApplicationAddress, top);
	CHECK_EQ(si.dwAllocationGranularity, 0x10000);
	CHECK_EQ(si.dwPageSize, PAGE);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!try_read(null_partition[i]));
		AV_AT(null_partition[i], 0);
		CHECK(!try_write(null_partition[i]));
		AV_AT(null_partition[i], 1);
	}
	CHECK(!try_execute((void *)8));
	AV_AT(8, 8);
	CHECK(!VirtualAlloc((void *)0x1000, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(VirtualQuery(NULL, &m, sizeof(m)), sizeof(m));
	CHECK_EQ(m.State, MEM_FREE);
	CHECK_EQ(m.Protect, PAGE_NOACCESS);
	/* the 64 KB below the boundary, and what is the kernel's */
	if (!small) {
		CHECK(!try_read(strip));
		AV_AT(strip, 0);
		CHECK(!try_write(strip + 0xffff));
		AV_AT(strip + 0xffff, 1);
		CHECK(!try_read((char *)0xffff800000000000));
		CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
		CHECK(!try_read((char *)0x800000000000)); /* no address at all */
		CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
		CHECK_EQ(fault.ExceptionInformation[1], ~0ull);
	}
	CHECK(!VirtualAlloc(strip, PAGE, MEM_RESERVE, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!VirtualQuery(strip, &m, sizeof(m)));
	/* every address a program gets lies within */
	for (int i = 0; i < 20; i++) {
		char *p = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | (i & 1 ? MEM_TOP_DOWN : 0),
				       PAGE_READWRITE);
		CHECK(p && (ULONG_PTR)p + 0xffff <= top);
		VirtualFree(p, 0, MEM_RELEASE);
	}
	CHECK((ULONG_PTR)&si < top && (ULONG_PTR)GetModuleHandleA("ntdll.dll") < top);
	if (small)
		CHECK(!VirtualAlloc(NULL, 0x80000000u, MEM_RESERVE, PAGE_READWRITE));
}

static void states(void)
{
	char *p = VirtualAlloc(NULL, 10 * 1024, MEM_RESERVE, PAGE_READWRITE);
	MEMORY_BASIC_INFORMATION m = basic(p);

	CHECK_EQ((ULONG_PTR)p & 0xffff, 0);
	CHECK_EQ(m.RegionSize, 12 * 1024); /* 10 KB are three pages */
	CHECK_EQ(m.State, MEM_RESERVE);
	CHECK_EQ(m.Protect, 0);
	CHECK(!try_read(p));
	AV_AT(p, 0);
	CHECK(!try_write(p + 5));
	AV_AT(p + 5, 1);
	CHECK_EQ(VirtualAlloc(p + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE), p + PAGE);
	CHECK(try_write(p + PAGE));
	CHECK(!try_read(p));
	CHECK(!try_read(p + 2 * PAGE));
	CHECK_EQ(basic(p + PAGE).RegionSize, PAGE);
	CHECK(VirtualFree(p + PAGE, PAGE, MEM_DECOMMIT));
	CHECK(!try_read(p + PAGE));
	AV_AT(p + PAGE, 0);
	CHECK(VirtualFree(p, 0, MEM_RELEASE));
	CHECK(!try_read(p));
	AV_AT(p, 0);
	CHECK_EQ(basic(p).State, MEM_FREE);
}

/* Parent and child meet in a named section, and in a file that both map. */
static char file_path[MAX_PATH];

static int child(const char *file)
{
	HANDLE h = OpenFileMappingA(FILE_MAP_WRITE | FILE_MAP_READ, FALSE, "Local\\ntmm seeds"), f,
	       fm;
	volatile LONG *v, *w;

	v = MapViewOfFile(h, FILE_MAP_WRITE | FILE_MAP_READ, 0, 0, 0);
	CHECK(v != NULL);
	CHECK_EQ(v[0], 100);
	f = CreateFileA(file, GENERIC_READ | GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	fm = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0, NULL);
	w = MapViewOfFile(fm, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(w != NULL);
	CHECK_EQ(w[1], 7);
	w[1] = 8;
	v[1] = (LONG)GetCurrentProcessId();
	while (v[0] != 101) /* the parent sees it and answers, both through memory only */
		Sleep(1);
	v[0] = 102;
	return (int)checks_failed;
}

static void shared_memory(void)
{
	HANDLE h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE,
				      "Local\\ntmm seeds"),
	       f, fm;
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	volatile LONG *v = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0), *w;
	char path[MAX_PATH], text[2 * MAX_PATH];
	DWORD code;

	f = temp_file(file_path, 0, PAGE);
	fm = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0, NULL);
	w = MapViewOfFile(fm, FILE_MAP_WRITE, 0, 0, 0);
	v[0] = 100;
	w[1] = 7;
	GetModuleFileNameA(NULL, path, sizeof(path));
	snprintf(text, sizeof(text), "seeds child %s", file_path);
	CHECK(CreateProcessA(path, text, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi));
	while (!v[1] && WaitForSingleObject(pi.hProcess, 1) == WAIT_TIMEOUT)
		;
	CHECK_EQ(v[1], pi.dwProcessId);
	CHECK_EQ(w[1], 8);
	v[0] = 101;
	WaitForSingleObject(pi.hProcess, INFINITE);
	CHECK_EQ(v[0], 102);
	CHECK(GetExitCodeProcess(pi.hProcess, &code));
	CHECK_EQ(code, 0);
	CloseHandle(pi.hProcess);
	CloseHandle(pi.hThread);
	UnmapViewOfFile((void *)v);
	UnmapViewOfFile((void *)w);
	CloseHandle(h);
	CloseHandle(fm);
	CloseHandle(f);
	CHECK(DeleteFileA(file_path));
}

int main(int argc, char **argv)
{
	probes_begin();
	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argv[2]);
	partitions(argc > 1);
	states();
	shared_memory();
	return checks_end();
}
