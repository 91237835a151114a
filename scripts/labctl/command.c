/*
 * A command in the lab: its file system, its name space, its processes.
 *
 *   session (worker) --fork--> holder --fork--> init of a new PID name space --fork--> command
 *
 * The holder owns a mount name space made from /host: the chosen folders writable, an own /proc and
 * an own temporary folder at /dev/shm (TMPDIR). The command's init passes signals on and reports
 * the command's end; when it ends, or the holder is killed, the kernel ends everything else in
 * there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "scripts/labctl/agent.h"

#define MAX_STRINGS 65536
#define MAX_GROUPS  64

struct plan {
	char **argv, **envp;
	const char *cwd;
	const char *writable[64];
	gid_t groups[MAX_GROUPS];
	unsigned argc, envc, writables, ngroups;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	unsigned tty; /* bits; the one for input only together with one for output */
	bool raw;
	struct winsize window;
	int fd[3];   /* the command's */
	int control; /* read end */
	int status;  /* write end */
};

static void parse_string(struct plan *p, char *s)
{
	char *value = s + 1;
	switch (s[0]) {
	case LAB_KEY_ARG:
		p->argv[p->argc++] = value;
		break;
	case LAB_KEY_ENV:
		p->envp[p->envc++] = value;
		break;
	case LAB_KEY_CWD:
		p->cwd = value;
		break;
	case LAB_KEY_UID:
		p->uid = (uid_t)strtoul(value, NULL, 10);
		break;
	case LAB_KEY_GID:
		p->gid = (gid_t)strtoul(value, NULL, 10);
		break;
	case LAB_KEY_GROUP:
		if (p->ngroups < MAX_GROUPS)
			p->groups[p->ngroups++] = (gid_t)strtoul(value, NULL, 10);
		break;
	case LAB_KEY_UMASK:
		p->umask = (mode_t)strtoul(value, NULL, 8);
		break;
	case LAB_KEY_TTY:
		p->tty = (unsigned)strtoul(value, NULL, 10);
		break;
	case LAB_KEY_RAW:
		p->raw = value[0] == '1';
		break;
	case LAB_KEY_WINDOW:
		p->window.ws_row = (unsigned short)strtoul(value, &value, 10);
		p->window.ws_col = (unsigned short)strtoul(value, NULL, 10);
		break;
	case LAB_KEY_WRITABLE:
		if (p->writables < sizeof(p->writable) / sizeof(p->writable[0]))
			p->writable[p->writables++] = value;
		break;
	default:
		break;
	}
}

/* `run` has a NUL after its last byte. */
static int parse(struct plan *p, char *run, size_t bytes)
{
	unsigned count = 0;
	for (size_t i = 0; i < bytes; i++)
		count += run[i] == 0;
	p->argv = calloc(count + 1, sizeof(char *));
	p->envp = calloc(count + 3, sizeof(char *));
	if (count > MAX_STRINGS || !p->argv || !p->envp)
		return -E2BIG;
	for (size_t at = 0; at < bytes; at += strlen(run + at) + 1)
		parse_string(p, run + at);
	p->envp[p->envc++] = "TMPDIR=/dev/shm";
	p->envp[p->envc++] = "NTMM_IN_LAB=1";
	return p->argc && p->cwd ? 0 : -EINVAL;
}

__attribute__((format(printf, 2, 3), noreturn)) static void fail(struct plan *p, const char *format,
								 ...)
{
	char text[500];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (n == sizeof(uint32_t))
		text[n++] = '.'; /* or it would look like a status */
	if (write(p->status, text, (size_t)n) < 0)
		_exit(125);
	_exit(125);
}

static void make_root(struct plan *p)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail(p, "no name space: %s", strerror(errno));
	for (unsigned i = 0; i < p->writables; i++) {
		char from[4200], to[4200];
		snprintf(from, sizeof(from), "/rw%s", p->writable[i]);
		snprintf(to, sizeof(to), "/host%s", p->writable[i]);
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			fail(p, "%s: cannot be made writable: %s", p->writable[i], strerror(errno));
	}
	if (mount("none", "/host/dev/shm", "tmpfs", 0, "mode=1777,size=90%") < 0)
		fail(p, "no temporary folder: %s", strerror(errno));
}

static void become_user(struct plan *p)
{
	umask(p->umask);
	if (setgroups(p->ngroups, p->groups) < 0 || setgid(p->gid) < 0 || setuid(p->uid) < 0)
		fail(p, "cannot become user %u: %s", p->uid, strerror(errno));
}

static void exec_command(struct plan *p)
{
	setsid();
	for (int fd = 0; fd < 3; fd++) {
		if (p->tty & (1u << fd))
			ioctl(p->fd[fd], TIOCSCTTY, 0);
		dup2(p->fd[fd], fd);
	}
	if (chroot("/host") < 0)
		fail(p, "chroot: %s", strerror(errno));
	become_user(p);
	if (chdir(p->cwd) < 0)
		fail(p, "%s: %s", p->cwd, strerror(errno));
	signal(SIGPIPE, SIG_DFL);
	environ = p->envp;
	execvp(p->argv[0], p->argv);
	fail(p, "%s: %s", p->argv[0], strerror(errno));
}

static void on_child(int signal_number)
{
	(void)signal_number;
}

/* Process 1 of the command's name space. */
static void run_init(struct plan *p)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount("none", "/host/proc", "proc", 0, NULL) < 0)
		fail(p, "no /proc: %s", strerror(errno));
	struct sigaction action = {.sa_handler = on_child};
	sigset_t block, before;
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_BLOCK, &block, &before);
	pid_t command = fork();
	if (command == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGCHLD, SIG_DFL);
		exec_command(p);
	}
	if (command < 0)
		fail(p, "no process: %s", strerror(errno));
	for (int fd = 0; fd < 3; fd++)
		close(p->fd[fd]);
	for (;;) {
		struct pollfd control = {.fd = p->control, .events = POLLIN};
		int n = ppoll(&control, 1, NULL, &before);
		unsigned char number;
		if (n > 0 && read(p->control, &number, 1) == 1 && kill(-command, number) < 0)
			kill(command, number); /* has not got its own session yet */
		else if (n > 0 && (control.revents & POLLHUP))
			_exit(125); /* the session is gone */
		uint32_t status;
		pid_t pid;
		while ((pid = waitpid(-1, (int *)&status, WNOHANG)) > 0)
			if (pid == command)
				_exit(write(p->status, &status, sizeof(status)) < 0);
	}
}

/* The holder. Never returns. */
static void run_holder(struct plan *p)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_root(p);
	pid_t init = fork();
	if (init == 0)
		run_init(p);
	if (init < 0)
		fail(p, "no process: %s", strerror(errno));
	for (int fd = 0; fd < 3; fd++)
		close(p->fd[fd]);
	close(p->control);
	close(p->status);
	waitpid(init, NULL, 0);
	_exit(0);
}

static int open_terminal(struct plan *p, struct command *c)
{
	c->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->terminal < 0 || grantpt(c->terminal) < 0 || unlockpt(c->terminal) < 0)
		return -1;
	int slave = open(ptsname(c->terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -1;
	ioctl(c->terminal, TIOCSWINSZ, &p->window);
	struct termios settings;
	if (!p->raw && tcgetattr(slave, &settings) == 0) {
		settings.c_oflag &= ~(tcflag_t)OPOST; /* the client's terminal does it */
		tcsetattr(slave, TCSANOW, &settings);
	}
	if (fchown(slave, p->uid, p->gid) < 0)
		return -1;
	return slave;
}

/* Makes the command's three descriptors and our ends of them. */
static int open_stdio(struct plan *p, struct command *c)
{
	int slave = -1, *ours[3] = {&c->in, &c->out, &c->err};
	if (p->tty && (slave = open_terminal(p, c)) < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++) {
		if (p->tty & (1u << fd)) {
			p->fd[fd] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
			/* What is written to the terminal is read once, as standard output or
			 * error. */
			bool first_output = fd == 1 || (fd == 2 && !(p->tty & 2));
			*ours[fd] =
			    fd == 0 || first_output ? fcntl(c->terminal, F_DUPFD_CLOEXEC, 3) : -1;
			continue;
		}
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		*ours[fd] = ends[fd == 0];
		p->fd[fd] = ends[fd != 0];
	}
	if (slave >= 0)
		close(slave);
	for (int fd = 0; fd < 3; fd++)
		if (*ours[fd] >= 0)
			fcntl(*ours[fd], F_SETFL, O_NONBLOCK);
	return 0;
}

int command_start(struct command *c, const char *run, size_t bytes, char *why, size_t why_bytes)
{
	struct plan plan = {.umask = 022, .control = -1, .status = -1, .fd = {-1, -1, -1}};
	*c = (struct command){-1, -1, -1, -1, -1, -1, -1};
	char *copy = malloc(bytes + 1);
	int control[2] = {-1, -1}, status[2] = {-1, -1}, error = -ENOMEM;
	if (copy) {
		memcpy(copy, run, bytes);
		copy[bytes] = 0;
		error = parse(&plan, copy, bytes);
	}
	if (error == 0)
		error = open_stdio(&plan, c);
	if (error == 0 &&
	    (pipe2(control, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC | O_DIRECT) < 0))
		error = -errno;
	if (error == 0) {
		plan.control = control[0];
		plan.status = status[1];
		c->control = control[1];
		c->status = status[0];
		fcntl(c->status, F_SETFL, O_NONBLOCK);
		c->pid = fork();
		if (c->pid == 0) {
			/* Our ends must be ours alone, or their closing goes unseen. */
			c->pid = -1;
			command_kill(c);
			run_holder(&plan);
		}
		if (c->pid < 0)
			error = -errno;
		close(control[0]);
		close(status[1]);
	}
	for (int fd = 0; fd < 3; fd++)
		if (plan.fd[fd] >= 0)
			close(plan.fd[fd]);
	free(plan.argv);
	free(plan.envp);
	free(copy);
	if (error < 0) {
		snprintf(why, why_bytes, "cannot start the command: %s", strerror(-error));
		command_kill(c);
	}
	return error;
}

void command_kill(struct command *c)
{
	int *fds[] = {&c->in, &c->out, &c->err, &c->terminal, &c->control, &c->status};
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		c->pid = -1;
	}
}
