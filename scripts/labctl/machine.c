/*
 * What the first process of a small Linux with KVM does before anything else: the kernel's file
 * systems, the modules of /modules/list in that order, and how guest RAM is backed. Both legs of
 * the lab begin with it. What fails is said on standard error, and the rest goes on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scripts/labctl/machine.h"

void machine_say(const char *what, const char *arg)
{
	fprintf(stderr, "lab: %s %s: %s\n", what, arg, strerror(errno));
}

void machine_mount(const char *source, const char *target, const char *type, unsigned long flags,
		   const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options) < 0)
		machine_say("cannot mount", target);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules/list", "re");
	char name[256], path[300];
	while (list && fgets(name, sizeof(name), list)) {
		name[strcspn(name, "\n")] = 0;
		snprintf(path, sizeof(path), "/modules/%s", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			machine_say("cannot load", path);
		close(fd);
	}
	if (list)
		fclose(list);
}

void machine_set_up(void)
{
	machine_mount("none", "/dev", "devtmpfs", 0, NULL);
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	if (console > 2)
		close(console);
	machine_mount("none", "/proc", "proc", 0, NULL);
	machine_mount("none", "/sys", "sysfs", 0, NULL);
	machine_mount("none", "/dev/pts", "devpts", 0, "ptmxmode=0666,mode=0620");
	machine_mount("none", "/dev/shm", "tmpfs", 0, "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	load_modules();
	chmod("/dev/kvm", 0666);
}
