/*
 * What the first process of a small Linux with KVM does before anything else: the kernel's file
 * systems, the modules of /modules/list in that order, and a machine that is never run. Both legs
 * of the lab begin with it. What fails is said on standard error, and the rest goes on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scripts/labctl/machine.h"

void machine_say(const char *what, const char *arg)
{
	fprintf(stderr, "lab: %s %s: %s\n", what, arg, strerror(errno));
}

void machine_mount(const char *source, const char *target, const char *type, unsigned long flags,
		   const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options) < 0)
		machine_say("cannot mount", target);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules/list", "re");
	char name[256], path[300];
	while (list && fgets(name, sizeof(name), list)) {
		name[strcspn(name, "\n")] = 0;
		snprintf(path, sizeof(path), "/modules/%s", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			machine_say("cannot load", path);
		close(fd);
	}
	if (list)
		fclose(list);
}

/*
 * Linux writes into its own code when the first machine is made and when the last one goes
 * (preempt_notifier_key, of the scheduler), and when the first virtual processor's APIC is disabled
 * or the last one's enabled (apic_sw_disabled, of KVM). QEMU before 8.1 may translate such code
 * while another processor writes it, and keeps the mixture: the lab then loops at a breakpoint that
 * is not there, or runs something else. A machine with one processor that never runs keeps both
 * switches where they are. Its descriptors live as long as the lab.
 */
static void keep_code_still(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
		machine_say("cannot keep a machine of", "/dev/kvm");
	if (kvm >= 0)
		close(kvm);
}

void machine_set_up(void)
{
	machine_mount("none", "/dev", "devtmpfs", 0, NULL);
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	if (console > 2)
		close(console);
	machine_mount("none", "/proc", "proc", 0, NULL);
	machine_mount("none", "/sys", "sysfs", 0, NULL);
	machine_mount("none", "/dev/pts", "devpts", 0, "ptmxmode=0666,mode=0620");
	machine_mount("none", "/dev/shm", "tmpfs", 0, "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	load_modules();
	chmod("/dev/kvm", 0666);
	keep_code_still();
}
