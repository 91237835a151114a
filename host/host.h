/*
 * host: the ntmm command. Only this folder prints and exits.
 *
 *   main.c     the table of commands           options.c  the arguments of `ntmm run`
 *   cmd_run.c  a program's run, start to end   program.c  what is run, and what with
 *   runblock.c what the kernel is told to run  approve.c  kernel modules that are let in
 *   doctor.c   what this host offers           winargs.c  quoting, UTF-8
 *   lab.c      handing over to the lab         pe.c       is it a program we can run?
 *   report.c   --stats                         crash.c    bug checks and other sudden ends
 *   drives.c   folders under letters           names.c    NTSTATUS and bug check names
 *   tempdir.c  drive T:                        json.c     additions to cJSON
 *   events.c   violations                      policy*.c  policies and their tests
 *   size.c     sizes, pagefile and share specs cmd_libvirt.c, libvirt/: QEMU by libvirt
 *   own.c      where we are installed          inspect/   looking into a machine: memory (look.h),
 *                                                         views (view.h), the command
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "guest/abi/runblock.h"
#include "vmm/vmm.h"

#define NTMM_VERSION "0.1.0"

/* Exit statuses of ntmm's own; 0 to 255 are otherwise the program's. */
enum status {
	STATUS_USAGE = 2,      /* bad arguments or unusable input files */
	STATUS_BIG_CODE = 117, /* the program's exit code does not fit in 0..255 */
	STATUS_VIOLATION = 118,
	STATUS_BUGCHECK = 119,
	STATUS_CRASH = 120, /* triple fault, or KVM could not go on */
	STATUS_TIMEOUT = 124,
	STATUS_HOST = 125,   /* the host cannot: no KVM and no lab, no memory, ... */
	STATUS_SIGNAL = 128, /* + signal number */
};

/* One line on stderr, "ntmm: ..."; returns status. */
__attribute__((format(printf, 2, 3))) int complain(int status, const char *fmt, ...);

/* ---- approve.c ---- */

/* Lets a kernel module in: 64 hexadecimal digits, or a file, beside another unless NULL. -ENOSPC,
 * or why the file cannot be read. */
int approve_module(struct vm_protection *p, const char *text, const char *beside);

/* ---- size.c ---- */

/* "64M", "1G", "4096K", "1.5G", "65536", "64MiB". -EINVAL, -ERANGE. */
int parse_size(const char *text, uint64_t *bytes);

struct pagefile_option {
	char *path; /* owned */
	uint64_t min, max;
	bool temporary;
};
/* PATH:MIN[:MAX]; the path may hold colons. -EINVAL with `why` set to a constant text. */
int parse_pagefile(const char *text, struct pagefile_option *out, const char **why);

struct share_option {
	char letter; /* lower case; 0: not named */
	char *dir;   /* owned */
	bool writable;
};
/* LETTER=DIR[:rw|:ro] or DIR[:rw|:ro]. */
int parse_share(const char *text, struct share_option *out, const char **why);

/* ---- options.c ---- */

#define MAX_SHARES   24
#define SCAN_MEAN_NS 1000000000ull /* between integrity scans, unless --scan says other */

/* Views to be shown when the program ends (inspect/). */
#define INSPECT_MOST 16u
struct view;
struct inspect_item {
	const struct view *view;
	uint64_t arg[2];
	unsigned args;
};
struct inspect_list {
	unsigned n;
	struct inspect_item item[INSPECT_MOST];
	const char *json; /* file; NULL: as text to standard error */
};

struct run_options {
	uint64_t memory;
	unsigned cpus;
	unsigned npagefiles;
	struct pagefile_option pagefile[NTMM_MAX_PAGEFILES];
	bool no_pagefile;
	unsigned nshares;
	struct share_option share[MAX_SHARES];
	unsigned nenv;
	const char **env; /* NAME=VALUE; array owned */
	bool stats, stats_json;
	const char *stats_file; /* NULL: stderr */
	uint64_t timeout_ns;
	const char *kernel, *system_dir, *serial, *debug, *largeaddress;
	const char *aslr; /* as given, or NULL */
	struct vm_protection protection;
	const char *events; /* file; NULL: standard error, as text */
	const char *policy;
	struct inspect_list inspect;
	bool test_faults, memory_compression, quiet, no_sandbox;
	const char *program;
	int nargs;
	char **args; /* the program's own, without its name */
};

/* Parses the arguments after `run`. 0, a status after complaining, or -1 when help is wanted. */
int run_options_parse(int argc, char **argv, struct run_options *o);
void run_options_free(struct run_options *o);
extern const char run_help[];

/* ---- winargs.c ---- */

struct text { /* grows; always NUL-terminated once anything was added */
	char *data;
	size_t len, size;
	bool failed; /* out of memory */
};
void text_add(struct text *t, const void *data, size_t len);
void text_puts(struct text *t, const char *s);
__attribute__((format(printf, 2, 3))) void text_printf(struct text *t, const char *fmt, ...);
void text_free(struct text *t);

/* Adds an argument so that CommandLineToArgvW and msvcrt give it back; a program name likewise. */
void winargs_add(struct text *line, const char *arg);
void winargs_add_program(struct text *line, const char *name);
bool utf8_valid(const char *s);

/* ---- pe.c ---- */

/* Is this a program that can be run? NULL, or what is wrong with it as an end of a sentence. */
const char *pe_check(const uint8_t *data, size_t size, uint64_t file_size);

/* ---- runblock.c ---- */

struct runblock_drive {
	char letter;
	bool writable;
};
/* What goes into the run block; o gives the rest. */
struct runblock_input {
	const struct run_options *options;
	const char *exe; /* as the guest names it */
	const char *program_name;
	unsigned ndrives;
	struct runblock_drive drive[MAX_SHARES + 4];
	uint64_t pagefile_max[NTMM_MAX_PAGEFILES];
	unsigned npagefiles;
	uint64_t random; /* ASLR seed if none is given */
	uint64_t time_ns;
	unsigned tty;
	bool ram_is_zero; /* all of guest RAM, at the start */
};
/* 0, -E2BIG, -ENOMEM. */
int runblock_build(const struct runblock_input *in, struct text *block);

/* ---- own.c ---- */

/* This program's file, and its folder. False: cannot be told, see errno. */
bool own_path(char path[PATH_MAX]);
bool own_folder(char path[PATH_MAX]);
/* NAME in the first of the places, relative to that folder, that has it with access `mode`. */
#define OWN_PLACES 2
bool own_find(const char *const places[OWN_PLACES], const char *name, int mode, char *path,
	      size_t size);

/* ---- drives.c ---- */

#define DRIVES		26 /* letters */
#define SYSTEM_DRIVE	'c'
#define CURRENT_DRIVE	'd'
#define TEMPORARY_DRIVE 't'
struct drive {
	char *path; /* owned; NULL: there is no such drive */
	int dirfd;
	bool writable;
};
struct drives {
	struct drive drive[DRIVES];
};
/* A folder under a letter, a lower-case one. These return 0, or a status after complaining. */
int drives_set(struct drives *d, char letter, const char *path, bool writable);
/* Those of --share, and the current folder. */
int drives_share(struct drives *d, const struct run_options *o);
/* The drive whose root is this folder, the program's; made if there is none. */
int drives_program(struct drives *d, const char *folder, char *letter);
void drives_close(struct drives *d);

/* ---- program.c ---- */

struct program {
	char *exe_dir, *exe_name; /* real path; owned, as all here */
	char guest_exe[PATH_MAX]; /* as the guest names it */
	struct drives drives;
	char *kernel, *system; /* ntoskrnl.elf, and the folder of DLLs */
};
/* Is it a program that can be run, where are kernel and DLLs, what are its drives? */
int program_open(struct program *p, const struct run_options *o);
/* The run block; of `in`, options, pagefiles, tty and ram_is_zero are the caller's. Both: 0, or a
 * status after complaining. */
int program_block(const struct program *p, struct runblock_input *in, struct text *block);
void program_close(struct program *p);

/* ---- tempdir.c ---- */

struct tempdir {
	char *path;
	int dirfd;
	int pipe; /* held open while the folder is wanted */
	int reaper;
};
/* A fresh private folder that goes away even if this process is killed. */
int tempdir_make(struct tempdir *t, const char **what);
void tempdir_remove(struct tempdir *t);

/* ---- names.c ---- */

const char *ntstatus_name(uint32_t status); /* NULL: unknown */
const char *bugcheck_name(uint32_t code);   /* NULL: unknown */

/* ---- crash.c ---- */

/* Reports how the machine ended on stderr and gives ntmm's exit status. */
int report_end(struct vm *vm, const struct vm_result *result, const struct run_options *o);

/* The status for a program's exit code, told on stderr if it is over 255. */
int report_exit_code(uint32_t code);
/* Text of the guest on stderr, made harmless for a terminal. */
void print_clean(const char *s);

/* ---- report.c ---- */

struct report {
	struct vm *vm;
	const struct vm_result *result;
	int status;
	unsigned npagefiles;
	struct pagefile_stats pagefile[NTMM_MAX_PAGEFILES];
	const char *pagefile_path[NTMM_MAX_PAGEFILES];
	uint64_t process_start_ns; /* when ntmm began, CLOCK_MONOTONIC */
	uint64_t vmm_resident;	   /* bytes beyond guest RAM, at the end */
};
void report_text(FILE *f, const struct report *r);
void report_json(FILE *f, const struct report *r);

/* ---- json.c ---- */

/* Additions to cJSON; o may be NULL (out of memory), as with cJSON's own. */
struct cJSON;
void json_u64(struct cJSON *o, const char *key, uint64_t v);
void json_ms(struct cJSON *o, const char *key, uint64_t ns);	/* milliseconds, with thousandths */
void json_str(struct cJSON *o, const char *key, const char *v); /* v NULL: null */
struct cJSON *json_add_object(struct cJSON *array);		/* an empty one; of the array */
void json_print(FILE *f, struct cJSON *o);			/* and frees it */

/* ---- events.c ---- */

void event_line(FILE *f, const struct ept_violation *v);
void event_json(FILE *f, const struct ept_violation *v);
bool event_parse(const char *line, struct ept_violation *v); /* of event_json */
extern const char events_help[];

/* ---- inspect/command.c ---- */

extern const char inspect_help[];
/* VIEW[:ARGUMENT...],... are added to the list. 0, or a status after complaining. */
int inspect_parse(const char *text, struct inspect_list *list);
/* Shows them, as JSON if there is a file for that. 0, or a status after complaining. */
int inspect_show(const struct inspect_list *list, struct vm_window *w, FILE *text, FILE *json);
/* Lets other processes look into the machine, by this process's number; in the lab, where that is
 * another one, by NTMM_MACHINE. It runs as well without. */
void inspect_offer(struct vm *vm, bool quiet);

/* ---- policy.c, policytest.c ---- */

extern const char policy_help[];
int policy_apply(const char *path, struct run_options *o); /* of --policy */

/* ---- lab.c ---- */

enum lab_mode { LAB_AUTO, LAB_ALWAYS, LAB_NEVER, LAB_EPT /* its EPT leg, always */ };
int lab_mode(enum lab_mode *mode); /* from NTMM_LAB; a status after complaining */

bool lab_available(void);
bool lab_running(void); /* one that was started */
/* Runs this command there: argv from the command's name on, rw the `nrw` folders that it may write,
 * a NULL among them for want of memory. Returns only if it cannot, a status. */
int lab_again(enum lab_mode mode, char **rw, size_t nrw, int argc, char **argv);

/* ---- doctor.c ---- */

/* Is KVM fit? From the cache if possible. `why` gets one line otherwise. */
bool kvm_fit(char *why, size_t size);

/* ---- the commands ---- */

int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_libvirt(int argc, char **argv);
extern const char libvirt_help[];
int cmd_events(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_inspect(int argc, char **argv);

#endif
