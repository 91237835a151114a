# ntdll.dll: system calls, loader, exceptions, heap, locks, strings. It imports nothing.
#
# USER_CFLAGS serves all DLLs of this kind: no C library, their own exports not imported. The
# page-size parameter lets GCC read the TEB through gs without warnings. Newer headers say of
# RtlCaptureContext that it returns twice; for ours, which walk the stack, it does not.
USER_CFLAGS := -std=gnu17 -O2 -g -I. $(WARN) -ffreestanding -fno-builtin -fno-strict-aliasing \
	-fno-tree-loop-distribute-patterns -Wno-clobbered -mcx16 --param=min-pagesize=0 \
	-DWINVER=0x0A00 -D_WIN32_WINNT=0x0A00 -DNTDDI_VERSION=0x0A000006 -D_CRTBLD
USER_LDFLAGS := -shared -nostdlib -Wl,--dynamicbase,--high-entropy-va,--nxcompat
SYSTEM32 := $(B)/guest/system32
DLLTOOL := x86_64-w64-mingw32-dlltool
USER_STRIP := x86_64-w64-mingw32-strip

NTDLL_OBJ := $(B)/obj/guest/user/ntdll
NTDLL_C := bitmap crtmem crtnum crtprintf crtstr dbgui env except guard functable heap heapback heaplfh heapwalk \
	ldrapi ldrimport ldrinit ldrmap ldrpe ldrtls locks misc nlscase nlscp path resource rtlstr rtlstr2 status time \
	tls unwind unwindex userstack utf8 vectored waitaddr
NTDLL_S := excasm guardasm stubs
NTDLL_OBJS := $(NTDLL_C:%=$(NTDLL_OBJ)/%.o) $(NTDLL_S:%=$(NTDLL_OBJ)/%.o)

$(NTDLL_OBJ)/%.o: guest/user/ntdll/%.c
	@mkdir -p $(@D)
	$(MINGW) $(USER_CFLAGS) -D_NTSYSTEM_ -D_KERNEL32_ $(DEPFLAGS) -c $< -o $@

$(NTDLL_OBJ)/%.o: guest/user/ntdll/%.S
	@mkdir -p $(@D)
	$(MINGW) -I. $(DEPFLAGS) -c $< -o $@

$(NTDLL_OBJ)/ntdll.def: guest/user/ntdll/ntdll.def guest/include/syscalls.def
	@mkdir -p $(@D)
	cp $< $@
	sed -n 's/^SYSCALL(Nt\([A-Za-z0-9]*\),.*/\tNt\1\n\tZw\1 = Nt\1/p' guest/include/syscalls.def >> $@

$(NTDLL_OBJ)/libntdll.a: $(NTDLL_OBJ)/ntdll.def
	$(DLLTOOL) -m i386:x86-64 -D ntdll.dll -d $< -l $@

$(NTDLL_OBJ)/ntdll.dll: $(NTDLL_OBJS) $(NTDLL_OBJ)/ntdll.def
	$(MINGW) $(USER_LDFLAGS) -o $@ $^ -Wl,-e,0,--image-base,0x7ff9e0000000 -lgcc

# The DLLs are kept with their symbols under obj/, and go into the system folder without.
$(SYSTEM32)/ntdll.dll: $(NTDLL_OBJ)/ntdll.dll
	@mkdir -p $(@D)
	$(USER_STRIP) -o $@ $<

-include $(NTDLL_OBJS:.o=.d)

dlls: $(SYSTEM32)/ntdll.dll
