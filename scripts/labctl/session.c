/*
 * One client's session in the agent: frames in, frames out, one command.
 *
 * Everything is non-blocking around one poll(). Output waits in `out` while the port does not take
 * it, and the command's pipes are read only while there is room; input waits in `in` until the
 * command's pipe takes it, and the client sends no more than fits (TAKEN).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scripts/labctl/agent.h"

#define OUT_BYTES (4 * (LAB_CHUNK + sizeof(struct lab_frame)))

struct session {
	int port;
	struct command command;
	bool running, ended, input_ended, hung_up;
	unsigned gone_turns; /* for so long the host's end has been closed */
	bool next;	     /* the next client is here already, and greeted */
	struct lab_nonce nonce;
	uint32_t exit_status;
	/* frame being received */
	struct lab_frame frame;
	size_t frame_got; /* of header and payload together */
	char *payload;
	/* input for the command */
	char in[LAB_STDIN_WINDOW];
	size_t in_start, in_bytes;
	/* output for the client */
	char out[OUT_BYTES];
	size_t out_start, out_bytes;
};

struct agent_shared *agent_share(void)
{
	return mmap(NULL, sizeof(struct agent_shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* The bytes read, or 0 if there are none now (or nobody is at the other end). */
static size_t port_read(int port, void *data, size_t bytes)
{
	ssize_t n = read(port, data, bytes);
	return n > 0 ? (size_t)n : 0;
}

static size_t out_room(const struct session *s)
{
	return OUT_BYTES - s->out_start - s->out_bytes;
}

/* => there is room */
static void put_frame(struct session *s, enum lab_type type, const void *data, size_t bytes)
{
	struct lab_frame frame = {.type = type, .bytes = (uint32_t)bytes};
	char *at = s->out + s->out_start + s->out_bytes;
	memcpy(at, &frame, sizeof(frame));
	if (bytes)
		memcpy(at + sizeof(frame), data, bytes);
	s->out_bytes += sizeof(frame) + bytes;
}

static void flush_out(struct session *s)
{
	while (s->out_bytes) {
		ssize_t n = write(s->port, s->out + s->out_start, s->out_bytes);
		if (n <= 0)
			break;
		s->out_start += (size_t)n;
		s->out_bytes -= (size_t)n;
	}
	if (s->out_start) {
		memmove(s->out, s->out + s->out_start, s->out_bytes);
		s->out_start = 0;
	}
}

static void say_ready(struct session *s, struct lab_nonce nonce)
{
	nonce.version = LAB_VERSION;
	put_frame(s, LAB_READY, &nonce, sizeof(nonce));
}

/* Waits for a client and its HELLO, skipping what an interrupted one may have left. */
static void greet(struct session *s)
{
	struct {
		struct lab_frame frame;
		struct lab_nonce nonce;
	} hello = {0};
	char *bytes = (char *)&hello;
	size_t got = 0;
	sigset_t sigio;
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	while (got < sizeof(hello)) {
		struct pollfd poller = {.fd = s->port, .events = POLLIN};
		poll(&poller, 1, -1);
		size_t n = port_read(s->port, bytes + got, sizeof(hello) - got);
		if (n == 0) { /* nobody there (a port says POLLIN then, too); SIGIO: one comes */
			static const struct timespec wait = {.tv_sec = 1};
			sigtimedwait(&sigio, NULL, &wait);
			continue;
		}
		got += n;
		while (got >= sizeof(hello.frame) &&
		       (hello.frame.type != LAB_HELLO || hello.frame.bytes != sizeof(hello.nonce)))
			memmove(bytes, bytes + 1, --got);
	}
	say_ready(s, hello.nonce);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void start_command(struct session *s)
{
	char why[512];
	if (s->running)
		return;
	if (command_start(&s->command, s->payload, s->frame.bytes, why, sizeof(why)) < 0)
		put_frame(s, LAB_FAILED, why, strlen(why));
	else
		s->running = true;
}

static void take_input(struct session *s)
{
	if (s->frame.bytes == 0) {
		s->input_ended = true;
		return;
	}
	if (s->in_start) {
		memmove(s->in, s->in + s->in_start, s->in_bytes);
		s->in_start = 0;
	}
	if (s->frame.bytes > sizeof(s->in) - s->in_bytes) {
		s->hung_up = true; /* the client does not keep to the window */
		return;
	}
	memcpy(s->in + s->in_bytes, s->payload, s->frame.bytes);
	s->in_bytes += s->frame.bytes;
}

static void handle_frame(struct session *s)
{
	uint32_t value = 0;
	if (s->frame.bytes >= sizeof(value))
		memcpy(&value, s->payload, sizeof(value));
	struct command *c = &s->command;
	switch (s->frame.type) {
	case LAB_HELLO: /* the last client went and this one came before we saw it */
		if (s->frame.bytes != sizeof(s->nonce)) {
			s->hung_up = true;
			break;
		}
		memcpy(&s->nonce, s->payload, sizeof(s->nonce));
		s->next = s->hung_up = true;
		break;
	case LAB_RUN:
		start_command(s);
		break;
	case LAB_STDIN:
		take_input(s);
		break;
	case LAB_SIGNAL: {
		unsigned char number = (unsigned char)value;
		if (s->running && c->control >= 0 && write(c->control, &number, 1) < 0)
			close_fd(&c->control);
		break;
	}
	case LAB_WINDOW: {
		struct winsize size = {.ws_row = (unsigned short)value,
				       .ws_col = (unsigned short)(value >> 16)};
		if (s->running && c->terminal >= 0)
			ioctl(c->terminal, TIOCSWINSZ, &size);
		break;
	}
	case LAB_CLOSED:
		if (s->running)
			close_fd(value == 1 ? &c->out : &c->err);
		break;
	default:
		s->hung_up = true; /* not our protocol */
		break;
	}
}

/* Takes what has come; false if nothing had. */
static bool read_port(struct session *s)
{
	for (bool any = false;; any = true) {
		if (s->frame_got < sizeof(s->frame)) {
			size_t n = port_read(s->port, (char *)&s->frame + s->frame_got,
					     sizeof(s->frame) - s->frame_got);
			if (n == 0)
				return any;
			s->frame_got += n;
			if (s->frame_got < sizeof(s->frame))
				continue;
			s->payload =
			    s->frame.bytes <= LAB_MAX_RUN ? malloc(s->frame.bytes + 1) : NULL;
			if (!s->payload) {
				s->hung_up = true;
				return true;
			}
		}
		size_t have = s->frame_got - sizeof(s->frame);
		if (have < s->frame.bytes) {
			size_t n = port_read(s->port, s->payload + have, s->frame.bytes - have);
			if (n == 0)
				return any;
			s->frame_got += n;
			continue;
		}
		s->payload[s->frame.bytes] = 0;
		handle_frame(s);
		free(s->payload);
		s->payload = NULL;
		s->frame_got = 0;
		if (s->hung_up || out_room(s) < 1024)
			return true;
	}
}

static void feed_input(struct session *s)
{
	struct command *c = &s->command;
	if (s->in_bytes && c->in >= 0) {
		ssize_t n = write(c->in, s->in + s->in_start, s->in_bytes);
		if (n < 0 && errno != EAGAIN)
			close_fd(&c->in);
		if (n > 0) {
			uint32_t taken = (uint32_t)n;
			s->in_start += (size_t)n;
			s->in_bytes -= (size_t)n;
			put_frame(s, LAB_TAKEN, &taken, sizeof(taken));
		}
	}
	if (c->in < 0 && s->in_bytes) { /* nobody reads it: as good as taken */
		uint32_t taken = (uint32_t)s->in_bytes;
		s->in_bytes = 0;
		put_frame(s, LAB_TAKEN, &taken, sizeof(taken));
	}
	if (s->input_ended && s->in_bytes == 0)
		close_fd(&c->in);
}

static void read_output(struct session *s, int *fd, enum lab_type type)
{
	char data[LAB_CHUNK];
	ssize_t n = read(*fd, data, sizeof(data));
	if (n > 0)
		put_frame(s, type, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
}

static void read_status(struct session *s)
{
	char data[512];
	ssize_t n = read(s->command.status, data, sizeof(data));
	if (n < 0)
		return;
	s->ended = true;
	s->exit_status = 125 << 8; /* its init died: only if somebody killed it */
	if (n == sizeof(s->exit_status))
		memcpy(&s->exit_status, data, sizeof(s->exit_status));
	else if (n > 0)
		put_frame(s, LAB_FAILED, data, (size_t)n);
	close_fd(&s->command.status);
}

/*
 * The host's end is closed. Which data belongs to which opening cannot be told, since the news of
 * opening and closing comes beside the data: so this is the end only if it lasts; a client that
 * comes sooner shows by its HELLO.
 */
static bool await_return(struct session *s)
{
	static const struct timespec wait = {.tv_nsec = 20000000};
	sigset_t sigio;
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	sigtimedwait(&sigio, NULL, &wait);
	return ++s->gone_turns < 12;
}

/* One turn of the loop. False when the client is gone. */
static bool turn(struct session *s)
{
	struct command *c = &s->command;
	bool room = out_room(s) >= LAB_CHUNK + 1024;
	struct pollfd p[] = {
	    {.fd = s->port, .events = (short)((room ? POLLIN : 0) | (s->out_bytes ? POLLOUT : 0))},
	    {.fd = s->running && s->in_bytes && room ? c->in : -1, .events = POLLOUT},
	    {.fd = s->running && room ? c->out : -1, .events = POLLIN},
	    {.fd = s->running && room ? c->err : -1, .events = POLLIN},
	    {.fd = s->running && room ? c->status : -1, .events = POLLIN},
	};
	poll(p, sizeof(p) / sizeof(p[0]), -1);
	if (p[0].revents & POLLOUT)
		flush_out(s);
	/* Without a host's end the port says POLLIN as well as POLLHUP, and gives nothing. */
	bool came = (p[0].revents & POLLIN) && read_port(s);
	if (!came && (p[0].revents & (POLLHUP | POLLERR)))
		return await_return(s);
	s->gone_turns = 0;
	if (s->hung_up)
		return false;
	if (!s->running)
		return true;
	if (out_room(s) >= 1024)
		feed_input(s);
	if (p[2].revents && c->out >= 0 && out_room(s) >= LAB_CHUNK + 1024)
		read_output(s, &c->out, LAB_STDOUT);
	if (p[3].revents && c->err >= 0 && out_room(s) >= LAB_CHUNK + 1024)
		read_output(s, &c->err, LAB_STDERR);
	if (p[4].revents && c->status >= 0 && out_room(s) >= 1024)
		read_status(s);
	if (s->ended && c->out < 0 && c->err < 0 && out_room(s) >= 1024) {
		put_frame(s, LAB_EXIT, &s->exit_status, sizeof(s->exit_status));
		command_kill(c);
		s->running = false;
	}
	return true;
}

static void end(struct session *s)
{
	if (s->running)
		command_kill(&s->command);
	free(s->payload);
}

void session_loop(int port)
{
	static struct session session;
	struct session *s = &session;
	for (bool next = false;; next = s->next) {
		struct lab_nonce nonce = s->nonce;
		memset(s, 0, sizeof(*s));
		s->port = port;
		if (next)
			say_ready(s, nonce);
		else
			greet(s);
		agent_shared->sessions++;
		while (turn(s))
			;
		end(s);
		agent_shared->sessions--;
	}
}
