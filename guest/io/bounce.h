/*
 * bounce: buffers through which data passes between the host and user memory (which cannot be
 * pinned), or other kernel memory.
 *
 * Small ones come from pool. Larger ones are a few buffers taken once at boot, so that a transfer
 * neither fails nor maps and unmaps pages when memory is short; who finds none free waits. A user
 * transfer may fault while it holds one, and the fault may need a kernel one, never the other way
 * round: hence two sets.
 */
#ifndef NTMM_IO_BOUNCE_H
#define NTMM_IO_BOUNCE_H

#include "guest/ke/ke.h"

enum bounce_use { BOUNCE_USER, BOUNCE_KERNEL, BOUNCE_USES };
#define BOUNCE_BYTES 0x8000u

struct bounce {
	u8 *data; /* contiguous when it is one of the large ones */
	u32 size; /* what there is; may be less than was asked for */
	enum bounce_use use;
	s32 slot; /* or -1: from pool */
};

void bounce_init(void);
/* Never fails; waits if need be. => PASSIVE_LEVEL */
struct bounce bounce_get(enum bounce_use use, u32 bytes);
void bounce_put(struct bounce *b);

#endif
