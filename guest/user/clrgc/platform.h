/*
 * Everything the collector asks of the system. platform.c has it for Windows, by the public calls
 * of kernel32; the native tests have their own.
 *
 * Memory calls take addresses and sizes that are multiples of 4 KB. A bool that is false means that
 * the system has no memory for it and that nothing changed.
 */
#ifndef NTMM_CLRGC_PLATFORM_H
#define NTMM_CLRGC_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCP_PAGE 0x1000u

/* Before and after all others; false: no more of what the system counts. */
bool gcp_start(void);
void gcp_stop(void);

/* Address space, at a multiple of 64 KB; NULL: none that large. Watched: gcp_written works on it.
 */
void *gcp_reserve(size_t bytes, bool watched);
void gcp_release(void *base, size_t bytes);
/* Reads as zero if it was not committed; what is committed already stays as it is. */
bool gcp_commit(void *base, size_t bytes);
void gcp_decommit(void *base, size_t bytes);
/* The contents are not wanted any more: the old ones or zeroes are read afterwards. */
void gcp_reset(void *base, size_t bytes);
/* The pages of [base, base + bytes) written since they were last asked for, lowest first, `room` at
   most; they count as not written from then on. */
size_t gcp_written(void *base, size_t bytes, void **pages, size_t room);
void gcp_forget_written(void *base, size_t bytes);

size_t gcp_physical_memory(void);
size_t gcp_cache_size(void); /* of the last level; 0: not known */
bool gcp_memory_is_low(void);

/* A lock and a condition that goes with one; zero is their first state. */
struct gcp_lock {
	uint64_t opaque[8];
};
struct gcp_condition {
	uint64_t opaque[8];
};
void gcp_lock(struct gcp_lock *lock);
bool gcp_try_lock(struct gcp_lock *lock);
void gcp_unlock(struct gcp_lock *lock);
void gcp_wait(struct gcp_condition *condition, struct gcp_lock *lock);
void gcp_wake_all(struct gcp_condition *condition);

/* A pointer for each thread, NULL at first. */
void *gcp_self(void);
void gcp_set_self(void *self);

typedef void gcp_thread_main(void *argument);
/* NULL: no thread. Urgent: THREAD_PRIORITY_HIGHEST. */
void *gcp_start_thread(gcp_thread_main *run, void *argument, bool urgent);
void gcp_join_thread(void *thread);

/* One thread waits for work; any wakes it, and a call made before the wait is not lost. */
enum gcp_wake {
	GCP_WORK,
	GCP_LOW_MEMORY,
	GCP_TIMEOUT,
};
void gcp_signal_work(void);
/* => watch_memory: the system's low memory notification ends it too */
enum gcp_wake gcp_wait_for_work(bool watch_memory, uint32_t milliseconds);
#define GCP_FOREVER 0xffffffffu

/* Ends the process: the heap is not what it must be. */
_Noreturn void gcp_fail(const char *what);

#endif
