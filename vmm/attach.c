/*
 * Looking into a machine of another process: the inspector's side of inspect.h, and which machines
 * there are, by the sockets' names.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/inspect.h"

#define PATIENCE_S 40 /* longer than another inspector may take */

socklen_t inspect_address(const char *name, struct sockaddr_un *a)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	/* the first byte stays 0: an abstract name */
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "ntmm-%u-%s", (unsigned)geteuid(),
		     name);
	if (n < 0 || (size_t)n >= sizeof(a->sun_path) - 1)
		return 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int64_t inspect_peer(int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) < 0 ? -1 : (int64_t)c.uid;
}

struct remote_window {
	struct vm_window window;
	int fd;
	struct inspect_reply reply;
};

/* One request and its reply, which has `want` bytes of data. 0 or -errno. */
static int ask(struct remote_window *r, enum inspect_op op, uint64_t gpa, uint32_t bytes,
	       uint32_t want)
{
	struct inspect_request q = {.op = op, .bytes = bytes, .gpa = gpa};
	ssize_t n;

	if (send(r->fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		return -EPIPE;
	do
		n = recv(r->fd, &r->reply, sizeof(r->reply), 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)INSPECT_HEAD)
		return n < 0 ? -errno : -EPIPE;
	if (r->reply.result)
		return r->reply.result < 0 ? r->reply.result : -EPROTO;
	if (r->reply.bytes != want || (size_t)n != INSPECT_HEAD + want)
		return -EPROTO;
	return 0;
}

static int remote_read(struct vm_window *w, uint64_t gpa, void *buf, size_t len)
{
	struct remote_window *r = (struct remote_window *)w;
	uint8_t *to = buf;

	while (len) {
		uint32_t n = len < INSPECT_BYTES ? (uint32_t)len : INSPECT_BYTES;
		int e = ask(r, INSPECT_READ, gpa, n, n);

		if (e)
			return e;
		memcpy(to, r->reply.data, n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

static int stop(struct remote_window *r)
{
	struct inspect_info i;
	int e = ask(r, INSPECT_STOP, 0, 0, sizeof(i));

	if (e)
		return e;
	memcpy(&i, r->reply.data, sizeof(i));
	if (i.version != INSPECT_VERSION)
		return -EPROTO;
	r->window.ram_bytes = i.ram_bytes;
	r->window.root = i.root;
	r->window.root_bytes = i.root_bytes;
	r->window.now_ns = i.now_ns;
	r->window.cpus = i.cpus;
	return 0;
}

static int remote_again(struct vm_window *w)
{
	static const struct timespec moment = {.tv_nsec = VM_MOMENT_NS};
	struct remote_window *r = (struct remote_window *)w;
	int e = ask(r, INSPECT_GO, 0, 0, 0);

	nanosleep(&moment, NULL);
	return e ? e : stop(r);
}

int vm_attach(const char *name, struct vm_window **out, struct vm_error *err)
{
	struct remote_window *r = calloc(1, sizeof(*r));
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un a;
	socklen_t len = inspect_address(name, &a);
	int e;

	if (!r)
		return vm_fail(err, -ENOMEM, "out of memory");
	r->window.read = remote_read;
	r->window.again = remote_again;
	r->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	e = r->fd < 0 ? -errno : len ? 0 : -ECONNREFUSED;
	if (!e && connect(r->fd, (struct sockaddr *)&a, len) < 0)
		e = errno == ECONNREFUSED ? -ENOENT : -errno;
	if (!e && inspect_peer(r->fd) != geteuid())
		e = -EPERM;
	if (!e && setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		e = -errno;
	if (!e)
		e = stop(r);
	if (e) {
		vm_detach(&r->window);
		return vm_fail(err, e, "machine %s: %s", name,
			       e == -ENOENT ? "there is none of this number" : strerror(-e));
	}
	*out = &r->window;
	return 0;
}

void vm_detach(struct vm_window *w)
{
	struct remote_window *r = (struct remote_window *)w;

	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

static bool is_number(const char *s)
{
	if (!*s || strlen(s) >= VM_MACHINE_NAME)
		return false;
	for (; *s; s++)
		if (!isdigit((unsigned char)*s))
			return false;
	return true;
}

/* Num RefCount Protocol Flags Type St Inode Path: flags 10000 (hexadecimal): it listens. */
unsigned vm_machines(char name[][VM_MACHINE_NAME], unsigned max)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], prefix[32];
	unsigned n = 0;

	if (!f)
		return 0;
	snprintf(prefix, sizeof(prefix), "@ntmm-%u-", (unsigned)geteuid());
	while (n < max && fgets(line, sizeof(line), f)) {
		unsigned flags;
		char path[256];

		if (sscanf(line, "%*s %*x %*x %x %*x %*x %*u %255s", &flags, path) != 2 ||
		    !(flags & 0x10000) || strncmp(path, prefix, strlen(prefix)) != 0 ||
		    !is_number(path + strlen(prefix)))
			continue;
		snprintf(name[n++], VM_MACHINE_NAME, "%s", path + strlen(prefix));
	}
	fclose(f);
	return n;
}
