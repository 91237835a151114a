/*
 * Threads and what the C library keeps for each of them, in one TLS slot.
 *
 * A thread's data is made at its first use and freed when the DLL hears of the thread's end.
 */
#include "guest/user/msvcrt/crt.h"
#include <process.h>

static DWORD slot = TLS_OUT_OF_INDEXES;

enum { RT_THREAD = 16 }; /* run-time error number: not enough space for thread data */

bool crt_threads_init(void)
{
	slot = TlsAlloc();
	return slot != TLS_OUT_OF_INDEXES;
}

struct thread_data *crt_thread(void)
{
	DWORD last_error = GetLastError();
	struct thread_data *data = TlsGetValue(slot);

	if (!data) {
		data = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*data));
		if (!data)
			_amsg_exit(RT_THREAD);
		data->rand_seed = 1;
		data->id = GetCurrentThreadId();
		TlsSetValue(slot, data);
	}
	SetLastError(last_error);
	return data;
}

void crt_thread_detach(void)
{
	struct thread_data *data = slot == TLS_OUT_OF_INDEXES ? NULL : TlsGetValue(slot);

	if (!data)
		return;
	TlsSetValue(slot, NULL);
	HeapFree(GetProcessHeap(), 0, data);
}

int *_errno(void)
{
	return &crt_thread()->err;
}

unsigned long *__doserrno(void)
{
	return &crt_thread()->dos_err;
}

int *__fpecode(void)
{
	return &crt_thread()->fpe_code;
}

void **__pxcptinfoptrs(void)
{
	return &crt_thread()->exception_pointers;
}

unsigned long __threadid(void)
{
	return GetCurrentThreadId();
}

uintptr_t __threadhandle(void)
{
	return (uintptr_t)GetCurrentThread();
}

static DWORD WINAPI thread_main(void *parameter)
{
	struct thread_data *data = parameter;
	unsigned code = 0;

	data->id = GetCurrentThreadId();
	TlsSetValue(slot, data);
	if (data->start_ex)
		code = data->start_ex(data->argument);
	else
		data->start(data->argument);
	_endthreadex(code);
	return code;
}

static uintptr_t thread_start(struct thread_data *data, void *security, unsigned stack,
			      unsigned flags, unsigned *id)
{
	DWORD thread_id;
	HANDLE handle;

	data->rand_seed = 1;
	/* A thread that closes its own handle must find it in its data before it runs. */
	handle =
	    CreateThread(security, stack, thread_main, data, flags | CREATE_SUSPENDED, &thread_id);
	if (!handle) {
		crt_fail();
		HeapFree(GetProcessHeap(), 0, data);
		return 0;
	}
	data->handle = handle;
	if (id)
		*id = thread_id;
	if (!(flags & CREATE_SUSPENDED))
		ResumeThread(handle);
	return (uintptr_t)handle;
}

uintptr_t _beginthreadex(void *security, unsigned stack, unsigned(__stdcall *start)(void *),
			 void *argument, unsigned flags, unsigned *id)
{
	struct thread_data *data;

	if (!start) {
		crt_invalid(EINVAL);
		return 0;
	}
	data = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*data));
	if (!data) {
		errno = ENOMEM;
		return 0;
	}
	data->start_ex = start;
	data->argument = argument;
	return thread_start(data, security, stack, flags, id);
}

uintptr_t _beginthread(void(__cdecl *start)(void *), unsigned stack, void *argument)
{
	struct thread_data *data;
	uintptr_t handle;

	if (!start) {
		crt_invalid(EINVAL);
		return (uintptr_t)-1;
	}
	data = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*data));
	if (!data) {
		errno = ENOMEM;
		return (uintptr_t)-1;
	}
	data->start = start;
	data->owns_handle = true;
	data->argument = argument;
	handle = thread_start(data, NULL, stack, 0, NULL);
	return handle ? handle : (uintptr_t)-1;
}

void _endthreadex(unsigned code)
{
	struct thread_data *data = TlsGetValue(slot);

	/* A thread of _beginthread has nobody else to close its handle. */
	if (data && data->owns_handle && data->handle)
		CloseHandle(data->handle);
	ExitThread(code);
}

void _endthread(void)
{
	_endthreadex(0);
}
