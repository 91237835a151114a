/*
 * How the machine ended: a line or a few on stderr, and ntmm's exit status.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "host/host.h"

static const char *symbol(struct vm *vm, uint64_t va, char *buf, size_t size)
{
	if (!vm_symbol(vm, va, buf, size))
		snprintf(buf, size, "?");
	return buf;
}

void print_clean(const char *s)
{
	for (; *s; s++)
		fputc(isprint((unsigned char)*s) || *s == '\n' || *s == '\t' ? *s : '.', stderr);
}

static void print_serial(struct vm *vm)
{
	const char *tail = vm_serial_tail(vm), *p = tail + strlen(tail);
	int lines = 0;

	while (p > tail && (p[-1] != '\n' || ++lines < 12))
		p--;
	if (*p == 0)
		return;
	fprintf(stderr, "ntmm: the kernel's last messages:\n");
	print_clean(p);
	if (tail[strlen(tail) - 1] != '\n')
		fputc('\n', stderr);
}

int report_exit_code(uint32_t code)
{
	const char *name = ntstatus_name(code);

	if (code <= 255)
		return (int)code;
	if (name)
		return complain(STATUS_BIG_CODE,
				"the program ended with exit code 0x%08" PRIX32 " (%s)", code,
				name);
	return complain(STATUS_BIG_CODE,
			"the program ended with exit code %" PRIu32 " (0x%08" PRIX32 ")", code,
			code);
}

static int end_exit(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	(void)vm;
	(void)o;
	return report_exit_code(r->exit_code);
}

static int end_bugcheck(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	const struct ntmm_bugcheck *b = &r->bugcheck;
	const char *name = bugcheck_name(b->code);
	char sym[160];

	fprintf(stderr,
		"ntmm: bug check 0x%08" PRIX32 " %s (0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
		", 0x%" PRIx64 ") on CPU %" PRIu32 "\n",
		b->code, name ? name : "", b->param[0], b->param[1], b->param[2], b->param[3],
		b->cpu);
	if (b->text[0]) {
		fputs("  ", stderr);
		print_clean(b->text);
		fputc('\n', stderr);
	}
	if (b->rip)
		fprintf(stderr, "  rip %016" PRIx64 "  %s\n", b->rip,
			symbol(vm, b->rip, sym, sizeof(sym)));
	for (uint32_t i = 0; i < b->nframes; i++)
		fprintf(stderr, "  %2" PRIu32 "  %016" PRIx64 "  %s\n", i, b->frame[i],
			symbol(vm, b->frame[i], sym, sizeof(sym)));
	if (!o->serial)
		print_serial(vm);
	return STATUS_BUGCHECK;
}

static int end_signal(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	(void)vm;
	(void)o;
	return STATUS_SIGNAL + r->signal;
}

static int end_timeout(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	char where[256];

	(void)r;
	complain(0, "timeout: the program did not end within %.3g s", (double)o->timeout_ns / 1e9);
	for (unsigned i = 0; vm_where(vm, i, where, sizeof(where)); i++)
		complain(0, "timeout: %s", where);
	return STATUS_TIMEOUT;
}

static int end_crash(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	complain(0, "the machine crashed: %s", r->text);
	if (!o->serial)
		print_serial(vm);
	return STATUS_CRASH;
}

static int end_violation(struct vm *vm, const struct vm_result *r, const struct run_options *o)
{
	complain(0, "protection violation: %s", r->text);
	if (!o->serial)
		print_serial(vm);
	return STATUS_VIOLATION;
}

static int (*const ends[])(struct vm *, const struct vm_result *, const struct run_options *) = {
    [VM_END_EXIT] = end_exit,	  [VM_END_BUGCHECK] = end_bugcheck,
    [VM_END_SIGNAL] = end_signal, [VM_END_TIMEOUT] = end_timeout,
    [VM_END_CRASH] = end_crash,	  [VM_END_VIOLATION] = end_violation,
};

int report_end(struct vm *vm, const struct vm_result *result, const struct run_options *o)
{
	return ends[result->end](vm, result, o);
}
