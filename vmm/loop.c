/*
 * epoll, one callback a descriptor.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/loop.h"

int loop_init(struct loop *loop)
{
	loop->quit = false;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_destroy(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};
	int op;

	if (events == source->events)
		return 0;
	op = !events ? EPOLL_CTL_DEL : source->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(loop->epoll_fd, op, source->fd, &ev) < 0)
		return -errno;
	source->events = events;
	return 0;
}

/* One event at a time: a callback may take another source out, and must never see an event that was
 * fetched before that. */
bool loop_once(struct loop *loop, pthread_mutex_t *lock, int timeout)
{
	struct epoll_event ev;
	struct loop_source *s;

	if (epoll_wait(loop->epoll_fd, &ev, 1, timeout) <= 0)
		return false;
	pthread_mutex_lock(lock);
	s = ev.data.ptr;
	if (s->events)
		s->ready(s, ev.events);
	pthread_mutex_unlock(lock);
	return true;
}

void loop_run(struct loop *loop, pthread_mutex_t *lock)
{
	while (!loop->quit)
		loop_once(loop, lock, -1);
}

void loop_clear_eventfd(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}
