/*
 * DOS paths: their kinds, full paths, NT names, the current folder.
 *
 * Kinds (RtlDetermineDosPathNameType_U): \\srv\x UNC, C:\x absolute, C:x relative to that drive's
 * folder, \x rooted, x relative, \\.\x and \\?\x devices. A full path has no "." and ".." parts, no
 * doubled separators, and no dots and spaces at its end. Drives' current folders other than the
 * current drive's are kept in environment variables named "=C:".
 * Lock: the PEB lock for the current folder.
 */
#include "guest/user/ntdll/ntdll.h"

#define MAX_PATH_CHARS 32767

#define IS_SEP(c) ((c) == '\\' || (c) == '/')

ULONG NTAPI RtlDetermineDosPathNameType_U(PCWSTR p)
{
	if (IS_SEP(p[0])) {
		if (!IS_SEP(p[1]))
			return PATH_ROOTED;
		if (p[2] != '.' && p[2] != '?')
			return PATH_UNC;
		if (IS_SEP(p[3]))
			return PATH_DEVICE;
		return p[3] ? PATH_UNC : PATH_ROOT_DEVICE;
	}
	if (!p[0] || p[1] != ':')
		return PATH_RELATIVE;
	return IS_SEP(p[2]) ? PATH_DRIVE_ABSOLUTE : PATH_DRIVE_RELATIVE;
}

/*
 * Is the last part of the path a DOS device (NUL, CON, COM1, ...)? Returns its byte length in the
 * low word and byte offset in the high word, or 0.
 */
ULONG NTAPI RtlIsDosDeviceName_U(PCWSTR path)
{
	static const WCHAR devices[][8] = {L"NUL", L"CON", L"PRN",    L"AUX",
					   L"COM", L"LPT", L"CONIN$", L"CONOUT$"};
	PCWSTR name = path;
	size_t n;

	if (!path)
		return 0;
	switch (RtlDetermineDosPathNameType_U(path)) {
	case PATH_UNC:
		return 0;
	case PATH_DEVICE:
		if (!_wcsicmp(path, L"\\\\.\\CON"))
			return MAKELONG(3 * sizeof(WCHAR), 4 * sizeof(WCHAR));
		return 0;
	}
	for (PCWSTR p = path; *p; p++)
		if (IS_SEP(*p) || *p == ':')
			if (p[1])
				name = p + 1;
	for (n = 0; name[n] && name[n] != '.' && name[n] != ':'; n++)
		;
	while (n && name[n - 1] == ' ')
		n--;
	for (size_t i = 0; i < ARRAY_COUNT(devices); i++) {
		size_t len = wcslen(devices[i]);
		BOOLEAN numbered =
		    devices[i][0] != 'C' ? devices[i][0] == 'L' : devices[i][2] == 'M';

		if (n != len + numbered || _wcsnicmp(name, devices[i], len))
			continue;
		if (numbered && (name[len] < '1' || name[len] > '9'))
			continue;
		return MAKELONG(n * sizeof(WCHAR), (name - path) * sizeof(WCHAR));
	}
	return 0;
}

static void drive_folder(WCHAR drive, PWSTR out, size_t room)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;
	PCWSTR here = params->CurrentDirectory.DosPath.Buffer;
	WCHAR var[4] = {'=', RtlUpcaseUnicodeChar(drive), ':', 0};
	UNICODE_STRING name = {6, 8, var}, value = {0, (USHORT)(room * sizeof(WCHAR)), out};

	if (RtlUpcaseUnicodeChar(here[0]) == var[1] && here[1] == ':') {
		wcsncpy(out, here, room);
		return;
	}
	if (NT_SUCCESS(RtlQueryEnvironmentVariable_U(NULL, &name, &value)) && value.Length &&
	    value.Length < value.MaximumLength) {
		out[value.Length / sizeof(WCHAR)] = 0;
		return;
	}
	out[0] = var[1];
	out[1] = ':';
	out[2] = '\\';
	out[3] = 0;
}

/* Squeezes what follows the root in place: separators, "." and "..", the end. */
static void squeeze(PWSTR path, size_t root)
{
	PWSTR in = path + root, out = in;
	BOOLEAN ends_in_dots = FALSE; /* then no separator stays at the end */

	while (*in) {
		size_t n = 0;

		if (IS_SEP(*in)) {
			in++;
			continue;
		}
		while (in[n] && !IS_SEP(in[n]))
			n++;
		if (n == 1 && in[0] == '.') {
			in += 1;
			ends_in_dots = !*in;
		} else if (n == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path + root && out[-1] == '\\')
				out--;
			while (out > path + root && out[-1] != '\\')
				out--;
			in += 2;
			ends_in_dots = !*in;
		} else {
			BOOLEAN last = !in[n];

			memmove(out, in, n * sizeof(WCHAR));
			in += n;
			out += n;
			if (last)
				break;
			if (out[-1] == '.' && n > 1 && out[-2] != '.')
				out--; /* one dot at a part's end is dropped */
			*out++ = '\\';
		}
	}
	if (ends_in_dots && out > path + root && out[-1] == '\\')
		out--;
	while (out > path + root && (out[-1] == ' ' || out[-1] == '.'))
		out--;
	*out = 0;
}

/* Length of "\\server\share\" at the start of a path whose separators are backslashes. */
static size_t unc_root(PCWSTR p)
{
	size_t i = 2;

	for (int parts = 0; parts < 2; parts++) {
		while (p[i] && p[i] != '\\')
			i++;
		if (p[i])
			i++;
	}
	return i;
}

/* The full path of name in a buffer of MAX_PATH_CHARS + 1; *root_chars: length of its root. */
static BOOLEAN full_path(PCWSTR name, PWSTR out, size_t *root_chars)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;
	ULONG device = RtlIsDosDeviceName_U(name), type = RtlDetermineDosPathNameType_U(name);
	size_t n = wcslen(name), root = 3, base = 0;

	if (!n || wcsspn(name, L" ") == n ||
	    n + params->CurrentDirectory.DosPath.Length / sizeof(WCHAR) + 4 > MAX_PATH_CHARS)
		return FALSE;
	if (device && type != PATH_DEVICE) {
		wcscpy(out, L"\\\\.\\");
		*root_chars = MAX_PATH_CHARS;
		wcsncat(out, name + HIWORD(device) / sizeof(WCHAR), LOWORD(device) / sizeof(WCHAR));
		return TRUE;
	}
	RtlAcquirePebLock();
	switch (type) {
	case PATH_DRIVE_RELATIVE:
		drive_folder(name[0], out, MAX_PATH);
		base = wcslen(out);
		name += 2;
		break;
	case PATH_ROOTED:
		wcscpy(out, params->CurrentDirectory.DosPath.Buffer);
		if (out[1] != ':') { /* the current folder is a share */
			base = unc_root(out);
			break;
		}
		base = 2;
		break;
	case PATH_RELATIVE:
		wcscpy(out, params->CurrentDirectory.DosPath.Buffer);
		base = wcslen(out);
		break;
	}
	RtlReleasePebLock();
	if (base && !IS_SEP(out[base - 1]))
		out[base++] = '\\';
	wcscpy(out + base, name);
	for (PWSTR p = out; *p; p++)
		if (*p == '/')
			*p = '\\';
	if (type == PATH_DEVICE)
		root = 4;
	else if (out[0] == '\\')
		root = unc_root(out);
	if (type == PATH_ROOT_DEVICE)
		return (*root_chars = 4, wcscpy(out, L"\\\\.\\")) != NULL;
	*root_chars = root;
	squeeze(out, root);
	return TRUE;
}

ULONG NTAPI RtlGetFullPathName_U(PCWSTR name, ULONG size, PWSTR buffer, PWSTR *file_part)
{
	PWSTR full;
	size_t n, root;

	if (file_part)
		*file_part = NULL;
	if (!name || !*name)
		return 0;
	full =
	    RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, (MAX_PATH_CHARS + 1) * sizeof(WCHAR));
	if (!full)
		return 0;
	if (!full_path(name, full, &root)) {
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, full);
		return 0;
	}
	n = wcslen(full) * sizeof(WCHAR);
	if (n + sizeof(WCHAR) <= size) {
		memcpy(buffer, full, n + sizeof(WCHAR));
		if (file_part) {
			PWSTR slash = wcsrchr(buffer, '\\');

			if (slash && slash[1] && slash + 1 >= buffer + root)
				*file_part = slash + 1;
		}
	} else {
		n += sizeof(WCHAR);
	}
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, full);
	return (ULONG)n;
}

NTSTATUS NTAPI RtlDosPathNameToNtPathName_U_WithStatus(PCWSTR name, PUNICODE_STRING nt,
						       PWSTR *file_part, PVOID relative)
{
	PWSTR full, out;
	size_t n;
	PCWSTR prefix = L"\\??\\";
	PCWSTR rest;

	if (relative)
		memset(relative, 0, 4 * sizeof(PVOID)); /* RTL_RELATIVE_NAME_U: no shortcut */
	if (file_part)
		*file_part = NULL;
	if (!name || !*name)
		return STATUS_OBJECT_NAME_INVALID;
	full =
	    RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, (MAX_PATH_CHARS + 8) * sizeof(WCHAR));
	if (!full)
		return STATUS_NO_MEMORY;
	if (!wcsncmp(name, L"\\\\?\\", 4) || !wcsncmp(name, L"\\??\\", 4)) { /* as it stands */
		n = wcsnlen(name, MAX_PATH_CHARS);
		memcpy(full, name, n * sizeof(WCHAR));
		full[n] = 0;
		rest = full + 4;
	} else if (!full_path(name, full, &n)) {
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, full);
		return STATUS_OBJECT_NAME_INVALID;
	} else if (full[0] == '\\' && (full[2] == '.' || full[2] == '?')) {
		rest = full + 4;
	} else if (full[0] == '\\') {
		prefix = L"\\??\\UNC\\";
		rest = full + 2;
	} else {
		rest = full;
	}
	n = wcslen(prefix) + wcslen(rest);
	out = n * sizeof(WCHAR) > 0xfffc
		  ? NULL
		  : RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, (n + 1) * sizeof(WCHAR));
	if (out) {
		wcscpy(out, prefix);
		wcscat(out, rest);
		nt->Buffer = out;
		nt->Length = (USHORT)(n * sizeof(WCHAR));
		nt->MaximumLength = nt->Length + sizeof(WCHAR);
		if (file_part) {
			PWSTR slash = wcsrchr(out, '\\');

			*file_part = slash && slash[1] ? slash + 1 : NULL;
		}
	}
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, full);
	return out ? STATUS_SUCCESS : STATUS_NAME_TOO_LONG;
}

BOOLEAN NTAPI RtlDosPathNameToNtPathName_U(PCWSTR name, PUNICODE_STRING nt, PWSTR *file_part,
					   PVOID relative)
{
	return NT_SUCCESS(RtlDosPathNameToNtPathName_U_WithStatus(name, nt, file_part, relative));
}

ULONG NTAPI RtlGetCurrentDirectory_U(ULONG size, PWSTR buffer)
{
	PUNICODE_STRING here = &NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath;
	ULONG n;

	RtlAcquirePebLock();
	n = here->Length;
	if (n > 3 * sizeof(WCHAR) && here->Buffer[n / sizeof(WCHAR) - 1] == '\\')
		n -= sizeof(WCHAR);
	if (n + sizeof(WCHAR) <= size) {
		memcpy(buffer, here->Buffer, n);
		buffer[n / sizeof(WCHAR)] = 0;
	} else {
		n += sizeof(WCHAR);
	}
	RtlReleasePebLock();
	return n;
}

NTSTATUS NTAPI RtlSetCurrentDirectory_U(PCUNICODE_STRING dir)
{
	CURDIR *here = &NtCurrentPeb()->ProcessParameters->CurrentDirectory;
	static PWSTR ours; /* the buffer in use, when it is from the heap; under the PEB lock */
	OBJECT_ATTRIBUTES attr;
	IO_STATUS_BLOCK iosb;
	UNICODE_STRING nt;
	NTSTATUS status;
	HANDLE handle;
	PWSTR path;
	ULONG n;

	n = RtlGetFullPathName_U(dir->Buffer, 0, NULL, NULL);
	if (!n)
		return STATUS_OBJECT_NAME_INVALID;
	path = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, n + 2 * sizeof(WCHAR));
	if (!path)
		return STATUS_NO_MEMORY;
	n = RtlGetFullPathName_U(dir->Buffer, n, path, NULL);
	status = RtlDosPathNameToNtPathName_U_WithStatus(path, &nt, NULL, NULL);
	if (!NT_SUCCESS(status))
		goto fail;
	InitializeObjectAttributes(&attr, &nt, OBJ_CASE_INSENSITIVE, NULL, NULL);
	status = NtOpenFile(&handle, FILE_TRAVERSE | SYNCHRONIZE, &attr, &iosb,
			    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			    FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
	RtlFreeUnicodeString(&nt);
	if (!NT_SUCCESS(status))
		goto fail;
	if (path[n / sizeof(WCHAR) - 1] != '\\') {
		path[n / sizeof(WCHAR)] = '\\';
		n += sizeof(WCHAR);
	}
	path[n / sizeof(WCHAR)] = 0;
	RtlAcquirePebLock();
	if (here->Handle)
		NtClose(here->Handle);
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, ours);
	ours = path;
	here->Handle = handle;
	here->DosPath.Buffer = path;
	here->DosPath.Length = (USHORT)n;
	here->DosPath.MaximumLength = (USHORT)(n + sizeof(WCHAR));
	RtlReleasePebLock();
	return STATUS_SUCCESS;
fail:
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, path);
	return status;
}
