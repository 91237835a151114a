/*
 * One process in another's memory: what a suspended child's PEB says, reading, writing, allocating,
 * protecting, handles and threads put there; rights that are missing, processes that are gone.
 */
#include "tests/guest/proc.h"
#include <winternl.h>

#define PATTERN "written from outside"

static volatile char target[4096 * 3];

/* ---- the child's side: does as the parent says through events ---- */

static int child_target(const char *argument)
{
	HANDLE go = handle_of(argument);

	if (WaitForSingleObject(go, 30000) != WAIT_OBJECT_0)
		return 2;
	return memcmp((const char *)target, PATTERN, sizeof(PATTERN)) ? 3 : 0;
}

static DWORD WINAPI answer_thread(void *argument)
{
	return (DWORD)(uintptr_t)argument + 1;
}

/* ---- the parent's ---- */

static PEB *peb_of(HANDLE process)
{
	PROCESS_BASIC_INFORMATION info = {0};

	CHECK_EQ(
	    NtQueryInformationProcess(process, ProcessBasicInformation, &info, sizeof(info), NULL),
	    0);
	return info.PebBaseAddress;
}

static void parameters(HANDLE process)
{
	RTL_USER_PROCESS_PARAMETERS parameters;
	WCHAR line[512] = {0};
	SIZE_T done;
	PEB peb;

	CHECK(ReadProcessMemory(process, peb_of(process), &peb, sizeof(peb), &done));
	CHECK_EQ(done, sizeof(peb));
	CHECK(peb.ProcessParameters != NULL);
	CHECK(ReadProcessMemory(process, peb.ProcessParameters, &parameters, sizeof(parameters),
				&done));
	CHECK(parameters.CommandLine.Length < sizeof(line));
	CHECK(ReadProcessMemory(process, parameters.CommandLine.Buffer, line,
				parameters.CommandLine.Length, &done));
	CHECK(wcsstr(line, L" child target ") != NULL);
}

/* Our program lies at one address in every process as long as ASLR has one base a boot. */
static char *target_in(HANDLE process)
{
	struct {
		char before[0x10];
		void *image;
	} peb = {.image = NULL};
	SIZE_T done;

	CHECK(ReadProcessMemory(process, peb_of(process), &peb, sizeof(peb), &done));
	return (char *)peb.image + ((char *)target - (char *)GetModuleHandleA(NULL));
}

static void read_and_write(HANDLE process)
{
	char *there = target_in(process), back[64] = {0};
	SIZE_T done = 1;

	CHECK(WriteProcessMemory(process, there, PATTERN, sizeof(PATTERN), &done));
	CHECK_EQ(done, sizeof(PATTERN));
	CHECK(ReadProcessMemory(process, there, back, sizeof(PATTERN), &done));
	CHECK(!memcmp(back, PATTERN, sizeof(PATTERN)));
	CHECK(!target[0]); /* its data are its own */
	CHECK(!ReadProcessMemory(process, (void *)0x1000, back, 8, &done));
	CHECK_EQ(GetLastError(), ERROR_PARTIAL_COPY);
	CHECK_EQ(done, 0);
}

static void allocate(HANDLE process)
{
	MEMORY_BASIC_INFORMATION info;
	DWORD old;
	char byte = 77;
	char *p = VirtualAllocEx(process, NULL, 0x20000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	CHECK(p != NULL);
	CHECK(VirtualQueryEx(process, p, &info, sizeof(info)) == sizeof(info));
	CHECK_EQ(info.RegionSize, 0x20000);
	CHECK(WriteProcessMemory(process, p + 0x10000, &byte, 1, NULL));
	CHECK(VirtualProtectEx(process, p + 0x10000, 0x1000, PAGE_READONLY, &old));
	CHECK_EQ(old, PAGE_READWRITE);
	byte = 0;
	CHECK(ReadProcessMemory(process, p + 0x10000, &byte, 1, NULL));
	CHECK_EQ(byte, 77);
	CHECK(VirtualFreeEx(process, p, 0, MEM_RELEASE));
	CHECK(VirtualQueryEx(process, p, &info, sizeof(info)) == sizeof(info));
	CHECK_EQ(info.State, MEM_FREE);
}

static void rights(const PROCESS_INFORMATION *pi)
{
	HANDLE weak = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pi->dwProcessId);
	char byte;

	CHECK(weak != NULL);
	CHECK_EQ(GetProcessId(weak), pi->dwProcessId);
	CHECK(!ReadProcessMemory(weak, (void *)target, &byte, 1, NULL));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!TerminateProcess(weak, 1));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!VirtualAllocEx(weak, NULL, 4096, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CloseHandle(weak);
	CHECK(!OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, 0x7ffffff0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

static void remote_thread(HANDLE process)
{
	char *there = target_in(process) + ((char *)answer_thread - (char *)target);
	HANDLE t = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)there,
				      (void *)41, 0, NULL);
	DWORD code = 0;

	CHECK(t != NULL);
	CHECK_EQ(WaitForSingleObject(t, 30000), WAIT_OBJECT_0);
	CHECK(GetExitCodeThread(t, &code));
	CHECK_EQ(code, 42);
	CloseHandle(t);
}

/* What an ended process still has a handle for cannot be changed or asked about. */
static void gone(void)
{
	void *page = (void *)0x10000000;
	MEMORY_BASIC_INFORMATION m;
	PROCESS_INFORMATION pi;
	DWORD old;
	DWORD code;
	char byte;

	CHECK(spawn("nothing", NULL, FALSE, 0, NULL, &pi));
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 30000), WAIT_OBJECT_0);
	CHECK(!ReadProcessMemory(pi.hProcess, (void *)target, &byte, 1, NULL));
	CHECK(!VirtualAllocEx(pi.hProcess, NULL, 4096, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!VirtualAllocEx(pi.hProcess, page, 4096, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	SetLastError(0);
	CHECK(!VirtualProtectEx(pi.hProcess, page, 4096, PAGE_READONLY, &old));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	SetLastError(0);
	CHECK(!VirtualFreeEx(pi.hProcess, page, 0, MEM_RELEASE));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	SetLastError(0);
	CHECK(!VirtualQueryEx(pi.hProcess, page, &m, sizeof(m)));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!TerminateProcess(pi.hProcess, 1));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(GetExitCodeProcess(pi.hProcess, &code));
	CHECK_EQ(code, 99);
	CloseHandle(pi.hThread);
	CloseHandle(pi.hProcess);
}

int main(int argc, char **argv)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
	HANDLE go = CreateEventA(&inherit, TRUE, FALSE, NULL), there = NULL;
	PROCESS_INFORMATION pi;
	char text[32];

	if (argc > 3 && !strcmp(argv[2], "target"))
		return child_target(argv[3]);
	if (argc > 1)
		return 99;
	snprintf(text, sizeof(text), "%p", go);
	CHECK(spawn("target", text, TRUE, CREATE_SUSPENDED, NULL, &pi));
	parameters(pi.hProcess);
	read_and_write(pi.hProcess);
	allocate(pi.hProcess);
	rights(&pi);
	CHECK(DuplicateHandle(GetCurrentProcess(), go, pi.hProcess, &there, 0, FALSE,
			      DUPLICATE_SAME_ACCESS));
	CHECK(there && there != go);
	CHECK(DuplicateHandle(pi.hProcess, there, NULL, NULL, 0, FALSE, DUPLICATE_CLOSE_SOURCE));
	CHECK_EQ(ResumeThread(pi.hThread), 1);
	remote_thread(pi.hProcess);
	CHECK(SetEvent(go));
	CHECK_EQ(finish(&pi), 0);
	gone();
	return checks_end();
}
