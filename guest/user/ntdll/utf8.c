/*
 * UTF-8 to UTF-16 and back, with Windows' handling of bad input: each maximal ill-formed run of
 * bytes, and each lone surrogate, becomes U+FFFD and the status says so.
 */
#include "guest/user/ntdll/ntdll.h"

#define REPLACEMENT 0xfffd

/*
 * Decodes one character at s (n > 0 bytes left). Returns the bytes it took; *bad tells of an
 * ill-formed sequence, of which the longest valid beginning is taken (Unicode, table 3-7).
 */
static ULONG decode(const UCHAR *s, ULONG n, ULONG *ch, BOOLEAN *bad)
{
	UCHAR c = s[0], low = 0x80, high = 0xbf;
	ULONG need, v, i;

	*bad = FALSE;
	if (c < 0x80) {
		*ch = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		need = 1, v = c & 0x1f;
	} else if (c >= 0xe0 && c <= 0xef) {
		need = 2, v = c & 0xf;
		if (c == 0xe0)
			low = 0xa0;
		if (c == 0xed)
			high = 0x9f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		need = 3, v = c & 7;
		if (c == 0xf0)
			low = 0x90;
		if (c == 0xf4)
			high = 0x8f;
	} else {
		*bad = TRUE;
		*ch = REPLACEMENT;
		return 1;
	}
	for (i = 1; i <= need; i++) {
		if (i >= n || s[i] < low || s[i] > high) {
			*bad = TRUE;
			*ch = REPLACEMENT;
			/* A second byte that is only out of the lead's range goes with it. */
			return i + (i == 1 && n > 1 && (s[1] & 0xc0) == 0x80);
		}
		v = v << 6 | (s[i] & 0x3f);
		low = 0x80, high = 0xbf;
	}
	*ch = v;
	return i;
}

NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR d, ULONG dbytes, PULONG result, PCCH s, ULONG n)
{
	ULONG out = 0, room = dbytes / sizeof(WCHAR);
	NTSTATUS status = STATUS_SUCCESS;

	if (!s)
		return STATUS_INVALID_PARAMETER_4;
	if (!result)
		return STATUS_INVALID_PARAMETER;
	for (ULONG i = 0; i < n;) {
		BOOLEAN bad;
		ULONG c, units;

		i += decode((const UCHAR *)s + i, n - i, &c, &bad);
		units = c >= 0x10000 ? 2 : 1;
		if (bad)
			status = STATUS_SOME_NOT_MAPPED;
		if (d) {
			if (out + units > room) {
				status = STATUS_BUFFER_TOO_SMALL;
				break;
			}
			if (units == 2) {
				d[out] = (WCHAR)(0xd7c0 + (c >> 10));
				d[out + 1] = (WCHAR)(0xdc00 | (c & 0x3ff));
			} else {
				d[out] = (WCHAR)c;
			}
		}
		out += units;
	}
	*result = out * sizeof(WCHAR);
	return status;
}

NTSTATUS NTAPI RtlUnicodeToUTF8N(PCHAR d, ULONG dbytes, PULONG result, PCWSTR s, ULONG bytes)
{
	ULONG out = 0, n = bytes / sizeof(WCHAR);
	NTSTATUS status = STATUS_SUCCESS;

	if (!s)
		return STATUS_INVALID_PARAMETER_4;
	if (!result)
		return STATUS_INVALID_PARAMETER;
	if (d && bytes % sizeof(WCHAR))
		return STATUS_INVALID_PARAMETER_5;
	for (ULONG i = 0; i < n; i++) {
		ULONG c = s[i], len;

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < n && s[i + 1] >= 0xdc00 &&
		    s[i + 1] < 0xe000) {
			c = 0x10000 + ((c & 0x3ff) << 10) + (s[++i] & 0x3ff);
		} else if (c >= 0xd800 && c < 0xe000) {
			c = REPLACEMENT;
			status = STATUS_SOME_NOT_MAPPED;
		}
		len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		if (d) {
			static const UCHAR lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};

			if (out + len > dbytes) {
				status = STATUS_BUFFER_TOO_SMALL;
				break;
			}
			for (ULONG k = len - 1; k > 0; k--, c >>= 6)
				d[out + k] = (CHAR)(0x80 | (c & 0x3f));
			d[out] = (CHAR)(lead[len] | c);
		}
		out += len;
	}
	*result = out;
	return status;
}
