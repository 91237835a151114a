/* What runtimes and programs of others rely on in ntdll, kernel32, msvcrt and advapi32, beside
 * memory: each of these stopped one or made it go wrong. */
#include "tests/guest/check.h"

#include <string.h>

LONG NTAPI NtQueueApcThread(HANDLE, void *routine, void *, void *, void *);
LONG NTAPI NtSetContextThread(HANDLE, const CONTEXT *);
void *NTAPI RtlInterlockedPushListSList(SLIST_HEADER *, SLIST_ENTRY *, SLIST_ENTRY *, ULONG);

#define ST_UNSUCCESSFUL ((LONG)0xc0000001)

/* ---- strings that are bad: lstr calls catch it ---- */

static void check_strings(void)
{
	char *page = VirtualAlloc(NULL, 0x2000, MEM_RESERVE, PAGE_NOACCESS), *end = page + 0x1000;
	WCHAR *wide;
	char small[8];

	VirtualAlloc(page, 0x1000, MEM_COMMIT, PAGE_READWRITE);
	wide = (WCHAR *)end - 4;
	memset(page, 'x', 0x1000);
	CHECK_EQ(lstrlenA("four"), 4);
	CHECK_EQ(lstrlenW(L"four"), 4);
	CHECK_EQ(lstrlenA(NULL), 0);
	CHECK_EQ(lstrlenA((char *)0xdeadbeef), 0);
	CHECK_EQ(lstrlenA(end - 4), 0);
	CHECK_EQ(lstrlenW(wide), 0);
	CHECK(lstrcpyA(small, "1234567") == small && !strcmp(small, "1234567"));
	CHECK(lstrcpyA(end - 4, "1234567") == NULL);
	CHECK(!memcmp(end - 4, "1234", 4)); /* what fitted, without a terminator */
	CHECK(lstrcpyW(wide, L"1234567") == NULL);
	CHECK(lstrcpyA(small, NULL) == NULL);
	CHECK(lstrcatA(small, (char *)0xdeadbeef) == NULL);
	CHECK(lstrcatW(wide, L"1") == NULL);
	CHECK(lstrcpynA(end - 4, "1234567", 8) == NULL);
	CHECK(lstrcpynA(end - 4, "1234567", 4) == end - 4 && !strcmp(end - 4, "123"));
	CHECK(lstrcpynW(wide, L"1234567", 8) == NULL);
	CHECK(VirtualFree(page, 0, MEM_RELEASE));
}

/* ---- heaps ---- */

static void check_heap(void)
{
	HANDLE heap = HeapCreate(0, 0, 0);
	char *p = HeapAlloc(heap, 0, 3 << 20);

	/* smaller is always possible where it is, down to a size that would not be large any more
	 */
	p[0] = 5;
	for (SIZE_T size = 2 << 20; size > 64; size /= 2) {
		CHECK_EQ(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, p, size), p);
		CHECK_EQ(HeapSize(heap, 0, p), size);
		CHECK(HeapValidate(heap, 0, NULL));
		p[size - 1] = 5;
	}
	CHECK(!HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, p, 64 << 20));
	p = HeapReAlloc(heap, 0, p, 5000);
	CHECK_EQ(p[0], 5);
	CHECK(HeapFree(heap, 0, p));
	SetLastError(0xdeadbeef);
	CHECK(!HeapReAlloc(heap, 0, NULL, 1)); /* no block, no error */
	CHECK_EQ(GetLastError(), ERROR_SUCCESS);
	CHECK(HeapDestroy(heap));
}

/* ---- threads ---- */

static DWORD WINAPI nothing(void *arg)
{
	(void)arg;
	return 3;
}

static void check_ended_thread(void)
{
	HANDLE t = CreateThread(NULL, 0, nothing, NULL, 0, NULL);

	CHECK_EQ(WaitForSingleObject(t, 10000), WAIT_OBJECT_0);
	SetLastError(0);
	CHECK_EQ(SuspendThread(t), (DWORD)-1);
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK_EQ(ResumeThread(t), 0);
	CHECK_EQ(NtQueueApcThread(t, NULL, NULL, NULL, NULL), ST_UNSUCCESSFUL);
	CHECK(CloseHandle(t));
}

static void check_thread(void)
{
	HANDLE self = GetCurrentThread();
	DWORD_PTR mask, system;
	GROUP_AFFINITY group;
	CONTEXT c = {0};
	ULONG size;
	ULONG64 cycles = 0, more = 0;

	/* an APC without a routine is none: it does not end a wait */
	CHECK_EQ(NtQueueApcThread(self, NULL, NULL, NULL, NULL), 0);
	CHECK_EQ(SleepEx(20, TRUE), 0);

	/* without integer registers in the context the call returns its status */
	c.ContextFlags = CONTEXT_SEGMENTS;
	CHECK(GetThreadContext(self, &c));
	CHECK_EQ(NtSetContextThread(self, &c), 0);

	CHECK(GetProcessAffinityMask(GetCurrentProcess(), &mask, &system));
	CHECK_EQ(SetThreadAffinityMask(self, ~(DWORD_PTR)0), mask);
	CHECK_EQ(SetThreadAffinityMask(self, 0xffffffff), mask); /* all of them, too */
	CHECK_EQ(SetThreadAffinityMask(self, mask << 1 | mask << 2), 0);
	SetLastError(0);
	CHECK(!GetThreadGroupAffinity(self, NULL));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	group = (GROUP_AFFINITY){.Mask = ~(KAFFINITY)0};
	CHECK(!SetThreadGroupAffinity(self, &group, NULL));

	size = 0x10000000; /* more than the stack; told is what there was in any case */
	CHECK(!SetThreadStackGuarantee(&size));
	CHECK_EQ(size, 0);
	size = 200;
	CHECK(SetThreadStackGuarantee(&size));
	CHECK_EQ(size, 0);
	size = 0;
	CHECK(SetThreadStackGuarantee(&size));
	CHECK_EQ(size, 0x2000);

	CHECK(QueryThreadCycleTime(self, &cycles));
	CHECK(QueryProcessCycleTime(GetCurrentProcess(), &more));
	CHECK(more >= cycles);
}

/* ---- processors ---- */

static void check_processors(void)
{
	char buffer[8192];
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *r = (void *)buffer;
	unsigned seen[5] = {0};
	KAFFINITY cores = 0, group = 0;
	SYSTEM_INFO info;
	DWORD need = 0, size = sizeof(buffer);

	GetSystemInfo(&info);
	CHECK(!GetLogicalProcessorInformationEx(RelationAll, NULL, &need));
	CHECK_EQ(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
	CHECK(need > 0 && need < sizeof(buffer));
	size = need - 1;
	CHECK(!GetLogicalProcessorInformationEx(RelationAll, r, &size));
	CHECK_EQ(size, need);
	CHECK(GetLogicalProcessorInformationEx(RelationAll, r, &size));
	CHECK_EQ(size, need);
	for (DWORD at = 0; at < size; at += r->Size) {
		r = (void *)(buffer + at);
		if (!r->Size || r->Relationship > RelationGroup) {
			CHECK(0);
			break;
		}
		seen[r->Relationship]++;
		if (r->Relationship == RelationProcessorCore)
			cores |= r->Processor.GroupMask[0].Mask;
		if (r->Relationship == RelationGroup)
			group = r->Group.GroupInfo[0].ActiveProcessorMask;
	}
	CHECK_EQ(seen[RelationProcessorCore], info.dwNumberOfProcessors);
	CHECK_EQ(seen[RelationNumaNode], 1);
	CHECK_EQ(seen[RelationProcessorPackage], 1);
	CHECK_EQ(seen[RelationGroup], 1);
	CHECK_EQ(cores, info.dwActiveProcessorMask);
	CHECK_EQ(group, info.dwActiveProcessorMask);
	size = sizeof(buffer);
	CHECK(GetLogicalProcessorInformationEx(RelationGroup, (void *)buffer, &size));
	CHECK_EQ(size, ((SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *)buffer)->Size);
	CHECK(!GetLogicalProcessorInformationEx((LOGICAL_PROCESSOR_RELATIONSHIP)77, NULL, &size));
}

/* ---- small things ---- */

static void check_list(void)
{
	static SLIST_HEADER head __attribute__((aligned(16)));
	static SLIST_ENTRY e[3] __attribute__((aligned(16)));

	InitializeSListHead(&head);
	InterlockedPushEntrySList(&head, &e[2]);
	e[0].Next = &e[1];
	CHECK_EQ(RtlInterlockedPushListSList(&head, &e[0], &e[1], 2), &e[2]);
	CHECK_EQ(QueryDepthSList(&head), 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(InterlockedPopEntrySList(&head), &e[i]);
}

static void check_atoms(void)
{
	char name[20];
	ATOM a = AddAtomA("an atom");

	CHECK(a >= 0xc000);
	CHECK_EQ(FindAtomA("AN ATOM"), a);
	CHECK_EQ(FindAtomW(L"an atom"), a);
	CHECK_EQ(GetAtomNameA(a, name, sizeof(name)), 7);
	CHECK(!strcmp(name, "an atom"));
	CHECK_EQ(DeleteAtom(a), 0);
	CHECK_EQ(FindAtomA("an atom"), 0);
	CHECK(InitAtomTable(37));
}

/* The registry's predefined keys, with nothing in them. */
static void check_registry(void)
{
	char name[20];
	DWORD chars = sizeof(name);
	HKEY key;

	CHECK_EQ(RegOpenKeyExA(HKEY_LOCAL_MACHINE, "Software", 0, KEY_READ, &key),
		 ERROR_FILE_NOT_FOUND);
	CHECK_EQ(RegOpenKeyExA(HKEY_LOCAL_MACHINE, NULL, 0, KEY_READ, &key), 0);
	CHECK_EQ(RegEnumKeyExA(key, 0, name, &chars, NULL, NULL, NULL, NULL), ERROR_NO_MORE_ITEMS);
	CHECK_EQ(RegCloseKey(key), 0);
	CHECK_EQ(RegOpenKeyW((HKEY)0x1234, L"Software", &key), ERROR_INVALID_HANDLE);
	CHECK_EQ(RegCreateKeyA(HKEY_CURRENT_USER, "Software\\me", &key), ERROR_ACCESS_DENIED);
}

/* ---- exceptions of Microsoft's C++ ---- */

struct throw_info {
	unsigned attributes;
	int destructor, forward_compatible, types;
};
__declspec(dllimport) void _CxxThrowException(void *object, struct throw_info *info);
__declspec(dllimport) void __DestructExceptionObject(EXCEPTION_RECORD *record);

extern char __ImageBase;
static EXCEPTION_RECORD thrown;
static void *landing[5];
static int destructed;

static void destructor(int *object)
{
	destructed += *object;
}

static LONG CALLBACK catch (EXCEPTION_POINTERS *e)
{
	thrown = *e->ExceptionRecord;
	__builtin_longjmp(landing, 1);
}

static void check_throw(void)
{
	static struct throw_info info;
	static int object = 42;
	void *handler = AddVectoredExceptionHandler(1, catch);

	info.destructor = (int)((char *)destructor - &__ImageBase);
	if (!__builtin_setjmp(landing))
		_CxxThrowException(&object, &info);
	RemoveVectoredExceptionHandler(handler);
	CHECK_EQ(thrown.ExceptionCode, 0xe06d7363);
	CHECK_EQ(thrown.ExceptionFlags & EXCEPTION_NONCONTINUABLE, EXCEPTION_NONCONTINUABLE);
	CHECK_EQ(thrown.NumberParameters, 4);
	CHECK_EQ(thrown.ExceptionInformation[0], 0x19930520);
	CHECK_EQ((void *)thrown.ExceptionInformation[1], &object);
	CHECK_EQ((void *)thrown.ExceptionInformation[3], &__ImageBase);
	__DestructExceptionObject(&thrown);
	CHECK_EQ(destructed, 42);
	thrown.ExceptionCode = 0xe0000001; /* not of that kind */
	__DestructExceptionObject(&thrown);
	CHECK_EQ(destructed, 42);
}

int main(void)
{
	probes_begin();
	check_strings();
	check_heap();
	check_ended_thread();
	check_thread();
	check_processors();
	check_list();
	check_atoms();
	check_registry();
	check_throw();
	return checks_end();
}
