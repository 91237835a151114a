/*
 * What C++ code ends with: terminate, unexpected, calls of pure virtual functions.
 */
#include "guest/user/msvcrt/crt.h"
#include <process.h>

enum { PURE_CALL = 25 }; /* run-time error number */

static crt_void_fn on_terminate, on_unexpected, on_pure_call;

static crt_void_fn exchange(crt_void_fn *where, crt_void_fn function)
{
	return (crt_void_fn)InterlockedExchangePointer((void **)where, (void *)function);
}

crt_void_fn crt_set_terminate(crt_void_fn function)
{
	return exchange(&on_terminate, function);
}

crt_void_fn crt_set_unexpected(crt_void_fn function)
{
	return exchange(&on_unexpected, function);
}

crt_void_fn crt_get_terminate(void)
{
	return on_terminate;
}

crt_void_fn crt_get_unexpected(void)
{
	return on_unexpected;
}

void crt_terminate(void)
{
	if (on_terminate)
		on_terminate();
	abort();
}

void crt_unexpected(void)
{
	if (on_unexpected)
		on_unexpected();
	crt_terminate();
}

crt_void_fn crt_set_purecall_handler(crt_void_fn function)
{
	return exchange(&on_pure_call, function);
}

void _purecall(void)
{
	if (on_pure_call)
		on_pure_call();
	_amsg_exit(PURE_CALL);
}
