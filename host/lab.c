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

static bool find_in(const char *const places[2], const char *name, char *path, size_t size)
{
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return false;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = 0;
	for (size_t i = 0; i < 2; i++)
		if ((size_t)snprintf(path, size, "%s/%s/%s", self, places[i], name) < size &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

bool find_own(const char *name, char *path, size_t size)
{
	static const char *const places[2] = {".", "../lib/ntmm"};

	return find_in(places, name, path, size);
}

static bool find_lab(const char *name, char *path, size_t size)
{
	static const char *const places[2] = {"../scripts", "../lib/ntmm/scripts"};

	return find_in(places, name, path, size);
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

int lab_exec(enum lab_mode mode, const char *verb, char **args)
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
