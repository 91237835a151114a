/*
 * What images share: a table for the host (NTMM_PUBLISH_SHARING), one row a file. A row tells of
 * the moment when most views of the image were there; it is taken when the first of those views
 * goes, so the prototypes are looked at once for each new record. Lock: F (rows), A of whoever
 * unmaps.
 */
#include "guest/abi/counters.h"
#include "guest/abi/machine.h"
#include "guest/mm/mi.h"

static struct ntmm_sharing sharing __attribute__((aligned(4096)));

void mm_init_sharing(void)
{
	sharing.magic = NTMM_SHARING_MAGIC;
	if (ke_on_ntmm)
		hypercall(NTMM_HC_PUBLISH, NTMM_PUBLISH_SHARING, MmGetPhysicalAddress(&sharing),
			  sizeof(sharing), 0);
}

void mm_name_image(struct control_area *ca)
{
	u32 chars, start, n = 0;
	u16 *name;

	if (IoQueryFileName(ca->file, &name, &chars))
		return;
	for (start = chars; start && name[start - 1] != '\\';)
		start--;
	for (; start < chars && n < NTMM_SHARING_NAME - 1; start++)
		ca->name[n++] = name[start] > ' ' && name[start] < 127 ? (char)name[start] : '?';
	ExFreePool(name);
}

/* => F. The row of that name: there already, or the next free one. NULL: none left */
static struct ntmm_shared_image *row_of(const char *name)
{
	for (u32 i = 0; i < NTMM_SHARING_IMAGES; i++) {
		struct ntmm_shared_image *r = &sharing.image[i];

		if (!r->name[0])
			memcpy(r->name, name, NTMM_SHARING_NAME);
		if (!strcmp(r->name, name))
			return r;
	}
	return NULL;
}

void mm_note_sharing(struct control_area *ca)
{
	u64 frames = 0, mappings = 0, most = 0;
	struct ntmm_shared_image *r;
	KIRQL old;

	if (LIKELY(ca->views <= ca->noted_views) || !ca->name[0])
		return;
	old = KeAcquireSpinLock(&pfn_lock);
	ca->noted_views = ca->views;
	for (u64 i = 0; i < ca->pages; i++) {
		MMPTE v = ca->proto[i];

		if (!(v & PTE_VALID))
			continue;
		frames++;
		mappings += mm_pfn[pte_pfn(v)].share;
		most = MAX(most, (u64)mm_pfn[pte_pfn(v)].share);
	}
	r = row_of(ca->name);
	if (r && ca->views >= r->views) {
		r->views = ca->views;
		r->frames = frames;
		r->mappings = mappings;
		r->most = most;
	}
	ca->row = r;
	KeReleaseSpinLock(&pfn_lock, old);
}

/* => no view is there any more */
void mm_note_copies(struct control_area *ca)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	if (ca->row)
		ca->row->copies += ca->copies;
	ca->copies = 0;
	KeReleaseSpinLock(&pfn_lock, old);
}
