/* What the native tests of the managed heap can make of their system (clrgc_platform.c). */
#ifndef NTMM_TESTS_CLRGC_PLATFORM_H
#define NTMM_TESTS_CLRGC_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

extern size_t gcp_commit_most; /* bytes; more cannot be committed. 0: no such limit */
extern size_t gcp_committed;
extern size_t gcp_resets; /* calls */

bool gcp_is_committed(const void *page);
void gcp_set_low_memory(bool low);

#endif
