/*
 * Signals, which on Windows are raised by the program itself, by exceptions (through _XcptFilter)
 * and by Ctrl-C.
 */
#include "guest/user/msvcrt/crt.h"
#include <signal.h>
#include <float.h>

typedef void(__cdecl *handler)(int);
typedef void(__cdecl *fpe_handler)(int, int);

enum { SIGNALS = NSIG, SIGABRT_COMPATIBLE = 6, DEFAULT_EXIT_CODE = 3 };

static handler handlers[SIGNALS]; /* zero is SIG_DFL */
static bool console_hooked;

/* Exceptions that are signals. */
static const struct {
	DWORD exception;
	int number, fpe_code;
} exceptions[] = {
    {EXCEPTION_ACCESS_VIOLATION, SIGSEGV, 0},
    {EXCEPTION_ILLEGAL_INSTRUCTION, SIGILL, 0},
    {EXCEPTION_PRIV_INSTRUCTION, SIGILL, 0},
    {EXCEPTION_FLT_DENORMAL_OPERAND, SIGFPE, _FPE_DENORMAL},
    {EXCEPTION_FLT_DIVIDE_BY_ZERO, SIGFPE, _FPE_ZERODIVIDE},
    {EXCEPTION_FLT_INEXACT_RESULT, SIGFPE, _FPE_INEXACT},
    {EXCEPTION_FLT_INVALID_OPERATION, SIGFPE, _FPE_INVALID},
    {EXCEPTION_FLT_OVERFLOW, SIGFPE, _FPE_OVERFLOW},
    {EXCEPTION_FLT_STACK_CHECK, SIGFPE, _FPE_STACKOVERFLOW},
    {EXCEPTION_FLT_UNDERFLOW, SIGFPE, _FPE_UNDERFLOW},
};

static bool known(int number)
{
	switch (number) {
	case SIGINT:
	case SIGILL:
	case SIGABRT_COMPATIBLE:
	case SIGFPE:
	case SIGSEGV:
	case SIGTERM:
	case SIGBREAK:
	case SIGABRT:
		return true;
	default:
		return false;
	}
}

static BOOL WINAPI on_console(DWORD event)
{
	int number = event == CTRL_C_EVENT ? SIGINT : SIGBREAK;
	handler function = handlers[number];

	if (function == SIG_DFL)
		return FALSE;
	if (function == SIG_IGN)
		return TRUE;
	handlers[number] = SIG_DFL;
	function(number);
	return TRUE;
}

handler signal(int number, handler function)
{
	handler old;

	if (number == SIGABRT_COMPATIBLE)
		number = SIGABRT;
	if (!known(number) || function == SIG_ERR || function == SIG_ACK) {
		errno = EINVAL;
		return SIG_ERR;
	}
	_lock(LOCK_SIGNAL);
	if ((number == SIGINT || number == SIGBREAK) && function != SIG_DFL && !console_hooked) {
		if (!SetConsoleCtrlHandler(on_console, TRUE)) {
			crt_fail();
			_unlock(LOCK_SIGNAL);
			return SIG_ERR;
		}
		console_hooked = true;
	}
	old = handlers[number];
	if (function != SIG_GET)
		handlers[number] = function;
	_unlock(LOCK_SIGNAL);
	return old;
}

static void deliver(handler function, int number, int fpe_code)
{
	if (number == SIGFPE) {
		struct thread_data *data = crt_thread();
		int saved = data->fpe_code;

		data->fpe_code = fpe_code;
		((fpe_handler)(void *)function)(number, fpe_code);
		data->fpe_code = saved;
	} else {
		function(number);
	}
}

int raise(int number)
{
	handler function;

	if (number == SIGABRT_COMPATIBLE)
		number = SIGABRT;
	if (!known(number)) {
		errno = EINVAL;
		return -1;
	}
	_lock(LOCK_SIGNAL);
	function = handlers[number];
	/* A handler is called once; it may install itself again. */
	if (function != SIG_IGN)
		handlers[number] = SIG_DFL;
	_unlock(LOCK_SIGNAL);
	if (function == SIG_IGN)
		return 0;
	if (function == SIG_DFL)
		_exit(DEFAULT_EXIT_CODE);
	deliver(function, number, _FPE_EXPLICITGEN);
	return 0;
}

/* The filter around main: gives an exception that is a signal to its handler. */
int _XcptFilter(unsigned long code, struct _EXCEPTION_POINTERS *pointers)
{
	struct thread_data *data = crt_thread();

	for (size_t i = 0; i < ARRAYSIZE(exceptions); i++) {
		int number = exceptions[i].number;
		handler function;
		void *saved;

		if (exceptions[i].exception != code)
			continue;
		function = handlers[number];
		if (function == SIG_DFL)
			break;
		if (function == SIG_IGN)
			return EXCEPTION_CONTINUE_EXECUTION;
		handlers[number] = SIG_DFL;
		saved = data->exception_pointers;
		data->exception_pointers = pointers;
		deliver(function, number, exceptions[i].fpe_code);
		data->exception_pointers = saved;
		return EXCEPTION_CONTINUE_EXECUTION;
	}
	return UnhandledExceptionFilter(pointers);
}

/* The same for threads and DLLs that C++ code runs. */
int __CppXcptFilter(unsigned long code, struct _EXCEPTION_POINTERS *pointers)
{
	enum { CPP_EXCEPTION = 0xE06D7363 };

	return code == CPP_EXCEPTION ? _XcptFilter(code, pointers) : EXCEPTION_CONTINUE_SEARCH;
}
