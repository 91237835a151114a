/*
 * Small functions that belong nowhere else: random numbers, integer arithmetic, versions.
 */
#include "guest/user/msvcrt/crt.h"

enum { RAND_MULTIPLIER = 214013, RAND_INCREMENT = 2531011 };

void srand(unsigned seed)
{
	crt_thread()->rand_seed = seed;
}

/* Microsoft's generator: a program seeded alike sees the same numbers. */
int rand(void)
{
	struct thread_data *data = crt_thread();

	data->rand_seed = data->rand_seed * RAND_MULTIPLIER + RAND_INCREMENT;
	return data->rand_seed >> 16 & RAND_MAX;
}

/* From the system's generator, where there is one. */
errno_t rand_s(unsigned *to)
{
	static BOOLEAN(WINAPI * generate)(void *, ULONG);

	if (!to)
		return crt_invalid(EINVAL);
	if (!generate) {
		HMODULE dll = LoadLibraryA("advapi32.dll");

		if (dll)
			generate = (void *)GetProcAddress(dll, "SystemFunction036");
	}
	if (!generate || !generate(to, sizeof(*to))) {
		*to = 0;
		return errno = ENOMEM;
	}
	return 0;
}

int abs(int value)
{
	return value < 0 ? (int)-(unsigned)value : value;
}

long labs(long value)
{
	return value < 0 ? (long)-(unsigned long)value : value;
}

__int64 _abs64(__int64 value)
{
	return value < 0 ? (__int64)-(uint64_t)value : value;
}

div_t div(int a, int b)
{
	return (div_t){a / b, a % b};
}

ldiv_t ldiv(long a, long b)
{
	return (ldiv_t){a / b, a % b};
}

#define ROTATE(name, type, bits, left, right)                            \
	type name(type value, int n)                                     \
	{                                                                \
		n &= bits - 1;                                           \
		return n ? value left n | value right(bits - n) : value; \
	}

ROTATE(crt_rotl, unsigned, 32, <<, >>)
ROTATE(crt_rotr, unsigned, 32, >>, <<)
ROTATE(crt_rotl64, uint64_t, 64, <<, >>)
ROTATE(crt_rotr64, uint64_t, 64, >>, <<)

void crt_sleep(unsigned long milliseconds)
{
	Sleep(milliseconds);
}

/* There is no speaker: the time passes. */
void crt_beep(unsigned frequency, unsigned milliseconds)
{
	(void)frequency;
	Sleep(milliseconds);
}

void crt_seterrormode(int mode)
{
	SetErrorMode((UINT)mode);
}

int _resetstkoflw(void)
{
	MEMORY_BASIC_INFORMATION info;
	SYSTEM_INFO system;
	char *here = __builtin_frame_address(0), *guard;
	DWORD old;

	/* The page below the ones in use becomes the guard page again. */
	if (!VirtualQuery(here, &info, sizeof(info)))
		return 0;
	GetSystemInfo(&system);
	guard = (char *)((uintptr_t)here & ~(uintptr_t)(system.dwPageSize - 1)) - system.dwPageSize;
	if (guard < (char *)info.AllocationBase + 2 * system.dwPageSize)
		return 0;
	if (!VirtualAlloc(guard, system.dwPageSize, MEM_COMMIT, PAGE_READWRITE))
		return 0;
	return VirtualProtect(guard, system.dwPageSize, PAGE_READWRITE | PAGE_GUARD, &old) != 0;
}

extern unsigned crt_osver, crt_winver, crt_winmajor, crt_winminor;
extern int crt_osplatform;

#define GET_VERSION(name, variable)                 \
	errno_t name(unsigned *to)                  \
	{                                           \
		if (!to)                            \
			return crt_invalid(EINVAL); \
		*to = (unsigned)variable;           \
		return 0;                           \
	}

GET_VERSION(_get_osver, crt_osver)
GET_VERSION(_get_winver, crt_winver)
GET_VERSION(_get_winmajor, crt_winmajor)
GET_VERSION(_get_winminor, crt_winminor)
GET_VERSION(_get_osplatform, crt_osplatform)

errno_t _get_doserrno(unsigned long *to)
{
	if (!to)
		return crt_invalid(EINVAL);
	*to = _doserrno;
	return 0;
}

errno_t _set_doserrno(unsigned long value)
{
	_doserrno = value;
	return 0;
}

int crt_get_app_type(void)
{
	return crt_app_type;
}

/* Tables of functions for exit, as newer start-up code keeps them. */
struct onexit_table {
	crt_int_fn *first, *last, *end;
};

int crt_initialize_onexit_table(struct onexit_table *table)
{
	if (!table)
		return -1;
	*table = (struct onexit_table){0};
	return 0;
}

int crt_register_onexit_function(struct onexit_table *table, crt_int_fn function)
{
	size_t used, room;

	if (!table)
		return -1;
	_lock(LOCK_EXIT);
	used = table->last - table->first;
	room = table->end - table->first;
	if (used == room) {
		size_t bigger = room ? room * 2 : 32;
		crt_int_fn *moved = realloc(table->first, bigger * sizeof(*moved));

		if (!moved) {
			_unlock(LOCK_EXIT);
			return -1;
		}
		table->first = moved;
		table->last = moved + used;
		table->end = moved + bigger;
	}
	*table->last++ = function;
	_unlock(LOCK_EXIT);
	return 0;
}

int crt_execute_onexit_table(struct onexit_table *table)
{
	crt_int_fn *first, *at;

	if (!table)
		return -1;
	_lock(LOCK_EXIT);
	first = table->first;
	at = table->last;
	*table = (struct onexit_table){0};
	while (at > first)
		if (*--at)
			(*at)();
	free(first);
	_unlock(LOCK_EXIT);
	return 0;
}
