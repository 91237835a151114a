/*
 * Touching pages: reads and writes that may fault, one thread's fault kept apart from another's,
 * and what the model expects of them.
 */
#ifndef NTMM_TESTS_FUZZ_ACCESS_H
#define NTMM_TESTS_FUZZ_ACCESS_H

#include <string.h>
#include "tests/guest/fuzz/section.h"

int page_read(const void *page, ULONG64 *words);
int page_write(void *page, const ULONG64 *words);
extern const char page_probes_end[], page_failed[];

/* WORDS_CHECKED words, 256 bytes apart. */
__asm__(".text\n"
	".globl page_read, page_write, page_probes_end, page_failed\n"
	"page_read:\n"
	"	movl $16, %eax\n"
	"1:	movq (%rcx), %r8\n"
	"	movq %r8, (%rdx)\n"
	"	addq $256, %rcx\n"
	"	addq $8, %rdx\n"
	"	decl %eax\n"
	"	jnz 1b\n"
	"	incl %eax\n"
	"	ret\n"
	"page_write:\n"
	"	movl $16, %eax\n"
	"1:	movq (%rdx), %r8\n"
	"	movq %r8, (%rcx)\n"
	"	addq $256, %rcx\n"
	"	addq $8, %rdx\n"
	"	decl %eax\n"
	"	jnz 1b\n"
	"	incl %eax\n"
	"	ret\n"
	"page_probes_end:\n"
	"page_failed:\n"
	"	xorl %eax, %eax\n"
	"	ret\n");

/* NT_TIB.ArbitraryUserPointer is this program's. */
static inline struct fuzzer *current_fuzzer(void)
{
	struct fuzzer *f;

	__asm__ volatile("movq %%gs:0x28, %0" : "=r"(f));
	return f;
}

static inline void set_current_fuzzer(struct fuzzer *f)
{
	__asm__ volatile("movq %0, %%gs:0x28" : : "r"(f) : "memory");
}

static LONG CALLBACK fuzz_handler(EXCEPTION_POINTERS *info)
{
	CONTEXT *context = info->ContextRecord;

	if (context->Rip < (ULONG64)page_read || context->Rip >= (ULONG64)page_probes_end)
		return EXCEPTION_CONTINUE_SEARCH;
	context->Rip = (ULONG64)page_failed;
	current_fuzzer()->record = *info->ExceptionRecord;
	return EXCEPTION_CONTINUE_EXECUTION;
}

/* The shadow of what page i holds. */
static inline struct content *content_of(struct fuzzer *f, ULONG i)
{
	struct page *p = &f->page[i];
	struct region *r = &f->region[p->region];

	if (r->kind == R_VIEW && !p->copied)
		return &r->section->content[r->section_page + i - r->first];
	return &p->own;
}

static inline BOOL is_copy_on_write(ULONG protect)
{
	return protect & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY);
}

/* The status an access to page i has to raise, 0: none; its effects are taken into the model. */
static inline LONG expect_access(struct fuzzer *f, ULONG i, BOOL write)
{
	const ULONG writable =
	    PAGE_READWRITE | PAGE_EXECUTE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY;
	struct page *p = &f->page[i];

	if (p->state != P_COMMITTED || p->offered)
		return ST_ACCESS_VIOLATION;
	if (p->protect & PAGE_GUARD) {
		p->protect &= ~PAGE_GUARD;
		return ST_GUARD_PAGE;
	}
	if (write ? !(p->protect & writable) : p->protect == PAGE_NOACCESS)
		return ST_ACCESS_VIOLATION;
	if (write && is_copy_on_write(p->protect)) {
		p->own = *content_of(f, i);
		p->copied = TRUE;
		p->protect = p->protect == PAGE_WRITECOPY ? PAGE_READWRITE : PAGE_EXECUTE_READWRITE;
	}
	if (write && f->region[p->region].watched)
		p->written = TRUE;
	return 0;
}

static inline LONG touch(struct fuzzer *f, ULONG i, BOOL write, ULONG64 *words)
{
	void *page = (void *)page_va(f, i);

	f->record.ExceptionCode = 0;
	if (write ? page_write(page, words) : page_read(page, words))
		return 0;
	if (f->record.NumberParameters != 2 || f->record.ExceptionInformation[0] != (ULONG)write ||
	    f->record.ExceptionInformation[1] != (ULONG64)page)
		return -1;
	return (LONG)f->record.ExceptionCode;
}

/* Whether the words of page i are what they have to be. */
static inline BOOL words_agree(struct fuzzer *f, ULONG i, const ULONG64 *words)
{
	struct content *c = content_of(f, i);
	BOOL zero = TRUE, same = TRUE;

	for (ULONG k = 0; k < WORDS_CHECKED; k++) {
		zero &= !words[k];
		same &= words[k] == pattern(c, k);
	}
	if (!same && c->doubtful && zero) {
		*c = (struct content){0}; /* lost for good */
		return TRUE;
	}
	return same;
}

static inline void fill_words(struct fuzzer *f, ULONG i, ULONG64 *words, struct content *c)
{
	*c = (struct content){.tag = chance(f, 2) ? 0 : (ULONG)next_random(f) | 1,
			      .key = f->thread << 16 | i};
	for (ULONG k = 0; k < WORDS_CHECKED; k++)
		words[k] = pattern(c, k);
}

#endif
