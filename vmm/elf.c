/*
 * ELF64 parsing: program headers, the PVH note, the symbol table. Every offset and size of the file
 * is checked against the file before use; multi-byte fields are copied out, never cast in place.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "guest/abi/machine.h"
#include "vmm/elf.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18u /* Xen public headers, elfnote.h */

#define KERNEL_LIMIT (1ull << 30) /* a kernel image has to lie below this */

static bool in_file(const struct elf_image *im, uint64_t off, uint64_t len)
{
	return off <= im->size && len <= im->size - off;
}

static uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) & ~(unit - 1);
}

static int bad(struct vm_error *err, const char *name, const char *what)
{
	return vm_fail(err, -ENOEXEC, "%s: not a kernel that can be booted: %s", name, what);
}

/* Walks the notes of one PT_NOTE. True if the PVH entry was found. */
static bool find_pvh(const struct elf_image *im, uint64_t off, uint64_t len, uint32_t *entry)
{
	uint64_t end = off + len;

	while (end - off >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		uint64_t name, desc, next;

		memcpy(&n, im->data + off, sizeof(n));
		name = off + sizeof(n);
		desc = name + round_up(n.n_namesz, 4);
		next = desc + round_up(n.n_descsz, 4);
		if (desc + n.n_descsz > end)
			return false;
		if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    memcmp(im->data + name, "Xen", 4) == 0 && n.n_descsz >= 4) {
			memcpy(entry, im->data + desc, sizeof(*entry));
			return true;
		}
		if (next > end)
			return false;
		off = next;
	}
	return false;
}

static const char *add_load(struct elf_image *im, const Elf64_Phdr *p)
{
	struct elf_load l = {p->p_paddr,
			     p->p_vaddr,
			     p->p_filesz,
			     p->p_memsz,
			     p->p_offset,
			     (p->p_flags & PF_W) != 0,
			     (p->p_flags & NTMM_PF_KDP) != 0,
			     (p->p_flags & PF_X) != 0,
			     (p->p_flags & NTMM_PF_INIT) != 0};
	unsigned i;

	if (p->p_memsz == 0)
		return NULL;
	if (p->p_filesz > p->p_memsz)
		return "a segment is larger in the file than in memory";
	if (!in_file(im, p->p_offset, p->p_filesz))
		return "a segment lies beyond the end of the file";
	if (p->p_paddr >= KERNEL_LIMIT || p->p_memsz > KERNEL_LIMIT - p->p_paddr)
		return "a segment's physical address is above 1 GB";
	if (l.protected_ && (p->p_paddr < NTMM_KDP_GPA ||
			     p->p_memsz > NTMM_KDP_END - NTMM_VAULT_BYTES - p->p_paddr))
		return "its protected data does not lie where it has to";
	if (p->p_paddr < 0x100000)
		return "a segment's physical address is below 1 MB";
	if (im->nloads == ELF_MAX_LOADS)
		return "it has too many segments";
	for (i = im->nloads; i > 0 && im->load[i - 1].paddr > l.paddr; i--)
		im->load[i] = im->load[i - 1];
	im->load[i] = l;
	im->nloads++;
	if ((i > 0 && im->load[i - 1].paddr + im->load[i - 1].memsz > l.paddr) ||
	    (i + 1 < im->nloads && l.paddr + l.memsz > im->load[i + 1].paddr))
		return "two segments overlap";
	if (l.paddr + l.memsz > im->end)
		im->end = l.paddr + l.memsz;
	return NULL;
}

/* The 2 MB ranges of the non-writable segments; no writable one may touch them. */
static const char *find_readonly(struct elf_image *im)
{
	for (unsigned i = 0; i < im->nloads; i++) {
		const struct elf_load *l = &im->load[i];
		struct gpa_range r = {l->paddr & ~(uint64_t)(NTMM_LARGE_PAGE - 1),
				      round_up(l->paddr + l->memsz, NTMM_LARGE_PAGE)};

		if (l->writable)
			continue;
		if (r.start < NTMM_KDP_END && r.end > NTMM_KDP_GPA) { /* the two share 2 MB */
			if (l->paddr + l->memsz > NTMM_KDP_GPA)
				return "read-only memory where protected data has to lie";
			r.end = NTMM_KDP_GPA;
		}
		if (im->nro > 0 && im->ro[im->nro - 1].end >= r.start)
			im->ro[im->nro - 1].end = r.end;
		else
			im->ro[im->nro++] = r;
	}
	for (unsigned i = 0; i < im->nloads; i++) {
		const struct elf_load *l = &im->load[i];

		for (unsigned k = 0; l->writable && !l->protected_ && k < im->nro; k++)
			if (l->paddr < round_up(im->ro[k].end, NTMM_LARGE_PAGE) &&
			    l->paddr + l->memsz > im->ro[k].start)
				return "a writable segment shares 2 MB of memory with a read-only "
				       "one";
	}
	return NULL;
}

/* Best effort: a kernel without a usable symbol table has no symbols. */
static void find_symbols(struct elf_image *im, const Elf64_Ehdr *eh)
{
	Elf64_Shdr sh, str;

	if (eh->e_shentsize != sizeof(sh) ||
	    !in_file(im, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(sh)))
		return;
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		memcpy(&sh, im->data + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		if (sh.sh_link >= eh->e_shnum || !in_file(im, sh.sh_offset, sh.sh_size))
			return;
		memcpy(&str, im->data + eh->e_shoff + sh.sh_link * sizeof(sh), sizeof(str));
		if (!in_file(im, str.sh_offset, str.sh_size) || str.sh_size == 0 ||
		    im->data[str.sh_offset + str.sh_size - 1] != 0)
			return;
		im->syms = im->data + sh.sh_offset;
		im->nsyms = sh.sh_size / sizeof(Elf64_Sym);
		im->strtab = (const char *)im->data + str.sh_offset;
		im->strtab_size = str.sh_size;
		return;
	}
}

int elf_parse(const void *data, size_t size, const char *name, struct elf_image *im,
	      struct vm_error *err)
{
	bool pvh = false;
	const char *why;
	Elf64_Ehdr eh;

	memset(im, 0, sizeof(*im));
	im->data = data;
	im->size = size;
	if (size < sizeof(eh))
		return bad(err, name, "the file is too short for an ELF header");
	memcpy(&eh, data, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
		return bad(err, name, "it is not an ELF file");
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64)
		return bad(err, name, "it is not an x86-64 ELF file");
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)
		return bad(err, name, "it is not an executable ELF file");
	if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum == 0 ||
	    !in_file(im, eh.e_phoff, (uint64_t)eh.e_phnum * sizeof(Elf64_Phdr)))
		return bad(err, name, "its program headers are damaged");

	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, im->data + eh.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_NOTE && !pvh && in_file(im, p.p_offset, p.p_filesz))
			pvh = find_pvh(im, p.p_offset, p.p_filesz, &im->entry);
		if (p.p_type != PT_LOAD)
			continue;
		why = add_load(im, &p);
		if (why)
			return bad(err, name, why);
	}
	if (im->nloads == 0)
		return bad(err, name, "it has nothing to load");
	if (!pvh)
		return bad(err, name, "it has no PVH entry note");
	why = find_readonly(im);
	if (why)
		return bad(err, name, why);
	for (unsigned i = 0; i < im->nloads; i++)
		if (im->entry >= im->load[i].paddr &&
		    im->entry < im->load[i].paddr + im->load[i].memsz) {
			find_symbols(im, &eh);
			return 0;
		}
	return bad(err, name, "its PVH entry lies outside its segments");
}

/* Reads symbol i; false: not one of these types (a mask), or it is no place in the kernel. */
static bool symbol_at(const struct elf_image *im, size_t i, unsigned types, Elf64_Sym *s)
{
	memcpy(s, im->syms + i * sizeof(*s), sizeof(*s));
	return (types >> ELF64_ST_TYPE(s->st_info) & 1) && s->st_shndx != SHN_UNDEF &&
	       s->st_shndx != SHN_ABS && s->st_name < im->strtab_size && im->strtab[s->st_name];
}

static bool nearest(const struct elf_image *im, uint64_t va, unsigned types, const char **name,
		    uint64_t *offset)
{
	uint64_t best = 0;

	*name = NULL;
	for (size_t i = 0; i < im->nsyms; i++) {
		Elf64_Sym s;

		if (!symbol_at(im, i, types, &s) || s.st_value > va ||
		    (s.st_size != 0 && va - s.st_value >= s.st_size))
			continue;
		if (*name == NULL || s.st_value > best) {
			best = s.st_value;
			*name = im->strtab + s.st_name;
		}
	}
	*offset = va - best;
	/* Beyond the image there is nothing to name. */
	for (unsigned i = 0; *name && i < im->nloads; i++)
		if (va >= im->load[i].vaddr && va < im->load[i].vaddr + im->load[i].memsz)
			return true;
	return false;
}

bool elf_symbol(const struct elf_image *im, uint64_t va, const char **name, uint64_t *offset)
{
	return nearest(im, va, 1u << STT_FUNC | 1u << STT_NOTYPE, name, offset);
}

bool elf_object(const struct elf_image *im, uint64_t va, const char **name, uint64_t *offset)
{
	return nearest(im, va, 1u << STT_OBJECT, name, offset);
}

bool elf_lookup(const struct elf_image *im, const char *name, uint64_t *va, uint64_t *size)
{
	for (size_t i = 0; i < im->nsyms; i++) {
		Elf64_Sym s;

		if (!symbol_at(im, i, 1u << STT_FUNC | 1u << STT_NOTYPE | 1u << STT_OBJECT, &s) ||
		    strcmp(im->strtab + s.st_name, name) != 0)
			continue;
		*va = s.st_value;
		*size = s.st_size;
		return true;
	}
	return false;
}
