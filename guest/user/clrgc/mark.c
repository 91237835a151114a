/*
 * Marking: which objects of the condemned generations are reached.
 *
 * Roots are the threads' frames, handles, what waits for its finalizer, and for a collection of the
 * younger generations only the references on set cards of the older ones. From there an explicit
 * stack holds objects whose references have still to be looked at. If it has no room, the object is
 * marked all the same and the overflow noted: when the stack is empty, the condemned regions are
 * walked and the references of every marked object looked at again, until none was left out.
 *
 * A mark also counts the region's surviving bytes, which is all that the decision between
 * compacting and sweeping needs.
 */
#include "guest/user/clrgc/gc.h"

#define STACK_BYTES MB(512)

bool mark_stack_make(struct mark_stack *stack)
{
	stack->overflow = false;
	return vector_make(&stack->objects, sizeof(struct object *), STACK_BYTES);
}

void mark_push(struct mark_stack *stack, struct object *o)
{
	struct object **slot = NULL;

	if (!o->type->ref_count && !o->type->component_ref_count)
		return;
	if (!heap.config.mark_stack || stack->objects.count < heap.config.mark_stack)
		slot = vector_add(&stack->objects);
	if (slot)
		*slot = o;
	else
		stack->overflow = true;
}

static void mark(struct object *o, uint64_t more)
{
	uint64_t flags;
	struct region *r;

	if (!o || !heap.condemned[generation_at(o)])
		return;
	flags = flags_of(o);
	if ((flags & (H_MARK | more)) == (H_MARK | more))
		return;
	r = region_of(o);
	if (more & ~flags)
		r->pinned += size_of(o);
	set_flags(o, flags | H_MARK | more);
	if (flags & H_MARK)
		return;
	r->survived += size_of(o);
	mark_push(&heap.mark_stack, o);
}

static void mark_slot(void **slot, void *context)
{
	(void)context;
	mark(*slot, 0);
}

static void pin_slot(void **slot, void *context)
{
	(void)context;
	mark(*slot, H_PIN);
}

static bool is_reached(const void *object)
{
	return !heap.condemned[generation_at(object)] || flags_of(object) & H_MARK;
}

static void empty_stack(void)
{
	struct object *o;

	while ((o = mark_pop(&heap.mark_stack)))
		visit_object(o, mark_slot, NULL);
}

static void look_again(struct region *r)
{
	for (struct object *o = object_at(r->start); block_of(o) < r->allocated;
	     o = next_object(o)) {
		if (!(flags_of(o) & H_MARK))
			continue;
		visit_object(o, mark_slot, NULL);
		empty_stack();
	}
}

static void drain(void)
{
	empty_stack();
	while (heap.mark_stack.overflow) {
		heap.mark_stack.overflow = false;
		for (unsigned g = 0; g < GENERATIONS; g++)
			for (struct region *r = heap.gen[g].first; heap.condemned[g] && r;
			     r = r->next)
				look_again(r);
	}
}

static void mark_dependents(const struct marker *m)
{
	while (handles_mark_dependent(m))
		m->drain();
}

void mark_rest(const struct marker *m)
{
	mark_dependents(m);
	handles_clear(GCHandleType_Weak, m);
	if (finalize_scan(m)) {
		m->drain();
		mark_dependents(m);
	}
	handles_clear(GCHandleType_WeakTrackResurrection, m);
	handles_clear(GCHandleType_Dependent, m);
}

void mark_condemned(void)
{
	static const struct marker marker = {mark_slot, is_reached, drain};

	visit_frames(mark_slot, pin_slot);
	handles_mark(mark_slot, pin_slot);
	finalize_mark(mark_slot);
	drain();
	for (unsigned g = GEN1; g < GENERATIONS; g++)
		for (struct region *r = heap.gen[g].first; !heap.condemned[g] && r; r = r->next) {
			cards_visit(r, mark_slot, NULL, false);
			drain();
		}
	mark_rest(&marker);
	vector_shrink(&heap.mark_stack.objects);
}
