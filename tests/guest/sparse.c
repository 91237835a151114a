/*
 * Page tables run out: addresses 2 MB apart take one each, until there are no more (at level hvci,
 * where the host has set a pool of them apart) or PAGES pages are there. What cannot be had is
 * refused and nothing else is lost; what goes back can be used for tables of every kind again.
 *   sparse PAGES
 */
#include "tests/guest/check.h"

#define MB2	((size_t)2 << 20)
#define PAGES	8192
#define PATTERN 0x5a00000000ull

static uint64_t *page[PAGES];

static unsigned fill(char *base, unsigned most, DWORD *error)
{
	unsigned n = 0;

	*error = 0;
	for (; n < most; n++) {
		page[n] = VirtualAlloc(base + n * MB2, 4096, MEM_COMMIT, PAGE_READWRITE);
		if (!page[n]) {
			*error = GetLastError();
			break;
		}
		page[n][1] = PATTERN + n;
	}
	return n;
}

static void verify(unsigned n)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++)
		wrong += page[i][1] != PATTERN + i || page[i][0] || page[i][511];
	CHECK(wrong == 0);
}

static DWORD WINAPI thread(void *arg)
{
	return (DWORD)(uintptr_t)arg + 1;
}

/* A process that does nothing: its exit code, or 0 and *error. */
static DWORD child(DWORD *error)
{
	STARTUPINFOA s = {.cb = sizeof(s)};
	PROCESS_INFORMATION p;
	char path[MAX_PATH], line[MAX_PATH + 16];
	DWORD code = 0;

	GetModuleFileNameA(NULL, path, sizeof(path));
	snprintf(line, sizeof(line), "%s child", path);
	if (!CreateProcessA(path, line, NULL, NULL, FALSE, 0, NULL, NULL, &s, &p)) {
		*error = GetLastError();
		return 0;
	}
	*error = 0;
	WaitForSingleObject(p.hProcess, INFINITE);
	GetExitCodeProcess(p.hProcess, &code);
	CloseHandle(p.hProcess);
	CloseHandle(p.hThread);
	return code;
}

static int refusal(DWORD error)
{
	return error == ERROR_NOT_ENOUGH_MEMORY || error == ERROR_NO_SYSTEM_RESOURCES ||
	       error == ERROR_COMMITMENT_LIMIT || error == ERROR_OUTOFMEMORY;
}

/* Everything that needs tables, with none left: it works or it is refused. */
static void go_on(void)
{
	char *more = VirtualAlloc(NULL, 64 * MB2, MEM_RESERVE, PAGE_READWRITE);
	HANDLE h = CreateThread(NULL, 0, thread, (void *)6, 0, NULL);
	DWORD error, code;

	CHECK(more || refusal(GetLastError()));
	if (h) {
		WaitForSingleObject(h, INFINITE);
		CHECK(GetExitCodeThread(h, &code) && code == 7);
		CloseHandle(h);
	}
	for (unsigned i = 0; more && i < 4; i++)
		if (!VirtualAlloc(more + i * 16 * MB2, 4096, MEM_COMMIT, PAGE_READWRITE))
			CHECK(refusal(GetLastError()));
	if (more)
		CHECK(VirtualFree(more, 0, MEM_RELEASE));
	code = child(&error);
	CHECK(code == 7 || code >= 0xc0000000 || refusal(error));
	printf("a child: exit code %lx, error %lu\n", code, error);
}

int main(int argc, char **argv)
{
	const unsigned most = argc > 1 ? (unsigned)atoi(argv[1]) : PAGES;
	unsigned first = 0, n;
	DWORD error, code;
	char *base;

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return 7;
	for (int round = 0; round < 3; round++) {
		base = VirtualAlloc(NULL, PAGES * MB2, MEM_RESERVE, PAGE_READWRITE);
		CHECK(base != NULL);
		if (!base)
			break;
		n = fill(base, most < PAGES ? most : PAGES, &error);
		printf("%u pages 2 MB apart, error %lu\n", n, error);
		CHECK(n == most || refusal(error));
		go_on();
		verify(n);
		CHECK(VirtualFree(base, 0, MEM_RELEASE));
		for (int i = 0; i < 3; i++) {
			code = child(&error);
			CHECK(code == 7 && error == 0);
		}
		if (!first)
			first = n;
		CHECK(n + 16 >= first); /* nothing has been lost */
	}
	return checks_end();
}
