/*
 * The printf family of msvcrt.dll itself (not mingw-w64's replacement): each row is a format and
 * what it must give. Values are Microsoft's documented behaviour: three-digit exponents, 1.#INF,
 * %I64d, %S, halves rounded away from zero.
 */
#define __USE_MINGW_ANSI_STDIO 0
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#include "tests/guest/crt/expect.h"
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <wchar.h>

static char text[4096];
static wchar_t wide[4096];

/* The formatted text must be `want`. */
static void expect(int line, const char *want, const char *format, ...)
{
	va_list args;
	int n;

	memset(text, 'x', sizeof(text));
	va_start(args, format);
	n = _vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n != (int)strlen(want) || strcmp(text, want)) {
		checks_failed++;
		printf("line %d: \"%s\" gave \"%s\" (%d), not \"%s\"\n", line, format, text, n,
		       want);
	}
}
#define E(want, ...) expect(__LINE__, want, __VA_ARGS__)

static void integers(void)
{
	E("0 -1 2147483647 -2147483648", "%d %d %d %i", 0, -1, INT_MAX, INT_MIN);
	E("4294967295 ff FF 377", "%u %x %X %o", -1, 255, 255, 255);
	E("   42|42   |00042|+42| 42", "%5d|%-5d|%05d|%+d|% d", 42, 42, 42, 42, 42);
	E("0xff 0XFF 0377 0 0", "%#x %#X %#o %#x %#o", 255, 255, 255, 0, 0);
	E("00042|  00042|00042  ", "%.5d|%7.5d|%-7.5d", 42, 42, 42);
	E("|     ", "%.0d|%5.0d", 0, 0);
	E("9223372036854775807 -9223372036854775808", "%I64d %lld", LLONG_MAX, LLONG_MIN);
	E("18446744073709551615 ffffffffffffffff", "%I64u %llx", -1LL, -1LL);
	E("-1 65535 -1", "%hd %hu %I32d", -1, -1, -1);
	E("-1 4294967295", "%ld %lu", -1L, -1L);
	E("   00ff|0x00ff  |", "%7.4x|%-#8.4x|", 255, 255);
	E("  -7|-7  |    7", "%*d|%*d|%*d", 4, -7, -4, -7, 5, 7);
	E("0000000000001234 00000000DEADBEEF", "%p %p", (void *)0x1234, (void *)0xDEADBEEF);
	E("100%", "%d%%", 100);
}

static void strings(void)
{
	E("abc|  abc|abc  |ab", "%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc");
	E("(null)|(nul", "%s|%.4s", NULL, NULL);
	E("a|  a|a  ", "%c|%3c|%-3c", 'a', 'a', 'a');
	E("wide wide w w", "%ls %S %C %lc", L"wide", L"wide", L'w', L'w');
	E("narrow n", "%hs %hc", "narrow", 'n');
	E("abc", "%.*s", 3, "abcdef");
	E("00abc", "%05s", "abc");
}

static void floats(void)
{
	E("0.000000 1.500000 -1.500000", "%f %f %f", 0.0, 1.5, -1.5);
	E("1.000000e+000 1.234568e+004 1.000000e-005", "%e %e %e", 1.0, 12345.678, 1e-5);
	E("1E+100 1e-100", "%G %g", 1e100, 1e-100);
	E("0.0001 1e-005 100000 1e+006", "%g %g %g %g", 1e-4, 1e-5, 1e5, 1e6);
	E("1 2 3 1.1 1.3 -3", "%.0f %.0f %.0f %.1f %.1f %.0f", 0.5, 1.5, 2.5, 1.15, 1.25, -2.5);
	E("3.14159|   3.142|3.142   |0003.142|+3.1", "%.5f|%8.3f|%-8.3f|%08.3f|%+.1f", M_PI, M_PI,
	  M_PI, M_PI, M_PI);
	E("1.|1.e+000|1.00000|100000.", "%#.0f|%#.0e|%#g|%#.6g", 1.0, 1.0, 1.0, 1e5);
	E("0.1000000000000000055511151231257827021181583404541015625", "%.55f", 0.1);
	E("1.7976931348623157e+308 4.9406564584124654e-324", "%.17g %.17g", 1.7976931348623157e308,
	  4.9406564584124654e-324);
	E("9999999999999999382583008252819785403270273644721244782944162125388714918245997136368205"
	  "27503908255301632.0",
	  "%.1f", 1e105);
	E("0.00|-0.00|-0", "%.2f|%.2f|%g", 0.0, -0.0, -0.0);
	E("9.999|10.00|1e+001|9.5", "%.3f|%.2f|%.0e|%g", 9.9994, 9.9999, 9.9, 9.5);
	E("1.#INF00 -1.#INF00 1.#INF", "%f %f %g", HUGE_VAL, -HUGE_VAL, HUGE_VAL);
	E("1.#INF00e+000 1.#J 1.#IO 1", "%e %.2f %.3f %.0f", HUGE_VAL, HUGE_VAL, HUGE_VAL,
	  HUGE_VAL);
	E("1e+010 1e+100", "%.0e %.0e", 1e10, 1e100);
	E("123456789012345680", "%.0f", 123456789012345678.0);
	E("  1.5000|1.500000e+000  |", "%8.4f|%-15e|", 1.5, 1.5);
	E("0x1.0000000000000p+0 0x1.8p+1 -0x1.999999999999ap-4", "%a %.1a %.13a", 1.0, 3.0, -0.1);
}

static void sizes(void)
{
	char small[8];

	memset(small, 'x', sizeof(small));
	CHECK_EQ(_snprintf(small, 4, "abc"), 3);
	CHECK(!strcmp(small, "abc"));
	/* Exactly full: no zero, no error. One more: an error. */
	memset(small, 'x', sizeof(small));
	CHECK_EQ(_snprintf(small, 3, "abc"), 3);
	CHECK(!memcmp(small, "abcx", 4));
	CHECK_EQ(_snprintf(small, 3, "abcd"), -1);
	CHECK(!memcmp(small, "abcx", 4));
	CHECK_EQ(_vscprintf("%d", (va_list) & (long long){12345}), 5);
	CHECK_EQ(_scprintf("%s-%d", "abc", 12), 6);
	CHECK_EQ(sprintf(small, "%d", 123), 3);
}

static void wides(void)
{
	CHECK_EQ(
	    _snwprintf(wide, 100, L"%s %S %d %ls %hs %c", L"wide", "narrow", 7, L"l", "h", L'c'),
	    19);
	CHECK(!wcscmp(wide, L"wide narrow 7 l h c"));
	CHECK_EQ(_snwprintf(wide, 100, L"%5.2f|%-6s|%06d", 2.5, L"ab", 42), 19);
	CHECK(!wcscmp(wide, L" 2.50|ab    |000042"));
	CHECK_EQ(_snwprintf(wide, 3, L"abcdef"), -1);
	CHECK_EQ(_scwprintf(L"%I64d", 1LL << 40), 13);
}

static void counts(void)
{
	CHECK_EQ(printf("%s %d\n", "a line of", 21), 13);
	CHECK_EQ(fprintf(stdout, "%c%c\n", 'o', 'k'), 3);
}

int main(void)
{
	integers();
	strings();
	floats();
	sizes();
	wides();
	counts();
	return checks_end();
}
