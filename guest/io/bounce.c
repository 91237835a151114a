/* Bounce buffers. Lock: bounce_lock (spin) covers the free masks. */
#include "guest/io/bounce.h"

#define POOL_MOST 2000u /* what pool gives without taking whole pages */
#define BUFFERS	  2	/* of each use */

static struct spinlock bounce_lock;
static struct {
	KSEMAPHORE free;
	u32 taken; /* bit a buffer */
	u8 *buffer[BUFFERS];
} sets[BOUNCE_USES];

void bounce_init(void)
{
	for (u32 use = 0; use < BOUNCE_USES; use++) {
		for (u32 i = 0; i < BUFFERS; i++) {
			sets[use].buffer[i] = MmAllocateContiguous(BOUNCE_BYTES);
			if (!sets[use].buffer[i])
				KeBugCheckEx(PHASE0_INITIALIZATION_FAILED, BOUNCE_BYTES, 0, 0, 0,
					     "no memory for I/O buffers");
		}
		KeInitializeSemaphore(&sets[use].free, BUFFERS, BUFFERS);
	}
}

struct bounce bounce_get(enum bounce_use use, u32 bytes)
{
	struct bounce b = {.use = use, .slot = -1};
	KIRQL irql;

	if (bytes <= POOL_MOST) {
		b.size = bytes;
		b.data = ExAllocatePool(bytes ? bytes : 1, TAG('B', 'n', 'c', 'e'));
		if (b.data)
			return b;
	}
	KeWaitForSingleObject(&sets[use].free, KERNEL_MODE, false, NULL);
	irql = KeAcquireSpinLock(&bounce_lock);
	b.slot = __builtin_ctz(~sets[use].taken);
	require(b.slot < BUFFERS);
	sets[use].taken |= 1u << b.slot;
	KeReleaseSpinLock(&bounce_lock, irql);
	b.data = sets[use].buffer[b.slot];
	b.size = BOUNCE_BYTES;
	return b;
}

void bounce_put(struct bounce *b)
{
	KIRQL irql;

	if (b->slot < 0) {
		ExFreePool(b->data);
		return;
	}
	irql = KeAcquireSpinLock(&bounce_lock);
	sets[b->use].taken &= ~(1u << b->slot);
	KeReleaseSpinLock(&bounce_lock, irql);
	KeReleaseSemaphore(&sets[b->use].free, 1, NULL);
}
