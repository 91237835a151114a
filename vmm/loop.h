/*
 * loop: the event loop of the device thread, over epoll. A source is embedded in whatever it
 * belongs to; its callback runs with vm.io_lock held.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct loop_source {
	int fd;
	uint32_t events; /* EPOLL* wanted now; 0: not watched */
	void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop {
	int epoll_fd;
	bool quit;
};

int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);

/* Watches source->fd for `events` from now on; 0 takes it out. -EPERM: a regular file, always
 * ready and never watched. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);

/* Waits for one event at most `timeout` ms (-1: for ever) and dispatches it; false: none came. */
bool loop_once(struct loop *loop, pthread_mutex_t *lock, int timeout);

/* Dispatches until quit is set. */
void loop_run(struct loop *loop, pthread_mutex_t *lock);

/* Empties an eventfd or timerfd. */
void loop_clear_eventfd(int fd);

#endif
