/* The environment and the locale. */
#include "tests/guest/crt/expect.h"
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <wchar.h>
#include <windows.h>

static void environment(char **envp)
{
	char text[64];
	size_t needed;
	int found = 0;

	CHECK(envp && envp[0]);
	CHECK(!getenv("CRT_NONE"));
	CHECK_EQ(_putenv("CRT_ONE=first"), 0);
	CHECK_STR(getenv("CRT_ONE"), "first");
	CHECK_STR(getenv("crt_one"), "first"); /* names have no case */
	CHECK(!wcscmp(_wgetenv(L"CRT_ONE"), L"first"));
	CHECK_EQ(GetEnvironmentVariableA("CRT_ONE", text, sizeof(text)), 5);
	CHECK_STR(text, "first");
	CHECK_EQ(_wputenv(L"CRT_ONE=second one"), 0);
	CHECK_STR(getenv("CRT_ONE"), "second one");
	for (char **at = _environ; *at; at++)
		found += !strcmp(*at, "CRT_ONE=second one");
	CHECK_EQ(found, 1);
	for (int i = 0; i < 200; i++) {
		sprintf(text, "CRT_%d=%d", i, i * i);
		CHECK_EQ(_putenv(text), 0);
	}
	CHECK_STR(getenv("CRT_150"), "22500");
	CHECK_EQ(getenv_s(&needed, text, sizeof(text), "CRT_12"), 0);
	CHECK_EQ(needed, 4);
	CHECK_STR(text, "144");
	CHECK_EQ(_putenv("CRT_ONE="), 0);
	CHECK(!getenv("CRT_ONE"));
	CHECK_EQ(GetEnvironmentVariableA("CRT_ONE", text, sizeof(text)), 0);
	CHECK_EQ(_putenv("no equals sign"), -1);
	CHECK_EQ(_putenv_s("CRT_TWO", "2"), 0);
	CHECK_STR(getenv("CRT_TWO"), "2");
}

static void locales(void)
{
	/* The compiler thinks that these never change their minds. */
	int (*volatile alpha)(int) = isalpha, (*volatile upper)(int) = isupper;
	int (*volatile lower)(int) = tolower;
	wchar_t w;
	char byte[4];

	CHECK_STR(setlocale(LC_ALL, NULL), "C");
	CHECK_STR(localeconv()->decimal_point, ".");
	CHECK_STR(localeconv()->thousands_sep, "");
	CHECK(!setlocale(LC_ALL, "no such locale"));
	CHECK(!setlocale(99, "C"));
	CHECK_STR(setlocale(LC_ALL, NULL), "C");
	/* In "C" a byte is its character, and only those can be written. */
	CHECK_EQ(mbtowc(&w, "\xe9", 1), 1);
	CHECK_EQ(w, 0xe9);
	CHECK_EQ(wctomb(byte, 0x20ac), -1);
	CHECK(!alpha(0xe9));
	CHECK(setlocale(LC_ALL, "English_United States.1252") != NULL);
	CHECK_EQ(mbtowc(&w, "\x80", 1), 1);
	CHECK_EQ(w, 0x20ac);
	CHECK_EQ(wctomb(byte, 0x20ac), 1);
	CHECK_EQ((unsigned char)byte[0], 0x80);
	CHECK(alpha(0xe9) && upper(0xc9) && lower(0xc9) == 0xe9);
	CHECK_STR(localeconv()->thousands_sep, ",");
	CHECK_STR(localeconv()->currency_symbol, "$");
	CHECK_STR(setlocale(LC_NUMERIC, "C"), "C");
	CHECK(strstr(setlocale(LC_ALL, NULL), "LC_NUMERIC=C") != NULL);
	CHECK_STR(setlocale(LC_ALL, "C"), "C");
	CHECK_EQ(MB_CUR_MAX, 1);
}

int main(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	environment(envp);
	locales();
	return checks_end();
}
