/*
 * ntmm inspect: which machine, which view, how often. A machine of this user that runs on the host
 * is attached to directly; for others the command is handed to the lab, if one is started, since
 * that is where `ntmm run` may have gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "host/host.h"
#include "host/inspect/view.h"

#define MACHINES 64u

const char inspect_help[] =
    "usage: ntmm inspect [OPTIONS] VIEW [ARGUMENTS]\n"
    "       ntmm inspect list\n"
    "\n"
    "Looks into a running machine from outside, without its kernel's help; it stands still for\n"
    "that moment. `list` tells the machines there are: the process numbers of `ntmm run`.\n"
    "\n"
    "  processes       each process: threads, working set, commit, faults\n"
    "  vmmap [PID]     a process's address space, by type and by region\n"
    "  rammap          what all of RAM is used for; standby by priority; files\n"
    "  counters        the Memory object of Performance Monitor, and whether it adds up\n"
    "  resmon          Resource Monitor's memory bar and processes\n"
    "  vm, memusage    as WinDbg's !vm and !memusage\n"
    "  vad [PID], pte PID VA, pfn FRAME   as !vad, !pte, !pfn (VA, FRAME: hexadecimal)\n"
    "\n"
    "  --machine N     which machine, if there are several\n"
    "  --json          JSON; sizes in bytes\n"
    "  --interval S    two looks, S seconds apart, for rates (counters, resmon)\n"
    "  --watch[=S]     again every S seconds (default 1), until the machine ends\n"
    "\n"
    "PID is a process of the machine; without it, the program that was run. `ntmm run --inspect\n"
    "VIEW` shows views when the program ends.\n";

struct options {
	const char *machine;
	bool json, list;
	double interval, watch; /* seconds; 0: not asked for */
	struct inspect_item item;
};

/* ---- arguments ---- */

static int set_view(const char *name, size_t len, struct inspect_item *item)
{
	*item = (struct inspect_item){.view = view_by_name(name, len)};
	return item->view ? 0
			  : complain(STATUS_USAGE,
				     "no view `%.*s`; see `ntmm help inspect` for those there are",
				     (int)len, name);
}

static int add_argument(struct inspect_item *item, const char *text)
{
	const struct view *v = item->view;

	if (item->args == v->args_most)
		return complain(STATUS_USAGE, "view %s: `%s` is one argument too many", v->name,
				text);
	if (!view_number(text, v->hex >> item->args & 1, &item->arg[item->args]))
		return complain(STATUS_USAGE, "view %s: `%s` has to be a %s number", v->name, text,
				v->hex >> item->args & 1 ? "hexadecimal" : "decimal");
	item->args++;
	return 0;
}

static int check_arguments(const struct inspect_item *item)
{
	return item->args < item->view->args_least
		   ? complain(STATUS_USAGE, "view %s needs arguments: %s", item->view->name,
			      item->view->args)
		   : 0;
}

int inspect_parse(const char *text, struct inspect_list *list)
{
	while (*text) {
		size_t len = strcspn(text, ","), name = strcspn(text, ":,");
		struct inspect_item *item = &list->item[list->n];
		char part[40];
		int e;

		if (list->n == INSPECT_MOST)
			return complain(STATUS_USAGE, "--inspect: %u views at most", INSPECT_MOST);
		e = set_view(text, name, item);
		for (size_t at = name + 1, n; !e && at <= len; at += n + 1) {
			n = strcspn(text + at, ":,");
			if ((size_t)snprintf(part, sizeof(part), "%.*s", (int)n, text + at) >=
			    sizeof(part))
				return complain(STATUS_USAGE, "--inspect: `%.*s` is too long",
						(int)n, text + at);
			e = add_argument(item, part);
		}
		if (e || (e = check_arguments(item)))
			return e;
		list->n++;
		text += len + (text[len] == ',');
	}
	return list->n ? 0 : complain(STATUS_USAGE, "--inspect: the views are missing");
}

static int seconds(const char *option, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (*end || end == text || !(*out >= 0.1) || *out > 86400)
		return complain(STATUS_USAGE, "%s %s: it has to be a number of seconds", option,
				text);
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	int i = 1, e = 0;

	for (; i < argc && argv[i] && strncmp(argv[i], "--", 2) == 0; i++) {
		const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(arg, "--json") == 0)
			o->json = true;
		else if (strcmp(arg, "--watch") == 0)
			o->watch = 1;
		else if (strncmp(arg, "--watch=", 8) == 0)
			e = seconds("--watch", arg + 8, &o->watch);
		else if (strcmp(arg, "--machine") != 0 && strcmp(arg, "--interval") != 0)
			e = complain(STATUS_USAGE, "no option `%s`; see `ntmm help inspect`", arg);
		else if (!value)
			e = complain(STATUS_USAGE, "%s needs a value", arg);
		else if (strcmp(arg, "--machine") == 0)
			o->machine = argv[++i];
		else
			e = seconds("--interval", argv[++i], &o->interval);
		if (e)
			return e;
	}
	if (i >= argc || !argv[i])
		return complain(STATUS_USAGE, "the view is missing; see `ntmm help inspect`");
	if (strcmp(argv[i], "list") == 0 && i + 1 == argc) {
		o->list = true;
		return 0;
	}
	e = set_view(argv[i], strlen(argv[i]), &o->item);
	for (i++; !e && i < argc; i++)
		e = add_argument(&o->item, argv[i]);
	return e ? e : check_arguments(&o->item);
}

/* ---- showing ---- */

static int show(struct look *l, const struct inspect_item *item, const struct view_sample *before,
		struct doc **out, struct vm_error *err)
{
	struct view_call c = {.args = item->args, .before = before};
	struct doc *d = doc_new();
	int e;

	memcpy(c.arg, item->arg, sizeof(c.arg));
	if (!d)
		return vm_fail(err, -ENOMEM, "out of memory");
	e = view_show(item->view, l, &c, d, err);
	if (e)
		doc_free(d);
	else
		*out = d;
	return e;
}

int inspect_show(const struct inspect_list *list, struct vm_window *w, FILE *text, FILE *json)
{
	cJSON *all = json ? cJSON_CreateObject() : NULL;
	struct vm_error err = {0};
	struct look l;
	int e = look_open(&l, w, &err);
	char *printed;

	for (unsigned i = 0; !e && i < list->n; i++) {
		const struct inspect_item *item = &list->item[i];
		struct doc *d = NULL;

		e = show(&l, item, NULL, &d, &err);
		if (!d)
			break;
		if (json)
			cJSON_AddItemToObject(all, item->view->name, doc_json(d));
		else
			doc_print(d, text);
		doc_free(d);
	}
	if (l.line)
		look_close(&l);
	if (json && (printed = cJSON_Print(all))) {
		fprintf(json, "%s\n", printed);
		free(printed);
	}
	cJSON_Delete(all);
	fflush(json ? json : text);
	return e ? complain(STATUS_HOST, "--inspect: %s", err.text) : 0;
}

static void put_json(const struct doc *d, bool line)
{
	cJSON *o = doc_json(d);
	char *s = o ? line ? cJSON_PrintUnformatted(o) : cJSON_Print(o) : NULL;

	if (s)
		printf("%s\n", s);
	free(s);
	cJSON_Delete(o);
}

static void put(const struct options *o, const struct doc *d)
{
	if (o->json) {
		put_json(d, o->watch > 0);
	} else {
		if (o->watch > 0)
			fputs("\033[H\033[2J", stdout);
		doc_print(d, stdout);
	}
	fflush(stdout);
}

static void nap(double s)
{
	struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

	nanosleep(&t, NULL);
}

/* One look: shows the view unless `out` is NULL, then takes a sample unless that is NULL. */
static int look_once(const struct options *o, const struct view_sample *before, struct doc **out,
		     struct view_sample *sample, struct vm_error *err)
{
	struct vm_window *w;
	struct look l;
	int e = vm_attach(o->machine, &w, err);

	if (e)
		return e;
	e = look_open(&l, w, err);
	if (!e) {
		if (out)
			e = show(&l, &o->item, before, out, err);
		if (!e && sample)
			view_take_sample(&l, sample);
		look_close(&l);
	}
	vm_detach(w);
	return e;
}

static int show_all(const struct options *o)
{
	struct view_sample before = {0}, now = {0};
	struct vm_error err = {0};
	const bool rates = o->watch > 0 && o->item.view && o->item.view->rates;
	bool first = true;
	int e = 0;

	if (o->interval > 0) {
		e = look_once(o, NULL, NULL, &before, &err);
		if (!e)
			nap(o->interval);
	}
	while (!e) {
		struct doc *d = NULL;

		e = look_once(o, before.valid ? &before : NULL, &d, rates ? &now : NULL, &err);
		view_free_sample(&before);
		before = now;
		now = (struct view_sample){0};
		if (!d)
			break;
		first = false;
		put(o, d);
		doc_free(d);
		if (!(o->watch > 0))
			break;
		nap(o->watch);
	}
	view_free_sample(&before);
	if (e == -ENOENT && !first) /* watched to the machine's end */
		return 0;
	return e ? complain(e == -ENOENT ? STATUS_USAGE : STATUS_HOST, "%s", err.text) : 0;
}

/* ---- which machine, and where ---- */

void inspect_offer(struct vm *vm, bool quiet)
{
	const char *given = getenv("NTMM_IN_LAB") ? getenv("NTMM_MACHINE") : NULL;
	struct vm_error err = {0};
	char name[VM_MACHINE_NAME];

	if (given)
		snprintf(name, sizeof(name), "%s", given);
	else
		snprintf(name, sizeof(name), "%d", (int)getpid());
	if (vm_add_inspector(vm, name, &err) < 0 && !quiet)
		complain(0, "%s", err.text);
}

static bool is_listed(char name[][VM_MACHINE_NAME], unsigned n, const char *machine)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(name[i], machine) == 0)
			return true;
	return false;
}

int cmd_inspect(int argc, char **argv)
{
	char name[MACHINES][VM_MACHINE_NAME];
	struct options o = {0};
	enum lab_mode mode;
	int e = parse(argc, argv, &o);
	unsigned n;
	bool lab;

	if (e || (e = lab_mode(&mode)))
		return e;
	n = vm_machines(name, MACHINES);
	if (o.list)
		for (unsigned i = 0; i < n; i++)
			printf("%s\n", name[i]);
	fflush(stdout);
	if (!o.list && (o.machine ? is_listed(name, n, o.machine) : n == 1)) {
		o.machine = o.machine ? o.machine : name[0];
		return show_all(&o);
	}
	if (!o.list && !o.machine && n > 1)
		return complain(STATUS_USAGE,
				"there are %u machines: name one with --machine (see "
				"`ntmm inspect list`)",
				n);
	lab = mode != LAB_NEVER && lab_running();
	if (lab)
		return lab_again(LAB_ALWAYS, NULL, 0, argc, argv);
	if (o.list)
		return 0;
	return o.machine
		   ? complain(STATUS_USAGE, "there is no machine %s", o.machine)
		   : complain(STATUS_USAGE, "no machine runs here%s",
			      mode == LAB_NEVER ? ""
						: "; one in the lab can be looked at when the "
						  "lab was started before (`ntmm lab start`)");
}
