/* Randomness for address-space layout: one seeded generator, so that a run can be repeated. */
#ifndef NTMM_KE_ASLR_H
#define NTMM_KE_ASLR_H
#include "guest/ke/types.h"
bool ke_aslr_enabled(void);
u64 ke_aslr(u64 below); /* uniform in 0 .. below - 1; 0 when ASLR is off */
u64 ke_random(void);	/* never off */
#endif
