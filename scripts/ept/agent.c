/*
 * The first process of the EPT leg's Linux: runs the jobs that its file system brought along, one
 * after the other, tells what came of them, and switches the machine off.
 *
 * A job is a file /jobs/N (from 1 on, without gaps) of strings that end in zero bytes: its name,
 * the folder it runs in, seconds it may take, then program and arguments; /jobs/N.in, if there, is
 * its standard input. It gets a fresh empty folder, JOB_FILES, and at its end everything it left
 * running is killed.
 *
 * There is one way out, the emulator's debug port: lines of it end up on the emulator's standard
 * output. Bytes of a job's output that are not plain text are written \0ooo, as printf's %b reads
 * it.
 *   @ept up                     the machine runs
 *   @ept begin NAME
 *   @ept out TEXT, err TEXT     pieces of the job's output
 *   @ept end NAME STATUS MS     exit status (128 + signal, 124: took too long), milliseconds
 *   @ept down                   all jobs are done
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scripts/labctl/machine.h"

#define DEBUG_PORT     0xe9
#define JOB_FILES      "/tmp/files"
#define MAX_ARGS       256
#define MAX_JOB	       65536
#define REAP_US	       2000
#define STATUS_TIMEOUT 124 /* that of timeout(1) */
#define STATUS_NO_RUN  127 /* that of a shell */

struct job {
	const char *name, *folder;
	char input[48]; /* a path */
	long seconds;
	char *argv[MAX_ARGS];
};

/* ---- the debug port ---- */

static void put(const char *text)
{
	for (; *text; text++)
		outb((unsigned char)*text, DEBUG_PORT);
}

static void put_bytes(const char *stream, const unsigned char *data, size_t bytes)
{
	char octal[8];

	put("@ept ");
	put(stream);
	put(" ");
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] >= ' ' && data[i] < 0x7f && data[i] != '\\') {
			outb(data[i], DEBUG_PORT);
		} else {
			snprintf(octal, sizeof(octal), "\\0%03o", data[i]);
			put(octal);
		}
	}
	put("\n");
}

/* ---- one job ---- */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void become(const struct job *j, int out, int err)
{
	static char *const env[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp",
				    "NTMM_IN_LAB=1", NULL};
	int in = open(j->input, O_RDONLY | O_CLOEXEC);

	if (in < 0)
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	close_range(3, ~0u, 0);
	if (chdir(j->folder) == 0)
		execve(j->argv[0], j->argv, (char **)env);
	fprintf(stderr, "%s: %s\n", j->argv[0], strerror(errno));
	_exit(STATUS_NO_RUN);
}

/* Passes the job's output on until both streams have ended or its time is over. */
static void pass_output(int out, int err, long deadline)
{
	static const char *const names[] = {"out", "err"};
	struct pollfd p[] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
	unsigned char buffer[2048];

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		long left = deadline - now_ms();

		if (left <= 0)
			return;
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			n = read(p[i].fd, buffer, sizeof(buffer));
			if (n > 0)
				put_bytes(names[i], buffer, (size_t)n);
			else if (n == 0 || errno != EINTR)
				p[i].fd = -1;
		}
	}
}

/* Waits for the job; when it has ended, or its time is over, everybody else is killed, too (which
 * is the first process's privilege). */
static int end_all(pid_t job, long deadline)
{
	int status, result = STATUS_TIMEOUT;
	bool killed = false;

	for (;;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return result;
		if (pid == job && !killed)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (!killed && (pid == job || now_ms() >= deadline)) {
			kill(-1, SIGKILL);
			killed = true;
		}
		if (pid <= 0)
			usleep(REAP_US);
	}
}

static void run_job(const struct job *j)
{
	int out[2], err[2], status;
	char text[64];
	long start = now_ms();
	long deadline = start + j->seconds * 1000;
	pid_t pid;

	put("@ept begin ");
	put(j->name);
	put("\n");
	mkdir(JOB_FILES, 0777);
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
		machine_say("no pipe for", j->name);
		return;
	}
	pid = fork();
	if (pid == 0)
		become(j, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (pid < 0)
		machine_say("cannot start", j->name);
	else
		pass_output(out[0], err[0], deadline);
	status = end_all(pid, deadline);
	close(out[0]);
	close(err[0]);
	nftw(JOB_FILES, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	snprintf(text, sizeof(text), " %d %ld\n", status, now_ms() - start);
	put("@ept end ");
	put(j->name);
	put(text);
}

/* ---- all of them ---- */

/* Takes the file apart, in place. `data` ends in a zero byte that is not the file's. */
static bool parse_job(char *data, size_t bytes, struct job *j)
{
	const char *head[3];
	size_t n = 0, argc = 0;

	for (char *s = data; s < data + bytes; s += strlen(s) + 1, n++) {
		if (n < 3)
			head[n] = s;
		else if (argc < MAX_ARGS - 1)
			j->argv[argc++] = s;
	}
	j->argv[argc] = NULL;
	if (argc == 0)
		return false;
	j->name = head[0];
	j->folder = head[1];
	j->seconds = strtol(head[2], NULL, 10);
	return true;
}

static bool run_file(unsigned number)
{
	static char data[MAX_JOB];
	struct job job;
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/jobs/%u", number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, data, sizeof(data) - 1);
	close(fd);
	data[n > 0 ? n : 0] = 0;
	snprintf(job.input, sizeof(job.input), "%s.in", path);
	if (n > 0 && parse_job(data, (size_t)n, &job))
		run_job(&job);
	else
		machine_say("is no job", path);
	return true;
}

int main(void)
{
	unsigned number = 1;

	machine_set_up();
	chmod("/tmp", 01777);
	/* Half of the memory, as the file system the kernel starts with has it, is too little. */
	if (mount("none", "/", NULL, MS_REMOUNT, "size=80%") < 0)
		machine_say("cannot enlarge", "/");
	if (ioperm(DEBUG_PORT, 1, 1) < 0)
		machine_say("cannot use", "the debug port");
	put("@ept up\n");
	while (run_file(number))
		number++;
	put("@ept down\n");
	reboot(RB_POWER_OFF);
	return 0;
}
