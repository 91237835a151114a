/*
 * Bessel functions.
 *
 * Up to an argument of 30 the functions of the first kind come from the downward recurrence,
 * normalized by J0 + 2 J2 + 2 J4 + ... = 1, those of the second from Neumann's series in them;
 * beyond, both from Hankel's expansion. Orders above one of the second kind go by the upward
 * recurrence, which is stable there.
 */
#include "guest/user/msvcrt/mathlib.h"

#define EULER_GAMMA 0.57721566490153286060651209008240L
#define PI_L	    3.14159265358979323846264338327950L

enum { HANKEL_FROM = 30, ORDERS = 160 };

/* J0 .. J[ORDERS-1] of 0 < x <= HANKEL_FROM. */
static void first_kind(long double x, long double j[ORDERS])
{
	long double above = 0, here = 1e-300L, sum = 0;

	if (x < 1e-8L) {
		/* One term of the series: (x/2)^n / n! */
		j[0] = 1;
		for (int n = 1; n < ORDERS; n++)
			j[n] = j[n - 1] * x / (2 * n);
		return;
	}
	for (int n = ORDERS + 40; n > 0; n--) {
		long double below = 2 * n / x * here - above;

		above = here;
		here = below;
		if (n - 1 < ORDERS)
			j[n - 1] = here;
		if ((n - 1) % 2 == 0)
			sum += n - 1 ? 2 * here : here;
		if (fabs((double)here) > 1e250) {
			above *= 1e-250L;
			here *= 1e-250L;
			sum *= 1e-250L;
			for (int i = n - 1; i < ORDERS; i++)
				j[i] *= 1e-250L;
		}
	}
	for (int i = 0; i < ORDERS; i++)
		j[i] /= sum;
}

/* Order 0 or 1 for large x: sqrt(2/(pi x)) (P cos(t) - Q sin(t)), or with the roles changed. */
static double hankel(int n, double x, bool second)
{
	long double mu = 4 * n * n, term = 1, p = 1, q = 0, eight_x = 8 * (long double)x;
	double c = cos(x), s = sin(x), cosine, sine;

	for (int k = 1; k < 40; k++) {
		long double next = term * (mu - (2 * k - 1) * (2 * k - 1)) / (k * eight_x);

		if (fabs((double)next) >= fabs((double)term))
			break;
		term = next;
		if (k % 2)
			q += k % 4 == 1 ? term : -term;
		else
			p += k % 4 == 0 ? term : -term;
	}
	/* cos and sin of x - pi/4 - n pi/2 */
	cosine = n ? (s - c) : (c + s);
	sine = n ? -(s + c) : (s - c);
	if (second)
		return (double)(p * sine + q * cosine) / sqrt((double)PI_L * x);
	return (double)(p * cosine - q * sine) / sqrt((double)PI_L * x);
}

static double order_0_or_1(int n, double x)
{
	unsigned short control;
	long double j[ORDERS];
	double size = fabs(x), result;

	if (is_nan(x))
		return x;
	if (is_infinite(x))
		return 0;
	if (x == 0)
		return n ? 0 : 1;
	control = x87_begin();
	if (size > HANKEL_FROM) {
		result = hankel(n, size, false);
	} else {
		first_kind(size, j);
		result = (double)j[n];
	}
	x87_end(control);
	return n && x < 0 ? -result : result;
}

double _j0(double x)
{
	return order_0_or_1(0, x);
}

double _j1(double x)
{
	return order_0_or_1(1, x);
}

double _jn(int n, double x)
{
	long double j[ORDERS];
	double below, here;
	unsigned short control;
	int sign = 1;

	if (n < 0) {
		n = -n;
		sign = n % 2 ? -1 : 1;
	}
	if (x < 0) {
		x = -x;
		sign *= n % 2 ? -1 : 1;
	}
	if (is_nan(x) || n < 2)
		return sign * order_0_or_1(n < 2 ? n : 0, x);
	if (x == 0 || is_infinite(x))
		return 0;
	if (x <= HANKEL_FROM) {
		if (n >= ORDERS)
			return 0; /* under 1e-100 */
		control = x87_begin();
		first_kind(x, j);
		here = (double)j[n];
		x87_end(control);
		return sign * here;
	}
	below = _j0(x);
	here = _j1(x);
	if (n <= x) {
		for (int i = 1; i < n; i++) {
			double next = 2 * i / x * here - below;

			below = here;
			here = next;
		}
		return sign * here;
	}
	/* Orders above the argument: downward from far above, scaled by J0 or J1. */
	{
		long double above = 0, at = 1e-300L, wanted = 0, first = 0, zeroth;

		control = x87_begin();
		for (int i = n + 60 + (int)sqrt(40.0 * n); i > 0; i--) {
			long double next = 2 * i / (long double)x * at - above;

			above = at;
			at = next;
			if (i - 1 == n)
				wanted = at;
			if (fabs((double)at) > 1e250) {
				above *= 1e-250L;
				at *= 1e-250L;
				wanted *= 1e-250L;
			}
		}
		zeroth = at;
		first = above;
		here = fabs(below) > fabs(here) ? (double)(wanted / zeroth * below)
						: (double)(wanted / first * here);
		x87_end(control);
	}
	return sign * here;
}

/* Y0 and Y1 of 0 < x. */
static void second_kind(double x, double *y0, double *y1)
{
	unsigned short control;
	long double j[ORDERS], l, zero, first;

	if (x > HANKEL_FROM) {
		*y0 = hankel(0, x, true);
		*y1 = hankel(1, x, true);
		return;
	}
	l = (long double)log(x / 2) + EULER_GAMMA;
	control = x87_begin();
	first_kind(x, j);
	zero = l * j[0];
	for (int k = 1; 2 * k < ORDERS; k++)
		zero += (k % 2 ? 2 : -2) * j[2 * k] / k;
	zero *= 2 / PI_L;
	first = -j[0] / (long double)x + (l - 1) * j[1];
	for (int k = 1; 2 * k + 1 < ORDERS; k++)
		first -= (k % 2 ? -1 : 1) * (2 * k + 1) * j[2 * k + 1] / ((long double)k * (k + 1));
	first *= 2 / PI_L;
	*y0 = (double)zero;
	*y1 = (double)first;
	x87_end(control);
}

double _yn(int n, double x)
{
	double below, here;
	int sign = 1;

	if (is_nan(x))
		return x;
	if (n < 0) {
		n = -n;
		sign = n % 2 ? -1 : 1;
	}
	if (x == 0)
		return math_error(_SING, "_yn", n, x, -bits_double(DOUBLE_INFINITY));
	if (x < 0)
		return math_error(_DOMAIN, "_yn", n, x, bits_double(DOUBLE_NAN));
	if (is_infinite(x))
		return 0;
	second_kind(x, &below, &here);
	if (!n)
		return below;
	for (int i = 1; i < n && !is_infinite(here); i++) {
		double next = 2 * i / x * here - below;

		below = here;
		here = next;
	}
	return sign * here;
}

double _y0(double x)
{
	return _yn(0, x);
}

double _y1(double x)
{
	return _yn(1, x);
}
