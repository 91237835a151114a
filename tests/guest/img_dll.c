/*
 * The DLLs of img_load.c: img_one.dll and img_two.dll (-DTWO), which import each other. They tell
 * in the environment variable IMG_LOG what happens to them: a letter a call.
 */
#include <windows.h>

#ifdef TWO
#define LETTER	    'B'
#define MINE(name)  two_##name
#define OTHER(name) one_##name
#else
#define LETTER	    'A'
#define MINE(name)  one_##name
#define OTHER(name) two_##name
#endif

__declspec(dllimport) int OTHER(answer)(void);

static void note(char c)
{
	char log[200] = "";
	DWORD n = GetEnvironmentVariableA("IMG_LOG", log, sizeof(log) - 2);
	log[n] = c;
	log[n + 1] = 0;
	SetEnvironmentVariableA("IMG_LOG", log);
}

#ifndef TWO
/* One copy for every process that has the DLL, and one for each. */
__attribute__((section(".shared"), shared)) volatile LONG shared_count = 5;
volatile LONG private_count = 5;
/* Pages of data that nobody writes unless the test does. */
__attribute__((aligned(4096))) volatile char private_pages[3 * 4096] = {1};

LONG add_shared(LONG n)
{
	return InterlockedExchangeAdd(&shared_count, n) + n;
}

LONG add_private(LONG n)
{
	return private_count += n;
}

volatile char *pages(void)
{
	return private_pages;
}

LONG by_ordinal_only(void)
{
	return 4711;
}

static void NTAPI tls_callback(PVOID base, DWORD reason, PVOID reserved)
{
	(void)base;
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH)
		note('t');
	if (reason == DLL_THREAD_ATTACH)
		note('n');
}

extern const IMAGE_TLS_DIRECTORY64 _tls_used; /* the linker takes mingw's directory in with it */
const void *const use_tls = &_tls_used;
__attribute__((section(".CRT$XLC"))) const PIMAGE_TLS_CALLBACK tls_entry = tls_callback;
#endif

int MINE(answer)(void)
{
	return LETTER;
}

/* Through the import that closes the circle. */
int MINE(asks_other)(void)
{
	return OTHER(answer)();
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
	(void)self;
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH) {
		note(LETTER);
		if (GetEnvironmentVariableA("IMG_FAIL", NULL, 0))
			return FALSE;
	}
	if (reason == DLL_PROCESS_DETACH)
		note((char)(LETTER | 0x20));
	if (reason == DLL_THREAD_ATTACH)
		note(LETTER + 10);
	return TRUE;
}
