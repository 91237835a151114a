/* Xpress, plain LZ77: see xpress.h. One candidate for each hash of three bytes, no lazy matching.
 */
#include "guest/rtl/xpress.h"

#define LONGEST_OFFSET 8192u
#define SHORTEST_MATCH 3u
#define IN_PAIR	       7u  /* length - 3 that says "more follows" */
#define IN_HALF	       15u /* the same of half a byte */
#define IN_BYTE	       255u
#define TOKEN_MOST     16u /* bytes that one token and the next word of flags take */

static u32 load16(const u8 *p)
{
	return p[0] | (u32)p[1] << 8;
}

static u32 load32(const u8 *p)
{
	return load16(p) | load16(p + 2) << 16;
}

static void store16(u8 *p, u32 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static void store32(u8 *p, u32 v)
{
	store16(p, v);
	store16(p + 2, v >> 16);
}

struct writer {
	u8 *out;
	u32 at;	   /* next byte */
	u32 flags; /* so far, the newest lowest */
	u32 count; /* of them */
	u32 flags_at;
	u32 half_at; /* a byte with room in its high half, 0: none */
};

static void put_flag(struct writer *w, u32 flag)
{
	w->flags = w->flags << 1 | flag;
	if (++w->count == 32) {
		store32(w->out + w->flags_at, w->flags);
		w->flags_at = w->at;
		w->at += 4;
		w->count = 0;
	}
}

static void put_half(struct writer *w, u32 v)
{
	if (w->half_at) {
		w->out[w->half_at] |= (u8)(v << 4);
		w->half_at = 0;
	} else {
		w->half_at = w->at;
		w->out[w->at++] = (u8)v;
	}
}

static void put_match(struct writer *w, u32 offset, u32 length)
{
	u32 more = length - SHORTEST_MATCH;

	store16(w->out + w->at, (offset - 1) << 3 | (more < IN_PAIR ? more : IN_PAIR));
	w->at += 2;
	if (more >= IN_PAIR) {
		more -= IN_PAIR;
		put_half(w, more < IN_HALF ? more : IN_HALF);
		if (more >= IN_HALF) {
			more -= IN_HALF;
			w->out[w->at++] = (u8)(more < IN_BYTE ? more : IN_BYTE);
			if (more >= IN_BYTE) {
				more = length - SHORTEST_MATCH;
				store16(w->out + w->at, more < 0x10000 ? more : 0);
				w->at += 2;
				if (more >= 0x10000) {
					store32(w->out + w->at, more);
					w->at += 4;
				}
			}
		}
	}
	put_flag(w, 1);
}

u32 xpress_compress(const void *input, u32 bytes, void *out, u32 room, struct xpress_work *work)
{
	const u8 *in = input;
	struct writer w = {.out = out, .at = 4};
	u32 pos = 0;

	for (u32 i = 0; i < XPRESS_HEADS; i++)
		work->head[i] = 0; /* position + 1 */
	while (pos < bytes) {
		u32 length = 0, before = 0;

		if (w.at + TOKEN_MOST > room)
			return 0;
		if (bytes - pos >= SHORTEST_MATCH) {
			u32 key = in[pos] | (u32)in[pos + 1] << 8 | (u32)in[pos + 2] << 16;
			u32 *head = &work->head[key * 0x9e3779b1u >> 21];

			before = *head;
			*head = pos + 1;
			if (before && pos + 1 - before <= LONGEST_OFFSET) {
				before--;
				while (pos + length < bytes &&
				       in[before + length] == in[pos + length])
					length++;
			}
		}
		if (length >= SHORTEST_MATCH) {
			put_match(&w, pos - before, length);
			pos += length;
		} else {
			w.out[w.at++] = in[pos++];
			put_flag(&w, 0);
		}
	}
	if (w.at > room)
		return 0;
	store32(w.out + w.flags_at,
		(u32)((u64)w.flags << (32 - w.count) | ((1ull << (32 - w.count)) - 1)));
	return w.at;
}

struct reader {
	const u8 *in;
	u32 at, bytes;
	u32 half_at; /* a byte whose high half is the next one, 0: none */
};

/* The rest of a match's length, from what its 16 bits say of it. 0: the stream is at its end. */
static u64 read_length(struct reader *r, u32 more)
{
	if (more < IN_PAIR)
		return more + SHORTEST_MATCH;
	if (r->half_at) {
		more = r->in[r->half_at] >> 4;
		r->half_at = 0;
	} else {
		if (r->at >= r->bytes)
			return 0;
		r->half_at = r->at;
		more = r->in[r->at++] & 15;
	}
	if (more < IN_HALF)
		return more + IN_PAIR + SHORTEST_MATCH;
	if (r->at >= r->bytes)
		return 0;
	more = r->in[r->at++];
	if (more < IN_BYTE)
		return more + IN_HALF + IN_PAIR + SHORTEST_MATCH;
	if (r->bytes - r->at < 2)
		return 0;
	more = load16(r->in + r->at);
	r->at += 2;
	if (!more) {
		if (r->bytes - r->at < 4)
			return 0;
		more = load32(r->in + r->at);
		r->at += 4;
	}
	return more < IN_HALF + IN_PAIR ? 0 : (u64)more + SHORTEST_MATCH;
}

u32 xpress_decompress(const void *input, u32 bytes, void *output, u32 room)
{
	struct reader r = {.in = input, .bytes = bytes};
	u8 *out = output;
	u32 flags = 0, count = 0, done = 0;

	for (;;) {
		if (!count) {
			if (bytes - r.at < 4)
				return XPRESS_BAD;
			flags = load32(r.in + r.at);
			r.at += 4;
			count = 32;
		}
		count--;
		if (!(flags >> count & 1)) {
			if (r.at >= bytes || done >= room)
				return XPRESS_BAD;
			out[done++] = r.in[r.at++];
			continue;
		}
		if (r.at == bytes)
			return done; /* the end */
		if (bytes - r.at < 2)
			return XPRESS_BAD;
		u32 pair = load16(r.in + r.at), offset = (pair >> 3) + 1;
		r.at += 2;
		u64 length = read_length(&r, pair & 7);

		if (!length || offset > done || length > room - done)
			return XPRESS_BAD;
		for (u64 i = 0; i < length; i++, done++)
			out[done] = out[done - offset];
	}
}
