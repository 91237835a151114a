/*
 * The numbered locks. All are made when the DLL is attached, so that _lock needs no look-up.
 */
#include "guest/user/msvcrt/crt.h"

static CRITICAL_SECTION locks[CRT_LOCKS];

void crt_locks_init(void)
{
	for (int i = 0; i < CRT_LOCKS; i++)
		InitializeCriticalSection(&locks[i]);
}

CRITICAL_SECTION *crt_lock(int number)
{
	return &locks[number];
}

void _lock(int number)
{
	EnterCriticalSection(&locks[number]);
}

void _unlock(int number)
{
	LeaveCriticalSection(&locks[number]);
}
