/*
 * Drive T:. The folder has to go away whatever happens to us, even kill -9: a small child, the
 * reaper, waits for the end of a pipe whose other end only we hold, and then removes the folder.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

static int unlock_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)ftw;
	if (kind == FTW_D || kind == FTW_DNR)
		chmod(path, st->st_mode | 0700);
	return 0;
}

static void reap(int fd, const char *path)
{
	sigset_t all;
	char c;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "ntmm-tempdir");
	if (fd != 0)
		dup2(fd, 0);
	close_range(1, ~0u, 0); /* nobody must wait for us to close a pipe */
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	nftw(path, unlock_one, 16, FTW_PHYS);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

int tempdir_make(struct tempdir *t, const char **what)
{
	const char *base = getenv("TMPDIR");
	int fds[2], e;

	*t = (struct tempdir){.dirfd = -1, .pipe = -1, .reaper = -1};
	*what = base && *base ? base : "/tmp";
	if (asprintf(&t->path, "%s/ntmm-XXXXXX", *what) < 0) {
		t->path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(t->path)) {
		e = -errno;
		free(t->path);
		t->path = NULL;
		return e;
	}
	if (pipe2(fds, O_CLOEXEC) < 0) {
		e = -errno;
		goto fail;
	}
	t->reaper = fork();
	if (t->reaper < 0) {
		e = -errno;
		close(fds[0]);
		close(fds[1]);
		goto fail;
	}
	if (t->reaper == 0) {
		close(fds[1]);
		reap(fds[0], t->path);
	}
	close(fds[0]);
	t->pipe = fds[1];
	t->dirfd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->dirfd < 0) {
		e = -errno;
		tempdir_remove(t);
		return e;
	}
	return 0;
fail:
	rmdir(t->path);
	free(t->path);
	t->path = NULL;
	return e;
}

void tempdir_remove(struct tempdir *t)
{
	if (!t->path)
		return;
	close(t->pipe);
	if (t->dirfd >= 0)
		close(t->dirfd);
	while (waitpid(t->reaper, NULL, 0) < 0 && errno == EINTR)
		;
	free(t->path);
	t->path = NULL;
}
