# clrgc.dll: the managed heap. Programs include guest/user/clrgc/clrgc.h and link libclrgc.a.
CLRGC_OBJ := $(B)/obj/guest/user/clrgc
CLRGC_C := alloc background card collect compact finalize freelist handle heap induce mark plan platform \
	region relocate thread tune vector verify
CLRGC_OBJS := $(CLRGC_C:%=$(CLRGC_OBJ)/%.o)
CLRGC_DEF := guest/user/clrgc/clrgc.def

$(CLRGC_OBJ)/%.o: guest/user/clrgc/%.c
	@mkdir -p $(@D)
	$(MINGW) $(USER_CFLAGS) $(DEPFLAGS) -c $< -o $@

$(CLRGC_OBJ)/libclrgc.a: $(CLRGC_DEF)
	@mkdir -p $(@D)
	$(DLLTOOL) -m i386:x86-64 -D clrgc.dll -d $< -l $@

$(SYSTEM32)/clrgc.dll: $(CLRGC_OBJS) $(CLRGC_DEF) $(KERNEL32_OBJ)/libkernel32.a $(NTDLL_OBJ)/libntdll.a
	@mkdir -p $(@D)
	$(MINGW) $(USER_LDFLAGS) -s -o $@ $^ -Wl,-e,0,--image-base,0x7ff9d5000000 -lgcc

-include $(CLRGC_OBJS:.o=.d)

dlls: $(SYSTEM32)/clrgc.dll $(CLRGC_OBJ)/libclrgc.a
