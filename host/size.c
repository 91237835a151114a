/*
 * Sizes and the specifications that hold them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

static int unit_shift(const char *unit)
{
	static const struct {
		const char *letters;
		int shift;
	} units[] = {{"", 0}, {"B", 0}, {"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}};
	char buf[4] = {0};
	size_t n = strlen(unit);

	if (n > 3)
		return -1;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)toupper((unsigned char)unit[i]);
	/* "M", "MB" and "MiB" are the same. */
	if (strcmp(buf + (n > 0), "IB") == 0 || strcmp(buf + (n > 0), "B") == 0)
		buf[1] = 0;
	else if (n > 1)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(buf, units[i].letters) == 0)
			return units[i].shift;
	return -1;
}

int parse_size(const char *text, uint64_t *bytes)
{
	uint64_t whole = 0, part = 0, scale = 1;
	int shift;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole))
			return -ERANGE;
	if (*text == '.') {
		text++;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++)
			if (scale < 1000000) {
				part = part * 10 + (uint64_t)(*text - '0');
				scale *= 10;
			}
	}
	shift = unit_shift(text);
	if (shift < 0 || (scale > 1 && shift == 0))
		return -EINVAL;
	if (shift && whole >> (64 - shift))
		return -ERANGE;
	*bytes = (whole << shift) + (part << shift) / scale;
	return 0;
}

int parse_pagefile(const char *text, struct pagefile_option *out, const char **why)
{
	size_t len = strlen(text), cut[2] = {0, 0};
	uint64_t size[2];
	unsigned n = 0;

	/* From the right: one or two sizes. */
	memset(out, 0, sizeof(*out));
	while (n < 2) {
		char part[32] = {0};
		size_t i = len;

		while (i > 0 && text[i - 1] != ':')
			i--;
		if (i == 0 || len - i >= sizeof(part))
			break;
		memcpy(part, text + i, len - i);
		if (parse_size(part, &size[n]) < 0)
			break;
		cut[n++] = len = i - 1;
	}
	if (n == 0) {
		*why = "a size is missing or wrong; it has to be PATH:MIN or PATH:MIN:MAX, as in "
		       "page.sys:256M:1G";
		return -EINVAL;
	}
	/* "7:16M" is a file named 7, not two sizes. */
	if (n == 2 && cut[1] == 0)
		n = 1;
	if (cut[n - 1] == 0) {
		*why = "the path is empty";
		return -EINVAL;
	}
	out->min = size[n - 1];
	out->max = size[0];
	if (out->max < out->min) {
		*why = "the maximum is below the minimum";
		return -EINVAL;
	}
	if (out->max > PAGEFILE_MAX_BYTES || out->min == 0) {
		*why = "the size has to be 4 KB to 16 TB";
		return -EINVAL;
	}
	out->path = strndup(text, cut[n - 1]);
	if (!out->path) {
		*why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}

int parse_share(const char *text, struct share_option *out, const char **why)
{
	size_t len;

	memset(out, 0, sizeof(*out));
	if (isalpha((unsigned char)text[0]) && text[1] == '=') {
		out->letter = (char)tolower((unsigned char)text[0]);
		text += 2;
	} else if (isalpha((unsigned char)text[0]) && text[1] == ':' && text[2] == '=') {
		out->letter = (char)tolower((unsigned char)text[0]);
		text += 3;
	}
	len = strlen(text);
	if (len >= 3 &&
	    (strcmp(text + len - 3, ":rw") == 0 || strcmp(text + len - 3, ":ro") == 0)) {
		out->writable = text[len - 1] == 'w';
		len -= 3;
	}
	if (len == 0) {
		*why = "the folder is empty; it has to be LETTER=FOLDER or LETTER=FOLDER:rw";
		return -EINVAL;
	}
	if (out->letter == 'c' || out->letter == 't') {
		*why = "drives C: and T: are the system's";
		return -EINVAL;
	}
	out->dir = strndup(text, len);
	if (!out->dir) {
		*why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}
