/*
 * The heap's back end: segments cut into blocks, free ones found by two-level segregated fit.
 *
 * A row is a power of two of units, a column an eighth of it; two bitmaps find the first list whose
 * every block fits. Pages of long free runs are given back (DECOMMITTED); those blocks lie on one
 * list and are used, best fit, when nothing committed fits, committing COMMIT_STEP at a time.
 * All functions are called with the heap lock held.
 */
#include "guest/user/ntdll/heap.h"

#define SAME_LIST_TRIES 32
#define HEAD_BYTES	(sizeof(struct block) + sizeof(struct free_links))

static char *page_up(const void *p)
{
	return (char *)(((uintptr_t)p + PAGE_SIZE - 1) & ~(uintptr_t)(PAGE_SIZE - 1));
}

static char *page_down(const void *p)
{
	return (char *)((uintptr_t)p & ~(uintptr_t)(PAGE_SIZE - 1));
}

ULONG heap_protection(const struct heap *h)
{
	return h->flags & HEAP_CREATE_ENABLE_EXECUTE ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
}

BOOLEAN heap_commit(struct heap *h, char *start, char *end)
{
	PVOID base = start;
	SIZE_T size = end - start;

	return start >= end ||
	       NT_SUCCESS(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT,
						  heap_protection(h)));
}

void heap_decommit(char *start, char *end)
{
	PVOID base = start;
	SIZE_T size = end - start;

	if (start < end)
		NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_DECOMMIT);
}

/* The whole pages of a DECOMMITTED block that are not committed. */
static char *hole_start(struct block *b)
{
	return page_up((char *)b + HEAD_BYTES);
}

static char *hole_end(struct block *b)
{
	return page_down(next_block(b));
}

static void level_of(uint32_t units, unsigned *row, unsigned *column)
{
	unsigned top = 31 - __builtin_clz(units | LEVEL_COLUMNS); /* at least 3 */

	*row = top - 3;
	*column = (units >> (top - 3)) & (LEVEL_COLUMNS - 1);
	if (units < LEVEL_COLUMNS) { /* row 0 holds sizes 0..15: 8.. in column form, 0..7 apart */
		*row = 0;
		*column = units;
	} else {
		*row += 1;
	}
	if (*row >= LEVEL_ROWS) {
		*row = LEVEL_ROWS - 1;
		*column = LEVEL_COLUMNS - 1;
	}
}

static void insert_free(struct heap *h, struct block *b)
{
	struct block **head;
	unsigned row, column;

	if (b->kind == BLOCK_DECOMMITTED) {
		head = &h->decommitted;
	} else {
		level_of(b->size, &row, &column);
		head = &h->lists[row][column];
		h->rows |= 1u << row;
		h->columns[row] |= 1u << column;
	}
	links(b)->prev = NULL;
	links(b)->next = *head;
	if (*head)
		links(*head)->prev = b;
	*head = b;
	seal(h, b);
}

static void remove_free(struct heap *h, struct block *b)
{
	struct block *next = links(b)->next, *prev = links(b)->prev;
	unsigned row, column;

	if (!sealed(h, b) || (next && links(next)->prev != b) || (prev && links(prev)->next != b))
		heap_corrupted(h, b);
	if (next)
		links(next)->prev = prev;
	if (prev) {
		links(prev)->next = next;
		return;
	}
	if (b->kind == BLOCK_DECOMMITTED) {
		h->decommitted = next;
		return;
	}
	level_of(b->size, &row, &column);
	if (h->lists[row][column] != b)
		heap_corrupted(h, b);
	h->lists[row][column] = next;
	if (!next) {
		h->columns[row] &= ~(1u << column);
		if (!h->columns[row])
			h->rows &= ~(1u << row);
	}
}

static struct segment *segment_of(struct heap *h, struct block *b)
{
	return &h->segments[b->segment];
}

static struct block *following(struct heap *h, struct block *b)
{
	struct block *n = next_block(b);

	return (char *)n < segment_of(h, b)->end ? n : NULL;
}

static struct block *preceding(struct block *b)
{
	return b->prev ? b - b->prev : NULL;
}

/* Sets the size of b and tells its follower. */
static void set_size(struct heap *h, struct block *b, uint32_t units)
{
	struct block *n;

	b->size = units;
	n = following(h, b);
	if (n)
		n->prev = units;
}

/* Makes bytes [b + units, end of b) a block of the given kind; not yet on a list. */
static struct block *cut(struct heap *h, struct block *b, uint32_t units, enum block_kind kind)
{
	struct block *rest = b + units;
	uint32_t left = b->size - units;

	memset(rest, 0, sizeof(*rest));
	rest->segment = b->segment;
	rest->kind = kind;
	rest->prev = units;
	set_size(h, rest, left);
	b->size = units;
	return rest;
}

/* Takes the committed block b off its list and trims it to units. */
static void use_block(struct heap *h, struct block *b, uint32_t units, enum block_kind kind)
{
	remove_free(h, b);
	if (b->size - units >= MIN_UNITS)
		insert_free(h, cut(h, b, units, BLOCK_FREE));
	b->kind = kind;
	b->unused = 0;
	b->user = 0;
	seal(h, b);
}

static struct block *find_committed(struct heap *h, uint32_t units)
{
	uint32_t rounded = units;
	unsigned row, column, bits, tries = h->fixed ? UINT_MAX : SAME_LIST_TRIES;

	if (units >= LEVEL_COLUMNS)
		rounded += (1u << (31 - __builtin_clz(units) - 3)) - 1;
	level_of(rounded, &row, &column);
	bits = h->columns[row] & (0xffu << column);
	if (!bits) {
		uint32_t rows = h->rows & ~((2u << row) - 1);

		if (!rows)
			goto same_list;
		row = __builtin_ctz(rows);
		bits = h->columns[row];
	}
	column = __builtin_ctz(bits);
	for (struct block *b = h->lists[row][column]; b; b = links(b)->next)
		if (b->size >= units) /* always the first, but for the last list */
			return b;
same_list: /* the list that the size itself belongs to may hold one that fits */
	level_of(units, &row, &column);
	for (struct block *b = h->lists[row][column]; b && tries--; b = links(b)->next)
		if (b->size >= units)
			return b;
	return NULL;
}

/* Merges b with what follows it, which must be off the lists. */
static void swallow_next(struct heap *h, struct block *b)
{
	struct block *n = next_block(b);
	uint32_t total = b->size + n->size;

	n->kind = 0;
	n->check = 0;
	set_size(h, b, total);
}

/* Joins b, which is FREE and on no list, with its FREE neighbours; returns the whole. */
static struct block *join_free(struct heap *h, struct block *b)
{
	struct block *n = following(h, b), *p = preceding(b);

	if (n && n->kind == BLOCK_FREE) {
		remove_free(h, n);
		swallow_next(h, b);
	}
	if (p && p->kind == BLOCK_FREE) {
		remove_free(h, p);
		swallow_next(h, p);
		b = p;
	}
	return b;
}

/*
 * Commits the front of a DECOMMITTED block so that `units` of it can be used; what follows stays
 * DECOMMITTED. The front becomes a FREE block on its list.
 */
static struct block *commit_front(struct heap *h, struct block *b, uint32_t units)
{
	char *start = hole_start(b), *stop = hole_end(b), *need;
	uint32_t front;

	need = page_up((char *)b + (SIZE_T)units * UNIT + HEAD_BYTES);
	if (need < start + COMMIT_STEP)
		need = start + COMMIT_STEP;
	if (need + PAGE_SIZE > stop)
		need = stop;
	if (!heap_commit(h, start, need))
		return NULL;
	remove_free(h, b);
	if (need < stop) {
		front = (uint32_t)((need - (char *)b - HEAD_BYTES) / UNIT);
		insert_free(h, cut(h, b, front, BLOCK_DECOMMITTED));
	}
	b->kind = BLOCK_FREE;
	b = join_free(h, b);
	insert_free(h, b);
	return b;
}

static struct block *find_decommitted(struct heap *h, uint32_t units)
{
	struct block *best = NULL;

	for (struct block *b = h->decommitted; b; b = links(b)->next)
		if (b->size >= units && (!best || b < best))
			best = b; /* lowest address: keeps the used part of segments together */
	return best ? commit_front(h, best, units) : NULL;
}

/* Gives back the pages of a long FREE block that is on no list; joins DECOMMITTED neighbours. */
static struct block *decommit_block(struct heap *h, struct block *b)
{
	struct block *n = following(h, b), *p = preceding(b);
	char *start = hole_start(b), *stop;

	if (n && n->kind == BLOCK_DECOMMITTED) {
		remove_free(h, n);
		swallow_next(h, b);
	}
	if (p && p->kind == BLOCK_DECOMMITTED) {
		remove_free(h, p);
		swallow_next(h, p);
		b = p;
		start = hole_start(b);
	}
	stop = hole_end(b);
	heap_decommit(start, stop);
	b->kind = BLOCK_DECOMMITTED;
	return b;
}

void heap_give(struct heap *h, struct block *b)
{
	struct block *n = following(h, b), *p = preceding(b);
	struct segment *s = segment_of(h, b);

	if ((n && !sealed(h, n)) || (p && (!sealed(h, p) || p->size != b->prev)))
		heap_corrupted(h, b);
	b->kind = BLOCK_FREE;
	b->unused = 0;
	b = join_free(h, b);
	if ((SIZE_T)b->size * UNIT >= DECOMMIT_AT)
		b = decommit_block(h, b);
	if (b == s->first && (char *)next_block(b) == s->end && s != &h->segments[0] &&
	    b->kind == BLOCK_DECOMMITTED) {
		PVOID base = s->base;
		SIZE_T size = 0;

		memset(s, 0, sizeof(*s));
		NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
		return;
	}
	insert_free(h, b);
}

BOOLEAN heap_add_segment(struct heap *h, char *base, SIZE_T reserve, SIZE_T commit, SIZE_T skip)
{
	struct segment *s = NULL;
	struct block *b;

	for (unsigned i = 0; i < MAX_SEGMENTS && !s; i++)
		if (!h->segments[i].base)
			s = &h->segments[i];
	if (!s)
		return FALSE;
	s->base = base;
	s->reserve = reserve;
	s->first = b = (struct block *)(base + ((skip + UNIT - 1) & ~(SIZE_T)(UNIT - 1)));
	s->end = base + reserve;
	memset(b, 0, sizeof(*b));
	b->segment = (uint8_t)(s - h->segments);
	b->size = (uint32_t)((s->end - (char *)b) / UNIT);
	if (base + commit >= hole_end(b)) {
		b->kind = BLOCK_FREE;
	} else if (base + commit >= (char *)b + 2 * HEAD_BYTES + PAGE_SIZE) {
		uint32_t front = (uint32_t)((base + commit - (char *)b - HEAD_BYTES) / UNIT);

		b->kind = BLOCK_FREE;
		insert_free(h, cut(h, b, front, BLOCK_DECOMMITTED));
	} else {
		b->kind = BLOCK_DECOMMITTED;
	}
	insert_free(h, b);
	return TRUE;
}

static BOOLEAN grow(struct heap *h, uint32_t units)
{
	SIZE_T need = (SIZE_T)units * UNIT + 0x10000;
	SIZE_T size = h->segments[0].reserve;
	PVOID base = NULL;
	SIZE_T commit = COMMIT_STEP;

	if (h->fixed)
		return FALSE;
	for (unsigned i = 1; i < MAX_SEGMENTS && h->segments[i].base; i++)
		size = max(size, h->segments[i].reserve);
	size = min(size * 2, SEGMENT_MAX);
	size = max(size, need);
	while (NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE,
				       heap_protection(h)) < 0) {
		base = NULL;
		size = (size / 2) & ~(SIZE_T)0xffff;
		if (size < need)
			return FALSE;
	}
	if (heap_commit(h, base, (char *)base + commit) &&
	    heap_add_segment(h, base, size, commit, 0))
		return TRUE;
	size = 0;
	NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
	return FALSE;
}

/* Joins what can be joined, whatever the cost: the last resort of a heap that cannot grow. */
SIZE_T heap_compact(struct heap *h)
{
	SIZE_T largest = 0;

	for (unsigned i = 0; i < MAX_SEGMENTS; i++) {
		struct segment *s = &h->segments[i];
		struct block *b = s->first;

		for (; s->base && (char *)b < s->end; b = next_block(b)) {
			struct block *n = following(h, b), *p = preceding(b);

			if (b->kind == BLOCK_FREE && ((n && n->kind == BLOCK_DECOMMITTED) ||
						      (p && p->kind == BLOCK_DECOMMITTED))) {
				remove_free(h, b);
				b = decommit_block(h, b);
				insert_free(h, b);
			}
			if (b->kind == BLOCK_FREE || b->kind == BLOCK_DECOMMITTED)
				largest = max(largest, (SIZE_T)(b->size - 1) * UNIT);
		}
	}
	return largest;
}

struct block *heap_take(struct heap *h, uint32_t units, enum block_kind kind)
{
	struct block *b = find_committed(h, units);

	if (!b)
		b = find_decommitted(h, units);
	if (!b && grow(h, units))
		b = find_decommitted(h, units);
	if (!b && heap_compact(h) >= (SIZE_T)(units - 1) * UNIT) {
		b = find_committed(h, units);
		if (!b)
			b = find_decommitted(h, units);
	}
	if (b)
		use_block(h, b, units, kind);
	return b;
}

BOOLEAN heap_resize(struct heap *h, struct block *b, uint32_t units)
{
	struct block *n = following(h, b);

	if (n && !sealed(h, n))
		heap_corrupted(h, n);
	if (units > b->size) {
		if (!n || b->size + n->size < units)
			return FALSE;
		if (n->kind == BLOCK_DECOMMITTED)
			n = commit_front(h, n, units - b->size);
		if (!n || n->kind != BLOCK_FREE || b->size + n->size < units)
			return FALSE;
		remove_free(h, n);
		swallow_next(h, b);
	}
	if (b->size - units >= MIN_UNITS) {
		struct block *rest = cut(h, b, units, BLOCK_BUSY);

		seal(h, b);
		seal(h, rest);
		heap_give(h, rest);
	}
	seal(h, b);
	return TRUE;
}
