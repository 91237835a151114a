/*
 * ntmm-libvirt: carries a domain through libvirt from its creation to its end. It is a program of
 * its own, so that `ntmm run` need not load libvirt.
 *
 *   ntmm-libvirt CONNECTION SECONDS FOLDER        ("": libvirt's default; 0: for ever)
 *
 * FOLDER has domain.xml. QEMU connects each of the domain's ports to a socket of ours there:
 *
 *   standard input -> stdin.sock        stdout.sock -> standard output
 *                                       stderr.sock -> standard error
 *                                       serial.sock -> descriptor 3
 *
 * so what was written before the domain's end is read after it, and the end of standard input is
 * the closing of its socket. It ends when the domain has. One thread, libvirt's event loop.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SERIAL_FD      3
#define STATUS_USAGE   2
#define STATUS_TIMEOUT 124
#define STATUS_HOST    125
#define STATUS_SIGNAL  128
#define CHUNK	       16384
#define TICK_MS	       100
#define DRAIN_TICKS    20 /* a port that is open this long after the domain's end is not QEMU's */

enum port { PORT_STDIN, PORT_STDOUT, PORT_STDERR, PORT_SERIAL, PORTS };
static const struct {
	const char *name;
	int fd; /* ours */
} ports[PORTS] = {{"stdin", STDIN_FILENO},
		  {"stdout", STDOUT_FILENO},
		  {"stderr", STDERR_FILENO},
		  {"serial", SERIAL_FD}};

enum { CLOSED = -1 };
struct carrier {
	virConnectPtr conn;
	virDomainPtr dom;
	int socket[PORTS]; /* listening, then connected, then CLOSED */
	int watch[PORTS];  /* on that socket */
	int input_watch;   /* on standard input, once its port is connected */
	char input[CHUNK]; /* read, not yet sent */
	size_t have, sent;
	int status; /* -1: goes on */
	bool stopped;
};

static int complain(int status, const char *what)
{
	fprintf(stderr, "ntmm: libvirt: %s: %s\n", what, virGetLastErrorMessage());
	return status;
}

static int system_error(const char *what)
{
	fprintf(stderr, "ntmm: libvirt: %s: %s\n", what, strerror(errno));
	return STATUS_HOST;
}

/* libvirt's own reports; what matters is told by complain. */
static void silent(void *arg, virErrorPtr e)
{
	(void)arg;
	(void)e;
}

/* ---- ports ---- */

static void close_port(struct carrier *c, enum port p)
{
	if (c->socket[p] == CLOSED)
		return;
	virEventRemoveHandle(c->watch[p]);
	close(c->socket[p]);
	c->socket[p] = CLOSED;
	if (p == PORT_STDIN && c->input_watch >= 0)
		virEventUpdateHandle(c->input_watch, 0);
}

static void write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t k = write(fd, data, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return; /* nobody reads it any more */
		data += k;
		n -= (size_t)k;
	}
}

static void on_output(int watch, int fd, int events, void *arg)
{
	struct carrier *c = arg;
	char data[CHUNK];
	ssize_t n = read(fd, data, sizeof(data));
	enum port p = PORT_STDOUT;

	(void)events;
	while (c->watch[p] != watch)
		p++;
	if (n > 0)
		write_all(ports[p].fd, data, (size_t)n);
	else if (n == 0 || errno != EINTR)
		close_port(c, p);
}

static void on_input_port(int watch, int fd, int events, void *arg)
{
	struct carrier *c = arg;
	ssize_t n = send(fd, c->input + c->sent, c->have - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if ((events & (VIR_EVENT_HANDLE_HANGUP | VIR_EVENT_HANDLE_ERROR)) ||
	    (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close_port(c, PORT_STDIN);
		return;
	}
	if (n > 0)
		c->sent += (size_t)n;
	if (c->sent == c->have) {
		virEventUpdateHandle(watch, 0);
		virEventUpdateHandle(c->input_watch, VIR_EVENT_HANDLE_READABLE);
	}
}

static void on_stdin(int watch, int fd, int events, void *arg)
{
	struct carrier *c = arg;
	ssize_t n = read(fd, c->input, sizeof(c->input));

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	virEventUpdateHandle(watch, 0);
	if (n <= 0) {
		/* Not close: QEMU drops what it has not read of a socket that is hung up. */
		shutdown(c->socket[PORT_STDIN], SHUT_WR);
		return;
	}
	c->have = (size_t)n;
	c->sent = 0;
	virEventUpdateHandle(c->watch[PORT_STDIN], VIR_EVENT_HANDLE_WRITABLE);
}

/* QEMU has connected: the socket goes over from listening to talking. */
static void on_connect(int watch, int fd, int events, void *arg)
{
	struct carrier *c = arg;
	int talking = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	enum port p = 0;

	(void)events;
	while (c->watch[p] != watch)
		p++;
	close_port(c, p);
	c->socket[p] = talking;
	if (talking < 0)
		return;
	if (p != PORT_STDIN) {
		c->watch[p] =
		    virEventAddHandle(talking, VIR_EVENT_HANDLE_READABLE, on_output, c, NULL);
		return;
	}
	c->watch[p] = virEventAddHandle(talking, 0, on_input_port, c, NULL);
	c->input_watch =
	    virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, on_stdin, c, NULL);
}

/* QEMU may be another user, so who may reach the folder may connect. */
static int listen_on(const char *folder, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s.sock", folder, name) >=
	    sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return CLOSED;
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0777) < 0 || listen(fd, 1) < 0)
		return CLOSED;
	return fd;
}

static int open_ports(struct carrier *c, const char *folder)
{
	for (enum port p = 0; p < PORTS; p++) {
		c->socket[p] = listen_on(folder, ports[p].name);
		if (c->socket[p] == CLOSED)
			return system_error(folder);
		c->watch[p] =
		    virEventAddHandle(c->socket[p], VIR_EVENT_HANDLE_READABLE, on_connect, c, NULL);
	}
	return 0;
}

/* ---- the domain ---- */

static void on_signal(int watch, int fd, int events, void *arg)
{
	struct carrier *c = arg;
	struct signalfd_siginfo s;

	(void)watch;
	(void)events;
	if (read(fd, &s, sizeof(s)) == sizeof(s))
		c->status = STATUS_SIGNAL + (int)s.ssi_signo;
}

static void on_timeout(int timer, void *arg)
{
	struct carrier *c = arg;

	(void)timer;
	c->status = STATUS_TIMEOUT;
}

static void on_tick(int timer, void *arg)
{
	struct carrier *c = arg;

	(void)timer;
	if (virDomainIsActive(c->dom) != 1)
		c->stopped = true;
}

/* Signals come by descriptor; the end of whoever started us is one. */
static int watch_signals(struct carrier *c)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -1 : virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_signal, c, NULL);
}

static char *read_description(const char *folder)
{
	char path[4200], *text = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/domain.xml", folder);
	f = fopen(path, "re");
	if (!f || getdelim(&text, &size, 0, f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

/* The domain goes away with us whatever happens; the driver inside our process cannot do that. */
static unsigned autodestroy(virConnectPtr conn)
{
	char *uri = virConnectGetURI(conn);
	bool embedded = uri && strstr(uri, ":///embed");

	free(uri);
	return embedded ? 0 : VIR_DOMAIN_START_AUTODESTROY;
}

static int start(struct carrier *c, const char *uri, const char *folder)
{
	char *xml = read_description(folder);

	if (!xml)
		return system_error(folder);
	c->conn = virConnectOpenAuth(*uri ? uri : NULL, virConnectAuthPtrDefault, 0);
	if (c->conn)
		c->dom = virDomainCreateXML(c->conn, xml, autodestroy(c->conn));
	free(xml);
	if (!c->conn)
		return complain(STATUS_HOST, *uri ? uri : "its default connection");
	return c->dom ? 0 : complain(STATUS_HOST, "the domain cannot be created");
}

static bool draining(const struct carrier *c)
{
	return c->socket[PORT_STDOUT] != CLOSED || c->socket[PORT_STDERR] != CLOSED ||
	       c->socket[PORT_SERIAL] != CLOSED;
}

static int carry(struct carrier *c, const char *uri, double seconds, const char *folder)
{
	int e, left = DRAIN_TICKS;

	if (virEventRegisterDefaultImpl() < 0 || watch_signals(c) < 0)
		return complain(STATUS_HOST, "its event loop");
	e = open_ports(c, folder);
	if (!e)
		e = start(c, uri, folder);
	if (e)
		return e;
	if (seconds > 0)
		virEventAddTimeout((int)(seconds * 1000), on_timeout, c, NULL);
	virEventAddTimeout(TICK_MS, on_tick, c, NULL);
	while (c->status < 0 && (!c->stopped || (draining(c) && left-- > 0)))
		if (virEventRunDefaultImpl() < 0)
			return complain(STATUS_HOST, "its event loop");
	return c->status < 0 ? 0 : c->status;
}

int main(int argc, char **argv)
{
	static struct carrier c = {.status = -1, .input_watch = -1};
	int status;

	if (argc != 4) {
		fputs("usage: ntmm-libvirt CONNECTION SECONDS FOLDER (`ntmm libvirt` calls it)\n",
		      stderr);
		return STATUS_USAGE;
	}
	for (enum port p = 0; p < PORTS; p++)
		c.socket[p] = CLOSED;
	virSetErrorFunc(NULL, silent);
	status = carry(&c, argv[1], strtod(argv[2], NULL), argv[3]);
	if (c.dom) {
		if (!c.stopped)
			virDomainDestroy(c.dom);
		virDomainFree(c.dom);
	}
	if (c.conn)
		virConnectClose(c.conn);
	return status;
}
