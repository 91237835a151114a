/*
 * Trigonometric functions, within a little over half a unit in the last place.
 *
 * An argument is reduced to |r| <= pi/4 and a quadrant: below 2^30 by subtracting a multiple of
 * pi/2 held in three parts (Cody and Waite), above by multiplying with the bits of 2/pi that
 * matter (Payne and Hanek). The series then run in extended precision.
 */
#include "guest/user/msvcrt/mathlib.h"

enum { CODY_WAITE_LIMIT = 1 << 30, MANTISSA_BITS = 52, BIAS = 1023 };

#define PI_2	       0x1.921fb54442d18469898cp+0L
#define PI_4	       0.78539816339744830961566084581988L
#define TWO_PI_INVERSE 0.63661977236758134307553505349006L /* 2/pi */

/* pi/2 in parts of 33, 33 and 64 bits: multiples of the first two by 30 bits are exact. */
static const long double part_1 = 0x1921FB544p-32L, part_2 = 0x10B4611A6p-66L,
			 part_3 = 0x98CC51701B839A25p-132L;

/* The bits of 2/pi after the point. */
static const uint64_t two_over_pi[] = {
    0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484,
    0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB, 0xF0CFBC209AF4361D,
};

/* 64 bits of 2/pi from bit `at` on; before its first bit are zeros. */
static uint64_t bits_at(int at)
{
	int word = at >> 6, shift = at & 63;

	if (at < 0)
		return at <= -64 ? 0 : two_over_pi[0] >> -at;
	if (!shift)
		return two_over_pi[word];
	return two_over_pi[word] << shift | two_over_pi[word + 1] >> (64 - shift);
}

/*
 * x = m * 2^e with a 53-bit m. Bits of 2/pi above 2^(2-e) only add whole turns, so 192 bits from
 * there on give the quadrant (2 bits) and 190 bits of the fraction, too many to cancel away.
 */
static int reduce_large(double x, long double *r)
{
	uint64_t bits = double_bits(x);
	uint64_t m = (bits & ((1ull << MANTISSA_BITS) - 1)) | 1ull << MANTISSA_BITS;
	int e = (int)(bits >> MANTISSA_BITS & 0x7FF) - BIAS - MANTISSA_BITS, start = e - 2;
	unsigned __int128 low = (unsigned __int128)m * bits_at(start + 128);
	unsigned __int128 mid = (unsigned __int128)m * bits_at(start + 64) + (uint64_t)(low >> 64);
	uint64_t high = m * bits_at(start) + (uint64_t)(mid >> 64);
	unsigned __int128 fraction;
	int quadrant = (int)(high >> 62), shift;
	bool negative;

	/* The fraction's first 128 bits; from a half on it counts from the next quadrant down. */
	fraction = (unsigned __int128)(high << 2 | (uint64_t)mid >> 62) << 64 |
		   ((uint64_t)mid << 2 | (uint64_t)low >> 62);
	negative = fraction >> 127;
	if (negative) {
		quadrant++;
		fraction = -fraction;
	}
	if (!fraction) {
		*r = 0;
		return quadrant & 3;
	}
	shift = (uint64_t)(fraction >> 64) ? __builtin_clzll((uint64_t)(fraction >> 64))
					   : 64 + __builtin_clzll((uint64_t)fraction);
	fraction <<= shift;
	*r = ((long double)(uint64_t)(fraction >> 64) * 0x1p-64L +
	      (long double)(uint64_t)fraction * 0x1p-128L) *
	     PI_2;
	for (; shift > 30; shift -= 30)
		*r *= 0x1p-30L;
	*r /= (long double)(1u << shift);
	if (negative)
		*r = -*r;
	return quadrant & 3;
}

/* The quadrant of x and what is left, |r| <= pi/4. */
static int reduce(double x, long double *r)
{
	double size = fabs(x);
	int quadrant;

	if (size <= (double)PI_4) {
		*r = x;
		return 0;
	}
	if (size < CODY_WAITE_LIMIT) {
		long double n = (long double)(int64_t)(size * TWO_PI_INVERSE + 0.5L);

		*r = ((size - n * part_1) - n * part_2) - n * part_3;
		quadrant = (int)((int64_t)n & 3);
	} else {
		quadrant = reduce_large(size, r);
	}
	if (x < 0) {
		*r = -*r;
		quadrant = -quadrant & 3;
	}
	return quadrant;
}

/* Taylor's series; the first term left out is under 2^-70. */
static long double sine(long double r)
{
	static const long double inverse_factorials[] = {
	    1 / 51090942171709440000.0L,
	    1 / 121645100408832000.0L,
	    1 / 355687428096000.0L,
	    1 / 1307674368000.0L,
	    1 / 6227020800.0L,
	    1 / 39916800.0L,
	    1 / 362880.0L,
	    1 / 5040.0L,
	    1 / 120.0L,
	    1 / 6.0L,
	};
	long double square = r * r, sum = 0;

	for (size_t i = 0; i < ARRAYSIZE(inverse_factorials); i++)
		sum = inverse_factorials[i] - square * sum;
	return r - r * square * sum;
}

static long double cosine(long double r)
{
	static const long double inverse_factorials[] = {
	    1 / 2432902008176640000.0L,
	    1 / 6402373705728000.0L,
	    1 / 20922789888000.0L,
	    1 / 87178291200.0L,
	    1 / 479001600.0L,
	    1 / 3628800.0L,
	    1 / 40320.0L,
	    1 / 720.0L,
	    1 / 24.0L,
	    1 / 2.0L,
	};
	long double square = r * r, sum = 0;

	for (size_t i = 0; i < ARRAYSIZE(inverse_factorials); i++)
		sum = inverse_factorials[i] - square * sum;
	return 1 - square * sum;
}

/* sin(x + shift * pi/2) */
static double shifted_sine(const char *name, double x, int shift)
{
	unsigned short control;
	long double r, value;
	double result;
	int quadrant;

	if (is_nan(x))
		return x;
	if (is_infinite(x))
		return math_error(_DOMAIN, name, x, 0, bits_double(DOUBLE_NAN));
	control = x87_begin();
	quadrant = (reduce(x, &r) + shift) & 3;
	value = quadrant & 1 ? cosine(r) : sine(r);
	result = (double)(quadrant & 2 ? -value : value);
	x87_end(control);
	return x == 0 && !shift ? x : result;
}

double sin(double x)
{
	return shifted_sine("sin", x, 0);
}

double cos(double x)
{
	return shifted_sine("cos", x, 1);
}

double tan(double x)
{
	unsigned short control;
	long double r, s, c;
	double result;
	int quadrant;

	if (is_nan(x) || x == 0)
		return x;
	if (is_infinite(x))
		return math_error(_DOMAIN, "tan", x, 0, bits_double(DOUBLE_NAN));
	control = x87_begin();
	quadrant = reduce(x, &r);
	s = sine(r);
	c = cosine(r);
	result = (double)(quadrant & 1 ? -c / s : s / c);
	x87_end(control);
	return result;
}

/* The x87's arc tangent is right to 64 bits, in all quadrants. */
static long double arc_tangent(long double y, long double x)
{
	long double angle;

	__asm__("fpatan" : "=t"(angle) : "0"(x), "u"(y) : "st(1)");
	return angle;
}

static long double root(long double x)
{
	__asm__("fsqrt" : "+t"(x));
	return x;
}

double atan2(double y, double x)
{
	unsigned short control;
	double result;

	if (is_nan(x) || is_nan(y))
		return x + y;
	control = x87_begin();
	result = (double)arc_tangent(y, x);
	x87_end(control);
	return result;
}

double atan(double x)
{
	return is_nan(x) ? x : atan2(x, 1);
}

double asin(double x)
{
	unsigned short control;
	double result;

	if (is_nan(x))
		return x;
	if (fabs(x) > 1)
		return math_error(_DOMAIN, "asin", x, 0, bits_double(DOUBLE_NAN));
	control = x87_begin();
	result = (double)arc_tangent(x, root((1 - (long double)x) * (1 + (long double)x)));
	x87_end(control);
	return result;
}

double acos(double x)
{
	unsigned short control;
	double result;

	if (is_nan(x))
		return x;
	if (fabs(x) > 1)
		return math_error(_DOMAIN, "acos", x, 0, bits_double(DOUBLE_NAN));
	control = x87_begin();
	result = (double)arc_tangent(root((1 - (long double)x) * (1 + (long double)x)), x);
	x87_end(control);
	return result;
}
