/*
 * A seeded mutator of the managed heap with a shadow of its object graph, for the native tests and
 * for guest programs. Each step allocates, links, unlinks, drops, makes or frees handles,
 * suppresses or asks for finalizers, or collects; from time to time the heap is walked beside the
 * shadow:
 *   - every object reachable in the shadow is there, once, with its contents and references;
 *   - a pinned object is where it was;
 *   - after full collections weak and dependent handles are NULL exactly where the shadow has
 *     nothing that reaches their targets, and each dead object's finalizer has run exactly once.
 *
 * Each object holds the address of its shadow. A mutator belongs to one thread; several threads run
 * one each. mutate() gives NULL or what is wrong; with the same seed and one thread it does the
 * same.
 */
#ifndef NTMM_TESTS_GC_MUTATOR_H
#define NTMM_TESTS_GC_MUTATOR_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "guest/user/clrgc/clrgc.h"

#define M_ROOTS	  48u
#define M_HANDLES 64u
#define M_LIVE	  2500u /* more objects than that: most roots are dropped */

enum m_kind { M_NODE, M_FINAL, M_CRITICAL, M_ARRAY, M_BYTES, M_PINNED, M_KINDS };

struct shadow {
	struct shadow *next;
	struct shadow **ref;
	unsigned refs, bytes, kind;
	unsigned seed;
	bool suppressed;
	atomic_uint finalized;
	unsigned mark; /* the walk that has reached it */
	void *object;  /* in that walk */
};

struct m_handle {
	GCHandle *handle;
	GCHandleType type;
	struct shadow *target, *second;
	void *pinned_at;
};

struct mutator {
	uint64_t random;
	void *root[M_ROOTS];
	struct shadow *shadow[M_ROOTS];
	struct m_handle handle[M_HANDLES];
	struct shadow *all;
	struct shadow **stack;
	size_t stacked, room;
	unsigned walk, live;
	unsigned large; /* one in so many arrays is; 0: none */
	const char *wrong;
};

/* ---- types ---- */

static void m_finalize(void *object)
{
	struct shadow *s = ((struct shadow **)object)[1];

	atomic_fetch_add(&s->finalized, 1);
}

static const uint32_t m_refs[] = {16, 24, 32}, m_element[] = {8};
static const GCType m_type[M_KINDS] = {
    [M_NODE] = {"node", 48, 0, 3, m_refs, 0, NULL, NULL, false},
    [M_FINAL] = {"final", 40, 0, 2, m_refs, 0, NULL, m_finalize, false},
    [M_CRITICAL] = {"critical", 32, 0, 1, m_refs, 0, NULL, m_finalize, true},
    /* elements of 16 bytes: a number, in the first the shadow, and a reference */
    [M_ARRAY] = {"array", 24, 16, 0, NULL, 1, m_element, NULL, false},
    [M_BYTES] = {"bytes", 24, 1, 0, NULL, 0, NULL, NULL, false},
    [M_PINNED] = {"pinned", 24, 16, 0, NULL, 1, m_element, NULL, false},
};

static bool m_is_array(unsigned kind)
{
	return kind >= M_ARRAY;
}

static struct shadow *m_shadow_of(void *o, unsigned kind)
{
	return ((struct shadow **)o)[m_is_array(kind) ? 2 : 1];
}

static void **m_slot(void *o, unsigned kind, unsigned i)
{
	return m_is_array(kind) ? (void **)((char *)o + 16 + 16 * (size_t)i + 8)
				: (void **)o + 2 + i;
}

static uint64_t m_number(const struct shadow *s, unsigned i)
{
	return (uint64_t)s->seed * 0x9e3779b97f4a7c15ull + i;
}

/* ---- choices ---- */

static unsigned m_random(struct mutator *m, unsigned below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (unsigned)((m->random >> 32) * below >> 32);
}

static void m_fail(struct mutator *m, const char *what)
{
	if (!m->wrong)
		m->wrong = what;
}

/* An object some steps from a random root; its shadow, or NULL. */
static struct shadow *m_pick(struct mutator *m, void **object)
{
	unsigned r = m_random(m, M_ROOTS);
	struct shadow *s = m->shadow[r];
	void *o = m->root[r];

	for (unsigned steps = m_random(m, 6); s && steps && s->refs; steps--) {
		unsigned i = m_random(m, s->refs);

		if (!s->ref[i])
			break;
		o = *m_slot(o, s->kind, i);
		s = s->ref[i];
	}
	*object = o;
	return s;
}

/* ---- objects ---- */

static struct shadow *m_new_shadow(struct mutator *m, unsigned kind)
{
	struct shadow *s = calloc(1, sizeof(*s));

	s->kind = kind;
	s->seed = m_random(m, 1u << 30);
	if (kind == M_BYTES)
		s->bytes = m->large && !m_random(m, m->large) ? 85000 + m_random(m, 200000)
							      : 8 + m_random(m, 700);
	else if (m_is_array(kind))
		s->refs = kind == M_ARRAY && m->large && !m_random(m, m->large)
			      ? 5400 + m_random(m, 4000)
			      : 1 + m_random(m, 40);
	else
		s->refs = m_type[kind].ref_count;
	s->ref = calloc(s->refs + 1, sizeof(*s->ref));
	return s;
}

static bool m_is_zero(const void *p, size_t bytes)
{
	const char *c = p;

	return !bytes || (!c[0] && !memcmp(c, c + 1, bytes - 1));
}

static void m_fill(void *o, struct shadow *s)
{
	if (s->kind == M_BYTES)
		for (unsigned i = 8; i < s->bytes; i++)
			((uint8_t *)o + 16)[i] = (uint8_t)(s->seed + i);
	else if (m_is_array(s->kind))
		for (unsigned i = 1; i < s->refs; i++)
			((uint64_t *)o)[2 + 2 * i] = m_number(s, i);
	((struct shadow **)o)[m_is_array(s->kind) ? 2 : 1] = s;
}

static bool m_is_filled(void *o, const struct shadow *s)
{
	if (s->kind == M_BYTES) {
		unsigned step = s->bytes < 1000 ? 1 : 611;

		for (unsigned i = 8; i < s->bytes; i += step)
			if (((uint8_t *)o + 16)[i] != (uint8_t)(s->seed + i))
				return false;
	} else if (m_is_array(s->kind)) {
		for (unsigned i = 1; i < s->refs; i++)
			if (((uint64_t *)o)[2 + 2 * i] != m_number(s, i))
				return false;
	}
	return true;
}

static void m_allocate(struct mutator *m)
{
	static const uint8_t weight[M_KINDS] = {60, 8, 4, 16, 11, 1};
	unsigned kind = 0, r = m_random(m, M_ROOTS);
	struct shadow *s;
	void *o;

	for (unsigned n = m_random(m, 100); n >= weight[kind]; kind++)
		n -= weight[kind];
	s = m_new_shadow(m, kind);
	o = m_is_array(kind)
		? GC_AllocateArray(&m_type[kind], s->refs ? s->refs : s->bytes, kind == M_PINNED)
		: GC_Alloc(&m_type[kind]);
	if (!o) {
		free(s->ref);
		free(s);
		m_fail(m, "no memory for an object");
		return;
	}
	if (!m_is_zero((char *)o + (m_is_array(kind) ? 16 : 8),
		       GC_GetObjectSize(o) - (m_is_array(kind) ? 24 : 16)))
		m_fail(m, "a new object is not zero");
	m_fill(o, s);
	s->next = m->all;
	m->all = s;
	m->root[r] = o;
	m->shadow[r] = s;
}

static void m_link(struct mutator *m)
{
	void *from, *to;
	struct shadow *f = m_pick(m, &from), *t = m_pick(m, &to);
	unsigned i;

	if (!f || !f->refs)
		return;
	i = m_random(m, f->refs);
	if (m_random(m, 8) == 0) {
		t = NULL;
		to = NULL;
	}
	GC_WriteBarrier(m_slot(from, f->kind, i), to);
	f->ref[i] = t;
}

static void m_move_root(struct mutator *m)
{
	unsigned r = m_random(m, M_ROOTS);

	m->shadow[r] = m_random(m, 2) ? m_pick(m, &m->root[r]) : NULL;
	if (!m->shadow[r])
		m->root[r] = NULL;
}

static void m_free_handle(struct m_handle *h)
{
	if (h->handle)
		GCHandle_Free(h->handle);
	*h = (struct m_handle){0};
}

static void m_handle(struct mutator *m)
{
	struct m_handle *h = &m->handle[m_random(m, M_HANDLES)];
	void *target, *second = NULL;

	m_free_handle(h);
	h->target = m_pick(m, &target);
	h->type = (GCHandleType)m_random(m, GCHandleType_Dependent + 1);
	if (!h->target)
		return;
	if (h->type == GCHandleType_Dependent) {
		h->second = m_pick(m, &second);
		h->handle = DependentHandle_Alloc(target, h->second ? second : NULL);
	} else {
		h->handle = GCHandle_Alloc(target, h->type);
	}
	h->pinned_at = h->type == GCHandleType_Pinned ? target : NULL;
	if (!h->handle)
		m_fail(m, "no memory for a handle");
}

static void m_suppress(struct mutator *m)
{
	void *o;
	struct shadow *s = m_pick(m, &o);

	if (!s || !m_type[s->kind].finalize || atomic_load(&s->finalized))
		return;
	if (s->suppressed)
		GC_ReRegisterForFinalize(o);
	else
		GC_SuppressFinalize(o);
	s->suppressed = !s->suppressed;
}

/* ---- walking beside the shadow ---- */

/* NULL for the object: only what the shadow has. */
static void m_reach(struct mutator *m, struct shadow *s, void *object, bool compare)
{
	if (!s)
		return;
	if (s->mark == m->walk) {
		if (compare && s->object != object)
			m_fail(m, "an object is in two places");
		return;
	}
	s->mark = m->walk;
	s->object = object;
	m->live++;
	if (m->stacked == m->room) {
		m->room = m->room ? 2 * m->room : 1024;
		m->stack = realloc(m->stack, m->room * sizeof(*m->stack));
	}
	m->stack[m->stacked++] = s;
	if (compare && (!object || *(const GCType **)object != &m_type[s->kind] ||
			m_shadow_of(object, s->kind) != s || !m_is_filled(object, s)))
		m_fail(m, "an object has changed");
}

static void m_follow(struct mutator *m, bool compare)
{
	while (m->stacked && !m->wrong) {
		struct shadow *s = m->stack[--m->stacked];

		for (unsigned i = 0; i < s->refs && !m->wrong; i++) {
			void *o = compare ? *m_slot(s->object, s->kind, i) : NULL;

			if (compare && !s->ref[i] != !o)
				m_fail(m, "a reference has changed");
			m_reach(m, s->ref[i], o, compare);
		}
	}
}

/* What roots and handles reach; compared with the heap, if there may be a walk in it. */
static void m_walk(struct mutator *m)
{
	bool more;

	m->walk++;
	m->live = 0;
	for (unsigned r = 0; r < M_ROOTS; r++)
		m_reach(m, m->shadow[r], m->root[r], true);
	for (struct m_handle *h = m->handle; h < m->handle + M_HANDLES; h++)
		if (h->handle &&
		    (h->type == GCHandleType_Normal || h->type == GCHandleType_Pinned)) {
			void *o = GCHandle_get_Target(h->handle);

			if (h->pinned_at && o != h->pinned_at)
				m_fail(m, "a pinned object has moved");
			m_reach(m, h->target, o, true);
		}
	do {
		more = false;
		m_follow(m, true);
		for (struct m_handle *h = m->handle; h < m->handle + M_HANDLES; h++)
			if (h->handle && h->type == GCHandleType_Dependent && h->second &&
			    h->target->mark == m->walk && h->second->mark != m->walk) {
				m_reach(m, h->second, DependentHandle_get_Dependent(h->handle),
					true);
				more = true;
			}
	} while (more && !m->wrong);
}

/* Handles to what is dead are freed, since their shadows go. => after m_walk and full collections
 */
static void m_check_weak(struct mutator *m)
{
	for (struct m_handle *h = m->handle; h < m->handle + M_HANDLES; h++) {
		bool lives = h->handle && h->target->mark == m->walk;

		if (!h->handle)
			continue;
		if (!GCHandle_get_Target(h->handle) == lives)
			m_fail(m, lives ? "a weak handle has lost a live object"
					: "a weak handle still has a dead object");
		if (lives && GCHandle_get_Target(h->handle) != h->target->object)
			m_fail(m, "a handle has another object");
		if (!lives)
			m_free_handle(h);
	}
}

static void m_check_finalized(struct mutator *m)
{
	struct shadow **link = &m->all, *s;

	while ((s = *link)) {
		bool lives = s->mark == m->walk;
		unsigned want = !lives && m_type[s->kind].finalize && !s->suppressed;

		if (atomic_load(&s->finalized) != want)
			m_fail(m, want ? "a dead object's finalizer has not run just once"
				       : "a finalizer has run that was not to");
		if (lives) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		free(s->ref);
		free(s);
	}
}

static void m_drop(struct mutator *m, unsigned of)
{
	for (unsigned r = 0; r < M_ROOTS; r++)
		if (m_random(m, of)) {
			m->root[r] = NULL;
			m->shadow[r] = NULL;
		}
	for (struct m_handle *h = m->handle; h < m->handle + M_HANDLES; h++)
		if (m_random(m, of))
			m_free_handle(h);
}

/* Three collections: one may find objects that wait for finalizers since an earlier one, and with
   them keep others that have one; the next finds those; then nothing keeps any of them. */
static void m_check_all(struct mutator *m)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!m_random(m, 3))
			GCSettings_set_LargeObjectHeapCompactionMode(
			    GCLargeObjectHeapCompactionMode_CompactOnce);
		GC_Collect(2, GCCollectionMode_Forced, true, m_random(m, 2));
		GC_WaitForPendingFinalizers();
	}
	m_walk(m);
	if (m->wrong)
		return;
	m_check_weak(m);
	m_check_finalized(m);
}

static void m_collect(struct mutator *m)
{
	unsigned what = m_random(m, 20);

	if (what == 0)
		m_check_all(m);
	else if (what == 1)
		GC_Collect(2, GCCollectionMode_Default, false, false);
	else
		GC_Collect((int)(what % 2), GCCollectionMode_Forced, true, m_random(m, 2));
	m_walk(m);
	if (m->live > M_LIVE)
		m_drop(m, 8);
}

static const char *mutate(uint64_t seed, unsigned steps, unsigned large)
{
	struct mutator *m = calloc(1, sizeof(*m));
	const char *wrong;
	GCFrame frame;

	m->random = seed * 0x9e3779b97f4a7c15ull + 1;
	m->large = large;
	GCFrame_Push(&frame, m->root, M_ROOTS, false);
	for (unsigned i = 0; i < steps && !m->wrong; i++) {
		unsigned what = m_random(m, 1000);

		if (what < 480)
			m_allocate(m);
		else if (what < 860)
			m_link(m);
		else if (what < 930)
			m_move_root(m);
		else if (what < 975)
			m_handle(m);
		else if (what < 994)
			m_suppress(m);
		else
			m_collect(m);
	}
	if (!m->wrong) {
		m_check_all(m);
		m_drop(m, 1u << 20);
		m_check_all(m);
	}
	GCFrame_Pop(&frame);
	wrong = m->wrong;
	free(m->stack);
	free(m);
	return wrong;
}

#endif
