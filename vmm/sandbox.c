/*
 * The seccomp filter that every thread lives under once the machine is built: what is left of the
 * kernel's calls is what the vCPU threads, the loop, the pagefile library and the 9P server need.
 * No new program can be started, no socket be made, no memory be made executable. Anything else
 * ends the process.
 *
 * ioctl is limited to those the running machine uses; mmap and mprotect to non-executable memory.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/machine.h"

static const int plain_calls[] = {
    /* vCPUs and threads */
    SCMP_SYS(clone3),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(tgkill),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_getaffinity),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(timerfd_settime),
    /* the loop, console, pagefiles */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(close),
    SCMP_SYS(fallocate),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(getrandom),
    SCMP_SYS(lseek),
    /* 9P: always relative to a share's folder */
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fstatfs),
    SCMP_SYS(getdents64),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdirat),
    SCMP_SYS(linkat),
    SCMP_SYS(symlinkat),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(fchmod),
    SCMP_SYS(utimensat),
    SCMP_SYS(fcntl),
    SCMP_SYS(readlinkat),
    SCMP_SYS(rmdir),
    SCMP_SYS(wait4),
    SCMP_SYS(unlink),
    /* inspectors: who connects to the one socket there is */
    SCMP_SYS(accept4),
    SCMP_SYS(getsockopt),
    SCMP_SYS(geteuid),
};

static const unsigned long ioctls[] = {
    KVM_RUN,
    KVM_SET_GSI_ROUTING,
    KVM_IRQFD,
    KVM_IOEVENTFD,
    KVM_GET_REGS,
    KVM_SET_REGS,
    KVM_GET_SREGS,
    KVM_SET_SREGS,
    KVM_GET_MSRS,
    KVM_SET_USER_MEMORY_REGION,
    KVM_TRANSLATE,
    TCGETS,
    KVM_SET_MSRS,
    KVM_X86_SET_MSR_FILTER,
    KVM_GET_VCPU_EVENTS,
    KVM_SET_VCPU_EVENTS,
};

int sandbox_enter(struct vm *vm, struct vm_error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? 0 : -ENOMEM;

	(void)vm;
	for (size_t i = 0; r == 0 && i < sizeof(plain_calls) / sizeof(plain_calls[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain_calls[i], 0);
	for (size_t i = 0; r == 0 && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return r ? vm_fail(err, r, "the sandbox cannot be entered: %s", strerror(-r)) : 0;
}
