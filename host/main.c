/*
 * ntmm: the table of commands.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"

static int cmd_help(int argc, char **argv);

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	const char *summary;
	const char *help; /* NULL: the summary says it all */
} commands[] = {
    {"run", cmd_run, "run a Win64 console program", run_help},
    {"doctor", cmd_doctor, "what this host offers, and whether it is fit",
     "usage: ntmm doctor [--json]\n\n"
     "Prints what /dev/kvm offers and runs a probe guest that proves it fit: user mode and\n"
     "back by IRETQ and INT and by SYSCALL and SYSRET, an NX fault, a write-protect fault, a\n"
     "timed loop. Exit status 0: fit; 1: not.\n"},
    {"lab", cmd_lab, "the lab: a QEMU machine for hosts without a fit KVM",
     "usage: ntmm lab start|stop|status|shell\n\n"
     "Where KVM is missing or unfit, `ntmm run` runs in the lab by itself (slower). `lab start`\n"
     "keeps one running, so that following commands need not boot it.\n"},
    {"libvirt", cmd_libvirt, "the same in a machine of libvirt's", libvirt_help},
    {"events", cmd_events, "show violations of protections", events_help},
    {"inspect", cmd_inspect, "look into a running machine", inspect_help},
    {"policy", cmd_policy, "check policies of protections, and test them", policy_help},
    {"help", cmd_help, "help about a command", NULL},
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

int complain(int status, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "ntmm: %s\n", line);
	return status;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: ntmm COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(f, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fprintf(f, "\n`ntmm help COMMAND` tells more; `ntmm --version` gives the version.\n"
		   "A program is run by: ntmm run PROG.exe [ARGUMENTS]\n");
}

static int cmd_help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		usage(stdout);
		return 0;
	}
	c = find(argv[1]);
	if (!c)
		return complain(STATUS_USAGE, "no command `%s`; see `ntmm --help`", argv[1]);
	if (c->help)
		fputs(c->help, stdout);
	else
		printf("ntmm %s: %s\n", c->name, c->summary);
	return 0;
}

/* A closed standard descriptor must not become one of ours by accident. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const struct command *c;

	fill_standard_fds();
	if (argc < 2) {
		usage(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("ntmm %s\n", NTMM_VERSION);
		return 0;
	}
	c = find(argv[1]);
	if (!c)
		return complain(STATUS_USAGE, "no command `%s`; see `ntmm --help`", argv[1]);
	if (argc > 2 && c->help && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
		fputs(c->help, stdout);
		return 0;
	}
	return c->run(argc - 1, argv + 1);
}
