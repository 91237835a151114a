/*
 * The doorbell port: number in EAX, arguments in RDI, RSI, R8, R9, result in RAX. One row a call.
 * Each handler checks all of its arguments before it does anything.
 */
#include <errno.h>
#include <string.h>

#include "vmm/machine.h"
#include "vmm/protect.h"
#include "vmm/virtio.h"

#define ENDS 1 /* a handler's word for: this vCPU does not go on */

static int hc_exit(struct call *c)
{
	struct vm_result r = {.end = VM_END_EXIT, .exit_code = (uint32_t)c->arg[0]};

	vm_set_end(c->vm, &r);
	return ENDS;
}

static int hc_bugcheck(struct call *c)
{
	struct vm_result r = {.end = VM_END_BUGCHECK};
	const void *p = ram_ptr(&c->vm->ram, c->arg[0], sizeof(r.bugcheck), EPT_R);

	if (!p)
		return -EFAULT;
	memcpy(&r.bugcheck, p, sizeof(r.bugcheck));
	r.bugcheck.text[sizeof(r.bugcheck.text) - 1] = 0;
	if (r.bugcheck.nframes > NTMM_BUGCHECK_FRAMES)
		r.bugcheck.nframes = NTMM_BUGCHECK_FRAMES;
	vm_set_end(c->vm, &r);
	return ENDS;
}

static int hc_mark(struct call *c)
{
	if (c->arg[0] >= NTMM_MARK_COUNT)
		return -EINVAL;
	if (c->vm->stats.mark_ns[c->arg[0]] == 0)
		c->vm->stats.mark_ns[c->arg[0]] = vm_now_ns();
	return 0;
}

static int hc_publish(struct call *c)
{
	static const uint64_t least[NTMM_PUBLISH_COUNT] = {
	    [NTMM_PUBLISH_COUNTERS] = sizeof(struct ntmm_counters),
	    [NTMM_PUBLISH_SHARING] = sizeof(struct ntmm_sharing),
	    [NTMM_PUBLISH_LAYOUT] = sizeof(struct ntmm_layout),
	    [NTMM_PUBLISH_MMINFO] = sizeof(uint64_t), /* who reads it looks at its version */
	};
	uint64_t what = c->arg[0], gpa = c->arg[1], bytes = c->arg[2];

	if (what >= NTMM_PUBLISH_COUNT || bytes < least[what])
		return -EINVAL;
	if (!ram_ptr(&c->vm->ram, gpa, bytes, EPT_R))
		return -EFAULT;
	c->vm->published[what] = gpa;
	c->vm->published_bytes[what] = bytes;
	return 0;
}

static int hc_ending(struct call *c)
{
	if (!c->vm->ending) /* once */
		c->vcpu->todo |= TODO_INSPECT;
	c->vm->ending = true;
	return 0;
}

static int hc_pagefile_grow(struct call *c)
{
	uint64_t index = c->arg[0], now;
	int r;

	if (index >= NTMM_MAX_PAGEFILES || !c->vm->pagefile[index])
		return -ENODEV;
	r = pagefile_grow(c->vm->pagefile[index], c->arg[1], &now);
	if (r < 0)
		return r;
	virtio_blk_resized(c->vm->pagefile_dev[index]);
	c->result = now;
	return 0;
}

static int hc_inject(struct call *c)
{
	uint64_t index = c->arg[0];

	if (!c->vm->config.test_faults)
		return -EPERM;
	if (index >= NTMM_MAX_PAGEFILES || !c->vm->pagefile[index])
		return -ENODEV;
	if (c->arg[1] > NTMM_INJECT_ENOSPC)
		return -EINVAL;
	return pagefile_inject(c->vm->pagefile[index], (enum ntmm_inject)c->arg[1], c->arg[2]);
}

static const struct {
	const char *name;
	int (*handler)(struct call *c);
} calls[] = {
    [NTMM_HC_EXIT] = {"exit", hc_exit},
    [NTMM_HC_BUGCHECK] = {"bugcheck", hc_bugcheck},
    [NTMM_HC_MARK] = {"mark", hc_mark},
    [NTMM_HC_PUBLISH] = {"publish", hc_publish},
    [NTMM_HC_PAGEFILE_GROW] = {"pagefile_grow", hc_pagefile_grow},
    [NTMM_HC_INJECT] = {"inject", hc_inject},
    [NTMM_HC_SEAL] = {"seal", hc_seal},
    [NTMM_HC_KDP_WRITE] = {"kdp_write", hc_kdp_write},
    [NTMM_HC_POOL_ALLOC] = {"pool_alloc", hc_pool_alloc},
    [NTMM_HC_POOL_WRITE] = {"pool_write", hc_pool_write},
    [NTMM_HC_POOL_SEAL] = {"pool_seal", hc_pool_seal},
    [NTMM_HC_POOL_FREE] = {"pool_free", hc_pool_free},
    [NTMM_HC_SECTION] = {"section", hc_section},
    [NTMM_HC_SECTION_SEAL] = {"section_seal", hc_section_seal},
    [NTMM_HC_VAULT] = {"vault", hc_vault},
    [NTMM_HC_NOTE] = {"note", hc_note},
    [NTMM_HC_MODULE_LOAD] = {"module_load", hc_module_load},
    [NTMM_HC_MODULE_UNLOAD] = {"module_unload", hc_module_unload},
    [NTMM_HC_ENDING] = {"ending", hc_ending},
};

bool hypercall(struct vcpu *v)
{
	struct kvm_regs *regs = &v->run->s.regs.regs;
	struct call c = {.vm = v->vm, .vcpu = v, .arg = {regs->rdi, regs->rsi, regs->r8, regs->r9}};
	uint32_t number = (uint32_t)regs->rax;
	int r = -ENOSYS;

	if (number < sizeof(calls) / sizeof(calls[0]) && calls[number].handler)
		r = calls[number].handler(&c);
	if (r == ENDS)
		return false;
	regs->rax = r < 0 ? (uint64_t)(int64_t)r : c.result;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return true;
}
