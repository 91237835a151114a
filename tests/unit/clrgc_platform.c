/*
 * The managed heap's platform layer on Linux, for its native tests. Write watch is made of page
 * protection: a page that counts as not written is read-only, and the first store to it faults.
 * What is reset reads as zero at once, the worst that may happen.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "guest/user/clrgc/platform.h"
#include "tests/unit/clrgc_platform.h"

#define RANGES 64u

enum { COMMITTED = 1, UNWRITTEN = 2 };

static struct range {
	uint8_t *base;
	size_t bytes;
	bool watched;
	uint8_t *page; /* state of each */
} ranges[RANGES];

size_t gcp_commit_most, gcp_committed, gcp_resets;
static _Atomic bool low_memory;
static bool signalled;
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static __thread void *self;

static struct range *range_of(const void *p)
{
	for (struct range *r = ranges; r < ranges + RANGES; r++)
		if ((uintptr_t)p - (uintptr_t)r->base < r->bytes)
			return r;
	return NULL;
}

static uint8_t *page_of(struct range *r, const void *p)
{
	return &r->page[((uintptr_t)p - (uintptr_t)r->base) / GCP_PAGE];
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	struct range *r = range_of(info->si_addr);
	uint8_t *page = r ? page_of(r, info->si_addr) : NULL;

	(void)context;
	if (!page || !r->watched || !(*page & COMMITTED)) {
		signal(number, SIG_DFL); /* again, and for good */
		return;
	}
	/* Another thread may have come here first. */
	*page &= (uint8_t)~UNWRITTEN;
	mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(GCP_PAGE - 1)), GCP_PAGE,
		 PROT_READ | PROT_WRITE);
}

bool gcp_start(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	signalled = false;
	return !sigaction(SIGSEGV, &action, NULL);
}

void gcp_stop(void)
{
}

/* ---- memory ---- */

static void *map(size_t bytes, int rights)
{
	void *p = mmap(NULL, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *gcp_reserve(size_t bytes, bool watched)
{
	struct range *r = ranges;

	while (r < ranges + RANGES && r->base)
		r++;
	if (r == ranges + RANGES)
		return NULL;
	*r = (struct range){map(bytes, PROT_NONE), bytes, watched, NULL};
	r->page = r->base ? map(bytes / GCP_PAGE + 1, PROT_READ | PROT_WRITE) : NULL;
	return r->page ? r->base : NULL;
}

static void uncommit(struct range *r, uint8_t *p)
{
	uint8_t *page = page_of(r, p);

	if (*page & COMMITTED)
		__atomic_fetch_sub(&gcp_committed, GCP_PAGE, __ATOMIC_RELAXED);
	*page = 0;
}

void gcp_release(void *base, size_t bytes)
{
	struct range *r = range_of(base);

	if (!r || r->base != base || r->bytes != bytes)
		gcp_fail("a release of something else than a reservation");
	for (size_t at = 0; at < bytes; at += GCP_PAGE)
		uncommit(r, r->base + at);
	munmap(base, bytes);
	munmap(r->page, bytes / GCP_PAGE + 1);
	*r = (struct range){0};
}

bool gcp_commit(void *base, size_t bytes)
{
	struct range *r = range_of(base);
	size_t more = 0;

	if (!r || ((uintptr_t)base | bytes) % GCP_PAGE)
		gcp_fail("a commit of something else than pages of a reservation");
	for (size_t at = 0; at < bytes; at += GCP_PAGE)
		more += *page_of(r, (uint8_t *)base + at) & COMMITTED ? 0 : GCP_PAGE;
	if (gcp_commit_most && gcp_committed + more > gcp_commit_most)
		return false;
	for (size_t at = 0; at < bytes; at += GCP_PAGE) {
		uint8_t *page = page_of(r, (uint8_t *)base + at);

		if (*page & COMMITTED)
			continue;
		mprotect((uint8_t *)base + at, GCP_PAGE, PROT_READ | PROT_WRITE);
		*page = COMMITTED;
	}
	__atomic_fetch_add(&gcp_committed, more, __ATOMIC_RELAXED);
	return true;
}

void gcp_decommit(void *base, size_t bytes)
{
	struct range *r = range_of(base);

	if (!r || ((uintptr_t)base | bytes) % GCP_PAGE)
		gcp_fail("a decommit of something else than pages of a reservation");
	for (size_t at = 0; at < bytes; at += GCP_PAGE)
		uncommit(r, (uint8_t *)base + at);
	if (mmap(base, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		gcp_fail("mmap failed");
}

void gcp_reset(void *base, size_t bytes)
{
	gcp_resets++;
	madvise(base, bytes, MADV_DONTNEED);
}

bool gcp_is_committed(const void *page)
{
	struct range *r = range_of(page);

	return r && *page_of(r, page) & COMMITTED;
}

size_t gcp_written(void *base, size_t bytes, void **pages, size_t room)
{
	struct range *r = range_of(base);
	size_t n = 0;

	if (!r || !r->watched)
		gcp_fail("the range is not watched");
	for (size_t at = 0; at < bytes && n < room; at += GCP_PAGE) {
		uint8_t *p = (uint8_t *)base + at;

		if (*page_of(r, p) != COMMITTED)
			continue;
		pages[n++] = p;
		gcp_forget_written(p, GCP_PAGE);
	}
	return n;
}

void gcp_forget_written(void *base, size_t bytes)
{
	struct range *r = range_of(base);

	for (size_t at = 0; at < bytes; at += GCP_PAGE) {
		uint8_t *p = (uint8_t *)base + at;

		if (*page_of(r, p) != COMMITTED)
			continue;
		*page_of(r, p) |= UNWRITTEN;
		mprotect(p, GCP_PAGE, PROT_READ);
	}
}

size_t gcp_physical_memory(void)
{
	return (size_t)1 << 30;
}

size_t gcp_cache_size(void)
{
	return 0;
}

bool gcp_memory_is_low(void)
{
	return low_memory;
}

/* ---- locks ---- */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct gcp_lock), "pthread_mutex_t");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct gcp_condition), "pthread_cond_t");

void gcp_lock(struct gcp_lock *lock)
{
	pthread_mutex_lock((pthread_mutex_t *)lock);
}

bool gcp_try_lock(struct gcp_lock *lock)
{
	return !pthread_mutex_trylock((pthread_mutex_t *)lock);
}

void gcp_unlock(struct gcp_lock *lock)
{
	pthread_mutex_unlock((pthread_mutex_t *)lock);
}

void gcp_wait(struct gcp_condition *condition, struct gcp_lock *lock)
{
	pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock);
}

void gcp_wake_all(struct gcp_condition *condition)
{
	pthread_cond_broadcast((pthread_cond_t *)condition);
}

/* ---- threads ---- */

void *gcp_self(void)
{
	return self;
}

void gcp_set_self(void *value)
{
	self = value;
}

struct start {
	pthread_t thread;
	gcp_thread_main *run;
	void *argument;
};

static void *thread_main(void *argument)
{
	struct start *s = argument;

	s->run(s->argument);
	return NULL;
}

void *gcp_start_thread(gcp_thread_main *run, void *argument, bool urgent)
{
	struct start *s = malloc(sizeof(*s));

	(void)urgent;
	if (!s)
		return NULL;
	*s = (struct start){.run = run, .argument = argument};
	if (!pthread_create(&s->thread, NULL, thread_main, s))
		return s;
	free(s);
	return NULL;
}

void gcp_join_thread(void *thread)
{
	struct start *s = thread;

	pthread_join(s->thread, NULL);
	free(s);
}

void gcp_signal_work(void)
{
	pthread_mutex_lock(&work_lock);
	signalled = true;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&work_lock);
}

void gcp_set_low_memory(bool low)
{
	pthread_mutex_lock(&work_lock);
	low_memory = low;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&work_lock);
}

enum gcp_wake gcp_wait_for_work(bool watch_memory, uint32_t milliseconds)
{
	enum gcp_wake wake = GCP_TIMEOUT;
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	/* Time runs twenty times as fast here. */
	until.tv_sec += milliseconds / 20000;
	until.tv_nsec += (long)(milliseconds % 20000) * 50000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&work_lock);
	while (!signalled && !(watch_memory && low_memory) && !error)
		error = milliseconds == GCP_FOREVER
			    ? pthread_cond_wait(&work, &work_lock)
			    : pthread_cond_timedwait(&work, &work_lock, &until);
	if (signalled)
		wake = GCP_WORK;
	else if (watch_memory && low_memory)
		wake = GCP_LOW_MEMORY;
	if (wake == GCP_WORK)
		signalled = false;
	pthread_mutex_unlock(&work_lock);
	return wake;
}

void gcp_fail(const char *what)
{
	fprintf(stderr, "clrgc: %s\n", what);
	abort();
}
