/* guest/io without devices: names, paths, wildcards, 9P messages from a right and a wrong host. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guest/io/names.h"
#include "guest/io/p9wire.h"

static u32 wide(const char *ascii, u16 *out)
{
	u32 n = 0;

	while (ascii[n]) {
		out[n] = (u8)ascii[n];
		n++;
	}
	return n;
}

/* ---- names ---- */

static void check_round_trip(const char *host, u32 bytes)
{
	u16 nt[NAME_MAX_CHARS];
	char back[4 * NAME_MAX_CHARS];
	u32 chars = name_to_nt(host, bytes, nt, NAME_MAX_CHARS), n;

	ck_assert_uint_le(chars, NAME_MAX_CHARS);
	for (u32 i = 0; i < chars; i++)
		ck_assert(nt[i] >= 32 && !strchr("<>:\"|?*\\", nt[i] < 128 ? nt[i] : 'a'));
	n = name_to_host(nt, chars, back, sizeof back);
	ck_assert_uint_eq(n, bytes);
	ck_assert_mem_eq(back, host, bytes);
}

START_TEST(names_round_trip)
{
	static const char *const names[] = {
	    "a",
	    "ntdll.dll",
	    "\xc3\xa4\xc3\xb6.txt",
	    "\xe2\x82\xac",
	    "\xf0\x9f\x98\x80",
	    "a:b?*|\"<>\\",
	    "\x01\x1f",
	    "\xff\xfe\x80",
	    "\xc3",
	    "\xe2\x82",
	    "\xed\xa0\x80",
	    "\xc0\xaf",
	    "\xef\x80\xba" /* U+F03A */,
	    "\xf8\x88\x80\x80\x80",
	};

	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		check_round_trip(names[i], (u32)strlen(names[i]));
}
END_TEST

START_TEST(names_random_round_trip)
{
	srand(7);
	for (u32 round = 0; round < 2000; round++) {
		char name[60];
		u32 n = 1 + (u32)rand() % sizeof name;

		for (u32 i = 0; i < n; i++)
			do
				name[i] = (char)(rand() % 3 ? rand() % 128 : rand());
			while (!name[i] || name[i] == '/');
		check_round_trip(name, n);
	}
}
END_TEST

START_TEST(names_utf16)
{
	u16 nt[8];
	char host[8];

	ck_assert_uint_eq(name_to_nt("\xf0\x9f\x98\x80", 4, nt, 8), 2);
	ck_assert_uint_eq(nt[0], 0xd83d);
	ck_assert_uint_eq(nt[1], 0xde00);
	ck_assert_uint_eq(name_to_nt("abc", 3, nt, 1), 3); /* counts what does not fit */
	nt[0] = 0xd83d;					   /* half a pair */
	ck_assert_uint_eq(name_to_host(nt, 1, host, 8), 0);
	nt[0] = '/';
	ck_assert_uint_eq(name_to_host(nt, 1, host, 8), 0);
	nt[0] = ':';
	ck_assert_uint_eq(name_to_host(nt, 1, host, 8), 0);
	nt[0] = 0x20ac;
	ck_assert_uint_eq(name_to_host(nt, 1, host, 2), 0); /* does not fit */
	ck_assert_uint_eq(name_to_host(nt, 1, host, 3), 3);
}
END_TEST

START_TEST(names_case)
{
	u16 nt[32];
	u32 n = wide("NTDLL.dll", nt);

	ck_assert(name_equal(nt, n, "ntdll.DLL", 9));
	ck_assert(!name_equal(nt, n, "ntdll.DL", 8));
	ck_assert(!name_equal(nt, n, "ntdll_DLL", 9));
	nt[0] = 0xe4; /* a umlaut */
	ck_assert(name_equal(nt, 1, "\xc3\x84", 2));
	ck_assert_uint_eq(name_upcase(0xff), 0x178);
	ck_assert_uint_eq(name_upcase(0xf7), 0xf7); /* the division sign has no case */
	ck_assert_uint_eq(name_upcase(0x451), 0x401);
	ck_assert_uint_eq(name_upcase(0x3c3), 0x3a3);
	ck_assert_uint_eq(name_upcase('@'), '@');
	ck_assert_uint_eq(name_upcase('['), '[');
	ck_assert_uint_eq(name_upcase('{'), '{');
}
END_TEST

static const struct {
	const char *pattern, *name;
	bool matches;
} wildcards[] = {
    {"*", "anything", true},
    {"*.*", "a.b", true},
    {"*.*", "ab", false}, /* that is kernel32's business */
    {"a*c", "abbbc", true},
    {"a*c", "abbbd", false},
    {"A?C", "abc", true},
    {"a?c", "ac", false},
    {"*.txt", "a.b.TXT", true},
    {"*.txt", "a.txt2", false},
    {"**a**", "bab", true},
    {"", "a", false},
    {"<", "abc", true},
    {"<", "abc.d", false}, /* < does not eat the last dot */
    {"<.d", "a.b.d", true},
    {"<.d", "a.b", false},
    {"<.", "abc", false},
    {"<\"", "abc", true}, /* "*." of DOS: names without an extension */
    {"<\"", "abc.", true},
    {"<\"", "abc.d", false},
    {"<\"*", "abc", true}, /* "*.*" of DOS: all names */
    {"<\"*", "abc.d", true},
    {">>>", "ab", true},
    {">>>", "abcd", false},
    {">>>.txt", "a.txt", true},
    {">>>\">>>", "ab.c", true},
    {">>>\">>>", "ab", true},
    {">>>\">>>", "abcd.e", false},
    {"a>.b", "a.b", true},
    {"a?.b", "a.b", false},
    {"a\"b", "a.b", true},
    {"a\"b", "axb", false},
    {"a\"", "a", true},
    {"a\"\"", "a", true},
};

START_TEST(wildcard_table)
{
	u16 pattern[32], name[32];

	for (u32 i = 0; i < ARRAY_SIZE(wildcards); i++) {
		u32 p = wide(wildcards[i].pattern, pattern), n = wide(wildcards[i].name, name);

		ck_assert_msg(name_matches(pattern, p, name, n) == wildcards[i].matches,
			      "\"%s\" and \"%s\"", wildcards[i].pattern, wildcards[i].name);
	}
}
END_TEST

START_TEST(wildcard_long)
{
	u16 pattern[NAME_MAX_CHARS], name[NAME_MAX_CHARS];

	/* What is exponential for a matcher that goes back. */
	for (u32 i = 0; i < NAME_MAX_CHARS; i++) {
		pattern[i] = i % 2 ? 'a' : '*';
		name[i] = 'a';
	}
	ck_assert(name_matches(pattern, NAME_MAX_CHARS, name, NAME_MAX_CHARS));
	pattern[NAME_MAX_CHARS - 1] = 'b';
	ck_assert(!name_matches(pattern, NAME_MAX_CHARS, name, NAME_MAX_CHARS));
}
END_TEST

/* ---- paths ---- */

static const struct {
	const char *path;
	enum path_kind kind;
	char letter;
	const char *rest;
} paths[] = {
    {"\\??\\C:\\Windows\\x.dll", PATH_DRIVE, 'C', "Windows\\x.dll"},
    {"\\DosDevices\\d:\\", PATH_DRIVE, 'D', ""},
    {"\\GLOBAL??\\e:", PATH_DRIVE, 'E', ""},
    {"\\Device\\HarddiskVolume3\\a", PATH_DRIVE, 'C', "a"},
    {"\\Device\\HarddiskVolume26", PATH_DRIVE, 'Z', ""},
    {"\\Device\\HarddiskVolume27", PATH_NONE, 0, NULL},
    {"\\Device\\HarddiskVolume0", PATH_NONE, 0, NULL},
    {"\\Device\\HarddiskVolume", PATH_NONE, 0, NULL},
    {"\\SystemRoot\\System32", PATH_DRIVE, 'C', "System32"},
    {"\\??\\GLOBALROOT\\Device\\HarddiskVolume4\\b", PATH_DRIVE, 'D', "b"},
    {"\\??\\nul", PATH_NULL, 0, NULL},
    {"\\Device\\Null", PATH_NULL, 0, NULL},
    {"\\??\\NUL\\x", PATH_NONE, 0, NULL},
    {"\\??\\CONOUT$", PATH_CONSOLE, 0, NULL},
    {"\\Device\\ConErr", PATH_CONSOLE, 0, NULL},
    {"\\??\\pipe\\name", PATH_PIPE, 0, "name"},
    {"\\Device\\NamedPipe\\name", PATH_PIPE, 0, "name"},
    {"\\??\\1:\\x", PATH_NONE, 0, NULL},
    {"\\??\\", PATH_NONE, 0, NULL},
    {"\\??", PATH_NONE, 0, NULL},
    {"\\", PATH_NONE, 0, NULL},
    {"C:\\x", PATH_NONE, 0, NULL},
    {"", PATH_NONE, 0, NULL},
};

START_TEST(path_kinds)
{
	u16 nt[128], rest[128];

	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		struct nt_path p;

		path_parse(nt, wide(paths[i].path, nt), &p);
		ck_assert_msg(p.kind == paths[i].kind, "%s: kind %d", paths[i].path, p.kind);
		ck_assert_int_eq(p.letter, paths[i].letter);
		if (paths[i].rest) {
			ck_assert_uint_eq(p.rest_chars, wide(paths[i].rest, rest));
			ck_assert_mem_eq(p.rest, rest, p.rest_chars * 2);
		}
	}
}
END_TEST

START_TEST(path_globalroot_depth)
{
	static u16 nt[20000];
	u32 n = 0;
	struct nt_path p;

	while (n + 20 < ARRAY_SIZE(nt))
		n += wide("\\??\\GLOBALROOT", nt + n);
	path_parse(nt, n, &p);
	ck_assert_int_eq(p.kind, PATH_NONE);
}
END_TEST

static struct host_path hp;

static enum path_error append(const char *text)
{
	u16 nt[5000];

	return host_path_append(&hp, nt, wide(text, nt));
}

START_TEST(host_paths)
{
	host_path_clear(&hp);
	ck_assert_int_eq(append("Windows\\System32\\"), PATH_OK);
	ck_assert_str_eq(hp.text, "Windows/System32");
	ck_assert(hp.folder_only);
	ck_assert_int_eq(append("a.dll"), PATH_OK);
	ck_assert(!hp.folder_only);
	ck_assert_uint_eq(hp.count, 3);
	ck_assert(host_path_replace(&hp, 0, "WIN", 3));
	ck_assert_str_eq(hp.text, "WIN/System32/a.dll");
	ck_assert(host_path_replace(&hp, 1, "A-longer-name", 13));
	ck_assert_str_eq(hp.text, "WIN/A-longer-name/a.dll");
	ck_assert_mem_eq(hp.text + hp.start[2], "a.dll", 5);
	ck_assert_uint_eq(hp.bytes, strlen(hp.text));
	ck_assert(host_path_set(&hp, "x/y"));
	ck_assert_uint_eq(hp.count, 2);
	ck_assert(host_path_set(&hp, ""));
	ck_assert_uint_eq(hp.count, 0);
}
END_TEST

START_TEST(host_paths_refused)
{
	static const char *const bad[] = {".",	 "..",	"a\\..\\b", "\\a", "a\\\\b",
					  "a/b", "a:b", "a*",	    "?"};
	char deep[4000];

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		host_path_clear(&hp);
		ck_assert_msg(append(bad[i]) == PATH_INVALID_NAME, "%s", bad[i]);
	}
	memset(deep, 'a', 256);
	deep[256] = 0;
	host_path_clear(&hp);
	ck_assert_int_eq(append(deep), PATH_TOO_LONG);
	deep[255] = 0;
	for (u32 i = 0; i < HOST_PATH_MAX / 256; i++)
		ck_assert_int_eq(append(deep), PATH_OK);
	deep[HOST_PATH_MAX % 256] = 0; /* with its slash and the NUL one too many */
	ck_assert_int_eq(append(deep), PATH_TOO_LONG);
	ck_assert_int_eq(append(deep + 2), PATH_OK);
	host_path_clear(&hp);
	for (u32 i = 0; i < 2 * (HOST_PATH_DEEP + 1); i += 2)
		memcpy(deep + i, "a\\", 2);
	deep[2 * (HOST_PATH_DEEP + 1)] = 0;
	ck_assert_int_eq(append(deep), PATH_TOO_LONG);
}
END_TEST

/* ---- 9P ---- */

START_TEST(p9_writes)
{
	u8 b[16] = {0};
	struct p9_cursor c;

	p9_cursor_init(&c, b, 8);
	p9_put(&c, 0x0102, 2);
	p9_put_string(&c, "abc", 3);
	ck_assert(!c.bad);
	ck_assert_mem_eq(b,
			 "\x02\x01\x03\x00"
			 "abc",
			 7);
	p9_put(&c, 1, 2); /* one byte too many: nothing is written */
	ck_assert(c.bad);
	ck_assert_uint_eq(b[7], 0);
	p9_put(&c, 1, 1); /* bad stays bad */
	ck_assert_uint_eq(c.at, 7);
}
END_TEST

START_TEST(p9_headers)
{
	u8 ok[] = {7, 0, 0, 0, P9_CLUNK + 1, 5, 0}, e[] = {11, 0, 0, 0, 7, 5, 0, 2, 0, 0, 0};
	struct p9_cursor c;
	u32 error;

#define HEADER(buf, arrived, type, tag) \
	(p9_cursor_init(&c, buf, sizeof buf), p9_get_header(&c, arrived, type, tag, &error))
	ck_assert(HEADER(ok, 7, P9_CLUNK, 5));
	ck_assert_uint_eq(error, 0);
	ck_assert(!HEADER(ok, 6, P9_CLUNK, 5)); /* less arrived than it says */
	ck_assert(!HEADER(ok, 7, P9_CLUNK, 6)); /* somebody else's */
	ck_assert(!HEADER(ok, 7, P9_WALK, 5));	/* an answer to something else */
	ck_assert(HEADER(e, 11, P9_CLUNK, 5));
	ck_assert_uint_eq(error, 2);
	e[7] = 0; /* an error that is none */
	ck_assert(!HEADER(e, 11, P9_CLUNK, 5));
	ck_assert(!HEADER(e, 0, P9_CLUNK, 5));
#undef HEADER
}
END_TEST

START_TEST(p9_listing)
{
	u8 b[64];
	struct p9_cursor c, r;
	struct p9_dirent e;

	p9_cursor_init(&c, b, sizeof b);
	p9_put(&c, P9_QTDIR, 1);
	p9_put(&c, 1, 4);
	p9_put(&c, 77, 8);
	p9_put(&c, 12, 8);
	p9_put(&c, 4, 1);
	p9_put_string(&c, "dir", 3);
	p9_cursor_init(&r, b, c.at);
	ck_assert(p9_get_dirent(&r, &e));
	ck_assert_uint_eq(e.qid.path, 77);
	ck_assert_uint_eq(e.next_offset, 12);
	ck_assert_uint_eq(e.name_bytes, 3);
	ck_assert_mem_eq(e.name, "dir", 3);
	ck_assert(!p9_get_dirent(&r, &e));
	ck_assert(!r.bad);
	for (u32 cut = 1; cut < c.at; cut++) { /* every way to be cut short */
		p9_cursor_init(&r, b, cut);
		ck_assert(!p9_get_dirent(&r, &e));
		ck_assert(r.bad);
	}
}
END_TEST

START_TEST(p9_attributes)
{
	u8 b[160] = {0};
	struct p9_cursor c;
	struct p9_attr a;

	p9_cursor_init(&c, b, sizeof b);
	p9_put(&c, 0xfff, 8);
	p9_put(&c, 0, 1);
	p9_put(&c, 3, 4);
	p9_put(&c, 99, 8);
	p9_put(&c, 0100644, 4);
	p9_put(&c, 1000, 4);
	p9_put(&c, 1000, 4);
	p9_put(&c, 2, 8);
	p9_put(&c, 0, 8);
	p9_put(&c, 123456, 8);
	p9_put(&c, 4096, 8);
	p9_put(&c, 248, 8);
	for (u32 i = 1; i <= 4; i++) {
		p9_put(&c, i == 4 ? ~0ull : i, 8); /* birth before 1970 */
		p9_put(&c, i == 3 ? ~0ull : 5, 8); /* nonsense nanoseconds */
	}
	p9_put(&c, 0, 8);
	p9_put(&c, 0, 8);
	ck_assert_uint_eq(c.at, 153);
	p9_cursor_init(&c, b, 153);
	p9_get_attr(&c, &a);
	ck_assert(!c.bad);
	ck_assert_uint_eq(a.size, 123456);
	ck_assert_uint_eq(a.links, 2);
	ck_assert_uint_eq(a.mode, 0100644);
	ck_assert_uint_eq(a.qid.path, 99);
	ck_assert_int_eq(a.atime, 1000000005);
	ck_assert_int_eq(a.mtime, 2000000005);
	ck_assert_int_eq(a.ctime, 3000000000);
	ck_assert_int_eq(a.btime, -1000000000 + 5);
	p9_cursor_init(&c, b, 152);
	p9_get_attr(&c, &a);
	ck_assert(c.bad);
}
END_TEST

/* Random bytes as every kind of reply: nothing is read past the buffer (ASan), nothing loops. */
START_TEST(p9_noise)
{
	srand(3);
	for (u32 round = 0; round < 10000; round++) {
		u32 n = (u32)rand() % 200, error;
		u8 *b = malloc(n ? n : 1);
		struct p9_cursor c;
		struct p9_dirent e;
		struct p9_attr a;

		for (u32 i = 0; i < n; i++)
			b[i] = (u8)(rand() % 4 ? rand() % 8 : rand());
		p9_cursor_init(&c, b, n);
		p9_get_header(&c, n, P9_WALK, 0, &error);
		p9_get_attr(&c, &a);
		p9_cursor_init(&c, b, n);
		while (p9_get_dirent(&c, &e))
			ck_assert(e.name >= (char *)b && e.name + e.name_bytes <= (char *)b + n);
		free(b);
	}
}
END_TEST

Suite *io_suite(void);
Suite *io_suite(void)
{
	Suite *s = suite_create("io");
	TCase *t = tcase_create("names");

	tcase_add_test(t, names_round_trip);
	tcase_add_test(t, names_random_round_trip);
	tcase_add_test(t, names_utf16);
	tcase_add_test(t, names_case);
	tcase_add_test(t, wildcard_table);
	tcase_add_test(t, wildcard_long);
	suite_add_tcase(s, t);
	t = tcase_create("paths");
	tcase_add_test(t, path_kinds);
	tcase_add_test(t, path_globalroot_depth);
	tcase_add_test(t, host_paths);
	tcase_add_test(t, host_paths_refused);
	suite_add_tcase(s, t);
	t = tcase_create("9p");
	tcase_add_test(t, p9_writes);
	tcase_add_test(t, p9_headers);
	tcase_add_test(t, p9_listing);
	tcase_add_test(t, p9_attributes);
	tcase_add_test(t, p9_noise);
	suite_add_tcase(s, t);
	return s;
}
