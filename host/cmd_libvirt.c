/*
 * ntmm libvirt: the same kernel and the same program in a machine that libvirt manages, with QEMU
 * in our VMM's place. The kernel boots by PVH and finds its devices by virtio, so nothing of it
 * knows the difference; what only our VMM gives (protections, checksums of pagefiles, counted
 * exits, test faults) is not there, and asking for it is refused.
 *
 * A folder holds what the domain is made of: the run block (its initrd), C: with copies of the
 * DLLs, T:, temporary pagefiles, domain.xml. `run` makes it for one run and has ntmm-libvirt carry
 * the domain; `xml` leaves it to the user, who defines the domain.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"

#define SERIAL_FD      3     /* of ntmm-libvirt */
#define SERIAL_KEPT    65536 /* bytes of the kernel's messages */
#define DEFAULT_FACTOR 4     /* temporary pagefile: times RAM, sparse */
#define FOLDER_MODE    0711  /* QEMU may run as another user */
#define DRIVE_MODE     0777
#define STATUS_NO_EXEC 127

const char libvirt_help[] =
    "usage: ntmm libvirt run [-c URI] [OPTIONS] PROG.exe [ARGUMENTS]\n"
    "       ntmm libvirt xml FOLDER [OPTIONS] PROG.exe [ARGUMENTS]\n"
    "\n"
    "Runs the program in a machine that libvirt manages and QEMU emulates, by KVM where it is\n"
    "fit. `run` shows the program's input, output and exit status as `ntmm run` does. `xml`\n"
    "fills FOLDER with the domain's files and prints its description:\n"
    "\n"
    "  ntmm libvirt xml ~/hello hello.exe | virsh define /dev/stdin\n"
    "\n"
    "  -c URI       libvirt's connection (default: libvirt's own, as virsh has it)\n"
    "\n"
    "OPTIONS are those of `ntmm run` that say what is run: --memory, --cpus, --pagefile (of its\n"
    "largest size at once), --no-pagefile, --share, --env, --timeout (of `run`), --aslr,\n"
    "--largeaddress, --memory-compression, --debug, --kernel, --system. Protections, statistics "
    "and injected\n"
    "faults are our own machine's; use `ntmm run` for them.\n";

struct domain {
	struct run_options o;
	struct program program;
	char folder[PATH_MAX];
	struct tempdir temp; /* of `run`: the folder */
	char pagefile[NTMM_MAX_PAGEFILES][PATH_MAX];
	uint64_t pagefile_size[NTMM_MAX_PAGEFILES];
	unsigned npagefiles;
	bool kvm;
};

/* Options that only our own machine can fulfil. `--vbs off` is what this one gives. */
static int refuse(const struct run_options *o, bool run)
{
	const struct vm_protection *p = &o->protection;
	const struct {
		bool asked;
		const char *option;
	} rows[] = {
	    {p->level > LEVEL_TEXT || o->policy, "--vbs and --policy"},
	    {p->napproved != 0, "--approve"},
	    {p->scan_exits || p->scan_seed || p->scan_mean_ns != SCAN_MEAN_NS, "--scan"},
	    {p->vulnerable, "--vulnerable"},
	    {o->events != NULL, "--events"},
	    {o->stats, "--stats"},
	    {o->inspect.n != 0, "--inspect"},
	    {o->no_sandbox, "--no-sandbox"},
	    {o->test_faults, "--test-faults"},
	    {o->serial != NULL, "--serial"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].asked)
			return complain(STATUS_USAGE,
					"%s: not in a machine of libvirt's; use `ntmm run`",
					rows[i].option);
	if (!run && o->timeout_ns)
		return complain(STATUS_USAGE, "--timeout: with `ntmm libvirt run` only");
	return 0;
}

/* ---- the folder ---- */

static int cannot(const char *path)
{
	return complain(STATUS_HOST, "%s: %s", path, strerror(errno));
}

static int in_folder(const struct domain *d, const char *name, char *path)
{
	return snprintf(path, PATH_MAX, "%s/%s", d->folder, name) < PATH_MAX
		   ? 0
		   : complain(STATUS_USAGE, "%s: its name is too long", d->folder);
}

static int make_folder(const struct domain *d, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int e = in_folder(d, name, path);

	if (e)
		return e;
	return (mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0 ? cannot(path)
										   : 0;
}

static int write_file(const struct domain *d, const char *name, const struct text *t)
{
	char path[PATH_MAX];
	int e = in_folder(d, name, path), fd;
	ssize_t n;

	if (e)
		return e;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	n = fd < 0 ? -1 : write(fd, t->data, t->len);
	e = n == (ssize_t)t->len ? 0 : cannot(path);
	if (fd >= 0)
		close(fd);
	return e;
}

static int copy_file(int from_dir, const char *name, const struct domain *d)
{
	char path[PATH_MAX];
	struct stat st;
	int e, from, to = -1;

	if (snprintf(path, sizeof(path), "%s/c/Windows/System32/%s", d->folder, name) >= PATH_MAX)
		return complain(STATUS_USAGE, "%s: its name is too long", d->folder);
	from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		e = cannot(name);
	else if (!S_ISREG(st.st_mode))
		e = 0;
	else {
		to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		e = to < 0 || sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size
			? cannot(path)
			: 0;
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return e;
}

/* QEMU shares a folder as a drive; ours of DLLs has to lie two levels down. */
static int copy_system(const struct domain *d)
{
	DIR *dir = opendir(d->program.system);
	struct dirent *entry;
	int e = 0;

	if (!dir)
		return cannot(d->program.system);
	if ((e = make_folder(d, "c", 0755)) == 0 && (e = make_folder(d, "c/Windows", 0755)) == 0)
		e = make_folder(d, "c/Windows/System32", 0755);
	while (!e && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			e = copy_file(dirfd(dir), entry->d_name, d);
	closedir(dir);
	return e;
}

static int add_pagefile(struct domain *d, const char *path, uint64_t size)
{
	unsigned i = d->npagefiles++;
	struct stat st;
	char *real = NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size) < 0) ||
	    !(real = realpath(path, NULL))) {
		if (fd >= 0)
			close(fd);
		return cannot(path);
	}
	close(fd);
	snprintf(d->pagefile[i], sizeof(d->pagefile[i]), "%s", real);
	free(real);
	d->pagefile_size[i] = size;
	return 0;
}

static int make_pagefiles(struct domain *d)
{
	char path[PATH_MAX], name[32];
	int e = 0;

	if (d->o.npagefiles == 0 && !d->o.no_pagefile && (e = in_folder(d, "pagefile", path)) == 0)
		e = add_pagefile(d, path, DEFAULT_FACTOR * d->o.memory);
	for (unsigned i = 0; !e && i < d->o.npagefiles; i++) {
		const struct pagefile_option *p = &d->o.pagefile[i];

		snprintf(name, sizeof(name), "pagefile%u", i);
		if (p->temporary && (e = in_folder(d, name, path)) != 0)
			break;
		e = add_pagefile(d, p->temporary ? path : p->path, p->max);
	}
	return e;
}

static int make_block(struct domain *d)
{
	struct runblock_input in = {.options = &d->o, .npagefiles = d->npagefiles};
	struct text block = {0};
	int e;

	for (unsigned i = 0; i < d->npagefiles; i++)
		in.pagefile_max[i] = d->pagefile_size[i];
	e = program_block(&d->program, &in, &block);
	if (!e)
		e = write_file(d, "runblock", &block);
	text_free(&block);
	return e;
}

/* ---- the domain's description ---- */

static void escaped(struct text *t, const char *s)
{
	for (; *s; s++)
		if (strchr("<>&'\"", *s))
			text_printf(t, "&#%d;", *s);
		else
			text_add(t, s, 1);
}

/* A value of the host's, between the markup before and after it. */
static void element(struct text *t, const char *start, const char *value, const char *end)
{
	text_puts(t, start);
	escaped(t, value);
	text_puts(t, end);
}

static void add_drives(struct text *t, const struct domain *d)
{
	for (unsigned i = 0; i < DRIVES; i++) {
		const struct drive *v = &d->program.drives.drive[i];
		char letter = (char)('a' + i);
		const char *sub = letter == SYSTEM_DRIVE ? "/c'/>\n" : "/t'/>\n";
		bool own = letter == SYSTEM_DRIVE || letter == TEMPORARY_DRIVE;

		if (!v->path && !own)
			continue;
		element(t,
			"    <filesystem type='mount' accessmode='passthrough'>\n"
			"      <source dir='",
			own ? d->folder : v->path, own ? sub : "'/>\n");
		text_printf(t, "      <target dir='%c'/>\n", letter);
		if (letter == SYSTEM_DRIVE || (!own && !v->writable))
			text_puts(t, "      <readonly/>\n");
		text_puts(t, "    </filesystem>\n");
	}
}

static void add_disks(struct text *t, const struct domain *d)
{
	for (unsigned i = 0; i < d->npagefiles; i++) {
		element(t,
			"    <disk type='file' device='disk'>\n"
			"      <driver name='qemu' type='raw' discard='unmap'/>\n"
			"      <source file='",
			d->pagefile[i], "'/>\n");
		text_printf(t,
			    "      <target dev='vd%c' bus='virtio'/>\n"
			    "      <serial>pagefile%u</serial>\n    </disk>\n",
			    'a' + i, i);
	}
}

/* Of a run, a socket that ntmm-libvirt listens on; else a terminal, for `virsh console`. Ports of
 * the virtio console go by number (guest/io/console.c); NULL: the serial port. */
static void add_port(struct text *t, const struct domain *d, const char *kind, const char *name,
		     const char *number)
{
	text_printf(t, "    <%s type='%s'>\n", kind, d->temp.path ? "unix" : "pty");
	if (d->temp.path) {
		element(t, "      <source mode='connect' path='", d->folder, "/");
		text_printf(t, "%s.sock'/>\n", name);
	}
	if (!number)
		text_puts(t, "      <target port='0'/>\n");
	else
		text_printf(
		    t,
		    "      <target type='virtio' name='%s'/>\n"
		    "      <address type='virtio-serial' controller='0' bus='0' port='%s'/>\n",
		    name, number);
	text_printf(t, "    </%s>\n", kind);
}

static int describe(const struct domain *d, struct text *t)
{
	char name[NAME_MAX + 32];

	snprintf(name, sizeof(name), "ntmm-%s-%d", d->program.exe_name, (int)getpid());
	text_printf(t, "<domain type='%s'>\n", d->kvm ? "kvm" : "qemu");
	element(t, "  <name>", name, "</name>\n");
	text_printf(t, "  <memory unit='b'>%" PRIu64 "</memory>\n  <vcpu>%u</vcpu>\n", d->o.memory,
		    d->o.cpus);
	text_puts(t, "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n");
	element(t, "    <kernel>", d->program.kernel, "</kernel>\n");
	element(t, "    <initrd>", d->folder, "/runblock</initrd>\n  </os>\n");
	text_printf(t,
		    "  <features><acpi/><apic/></features>\n"
		    "  <cpu mode='%s'/>\n"
		    "  <on_poweroff>destroy</on_poweroff>\n"
		    "  <on_reboot>destroy</on_reboot>\n"
		    "  <on_crash>destroy</on_crash>\n"
		    "  <devices>\n",
		    d->kvm ? "host-passthrough" : "maximum");
	add_disks(t, d);
	add_drives(t, d);
	text_puts(t, "    <controller type='usb' model='none'/>\n"
		     "    <controller type='virtio-serial' index='0' "
		     "model='virtio-non-transitional'/>\n");
	add_port(t, d, "serial", "serial", NULL);
	add_port(t, d, "console", "stdout", "0");
	add_port(t, d, "channel", "stderr", "1");
	if (d->temp.path) /* else standard input comes by the console */
		add_port(t, d, "channel", "stdin", "2");
	text_puts(t, "    <memballoon model='none'/>\n    <panic model='isa'/>\n"
		     "  </devices>\n</domain>\n");
	return t->failed ? complain(STATUS_HOST, "out of memory") : 0;
}

/* All files of the domain, and its description. The folder is there. */
static int make_domain(struct domain *d, struct text *xml)
{
	char why[320];
	int e;

	d->kvm = kvm_fit(why, sizeof(why));
	if ((e = make_folder(d, ".", FOLDER_MODE)) || (e = make_folder(d, "t", DRIVE_MODE)) ||
	    (e = copy_system(d)) || (e = make_pagefiles(d)) || (e = make_block(d)))
		return e;
	return describe(d, xml);
}

/* ---- run ---- */

/* The kernel's last words say how it ended (guest/ps/start.c, guest/ke/bugcheck.c). */
static int serial_status(const char *serial)
{
	const char *stop = strstr(serial, "*** STOP "), *end = NULL;
	unsigned code;

	if (stop) {
		complain(0, "bug check of the kernel:");
		print_clean(stop);
		return STATUS_BUGCHECK;
	}
	for (const char *p = serial; (p = strstr(p, "exit 0x")); p++)
		end = p;
	if (!end || sscanf(end, "exit 0x%x", &code) != 1) {
		print_clean(serial);
		return complain(STATUS_CRASH, "the machine ended before the program");
	}
	return report_exit_code(code);
}

/* Runs ntmm-libvirt; gives what came by the serial port. -1, or a status after complaining. */
static int carry(const struct domain *d, const char *uri, char *serial, size_t size)
{
	static const char *const places[OWN_PLACES] = {".", "../lib/ntmm"};
	char path[PATH_MAX + 16], seconds[32];
	int fds[2], status;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (!own_find(places, "ntmm-libvirt", X_OK, path, sizeof(path)))
		return complain(STATUS_HOST, "ntmm-libvirt is not there: it is built where "
					     "libvirt-dev is installed (scripts/setup --libvirt)");
	snprintf(seconds, sizeof(seconds), "%.3f", (double)d->o.timeout_ns / 1e9);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return complain(STATUS_HOST, "pipe: %s", strerror(errno));
	signal(SIGINT, SIG_IGN); /* ntmm-libvirt gets it too, and ends the domain */
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		if (dup2(fds[1], SERIAL_FD) == SERIAL_FD)
			execl(path, path, uri, seconds, d->folder, (char *)NULL);
		_exit(STATUS_NO_EXEC);
	}
	close(fds[1]);
	while (pid > 0 && have + 1 < size && (n = read(fds[0], serial + have, size - 1 - have)) > 0)
		have += (size_t)n;
	serial[have] = 0;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return complain(STATUS_HOST, "ntmm-libvirt did not end as it should");
	if (WEXITSTATUS(status) == STATUS_TIMEOUT)
		complain(0, "timeout: the program did not end within %.3g s",
			 (double)d->o.timeout_ns / 1e9);
	if (WEXITSTATUS(status) == STATUS_NO_EXEC)
		return complain(STATUS_HOST, "%s cannot be started; is libvirt installed?", path);
	return WEXITSTATUS(status) == 0 ? -1 : WEXITSTATUS(status);
}

static int do_run(struct domain *d, const char *uri)
{
	static char serial[SERIAL_KEPT];
	struct text xml = {0};
	const char *where;
	int e = tempdir_make(&d->temp, &where);

	if (e < 0)
		return complain(STATUS_HOST, "no temporary folder can be made in %s: %s", where,
				strerror(-e));
	if (!realpath(d->temp.path, d->folder))
		return cannot(d->temp.path);
	e = make_domain(d, &xml);
	if (!e)
		e = write_file(d, "domain.xml", &xml);
	text_free(&xml);
	if (!e)
		e = carry(d, uri, serial, sizeof(serial));
	return e < 0 ? serial_status(serial) : e;
}

static int do_xml(struct domain *d, const char *folder)
{
	struct text xml = {0};
	int e;

	if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
		return cannot(folder);
	if (!realpath(folder, d->folder))
		return cannot(folder);
	e = make_domain(d, &xml);
	if (!e)
		fputs(xml.data, stdout);
	text_free(&xml);
	return e;
}

int cmd_libvirt(int argc, char **argv)
{
	bool run = argc > 1 && strcmp(argv[1], "run") == 0;
	bool xml = argc > 2 && strcmp(argv[1], "xml") == 0;
	static struct domain d;
	const char *arg = "";
	int skip = 1, e;

	if (!run && !xml)
		return complain(STATUS_USAGE, "usage: ntmm libvirt run [-c URI] ... or xml FOLDER "
					      "...; see `ntmm help libvirt`");
	if (xml || (argc > 3 && strcmp(argv[2], "-c") == 0)) {
		arg = argv[run ? 3 : 2];
		skip += run ? 2 : 1;
	}
	e = run_options_parse(argc - skip, argv + skip, &d.o);
	if (e == -1) {
		fputs(libvirt_help, stdout);
		e = 0;
	} else if (!e && (e = refuse(&d.o, run)) == 0 &&
		   (e = program_open(&d.program, &d.o)) == 0) {
		e = run ? do_run(&d, arg) : do_xml(&d, arg);
	}
	tempdir_remove(&d.temp);
	program_close(&d.program);
	run_options_free(&d.o);
	return e;
}
