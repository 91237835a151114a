/* pfslots.c: see pfslots.h. */
#include "guest/mm/pfslots.h"

#define WORD_BITS 64u
/* How far a search looks on for a full run once it has found a shorter one: slots, and runs. */
#define LOOK_AHEAD 1024u
#define LOOK_RUNS  32u

static bool bit(const struct pfslots *s, u64 i)
{
	return s->bitmap[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

/* The bits of word w that belong to [first, end). */
static u64 word_mask(u64 w, u64 first, u64 end)
{
	u64 base = w * WORD_BITS, mask = ~0ull;

	if (first > base)
		mask &= ~0ull << (first - base);
	if (end < base + WORD_BITS)
		mask &= ~(~0ull << (end - base));
	return mask;
}

static u32 count_bits(u64 x)
{
	x -= x >> 1 & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (u32)(x * 0x0101010101010101ull >> 56);
}

static void fill(struct pfslots *s, u64 first, u64 end, bool value)
{
	for (u64 w = first / WORD_BITS; w * WORD_BITS < end; w++) {
		u64 mask = word_mask(w, first, end);

		s->bitmap[w] = value ? s->bitmap[w] | mask : s->bitmap[w] & ~mask;
	}
}

/* The first slot in [from, end) whose bit is `value`; end without one. */
static u64 scan(const struct pfslots *s, u64 from, u64 end, bool value)
{
	u64 flip = value ? 0 : ~0ull, w = from / WORD_BITS, bits;

	if (from >= end)
		return end;
	bits = (s->bitmap[w] ^ flip) & ~0ull << (from % WORD_BITS);
	while (!bits) {
		if (++w * WORD_BITS >= end)
			return end;
		bits = s->bitmap[w] ^ flip;
	}
	from = w * WORD_BITS + (u32)__builtin_ctzll(bits);
	return MIN(from, end);
}

void slots_init(struct pfslots *s, u64 *bitmap, u64 pages, u64 max_pages)
{
	s->bitmap = bitmap;
	s->max_pages = max_pages;
	s->pages = 0;
	s->used = 0;
	s->next = 1;
	for (u64 w = 0; w < SLOTS_WORDS(max_pages); w++)
		bitmap[w] = ~0ull;
	slots_grow(s, pages);
}

void slots_grow(struct pfslots *s, u64 pages)
{
	u64 from = MAX(s->pages, 1); /* slot 0 stays taken */

	pages = MIN(pages, s->max_pages);
	if (pages <= s->pages)
		return;
	fill(s, from, pages, false);
	s->pages = pages;
}

struct run {
	u64 first, length;
};

/* The best run that begins in [from, end): one of `want`, else the longest within LOOK_AHEAD. */
static struct run find_run(const struct pfslots *s, u64 from, u64 end, u64 want)
{
	struct run best = {0, 0};
	u64 stop = end;
	u32 runs = 0;

	for (u64 at = scan(s, from, end, false); at < stop && runs < LOOK_RUNS; runs++) {
		u64 taken = scan(s, at, MIN(at + want, s->pages), true);

		if (taken - at > best.length) {
			if (!best.length)
				stop = MIN(end, at + LOOK_AHEAD);
			best = (struct run){at, taken - at};
			if (best.length == want)
				break;
		}
		at = scan(s, taken, stop, false);
	}
	return best;
}

u64 slots_alloc(struct pfslots *s, u64 want, u64 *got)
{
	u64 start = s->next < s->pages ? s->next : 1;
	struct run run, wrapped;

	*got = 0;
	want = MIN(want, slots_available(s));
	if (!want)
		return 0;
	run = find_run(s, start, s->pages, want);
	if (run.length < want && start > 1 && (!run.length || s->pages - run.first < LOOK_AHEAD)) {
		/* The search came to the end of the file: go on at its beginning. */
		wrapped = find_run(s, 1, start, want);
		if (wrapped.length > run.length)
			run = wrapped;
	}
	fill(s, run.first, run.first + run.length, true);
	s->used += run.length;
	s->next = run.first + run.length;
	*got = run.length;
	return run.first;
}

bool slots_free(struct pfslots *s, u64 first, u64 n)
{
	if (!first || first >= s->pages || n > s->pages - first)
		return false;
	if (scan(s, first, first + n, false) != first + n)
		return false;
	fill(s, first, first + n, false);
	s->used -= n;
	return true;
}

bool slots_is_used(const struct pfslots *s, u64 slot)
{
	return slot && slot < s->pages && bit(s, slot);
}

bool slots_check(const struct pfslots *s)
{
	u64 set = 0, end = SLOTS_WORDS(s->max_pages) * WORD_BITS;

	if (s->pages > s->max_pages || (s->max_pages && !bit(s, 0)))
		return false;
	for (u64 i = 0; i < SLOTS_WORDS(s->max_pages); i++)
		set += count_bits(s->bitmap[i]);
	/* Taken: slot 0, the used ones, and everything past the current size. */
	return set == end - s->pages + s->used + (s->pages ? 1 : 0) &&
	       scan(s, s->pages, end, false) == end;
}
