/* Protections: Win32's PAGE_* words, NT's 5-bit codes, the hardware's bits. Tables only. */
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"

/* Of a valid user PTE. HW_WRITE is left to whoever makes it valid: it depends on more than this. */
const u64 mm_prot_bits[32] = {
#define BASE PTE_VALID | PTE_USER | PTE_ACCESSED
#define ROW(base, bits)                                                                    \
	[base] = BASE | (bits), [(base) | MM_NOCACHE] = BASE | (bits) | PTE_PCD | PTE_PWT, \
	[(base) | MM_WRITECOMBINE] = BASE | (bits) | PTE_PWT
    ROW(MM_READONLY, PTE_NX),
    ROW(MM_EXECUTE, 0),
    ROW(MM_EXECUTE_READ, 0),
    ROW(MM_READWRITE, PTE_NX | PTE_WRITE),
    ROW(MM_WRITECOPY, PTE_NX | PTE_COW),
    ROW(MM_EXECUTE_READWRITE, PTE_WRITE),
    ROW(MM_EXECUTE_WRITECOPY, PTE_COW),
#undef ROW
#undef BASE
};

static const u32 base_to_win32[8] = {
    PAGE_NOACCESS,  PAGE_READONLY,  PAGE_EXECUTE,	    PAGE_EXECUTE_READ,
    PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY,
};

u32 mm_make_prot(u32 win32)
{
	u32 base = win32 & 0xff, extra = win32 & ~0xffu;
	u32 code = 0;

	if (extra & ~(PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE))
		return 0;
	while (code < 8 && base_to_win32[code] != base)
		code++;
	if (code == 8)
		return 0;
	if (!code)
		return extra ? 0 : MM_NOACCESS;
	switch (extra) {
	case 0:
		return code;
	case PAGE_GUARD:
		return code | MM_GUARD;
	case PAGE_NOCACHE:
		return code | MM_NOCACHE;
	case PAGE_WRITECOMBINE:
		return code | MM_WRITECOMBINE;
	}
	return 0;
}

u32 mm_win32_prot(u32 code)
{
	u32 w = base_to_win32[MM_BASE(code)];

	if (MM_BASE(code) == 0)
		return PAGE_NOACCESS;
	switch (code & 0x18) {
	case MM_NOCACHE:
		return w | PAGE_NOCACHE;
	case MM_GUARD:
		return w | PAGE_GUARD;
	case MM_WRITECOMBINE:
		return w | PAGE_WRITECOMBINE;
	}
	return w;
}
