# The ntmm command: host/ over vmm/, ept/ and pagefile/.
EPT_SRCS := ept/map.c ept/walk.c ept/insn.c ept/rules.c ept/kdp.c ept/vault.c ept/scan.c ept/tables.c ept/gadget.c ept/module.c
EPT_LIBS := -lZydis -lxxhash
HASH_LIBS := -lcrypto
VMM_SRCS := vmm/boot.c vmm/bus.c vmm/cpuid.c vmm/elf.c vmm/exit.c vmm/hypercall.c vmm/loop.c vmm/memory.c \
	vmm/msi.c vmm/p9.c vmm/p9fs.c vmm/p9ops.c vmm/pci.c vmm/probe.c vmm/sandbox.c vmm/serial.c vmm/vcpu.c \
	vmm/virtio_9p.c vmm/virtio_blk.c vmm/virtio_console.c vmm/virtio_pci.c vmm/virtqueue.c \
	vmm/vm.c vmm/inspect.c vmm/attach.c vmm/protect.c vmm/violate.c vmm/integrity.c vmm/hc_protect.c vmm/hvci.c vmm/module.c vmm/hash.c
VMM_ASM := vmm/probe_guest.S
INSPECT_SRCS := host/inspect/look.c host/inspect/objects.c host/inspect/vads.c host/inspect/frames.c \
	host/inspect/doc.c host/inspect/view.c host/inspect/regions.c host/inspect/view_process.c \
	host/inspect/view_vmmap.c host/inspect/view_ram.c host/inspect/view_counters.c host/inspect/view_entry.c
HOST_SRCS := host/approve.c host/cmd_libvirt.c host/cmd_run.c host/crash.c host/doctor.c host/drives.c host/events.c host/json.c host/lab.c host/main.c \
	host/names.c host/options.c host/own.c host/pe.c host/policy.c host/policytest.c host/policytable.c host/program.c host/report.c host/runblock.c host/size.c \
	host/tempdir.c host/winargs.c host/inspect/command.c $(INSPECT_SRCS)

HOST_C_OBJS := $(patsubst %.c,$(B)/obj/%.o,$(EPT_SRCS) $(VMM_SRCS) $(HOST_SRCS))
HOST_S_OBJS := $(VMM_ASM:%.S=$(B)/obj/%.o)
HOST_OBJS := $(HOST_C_OBJS) $(HOST_S_OBJS)
HOST_LIBS := $(PAGEFILE_LIBS) $(EPT_LIBS) $(HASH_LIBS) -lseccomp -lcjson -lyaml -lm

# Carries a machine of libvirt's; built where libvirt-dev is there.
HAVE_LIBVIRT := $(wildcard /usr/include/libvirt/libvirt.h)
HOST_PROGRAMS := $(B)/ntmm $(if $(HAVE_LIBVIRT),$(B)/ntmm-libvirt)
host: $(HOST_PROGRAMS)

$(B)/ntmm-libvirt: host/libvirt/main.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -g $(WARN) $< -lvirt -o $@

$(HOST_C_OBJS): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -g $(WARN) $(DEPFLAGS) -I. -c $< -o $@

$(HOST_S_OBJS): $(B)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(CC) -g $(DEPFLAGS) -I. -c $< -o $@

$(B)/ntmm: $(HOST_OBJS) $(PAGEFILE_OBJS)
	@mkdir -p $(@D)
	$(CC) $^ $(HOST_LIBS) -o $@

-include $(HOST_OBJS:.o=.d)

# DESTDIR and PREFIX as usual. The lab goes along when it has been built.
PREFIX ?= /usr/local
LIBDIR = $(DESTDIR)$(PREFIX)/lib/ntmm
install: all
	install -D $(B)/ntmm $(DESTDIR)$(PREFIX)/bin/ntmm
	$(if $(HAVE_LIBVIRT),install -D $(B)/ntmm-libvirt $(LIBDIR)/ntmm-libvirt)
	install -D -m 644 host/ntmm.1 $(DESTDIR)$(PREFIX)/share/man/man1/ntmm.1
	install -D -m 644 $(B)/guest/ntoskrnl.elf $(LIBDIR)/ntoskrnl.elf
	install -d $(LIBDIR)/system32
	install -m 644 $(B)/guest/system32/*.dll $(LIBDIR)/system32/
	install -D -m 644 -t $(LIBDIR)/include guest/user/clrgc/clrgc.h
	install -D -m 644 -t $(LIBDIR)/lib $(CLRGC_OBJ)/libclrgc.a
	if [ -x $(B)/lab/labctl ]; then \
		install -D scripts/lab $(LIBDIR)/scripts/lab && \
		install -D -t $(LIBDIR)/build/lab $(B)/lab/labctl && \
		install -D -m 644 -t $(LIBDIR)/build/lab $(B)/lab/initrd $(B)/lab/vmlinux; fi
