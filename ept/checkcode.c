/*
 * checkcode KERNEL.elf: would the host approve its code? Names what it would not, for the kernel's
 * build. Exit status 0: all of it; 1: there is something; 2: no such kernel.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ept/gadget.h"
#include "guest/abi/machine.h"

static int check(const uint8_t *file, size_t size)
{
	Elf64_Ehdr eh;
	int found = 0;

	if (size < sizeof(eh) || memcmp(file, ELFMAG, SELFMAG) != 0)
		return 2;
	memcpy(&eh, file, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		const char *what;
		Elf64_Phdr p;
		size_t at;

		if (eh.e_phoff + (i + 1) * sizeof(p) > size)
			return 2;
		memcpy(&p, file + eh.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || p.p_flags & NTMM_PF_INIT)
			continue;
		if (p.p_offset > size || p.p_filesz > size - p.p_offset)
			return 2;
		for (size_t from = 0; gadget_find(file + p.p_offset, p.p_filesz, from, &at, &what);
		     from = at + 1) {
			printf("0x%lx: %s\n", p.p_vaddr + at, what);
			found = 1;
		}
	}
	return found;
}

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "rbe") : NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int status = 2;

	if (f && fseek(f, 0, SEEK_END) == 0 && (long)(size = (size_t)ftell(f)) > 0) {
		rewind(f);
		bytes = malloc(size);
		if (bytes && fread(bytes, 1, size, f) == size)
			status = check(bytes, size);
	}
	if (f)
		fclose(f);
	free(bytes);
	return status;
}
