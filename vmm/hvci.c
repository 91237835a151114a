/*
 * Level hvci at work: the pool of page tables, the moment its rules come into force, and the
 * hypercalls that change entries and load CR3.
 *
 * A CR3 that changes by KVM_SET_SREGS makes KVM load its own tables for this vCPU anew and flush
 * all that the processor remembers, global translations too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ept/gadget.h"
#include "vmm/protect.h"

#define PAGE	     ((uint64_t)NTMM_PAGE_SIZE)
#define LARGE	     ((uint64_t)NTMM_LARGE_PAGE)
#define LEAST_POOL   LARGE
#define MOST_POOL    (512ull << 20)
#define RAM_SHARE    16u
#define BOOT_MAPPED  0x1000000u /* the kernel's first tables reach no further */
#define CR3_PWT	     (1ull << 3)
#define CR0_NEEDED   0x80010001ull /* PG, WP, PE */
#define CR4_NEEDED   0x00100020ull /* SMEP, PAE */
#define CR4_UNWANTED 0x00021000ull /* LA57, PCIDE */
#define EFER_NEEDED  0x00000c00ull /* NXE, LMA */

int hvci_layout(struct vm *vm, gpa_t top, struct vm_error *err)
{
	const uint64_t low =
	    vm->config.memory < NTMM_PCI_HOLE_START ? vm->config.memory : NTMM_PCI_HOLE_START;
	uint64_t bytes = vm->config.memory / RAM_SHARE & ~(LARGE - 1);
	struct protect *p = vm->prot;
	gpa_t start = (top + LARGE - 1) & ~(LARGE - 1);
	int r;

	bytes = bytes < LEAST_POOL ? LEAST_POOL : bytes > MOST_POOL ? MOST_POOL : bytes;
	if (start >= BOOT_MAPPED || start + bytes > low)
		return vm_fail(err, -ENOMEM, "there is no room for page tables of level hvci");
	p->table_pool = (struct gpa_range){start, start + bytes};
	r = ept_carve(&vm->ram.map, p->table_pool, EPT_TABLES, EPT_R, 0);
	if (r == 0)
		r = ept_carve(&vm->ram.map, (struct gpa_range){0, NTMM_LOW_RAM_END}, EPT_BOOT,
			      EPT_RWX, 0);
	return r ? vm_fail(err, r, "the pool of page tables cannot be set apart") : 0;
}

int hvci_start(struct vm *vm, struct vm_error *err)
{
	struct protect *p = vm->prot;
	const uint64_t pages = (p->table_pool.end - p->table_pool.start) / PAGE;
	const struct elf_image *k = &vm->kernel;
	struct table_page *page = calloc(pages, sizeof(*page));

	if (!page || tables_init(&p->tables, &p->memory, p->table_pool, page) < 0) {
		free(page);
		return vm_fail(err, -ENOMEM, "no memory for %" PRIu64 " page tables", pages);
	}
	p->tables.image_va = k->load[0].vaddr;
	p->tables.image_gpa = k->load[0].paddr;
	p->tables.image_bytes = k->end - k->load[0].paddr;
	p->tables.devices = (struct gpa_range){NTMM_PCI_HOLE_START, NTMM_PCI_HOLE_END};
	p->tables.protected_ = protect_is_protected;
	p->tables.arg = p;
	return 0;
}

void hvci_destroy(struct vm *vm)
{
	free(vm->prot->tables.page);
}

/* ---- the rules come into force ---- */

/* Kernel text, once it has been looked through for what it may not have. */
static bool approve_kernel(struct vm *vm)
{
	const struct elf_image *k = &vm->kernel;
	struct protect *p = vm->prot;

	for (unsigned i = 0; i < k->nloads; i++) {
		const struct elf_load *l = &k->load[i];
		uint8_t *code = ept_at(&p->memory, l->paddr, l->memsz);
		const char *what;
		size_t at;

		if (l->init)
			memset(code, 0, l->memsz);
		if (!l->executable || l->init)
			continue;
		if (gadget_find(code, l->memsz, 0, &at, &what)) {
			vm_set_crash(vm, VM_END_CRASH,
				     "the kernel's code cannot be approved: bytes at 0x%" PRIx64
				     " can be entered as %s",
				     l->vaddr + at, what);
			return false;
		}
		if (tables_approve(&p->tables, l->vaddr, l->paddr, l->memsz) < 0) {
			vm_set_crash(vm, VM_END_CRASH, "too many pieces of kernel code");
			return false;
		}
	}
	return true;
}

/* Is every processor in a state in which page tables decide what is executed? */
static bool check_processors(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		const struct kvm_sregs *s = &vm->vcpu[i].run->s.regs.sregs;

		if ((s->cr0 & CR0_NEEDED) == CR0_NEEDED && (s->cr4 & CR4_NEEDED) == CR4_NEEDED &&
		    !(s->cr4 & CR4_UNWANTED) && (s->efer & EFER_NEEDED) == EFER_NEEDED &&
		    tables_is_root(&vm->prot->tables, s->cr3 & PT_FRAME))
			continue;
		vm_set_crash(
		    vm, VM_END_CRASH,
		    "level hvci cannot be entered: CPU %u has cr0 0x%" PRIx64 ", cr3 0x%" PRIx64
		    ", cr4 0x%" PRIx64 ", efer 0x%" PRIx64 " (it needs SMEP, WP and NX)",
		    i, (uint64_t)s->cr0, (uint64_t)s->cr3, (uint64_t)s->cr4, (uint64_t)s->efer);
		return false;
	}
	return true;
}

/* Memory below 1 MB goes: there a processor begins that gets an INIT and a SIPI, without paging. */
static bool drop_boot_memory(struct vm *vm)
{
	struct ept_map *map = &vm->ram.map;

	for (unsigned i = 0; i < map->count; i++) {
		struct ept_arena *a = &map->arena[i];
		struct kvm_userspace_memory_region r = {.slot = i, .guest_phys_addr = a->gpa.start};

		if (a->kind != EPT_BOOT)
			continue;
		a->rights = (enum ept_rights)0;
		if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0) {
			vm_set_crash(vm, VM_END_CRASH, "KVM does not take boot memory away: %s",
				     strerror(errno));
			return false;
		}
	}
	return true;
}

/* => the world is stopped */
static void forget_translations(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		vm->vcpu[i].run->s.regs.sregs.cr3 ^= CR3_PWT;
		vm->vcpu[i].run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
}

bool hvci_enter(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct protect *p = vm->prot;
	struct table_refusal no;
	bool ok = approve_kernel(vm);

	pthread_mutex_lock(&p->table_lock);
	if (ok && tables_enter(&p->tables, &no) < 0) {
		vm_set_crash(vm, VM_END_CRASH,
			     "level hvci cannot be entered: %s: entry 0x%" PRIx64
			     " for address 0x%" PRIx64,
			     rule_text(no.rule), no.entry, no.has_va ? no.va : 0);
		ok = false;
	}
	ok = ok && check_processors(vm);
	pthread_mutex_unlock(&p->table_lock);
	if (ok) /* what they remember may be from tables that nobody has looked at */
		forget_translations(vm);
	return ok && drop_boot_memory(vm);
}

void hvci_flush(struct vcpu *v)
{
	world_stop(v);
	forget_translations(v->vm);
	world_resume(v);
}

/* ---- hypercalls ---- */

struct tables_call {
	struct vcpu *v;
	uint64_t arg[4];
	struct table_refusal no;
	bool refused;
	gpa_t gpa; /* of the entry, or root */
};

/* => table_lock */
static int change(struct tables_call *c, gpa_t gpa, uint64_t clear, uint64_t set, uint64_t *old)
{
	struct protect *p = c->v->vm->prot;
	int r = tables_change(&p->tables, gpa, clear, set, false, old, &c->no);

	p->table_changes++;
	if (r != -EPERM)
		return r;
	c->refused = true;
	c->gpa = gpa;
	if (c->no.leaf && p->config.rules.action[c->no.rule] <= ACTION_AUDIT)
		r = tables_change(&p->tables, gpa, clear, set, true, old, &c->no);
	return r;
}

static int call_tables(struct tables_call *c)
{
	return tables_system_root(&c->v->vm->prot->tables, c->arg[0]);
}

static int call_root(struct tables_call *c)
{
	return tables_add_root(&c->v->vm->prot->tables, c->arg[0]);
}

static int call_pte(struct tables_call *c)
{
	uint64_t old = 0;
	int r = change(c, c->arg[0], c->arg[1], c->arg[2], &old);

	if (r == 0)
		c->v->run->s.regs.regs.r9 = old;
	return r;
}

/* What the guest says is copied once and looked at then. */
static int call_ptes(struct tables_call *c)
{
	const uint64_t gpa = c->arg[0], n = c->arg[1];
	struct ntmm_pte e[NTMM_PTES], *theirs;
	uint64_t done = 0;
	int r = 0;

	if (n == 0 || n > NTMM_PTES || gpa & (sizeof(gpa) - 1) ||
	    (gpa & (PAGE - 1)) + n * sizeof(e[0]) > PAGE)
		return -EINVAL;
	theirs = ram_ptr(&c->v->vm->ram, gpa, n * sizeof(e[0]), EPT_R | EPT_W);
	if (!theirs)
		return -EFAULT;
	memcpy(e, theirs, n * sizeof(e[0]));
	while (done < n &&
	       (r = change(c, e[done].gpa, e[done].clear, e[done].set, &e[done].old)) == 0)
		done++;
	for (uint64_t i = 0; i < done; i++)
		theirs[i].old = e[i].old;
	return done ? (int)done : r;
}

/* A load of the same tables flushes, too, if CR3 changes at all. */
static int call_cr3(struct tables_call *c)
{
	struct protect *p = c->v->vm->prot;
	struct kvm_run *run = c->v->run;
	__u64 *cr3 = &run->s.regs.sregs.cr3;

	if (!tables_is_root(&p->tables, c->arg[0])) {
		c->no = (struct table_refusal){.rule = RULE_CR3, .entry = c->arg[0]};
		c->refused = true;
		c->gpa = c->arg[0];
		return -EPERM;
	}
	p->cr3_loads++;
	*cr3 = c->arg[0] == (*cr3 & ~CR3_PWT) ? *cr3 ^ CR3_PWT : c->arg[0];
	run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	return 0;
}

static int call_recycle(struct tables_call *c)
{
	const uint64_t gpa = c->arg[0], n = c->arg[1];
	gpa_t page[NTMM_RECYCLE], loaded[VM_MAX_CPUS];
	struct vm *vm = c->v->vm;
	const void *theirs;
	unsigned done;

	if (n == 0 || n > NTMM_RECYCLE)
		return -EINVAL;
	theirs = ram_ptr(&vm->ram, gpa, n * sizeof(page[0]), EPT_R);
	if (!theirs)
		return -EFAULT;
	memcpy(page, theirs, n * sizeof(page[0]));
	for (unsigned i = 0; i < vm->nvcpus; i++)
		loaded[i] = vm->vcpu[i].run->s.regs.sregs.cr3 & PT_FRAME;
	done = tables_recycle(&vm->prot->tables, page, (unsigned)n, loaded, vm->nvcpus);
	forget_translations(vm);
	return (int)done;
}

static const struct {
	int (*handler)(struct tables_call *c);
	bool alone; /* while no other processor runs */
} calls[] = {
    [NTMM_HC_TABLES] = {call_tables, false}, [NTMM_HC_ROOT] = {call_root, false},
    [NTMM_HC_PTE] = {call_pte, false},	     [NTMM_HC_PTES] = {call_ptes, false},
    [NTMM_HC_CR3] = {call_cr3, false},	     [NTMM_HC_RECYCLE] = {call_recycle, true},
};

/* The record of what was refused. => no lock held */
static bool tell(struct tables_call *c)
{
	struct vcpu *v = c->v;
	const enum ept_action action = v->vm->prot->config.rules.action[c->no.rule];
	struct ept_regs regs = vcpu_regs(v);
	struct ept_violation r = {
	    .rule = c->no.rule,
	    .action = action <= ACTION_AUDIT && !c->no.leaf ? ACTION_REFUSE : action,
	    .access = ACCESS_WRITE,
	    .has_gpa = true,
	    .gpa = c->gpa,
	    .has_gva = c->no.has_va,
	    .gva = c->no.va,
	    .bytes = 8,
	    .value = c->no.entry,
	    .target = "page table",
	};
	struct ept_insn insn;

	if (action == ACTION_NONE && c->no.leaf)
		return true;
	insn_at(&v->vm->prot->memory, v->run->s.regs.sregs.cr3, &regs, false, &insn);
	r.rip = insn.rip;
	memcpy(r.insn, insn.text, sizeof(r.insn));
	if (r.rule == RULE_CR3)
		strcpy(r.target, "cr3");
	return violation(v->vm, v, &r);
}

bool hvci_call(struct vcpu *v, bool *more)
{
	struct protect *p = v->vm->prot;
	struct kvm_regs *regs = &v->run->s.regs.regs;
	const uint32_t number = (uint32_t)regs->rax;
	struct tables_call c = {.v = v, .arg = {regs->rdi, regs->rsi, regs->r8, regs->r9}};
	int r;

	if (number >= sizeof(calls) / sizeof(calls[0]) || !calls[number].handler || !hvci_on(v->vm))
		return false;
	if (calls[number].alone)
		world_stop(v);
	pthread_mutex_lock(&p->table_lock);
	r = calls[number].handler(&c);
	pthread_mutex_unlock(&p->table_lock);
	if (calls[number].alone)
		world_resume(v);
	regs->rax = (uint64_t)(int64_t)r;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	*more = !c.refused || tell(&c);
	return true;
}
