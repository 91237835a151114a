/* Deferred procedure calls: one list a CPU, touched with interrupts off, run at DISPATCH_LEVEL. */
#include "guest/ke/thread.h"

void KeInitializeDpc(KDPC *d, dpc_fn *fn, void *context)
{
	list_init(&d->entry);
	d->fn = fn;
	d->context = context;
	d->queued = false;
}

bool KeInsertQueueDpc(KDPC *d)
{
	u64 flags = save_flags();
	bool fresh;

	cli();
	fresh = !atomic_exchange(&d->queued, true);
	if (fresh) {
		KPCR *cpu = this_cpu();

		list_push_back(&cpu->dpcs, &d->entry);
		cpu->dpc_pending = 1;
	}
	if (flags & RFLAGS_IF)
		sti();
	return fresh;
}

void ke_run_dpcs(void)
{
	KPCR *cpu = this_cpu();

	cpu->in_dpc = 1;
	for (;;) {
		struct list *e;
		KDPC *d;

		cli();
		e = list_pop_front(&cpu->dpcs);
		if (!e)
			cpu->dpc_pending = 0;
		sti();
		if (!e)
			break;
		d = CONTAINER_OF(e, KDPC, entry);
		atomic_store(&d->queued, false);
		d->fn(d->context);
	}
	cpu->in_dpc = 0;
}
