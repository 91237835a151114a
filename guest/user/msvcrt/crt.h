/*
 * What the parts of msvcrt.dll share: per-thread data, lock numbers, the file-handle table,
 * streams, and the conversions used by more than one part.
 *
 * The public functions are declared by mingw-w64's headers, which the build includes with _CRTIMP
 * empty, so that the compiler checks our definitions against the prototypes that programs use.
 * What those headers do not declare is declared here.
 */
#ifndef GUEST_USER_MSVCRT_CRT_H
#define GUEST_USER_MSVCRT_CRT_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* The headers turn these names into something else; here they are only function names. */
#undef environ
#undef _environ
#undef _wenviron
#undef errno
#undef _doserrno
#undef stdin
#undef stdout
#undef stderr
/* Macros for functions that we define. */
#undef getwc
#undef putwc
#undef getwchar
#undef putwchar
#undef getc
#undef putc
#undef getchar
#undef putchar
#undef feof
#undef ferror
#undef strtod /* otherwise libmingwex's */
#undef strcasecmp
#undef strncasecmp
#undef wcswcs
#undef _iob
#undef __argc
#undef __argv
#undef __wargv
#undef _pgmptr
#undef _wpgmptr
#undef _fmode
#undef _commode
#undef __mb_cur_max
#undef _pctype
#undef _pwctype
#undef _tzname
#undef _timezone
#undef _daylight
#undef _dstbias
#undef _HUGE

/* Numbers of _lock(): those of streams are known to mingw-w64's own _lock_file. */
enum crt_lock {
	LOCK_SIGNAL = 0,
	LOCK_STREAM_TABLE = 1,
	LOCK_TMPNAM = 2,
	LOCK_CONIO = 3,
	LOCK_HEAP = 4,
	LOCK_TIME = 6,
	LOCK_ENV = 7,
	LOCK_EXIT = 8,
	LOCK_POPEN = 9,
	LOCK_FD_TABLE = 11,
	LOCK_LOCALE = 12,
	LOCK_STREAM_0 = 16, /* + index in _iob */
	CRT_LOCKS = LOCK_STREAM_0 + _IOB_ENTRIES + 12,
};

void crt_locks_init(void);
CRITICAL_SECTION *crt_lock(int number);
/* How often the calling thread, which holds it, holds a lock. */
int crt_lock_depth(int number);

/* Everything the C library keeps per thread. */
struct thread_data {
	int err;
	unsigned long dos_err;
	unsigned rand_seed;
	char *strtok_next;
	wchar_t *wcstok_next;
	unsigned char *mbstok_next;
	struct tm tm;
	char asctime_text[26];
	wchar_t wasctime_text[26];
	char strerror_text[160];
	wchar_t wcserror_text[160];
	char cvt_text[352];
	char tmpnam_text[MAX_PATH];
	wchar_t wtmpnam_text[MAX_PATH];
	mbstate_t conversion;
	int fpe_code;
	void *exception_pointers;
	bool initialized;
	bool owns_handle;
	HANDLE handle;
	unsigned id;
	void(__cdecl *start)(void *);
	unsigned(__stdcall *start_ex)(void *);
	void *argument;
};

/* The calling thread's data; never NULL (the process ends when memory is out). */
struct thread_data *crt_thread(void);
bool crt_threads_init(void);
void crt_thread_detach(void);

/* errno */
void __cdecl _dosmaperr(unsigned long win32_error);
#define errno	  (*_errno())
#define _doserrno (*__doserrno())
/* Sets errno and _doserrno from GetLastError and returns -1. */
int crt_fail(void);
/* Sets errno to `code` and returns -1. */
int crt_fail_with(int code);
/* A bad argument: calls the invalid-parameter handler, sets errno, returns the code. */
int crt_invalid(int code);

/*
 * Start-up. Variables that the headers declare as imports have names of our own, and the list of
 * exports gives them the public ones.
 */
extern int crt_argc;
extern char **crt_argv, **crt_environ, **crt_initenv;
extern wchar_t **crt_wargv, **crt_wenviron, **crt_winitenv;
extern char *crt_acmdln, *crt_pgmptr;
extern wchar_t *crt_wcmdln, *crt_wpgmptr;
extern int crt_fmode, crt_commode;
extern char *crt_sys_errlist[];
extern int crt_sys_nerr;
extern int crt_app_type;
extern int crt_error_mode;
bool crt_args_init(void);
/* Splits the command line, once. */
bool crt_args_parse(bool wildcards);
bool crt_env_init(void);
bool crt_env_init_wide(void);
void crt_fatal(const char *text);

/* Ending: flushes and, unless done already, runs what _onexit registered. */
void crt_process_detach(bool terminating);

/* One low-level file. The layout is what programs that look at __pioinfo expect. */
struct fd_info {
	HANDLE handle;
	unsigned char flags;
	char lookahead[3];
	int extra;
	CRITICAL_SECTION lock;
};
enum {
	FD_OPEN = 0x01,
	FD_EOF = 0x02,
	FD_CRLF = 0x04,
	FD_PIPE = 0x08,
	FD_NOINHERIT = 0x10,
	FD_APPEND = 0x20,
	FD_DEVICE = 0x40,
	FD_TEXT = 0x80,
};
enum {
	FD_UTF8 = 0x10,
	FD_UTF16 = 0x20,
	FD_LOOKAHEAD = 0x40, /* lookahead[0] holds a byte read too early */
};
enum { FD_BLOCK = 32, FD_BLOCKS = 64, FD_MAX = FD_BLOCK * FD_BLOCKS };

extern struct fd_info *crt_pioinfo[FD_BLOCKS];
bool crt_fd_init(void);
/* Locks an open descriptor; NULL with errno EBADF when it is not open. */
struct fd_info *fd_lock(int fd);
void fd_unlock(struct fd_info *info);
/* The number of a new descriptor of a handle, or -1 (EMFILE). */
int fd_new(HANDLE handle, unsigned flags, unsigned extra);
/* Makes `fd`, which is closed, stand for a handle. */
int fd_put(int fd, HANDLE handle, unsigned flags, unsigned extra);
/* The flags and handles for a child's lpReserved2; freed with free(). */
void *fd_inherit_block(WORD *size);
__int64 fd_seek_locked(struct fd_info *info, __int64 offset, int origin);
/* Bytes as they are in the file, past the text translation. */
int fd_read_raw_locked(struct fd_info *info, void *buffer, unsigned size);
/* What the last _read took from the file and how many characters it became. */
void fd_last_read(int fd, int *raw, int *cooked);
__int64 fd_position(int fd);
unsigned fd_flags(int fd);
int fd_extra(int fd);
/* FD_UTF8, FD_UTF16 or 0. */
unsigned fd_encoding(int fd);
void fd_clear_eof(int fd);

/* Streams */
extern FILE crt_iob[_IOB_ENTRIES];
#define stdin  (&crt_iob[0])
#define stdout (&crt_iob[1])
#define stderr (&crt_iob[2])
enum {
	STREAM_BUFFER = 4096, /* what _filbuf and _flsbuf allocate */
	STREAM_USER_BUFFER = 0x100,
	STREAM_SETVBUF = 0x400,
	STREAM_COMMIT = 0x4000,	      /* fflush goes through to the disk: mode 'c' */
	STREAM_TEMP_BUFFER = 0x10000, /* the buffer lasts for one call: unbuffered output (0x8000 is
					mingw-w64's mark of a locked stream) */
};
void _lock_file(FILE *stream);
void _unlock_file(FILE *stream);
void crt_streams_init(void);
/* Flushes every stream without waiting for locks that ended threads may hold. */
void crt_streams_detach(void);
FILE *stream_new(void);
void stream_free(FILE *stream);
FILE *stream_open_fd(FILE *stream, int fd, int flags);
int stream_flush(FILE *stream);
int stream_close(FILE *stream);
int stream_flush_all_output(void);
/* Gives an unbuffered stream a buffer for one call; true if `end` must be called. */
bool stream_begin_output(FILE *stream, char *buffer, int size);
void stream_end_output(FILE *stream, bool began);
/* Writes what was gathered while the program held the stream's lock. */
void stream_end_gathering(FILE *stream);
size_t stream_write(FILE *stream, const void *data, size_t size);
size_t stream_read(FILE *stream, void *data, size_t size);
int stream_getc(FILE *stream);
int stream_putc(FILE *stream, int c);
int stream_ungetc(FILE *stream, int c);
wint_t stream_getwc(FILE *stream);
wint_t stream_putwc(FILE *stream, wchar_t c);
wint_t stream_ungetwc(FILE *stream, wint_t c);
int _filbuf(FILE *stream);
int _flsbuf(int c, FILE *stream);
/* "r+b" and the like: _open flags and stream flags; false (EINVAL) if it cannot be read. */
bool stream_mode(const wchar_t *mode, int *open_flags, int *stream_flags);

/*
 * Text conversion by the current locale's code page: that of "C" takes bytes for characters, the
 * other is 1252.
 */
void crt_ctype_init(void);
void crt_ctype_set(bool c_locale);
wchar_t crt_cp1252_to_wide(unsigned char byte);
int crt_cp1252_from_wide(wchar_t c);
/* One character; bytes used, 0 for NUL, -1 (EILSEQ) if bad. */
int crt_mbtowc(wchar_t *to, const char *from, size_t size);
int crt_wctomb(char *to, wchar_t from);
/* New copies in the system's ANSI code page / UTF-16 (malloc). */
wchar_t *crt_wide(const char *text);
char *crt_narrow(const wchar_t *text);

#include "guest/user/msvcrt/declare.h"

#endif
