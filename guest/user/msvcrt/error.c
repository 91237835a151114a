/*
 * errno, Win32 errors as errno values, and their texts.
 */
#include "guest/user/msvcrt/crt.h"

/* Win32 error -> errno, in the order of Microsoft's documentation of _dosmaperr's effects. */
static const struct {
	unsigned short win32, code;
} map[] = {
    {ERROR_INVALID_FUNCTION, EINVAL},
    {ERROR_FILE_NOT_FOUND, ENOENT},
    {ERROR_PATH_NOT_FOUND, ENOENT},
    {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
    {ERROR_ACCESS_DENIED, EACCES},
    {ERROR_INVALID_HANDLE, EBADF},
    {ERROR_ARENA_TRASHED, ENOMEM},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
    {ERROR_INVALID_BLOCK, ENOMEM},
    {ERROR_BAD_ENVIRONMENT, E2BIG},
    {ERROR_BAD_FORMAT, ENOEXEC},
    {ERROR_INVALID_ACCESS, EINVAL},
    {ERROR_INVALID_DATA, EINVAL},
    {ERROR_INVALID_DRIVE, ENOENT},
    {ERROR_CURRENT_DIRECTORY, EACCES},
    {ERROR_NOT_SAME_DEVICE, EXDEV},
    {ERROR_NO_MORE_FILES, ENOENT},
    {ERROR_LOCK_VIOLATION, EACCES},
    {ERROR_BAD_NETPATH, ENOENT},
    {ERROR_NETWORK_ACCESS_DENIED, EACCES},
    {ERROR_BAD_NET_NAME, ENOENT},
    {ERROR_FILE_EXISTS, EEXIST},
    {ERROR_CANNOT_MAKE, EACCES},
    {ERROR_FAIL_I24, EACCES},
    {ERROR_INVALID_PARAMETER, EINVAL},
    {ERROR_NO_PROC_SLOTS, EAGAIN},
    {ERROR_DRIVE_LOCKED, EACCES},
    {ERROR_BROKEN_PIPE, EPIPE},
    {ERROR_NO_DATA, EPIPE},
    {ERROR_DISK_FULL, ENOSPC},
    {ERROR_INVALID_TARGET_HANDLE, EBADF},
    {ERROR_WAIT_NO_CHILDREN, ECHILD},
    {ERROR_CHILD_NOT_COMPLETE, ECHILD},
    {ERROR_DIRECT_ACCESS_HANDLE, EBADF},
    {ERROR_NEGATIVE_SEEK, EINVAL},
    {ERROR_SEEK_ON_DEVICE, EACCES},
    {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
    {ERROR_NOT_LOCKED, EACCES},
    {ERROR_BAD_PATHNAME, ENOENT},
    {ERROR_MAX_THRDS_REACHED, EAGAIN},
    {ERROR_LOCK_FAILED, EACCES},
    {ERROR_ALREADY_EXISTS, EEXIST},
    {ERROR_FILENAME_EXCED_RANGE, ENOENT},
    {ERROR_NESTING_NOT_ALLOWED, EAGAIN},
    {ERROR_NOT_ENOUGH_QUOTA, ENOMEM},
    {ERROR_DIRECTORY, ENOENT},
    {ERROR_INVALID_NAME, ENOENT},
    {ERROR_COMMITMENT_LIMIT, ENOMEM},
};

void __cdecl _dosmaperr(unsigned long win32_error)
{
	int code = EINVAL;

	for (size_t i = 0; i < ARRAYSIZE(map); i++) {
		if (map[i].win32 == win32_error) {
			code = map[i].code;
			goto found;
		}
	}
	/* Two ranges: write-protect ... sharing-buffer errors, and bad executable images. */
	if (win32_error >= ERROR_WRITE_PROTECT && win32_error <= ERROR_SHARING_BUFFER_EXCEEDED)
		code = EACCES;
	else if (win32_error >= ERROR_INVALID_STARTING_CODESEG &&
		 win32_error <= ERROR_INFLOOP_IN_RELOC_CHAIN)
		code = ENOEXEC;
found:
	errno = code;
	_doserrno = win32_error;
}

int crt_fail(void)
{
	_dosmaperr(GetLastError());
	return -1;
}

int crt_fail_with(int code)
{
	errno = code;
	_doserrno = 0;
	return -1;
}

int _get_errno(int *value)
{
	if (!value)
		return EINVAL;
	*value = errno;
	return 0;
}

int _set_errno(int value)
{
	errno = value;
	return 0;
}

static _invalid_parameter_handler invalid_handler;

_invalid_parameter_handler _set_invalid_parameter_handler(_invalid_parameter_handler handler)
{
	return InterlockedExchangePointer((void **)&invalid_handler, handler);
}

_invalid_parameter_handler _get_invalid_parameter_handler(void)
{
	return invalid_handler;
}

int crt_invalid(int code)
{
	errno = code;
	if (invalid_handler)
		invalid_handler(NULL, NULL, NULL, 0, 0);
	return code;
}

void _invalid_parameter(const wchar_t *expression, const wchar_t *function, const wchar_t *file,
			unsigned line, uintptr_t reserved)
{
	if (invalid_handler)
		invalid_handler(expression, function, file, line, reserved);
}

/* The texts of Microsoft's errno values; the last is for all others. */
char *crt_sys_errlist[] = {
    "No error",
    "Operation not permitted",
    "No such file or directory",
    "No such process",
    "Interrupted function call",
    "Input/output error",
    "No such device or address",
    "Arg list too long",
    "Exec format error",
    "Bad file descriptor",
    "No child processes",
    "Resource temporarily unavailable",
    "Not enough space",
    "Permission denied",
    "Bad address",
    "Unknown error",
    "Resource device",
    "File exists",
    "Improper link",
    "No such device",
    "Not a directory",
    "Is a directory",
    "Invalid argument",
    "Too many open files in system",
    "Too many open files",
    "Inappropriate I/O control operation",
    "Unknown error",
    "File too large",
    "No space left on device",
    "Invalid seek",
    "Read-only file system",
    "Too many links",
    "Broken pipe",
    "Domain error",
    "Result too large",
    "Unknown error",
    "Resource deadlock avoided",
    "Unknown error",
    "Filename too long",
    "No locks available",
    "Function not implemented",
    "Directory not empty",
    "Illegal byte sequence",
    "Unknown error",
};
int crt_sys_nerr = ARRAYSIZE(crt_sys_errlist) - 1;

static const char *error_text(int code)
{
	return crt_sys_errlist[code >= 0 && code < crt_sys_nerr ? code : crt_sys_nerr];
}

char *strerror(int code)
{
	struct thread_data *data = crt_thread();

	return strcpy(data->strerror_text, error_text(code));
}

wchar_t *_wcserror(int code)
{
	struct thread_data *data = crt_thread();
	const char *text = error_text(code);
	size_t i = 0;

	do {
		data->wcserror_text[i] = (unsigned char)text[i];
	} while (text[i++]);
	return data->wcserror_text;
}

/* "prefix: text\n" in the thread's buffer, the prefix cut to what fits. */
char *_strerror(const char *prefix)
{
	enum { PREFIX_MAX = 94 };
	struct thread_data *data = crt_thread();
	char *to = data->strerror_text;

	*to = 0;
	if (prefix && *prefix) {
		strncat(to, prefix, PREFIX_MAX);
		strcat(to, ": ");
	}
	strcat(to, error_text(data->err));
	return strcat(to, "\n");
}

wchar_t *__wcserror(const wchar_t *prefix)
{
	enum { PREFIX_MAX = 94 };
	struct thread_data *data = crt_thread();
	wchar_t *to = data->wcserror_text;
	const char *text = error_text(data->err);
	size_t n;

	*to = 0;
	if (prefix && *prefix) {
		wcsncat(to, prefix, PREFIX_MAX);
		wcscat(to, L": ");
	}
	n = wcslen(to);
	while (*text)
		to[n++] = (unsigned char)*text++;
	to[n++] = '\n';
	to[n] = 0;
	return to;
}

int strerror_s(char *to, size_t size, int code)
{
	if (!to || !size)
		return crt_invalid(EINVAL);
	*to = 0;
	strncat(to, error_text(code), size - 1);
	return 0;
}

int _strerror_s(char *to, size_t size, const char *prefix)
{
	if (!to || !size)
		return crt_invalid(EINVAL);
	*to = 0;
	strncat(to, _strerror(prefix), size - 1);
	return 0;
}

int _wcserror_s(wchar_t *to, size_t size, int code)
{
	if (!to || !size)
		return crt_invalid(EINVAL);
	*to = 0;
	wcsncat(to, _wcserror(code), size - 1);
	return 0;
}

int __wcserror_s(wchar_t *to, size_t size, const wchar_t *prefix)
{
	if (!to || !size)
		return crt_invalid(EINVAL);
	*to = 0;
	wcsncat(to, __wcserror(prefix), size - 1);
	return 0;
}

void perror(const char *prefix)
{
	int code = errno;

	if (prefix && *prefix) {
		fputs(prefix, stderr);
		fputs(": ", stderr);
	}
	fputs(error_text(code), stderr);
	fputs("\n", stderr);
}

void _wperror(const wchar_t *prefix)
{
	char *narrow = prefix ? crt_narrow(prefix) : NULL;

	perror(narrow);
	free(narrow);
}
