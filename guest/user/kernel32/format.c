/*
 * FormatMessage: texts of the common system errors, and the %1!fmt! inserts.
 */
#include "guest/user/kernel32/k32.h"

/* clang-format off */
static const struct {
	DWORD id;
	LPCWSTR text;
} messages[] = {
	{ERROR_SUCCESS, L"The operation completed successfully."},
	{ERROR_INVALID_FUNCTION, L"Incorrect function."},
	{ERROR_FILE_NOT_FOUND, L"The system cannot find the file specified."},
	{ERROR_PATH_NOT_FOUND, L"The system cannot find the path specified."},
	{ERROR_TOO_MANY_OPEN_FILES, L"The system cannot open the file."},
	{ERROR_ACCESS_DENIED, L"Access is denied."},
	{ERROR_INVALID_HANDLE, L"The handle is invalid."},
	{ERROR_ARENA_TRASHED, L"The storage control blocks were destroyed."},
	{ERROR_NOT_ENOUGH_MEMORY, L"Not enough memory resources are available to process this command."},
	{ERROR_INVALID_BLOCK, L"The storage control block address is invalid."},
	{ERROR_BAD_ENVIRONMENT, L"The environment is incorrect."},
	{ERROR_BAD_FORMAT, L"An attempt was made to load a program with an incorrect format."},
	{ERROR_INVALID_ACCESS, L"The access code is invalid."},
	{ERROR_INVALID_DATA, L"The data is invalid."},
	{ERROR_OUTOFMEMORY, L"Not enough memory resources are available to complete this operation."},
	{ERROR_INVALID_DRIVE, L"The system cannot find the drive specified."},
	{ERROR_CURRENT_DIRECTORY, L"The directory cannot be removed."},
	{ERROR_NOT_SAME_DEVICE, L"The system cannot move the file to a different disk drive."},
	{ERROR_NO_MORE_FILES, L"There are no more files."},
	{ERROR_WRITE_PROTECT, L"The media is write protected."},
	{ERROR_NOT_READY, L"The device is not ready."},
	{ERROR_CRC, L"Data error (cyclic redundancy check)."},
	{ERROR_BAD_LENGTH, L"The program issued a command but the command length is incorrect."},
	{ERROR_WRITE_FAULT, L"The system cannot write to the specified device."},
	{ERROR_READ_FAULT, L"The system cannot read from the specified device."},
	{ERROR_GEN_FAILURE, L"A device attached to the system is not functioning."},
	{ERROR_SHARING_VIOLATION, L"The process cannot access the file because it is being used by another process."},
	{ERROR_LOCK_VIOLATION, L"The process cannot access the file because another process has locked a portion of the file."},
	{ERROR_HANDLE_EOF, L"Reached the end of the file."},
	{ERROR_HANDLE_DISK_FULL, L"The disk is full."},
	{ERROR_NOT_SUPPORTED, L"The request is not supported."},
	{ERROR_FILE_EXISTS, L"The file exists."},
	{ERROR_CANNOT_MAKE, L"The directory or file cannot be created."},
	{ERROR_INVALID_PARAMETER, L"The parameter is incorrect."},
	{ERROR_BROKEN_PIPE, L"The pipe has been ended."},
	{ERROR_OPEN_FAILED, L"The system cannot open the device or file specified."},
	{ERROR_BUFFER_OVERFLOW, L"The file name is too long."},
	{ERROR_DISK_FULL, L"There is not enough space on the disk."},
	{ERROR_CALL_NOT_IMPLEMENTED, L"This function is not supported on this system."},
	{ERROR_SEM_TIMEOUT, L"The semaphore timeout period has expired."},
	{ERROR_INSUFFICIENT_BUFFER, L"The data area passed to a system call is too small."},
	{ERROR_INVALID_NAME, L"The filename, directory name, or volume label syntax is incorrect."},
	{ERROR_INVALID_LEVEL, L"The system call level is not correct."},
	{ERROR_MOD_NOT_FOUND, L"The specified module could not be found."},
	{ERROR_PROC_NOT_FOUND, L"The specified procedure could not be found."},
	{ERROR_WAIT_NO_CHILDREN, L"There are no child processes to wait for."},
	{ERROR_NEGATIVE_SEEK, L"An attempt was made to move the file pointer before the beginning of the file."},
	{ERROR_DIR_NOT_EMPTY, L"The directory is not empty."},
	{ERROR_NOT_LOCKED, L"The segment is already unlocked."},
	{ERROR_BAD_PATHNAME, L"The specified path is invalid."},
	{ERROR_MAX_THRDS_REACHED, L"No more threads can be created in the system."},
	{ERROR_BUSY, L"The requested resource is in use."},
	{ERROR_INVALID_ORDINAL, L"The operating system cannot run %1."},
	{ERROR_ALREADY_EXISTS, L"Cannot create a file when that file already exists."},
	{ERROR_BAD_EXE_FORMAT, L"%1 is not a valid Win32 application."},
	{ERROR_ENVVAR_NOT_FOUND, L"The system could not find the environment option that was entered."},
	{ERROR_FILENAME_EXCED_RANGE, L"The filename or extension is too long."},
	{ERROR_BAD_PIPE, L"The pipe state is invalid."},
	{ERROR_PIPE_BUSY, L"All pipe instances are busy."},
	{ERROR_NO_DATA, L"The pipe is being closed."},
	{ERROR_PIPE_NOT_CONNECTED, L"No process is on the other end of the pipe."},
	{ERROR_MORE_DATA, L"More data is available."},
	{WAIT_TIMEOUT, L"The wait operation timed out."},
	{ERROR_NO_MORE_ITEMS, L"No more data is available."},
	{ERROR_DIRECTORY, L"The directory name is invalid."},
	{ERROR_NOT_OWNER, L"Attempt to release mutex not owned by caller."},
	{ERROR_TOO_MANY_POSTS, L"Too many posts were made to a semaphore."},
	{ERROR_PARTIAL_COPY, L"Only part of a ReadProcessMemory or WriteProcessMemory request was completed."},
	{ERROR_MR_MID_NOT_FOUND, L"The system cannot find message text for message number 0x%1 in the message file for %2."},
	{ERROR_INVALID_ADDRESS, L"Attempt to access invalid address."},
	{ERROR_ARITHMETIC_OVERFLOW, L"Arithmetic result exceeded 32 bits."},
	{ERROR_PIPE_CONNECTED, L"There is a process on other end of the pipe."},
	{ERROR_PIPE_LISTENING, L"Waiting for a process to open the other end of the pipe."},
	{ERROR_OPERATION_ABORTED, L"The I/O operation has been aborted because of either a thread exit or an application request."},
	{ERROR_IO_INCOMPLETE, L"Overlapped I/O event is not in a signaled state."},
	{ERROR_IO_PENDING, L"Overlapped I/O operation is in progress."},
	{ERROR_NOACCESS, L"Invalid access to memory location."},
	{ERROR_SWAPERROR, L"Error performing inpage operation."},
	{ERROR_STACK_OVERFLOW, L"Recursion too deep; the stack overflowed."},
	{ERROR_INVALID_FLAGS, L"Invalid flags."},
	{ERROR_UNRECOGNIZED_VOLUME, L"The volume does not contain a recognized file system.%nPlease make sure that all required file system drivers are loaded and that the volume is not corrupted."},
	{ERROR_FILE_INVALID, L"The volume for a file has been externally altered so that the opened file is no longer valid."},
	{ERROR_NO_TOKEN, L"An attempt was made to reference a token that does not exist."},
	{ERROR_NO_UNICODE_TRANSLATION, L"No mapping for the Unicode character exists in the target multi-byte code page."},
	{ERROR_DLL_INIT_FAILED, L"A dynamic link library (DLL) initialization routine failed."},
	{ERROR_IO_DEVICE, L"The request could not be performed because of an I/O device error."},
	{ERROR_MAPPED_ALIGNMENT, L"The base address or the file offset specified does not have the proper alignment."},
	{ERROR_NOT_FOUND, L"Element not found."},
	{ERROR_CANCELLED, L"The operation was canceled by the user."},
	{ERROR_USER_MAPPED_FILE, L"The requested operation cannot be performed on a file with a user-mapped section open."},
	{ERROR_NOT_ALL_ASSIGNED, L"Not all privileges or groups referenced are assigned to the caller."},
	{ERROR_NO_SUCH_PRIVILEGE, L"A specified privilege does not exist."},
	{ERROR_PRIVILEGE_NOT_HELD, L"A required privilege is not held by the client."},
	{ERROR_INTERNAL_ERROR, L"An internal error occurred."},
	{ERROR_NO_SYSTEM_RESOURCES, L"Insufficient system resources exist to complete the requested service."},
	{ERROR_WORKING_SET_QUOTA, L"Insufficient quota to complete the requested service."},
	{ERROR_PAGEFILE_QUOTA, L"Insufficient quota to complete the requested service."},
	{ERROR_COMMITMENT_LIMIT, L"The paging file is too small for this operation to complete."},
	{ERROR_TIMEOUT, L"This operation returned because the timeout period expired."},
	{ERROR_RESOURCE_DATA_NOT_FOUND, L"The specified image file did not contain a resource section."},
	{ERROR_RESOURCE_TYPE_NOT_FOUND, L"The specified resource type cannot be found in the image file."},
	{ERROR_RESOURCE_NAME_NOT_FOUND, L"The specified resource name cannot be found in the image file."},
	{ERROR_NOT_ENOUGH_QUOTA, L"Not enough quota is available to process this command."},
	{(DWORD)E_NOTIMPL, L"Not implemented"},
	{(DWORD)E_OUTOFMEMORY, L"Not enough memory resources are available to complete this operation."},
	{(DWORD)E_INVALIDARG, L"The parameter is incorrect."},
	{(DWORD)E_NOINTERFACE, L"No such interface supported"},
	{(DWORD)E_POINTER, L"Invalid pointer"},
	{(DWORD)E_HANDLE, L"The handle is invalid."},
	{(DWORD)E_ABORT, L"Operation aborted"},
	{(DWORD)E_FAIL, L"Unspecified error"},
	{(DWORD)E_ACCESSDENIED, L"Access is denied."},
};
/* clang-format on */

static LPCWSTR system_message(DWORD id)
{
	if ((id & 0xffff0000) == 0x80070000) /* HRESULT_FROM_WIN32 */
		id &= 0xffff;
	for (size_t i = 0; i < ARRAY_COUNT(messages); i++)
		if (messages[i].id == id)
			return messages[i].text;
	return NULL;
}

#define ERROR_NO_WORK_DONE_ 235 /* the headers lack it */

struct text {
	PWSTR p;
	SIZE_T n, room;
	BOOL failed;
};

static void append(struct text *t, LPCWSTR s, SIZE_T n)
{
	if (t->failed)
		return;
	if (t->n + n + 1 > t->room) {
		SIZE_T room = max(2 * t->room, t->n + n + 256);
		PWSTR bigger = heap_new(room * sizeof(WCHAR));

		if (!bigger) {
			t->failed = TRUE;
			return;
		}
		if (t->p)
			memcpy(bigger, t->p, t->n * sizeof(WCHAR));
		heap_delete(t->p);
		t->p = bigger;
		t->room = room;
	}
	memcpy(t->p + t->n, s, n * sizeof(WCHAR));
	t->n += n;
	t->p[t->n] = 0;
}

/* Where inserts come from: an array of words, or a va_list, which must be read in order. */
struct inserts {
	BOOL is_array, ansi;
	const ULONG_PTR *array;
	va_list *list;
	ULONG_PTR read[99];
	unsigned nread;
	BOOL missing; /* one was wanted, and there are none */
};

static ULONG_PTR insert(struct inserts *in, unsigned n)
{
	if (!in->list) {
		in->missing = TRUE;
		return 0;
	}
	if (in->is_array)
		return in->array[n - 1];
	while (in->nread < n)
		in->read[in->nread++] = va_arg(*in->list, ULONG_PTR);
	return in->read[n - 1];
}

/*
 * Formats one insert by its printf text between the exclamation marks; '*' takes further inserts.
 * A plain "%1" is a string of the call's own kind.
 */
static void put_insert(struct text *t, struct inserts *in, unsigned *n, LPCWSTR fmt, SIZE_T len)
{
	WCHAR spec[40] = L"%", buf[512], *s = spec + 1;
	ULONG_PTR arg[3];
	unsigned args = 0;
	WCHAR kind;

	if (!len)
		fmt = L"s", len = 1;
	if (len >= ARRAY_COUNT(spec) - 4)
		len = ARRAY_COUNT(spec) - 4;
	for (SIZE_T i = 0; i < len; i++) {
		if (fmt[i] == '*' && args < 2)
			arg[args++] = insert(in, (*n)++);
		*s++ = fmt[i];
	}
	*s = 0;
	kind = s[-1];
	arg[args++] = insert(in, *n);
	if (in->missing)
		return;
	if ((kind == 's' || kind == 'S' || kind == 'c' || kind == 'C') && in->ansi) {
		/* narrow is the natural kind of the ANSI call: swap for the wide formatter */
		if (s[-2] != 'h' && s[-2] != 'l' && s[-2] != 'w')
			s[-1] = kind == 's' ? 'S' : kind == 'S' ? 's' : kind == 'c' ? 'C' : 'c';
	}
	if (kind == 's' && len == 1 && !in->ansi && arg[0]) { /* long strings are no trouble */
		append(t, (LPCWSTR)arg[0], wcslen((LPCWSTR)arg[0]));
		return;
	}
	if (kind == 's' && len == 1 && in->ansi && arg[0]) {
		PWSTR w;

		if (wide_copy((LPCSTR)arg[0], &w)) {
			append(t, w, wcslen(w));
			heap_delete(w);
		}
		return;
	}
	buf[ARRAY_COUNT(buf) - 1] = 0;
	_snwprintf(buf, ARRAY_COUNT(buf) - 1, spec, arg[0], args > 1 ? arg[1] : 0,
		   args > 2 ? arg[2] : 0);
	append(t, buf, wcslen(buf));
}

/* FALSE: the text ends in a single '%'. */
static BOOL format_text(struct text *t, LPCWSTR s, DWORD flags, struct inserts *in)
{
	BOOL raw = (flags & FORMAT_MESSAGE_IGNORE_INSERTS) != 0;
	unsigned width = flags & FORMAT_MESSAGE_MAX_WIDTH_MASK;

	for (; *s; s++) {
		if (*s == '\r' || *s == '\n') { /* soft breaks vanish where a width is given */
			if (*s == '\r' && s[1] == '\n')
				s++;
			if (width)
				append(t, L" ", 1);
			else
				append(t, L"\r\n", 2);
			continue;
		}
		if (*s != '%' || (raw && s[1] && !wcschr(L"nrt0", s[1]))) {
			append(t, s, 1);
			if (raw && *s == '%')
				append(t, ++s, 1);
			continue;
		}
		s++;
		if (*s >= '1' && *s <= '9') {
			unsigned n = *s - '0';
			LPCWSTR end;

			if (s[1] >= '0' && s[1] <= '9')
				n = n * 10 + *++s - '0';
			if (s[1] == '!' && (end = wcschr(s + 2, '!'))) {
				put_insert(t, in, &n, s + 2, end - s - 2);
				s = end;
			} else {
				put_insert(t, in, &n, NULL, 0);
			}
			continue;
		}
		switch (*s) {
		case '0': /* ends the text without a line break */
			return TRUE;
		case 'n':
			append(t, L"\r\n", 2);
			break;
		case 'r':
			append(t, L"\r", 1);
			break;
		case 't':
			append(t, L"\t", 1);
			break;
		case 0:
			return fail(ERROR_INVALID_PARAMETER);
		default:
			append(t, s, 1);
		}
	}
	return TRUE;
}

static BOOL make_text(struct text *t, DWORD flags, LPCVOID source, DWORD id, BOOL ansi,
		      va_list *args)
{
	struct inserts in = {.is_array = (flags & FORMAT_MESSAGE_ARGUMENT_ARRAY) != 0,
			     .ansi = ansi,
			     .array = (const ULONG_PTR *)args,
			     .list = args};
	LPCWSTR text = NULL;
	PWSTR own = NULL;
	BOOL ok;

	if (flags & FORMAT_MESSAGE_FROM_STRING) {
		if (!source)
			return fail(ERROR_INVALID_PARAMETER);
		if (ansi) {
			if (!wide_copy(source, &own))
				return FALSE;
			text = own;
		} else {
			text = source;
		}
	} else if (flags & (FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_FROM_HMODULE)) {
		if (flags & FORMAT_MESSAGE_FROM_SYSTEM)
			text = system_message(id);
		if (!text)
			return fail(ERROR_MR_MID_NOT_FOUND);
	} else {
		return fail(ERROR_INVALID_PARAMETER);
	}
	append(t, L"", 0);
	ok = format_text(t, text, flags, &in) && (!in.missing || fail(ERROR_INVALID_PARAMETER));
	/* messages of the system end their line; with a width given, in a blank */
	if (!(flags & FORMAT_MESSAGE_FROM_STRING)) {
		if (flags & FORMAT_MESSAGE_MAX_WIDTH_MASK)
			append(t, L" ", 1);
		else
			append(t, L"\r\n", 2);
	}
	heap_delete(own);
	if (t->failed)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	return ok && (t->n || fail(ERROR_NO_WORK_DONE_));
}

DWORD WINAPI FormatMessageW(DWORD flags, LPCVOID source, DWORD id, DWORD language, LPWSTR out,
			    DWORD room, va_list *args)
{
	struct text t = {0};
	DWORD n = 0;

	(void)language;
	if (!out)
		return (DWORD)fail(flags & FORMAT_MESSAGE_ALLOCATE_BUFFER
				       ? ERROR_NOT_ENOUGH_MEMORY
				       : ERROR_INVALID_PARAMETER);
	if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER)
		*(LPWSTR *)out = NULL;
	if (make_text(&t, flags, source, id, FALSE, args)) {
		n = (DWORD)t.n;
		if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
			PWSTR copy = LocalAlloc(LMEM_FIXED, max(n + 1, room) * sizeof(WCHAR));

			if (copy)
				wcscpy(copy, t.p);
			*(LPWSTR *)out = copy;
			n = copy ? n : 0;
		} else if (n + 1 > room) {
			if (room) {
				memcpy(out, t.p, (room - 1) * sizeof(WCHAR));
				out[room - 1] = 0;
			}
			n = (DWORD)fail(ERROR_INSUFFICIENT_BUFFER);
		} else {
			wcscpy(out, t.p);
		}
	}
	heap_delete(t.p);
	return n;
}

DWORD WINAPI FormatMessageA(DWORD flags, LPCVOID source, DWORD id, DWORD language, LPSTR out,
			    DWORD room, va_list *args)
{
	struct text t = {0};
	DWORD n = 0;

	(void)language;
	if (!out)
		return (DWORD)fail(flags & FORMAT_MESSAGE_ALLOCATE_BUFFER
				       ? ERROR_NOT_ENOUGH_MEMORY
				       : ERROR_INVALID_PARAMETER);
	if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER)
		*(LPSTR *)out = NULL;
	if (make_text(&t, flags, source, id, TRUE, args)) {
		n = (DWORD)t.n;
		if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
			PSTR copy = LocalAlloc(LMEM_FIXED, max(n + 1, room));

			if (copy)
				ansi_result(t.p, t.n, copy, n + 1);
			*(LPSTR *)out = copy;
			n = copy ? n : 0;
		} else if (n + 1 > room) {
			n = (DWORD)fail(ERROR_INSUFFICIENT_BUFFER);
		} else {
			ansi_result(t.p, t.n, out, room);
		}
	}
	heap_delete(t.p);
	return n;
}
