/*
 * The command's pure parts: sizes and specifications, command lines that come apart again as
 * Windows takes them apart, program headers, the run block, JSON.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "host/host.h"

Suite *host_suite(void);

/* ---- sizes and specifications ---- */

static const struct {
	const char *text;
	int result;
	uint64_t bytes;
} sizes[] = {
    {"64M", 0, 64ull << 20},
    {"1G", 0, 1ull << 30},
    {"4096K", 0, 4096ull << 10},
    {"65536", 0, 65536},
    {"1.5G", 0, 3ull << 29},
    {"64MiB", 0, 64ull << 20},
    {"64mb", 0, 64ull << 20},
    {"2T", 0, 2ull << 40},
    {"100B", 0, 100},
    {"0", 0, 0},
    {"", -EINVAL, 0},
    {"M", -EINVAL, 0},
    {"-1", -EINVAL, 0},
    {"1X", -EINVAL, 0},
    {"1 M", -EINVAL, 0},
    {"1.5", -EINVAL, 0},
    {"1.M", -EINVAL, 0},
    {"0x10", -EINVAL, 0},
    {"64MM", -EINVAL, 0},
    {"64MiBB", -EINVAL, 0},
    {"18446744073709551615", 0, UINT64_MAX},
    {"18446744073709551616", -ERANGE, 0},
    {"99999999T", -ERANGE, 0},
    {"+1", -EINVAL, 0},
};

START_TEST(sizes_are_parsed)
{
	uint64_t v = 0;
	int r = parse_size(sizes[_i].text, &v);

	ck_assert_int_eq(r, sizes[_i].result);
	if (r == 0)
		ck_assert_uint_eq(v, sizes[_i].bytes);
}
END_TEST

static const struct {
	const char *text, *path; /* path NULL: refused */
	uint64_t min, max;
} pagefiles[] = {
    {"page.sys:16M", "page.sys", 16 << 20, 16 << 20},
    {"page.sys:16M:1G", "page.sys", 16 << 20, 1 << 30},
    {"/a/b:c/p:4096:8192", "/a/b:c/p", 4096, 8192},
    {"a:b:16M", "a:b", 16 << 20, 16 << 20},
    {"7:16M", "7", 16 << 20, 16 << 20},
    {"1M:2M:3M", "1M", 2 << 20, 3 << 20},
    {"page.sys", NULL, 0, 0},
    {"page.sys:", NULL, 0, 0},
    {":16M", NULL, 0, 0},
    {"page.sys:16X", NULL, 0, 0},
    {"page.sys:2G:1G", NULL, 0, 0},
    {"page.sys:0", NULL, 0, 0},
    {"page.sys:100T", NULL, 0, 0},
    {"", NULL, 0, 0},
};

START_TEST(pagefiles_are_parsed)
{
	struct pagefile_option o;
	const char *why = NULL;
	int r = parse_pagefile(pagefiles[_i].text, &o, &why);

	if (!pagefiles[_i].path) {
		ck_assert_int_lt(r, 0);
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(o.path, pagefiles[_i].path);
	ck_assert_uint_eq(o.min, pagefiles[_i].min);
	ck_assert_uint_eq(o.max, pagefiles[_i].max);
	free(o.path);
}
END_TEST

static const struct {
	const char *text;
	char letter;
	const char *dir; /* NULL: refused */
	bool writable;
} shares[] = {
    {"X=/tmp", 'x', "/tmp", false},
    {"x=/tmp:rw", 'x', "/tmp", true},
    {"X:=/tmp:ro", 'x', "/tmp", false},
    {".:rw", 0, ".", true},
    {".", 0, ".", false},
    {"/a=b", 0, "/a=b", false},
    {"a:b:rw", 0, "a:b", true},
    {"c=/tmp", 0, NULL, false},
    {"T=/tmp", 0, NULL, false},
    {"x=", 0, NULL, false},
    {"x=:rw", 0, NULL, false},
    {"", 0, NULL, false},
};

START_TEST(shares_are_parsed)
{
	struct share_option o;
	const char *why = NULL;
	int r = parse_share(shares[_i].text, &o, &why);

	if (!shares[_i].dir) {
		ck_assert_int_lt(r, 0);
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(o.letter, shares[_i].letter);
	ck_assert_str_eq(o.dir, shares[_i].dir);
	ck_assert_int_eq(o.writable, shares[_i].writable);
	free(o.dir);
}
END_TEST

/* ---- command lines ---- */

/*
 * The documented rules of CommandLineToArgvW: the first argument ends at a space, or at the closing
 * quote if it starts with one; then 2n backslashes before a quote are n and the quote is special,
 * 2n + 1 are n and the quote is literal, others are themselves; a quote after a closing quote
 * inside a quoted part is literal.
 */
static unsigned split(const char *line, char argv[][512])
{
	unsigned n = 0;
	size_t k = 0;

	if (*line == '"') {
		for (line++; *line && *line != '"'; line++)
			argv[0][k++] = *line;
		if (*line)
			line++;
	} else {
		for (; *line && *line != ' ' && *line != '\t'; line++)
			argv[0][k++] = *line;
	}
	argv[n++][k] = 0;
	for (;;) {
		bool quoted = false;

		while (*line == ' ' || *line == '\t')
			line++;
		if (!*line)
			return n;
		for (k = 0; *line && (quoted || (*line != ' ' && *line != '\t'));) {
			size_t slashes = strspn(line, "\\");

			line += slashes;
			if (*line != '"') {
				while (slashes--)
					argv[n][k++] = '\\';
				if (*line && (quoted || (*line != ' ' && *line != '\t')))
					argv[n][k++] = *line++;
				continue;
			}
			for (size_t i = 0; i < slashes / 2; i++)
				argv[n][k++] = '\\';
			line++;
			if (slashes % 2)
				argv[n][k++] = '"';
			else if (quoted && *line == '"')
				argv[n][k++] = *line++;
			else
				quoted = !quoted;
		}
		argv[n++][k] = 0;
	}
}

static void round_trip(char args[][64], unsigned n)
{
	static char got[16][512];
	struct text line = {0};

	winargs_add_program(&line, "my prog.exe");
	for (unsigned i = 0; i < n; i++)
		winargs_add(&line, args[i]);
	ck_assert(!line.failed);
	ck_assert_uint_eq(split(line.data, got), n + 1);
	ck_assert_str_eq(got[0], "my prog.exe");
	for (unsigned i = 0; i < n; i++)
		ck_assert_msg(strcmp(got[i + 1], args[i]) == 0, "<%s> became <%s> by <%s>", args[i],
			      got[i + 1], line.data);
	text_free(&line);
}

START_TEST(arguments_come_back)
{
	static char args[][64] = {"plain",
				  "y z",
				  "",
				  "a\"b",
				  "\"",
				  "\\",
				  "a\\",
				  "a b\\",
				  "\\\"",
				  "\\\\\"x",
				  "a\tb",
				  "\\\\server\\x",
				  "ends in \\\\\\",
				  "\"\"",
				  "C:\\a b\\"};

	round_trip(args, 15);
}
END_TEST

START_TEST(random_arguments_come_back)
{
	static const char letters[] = "ab\\\\\\\"\" \tc";

	srandom(7);
	for (unsigned round = 0; round < 20000; round++) {
		char args[4][64];
		unsigned n = 1 + (unsigned)random() % 4;

		for (unsigned i = 0; i < n; i++) {
			unsigned len = (unsigned)random() % 12;

			for (unsigned k = 0; k < len; k++)
				args[i][k] = letters[random() % (long)(sizeof(letters) - 1)];
			args[i][len] = 0;
		}
		round_trip(args, n);
	}
}
END_TEST

START_TEST(utf8)
{
	static const char *const good[] = {
	    "", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",	  "\xc3",	  "\xc0\x80",
					  "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					  "\xff",	  "a\xc3(",	  "\xf0\x80\x80\x80"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert(utf8_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!utf8_valid(bad[i]));
}
END_TEST

/* ---- program headers ---- */

#define PE_AT 0x80
static uint8_t program[1024];

static void make_program(void)
{
	memset(program, 0, sizeof(program));
	memcpy(program, "MZ", 2);
	program[60] = PE_AT;
	memcpy(program + PE_AT, "PE\0\0", 4);
	program[PE_AT + 4] = 0x64; /* machine */
	program[PE_AT + 5] = 0x86;
	program[PE_AT + 6] = 3;	   /* sections */
	program[PE_AT + 20] = 240; /* optional header */
	program[PE_AT + 22] = 0x22;
	program[PE_AT + 24] = 0x0b;
	program[PE_AT + 25] = 0x02;
	program[PE_AT + 24 + 68] = 3; /* console */
}

static const struct {
	unsigned at;
	uint8_t value;
	const char *text;
} damages[] = {
    {0, 'Z', "no MZ"},
    {PE_AT, 'N', "no PE header"},
    {61, 0xff, "outside"},
    {63, 0xff, "outside"},
    {PE_AT + 4, 0x4c, "another processor"},
    {PE_AT + 23, 0x20, "DLL"},
    {PE_AT + 22, 0, "not linked"},
    {PE_AT + 25, 1, "PE32+"},
    {PE_AT + 20, 10, "PE32+"},
    {PE_AT + 6, 0, "section table"},
    {PE_AT + 7, 0xff, "section table"},
    {PE_AT + 24 + 68, 2, "windows"},
    {PE_AT + 24 + 68, 1, "not a console"},
};

START_TEST(a_damaged_program_is_named)
{
	const char *why;

	make_program();
	ck_assert_ptr_null(pe_check(program, sizeof(program), sizeof(program)));
	program[damages[_i].at] = damages[_i].value;
	why = pe_check(program, sizeof(program), sizeof(program));
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, damages[_i].text), "%s", why);
}
END_TEST

#define SECTION_AT (PE_AT + 24 + 240) /* the first section header, behind the optional header */

START_TEST(a_section_cut_short_is_named)
{
	const char *why;
	uint16_t optional = 240, sections = 1;
	uint32_t bytes = 512, offset = 512;

	make_program();
	memcpy(program + PE_AT + 20, &optional, 2);
	memcpy(program + PE_AT + 6, &sections, 2);
	memcpy(program + SECTION_AT + 16, &bytes, 4);
	memcpy(program + SECTION_AT + 20, &offset, 4);
	ck_assert_ptr_null(pe_check(program, sizeof(program), 1024));
	why = pe_check(program, sizeof(program), 1023);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, "within a section"), "%s", why);
	offset = 0; /* a section without data in the file */
	memcpy(program + SECTION_AT + 20, &offset, 4);
	ck_assert_ptr_null(pe_check(program, sizeof(program), 1023));
	offset = bytes = 0xfffffff0;
	memcpy(program + SECTION_AT + 16, &bytes, 4);
	memcpy(program + SECTION_AT + 20, &offset, 4);
	ck_assert_ptr_nonnull(pe_check(program, sizeof(program), 1024));
}
END_TEST

START_TEST(other_files_are_named)
{
	make_program();
	ck_assert_ptr_nonnull(strstr(pe_check(program, 0, 0), "empty"));
	ck_assert_ptr_nonnull(strstr(pe_check((const uint8_t *)"\177ELF....", 8, 8), "Linux"));
	ck_assert_ptr_nonnull(strstr(pe_check((const uint8_t *)"#!/bin/sh", 9, 9), "no MZ"));
	program[PE_AT + 4] = 0x4c;
	program[PE_AT + 5] = 0x01;
	ck_assert_ptr_nonnull(strstr(pe_check(program, 1024, 1024), "32-bit"));
	program[PE_AT + 4] = 0x64;
	program[PE_AT + 5] = 0xaa;
	ck_assert_ptr_nonnull(strstr(pe_check(program, 1024, 1024), "ARM64"));
	for (size_t n = 0; n < sizeof(program); n++) { /* every cut, in its own block */
		uint8_t *copy = malloc(n ? n : 1);

		make_program();
		memcpy(copy, program, n);
		pe_check(copy, n, n);
		free(copy);
	}
}
END_TEST

/* ---- the run block ---- */

static unsigned count_entries(const struct text *t, const char *prefix, const char **value)
{
	unsigned n = 0;

	for (const char *p = t->data + sizeof(NTMM_RUNBLOCK_MAGIC); *p; p += strlen(p) + 1)
		if (strncmp(p, prefix, strlen(prefix)) == 0) {
			n++;
			*value = p + strlen(prefix);
		}
	return n;
}

START_TEST(a_run_block_says_it_all)
{
	static char *args[] = {"64", "a b", NULL};
	static const char *env[] = {"temp=X:\\", "LUA=1"};
	struct run_options o = {.args = args, .nargs = 2, .cpus = 2, .env = env, .nenv = 2};
	struct runblock_input in = {.options = &o,
				    .exe = "E:\\hog.exe",
				    .program_name = "hog.exe",
				    .ndrives = 2,
				    .drive = {{'c', false}, {'t', true}},
				    .npagefiles = 1,
				    .pagefile_max = {123456},
				    .tty = 5,
				    .time_ns = 42};
	struct text t = {0};
	const char *v = NULL;

	ck_assert_int_eq(runblock_build(&in, &t), 0);
	ck_assert_mem_eq(t.data, "NTMM1", 6);
	ck_assert_uint_eq(t.data[t.len - 1], 0);
	ck_assert_uint_eq(t.data[t.len - 2], 0);
	ck_assert_uint_eq(count_entries(&t, "exe=", &v), 1);
	ck_assert_str_eq(v, "E:\\hog.exe");
	ck_assert_uint_eq(count_entries(&t, "cmdline=", &v), 1);
	ck_assert_str_eq(v, "\"hog.exe\" 64 \"a b\"");
	ck_assert_uint_eq(count_entries(&t, "drive.t=", &v), 1);
	ck_assert_str_eq(v, "rw");
	ck_assert_uint_eq(count_entries(&t, "pagefile.0.max=", &v), 1);
	ck_assert_str_eq(v, "123456");
	ck_assert_uint_eq(count_entries(&t, "env=TEMP=", &v), 0); /* ours gave way */
	ck_assert_uint_eq(count_entries(&t, "env=temp=", &v), 1);
	ck_assert_uint_eq(count_entries(&t, "env=SystemRoot=", &v), 1);
	ck_assert_uint_eq(count_entries(&t, "tty=", &v), 1);
	ck_assert_str_eq(v, "5");
	ck_assert_uint_eq(count_entries(&t, "aslr=0x", &v), 1);
	text_free(&t);
}
END_TEST

START_TEST(a_run_block_has_its_limit)
{
	static char big[NTMM_RUNBLOCK_MAX];
	static char *args[] = {big, NULL};
	struct run_options o = {.args = args, .nargs = 1, .cpus = 1};
	struct runblock_input in = {.options = &o, .exe = "D:\\a.exe", .program_name = "a.exe"};
	struct text t = {0};

	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(runblock_build(&in, &t), -E2BIG);
	text_free(&t);
}
END_TEST

/* ---- JSON ---- */

START_TEST(json_is_json)
{
	cJSON *o = cJSON_CreateObject();
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	json_u64(o, "big", UINT64_MAX);
	json_str(o, "text", "a\"b\\c\n\x01");
	json_str(o, "bytes", "\xff\xfe");
	json_str(o, "none", NULL);
	json_ms(json_add_object(cJSON_AddArrayToObject(o, "list")), "ms", 1234567);
	json_print(f, o);
	fclose(f);
	o = cJSON_Parse(out);
	ck_assert_ptr_nonnull(o);
	/* A double would lose its last digits. */
	ck_assert_ptr_nonnull(strstr(out, "18446744073709551615"));
	ck_assert_ptr_nonnull(strstr(out, "1.234"));
	ck_assert_str_eq(cJSON_GetObjectItem(o, "text")->valuestring, "a\"b\\c\n\x01");
	ck_assert_str_eq(cJSON_GetObjectItem(o, "bytes")->valuestring, "??");
	ck_assert(cJSON_IsNull(cJSON_GetObjectItem(o, "none")));
	cJSON_Delete(o);
	free(out);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(ntstatus_name(0xc0000005), "STATUS_ACCESS_VIOLATION");
	ck_assert_str_eq(bugcheck_name(0x1a), "MEMORY_MANAGEMENT");
	ck_assert_ptr_null(ntstatus_name(12345));
	ck_assert_ptr_null(bugcheck_name(0xffffffff));
}
END_TEST

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

Suite *host_suite(void)
{
	Suite *s = suite_create("host");
	TCase *t = tcase_create("host");

	tcase_add_loop_test(t, sizes_are_parsed, 0, COUNT(sizes));
	tcase_add_loop_test(t, pagefiles_are_parsed, 0, COUNT(pagefiles));
	tcase_add_loop_test(t, shares_are_parsed, 0, COUNT(shares));
	tcase_add_test(t, arguments_come_back);
	tcase_add_test(t, random_arguments_come_back);
	tcase_add_test(t, utf8);
	tcase_add_loop_test(t, a_damaged_program_is_named, 0, COUNT(damages));
	tcase_add_test(t, a_section_cut_short_is_named);
	tcase_add_test(t, other_files_are_named);
	tcase_add_test(t, a_run_block_says_it_all);
	tcase_add_test(t, a_run_block_has_its_limit);
	tcase_add_test(t, json_is_json);
	tcase_add_test(t, names);
	suite_add_tcase(s, t);
	return s;
}
