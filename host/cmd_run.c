/*
 * ntmm run: a program's run from its arguments to its exit status. Each step fills in struct run
 * and returns 0 or a status after complaining; run_close takes down whatever is there.
 *
 *   options -> program (PE check) -> drives -> [the lab instead?] -> kernel -> pagefiles ->
 *   run block -> machine -> devices -> run -> report
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"

#define PE_HEAD		 65536
#define DEFAULT_MIN	 (16ull << 20)
#define DEFAULT_MAX	 (16ull << 30)
#define LETTERS		 26
#define PROGRAM_DRIVE	 'e'
#define CURRENT_DRIVE	 'd'
#define SYSTEM_DRIVE	 'c'
#define TEMPORARY_DRIVE	 't'
#define FIRST_FREE_DRIVE 'f'

struct drive {
	char *path; /* owned; NULL: there is no such drive */
	int dirfd;
	bool writable;
};

struct run {
	struct run_options o;
	char **argv; /* as given, for the lab */
	struct timespec began;
	char *exe_dir, *exe_name; /* of the program, real path */
	char guest_exe[PATH_MAX];
	struct drive drive[LETTERS];
	struct tempdir temp;
	char *kernel_path, *system_path;
	void *kernel;
	size_t kernel_size;
	unsigned npagefiles;
	struct pagefile *pagefile[NTMM_MAX_PAGEFILES];
	struct text block;
	int serial_fd;
	FILE *stats_file, *events_file, *inspect_file;
	bool inspected;
	unsigned events;
	struct vm *vm;
};

static struct drive *drive(struct run *r, char letter)
{
	return &r->drive[letter - 'a'];
}

/* ---- the program ---- */

static int open_program(struct run *r)
{
	static uint8_t head[PE_HEAD];
	const char *name = r->o.program, *wrong;
	char *real, *slash;
	struct stat st;
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return complain(STATUS_USAGE, "%s: is not a file", name);
	}
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	if (n < 0)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	wrong = pe_check(head, (size_t)n, (uint64_t)st.st_size);
	if (wrong)
		return complain(STATUS_USAGE, "%s: %s", name, wrong);
	real = realpath(name, NULL);
	if (!real)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	if (!utf8_valid(real)) {
		free(real);
		return complain(STATUS_USAGE, "%s: its path is not UTF-8", name);
	}
	slash = strrchr(real, '/');
	r->exe_name = strdup(slash + 1);
	*slash = 0;
	r->exe_dir = *real ? real : strdup("/");
	if (r->exe_dir != real)
		free(real);
	if (!r->exe_name || !r->exe_dir)
		return complain(STATUS_HOST, "out of memory");
	return 0;
}

/* ---- drives ---- */

static int set_drive(struct run *r, char letter, const char *path, bool writable)
{
	struct drive *d = drive(r, letter);
	struct stat st;

	d->path = realpath(path, NULL);
	if (!d->path)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	if (stat(d->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return complain(STATUS_USAGE, "%s: is not a folder", path);
	if (writable && access(d->path, W_OK) < 0)
		return complain(STATUS_USAGE, "%s: cannot be shared :rw: %s", path,
				strerror(errno));
	d->dirfd = open(d->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd < 0)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	d->writable = writable;
	return 0;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int set_shares(struct run *r)
{
	for (unsigned pass = 0; pass < 2; pass++) /* those with a letter first */
		for (unsigned i = 0; i < r->o.nshares; i++) {
			struct share_option *s = &r->o.share[i];
			char letter = s->letter;
			int e;

			if ((pass == 0) != (letter != 0))
				continue;
			if (!letter && same_folder(s->dir, ".") && !drive(r, CURRENT_DRIVE)->path)
				letter = CURRENT_DRIVE;
			for (char c = FIRST_FREE_DRIVE; !letter && c <= 'z'; c++)
				if (c != TEMPORARY_DRIVE && !drive(r, c)->path)
					letter = c;
			if (!letter)
				return complain(STATUS_USAGE, "--share %s: no drive letter is free",
						s->dir);
			e = set_drive(r, letter, s->dir, s->writable);
			if (e)
				return e;
		}
	return 0;
}

static int set_drives(struct run *r)
{
	char letter = 0;
	int e = set_shares(r);

	if (!e && !drive(r, CURRENT_DRIVE)->path)
		e = set_drive(r, CURRENT_DRIVE, ".", false);
	if (e)
		return e;
	/* The program is started from a drive whose root is its folder. */
	for (char c = CURRENT_DRIVE; !letter && c <= 'z'; c++)
		if (drive(r, c)->path && same_folder(drive(r, c)->path, r->exe_dir))
			letter = c;
	if (!letter) {
		if (drive(r, PROGRAM_DRIVE)->path)
			return complain(STATUS_USAGE,
					"--share E=...: E: is the program's folder; take another "
					"letter, or share %s",
					r->exe_dir);
		letter = PROGRAM_DRIVE;
		e = set_drive(r, letter, r->exe_dir, false);
		if (e)
			return e;
	}
	if ((size_t)snprintf(r->guest_exe, sizeof(r->guest_exe), "%c:\\%s", letter - 'a' + 'A',
			     r->exe_name) >= sizeof(r->guest_exe))
		return complain(STATUS_USAGE, "%s: its name is too long", r->o.program);
	return 0;
}

static int make_temp(struct run *r)
{
	const char *where;
	int e = tempdir_make(&r->temp, &where);

	if (e < 0)
		return complain(STATUS_HOST, "no temporary folder can be made in %s: %s", where,
				strerror(-e));
	return 0;
}

/* ---- the kernel and the system's files ---- */

/* build/ntmm finds build/guest/..., an installed ntmm finds ../lib/ntmm/... */
static int find_system(struct run *r)
{
	static const char *const roots[] = {"guest", "../lib/ntmm"};
	char self[PATH_MAX], path[PATH_MAX + 64], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return complain(STATUS_HOST, "/proc/self/exe: %s", strerror(errno));
	self[n] = 0;
	slash = strrchr(self, '/');
	*slash = 0;
	if (r->o.kernel)
		r->kernel_path = strdup(r->o.kernel);
	if (r->o.system_dir)
		r->system_path = strdup(r->o.system_dir);
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/ntoskrnl.elf", self, roots[i]);
		if (!r->kernel_path && access(path, R_OK) == 0)
			r->kernel_path = strdup(path);
		snprintf(path, sizeof(path), "%s/%s/system32", self, roots[i]);
		if (!r->system_path && access(path, X_OK) == 0)
			r->system_path = strdup(path);
	}
	if (!r->kernel_path)
		return complain(STATUS_HOST,
				"%s/guest/ntoskrnl.elf: the kernel is not there; run "
				"make, or name one with --kernel",
				self);
	if (!r->system_path)
		return complain(STATUS_HOST,
				"%s/guest/system32: the system's DLLs are not there; "
				"run make, or name a folder with --system",
				self);
	return set_drive(r, SYSTEM_DRIVE, r->system_path, false);
}

static int load_kernel(struct run *r)
{
	int fd = open(r->kernel_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct vm_error err = {0};
	struct stat st;

	if (fd < 0)
		return complain(STATUS_USAGE, "%s: %s", r->kernel_path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		close(fd);
		return complain(STATUS_USAGE, "%s: is not a kernel file", r->kernel_path);
	}
	r->kernel_size = (size_t)st.st_size;
	r->kernel = mmap(NULL, r->kernel_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (r->kernel == MAP_FAILED) {
		r->kernel = NULL;
		return complain(STATUS_USAGE, "%s: %s", r->kernel_path, strerror(errno));
	}
	if (vm_check_kernel(r->kernel, r->kernel_size, r->kernel_path, &err) < 0)
		return complain(STATUS_USAGE, "%s", err.text);
	return 0;
}

/* ---- the lab ---- */

static void add_rw(char **args, size_t *n, const char *folder)
{
	args[(*n)++] = "--rw";
	args[(*n)++] = (char *)folder;
}

/* The folder that holds a file that may not exist yet. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int run_in_lab(struct run *r, int argc, enum lab_mode mode)
{
	char self[PATH_MAX], number[16], **args;
	size_t n = 0;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	args = calloc((size_t)argc + (size_t)2 * (LETTERS + NTMM_MAX_PAGEFILES + 4) + 4,
		      sizeof(*args));
	if (len < 0 || !args) {
		free(args);
		return complain(STATUS_HOST, "the lab cannot be used: %s", strerror(errno));
	}
	self[len] = 0;
	for (unsigned i = 0; i < LETTERS; i++)
		if (r->drive[i].path && r->drive[i].writable)
			add_rw(args, &n, r->drive[i].path);
	for (unsigned i = 0; i < r->o.npagefiles; i++)
		add_rw(args, &n, folder_of(r->o.pagefile[i].path));
	if (r->o.stats_file)
		add_rw(args, &n, folder_of(r->o.stats_file));
	if (r->o.events)
		add_rw(args, &n, folder_of(r->o.events));
	if (r->o.inspect.json)
		add_rw(args, &n, folder_of(r->o.inspect.json));
	if (r->o.serial && strcmp(r->o.serial, "-") != 0)
		add_rw(args, &n, folder_of(r->o.serial));
	args[n++] = "--";
	args[n++] = self;
	/* there it has another process number, and is to be found by this one */
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("NTMM_MACHINE", number, 1);
	for (int i = 0; i < argc; i++)
		args[n++] = r->argv[i];
	return lab_exec(mode, "run",
			args); /* NOLINT(clang-analyzer-unix.Malloc): does not come back */
}

/* Does the lab have to do it? -1: no; else a status, when the lab could not be used. */
static int maybe_lab(struct run *r, int argc)
{
	enum lab_mode mode;
	char why[320];
	int e = lab_mode(&mode);

	if (e)
		return e;
	if (mode == LAB_ALWAYS || mode == LAB_EPT)
		return run_in_lab(r, argc, mode);
	if (kvm_fit(why, sizeof(why)))
		return -1;
	if (mode == LAB_NEVER)
		return complain(STATUS_HOST, "%s (see `ntmm doctor`)", why);
	if (!lab_available())
		return complain(STATUS_HOST, "%s; and the lab is not there (see `ntmm doctor`)",
				why);
	if (!r->o.quiet)
		complain(0, "%s; running in the lab, which is slower", why);
	return run_in_lab(r, argc, mode);
}

/* ---- pagefiles ---- */

/* The system-managed one: at least as large as RAM, as large as the disk allows at most. */
static int default_pagefile(struct run_options *o)
{
	struct pagefile_option *p = &o->pagefile[0];
	const char *dir = getenv("TMPDIR");
	struct statvfs fs;
	uint64_t room;

	if (!dir || !*dir)
		dir = access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
	if (statvfs(dir, &fs) < 0)
		return complain(STATUS_HOST, "%s: %s", dir, strerror(errno));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	p->path = strdup(dir);
	p->temporary = true;
	p->min = o->memory > DEFAULT_MIN ? o->memory : DEFAULT_MIN;
	if (p->min > room / 2)
		p->min = room / 2 & ~(uint64_t)(PAGEFILE_PAGE - 1);
	p->max = room < DEFAULT_MAX ? room & ~(uint64_t)(PAGEFILE_PAGE - 1) : DEFAULT_MAX;
	if (p->max < p->min)
		p->max = p->min;
	o->npagefiles = p->min ? 1 : 0;
	return 0;
}

static int open_pagefiles(struct run *r)
{
	struct run_options *o = &r->o;
	char why[PAGEFILE_WHY];
	int e = 0;

	if (o->npagefiles == 0 && !o->no_pagefile)
		e = default_pagefile(o);
	for (unsigned i = 0; !e && i < o->npagefiles; i++) {
		const struct pagefile_option *p = &o->pagefile[i];
		struct pagefile_config c = {p->path, p->min, p->max,
					    p->temporary ? PAGEFILE_TEMPORARY : 0};

		if (pagefile_open(&c, &r->pagefile[i], why) < 0)
			return complain(STATUS_USAGE, "pagefile %s: %s", p->path, why);
		r->npagefiles++;
	}
	return e;
}

/* ---- the machine ---- */

static int build_block(struct run *r)
{
	/* argv[0] names the program wherever the current folder is, as what a user types does. */
	bool here = r->guest_exe[0] == CURRENT_DRIVE - 'a' + 'A';
	struct runblock_input in = {.options = &r->o,
				    .exe = r->guest_exe,
				    .program_name = here ? r->exe_name : r->guest_exe};
	struct timespec now;
	int e;

	for (unsigned i = 0; i < LETTERS; i++)
		if (r->drive[i].path || i == TEMPORARY_DRIVE - 'a')
			in.drive[in.ndrives++] = (struct runblock_drive){
			    (char)('a' + i), r->drive[i].writable || i == TEMPORARY_DRIVE - 'a'};
	in.npagefiles = r->npagefiles;
	for (unsigned i = 0; i < r->npagefiles; i++)
		in.pagefile_max[i] = pagefile_max(r->pagefile[i]);
	for (unsigned fd = 0; fd < 3; fd++)
		in.tty |= (unsigned)isatty((int)fd) << fd;
	if (getrandom(&in.random, sizeof(in.random), 0) != sizeof(in.random))
		return complain(STATUS_HOST, "getrandom: %s", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &now);
	in.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	e = runblock_build(&in, &r->block);
	if (e == -E2BIG)
		return complain(STATUS_USAGE,
				"the arguments and environment are longer than %u "
				"bytes",
				NTMM_RUNBLOCK_MAX);
	return e ? complain(STATUS_HOST, "out of memory") : 0;
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	complain(0, "%s", line);
}

static int open_serial(struct run *r)
{
	r->serial_fd = -1;
	if (!r->o.serial)
		return 0;
	if (strcmp(r->o.serial, "-") == 0)
		r->serial_fd = dup(STDERR_FILENO);
	else
		r->serial_fd = open(r->o.serial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return r->serial_fd < 0
		   ? complain(STATUS_USAGE, "--serial %s: %s", r->o.serial, strerror(errno))
		   : 0;
}

static int open_stats(struct run *r)
{
	if (!r->o.stats_file)
		return 0;
	r->stats_file = fopen(r->o.stats_file, "we");
	return r->stats_file ? 0
			     : complain(STATUS_USAGE, "--stats=json:%s: %s", r->o.stats_file,
					strerror(errno));
}

#define EVENTS_SHOWN 10u

/* Under the machine's own lock. Without a file the first few are told as they come. */
static void on_event(void *arg, const struct ept_violation *v)
{
	struct run *r = arg;

	if (r->events_file) {
		event_json(r->events_file, v);
		return;
	}
	if (r->events++ < EVENTS_SHOWN) {
		fputs("ntmm: ", stderr);
		event_line(stderr, v);
	} else if (r->events == EVENTS_SHOWN + 1) {
		complain(0, "more violations are not shown; --events FILE keeps all");
	}
}

static int open_events(struct run *r)
{
	if (!r->o.events)
		return 0;
	r->events_file = fopen(r->o.events, "we");
	return r->events_file
		   ? 0
		   : complain(STATUS_USAGE, "--events %s: %s", r->o.events, strerror(errno));
}

static int open_inspect(struct run *r)
{
	if (!r->o.inspect.json)
		return 0;
	r->inspect_file = fopen(r->o.inspect.json, "we");
	return r->inspect_file ? 0
			       : complain(STATUS_USAGE, "--inspect-json %s: %s", r->o.inspect.json,
					  strerror(errno));
}

static void on_ending(void *arg, struct vm_window *w)
{
	struct run *r = arg;

	r->inspected = true;
	inspect_show(&r->o.inspect, w, stderr, r->inspect_file);
}

static int add_devices(struct run *r, struct vm_error *err)
{
	int e;

	for (unsigned i = 0; i < r->npagefiles; i++)
		if ((e = vm_add_pagefile(r->vm, i, r->pagefile[i], err)) < 0)
			return e;
	e = vm_add_console(r->vm, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, err);
	for (unsigned i = 0; e == 0 && i < LETTERS; i++) {
		struct drive *d = &r->drive[i];
		char letter = (char)('a' + i);
		struct vm_share_dir dir = {"", d->dirfd};

		if (letter == TEMPORARY_DRIVE)
			dir.dirfd = r->temp.dirfd;
		else if (!d->path)
			continue;
		if (letter == SYSTEM_DRIVE)
			dir.prefix = "Windows/System32";
		e = vm_add_share(r->vm, letter, d->writable || letter == TEMPORARY_DRIVE, &dir, 1,
				 err);
	}
	return e;
}

static int make_machine(struct run *r)
{
	struct vm_config c = {
	    .protection = r->o.protection,
	    .memory = r->o.memory,
	    .cpus = r->o.cpus,
	    .kernel = r->kernel,
	    .kernel_size = r->kernel_size,
	    .kernel_name = r->kernel_path,
	    .runblock = r->block.data,
	    .runblock_size = r->block.len,
	    .serial_fd = r->serial_fd,
	    .test_faults = r->o.test_faults,
	    .sandbox = !r->o.no_sandbox,
	    .timeout_ns = r->o.timeout_ns,
	    .warn = warn,
	    .ending = r->o.inspect.n ? on_ending : NULL,
	    .ending_arg = r,
	};
	struct vm_error err = {0};
	int e;

	c.protection.event = on_event;
	c.protection.event_arg = r;
	e = vm_create(&c, &r->vm, &err);

	if (e == 0)
		e = add_devices(r, &err);
	if (e < 0)
		return complain(e == -ENOEXEC || e == -EINVAL ? STATUS_USAGE : STATUS_HOST, "%s",
				err.text);
	inspect_offer(r->vm, r->o.quiet);
	return 0;
}

static uint64_t since(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static void print_stats(struct run *r, const struct vm_result *result, int status)
{
	struct report report = {.vm = r->vm,
				.result = result,
				.status = status,
				.npagefiles = r->npagefiles,
				.process_start_ns = since(&r->began)};
	FILE *f = r->stats_file ? r->stats_file : stderr;

	for (unsigned i = 0; i < r->npagefiles; i++) {
		pagefile_get_stats(r->pagefile[i], &report.pagefile[i]);
		report.pagefile_path[i] = r->o.pagefile[i].temporary ? NULL : r->o.pagefile[i].path;
	}
	if (r->o.stats_json)
		report_json(f, &report);
	else
		report_text(f, &report);
	fflush(f);
}

static int run_machine(struct run *r)
{
	struct vm_result result;
	struct vm_error err = {0};
	int status;

	if (vm_run(r->vm, &result, &err) < 0)
		return complain(STATUS_HOST, "%s", err.text);
	status = report_end(r->vm, &result, &r->o);
	if (r->o.inspect.n && !r->inspected)
		complain(0,
			 "--inspect: the program did not end by itself; there was nothing to see");
	if (r->o.stats)
		print_stats(r, &result, status);
	return status;
}

static void run_close(struct run *r)
{
	if (r->vm)
		vm_destroy(r->vm);
	for (unsigned i = 0; i < r->npagefiles; i++)
		pagefile_close(r->pagefile[i]);
	tempdir_remove(&r->temp);
	for (unsigned i = 0; i < LETTERS; i++) {
		if (r->drive[i].path && r->drive[i].dirfd > 0)
			close(r->drive[i].dirfd);
		free(r->drive[i].path);
	}
	if (r->kernel)
		munmap(r->kernel, r->kernel_size);
	if (r->stats_file)
		fclose(r->stats_file);
	if (r->events_file)
		fclose(r->events_file);
	if (r->inspect_file)
		fclose(r->inspect_file);
	if (r->serial_fd > 0)
		close(r->serial_fd);
	text_free(&r->block);
	free(r->kernel_path);
	free(r->system_path);
	free(r->exe_dir);
	free(r->exe_name);
	run_options_free(&r->o);
}

/* The 9P server keeps a descriptor for every open file. */
static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int cmd_run(int argc, char **argv)
{
	struct run r = {.argv = argv, .serial_fd = -1};
	int status;

	clock_gettime(CLOCK_MONOTONIC, &r.began);
	status = run_options_parse(argc, argv, &r.o);
	if (status == -1) {
		fputs(run_help, stdout);
		status = 0;
		goto out;
	}
	if (status || (status = open_program(&r)) || (status = set_drives(&r)) ||
	    (status = find_system(&r)) || (status = load_kernel(&r)))
		goto out;
	status = maybe_lab(&r, argc);
	if (status >= 0)
		goto out;
	raise_limits();
	if ((status = make_temp(&r)) || (status = open_serial(&r)) || (status = open_stats(&r)) ||
	    (status = open_events(&r)) || (status = open_inspect(&r)) ||
	    (status = open_pagefiles(&r)) || (status = build_block(&r)) ||
	    (status = make_machine(&r)))
		goto out;
	status = run_machine(&r);
out:
	run_close(&r);
	return status;
}
