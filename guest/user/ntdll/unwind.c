/*
 * Undoing one frame of x64 code by its unwind data: RtlVirtualUnwind.
 *
 *  1. The establisher frame is RSP, or what the frame register says once the prolog has set it.
 *  2. Past the prolog the code at ControlPc may be an epilog: then the rest of it is carried out,
 *     and the frame has no handler any more.
 *  3. Otherwise the unwind codes are undone, those of the prolog's part that has run, then those of
 *     the chained entries in full; last the return address is popped, unless there was a machine
 *     frame.
 * Formats: Microsoft's "x64 exception handling" page. Version 2 adds epilog codes, which are
 * skipped.
 */
#include "guest/user/ntdll/except.h"

enum unwind_op {
	UWOP_PUSH_NONVOL = 0,
	UWOP_ALLOC_LARGE = 1,
	UWOP_ALLOC_SMALL = 2,
	UWOP_SET_FPREG = 3,
	UWOP_SAVE_NONVOL = 4,
	UWOP_SAVE_NONVOL_FAR = 5,
	UWOP_EPILOG = 6,
	UWOP_SPARE = 7,
	UWOP_SAVE_XMM128 = 8,
	UWOP_SAVE_XMM128_FAR = 9,
	UWOP_PUSH_MACHFRAME = 10,
};

#define MAX_CHAIN 32

struct frame {
	PCONTEXT ctx;
	PKNONVOLATILE_CONTEXT_POINTERS where; /* may be NULL */
	DWORD64 base;			      /* image */
	DWORD64 pc;
	DWORD64 frame; /* establisher frame */
	BOOLEAN machine_frame;
};

static DWORD64 *reg(PCONTEXT ctx, unsigned n)
{
	return &ctx->Rax + n;
}

static void restore_reg(struct frame *f, unsigned n, DWORD64 *from)
{
	*reg(f->ctx, n) = *from;
	if (f->where)
		f->where->IntegerContext[n] = from;
}

static void restore_xmm(struct frame *f, unsigned n, M128A *from)
{
	memcpy(&f->ctx->Xmm0 + n, from, sizeof(*from));
	if (f->where)
		f->where->FloatingContext[n] = from;
}

/* Slots of the code array that a code takes. */
static unsigned code_slots(const struct unwind_info *u, const struct unwind_code *c)
{
	switch (c->op_info & 15) {
	case UWOP_ALLOC_LARGE:
		return c->op_info >> 4 ? 3 : 2;
	case UWOP_SAVE_NONVOL:
	case UWOP_SAVE_XMM128:
		return 2;
	case UWOP_SAVE_NONVOL_FAR:
	case UWOP_SAVE_XMM128_FAR:
		return 3;
	case UWOP_EPILOG:
		return UNWIND_VERSION(u) == 1 ? 2 : 1;
	case UWOP_SPARE:
		return 3;
	default:
		return 1;
	}
}

static DWORD64 far_operand(const struct unwind_code *c)
{
	return c[1].slot | (DWORD64)c[2].slot << 16;
}

static void undo(struct frame *f, const struct unwind_info *u, const struct unwind_code *c)
{
	PCONTEXT ctx = f->ctx;
	unsigned info = c->op_info >> 4;

	switch (c->op_info & 15) {
	case UWOP_PUSH_NONVOL:
		restore_reg(f, info, (DWORD64 *)ctx->Rsp);
		ctx->Rsp += 8;
		break;
	case UWOP_ALLOC_LARGE:
		ctx->Rsp += info ? far_operand(c) : (DWORD64)c[1].slot * 8;
		break;
	case UWOP_ALLOC_SMALL:
		ctx->Rsp += info * 8 + 8;
		break;
	case UWOP_SET_FPREG:
		ctx->Rsp = *reg(ctx, UNWIND_FRAME_REG(u)) - UNWIND_FRAME_OFFSET(u);
		break;
	case UWOP_SAVE_NONVOL:
		restore_reg(f, info, (DWORD64 *)(f->frame + (DWORD64)c[1].slot * 8));
		break;
	case UWOP_SAVE_NONVOL_FAR:
		restore_reg(f, info, (DWORD64 *)(f->frame + far_operand(c)));
		break;
	case UWOP_SAVE_XMM128:
		restore_xmm(f, info, (M128A *)(f->frame + (DWORD64)c[1].slot * 16));
		break;
	case UWOP_SAVE_XMM128_FAR:
		restore_xmm(f, info, (M128A *)(f->frame + far_operand(c)));
		break;
	case UWOP_PUSH_MACHFRAME: {
		DWORD64 *m = (DWORD64 *)(ctx->Rsp + info * 8);

		ctx->Rip = m[0];
		ctx->Rsp = m[3];
		f->machine_frame = TRUE;
		break;
	}
	}
}

/* Undoes the codes whose prolog offset is at most `reached`. */
static void undo_codes(struct frame *f, const struct unwind_info *u, DWORD64 reached)
{
	for (unsigned i = 0; i < u->count; i += code_slots(u, &u->codes[i]))
		if (u->codes[i].offset <= reached)
			undo(f, u, &u->codes[i]);
}

static DWORD64 establisher(const CONTEXT *ctx, const struct unwind_info *u, DWORD64 offset)
{
	if (!UNWIND_FRAME_REG(u))
		return ctx->Rsp;
	if (offset < u->prolog && !(UNWIND_FLAGS(u) & UNW_FLAG_CHAININFO)) {
		unsigned i;

		for (i = 0; i < u->count; i += code_slots(u, &u->codes[i]))
			if ((u->codes[i].op_info & 15) == UWOP_SET_FPREG)
				break;
		if (i >= u->count || u->codes[i].offset > offset)
			return ctx->Rsp;
	}
	return (&ctx->Rax)[UNWIND_FRAME_REG(u)] - UNWIND_FRAME_OFFSET(u);
}

/* A jump leaves the function when its target is outside of it: then it is a tail call. */
static BOOLEAN leaves(const RUNTIME_FUNCTION *fe, DWORD64 base, const UCHAR *target)
{
	DWORD64 rva = (DWORD64)target - base;

	return rva < fe->BeginAddress || rva >= fe->EndAddress;
}

static BOOLEAN is_exit(const RUNTIME_FUNCTION *fe, DWORD64 base, const UCHAR *p)
{
	switch (p[0]) {
	case 0xc3: /* ret */
	case 0xc2: /* ret imm16 */
		return TRUE;
	case 0xf3: /* rep ret */
		return p[1] == 0xc3;
	case 0xeb:
		return leaves(fe, base, p + 2 + (signed char)p[1]);
	case 0xe9:
		return leaves(fe, base, p + 5 + *(const int *)(p + 1));
	case 0xff: /* jmp [rip + disp] */
		return p[1] == 0x25;
	case 0x48:
	case 0x49: /* rex.w jmp reg or memory: a tail call by the ABI */
		return p[1] == 0xff && (p[2] & 0x38) == 0x20;
	}
	return FALSE;
}

static const UCHAR *skip_pops(const UCHAR *p)
{
	for (;;) {
		if ((p[0] & 0xf8) == 0x58)
			p++;
		else if (p[0] == 0x41 && (p[1] & 0xf8) == 0x58)
			p += 2;
		else
			return p;
	}
}

/* The instruction that frees the fixed part of the frame: its length, or 0 when p is none. */
static unsigned stack_release(const struct unwind_info *u, const UCHAR *p, DWORD64 *add,
			      BOOLEAN *lea)
{
	unsigned fp = UNWIND_FRAME_REG(u);

	*add = 0;
	*lea = FALSE;
	if (p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc4) { /* add rsp, imm8 */
		*add = (DWORD64)(LONG64)(signed char)p[3];
		return 4;
	}
	if (p[0] == 0x48 && p[1] == 0x81 && p[2] == 0xc4) { /* add rsp, imm32 */
		*add = (DWORD64)(LONG64) * (const int *)(p + 3);
		return 7;
	}
	if (fp && (p[0] & 0xfe) == 0x48 && p[1] == 0x8d && (p[0] & 1) == fp >> 3 &&
	    (p[2] & 0x3f) == (0x20 | (fp & 7)) && (p[2] >> 6 == 1 || p[2] >> 6 == 2)) {
		BOOLEAN sib = (fp & 7) == 4; /* R12 needs one */
		const UCHAR *disp = p + 3 + sib;

		*lea = TRUE;
		*add = (DWORD64)(LONG64)(p[2] >> 6 == 1 ? (signed char)*disp : *(const int *)disp);
		return 3 + sib + (p[2] >> 6 == 1 ? 1 : 4);
	}
	return 0;
}

static BOOLEAN undo_epilog(struct frame *f, const RUNTIME_FUNCTION *fe, const struct unwind_info *u)
{
	const UCHAR *p = (const UCHAR *)f->pc;
	PCONTEXT ctx = f->ctx;
	DWORD64 add;
	BOOLEAN lea;
	unsigned n = stack_release(u, p, &add, &lea);

	if (!is_exit(fe, f->base, skip_pops(p + n)))
		return FALSE;
	if (n)
		ctx->Rsp = (lea ? *reg(ctx, UNWIND_FRAME_REG(u)) : ctx->Rsp) + add;
	for (p += n;;) {
		if ((p[0] & 0xf8) == 0x58) {
			restore_reg(f, p[0] & 7, (DWORD64 *)ctx->Rsp);
			p++;
		} else if (p[0] == 0x41 && (p[1] & 0xf8) == 0x58) {
			restore_reg(f, 8 + (p[1] & 7), (DWORD64 *)ctx->Rsp);
			p += 2;
		} else {
			break;
		}
		ctx->Rsp += 8;
	}
	ctx->Rip = *(DWORD64 *)ctx->Rsp;
	ctx->Rsp += 8;
	return TRUE;
}

const struct unwind_info *unwind_info_of(DWORD64 base, const RUNTIME_FUNCTION *fe)
{
	if (fe->UnwindData & 1) /* leads to another entry */
		fe = (const RUNTIME_FUNCTION *)(base + (fe->UnwindData & ~1u));
	return (const struct unwind_info *)(base + fe->UnwindData);
}

/* What follows the codes, which are padded to an even count. */
static const void *after_codes(const struct unwind_info *u)
{
	return &u->codes[(u->count + 1) & ~1u];
}

PEXCEPTION_ROUTINE NTAPI RtlVirtualUnwind(DWORD type, DWORD64 base, DWORD64 pc,
					  PRUNTIME_FUNCTION fe, PCONTEXT ctx, PVOID *data,
					  PDWORD64 frame, PKNONVOLATILE_CONTEXT_POINTERS where)
{
	struct frame f = {.ctx = ctx, .where = where, .base = base, .pc = pc};
	const struct unwind_info *u;
	DWORD64 offset;
	BOOLEAN in_prolog;

	if (fe->UnwindData & 1)
		fe = (PRUNTIME_FUNCTION)(base + (fe->UnwindData & ~1u));
	u = unwind_info_of(base, fe);
	offset = pc - base - fe->BeginAddress;
	in_prolog = offset < u->prolog;
	f.frame = establisher(ctx, u, offset);
	*frame = f.frame;
	if (!in_prolog && undo_epilog(&f, fe, u))
		return NULL;
	undo_codes(&f, u, in_prolog ? offset : 0xff);
	for (int depth = 0; (UNWIND_FLAGS(u) & UNW_FLAG_CHAININFO) && depth < MAX_CHAIN; depth++) {
		fe = (PRUNTIME_FUNCTION)after_codes(u);
		u = unwind_info_of(base, fe);
		undo_codes(&f, u, 0xff);
	}
	if (!f.machine_frame) {
		ctx->Rip = *(DWORD64 *)ctx->Rsp;
		ctx->Rsp += 8;
	}
	if (in_prolog || !(UNWIND_FLAGS(u) & type & (UNW_FLAG_EHANDLER | UNW_FLAG_UHANDLER)))
		return NULL;
	*data = (DWORD *)after_codes(u) + 1;
	return (PEXCEPTION_ROUTINE)(base + *(const DWORD *)after_codes(u));
}
