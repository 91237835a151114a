/*
 * ntmm run: a program's run from its arguments to its exit status. Each step fills in struct run
 * and returns 0 or a status after complaining; run_close takes down whatever is there.
 *
 *   options -> program and drives -> kernel -> [the lab instead?] -> pagefiles -> run block ->
 *   machine -> devices -> run -> report
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"

#define DEFAULT_MIN (16ull << 20)
#define DEFAULT_MAX (16ull << 30)

struct run {
	struct run_options o;
	char **argv; /* as given, for the lab */
	struct timespec began;
	struct program program;
	struct tempdir temp;
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

/* ---- the temporary drive, and the kernel ---- */

static int make_temp(struct run *r)
{
	const char *where;
	int e = tempdir_make(&r->temp, &where);

	if (e < 0)
		return complain(STATUS_HOST, "no temporary folder can be made in %s: %s", where,
				strerror(-e));
	return 0;
}

static int load_kernel(struct run *r)
{
	int fd = open(r->program.kernel, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct vm_error err = {0};
	struct stat st;

	if (fd < 0)
		return complain(STATUS_USAGE, "%s: %s", r->program.kernel, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		close(fd);
		return complain(STATUS_USAGE, "%s: is not a kernel file", r->program.kernel);
	}
	r->kernel_size = (size_t)st.st_size;
	r->kernel = mmap(NULL, r->kernel_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (r->kernel == MAP_FAILED) {
		r->kernel = NULL;
		return complain(STATUS_USAGE, "%s: %s", r->program.kernel, strerror(errno));
	}
	if (vm_check_kernel(r->kernel, r->kernel_size, r->program.kernel, &err) < 0)
		return complain(STATUS_USAGE, "%s", err.text);
	return 0;
}

/* ---- the lab ---- */

/* The folder that holds a file that may not exist yet. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

#define RW_MOST (DRIVES + NTMM_MAX_PAGEFILES + 4) /* folders that a run may write */

static int run_in_lab(const struct run *r, int argc, enum lab_mode mode)
{
	const char *serial = r->o.serial && strcmp(r->o.serial, "-") != 0 ? r->o.serial : NULL;
	const char *files[] = {r->o.stats_file, r->o.events, r->o.inspect.json, serial};
	char number[16], *rw[RW_MOST];
	size_t n = 0;

	for (unsigned i = 0; i < DRIVES; i++)
		if (r->program.drives.drive[i].path && r->program.drives.drive[i].writable)
			rw[n++] = r->program.drives.drive[i].path;
	for (unsigned i = 0; i < r->o.npagefiles; i++)
		rw[n++] = folder_of(r->o.pagefile[i].path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i])
			rw[n++] = folder_of(files[i]);
	/* there it has another process number, and is to be found by this one */
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("NTMM_MACHINE", number, 1);
	return lab_again(mode, rw, n, argc, r->argv);
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
	struct runblock_input in = {
	    .options = &r->o, .npagefiles = r->npagefiles, .ram_is_zero = true};

	for (unsigned i = 0; i < r->npagefiles; i++)
		in.pagefile_max[i] = pagefile_max(r->pagefile[i]);
	for (unsigned fd = 0; fd < 3; fd++)
		in.tty |= (unsigned)isatty((int)fd) << fd;
	return program_block(&r->program, &in, &r->block);
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
	for (unsigned i = 0; e == 0 && i < DRIVES; i++) {
		const struct drive *d = &r->program.drives.drive[i];
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
	    .kernel_name = r->program.kernel,
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
	program_close(&r->program);
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
	if (status || (status = program_open(&r.program, &r.o)) || (status = load_kernel(&r)))
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
