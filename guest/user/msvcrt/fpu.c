/*
 * The floating-point environment, in Microsoft's abstract bits. On x64 it is SSE's MXCSR; the x87
 * is left as it is, but for _fpreset.
 */
#include "guest/user/msvcrt/crt.h"
#include <float.h>
#include <xmmintrin.h>

enum {
	MXCSR_DEFAULT = 0x1F80,
	X87_DEFAULT = 0x27F, /* 53 bits, all exceptions masked */
	MXCSR_FLUSH = 0x8000,
	MXCSR_DENORMALS_ARE_ZERO = 0x40,
	MXCSR_STATUS = 0x3F,
	MXCSR_MASK_SHIFT = 7,
	MXCSR_ROUNDING_SHIFT = 13,
	/* Microsoft's other two values of _MCW_DN */
	DN_FLUSH_RESULTS = 0x03000000,
	DN_FLUSH_OPERANDS = 0x02000000,
};

/* MXCSR's exception bits (and, shifted, its masks) and Microsoft's. */
static const struct {
	unsigned mxcsr, abstract;
} exceptions[] = {
    {0x01, _EM_INVALID},  {0x02, _EM_DENORMAL},	 {0x04, _EM_ZERODIVIDE},
    {0x08, _EM_OVERFLOW}, {0x10, _EM_UNDERFLOW}, {0x20, _EM_INEXACT},
};

/* Rounding in MXCSR's order: near, down, up, chop; so is Microsoft's. */
static unsigned abstract_control(unsigned mxcsr)
{
	unsigned result = (mxcsr >> MXCSR_ROUNDING_SHIFT & 3) << 8;

	for (size_t i = 0; i < ARRAYSIZE(exceptions); i++)
		if (mxcsr >> MXCSR_MASK_SHIFT & exceptions[i].mxcsr)
			result |= exceptions[i].abstract;
	switch (mxcsr & (MXCSR_FLUSH | MXCSR_DENORMALS_ARE_ZERO)) {
	case MXCSR_FLUSH:
		return result | DN_FLUSH_RESULTS;
	case MXCSR_DENORMALS_ARE_ZERO:
		return result | DN_FLUSH_OPERANDS;
	case MXCSR_FLUSH | MXCSR_DENORMALS_ARE_ZERO:
		return result | _DN_FLUSH;
	}
	return result;
}

static unsigned concrete_control(unsigned abstract, unsigned mxcsr)
{
	mxcsr &= MXCSR_STATUS;
	mxcsr |= (abstract >> 8 & 3) << MXCSR_ROUNDING_SHIFT;
	for (size_t i = 0; i < ARRAYSIZE(exceptions); i++)
		if (abstract & exceptions[i].abstract)
			mxcsr |= exceptions[i].mxcsr << MXCSR_MASK_SHIFT;
	switch (abstract & _MCW_DN) {
	case _DN_FLUSH:
		mxcsr |= MXCSR_FLUSH | MXCSR_DENORMALS_ARE_ZERO;
		break;
	case DN_FLUSH_RESULTS:
		mxcsr |= MXCSR_FLUSH;
		break;
	case DN_FLUSH_OPERANDS:
		mxcsr |= MXCSR_DENORMALS_ARE_ZERO;
		break;
	}
	return mxcsr;
}

unsigned _control87(unsigned value, unsigned mask)
{
	unsigned mxcsr = _mm_getcsr(), control = abstract_control(mxcsr);

	mask &= _MCW_EM | _MCW_RC | _MCW_DN;
	if (mask) {
		control = (control & ~mask) | (value & mask);
		_mm_setcsr(concrete_control(control, mxcsr));
	}
	return control;
}

/* As _control87, but never unmasks denormals. */
unsigned _controlfp(unsigned value, unsigned mask)
{
	return _control87(value, mask & ~(unsigned)_EM_DENORMAL);
}

errno_t _controlfp_s(unsigned *current, unsigned value, unsigned mask)
{
	unsigned control;

	if (mask & ~(unsigned)(_MCW_EM | _MCW_RC | _MCW_DN | _MCW_IC | _MCW_PC)) {
		if (current)
			*current = _controlfp(0, 0);
		return crt_invalid(EINVAL);
	}
	control = _controlfp(value, mask);
	if (current)
		*current = control;
	return 0;
}

void _set_controlfp(unsigned value, unsigned mask)
{
	_controlfp(value, mask);
}

static unsigned abstract_status(unsigned mxcsr)
{
	unsigned result = 0;

	for (size_t i = 0; i < ARRAYSIZE(exceptions); i++)
		if (mxcsr & exceptions[i].mxcsr)
			result |= exceptions[i].abstract;
	return result;
}

unsigned _statusfp(void)
{
	return abstract_status(_mm_getcsr());
}

unsigned _clearfp(void)
{
	unsigned mxcsr = _mm_getcsr();

	_mm_setcsr(mxcsr & ~(unsigned)MXCSR_STATUS);
	return abstract_status(mxcsr);
}

void _fpreset(void)
{
	unsigned short control = X87_DEFAULT;

	__asm__ volatile("fninit; fldcw %0" : : "m"(control));
	_mm_setcsr(MXCSR_DEFAULT);
}

/* SSE2 is always used. */
int crt_set_SSE2_enable(int enable)
{
	(void)enable;
	return 1;
}
