/*
 * labctl: the lab's command line (scripts/lab calls it).
 *
 *   labctl HOME run [options] [--] COMMAND [ARGS...]
 *   labctl HOME start|stop|status|shell [options]
 *
 * `run` uses the started lab if there is one (and --icount, --disk or --one-shot does not ask for
 * another), else it boots one for this command alone.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scripts/labctl/lab.h"

void lab_die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fflush(stdout);
	fputs("lab: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(LAB_STATUS);
}

static const char usage[] =
    "usage: scripts/lab run [--rw DIR]... [--one-shot] [MACHINE] [--] COMMAND [ARGS...]\n"
    "       scripts/lab start [--idle SECONDS] [MACHINE]\n"
    "       scripts/lab stop | status | shell\n"
    "MACHINE: --memory MB, --cpus N, --icount (one nanosecond an instruction, one CPU),\n"
    "  --disk FILE (as /dev/vda)\n";

enum { OPT_RW = 1, OPT_ONE_SHOT, OPT_MEMORY, OPT_CPUS, OPT_ICOUNT, OPT_DISK, OPT_IDLE, OPT_HELP };

static const struct option long_options[] = {
    {"rw", required_argument, NULL, OPT_RW},
    {"one-shot", no_argument, NULL, OPT_ONE_SHOT},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"icount", no_argument, NULL, OPT_ICOUNT},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"disk", required_argument, NULL, OPT_DISK},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static unsigned number(const char *name, const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value < min || value > max)
		lab_die("--%s %s: give a number from %lu to %lu", name, text, min, max);
	return (unsigned)value;
}

static void add_writable(struct lab_options *o, const char *folder)
{
	if (o->writables == sizeof(o->writable) / sizeof(o->writable[0]))
		lab_die("--rw %s: too many", folder);
	char *path = realpath(folder, NULL);
	if (!path)
		return; /* the command says better what it misses */
	o->writable[o->writables++] = path;
}

/* The exit status of the whole command; a signal that ended the command ends us too. */
static int pass_on(int status)
{
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	struct rlimit none = {0};
	setrlimit(RLIMIT_CORE, &none);
	fflush(stdout);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static int run(const struct lab_options *o, bool one_shot)
{
	int status;
	if (!one_shot && !o->icount && !o->disk && vm_is_running(o)) {
		int lock, port = vm_connect(o, &lock);
		status = client_run(o, port, -1);
		vm_disconnect(port, lock, status >= 0);
		if (status < 0)
			lab_die("the started lab went away");
		return pass_on(status);
	}
	struct lab_vm vm;
	vm_boot(o, &vm);
	status = client_run(o, vm.port, vm.console);
	vm_kill(&vm);
	if (status < 0)
		lab_die("the machine stopped\n%s", client_console_tail());
	return pass_on(status);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	char folder[PATH_MAX];
	bool one_shot = false;
	const char *command = argv[2];
	struct lab_options o = {
	    .home = argv[1], .idle_s = 3600, .folder = getcwd(folder, sizeof(folder))};
	if (!o.folder)
		lab_die("the current folder is gone");
	optind = 3;
	for (int c; (c = getopt_long(argc, argv, "+", long_options, NULL)) != -1;) {
		switch (c) {
		case OPT_RW:
			add_writable(&o, optarg);
			break;
		case OPT_ONE_SHOT:
			one_shot = true;
			break;
		case OPT_MEMORY:
			o.memory_mb = number("memory", optarg, 256, 1 << 20);
			break;
		case OPT_CPUS:
			o.cpus = number("cpus", optarg, 1, 64);
			break;
		case OPT_ICOUNT:
			o.icount = true;
			break;
		case OPT_DISK:
			o.disk = realpath(optarg, NULL);
			if (!o.disk)
				lab_die("--disk %s: no such file", optarg);
			break;
		case OPT_IDLE:
			o.idle_s = number("idle", optarg, 0, 1 << 30);
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	static char *shell[] = {"/bin/bash", "-i", NULL};
	o.argv = argv + optind;
	if (strcmp(command, "run") == 0 && o.argv[0])
		return run(&o, one_shot);
	if (strcmp(command, "shell") == 0 && !o.argv[0]) {
		o.argv = shell;
		return run(&o, one_shot);
	}
	if (strcmp(command, "start") == 0 && !o.argv[0])
		return vm_start(&o), 0;
	if (strcmp(command, "stop") == 0 && !o.argv[0])
		return vm_stop(&o), 0;
	if (strcmp(command, "status") == 0 && !o.argv[0])
		return vm_status(&o);
	fputs(usage, stderr);
	return 2;
}
