# The small DLLs beside kernel32: advapi32, user32, psapi, and one source each: bcrypt, shell32, version, ws2_32.
ADVAPI32_OBJ := $(B)/obj/guest/user/advapi32
USER32_OBJ := $(B)/obj/guest/user/user32

$(ADVAPI32_OBJ)/%.o: guest/user/advapi32/%.c
	@mkdir -p $(@D)
	$(MINGW) $(USER_CFLAGS) -D_ADVAPI32_ $(DEPFLAGS) -c $< -o $@

$(USER32_OBJ)/%.o: guest/user/user32/%.c
	@mkdir -p $(@D)
	$(MINGW) $(USER_CFLAGS) -D_USER32_ $(DEPFLAGS) -c $< -o $@

$(SYSTEM32)/advapi32.dll: $(ADVAPI32_OBJ)/advapi32.o $(ADVAPI32_OBJ)/registry.o \
		guest/user/advapi32/advapi32.def \
		$(NTDLL_OBJ)/libntdll.a
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d2000000 -lgcc

$(SYSTEM32)/user32.dll: $(USER32_OBJ)/user32.o $(USER32_OBJ)/chars.o guest/user/user32/user32.def \
		$(KERNEL32_OBJ)/libkernel32.a $(NTDLL_OBJ)/libntdll.a
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d3000000 -lgcc

$(SYSTEM32)/psapi.dll: guest/user/psapi/psapi.def
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d4000000

-include $(ADVAPI32_OBJ)/advapi32.d $(ADVAPI32_OBJ)/registry.d $(USER32_OBJ)/user32.d $(USER32_OBJ)/chars.d

dlls: $(SYSTEM32)/advapi32.dll $(SYSTEM32)/user32.dll $(SYSTEM32)/psapi.dll

# $(1) = DLL, $(2) = its base address, $(3) = objects of libraries it imports from
define small_dll
$(B)/obj/guest/user/$(1)/$(1).o: guest/user/$(1)/$(1).c
	@mkdir -p $$(@D)
	$(MINGW) $(USER_CFLAGS) $$(DEPFLAGS) -c $$< -o $$@
$(SYSTEM32)/$(1).dll: $(B)/obj/guest/user/$(1)/$(1).o guest/user/$(1)/$(1).def $(3) $(NTDLL_OBJ)/libntdll.a
	@mkdir -p $$(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $$@ $$^ -Wl,-e,0,--image-base,$(2) -lgcc
-include $(B)/obj/guest/user/$(1)/$(1).d
dlls: $(SYSTEM32)/$(1).dll
endef
$(eval $(call small_dll,bcrypt,0x7ff9d5000000,$(ADVAPI32_OBJ)/libadvapi32.a))
$(eval $(call small_dll,shell32,0x7ff9d6000000,$(KERNEL32_OBJ)/libkernel32.a))
$(eval $(call small_dll,version,0x7ff9d7000000,$(KERNEL32_OBJ)/libkernel32.a))
$(eval $(call small_dll,ws2_32,0x7ff9d8000000,))
$(ADVAPI32_OBJ)/libadvapi32.a: guest/user/advapi32/advapi32.def
	@mkdir -p $(@D)
	$(DLLTOOL) -m i386:x86-64 -D advapi32.dll -d $< -l $@
