/*
 * Mathematics: the functions that are exact or nearly so by working on a number's parts, and the
 * reporting of errors. Transcendental functions are in trig.c and exp.c.
 */
#include "guest/user/msvcrt/mathlib.h"
#include <float.h>

typedef int(__cdecl *matherr_handler)(struct _exception *);
static matherr_handler user_handler;

const double crt_HUGE = __builtin_inf();

enum { BIAS = 1023, MANTISSA_BITS = 52, MAX_EXPONENT = 0x7FF };

void crt_setusermatherr(matherr_handler handler)
{
	user_handler = handler;
}

double math_error(int type, const char *name, double x, double y, double result)
{
	struct _exception error = {
	    .type = type, .name = (char *)name, .arg1 = x, .arg2 = y, .retval = result};

	if (user_handler && user_handler(&error))
		return error.retval;
	errno = type == _DOMAIN ? EDOM : ERANGE;
	return result;
}

static int exponent_of(double x)
{
	return (int)(double_bits(x) >> MANTISSA_BITS & MAX_EXPONENT);
}

double fabs(double x)
{
	return bits_double(double_bits(x) & ~DOUBLE_SIGN);
}

double sqrt(double x)
{
	double root;

	if (x < 0)
		return math_error(_DOMAIN, "sqrt", x, 0, bits_double(DOUBLE_NAN));
	__asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
	return root;
}

/* Cuts the digits after the point. */
static double truncate(double x)
{
	int e = exponent_of(x) - BIAS;

	if (e < 0)
		return bits_double(double_bits(x) & DOUBLE_SIGN);
	if (e >= MANTISSA_BITS)
		return x;
	return bits_double(double_bits(x) & ~(((1ull << MANTISSA_BITS) - 1) >> e));
}

double floor(double x)
{
	double whole = truncate(x);

	return whole > x ? whole - 1 : whole;
}

double ceil(double x)
{
	double whole = truncate(x);

	/* Keeps the sign of a zero: ceil(-0.5) is -0. */
	return whole < x ? whole + 1 : whole;
}

double modf(double x, double *whole)
{
	*whole = truncate(x);
	if (is_infinite(x))
		return bits_double(double_bits(x) & DOUBLE_SIGN);
	return bits_double(double_bits(x - *whole) | (double_bits(x) & DOUBLE_SIGN));
}

double frexp(double x, int *exponent)
{
	int e = exponent_of(x);

	*exponent = 0;
	if (x == 0 || e == MAX_EXPONENT)
		return x;
	if (!e) {
		x *= 0x1p54;
		e = exponent_of(x) - 54;
	}
	*exponent = e - BIAS + 1;
	return bits_double((double_bits(x) & ~((uint64_t)MAX_EXPONENT << MANTISSA_BITS)) |
			   (uint64_t)(BIAS - 1) << MANTISSA_BITS);
}

/* One multiplication by a power of two rounds the result once, also when it is denormal. */
double ldexp(double x, int n)
{
	double result = x;

	if (x == 0 || exponent_of(x) == MAX_EXPONENT)
		return x;
	if (n > 2100)
		n = 2100;
	if (n < -2200)
		n = -2200;
	for (; n > BIAS; n -= BIAS)
		result *= 0x1p1023;
	if (n < 0) {
		/* Brings the number down to where the last step can be one rounding. */
		int e = 0;
		double fraction = frexp(result, &e);
		int target = e + n;

		if (target < -1080)
			result = bits_double(double_bits(x) & DOUBLE_SIGN);
		else if (target > -1021)
			result = bits_double(
			    (double_bits(fraction) & ~((uint64_t)MAX_EXPONENT << MANTISSA_BITS)) |
			    (uint64_t)(BIAS - 1 + target) << MANTISSA_BITS);
		else
			result = fraction * 0x1p-960 *
				 bits_double((uint64_t)(BIAS + target + 960) << MANTISSA_BITS);
	} else {
		result *= bits_double((uint64_t)(BIAS + n) << MANTISSA_BITS);
	}
	if (is_infinite(result))
		return math_error(_OVERFLOW, "ldexp", x, n, result);
	if (result == 0)
		return math_error(_UNDERFLOW, "ldexp", x, n, result);
	return result;
}

/* Exact: the x87's partial remainder, until it is whole. */
double fmod(double x, double y)
{
	long double rest = x, divisor = y;
	unsigned short status;

	if (is_nan(x) || is_nan(y))
		return x + y;
	if (is_infinite(x) || y == 0)
		return math_error(_DOMAIN, "fmod", x, y, bits_double(DOUBLE_NAN));
	if (is_infinite(y) || x == 0)
		return x;
	do {
		enum { INCOMPLETE = 0x400 };

		__asm__("fprem\n\tfnstsw %1" : "+t"(rest), "=a"(status) : "u"(divisor));
		if (!(status & INCOMPLETE))
			break;
	} while (true);
	return bits_double((double_bits((double)rest) & ~DOUBLE_SIGN) |
			   (double_bits(x) & DOUBLE_SIGN));
}

/* In extended precision the squares neither overflow nor lose. */
double _hypot(double x, double y)
{
	unsigned short control;
	long double sum;
	double result;

	if (is_infinite(x) || is_infinite(y))
		return bits_double(DOUBLE_INFINITY);
	if (is_nan(x) || is_nan(y))
		return x + y;
	control = x87_begin();
	sum = (long double)x * x + (long double)y * y;
	__asm__("fsqrt" : "+t"(sum));
	result = (double)sum;
	x87_end(control);
	return is_infinite(result) ? math_error(_OVERFLOW, "_hypot", x, y, result) : result;
}

double _cabs(struct _complex z)
{
	return _hypot(z.x, z.y);
}

double _copysign(double x, double sign)
{
	return bits_double((double_bits(x) & ~DOUBLE_SIGN) | (double_bits(sign) & DOUBLE_SIGN));
}

double _chgsign(double x)
{
	return bits_double(double_bits(x) ^ DOUBLE_SIGN);
}

int _finite(double x)
{
	return exponent_of(x) != MAX_EXPONENT;
}

int _isnan(double x)
{
	return is_nan(x);
}

int _fpclass(double x)
{
	uint64_t bits = double_bits(x), fraction = bits & ((1ull << MANTISSA_BITS) - 1);
	bool negative = bits & DOUBLE_SIGN;
	int e = exponent_of(x);

	if (e == MAX_EXPONENT && fraction)
		return fraction >> (MANTISSA_BITS - 1) ? _FPCLASS_QNAN : _FPCLASS_SNAN;
	if (e == MAX_EXPONENT)
		return negative ? _FPCLASS_NINF : _FPCLASS_PINF;
	if (e)
		return negative ? _FPCLASS_NN : _FPCLASS_PN;
	if (fraction)
		return negative ? _FPCLASS_ND : _FPCLASS_PD;
	return negative ? _FPCLASS_NZ : _FPCLASS_PZ;
}

double _logb(double x)
{
	int e;

	if (is_nan(x))
		return x;
	if (is_infinite(x))
		return bits_double(DOUBLE_INFINITY);
	if (x == 0)
		return math_error(_SING, "_logb", x, 0, -bits_double(DOUBLE_INFINITY));
	frexp(x, &e);
	return e - 1;
}

double _scalb(double x, long n)
{
	return ldexp(x, (int)n);
}

double _nextafter(double x, double y)
{
	uint64_t bits = double_bits(x);

	if (is_nan(x) || is_nan(y))
		return x + y;
	if (x == y)
		return y;
	if (x == 0)
		return bits_double((double_bits(y) & DOUBLE_SIGN) | 1);
	bits += (x < y) == (x > 0) ? 1 : (uint64_t)-1;
	return bits_double(bits);
}

/* The float versions: a double's result, rounded, is right for all of these. */
#define FLOAT_1(name, double_name)            \
	float name(float x)                   \
	{                                     \
		return (float)double_name(x); \
	}
#define FLOAT_2(name, double_name)               \
	float name(float x, float y)             \
	{                                        \
		return (float)double_name(x, y); \
	}

FLOAT_1(sqrtf, sqrt)
FLOAT_1(floorf, floor)
FLOAT_1(ceilf, ceil)
FLOAT_1(sinf, sin)
FLOAT_1(cosf, cos)
FLOAT_1(tanf, tan)
FLOAT_1(asinf, asin)
FLOAT_1(acosf, acos)
FLOAT_1(atanf, atan)
FLOAT_1(sinhf, sinh)
FLOAT_1(coshf, cosh)
FLOAT_1(tanhf, tanh)
FLOAT_1(expf, exp)
FLOAT_1(logf, log)
FLOAT_1(log10f, log10)
FLOAT_1(_logbf, _logb)
FLOAT_1(_chgsignf, _chgsign)
FLOAT_2(fmodf, fmod)
FLOAT_2(powf, pow)
FLOAT_2(atan2f, atan2)
FLOAT_2(_hypotf, _hypot)
FLOAT_2(_copysignf, _copysign)

float modff(float x, float *whole)
{
	double wide, rest = modf(x, &wide);

	*whole = (float)wide;
	return (float)rest;
}

int _finitef(float x)
{
	return _finite(x);
}

int _isnanf(float x)
{
	return _isnan(x);
}

/* A float's own denormals are normal doubles. */
int _fpclassf(float x)
{
	int class = _fpclass(x);

	if (fabs(x) >= FLT_MIN)
		return class;
	return class == _FPCLASS_PN ? _FPCLASS_PD : class == _FPCLASS_NN ? _FPCLASS_ND : class;
}

float _scalbf(float x, long n)
{
	return (float)ldexp(x, (int)n);
}

float _nextafterf(float x, float y)
{
	uint32_t bits;

	if (is_nan(x) || is_nan(y))
		return x + y;
	if (x == y)
		return y;
	memcpy(&bits, &x, sizeof(bits));
	if (x == 0)
		bits = (y < 0 ? 1u << 31 : 0) | 1;
	else
		bits += (x < y) == (x > 0) ? 1 : (uint32_t)-1;
	memcpy(&x, &bits, sizeof(x));
	return x;
}
