/*
 * NtSystemDebugControl from 0x1100 on: the vault and the secure pool for programs, and, only where
 * the host asks for it (ntmm run --vulnerable), what a kernel driver with a hole offers: reading,
 * writing and executing anything. Structures: guest/abi/vulnerable.h.
 */
#include "guest/ke/cpu.h"
#include "guest/ke/kdp.h"
#include "guest/ke/runblock.h"
#include "guest/ex/driver.h"
#include "guest/ke/thread.h"
#include "guest/io/io.h"
#include "guest/mm/mi.h"
#include "guest/abi/machine.h"
#include "guest/abi/vulnerable.h"

extern const u64 store_forms[], store_forms_end[];
extern u64 ke_idt[], ke_gdt[], syscall_table[];
extern char ke_text_start[], ke_init_end[], ke_rodata_end[], ke_kdp_start[], ke_data_start[];
void vulnerable_read(void *to, const void *from, u64 bytes);
void vulnerable_wrmsr(u32 index, u64 value);

u8 vulnerable_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* named by policies */

static bool vulnerable(void)
{
	return ke_vbs & NTMM_FEATURE_VULNERABLE || runblock_number("vulnerable", 0);
}

static void page_done(struct pageio *io)
{
	KeSetEvent(io->context);
}

/* One page of a pagefile, to or from any frame. */
static NTSTATUS device_transfer(u64 pfn, u64 slot, u64 flags)
{
	static struct pageio io; /* the caller has the only one there is */
	KEVENT done;
	s64 second = -10000000;

	if ((flags >> 8) >= IoPagefileCount())
		return STATUS_INVALID_PARAMETER;
	KeInitializeEvent(&done, DO_EVENT_NOTIFICATION, false);
	io = (struct pageio){.index = (u8)(flags >> 8),
			     .write = flags & 1,
			     .count = 1,
			     .slot = slot,
			     .pfn = {(pfn_t)pfn},
			     .done = page_done,
			     .context = &done,
			     .status = STATUS_SUCCESS};
	IoPagefileSubmit(&io);
	if (KeWaitForSingleObject(&done, KERNEL_MODE, false, &second) == STATUS_TIMEOUT)
		return STATUS_IO_DEVICE_ERROR; /* the device has been stopped */
	return io.status;
}

static u64 place(u64 id)
{
	static void *scratch;

	switch (id) {
	case VULNERABLE_IDT:
		return (u64)ke_idt;
	case VULNERABLE_GDT:
		return (u64)ke_gdt;
	case VULNERABLE_SYSCALLS:
		return (u64)syscall_table;
	case VULNERABLE_TEXT:
		return (u64)ke_text_start;
	case VULNERABLE_TEXT_END:
		return (u64)ke_init_end;
	case VULNERABLE_RODATA:
		return (u64)ke_init_end;
	case VULNERABLE_SCRATCH: /* two pages of pool, no-execute */
		if (!scratch)
			scratch = mm_allocate_system(2, NTMM_USE_SYSTEM_PTE);
		return (u64)scratch;
	case VULNERABLE_CR3:
		return read_cr3();
	case VULNERABLE_KDP:
		return (u64)ke_kdp_start;
	case VULNERABLE_DATA:
		return (u64)ke_data_start;
	case VULNERABLE_CPU:
		return (u64)this_cpu();
	case VULNERABLE_PROCESS:
		return (u64)PsGetCurrentProcess();
	case VULNERABLE_REGION:
		return (u64)vulnerable_page;
	case VULNERABLE_MODULE:
	case VULNERABLE_MODULE_KDP:
		return ExLastModule(id == VULNERABLE_MODULE_KDP);
	case VULNERABLE_SIPI:
		return (u64)apic_init_sipi;
	case VULNERABLE_WRMSR:
		return (u64)vulnerable_wrmsr;
	case VULNERABLE_SYSTEM_CR3:
		return (u64)mm_system_pml4 << PAGE_SHIFT;
	}
	return 0;
}

static NTSTATUS control_vulnerable(struct vulnerable_call *c)
{
	const u64 forms = (u64)(store_forms_end - store_forms);
	u64 args[4] = {c->arg[0], c->arg[1], c->arg[2], c->arg[3]};
	NTSTATUS st = STATUS_SUCCESS;

	switch (c->op) {
	case VULNERABLE_READ:
		if (c->bytes > sizeof(c->data))
			return STATUS_INVALID_PARAMETER;
		c->result =
		    ke_guarded_call((u64)vulnerable_read,
				    (const u64[4]){(u64)c->data, c->address, c->bytes, 0}, &st);
		return st;
	case VULNERABLE_WRITE:
		if (c->bytes > sizeof(c->data))
			return STATUS_INVALID_PARAMETER;
		ke_guarded_call((u64)vulnerable_read,
				(const u64[4]){c->address, (u64)c->data, c->bytes, 0}, &st);
		return st;
	case VULNERABLE_STORE:
		if (c->form >= forms)
			return STATUS_INVALID_PARAMETER;
		c->result = ke_guarded_call(store_forms[c->form],
					    (const u64[4]){c->address, c->arg[0], 0, 0}, &st);
		return st;
	case VULNERABLE_CALL:
		c->result = ke_guarded_call(c->address, args, &st);
		return st;
	case VULNERABLE_PLACE:
		c->result = place(c->address);
		return c->result ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
	case VULNERABLE_FLUSH:
		for (u64 va = c->address & ~(PAGE_SIZE - 1); va < c->address + c->bytes;
		     va += PAGE_SIZE)
			ke_flush_tlb_page((1ul << ke_cpu_count) - 1, va);
		return STATUS_SUCCESS;
	case VULNERABLE_DEVICE:
		return device_transfer(c->address, c->arg[0], c->arg[1]);
	case VULNERABLE_NOTE:
		c->data[NTMM_NOTE_BYTES - 1] = 0;
		if (ke_on_ntmm)
			hypercall(NTMM_HC_NOTE, MmGetPhysicalAddress(c->data), 0, 0, 0);
		return STATUS_SUCCESS;
	case VULNERABLE_HYPERCALL:
		c->result =
		    ke_on_ntmm ? (u64)hypercall(c->form, args[0], args[1], args[2], args[3]) : ~0ul;
		return STATUS_SUCCESS;
	case VULNERABLE_PHYSICAL:
		c->result = MmGetPhysicalAddress((void *)c->address);
		return STATUS_SUCCESS;
	}
	return STATUS_INVALID_PARAMETER;
}

static NTSTATUS control_pool(struct vulnerable_call *c)
{
	void *block = NULL;
	NTSTATUS st;

	switch (c->op) {
	case POOL_ALLOCATE:
		st = ExSecurePoolAllocate(c->bytes, c->arg[0], &block);
		c->result = (u64)block;
		return st;
	case POOL_WRITE:
		if (c->bytes > sizeof(c->data))
			return STATUS_INVALID_PARAMETER;
		return ExSecurePoolWrite((void *)c->address, c->data, c->bytes, c->arg[0]);
	case POOL_SEAL:
		return ExSecurePoolSeal((void *)c->address, c->arg[0]);
	case POOL_FREE:
		return ExSecurePoolFree((void *)c->address, c->arg[0]);
	case POOL_SECTION:
		st = ExAllocateSection(c->bytes, &block);
		c->result = (u64)block;
		return st;
	case POOL_PROTECT_SECTION:
		return MmProtectDriverSection((void *)c->address, c->bytes);
	}
	return STATUS_INVALID_PARAMETER;
}

/* Copies in, does it, copies out: both kinds have the same structure for questions and answers. */
static NTSTATUS control(NTSTATUS (*fn)(struct vulnerable_call *), const void *in, u32 in_bytes,
			void *out, u32 out_bytes, u32 *returned)
{
	struct vulnerable_call *c;
	NTSTATUS st;

	if (in_bytes != sizeof(*c) || out_bytes != sizeof(*c))
		return STATUS_INFO_LENGTH_MISMATCH;
	/* page aligned: what is inside crosses no page before it must */
	c = mm_allocate_system(2, NTMM_USE_SYSTEM_PTE);
	if (!c)
		return STATUS_NO_MEMORY;
	st = copy_from_user(c, in, sizeof(*c));
	if (!st) {
		NTSTATUS copied;

		st = fn(c);
		copied = copy_to_user(out, c, sizeof(*c));
		if (!copied && returned) {
			u32 n = sizeof(*c);

			copied = copy_to_user(returned, &n, 4);
		}
		st = st ? st : copied;
	}
	mm_free_system(c, 2);
	return st;
}

static NTSTATUS control_vault(const void *in, u32 in_bytes, void *out, u32 out_bytes, u32 *returned)
{
	struct ntmm_vault *v;
	s64 result = 0;
	NTSTATUS st;

	if (in_bytes != sizeof(*v) || out_bytes != sizeof(*v))
		return STATUS_INFO_LENGTH_MISMATCH;
	v = mm_allocate_system(1, NTMM_USE_SYSTEM_PTE);
	if (!v)
		return STATUS_NO_MEMORY;
	st = copy_from_user(v, in, sizeof(*v));
	if (!st)
		st = ExVaultCall(v, &result);
	if (!st) {
		if (v->op == NTMM_VAULT_STORE)
			v->handle = (u32)result;
		if (v->op == NTMM_VAULT_UNSEAL)
			v->bytes = (u64)result;
		st = copy_to_user(out, v, sizeof(*v));
	}
	if (!st && returned)
		st = copy_to_user(returned, &(u32){sizeof(*v)}, 4);
	memset(v, 0, sizeof(*v)); /* the kernel keeps nothing of it */
	mm_free_system(v, 1);
	return st;
}

NTSTATUS ExProtectionControl(u32 command, const void *in, u32 in_bytes, void *out, u32 out_bytes,
			     u32 *returned)
{
	switch (command) {
	case DEBUG_VAULT:
		return control_vault(in, in_bytes, out, out_bytes, returned);
	case DEBUG_POOL:
		if (vulnerable())
			return control(control_pool, in, in_bytes, out, out_bytes, returned);
		break;
	case DEBUG_VULNERABLE:
		if (vulnerable())
			return control(control_vulnerable, in, in_bytes, out, out_bytes, returned);
		break;
	}
	return STATUS_INVALID_INFO_CLASS;
}
