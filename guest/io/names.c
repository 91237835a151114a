/* Characters: UTF-8 and UTF-16, upper case, wildcards. */
#include "guest/io/names.h"

/*
 * Upper case of the scripts with a regular layout: Latin-1, Latin Extended-A, Greek, Cyrillic,
 * Armenian, full-width. Rows: lower-case range, step between pairs, distance to the upper case.
 */
static const struct {
	u16 first, last, step;
	s16 distance;
} upcase_ranges[] = {
    {'a', 'z', 1, -32},	      {0xe0, 0xf6, 1, -32},    {0xf8, 0xfe, 1, -32},
    {0xff, 0xff, 1, 121},     {0x101, 0x12f, 2, -1},   {0x133, 0x137, 2, -1},
    {0x13a, 0x148, 2, -1},    {0x14b, 0x177, 2, -1},   {0x17a, 0x17e, 2, -1},
    {0x1ce, 0x1dc, 2, -1},    {0x1df, 0x1ef, 2, -1},   {0x201, 0x21f, 2, -1},
    {0x223, 0x233, 2, -1},    {0x3ac, 0x3ac, 1, -38},  {0x3ad, 0x3af, 1, -37},
    {0x3b1, 0x3c1, 1, -32},   {0x3c3, 0x3cb, 1, -32},  {0x3cc, 0x3cc, 1, -64},
    {0x3cd, 0x3ce, 1, -63},   {0x430, 0x44f, 1, -32},  {0x450, 0x45f, 1, -80},
    {0x461, 0x481, 2, -1},    {0x48b, 0x4bf, 2, -1},   {0x4d1, 0x513, 2, -1},
    {0x561, 0x586, 1, -48},   {0x1e01, 0x1e95, 2, -1}, {0x1ea1, 0x1eff, 2, -1},
    {0xff41, 0xff5a, 1, -32},
};

u16 name_upcase(u16 c)
{
	if (c < 'a')
		return c;
	if (c < 0x80)
		return c <= 'z' ? c - 32 : c;
	for (u32 i = 1; i < ARRAY_SIZE(upcase_ranges); i++)
		if (c >= upcase_ranges[i].first && c <= upcase_ranges[i].last &&
		    (c - upcase_ranges[i].first) % upcase_ranges[i].step == 0)
			return (u16)(c + upcase_ranges[i].distance);
	return c;
}

static bool forbidden(u32 c)
{
	static const char set[] = "<>:\"|?*\\";

	if (c < 32)
		return true;
	for (const char *p = set; *p; p++)
		if (c == (u8)*p)
			return true;
	return false;
}

#define ESCAPED_BYTE 0xdc00u /* + byte, 0x80..0xff */
#define ESCAPED_CHAR 0xf000u /* + character that NT forbids */

/* One code point from UTF-8; *used bytes. An invalid byte gives its escape. */
static u32 decode(const u8 *p, u32 bytes, u32 *used)
{
	static const u32 least[] = {0, 0x80, 0x800, 0x10000};
	u32 c = p[0], more = c < 0x80	? 0
			     : c < 0xc2 ? 9
			     : c < 0xe0 ? 1
			     : c < 0xf0 ? 2
			     : c < 0xf5 ? 3
					: 9;

	*used = 1;
	if (more == 0)
		return forbidden(c) ? ESCAPED_CHAR + c : c;
	if (more >= bytes)
		return ESCAPED_BYTE + p[0];
	c &= 0x3fu >> more;
	for (u32 i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return ESCAPED_BYTE + p[0];
		c = c << 6 | (p[i] & 0x3f);
	}
	/* What would collide with our escapes, or is not Unicode, is taken as bytes. */
	if (c < least[more] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ||
	    (c >= ESCAPED_CHAR && c < ESCAPED_CHAR + 0x80 && forbidden(c - ESCAPED_CHAR)))
		return ESCAPED_BYTE + p[0];
	*used = more + 1;
	return c;
}

u32 name_to_nt(const char *host, u32 bytes, u16 *nt, u32 max)
{
	u32 n = 0, used;

	for (u32 i = 0; i < bytes; i += used) {
		u32 c = decode((const u8 *)host + i, bytes - i, &used);

		if (c >= 0x10000) {
			if (n < max)
				nt[n] = (u16)(0xd800 + ((c - 0x10000) >> 10));
			n++;
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		if (n < max)
			nt[n] = (u16)c;
		n++;
	}
	return n;
}

u32 name_to_host(const u16 *nt, u32 chars, char *host, u32 max)
{
	u32 n = 0;

	for (u32 i = 0; i < chars; i++) {
		u32 c = nt[i], more;

		if (c >= ESCAPED_BYTE + 0x80 && c <= ESCAPED_BYTE + 0xff) {
			if (n == max)
				return 0;
			host[n++] = (char)(c - ESCAPED_BYTE);
			continue;
		}
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < chars && nt[i + 1] >= 0xdc00 &&
		    nt[i + 1] < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (nt[++i] - 0xdc00u);
		else if (c >= 0xd800 && c < 0xe000)
			return 0; /* half a pair */
		if (c >= ESCAPED_CHAR && c < ESCAPED_CHAR + 0x80 && forbidden(c - ESCAPED_CHAR))
			c -= ESCAPED_CHAR;
		else if (forbidden(c))
			return 0;
		if (c == 0 || c == '/')
			return 0;
		more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
		if (max - n < more + 1)
			return 0;
		host[n++] = more ? (char)(0xff00 >> (more + 1) | c >> 6 * more) : (char)c;
		while (more--)
			host[n++] = (char)(0x80 | (c >> 6 * more & 0x3f));
	}
	return n;
}

bool name_equal_nt(const u16 *a, u32 a_chars, const u16 *b, u32 b_chars)
{
	if (a_chars != b_chars)
		return false;
	for (u32 i = 0; i < a_chars; i++)
		if (a[i] != b[i] && name_upcase(a[i]) != name_upcase(b[i]))
			return false;
	return true;
}

bool name_equal(const u16 *nt, u32 chars, const char *host, u32 bytes)
{
	u16 other[NAME_MAX_CHARS];
	u32 n = name_to_nt(host, bytes, other, NAME_MAX_CHARS);

	return n <= NAME_MAX_CHARS && name_equal_nt(nt, chars, other, n);
}

bool name_is(const u16 *nt, u32 chars, const char *ascii)
{
	u32 i;

	for (i = 0; i < chars && ascii[i]; i++)
		if (name_upcase(nt[i]) != name_upcase((u8)ascii[i]))
			return false;
	return i == chars && !ascii[i];
}

bool name_has_wildcards(const u16 *nt, u32 chars)
{
	for (u32 i = 0; i < chars; i++)
		if (nt[i] == '*' || nt[i] == '?' || nt[i] == '<' || nt[i] == '>' || nt[i] == '"')
			return true;
	return false;
}

/*
 * The set of pattern positions that the name so far can have led to, one bit each; position
 * `pattern_chars` is success. Positions that can be reached without using up a character are added
 * by close_set().
 *
 *   *  any characters                  <  any characters, but not the name's last dot
 *   ?  one character                   >  one character that is no dot; nothing before a dot or end
 *                                      "  a dot; nothing at the end of the name
 */
struct positions {
	u64 bits[NAME_MAX_CHARS / 64 + 1];
};
static bool has(const struct positions *s, u32 i)
{
	return s->bits[i / 64] >> i % 64 & 1;
}
static void add(struct positions *s, u32 i)
{
	s->bits[i / 64] |= 1ull << i % 64;
}

/* `next` is the character that follows in the name, 0 at its end. */
static void close_set(struct positions *s, const u16 *pattern, u32 n, u16 next)
{
	for (u32 i = 0; i < n; i++) {
		u16 p = pattern[i];

		if (has(s, i) && (p == '*' || p == '<' || (p == '>' && (!next || next == '.')) ||
				  (p == '"' && !next)))
			add(s, i + 1);
	}
}

bool name_matches(const u16 *pattern, u32 pattern_chars, const u16 *name, u32 chars)
{
	struct positions now = {{1}};
	u32 last_dot = chars;

	if (pattern_chars > NAME_MAX_CHARS || !pattern_chars || !chars)
		return false;
	for (u32 i = 0; i < chars; i++)
		if (name[i] == '.')
			last_dot = i;
	for (u32 at = 0; at < chars; at++) {
		struct positions next = {{0}};
		u16 c = name[at];

		close_set(&now, pattern, pattern_chars, c);
		for (u32 i = 0; i < pattern_chars; i++) {
			u16 p = pattern[i];

			if (!has(&now, i))
				continue;
			if (p == '*' || (p == '<' && at != last_dot))
				add(&next, i);
			else if (p == '?' || (p == '>' && c != '.') || (p == '"' && c == '.') ||
				 name_upcase(p) == name_upcase(c))
				add(&next, i + 1);
		}
		now = next;
	}
	close_set(&now, pattern, pattern_chars, 0);
	return has(&now, pattern_chars);
}
