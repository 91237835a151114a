# The guest kernel: one ELF, build/guest/ntoskrnl.elf.
include guest/ob/build.mk
include guest/io/build.mk

GUEST_SRCS := \
	guest/ke/init.c guest/ke/smp.c guest/ke/trap.c guest/ke/syscall.c guest/ke/sched.c \
	guest/ke/wait.c guest/ke/lock.c guest/ke/dpc.c guest/ke/time.c guest/ke/apic.c \
	guest/ke/fpu.c guest/ke/debugreg.c guest/ke/aslr.c guest/ke/runblock.c guest/ke/print.c guest/ke/bugcheck.c \
	guest/ke/string.c guest/ke/kuser.c guest/ke/kdp.c guest/ke/mminfo.c guest/ke/guard.c guest/ex/pool.c \
	guest/ex/securepool.c guest/ex/protection.c guest/ex/driver.c \
	guest/mm/mminit.c guest/mm/pfn.c guest/mm/contig.c guest/mm/syspte.c guest/mm/space.c guest/mm/hosted.c guest/mm/zerorun.c \
	guest/mm/prot.c guest/mm/commit.c guest/mm/pagefile.c guest/mm/pagein.c guest/mm/store.c guest/rtl/xpress.c guest/mm/fault.c \
	guest/mm/stack.c guest/mm/wset.c guest/mm/writer.c guest/mm/usercopy.c guest/mm/divide.c guest/mm/vad.c \
	guest/mm/alloc.c guest/mm/free.c guest/mm/protect.c guest/mm/query.c guest/mm/ca.c \
	guest/mm/image.c guest/mm/filepage.c guest/mm/view.c guest/mm/section.c guest/mm/mapcalls.c \
	guest/mm/shared.c guest/mm/check.c guest/mm/cfg.c guest/mm/inherit.c \
	guest/mm/debugctl.c \
	guest/mm/extended.c guest/mm/largepage.c guest/mm/nonpaged.c guest/mm/largesect.c guest/mm/wsquery.c guest/mm/awe.c \
	guest/mm/lock.c guest/mm/readwrite.c guest/mm/watch.c guest/mm/reset.c \
	guest/mm/setinfo.c guest/mm/wslimits.c guest/mm/sharing.c guest/mm/known.c \
	guest/ps/process.c guest/ps/thread.c guest/ps/suspend.c guest/ps/start.c guest/ps/except.c guest/ps/calls.c \
	guest/ps/create.c guest/ps/info.c guest/ps/psinfo.c guest/ps/pssetinfo.c guest/ps/threadinfo.c \
	guest/ps/mitigation.c guest/ps/job.c guest/ps/jobinfo.c guest/ps/jobtime.c guest/ps/debug.c guest/ps/debugcalls.c \
	guest/mm/usage.c guest/mm/images.c guest/ps/cpucalls.c guest/ex/harderror.c \
	$(GUEST_OB_SRCS) $(GUEST_IO_SRCS)
GUEST_ASM := guest/ke/boot.S guest/ke/trap.S guest/ke/guard.S guest/ex/vulnerable.S

GUEST_CFLAGS := -std=gnu17 -O2 -g -ffreestanding -fPIE -mcmodel=small -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer -fno-strict-aliasing \
	-fvisibility=hidden -fno-asynchronous-unwind-tables -fcf-protection=none $(WARN) -Wno-missing-prototypes -I.
GUEST_OBJS := $(GUEST_SRCS:%.c=$(B)/obj/%.o) $(GUEST_ASM:%.S=$(B)/obj/%.S.o)

kernel: $(B)/guest/ntoskrnl.elf

$(B)/guest/ntoskrnl.elf: $(GUEST_OBJS) guest/ke/kernel.ld guest/link-kernel $(B)/obj/checkcode
	@mkdir -p $(@D)
	@guest/link-kernel $(B)/obj/checkcode $@ \
		$(CC) -nostdlib -static -no-pie -Wl,-T,guest/ke/kernel.ld -Wl,--build-id=none \
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		$(GUEST_OBJS)

$(B)/obj/checkcode: ept/checkcode.c ept/gadget.c ept/gadget.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARN) -I. ept/checkcode.c ept/gadget.c -o $@

# Kernel modules, build/guest/modules/*.sys: nothing in them may depend on where they are loaded.
MODULES := hello crzero vmcall
kernel: $(MODULES:%=$(B)/guest/modules/%.sys)
$(B)/guest/modules/%.sys: $(B)/obj/guest/modules/%.o guest/modules/module.ld
	@mkdir -p $(@D)
	$(CC) -nostdlib -shared -Wl,-T,guest/modules/module.ld -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,-z,max-page-size=4096 -Wl,-z,norelro -o $@.new $<
	@readelf -rW $@.new | grep -q R_X86 && { echo "$@ has relocations" >&2; exit 1; } || true
	@strip --strip-debug $@.new && mv $@.new $@

$(B)/obj:
	@mkdir -p $@
$(B)/obj/guest/%.o: guest/%.c
	@mkdir -p $(@D)
	@$(CC) $(GUEST_CFLAGS) $(DEPFLAGS) -c -o $@ $<
$(B)/obj/guest/%.S.o: guest/%.S
	@mkdir -p $(@D)
	@$(CC) $(GUEST_CFLAGS) $(DEPFLAGS) -c -o $@ $<

-include $(GUEST_OBJS:.o=.d)
