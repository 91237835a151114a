/*
 * What a #DE was: the processor raises it for a divisor of zero and for a quotient that does not
 * fit, and Windows tells them apart by looking at the instruction. DIV and IDIV are F6 or F7 /6 and
 * /7; the operand is a register or memory, read again here.
 */
#include "guest/mm/mi.h"

#define REX_W		 8u
#define REX_X		 2u
#define REX_B		 1u
#define INSTRUCTION_MOST 15u

struct instruction {
	u8 byte[INSTRUCTION_MOST + 1];
	u32 at;
	u8 rex;
	bool short_operand; /* 66 */
	bool segment_gs;
};

static u64 register_value(const struct ktrap_frame *f, u32 n)
{
	const u64 *const reg[16] = {&f->rax, &f->rcx, &f->rdx, &f->rbx, &f->rsp, &f->rbp,
				    &f->rsi, &f->rdi, &f->r8,  &f->r9,	&f->r10, &f->r11,
				    &f->r12, &f->r13, &f->r14, &f->r15};

	return *reg[n & 15];
}

static u64 displacement(struct instruction *i, u32 bytes)
{
	s32 v = 0;

	memcpy(&v, &i->byte[i->at], bytes);
	i->at += bytes;
	return bytes == 1 ? (u64)(s64)(s8)v : (u64)(s64)v;
}

static u64 scaled_index(const struct ktrap_frame *f, struct instruction *i, u8 mod)
{
	u8 sib = i->byte[i->at++];
	u32 index = (sib >> 3 & 7) | (i->rex & REX_X ? 8 : 0),
	    base = (sib & 7) | (i->rex & REX_B ? 8 : 0);
	u64 va = index == 4 ? 0 : register_value(f, index) << (sib >> 6);

	return va + ((sib & 7) == 5 && !mod ? displacement(i, 4) : register_value(f, base));
}

/* Address of the memory operand whose ModRM byte is m; i->at is behind it. */
static u64 operand_address(const struct ktrap_frame *f, struct instruction *i, u8 m)
{
	u8 mod = m >> 6, rm = m & 7;
	u64 va;

	if (rm == 4)
		va = scaled_index(f, i, mod);
	else if (rm == 5 && !mod)
		return displacement(i, 4) + f->rip + i->at; /* RIP-relative */
	else
		va = register_value(f, rm | (i->rex & REX_B ? 8 : 0));
	va += mod == 1 ? displacement(i, 1) : mod == 2 ? displacement(i, 4) : 0;
	return va + (i->segment_gs ? current_thread()->teb : 0);
}

/* Takes prefixes. */
static void skip_prefixes(struct instruction *i)
{
	for (; i->at < INSTRUCTION_MOST; i->at++) {
		u8 b = i->byte[i->at];

		if ((b & 0xf0) == 0x40)
			i->rex = b;
		else if (b == 0x66)
			i->short_operand = true;
		else if (b == 0x65)
			i->segment_gs = true;
		else if (b != 0xf2 && b != 0xf3 && b != 0x2e && b != 0x36 && b != 0x3e &&
			 b != 0x26 && b != 0x64)
			return;
	}
}

bool MmIsDivisorZero(const struct ktrap_frame *f)
{
	struct instruction i = {0};
	u64 value = 0;
	u32 bytes;
	u8 opcode, m;

	for (u32 n = INSTRUCTION_MOST; n && copy_from_user(i.byte, (void *)f->rip, n); n--)
		;
	skip_prefixes(&i);
	opcode = i.byte[i.at++];
	if ((opcode & 0xfe) != 0xf6 || i.at >= INSTRUCTION_MOST)
		return true;
	bytes = !(opcode & 1) ? 1 : i.rex & REX_W ? 8 : i.short_operand ? 2 : 4;
	m = i.byte[i.at++];
	if (m >> 6 == 3) {
		u32 n = (m & 7) | (i.rex & REX_B ? 8 : 0);

		value = bytes == 1 && !i.rex && n >= 4 ? register_value(f, n - 4) >> 8 /* AH.. */
						       : register_value(f, n);
		value &= ~0ul >> (64 - 8 * bytes);
	} else if (copy_from_user(&value, (void *)operand_address(f, &i, m), bytes)) {
		return true;
	}
	return !value;
}
