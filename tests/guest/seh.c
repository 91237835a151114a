/*
 * Exceptions in their corners: the order of frames, what unwinding tells each, execution that
 * continues, exceptions in handlers, unwinds that collide, vectored and continue handlers,
 * breakpoints and single steps, RaiseException's record, contexts taken and restored, a stack
 * overflow that is survived twice.
 *
 * guarded(fn, argument, frame) calls fn under a language handler that does what `frame` says; when
 * it is unwound to, it returns the value given.
 */
#include <malloc.h>
#include <setjmp.h>
#include <string.h>
#include "tests/guest/vm.h"

#define CODE(n)		(0xe0000000u | (n))
#define UNWINDING	0x2u
#define NESTED		0x10u
#define TARGET		0x20u
#define COLLIDED	0x40u
#define NOT_CONTINUABLE 0x1u

enum what { SEARCH, CONTINUE, UNWIND, RAISE, RAISE_IN_UNWIND, LEAVE_IN_UNWIND, NONSENSE };

struct frame {
	enum what what;
	ULONG name;
	struct frame *other; /* LEAVE_IN_UNWIND: where to */
	ULONG64 where;	     /* its establisher frame, once seen */
};

typedef ULONG64 (*guarded_fn)(void *argument);
ULONG64 guarded(guarded_fn fn, void *argument, struct frame *frame);
extern const char guarded_out[], breakpoint[], stepped[], step_end[];
EXCEPTION_DISPOSITION frame_handler(EXCEPTION_RECORD *, ULONG64, CONTEXT *, DISPATCHER_CONTEXT *);

__asm__(".text\n"
	".globl guarded, guarded_out\n"
	".seh_proc guarded\n"
	"guarded:\n"
	"	subq $56, %rsp\n"
	"	.seh_stackalloc 56\n"
	"	.seh_endprologue\n"
	"	.seh_handler frame_handler, @except, @unwind\n"
	"	movq %r8, 40(%rsp)\n"
	"	movq %rcx, %rax\n"
	"	movq %rdx, %rcx\n"
	"	call *%rax\n"
	"	nop\n"
	"guarded_out:\n"
	"	addq $56, %rsp\n"
	"	ret\n"
	".seh_endproc\n"
	".globl run_breakpoint, breakpoint, run_steps, stepped, step_end\n"
	"run_breakpoint:\n"
	"	movl $5, %eax\n"
	"breakpoint:\n"
	"	int3\n"
	"	ret\n"
	"run_steps:\n"
	"	pushfq\n"
	"	orl $0x100, (%rsp)\n"
	"	popfq\n"
	"	nop\n"
	"stepped:\n"
	"	movl $7, %eax\n"
	"step_end:\n"
	"	ret\n");
ULONG64 run_breakpoint(void), run_steps(void);

static char story[256]; /* what was called, in order */

static void note(const char *format, ...)
{
	size_t n = strlen(story);
	va_list ap;

	va_start(ap, format);
	vsnprintf(story + n, sizeof(story) - n, format, ap);
	va_end(ap);
}

static void expect_story(const char *want, int line)
{
	checks_done++;
	if (strcmp(story, want)) {
		checks_failed++;
		printf("%s:%d: failed: \"%s\", not \"%s\"\n", __FILE__, line, story, want);
	}
	story[0] = 0;
}
#define EXPECT_STORY(want) expect_story(want, __LINE__)

static DECLSPEC_NORETURN void unwind_to(struct frame *f, EXCEPTION_RECORD *record, ULONG64 value)
{
	CONTEXT context;

	RtlUnwindEx((PVOID)f->where, (PVOID)guarded_out, record, (PVOID)value, &context, NULL);
	abort();
}

EXCEPTION_DISPOSITION frame_handler(EXCEPTION_RECORD *r, ULONG64 establisher, CONTEXT *context,
				    DISPATCHER_CONTEXT *dc)
{
	struct frame *f = *(struct frame **)(establisher + 40);

	(void)dc;
	f->where = establisher;
	note("%lu%s%s%s%s ", f->name, r->ExceptionFlags & COLLIDED ? "c" : "",
	     r->ExceptionFlags & UNWINDING ? "u" : "", r->ExceptionFlags & TARGET ? "t" : "",
	     r->ExceptionFlags & NESTED ? "n" : "");
	if (r->ExceptionFlags & UNWINDING) {
		enum what what = f->what;

		if (what >=
		    RAISE_IN_UNWIND) /* once: when unwinds collide this frame is asked again */
			f->what = SEARCH;
		if (what == RAISE_IN_UNWIND)
			RaiseException(CODE(99), 0, 0, NULL);
		if (what == LEAVE_IN_UNWIND)
			unwind_to(f->other, NULL, 77);
		return ExceptionContinueSearch;
	}
	if (r->ExceptionCode >> 28 != 0xe && f->what != UNWIND)
		return ExceptionContinueSearch; /* what the system raised because of our answer */
	switch (f->what) {
	case CONTINUE:
		context->Rax = 1;
		return ExceptionContinueExecution;
	case UNWIND:
		unwind_to(f, r, r->ExceptionCode & 0xff);
	case RAISE:
		f->what = SEARCH; /* this frame will be asked about it, too */
		RaiseException(CODE(50 + f->name), 0, 0, NULL);
		return ExceptionContinueSearch;
	case NONSENSE:
		return (EXCEPTION_DISPOSITION)42;
	default:
		return ExceptionContinueSearch;
	}
}

static ULONG64 raise_it(void *flags_and_code)
{
	ULONG v = (ULONG)(ULONG64)flags_and_code;

	RaiseException(CODE(v & 0xff), v >> 8, 0, NULL);
	return 1000;
}
#define RAISING(code, flags) ((void *)(ULONG64)((code) | (flags) << 8))

struct nest {
	guarded_fn fn;
	void *argument;
	struct frame *frame;
};

static ULONG64 call_nest(void *p)
{
	struct nest *n = p;

	return 10000 + guarded(n->fn, n->argument, n->frame);
}

static void frames(void)
{
	struct frame in = {SEARCH, 1, NULL, 0}, mid = {SEARCH, 2, NULL, 0},
		     out = {UNWIND, 3, NULL, 0};
	struct nest inner = {raise_it, RAISING(5, 0), &in}, middle = {call_nest, &inner, &mid};

	CHECK_EQ(guarded(call_nest, &middle, &out), 5);
	EXPECT_STORY("1 2 3 1u 2u 3ut ");
	in.what = CONTINUE;
	CHECK_EQ(guarded(call_nest, &middle, &out), 21000);
	EXPECT_STORY("1 ");
	/* what may not be continued: another exception, from there */
	inner.argument = RAISING(6, NOT_CONTINUABLE);
	CHECK_EQ(guarded(call_nest, &middle, &out), (ULONG)0xc0000025 & 0xff);
	CHECK(!strncmp(story, "1 ", 2));
	story[0] = 0;
	in.what = NONSENSE; /* STATUS_INVALID_DISPOSITION */
	inner.argument = RAISING(6, 0);
	CHECK_EQ(guarded(call_nest, &middle, &out), (ULONG)0xc0000026 & 0xff);
	story[0] = 0;
	/* an exception in a handler: frames between are told that they are seen again */
	in.what = SEARCH;
	mid.what = RAISE;
	CHECK_EQ(guarded(call_nest, &middle, &out), 52);
	EXPECT_STORY("1 2 1n 2n 3 1u 2u 3ut ");
	/* an exception while frames are unwound, and an unwind that leaves further */
	mid.what = UNWIND;
	in.what = RAISE_IN_UNWIND;
	CHECK_EQ(guarded(call_nest, &middle, &out), 99 + 10000);
	EXPECT_STORY("1 2 1u 1 2 1cu 2ut ");
	in.what = LEAVE_IN_UNWIND;
	in.other = &out;
	out.what = SEARCH;
	out.where = 0;
	mid.what = SEARCH;
	{
		struct frame outest = {UNWIND, 4, NULL, 0};
		struct nest outer = {call_nest, &middle, &out};

		in.other = &outest;
		CHECK_EQ(guarded(call_nest, &outer, &outest),
			 77); /* not 6: the second unwind wins */
	}
	EXPECT_STORY("1 2 3 4 1u 1cu 2u 3u 4ut ");
}

/* ---- vectored handlers ---- */

static PVOID handle_b;
static LONG verdict_of_b;

static LONG CALLBACK vectored_a(EXCEPTION_POINTERS *p)
{
	(void)p;
	note("A ");
	return EXCEPTION_CONTINUE_SEARCH;
}
static LONG CALLBACK vectored_b(EXCEPTION_POINTERS *p)
{
	(void)p;
	note("B ");
	return verdict_of_b;
}
static LONG CALLBACK vectored_once(EXCEPTION_POINTERS *p)
{
	(void)p;
	note("O ");
	CHECK(RemoveVectoredExceptionHandler(handle_b));
	return EXCEPTION_CONTINUE_SEARCH;
}
static LONG CALLBACK continue_c(EXCEPTION_POINTERS *p)
{
	(void)p;
	note("C ");
	return EXCEPTION_CONTINUE_SEARCH;
}
static LONG CALLBACK continue_d(EXCEPTION_POINTERS *p)
{
	(void)p;
	note("D ");
	return EXCEPTION_CONTINUE_EXECUTION;
}

static void vectored(void)
{
	struct frame f = {CONTINUE, 1, NULL, 0};
	PVOID b = AddVectoredExceptionHandler(0, vectored_b),
	      a = AddVectoredExceptionHandler(1, vectored_a);
	PVOID d = AddVectoredContinueHandler(0, continue_d),
	      c = AddVectoredContinueHandler(1, continue_c);

	verdict_of_b = EXCEPTION_CONTINUE_SEARCH;
	CHECK_EQ(guarded(raise_it, RAISING(1, 0), &f), 1000);
	EXPECT_STORY("A B 1 C D ");
	verdict_of_b = EXCEPTION_CONTINUE_EXECUTION;
	CHECK_EQ(guarded(raise_it, RAISING(1, 0), &f), 1000);
	EXPECT_STORY("A B C D ");
	CHECK(RemoveVectoredExceptionHandler(a));
	CHECK(!RemoveVectoredExceptionHandler(a));
	CHECK(RemoveVectoredContinueHandler(d));
	CHECK_EQ(guarded(raise_it, RAISING(1, 0), &f), 1000);
	EXPECT_STORY("B C ");
	CHECK(RemoveVectoredExceptionHandler(b));
	CHECK(!RemoveVectoredExceptionHandler(c)); /* of the other list */
	CHECK(RemoveVectoredContinueHandler(c));
	handle_b = AddVectoredExceptionHandler(1, vectored_once); /* removes itself */
	CHECK_EQ(guarded(raise_it, RAISING(1, 0), &f), 1000);
	CHECK_EQ(guarded(raise_it, RAISING(1, 0), &f), 1000);
	EXPECT_STORY("O 1 1 ");
}

/* ---- debug exceptions ---- */

static ULONG64 steps[8];
static ULONG steps_seen;
static EXCEPTION_RECORD seen;
static ULONG64 seen_rip;

static LONG CALLBACK debug_handler(EXCEPTION_POINTERS *p)
{
	CONTEXT *c = p->ContextRecord;

	seen = *p->ExceptionRecord;
	seen_rip = c->Rip;
	if (seen.ExceptionCode == EXCEPTION_BREAKPOINT) {
		c->Rip++;
		return EXCEPTION_CONTINUE_EXECUTION;
	}
	if (seen.ExceptionCode == EXCEPTION_SINGLE_STEP) {
		if (steps_seen < 8)
			steps[steps_seen++] = c->Rip;
		if (c->Rip != (ULONG64)step_end)
			c->EFlags |= 0x100; /* once more */
		return EXCEPTION_CONTINUE_EXECUTION;
	}
	return EXCEPTION_CONTINUE_SEARCH;
}

static void debug_exceptions(void)
{
	PVOID h = AddVectoredExceptionHandler(1, debug_handler);

	CHECK_EQ(run_breakpoint(), 5);
	CHECK_EQ(seen.ExceptionCode, EXCEPTION_BREAKPOINT);
	CHECK_EQ((ULONG64)seen.ExceptionAddress, (ULONG64)breakpoint);
	CHECK_EQ(seen_rip, (ULONG64)breakpoint);
	CHECK_EQ(seen.NumberParameters, 1);
	CHECK_EQ(seen.ExceptionInformation[0], 0);
	CHECK_EQ((ULONG)run_steps(), 7);
	CHECK_EQ(seen.ExceptionCode, EXCEPTION_SINGLE_STEP);
	CHECK_EQ(seen.NumberParameters, 0);
	CHECK_EQ(steps_seen, 2);
	CHECK_EQ(steps[0], (ULONG64)stepped); /* after the instruction that follows POPFQ */
	CHECK_EQ(steps[1], (ULONG64)step_end);
	DebugBreak();
	CHECK_EQ(seen.ExceptionCode, EXCEPTION_BREAKPOINT);
	CHECK(RemoveVectoredExceptionHandler(h));
}

/* ---- RaiseException, arithmetic ---- */

static LONG CALLBACK record_handler(EXCEPTION_POINTERS *p)
{
	seen = *p->ExceptionRecord;
	return EXCEPTION_CONTINUE_SEARCH;
}

/* The divisor in a register, in memory, as a byte, behind RIP, through an index. */
static int divisors[4] = {0, -1, 0, 3};

static ULONG64 divide(void *p)
{
	ULONG64 a = 0x80000000;
	int high = -1; /* EDX:EAX is -2^31 */

	switch ((ULONG64)p) {
	case 0:
		__asm__ volatile("idivl %2" : "+a"(a), "+d"(high) : "r"(divisors[0]));
		break;
	case 1:
		__asm__ volatile("idivl %2" : "+a"(a), "+d"(high) : "r"(divisors[1]));
		break;
	case 2:
		__asm__ volatile("idivl %2" : "+a"(a), "+d"(high) : "m"(divisors[2]));
		break;
	case 3:
		__asm__ volatile("idivl 4(%2)" : "+a"(a), "+d"(high) : "r"(divisors));
		break;
	case 4:
		__asm__ volatile("divl (%2,%3,4)" : "+a"(a), "+d"(high) : "r"(divisors), "r"(2ull));
		break;
	case 5:
		__asm__ volatile("divb %b2" : "+a"(a) : "d"(0), "c"(0));
		break;
	case 6: /* AX / DH, which is 1: the quotient is too large */
		__asm__ volatile("movl $0x100, %%edx\n\tmovl $0xffff, %%eax\n\tdivb %%dh" ::
				     : "rax", "rdx");
		break;
	case 7:
		__asm__ volatile("movq %0, %%r12\n\tdivl 12(%%r12)"
				 :
				 : "r"(divisors), "a"(0), "d"(5)
				 : "r12");
		break;
	}
	return a;
}

static ULONG64 raise_many(void *count)
{
	ULONG_PTR v[20];

	for (ULONG i = 0; i < 20; i++)
		v[i] = 100 + i;
	RaiseException(0x12345678, 0, (DWORD)(ULONG64)count, v);
	return 0;
}

static void records(void)
{
	static const char overflows[] = {0, 1, 0, 1, 0, 0, 1, 1};
	struct frame f = {UNWIND, 1, NULL, 0};
	PVOID h = AddVectoredExceptionHandler(1, record_handler);

	guarded(raise_many, (void *)3, &f);
	CHECK_EQ(seen.ExceptionCode, 0x12345678);
	CHECK_EQ(seen.ExceptionFlags, 0);
	CHECK_EQ(seen.NumberParameters, 3);
	CHECK(seen.ExceptionInformation[2] == 102 && !seen.ExceptionRecord);
	CHECK((ULONG64)seen.ExceptionAddress != 0);
	guarded(raise_many, (void *)20, &f);
	CHECK_EQ(seen.NumberParameters, EXCEPTION_MAXIMUM_PARAMETERS);
	for (ULONG i = 0; i < sizeof(overflows); i++) {
		seen.ExceptionCode = 0;
		guarded(divide, (void *)(ULONG64)i, &f);
		CHECK_EQ(seen.ExceptionCode,
			 overflows[i] ? EXCEPTION_INT_OVERFLOW : EXCEPTION_INT_DIVIDE_BY_ZERO);
		CHECK_EQ(seen.NumberParameters, 0);
	}
	CHECK(RemoveVectoredExceptionHandler(h));
	story[0] = 0;
}

/* ---- contexts ---- */

static volatile int restored;

static void contexts(void)
{
	CONTEXT c;
	jmp_buf jump;
	volatile int jumped = 0;

	RtlCaptureContext(&c);
	if (restored < 2) {
		CHECK(c.Rsp && c.Rip && (c.ContextFlags & CONTEXT_CONTROL) == CONTEXT_CONTROL);
		restored++;
		if (restored == 1)
			RtlRestoreContext(&c, NULL);
		else {
			LONG NTAPI NtContinue(CONTEXT *, BOOLEAN);

			NtContinue(&c, FALSE);
		}
	}
	CHECK_EQ(restored, 2);
	if (!setjmp(jump)) {
		jumped = 1;
		longjmp(jump, 3);
	}
	CHECK_EQ(jumped, 1);
}

/* ---- stack overflow, twice ---- */

static volatile BOOL bottomless = TRUE;

static __attribute__((noinline)) ULONG64 deeper(void *p)
{
	volatile char room[3000];

	room[0] = (char)(ULONG64)p;
	if (!bottomless)
		return 0;
	return deeper((void *)((ULONG64)p + 1)) + (ULONG64)room[0];
}

static DWORD WINAPI overflow_thread(void *unused)
{
	struct frame f = {UNWIND, 1, NULL, 0};
	PVOID h = AddVectoredExceptionHandler(1, record_handler);

	(void)unused;
	for (int i = 0; i < 3; i++) {
		seen.ExceptionCode = 0;
		CHECK_EQ(guarded(deeper, NULL, &f), 0xfd);
		CHECK_EQ(seen.ExceptionCode, EXCEPTION_STACK_OVERFLOW);
		CHECK(_resetstkoflw());
	}
	CHECK(RemoveVectoredExceptionHandler(h));
	return 0;
}

static LONG WINAPI filter_one(EXCEPTION_POINTERS *p)
{
	(void)p;
	return EXCEPTION_CONTINUE_SEARCH;
}

int main(void)
{
	HANDLE t;

	frames();
	vectored();
	debug_exceptions();
	records();
	contexts();
	t = CreateThread(NULL, 0, overflow_thread, NULL, 0, NULL);
	CHECK_EQ(WaitForSingleObject(t, 20000), 0);
	CHECK(SetUnhandledExceptionFilter(filter_one) != filter_one);
	CHECK(SetUnhandledExceptionFilter(NULL) == filter_one);
	CHECK(SetUnhandledExceptionFilter(filter_one) == NULL);
	return checks_end();
}
