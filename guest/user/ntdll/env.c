/*
 * The environment: NAME=VALUE strings one after another, an empty one at the end, sorted without
 * regard to case. The block a process starts with belongs to the kernel; the first change makes
 * one of the heap. A name may begin with '='.
 * Lock: the PEB lock, for the process' own block.
 */
#include "guest/user/ntdll/ntdll.h"

static PWSTR ours; /* the process' block, when it is from the heap */

static PVOID heap(void)
{
	return NtCurrentPeb()->ProcessHeap;
}

static SIZE_T block_chars(PCWSTR env)
{
	PCWSTR p = env;

	while (*p)
		p += wcslen(p) + 1;
	return p - env + 1;
}

/* Characters of the name that a string begins with. */
static SIZE_T name_chars(PCWSTR s)
{
	SIZE_T n = *s ? 1 : 0;

	while (s[n] && s[n] != '=')
		n++;
	return n;
}

static PWSTR find(PWSTR env, PCWSTR name, SIZE_T chars)
{
	for (; *env; env += wcslen(env) + 1) {
		SIZE_T n = name_chars(env);

		if (n == chars && env[n] == '=' &&
		    !RtlCompareUnicodeStrings(env, n, name, chars, TRUE))
			return env;
	}
	return NULL;
}

NTSTATUS NTAPI RtlQueryEnvironmentVariable(PWSTR env, PCWSTR name, SIZE_T chars, PWSTR value,
					   SIZE_T room, PSIZE_T length)
{
	NTSTATUS status = STATUS_VARIABLE_NOT_FOUND;
	PWSTR s, block = env;
	SIZE_T n;

	if (!env) {
		RtlAcquirePebLock();
		block = NtCurrentPeb()->ProcessParameters->Environment;
	}
	s = block ? find(block, name, chars) : NULL;
	if (s) {
		s += chars + 1;
		n = wcslen(s);
		if (n > room || (n == room && !value)) {
			*length = n + 1;
			status = STATUS_BUFFER_TOO_SMALL;
		} else {
			memcpy(value, s, n * sizeof(WCHAR));
			if (n < room)
				value[n] = 0;
			*length = n;
			status = STATUS_SUCCESS;
		}
	}
	if (!env)
		RtlReleasePebLock();
	return status;
}

NTSTATUS NTAPI RtlQueryEnvironmentVariable_U(PWSTR env, PCUNICODE_STRING name,
					     PUNICODE_STRING value)
{
	SIZE_T n = 0;
	NTSTATUS status =
	    RtlQueryEnvironmentVariable(env, name->Buffer, name->Length / sizeof(WCHAR),
					value->Buffer, value->MaximumLength / sizeof(WCHAR), &n);

	if (status == STATUS_BUFFER_TOO_SMALL)
		n--; /* the _U form does not count the terminator */
	if (status != STATUS_VARIABLE_NOT_FOUND)
		value->Length = (USHORT)(n * sizeof(WCHAR));
	return status;
}

/* A copy of the block with name set to value (NULL: removed), in sorted order. */
static PWSTR rebuild(PWSTR old, PCUNICODE_STRING name, PCUNICODE_STRING value)
{
	SIZE_T nc = name->Length / sizeof(WCHAR), vc = value ? value->Length / sizeof(WCHAR) : 0;
	PWSTR fresh = RtlAllocateHeap(heap(), 0, (block_chars(old) + nc + vc + 3) * sizeof(WCHAR));
	PWSTR out = fresh;
	BOOLEAN placed = !value;

	if (!fresh)
		return NULL;
	for (;;) {
		SIZE_T n = name_chars(old), len = wcslen(old);
		LONG order = *old ? RtlCompareUnicodeStrings(old, n, name->Buffer, nc, TRUE) : 1;

		if (!placed && order >= 0) {
			memcpy(out, name->Buffer, nc * sizeof(WCHAR));
			out += nc;
			*out++ = '=';
			memcpy(out, value->Buffer, vc * sizeof(WCHAR));
			out += vc;
			*out++ = 0;
			placed = TRUE;
		}
		if (!*old)
			break;
		if (order) {
			memcpy(out, old, (len + 1) * sizeof(WCHAR));
			out += len + 1;
		}
		old += len + 1;
	}
	if (out == fresh) /* an empty block is two terminators */
		*out++ = 0;
	*out = 0;
	return fresh;
}

NTSTATUS NTAPI RtlSetEnvironmentVariable(PWSTR *env, PCUNICODE_STRING name, PCUNICODE_STRING value)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;
	SIZE_T nc = name->Length / sizeof(WCHAR);
	NTSTATUS status = STATUS_SUCCESS;
	PWSTR fresh;

	if (!nc)
		return STATUS_INVALID_PARAMETER;
	for (SIZE_T i = 1; i < nc; i++)
		if (name->Buffer[i] == '=')
			return STATUS_INVALID_PARAMETER;
	if (env) {
		if (!value && !find(*env, name->Buffer, nc))
			return STATUS_VARIABLE_NOT_FOUND;
		fresh = rebuild(*env, name, value);
		if (!fresh)
			return STATUS_NO_MEMORY;
		RtlFreeHeap(heap(), 0, *env);
		*env = fresh;
		return STATUS_SUCCESS;
	}
	RtlAcquirePebLock();
	if (!value && !find(params->Environment, name->Buffer, nc)) {
		status = STATUS_VARIABLE_NOT_FOUND;
	} else {
		fresh =
		    rebuild(params->Environment ? params->Environment : (PWSTR)L"\0", name, value);
		if (fresh) {
			RtlFreeHeap(heap(), 0, ours);
			params->Environment = ours = fresh;
			params->EnvironmentSize = block_chars(fresh) * sizeof(WCHAR);
			params->EnvironmentVersion++;
		} else {
			status = STATUS_NO_MEMORY;
		}
	}
	RtlReleasePebLock();
	return status;
}

NTSTATUS NTAPI RtlCreateEnvironment(BOOLEAN inherit, PWSTR *env)
{
	PWSTR now;
	SIZE_T n;

	if (!inherit) {
		*env = RtlAllocateHeap(heap(), HEAP_ZERO_MEMORY, 2 * sizeof(WCHAR));
		return *env ? STATUS_SUCCESS : STATUS_NO_MEMORY;
	}
	RtlAcquirePebLock();
	now = NtCurrentPeb()->ProcessParameters->Environment;
	n = block_chars(now) * sizeof(WCHAR);
	*env = RtlAllocateHeap(heap(), 0, n);
	if (*env)
		memcpy(*env, now, n);
	RtlReleasePebLock();
	return *env ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS NTAPI RtlDestroyEnvironment(PWSTR env)
{
	RtlFreeHeap(heap(), 0, env);
	return STATUS_SUCCESS;
}

VOID NTAPI RtlSetCurrentEnvironment(PWSTR env, PWSTR *old)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;

	RtlAcquirePebLock();
	if (old)
		*old = params->Environment;
	else
		RtlFreeHeap(heap(), 0, ours);
	params->Environment = ours = env;
	params->EnvironmentSize = block_chars(env) * sizeof(WCHAR);
	RtlReleasePebLock();
}

/* Replaces %NAME% by its value; unknown names stay as they are. *length counts the terminator. */
NTSTATUS NTAPI RtlExpandEnvironmentStrings(PWSTR env, PCWSTR src, SIZE_T chars, PWSTR dst,
					   SIZE_T room, PSIZE_T length)
{
	SIZE_T out = 0;
	PWSTR block = env;

	if (!env) {
		RtlAcquirePebLock();
		block = NtCurrentPeb()->ProcessParameters->Environment;
	}
	for (SIZE_T i = 0; i < chars;) {
		PCWSTR piece = src + i;
		SIZE_T n = 1, end = i + 1;

		if (src[i] == '%') {
			while (end < chars && src[end] != '%')
				end++;
			if (end < chars && end > i + 1) {
				PWSTR s = find(block, src + i + 1, end - i - 1);

				if (s) {
					piece = s + (end - i);
					n = wcslen(piece);
					i = end;
				} else {
					n = end - i;
					i = end - 1;
				}
			}
		}
		i++;
		if (out + n < room)
			memcpy(dst + out, piece, n * sizeof(WCHAR));
		out += n;
	}
	if (!env)
		RtlReleasePebLock();
	if (out < room)
		dst[out] = 0;
	if (length)
		*length = out + 1;
	return out < room ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
}

NTSTATUS NTAPI RtlExpandEnvironmentStrings_U(PWSTR env, PCUNICODE_STRING src, PUNICODE_STRING dst,
					     PULONG length)
{
	SIZE_T n;
	NTSTATUS status =
	    RtlExpandEnvironmentStrings(env, src->Buffer, src->Length / sizeof(WCHAR), dst->Buffer,
					dst->MaximumLength / sizeof(WCHAR), &n);

	if (length)
		*length = (ULONG)(n * sizeof(WCHAR));
	dst->Length = NT_SUCCESS(status) ? (USHORT)((n - 1) * sizeof(WCHAR)) : 0;
	return status;
}
