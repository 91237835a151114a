/*
 * The same operations as guest.c, on the lab's Linux (see bench.h).
 *
 *   linux micro TINY.so NULL   the rows below; NULL is a program that ends at once
 *   linux swap MB              the paging phases, with all but half of MB megabytes locked away
 *
 * As root, in a machine with one CPU: fault-around is switched off, so that a fault is one page.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static const char *tiny_library, *null_program;

static char *commit(unsigned pages)
{
	void *at = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, (size_t)pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

static void release(void *at, unsigned pages)
{
	munmap(at, (size_t)pages * PAGE);
}

/* ---- calls ---- */

static uint64_t null_call(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++)
		getppid();
	return ticks() - start;
}

static uint64_t commit_decommit(unsigned n)
{
	char *at = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		if (mprotect(at + PAGE, PAGE, PROT_READ | PROT_WRITE) ||
		    mprotect(at + PAGE, PAGE, PROT_NONE))
			return UNABLE;
	}
	start = ticks() - start;
	release(at, 256);
	return start;
}

static uint64_t reserve_release(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		void *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(at, 16 * PAGE);
	}
	return ticks() - start;
}

/* A page that is a mapping of its own, so that nothing is split or merged. */
static uint64_t protect(unsigned n)
{
	char *at = commit(3);
	uint64_t start;

	mprotect(at, PAGE, PROT_NONE);
	mprotect(at + 2 * PAGE, PAGE, PROT_NONE);
	at[PAGE] = 1;
	start = ticks();
	for (unsigned i = 0; i < n; i++)
		if (mprotect(at + PAGE, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ))
			return UNABLE;
	start = ticks() - start;
	release(at, 3);
	return start;
}

static uint64_t query(unsigned n)
{
	char *at = commit(16);
	unsigned char in[16];
	uint64_t start;

	touch_write(at, 16);
	start = ticks();
	for (unsigned i = 0; i < n; i++)
		if (mincore(at, PAGE, in))
			return UNABLE;
	start = ticks() - start;
	release(at, 16);
	return start;
}

static uint64_t map_unmap(unsigned n)
{
	int fd = memfd_create("bench", 0);
	uint64_t start;

	if (fd < 0 || ftruncate(fd, 16 * PAGE))
		return UNABLE;
	start = ticks();
	for (unsigned i = 0; i < n; i++) {
		void *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (at == MAP_FAILED || munmap(at, 16 * PAGE))
			return UNABLE;
	}
	start = ticks() - start;
	close(fd);
	return start;
}

static uint64_t load_library(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		void *library = dlopen(tiny_library, RTLD_NOW);

		if (!library || dlclose(library))
			return UNABLE;
	}
	return ticks() - start;
}

/* ---- faults ---- */

static uint64_t demand_zero(unsigned n)
{
	char *at = commit(n);
	uint64_t took = time_write(at, n);

	release(at, n);
	return took;
}

/* Linux has no trimmed pages that are still there but on its way to the swap: the page of a mapping
 * that was taken down and made again comes nearest. */
static uint64_t on_views(unsigned n, int protection, int flags,
			 uint64_t (*timed)(volatile char *, unsigned))
{
	int fd = memfd_create("bench", 0);
	char *first, *second;
	uint64_t took;

	if (fd < 0 || ftruncate(fd, (off_t)n * PAGE))
		return UNABLE;
	first = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	second = mmap(NULL, n * PAGE, protection, flags, fd, 0);
	if (first == MAP_FAILED || second == MAP_FAILED)
		return UNABLE;
	touch_write(first, n);
	took = timed(second, n);
	release(second, n);
	release(first, n);
	close(fd);
	return took;
}

static uint64_t timed_read(volatile char *at, unsigned pages)
{
	return time_read(at, pages);
}

static uint64_t timed_copy(volatile char *at, unsigned pages)
{
	touch_read(at, pages);
	return time_write(at, pages);
}

static uint64_t shared_soft(unsigned n)
{
	return on_views(n, PROT_READ, MAP_SHARED, timed_read);
}

static uint64_t copy_on_write(unsigned n)
{
	return on_views(n, PROT_READ | PROT_WRITE, MAP_PRIVATE, timed_copy);
}

/* ---- exceptions ---- */

static char *guarded;
static volatile unsigned guards_hit;

static void on_fault(int signal)
{
	(void)signal;
	guards_hit++;
	mprotect(guarded, PAGE, PROT_READ | PROT_WRITE);
}

static uint64_t guard_cycle(unsigned n, int hit)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		mprotect(guarded, PAGE, PROT_NONE);
		if (hit)
			*(volatile char *)guarded = 1;
		else
			mprotect(guarded, PAGE, PROT_READ | PROT_WRITE);
	}
	return ticks() - start;
}

/* Both cycles make the same two calls. */
static uint64_t guard_exception(unsigned n)
{
	struct sigaction action = {.sa_handler = on_fault};
	char *at = commit(3);
	uint64_t with, without;

	mprotect(at, PAGE, PROT_NONE);
	mprotect(at + 2 * PAGE, PAGE, PROT_NONE);
	sigaction(SIGSEGV, &action, NULL);
	guarded = at + PAGE;
	touch_write(guarded, 1);
	guards_hit = 0;
	with = guard_cycle(n, 1);
	without = guard_cycle(n, 0);
	signal(SIGSEGV, SIG_DFL);
	release(at, 3);
	return guards_hit == n ? with - without : UNABLE;
}

/* ---- threads and processes ---- */

static int ping[2], pong[2];

static void *answer(void *rounds)
{
	char c;

	for (uintptr_t i = (uintptr_t)rounds; i; i--)
		if (read(ping[0], &c, 1) != 1 || write(pong[1], &c, 1) != 1)
			break;
	return NULL;
}

static void bounce(const int *out, const int *in)
{
	char c = 0;

	if (write(out[1], &c, 1) != 1 || read(in[0], &c, 1) != 1)
		exit(3);
}

static uint64_t context_switch(unsigned n)
{
	uint64_t with, without;
	pthread_t thread;

	if (pipe(ping) || pipe(pong) ||
	    pthread_create(&thread, NULL, answer, (void *)(uintptr_t)(n / 2 + 1)))
		return UNABLE;
	bounce(ping, pong);
	with = ticks();
	for (unsigned i = 0; i < n / 2; i++)
		bounce(ping, pong);
	with = ticks() - with;
	pthread_join(thread, NULL);
	without = ticks();
	for (unsigned i = 0; i < n; i++)
		bounce(ping, ping);
	without = ticks() - without;
	for (int i = 0; i < 2; i++) {
		close(ping[i]);
		close(pong[i]);
	}
	return with - without;
}

static uint64_t process(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(0);
		if (waitpid(pid, &status, 0) != pid || status)
			return UNABLE;
	}
	return ticks() - start;
}

static uint64_t c_program(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		char *argv[] = {(char *)null_program, NULL}, *env[] = {NULL};
		int status;
		pid_t pid;

		if (posix_spawn(&pid, null_program, NULL, NULL, argv, env) ||
		    waitpid(pid, &status, 0) != pid || status)
			return UNABLE;
	}
	return ticks() - start;
}

static const struct op ops[] = {
    {"null_call", null_call, 200, 9},
    {"demand_zero", demand_zero, 256, 5},
    {"commit_decommit", commit_decommit, 50, 9},
    {"reserve_release", reserve_release, 50, 9},
    {"protect", protect, 100, 9},
    {"query", query, 100, 9},
    {"guard_exception", guard_exception, 50, 9},
    {"context_switch", context_switch, 50, 9},
    {"map_unmap", map_unmap, 50, 9},
    {"shared_soft", shared_soft, 128, 9},
    {"copy_on_write", copy_on_write, 128, 9},
    {"process", process, 4, 7},
    {"c_program", c_program, 4, 7},
    {"load_library", load_library, 10, 9},
};

static void no_fault_around(void)
{
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	int fd = open("/sys/kernel/debug/fault_around_bytes", O_WRONLY);

	if (fd < 0 || write(fd, "4096", 4) != 4)
		fprintf(stderr, "linux: fault-around stays on\n");
	close(fd);
}

static size_t available_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	size_t kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %zu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb << 10;
}

/* Leaves half of `mb` megabytes to page in; the disk /dev/vda takes the rest. */
static int swap(unsigned mb)
{
	size_t leave = (size_t)mb << 19, have = available_bytes();
	volatile char *at = (char *)commit(mb * 256);

	if (!at)
		return 1;
	if (syscall(SYS_swapon, "/dev/vda", 0)) {
		perror("linux: swapon /dev/vda");
		return 1;
	}
	if (have > leave) {
		size_t ballast = have - leave;
		void *locked = mmap(NULL, ballast, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

		if (locked == MAP_FAILED) {
			perror("linux: mlock");
			return 1;
		}
	}
	paging_phases(at, mb * 256);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "micro") == 0) {
		tiny_library = argv[2];
		null_program = argv[3];
		no_fault_around();
		return measure_all(ops, sizeof(ops) / sizeof(ops[0]), 0, NULL);
	}
	if (argc == 3 && strcmp(argv[1], "swap") == 0)
		return swap((unsigned)strtoul(argv[2], NULL, 0));
	fprintf(stderr, "usage: linux micro TINY.so NULL | swap MB\n");
	return 2;
}
