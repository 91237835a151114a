# The lab: its client (labctl), its agent, and the initial file system made of the agent and the
# modules that scripts/setup has unpacked.
LAB := $(B)/lab
LABCTL_SRCS := scripts/labctl/labctl.c scripts/labctl/vm.c scripts/labctl/client.c
AGENT_SRCS := scripts/labctl/agent.c scripts/labctl/machine.c scripts/labctl/session.c scripts/labctl/command.c
LABCTL_OBJS := $(LABCTL_SRCS:%.c=$(B)/obj/%.o)
AGENT_OBJS := $(AGENT_SRCS:%.c=$(B)/obj/%.o)
# Its EPT leg (scripts/test-ept) has an agent of its own.
EPT_AGENT_SRCS := scripts/ept/agent.c scripts/labctl/machine.c
EPT_AGENT_OBJS := $(EPT_AGENT_SRCS:%.c=$(B)/obj/%.o)

$(LABCTL_OBJS) $(sort $(AGENT_OBJS) $(EPT_AGENT_OBJS)): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -g $(WARN) $(DEPFLAGS) -I. -c $< -o $@

$(LAB)/labctl: $(LABCTL_OBJS)
	@mkdir -p $(@D)
	$(CC) $^ -o $@
$(LAB)/lab-agent: $(AGENT_OBJS)
	@mkdir -p $(@D)
	$(CC) -static $^ -o $@
$(B)/ept/agent: $(EPT_AGENT_OBJS)
	@mkdir -p $(@D)
	$(CC) -static $^ -o $@
$(LAB)/initrd: $(LAB)/lab-agent scripts/lab-initrd $(LAB)/vmlinux
	scripts/lab-initrd $(LAB) $@

# The kernel (vmlinux, modules) is unpacked by scripts/setup; without it there is no lab, but all else.
lab: $(LAB)/labctl $(LAB)/lab-agent $(if $(wildcard $(LAB)/vmlinux),$(LAB)/initrd)

-include $(LABCTL_OBJS:.o=.d) $(AGENT_OBJS:.o=.d) $(EPT_AGENT_OBJS:.o=.d)

# Lint looks at the host's code; scripts/setup --dev installs the tools.
LINT_SRCS = $(wildcard ept/*.c pagefile/*.c vmm/*.c host/*.c host/inspect/*.c host/libvirt/*.c scripts/labctl/*.c scripts/ept/*.c)
lint:
	clang-tidy --quiet $(LINT_SRCS) -- -std=gnu17 -I. 2>/dev/null
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --error-exitcode=1 -I. $(LINT_SRCS)
