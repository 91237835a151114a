/*
 * What an executable's start-up code calls before main: arguments, environment, initializers,
 * modes; and the DLL's own entry point.
 */
#include "guest/user/msvcrt/crt.h"
#include <fcntl.h>

int crt_fmode;
int crt_commode;
int crt_app_type;
int crt_error_mode;
unsigned crt_osver, crt_winver, crt_winmajor, crt_winminor;
int crt_osplatform = VER_PLATFORM_WIN32_NT;
int crt_fileinfo = -1; /* descriptors are handed to children */

BOOL WINAPI DllMainCRTStartup(HINSTANCE dll, DWORD reason, void *reserved);

static void read_version(void)
{
	DWORD version = GetVersion();

	crt_winmajor = version & 0xFF;
	crt_winminor = version >> 8 & 0xFF;
	crt_winver = crt_winmajor << 8 | crt_winminor;
	crt_osver = version >> 16 & 0x7FFF;
}

static BOOL process_attach(void)
{
	crt_locks_init();
	if (!crt_threads_init())
		return FALSE;
	read_version();
	if (!crt_fd_init())
		return FALSE;
	crt_ctype_init();
	crt_streams_init();
	return crt_args_init() && crt_env_init();
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE dll, DWORD reason, void *reserved)
{
	(void)dll;
	switch (reason) {
	case DLL_PROCESS_ATTACH:
		return process_attach();
	case DLL_THREAD_DETACH:
		crt_thread_detach();
		break;
	case DLL_PROCESS_DETACH:
		crt_process_detach(reserved != NULL);
		break;
	}
	return TRUE;
}

int __getmainargs(int *argc, char ***argv, char ***env, int wildcards,
		  struct crt_startup_info *info)
{
	if (info)
		_set_new_mode(info->new_mode);
	if (!crt_args_parse(wildcards))
		return -1;
	*argc = crt_argc;
	*argv = crt_argv;
	*env = crt_initenv = crt_environ;
	return 0;
}

int __wgetmainargs(int *argc, wchar_t ***argv, wchar_t ***env, int wildcards,
		   struct crt_startup_info *info)
{
	if (info)
		_set_new_mode(info->new_mode);
	if (!crt_args_parse(wildcards) || !crt_env_init_wide())
		return -1;
	*argc = crt_argc;
	*argv = crt_wargv;
	*env = crt_winitenv = crt_wenviron;
	return 0;
}

void __set_app_type(int type)
{
	crt_app_type = type;
}

void _initterm(crt_void_fn *from, crt_void_fn *to)
{
	for (; from < to; from++)
		if (*from)
			(*from)();
}

int _initterm_e(crt_int_fn *from, crt_int_fn *to)
{
	int code = 0;

	for (; from < to && !code; from++)
		if (*from)
			code = (*from)();
	return code;
}

int *__p__fmode(void)
{
	return &crt_fmode;
}

int *__p__commode(void)
{
	return &crt_commode;
}

errno_t _set_fmode(int mode)
{
	if (mode != _O_TEXT && mode != _O_BINARY)
		return crt_invalid(EINVAL);
	crt_fmode = mode;
	return 0;
}

errno_t _get_fmode(int *mode)
{
	if (!mode)
		return crt_invalid(EINVAL);
	*mode = crt_fmode;
	return 0;
}

int _set_error_mode(int mode)
{
	int old = crt_error_mode;

	if (mode == _REPORT_ERRMODE)
		return old;
	if (mode < _OUT_TO_DEFAULT || mode > _OUT_TO_MSGBOX) {
		crt_invalid(EINVAL);
		return -1;
	}
	crt_error_mode = mode;
	return old;
}

/* Fatal run-time errors by number, as Microsoft documents R6002 and on. */
static const struct {
	int number;
	const char *text;
} fatal_errors[] = {
    {2, "R6002\r\n- floating point support not loaded\r\n"},
    {8, "R6008\r\n- not enough space for arguments\r\n"},
    {9, "R6009\r\n- not enough space for environment\r\n"},
    {10, "R6010\r\n- abort() has been called\r\n"},
    {16, "R6016\r\n- not enough space for thread data\r\n"},
    {17, "R6017\r\n- unexpected multithread lock error\r\n"},
    {18, "R6018\r\n- unexpected heap error\r\n"},
    {19, "R6019\r\n- unable to open console device\r\n"},
    {24, "R6024\r\n- not enough space for _onexit/atexit table\r\n"},
    {25, "R6025\r\n- pure virtual function call\r\n"},
    {26, "R6026\r\n- not enough space for stdio initialization\r\n"},
    {27, "R6027\r\n- not enough space for lowio initialization\r\n"},
    {28, "R6028\r\n- unable to initialize heap\r\n"},
    {30, "R6030\r\n- CRT not initialized\r\n"},
    {31, "R6031\r\n- Attempt to initialize the CRT more than once.\r\n"},
};

void crt_fatal(const char *text)
{
	DWORD written;
	HANDLE handle = GetStdHandle(STD_ERROR_HANDLE);

	WriteFile(handle, text, (DWORD)strlen(text), &written, NULL);
}

/* Ends the process with 255 after a line on standard error. */
void _amsg_exit(int number)
{
	enum { AMSG_EXIT_CODE = 255 };

	crt_fatal("\r\nruntime error ");
	for (size_t i = 0; i < ARRAYSIZE(fatal_errors); i++)
		if (fatal_errors[i].number == number)
			crt_fatal(fatal_errors[i].text);
	_exit(AMSG_EXIT_CODE);
}
