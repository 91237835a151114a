/*
 * The console: standard handles, and what a program may ask of a console.
 *
 * A standard handle that is a terminal on the host is a console device here, which knows its mode
 * and nothing of a screen: text goes through as it is, and calls about the screen's cells fail as
 * they do for any handle that is no screen buffer. Pipes and files are no consoles at all.
 */
#include "guest/user/kernel32/k32.h"

static HANDLE *standard(DWORD which)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;

	switch (which) {
	case (DWORD)STD_INPUT_HANDLE:
		return &params->StandardInput;
	case (DWORD)STD_OUTPUT_HANDLE:
		return &params->StandardOutput;
	case (DWORD)STD_ERROR_HANDLE:
		return &params->StandardError;
	}
	fail(ERROR_INVALID_HANDLE);
	return NULL;
}

HANDLE WINAPI GetStdHandle(DWORD which)
{
	HANDLE *h = standard(which);

	return h ? *h : INVALID_HANDLE_VALUE;
}

WINBOOL WINAPI SetStdHandle(DWORD which, HANDLE value)
{
	HANDLE *h = standard(which);

	if (h)
		*h = value;
	return h != NULL;
}

BOOL is_console(HANDLE h)
{
	FILE_FS_DEVICE_INFORMATION dev;
	IO_STATUS_BLOCK iosb;

	return NT_SUCCESS(NtQueryVolumeInformationFile(h, &iosb, &dev, sizeof(dev),
						       FileFsDeviceInformation)) &&
	       dev.DeviceType == FILE_DEVICE_CONSOLE_;
}

static BOOL need_console(HANDLE h)
{
	return is_console(h) || fail(ERROR_INVALID_HANDLE);
}

static DWORD input_mode = ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT;
static DWORD output_mode = ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT;

static DWORD *mode_of(HANDLE h)
{
	OBJECT_BASIC_INFORMATION basic;

	/* An input device cannot be written. */
	if (h == NtCurrentPeb()->ProcessParameters->StandardInput)
		return &input_mode;
	if (NT_SUCCESS(NtQueryObject(h, ObjectBasicInformation, &basic, sizeof(basic), NULL)) &&
	    !(basic.GrantedAccess & FILE_WRITE_DATA))
		return &input_mode;
	return &output_mode;
}

WINBOOL WINAPI GetConsoleMode(HANDLE h, LPDWORD mode)
{
	if (!need_console(h))
		return FALSE;
	*mode = *mode_of(h);
	return TRUE;
}

WINBOOL WINAPI SetConsoleMode(HANDLE h, DWORD mode)
{
	if (!need_console(h))
		return FALSE;
	*mode_of(h) = mode;
	return TRUE;
}

WINBOOL WINAPI WriteConsoleA(HANDLE h, CONST VOID *text, DWORD count, LPDWORD done, LPVOID reserved)
{
	DWORD n;

	(void)reserved;
	return need_console(h) && WriteFile(h, text, count, done ? done : &n, NULL);
}

/* The host's terminal takes UTF-8. */
WINBOOL WINAPI WriteConsoleW(HANDLE h, CONST VOID *text, DWORD count, LPDWORD done, LPVOID reserved)
{
	char buffer[600];
	const WCHAR *p = text;
	DWORD left = count, n;

	(void)reserved;
	if (!need_console(h))
		return FALSE;
	while (left) {
		DWORD piece = min(left, 200u);
		ULONG bytes;

		if (piece < left && (p[piece - 1] & 0xfc00) == 0xd800)
			piece--; /* keep a surrogate pair together */
		RtlUnicodeToUTF8N(buffer, sizeof(buffer), &bytes, p, piece * sizeof(WCHAR));
		if (!WriteFile(h, buffer, bytes, &n, NULL))
			return FALSE;
		p += piece;
		left -= piece;
	}
	if (done)
		*done = count;
	return TRUE;
}

WINBOOL WINAPI ReadConsoleA(HANDLE h, LPVOID out, DWORD count, LPDWORD done, LPVOID control)
{
	(void)control;
	return need_console(h) && ReadFile(h, out, count, done, NULL);
}

WINBOOL WINAPI ReadConsoleW(HANDLE h, LPVOID out, DWORD count, LPDWORD done, LPVOID control)
{
	char *bytes;
	DWORD n;
	ULONG got = 0;
	BOOL ok;

	(void)control;
	if (!need_console(h))
		return FALSE;
	bytes = heap_new(count + 1);
	if (!bytes)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	ok = ReadFile(h, bytes, count, &n, NULL);
	if (ok)
		RtlUTF8ToUnicodeN(out, count * sizeof(WCHAR), &got, bytes, n);
	heap_delete(bytes);
	if (done)
		*done = got / sizeof(WCHAR);
	return ok;
}

/* --- a screen: there is none --- */

#define NO_SCREEN(name, ...)                         \
	WINBOOL WINAPI name(HANDLE h, ##__VA_ARGS__) \
	{                                            \
		(void)h;                             \
		return fail(ERROR_INVALID_HANDLE);   \
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
NO_SCREEN(GetConsoleScreenBufferInfo, PCONSOLE_SCREEN_BUFFER_INFO info)
NO_SCREEN(GetConsoleScreenBufferInfoEx, PCONSOLE_SCREEN_BUFFER_INFOEX info)
NO_SCREEN(SetConsoleTextAttribute, WORD attributes)
NO_SCREEN(SetConsoleCursorPosition, COORD position)
NO_SCREEN(GetConsoleCursorInfo, PCONSOLE_CURSOR_INFO info)
NO_SCREEN(SetConsoleCursorInfo, CONST CONSOLE_CURSOR_INFO *info)
NO_SCREEN(SetConsoleScreenBufferSize, COORD size)
NO_SCREEN(SetConsoleWindowInfo, WINBOOL absolute, CONST SMALL_RECT *rect)
NO_SCREEN(FillConsoleOutputCharacterA, CHAR c, DWORD n, COORD at, LPDWORD done)
NO_SCREEN(FillConsoleOutputCharacterW, WCHAR c, DWORD n, COORD at, LPDWORD done)
NO_SCREEN(FillConsoleOutputAttribute, WORD a, DWORD n, COORD at, LPDWORD done)
NO_SCREEN(ReadConsoleInputA, PINPUT_RECORD in, DWORD n, LPDWORD done)
NO_SCREEN(ReadConsoleInputW, PINPUT_RECORD in, DWORD n, LPDWORD done)
NO_SCREEN(PeekConsoleInputA, PINPUT_RECORD in, DWORD n, LPDWORD done)
NO_SCREEN(PeekConsoleInputW, PINPUT_RECORD in, DWORD n, LPDWORD done)
NO_SCREEN(WriteConsoleInputA, CONST INPUT_RECORD *in, DWORD n, LPDWORD done)
NO_SCREEN(WriteConsoleInputW, CONST INPUT_RECORD *in, DWORD n, LPDWORD done)
NO_SCREEN(GetNumberOfConsoleInputEvents, LPDWORD n)
NO_SCREEN(FlushConsoleInputBuffer)
#pragma GCC diagnostic pop

HWND WINAPI GetConsoleWindow(VOID)
{
	return NULL;
}

WINBOOL WINAPI AllocConsole(VOID)
{
	return fail(ERROR_ACCESS_DENIED); /* there is one already */
}

WINBOOL WINAPI FreeConsole(VOID)
{
	return TRUE;
}

WINBOOL WINAPI AttachConsole(DWORD id)
{
	(void)id;
	return fail(ERROR_ACCESS_DENIED);
}

WINBOOL WINAPI SetConsoleTitleW(LPCWSTR title)
{
	(void)title; /* kept by nobody: there is no window to show it */
	return TRUE;
}

WINBOOL WINAPI SetConsoleTitleA(LPCSTR title)
{
	(void)title;
	return TRUE;
}

DWORD WINAPI GetConsoleTitleW(LPWSTR out, DWORD room)
{
	PUNICODE_STRING exe = &NtCurrentPeb()->ProcessParameters->ImagePathName;
	DWORD n = min((DWORD)(exe->Length / sizeof(WCHAR)), room ? room - 1 : 0);

	if (room) {
		memcpy(out, exe->Buffer, n * sizeof(WCHAR));
		out[n] = 0;
	}
	return n;
}

DWORD WINAPI GetConsoleTitleA(LPSTR out, DWORD room)
{
	WCHAR wide[MAX_PATH];
	DWORD n = GetConsoleTitleW(wide, MAX_PATH);

	return ansi_result(wide, n, out, room);
}

DWORD WINAPI GetConsoleProcessList(LPDWORD list, DWORD room)
{
	if (!room)
		return fail(ERROR_INVALID_PARAMETER);
	list[0] = GetCurrentProcessId();
	return 1;
}

/* --- code pages of the console: programs may set them; bytes go through untouched --- */

static UINT input_page = 437, output_page = 437;

UINT WINAPI GetConsoleCP(VOID)
{
	return input_page;
}

UINT WINAPI GetConsoleOutputCP(VOID)
{
	return output_page;
}

WINBOOL WINAPI SetConsoleCP(UINT page)
{
	if (!IsValidCodePage(page))
		return fail(ERROR_INVALID_PARAMETER);
	input_page = page;
	return TRUE;
}

WINBOOL WINAPI SetConsoleOutputCP(UINT page)
{
	if (!IsValidCodePage(page))
		return fail(ERROR_INVALID_PARAMETER);
	output_page = page;
	return TRUE;
}

/* --- control handlers: last one set is asked first; the default ends the process --- */

static SRWLOCK handlers_lock;
static PHANDLER_ROUTINE handlers[64];
static unsigned nhandlers;
static BOOL ignore_ctrl_c;

WINBOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE routine, WINBOOL add)
{
	BOOL ok = FALSE;

	if (!routine) {
		ignore_ctrl_c = add;
		return TRUE;
	}
	RtlAcquireSRWLockExclusive(&handlers_lock);
	if (add) {
		ok = nhandlers < ARRAY_COUNT(handlers);
		if (ok)
			handlers[nhandlers++] = routine;
	} else {
		for (unsigned i = nhandlers; i-- > 0 && !ok;) {
			if (handlers[i] != routine)
				continue;
			memmove(&handlers[i], &handlers[i + 1],
				(nhandlers - i - 1) * sizeof(handlers[0]));
			nhandlers--;
			ok = TRUE;
		}
	}
	RtlReleaseSRWLockExclusive(&handlers_lock);
	return ok || fail(add ? ERROR_NOT_ENOUGH_MEMORY : ERROR_INVALID_PARAMETER);
}

static DWORD WINAPI deliver_ctrl(LPVOID arg)
{
	DWORD event = (DWORD)(ULONG_PTR)arg;
	PHANDLER_ROUTINE copy[64];
	unsigned n;

	RtlAcquireSRWLockShared(&handlers_lock);
	n = nhandlers;
	memcpy(copy, handlers, n * sizeof(copy[0]));
	RtlReleaseSRWLockShared(&handlers_lock);
	while (n-- > 0)
		if (copy[n](event))
			return 0;
	ExitProcess((UINT)STATUS_CONTROL_C_EXIT);
}

/* An event for this process itself, as GenerateConsoleCtrlEvent sends it to a group. */
WINBOOL WINAPI GenerateConsoleCtrlEvent(DWORD event, DWORD group)
{
	HANDLE h;

	if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
		return fail(ERROR_INVALID_PARAMETER);
	if (group && group != GetCurrentProcessId())
		return fail(ERROR_INVALID_PARAMETER);
	if (event == CTRL_C_EVENT && ignore_ctrl_c)
		return TRUE;
	h = CreateThread(NULL, 0, deliver_ctrl, (LPVOID)(ULONG_PTR)event, 0, NULL);
	if (!h)
		return FALSE;
	NtClose(h);
	return TRUE;
}
