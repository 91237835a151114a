/*
 * Counted strings: UNICODE_STRING, ANSI_STRING, and conversions between them.
 *
 * The ANSI code page is 1252 and the OEM one 437. Buffers made here come from the process heap and
 * go back with RtlFree*String.
 */
#include "guest/user/ntdll/ntdll.h"

#define MAX_UNICODE_BYTES 0xfffe

VOID NTAPI RtlInitUnicodeString(PUNICODE_STRING s, PCWSTR text)
{
	size_t n = text ? wcslen(text) * sizeof(WCHAR) : 0;

	if (n > MAX_UNICODE_BYTES - sizeof(WCHAR))
		n = MAX_UNICODE_BYTES - sizeof(WCHAR);
	s->Length = (USHORT)n;
	s->MaximumLength = text ? (USHORT)(n + sizeof(WCHAR)) : 0;
	s->Buffer = (PWSTR)text;
}

NTSTATUS NTAPI RtlInitUnicodeStringEx(PUNICODE_STRING s, PCWSTR text)
{
	if (text && wcslen(text) * sizeof(WCHAR) > MAX_UNICODE_BYTES - sizeof(WCHAR))
		return STATUS_NAME_TOO_LONG;
	RtlInitUnicodeString(s, text);
	return STATUS_SUCCESS;
}

VOID NTAPI RtlInitAnsiString(PANSI_STRING s, PCSTR text)
{
	size_t n = text ? strlen(text) : 0;

	if (n > 0xfffe)
		n = 0xfffe;
	s->Length = (USHORT)n;
	s->MaximumLength = text ? (USHORT)(n + 1) : 0;
	s->Buffer = (PCHAR)text;
}

VOID NTAPI RtlInitString(PSTRING s, PCSTR text)
{
	RtlInitAnsiString(s, text);
}

NTSTATUS NTAPI RtlInitAnsiStringEx(PANSI_STRING s, PCSTR text)
{
	if (text && strlen(text) > 0xfffe)
		return STATUS_NAME_TOO_LONG;
	RtlInitAnsiString(s, text);
	return STATUS_SUCCESS;
}

VOID NTAPI RtlFreeUnicodeString(PUNICODE_STRING s)
{
	if (s->Buffer) {
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, s->Buffer);
		memset(s, 0, sizeof(*s));
	}
}

VOID NTAPI RtlFreeAnsiString(PANSI_STRING s)
{
	if (s->Buffer) {
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, s->Buffer);
		memset(s, 0, sizeof(*s));
	}
}

VOID NTAPI RtlCopyUnicodeString(PUNICODE_STRING d, PCUNICODE_STRING s)
{
	if (!s) {
		d->Length = 0;
		return;
	}
	d->Length = min(s->Length, d->MaximumLength);
	memmove(d->Buffer, s->Buffer, d->Length);
	if (d->Length + sizeof(WCHAR) <= d->MaximumLength)
		d->Buffer[d->Length / sizeof(WCHAR)] = 0;
}

NTSTATUS NTAPI RtlAppendUnicodeToString(PUNICODE_STRING d, PCWSTR text)
{
	UNICODE_STRING s;

	if (!text)
		return STATUS_SUCCESS;
	RtlInitUnicodeString(&s, text);
	return RtlAppendUnicodeStringToString(d, &s);
}

NTSTATUS NTAPI RtlAppendUnicodeStringToString(PUNICODE_STRING d, PCUNICODE_STRING s)
{
	if (!s->Length)
		return STATUS_SUCCESS;
	if (d->Length + s->Length > d->MaximumLength)
		return STATUS_BUFFER_TOO_SMALL;
	memmove((PCHAR)d->Buffer + d->Length, s->Buffer, s->Length);
	d->Length += s->Length;
	if (d->Length + sizeof(WCHAR) <= d->MaximumLength)
		d->Buffer[d->Length / sizeof(WCHAR)] = 0;
	return STATUS_SUCCESS;
}

LONG NTAPI RtlCompareUnicodeStrings(PCWCH a, SIZE_T na, PCWCH b, SIZE_T nb, BOOLEAN fold)
{
	SIZE_T n = min(na, nb);

	for (SIZE_T i = 0; i < n; i++) {
		WCHAR x = a[i], y = b[i];

		if (x == y)
			continue;
		if (fold) {
			x = RtlUpcaseUnicodeChar(x);
			y = RtlUpcaseUnicodeChar(y);
		}
		if (x != y)
			return (LONG)x - (LONG)y;
	}
	return (LONG)na - (LONG)nb;
}

LONG NTAPI RtlCompareUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN fold)
{
	return RtlCompareUnicodeStrings(a->Buffer, a->Length / sizeof(WCHAR), b->Buffer,
					b->Length / sizeof(WCHAR), fold);
}

BOOLEAN NTAPI RtlEqualUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN fold)
{
	return a->Length == b->Length && !RtlCompareUnicodeString(a, b, fold);
}

BOOLEAN NTAPI RtlPrefixUnicodeString(PCUNICODE_STRING prefix, PCUNICODE_STRING s, BOOLEAN fold)
{
	SIZE_T n = prefix->Length / sizeof(WCHAR);

	return prefix->Length <= s->Length &&
	       !RtlCompareUnicodeStrings(prefix->Buffer, n, s->Buffer, n, fold);
}

LONG NTAPI RtlCompareString(const STRING *a, const STRING *b, BOOLEAN fold)
{
	USHORT n = min(a->Length, b->Length);

	for (USHORT i = 0; i < n; i++) {
		int x = (UCHAR)a->Buffer[i], y = (UCHAR)b->Buffer[i];

		if (fold)
			x = toupper(x), y = toupper(y);
		if (x != y)
			return x - y;
	}
	return (LONG)a->Length - (LONG)b->Length;
}

BOOLEAN NTAPI RtlEqualString(const STRING *a, const STRING *b, BOOLEAN fold)
{
	return a->Length == b->Length && !RtlCompareString(a, b, fold);
}

BOOLEAN NTAPI RtlCreateUnicodeString(PUNICODE_STRING d, PCWSTR text)
{
	size_t n = (wcslen(text) + 1) * sizeof(WCHAR);

	if (n > MAX_UNICODE_BYTES)
		return FALSE;
	d->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, n);
	if (!d->Buffer)
		return FALSE;
	memcpy(d->Buffer, text, n);
	d->MaximumLength = (USHORT)n;
	d->Length = (USHORT)(n - sizeof(WCHAR));
	return TRUE;
}

#define RTL_DUPLICATE_ADD_NUL	       1
#define RTL_DUPLICATE_ADD_NUL_TO_EMPTY 2

NTSTATUS NTAPI RtlDuplicateUnicodeString(ULONG flags, PCUNICODE_STRING s, PUNICODE_STRING d)
{
	BOOLEAN nul = (flags & RTL_DUPLICATE_ADD_NUL) != 0;
	ULONG n;

	if (!s || !d || flags > 3 || flags == RTL_DUPLICATE_ADD_NUL_TO_EMPTY)
		return STATUS_INVALID_PARAMETER;
	n = s->Length;
	if (!n && !(flags & RTL_DUPLICATE_ADD_NUL_TO_EMPTY)) {
		memset(d, 0, sizeof(*d));
		return STATUS_SUCCESS;
	}
	n += nul ? sizeof(WCHAR) : 0;
	if (n > MAX_UNICODE_BYTES)
		return STATUS_NAME_TOO_LONG;
	d->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, n);
	if (!d->Buffer)
		return STATUS_NO_MEMORY;
	memcpy(d->Buffer, s->Buffer, s->Length);
	if (nul)
		d->Buffer[s->Length / sizeof(WCHAR)] = 0;
	d->Length = s->Length;
	d->MaximumLength = (USHORT)n;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUpcaseUnicodeString(PUNICODE_STRING d, PCUNICODE_STRING s, BOOLEAN allocate)
{
	if (allocate) {
		d->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, s->Length + 1);
		if (!d->Buffer)
			return STATUS_NO_MEMORY;
		d->MaximumLength = s->Length;
	} else if (s->Length > d->MaximumLength) {
		return STATUS_BUFFER_OVERFLOW;
	}
	for (USHORT i = 0; i < s->Length / sizeof(WCHAR); i++)
		d->Buffer[i] = RtlUpcaseUnicodeChar(s->Buffer[i]);
	d->Length = s->Length;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlDowncaseUnicodeString(PUNICODE_STRING d, PCUNICODE_STRING s, BOOLEAN allocate)
{
	NTSTATUS status = RtlUpcaseUnicodeString(d, s, allocate);

	if (NT_SUCCESS(status))
		for (USHORT i = 0; i < s->Length / sizeof(WCHAR); i++)
			d->Buffer[i] = RtlDowncaseUnicodeChar(s->Buffer[i]);
	return status;
}

/* --- bytes of a code page and wide characters --- */

static NTSTATUS sbcs_to_wide(const WCHAR *high, PWCH d, ULONG dbytes, PULONG result, PCCH s,
			     ULONG n)
{
	ULONG count = min(n, dbytes / (ULONG)sizeof(WCHAR));

	for (ULONG i = 0; i < count; i++) {
		UCHAR c = (UCHAR)s[i];
		d[i] = c < 0x80 ? c : high[c - 0x80];
	}
	if (result)
		*result = count * sizeof(WCHAR);
	return count < n ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static CHAR wide_to_byte(const WCHAR *high, WCHAR c)
{
	if (c < 0x80)
		return (CHAR)c;
	for (int i = 0; i < 128; i++)
		if (high[i] == c)
			return (CHAR)(0x80 + i);
	return '?';
}

static NTSTATUS wide_to_sbcs(const WCHAR *high, PCHAR d, ULONG dbytes, PULONG result, PCWCH s,
			     ULONG bytes)
{
	ULONG n = bytes / sizeof(WCHAR), count = min(n, dbytes);

	for (ULONG i = 0; i < count; i++)
		d[i] = wide_to_byte(high, s[i]);
	if (result)
		*result = count;
	return count < n ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlMultiByteToUnicodeN(PWCH d, ULONG dbytes, PULONG result, PCCH s, ULONG n)
{
	return sbcs_to_wide(NtmmSingleByteTable(1252), d, dbytes, result, s, n);
}

NTSTATUS NTAPI RtlOemToUnicodeN(PWCH d, ULONG dbytes, PULONG result, PCCH s, ULONG n)
{
	return sbcs_to_wide(NtmmSingleByteTable(437), d, dbytes, result, s, n);
}

NTSTATUS NTAPI RtlUnicodeToMultiByteN(PCHAR d, ULONG dbytes, PULONG result, PCWCH s, ULONG bytes)
{
	return wide_to_sbcs(NtmmSingleByteTable(1252), d, dbytes, result, s, bytes);
}

NTSTATUS NTAPI RtlUnicodeToOemN(PCHAR d, ULONG dbytes, PULONG result, PCWCH s, ULONG bytes)
{
	return wide_to_sbcs(NtmmSingleByteTable(437), d, dbytes, result, s, bytes);
}

NTSTATUS NTAPI RtlMultiByteToUnicodeSize(PULONG bytes, PCCH s, ULONG n)
{
	(void)s;
	*bytes = n * sizeof(WCHAR);
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUnicodeToMultiByteSize(PULONG n, PCWCH s, ULONG bytes)
{
	(void)s;
	*n = bytes / sizeof(WCHAR);
	return STATUS_SUCCESS;
}

ULONG NTAPI RtlAnsiStringToUnicodeSize(PCANSI_STRING s)
{
	return (s->Length + 1) * sizeof(WCHAR);
}

ULONG NTAPI RtlUnicodeStringToAnsiSize(PCUNICODE_STRING s)
{
	return s->Length / sizeof(WCHAR) + 1;
}

static NTSTATUS to_unicode(const WCHAR *high, PUNICODE_STRING d, PCANSI_STRING s, BOOLEAN allocate)
{
	ULONG need = (s->Length + 1) * sizeof(WCHAR), got;

	if (need > 0xffff)
		return STATUS_INVALID_PARAMETER_2;
	if (allocate) {
		d->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, need);
		if (!d->Buffer)
			return STATUS_NO_MEMORY;
		d->MaximumLength = (USHORT)need;
	} else if (need > d->MaximumLength) {
		return STATUS_BUFFER_OVERFLOW;
	}
	sbcs_to_wide(high, d->Buffer, need, &got, s->Buffer, s->Length);
	d->Length = (USHORT)got;
	d->Buffer[got / sizeof(WCHAR)] = 0;
	return STATUS_SUCCESS;
}

static NTSTATUS to_bytes(const WCHAR *high, PANSI_STRING d, PCUNICODE_STRING s, BOOLEAN allocate)
{
	ULONG need = s->Length / sizeof(WCHAR) + 1, got;
	NTSTATUS status = STATUS_SUCCESS;

	if (allocate) {
		d->Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, need);
		if (!d->Buffer)
			return STATUS_NO_MEMORY;
		d->MaximumLength = (USHORT)need;
	} else if (need > d->MaximumLength) {
		if (!d->MaximumLength)
			return STATUS_BUFFER_OVERFLOW;
		status = STATUS_BUFFER_OVERFLOW;
	}
	wide_to_sbcs(high, d->Buffer, d->MaximumLength - 1, &got, s->Buffer, s->Length);
	d->Length = (USHORT)got;
	d->Buffer[got] = 0;
	return status;
}

NTSTATUS NTAPI RtlAnsiStringToUnicodeString(PUNICODE_STRING d, PCANSI_STRING s, BOOLEAN allocate)
{
	return to_unicode(NtmmSingleByteTable(1252), d, s, allocate);
}

NTSTATUS NTAPI RtlOemStringToUnicodeString(PUNICODE_STRING d, PCANSI_STRING s, BOOLEAN allocate)
{
	return to_unicode(NtmmSingleByteTable(437), d, s, allocate);
}

NTSTATUS NTAPI RtlUnicodeStringToAnsiString(PANSI_STRING d, PCUNICODE_STRING s, BOOLEAN allocate)
{
	return to_bytes(NtmmSingleByteTable(1252), d, s, allocate);
}

NTSTATUS NTAPI RtlUnicodeStringToOemString(PANSI_STRING d, PCUNICODE_STRING s, BOOLEAN allocate)
{
	return to_bytes(NtmmSingleByteTable(437), d, s, allocate);
}

BOOLEAN NTAPI RtlCreateUnicodeStringFromAsciiz(PUNICODE_STRING d, PCSTR text)
{
	ANSI_STRING s;

	RtlInitAnsiString(&s, text);
	return NT_SUCCESS(RtlAnsiStringToUnicodeString(d, &s, TRUE));
}

NTSTATUS NTAPI RtlUnicodeStringToInteger(PCUNICODE_STRING s, ULONG base, PULONG value)
{
	USHORT i = 0, n = s->Length / sizeof(WCHAR);
	BOOLEAN negative = FALSE;
	ULONG v = 0;

	if (!value)
		return base && base != 2 && base != 8 && base != 10 && base != 16
			   ? STATUS_INVALID_PARAMETER
			   : STATUS_ACCESS_VIOLATION;
	while (i < n && s->Buffer[i] <= ' ')
		i++;
	if (i < n && (s->Buffer[i] == '-' || s->Buffer[i] == '+'))
		negative = s->Buffer[i++] == '-';
	if (!base) {
		base = 10;
		if (i + 1 < n && s->Buffer[i] == '0') {
			WCHAR c = s->Buffer[i + 1];

			base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
			if (base != 10)
				i += 2;
		}
	} else if (base != 2 && base != 8 && base != 10 && base != 16) {
		return STATUS_INVALID_PARAMETER;
	}
	for (; i < n; i++) {
		WCHAR c = s->Buffer[i];
		ULONG d = c >= '0' && c <= '9'	 ? (ULONG)(c - '0')
			  : c >= 'A' && c <= 'F' ? (ULONG)(c - 'A' + 10)
			  : c >= 'a' && c <= 'f' ? (ULONG)(c - 'a' + 10)
						 : 99;
		if (d >= base)
			break;
		v = v * base + d;
	}
	*value = negative ? 0 - v : v;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlIntegerToUnicodeString(ULONG value, ULONG base, PUNICODE_STRING d)
{
	WCHAR buf[33], *p = buf + 32;

	if (!base)
		base = 10;
	if (base != 2 && base != 8 && base != 10 && base != 16)
		return STATUS_INVALID_PARAMETER;
	*p = 0;
	do
		*--p = L"0123456789ABCDEF"[value % base];
	while ((value /= base));
	if ((buf + 32 - p) * sizeof(WCHAR) > d->MaximumLength)
		return STATUS_BUFFER_OVERFLOW;
	d->Length = 0;
	return RtlAppendUnicodeToString(d, p);
}
