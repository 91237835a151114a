/* Three bytes decide: the opcode's two and ModRM. */
#include "ept/gadget.h"

enum operand { ANY, MEMORY, REGISTER };
static const struct {
	uint8_t opcode, reg;
	enum operand operand;
	const char *name;
} rows[] = {
    {0x22, 0, ANY, "mov to cr0"},  {0x22, 3, ANY, "mov to cr3"}, {0x22, 4, ANY, "mov to cr4"},
    {0x01, 2, MEMORY, "lgdt"},	   {0x01, 3, MEMORY, "lidt"},	 {0x01, 3, REGISTER, "svm"},
    {0x01, 6, ANY, "lmsw"},	   {0x00, 2, ANY, "lldt"},	 {0x00, 3, ANY, "ltr"},
    {0x01, 0, REGISTER, "vmcall"},
};

bool gadget_find(const uint8_t *code, size_t bytes, size_t from, size_t *offset, const char **name)
{
	for (size_t i = from; i + 1 < bytes; i++) {
		const uint8_t modrm = i + 2 < bytes ? code[i + 2] : 0;
		const enum operand operand = modrm >= 0xc0 ? REGISTER : MEMORY;

		if (code[i] != 0x0f)
			continue;
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			if (code[i + 1] == rows[k].opcode && (modrm >> 3 & 7) == rows[k].reg &&
			    (rows[k].operand == ANY || rows[k].operand == operand)) {
				*offset = i;
				*name = rows[k].name;
				return true;
			}
	}
	return false;
}
