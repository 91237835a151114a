/*
 * user32: what console programs want of it. There is no desktop: a message box is a line on stderr,
 * answered by its default button.
 */
#include "guest/user/include/nt.h"
#include <winuser.h>

/* Button that a box's default is, by its type (low four bits) and its default-button bits. */
static int answer(UINT type)
{
	static const UCHAR buttons[][3] = {
	    [MB_OK] = {IDOK, IDOK, IDOK},
	    [MB_OKCANCEL] = {IDOK, IDCANCEL, IDCANCEL},
	    [MB_ABORTRETRYIGNORE] = {IDABORT, IDRETRY, IDIGNORE},
	    [MB_YESNOCANCEL] = {IDYES, IDNO, IDCANCEL},
	    [MB_YESNO] = {IDYES, IDNO, IDNO},
	    [MB_RETRYCANCEL] = {IDRETRY, IDCANCEL, IDCANCEL},
	    [MB_CANCELTRYCONTINUE] = {IDCANCEL, IDTRYAGAIN, IDCONTINUE},
	};
	UINT kind = type & MB_TYPEMASK, which = (type & MB_DEFMASK) >> 8;

	if (kind >= sizeof(buttons) / sizeof(buttons[0]))
		return 0;
	return buttons[kind][which > 2 ? 0 : which];
}

static void write_error(const char *text, size_t n)
{
	HANDLE h = NtCurrentPeb()->ProcessParameters->StandardError;
	IO_STATUS_BLOCK iosb;

	NtWriteFile(h, NULL, NULL, NULL, &iosb, text, (ULONG)n, NULL, NULL);
}

int WINAPI MessageBoxA(HWND window, LPCSTR text, LPCSTR caption, UINT type)
{
	if (window) {
		NtCurrentTeb()->LastErrorValue = ERROR_INVALID_WINDOW_HANDLE;
		return 0;
	}
	if (!caption)
		caption = "Error";
	write_error(caption, strlen(caption));
	write_error(": ", 2);
	if (text)
		write_error(text, strlen(text));
	write_error("\n", 1);
	return answer(type);
}

static PSTR narrow(LPCWSTR text)
{
	SIZE_T n = text ? wcslen(text) : 0;
	PSTR a = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, 3 * n + 1);
	ULONG got = 0;

	if (a) {
		if (n)
			RtlUnicodeToUTF8N(a, (ULONG)(3 * n), &got, text,
					  (ULONG)(n * sizeof(WCHAR)));
		a[got] = 0;
	}
	return a;
}

int WINAPI MessageBoxW(HWND window, LPCWSTR text, LPCWSTR caption, UINT type)
{
	PSTR t = narrow(text), c = caption ? narrow(caption) : NULL;
	int result = t ? MessageBoxA(window, t, c, type) : 0;

	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, t);
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, c);
	return result;
}

int WINAPI MessageBoxExA(HWND window, LPCSTR text, LPCSTR caption, UINT type, WORD language)
{
	(void)language;
	return MessageBoxA(window, text, caption, type);
}

WINBOOL WINAPI MessageBeep(UINT type)
{
	(void)type;
	return TRUE;
}

/* No window, no message: a wait would be for ever, so the calls say that there is none. */
HWND WINAPI GetDesktopWindow(VOID)
{
	return NULL;
}

int WINAPI GetSystemMetrics(int index)
{
	(void)index;
	return 0;
}
