/*
 * The lab's init and agent: process 1 of the small Linux that `scripts/lab` boots.
 *
 * It loads the modules of /modules/list, mounts the host's files and then keeps one worker process
 * for each virtio-serial port; session.c's commands run under those. There is nothing else in the
 * initial file system: programs come from the host's own tree.
 *
 *   /loose   host root, read-only, cached: /usr and the like, which do not change in a lab's life
 *   /fresh   host root, read-only, not cached: sees what the host does now
 *   /rw      host root, writable, not cached: only chosen folders of it are shown to a command
 *   /host    what commands get as their root: system folders of /loose, the rest of /fresh, /dev,
 * /sys
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scripts/labctl/agent.h"
#include "scripts/labctl/machine.h"

struct agent_shared *agent_shared;

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* Shows one entry of the host's root folder in /host. */
static void show_entry(const char *name)
{
	static const char *const system_folders[] = {"usr",   "bin",	"sbin", "lib", "lib32",
						     "lib64", "libx32", "etc",	"opt", NULL};
	static const char *const ours[] = {".", "..", "proc", "sys", "dev", "lost+found", NULL};
	char from[300], to[300], target[4096];
	struct stat st;
	if (is_one_of(name, ours))
		return;
	snprintf(from, sizeof(from), "%s/%s", is_one_of(name, system_folders) ? "/loose" : "/fresh",
		 name);
	snprintf(to, sizeof(to), "/host/%s", name);
	if (lstat(from, &st) < 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(from, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (symlink(target, to) < 0)
			machine_say("cannot make", to);
	} else if (S_ISDIR(st.st_mode)) {
		machine_mount(from, to, NULL, MS_BIND, NULL);
	} else if (S_ISREG(st.st_mode)) {
		close(open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			machine_say("cannot mount", to);
	}
}

/* The root folder itself is ours, so that looking up /lib and /usr asks the host nothing. */
static void make_host(void)
{
	machine_mount("none", "/host", "tmpfs", 0, "mode=755");
	DIR *root = opendir("/fresh");
	for (struct dirent *entry; root && (entry = readdir(root));)
		show_entry(entry->d_name);
	if (root)
		closedir(root);
	machine_mount("/proc", "/host/proc", NULL, MS_BIND, NULL);
	machine_mount("/dev", "/host/dev", NULL, MS_BIND | MS_REC, NULL);
	machine_mount("/sys", "/host/sys", NULL, MS_BIND | MS_REC, NULL);
	mount(NULL, "/host", NULL, MS_REMOUNT | MS_RDONLY, NULL);
}

static void mount_host(void)
{
	static const struct {
		const char *tag, *target;
		unsigned long flags;
		const char *cache;
	} shares[] = {
	    {"loose", "/loose", MS_RDONLY, "loose"},
	    {"fresh", "/fresh", MS_RDONLY, "none"},
	    {"rw", "/rw", 0, "none"},
	};
	for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		char options[128];
		snprintf(options, sizeof(options),
			 "trans=virtio,version=9p2000.L,msize=524288,cache=%s", shares[i].cache);
		machine_mount(shares[i].tag, shares[i].target, "9p", shares[i].flags, options);
	}
	make_host();
}

static void set_up(void)
{
	machine_set_up();
	sethostname("lab", 3);
	mount_host();
}

/* Finds the port's device by the name the host gave it. */
static int open_port(unsigned number)
{
	char want[64];
	snprintf(want, sizeof(want), LAB_PORT_NAME "%u\n", number);
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char path[512], name[64], device[512] = "";
	while (ports && (entry = readdir(ports))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && strcmp(name, want) == 0)
			snprintf(device, sizeof(device), "/dev/%s", entry->d_name);
		fclose(f);
	}
	if (ports)
		closedir(ports);
	return *device ? open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
}

/*
 * QEMU's emulation of x87 state that is restored (FXRSTOR, XRSTOR, on any processor) clears a flag
 * of the first processor's hflags2, without a lock. That word also says whether a processor is in a
 * guest of SVM, so when the first one enters or leaves a guest at that moment, it may forget that
 * it did: nested paging stays on, or off. So the first processor runs no guests, if there are
 * others.
 */
static void leave_first_processor(void)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t others;
	CPU_ZERO(&others);
	for (int i = 1; i < count && i < CPU_SETSIZE; i++)
		CPU_SET(i, &others);
	if (count > 1 && sched_setaffinity(0, sizeof(others), &others) < 0)
		machine_say("cannot keep commands off", "the first processor");
}

static pid_t start_worker(unsigned number)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	leave_first_processor();
	sigset_t sigio;
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO); /* waited for in session.c */
	sigprocmask(SIG_SETMASK, &sigio, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int port = open_port(number);
	if (port < 0)
		_exit(1);
	fcntl(port, F_SETOWN, getpid());
	fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC);
	session_loop(port);
}

static unsigned option(const char *name, unsigned value)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, line, sizeof(line) - 1) < 0)
			line[0] = 0;
		close(fd);
	}
	const char *at = strstr(line, name);
	return at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : value;
}

static time_t now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Reaps, restarts workers that ended, and powers off when idle for `idle` seconds (0: never). */
static void mind_workers(pid_t *workers, unsigned count, unsigned idle)
{
	time_t last_busy = now();
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		struct timespec wait = {.tv_sec = 2};
		sigtimedwait(&set, NULL, &wait);
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			for (unsigned i = 0; i < count; i++)
				if (workers[i] == pid)
					workers[i] = start_worker(i), usleep(100000);
		if (agent_shared->sessions)
			last_busy = now();
		if (idle && now() - last_busy >= (time_t)idle)
			return;
	}
}

int main(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	set_up();
	agent_shared = agent_share();
	static pid_t workers[LAB_PORTS];
	unsigned count = option("lab.ports=", 1);
	if (count > LAB_PORTS)
		count = LAB_PORTS;
	for (unsigned i = 0; i < count; i++)
		workers[i] = start_worker(i);
	mind_workers(workers, count, option("lab.idle=", 0));
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
