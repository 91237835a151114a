/*
 * Memory of each kind, for somebody who looks into the machine from outside (tests/cmd/inspect.sh):
 * sets regions up, tells what the system itself says of each, and waits for a line of input before
 * it ends.
 *
 *   region NAME BASE SIZE COMMITTED RESIDENT SHAREABLE SHARED LOCKED     bytes
 */
#include <string.h>

#include "tests/guest/check.h"
#include <psapi.h>

#define PAGE 4096u

static void touch(char *base, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		((volatile char *)base)[i * PAGE] = (char)i;
}

/* All blocks of the allocation at base. */
static void tell(const char *name, void *base)
{
	SIZE_T size = 0, committed = 0, resident = 0, shareable = 0, shared = 0, locked = 0;
	MEMORY_BASIC_INFORMATION m;

	for (char *at = base; VirtualQuery(at, &m, sizeof(m)) && m.AllocationBase == base;
	     at += m.RegionSize) {
		size += m.RegionSize;
		if (m.State != MEM_COMMIT)
			continue;
		committed += m.RegionSize;
		for (SIZE_T i = 0; i < m.RegionSize; i += PAGE) {
			PSAPI_WORKING_SET_EX_INFORMATION w = {.VirtualAddress = at + i};

			CHECK(QueryWorkingSetEx(GetCurrentProcess(), &w, sizeof(w)));
			if (!w.VirtualAttributes.Valid)
				continue;
			resident += PAGE;
			shareable += w.VirtualAttributes.Shared ? PAGE : 0;
			shared += w.VirtualAttributes.ShareCount > 1 ? PAGE : 0;
			locked += w.VirtualAttributes.Locked ? PAGE : 0;
		}
	}
	printf("region %s %llx %llu %llu %llu %llu %llu %llu\n", name,
	       (unsigned long long)(ULONG_PTR)base, (unsigned long long)size,
	       (unsigned long long)committed, (unsigned long long)resident,
	       (unsigned long long)shareable, (unsigned long long)shared,
	       (unsigned long long)locked);
}

static char *allocate(SIZE_T size, DWORD type)
{
	char *p = VirtualAlloc(NULL, size, type, PAGE_READWRITE);

	CHECK(p != NULL);
	return p;
}

static char *map_file(void)
{
	HANDLE file = CreateFileA("T:\\inspect.dat", GENERIC_READ | GENERIC_WRITE, 0, NULL,
				  CREATE_ALWAYS, 0, NULL),
	       section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0x40000, NULL);
	char *p = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

	CHECK(p != NULL);
	if (p)
		touch(p, 10);
	return p;
}

/* A section of the pagefile that is there twice, so some pages are shared. */
static char *map_section(void)
{
	HANDLE section =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x80000, NULL);
	char *p = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0),
	     *again = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

	CHECK(p != NULL && again != NULL);
	if (p && again) {
		touch(p, 20);
		touch(again, 5);
	}
	return p;
}

static char *lock_pages(void)
{
	char *p = allocate(0x10000, MEM_RESERVE | MEM_COMMIT);

	CHECK(SetProcessWorkingSetSize(GetCurrentProcess(), 4 << 20, 16 << 20));
	CHECK(VirtualLock(p, 8 * PAGE));
	touch(p, 10);
	return p;
}

static HANDLE go;
static DWORD WINAPI waiter(void *unused)
{
	(void)unused;
	return WaitForSingleObject(go, INFINITE);
}

int main(void)
{
	PROCESS_MEMORY_COUNTERS_EX c = {.cb = sizeof(c)};
	char *partial = allocate(4 << 20, MEM_RESERVE), *file, *section, *locked, line[16];
	HANDLE heap = HeapCreate(0, 0, 0), thread;
	MEMORY_BASIC_INFORMATION m;

	CHECK(VirtualAlloc(partial + (1 << 20), 1 << 20, MEM_COMMIT, PAGE_READWRITE) != NULL);
	touch(partial + (1 << 20), 64);
	file = map_file();
	section = map_section();
	locked = lock_pages();
	for (unsigned i = 0; i < 100; i++)
		memset(HeapAlloc(heap, 0, 1000), 1, 1000);
	go = CreateEventA(NULL, TRUE, FALSE, NULL);
	thread = CreateThread(NULL, 0, waiter, NULL, 0, NULL);
	Sleep(50);

	tell("partial", partial);
	tell("file", file);
	tell("section", section);
	tell("locked", locked);
	CHECK(VirtualQuery(heap, &m, sizeof(m)));
	tell("heap", m.AllocationBase);
	CHECK(VirtualQuery(LoadLibraryA("advapi32.dll"), &m, sizeof(m)));
	tell("image", m.AllocationBase);
	CHECK(GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&c, sizeof(c)));
	printf("pid %lu\nprivate %llu\n", GetCurrentProcessId(),
	       (unsigned long long)c.PrivateUsage);
	printf("ready\n");
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	SetEvent(go);
	WaitForSingleObject(thread, INFINITE);
	return checks_end();
}
