/*
 * module: a kernel module's file taken apart. Pure: every offset is checked against the file.
 *
 * ELF64 for x86-64, a shared object without relocations: what the host approves is then the file,
 * wherever it is loaded. Its PT_LOAD segments ascend from address 0, each in pages of its own;
 * first what is not writable (the code first of all), then the rest.
 */
#ifndef EPT_MODULE_H
#define EPT_MODULE_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/abi/machine.h"

/* Fills in entry and segments. -ENOEXEC. */
int module_parse(const void *file, size_t bytes, struct ntmm_module *m);
/* Bytes of addresses it takes; of them, from the first on, that are not writable. */
uint64_t module_span(const struct ntmm_module *m);
uint64_t module_constant(const struct ntmm_module *m);

#endif
