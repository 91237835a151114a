/* 9P2000.L messages: encoding and decoding, with the checks that a wrong host needs. */
#include "guest/io/p9wire.h"

void p9_cursor_init(struct p9_cursor *c, void *base, u32 size)
{
	*c = (struct p9_cursor){base, size, 0, false};
}

/* Room for `bytes` more, or bad. */
static u8 *advance(struct p9_cursor *c, u32 bytes)
{
	u8 *p = c->base + c->at;

	if (c->bad || bytes > c->size - c->at) {
		c->bad = true;
		return NULL;
	}
	c->at += bytes;
	return p;
}

void p9_put(struct p9_cursor *c, u64 value, u32 bytes)
{
	u8 *p = advance(c, bytes);

	for (u32 i = 0; p && i < bytes; i++)
		p[i] = (u8)(value >> i * 8);
}

void p9_put_bytes(struct p9_cursor *c, const void *src, u32 bytes)
{
	u8 *p = advance(c, bytes);

	if (p)
		memcpy(p, src, bytes);
}

void p9_put_string(struct p9_cursor *c, const char *s, u32 bytes)
{
	if (bytes > 0xffff)
		c->bad = true;
	p9_put(c, bytes, 2);
	p9_put_bytes(c, s, bytes);
}

u64 p9_get(struct p9_cursor *c, u32 bytes)
{
	const u8 *p = advance(c, bytes);
	u64 v = 0;

	for (u32 i = 0; p && i < bytes; i++)
		v |= (u64)p[i] << i * 8;
	return v;
}

struct p9_qid p9_get_qid(struct p9_cursor *c)
{
	struct p9_qid q;

	q.type = (u8)p9_get(c, 1);
	q.version = (u32)p9_get(c, 4);
	q.path = p9_get(c, 8);
	return q;
}

const char *p9_get_string(struct p9_cursor *c, u32 *bytes)
{
	u32 n = (u32)p9_get(c, 2);
	const u8 *p = advance(c, n);

	*bytes = p ? n : 0;
	return (const char *)p;
}

/* Seconds and nanoseconds, clamped to what 64 bits of nanoseconds hold. */
static s64 get_time(struct p9_cursor *c)
{
	s64 seconds = (s64)p9_get(c, 8), ns = (s64)p9_get(c, 8);
	const s64 most = 9000000000ll;

	if (seconds > most)
		seconds = most;
	if (seconds < -most)
		seconds = -most;
	return seconds * 1000000000ll + (ns >= 0 && ns < 1000000000ll ? ns : 0);
}

#define P9_GETATTR_BTIME 0x800

void p9_get_attr(struct p9_cursor *c, struct p9_attr *a)
{
	u64 valid = p9_get(c, 8);

	a->qid = p9_get_qid(c);
	a->mode = (u32)p9_get(c, 4);
	p9_get(c, 4 + 4); /* uid, gid */
	a->links = (u32)p9_get(c, 8);
	p9_get(c, 8); /* rdev */
	a->size = p9_get(c, 8);
	p9_get(c, 8); /* block size */
	a->blocks = p9_get(c, 8);
	a->atime = get_time(c);
	a->mtime = get_time(c);
	a->ctime = get_time(c);
	a->btime = get_time(c);
	a->has_btime = valid & P9_GETATTR_BTIME;
	p9_get(c, 8); /* generation */
	p9_get(c, 8); /* data version */
	if (a->size >> 63)
		c->bad = true;
}

bool p9_get_dirent(struct p9_cursor *c, struct p9_dirent *d)
{
	if (c->bad || c->at == c->size)
		return false;
	d->qid = p9_get_qid(c);
	d->next_offset = p9_get(c, 8);
	d->type = (u8)p9_get(c, 1);
	d->name = p9_get_string(c, &d->name_bytes);
	return !c->bad;
}

bool p9_get_header(struct p9_cursor *c, u32 arrived, u8 request_type, u16 tag, u32 *error)
{
	u32 size = (u32)p9_get(c, 4);
	u8 type = (u8)p9_get(c, 1);
	u16 got_tag = (u16)p9_get(c, 2);

	*error = 0;
	if (c->bad || size < P9_HEADER || size > arrived || got_tag != tag)
		return false;
	if (type == P9_LERROR) {
		*error = (u32)p9_get(c, 4);
		return !c->bad && *error;
	}
	return type == request_type + 1;
}
