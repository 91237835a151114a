# Objects and handles, executive calls, and the pure logic of mm that also builds on the host.
GUEST_OB_SRCS := guest/mm/vadtree.c guest/mm/pfslots.c \
	guest/mm/pe.c guest/mm/pe_reloc.c guest/mm/pe_export.c
