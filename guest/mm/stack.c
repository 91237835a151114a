/*
 * Automatic stack growth. A guard page hit inside the current thread's own stack (between the TEB's
 * DeallocationStack and StackBase) becomes an ordinary page, the page below becomes the new guard
 * and the TEB's StackLimit follows; when there is no room for a new guard it is
 * STATUS_STACK_OVERFLOW. A guard page anywhere else is the program's own:
 * STATUS_GUARD_PAGE_VIOLATION.
 */
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"

#define TEB_STACK_BASE	       0x08
#define TEB_STACK_LIMIT	       0x10
#define TEB_DEALLOCATION_STACK 0x1478
#define TEB_GUARANTEED	       0x1748
#define HANDLER_ROOM	       (3 * PAGE_SIZE) /* x64's guard region: what an overflow's handler has */

/* => no locks; the guard at va has been removed */
NTSTATUS mm_grow_stack(u64 va, struct ktrap_frame *frame)
{
	u64 teb = current_thread()->teb, bounds[2], bottom, limit = va & ~(PAGE_SIZE - 1), guard;
	u32 guaranteed = 0;
	u64 size = PAGE_SIZE;

	(void)frame;
	if (!teb || copy_from_user(bounds, (void *)(teb + TEB_STACK_BASE), sizeof(bounds)) ||
	    copy_from_user(&bottom, (void *)(teb + TEB_DEALLOCATION_STACK), 8) ||
	    copy_from_user(&guaranteed, (void *)(teb + TEB_GUARANTEED), 4))
		return STATUS_GUARD_PAGE_VIOLATION;
	if (va < bottom || va >= bounds[0])
		return STATUS_GUARD_PAGE_VIOLATION;
	guaranteed = (u32)MAX(ALIGN_UP(guaranteed, PAGE_SIZE), HANDLER_ROOM);
	if (limit < bottom + PAGE_SIZE + guaranteed) { /* the last page stays out of reach */
		limit = bottom + PAGE_SIZE;
		copy_to_user((void *)(teb + TEB_STACK_LIMIT), &limit, 8);
		guard = limit;
		size = guaranteed;
		MmAllocatePrivate(PsGetCurrentProcess(), &guard, &size, MEM_COMMIT, PAGE_READWRITE);
		return STATUS_STACK_OVERFLOW;
	}
	guard = limit - PAGE_SIZE;
	if (!NT_SUCCESS(MmAllocatePrivate(PsGetCurrentProcess(), &guard, &size, MEM_COMMIT,
					  PAGE_READWRITE | PAGE_GUARD)))
		return STATUS_STACK_OVERFLOW; /* no commit left */
	copy_to_user((void *)(teb + TEB_STACK_LIMIT), &limit, 8);
	return STATUS_SUCCESS;
}

/* A guard set by the program inside the current thread's own stack: StackLimit goes up to just
 * above it, as on 64-bit Windows. => no locks */
void mm_note_stack_guard(u64 start, u64 end)
{
	u64 teb = current_thread()->teb, bounds[2], bottom;

	if (!teb || copy_from_user(bounds, (void *)(teb + TEB_STACK_BASE), sizeof(bounds)) ||
	    copy_from_user(&bottom, (void *)(teb + TEB_DEALLOCATION_STACK), 8))
		return;
	if (start >= bottom && end < bounds[0] && end > bounds[1])
		copy_to_user((void *)(teb + TEB_STACK_LIMIT), &end, 8);
}
