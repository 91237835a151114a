/*
 * elf: reads an ELF64 kernel image with a PVH entry note. Pure: works on bytes in memory.
 */
#ifndef VMM_ELF_H
#define VMM_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ept/ept.h"
#include "vmm/vmm.h"

#define ELF_MAX_LOADS 16

struct elf_load {
	uint64_t paddr, vaddr, filesz, memsz, offset;
	bool writable;
	bool protected_; /* NTMM_PF_KDP */
	bool executable;
	bool init; /* NTMM_PF_INIT */
};

struct elf_image {
	const uint8_t *data;
	size_t size;
	uint32_t entry; /* PVH: 32-bit physical */
	uint64_t end;	/* first physical address after all segments */
	unsigned nloads;
	struct elf_load load[ELF_MAX_LOADS]; /* sorted by paddr, disjoint */
	unsigned nro;
	struct gpa_range ro[ELF_MAX_LOADS]; /* 2 MB aligned ranges that only non-writable segments
					       use, merged */
	/* Symbol table, or nsyms 0. */
	const uint8_t *syms;
	size_t nsyms;
	const char *strtab;
	size_t strtab_size;
};

/* Checks everything it later relies on. -ENOEXEC with a line of text naming `name`. */
int elf_parse(const void *data, size_t size, const char *name, struct elf_image *image,
	      struct vm_error *err);

/* Address and size of an object or function; false: there is none of that name. */
bool elf_lookup(const struct elf_image *image, const char *name, uint64_t *va, uint64_t *size);
/* As elf_symbol, of data. */
bool elf_object(const struct elf_image *image, uint64_t va, const char **name, uint64_t *offset);

/* The function that holds va, and the offset in it. */
bool elf_symbol(const struct elf_image *image, uint64_t va, const char **name, uint64_t *offset);

#endif
