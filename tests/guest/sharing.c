/*
 * Processes that run one image at the same time.
 *   sharing.exe PROCESSES PAGES    each process writes so many pages of the image's data, once all
 * are there; tests/cmd/sharing.sh looks at what --stats=json says
 */
#include "tests/guest/vm.h"
#include <string.h>

#define PAGES	      16
#define MAX_PROCESSES 60

static __attribute__((aligned(4096), section(".data"))) unsigned char data[PAGES][PAGE] = {{1}};
static const __attribute__((aligned(4096))) unsigned char constants[2][PAGE] = {{7}, {8}};

static int child(const char *name, int pages)
{
	HANDLE ready = OpenSemaphoreA(SEMAPHORE_ALL_ACCESS, FALSE, name), go, end;
	char other[64];
	volatile unsigned char sum = 0;

	snprintf(other, sizeof(other), "%s go", name);
	go = OpenEventA(SYNCHRONIZE, FALSE, other);
	snprintf(other, sizeof(other), "%s end", name);
	end = OpenEventA(SYNCHRONIZE, FALSE, other);
	for (int i = 0; i < PAGES; i++) /* all of it is in memory, and shared */
		sum += data[i][9];
	sum += *(const volatile unsigned char *)constants[0] +
	       *(const volatile unsigned char *)constants[1];
	for (int i = 0; i < PAGES; i++)
		CHECK((resident(data[i]) & (WS_VALID | WS_SHARED)) == (WS_VALID | WS_SHARED));
	ReleaseSemaphore(ready, 1, NULL);
	WaitForSingleObject(go, INFINITE);
	CHECK_EQ(WS_SHARE(resident(constants[0])), 7); /* seven and more */
	for (int i = 0; i < pages; i++)
		data[i][100] = (unsigned char)i;
	for (int i = 0; i < PAGES; i++)
		CHECK_EQ(!(resident(data[i]) & WS_SHARED), i < pages);
	ReleaseSemaphore(ready, 1, NULL);
	WaitForSingleObject(end, INFINITE);
	return (int)checks_failed;
}

int main(int argc, char **argv)
{
	static PROCESS_INFORMATION pi[MAX_PROCESSES];
	STARTUPINFOA si = {.cb = sizeof(si)};
	char name[40], text[300], path[MAX_PATH];
	HANDLE ready, go, end;
	int n, pages;

	if (argc == 4)
		return child(argv[3], atoi(argv[2]));
	n = argc > 1 ? atoi(argv[1]) : 20;
	pages = argc > 2 ? atoi(argv[2]) : 5;
	snprintf(name, sizeof(name), "sharing%lu", GetCurrentProcessId());
	ready = CreateSemaphoreA(NULL, 0, 1000, name);
	snprintf(text, sizeof(text), "%s go", name);
	go = CreateEventA(NULL, TRUE, FALSE, text);
	snprintf(text, sizeof(text), "%s end", name);
	end = CreateEventA(NULL, TRUE, FALSE, text);
	GetModuleFileNameA(NULL, path, sizeof(path));
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "sharing %d %d %s", n, pages, name);
		CHECK(CreateProcessA(path, text, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi[i]));
	}
	for (int i = 0; i < n; i++)
		CHECK_EQ(WaitForSingleObject(ready, 60000), WAIT_OBJECT_0);
	SetEvent(go);
	for (int i = 0; i < n; i++)
		CHECK_EQ(WaitForSingleObject(ready, 60000), WAIT_OBJECT_0);
	SetEvent(end);
	for (int i = 0; i < n; i++) {
		DWORD code = 99;
		WaitForSingleObject(pi[i].hProcess, INFINITE);
		CHECK(GetExitCodeProcess(pi[i].hProcess, &code));
		CHECK_EQ(code, 0);
		CloseHandle(pi[i].hProcess);
		CloseHandle(pi[i].hThread);
	}
	return checks_end();
}
