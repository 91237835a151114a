/*
 * The numbered locks. All are made when the DLL is attached, so that _lock needs no look-up.
 *
 * Letting go of a standard stream's lock ends what was gathered under it (stream.c).
 */
#include "guest/user/msvcrt/crt.h"

static CRITICAL_SECTION locks[CRT_LOCKS];
static int depths[CRT_LOCKS]; /* how often the owner holds each */

void crt_locks_init(void)
{
	for (int i = 0; i < CRT_LOCKS; i++)
		InitializeCriticalSection(&locks[i]);
}

CRITICAL_SECTION *crt_lock(int number)
{
	return &locks[number];
}

int crt_lock_depth(int number)
{
	return depths[number];
}

void _lock(int number)
{
	EnterCriticalSection(&locks[number]);
	depths[number]++;
}

void _unlock(int number)
{
	if (depths[number] == 1 && number >= LOCK_STREAM_0 && number < LOCK_STREAM_0 + _IOB_ENTRIES)
		stream_end_gathering(&crt_iob[number - LOCK_STREAM_0]);
	depths[number]--;
	LeaveCriticalSection(&locks[number]);
}
