/*
 * Relocation: every reference to an object that will move gets its new address, and the cards
 * become those of the heap as it will be.
 *
 * That second half is needed also where nothing moves: survivors get older, and each reference from
 * an object to one of a younger generation than it will itself be needs its card. Cards of
 * condemned regions are cleared altogether; in older regions each set card is cleared and its
 * references looked at; then the survivors' references set cards at the places where they will be,
 * which may lie in older regions, so these have to come last.
 */
#include "guest/user/clrgc/gc.h"

struct holder {
	unsigned generation; /* logical, that it will have */
	uintptr_t moves_by;
};

static void relocate_root(void **slot, void *context)
{
	(void)context;
	if (*slot)
		*slot = new_address(*slot);
}

static inline void relocate_field(void **slot, void *context)
{
	const struct holder *h = context;
	struct object *o;

	if (!*slot)
		return;
	o = new_address(*slot);
	*slot = o;
	if (logical(region_of(o)->plan_generation) < h->generation)
		card_set((void *)((uintptr_t)slot + h->moves_by));
}

static void relocate_older(struct region *r)
{
	struct holder h = {logical(r->generation), 0};

	cards_visit(r, relocate_field, &h, true);
}

static void relocate_survivors(struct region *r)
{
	for (struct object *o = object_at(r->start); block_of(o) < r->allocated;
	     o = next_object(o)) {
		struct object *to;
		struct holder h;

		if (!(flags_of(o) & H_MARK))
			continue;
		to = new_address(o);
		h.generation = logical(region_of(to)->plan_generation);
		h.moves_by = (uintptr_t)to - (uintptr_t)o;
		visit_object(o, relocate_field, &h);
	}
}

static void each_region(bool condemned, void (*visit)(struct region *))
{
	for (unsigned g = 0; g < GENERATIONS; g++)
		for (struct region *r = heap.gen[g].first; heap.condemned[g] == condemned && r;
		     r = r->next)
			visit(r);
}

void relocate_all(void)
{
	each_region(true, cards_clear);
	each_region(false, relocate_older);
	each_region(true, relocate_survivors);
	visit_frames(relocate_root, relocate_root);
	handles_visit(relocate_root);
	finalize_visit(relocate_root);
}
