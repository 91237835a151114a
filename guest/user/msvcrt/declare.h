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
unsigned short *crt_ctype_table(void);
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

/* tmp.c */
errno_t tmpfile_s(FILE **stream);

/* signal.c, longjmp.c */
int __CppXcptFilter(unsigned long code, struct _EXCEPTION_POINTERS *pointers);

#endif
