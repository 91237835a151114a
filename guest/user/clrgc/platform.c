/*
 * The platform layer for Windows: public calls of kernel32, nothing else.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "guest/user/clrgc/platform.h"

static DWORD self_index = TLS_OUT_OF_INDEXES;
static HANDLE work, low_memory;

/* What start has made so far is undone by stop. */
bool gcp_start(void)
{
	self_index = TlsAlloc();
	work = CreateEventW(NULL, FALSE, FALSE, NULL);
	low_memory = CreateMemoryResourceNotification(LowMemoryResourceNotification);
	if (self_index != TLS_OUT_OF_INDEXES && work && low_memory)
		return true;
	gcp_stop();
	return false;
}

void gcp_stop(void)
{
	if (self_index != TLS_OUT_OF_INDEXES)
		TlsFree(self_index);
	if (work)
		CloseHandle(work);
	if (low_memory)
		CloseHandle(low_memory);
	self_index = TLS_OUT_OF_INDEXES;
	work = low_memory = NULL;
}

/* ---- memory ---- */

void *gcp_reserve(size_t bytes, bool watched)
{
	return VirtualAlloc(NULL, bytes, MEM_RESERVE | (watched ? MEM_WRITE_WATCH : 0),
			    PAGE_READWRITE);
}

void gcp_release(void *base, size_t bytes)
{
	(void)bytes; /* a reservation goes as a whole */
	VirtualFree(base, 0, MEM_RELEASE);
}

bool gcp_commit(void *base, size_t bytes)
{
	return VirtualAlloc(base, bytes, MEM_COMMIT, PAGE_READWRITE) != NULL;
}

void gcp_decommit(void *base, size_t bytes)
{
	VirtualFree(base, bytes, MEM_DECOMMIT);
}

void gcp_reset(void *base, size_t bytes)
{
	VirtualAlloc(base, bytes, MEM_RESET, PAGE_READWRITE);
}

size_t gcp_written(void *base, size_t bytes, void **pages, size_t room)
{
	ULONG_PTR count = room;
	DWORD granularity;

	if (GetWriteWatch(WRITE_WATCH_FLAG_RESET, base, bytes, pages, &count, &granularity))
		gcp_fail("GetWriteWatch does not know the heap");
	return count;
}

void gcp_forget_written(void *base, size_t bytes)
{
	ResetWriteWatch(base, bytes);
}

size_t gcp_physical_memory(void)
{
	MEMORYSTATUSEX status = {.dwLength = sizeof(status)};

	return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

size_t gcp_cache_size(void)
{
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION info[64];
	DWORD bytes = sizeof(info), largest = 0;

	if (!GetLogicalProcessorInformation(info, &bytes))
		return 0;
	for (DWORD i = 0; i < bytes / sizeof(info[0]); i++)
		if (info[i].Relationship == RelationCache && info[i].Cache.Size > largest)
			largest = info[i].Cache.Size;
	return largest;
}

bool gcp_memory_is_low(void)
{
	BOOL low = FALSE;

	return QueryMemoryResourceNotification(low_memory, &low) && low;
}

/* ---- locks: an SRWLOCK or a CONDITION_VARIABLE is one pointer, NULL at first ---- */

_Static_assert(sizeof(SRWLOCK) <= sizeof(struct gcp_lock), "SRWLOCK");
_Static_assert(sizeof(CONDITION_VARIABLE) <= sizeof(struct gcp_condition), "CONDITION_VARIABLE");

void gcp_lock(struct gcp_lock *lock)
{
	AcquireSRWLockExclusive((SRWLOCK *)lock);
}

bool gcp_try_lock(struct gcp_lock *lock)
{
	return TryAcquireSRWLockExclusive((SRWLOCK *)lock);
}

void gcp_unlock(struct gcp_lock *lock)
{
	ReleaseSRWLockExclusive((SRWLOCK *)lock);
}

void gcp_wait(struct gcp_condition *condition, struct gcp_lock *lock)
{
	SleepConditionVariableSRW((CONDITION_VARIABLE *)condition, (SRWLOCK *)lock, INFINITE, 0);
}

void gcp_wake_all(struct gcp_condition *condition)
{
	WakeAllConditionVariable((CONDITION_VARIABLE *)condition);
}

/* ---- threads ---- */

void *gcp_self(void)
{
	return TlsGetValue(self_index);
}

void gcp_set_self(void *self)
{
	TlsSetValue(self_index, self);
}

struct start {
	gcp_thread_main *run;
	void *argument;
};

static DWORD WINAPI thread_main(LPVOID argument)
{
	struct start start = *(struct start *)argument;

	HeapFree(GetProcessHeap(), 0, argument);
	start.run(start.argument);
	return 0;
}

void *gcp_start_thread(gcp_thread_main *run, void *argument, bool urgent)
{
	struct start *start = HeapAlloc(GetProcessHeap(), 0, sizeof(*start));
	HANDLE thread;

	if (!start)
		return NULL;
	*start = (struct start){run, argument};
	thread = CreateThread(NULL, 0, thread_main, start, 0, NULL);
	if (!thread)
		HeapFree(GetProcessHeap(), 0, start);
	else if (urgent)
		SetThreadPriority(thread, THREAD_PRIORITY_HIGHEST);
	return thread;
}

void gcp_join_thread(void *thread)
{
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
}

void gcp_signal_work(void)
{
	SetEvent(work);
}

enum gcp_wake gcp_wait_for_work(bool watch_memory, uint32_t milliseconds)
{
	HANDLE any[2] = {work, low_memory};

	switch (WaitForMultipleObjects(watch_memory ? 2 : 1, any, FALSE, milliseconds)) {
	case WAIT_OBJECT_0:
		return GCP_WORK;
	case WAIT_OBJECT_0 + 1:
		return GCP_LOW_MEMORY;
	default:
		return GCP_TIMEOUT;
	}
}

void gcp_fail(const char *what)
{
	static const char name[] = "clrgc: ";
	HANDLE out = GetStdHandle(STD_ERROR_HANDLE);
	DWORD n = 0, done;

	while (what[n])
		n++;
	WriteFile(out, name, sizeof(name) - 1, &done, NULL);
	WriteFile(out, what, n, &done, NULL);
	WriteFile(out, "\r\n", 2, &done, NULL);
	TerminateProcess(GetCurrentProcess(), 0x80131623); /* COR_E_FAILFAST */
	for (;;)
		;
}
