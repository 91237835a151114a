/*
 * For the tests of the C library: checks that count and say where. Each program prints what it
 * finds wrong, then "errors N", and exits with 1 if N is not 0.
 */
#ifndef NTMM_TESTS_GUEST_CRT_EXPECT_H
#define NTMM_TESTS_GUEST_CRT_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks_failed;

#define CHECK(condition)                                                               \
	do {                                                                           \
		if (!(condition)) {                                                    \
			checks_failed++;                                               \
			printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
		}                                                                      \
	} while (0)

#define CHECK_EQ(got, want)                                                                       \
	do {                                                                                      \
		long long got_ = (long long)(got), want_ = (long long)(want);                     \
		if (got_ != want_) {                                                              \
			checks_failed++;                                                          \
			printf("%s:%d: failed: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, \
			       got_, want_);                                                      \
		}                                                                                 \
	} while (0)

#define CHECK_STR(got, want)                                                                    \
	do {                                                                                    \
		const char *got_ = (got), *want_ = (want);                                      \
		if (!got_ || strcmp(got_, want_)) {                                             \
			checks_failed++;                                                        \
			printf("%s:%d: failed: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, \
			       #got, got_ ? got_ : "(none)", want_);                            \
		}                                                                               \
	} while (0)

/* The last line of a test program, and its exit code. */
static inline int checks_end(void)
{
	printf("errors %d\n", checks_failed);
	return checks_failed ? 1 : 0;
}

#endif
