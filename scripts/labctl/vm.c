/*
 * The lab's virtual machine: QEMU by translation (TCG) with SVM and nested paging.
 *
 * One-shot: QEMU is our child, talks to us over socket pairs, leaves no file, and is killed by the
 * kernel when we die, however we die.
 *
 * Started (`lab start`): state in a folder of mode 0700, home/run as a rule:
 *   alive     QEMU holds a flock on it as long as it lives: that is what "running" means
 *   pid info  for people and `stop`; believed only while `alive` is locked
 *   p0..p7    the ports' sockets; l0..l7 their locks (one byte inside: an unclean end)
 *   log       what QEMU and the kernel print
 * Sockets are named relative to it, since a socket's path may have 107 bytes only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scripts/labctl/lab.h"

#define MAX_ARGS     128
#define BOOT_SECONDS 180
#define LARGEST_LAB  4096 /* MB, unless asked for more */
/* Each CMPXCHG16B of the kernel's allocator would halt all other processors in QEMU's translation.
 */
#define NO_CMPXCHG16B ",cx16"

struct args {
	char *v[MAX_ARGS];
	int n;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *args, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	if (args->n >= MAX_ARGS - 1 || vasprintf(&args->v[args->n], format, list) < 0)
		lab_die("too many arguments for QEMU");
	args->n++;
	va_end(list);
}

static unsigned memory_mb(const struct lab_options *o)
{
	if (o->memory_mb)
		return o->memory_mb;
	/* QEMU takes it only as it is touched, so be generous, but leave the host half. */
	unsigned long half =
	    (unsigned long)sysconf(_SC_PHYS_PAGES) / 2 * (unsigned long)sysconf(_SC_PAGESIZE) >> 20;
	return half > LARGEST_LAB ? LARGEST_LAB : (unsigned)half;
}

/* Processors for commands. */
static unsigned cpu_count(const struct lab_options *o)
{
	if (o->icount)
		return 1;
	if (o->cpus)
		return o->cpus;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online < 2 ? 1 : 2;
}

/* And those there are: with several, the first one is for Linux alone (agent.c says why). */
static unsigned cpus_in_all(const struct lab_options *o)
{
	return cpu_count(o) > 1 ? cpu_count(o) + 1 : 1;
}

static void add_share(struct args *a, const char *tag, const char *options)
{
	add(a, "-fsdev");
	add(a, "local,id=%s,path=/,security_model=none,multidevs=remap%s", tag, options);
	add(a, "-device");
	add(a, "virtio-9p-pci,fsdev=%s,mount_tag=%s", tag, tag);
}

static void add_machine(struct args *a, const struct lab_options *o, unsigned ports, unsigned idle)
{
	add(a, "qemu-system-x86_64");
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	add(a, "-display");
	add(a, "none");
	add(a, "-no-reboot");
	add(a, "-machine");
	add(a, "q35,vmport=off,smm=off,usb=off");
	add(a, "-cpu");
	add(a, "max,-erms,-fsrm");
	add(a, "-accel");
	add(a, o->icount ? "tcg,thread=single" : "tcg,thread=multi");
	if (o->icount) { /* idle, the clock goes on as the host's: waits for the host cost no
			    time-outs */
		add(a, "-icount");
		add(a, "shift=0,sleep=on");
	}
	add(a, "-smp");
	add(a, "%u", cpus_in_all(o));
	add(a, "-m");
	add(a, "%uM", memory_mb(o));
	add(a, "-kernel");
	add(a, "%s/vmlinux", o->home);
	add(a, "-initrd");
	add(a, "%s/initrd", o->home);
	add(a, "-append");
	add(a,
	    "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off random.trust_cpu=on "
	    "tsc=reliable no_timer_check clearcpuid=rep_good%s init_on_alloc=0 "
	    "cgroup_disable=memory randomize_kstack_offset=off "
	    "transparent_hugepage=never " /* with large pages of guest RAM it was seen to hang */
	    "lab.ports=%u lab.idle=%u",
	    o->icount ? "" : NO_CMPXCHG16B, ports, idle);
	add_share(a, "loose", ",readonly=on");
	add_share(a, "fresh", ",readonly=on");
	add_share(a, "rw", "");
	if (o->disk) {
		add(a, "-drive");
		add(a, "file=%s,format=raw,if=none,id=disk,cache=unsafe", o->disk);
		add(a, "-device");
		add(a, "virtio-blk-pci,drive=disk");
	}
	add(a, "-device");
	add(a, "virtio-balloon-pci,free-page-reporting=on");
	add(a, "-device");
	add(a, "virtio-serial-pci,max_ports=%u", LAB_PORTS + 1);
	add(a, "-serial");
	add(a, "chardev:console");
}

static void add_port(struct args *a, unsigned number)
{
	add(a, "-device");
	add(a, "virtserialport,nr=%u,chardev=p%u,name=" LAB_PORT_NAME "%u", number + 1, number,
	    number);
}

__attribute__((noreturn)) static void exec_qemu(struct args *a)
{
	a->v[a->n] = NULL;
	execvp(a->v[0], a->v);
	lab_die("qemu-system-x86_64 cannot be started (%s); run scripts/setup", strerror(errno));
}

void vm_boot(const struct lab_options *o, struct lab_vm *vm)
{
	int port[2], console[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) < 0)
		lab_die("no sockets: %s", strerror(errno));
	pid_t parent = getpid();
	vm->pid = fork();
	if (vm->pid < 0)
		lab_die("no process: %s", strerror(errno));
	if (vm->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		setsid(); /* the terminal's Ctrl-C is for the command, not for QEMU */
		fcntl(port[1], F_SETFD, 0);
		fcntl(console[1], F_SETFD, 0);
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(console[1], 2);
		struct args a = {0};
		add_machine(&a, o, 1, 0);
		add(&a, "-chardev");
		add(&a, "socket,id=console,fd=%d", console[1]);
		add(&a, "-chardev");
		add(&a, "socket,id=p0,fd=%d", port[1]);
		add_port(&a, 0);
		exec_qemu(&a);
	}
	close(port[1]);
	close(console[1]);
	vm->port = port[0];
	vm->console = console[0];
	if (!client_greet(vm->port, vm->console, BOOT_SECONDS)) {
		vm_kill(vm);
		lab_die("the machine did not come up\n%s", client_console_tail());
	}
}

void vm_kill(struct lab_vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->port);
	close(vm->console);
}

/* --- the started lab --- */

/* The state's folder: home/run, or one of the user's own where home is not his. */
static const char *run_path(const struct lab_options *o)
{
	static char path[4096];
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	if (stat(o->home, &st) == 0 && st.st_uid == geteuid())
		snprintf(path, sizeof(path), "%s/run", o->home);
	else
		snprintf(path, sizeof(path), "%s/ntmm-lab-%u", runtime ? runtime : "/tmp",
			 geteuid());
	return path;
}

/* Opens the state's folder, or gives -1 where there is none. */
static int open_run(const struct lab_options *o, bool make)
{
	const char *path = run_path(o);
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		lab_die("%s: %s", path, strerror(errno));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && make)
		lab_die("%s: %s", path, strerror(errno));
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid()))
		lab_die("%s: belongs to somebody else", path);
	return fd;
}

static bool is_alive(int run)
{
	int fd = openat(run, "alive", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return locked;
}

bool vm_is_running(const struct lab_options *o)
{
	int run = open_run(o, false);
	if (run < 0)
		return false;
	bool alive = is_alive(run);
	close(run);
	return alive;
}

static void write_text(int run, const char *name, const char *text)
{
	int fd = openat(run, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		lab_die("%s: %s", name, strerror(errno));
	close(fd);
}

static bool read_text(int run, const char *name, char *text, size_t bytes)
{
	int fd = openat(run, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, bytes - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static void clean(int run)
{
	static const char *const names[] = {"alive", "pid", "info", "log"};
	char name[8];
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		unlinkat(run, name, 0);
		snprintf(name, sizeof(name), "l%u", i);
		unlinkat(run, name, 0);
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(run, names[i], 0);
}

__attribute__((noreturn)) static void exec_started(const struct lab_options *o, int run, int alive)
{
	setsid();
	if (fchdir(run) < 0)
		_exit(1);
	int null = open("/dev/null", O_RDWR),
	    log = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	dup2(null, 0);
	dup2(null, 1);
	dup2(log, 2);
	fcntl(alive, F_SETFD, 0); /* QEMU keeps the lock */
	struct args a = {0};
	add_machine(&a, o, LAB_PORTS, o->idle_s);
	add(&a, "-name");
	add(&a, "ntmm-lab");
	add(&a, "-chardev");
	add(&a, "file,id=console,path=log,append=on");
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		add(&a, "-chardev");
		add(&a, "socket,id=p%u,path=p%u,server=on,wait=off", i, i);
		add_port(&a, i);
	}
	exec_qemu(&a);
}

static int connect_port(int run, unsigned number)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/p%u", run, number);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void await_start(int run, pid_t pid)
{
	int port = -1;
	for (int i = 0; port < 0 && i < 1000; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			break;
		port = connect_port(run, 0);
		usleep(10000);
	}
	if (port >= 0 && client_greet(port, -1, BOOT_SECONDS)) {
		close(port);
		return;
	}
	char log[2048] = "";
	read_text(run, "log", log, sizeof(log));
	kill(pid, SIGKILL);
	lab_die("the machine did not come up\n%s", log);
}

void vm_start(const struct lab_options *o)
{
	int run = open_run(o, true);
	/* Two starts at once: the second finds the lab running. */
	int gate = openat(run, "gate", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (gate < 0 || flock(gate, LOCK_EX) < 0)
		lab_die("%s/gate: %s", run_path(o), strerror(errno));
	if (is_alive(run)) {
		printf("lab: is running\n");
		return;
	}
	clean(run);
	int alive = openat(run, "alive", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (alive < 0 || flock(alive, LOCK_EX | LOCK_NB) < 0)
		lab_die("%s/alive: %s", run_path(o), strerror(errno));
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid_t pid = fork();
	if (pid < 0)
		lab_die("no process: %s", strerror(errno));
	if (pid == 0)
		exec_started(o, run, alive);
	close(alive);
	char text[64];
	snprintf(text, sizeof(text), "%d\n", pid);
	write_text(run, "pid", text);
	snprintf(text, sizeof(text), "%u MB, %u CPUs%s\n", memory_mb(o), cpu_count(o),
		 o->icount ? ", icount" : "");
	write_text(run, "info", text);
	await_start(run, pid);
	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("lab: started in %.1f s\n", (double)(after.tv_sec - before.tv_sec) +
					       (double)(after.tv_nsec - before.tv_nsec) / 1e9);
}

static pid_t lab_pid(int run)
{
	char text[32];
	return read_text(run, "pid", text, sizeof(text)) ? (pid_t)strtol(text, NULL, 10) : -1;
}

void vm_stop(const struct lab_options *o)
{
	int run = open_run(o, false);
	if (run < 0)
		return;
	if (is_alive(run)) {
		pid_t pid = lab_pid(run);
		for (int i = 0; pid > 1 && is_alive(run) && i < 500; i++) {
			if (i == 0 || i == 300)
				kill(pid, i ? SIGKILL : SIGTERM);
			usleep(10000);
		}
		if (is_alive(run))
			lab_die("process %d does not end", pid);
	}
	clean(run);
	unlinkat(run, "gate", 0);
	close(run);
	rmdir(run_path(o));
}

int vm_status(const struct lab_options *o)
{
	int run = open_run(o, false);
	if (run < 0 || !is_alive(run)) {
		printf("lab: not running\n");
		return 3;
	}
	char info[64];
	unsigned busy = 0;
	read_text(run, "info", info, sizeof(info));
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		char name[8];
		snprintf(name, sizeof(name), "l%u", i);
		int lock = openat(run, name, O_RDWR | O_CLOEXEC);
		if (lock >= 0) {
			busy += flock(lock, LOCK_EX | LOCK_NB) < 0;
			close(lock);
		}
	}
	info[strcspn(info, "\n")] = 0;
	printf("lab: running, process %d, %s, %u of %u places in use\n", lab_pid(run), info, busy,
	       LAB_PORTS);
	return 0;
}

static int take_place(int run, unsigned number)
{
	char name[8];
	snprintf(name, sizeof(name), "l%u", number);
	int lock = openat(run, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return -1;
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		close(lock);
		return -1;
	}
	struct stat st;
	if (fstat(lock, &st) == 0 && st.st_size > 0)
		usleep(300000); /* the one before us was killed: let the agent notice */
	if (pwrite(lock, "x", 1, 0) < 0)
		lab_die("the lab's file %s: %s", name, strerror(errno));
	return lock;
}

int vm_connect(const struct lab_options *o, int *lock)
{
	int run = open_run(o, false);
	for (unsigned turn = 0; run >= 0 && is_alive(run); turn++) {
		for (unsigned i = 0; i < LAB_PORTS; i++) {
			*lock = take_place(run, i);
			if (*lock < 0)
				continue;
			for (unsigned attempt = 0; attempt < 10; attempt++) {
				int port = connect_port(run, i);
				if (port >= 0 && client_greet(port, -1, 5)) {
					close(run);
					return port;
				}
				close(port);
				usleep(300000);
			}
			close(*lock);
		}
		if (turn == 50)
			fprintf(stderr, "lab: all %u places are in use; waiting\n", LAB_PORTS);
		usleep(100000);
	}
	lab_die("the started lab is gone");
}

void vm_disconnect(int port, int lock, bool clean_end)
{
	close(port);
	if (clean_end && ftruncate(lock, 0) < 0)
		return; /* the next one just waits a moment longer */
	close(lock);
}
