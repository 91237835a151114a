/*
 * For the guest test programs: checks that count and say where, and accesses that may fault.
 *
 * try_read(), try_write() and try_execute() give 1 if the access went through and 0 if it raised an
 * exception, which is then in `fault`. A vectored handler takes the exception and lets execution go
 * on behind the access; nothing is unwound, so it works before SEH does.
 */
#ifndef NTMM_TESTS_GUEST_CHECK_H
#define NTMM_TESTS_GUEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

static unsigned checks_done, checks_failed;

#define CHECK(condition)                                                                   \
	do {                                                                               \
		checks_done++;                                                             \
		if (!(condition)) {                                                        \
			checks_failed++;                                                   \
			printf("%s:%d: failed: %s (last error %lu)\n", __FILE__, __LINE__, \
			       #condition, GetLastError());                                \
		}                                                                          \
	} while (0)

#define CHECK_EQ(got, want)                                                                     \
	do {                                                                                    \
		unsigned long long got_ = (unsigned long long)(got);                            \
		unsigned long long want_ = (unsigned long long)(want);                          \
		checks_done++;                                                                  \
		if (got_ != want_) {                                                            \
			checks_failed++;                                                        \
			printf("%s:%d: failed: %s is 0x%llx, not 0x%llx\n", __FILE__, __LINE__, \
			       #got, got_, want_);                                              \
		}                                                                               \
	} while (0)

/* The last line of a test program, and its exit code. */
static inline int checks_end(void)
{
	printf("%u checks, errors %u\n", checks_done, checks_failed);
	fflush(stdout);
	return checks_failed ? 1 : 0;
}

static EXCEPTION_RECORD fault;
static unsigned faults;

int probe_read(const volatile void *from, unsigned char *value);
int probe_write(volatile void *to, unsigned char value);
int probe_execute(const void *code);
extern const char probe_end[], probe_failed[];

__asm__(".text\n"
	".globl probe_read, probe_write, probe_execute, probe_end, probe_failed\n"
	"probe_read:\n"
	"	movb (%rcx), %al\n"
	"	movb %al, (%rdx)\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"probe_write:\n"
	"	movb %dl, (%rcx)\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"probe_end:\n"
	"probe_failed:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"probe_execute:\n" /* calls code that is a single RET */
	"	subq $40, %rsp\n"
	"	call *%rcx\n"
	"	addq $40, %rsp\n"
	"	movl $1, %eax\n"
	"	ret\n");

static LONG CALLBACK probe_handler(EXCEPTION_POINTERS *info)
{
	const EXCEPTION_RECORD *record = info->ExceptionRecord;
	CONTEXT *context = info->ContextRecord;
	uintptr_t rip = context->Rip;
	if (rip >= (uintptr_t)probe_read && rip < (uintptr_t)probe_end) {
		context->Rip = (uintptr_t)probe_failed;
	} else if (record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION &&
		   record->ExceptionInformation[0] == 8 && record->ExceptionInformation[1] == rip) {
		context->Rsp += 8 + 40; /* out of the call, and of probe_execute's frame */
		context->Rip = (uintptr_t)probe_failed;
	} else {
		return EXCEPTION_CONTINUE_SEARCH;
	}
	fault = *record;
	faults++;
	return EXCEPTION_CONTINUE_EXECUTION;
}

/* => once, before the first try_ */
static inline void probes_begin(void)
{
	AddVectoredExceptionHandler(1, probe_handler);
}

static inline int try_read(const volatile void *from)
{
	unsigned char value;
	fault.ExceptionCode = 0;
	return probe_read(from, &value);
}

static inline int try_write(volatile void *to)
{
	fault.ExceptionCode = 0;
	return probe_write(to, 0x5a);
}

static inline int try_execute(const void *code)
{
	fault.ExceptionCode = 0;
	return probe_execute(code);
}

#endif
