/*
 * Exponentials, logarithms, powers and hyperbolic functions, within a little over half a unit in
 * the last place.
 *
 * e^x is 2^n e^r with |r| <= ln(2)/2 and a series for e^r. A logarithm for pow is kept in two long
 * doubles, since the exponent multiplies its error by up to a thousand.
 */
#include "guest/user/msvcrt/mathlib.h"

#define LOG2_E 0xB8AA3B295C17F0BBp-63L
/* ln 2: 46 bits, so that multiples by 18 bits are exact, and the rest */
#define LN2_HIGH 0x2C5C85FDF473p-46L
#define LN2_LOW	 0xDE6AF278ECE600FCp-110L

enum { EXP_MAX = 710, EXP_MIN = -746 };

static long double round_whole(long double x)
{
	__asm__("frndint" : "+t"(x));
	return x;
}

static long double scale(long double x, long double n)
{
	long double result;

	__asm__("fscale" : "=t"(result) : "0"(x), "u"(n));
	return result;
}

/* e^r - 1 for |r| < 0.36 by Taylor's series. */
static long double exp_small(long double r)
{
	static const long double inverse_factorials[] = {
	    1 / 6402373705728000.0L,
	    1 / 355687428096000.0L,
	    1 / 20922789888000.0L,
	    1 / 1307674368000.0L,
	    1 / 87178291200.0L,
	    1 / 6227020800.0L,
	    1 / 479001600.0L,
	    1 / 39916800.0L,
	    1 / 3628800.0L,
	    1 / 362880.0L,
	    1 / 40320.0L,
	    1 / 5040.0L,
	    1 / 720.0L,
	    1 / 120.0L,
	    1 / 24.0L,
	    1 / 6.0L,
	    1 / 2.0L,
	};
	long double sum = 0;

	for (size_t i = 0; i < ARRAYSIZE(inverse_factorials); i++)
		sum = inverse_factorials[i] + r * sum;
	return r + r * r * sum;
}

long double exp_extended(long double high, long double low)
{
	long double n = round_whole(high * LOG2_E);
	long double r = ((high - n * LN2_HIGH) - n * LN2_LOW) + low;

	return scale(1 + exp_small(r), n);
}

double exp(double x)
{
	unsigned short control;
	double result;

	if (is_nan(x))
		return x;
	if (is_infinite(x))
		return x > 0 ? x : 0;
	if (x > EXP_MAX)
		return math_error(_OVERFLOW, "exp", x, 0, bits_double(DOUBLE_INFINITY));
	if (x < EXP_MIN)
		return math_error(_UNDERFLOW, "exp", x, 0, 0);
	control = x87_begin();
	result = (double)exp_extended(x, 0);
	x87_end(control);
	if (is_infinite(result))
		return math_error(_OVERFLOW, "exp", x, 0, result);
	return result == 0 ? math_error(_UNDERFLOW, "exp", x, 0, result) : result;
}

/* y * log2(x), and y * log2(1 + x) for small x, both to 64 bits. */
static long double y_log2(long double y, long double x)
{
	long double result;

	__asm__("fyl2x" : "=t"(result) : "0"(x), "u"(y) : "st(1)");
	return result;
}

static long double y_log2_1(long double y, long double x)
{
	long double result;

	__asm__("fyl2xp1" : "=t"(result) : "0"(x), "u"(y) : "st(1)");
	return result;
}

/* factor * log2(x): ln with factor ln(2), log10 with log10(2). */
static double logarithm(const char *name, double x, long double factor)
{
	unsigned short control;
	double result;

	if (is_nan(x))
		return x;
	if (x == 0)
		return math_error(_SING, name, x, 0, -bits_double(DOUBLE_INFINITY));
	if (x < 0)
		return math_error(_DOMAIN, name, x, 0, bits_double(DOUBLE_NAN));
	if (is_infinite(x))
		return x;
	control = x87_begin();
	if (x > 0.75 && x < 1.25)
		result = (double)y_log2_1(factor, (long double)x - 1);
	else
		result = (double)y_log2(factor, x);
	x87_end(control);
	return result;
}

double log(double x)
{
	return logarithm("log", x, 0.69314718055994530941723212145818L);
}

double log10(double x)
{
	return logarithm("log10", x, 0.30102999566398119521373889472449L);
}

static struct extended add_exactly(long double a, long double b)
{
	struct extended sum = {.high = a + b};

	sum.low = b - (sum.high - a);
	return sum;
}

/* The product of two 64-bit numbers in two, by halves of 32 bits. */
static struct extended multiply_exactly(long double a, long double b)
{
	const long double half = 0x1p32L + 1;
	long double ac = a * half, bc = b * half;
	long double ah = ac - (ac - a), bh = bc - (bc - b), al = a - ah, bl = b - bh;
	struct extended product = {.high = a * b};

	product.low = ((ah * bh - product.high) + ah * bl + al * bh) + al * bl;
	return product;
}

/*
 * ln(x) for x > 0, to about 75 bits: with x = 2^k m and s = (m-1)/(m+1), ln(m) is
 * 2s + 2/3 s^3 + ..., whose first term alone needs two parts.
 */
static struct extended log_precisely(double x)
{
	int k;
	long double m = 2 * (long double)frexp(x, &k), s, rest, square, sum = 0;
	struct extended product, result, whole;

	k--;
	if (m > 1.41421356L) {
		m /= 2;
		k++;
	}
	s = (m - 1) / (m + 1);
	/* What the division left: (m-1) - s (m+1), over (m+1). */
	product = multiply_exactly(s, m + 1);
	rest = (((m - 1) - product.high) - product.low) / (m + 1);
	square = s * s;
	for (int i = 45; i >= 3; i -= 2)
		sum = 1 / (long double)i + square * sum;
	result = add_exactly(2 * s, 2 * s * square * sum);
	result.low += 2 * rest;
	whole = k ? add_exactly(k * LN2_HIGH, result.high) : result;
	if (k)
		whole.low += result.low + k * LN2_LOW;
	return add_exactly(whole.high, whole.low);
}

static bool is_whole(double y)
{
	return floor(y) == y;
}

static bool is_odd(double y)
{
	return is_whole(y) && fabs(y) < 0x1p53 && floor(y / 2) * 2 != y;
}

/* The cases that need no computing; false for the others. */
static bool special_power(double x, double y, double *result)
{
	bool negative = (double_bits(x) & DOUBLE_SIGN) && is_odd(y);
	double infinity = bits_double(DOUBLE_INFINITY), size = fabs(x);

	if (y == 0 || x == 1) {
		*result = 1;
	} else if (is_nan(x) || is_nan(y)) {
		*result = x + y;
	} else if (is_infinite(y)) {
		*result = size == 1 ? 1 : (size > 1) == (y > 0) ? infinity : 0;
	} else if (x == 0 && y < 0) {
		*result = math_error(_SING, "pow", x, y, negative ? -infinity : infinity);
	} else if (x == 0 || is_infinite(x)) {
		*result = (x == 0) == (y > 0) ? 0 : infinity;
		if (negative)
			*result = -*result;
	} else if (x < 0 && !is_whole(y)) {
		*result = math_error(_DOMAIN, "pow", x, y, bits_double(DOUBLE_NAN));
	} else {
		return false;
	}
	return true;
}

double pow(double x, double y)
{
	enum { LIMIT = 760 }; /* e^760 is beyond any double, e^-760 below */
	unsigned short control;
	struct extended log, product;
	bool negative;
	double result;

	if (special_power(x, y, &result))
		return result;
	negative = x < 0 && is_odd(y);
	control = x87_begin();
	log = log_precisely(fabs(x));
	product = multiply_exactly(log.high, y);
	product.low += log.low * y;
	if (product.high > LIMIT)
		result = bits_double(DOUBLE_INFINITY);
	else if (product.high < -LIMIT)
		result = 0;
	else
		result = (double)exp_extended(product.high, product.low);
	x87_end(control);
	if (negative)
		result = -result;
	if (is_infinite(result))
		return math_error(_OVERFLOW, "pow", x, y, result);
	return result == 0 ? math_error(_UNDERFLOW, "pow", x, y, result) : result;
}

/* e^x - 1 */
static long double exp_minus_1(long double x)
{
	return x > -0.35L && x < 0.35L ? exp_small(x) : exp_extended(x, 0) - 1;
}

double sinh(double x)
{
	unsigned short control;
	long double e;
	double result;

	if (is_nan(x) || is_infinite(x) || x == 0)
		return x;
	if (fabs(x) > EXP_MAX + 1)
		return math_error(_OVERFLOW, "sinh", x, 0,
				  _copysign(bits_double(DOUBLE_INFINITY), x));
	control = x87_begin();
	e = exp_minus_1(fabs(x));
	result = _copysign((double)((e + e / (e + 1)) / 2), x);
	x87_end(control);
	return is_infinite(result) ? math_error(_OVERFLOW, "sinh", x, 0, result) : result;
}

double cosh(double x)
{
	unsigned short control;
	long double e;
	double result;

	if (is_nan(x) || is_infinite(x))
		return fabs(x);
	if (fabs(x) > EXP_MAX + 1)
		return math_error(_OVERFLOW, "cosh", x, 0, bits_double(DOUBLE_INFINITY));
	control = x87_begin();
	e = exp_extended(fabs(x), 0);
	result = (double)((e + 1 / e) / 2);
	x87_end(control);
	return is_infinite(result) ? math_error(_OVERFLOW, "cosh", x, 0, result) : result;
}

double tanh(double x)
{
	enum { FLAT = 22 }; /* from here on it is one */
	unsigned short control;
	long double e;
	double result;

	if (is_nan(x) || x == 0)
		return x;
	if (fabs(x) > FLAT)
		return _copysign(1, x);
	control = x87_begin();
	e = exp_minus_1(2 * (long double)x);
	result = (double)(e / (e + 2));
	x87_end(control);
	return result;
}
