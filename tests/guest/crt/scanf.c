/* The scanf family of msvcrt.dll itself, from strings, wide strings and files. */
#define __USE_MINGW_ANSI_STDIO 0
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#include "tests/guest/crt/expect.h"
#include <wchar.h>

static void integers(void)
{
	int a = 0, b = 0, c = 0, n = -1;
	long long big = 0;
	short s = 0;
	void *pointer = NULL;

	CHECK_EQ(sscanf("12 -34 +56", "%d%d%d", &a, &b, &c), 3);
	CHECK_EQ(a, 12);
	CHECK_EQ(b, -34);
	CHECK_EQ(c, 56);
	CHECK_EQ(sscanf("0x1F 017 99", "%i %i %i", &a, &b, &c), 3);
	CHECK_EQ(a, 31);
	CHECK_EQ(b, 15);
	CHECK_EQ(c, 99);
	CHECK_EQ(sscanf("ff 0xFF 777", "%x %x %o", &a, &b, &c), 3);
	CHECK_EQ(a, 255);
	CHECK_EQ(b, 255);
	CHECK_EQ(c, 511);
	CHECK_EQ(sscanf("123456789012345", "%I64d", &big), 1);
	CHECK_EQ(big, 123456789012345LL);
	CHECK_EQ(sscanf("-9223372036854775808", "%lld", &big), 1);
	CHECK_EQ(big, -9223372036854775807LL - 1);
	CHECK_EQ(sscanf("70000", "%hd", &s), 1);
	CHECK_EQ(s, 4464);
	CHECK_EQ(sscanf("258", "%hhu", &a), 1); /* two h are none */
	CHECK_EQ(a, 258);
	CHECK_EQ(sscanf("12345678", "%h02d", &s), 1);
	CHECK_EQ(s, 12);
	CHECK_EQ(sscanf("0x46F173", "%p", &pointer), 1); /* no prefix */
	CHECK_EQ((uintptr_t)pointer, 0);
	CHECK_EQ(sscanf("12345", "%2d%n%3d", &a, &n, &b), 2);
	CHECK_EQ(a, 12);
	CHECK_EQ(n, 2);
	CHECK_EQ(b, 345);
	CHECK_EQ(sscanf("1 2 3", "%d %*d %d", &a, &b), 2);
	CHECK_EQ(b, 3);
}

static void failures(void)
{
	int a = 7;

	CHECK_EQ(sscanf("", "%d", &a), EOF);
	CHECK_EQ(sscanf("   ", "%d", &a), EOF);
	CHECK_EQ(sscanf("x", "%d", &a), 0);
	CHECK_EQ(sscanf("1x", "%dy", &a), 1);
	CHECK_EQ(sscanf("a,b", "a;%d", &a), 0);
	CHECK_EQ(sscanf("12", "%d,%d", &a, &a), 1);
	CHECK_EQ(sscanf("100%", "%d%%", &a), 1);
	CHECK_EQ(a, 100);
}

static void texts(void)
{
	char a[32], b[32], c = 0;
	wchar_t w[32];
	int n = 0;

	CHECK_EQ(sscanf("  hello world", "%s %s", a, b), 2);
	CHECK_STR(a, "hello");
	CHECK_STR(b, "world");
	CHECK_EQ(sscanf("hello", "%3s%s", a, b), 2);
	CHECK_STR(a, "hel");
	CHECK_STR(b, "lo");
	CHECK_EQ(sscanf("abc123def", "%[a-z]%[0-9]%c", a, b, &c), 3);
	CHECK_STR(a, "abc");
	CHECK_STR(b, "123");
	CHECK_EQ(c, 'd');
	CHECK_EQ(sscanf("key = value; x", "%[^= ] = %[^;]; %n", a, b, &n), 2);
	CHECK_STR(a, "key");
	CHECK_STR(b, "value");
	CHECK_EQ(n, 13);
	CHECK_EQ(sscanf("]]x", "%[]]%c", a, &c), 2);
	CHECK_STR(a, "]]");
	CHECK_EQ(sscanf("xy", "%2c", a), 1);
	CHECK(!memcmp(a, "xy", 2));
	CHECK_EQ(sscanf("wide", "%ls", w), 1);
	CHECK(!wcscmp(w, L"wide"));
	CHECK_EQ(swscanf(L"wide 12 text", L"%s %d %S", w, &n, a), 3);
	CHECK(!wcscmp(w, L"wide"));
	CHECK_EQ(n, 12);
	CHECK_STR(a, "text");
}

static void floats(void)
{
	float f = 0;
	double d = 0, e = 0;

	CHECK_EQ(sscanf("1.5 -2.25e2 .5", "%f %lf %lg", &f, &d, &e), 3);
	CHECK(f == 1.5f);
	CHECK(d == -225.0);
	CHECK(e == 0.5);
	CHECK_EQ(sscanf("1e308 4.9406564584124654e-324", "%lf %lf", &d, &e), 2);
	CHECK(d == 1e308);
	CHECK(e > 0 && e / 2 == 0);
	CHECK_EQ(sscanf("3.14159", "%4lf%lf", &d, &e), 2);
	CHECK(d == 3.14);
	CHECK(e == 159);
	CHECK_EQ(sscanf("abc", "%lf", &d), 0);
}

static void files(void)
{
	FILE *file = fopen("crt_scan.tmp", "w");
	int a, b, sum = 0, lines = 0;
	char word[16];

	CHECK(file != NULL);
	if (!file)
		return;
	for (int i = 0; i < 3000; i++)
		fprintf(file, "%d %d word%d\n", i, -i, i % 10);
	fclose(file);
	file = fopen("crt_scan.tmp", "r");
	while (fscanf(file, "%d %d %15s", &a, &b, word) == 3) {
		sum += a + b + (word[4] - '0');
		lines++;
	}
	CHECK_EQ(lines, 3000);
	CHECK_EQ(sum, 13500);
	CHECK(feof(file));
	/* What does not match stays in the stream. */
	rewind(file);
	CHECK_EQ(fscanf(file, "%d %d x", &a, &b), 2);
	CHECK_EQ(getc(file), 'w');
	fclose(file);
	CHECK_EQ(remove("crt_scan.tmp"), 0);
}

int main(void)
{
	integers();
	failures();
	texts();
	floats();
	files();
	return checks_end();
}
