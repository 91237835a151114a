/*
 * Violations at an instruction: the record, and the action.
 *
 * A store to a read-only slot arrives as an MMIO exit when KVM has carried out all of the
 * instruction but the store, in pieces of at most 8 bytes. Finishing it here (KVM_RUN with
 * immediate_exit) collects the pieces and leaves registers as after the instruction:
 *   audit   the pieces are written to memory, the guest goes on behind the instruction
 *   refuse  nothing is written; the registers are taken back to before the instruction (ept/insn)
 *           and an exception is raised there
 *   stop    the machine ends
 * A load from absent memory is the same, but that the instruction has not happened yet; refused, it
 * finds zeroes (a string instruction has copied those), and then is as if it had not begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/protect.h"

#define MAX_PIECES	   32	      /* kept */
#define MAX_ROUNDS	   (1u << 20) /* KVM does a whole REP MOVS from absent memory at once */
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define KERNEL_HALF	   (1ull << 63)

enum { VECTOR_DF = 8, VECTOR_GP = 13, VECTOR_PF = 14 };

/* ---- the record ---- */

struct ept_regs vcpu_regs(const struct vcpu *v)
{
	const struct kvm_regs *r = &v->run->s.regs.regs;
	const struct kvm_sregs *s = &v->run->s.regs.sregs;

	return (struct ept_regs){
	    .gpr = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi, r->r8, r->r9,
		    r->r10, r->r11, r->r12, r->r13, r->r14, r->r15},
	    .rip = r->rip,
	    .rflags = r->rflags,
	    .fs_base = s->fs.base,
	    .gs_base = s->gs.base,
	};
}

static void to_kvm(const struct ept_regs *from, struct kvm_regs *r)
{
	const uint64_t *g = from->gpr;

	*r = (struct kvm_regs){.rax = g[0],
			       .rcx = g[1],
			       .rdx = g[2],
			       .rbx = g[3],
			       .rsp = g[4],
			       .rbp = g[5],
			       .rsi = g[6],
			       .rdi = g[7],
			       .r8 = g[8],
			       .r9 = g[9],
			       .r10 = g[10],
			       .r11 = g[11],
			       .r12 = g[12],
			       .r13 = g[13],
			       .r14 = g[14],
			       .r15 = g[15],
			       .rip = from->rip,
			       .rflags = from->rflags};
}

static unsigned cpl(const struct vcpu *v)
{
	return v->run->s.regs.sregs.cs.selector & 3;
}

/* Which process: the kernel has told where it keeps its number and name. What it says is shown as
 * it is, if it can be printed. */
static void name_process(struct vm *vm, struct vcpu *v, struct ept_violation *r)
{
	const struct ept_memory *m = &vm->prot->memory;
	const struct kvm_sregs *s = &v->run->s.regs.sregs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = {{.nmsrs = 1}, {.index = MSR_KERNEL_GS_BASE}};
	uint64_t cpu = s->gs.base, process;
	struct ntmm_layout l;
	const void *p;

	if (vm->published_bytes[NTMM_PUBLISH_LAYOUT] == 0)
		return;
	p = ept_at(m, vm->published[NTMM_PUBLISH_LAYOUT], sizeof(l));
	if (!p)
		return;
	memcpy(&l, p, sizeof(l));
	if (!(cpu & KERNEL_HALF) && ioctl(v->fd, KVM_GET_MSRS, &msr) == 1)
		cpu = msr.entry.data;
	if (ept_read_virtual(m, s->cr3, cpu + l.cpu_process, &process, 8) != 8 ||
	    ept_read_virtual(m, s->cr3, process + l.process_pid, &r->pid, 4) != 4 ||
	    ept_read_virtual(m, s->cr3, process + l.process_name, r->process, sizeof(r->process)) !=
		sizeof(r->process))
		return;
	r->process[sizeof(r->process) - 1] = 0;
	for (char *c = r->process; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* What lies at a guest-physical address of the kernel's image, by the symbol table. */
static void name_target(struct vm *vm, struct ept_violation *r)
{
	const struct elf_image *k = &vm->kernel;
	const char *name;
	uint64_t offset, va;

	if (r->target[0] || !r->has_gpa)
		return;
	va = r->gpa - k->load[0].paddr + k->load[0].vaddr;
	if (elf_object(k, va, &name, &offset) || elf_symbol(k, va, &name, &offset))
		snprintf(r->target, sizeof(r->target), offset ? "%.38s+0x%" PRIx64 : "%.47s", name,
			 offset);
}

static bool same(const struct ept_violation *a, const struct ept_violation *b)
{
	return a->rule == b->rule && a->rip == b->rip && a->cr3 == b->cr3 && a->cpu == b->cpu &&
	       a->action == b->action && strcmp(a->note, b->note) == 0 && a->rip != 0;
}

static void give(struct protect *p, const struct ept_violation *r)
{
	if (p->config.event)
		p->config.event(p->config.event_arg, r);
}

void violations_flush(struct vm *vm)
{
	struct protect *p = vm->prot;

	pthread_mutex_lock(&p->event_lock);
	if (p->has_last && p->last.repeated)
		give(p, &p->last);
	p->has_last = false;
	pthread_mutex_unlock(&p->event_lock);
}

static void record(struct protect *p, const struct ept_violation *r)
{
	pthread_mutex_lock(&p->event_lock);
	p->violations++;
	if (p->has_last && same(&p->last, r)) {
		p->last.repeated++;
	} else {
		if (p->has_last && p->last.repeated)
			give(p, &p->last);
		p->last = *r;
		p->has_last = true;
		give(p, r);
	}
	pthread_mutex_unlock(&p->event_lock);
}

bool violation(struct vm *vm, struct vcpu *v, struct ept_violation *r)
{
	struct protect *p = vm->prot;

	r->ns = vm_now_ns() - vm->stats.start_ns;
	if (v) {
		r->cpu = v->id;
		r->cr3 = v->run->s.regs.sregs.cr3;
		if (r->rip && !r->symbol[0])
			vm_symbol(vm, r->rip, r->symbol, sizeof(r->symbol));
		name_process(vm, v, r);
	}
	name_target(vm, r);
	memcpy(r->note, p->note, sizeof(r->note));
	record(p, r);
	if (r->action != ACTION_STOP)
		return true;
	if (!v) { /* a device: io_lock is held */
		struct vm_result end = {.end = VM_END_VIOLATION};

		snprintf(end.text, sizeof(end.text), "%s: %s", rule_name(r->rule),
			 rule_text(r->rule));
		vm_set_end(vm, &end);
		return false;
	}
	vm_set_crash(vm, VM_END_VIOLATION, "%s: %s%s%s", rule_name(r->rule), rule_text(r->rule),
		     r->target[0] ? " at " : "", r->target);
	return false;
}

bool violation_plain(struct vm *vm, struct vcpu *v, enum ept_rule rule, enum ept_access_kind access,
		     gpa_t gpa, const char *target)
{
	enum ept_action action = vm->prot->config.rules.action[rule];
	struct ept_violation r = {
	    .rule = rule,
	    .action = action == ACTION_STOP ? ACTION_STOP : ACTION_REFUSE,
	    .access = access,
	    .has_gpa = gpa != 0,
	    .gpa = gpa,
	    .rip = v ? v->run->s.regs.regs.rip : 0,
	};

	if (action == ACTION_NONE)
		return true;
	if (target)
		strncpy(r.target, target, sizeof(r.target) - 1);
	return violation(vm, v, &r);
}

/* ---- exceptions ---- */

/* Can the processor put an exception's frame on the kernel's stack? Else it would try for ever. */
static bool stack_is_good(const struct vcpu *v, const struct ept_regs *regs)
{
	const struct ept_arena *a;
	struct ept_leaf l;
	gpa_t gpa;

	if (ept_walk(&v->vm->prot->memory, v->run->s.regs.sregs.cr3, regs->gpr[RSP] - 8, &l) < 0)
		return true; /* the guest's own page fault tells it */
	gpa = l.gpa + ((regs->gpr[RSP] - 8) & (l.bytes - 1));
	a = ept_find(&v->vm->ram.map, gpa);
	return a && !ept_is_protected(a);
}

/* Lets the guest go on at `regs` with an exception there: #PF for the kernel's own addresses, which
 * its handler tells apart, else #GP; #DF, which has a stack of its own, when there is no stack. */
static bool raise(struct vcpu *v, const struct ept_regs *regs, bool has_gva, uint64_t gva,
		  bool write)
{
	struct kvm_sregs sregs = v->run->s.regs.sregs;
	bool pf = cpl(v) == 0 && has_gva && (gva & KERNEL_HALF);
	struct kvm_vcpu_events e;
	struct kvm_regs r;

	to_kvm(regs, &r);
	sregs.cr2 = gva;
	if (ioctl(v->fd, KVM_SET_REGS, &r) < 0 || (pf && ioctl(v->fd, KVM_SET_SREGS, &sregs) < 0) ||
	    ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		goto failed;
	e.exception.injected = 1;
	e.exception.nr = pf ? VECTOR_PF : VECTOR_GP;
	e.exception.has_error_code = 1;
	e.exception.error_code = pf ? (write ? 3 : 1) : 0;
	if (cpl(v) == 0 && !stack_is_good(v, regs)) {
		e.exception.nr = VECTOR_DF;
		e.exception.error_code = 0;
	}
	if (ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e) < 0)
		goto failed;
	return true;
failed:
	vm_set_crash(v->vm, VM_END_CRASH, "an exception cannot be raised on CPU %u: %s", v->id,
		     strerror(errno));
	return false;
}

/* ---- accesses ---- */

static enum ept_rule rule_of(const struct vm *vm, const struct ept_arena *a, gpa_t gpa)
{
	enum ept_rule rule = RULE_KDP;

	switch (a->kind) {
	case EPT_KERNEL_TEXT:
		return RULE_TEXT;
	case EPT_SECURE:
	case EPT_BOOT:
		return RULE_SECURE;
	case EPT_REGION:
		return RULE_REGION;
	default:
		kdp_open(&vm->prot->kdp, gpa, 1, &rule);
		return rule;
	}
}

struct pieces {
	unsigned count;
	struct {
		gpa_t gpa;
		uint32_t len;
		uint8_t data[8];
	} piece[MAX_PIECES];
	bool write;
};

static void take_piece(struct vcpu *v, struct pieces *p, bool perform)
{
	struct kvm_run *run = v->run;
	void *memory = ept_at(&v->vm->prot->memory, run->mmio.phys_addr, run->mmio.len);

	if (p->count < MAX_PIECES) {
		p->piece[p->count].gpa = run->mmio.phys_addr;
		p->piece[p->count].len = run->mmio.len;
		memcpy(p->piece[p->count].data, run->mmio.data, 8);
		p->count++;
	}
	if (run->mmio.is_write) {
		if (perform && memory)
			memcpy(memory, run->mmio.data, run->mmio.len);
	} else if (perform && memory) {
		memcpy(run->mmio.data, memory, run->mmio.len);
	} else {
		memset(run->mmio.data, 0, sizeof(run->mmio.data));
	}
}

/* Runs what KVM has begun to its end, piece by piece. False: it did not end. */
static bool finish(struct vcpu *v, struct pieces *p, bool perform)
{
	struct kvm_run *run = v->run;

	for (unsigned i = 0; i < MAX_ROUNDS; i++) {
		int r;

		run->immediate_exit = 1;
		r = ioctl(v->fd, KVM_RUN, 0);
		run->immediate_exit = 0;
		if (r < 0)
			return errno == EINTR || errno == EAGAIN;
		if (run->exit_reason != KVM_EXIT_MMIO)
			return false;
		take_piece(v, p, perform);
	}
	return false;
}

/* Where the function begins that holds the instruction, for the sweep. */
static uint64_t function_start(struct vm *vm, uint64_t rip)
{
	const char *name;
	uint64_t offset;

	return elf_symbol(&vm->kernel, rip - 1, &name, &offset) ? rip - 1 - offset : 0;
}

static void fill_record(struct vcpu *v, struct ept_violation *r, const struct ept_insn *insn)
{
	r->rip = insn->rip;
	memcpy(r->insn, insn->text, sizeof(r->insn));
	if (insn->length && insn->width) {
		r->has_gva = true;
		r->gva = insn->address;
		r->bytes = insn->width;
	}
	(void)v;
}

static bool caught(struct vcpu *v, const struct ept_arena *a)
{
	struct vm *vm = v->vm;
	struct protect *pr = vm->prot;
	struct kvm_run *run = v->run;
	const enum ept_rule rule = rule_of(vm, a, run->mmio.phys_addr);
	const enum ept_action action = a->kind == EPT_REGION ? pr->config.region[a->tag].action
							     : pr->config.rules.action[rule];
	const bool perform = action == ACTION_AUDIT || action == ACTION_NONE;
	struct pieces pieces = {.write = run->mmio.is_write};
	const struct ept_access access = {
	    .gpa = run->mmio.phys_addr, .bytes = run->mmio.len, .write = run->mmio.is_write};
	struct ept_violation r = {.rule = rule,
				  .action = action,
				  .access = access.write ? ACCESS_WRITE : ACCESS_READ,
				  .has_gpa = true,
				  .gpa = access.gpa,
				  .bytes = access.bytes};
	struct ept_access seen = access;
	struct ept_regs regs, before = vcpu_regs(v);
	uint64_t cr3 = run->s.regs.sregs.cr3;
	struct ept_insn insn;
	bool found;

	if (!access.write)
		found = insn_at(&pr->memory, cr3, &before, false, &insn) == 0;
	take_piece(v, &pieces, perform);
	memcpy(&r.value, pieces.piece[0].data, access.bytes < 8 ? access.bytes : 8);
	if (!finish(v, &pieces, perform)) {
		vm_set_crash(vm, VM_END_VIOLATION, "%s: %s at guest-physical 0x%" PRIx64,
			     rule_name(rule), rule_text(rule), access.gpa);
		return false;
	}
	seen.value = r.value;
	if (access.write) {
		regs = vcpu_regs(v);
		before = regs;
		found = insn_find_store(&pr->memory, cr3, &regs, &seen,
					function_start(vm, regs.rip), &insn, &before) == 0;
	}
	fill_record(v, &r, &insn);
	if (a->kind == EPT_REGION)
		strncpy(r.target, pr->config.region[a->tag].name, sizeof(r.target) - 1);
	if (action != ACTION_NONE && !violation(vm, v, &r))
		return false;
	if (perform)
		return true;
	(void)found;
	return raise(v, &before, r.has_gva, r.gva, access.write);
}

bool protect_mmio(struct vcpu *v, const struct ept_arena *a)
{
	struct kvm_run *run = v->run;
	struct vm *vm = v->vm;
	enum ept_rule rule;
	bool open = false;
	void *memory;

	if (run->mmio.is_write && a->kind == EPT_KDP) {
		pthread_mutex_lock(&vm->io_lock);
		open = kdp_open(&vm->prot->kdp, run->mmio.phys_addr, run->mmio.len, &rule);
		memory = ept_at(&vm->prot->memory, run->mmio.phys_addr, run->mmio.len);
		if (open && memory)
			memcpy(memory, run->mmio.data, run->mmio.len);
		pthread_mutex_unlock(&vm->io_lock);
	}
	return open || caught(v, a);
}

/* The exit shape of backing that the host itself protects: RIP is at the instruction, and nothing
 * of it has happened. Where the address is not told, the instruction's operand says it. */
bool protect_fault(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct protect *pr = vm->prot;
	struct ept_regs regs = vcpu_regs(v);
	const struct ept_arena *a = NULL;
	struct ept_violation r = {.action = ACTION_STOP, .access = ACCESS_WRITE};
	struct ept_insn insn;

	insn_at(&pr->memory, v->run->s.regs.sregs.cr3, &regs, true, &insn);
	fill_record(v, &r, &insn);
	r.has_gpa =
	    r.has_gva && ept_virtual(&pr->memory, v->run->s.regs.sregs.cr3, r.gva, &r.gpa) == 0;
	if (r.has_gpa)
		a = ept_find(&vm->ram.map, r.gpa);
	r.rule = a ? rule_of(vm, a, r.gpa) : RULE_REGION;
	if (a && a->kind != EPT_RAM && pr->config.rules.action[r.rule] == ACTION_REFUSE)
		r.action = ACTION_REFUSE;
	if (!violation(vm, v, &r))
		return false;
	return raise(v, &regs, r.has_gva, r.gva, true);
}

bool protect_wrmsr(struct vcpu *v)
{
	static const struct {
		uint32_t index;
		const char *name;
	} names[] = {{0xc0000080, "EFER"},
		     {0xc0000081, "STAR"},
		     {0xc0000082, "LSTAR"},
		     {0xc0000083, "CSTAR"},
		     {0xc0000084, "FMASK"},
		     {0x174, "SYSENTER_CS"},
		     {0x175, "SYSENTER_ESP"},
		     {0x176, "SYSENTER_EIP"},
		     {0x277, "PAT"},
		     {0x1b, "APIC_BASE"},
		     {0x11, "KVM_WALL_CLOCK"},
		     {0x12, "KVM_SYSTEM_TIME"},
		     {0x4b564d03, "KVM_STEAL_TIME"},
		     {0x40000001, "HV_HYPERCALL"},
		     {0x570, "RTIT_CTL"},
		     {0x560, "RTIT_OUTPUT_BASE"},
		     {0x561, "RTIT_OUTPUT_MASK"}};
	struct kvm_run *run = v->run;
	struct protect *pr = v->vm->prot;
	struct ept_regs regs = vcpu_regs(v);
	struct ept_violation r = {.rule = RULE_MSR,
				  .action = pr->config.rules.action[RULE_MSR],
				  .access = ACCESS_WRITE,
				  .bytes = 8,
				  .value = run->msr.data};
	struct ept_insn insn;

	snprintf(r.target, sizeof(r.target), "MSR 0x%x", run->msr.index);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].index == run->msr.index)
			snprintf(r.target, sizeof(r.target), "%s", names[i].name);
	insn_at(&pr->memory, run->s.regs.sregs.cr3, &regs, true, &insn);
	r.rip = insn.rip;
	memcpy(r.insn, insn.text, sizeof(r.insn));
	if (r.action != ACTION_NONE && !violation(v->vm, v, &r))
		return false;
	run->msr.error = r.action == ACTION_REFUSE;
	if (!run->msr.error) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} m = {{.nmsrs = 1}, {.index = run->msr.index, .data = run->msr.data}};

		run->msr.error = ioctl(v->fd, KVM_SET_MSRS, &m) != 1;
	}
	return true;
}
