/*
 * NtQueryInformationProcess and -Thread and their Set calls: every class's length and status
 * checks, and what the answers say. Also processors: a thread bound to one runs there. `proc_info
 * strict` checks mitigation policies, which cannot be taken back.
 */
#include "tests/guest/check.h"
#include <winternl.h>

#define STATUS_INFO_LENGTH_MISMATCH_  ((NTSTATUS)0xC0000004)
#define STATUS_INVALID_INFO_CLASS_    ((NTSTATUS)0xC0000003)
#define STATUS_PORT_NOT_SET_	      ((NTSTATUS)0xC0000353)
#define STATUS_DATATYPE_MISALIGNMENT_ ((NTSTATUS)0x80000002)
#define STATUS_ACCESS_VIOLATION_      ((NTSTATUS)0xC0000005)
#define STATUS_INVALID_HANDLE_	      ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER_     ((NTSTATUS)0xC000000D)
#define STATUS_ACCESS_DENIED_	      ((NTSTATUS)0xC0000022)
#define STATUS_BUFFER_TOO_SMALL_      ((NTSTATUS)0xC0000023)

NTSTATUS NTAPI NtSetInformationThread(HANDLE, THREADINFOCLASS, PVOID, ULONG);

static const HANDLE me = (HANDLE)-1, my_thread = (HANDLE)-2, nobody = (HANDLE)(LONG_PTR)0x7ffc;

static NTSTATUS ask(HANDLE h, ULONG class, void *out, ULONG bytes, ULONG *got)
{
	return NtQueryInformationProcess(h, (PROCESSINFOCLASS) class, out, bytes, got);
}

static NTSTATUS tell(HANDLE h, ULONG class, void *in, ULONG bytes)
{
	return NtSetInformationProcess(h, (PROCESSINFOCLASS) class, in, bytes);
}

static NTSTATUS ask_thread(HANDLE h, ULONG class, void *out, ULONG bytes, ULONG *got)
{
	return NtQueryInformationThread(h, (THREADINFOCLASS) class, out, bytes, got);
}

static NTSTATUS tell_thread(HANDLE h, ULONG class, void *in, ULONG bytes)
{
	return NtSetInformationThread(h, (THREADINFOCLASS) class, in, bytes);
}

/* ---- every class of a fixed length: right, too short, too long, no handle, no buffer ---- */

typedef NTSTATUS ask_fn(HANDLE, ULONG, void *, ULONG, ULONG *);

static void fixed_class(ask_fn *fn, HANDLE h, ULONG class, ULONG bytes, NTSTATUS good)
{
	union {
		ULONG64 align;
		char byte[256];
	} buffer = {0};
	unsigned failed = checks_failed;
	ULONG got = 12345;

	CHECK_EQ(fn(h, class, &buffer, bytes, &got), good);
	CHECK_EQ(got, NT_SUCCESS(good) || good == STATUS_PORT_NOT_SET_ ? bytes : 12345);
	CHECK_EQ(fn(h, class, &buffer, bytes - 1, NULL), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK_EQ(fn(h, class, &buffer, bytes + 1, NULL), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK_EQ(fn(h, class, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK_EQ(fn(nobody, class, &buffer, bytes, NULL), STATUS_INVALID_HANDLE_);
	if (NT_SUCCESS(good))
		CHECK_EQ(fn(h, class, NULL, bytes, NULL), STATUS_ACCESS_VIOLATION_);
	if (bytes >= 4)
		CHECK_EQ(fn(h, class, buffer.byte + 1, bytes, NULL), STATUS_DATATYPE_MISALIGNMENT_);
	if (checks_failed != failed)
		printf("in class %lu, %lu bytes\n", class, bytes);
}

static void process_classes(void)
{
	static const struct {
		ULONG class, bytes;
		NTSTATUS good;
	} rows[] = {
	    {0, 48, 0},	 {1, 48, 0},
	    {1, 88, 0},	 {2, 48, 0},
	    {3, 88, 0},	 {3, 96, 0},
	    {3, 112, 0}, {4, 32, 0},
	    {7, 8, 0},	 {12, 4, 0},
	    {18, 2, 0},	 {20, 4, 0},
	    {20, 8, 0},	 {21, 8, 0},
	    {22, 4, 0},	 {24, 4, 0},
	    {26, 8, 0},	 {29, 4, 0},
	    {31, 4, 0},	 {33, 4, 0},
	    {36, 4, 0},	 {37, 64, 0},
	    {38, 16, 0}, {39, 4, 0},
	    {52, 8, 0},	 {30, 8, STATUS_PORT_NOT_SET_},
	    {61, 1, 0},	 {34, 4, STATUS_INVALID_PARAMETER_},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fixed_class(ask, me, rows[i].class, rows[i].bytes, rows[i].good);
	CHECK_EQ(ask(me, 5, NULL, 0, NULL), STATUS_INVALID_INFO_CLASS_);
	CHECK_EQ(ask(me, 0xffff, NULL, 0, NULL), STATUS_INVALID_INFO_CLASS_);
	CHECK_EQ(tell(me, 0, NULL, 0), STATUS_INVALID_INFO_CLASS_);
}

static void thread_classes(void)
{
	static const struct {
		ULONG class, bytes;
	} rows[] = {
	    {0, 48}, {1, 32}, {9, 8},	{12, 4}, {14, 4},  {16, 4}, {17, 1},
	    {20, 4}, {22, 4}, {23, 16}, {24, 4}, {30, 16}, {33, 4}, {35, 4},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fixed_class(ask_thread, my_thread, rows[i].class, rows[i].bytes, 0);
	CHECK_EQ(ask_thread(my_thread, 0xffff, NULL, 0, NULL), STATUS_INVALID_INFO_CLASS_);
}

/* ---- answers ---- */

static void memory_counters(void)
{
	struct {
		SIZE_T peak_virtual, virtual;
		ULONG faults;
		SIZE_T peak_ws, ws, pools[4], pagefile, peak_pagefile, private, private_ws, shared;
	} before, after;
	char *p;

	CHECK_EQ(ask(me, 3, &before, sizeof(before), NULL), 0);
	p = VirtualAlloc(NULL, 1 << 20, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	for (unsigned i = 0; i < 1 << 20; i += 4096)
		p[i] = 1;
	CHECK_EQ(ask(me, 3, &after, sizeof(after), NULL), 0);
	CHECK_EQ(after.virtual - before.virtual, 1 << 20);
	CHECK_EQ(after.private - before.private, 1 << 20);
	CHECK(after.faults >= before.faults + 256);
	CHECK(after.private_ws >= before.private_ws + (1 << 20));
	CHECK(after.ws >= after.private_ws);
	CHECK(after.peak_ws >= after.ws && after.peak_pagefile >= after.pagefile);
	VirtualFree(p, 0, MEM_RELEASE);
	CHECK_EQ(ask(me, 3, &after, sizeof(after), NULL), 0);
	CHECK_EQ(after.private, before.private);
}

static void times_pass(void)
{
	ULONG64 before[4], after[4];
	volatile unsigned work = 0;

	/* A busy loop gets 100 ms of user time, however long that takes on a busy host. */
	CHECK_EQ(ask(me, 4, before, sizeof(before), NULL), 0);
	do {
		for (unsigned i = 0; i < 1000000; i++)
			work++;
		CHECK_EQ(ask(me, 4, after, sizeof(after), NULL), 0);
	} while (after[3] - before[3] < 1000000 && work < 4000000000u);
	CHECK_EQ(before[0], after[0]);
	CHECK_EQ(after[1], 0);
	CHECK(after[3] - before[3] >= 1000000);
	CHECK(after[2] >= before[2]);
}

static void io_counts(void)
{
	ULONG64 before[6], after[6];
	char byte[10] = {0};
	HANDLE f = CreateFileA("C:\\Windows\\System32\\ntdll.dll", GENERIC_READ, FILE_SHARE_READ,
			       NULL, OPEN_EXISTING, 0, NULL);
	DWORD done;

	CHECK(f != INVALID_HANDLE_VALUE);
	CHECK_EQ(ask(me, 2, before, sizeof(before), NULL), 0);
	CHECK(ReadFile(f, byte, sizeof(byte), &done, NULL));
	CHECK_EQ(ask(me, 2, after, sizeof(after), NULL), 0);
	CHECK_EQ(after[0] - before[0], 1);
	CHECK_EQ(after[3] - before[3], 10);
	CHECK_EQ(after[1], before[1]);
	CloseHandle(f);
}

static void texts(void)
{
	union {
		UNICODE_STRING s;
		WCHAR room[1024];
	} u;
	ULONG need = 0, got = 0;
	WCHAR self[MAX_PATH];

	CHECK_EQ(ask(me, 27, &u, 2, &need), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK(need > sizeof(UNICODE_STRING));
	CHECK_EQ(ask(me, 27, &u, need - 1, NULL), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK_EQ(ask(me, 27, &u, need, &got), 0);
	CHECK_EQ(got, need);
	CHECK_EQ(u.s.MaximumLength, u.s.Length + 2);
	CHECK(!wcsncmp(u.s.Buffer, L"\\Device\\HarddiskVolume", 22));
	CHECK_EQ(ask(me, 43, &u, sizeof(u), NULL), 0);
	GetModuleFileNameW(NULL, self, MAX_PATH);
	CHECK(!_wcsicmp(u.s.Buffer, self));
	CHECK_EQ(ask(me, 60, &u, sizeof(u), NULL), 0);
	CHECK(!wcscmp(u.s.Buffer, GetCommandLineW()));
}

static DWORD WINAPI idle_thread(void *event)
{
	WaitForSingleObject((HANDLE)event, 30000);
	return 7;
}

static void threads(void)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL), t;
	struct {
		NTSTATUS status;
		void *teb;
		HANDLE pid, tid;
		ULONG_PTR affinity;
		LONG priority, base;
	} b;
	UNICODE_STRING name = {8, 10, (WCHAR *)L"name"};
	union {
		UNICODE_STRING s;
		WCHAR room[64];
	} u;
	ULONG64 start;
	LONG base;
	ULONG v, got;
	DWORD id;

	t = CreateThread(NULL, 0, idle_thread, event, CREATE_SUSPENDED, &id);
	CHECK_EQ(ask_thread(t, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.status, 0x103);
	CHECK_EQ((ULONG_PTR)b.tid, id);
	CHECK_EQ((ULONG_PTR)b.pid, GetCurrentProcessId());
	CHECK_EQ(b.priority, 8);
	CHECK_EQ(ask_thread(t, 35, &v, 4, NULL), 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(ask_thread(t, 9, &start, 8, NULL), 0);
	CHECK_EQ(start, (ULONG_PTR)idle_thread);
	CHECK_EQ(ask_thread(t, 12, &v, 4, NULL), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(ask_thread(my_thread, 12, &v, 4, NULL), 0);
	CHECK_EQ(v, 0);

	base = 2;
	CHECK_EQ(tell_thread(t, 3, &base, 4), 0);
	CHECK_EQ(ask_thread(t, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.priority, 10);
	CHECK_EQ(b.base, 2);
	base = 3;
	CHECK_EQ(tell_thread(t, 3, &base, 4), STATUS_INVALID_PARAMETER_);
	base = 15;
	CHECK_EQ(tell_thread(t, 3, &base, 4), 0);
	CHECK_EQ(ask_thread(t, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.priority, 15);
	CHECK_EQ(tell_thread(t, 3, &base, 3), STATUS_INFO_LENGTH_MISMATCH_);

	CHECK_EQ(ask_thread(t, 38, &u, sizeof(u), &got), 0);
	CHECK_EQ(u.s.Length, 0);
	CHECK_EQ(tell_thread(t, 38, &name, sizeof(name)), 0);
	CHECK_EQ(ask_thread(t, 38, &u, 16, &got), STATUS_BUFFER_TOO_SMALL_);
	CHECK_EQ(got, 16 + 8 + 2);
	CHECK_EQ(ask_thread(t, 38, &u, sizeof(u), &got), 0);
	CHECK(u.s.Length == 8 && !memcmp(u.s.Buffer, L"name", 8));

	CHECK_EQ(tell_thread(t, 17, &v, 4), STATUS_INFO_LENGTH_MISMATCH_);
	CHECK_EQ(tell_thread(t, 17, NULL, 0), 0);
	u.room[0] = 0;
	CHECK_EQ(ask_thread(t, 17, &u, 1, NULL), 0);
	CHECK_EQ(*(char *)&u, 1);

	CHECK_EQ(ResumeThread(t), 1);
	SetEvent(event);
	CHECK_EQ(WaitForSingleObject(t, 30000), WAIT_OBJECT_0);
	CHECK_EQ(ask_thread(t, 20, &v, 4, NULL), 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(ask_thread(t, 0, &b, sizeof(b), NULL), 0);
	CHECK_EQ(b.status, 7);
	CloseHandle(t);
	CloseHandle(event);
}

/* ---- processors ---- */

static ULONG_PTR affinity_of_thread(void)
{
	struct {
		ULONG_PTR before[4], affinity, after;
	} b;

	CHECK_EQ(ask_thread(my_thread, 0, &b, sizeof(b), NULL), 0);
	return b.affinity;
}

static void processors(void)
{
	SYSTEM_INFO si;
	ULONG_PTR all, mask, system;

	GetSystemInfo(&si);
	all = ((ULONG_PTR)1 << si.dwNumberOfProcessors) - 1;
	CHECK(GetProcessAffinityMask(me, &mask, &system));
	CHECK_EQ(mask, all);
	CHECK_EQ(system, all);
	CHECK_EQ(affinity_of_thread(), all);
	mask = 0;
	CHECK_EQ(tell_thread(my_thread, 4, &mask, 8), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(tell(me, 21, &mask, 8), STATUS_INVALID_PARAMETER_);
	mask = all + 1;
	CHECK_EQ(tell_thread(my_thread, 4, &mask, 8), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(tell(me, 21, &mask, 8), STATUS_INVALID_PARAMETER_);
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < si.dwNumberOfProcessors; i++) {
			mask = (ULONG_PTR)1 << i;
			CHECK_EQ(tell_thread(my_thread, 4, &mask, 8), 0);
			CHECK_EQ(GetCurrentProcessorNumber(), i);
			CHECK_EQ(affinity_of_thread(), mask);
		}
	mask = ~(ULONG_PTR)0;
	CHECK_EQ(tell_thread(my_thread, 4, &mask, 8), 0);
	CHECK_EQ(affinity_of_thread(), all);
	if (si.dwNumberOfProcessors < 2)
		return;
	mask = 2;
	CHECK_EQ(tell(me, 21, &mask, 8), 0);
	CHECK_EQ(GetCurrentProcessorNumber(), 1);
	CHECK_EQ(affinity_of_thread(), 2);
	mask = 1;
	CHECK_EQ(tell_thread(my_thread, 4, &mask, 8), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(tell(me, 21, &all, 8), 0);
	CHECK_EQ(affinity_of_thread(), all);
}

/* ---- mitigation policies ---- */

static NTSTATUS set_policy(ULONG policy, ULONG flags)
{
	ULONG v[2] = {policy, flags};

	return tell(me, 52, v, sizeof(v));
}

static ULONG policy(ULONG number)
{
	ULONG v[2] = {number, 0xdead};

	CHECK_EQ(ask(me, 52, v, sizeof(v), NULL), 0);
	return v[1];
}

static unsigned bad_handles;

static LONG CALLBACK on_bad_handle(EXCEPTION_POINTERS *e)
{
	if (e->ExceptionRecord->ExceptionCode != (DWORD)STATUS_INVALID_HANDLE_)
		return EXCEPTION_CONTINUE_SEARCH;
	bad_handles++;
	return EXCEPTION_CONTINUE_EXECUTION;
}

static int strict(void)
{
	void *code = VirtualAlloc(NULL, 8192, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), *handler;
	DWORD old;

	CHECK_EQ(policy(2), 0);
	CHECK_EQ(set_policy(2, 0x80), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(set_policy(99, 0), STATUS_INVALID_PARAMETER_);
	CHECK_EQ(set_policy(7, 1), STATUS_ACCESS_DENIED_); /* CFG is decided at the start */
	CHECK(VirtualProtect(code, 4096, PAGE_EXECUTE_READ, &old));
	CHECK_EQ(set_policy(2, 1), 0);
	CHECK_EQ(policy(2), 1);
	CHECK_EQ(set_policy(2, 0), STATUS_ACCESS_DENIED_);
	CHECK(!VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE));
	CHECK_EQ(GetLastError(), 1655); /* ERROR_DYNAMIC_CODE_BLOCKED */
	CHECK(!VirtualProtect((char *)code + 4096, 4096, PAGE_EXECUTE_READ, &old));
	CHECK_EQ(GetLastError(), 1655);
	CHECK(!VirtualProtect(code, 4096, PAGE_READWRITE, &old)); /* was executable */
	CHECK(!VirtualProtect((void *)strict, 16, PAGE_EXECUTE_READWRITE, &old));
	CHECK(VirtualProtect((char *)code + 4096, 4096, PAGE_READONLY, &old));

	CHECK_EQ(set_policy(3, 1), STATUS_INVALID_PARAMETER_); /* for ever or not at all */
	CHECK(!CloseHandle(nobody));
	handler = AddVectoredExceptionHandler(1, on_bad_handle);
	CHECK_EQ(set_policy(3, 3), 0);
	CHECK(!CloseHandle(nobody));
	CHECK_EQ(bad_handles, 1);
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CHECK_EQ(WaitForSingleObject(nobody, 0), WAIT_FAILED);
	CHECK_EQ(bad_handles, 2);
	RemoveVectoredExceptionHandler(handler);

	CHECK_EQ(set_policy(13, 1), 0); /* no children from here on */
	CHECK(WinExec("proc_info.exe", 0) < 32);
	return checks_end();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "strict"))
		return strict();
	process_classes();
	thread_classes();
	memory_counters();
	times_pass();
	io_counts();
	texts();
	threads();
	processors();
	return checks_end();
}
