/*
 * A binary stream under random calls, held against a model: an array and a position. Modes,
 * buffer sizes and orders of reads, writes, seeks, flushes and ungetc vary by a fixed seed.
 */
#define __USE_MINGW_ANSI_STDIO 0
#include "tests/guest/crt/expect.h"

enum { FILE_MAX = 200000, ROUNDS = 15, CALLS = 80 };

static char name[300];
static unsigned char model[FILE_MAX], piece[FILE_MAX];
static long length, position;
static int append, round_number;
static unsigned seed;

static unsigned next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static int same(const char *call, long got, long want)
{
	if (got == want)
		return 1;
	if (!checks_failed++)
		printf("round %d: %s gave %ld, not %ld (position %ld of %ld)\n", round_number, call,
		       got, want, position, length);
	return 0;
}

static int do_read(FILE *file, long n)
{
	long want = length - position < n ? length - position : n;

	if (want < 0)
		want = 0;
	if (!same("fread", (long)fread(piece, 1, n, file), want) ||
	    !same("memcmp", memcmp(piece, model + position, want), 0))
		return 0;
	position += want;
	return want == n || same("feof", !!feof(file), 1);
}

static int do_write(FILE *file, long n)
{
	long at = append ? length : position;

	if (at + n > FILE_MAX)
		return 1;
	for (long i = 0; i < n; i++)
		piece[i] = (unsigned char)next();
	if (!same("fwrite", (long)fwrite(piece, 1, n, file), n))
		return 0;
	if (!n)
		return 1;
	if (at > length)
		memset(model + length, 0, at - length);
	memcpy(model + at, piece, n);
	position = at + n;
	if (position > length)
		length = position;
	return 1;
}

static int do_seek(FILE *file, long offset, int origin)
{
	long to = offset + (origin == SEEK_CUR ? position : origin == SEEK_END ? length : 0);

	/* Places that are not there become the start. */
	if (to < 0 || to > FILE_MAX / 2) {
		offset = to = 0;
		origin = SEEK_SET;
	}
	if (!same("fseek", fseek(file, offset, origin), 0))
		return 0;
	position = to;
	return same("ftell", ftell(file), position);
}

static int do_getc(FILE *file)
{
	int want = position < length ? model[position] : EOF, c = getc(file);

	if (!same("getc", c, want))
		return 0;
	if (c == EOF)
		return 1;
	position++;
	if (next() % 2)
		return same("ungetc", ungetc('~', file), '~') &&
		       same("getc again", getc(file), '~');
	return 1;
}

/* One call; *last: 1 after reading, 2 after writing, between which C wants a seek or flush. */
static int one_call(FILE *file, int *last)
{
	static const int sizes[] = {1, 7, 60, 4095, 4096, 4097, 9000};
	long n = next() % sizes[next() % 7];
	int which = (int)(next() % 10), kind = which < 4 ? 1 : which < 7 ? 2 : 0;

	if (kind && *last && *last != kind && !do_seek(file, 0, SEEK_CUR))
		return 0;
	*last = kind;
	switch (which) {
	case 0:
	case 1:
		return do_getc(file);
	case 2:
	case 3:
		return do_read(file, n);
	case 4:
	case 5:
		return do_write(file, n);
	case 6: {
		unsigned char c = (unsigned char)next();

		if (append)
			position = length;
		if (position >= FILE_MAX - 1)
			return 1;
		if (position > length)
			memset(model + length, 0, position - length);
		model[position++] = c;
		if (position > length)
			length = position;
		return same("putc", putc(c, file), c);
	}
	case 7:
		return do_seek(file, next() % (length + 100), SEEK_SET);
	case 8:
		return do_seek(file, -(long)(next() % 5000), SEEK_END);
	default:
		return same("fflush", fflush(file), 0) &&
		       do_seek(file, (long)(next() % 300) - 150, SEEK_CUR);
	}
}

static void one_round(void)
{
	static const char *const modes[] = {"w+b", "r+b", "a+b"};
	const char *mode = modes[round_number % 3];
	FILE *file = fopen(name, "wb");
	int last = 0, going = 1;

	length = next() % 20000;
	for (long i = 0; i < length; i++)
		model[i] = (unsigned char)next();
	same("first fwrite", (long)fwrite(model, 1, length, file), length);
	fclose(file);
	if (*mode == 'w')
		length = 0;
	append = *mode == 'a';
	position = 0;
	file = fopen(name, mode);
	if (round_number % 5 == 1)
		setvbuf(file, NULL, _IONBF, 0);
	else if (round_number % 5 == 2)
		setvbuf(file, NULL, _IOFBF, 100);
	for (int i = 0; i < CALLS && going; i++)
		going = one_call(file, &last);
	fclose(file);
	file = fopen(name, "rb");
	same("length", (long)fread(piece, 1, FILE_MAX, file), length);
	same("contents", memcmp(piece, model, length), 0);
	fclose(file);
}

int main(void)
{
	/* Not on a folder of the host: each call of an unbuffered stream would be a wait for it. */
	snprintf(name, sizeof(name), "%s\\crt_streamfuzz.tmp", getenv("TEMP"));
	for (round_number = 0; round_number < ROUNDS && !checks_failed; round_number++) {
		seed = (unsigned)round_number * 7919 + 1;
		one_round();
	}
	remove(name);
	return checks_end();
}
