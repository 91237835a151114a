/* For test programs that start themselves again, as `PROGRAM child ROLE [ARGUMENT]`. */
#ifndef NTMM_TESTS_GUEST_PROC_H
#define NTMM_TESTS_GUEST_PROC_H

#include "tests/guest/check.h"

/* Starts this program in a role. FALSE: pi is zero. */
static BOOL spawn(const char *role, const char *argument, BOOL inherit, DWORD flags,
		  STARTUPINFOA *si, PROCESS_INFORMATION *pi)
{
	STARTUPINFOA plain = {.cb = sizeof(plain)};
	char self[MAX_PATH], line[2 * MAX_PATH + 64];

	GetModuleFileNameA(NULL, self, sizeof(self));
	snprintf(line, sizeof(line), "\"%s\" child %s %s", self, role, argument ? argument : "");
	memset(pi, 0, sizeof(*pi));
	return CreateProcessA(self, line, NULL, NULL, inherit, flags, NULL, NULL, si ? si : &plain,
			      pi);
}

/* Waits for the end and gives the exit code; closes both handles. */
static DWORD finish(PROCESS_INFORMATION *pi)
{
	DWORD code = 0xdead;

	if (WaitForSingleObject(pi->hProcess, 60000) == WAIT_OBJECT_0)
		GetExitCodeProcess(pi->hProcess, &code);
	CloseHandle(pi->hThread);
	CloseHandle(pi->hProcess);
	return code;
}

/* Both: the exit code of a child in a role. */
static inline DWORD run_child(const char *role, const char *argument, BOOL inherit)
{
	PROCESS_INFORMATION pi;

	if (!spawn(role, argument, inherit, 0, NULL, &pi))
		return 0xbad0000 | GetLastError();
	return finish(&pi);
}

static inline HANDLE handle_of(const char *text)
{
	return (HANDLE)(uintptr_t)strtoull(text, NULL, 16); /* as %p writes it */
}

#endif
