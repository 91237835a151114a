/* The table of views, their arguments, samples for rates. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/view.h"

static const struct view views[] = {
    {"processes", "", "each process: threads, working set, commit, faults", 0, 0, 0, false,
     show_processes},
    {"vmmap", "[PID]", "a process's address space in VMMap's words", 0, 1, 0, false, show_vmmap},
    {"rammap", "", "what all of RAM is used for, in RAMMap's words", 0, 0, 0, false, show_rammap},
    {"counters", "", "the Memory object of Performance Monitor", 0, 0, 0, true, show_counters},
    {"resmon", "", "Resource Monitor's memory bar and processes", 0, 0, 0, true, show_resmon},
    {"vm", "", "memory and commit, as WinDbg's !vm", 0, 0, 0, false, show_vm},
    {"memusage", "", "lists, and pages by file, as !memusage", 0, 0, 0, false, show_memusage},
    {"vad", "[PID]", "a process's VAD tree, as !vad", 0, 1, 0, false, show_vad},
    {"pte", "PID VA", "the page table entries of an address, as !pte", 2, 2, 2, false, show_pte},
    {"pfn", "FRAME", "a frame's entry of the PFN database, as !pfn", 1, 1, 1, false, show_pfn},
};
#define NVIEWS (sizeof(views) / sizeof(views[0]))

const struct view *view_at(unsigned i)
{
	return i < NVIEWS ? &views[i] : NULL;
}

const struct view *view_by_name(const char *name, size_t len)
{
	if (len && name[0] == '!') {
		name++;
		len--;
	}
	for (unsigned i = 0; i < NVIEWS; i++)
		if (strlen(views[i].name) == len && memcmp(views[i].name, name, len) == 0)
			return &views[i];
	return NULL;
}

bool view_number(const char *text, bool hex, uint64_t *v)
{
	char digits[40];
	size_t n = 0;
	bool prefix = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	for (const char *c = prefix ? text + 2 : text; *c; c++)
		if (*c != '`') {
			if (n == sizeof(digits) - 1)
				return false;
			digits[n++] = *c;
		}
	digits[n] = 0;
	if (!n || strspn(digits, "0123456789abcdefABCDEF") != n)
		return false;
	errno = 0;
	*v = strtoull(digits, &end, prefix || hex ? 16 : 10);
	return !*end && !errno;
}

int view_show(const struct view *v, struct look *l, const struct view_call *c, struct doc *d,
	      struct vm_error *err)
{
	int e = v->show(l, c, d, err);

	if (e)
		return e;
	if (l->lost)
		return vm_fail(err, l->lost, "the machine has ended meanwhile");
	if (doc_failed(d))
		return vm_fail(err, -ENOMEM, "out of memory");
	if (l->busy)
		doc_note(d, "the kernel was in the middle of a change: numbers may not add up");
	if (l->cut)
		doc_note(d, "something is left out: the kernel's structures make no sense there");
	else if (l->unreadable)
		doc_note(d, "%llu words could not be read and count as 0",
			 (unsigned long long)l->unreadable);
	return 0;
}

bool view_counters(struct look *l, struct ntmm_counters *c)
{
	return look_kernel(l, l->info.variable[NTMM_V_counters], c, sizeof(*c)) &&
	       c->magic == NTMM_COUNTERS_MAGIC && c->version == NTMM_COUNTERS_VERSION;
}

void view_take_sample(struct look *l, struct view_sample *s)
{
	s->ns = l->window->now_ns;
	s->process = look_processes(l, &s->processes);
	s->valid = view_counters(l, &s->counters);
}

void view_free_sample(struct view_sample *s)
{
	free(s->process);
	*s = (struct view_sample){0};
}
