/*
 * Answers that programs of others compare with Windows': processes that have ended and their ids,
 * modules of other processes, opening by name, waits, one-time initialization, time zones,
 * messages, statuses, INI files, scattered pages, ntdll's resources and GUIDs.
 */
#include <string.h>
#include "tests/guest/vm.h"
#include <psapi.h>
#include <tlhelp32.h>

static char self[MAX_PATH + 16];

static PROCESS_INFORMATION start(const char *what)
{
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi = {0};
	char line[sizeof(self) + 16];

	snprintf(line, sizeof(line), "\"%s\" %s", self, what);
	CHECK(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &si, &pi));
	return pi;
}

/* An id names its process as long as somebody has a handle. */
static void ended(void)
{
	PROCESS_INFORMATION pi = start("end");
	DWORD code = 0;
	HANDLE h, t;

	CHECK_EQ(WaitForSingleObject(pi.hProcess, 10000), 0);
	h = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pi.dwProcessId);
	CHECK(h != NULL);
	CHECK(GetExitCodeProcess(h, &code));
	CHECK_EQ(code, 5);
	CloseHandle(h);
	t = OpenThread(THREAD_QUERY_INFORMATION, FALSE, pi.dwThreadId);
	CHECK(t != NULL);
	CHECK(GetExitCodeThread(t, &code) && code == 5);
	CloseHandle(t);
	CloseHandle(pi.hProcess);
	CloseHandle(pi.hThread);
	for (int i = 0;
	     i < 100 && (h = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pi.dwProcessId)); i++) {
		CloseHandle(h); /* the reaper has it still */
		Sleep(10);
	}
	CHECK(!h);
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

static void modules(void)
{
	MODULEENTRY32 entry = {.dwSize = sizeof(entry)};
	PROCESS_INFORMATION pi = start("sleep");
	HMODULE list[32];
	char name[MAX_PATH];
	int found = 0;
	MODULEINFO info;
	HANDLE snap;
	DWORD bytes;

	Sleep(300);
	snap = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, pi.dwProcessId);
	CHECK(snap != INVALID_HANDLE_VALUE);
	CHECK(Module32First(snap, &entry));
	CHECK(!lstrcmpiA(entry.szModule, "answers.exe"));
	do {
		CHECK_EQ(entry.th32ProcessID, pi.dwProcessId);
		found += !lstrcmpiA(entry.szModule, "ntdll.dll") ||
			 !lstrcmpiA(entry.szModule, "msvcrt.dll");
	} while (Module32Next(snap, &entry));
	CHECK_EQ(found, 2);
	CloseHandle(snap);
	CHECK(EnumProcessModules(pi.hProcess, list, sizeof(list), &bytes));
	CHECK(bytes >= 4 * sizeof(HMODULE));
	CHECK(GetModuleBaseNameA(pi.hProcess, list[0], name, sizeof(name)) == 11);
	CHECK(!lstrcmpiA(name, "answers.exe"));
	CHECK(GetModuleInformation(pi.hProcess, list[1], &info, sizeof(info)));
	CHECK(info.lpBaseOfDll == (void *)list[1] && info.SizeOfImage > 0x10000);
	TerminateProcess(pi.hProcess, 0);
	CloseHandle(pi.hProcess);
	CloseHandle(pi.hThread);
}

static void opening(void)
{
	HANDLE m = CreateMutexA(NULL, FALSE, "answers"), pseudo[2] = {GetCurrentProcess(), m};
	static const struct {
		DWORD access, error;
	} rows[] = {{0, ERROR_ACCESS_DENIED},
		    {2, ERROR_ACCESS_DENIED}, /* no right of mutexes */
		    {0x01000000, ERROR_PRIVILEGE_NOT_HELD}};

	for (unsigned i = 0; i < 3; i++) {
		SetLastError(0);
		CHECK(!OpenMutexA(rows[i].access, FALSE, "answers"));
		CHECK_EQ(GetLastError(), rows[i].error);
	}
	CHECK_EQ(WaitForSingleObject(GetCurrentProcess(), 0), WAIT_TIMEOUT);
	SetLastError(0);
	CHECK_EQ(WaitForMultipleObjects(2, pseudo, FALSE, 0), WAIT_FAILED);
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CloseHandle(m);
}

/* A handle that is moved within a process keeps its value, unless it may not be closed. */
static void moving(void)
{
	HANDLE e = CreateEventA(NULL, TRUE, FALSE, NULL), out = NULL;

	CHECK(DuplicateHandle(GetCurrentProcess(), e, GetCurrentProcess(), &out, 0, FALSE,
			      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
	CHECK(out == e);
	CHECK(SetEvent(out));
	CHECK(SetHandleInformation(e, HANDLE_FLAG_PROTECT_FROM_CLOSE,
				   HANDLE_FLAG_PROTECT_FROM_CLOSE));
	CHECK(DuplicateHandle(GetCurrentProcess(), e, GetCurrentProcess(), &out, 0, FALSE,
			      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
	CHECK(out != e);
	CHECK(SetEvent(e) && SetEvent(out));
	SetHandleInformation(e, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
	CloseHandle(e);
	CloseHandle(out);
}

static void once(void)
{
	INIT_ONCE o = INIT_ONCE_STATIC_INIT;
	BOOL pending;
	void *p;

	CHECK(InitOnceBeginInitialize(&o, INIT_ONCE_ASYNC, &pending, &p) && pending);
	SetLastError(0);
	CHECK(!InitOnceBeginInitialize(&o, INIT_ONCE_CHECK_ONLY, &pending, &p));
	CHECK_EQ(GetLastError(), ERROR_GEN_FAILURE);
	CHECK(!InitOnceComplete(&o, INIT_ONCE_INIT_FAILED, NULL));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(InitOnceComplete(&o, INIT_ONCE_ASYNC, (void *)0xee0));
	SetLastError(0);
	CHECK(!InitOnceBeginInitialize(&o, INIT_ONCE_CHECK_ONLY | INIT_ONCE_ASYNC, &pending, &p));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

/* Sydney's rules turned round: the last Sundays of March and October, UTC+10. */
static void zones(void)
{
	TIME_ZONE_INFORMATION tz = {.Bias = -600,
				    .DaylightBias = -60,
				    .StandardDate = {0, 10, 0, 5, 3, 0, 0, 0},
				    .DaylightDate = {0, 3, 0, 5, 2, 0, 0, 0}};
	static const struct {
		SYSTEMTIME local;
		WORD utc;
	} rows[] = {
	    {{2004, 3, 0, 28, 1, 59, 59, 999}, 15},  {{2004, 3, 0, 28, 2, 0, 0, 0}, 15},
	    {{2004, 10, 0, 31, 2, 59, 59, 999}, 15}, {{2004, 10, 0, 31, 3, 0, 0, 0}, 17},
	    {{2004, 7, 0, 1, 12, 0, 0, 0}, 1},	     {{2004, 12, 0, 1, 12, 0, 0, 0}, 2},
	};
	SYSTEMTIME out;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(TzSpecificLocalTimeToSystemTime(&tz, &rows[i].local, &out));
		CHECK_EQ(out.wHour, rows[i].utc);
	}
	CHECK(SystemTimeToTzSpecificLocalTime(&tz, &(SYSTEMTIME){2004, 7, 0, 1, 1, 0, 0, 0}, &out));
	CHECK_EQ(out.wHour, 12);
	CHECK(
	    SystemTimeToTzSpecificLocalTime(&tz, &(SYSTEMTIME){2004, 12, 0, 1, 2, 0, 0, 0}, &out));
	CHECK_EQ(out.wHour, 12);
	tz.StandardDate.wMonth = 0; /* no transitions: only Bias */
	tz.StandardBias = -17;
	CHECK(SystemTimeToTzSpecificLocalTime(&tz, &(SYSTEMTIME){2004, 7, 0, 1, 1, 0, 0, 0}, &out));
	CHECK(out.wHour == 11 && !out.wMinute);
}

static void clocks(void)
{
	volatile ULONG *tick = (volatile ULONG *)0x7ffe0320;

	for (int i = 0; i < 2000; i++) {
		DWORD before = GetTickCount(),
		      shared = (DWORD)((*tick * (ULONG64) * (ULONG *)0x7ffe0004) >> 24),
		      after = GetTickCount();

		if (before > shared || shared > after) {
			CHECK(!"one tick for all");
			break;
		}
	}
}

static void messages(void)
{
	ULONG(NTAPI * error)
	(LONG) = (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "RtlNtStatusToDosError");
	char out[32] = "xx";

	SetLastError(0);
	CHECK_EQ(FormatMessageA(FORMAT_MESSAGE_FROM_STRING, "%1", 0, 0, out, 32, NULL), 0);
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK_EQ(FormatMessageA(FORMAT_MESSAGE_FROM_STRING, "", 0, 0, out, 32, NULL), 0);
	CHECK_EQ(GetLastError(), 235); /* ERROR_NO_WORK_DONE */
	CHECK(!strcmp(out, "xx"));
	CHECK_EQ(error((LONG)0xc0000262), 182);
	CHECK_EQ(error((LONG)0xc0030004), 6);
	CHECK_EQ(error((LONG)0xc0000702), 87);
}

#define INI "T:\\answers.ini"

static void ini_files(void)
{
	char out[64], section[64];

	CHECK(WritePrivateProfileStringA("one", "key", "value", INI));
	CHECK(WritePrivateProfileStringA("two", "number", "0x1f", INI));
	CHECK(WritePrivateProfileStringA("one", "Quoted", "\" a b \"", INI));
	CHECK_EQ(GetPrivateProfileStringA("ONE", "KEY", "none", out, 64, INI), 5);
	CHECK(!strcmp(out, "value"));
	CHECK_EQ(GetPrivateProfileStringA("one", "quoted", "", out, 64, INI), 5);
	CHECK(!strcmp(out, " a b "));
	CHECK_EQ(GetPrivateProfileIntA("two", "number", 3, INI), 31);
	CHECK_EQ(GetPrivateProfileIntA("two", "other", 3, INI), 3);
	CHECK_EQ(GetPrivateProfileStringA("one", "key", "", out, 4, INI), 3);
	CHECK(!strcmp(out, "val"));
	CHECK_EQ(GetPrivateProfileStringA("one", "no", "default  ", out, 64, INI), 7);
	CHECK_EQ(GetPrivateProfileSectionNamesA(out, 64, INI), 8);
	CHECK(!memcmp(out, "one\0two\0", 9));
	CHECK_EQ(GetPrivateProfileSectionA("two", section, 64, INI), 12);
	CHECK(!memcmp(section, "number=0x1f\0", 13));
	CHECK(WritePrivateProfileStringA("one", "key", "changed", INI));
	CHECK(WritePrivateProfileStringA("two", NULL, NULL, INI));
	CHECK_EQ(GetPrivateProfileStringA("one", "key", "", out, 64, INI), 7);
	CHECK_EQ(GetPrivateProfileSectionNamesA(out, 64, INI), 4);
	CHECK(WritePrivateProfileStringA("one", "key", NULL, INI));
	CHECK_EQ(GetPrivateProfileStringA("one", NULL, "", out, 64, INI), 7);
	CHECK(!memcmp(out, "Quoted\0", 8));
	DeleteFileA(INI);
}

static void scattered(void)
{
	HANDLE h = CreateFileA(
	    "T:\\answers.bin", GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
	    FILE_FLAG_OVERLAPPED | FILE_FLAG_NO_BUFFERING | FILE_FLAG_DELETE_ON_CLOSE, NULL);
	char *page = VirtualAlloc(NULL, 8 * PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	FILE_SEGMENT_ELEMENT list[4] = {{.Buffer = page + 2 * PAGE}, {.Buffer = page}};
	OVERLAPPED ov = {0};
	DWORD n = 0;

	memset(page, 'a', PAGE);
	memset(page + 2 * PAGE, 'c', PAGE);
	CHECK(WriteFileGather(h, list, 2 * PAGE, NULL, &ov) || GetLastError() == ERROR_IO_PENDING);
	CHECK(GetOverlappedResult(h, &ov, &n, TRUE));
	CHECK_EQ(n, 2 * PAGE);
	list[0].Buffer = page + 5 * PAGE;
	list[1].Buffer = page + 7 * PAGE;
	CHECK(ReadFileScatter(h, list, 2 * PAGE, NULL, &ov) || GetLastError() == ERROR_IO_PENDING);
	CHECK(GetOverlappedResult(h, &ov, &n, TRUE) && n == 2 * PAGE);
	CHECK(page[5 * PAGE] == 'c' && page[6 * PAGE - 1] == 'c' && page[7 * PAGE] == 'a');
	CHECK(!page[6 * PAGE]);
	list[0].Buffer = page + 16;
	SetLastError(0);
	CHECK(!ReadFileScatter(h, list, PAGE, NULL, &ov));
	CHECK_EQ(GetLastError(), ERROR_NOACCESS);
	CloseHandle(h);
	VirtualFree(page, 0, MEM_RELEASE);
}

/* ---- ntdll ---- */

struct counted { /* UNICODE_STRING */
	USHORT bytes, room;
	wchar_t *text;
};

static char resource[0x80];
static BOOLEAN(NTAPI *exclusive)(void *, BOOLEAN), (NTAPI * shared)(void *, BOOLEAN);
static void(NTAPI *let_go)(void *);
static volatile LONG got;

static DWORD WINAPI writer(void *unused)
{
	(void)unused;
	exclusive(resource, TRUE);
	got = 1;
	let_go(resource);
	return 0;
}

static void ntdll(void)
{
	HMODULE m = GetModuleHandleA("ntdll.dll");
	void(NTAPI * init)(void *) = (void *)GetProcAddress(m, "RtlInitializeResource");
	LONG(NTAPI * parse)
	(struct counted *, GUID *) = (void *)GetProcAddress(m, "RtlGUIDFromString");
	wchar_t text[] = L"{00010203-0405-0607-0809-0a0b0c0d0e0f}";
	struct counted s = {sizeof(text) - 2, sizeof(text), text};
	GUID g = {0};
	HANDLE t;

	exclusive = (void *)GetProcAddress(m, "RtlAcquireResourceExclusive");
	shared = (void *)GetProcAddress(m, "RtlAcquireResourceShared");
	let_go = (void *)GetProcAddress(m, "RtlReleaseResource");
	CHECK(init && exclusive && shared && let_go && parse);
	init(resource);
	CHECK(shared(resource, FALSE) && shared(resource, FALSE) && !exclusive(resource, FALSE));
	t = CreateThread(NULL, 0, writer, NULL, 0, NULL);
	Sleep(50);
	CHECK(!got);
	CHECK(shared(resource, FALSE)); /* past the writer that waits */
	let_go(resource);
	let_go(resource);
	let_go(resource);
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CHECK(got);
	CHECK(exclusive(resource, FALSE) && exclusive(resource, FALSE) && shared(resource, FALSE));
	CloseHandle(t);
	CHECK_EQ(parse(&s, &g), 0);
	CHECK(g.Data1 == 0x00010203 && g.Data2 == 0x0405 && g.Data4[7] == 0x0f);
	text[9] = '+';
	CHECK_EQ((ULONG)parse(&s, &g), 0xc000000d);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "end"))
		return 5;
	if (argc > 1)
		Sleep(20000);
	GetModuleFileNameA(NULL, self, sizeof(self));
	ended();
	modules();
	opening();
	moving();
	once();
	zones();
	clocks();
	messages();
	ini_files();
	scattered();
	ntdll();
	return checks_end();
}
