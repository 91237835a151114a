/* How system-call handlers are declared: the Win64 calling convention, so that trap.S hands the
 * user's registers straight on. */
#ifndef NTMM_KE_SYSCALL_H
#define NTMM_KE_SYSCALL_H

#include "guest/ke/types.h"
#include "guest/ke/status.h"

#define NTSYSCALL __attribute__((ms_abi))

#endif
