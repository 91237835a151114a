# Objects and handles, executive calls, and the pure logic of mm that also builds on the host.
GUEST_OB_SRCS := guest/mm/vadtree.c guest/mm/pfslots.c \
	guest/mm/pe.c guest/mm/pe_reloc.c guest/mm/pe_export.c guest/mm/pe_guard.c \
	guest/ob/attributes.c guest/ob/calls.c guest/ob/current.c guest/ob/handle.c \
	guest/ob/name.c guest/ob/object.c \
	guest/ex/condition.c guest/ex/create.c guest/ex/event.c guest/ex/mutant.c guest/ex/privilege.c \
	guest/ex/semaphore.c guest/ex/sysinfo.c guest/ex/sysmemory.c guest/ex/sysprocess.c \
	guest/ex/time.c guest/ex/timer.c guest/ex/token.c guest/ex/wait.c
