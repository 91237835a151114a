/*
 * Prototypes of exported functions that mingw-w64's headers do not declare (or only under other
 * names), so that every definition has one. Those that start with crt_ are exported under another
 * name, see msvcrt.def. Included by crt.h.
 */
#ifndef GUEST_USER_MSVCRT_DECLARE_H
#define GUEST_USER_MSVCRT_DECLARE_H

/* error.c */
int _get_errno(int *value);
int _set_errno(int value);
void _invalid_parameter(const wchar_t *expression, const wchar_t *function, const wchar_t *file,
			unsigned line, uintptr_t reserved);

/* thread.c, lock.c */
int *__fpecode(void);
void **__pxcptinfoptrs(void);
unsigned long __threadid(void);
uintptr_t __threadhandle(void);
void _lock(int number);
void _unlock(int number);

/* startup.c */
typedef void(__cdecl *crt_void_fn)(void);
typedef int(__cdecl *crt_int_fn)(void);
struct crt_startup_info {
	int new_mode;
};
int __getmainargs(int *argc, char ***argv, char ***env, int wildcards,
		  struct crt_startup_info *info);
int __wgetmainargs(int *argc, wchar_t ***argv, wchar_t ***env, int wildcards,
		   struct crt_startup_info *info);
void __set_app_type(int type);
void _initterm(crt_void_fn *from, crt_void_fn *to);
int _initterm_e(crt_int_fn *from, crt_int_fn *to);
__attribute__((noreturn)) void _amsg_exit(int number);
__attribute__((noreturn)) void _purecall(void);
int *__p__commode(void);

/* args.c, environ.c */
int *__p___argc(void);
char ***__p___argv(void);
wchar_t ***__p___wargv(void);
char **__p__acmdln(void);
wchar_t **__p__wcmdln(void);
char **__p__pgmptr(void);
wchar_t **__p__wpgmptr(void);
char ***__p__environ(void);
wchar_t ***__p__wenviron(void);
char ***__p___initenv(void);
wchar_t ***__p___winitenv(void);
errno_t _get_environ(char ***value);
errno_t _get_wenviron(wchar_t ***value);

/* exit.c */
_onexit_t __dllonexit(_onexit_t function, _onexit_t **begin, _onexit_t **end);
__attribute__((noreturn)) void _assert(const char *expression, const char *file, unsigned line);
__attribute__((noreturn)) void _wassert(const wchar_t *expression, const wchar_t *file,
					unsigned line);

/* heap.c */
typedef int(__cdecl *crt_new_handler)(size_t size);
int _set_new_mode(int mode);
int _query_new_mode(void);
crt_new_handler crt_set_new_handler(crt_new_handler function);
crt_new_handler crt_query_new_handler(void);
int _callnewh(size_t size);
void *crt_operator_new(size_t size);
size_t _aligned_msize(void *block, size_t align, size_t offset);

/* ctype.c */
int crt_tolower_plain(int c);
int crt_toupper_plain(int c);
const unsigned short *crt_pctype_func(void);
const unsigned short *crt_pwctype_func(void);

/* locale.c */
int crt_lconv_init(void);
unsigned ___lc_collate_cp_func(void);
unsigned *___lc_handle_func(void);
int *crt_setlc_active_func(void);
int *crt_unguarded_readlc_active_func(void);

/* float.c, number.c */
unsigned crt_get_output_format(void);
unsigned crt_set_output_format(unsigned format);
int crt_atodbl(double *value, char *text);
int crt_atoflt(float *value, char *text);

/* stream.c */
FILE *crt_iob_func(void);
FILE *crt_acrt_iob_func(unsigned index);
int crt_getmaxstdio(void);
int crt_setmaxstdio(int limit);

/* wcs.c */
wchar_t *crt_wcstok(wchar_t *text, const wchar_t *separators);

/* timezone.c, strftime.c */
int *crt_p_daylight(void);
long *crt_p_dstbias(void);
long *crt_p_timezone(void);
char **crt_p_tzname(void);
char *_Getdays(void);
char *_Getmonths(void);

/* process.c */
intptr_t crt_loaddll(char *name);
int crt_unloaddll(intptr_t dll);
crt_void_fn crt_getdllprocaddr(intptr_t dll, char *name, intptr_t ordinal);

/* misc.c, fpu.c */
struct onexit_table;
errno_t rand_s(unsigned *to);
unsigned crt_rotl(unsigned value, int n);
unsigned crt_rotr(unsigned value, int n);
uint64_t crt_rotl64(uint64_t value, int n);
uint64_t crt_rotr64(uint64_t value, int n);
void crt_sleep(unsigned long milliseconds);
void crt_beep(unsigned frequency, unsigned milliseconds);
void crt_seterrormode(int mode);
int crt_get_app_type(void);
int crt_initialize_onexit_table(struct onexit_table *table);
int crt_register_onexit_function(struct onexit_table *table, crt_int_fn function);
int crt_execute_onexit_table(struct onexit_table *table);
void _set_controlfp(unsigned value, unsigned mask);
int crt_set_SSE2_enable(int enable);

/* math.c */
struct _exception;
void crt_setusermatherr(int(__cdecl *handler)(struct _exception *));
float _hypotf(float x, float y);
float _scalbf(float x, long n);

/* terminate.c */
crt_void_fn crt_set_terminate(crt_void_fn function);
crt_void_fn crt_set_unexpected(crt_void_fn function);
crt_void_fn crt_get_terminate(void);
crt_void_fn crt_get_unexpected(void);
__attribute__((noreturn)) void crt_terminate(void);
void crt_unexpected(void);
crt_void_fn crt_set_purecall_handler(crt_void_fn function);

/* mbs.c */
int crt_mb_never(unsigned c);
int crt_mb_never_in(const unsigned char *text, const unsigned char *at);
unsigned crt_mb_same(unsigned c);
size_t crt_mbs_count(const unsigned char *text, size_t n);
size_t crt_mbs_length(const char *text);

/* tmp.c */
errno_t tmpfile_s(FILE **stream);

/* signal.c, longjmp.c */
int __CppXcptFilter(unsigned long code, struct _EXCEPTION_POINTERS *pointers);

#endif
