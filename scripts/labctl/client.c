/*
 * A command's session, seen from the host: our stdio, our signals and our terminal are the
 * command's.
 *
 * One poll loop. Output that our stdout or stderr does not take waits in a queue of its own, so
 * that signals and input go on; while a queue is full, the port is not read. Input is sent within
 * the window of proto.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "scripts/labctl/lab.h"

static char console_text[4096];
static size_t console_bytes;

struct queue {
	char data[2 * LAB_CHUNK];
	size_t start, bytes;
	bool closed; /* nobody reads it */
};

struct client {
	int port, console;
	struct lab_frame frame;
	size_t got; /* of the frame, header included */
	char payload[LAB_CHUNK];
	struct queue out[3]; /* by descriptor: 1 and 2 */
	size_t window;	     /* input bytes we may send */
	bool input_ended, ended, failed, lost;
	uint32_t status;
	bool raw; /* the terminal is ours to set back */
	struct termios before;
};

static volatile sig_atomic_t pending[NSIG];
static int wake[2] = {-1, -1};
static struct client *terminal_owner;

/* --- the console of our own machine --- */

static void read_console(int console)
{
	if (console_bytes > sizeof(console_text) / 2) {
		console_bytes -= sizeof(console_text) / 4;
		memmove(console_text, console_text + sizeof(console_text) / 4, console_bytes);
	}
	ssize_t n = recv(console, console_text + console_bytes,
			 sizeof(console_text) - 1 - console_bytes, MSG_DONTWAIT);
	if (n > 0)
		console_bytes += (size_t)n;
}

const char *client_console_tail(void)
{
	console_text[console_bytes] = 0;
	return console_text;
}

/* --- sending --- */

static bool send_all(int port, const void *data, size_t bytes)
{
	const char *at = data;
	while (bytes) {
		ssize_t n = send(port, at, bytes, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool send_frame(int port, enum lab_type type, const void *data, size_t bytes)
{
	struct lab_frame frame = {.type = type, .bytes = (uint32_t)bytes};
	return send_all(port, &frame, sizeof(frame)) && send_all(port, data, bytes);
}

static double seconds_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

bool client_greet(int port, int console, unsigned seconds)
{
	struct {
		struct lab_frame frame;
		struct lab_nonce nonce;
	} hello = {{LAB_HELLO, sizeof(struct lab_nonce)}, {.version = LAB_VERSION}}, answer;
	if (getrandom(hello.nonce.value, sizeof(hello.nonce.value), 0) < 0 ||
	    !send_all(port, &hello, sizeof(hello)))
		return false;
	char *bytes = (char *)&answer;
	size_t got = 0;
	double end = seconds_now() + seconds;
	while (seconds_now() < end) {
		struct pollfd p[] = {{.fd = port, .events = POLLIN},
				     {.fd = console, .events = POLLIN}};
		poll(p, 2, 500);
		if (p[1].revents & POLLIN)
			read_console(console);
		if (!(p[0].revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		ssize_t n = recv(port, bytes + got, sizeof(answer) - got, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
		while (got >= sizeof(answer.frame) + sizeof(answer.nonce) ? 1 : 0) {
			if (answer.frame.type == LAB_READY &&
			    memcmp(answer.nonce.value, hello.nonce.value,
				   sizeof(hello.nonce.value)) == 0) {
				if (answer.nonce.version != LAB_VERSION)
					lab_die("the lab is of another version; scripts/lab stop");
				return true;
			}
			memmove(bytes, bytes + 1, --got);
		}
	}
	return false;
}

/* --- the RUN frame --- */

static void add_string(FILE *f, char key, const char *value)
{
	fputc(key, f);
	fputs(value, f);
	fputc(0, f);
}

static void add_number(FILE *f, char key, const char *format, unsigned value)
{
	char text[32];
	snprintf(text, sizeof(text), format, value);
	add_string(f, key, text);
}

static void send_run(const struct lab_options *o, struct client *c, unsigned tty)
{
	char *data = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&data, &bytes);
	gid_t groups[64];
	int ngroups = getgroups(64, groups);
	mode_t mask = umask(0);
	umask(mask);
	struct winsize size = {0};
	char window[32];
	for (int fd = 0; fd < 3 && size.ws_row == 0; fd++)
		ioctl(fd, TIOCGWINSZ, &size);
	snprintf(window, sizeof(window), "%u %u", size.ws_row, size.ws_col);

	add_string(f, LAB_KEY_CWD, o->folder);
	for (char **arg = o->argv; *arg; arg++)
		add_string(f, LAB_KEY_ARG, *arg);
	for (char **env = environ; *env; env++)
		if (strncmp(*env, "TMPDIR=", 7) != 0)
			add_string(f, LAB_KEY_ENV, *env);
	for (unsigned i = 0; i < o->writables; i++)
		add_string(f, LAB_KEY_WRITABLE, o->writable[i]);
	add_number(f, LAB_KEY_UID, "%u", geteuid());
	add_number(f, LAB_KEY_GID, "%u", getegid());
	for (int i = 0; i < ngroups; i++)
		add_number(f, LAB_KEY_GROUP, "%u", groups[i]);
	add_number(f, LAB_KEY_UMASK, "%o", mask);
	add_number(f, LAB_KEY_TTY, "%u", tty);
	add_number(f, LAB_KEY_RAW, "%u", c->raw);
	add_string(f, LAB_KEY_WINDOW, window);
	fclose(f);
	if (bytes > LAB_MAX_RUN)
		lab_die("arguments and environment are too long (%zu bytes)", bytes);
	c->lost = !send_frame(c->port, LAB_RUN, data, bytes);
	free(data);
}

/* --- terminal and signals --- */

static void restore_terminal(void)
{
	if (terminal_owner && terminal_owner->raw)
		tcsetattr(0, TCSADRAIN, &terminal_owner->before);
	terminal_owner = NULL;
}

static void make_raw(struct client *c)
{
	struct termios raw;
	if (tcgetattr(0, &c->before) < 0)
		return;
	raw = c->before;
	cfmakeraw(&raw);
	if (tcsetattr(0, TCSADRAIN, &raw) < 0)
		return;
	c->raw = true;
	terminal_owner = c;
	atexit(restore_terminal);
}

static void on_signal(int number)
{
	int saved = errno;
	pending[number] = 1;
	if (write(wake[1], "", 1) < 0)
		errno = saved; /* full: it wakes all the same */
	errno = saved;
}

static void catch_signals(void)
{
	static const int passed_on[] = {SIGINT,	 SIGTERM, SIGHUP,  SIGQUIT,
					SIGUSR1, SIGUSR2, SIGWINCH};
	struct sigaction action = {.sa_handler = on_signal}, old;
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
		lab_die("no pipe: %s", strerror(errno));
	for (unsigned i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		if (sigaction(passed_on[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(passed_on[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void send_signals(struct client *c)
{
	char drop[64];
	while (read(wake[0], drop, sizeof(drop)) > 0)
		;
	for (uint32_t number = 1; number < NSIG; number++) {
		if (!pending[number])
			continue;
		pending[number] = 0;
		struct winsize size;
		if (number == SIGWINCH && ioctl(0, TIOCGWINSZ, &size) == 0) {
			uint16_t window[2] = {size.ws_row, size.ws_col};
			c->lost |= !send_frame(c->port, LAB_WINDOW, window, sizeof(window));
		} else if (number != SIGWINCH) {
			c->lost |= !send_frame(c->port, LAB_SIGNAL, &number, sizeof(number));
		}
	}
}

/* --- output --- */

static void flush_queue(struct client *c, int fd)
{
	struct queue *q = &c->out[fd];
	/* A pipe that polls writable takes PIPE_BUF bytes without blocking. */
	size_t n = q->bytes < 4096 ? q->bytes : 4096;
	ssize_t done = write(fd, q->data + q->start, n);
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (done < 0) {
		uint32_t which = (uint32_t)fd;
		q->closed = true;
		q->bytes = 0;
		c->lost |= !send_frame(c->port, LAB_CLOSED, &which, sizeof(which));
		return;
	}
	q->start += (size_t)done;
	q->bytes -= (size_t)done;
}

static void queue_output(struct client *c, int fd, const char *data, size_t bytes)
{
	struct queue *q = &c->out[fd];
	if (q->closed)
		return;
	if (q->start) {
		memmove(q->data, q->data + q->start, q->bytes);
		q->start = 0;
	}
	memcpy(q->data + q->bytes, data, bytes);
	q->bytes += bytes;
}

static bool has_room(const struct client *c)
{
	return c->out[1].bytes <= LAB_CHUNK && c->out[2].bytes <= LAB_CHUNK;
}

/* --- frames from the agent --- */

static void handle_frame(struct client *c)
{
	uint32_t value = 0;
	if (c->frame.bytes >= sizeof(value))
		memcpy(&value, c->payload, sizeof(value));
	switch (c->frame.type) {
	case LAB_TAKEN:
		c->window += value;
		break;
	case LAB_STDOUT:
		queue_output(c, 1, c->payload, c->frame.bytes);
		break;
	case LAB_STDERR:
		queue_output(c, 2, c->payload, c->frame.bytes);
		break;
	case LAB_FAILED:
		restore_terminal();
		fprintf(stderr, "lab: %.*s\n", (int)c->frame.bytes, c->payload);
		c->failed = c->ended = true;
		break;
	case LAB_EXIT:
		c->status = value;
		c->ended = true;
		break;
	default:
		c->lost = true;
		break;
	}
}

static void read_port(struct client *c)
{
	while (has_room(c) && !c->ended && !c->lost) {
		bool header = c->got < sizeof(c->frame);
		size_t want =
		    header ? sizeof(c->frame) - c->got : sizeof(c->frame) + c->frame.bytes - c->got;
		char *at =
		    header ? (char *)&c->frame + c->got : c->payload + (c->got - sizeof(c->frame));
		if (want) {
			ssize_t n = recv(c->port, at, want, MSG_DONTWAIT);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				return;
			if (n <= 0) {
				c->lost = true;
				return;
			}
			c->got += (size_t)n;
		}
		if (c->got < sizeof(c->frame))
			continue;
		if (c->frame.bytes > sizeof(c->payload)) {
			c->lost = true;
			return;
		}
		if (c->got < sizeof(c->frame) + c->frame.bytes)
			continue;
		handle_frame(c);
		c->got = 0;
	}
}

static void send_input(struct client *c)
{
	char data[LAB_CHUNK];
	size_t want = c->window < sizeof(data) ? c->window : sizeof(data);
	ssize_t n = read(0, data, want);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		c->input_ended = true;
		n = 0;
	}
	c->window -= (size_t)n;
	c->lost |= !send_frame(c->port, LAB_STDIN, data, (size_t)n);
}

static void turn(struct client *c)
{
	bool done = c->ended;
	struct pollfd p[] = {
	    {.fd = done || !has_room(c) ? -1 : c->port, .events = POLLIN},
	    {.fd = done || c->input_ended || !c->window ? -1 : 0, .events = POLLIN},
	    {.fd = c->out[1].bytes ? 1 : -1, .events = POLLOUT},
	    {.fd = c->out[2].bytes ? 2 : -1, .events = POLLOUT},
	    {.fd = wake[0], .events = POLLIN},
	    {.fd = c->console, .events = POLLIN},
	};
	poll(p, sizeof(p) / sizeof(p[0]), -1);
	if (p[4].revents)
		send_signals(c);
	if (p[5].revents & POLLIN)
		read_console(c->console);
	else if (p[5].revents)
		c->console = -1;
	if (p[2].revents)
		flush_queue(c, 1);
	if (p[3].revents)
		flush_queue(c, 2);
	if (p[1].revents)
		send_input(c);
	if (p[0].revents)
		read_port(c);
}

int client_run(const struct lab_options *o, int port, int console)
{
	static struct client client;
	struct client *c = &client;
	*c = (struct client){.port = port, .console = console, .window = LAB_STDIN_WINDOW};
	unsigned tty = 0;
	for (int fd = 0; fd < 3; fd++)
		tty |= isatty(fd) ? 1u << fd : 0;
	if (!(tty & 6))
		tty = 0; /* a terminal for input alone stays here, cooked */
	catch_signals();
	if (tty & 1)
		make_raw(c);
	send_run(o, c, tty);
	while (!c->lost && (!c->ended || c->out[1].bytes || c->out[2].bytes))
		turn(c);
	restore_terminal();
	if (c->failed)
		return 127 << 8;
	return c->ended ? (int)c->status : -1;
}
