/*
 * Kernel modules. The file is copied once out of the guest; hashed, looked through and taken apart
 * here; and its code and constants are put into protected memory, which the guest can read and
 * execute but never write. At kdp any module is let in; at hvci one whose hash is on the list, and
 * whose code cannot be entered as anything that changes control registers.
 *
 * => io_lock held, but for module_release
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ept/gadget.h"
#include "ept/module.h"
#include "vmm/protect.h"

#define KERNEL_HALF (1ull << 63)

static bool on_list(const struct vm_protection *p, const uint8_t hash[VM_HASH])
{
	for (unsigned i = 0; i < p->napproved; i++)
		if (memcmp(p->approved[i], hash, VM_HASH) == 0)
			return true;
	return false;
}

/* Is this module let in? What is against it is recorded when the lock is free. */
static int approve(struct call *c, const uint8_t *file, const struct ntmm_module *m)
{
	static _Thread_local char what[48];
	const struct vm_protection *p = &c->vm->config.protection;
	const enum ept_action action = p->rules.action[RULE_MODULE];
	const struct ntmm_segment *code = &m->segment[0];
	uint8_t hash[VM_HASH];
	const char *gadget;
	size_t at;

	if (!hvci_on(c->vm))
		return 0;
	vm_hash(file, m->file_bytes, hash);
	if (!on_list(p, hash)) {
		int n = snprintf(what, sizeof(what), "module, SHA-256 ");

		for (unsigned i = 0; i < 12; i++)
			n += snprintf(what + n, sizeof(what) - (size_t)n, "%02x", hash[i]);
		snprintf(what + n, sizeof(what) - (size_t)n, "...");
	} else if (gadget_find(file + code->file_offset, code->file_bytes, 0, &at, &gadget)) {
		snprintf(what, sizeof(what), "module, %s at 0x%zx", gadget, at);
	} else {
		return 0;
	}
	if (action == ACTION_NONE)
		return 0;
	c->vcpu->refused = what;
	c->vcpu->refused_gpa = m->file;
	c->vcpu->refused_rule = RULE_MODULE;
	return -EACCES;
}

/* Code and constants into memory of the host's choice; and they may be executed where they belong.
 */
static int place(struct call *c, const uint8_t *file, struct ntmm_module *m)
{
	struct protect *p = c->vm->prot;
	const struct ntmm_segment *code = &m->segment[0];
	uint64_t bytes = module_constant(m), unused;
	uint8_t *memory;
	gpa_t gpa;
	int r;

	if (!protect_on(c->vm) || !p->has_kdp || !atomic_load(&p->sealed))
		return 0;
	r = kdp_alloc(&p->kdp, bytes, 0, true, &gpa);
	if (r < 0)
		return r;
	kdp_seal_block(&p->kdp, gpa, 0);
	memory = ept_at(&p->memory, gpa, bytes);
	memset(memory, 0, bytes);
	for (unsigned i = 0; i < m->segments && !(m->segment[i].flags & NTMM_SEGMENT_W); i++)
		memcpy(memory + m->segment[i].offset, file + m->segment[i].file_offset,
		       m->segment[i].file_bytes);
	r = scan_approve(&p->baseline, &p->memory, m->va, gpa, code->bytes);
	if (r == 0 && hvci_on(c->vm)) {
		pthread_mutex_lock(&p->table_lock);
		r = tables_approve(&p->tables, m->va, gpa, code->bytes);
		pthread_mutex_unlock(&p->table_lock);
	}
	if (r < 0) {
		scan_disapprove(&p->baseline, gpa);
		kdp_release(&p->kdp, gpa, &unused);
		return r; /* never approved: nobody has executed it */
	}
	m->code = gpa;
	return 0;
}

int hc_module_load(struct call *c)
{
	struct ntmm_module m, *theirs = ram_ptr(&c->vm->ram, c->arg[0], sizeof(m), EPT_R | EPT_W);
	const void *file;
	uint8_t *copy;
	int r;

	if (!theirs)
		return -EFAULT;
	memcpy(&m, theirs, sizeof(m));
	if (m.file_bytes == 0 || m.file_bytes > NTMM_MODULE_MOST)
		return -ENOEXEC;
	if (!(m.va & KERNEL_HALF) || m.va & (NTMM_PAGE_SIZE - 1) ||
	    m.va > ~0ull - 2ull * NTMM_MODULE_MOST)
		return -EINVAL;
	file = ram_ptr(&c->vm->ram, m.file, m.file_bytes, EPT_R);
	if (!file)
		return -EFAULT;
	copy = malloc(m.file_bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, file, m.file_bytes);
	m.code = 0;
	r = module_parse(copy, m.file_bytes, &m);
	if (r == 0)
		r = approve(c, copy, &m);
	if (r == 0)
		r = place(c, copy, &m);
	if (r == 0)
		memcpy(theirs, &m, sizeof(m));
	free(copy);
	return r;
}

/* The code of a module that is placed at gpa. */
static bool is_code(const struct protect *p, gpa_t gpa, uint64_t *bytes)
{
	for (unsigned i = 1; i < p->baseline.ncode; i++) /* the first is the kernel's own */
		if (p->baseline.code[i].gpa == gpa && gpa >= p->kdp.static_end) {
			*bytes = p->baseline.code[i].bytes;
			return true;
		}
	return false;
}

int hc_module_unload(struct call *c)
{
	struct protect *p = c->vm->prot;
	uint64_t bytes = 0;
	bool mapped = false;

	if (!atomic_load(&p->sealed) || !is_code(p, c->arg[0], &bytes))
		return -ENOENT;
	if (hvci_on(c->vm)) {
		pthread_mutex_lock(&p->table_lock);
		mapped = tables_maps(&p->tables, c->arg[0], bytes);
		if (!mapped)
			tables_disapprove(&p->tables, c->arg[0]);
		pthread_mutex_unlock(&p->table_lock);
	}
	if (mapped)
		return -EBUSY;
	scan_disapprove(&p->baseline, c->arg[0]);
	c->vcpu->todo |= TODO_RELEASE;
	c->vcpu->released = c->arg[0];
	return 0;
}

/* Only when no processor remembers the code does its memory become something else. */
void module_release(struct vcpu *v)
{
	struct protect *p = v->vm->prot;
	uint64_t bytes;

	if (hvci_on(v->vm)) {
		hvci_flush(v);
		pthread_mutex_lock(&p->table_lock);
		tables_forgotten(&p->tables, v->released);
		pthread_mutex_unlock(&p->table_lock);
	}
	pthread_mutex_lock(&v->vm->io_lock);
	if (kdp_release(&p->kdp, v->released, &bytes) == 0)
		memset(ept_at(&p->memory, v->released, bytes), 0, bytes);
	pthread_mutex_unlock(&v->vm->io_lock);
}
