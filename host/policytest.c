/*
 * ntmm policy check|test. A test is one machine, made by `ntmm run --policy FILE attack.exe
 * NAME...` in a process of its own; its events and its output say what came of each attack. Where
 * KVM is missing all of it goes to the lab at once, so that one lab serves all files.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/policy.h"

#define MAX_FILES  256
#define MAX_EVENTS 4096

struct totals {
	unsigned passed, failed;
	FILE *junit;
	bool tap;
	struct policy_table *table; /* NULL: not asked for */
};

struct outcome_run {
	int status;
	char *out, *err;
	struct ept_violation *event;
	unsigned nevents;
};

/* ---- files ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files that an argument names: itself, or all *.yaml of a folder. */
static int expand(const char *arg, char **files, unsigned *n)
{
	unsigned first = *n;
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (stat(arg, &st) < 0)
		return complain(STATUS_USAGE, "%s: %s", arg, strerror(errno));
	if (!S_ISDIR(st.st_mode)) {
		if (*n < MAX_FILES)
			files[(*n)++] = strdup(arg);
		return 0;
	}
	d = opendir(arg);
	if (!d)
		return complain(STATUS_USAGE, "%s: %s", arg, strerror(errno));
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0 && *n < MAX_FILES &&
		    asprintf(&files[*n], "%s/%s", arg, e->d_name) > 0)
			(*n)++;
	}
	closedir(d);
	if (*n == first)
		return complain(STATUS_USAGE, "%s: no *.yaml in this folder", arg);
	qsort(files + first, *n - first, sizeof(*files), by_name);
	return 0;
}

/* ---- one machine ---- */

static char *read_all(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)(size > 0 ? size : 0) + 1);

	if (text && size > 0 && pread(fd, text, (size_t)size, 0) != size)
		text[0] = 0;
	return text;
}

static void read_events(const char *path, struct outcome_run *o)
{
	FILE *f = fopen(path, "re");
	size_t size = 0;
	char *line = NULL;

	o->event = calloc(MAX_EVENTS, sizeof(*o->event));
	while (f && o->event && o->nevents < MAX_EVENTS && getline(&line, &size, f) > 0)
		if (event_parse(line, &o->event[o->nevents]))
			o->nevents++;
	free(line);
	if (f)
		fclose(f);
}

static int attack_program(char *path, size_t size)
{
	const char *named = getenv("NTMM_ATTACKS");
	char self[PATH_MAX];

	if (!own_folder(self))
		return -errno;
	if (named)
		snprintf(path, size, "%s", named);
	else
		snprintf(path, size, "%s/tests/attack.exe", self);
	return access(path, R_OK) < 0 ? -errno : 0;
}

static int run_machine(const struct policy *p, struct outcome_run *o)
{
	char exe[PATH_MAX + 32], dir[64], events[96], memory[32], cpus[16], timeout[16],
	    pagefile[NTMM_MAX_PAGEFILES][128];
	char *argv[POLICY_ATTACKS + 3 * NTMM_MAX_PAGEFILES + 24];
	unsigned n = 0;
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), st;
	const char *tmp = getenv("TMPDIR");
	pid_t pid;

	memset(o, 0, sizeof(*o));
	snprintf(dir, sizeof(dir), "%.40s/ntmm-policy.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (attack_program(exe, sizeof(exe)) < 0)
		return complain(STATUS_HOST,
				"%s: the attacks are not there; run make guest-tests, or name them "
				"in NTMM_ATTACKS",
				exe);
	if (out < 0 || err < 0 || !mkdtemp(dir))
		return complain(STATUS_HOST, "no temporary files can be made: %s", strerror(errno));
	snprintf(events, sizeof(events), "%s/events", dir);
	snprintf(memory, sizeof(memory), "%llu", (unsigned long long)p->memory);
	snprintf(cpus, sizeof(cpus), "%u", p->cpus);
	snprintf(timeout, sizeof(timeout), "%u", p->timeout);
	argv[n++] = "ntmm";
	argv[n++] = "run";
	argv[n++] = "--quiet";
	argv[n++] = "--policy";
	argv[n++] = p->path;
	argv[n++] = "--events";
	argv[n++] = events;
	argv[n++] = "--memory";
	argv[n++] = memory;
	argv[n++] = "--cpus";
	argv[n++] = cpus;
	argv[n++] = "--timeout";
	argv[n++] = timeout;
	for (unsigned i = 0; i < p->pagefiles && p->pagefiles > 1; i++) {
		snprintf(pagefile[i], sizeof(pagefile[i]), "%s/pagefile%u:16M", dir, i);
		argv[n++] = "--pagefile";
		argv[n++] = pagefile[i];
	}
	argv[n++] = exe;
	for (unsigned i = 0; i < p->nattacks; i++)
		argv[n++] = p->attack[i].name;
	argv[n] = NULL;
	pid = fork();
	if (pid < 0)
		return complain(STATUS_HOST, "fork: %s", strerror(errno));
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execv("/proc/self/exe", argv);
		_exit(STATUS_HOST);
	}
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	o->status = WIFEXITED(st) ? WEXITSTATUS(st) : STATUS_SIGNAL + WTERMSIG(st);
	o->out = read_all(out);
	o->err = read_all(err);
	read_events(events, o);
	unlink(events);
	for (unsigned i = 0; i < p->pagefiles && p->pagefiles > 1; i++) {
		*strrchr(pagefile[i], ':') = 0;
		unlink(pagefile[i]);
	}
	rmdir(dir);
	close(out);
	close(err);
	return 0;
}

/* ---- comparing ---- */

/* Did the program say so of the attack? The last word it said counts. */
static bool said(const char *out, const char *name, const char *what)
{
	char line[160];
	size_t len = (size_t)snprintf(line, sizeof(line), "attack %s: %s", name, what);

	for (const char *p = out; p && (p = strstr(p, line)); p += len)
		if ((p == out || p[-1] == '\n') && (p[len] == '\n' || p[len] == '\r'))
			return true;
	return false;
}

static bool event_of(const struct ept_violation *v, const char *attack)
{
	return strcmp(v->note, attack) == 0;
}

static bool expected(const struct policy_attack *a, const struct ept_violation *v)
{
	for (unsigned i = 0; i < a->nevents; i++)
		if (a->event[i].rule == v->rule &&
		    (a->event[i].any_action || a->event[i].action == v->action))
			return true;
	return false;
}

/* What is wrong with the attack's course; an empty text: nothing. */
static void judge(const struct policy_attack *a, const struct outcome_run *o, struct text *why)
{
	bool began = said(o->out, a->name, "begins");

	if (!began)
		text_puts(why, "it was not run; ");
	else if (a->outcome == ATTACK_ENDS
		     ? said(o->out, a->name, "succeeded") || said(o->out, a->name, "refused")
		     : !said(o->out, a->name, outcome_name(a->outcome)))
		text_printf(why, "it has not %s; ",
			    a->outcome == ATTACK_ENDS	   ? "ended the machine"
			    : a->outcome == ATTACK_REFUSED ? "been refused"
							   : "succeeded");
	for (unsigned i = 0; i < a->nevents; i++) {
		bool seen = false;

		for (unsigned k = 0; k < o->nevents; k++)
			seen |=
			    event_of(&o->event[k], a->name) &&
			    o->event[k].rule == a->event[i].rule &&
			    (a->event[i].any_action || o->event[k].action == a->event[i].action);
		if (!seen)
			text_printf(why, "event `%s` is missing; ", rule_name(a->event[i].rule));
	}
	for (unsigned k = 0; k < o->nevents; k++)
		if (event_of(&o->event[k], a->name) && !expected(a, &o->event[k])) {
			text_printf(why, "event `%s %s` was not expected; ",
				    rule_name(o->event[k].rule), action_name(o->event[k].action));
			break;
		}
}

/* What was seen of an attack, in the words of the table; NULL: nothing. */
static const char *seen_of(const struct policy_attack *a, const struct outcome_run *o)
{
	if (!said(o->out, a->name, "begins"))
		return NULL;
	if (said(o->out, a->name, outcome_name(ATTACK_REFUSED)))
		return "prevented";
	if (!said(o->out, a->name, outcome_name(ATTACK_SUCCEEDED)))
		return "ends";
	for (unsigned k = 0; k < o->nevents; k++)
		if (event_of(&o->event[k], a->name))
			return "detected";
	return "succeeds";
}

static void xml(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*s < ' ' && *s != '\n' ? '?' : *s, f);
		}
}

static void result(struct totals *t, const struct policy *p, const char *test, const char *why)
{
	bool ok = !why || !*why;

	*(ok ? &t->passed : &t->failed) += 1;
	if (t->tap)
		printf("%sok %u - %s: %s\n", ok ? "" : "not ", t->passed + t->failed, p->name,
		       test);
	else
		printf("%-6s %s: %s\n", ok ? "ok" : "FAILED", p->name, test);
	if (!ok)
		printf("%s%s\n", t->tap ? "# " : "       ", why);
	fflush(stdout);
	if (!t->junit)
		return;
	fputs("  <testcase classname=\"", t->junit);
	xml(t->junit, p->name);
	fputs("\" name=\"", t->junit);
	xml(t->junit, test);
	if (ok) {
		fputs("\"/>\n", t->junit);
		return;
	}
	fputs("\"><failure message=\"", t->junit);
	xml(t->junit, why);
	fputs("\"/></testcase>\n", t->junit);
}

/* Does each rule that prevents do what it does at this level by itself? */
static bool keeps_prevention(const struct policy *p)
{
	const enum ept_level level = p->protection.level;
	struct ept_rules usual;

	rules_default(&usual, level);
	for (unsigned i = 0; i < RULES; i++)
		if (rule_prevents((enum ept_rule)i, level) &&
		    usual.action[i] != p->protection.rules.action[i])
			return false;
	return true;
}

static int test_policy(const struct policy *p, struct totals *t)
{
	struct outcome_run o;
	struct text why = {0};
	unsigned before = t->failed;
	int r = run_machine(p, &o);
	bool plain; /* the table is about what the level itself does */

	if (r)
		return r;
	plain = keeps_prevention(p);
	for (unsigned i = 0; i < p->nattacks; i++) {
		text_free(&why);
		why = (struct text){0};
		judge(&p->attack[i], &o, &why);
		result(t, p, p->attack[i].name, why.data);
		if (t->table && plain && seen_of(&p->attack[i], &o))
			table_note(t->table, p->protection.level, p->attack[i].name,
				   seen_of(&p->attack[i], &o));
	}
	text_free(&why);
	why = (struct text){0};
	if (o.status != (int)p->end_status)
		text_printf(&why, "the machine ended with status %d, not %d", o.status,
			    (int)p->end_status);
	result(t, p, "the machine's end", why.data);
	if (t->failed > before) {
		printf("# output:\n%s# errors:\n%s# events:\n", o.out ? o.out : "",
		       o.err ? o.err : "");
		for (unsigned i = 0; i < o.nevents && i < 40; i++) {
			printf("# [%s] ", o.event[i].note);
			event_line(stdout, &o.event[i]);
		}
	}
	text_free(&why);
	free(o.out);
	free(o.err);
	free(o.event);
	return 0;
}

/* ---- the command ---- */

const char policy_help[] =
    "usage: ntmm policy check FILE...\n"
    "       ntmm policy test [--junit OUT] [--tap] [--table OUT] FILE|DIR...\n\n"
    "check reads policy files and tells what is wrong, with line and column. test runs the\n"
    "attacks of each in a machine of its own and compares what happens with what the policy\n"
    "expects; --table writes what was seen of each attack at each level. Exit status 0: all as "
    "expected; 1: not; 2: bad files. The format is in the manual\n"
    "page ntmm(1).\n";

static int test_all(char **files, unsigned n, struct totals *t)
{
	int status = 0;

	for (unsigned i = 0; i < n && !status; i++) {
		struct policy p;

		status = policy_load(files[i], &p);
		if (!status)
			status = test_policy(&p, t);
		policy_free(&p);
	}
	return status;
}

static int check_all(char **files, unsigned n)
{
	int status = 0;

	for (unsigned i = 0; i < n; i++) {
		struct policy p;
		int r = policy_load(files[i], &p);

		if (r == 0)
			printf("%s: ok: level %s, %u attacks\n", files[i],
			       level_name(p.protection.level), p.nattacks);
		status = r ? r : status;
		policy_free(&p);
	}
	return status;
}

/* All in one lab. Returns a status, or -1: this host's KVM will do. */
static int maybe_lab(int argc, char **argv, bool writes)
{
	char cwd[PATH_MAX], why[320], *rw[1] = {cwd};
	enum lab_mode mode;
	int e = lab_mode(&mode);

	if (e)
		return e;
	if (mode == LAB_NEVER || (mode == LAB_AUTO && kvm_fit(why, sizeof(why))))
		return -1;
	if (!getcwd(cwd, sizeof(cwd)))
		return complain(STATUS_HOST, "the current folder: %s", strerror(errno));
	return lab_again(mode, rw, writes, argc, argv);
}

int cmd_policy(int argc, char **argv)
{
	bool check = argc > 1 && strcmp(argv[1], "check") == 0;
	char *files[MAX_FILES];
	struct totals t = {0};
	const char *junit = NULL, *table = NULL;
	unsigned n = 0;
	int i = 2, status = 0;

	if (argc < 2 || (!check && strcmp(argv[1], "test") != 0))
		return complain(STATUS_USAGE, "ntmm policy: check or test; see `ntmm help policy`");
	for (; i < argc && argv[i][0] == '-' && !check; i++)
		if (strcmp(argv[i], "--tap") == 0)
			t.tap = true;
		else if (strcmp(argv[i], "--junit") == 0 && i + 1 < argc)
			junit = argv[++i];
		else if (strcmp(argv[i], "--table") == 0 && i + 1 < argc)
			table = argv[++i];
		else
			return complain(STATUS_USAGE, "no option `%s`; see `ntmm help policy`",
					argv[i]);
	if (i == argc)
		return complain(STATUS_USAGE, "no policy is named; see `ntmm help policy`");
	for (; i < argc && !status; i++)
		status = check ? 0 : expand(argv[i], files, &n);
	if (status)
		return status;
	if (check)
		return check_all(argv + 2, (unsigned)argc - 2);
	status = maybe_lab(argc, argv, junit || table);
	if (status >= 0)
		return status; /* NOLINT(clang-analyzer-unix.Malloc): the process ends */
	if (junit) {
		t.junit = fopen(junit, "we");
		if (!t.junit)
			return complain(STATUS_USAGE, "%s: %s", junit, strerror(errno));
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"policies\">\n",
		      t.junit);
	}
	t.table = table ? table_new() : NULL;
	status = test_all(files, n, &t);
	if (t.table && !table_write(t.table, table))
		status = complain(STATUS_USAGE, "%s: %s", table, strerror(errno));
	free(t.table);
	if (t.junit) {
		fputs("</testsuite>\n", t.junit);
		fclose(t.junit);
	}
	if (t.tap)
		printf("1..%u\n", t.passed + t.failed);
	else
		printf("%u passed, %u failed\n", t.passed, t.failed);
	for (unsigned k = 0; k < n; k++)
		free(files[k]);
	return status ? status : t.failed ? 1 : 0;
}
