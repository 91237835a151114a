/* Strings, memory and character classes of msvcrt.dll, called through pointers so that the
 * compiler does not compute them itself. */
#include "tests/guest/crt/expect.h"
#include <ctype.h>
#include <mbstring.h>
#include <wchar.h>
#include <wctype.h>

/* A copy of size n at every alignment and distance must be what byte-by-byte gives. */
static void memory(void)
{
	static unsigned char a[600], b[600];
	void *(*volatile move)(void *, const void *, size_t) = memmove;
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	void *(*volatile set)(void *, int, size_t) = memset;
	int (*volatile compare)(const void *, const void *, size_t) = memcmp;
	void *(*volatile find)(const void *, int, size_t) = memchr;

	for (size_t n = 0; n < 200; n++) {
		for (int distance = -70; distance <= 70;
		     distance += distance > -20 && distance < 20 ? 1 : 7) {
			size_t from = 150, to = (size_t)(150 + distance);

			for (int i = 0; i < 600; i++)
				a[i] = b[i] = (unsigned char)(i * 7 + 3);
			move(a + to, a + from, n);
			for (size_t i = 0; i < n; i++)
				b[to + i] = (unsigned char)((from + i) * 7 + 3);
			if (compare(a, b, 600)) {
				CHECK(!"memmove");
				printf("n %u distance %d\n", (unsigned)n, distance);
				return;
			}
		}
		set(a, 1, 600);
		set(a + n % 16, 0xAB, n);
		for (size_t i = 0; i < 600; i++)
			if (a[i] != (i >= n % 16 && i < n % 16 + n ? 0xAB : 1)) {
				CHECK(!"memset");
				return;
			}
		copy(b, a, n);
		CHECK_EQ(compare(a, b, n), 0);
		if (n) {
			b[n - 1] ^= 0x80;
			CHECK((compare(a, b, n) < 0) == (a[n - 1] < b[n - 1]));
			set(a, 0, n);
			a[n - 1] = 9;
			CHECK(find(a, 9, n) == a + n - 1);
			CHECK(!find(a, 9, n - 1));
		}
	}
	CHECK(compare("a\xff", "a\x01", 2) > 0);
}

static void strings(void)
{
	static char buffer[64];
	size_t (*volatile length)(const char *) = strlen;
	char *(*volatile rchr)(const char *, int) = strrchr;
	char *(*volatile sub)(const char *, const char *) = strstr;
	char *(*volatile ncat)(char *, const char *, size_t) = strncat;
	int (*volatile ncmp)(const char *, const char *, size_t) = strncmp;

	for (int i = 0; i < 40; i++) {
		memset(buffer, 'x', sizeof(buffer));
		buffer[i + 5] = 0;
		CHECK_EQ(length(buffer + 5), i);
	}
	CHECK_STR(strncpy(memset(buffer, 'x', 8), "ab", 5), "ab");
	CHECK(!memcmp(buffer, "ab\0\0\0xxx", 8));
	CHECK_STR(strcat(strcpy(buffer, "one"), "two"), "onetwo");
	CHECK_STR(ncat(buffer, "three", 2), "onetwoth");
	CHECK_STR(rchr("a/b/c", '/'), "/c");
	CHECK(!rchr("abc", 'x'));
	CHECK_STR(sub("hello world", "o w"), "o world");
	CHECK_STR(sub("aaab", "aab"), "aab");
	CHECK(!sub("aaa", "ab"));
	CHECK_STR(sub("x", ""), "x");
	CHECK_EQ(ncmp("abc", "abd", 2), 0);
	CHECK(ncmp("abc", "abd", 3) < 0);
	CHECK(strcmp("\xff", "a") > 0);
	CHECK_EQ(strspn("aabbc", "ab"), 4);
	CHECK_EQ(strcspn("hello", "ol"), 2);
	CHECK_STR(strpbrk("key=value", "=:"), "=value");
	CHECK_EQ(_stricmp("HeLLo", "hEllO"), 0);
	CHECK(_stricmp("a_", "aA") < 0); /* as lower case, '_' is below 'a' */
	CHECK_EQ(_strnicmp("ABCx", "abcy", 3), 0);
	CHECK_STR(_strrev(strcpy(buffer, "abcd")), "dcba");
	CHECK_STR(_strupr(strcpy(buffer, "Mixed 1")), "MIXED 1");
	CHECK_STR(_strlwr(buffer), "mixed 1");
	CHECK_STR(_strset(strcpy(buffer, "abc"), '-'), "---");
	CHECK_STR(_strnset(strcpy(buffer, "abc"), '-', 2), "--c");
	strcpy(buffer, " one, two ,,three ");
	CHECK_STR(strtok(buffer, " ,"), "one");
	CHECK_STR(strtok(NULL, " ,"), "two");
	CHECK_STR(strtok(NULL, " ,"), "three");
	CHECK(!strtok(NULL, " ,"));
	CHECK(strcoll("a", "b") < 0);
	CHECK_EQ(strxfrm(buffer, "text", sizeof(buffer)), 4);
	CHECK_STR(strerror(2), "No such file or directory");
	CHECK_STR(strerror(22), "Invalid argument");
	CHECK_STR(strerror(9999), "Unknown error");
	CHECK(_memccpy(buffer, "abcdef", 'd', 6) == buffer + 4);
	CHECK_EQ(_mbslen((const unsigned char *)"abc"), 3);
	CHECK_EQ(_memicmp("ABC", "abd", 3), -1);
}

static void wides(void)
{
	wchar_t w[64], *next = NULL;

	CHECK_EQ(wcslen(wcscat(wcscpy(w, L"one"), L"two")), 6);
	CHECK(!wcscmp(wcsrchr(L"a.b.c", L'.'), L".c"));
	CHECK(!wcscmp(wcsstr(L"hello", L"ll"), L"llo"));
	CHECK(_wcsicmp(L"ABC", L"abc") == 0);
	CHECK(wcsncmp(L"abc", L"abd", 3) < 0);
	CHECK_EQ(wcscspn(L"hello", L"l"), 2);
	CHECK_EQ(wcstombs((char *)w, L"abc", 64), 3);
	CHECK_STR((char *)w, "abc");
	CHECK_EQ(mbstowcs(w, "abcd", 64), 4);
	CHECK(!wcscmp(w, L"abcd"));
	CHECK(!wcscmp(_wcsupr(w), L"ABCD"));
	(void)next;
	CHECK(towupper(L'x') == L'X');
	CHECK(iswalpha(L'x') && !iswalpha(L'1') && iswspace(L'\t'));
	CHECK(iswctype(L'7', wctype("digit")));
}

/* Each class as ASCII has it; none of the upper half in the "C" locale. */
static void classes(void)
{
	static const struct {
		const char *name;
		int (*function)(int);
		const char *members; /* NULL: see below */
	} table[] = {
	    {"isdigit", isdigit, "0123456789"},
	    {"isxdigit", isxdigit, "0123456789abcdefABCDEF"},
	    {"isspace", isspace, " \t\n\v\f\r"},
	    {"isupper", isupper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	    {"islower", islower, "abcdefghijklmnopqrstuvwxyz"},
	    {"ispunct", ispunct, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
	};

	for (size_t t = 0; t < sizeof(table) / sizeof(*table); t++)
		for (int c = 0; c < 256; c++)
			if (!table[t].function(c) != !(c && strchr(table[t].members, c))) {
				CHECK(!"class");
				printf("%s(%d)\n", table[t].name, c);
			}
	for (int c = 0; c < 128; c++) {
		CHECK_EQ(!isalnum(c), !(isalpha(c) || isdigit(c)));
		CHECK_EQ(!isprint(c), !(c >= ' ' && c < 127));
		CHECK_EQ(!isgraph(c), !(c > ' ' && c < 127));
		CHECK_EQ(!iscntrl(c), !(c < ' ' || c == 127));
		CHECK_EQ(tolower(c), c >= 'A' && c <= 'Z' ? c + 32 : c);
		CHECK_EQ(toupper(c), c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	CHECK(!isalpha(EOF) && !isdigit(EOF) && tolower(EOF) == EOF);
}

int main(void)
{
	memory();
	strings();
	wides();
	classes();
	return checks_end();
}
