/* The parser: one pass over the program headers. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "ept/module.h"

#define PAGE ((uint64_t)NTMM_PAGE_SIZE)

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE - 1) & ~(PAGE - 1);
}

uint64_t module_span(const struct ntmm_module *m)
{
	const struct ntmm_segment *last = &m->segment[m->segments - 1];

	return m->segments ? last->offset + last->bytes : 0;
}

uint64_t module_constant(const struct ntmm_module *m)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < m->segments && !(m->segment[i].flags & NTMM_SEGMENT_W); i++)
		end = m->segment[i].offset + m->segment[i].bytes;
	return end;
}

static int add_segment(struct ntmm_module *m, const Elf64_Phdr *p, size_t bytes)
{
	const uint32_t flags = (p->p_flags & PF_W ? NTMM_SEGMENT_W : 0) |
			       (p->p_flags & PF_X ? NTMM_SEGMENT_X : 0) |
			       (p->p_flags & NTMM_PF_KDP ? NTMM_SEGMENT_KDP : 0);
	const uint64_t from = module_span(m);
	const bool first = m->segments == 0;

	if (m->segments == NTMM_MODULE_SEGMENTS || p->p_vaddr != from ||
	    p->p_memsz > NTMM_MODULE_MOST - from || p->p_memsz == 0 || p->p_filesz > p->p_memsz ||
	    p->p_offset > bytes || p->p_filesz > bytes - p->p_offset)
		return -ENOEXEC;
	/* the code, and nothing else, is executable */
	if (first ? flags != NTMM_SEGMENT_X : flags & NTMM_SEGMENT_X)
		return -ENOEXEC;
	if (!(flags & NTMM_SEGMENT_W) && (flags & NTMM_SEGMENT_KDP || module_constant(m) != from))
		return -ENOEXEC;
	m->segment[m->segments++] =
	    (struct ntmm_segment){from, page_up(p->p_memsz), p->p_offset, p->p_filesz, flags, 0};
	return 0;
}

int module_parse(const void *file, size_t bytes, struct ntmm_module *m)
{
	Elf64_Ehdr eh;

	m->segments = 0;
	if (bytes < sizeof(eh))
		return -ENOEXEC;
	memcpy(&eh, file, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_X86_64 ||
	    eh.e_type != ET_DYN || eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phoff > bytes ||
	    (uint64_t)eh.e_phnum * sizeof(Elf64_Phdr) > bytes - eh.e_phoff)
		return -ENOEXEC;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, (const char *)file + eh.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD && add_segment(m, &p, bytes) < 0)
			return -ENOEXEC;
	}
	if (m->segments == 0 || eh.e_entry >= m->segment[0].file_bytes)
		return -ENOEXEC;
	m->entry = eh.e_entry;
	return 0;
}
