/*
 * Letting others look into the machine: the server's side of inspect.h, and the same view for this
 * process when the program ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/inspect.h"
#include "vmm/protect.h"

/* ---- memory ---- */

int inspect_read(const struct vm *vm, gpa_t gpa, void *buf, size_t len)
{
	const struct ept_map *map = &vm->ram.map;
	uint8_t *to = buf;

	while (len) {
		const struct ept_arena *a = ept_find(map, gpa);
		size_t n;

		if (!a || a->kind == EPT_SECURE)
			return -EFAULT;
		n = len < a->gpa.end - gpa ? len : (size_t)(a->gpa.end - gpa);
		memcpy(to, vm->ram.base + a->offset + (gpa - a->gpa.start), n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

static struct inspect_info info_of(const struct vm *vm)
{
	return (struct inspect_info){
	    .version = INSPECT_VERSION,
	    .cpus = vm->nvcpus,
	    .ram_bytes = vm->ram.size,
	    .root = vm->published[NTMM_PUBLISH_MMINFO],
	    .root_bytes = vm->published_bytes[NTMM_PUBLISH_MMINFO],
	    .now_ns = vm_now_ns(),
	};
}

/* ---- the end of the program, seen from this process ---- */

struct local_window {
	struct vm_window window;
	struct vcpu *v;
};

static int local_read(struct vm_window *w, uint64_t gpa, void *buf, size_t len)
{
	return inspect_read(((struct local_window *)w)->v->vm, gpa, buf, len);
}

static int local_again(struct vm_window *w)
{
	static const struct timespec moment = {.tv_nsec = VM_MOMENT_NS};
	struct local_window *l = (struct local_window *)w;

	world_resume(l->v);
	nanosleep(&moment, NULL);
	world_stop(l->v);
	return 0;
}

void inspect_ending(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct inspect_info i;
	struct local_window l;

	if (!vm->config.ending)
		return;
	world_stop(v);
	pthread_mutex_lock(&vm->io_lock);
	i = info_of(vm);
	pthread_mutex_unlock(&vm->io_lock);
	l = (struct local_window){{.ram_bytes = i.ram_bytes,
				   .root = i.root,
				   .root_bytes = i.root_bytes,
				   .now_ns = i.now_ns,
				   .cpus = i.cpus,
				   .read = local_read,
				   .again = local_again},
				  v};
	vm->config.ending(vm->config.ending_arg, &l.window);
	world_resume(v);
}

/* ---- requests ---- */

static void stop(struct inspector *s)
{
	if (s->stopped)
		return;
	pthread_mutex_unlock(&s->vm->io_lock); /* a vCPU may wait for it */
	world_stop_outside(s->vm);
	pthread_mutex_lock(&s->vm->io_lock);
	s->stopped = true;
}

static void go(struct inspector *s)
{
	if (!s->stopped)
		return;
	s->stopped = false;
	pthread_mutex_unlock(&s->vm->io_lock);
	world_resume_outside(s->vm);
	pthread_mutex_lock(&s->vm->io_lock);
}

size_t inspect_answer(struct inspector *s, const struct inspect_request *q, size_t n)
{
	struct inspect_reply *r = &s->reply;

	r->result = 0;
	r->bytes = 0;
	if (n != sizeof(*q))
		return 0;
	switch (q->op) {
	case INSPECT_STOP: {
		struct inspect_info info;

		stop(s);
		info = info_of(s->vm);
		memcpy(r->data, &info, sizeof(info));
		r->bytes = sizeof(info);
		break;
	}
	case INSPECT_GO:
		go(s);
		break;
	case INSPECT_READ:
		if (q->bytes > INSPECT_BYTES)
			r->result = -EINVAL;
		else if (!s->stopped)
			r->result = -EBUSY;
		else
			r->result = inspect_read(s->vm, q->gpa, r->data, q->bytes);
		r->bytes = r->result ? 0 : q->bytes;
		break;
	default:
		return 0;
	}
	return INSPECT_HEAD + r->bytes;
}

/* ---- connections ---- */

static void arm(struct inspector *s, time_t seconds)
{
	struct itimerspec t = {.it_value = {.tv_sec = seconds}};

	timerfd_settime(s->limit.fd, 0, &t, NULL);
}

static void hang_up(struct inspector *s)
{
	struct loop *loop = &s->vm->loop;

	go(s);
	if (s->client.fd < 0)
		return;
	arm(s, 0);
	loop_watch(loop, &s->client, 0);
	close(s->client.fd);
	s->client.fd = -1;
	loop_watch(loop, &s->listen, EPOLLIN);
}

static void on_connect(struct loop_source *source, uint32_t events)
{
	struct inspector *s =
	    (struct inspector *)((char *)source - offsetof(struct inspector, listen));
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int64_t who = fd < 0 ? -1 : inspect_peer(fd);

	(void)events;
	if (fd < 0)
		return;
	if (who != geteuid() && who != 0) {
		close(fd);
		return;
	}
	s->client.fd = fd;
	if (loop_watch(&s->vm->loop, &s->client, EPOLLIN) < 0) {
		s->client.fd = -1;
		close(fd);
		return;
	}
	loop_watch(&s->vm->loop, &s->listen, 0);
	arm(s, INSPECT_SECONDS);
}

static void on_request(struct loop_source *source, uint32_t events)
{
	struct inspector *s =
	    (struct inspector *)((char *)source - offsetof(struct inspector, client));
	struct inspect_request q;
	ssize_t n = read(source->fd, &q, sizeof(q));
	size_t answer;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	answer = n > 0 ? inspect_answer(s, &q, (size_t)n) : 0;
	/* it asks for one thing at a time, so there is room for the reply */
	if (!answer || write(source->fd, &s->reply, answer) != (ssize_t)answer)
		hang_up(s);
}

static void on_limit(struct loop_source *source, uint32_t events)
{
	(void)events;
	loop_clear_eventfd(source->fd);
	hang_up((struct inspector *)((char *)source - offsetof(struct inspector, limit)));
}

int vm_add_inspector(struct vm *vm, const char *name, struct vm_error *err)
{
	struct inspector *s = calloc(1, sizeof(*s));
	struct sockaddr_un a;
	socklen_t len = inspect_address(name, &a);
	int e = 0;

	if (!s)
		return vm_fail(err, -ENOMEM, "out of memory");
	s->vm = vm;
	s->client.fd = -1;
	s->listen.ready = on_connect;
	s->client.ready = on_request;
	s->limit.ready = on_limit;
	s->listen.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->limit.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	vm->inspector = s;
	if (!len)
		e = -ENAMETOOLONG;
	else if (s->listen.fd < 0 || s->limit.fd < 0 ||
		 bind(s->listen.fd, (struct sockaddr *)&a, len) < 0 || listen(s->listen.fd, 4) < 0)
		e = -errno;
	if (!e)
		e = loop_watch(&vm->loop, &s->listen, EPOLLIN);
	if (!e)
		e = loop_watch(&vm->loop, &s->limit, EPOLLIN);
	if (e) {
		inspect_close(vm);
		return vm_fail(err, e, "the machine %s cannot be offered for inspection: %s", name,
			       strerror(-e));
	}
	return 0;
}

void inspect_close(struct vm *vm)
{
	struct inspector *s = vm->inspector;

	if (!s)
		return;
	if (s->stopped)
		world_resume_outside(vm);
	vm->inspector = NULL;
	if (s->listen.fd >= 0)
		close(s->listen.fd);
	if (s->client.fd >= 0)
		close(s->client.fd);
	if (s->limit.fd >= 0)
		close(s->limit.fd);
	free(s);
}
