/*
 * Handing over to the lab: a QEMU machine whose Linux has a fit KVM. The lab's own program is
 * scripts/lab beside build/, or lib/ntmm/scripts/lab where ntmm is installed; that of its EPT leg,
 * scripts/lab-ept, is there in a source tree only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"

int lab_mode(enum lab_mode *mode)
{
	static const char *const names[] = {
	    [LAB_AUTO] = "auto", [LAB_ALWAYS] = "always", [LAB_NEVER] = "never", [LAB_EPT] = "ept"};
	const char *v = getenv("NTMM_LAB");

	if (getenv("NTMM_IN_LAB")) {
		*mode = LAB_NEVER;
		return 0;
	}
	*mode = LAB_AUTO;
	if (!v || !*v)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(v, names[i]) == 0) {
			*mode = (enum lab_mode)i;
			return 0;
		}
	return complain(STATUS_USAGE, "NTMM_LAB=%s: it has to be auto, always, never or ept", v);
}

static bool find_lab(const char *name, char *path, size_t size)
{
	static const char *const places[OWN_PLACES] = {"../scripts", "../lib/ntmm/scripts"};

	return own_find(places, name, X_OK, path, size);
}

bool lab_available(void)
{
	char path[4200];

	return find_lab("lab", path, sizeof(path));
}

bool lab_running(void)
{
	char path[4200];
	int status, null;
	pid_t pid;

	if (!find_lab("lab", path, sizeof(path)))
		return false;
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(path, path, "status", (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Runs scripts/lab with this verb and the arguments; returns only if it cannot. */
static int lab_exec(enum lab_mode mode, const char *verb, char **args)
{
	const char *name = mode == LAB_EPT ? "lab-ept" : "lab";
	char path[4200], **argv;
	size_t n = 0;

	if (!find_lab(name, path, sizeof(path)))
		return complain(STATUS_HOST, "the lab's program scripts/%s is not there", name);
	while (args[n])
		n++;
	argv = calloc(n + 3, sizeof(*argv));
	if (!argv)
		return complain(STATUS_HOST, "out of memory");
	argv[0] = path;
	argv[1] = (char *)verb;
	memcpy(argv + 2, args, n * sizeof(*argv));
	execv(path, argv);
	free(argv);
	return complain(STATUS_HOST, "%s: %s", path, strerror(errno));
}

int lab_again(enum lab_mode mode, char **rw, size_t nrw, int argc, char **argv)
{
	char **args = calloc(2 * nrw + (size_t)argc + 3, sizeof(*args)), self[PATH_MAX];
	bool enough = args != NULL;
	size_t n = 0;
	int e;

	for (size_t i = 0; enough && i < nrw; i++) {
		args[n++] = "--rw";
		enough = (args[n++] = rw[i]) != NULL;
	}
	if (!enough || !own_path(self)) {
		e = complain(STATUS_HOST, "the lab cannot be used: %s",
			     enough ? strerror(errno) : "out of memory");
		free(args);
		return e;
	}
	args[n++] = "--";
	args[n++] = self;
	for (int i = 0; i < argc; i++)
		args[n++] = argv[i];
	e = lab_exec(mode, "run", args);
	free(args);
	return e;
}

int cmd_lab(int argc, char **argv)
{
	static const char *const verbs[] = {"start", "stop", "status", "shell"};

	if (argc < 2)
		return complain(STATUS_USAGE, "usage: ntmm lab start|stop|status|shell");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i]) == 0)
			return lab_exec(LAB_ALWAYS, argv[1], argv + 2);
	return complain(STATUS_USAGE, "ntmm lab %s: it has to be start, stop, status or shell",
			argv[1]);
}
