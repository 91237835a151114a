# The small DLLs beside kernel32: advapi32, user32, psapi.
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

$(SYSTEM32)/user32.dll: $(USER32_OBJ)/user32.o guest/user/user32/user32.def $(NTDLL_OBJ)/libntdll.a
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d3000000 -lgcc

$(SYSTEM32)/psapi.dll: guest/user/psapi/psapi.def
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d4000000

-include $(ADVAPI32_OBJ)/advapi32.d $(ADVAPI32_OBJ)/registry.d $(USER32_OBJ)/user32.d

dlls: $(SYSTEM32)/advapi32.dll $(SYSTEM32)/user32.dll $(SYSTEM32)/psapi.dll
