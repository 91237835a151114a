/* A store in user mode that may fault. */
#include "tests/attacks/attack.h"

int user_store(volatile uint64_t *to, uint64_t value);
extern const char user_store_at[], user_store_failed[];

__asm__(".text\n"
	".globl user_store, user_store_at, user_store_failed\n"
	"user_store:\n"
	"user_store_at:\n"
	"	movq %rdx, (%rcx)\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"user_store_failed:\n"
	"	xorl %eax, %eax\n"
	"	ret\n");

static LONG CALLBACK handler(EXCEPTION_POINTERS *info)
{
	if (info->ContextRecord->Rip != (uintptr_t)user_store_at)
		return EXCEPTION_CONTINUE_SEARCH;
	info->ContextRecord->Rip = (uintptr_t)user_store_failed;
	return EXCEPTION_CONTINUE_EXECUTION;
}

static void __attribute__((constructor)) begin(void)
{
	AddVectoredExceptionHandler(1, handler);
}
