/* Set once at boot from a copy that stays. */
#ifndef NTMM_KE_RUNBLOCK_H
#define NTMM_KE_RUNBLOCK_H
#include "guest/ke/types.h"
void ke_set_runblock(const char *block, u64 bytes);
#endif
