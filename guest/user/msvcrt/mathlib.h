/*
 * What the mathematical functions share: extended precision, whatever the thread's x87 control
 * word says, and error reports. See math.c.
 */
#ifndef GUEST_USER_MSVCRT_MATHLIB_H
#define GUEST_USER_MSVCRT_MATHLIB_H

#include "guest/user/msvcrt/crt.h"
#include <math.h>

/*
 * Threads start with the x87 rounding to 53 bits; the functions that compute in long double set
 * 64 for their time.
 */
static inline unsigned short x87_begin(void)
{
	enum { EXTENDED = 0x37F };
	unsigned short old, extended = EXTENDED;

	__asm__ volatile("fnstcw %0\n\tfldcw %1" : "=m"(old) : "m"(extended));
	return old;
}

static inline void x87_end(unsigned short old)
{
	__asm__ volatile("fldcw %0" : : "m"(old));
}

static inline uint64_t double_bits(double value)
{
	uint64_t bits;

	__builtin_memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline double bits_double(uint64_t bits)
{
	double value;

	__builtin_memcpy(&value, &bits, sizeof(value));
	return value;
}

#define DOUBLE_SIGN	(1ull << 63)
#define DOUBLE_INFINITY 0x7FF0000000000000ull
#define DOUBLE_NAN	0xFFF8000000000000ull /* the "indefinite" that invalid operations give */

static inline bool is_nan(double value)
{
	return (double_bits(value) & ~DOUBLE_SIGN) > DOUBLE_INFINITY;
}

static inline bool is_infinite(double value)
{
	return (double_bits(value) & ~DOUBLE_SIGN) == DOUBLE_INFINITY;
}

/* A number in two parts, the second what rounding took from the first. */
struct extended {
	long double high, low;
};

/*
 * An argument outside the function's domain (_DOMAIN), at a pole (_SING), a result too large
 * (_OVERFLOW) or too small (_UNDERFLOW): tells the program's handler, else sets errno; returns
 * what the function shall return.
 */
double math_error(int type, const char *name, double x, double y, double result);

/* In extended precision; the caller has called x87_begin. */
long double exp_extended(long double high, long double low);

#endif
