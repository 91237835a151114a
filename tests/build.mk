# Tests: native Check tests, guest programs (.exe), whole-command tests (tests/cmd, by scripts/test).

# --- Native tests: one program a suite, built with ASan and UBSan -------------------------------
# To add one: its name here, and CHECK_name_SRCS below (tests/unit/test_name.c has
# `Suite *name_suite(void)`; also name what it tests). Optional: CHECK_name_CFLAGS, CHECK_name_LIBS.
CHECK_SUITES := pagefile vadtree pfslots xpress pe ob io virtqueue ept protect tables module clrgc clrgc_life clrgc_memory vmm_queue vmm_elf vmm_pci vmm_p9 vmm_devices vmm_hypercalls vmm_inspect host inspect

CHECK_pagefile_SRCS := tests/unit/test_pagefile.c $(PAGEFILE_SRCS)
CHECK_pagefile_LIBS := $(PAGEFILE_LIBS)

CHECK_vadtree_SRCS := tests/unit/test_vadtree.c guest/mm/vadtree.c
CHECK_pe_SRCS := tests/unit/test_pe.c guest/mm/pe.c guest/mm/pe_reloc.c guest/mm/pe_export.c guest/mm/pe_guard.c
CHECK_ob_SRCS := tests/unit/test_ob.c guest/ob/attributes.c guest/ob/calls.c guest/ob/handle.c \
	guest/ob/name.c guest/ob/object.c
CHECK_pfslots_SRCS := tests/unit/test_pfslots.c guest/mm/pfslots.c
CHECK_xpress_SRCS := tests/unit/test_xpress.c guest/rtl/xpress.c
CHECK_io_SRCS := tests/unit/test_io.c guest/io/names.c guest/io/path.c guest/io/p9wire.c
CHECK_virtqueue_SRCS := tests/unit/test_virtqueue.c guest/io/virtqueue.c

CHECK_ept_SRCS := tests/unit/test_ept.c $(EPT_SRCS)
CHECK_ept_LIBS := $(EPT_LIBS)
CHECK_protect_SRCS := tests/unit/test_protect.c $(EPT_SRCS)
CHECK_protect_LIBS := $(EPT_LIBS)
CHECK_tables_SRCS := tests/unit/test_tables.c $(EPT_SRCS)
CHECK_tables_LIBS := $(EPT_LIBS)
CHECK_module_SRCS := tests/unit/test_module.c ept/module.c
CLRGC_NATIVE := $(patsubst %,guest/user/clrgc/%.c,$(filter-out platform,$(CLRGC_C))) tests/unit/clrgc_platform.c
CHECK_clrgc_SRCS := tests/unit/test_clrgc.c $(CLRGC_NATIVE)
CHECK_clrgc_life_SRCS := tests/unit/test_clrgc_life.c $(CLRGC_NATIVE)
CHECK_clrgc_memory_SRCS := tests/unit/test_clrgc_memory.c $(CLRGC_NATIVE)
CHECK_vmm_queue_SRCS := tests/unit/test_vmm_queue.c vmm/virtqueue.c $(EPT_SRCS)
CHECK_vmm_queue_LIBS := $(EPT_LIBS)
CHECK_vmm_elf_SRCS := tests/unit/test_vmm_elf.c vmm/elf.c
CHECK_vmm_pci_SRCS := tests/unit/test_vmm_pci.c vmm/pci.c vmm/bus.c
CHECK_vmm_p9_SRCS := tests/unit/test_vmm_p9.c vmm/p9.c vmm/p9fs.c vmm/p9ops.c vmm/virtqueue.c $(EPT_SRCS)
CHECK_vmm_p9_LIBS := $(EPT_LIBS)
VMM_MACHINE := tests/unit/vmm_machine.c vmm/virtio_pci.c vmm/virtio_blk.c \
	vmm/virtio_console.c vmm/virtio_9p.c vmm/virtqueue.c vmm/pci.c vmm/bus.c vmm/loop.c \
	vmm/p9.c vmm/p9fs.c vmm/p9ops.c vmm/hypercall.c vmm/hc_protect.c vmm/hvci.c vmm/module.c \
	vmm/hash.c $(EPT_SRCS) $(PAGEFILE_SRCS)
CHECK_vmm_devices_SRCS := tests/unit/test_vmm_devices.c $(VMM_MACHINE)
CHECK_vmm_devices_LIBS := $(PAGEFILE_LIBS) $(EPT_LIBS) $(HASH_LIBS)
CHECK_vmm_hypercalls_SRCS := tests/unit/test_vmm_hypercalls.c $(VMM_MACHINE)
CHECK_vmm_hypercalls_LIBS := $(CHECK_vmm_devices_LIBS)
CHECK_vmm_inspect_SRCS := tests/unit/test_vmm_inspect.c vmm/inspect.c vmm/attach.c vmm/integrity.c \
	vmm/loop.c $(EPT_SRCS)
CHECK_vmm_inspect_LIBS := $(EPT_LIBS)
CHECK_inspect_SRCS := tests/unit/test_inspect.c $(INSPECT_SRCS) host/winargs.c
CHECK_inspect_LIBS := -lcjson
CHECK_host_SRCS := tests/unit/test_host.c host/size.c host/winargs.c host/pe.c host/runblock.c \
	host/json.c host/names.c
CHECK_host_LIBS := -lcjson

CHECK_CFLAGS := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -I.
CHECK_LIBS := -lcheck -lsubunit -lm -lrt -lpthread
CHECK_PROGS := $(CHECK_SUITES:%=$(B)/tests/unit/%)

# $(1) = suite. Objects are apart for each suite, since their flags may differ.
define check_suite
CHECK_$(1)_OBJS := $$(patsubst %.c,$(B)/obj/check/$(1)/%.o,tests/unit/main.c $$(CHECK_$(1)_SRCS))
$$(CHECK_$(1)_OBJS): $(B)/obj/check/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$(CC) $(CHECK_CFLAGS) $(WARN) $$(DEPFLAGS) -DSUITE=$(1)_suite $$(CHECK_$(1)_CFLAGS) -c $$< -o $$@
$(B)/tests/unit/$(1): $$(CHECK_$(1)_OBJS)
	@mkdir -p $$(@D)
	$(CC) -fsanitize=address,undefined $$^ $$(CHECK_$(1)_LIBS) $(CHECK_LIBS) -o $$@
-include $$(CHECK_$(1)_OBJS:.o=.d)
endef
$(foreach suite,$(CHECK_SUITES),$(eval $(call check_suite,$(suite))))

.PHONY: check-progs guest-tests
check-progs: $(CHECK_PROGS)

check: $(CHECK_PROGS)
	scripts/check-includes
	scripts/check-units $(CHECK_PROGS)

# --- Guest programs: Win64 .exe, as a user would build them --------------------------------------
GUEST_C := hello imports args exitcode stdin_echo crash guardpage demand_zero protect threads commit_limit \
	stack inpage_error corrupt hog objects conditions pte_states page_cluster
# The memory calls of ntdll.dll itself:
GUEST_VM := huge_pages sparse vm_extended large_pages awe vm_lock vm_copy write_watch vm_advice working_set large_sections vm_fuzz vm_fuzz_shared vm_stack vm_calls aslr seh vm_counters runtimes
GUEST_C += $(GUEST_VM)
GUEST_C += store spin files pipes pipes_async pool ports debugger compat answers
# Processes and jobs:
GUEST_PROC := proc_create proc_info proc_memory proc_job proc_many proc_orphan proc_stress
GUEST_C += $(GUEST_PROC)
$(foreach test,$(GUEST_PROC),$(eval GUEST_LIBS_$(test) := -lntdll -lpsapi))
# Sections, views, images:
GUEST_SECT := inspect proc_views sect_create sect_views sect_files mapped sharing seeds proc_returns known_dlls rerun
GUEST_C += $(GUEST_SECT)
$(foreach test,$(GUEST_SECT),$(eval GUEST_LIBS_$(test) := -lntdll -lpsapi))
# The managed heap (clrgc.dll):
GUEST_GC := gc_generations gc_memory gc_stress gc_fuzz
GUEST_C += $(GUEST_GC)
$(foreach test,$(GUEST_GC),$(eval GUEST_LIBS_$(test) := $(CLRGC_OBJ)/libclrgc.a -lpsapi))
$(GUEST_GC:%=$(B)/tests/guest/%.exe): $(CLRGC_OBJ)/libclrgc.a
# The C library (in a folder of their own: crt/stdio.exe):
GUEST_CRT := env exit jump lowio math memory printf process scanf sort stdio streamfuzz string strto thread time
GUEST_C += $(GUEST_CRT:%=crt/%)
GUEST_CXX := cxx filesystem
$(foreach test,$(GUEST_VM),$(eval GUEST_LIBS_$(test) := -lntdll))
GUEST_LIBS_vm_counters := -lntdll -lpsapi
GUEST_LIBS_inpage_error := -lntdll
GUEST_LIBS_pipes_async := -lntdll
GUEST_LIBS_ports := -lntdll
GUEST_LIBS_debugger := -lntdll
GUEST_LIBS_compat := -lntdll
GUEST_LIBS_answers := -lntdll -lpsapi
GUEST_LIBS_corrupt := -lntdll
GUEST_LIBS_objects := -lntdll
GUEST_LIBS_pte_states := -lntdll
GUEST_LIBS_page_cluster := -lntdll
GUEST_EXES := $(GUEST_C:%=$(B)/tests/guest/%.exe) $(GUEST_CXX:%=$(B)/tests/guest/%.exe)
GUEST_EXES += $(B)/tests/guest/ends_with_7.exe $(B)/tests/guest/ends_with_8.exe

guest-tests: $(GUEST_EXES)
$(GUEST_C:%=$(B)/tests/guest/%.exe): $(B)/tests/guest/%.exe: tests/guest/%.c
	@mkdir -p $(@D)
	$(MINGW) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -MF $(@:.exe=.d) -I. $< $(GUEST_LIBS_$*) -o $@
$(GUEST_CXX:%=$(B)/tests/guest/%.exe): $(B)/tests/guest/%.exe: tests/guest/%.cpp
	@mkdir -p $(@D)
	$(MINGW:gcc=g++) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -MF $(@:.exe=.d) -I. $< -static -o $@
# One program, but for a number in it:
$(B)/tests/guest/ends_with_%.exe: tests/guest/ends_with.c
	@mkdir -p $(@D)
	$(MINGW) -O2 -Wall -Wextra -Werror -nostdlib -e start -DEND_CODE=$* $< -lkernel32 -o $@
# Two DLLs that import each other, and a program that imports one when it is first called.
IMG := $(B)/tests/guest
DLLTOOL := $(MINGW:gcc=dlltool)
$(IMG)/lib%.a: tests/guest/%.def
	@mkdir -p $(@D)
	$(DLLTOOL) -d $< -l $@ -y $(@:.a=_delay.a)
$(IMG)/img_one.res.o: tests/guest/img_one.rc
	@mkdir -p $(@D)
	$(MINGW:gcc=windres) $< $@
$(IMG)/img_one.dll: tests/guest/img_dll.c tests/guest/img_one.def $(IMG)/img_one.res.o $(IMG)/libimg_two.a
	$(MINGW) -shared -O2 -Wall -Wextra -Werror $< tests/guest/img_one.def $(IMG)/img_one.res.o $(IMG)/libimg_two.a -o $@
$(IMG)/img_two.dll: tests/guest/img_dll.c tests/guest/img_two.def $(IMG)/libimg_one.a
	$(MINGW) -shared -O2 -Wall -Wextra -Werror -DTWO $< tests/guest/img_two.def $(IMG)/libimg_one.a -o $@
$(IMG)/img_load.exe: tests/guest/img_load.c $(IMG)/libimg_one.a $(IMG)/img_one.dll $(IMG)/img_two.dll
	$(MINGW) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -MF $(@:.exe=.d) -I. $< $(IMG)/libimg_one_delay.a \
		-lntdll -ldelayimp -o $@
# The same program for 2 GB of address space. ld has no option for that: IMAGE_FILE_LARGE_ADDRESS_AWARE
# (0x20) is taken out of the header, whose Characteristics ld puts at 0x96.
$(IMG)/seeds_2gb.exe: tests/guest/seeds.c
	@mkdir -p $(@D)
	$(MINGW) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -MF $(@:.exe=.d) -I. $< -lntdll -lpsapi \
		-Wl,--image-base,0x400000 -o $@
	old=$$(od -An -tu1 -j150 -N1 $@); printf "\\$$(printf %o $$((old & ~32)))" | \
		dd of=$@ bs=1 seek=150 conv=notrunc status=none
# Control Flow Guard: the same program with and without it.
$(IMG)/cfg_off.exe: tests/guest/cfg.c
	@mkdir -p $(@D)
	$(MINGW) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -MF $(@:.exe=.d) -I. $< -lntdll -lpsapi -o $@
$(IMG)/cfg.exe: $(IMG)/cfg_off.exe tests/guest/guard-header
	cp $< $@
	tests/guest/guard-header $@ $(MINGW:gcc=nm)
GUEST_EXES += $(IMG)/img_load.exe $(IMG)/seeds_2gb.exe $(IMG)/cfg.exe $(IMG)/cfg_off.exe
guest-tests: $(IMG)/img_load.exe $(IMG)/seeds_2gb.exe $(IMG)/cfg.exe $(IMG)/cfg_off.exe
-include $(GUEST_EXES:.exe=.d)

# --- A native program of tests/cmd/lab.sh ---------------------------------------------------------
guest-tests: $(B)/tests/halts
$(B)/tests/halts: tests/cmd/halts.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARN) $< -o $@

# --- Attacks: one program, many attacks (tests/attacks, tests/policies) --------------------------
ATTACK_SRCS := $(wildcard tests/attacks/*.c)
ATTACK_OBJS := $(ATTACK_SRCS:%.c=$(B)/obj/%.o)
guest-tests: $(B)/tests/attack.exe
$(ATTACK_OBJS): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(MINGW) -O2 -Wall -Wextra -Werror $(DEPFLAGS) -I. -c $< -o $@
$(B)/tests/attack.exe: $(ATTACK_OBJS)
	@mkdir -p $(@D)
	$(MINGW) $^ -lntdll -o $@
# The modules beside it: as they are, and one that nobody approves.
guest-tests: $(B)/tests/hello.sys $(B)/tests/crzero.sys $(B)/tests/vmcall.sys $(B)/tests/changed.sys
$(B)/tests/%.sys: $(B)/guest/modules/%.sys
	@mkdir -p $(@D)
	cp $< $@
$(B)/tests/changed.sys: $(B)/guest/modules/hello.sys
	@mkdir -p $(@D)
	cp $< $@ && printf x >>$@
-include $(ATTACK_OBJS:.o=.d)
