# The lab: its client (labctl), its agent, and the initial file system made of the agent and the
# modules that scripts/setup has unpacked.
LAB := $(B)/lab
LABCTL_SRCS := scripts/labctl/labctl.c scripts/labctl/vm.c scripts/labctl/client.c
AGENT_SRCS := scripts/labctl/agent.c scripts/labctl/session.c scripts/labctl/command.c
LABCTL_OBJS := $(LABCTL_SRCS:%.c=$(B)/obj/%.o)
AGENT_OBJS := $(AGENT_SRCS:%.c=$(B)/obj/%.o)

$(LABCTL_OBJS) $(AGENT_OBJS): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -g $(WARN) $(DEPFLAGS) -I. -c $< -o $@

$(LAB)/labctl: $(LABCTL_OBJS)
	@mkdir -p $(@D)
	$(CC) $^ -o $@
$(LAB)/lab-agent: $(AGENT_OBJS)
	@mkdir -p $(@D)
	$(CC) -static $^ -o $@
$(LAB)/initrd: $(LAB)/lab-agent scripts/lab-initrd $(LAB)/vmlinux
	scripts/lab-initrd $(LAB) $@

# The kernel (vmlinux, modules) is unpacked by scripts/setup; without it there is no lab, but all else.
lab: $(LAB)/labctl $(LAB)/lab-agent $(if $(wildcard $(LAB)/vmlinux),$(LAB)/initrd)

-include $(LABCTL_OBJS:.o=.d) $(AGENT_OBJS:.o=.d)
