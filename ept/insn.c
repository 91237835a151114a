/*
 * Finding the store: from a known beginning instruction by instruction, else each length that an
 * instruction may have. In both cases what is found has to write the guest-physical address that
 * was caught, with the width that was seen.
 */
#include <errno.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "ept/insn.h"
#include "guest/abi/machine.h"

#define RFLAGS_DF   (1ull << 10)
#define STACK_WIDTH 8u
#define SWEEP_MAX   0x4000u /* bytes of a function looked through */

struct decoded {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const uint8_t *bytes, size_t n, struct decoded *d)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &d->i, d->op));
}

static void disassemble(const struct decoded *d, uint64_t rip, char *text, size_t size)
{
	ZydisFormatter f;

	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
		&f, &d->i, d->op, d->i.operand_count_visible, text, size, rip, NULL)))
		text[0] = 0;
}

/* The operand in memory that is written, or the first that is only read. */
static const ZydisDecodedOperand *memory_operand(const struct decoded *d, bool write)
{
	for (unsigned k = 0; k < d->i.operand_count; k++) {
		const ZydisDecodedOperand *o = &d->op[k];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
		    write == ((o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0))
			return o;
	}
	return NULL;
}

static int gpr_of(ZydisRegister r)
{
	ZydisRegister large = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

	return large >= ZYDIS_REGISTER_RAX && large <= ZYDIS_REGISTER_R15
		   ? (int)(large - ZYDIS_REGISTER_RAX)
		   : -1;
}

static bool pushes(const struct decoded *d)
{
	switch (d->i.meta.category) {
	case ZYDIS_CATEGORY_PUSH:
	case ZYDIS_CATEGORY_CALL:
		return true;
	default:
		return d->i.mnemonic == ZYDIS_MNEMONIC_PUSHF ||
		       d->i.mnemonic == ZYDIS_MNEMONIC_PUSHFQ;
	}
}

static bool is_string(const struct decoded *d)
{
	return d->i.meta.category == ZYDIS_CATEGORY_STRINGOP;
}

static bool repeats(const struct decoded *d)
{
	return (d->i.attributes &
		(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
}

/* The address of a memory operand with the registers before the instruction. */
static bool effective(const struct decoded *d, const ZydisDecodedOperand *o,
		      const struct ept_regs *r, uint64_t *address)
{
	ZydisRegisterContext c;
	ZyanU64 v;

	if (pushes(d) && (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
		*address = r->gpr[RSP] - STACK_WIDTH;
		return true;
	}
	memset(&c, 0, sizeof(c));
	for (unsigned k = 0; k < 16; k++) {
		c.values[ZYDIS_REGISTER_RAX + k] = r->gpr[k];
		c.values[ZYDIS_REGISTER_EAX + k] = (uint32_t)r->gpr[k];
	}
	c.values[ZYDIS_REGISTER_RIP] = r->rip;
	if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&d->i, o, r->rip, &c, &v)))
		return false;
	if (o->mem.segment == ZYDIS_REGISTER_FS)
		v += r->fs_base;
	if (o->mem.segment == ZYDIS_REGISTER_GS)
		v += r->gs_base;
	*address = v;
	return true;
}

static void fill(const struct decoded *d, const ZydisDecodedOperand *o, const struct ept_regs *r,
		 struct ept_insn *insn)
{
	*insn = (struct ept_insn){.rip = r->rip, .length = d->i.length};
	if (o && effective(d, o, r, &insn->address))
		insn->width = o->size / 8;
	disassemble(d, r->rip, insn->text, sizeof(insn->text));
}

int insn_at(const struct ept_memory *m, uint64_t cr3, const struct ept_regs *regs, bool write,
	    struct ept_insn *insn)
{
	uint8_t bytes[INSN_MAX];
	uint64_t n = ept_read_virtual(m, cr3, regs->rip, bytes, sizeof(bytes));
	const ZydisDecodedOperand *o;
	struct decoded d;

	memset(insn, 0, sizeof(*insn));
	insn->rip = regs->rip;
	if (n == 0)
		return -EFAULT;
	if (!decode(bytes, n, &d))
		return -EINVAL;
	o = memory_operand(&d, write);
	fill(&d, o ? o : memory_operand(&d, !write), regs, insn);
	return 0;
}

/* Takes back what the instruction did to registers that it may begin with. */
static void undo(const struct decoded *d, const struct ept_access *a, struct ept_regs *r)
{
	const ZydisDecodedOperand *o = memory_operand(d, true);
	uint64_t step = o ? o->size / 8 : 0;

	if (r->rflags & RFLAGS_DF)
		step = -step;
	if (is_string(d)) {
		for (unsigned k = 0; k < d->i.operand_count; k++)
			if (d->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
				r->gpr[gpr_of(d->op[k].mem.base) & 15] -= step;
		if (repeats(d))
			r->gpr[RCX]++;
	} else if (pushes(d)) {
		r->gpr[RSP] += STACK_WIDTH;
	} else if (d->i.mnemonic == ZYDIS_MNEMONIC_POP) {
		r->gpr[RSP] -= STACK_WIDTH;
	} else if (d->i.mnemonic == ZYDIS_MNEMONIC_XCHG || d->i.mnemonic == ZYDIS_MNEMONIC_XADD) {
		for (unsigned k = 0; k < d->i.operand_count_visible; k++) {
			int g = d->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER
				    ? gpr_of(d->op[k].reg.value)
				    : -1;
			uint64_t mask = d->op[k].size == 64 ? ~0ull : (1ull << d->op[k].size) - 1;
			uint64_t was = a->value;

			if (g < 0)
				continue;
			if (d->i.mnemonic == ZYDIS_MNEMONIC_XADD)
				was -= r->gpr[g];
			r->gpr[g] = (r->gpr[g] & ~mask) | (was & mask);
		}
	}
}

/* Is the instruction at `start` the one? regs are those after it, and it ends at regs->rip, or
 * begins there when it is a string instruction that has more to do. */
static bool matches(const struct ept_memory *m, uint64_t cr3, const struct ept_regs *regs,
		    const struct ept_access *a, uint64_t start, struct ept_insn *insn,
		    struct ept_regs *before)
{
	uint8_t bytes[INSN_MAX];
	uint64_t n = ept_read_virtual(m, cr3, start, bytes, sizeof(bytes));
	const ZydisDecodedOperand *o;
	struct ept_insn found;
	struct ept_regs r = *regs;
	struct decoded d;
	uint64_t rest;
	gpa_t gpa;

	if (n == 0 || !decode(bytes, n, &d))
		return false;
	if (start == regs->rip ? !(is_string(&d) && repeats(&d)) : start + d.i.length != regs->rip)
		return false;
	o = memory_operand(&d, true);
	if (!o)
		return false;
	r.rip = start;
	undo(&d, a, &r);
	fill(&d, o, &r, &found);
	/* A wide store arrives in pieces, and so does one across two pages: the piece lies in it.
	 */
	rest = (uint64_t)NTMM_PAGE_SIZE - (found.address & ((uint64_t)NTMM_PAGE_SIZE - 1));
	if (found.width < a->bytes ||
	    (found.width > a->bytes && found.width <= 8 && rest >= found.width) ||
	    ept_virtual(m, cr3, found.address, &gpa) < 0)
		return false;
	if (a->gpa - gpa >= found.width &&
	    (rest >= found.width || ept_virtual(m, cr3, found.address + rest, &gpa) < 0 ||
	     a->gpa - gpa >= found.width - rest))
		return false;
	*insn = found;
	*before = r;
	return true;
}

/* The instruction that ends at `end`, counted from one that begins at `from`. */
static uint64_t sweep(const struct ept_memory *m, uint64_t cr3, uint64_t from, uint64_t end)
{
	uint64_t at = from;

	while (at < end && end - from < SWEEP_MAX) {
		uint8_t bytes[INSN_MAX];
		struct decoded d;
		uint64_t n = ept_read_virtual(m, cr3, at, bytes, sizeof(bytes));

		if (n == 0 || !decode(bytes, n, &d))
			return 0;
		if (at + d.i.length == end)
			return at;
		at += d.i.length;
	}
	return 0;
}

int insn_find_store(const struct ept_memory *m, uint64_t cr3, const struct ept_regs *regs,
		    const struct ept_access *access, uint64_t from, struct ept_insn *insn,
		    struct ept_regs *before)
{
	uint64_t start;

	memset(insn, 0, sizeof(*insn));
	if (matches(m, cr3, regs, access, regs->rip, insn, before))
		return 0;
	start = from ? sweep(m, cr3, from, regs->rip) : 0;
	if (start && matches(m, cr3, regs, access, start, insn, before))
		return 0;
	for (unsigned len = INSN_MAX; len > 0; len--)
		if (matches(m, cr3, regs, access, regs->rip - len, insn, before))
			return 0;
	insn->rip = regs->rip;
	return -ENOENT;
}
