/*
 * Control areas: life, prototypes, subsections. ca_lock (a mutex, taken after A) guards the
 * reference counts and the pointers that hang control areas up at files.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

#define IDLE_IMAGES 24u /* images kept for the next use */

static struct mutex ca_lock;
static struct list idle_images;
static u32 idle_count;

void mm_init_sections(void)
{
	mutex_init(&ca_lock);
	mm_init_known_dlls();
	list_init(&idle_images);
}

MMPTE *mm_proto_array(const struct control_area *ca)
{
	return ca->proto;
}

struct subsection *mm_subsection_of(const struct control_area *ca, u64 page)
{
	u32 lo = 0, hi = ca->subsections;

	while (hi - lo > 1) {
		u32 mid = (lo + hi) / 2;

		if (ca->subsection[mid].first <= page)
			lo = mid;
		else
			hi = mid;
	}
	return &ca->subsection[lo];
}

/* What is left of a protection where an image may not run. */
static u32 without_execute(u32 prot)
{
	static const u8 plain[8] = {
	    [MM_EXECUTE] = MM_READONLY,
	    [MM_EXECUTE_READ] = MM_READONLY,
	    [MM_EXECUTE_READWRITE] = MM_READWRITE,
	    [MM_EXECUTE_WRITECOPY] = MM_WRITECOPY,
	};
	u32 to = plain[MM_BASE(prot)];

	return to ? (prot & 0x18) | to : prot;
}

u32 mm_image_prot(const MMVAD *v, u64 va)
{
	u32 prot = mm_subsection_of(v->ca, v->first + (va >> PAGE_SHIFT) - v->node.start)->prot;

	return UNLIKELY(v->no_execute) ? without_execute(prot) : prot;
}

bool mm_is_shared_write(const MMVAD *v, u64 va)
{
	return mm_subsection_of(v->ca, v->first + (va >> PAGE_SHIFT) - v->node.start)->shared_write;
}

void mm_prototype_left(MMPTE original)
{
	(void)original; /* resident counts are per control area and kept where frames are added */
}

/* Every frame and slot the prototypes hold. => no view, no other reference */
void mm_free_prototypes(struct control_area *ca)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	for (u64 i = 0; i < ca->pages; i++) {
		MMPTE *pte = &ca->proto[i];

		while (pte_kind(*pte) == PTE_K_TRANSITION &&
		       mm_pfn[pte_pfn(*pte)].flags & PFN_F_READING) {
			mm_wait_for_read(NULL, pte_pfn(*pte), old);
			old = KeAcquireSpinLock(&pfn_lock);
		}
		require(!(*pte & PTE_VALID));
		if (pte_kind(*pte) == PTE_K_TRANSITION)
			pfn_delete_transition(pte_pfn(*pte));
		else
			mm_release_slot(*pte);
		*pte = 0;
	}
	KeReleaseSpinLock(&pfn_lock, old);
}

/* Before the first entry lies the array that this one took the place of (section.c, grow_data). */
MMPTE *mm_new_prototypes(u64 room, MMPTE *before)
{
	MMPTE *a = ExAllocatePool((MAX(room, 16) + 1) * sizeof(MMPTE), TAG('M', 'm', 'S', 't'));

	if (!a)
		return NULL;
	a[0] = (u64)before;
	return a + 1;
}

static void free_arrays(struct control_area *ca)
{
	MMPTE *next;

	for (MMPTE *a = ca->proto; a; a = next) {
		next = (MMPTE *)a[-1];
		ExFreePool(a - 1);
	}
}

/* The memory of a control area that holds nothing any more. */
void mm_free_ca(struct control_area *ca)
{
	free_arrays(ca);
	ExFreePool(ca->subsection);
	if (ca->pe)
		ExFreePool(ca->pe);
	if (ca->reloc_memory)
		ExFreePool(ca->reloc_memory);
	ExFreePool(ca);
}

static void destroy(struct control_area *ca)
{
	if (ca->file && !ca->image)
		mm_flush_pages(ca, 0, ca->pages);
	mm_wait_for_writes(ca, 0, ca->pages);
	mm_free_prototypes(ca);
	mm_free_large_section(ca);
	if (ca->charged)
		mm_uncharge(NULL, ca->charged);
	if (ca->file)
		IoDereferenceFile(ca->file);
	mm_free_ca(ca);
}

void mm_reference_ca(struct control_area *ca)
{
	mutex_lock(&ca_lock);
	if (!ca->refs++ && ca->image && !list_empty(&ca->idle)) {
		list_remove(&ca->idle);
		idle_count--;
	}
	mutex_unlock(&ca_lock);
}

void mm_dereference_ca(struct control_area *ca)
{
	struct control_area *victim = NULL;

	mutex_lock(&ca_lock);
	require(ca->refs);
	if (!--ca->refs) {
		victim = ca;
		if (ca->image && ca->pointers) {
			list_push_back(&idle_images, &ca->idle);
			victim = NULL;
			if (++idle_count > IDLE_IMAGES) {
				victim = CONTAINER_OF(list_pop_front(&idle_images),
						      struct control_area, idle);
				idle_count--;
			}
		}
		if (victim && victim->pointers) {
			if (victim->image)
				victim->pointers->image = NULL;
			else
				victim->pointers->data = NULL;
		}
	}
	mutex_unlock(&ca_lock);
	if (victim)
		destroy(victim);
}

/* The control area hung up at `*where`, referenced, or NULL. */
struct control_area *mm_find_ca(void **where)
{
	struct control_area *ca;

	mutex_lock(&ca_lock);
	ca = *where;
	if (ca && !ca->refs++ && ca->image && !list_empty(&ca->idle)) {
		list_remove(&ca->idle);
		idle_count--;
	}
	mutex_unlock(&ca_lock);
	return ca;
}

/* Hangs ca up unless somebody was quicker; then theirs is returned, referenced, and ca is to go. */
struct control_area *mm_publish_ca(struct control_area *ca, void **where,
				   struct section_object_pointers *pointers)
{
	struct control_area *other;

	mutex_lock(&ca_lock);
	other = *where;
	if (other) {
		if (!other->refs++ && other->image && !list_empty(&other->idle)) {
			list_remove(&other->idle);
			idle_count--;
		}
	} else {
		*where = ca;
		ca->pointers = pointers;
	}
	mutex_unlock(&ca_lock);
	if (!other)
		return ca;
	ca->refs = 0;
	destroy(ca);
	return other;
}

/* An empty control area with one reference. NULL without memory. */
struct control_area *mm_new_ca(u64 pages, u32 subsections)
{
	struct control_area *ca = ExAllocatePool(sizeof(*ca), TAG('M', 'm', 'C', 'a'));

	if (!ca)
		return NULL;
	mutex_init(&ca->lock);
	list_init(&ca->idle);
	ca->refs = 1;
	ca->pages = pages;
	ca->subsections = subsections;
	ca->room = pages;
	ca->proto = mm_new_prototypes(pages, NULL);
	ca->subsection =
	    ExAllocatePool(subsections * sizeof(struct subsection), TAG('M', 'm', 'S', 's'));
	if (ca->proto && ca->subsection)
		return ca;
	free_arrays(ca);
	if (ca->subsection)
		ExFreePool(ca->subsection);
	ExFreePool(ca);
	return NULL;
}

void mm_forget_image(struct section_object_pointers *p)
{
	struct control_area *ca;

	mutex_lock(&ca_lock);
	ca = p->image;
	if (ca && ca->refs <= 1) {
		p->image = NULL;
		ca->pointers = NULL; /* goes with its last reference */
	}
	mutex_unlock(&ca_lock);
}
