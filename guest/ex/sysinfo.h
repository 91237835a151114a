/*
 * sysinfo: what the files of NtQuerySystemInformation share.
 *
 * A query routine puts its answer into user memory through q and leaves in q->needed how long the
 * whole answer is (which becomes *ReturnLength).
 */
#ifndef NTMM_EX_SYSINFO_H
#define NTMM_EX_SYSINFO_H

#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"

struct sysinfo {
	u8 *user;
	u32 length; /* of the user's buffer */
	u32 needed;
};

/* Answers of one size. How a buffer of another size is taken differs from class to class. */
enum sysinfo_fit {
	FIT_EXACT,    /* STATUS_INFO_LENGTH_MISMATCH unless equal */
	FIT_AT_LEAST, /* longer buffers are fine */
	FIT_TRUNCATE, /* shorter ones get the beginning; longer ones are refused */
};
NTSTATUS sysinfo_answer(struct sysinfo *q, const void *data, u32 bytes, enum sysinfo_fit fit);

/* sysmemory.c */
NTSTATUS sysinfo_performance(struct sysinfo *q);
NTSTATUS sysinfo_pagefiles(struct sysinfo *q);
NTSTATUS sysinfo_file_cache(struct sysinfo *q);
NTSTATUS sysinfo_memory_lists(struct sysinfo *q);
NTSTATUS sysinfo_set_memory_lists(const void *buffer, u32 length);
NTSTATUS sysinfo_set_file_cache(const void *buffer, u32 length);
/* sysprocess.c */
NTSTATUS sysinfo_processes(struct sysinfo *q);

#endif
