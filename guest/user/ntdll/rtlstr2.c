/*
 * More calls on counted strings: appending and copying narrow ones, numbers, hashes, GUIDs,
 * searches. The others are in rtlstr.c.
 */
#include "guest/user/ntdll/ntdll.h"

#define HASH_DEFAULT 0u
#define HASH_X65599  1u

/* --- narrow strings --- */

CHAR NTAPI RtlUpperChar(CHAR c);
CHAR NTAPI RtlUpperChar(CHAR c)
{
	return c >= 'a' && c <= 'z' ? (CHAR)(c - 'a' + 'A') : c;
}

static NTSTATUS append(PSTRING to, const char *from, SIZE_T bytes)
{
	if (to->Length + bytes > to->MaximumLength)
		return STATUS_BUFFER_TOO_SMALL;
	memcpy(to->Buffer + to->Length, from, bytes);
	to->Length = (USHORT)(to->Length + bytes);
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlAppendAsciizToString(PSTRING to, const char *from);
NTSTATUS NTAPI RtlAppendAsciizToString(PSTRING to, const char *from)
{
	return from ? append(to, from, strlen(from)) : STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlAppendStringToString(PSTRING to, const STRING *from);
NTSTATUS NTAPI RtlAppendStringToString(PSTRING to, const STRING *from)
{
	return append(to, from->Buffer, from->Length);
}

/* As much as fits. */
VOID NTAPI RtlCopyString(PSTRING to, const STRING *from);
VOID NTAPI RtlCopyString(PSTRING to, const STRING *from)
{
	to->Length = 0;
	if (from)
		append(to, from->Buffer,
		       from->Length < to->MaximumLength ? from->Length : to->MaximumLength);
}

VOID NTAPI RtlUpperString(PSTRING to, const STRING *from);
VOID NTAPI RtlUpperString(PSTRING to, const STRING *from)
{
	USHORT n = from->Length < to->MaximumLength ? from->Length : to->MaximumLength;

	for (USHORT i = 0; i < n; i++)
		to->Buffer[i] = RtlUpperChar(from->Buffer[i]);
	to->Length = n;
}

WCHAR NTAPI RtlAnsiCharToUnicodeChar(PCHAR *p);
WCHAR NTAPI RtlAnsiCharToUnicodeChar(PCHAR *p)
{
	WCHAR w = 0;
	ULONG got;

	RtlMultiByteToUnicodeN(&w, sizeof(w), &got, (*p)++, 1);
	return w;
}

/* --- numbers --- */

/* base 0: by the prefix 0b, 0o, 0x, else 10. Blanks and a sign may come first. */
NTSTATUS NTAPI RtlCharToInteger(const char *p, ULONG base, PULONG value);
NTSTATUS NTAPI RtlCharToInteger(const char *p, ULONG base, PULONG value)
{
	BOOLEAN negative = FALSE;
	ULONG v = 0;

	while (*p && *p <= ' ')
		p++;
	if (*p == '+' || *p == '-')
		negative = *p++ == '-';
	if (!base) {
		base = 10;
		if (p[0] == '0' && (p[1] == 'b' || p[1] == 'o' || p[1] == 'x')) {
			base = p[1] == 'b' ? 2 : p[1] == 'o' ? 8 : 16;
			p += 2;
		}
	} else if (base != 2 && base != 8 && base != 10 && base != 16) {
		return STATUS_INVALID_PARAMETER;
	}
	if (!value)
		return STATUS_ACCESS_VIOLATION;
	for (;; p++) {
		ULONG digit = *p >= '0' && *p <= '9'   ? (ULONG)(*p - '0')
			      : *p >= 'A' && *p <= 'Z' ? (ULONG)(*p - 'A' + 10)
			      : *p >= 'a' && *p <= 'z' ? (ULONG)(*p - 'a' + 10)
						       : 99;

		if (digit >= base)
			break;
		v = v * base + digit;
	}
	*value = negative ? -v : v;
	return STATUS_SUCCESS;
}

/* The text is terminated only if there is room for that, too. */
NTSTATUS NTAPI RtlIntegerToChar(ULONG value, ULONG base, ULONG room, PCHAR out);
NTSTATUS NTAPI RtlIntegerToChar(ULONG value, ULONG base, ULONG room, PCHAR out)
{
	char text[33], *p = text + sizeof(text) - 1;
	ULONG n;

	if (!base)
		base = 10;
	else if (base != 2 && base != 8 && base != 10 && base != 16)
		return STATUS_INVALID_PARAMETER;
	*p = 0;
	do
		*--p = "0123456789ABCDEF"[value % base];
	while (value /= base);
	n = (ULONG)(text + sizeof(text) - 1 - p);
	if (n > room)
		return STATUS_BUFFER_OVERFLOW;
	if (!out)
		return STATUS_ACCESS_VIOLATION;
	memcpy(out, p, n == room ? n : n + 1);
	return STATUS_SUCCESS;
}

/* --- wide strings --- */

NTSTATUS NTAPI RtlValidateUnicodeString(ULONG reserved, PCUNICODE_STRING s);
NTSTATUS NTAPI RtlValidateUnicodeString(ULONG reserved, PCUNICODE_STRING s)
{
	if (reserved || (s && ((s->Length | s->MaximumLength) & 1)) ||
	    (s && s->Length > s->MaximumLength) || (s && !s->Buffer && s->MaximumLength))
		return STATUS_INVALID_PARAMETER;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlHashUnicodeString(PCUNICODE_STRING s, BOOLEAN fold, ULONG kind, PULONG hash);
NTSTATUS NTAPI RtlHashUnicodeString(PCUNICODE_STRING s, BOOLEAN fold, ULONG kind, PULONG hash)
{
	ULONG h = 0;

	if (!s || !hash || (kind != HASH_DEFAULT && kind != HASH_X65599))
		return STATUS_INVALID_PARAMETER;
	for (ULONG i = 0; i < s->Length / sizeof(WCHAR); i++)
		h = h * 65599 + (fold ? RtlUpcaseUnicodeChar(s->Buffer[i]) : s->Buffer[i]);
	*hash = h;
	return STATUS_SUCCESS;
}

#define FIND_FROM_END	    1u
#define FIND_NOT_IN_SET	    2u
#define FIND_CASE_UNCHANGED 4u

/* *position is behind the character, or before it when the search goes from the end; in bytes. */
NTSTATUS NTAPI RtlFindCharInUnicodeString(ULONG flags, PCUNICODE_STRING s, PCUNICODE_STRING set,
					  PUSHORT position);
NTSTATUS NTAPI RtlFindCharInUnicodeString(ULONG flags, PCUNICODE_STRING s, PCUNICODE_STRING set,
					  PUSHORT position)
{
	LONG n = s->Length / (LONG)sizeof(WCHAR);
	BOOLEAN back = flags & FIND_FROM_END;

	for (LONG k = 0; k < n; k++) {
		LONG at = back ? n - 1 - k : k;
		BOOLEAN in = FALSE;

		for (ULONG i = 0; i < set->Length / sizeof(WCHAR); i++)
			in |= s->Buffer[at] == set->Buffer[i];
		if (in == !(flags & FIND_NOT_IN_SET)) {
			*position = (USHORT)((back ? at : at + 1) * (LONG)sizeof(WCHAR));
			return STATUS_SUCCESS;
		}
	}
	*position = 0;
	return STATUS_NOT_FOUND;
}

/* --- GUIDs: {00112233-4455-6677-8899-AABBCCDDEEFF} --- */

#define GUID_CHARS 38

/* Offsets in the GUID of the digits' pairs, as the text has them. */
static const UCHAR order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static BOOLEAN is_dash(unsigned pair)
{
	return pair == 4 || pair == 6 || pair == 8 || pair == 10;
}

NTSTATUS NTAPI RtlStringFromGUID(const GUID *guid, PUNICODE_STRING out);
NTSTATUS NTAPI RtlStringFromGUID(const GUID *guid, PUNICODE_STRING out)
{
	const UCHAR *bytes = (const UCHAR *)guid;
	PWSTR p;

	out->Length = GUID_CHARS * sizeof(WCHAR);
	out->MaximumLength = out->Length + sizeof(WCHAR);
	out->Buffer = p = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, out->MaximumLength);
	if (!p) {
		out->Length = out->MaximumLength = 0;
		return STATUS_NO_MEMORY;
	}
	*p++ = '{';
	for (unsigned i = 0; i < 16; i++) {
		if (is_dash(i))
			*p++ = '-';
		*p++ = L"0123456789ABCDEF"[bytes[order[i]] >> 4];
		*p++ = L"0123456789ABCDEF"[bytes[order[i]] & 15];
	}
	*p++ = '}';
	*p = 0;
	return STATUS_SUCCESS;
}

static int hex(WCHAR c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

NTSTATUS NTAPI RtlGUIDFromString(PCUNICODE_STRING s, GUID *guid);
NTSTATUS NTAPI RtlGUIDFromString(PCUNICODE_STRING s, GUID *guid)
{
	UCHAR *bytes = (UCHAR *)guid;
	const WCHAR *p = s->Buffer;

	if (s->Length < GUID_CHARS * sizeof(WCHAR) || *p++ != '{')
		return STATUS_INVALID_PARAMETER;
	for (unsigned i = 0; i < 16; i++) {
		if (is_dash(i) && *p++ != '-')
			return STATUS_INVALID_PARAMETER;
		if (hex(p[0]) < 0 || hex(p[1]) < 0)
			return STATUS_INVALID_PARAMETER;
		bytes[order[i]] = (UCHAR)(hex(p[0]) << 4 | hex(p[1]));
		p += 2;
	}
	return *p == '}' ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}
