/*
 * names: NT names and the host's names; pure functions.
 *
 * The host's names are bytes, meant as UTF-8; NT's are UTF-16. The translation can always be
 * undone: a byte that is not valid UTF-8 becomes U+DC80 + (byte - 0x80), and a character that NT
 * forbids in names (<>:"|?*\ and controls) becomes U+F000 + c.
 */
#ifndef NTMM_IO_NAMES_H
#define NTMM_IO_NAMES_H

#include "guest/ke/types.h"

u16 name_upcase(u16 c);
/* Host bytes to NT characters; at most `max` are stored, the count needed is returned. */
u32 name_to_nt(const char *host, u32 bytes, u16 *nt, u32 max);
/* NT characters to host bytes; returns how many bytes, or 0: does not fit, or cannot be a name. */
u32 name_to_host(const u16 *nt, u32 chars, char *host, u32 max);
/* Equal but for case. `host` is a host name. */
bool name_equal(const u16 *nt, u32 chars, const char *host, u32 bytes);
bool name_equal_nt(const u16 *a, u32 a_chars, const u16 *b, u32 b_chars);
/* The same with an ASCII literal. */
bool name_is(const u16 *nt, u32 chars, const char *ascii);

#define NAME_MAX_CHARS 255
/* Wildcards as FsRtlIsNameInExpression has them: * ? and the DOS forms < > ". Case is ignored. */
bool name_matches(const u16 *pattern, u32 pattern_chars, const u16 *name, u32 chars);
bool name_has_wildcards(const u16 *nt, u32 chars);

/* What an NT path names. */
enum path_kind { PATH_DRIVE, PATH_NULL, PATH_CONSOLE, PATH_PIPE, PATH_NONE };
enum console_path { CONSOLE_IN, CONSOLE_OUT, CONSOLE_ERR, CONSOLE_BOTH };
struct nt_path {
	enum path_kind kind;
	char letter;	 /* PATH_DRIVE */
	bool in_windows; /* PATH_DRIVE: \SystemRoot, so `rest` begins below \Windows */
	u8 console;	 /* PATH_CONSOLE: enum console_path */
	const u16 *rest; /* PATH_DRIVE, PATH_PIPE: what follows, without the first backslash */
	u32 rest_chars;
};
/* Takes \??\X:\..., \Device\HarddiskVolumeN\..., \SystemRoot\..., \??\NUL, \Device\ConIn and so on
 * apart. PATH_NONE: no such device. */
void path_parse(const u16 *path, u32 chars, struct nt_path *out);

/* A path below a drive's root in the host's form: name[0]/name[1]/..., NUL-terminated. */
#define HOST_PATH_MAX  1664
#define HOST_PATH_DEEP 64
struct host_path {
	u32 bytes, count;
	bool folder_only; /* ended in a backslash */
	u16 start[HOST_PATH_DEEP];
	u16 length[HOST_PATH_DEEP];
	char text[HOST_PATH_MAX];
};
_Static_assert(sizeof(struct host_path) <= 2000, "a small block of pool");
enum path_error { PATH_OK, PATH_INVALID_NAME, PATH_TOO_LONG };
void host_path_clear(struct host_path *p);
/* Appends one host name; false when it does not fit. */
bool host_path_push(struct host_path *p, const char *name, u32 bytes);
/* Appends NT components divided by backslashes. Empty ones, ".", ".." are invalid. */
enum path_error host_path_append(struct host_path *p, const u16 *nt, u32 chars);
/* Replaces component `index` by another host name (of perhaps another length). */
bool host_path_replace(struct host_path *p, u32 index, const char *name, u32 bytes);
/* Sets it from text that an earlier host_path held. */
bool host_path_set(struct host_path *p, const char *text);

#endif
