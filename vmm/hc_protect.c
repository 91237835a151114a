/*
 * Hypercalls of protected data, the secure pool, sections of modules and the vault. What the guest
 * hands over is copied once, into memory of our own, before anything of it is looked at. What is
 * refused for want of a key or because it is sealed is a violation with a record.
 *
 * => io_lock held
 */
#include <errno.h>
#include <string.h>

#include "vmm/protect.h"

#define COPY_MAX 4096u

static void *backing(struct call *c, gpa_t gpa, uint64_t len)
{
	return ept_at(&c->vm->prot->memory, gpa, len);
}

/* One copy of what the guest says lies there, which it may read itself. */
static int fetch(struct call *c, gpa_t gpa, void *buf, uint64_t len)
{
	const void *p = ram_ptr(&c->vm->ram, gpa, len, EPT_R);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

/* Records a refusal; the event is given out once the lock is free. */
static int refused(struct call *c, int error, gpa_t gpa, const char *what)
{
	if (error == -EACCES || error == -EROFS || error == -EPERM) {
		c->vcpu->refused = what;
		c->vcpu->refused_rule = RULE_HYPERCALL;
		c->vcpu->refused_gpa = gpa;
	}
	return error;
}

int hc_seal(struct call *c)
{
	c->vcpu->todo |= TODO_SEAL;
	return 0;
}

int hc_kdp_write(struct call *c)
{
	uint64_t dst = c->arg[0], len = c->arg[2];
	uint8_t copy[COPY_MAX];
	enum ept_rule rule;
	int r;

	if (len == 0 || len > sizeof(copy))
		return -EINVAL;
	if (!c->vm->prot->has_kdp)
		return -ENODEV;
	if (!kdp_open(&c->vm->prot->kdp, dst, len, &rule))
		return refused(c, -EROFS, dst, "write of sealed data");
	r = fetch(c, c->arg[1], copy, len);
	if (r == 0)
		memcpy(backing(c, dst, len), copy, len);
	return r;
}

int hc_pool_alloc(struct call *c)
{
	gpa_t gpa;
	int r = c->vm->prot->has_kdp
		    ? kdp_alloc(&c->vm->prot->kdp, c->arg[0], c->arg[1], false, &gpa)
		    : -ENODEV;

	if (r == 0)
		c->result = gpa;
	return r;
}

int hc_pool_write(struct call *c)
{
	uint64_t dst = c->arg[0], len = c->arg[2];
	uint8_t copy[COPY_MAX];
	int r;

	if (len == 0 || len > sizeof(copy))
		return -EINVAL;
	r = kdp_may_write(&c->vm->prot->kdp, dst, len, c->arg[3]);
	if (r < 0)
		return refused(c, r, dst, "write to the secure pool");
	r = fetch(c, c->arg[1], copy, len);
	if (r == 0)
		memcpy(backing(c, dst, len), copy, len);
	return r;
}

int hc_pool_seal(struct call *c)
{
	int r = kdp_seal_block(&c->vm->prot->kdp, c->arg[0], c->arg[1]);

	return refused(c, r, c->arg[0], "seal of the secure pool");
}

int hc_pool_free(struct call *c)
{
	uint64_t bytes;
	int r = kdp_free(&c->vm->prot->kdp, c->arg[0], c->arg[1], &bytes);

	if (r == 0)
		memset(backing(c, c->arg[0], bytes), 0, bytes);
	return refused(c, r, c->arg[0], "free of the secure pool");
}

int hc_section(struct call *c)
{
	gpa_t gpa;
	int r =
	    c->vm->prot->has_kdp ? kdp_alloc(&c->vm->prot->kdp, c->arg[0], 0, true, &gpa) : -ENODEV;

	if (r == 0)
		c->result = gpa;
	return r;
}

int hc_section_seal(struct call *c)
{
	return kdp_seal_block(&c->vm->prot->kdp, c->arg[0], c->arg[1]);
}

int hc_vault(struct call *c)
{
	struct ept_vault *v = &c->vm->prot->vault;
	struct ntmm_vault in;
	int r = fetch(c, c->arg[0], &in, sizeof(in));

	if (r < 0)
		return r;
	if (!v->memory)
		return -ENODEV;
	switch (in.op) {
	case NTMM_VAULT_STORE:
		r = vault_store(v, in.data, in.bytes, in.key);
		break;
	case NTMM_VAULT_REPLACE:
		r = vault_replace(v, in.handle, in.key, in.data, in.bytes);
		break;
	case NTMM_VAULT_SEAL:
		r = vault_seal(v, in.handle, in.key);
		break;
	case NTMM_VAULT_UNSEAL: {
		struct ntmm_vault *out = ram_ptr(&c->vm->ram, c->arg[0], sizeof(in), EPT_R | EPT_W);

		if (!out)
			return -EFAULT;
		r = vault_read(v, in.handle, in.key, in.data, sizeof(in.data));
		if (r > 0)
			memcpy(out->data, in.data, (size_t)r);
		break;
	}
	case NTMM_VAULT_ERASE:
		r = vault_erase(v, in.handle, in.key);
		break;
	default:
		return -EINVAL;
	}
	memset(in.data, 0, sizeof(in.data));
	if (r > 0)
		c->result = (uint64_t)r;
	return r < 0 ? refused(c, r, 0, "vault") : 0;
}

int hc_note(struct call *c)
{
	char note[NTMM_NOTE_BYTES];
	int r;

	if (!c->vm->prot->config.vulnerable)
		return -EPERM;
	r = fetch(c, c->arg[0], note, sizeof(note));
	if (r < 0)
		return r;
	note[sizeof(note) - 1] = 0;
	for (char *p = note; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	memcpy(c->vcpu->note, note, sizeof(note));
	c->vcpu->todo |= TODO_NOTE;
	return 0;
}
