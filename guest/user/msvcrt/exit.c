/*
 * The end of the process: what was registered runs once, in reverse order, then streams are
 * flushed and the process ends.
 */
#include "guest/user/msvcrt/crt.h"
#include <process.h>
#include <signal.h>

static _onexit_t *table;
static size_t count, room;
static bool registered_done, streams_done;

/* Adds to a table that has `used` of `*size` entries; NULL when memory is out. */
_onexit_t _onexit(_onexit_t function)
{
	_onexit_t result = function;

	_lock(LOCK_EXIT);
	if (count == room) {
		size_t bigger = room ? room * 2 : 32;
		_onexit_t *moved = realloc(table, bigger * sizeof(*table));

		if (moved) {
			table = moved;
			room = bigger;
		}
	}
	if (count < room)
		table[count++] = function;
	else
		result = NULL;
	_unlock(LOCK_EXIT);
	return result;
}

/* The same for a DLL's own table, which its start-up code keeps. */
_onexit_t __dllonexit(_onexit_t function, _onexit_t **begin, _onexit_t **end)
{
	size_t used;
	_onexit_t *moved;

	if (!begin || !*begin || !end || !*end)
		return NULL;
	_lock(LOCK_EXIT);
	used = *end - *begin;
	moved = realloc(*begin, (used + 1) * sizeof(*moved));
	if (moved) {
		moved[used] = function;
		*begin = moved;
		*end = moved + used + 1;
	}
	_unlock(LOCK_EXIT);
	return moved ? function : NULL;
}

/* Functions registered while these run are run too. */
static void run_registered(void)
{
	if (registered_done)
		return;
	_lock(LOCK_EXIT);
	while (count) {
		_onexit_t function = table[--count];

		if (function)
			function();
	}
	registered_done = true;
	_unlock(LOCK_EXIT);
}

void _cexit(void)
{
	run_registered();
	_flushall();
	_rmtmp();
	streams_done = true;
}

void _c_exit(void)
{
}

void exit(int code)
{
	_cexit();
	ExitProcess(code);
}

/* Nothing registered runs, and nothing is flushed, not even when the DLL hears of the end. */
void _exit(int code)
{
	registered_done = streams_done = true;
	ExitProcess(code);
}

/* What a fatal error ends the process with, for programs that change it. */
void (*crt_aexit_rtn)(int) = _exit;

void crt_process_detach(bool terminating)
{
	if (!terminating) {
		run_registered();
		_flushall();
		return;
	}
	if (!registered_done && TryEnterCriticalSection(crt_lock(LOCK_EXIT))) {
		LeaveCriticalSection(crt_lock(LOCK_EXIT));
		run_registered();
	}
	if (!streams_done)
		crt_streams_detach();
}

static unsigned abort_flags = _WRITE_ABORT_MSG;

unsigned _set_abort_behavior(unsigned flags, unsigned mask)
{
	unsigned old = abort_flags;

	abort_flags = (old & ~mask) | (flags & mask);
	return old;
}

enum { ABORT_CODE = 3 };

void abort(void)
{
	if (abort_flags & _WRITE_ABORT_MSG)
		crt_fatal("\r\nThis application has requested the Runtime to terminate it in an "
			  "unusual way.\r\nPlease contact the application's support team for more "
			  "information.\r\n");
	raise(SIGABRT);
	_exit(ABORT_CODE);
}

__attribute__((noreturn)) static void assert_failed(const char *expression, const char *file,
						    unsigned line)
{
	fprintf(stderr, "Assertion failed: %s, file %s, line %u\n", expression, file, line);
	fflush(stderr);
	abort();
}

void _assert(const char *expression, const char *file, unsigned line)
{
	assert_failed(expression, file, line);
}

void _wassert(const wchar_t *expression, const wchar_t *file, unsigned line)
{
	char *narrow = crt_narrow(expression), *narrow_file = crt_narrow(file);

	assert_failed(narrow ? narrow : "?", narrow_file ? narrow_file : "?", line);
}

/* The helpers inside the library that ask for atexit own nothing that outlives the process. */
int atexit(void (*function)(void))
{
	(void)function;
	return 0;
}
