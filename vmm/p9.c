/*
 * 9P2000.L messages: taking a request apart, the client's fids, putting a reply together. What
 * messages about files do is in p9ops.c.
 *
 * A handler works on a private copy of the message; data of reads and writes goes straight between
 * the host's file and the client's buffers. A decoder that runs off the end of the message sets
 * `bad`, gives zeroes from then on, and the request is answered with EINVAL; handlers look before
 * they act. Any handler may return -errno, which becomes Rlerror.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/p9msg.h"

/* ---- decoding and encoding ---- */

uint64_t p9_get(struct msg *m, unsigned bytes)
{
	uint64_t v = 0;

	if (m->left < bytes) {
		m->bad = true;
		m->left = 0;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)m->in[i] << 8 * i;
	m->in += bytes;
	m->left -= bytes;
	return v;
}

/* A string of at most NAME_MAX bytes into out[NAME_MAX + 1]; no NUL inside. */
void p9_get_name(struct msg *m, char *out)
{
	uint32_t n = (uint32_t)p9_get(m, 2);

	out[0] = 0;
	if (n > m->left || n > NAME_MAX || memchr(m->in, 0, n)) {
		m->bad = true;
		return;
	}
	memcpy(out, m->in, n);
	out[n] = 0;
	m->in += n;
	m->left -= n;
}

void p9_put(struct msg *m, uint64_t v, unsigned bytes)
{
	if (m->out_max - m->out_len < bytes)
		return; /* fixed replies always fit; readdir looks before */
	for (unsigned i = 0; i < bytes; i++)
		m->out[m->out_len++] = (uint8_t)(v >> 8 * i);
}

void p9_put_string(struct msg *m, const char *s)
{
	size_t n = strlen(s);

	p9_put(m, n, 2);
	if (m->out_max - m->out_len >= n) {
		memcpy(m->out + m->out_len, s, n);
		m->out_len += (uint32_t)n;
	}
}

void p9_put_qid(struct msg *m, const struct stat *st)
{
	uint64_t version = (uint64_t)st->st_mtim.tv_sec ^ (uint64_t)st->st_mtim.tv_nsec << 8 ^
			   (uint64_t)st->st_size;

	p9_put(m, S_ISDIR(st->st_mode) ? QID_DIR : QID_FILE, 1);
	p9_put(m, version & 0xffffffffu, 4);
	p9_put(m, st->st_ino ^ (uint64_t)st->st_dev << 48, 8);
}
/* ---- fids ---- */

struct fid *p9_fid_find(struct p9 *p, uint32_t id)
{
	struct fid *f = p->bucket[id % BUCKETS];

	while (f && f->id != id)
		f = f->next;
	return f;
}

int p9_fid_add(struct p9 *p, uint32_t id, const char *path)
{
	struct fid *f;

	if (p9_fid_find(p, id))
		return -EBADF;
	if (p->nfids == P9_MAX_FIDS)
		return -EMFILE;
	f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->path = strdup(path);
	if (!f->path) {
		free(f);
		return -ENOMEM;
	}
	f->id = id;
	f->fd = -1;
	f->access = 0;
	f->next = p->bucket[id % BUCKETS];
	p->bucket[id % BUCKETS] = f;
	p->nfids++;
	return 0;
}

void p9_fid_remove(struct p9 *p, struct fid *f)
{
	struct fid **at = &p->bucket[f->id % BUCKETS];

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
	p->nfids--;
}

int p9_fid_set_path(struct fid *f, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(f->path);
	f->path = copy;
	return 0;
}

void p9_reset(struct p9 *p)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct fid *f = p->bucket[i], *next; f; f = next) {
			next = f->next;
			p9_fid_remove(p, f);
		}
	p->msize = P9_MSIZE_MIN;
}

/* ---- messages about fids alone ---- */

int p9_do_version(struct msg *m)
{
	uint32_t msize = get_u32(m);
	char version[NAME_MAX + 1];

	p9_get_name(m, version);
	if (m->bad || msize < P9_MSIZE_MIN)
		return -EINVAL;
	p9_reset(m->p);
	m->p->msize = msize < P9_MSIZE_MAX ? msize : P9_MSIZE_MAX;
	p9_put(m, m->p->msize, 4);
	p9_put_string(m, strcmp(version, "9P2000.L") == 0 ? "9P2000.L" : "unknown");
	return 0;
}

int p9_do_attach(struct msg *m)
{
	uint32_t id = get_u32(m);
	struct stat st;
	int r;

	if (m->bad)
		return -EINVAL;
	r = p9fs_stat(&m->p->share, "", &st);
	if (r == 0)
		r = p9_fid_add(m->p, id, "");
	if (r == 0)
		p9_put_qid(m, &st);
	return r;
}

int p9_do_walk(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint32_t id = get_u32(m), n = (uint32_t)p9_get(m, 2), count_at = m->out_len, done = 0;
	char path[2][P9_PATH_MAX], name[NAME_MAX + 1];
	struct stat st = {0};
	int r = 0;

	if (m->bad || n > MAX_WALK)
		return -EINVAL;
	if (!f || (id != f->id && p9_fid_find(m->p, id)))
		return -EBADF;
	if (f->fd != -1)
		return -EBUSY; /* an open fid cannot be walked */
	strcpy(path[0], f->path);
	p9_put(m, 0, 2);
	while (done < n) {
		const char *from = path[done & 1];
		char *to = path[~done & 1];

		p9_get_name(m, name);
		if (m->bad || !*name || strchr(name, '/'))
			r = -EINVAL;
		else
			r = p9fs_join(to, from, name);
		if (r == 0)
			r = p9fs_stat(&m->p->share, to, &st);
		if (r < 0)
			break;
		p9_put_qid(m, &st);
		done++;
	}
	if (r < 0 && done == 0)
		return r;
	m->out[count_at] = (uint8_t)done;
	if (done < n)
		return 0; /* part of the way: the new fid is not made */
	return id == f->id ? p9_fid_set_path(f, path[n & 1]) : p9_fid_add(m->p, id, path[n & 1]);
}

int p9_do_clunk(struct msg *m)
{
	struct fid *f = get_fid(m);

	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	p9_fid_remove(m->p, f);
	return 0;
}

/* Requests are done one after the other: what is to be flushed is done already. */
int p9_do_flush(struct msg *m)
{
	(void)m;
	return 0;
}

/* ---- a request ---- */

struct header {
	uint32_t size;
	uint8_t type;
	uint16_t tag;
};

static void put_header(uint8_t *out, uint32_t size, uint8_t type, uint16_t tag)
{
	const uint8_t bytes[HEADER] = {
	    (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24),
	    type,	   (uint8_t)tag,	 (uint8_t)(tag >> 8)};

	memcpy(out, bytes, HEADER);
}

static uint64_t iov_bytes(const struct iovec *iov, unsigned n)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	return total;
}

/* Splits a copy of an iovec array after `skip` bytes: what is behind them. */
static unsigned iov_behind(struct iovec *copy, const struct iovec *iov, unsigned n, size_t skip)
{
	unsigned out = 0;

	for (unsigned i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		copy[out].iov_base = (char *)iov[i].iov_base + skip;
		copy[out++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return out;
}

/* Takes the message apart: header, body into p->body, write data left in place. */
static int decode(struct msg *m, struct header *h, struct iovec **out, unsigned *nout)
{
	uint64_t total = iov_bytes(*out, *nout);
	uint8_t head[HEADER];
	uint32_t body;

	if (iov_take(out, nout, head, HEADER) < HEADER)
		return -EPROTO;
	h->size = head[0] | head[1] << 8 | head[2] << 16 | (uint32_t)head[3] << 24;
	h->type = head[4];
	h->tag = (uint16_t)(head[5] | head[6] << 8);
	if (h->size < HEADER || h->size > total || h->size > m->p->msize)
		return -EINVAL;
	body = h->size - HEADER;
	if (h->type == T_WRITE) {
		uint32_t data;

		if (body < WRITE_FIXED)
			return -EINVAL;
		data = body - WRITE_FIXED;
		body = WRITE_FIXED;
		iov_take(out, nout, m->p->body, body);
		iov_limit(*out, nout, data);
		m->data = *out;
		m->ndata = *nout;
		memcpy(&body, m->p->body + 12, 4);
		if (body != data)
			return -EINVAL;
		body = WRITE_FIXED;
	} else {
		if (body > MAX_BODY)
			return -EINVAL;
		iov_take(out, nout, m->p->body, body);
	}
	m->in = m->p->body;
	m->left = body;
	return 0;
}

int p9_request(struct p9 *p, struct iovec *out, unsigned nout, struct iovec *in, unsigned nin)
{
	uint64_t room = iov_bytes(in, nin);
	struct msg m = {.p = p, .out = p->reply, .out_len = HEADER};
	struct iovec behind[VIRTQ_MAX_SIZE];
	struct header h = {0};
	uint8_t type;
	int r;

	if (room < HEADER + 4 || nin > VIRTQ_MAX_SIZE)
		return -EPROTO;
	m.out_max = room < REPLY_BYTES ? (uint32_t)room : REPLY_BYTES;
	if (m.out_max > p->msize)
		m.out_max = p->msize;
	r = decode(&m, &h, &out, &nout);
	if (r == -EPROTO)
		return r;
	if (h.type == T_READ) {
		m.ndata = iov_behind(behind, in, nin, HEADER + 4);
		m.data = behind;
	}
	if (r == 0) {
		if (h.type < T_COUNT && p9_handlers[h.type])
			r = p9_handlers[h.type](&m);
		else
			r = -EOPNOTSUPP;
	}
	type = (uint8_t)(h.type + 1);
	if (r < 0) {
		m.out_len = HEADER;
		m.direct = 0;
		p9_put(&m, (uint32_t)-r, 4);
		type = R_LERROR;
	}
	put_header(m.out, m.out_len + m.direct, type, h.tag);
	iov_put(&in, &nin, m.out, m.out_len);
	return (int)(m.out_len + m.direct);
}

struct p9 *p9_create(const struct p9_share *share)
{
	struct p9 *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->share = *share;
	p->msize = P9_MSIZE_MIN;
	return p;
}

void p9_destroy(struct p9 *p)
{
	if (!p)
		return;
	p9_reset(p);
	free(p);
}
