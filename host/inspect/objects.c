/*
 * Processes, threads, file names. Lists are circular; a walk ends at their head, at what cannot be
 * read, or at a bound.
 */
#include <stdlib.h>
#include <string.h>

#include "host/inspect/look.h"

/*
 * Collects the objects of the list whose head is at `head`, by their addresses; `link` is the field
 * that chains them. An array to be freed.
 */
static uint64_t *collect(struct look *l, uint64_t head, enum ntmm_field link, unsigned most,
			 unsigned *n)
{
	uint64_t *found = NULL, next = 0, seen = 0;
	unsigned room = 0;

	*n = 0;
	if (!look_kernel(l, head, &next, sizeof(next)))
		return NULL;
	while (next != head) {
		uint64_t object = next - l->info.field[link];
		uint64_t before = l->unreadable;

		/* a ring that leaves the head out comes by here again */
		if (object == seen || *n == most || !look_spend(l, 1)) {
			l->cut = true;
			break;
		}
		if (!(*n & (*n - 1)))
			seen = object;
		if (*n == room) {
			uint64_t *more = realloc(found, (room = room * 2 + 64) * sizeof(*more));

			if (!more)
				break;
			found = more;
		}
		next = look_get(l, object, link);
		if (l->unreadable != before || !next) {
			l->cut = true;
			break;
		}
		found[(*n)++] = object;
	}
	return found;
}

static void read_process(struct look *l, uint64_t va, struct look_process *p)
{
#define GET(f) look_get(l, va, NTMM_F_process_##f)
	*p = (struct look_process){
	    .va = va,
	    .pid = (uint32_t)GET(pid),
	    .parent = (uint32_t)GET(parent),
	    .threads = (uint32_t)GET(thread_count),
	    .initial = GET(initial) != 0,
	    .root = GET(root),
	    .highest = GET(highest),
	    .peb = GET(peb),
	    .vads = GET(vads),
	    .vad_count = GET(vad_count),
	    .ws = GET(ws),
	    .ws_peak = GET(ws_peak),
	    .ws_locked = GET(ws_locked),
	    .physical = GET(physical),
	    .commit = GET(commit),
	    .commit_peak = GET(commit_peak),
	    .tables = GET(tables),
	    .virtual_size = GET(virtual),
	    .virtual_peak = GET(virtual_peak),
	    .faults = GET(faults),
	    .hard_faults = GET(hard_faults),
	};
#undef GET
	look_text(l, va + l->info.field[NTMM_F_process_name], p->name, sizeof(p->name));
}

struct look_process *look_processes(struct look *l, unsigned *n)
{
	uint64_t *va =
	    collect(l, l->info.variable[NTMM_V_processes], NTMM_F_process_link, LOOK_PROCESSES, n);
	struct look_process *p = va ? calloc(*n + 1, sizeof(*p)) : NULL;

	if (!p)
		*n = 0;
	for (unsigned i = 0; i < *n; i++)
		read_process(l, va[i], &p[i]);
	free(va);
	return p;
}

bool look_process(struct look *l, uint32_t pid, struct look_process *out)
{
	unsigned n;
	struct look_process *p = look_processes(l, &n);
	bool found = false;

	for (unsigned i = 0; i < n && !found; i++)
		if (pid ? p[i].pid == pid : p[i].initial) {
			*out = p[i];
			found = true;
		}
	free(p);
	return found;
}

struct look_thread *look_threads(struct look *l, const struct look_process *p, unsigned *n)
{
	uint64_t *va = collect(l, p->va + l->info.field[NTMM_F_process_threads], NTMM_F_thread_link,
			       LOOK_THREADS, n);
	struct look_thread *t = va ? calloc(*n + 1, sizeof(*t)) : NULL;

	if (!t)
		*n = 0;
	for (unsigned i = 0; i < *n; i++)
		t[i] = (struct look_thread){
		    .tid = (uint32_t)look_get(l, va[i], NTMM_F_thread_tid),
		    .teb = look_get(l, va[i], NTMM_F_thread_teb),
		    .user_stack = look_get(l, va[i], NTMM_F_thread_user_stack),
		};
	free(va);
	return t;
}

/* The drive is the first byte of the session behind the file (abi/mminfo.h); the path below it is
 * the host's. */
void look_file_name(struct look *l, uint64_t file, char out[LOOK_FILE_NAME])
{
	uint64_t fcb, session, path;
	char letter = '?';

	out[0] = 0;
	if (!file)
		return;
	fcb = look_get(l, file, NTMM_F_file_fcb);
	path = look_get(l, file, NTMM_F_file_path);
	session = fcb ? look_get(l, fcb, NTMM_F_fcb_session) : 0;
	if (session)
		look_kernel(l, session, &letter, 1);
	out[0] = letter >= 'A' && letter <= 'Z' ? letter : '?';
	out[1] = ':';
	out[2] = '\\';
	look_text(l, path, out + 3, LOOK_FILE_NAME - 3);
	if (out[3] == '/')
		memmove(out + 3, out + 4, strlen(out + 3));
	for (char *c = out + 3; *c; c++)
		if (*c == '/')
			*c = '\\';
}
