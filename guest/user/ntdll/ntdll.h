/*
 * What ntdll's files share among themselves. Exports are declared in guest/user/include/ntrtl.h.
 */
#ifndef NTMM_NTDLL_NTDLL_H
#define NTMM_NTDLL_NTDLL_H

#include <intrin.h>
#include "guest/user/include/nt.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Where system DLLs are searched, in order. */
#define SYSTEM_FOLDERS L"C:\\Windows\\System32;C:\\Windows"

#define ThreadZeroTlsCell 10

static inline void InitializeListHead(LIST_ENTRY *head)
{
	head->Flink = head->Blink = head;
}

static inline void InsertTailList(LIST_ENTRY *head, LIST_ENTRY *e)
{
	e->Flink = head;
	e->Blink = head->Blink;
	head->Blink->Flink = e;
	head->Blink = e;
}

static inline void InsertHeadList(LIST_ENTRY *head, LIST_ENTRY *e)
{
	e->Blink = head;
	e->Flink = head->Flink;
	head->Flink->Blink = e;
	head->Flink = e;
}

static inline void RemoveEntryList(LIST_ENTRY *e)
{
	e->Flink->Blink = e->Blink;
	e->Blink->Flink = e->Flink;
}

static inline LIST_ENTRY *RemoveHeadList(LIST_ENTRY *head)
{
	LIST_ENTRY *e = head->Flink;

	RemoveEntryList(e);
	return e;
}

/* _JUMP_BUFFER of setjmp.h */
struct jump_buffer {
	ULONG64 Frame, Rbx, Rsp, Rbp, Rsi, Rdi, R12, R13, R14, R15, Rip;
	ULONG MxCsr;
	USHORT FpCsr, Spare;
	M128A Xmm[10];
};

DECLSPEC_NORETURN void ntdll_longjmp(struct jump_buffer *j, int value) __asm__("longjmp");

/* excasm.S */
typedef LONG (*guarded_filter)(PEXCEPTION_POINTERS ep, PVOID arg);
ULONG guarded_call(void (*f)(PVOID), PVOID arg, guarded_filter filter);
DECLSPEC_NORETURN void call_consolidate(PCONTEXT ctx, PVOID f, PEXCEPTION_RECORD rec);

/* except.c, unwindex.c: called from assembly or from each other */
void unwind_leaf(PCONTEXT ctx);
DECLSPEC_NORETURN void dispatch_and_continue(PEXCEPTION_RECORD rec, PCONTEXT ctx);
void raise_exception(PEXCEPTION_RECORD rec, PCONTEXT ctx);
EXCEPTION_DISPOSITION nested_exception_handler(PEXCEPTION_RECORD, PVOID, PCONTEXT,
					       PDISPATCHER_CONTEXT);
EXCEPTION_DISPOSITION collided_unwind_handler(PEXCEPTION_RECORD, PVOID, PCONTEXT,
					      PDISPATCHER_CONTEXT);
EXCEPTION_DISPOSITION touch_handler(PEXCEPTION_RECORD, PVOID, PCONTEXT, PDISPATCHER_CONTEXT);
EXCEPTION_DISPOSITION guarded_call_handler(PEXCEPTION_RECORD, PVOID, PCONTEXT, PDISPATCHER_CONTEXT);
EXCEPTION_DISPOSITION thread_start_handler(PEXCEPTION_RECORD, PVOID, PCONTEXT, PDISPATCHER_CONTEXT);

/* Once all other threads are gone: locks they held are free again. */
void waitaddr_forget(void);
void vectored_forget(void);
void functable_forget(void);

/* tls.c */
void tls_init_process(void);
void tls_end_slots(void);
void fls_end_thread(void);

/* ldrinit.c */
void write_stderr(const char *text);

#endif
