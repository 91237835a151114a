/* Text to numbers and back: ranges, bases, correct rounding, errno. */
#define __USE_MINGW_ANSI_STDIO 0
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <windows.h>

/* msvcrt's own strtod; mingw-w64 takes one from its library otherwise. */
typedef double (*strtod_type)(const char *, char **);

static void integers(void)
{
	char *end, text[72];

	CHECK_EQ(strtol("  -42xyz", &end, 10), -42);
	CHECK_STR(end, "xyz");
	CHECK_EQ(strtol("0x7F", &end, 0), 127);
	CHECK_EQ(strtol("077", NULL, 0), 63);
	CHECK_EQ(strtol("zz", NULL, 36), 1295);
	CHECK_EQ(strtol("none", &end, 10), 0);
	CHECK_STR(end, "none");
	errno = 0;
	CHECK_EQ(strtol("2147483647", NULL, 10), LONG_MAX);
	CHECK_EQ(errno, 0);
	CHECK_EQ(strtol("2147483648", NULL, 10), LONG_MAX);
	CHECK_EQ(errno, ERANGE);
	errno = 0;
	CHECK_EQ(strtol("-2147483648", NULL, 10), LONG_MIN);
	CHECK_EQ(errno, 0);
	CHECK_EQ(strtoul("4294967295", NULL, 10), ULONG_MAX);
	CHECK_EQ(strtoul("-1", NULL, 10), ULONG_MAX);
	CHECK_EQ(errno, 0);
	CHECK_EQ(strtoul("4294967296", NULL, 10), ULONG_MAX);
	CHECK_EQ(errno, ERANGE);
	CHECK_EQ(_strtoi64("-9223372036854775808", NULL, 10), INT64_MIN);
	CHECK_EQ(_strtoui64("18446744073709551615", NULL, 10), -1);
	CHECK_EQ(atoi("  12abc"), 12);
	CHECK_EQ(_atoi64("-1234567890123"), -1234567890123);
	CHECK_STR(_itoa(-255, text, 16), "ffffff01");
	CHECK_STR(_itoa(-255, text, 10), "-255");
	CHECK_STR(_ltoa(5, text, 2), "101");
	CHECK_STR(_ultoa(4000000000u, text, 10), "4000000000");
	CHECK_STR(_i64toa(INT64_MIN, text, 10), "-9223372036854775808");
	CHECK_STR(_i64toa(-1, text, 2),
		  "1111111111111111111111111111111111111111111111111111111111111111");
	CHECK_STR(_ui64toa(UINT64_MAX, text, 36), "3w5e11264sgsf");
}

static void same(strtod_type convert, const char *text, uint64_t bits)
{
	double value = convert(text, NULL);
	uint64_t got;

	memcpy(&got, &value, sizeof(got));
	if (got != bits) {
		checks_failed++;
		printf("\"%s\" gave 0x%016I64x, not 0x%016I64x\n", text, got, bits);
	}
}

static void floats(strtod_type convert)
{
	char *end, text[64];
	unsigned seed = 12345;

	same(convert, "0", 0);
	same(convert, "-0.0", 0x8000000000000000);
	same(convert, "1", 0x3FF0000000000000);
	same(convert, "0.1", 0x3FB999999999999A);
	same(convert, "1e23", 0x44B52D02C7E14AF6);
	same(convert, "8.5e-1d", 0x3FEB333333333333);
	same(convert, "1.7976931348623157e308", 0x7FEFFFFFFFFFFFFF);
	same(convert, "1.7976931348623159e308", 0x7FF0000000000000);
	same(convert, "2.2250738585072011e-308", 0x000FFFFFFFFFFFFF);
	same(convert, "4.9406564584124654e-324", 1);
	same(convert, "2.4703282292062327e-324", 0);
	same(convert, "2.4703282292062328e-324", 1);
	same(convert, "9007199254740993", 0x4340000000000000);
	same(convert, "9007199254740993.00000000000000000000000000000000000000000000001",
	     0x4340000000000001);
	same(convert, "9007199254740995", 0x4340000000000002);
	same(convert, "6929495644600919.5", 0x43389E56EE5E7A58);
	same(convert, "1e-400", 0);
	same(convert, "123456789012345678901234567890e-10", 0x43E56A95319D63E1);
	CHECK(convert("  +1.5e1rest", &end) == 15.0);
	CHECK_STR(end, "rest");
	CHECK(convert("1e", &end) == 1.0);
	CHECK_STR(end, "e");
	CHECK(convert("1e+", &end) == 1.0);
	CHECK_STR(end, "e+");
	CHECK(convert(".", &end) == 0);
	CHECK_STR(end, ".");
	CHECK(convert("5.", &end) == 5.0);
	CHECK_STR(end, "");
	errno = 0;
	convert("1e999", NULL);
	CHECK_EQ(errno, ERANGE);
	/* What is printed with 17 digits is read back as it was. */
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = 0;
		double value;

		for (int j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			bits = bits << 16 | (seed >> 16 & 0xFFFF);
		}
		memcpy(&value, &bits, sizeof(value));
		if ((bits >> 52 & 0x7FF) == 0x7FF)
			continue;
		_snprintf(text, sizeof(text), "%.17g", value);
		same(convert, text, bits);
	}
}

int main(void)
{
	strtod_type own =
	    (strtod_type)(void *)GetProcAddress(GetModuleHandleA("msvcrt.dll"), "strtod");

	integers();
	CHECK(own != NULL);
	if (own)
		floats(own);
	return checks_end();
}
