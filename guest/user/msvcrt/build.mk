# msvcrt.dll: the C library of Win64 programs. It takes system calls from kernel32 and ntdll only;
# of libmingwex it uses Gay's floating-point conversions and long-double mathematics.
MSVCRT_OBJ := $(B)/obj/guest/user/msvcrt
MSVCRT_C := args bessel caltime conio convert ctype cxxthrow environ error exit exp file float format fpu heap \
	locale lock longjmp lowio math mbs memory misc number open path printf process scan scanf seek \
	signal sort startup stat stdio stream strftime string strto terminate thread timezone tmp trig wcs wstdio
MSVCRT_S := setjmp
MSVCRT_OBJS := $(MSVCRT_C:%=$(MSVCRT_OBJ)/%.o) $(MSVCRT_S:%=$(MSVCRT_OBJ)/%.o)
# The headers' functions are ours to define, not to import or to inline.
MSVCRT_CFLAGS := -std=gnu17 -O2 -I. $(WARN) -ffreestanding -fno-builtin \
	-fno-tree-loop-distribute-patterns -Wno-clobbered -D_CRTIMP= -D_SECIMP= -D_CRTBLD -D__CRT__NO_INLINE \
	-D__USE_MINGW_ANSI_STDIO=0 -DMINGW_HAS_SECURE_API=1

$(MSVCRT_OBJ)/%.o: guest/user/msvcrt/%.c
	@mkdir -p $(@D)
	$(MINGW) $(MSVCRT_CFLAGS) $(DEPFLAGS) -c $< -o $@

$(MSVCRT_OBJ)/%.o: guest/user/msvcrt/%.S
	@mkdir -p $(@D)
	$(MINGW) -I. $(DEPFLAGS) -c $< -o $@

# Our own import libraries: their hints are right, so binding needs no search.
MSVCRT_LIBS := $(NTDLL_OBJ)/libntdll.a $(KERNEL32_OBJ)/libkernel32.a
$(B)/guest/system32/msvcrt.dll: $(MSVCRT_OBJS) guest/user/msvcrt/msvcrt.def $(MSVCRT_LIBS)
	@mkdir -p $(@D)
	$(MINGW) -shared -nostdlib -s -o $@ $(MSVCRT_OBJS) guest/user/msvcrt/msvcrt.def \
		-Wl,-e,DllMainCRTStartup,--image-base,0x7ff9c0000000 \
		-lmingwex -lgcc $(MSVCRT_LIBS)

-include $(MSVCRT_OBJS:.o=.d)

dlls: $(B)/guest/system32/msvcrt.dll
