/*
 * Streams: text and binary modes with CR LF, positions in text files, buffers, update mode,
 * ungetc, Ctrl-Z, append, freopen, temporary files, wide streams.
 */
#define __USE_MINGW_ANSI_STDIO 0
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <wchar.h>

static const char name[] = "crt_stdio.tmp";

/* The file's bytes. */
static size_t raw(char *to, size_t room)
{
	int fd = _open(name, _O_RDONLY | _O_BINARY);
	int n = fd < 0 ? 0 : _read(fd, to, (unsigned)room - 1);

	to[n > 0 ? n : 0] = 0;
	_close(fd);
	return n;
}

static void put(const char *mode, const char *text)
{
	FILE *file = fopen(name, mode);

	CHECK(file != NULL);
	CHECK(fputs(text, file) >= 0);
	CHECK_EQ(fclose(file), 0);
}

static void text_mode(void)
{
	char bytes[256], line[64];
	FILE *file;

	put("w", "one\ntwo\n");
	raw(bytes, sizeof(bytes));
	CHECK_STR(bytes, "one\r\ntwo\r\n");
	put("wb", "one\ntwo\n");
	raw(bytes, sizeof(bytes));
	CHECK_STR(bytes, "one\ntwo\n");
	put("ab", "a\r\nb\rc\r\n");
	file = fopen(name, "r");
	CHECK_STR(fgets(line, sizeof(line), file), "one\n");
	CHECK_STR(fgets(line, sizeof(line), file), "two\n");
	CHECK_STR(fgets(line, sizeof(line), file), "a\n");
	CHECK_STR(fgets(line, sizeof(line), file), "b\rc\n");
	CHECK(!fgets(line, sizeof(line), file));
	CHECK(feof(file) && !ferror(file));
	fclose(file);
	/* Ctrl-Z ends a text file, not a binary one. */
	put("wb", "ab\x1a"
		  "cd");
	file = fopen(name, "r");
	CHECK_EQ(fread(line, 1, sizeof(line), file), 2);
	CHECK(feof(file));
	fclose(file);
	file = fopen(name, "rb");
	CHECK_EQ(fread(line, 1, sizeof(line), file), 5);
	fclose(file);
}

/* ftell says where fseek leads back to, for every line. */
static void positions(const char *write_mode, const char *read_mode)
{
	enum { LINES = 1500 };
	static long at[LINES];
	char line[64], want[64];
	FILE *file = fopen(name, write_mode);

	for (int i = 0; i < LINES; i++)
		fprintf(file, "line %d %.*s\n", i, i % 23, "xxxxxxxxxxxxxxxxxxxxxxx");
	fclose(file);
	file = fopen(name, read_mode);
	for (int i = 0; i < LINES; i++) {
		at[i] = ftell(file);
		CHECK(fgets(line, sizeof(line), file) != NULL);
	}
	for (int i = LINES - 1; i >= 0; i -= 7) {
		CHECK_EQ(fseek(file, at[i], SEEK_SET), 0);
		CHECK(fgets(line, sizeof(line), file) != NULL);
		line[strcspn(line, "\r\n")] = 0;
		sprintf(want, "line %d %.*s", i, i % 23, "xxxxxxxxxxxxxxxxxxxxxxx");
		CHECK_STR(line, want);
	}
	fseek(file, 0, SEEK_END);
	CHECK_EQ(ftell(file), _filelength(_fileno(file)));
	fclose(file);
}

static void update(void)
{
	char bytes[256];
	FILE *file;

	put("wb", "0123456789");
	file = fopen(name, "r+b");
	CHECK_EQ(getc(file), '0');
	fseek(file, 0, SEEK_CUR);
	CHECK_EQ(putc('A', file), 'A');
	fseek(file, 5, SEEK_SET);
	CHECK_EQ(fwrite("BC", 1, 2, file), 2);
	CHECK_EQ(ftell(file), 7);
	fseek(file, -2, SEEK_END);
	CHECK_EQ(getc(file), '8');
	CHECK_EQ(ungetc('x', file), 'x');
	CHECK_EQ(getc(file), 'x');
	CHECK_EQ(getc(file), '9');
	CHECK_EQ(getc(file), EOF);
	CHECK(feof(file));
	rewind(file);
	CHECK(!feof(file));
	fclose(file);
	raw(bytes, sizeof(bytes));
	CHECK_STR(bytes, "0A234BC789");
	/* Appending writes at the end wherever the position is. */
	file = fopen(name, "a+b");
	fseek(file, 0, SEEK_SET);
	CHECK_EQ(getc(file), '0');
	fseek(file, 0, SEEK_SET);
	fputs("end", file);
	fclose(file);
	raw(bytes, sizeof(bytes));
	CHECK_STR(bytes, "0A234BC789end");
}

static void buffers(void)
{
	static char own[512];
	static char big[20000], back[20000];
	FILE *file = fopen(name, "wb");

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 256);
	CHECK_EQ(setvbuf(file, own, _IOFBF, sizeof(own)), 0);
	/* Pieces of all sizes around the buffer's. */
	for (size_t at = 0, n = 1; at < sizeof(big); at += n, n = n * 2 % 1021 + 1) {
		if (n > sizeof(big) - at)
			n = sizeof(big) - at;
		CHECK_EQ(fwrite(big + at, 1, n, file), n);
	}
	CHECK_EQ(fclose(file), 0);
	file = fopen(name, "rb");
	for (size_t at = 0, n = 1; at < sizeof(back); at += n, n = n * 3 % 5003 + 1) {
		if (n > sizeof(back) - at)
			n = sizeof(back) - at;
		CHECK_EQ(fread(back + at, 1, n, file), n);
	}
	CHECK(!memcmp(big, back, sizeof(big)));
	CHECK_EQ(fread(back, 1, 1, file), 0);
	fclose(file);
	/* Without a buffer each byte is in the file at once. */
	file = fopen(name, "wb");
	CHECK_EQ(setvbuf(file, NULL, _IONBF, 0), 0);
	fputs("now", file);
	CHECK_EQ(raw(back, sizeof(back)), 3);
	fclose(file);
	file = fopen(name, "wb");
	fputs("later", file);
	CHECK_EQ(raw(back, sizeof(back)), 0);
	CHECK_EQ(fflush(file), 0);
	CHECK_EQ(raw(back, sizeof(back)), 5);
	fclose(file);
}

static void errors(void)
{
	FILE *file;

	errno = 0;
	CHECK(!fopen("no such folder\\file", "r"));
	CHECK_EQ(errno, ENOENT);
	CHECK(!fopen(name, "q"));
	put("w", "x");
	file = fopen(name, "r");
	CHECK_EQ(putc('y', file), EOF);
	CHECK(ferror(file));
	clearerr(file);
	CHECK(!ferror(file));
	CHECK_EQ(getc(file), 'x');
	fclose(file);
	CHECK_EQ(remove("no such file"), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(_close(99), -1);
	CHECK_EQ(errno, EBADF);
}

static void others(void)
{
	char text[64];
	wchar_t wide[64];
	FILE *file = fopen(name, "w");
	fpos_t position;
	int fd;

	file = freopen(name, "wb", file);
	CHECK(file != NULL);
	fputs("first second", file);
	fclose(file);
	fd = _open(name, _O_RDONLY);
	file = _fdopen(fd, "r");
	CHECK(file != NULL);
	CHECK_EQ(_fileno(file), fd);
	CHECK_EQ(fscanf(file, "%63s", text), 1);
	CHECK_EQ(fgetpos(file, &position), 0);
	CHECK_EQ(getc(file), ' ');
	CHECK_EQ(getc(file), 's');
	CHECK_EQ(fsetpos(file, &position), 0);
	CHECK_EQ(getc(file), ' ');
	fclose(file);
	file = tmpfile();
	CHECK(file != NULL);
	if (file) {
		fputs("temporary", file);
		rewind(file);
		CHECK_STR(fgets(text, sizeof(text), file), "temporary");
		fclose(file);
	}
	file = fopen(name, "w");
	fwprintf(file, L"wide %d\n", 5);
	fputws(L"text\n", file);
	fclose(file);
	raw(text, sizeof(text));
	CHECK_STR(text, "wide 5\r\ntext\r\n");
	file = fopen(name, "r");
	CHECK(fgetws(wide, 64, file) && !wcscmp(wide, L"wide 5\n"));
	CHECK_EQ(getwc(file), 't');
	CHECK_EQ(ungetwc('T', file), 'T');
	CHECK_EQ(getwc(file), 'T');
	fclose(file);
	/* Many at once: more than the 20 of old. */
	{
		FILE *many[100];

		for (int i = 0; i < 100; i++)
			CHECK((many[i] = fopen(name, "r")) != NULL);
		for (int i = 0; i < 100; i++) {
			CHECK_EQ(getc(many[i]), 'w');
			fclose(many[i]);
		}
	}
	CHECK_EQ(rename(name, "crt_stdio2.tmp"), 0);
	CHECK_EQ(_access(name, 0), -1);
	CHECK_EQ(_unlink("crt_stdio2.tmp"), 0);
}

int main(void)
{
	text_mode();
	positions("w", "r");
	positions("wb", "rb");
	update();
	buffers();
	errors();
	others();
	return checks_end();
}
