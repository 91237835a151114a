/*
 * Memory of the stopped machine: fetched by lines of 64 KB and kept, since it does not change while
 * it is looked at; walks of page tables; the kernel's root and its fields.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/inspect/look.h"

#define LINE_BYTES  (LOOK_LINE_PAGES * LOOK_PAGE)
#define OFFSET_MOST 8192u /* of a field */
#define TRIES	    200u  /* to find the kernel with no lock held */
#define IMAGE_BYTES 0x40000000ull
#define DIRECT_BITS 46u
#define STEPS_FRAME 32u /* of budget, for each page of RAM */
#define STEPS_LEAST 4000000u

#define WIDTH(name, type, member, size)	   [NTMM_F_##name] = (size),
#define VARIABLE_WIDTH(name, symbol, size) [NTMM_V_##name] = (size),
static const uint16_t width[NTMM_F_COUNT] = {NTMM_FIELDS(WIDTH)};
static const uint16_t variable_width[NTMM_V_COUNT] = {NTMM_VARIABLES(VARIABLE_WIDTH)};

unsigned look_width(enum ntmm_field f)
{
	return width[f];
}

bool look_spend(struct look *l, uint64_t n)
{
	if (l->budget < n || l->lost) {
		l->budget = 0;
		l->cut = true;
		return false;
	}
	l->budget -= n;
	return true;
}

/* ---- physical memory ---- */

static int fetch(struct look *l, uint64_t gpa, void *buf, size_t len)
{
	int e = l->lost ? l->lost : l->window->read(l->window, gpa, buf, len);

	if (e && e != -EFAULT)
		l->lost = e;
	return e;
}

/* The page of this number; NULL: it cannot be read. */
static const uint8_t *page_at(struct look *l, uint64_t page)
{
	struct look_line *line = &l->line[page / LOOK_LINE_PAGES % LOOK_LINES];
	unsigned i = page % LOOK_LINE_PAGES;
	uint64_t first = page - i;

	if (line->first != first || !(line->valid | line->absent)) {
		line->first = first;
		line->absent = 0;
		line->valid = fetch(l, first * LOOK_PAGE, line->data, LINE_BYTES) ? 0 : UINT32_MAX;
	}
	if (!((line->valid | line->absent) >> i & 1)) { /* the line is not all memory */
		if (fetch(l, page * LOOK_PAGE, line->data + i * LOOK_PAGE, LOOK_PAGE))
			line->absent |= 1u << i;
		else
			line->valid |= 1u << i;
	}
	return line->valid >> i & 1 ? line->data + i * LOOK_PAGE : NULL;
}

bool look_physical(struct look *l, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *to = buf;

	for (size_t done = 0, n; done < len; done += n) {
		uint64_t at = gpa + done;
		const uint8_t *page = at >= gpa ? page_at(l, at / LOOK_PAGE) : NULL;

		n = LOOK_PAGE - at % LOOK_PAGE;
		if (n > len - done)
			n = len - done;
		if (!page) {
			memset(buf, 0, len);
			l->unreadable++;
			return false;
		}
		memcpy(to + done, page + at % LOOK_PAGE, n);
	}
	return true;
}

/* ---- page tables ---- */

unsigned look_entry(struct look *l, uint64_t root, uint64_t va, uint64_t *entry, uint64_t *gpa)
{
	uint64_t table = root * LOOK_PAGE;

	for (unsigned level = 4; level; level--) {
		*gpa = table + (va >> (12 + 9 * (level - 1)) & 511) * 8;
		if (!look_physical(l, *gpa, entry, 8))
			return 0;
		if (level == 1 || !(*entry & NTMM_PTE_VALID) ||
		    (level < 4 && *entry & NTMM_PTE_LARGE))
			return level;
		table = *entry & NTMM_PTE_FRAME;
	}
	return 0;
}

static bool translate(struct look *l, uint64_t root, uint64_t va, uint64_t *gpa)
{
	uint64_t page = va / LOOK_PAGE;
	struct look_translation *t = &l->translation[page % LOOK_TRANSLATIONS];
	uint64_t entry, at, span;
	unsigned level;

	if (!t->valid || t->root != root || t->page != page) {
		level = look_entry(l, root, va, &entry, &at);
		if (!level || !(entry & NTMM_PTE_VALID))
			return false;
		span = LOOK_PAGE << 9 * (level - 1);
		*t = (struct look_translation){
		    .root = root,
		    .page = page,
		    .gpa = ((entry & NTMM_PTE_FRAME & ~(span - 1)) | (va & (span - 1))) &
			   ~(LOOK_PAGE - 1),
		    .valid = true,
		};
	}
	*gpa = t->gpa | va % LOOK_PAGE;
	return true;
}

bool look_virtual(struct look *l, uint64_t root, uint64_t va, void *buf, size_t len)
{
	uint8_t *to = buf;

	for (size_t done = 0, n; done < len; done += n) {
		uint64_t gpa, at = va + done;

		n = LOOK_PAGE - at % LOOK_PAGE;
		if (n > len - done)
			n = len - done;
		if (!translate(l, root, at, &gpa)) {
			memset(buf, 0, len);
			l->unreadable++;
			return false;
		}
		if (!look_physical(l, gpa, to + done, n)) {
			memset(buf, 0, len);
			return false;
		}
	}
	return true;
}

bool look_kernel(struct look *l, uint64_t va, void *buf, size_t len)
{
	uint64_t image = va - l->info.image, direct = va - l->info.direct_map;

	if (image < IMAGE_BYTES)
		return look_physical(l, image, buf, len);
	if (direct >> DIRECT_BITS == 0)
		return look_physical(l, direct, buf, len);
	return look_virtual(l, l->system_root, va, buf, len);
}

/* ---- the kernel's structures ---- */

uint64_t look_get(struct look *l, uint64_t va, enum ntmm_field f)
{
	uint64_t v = 0;

	if (!va || width[f] > sizeof(v)) {
		l->unreadable++;
		return 0;
	}
	look_kernel(l, va + l->info.field[f], &v, width[f]);
	return v;
}

uint64_t look_variable(struct look *l, enum ntmm_variable v)
{
	uint64_t value = 0;

	look_kernel(l, l->info.variable[v], &value, variable_width[v] < 8 ? variable_width[v] : 8);
	return value;
}

void look_clean(char *text)
{
	bool utf8 = utf8_valid(text);

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
			*text = '?';
	}
}

void look_text(struct look *l, uint64_t va, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	while (n + 1 < size && va) {
		size_t part = LOOK_PAGE - (va + n) % LOOK_PAGE;

		if (part > size - 1 - n)
			part = size - 1 - n;
		if (!look_kernel(l, va + n, out + n, part))
			break;
		out[n + part] = 0;
		n += part;
		if (memchr(out, 0, n))
			break;
	}
	out[n < size ? n : size - 1] = 0;
	look_clean(out);
}

/* ---- the root ---- */

static int check_root(struct look *l, struct vm_error *err)
{
	const struct ntmm_mminfo *i = &l->info;

	if (i->magic != NTMM_MMINFO_MAGIC)
		return vm_fail(err, -EPROTO, "the kernel's root makes no sense");
	if (i->version != NTMM_MMINFO_VERSION || i->fields != NTMM_F_COUNT ||
	    i->variables != NTMM_V_COUNT)
		return vm_fail(err, -EPROTO,
			       "the kernel is of another version of ntmm: its layout is %u.%u.%u, "
			       "this one knows %u.%u.%u",
			       i->version, i->fields, i->variables, NTMM_MMINFO_VERSION,
			       NTMM_F_COUNT, NTMM_V_COUNT);
	for (unsigned f = 0; f < NTMM_F_COUNT; f++)
		if (i->field[f] > OFFSET_MOST || (f >= NTMM_F_pfn_flink && f <= NTMM_F_pfn_use &&
						  i->field[f] + width[f] > i->pfn_bytes))
			return vm_fail(err, -EPROTO, "the kernel's root makes no sense");
	if (i->pfn_bytes > LOOK_PFN_MOST || i->subsection_bytes > OFFSET_MOST ||
	    i->pagefile_bytes > OFFSET_MOST || !i->pfn_bytes || !i->subsection_bytes ||
	    i->user_slots > 512)
		return vm_fail(err, -EPROTO, "the kernel's root makes no sense");
	return 0;
}

static void forget(struct look *l)
{
	memset(l->translation, 0, LOOK_TRANSLATIONS * sizeof(*l->translation));
	for (unsigned i = 0; i < LOOK_LINES; i++)
		l->line[i].valid = l->line[i].absent = 0;
}

static void read_globals(struct look *l)
{
	uint64_t last = l->frames ? l->frames - 1 : 0;

	if (l->frames * LOOK_PAGE > NTMM_PCI_HOLE_START)
		last += (NTMM_HIGH_RAM - NTMM_PCI_HOLE_START) / LOOK_PAGE;
	l->system_root = look_variable(l, NTMM_V_system_root);
	l->highest = look_variable(l, NTMM_V_highest_pfn);
	if (l->highest > last)
		l->highest = last;
	l->unreadable = 0;
	l->cut = false;
	l->budget = l->frames * STEPS_FRAME + STEPS_LEAST;
}

/* Does some thread hold a lock on what is going to be looked at? */
static bool kernel_is_busy(struct look *l)
{
	struct look_process *p;
	unsigned n = 0;
	bool busy;

	if (look_variable(l, NTMM_V_pfn_lock) ||
	    (uint32_t)look_variable(l, NTMM_V_process_lock) != 1)
		return true;
	p = look_processes(l, &n);
	busy = false;
	for (unsigned i = 0; i < n && !l->cut; i++) /* to wait mends no nonsense */
		busy |= (uint32_t)look_get(l, p[i].va, NTMM_F_process_lock) != 1;
	free(p);
	return busy;
}

int look_open(struct look *l, struct vm_window *w, struct vm_error *err)
{
	int e;

	memset(l, 0, sizeof(*l));
	l->window = w;
	l->frames = w->ram_bytes / LOOK_PAGE;
	l->line = calloc(LOOK_LINES, sizeof(*l->line));
	l->translation = calloc(LOOK_TRANSLATIONS, sizeof(*l->translation));
	if (!l->line || !l->translation) {
		look_close(l);
		return vm_fail(err, -ENOMEM, "out of memory");
	}
	for (unsigned i = 0;; i++) {
		/* it may still be starting: then there is nothing to look at */
		e = w->root ? 0 : -ENODATA;
		if (!e && w->root_bytes < sizeof(l->info))
			e = vm_fail(err, -EPROTO, "the kernel is of another version of ntmm");
		if (e == -ENODATA && i == TRIES)
			vm_fail(err, e, "its kernel is not up yet");
		if (!e && !look_physical(l, w->root, &l->info, sizeof(l->info)))
			e = vm_fail(err, -EPROTO, "the kernel's root cannot be read");
		if (!e)
			e = check_root(l, err);
		if (l->lost)
			e = vm_fail(err, l->lost, "the machine has ended");
		if (e && e != -ENODATA)
			break;
		if (!e) {
			read_globals(l);
			l->busy = kernel_is_busy(l);
			read_globals(l);
			if (!l->busy)
				return 0;
		}
		if (i == TRIES)
			break;
		if (w->again(w) < 0) {
			e = vm_fail(err, -EPIPE, "the machine has ended");
			break;
		}
		forget(l);
	}
	if (!e) /* so be it; views say that it may be inconsistent */
		return 0;
	look_close(l);
	return e;
}

void look_close(struct look *l)
{
	free(l->line);
	free(l->translation);
	l->line = NULL;
	l->translation = NULL;
}
