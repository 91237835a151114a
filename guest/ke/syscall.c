/* The system-call table, from syscalls.def. A call that no file defines answers
 * STATUS_NOT_IMPLEMENTED: the definitions here are weak. */
#include "guest/ke/types.h"
#include "guest/ke/status.h"
#include "guest/ke/syscall.h"
#include "guest/abi/counters.h"

#define SYSCALL(name, args)                                  \
	__attribute__((weak)) NTSYSCALL NTSTATUS name(void); \
	__attribute__((weak)) NTSYSCALL NTSTATUS name(void)  \
	{                                                    \
		return STATUS_NOT_IMPLEMENTED;               \
	}
#include "guest/include/syscalls.def"
#undef SYSCALL

/* Known to trap.S: 16 bytes a row. */
const struct {
	NTSYSCALL NTSTATUS (*handler)(void);
	u64 stack_arguments;
} syscall_table[] = {
#define SYSCALL(name, args) {name, (args) > 4 ? (args)-4 : 0},
#include "guest/include/syscalls.def"
#undef SYSCALL
};
_Static_assert(offsetof(struct ntmm_counters, syscalls) == 336, "trap.S counts there");
const u32 syscall_count = ARRAY_SIZE(syscall_table);
u32 syscall_smap; /* whether STAC and CLAC are there; trap.S */
