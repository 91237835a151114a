# kernel32.dll, and kernelbase.dll: the same functions under the name that API sets lead to.
KERNEL32_OBJ := $(B)/obj/guest/user/kernel32
KERNEL32_C := actctx atom base codepage collate completion console create debug dlldir env error fiber file fileinfo find format heapapi lfile link locale lstr memory misc \
	modlist module path patha pipe pool poolgroup poolio pooltimer poolwait process profile profilea psapi search section sync sysinfo thread time timezone toolhelp topology volume
KERNEL32_OBJS := $(KERNEL32_C:%=$(KERNEL32_OBJ)/%.o) $(KERNEL32_OBJ)/fiberasm.o
KERNEL32_DEF := guest/user/kernel32/kernel32.def

$(KERNEL32_OBJ)/%.o: guest/user/kernel32/%.c
	@mkdir -p $(@D)
	$(MINGW) $(USER_CFLAGS) -D_KERNEL32_ $(DEPFLAGS) -c $< -o $@

$(KERNEL32_OBJ)/%.o: guest/user/kernel32/%.S
	@mkdir -p $(@D)
	$(MINGW) -I. $(DEPFLAGS) -c $< -o $@

$(KERNEL32_OBJ)/kernel32.dll: $(KERNEL32_OBJS) $(KERNEL32_DEF) $(NTDLL_OBJ)/libntdll.a
	$(MINGW) $(USER_LDFLAGS) -o $@ $(KERNEL32_OBJS) $(KERNEL32_DEF) \
		-Wl,-e,DllMain,--image-base,0x7ff9d0000000 $(NTDLL_OBJ)/libntdll.a -lgcc

$(KERNEL32_OBJ)/libkernel32.a: $(KERNEL32_DEF)
	@mkdir -p $(@D)
	$(DLLTOOL) -m i386:x86-64 -D kernel32.dll -d $< -l $@

$(SYSTEM32)/kernel32.dll: $(KERNEL32_OBJ)/kernel32.dll
	@mkdir -p $(@D)
	$(USER_STRIP) -o $@ $<

# Every export of kernel32 that is not a forwarder already, as a forwarder.
$(KERNEL32_OBJ)/kernelbase.def: $(KERNEL32_DEF)
	@mkdir -p $(@D)
	sed -e 's/^LIBRARY.*/LIBRARY kernelbase.dll/' -e '/= ntdll\./b' \
		-e 's/^\t\([A-Za-z0-9_]*\).*/\t\1 = kernel32.\1/' $< > $@

$(SYSTEM32)/kernelbase.dll: $(KERNEL32_OBJ)/kernelbase.def
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $< -Wl,-e,0,--image-base,0x7ff9d1000000

-include $(KERNEL32_OBJS:.o=.d)

dlls: $(SYSTEM32)/kernel32.dll $(SYSTEM32)/kernelbase.dll
