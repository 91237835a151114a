/*
 * TLS slots (TlsAlloc) and fiber-local slots (FlsAlloc).
 *
 * TLS: 64 slots in the TEB, 1024 more in an array made at a thread's first use; two bitmaps in the
 * PEB. FLS: one array a thread, made at first use and listed in the PEB, so that FlsFree can call
 * the callback for every thread's value.
 * Lock: the PEB lock for the bitmaps, the callback table and the list.
 */
#include "guest/user/ntdll/ntdll.h"

#define FLS_SLOTS 4080

static ULONG more_tls_bits[TLS_EXPANSION / 32];
static RTL_BITMAP tls_bitmap, tls_more_bitmap;

struct fls_data {
	LIST_ENTRY link;
	PVOID slots[FLS_SLOTS];
};

static PFLS_CALLBACK_FUNCTION fls_callbacks[FLS_SLOTS];
static UCHAR fls_used[FLS_SLOTS];
static ULONG fls_high; /* no slot from here on was ever used */

void tls_init_process(void)
{
	PPEB peb = NtCurrentPeb();

	RtlInitializeBitMap(&tls_bitmap, peb->TlsBitmapBits, TLS_SLOTS);
	RtlInitializeBitMap(&tls_more_bitmap, more_tls_bits, TLS_EXPANSION);
	RtlSetBits(&tls_bitmap, 0, 1); /* slot 0 is never given, as on Windows */
	peb->TlsBitmap = &tls_bitmap;
	peb->TlsExpansionBitmap = &tls_more_bitmap;
	InitializeListHead(&peb->FlsListHead);
}

NTSTATUS NTAPI NtmmTlsAlloc(PULONG index)
{
	PTEB teb = NtCurrentTeb();
	NTSTATUS status = STATUS_SUCCESS;

	RtlAcquirePebLock();
	*index = RtlFindClearBitsAndSet(&tls_bitmap, 1, 1);
	if (*index != MAXDWORD) {
		teb->TlsSlots[*index] = NULL;
	} else {
		*index = RtlFindClearBitsAndSet(&tls_more_bitmap, 1, 0);
		if (*index != MAXDWORD) {
			if (teb->TlsExpansionSlots)
				teb->TlsExpansionSlots[*index] = NULL;
			*index += TLS_SLOTS;
		} else {
			status = STATUS_NO_MEMORY;
		}
	}
	RtlReleasePebLock();
	return status;
}

/* Where the calling thread keeps slot `index`; NULL: no such slot or no memory. */
PVOID *NTAPI NtmmTlsSlot(ULONG index, BOOLEAN make)
{
	PTEB teb = NtCurrentTeb();

	if (index < TLS_SLOTS)
		return &teb->TlsSlots[index];
	index -= TLS_SLOTS;
	if (index >= TLS_EXPANSION)
		return NULL;
	if (!teb->TlsExpansionSlots && make)
		teb->TlsExpansionSlots = RtlAllocateHeap(
		    NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, TLS_EXPANSION * sizeof(PVOID));
	return teb->TlsExpansionSlots ? &teb->TlsExpansionSlots[index] : NULL;
}

NTSTATUS NTAPI NtmmTlsFree(ULONG index)
{
	PRTL_BITMAP map = index < TLS_SLOTS ? &tls_bitmap : &tls_more_bitmap;
	ULONG bit = index < TLS_SLOTS ? index : index - TLS_SLOTS;
	NTSTATUS status = STATUS_INVALID_PARAMETER;

	if (bit >= map->SizeOfBitMap)
		return status;
	RtlAcquirePebLock();
	if (RtlAreBitsSet(map, bit, 1)) {
		RtlClearBits(map, bit, 1);
		/* The kernel clears the slot in every thread's TEB. */
		status = NtSetInformationThread(NtCurrentThread(), ThreadZeroTlsCell, &index,
						sizeof(index));
		if (!NT_SUCCESS(status)) {
			PVOID *slot = NtmmTlsSlot(index, FALSE);

			if (slot)
				*slot = NULL;
			status = STATUS_SUCCESS;
		}
	}
	RtlReleasePebLock();
	return status;
}

void tls_end_slots(void)
{
	PTEB teb = NtCurrentTeb();

	if (teb->TlsExpansionSlots)
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, teb->TlsExpansionSlots);
	teb->TlsExpansionSlots = NULL;
}

/* --- fiber-local storage --- */

NTSTATUS NTAPI RtlFlsAlloc(PFLS_CALLBACK_FUNCTION callback, PULONG index)
{
	NTSTATUS status = STATUS_NO_MEMORY;

	RtlAcquirePebLock();
	for (ULONG i = 1; i < FLS_SLOTS; i++) {
		if (fls_used[i])
			continue;
		fls_used[i] = 1;
		fls_callbacks[i] = callback;
		fls_high = max(fls_high, i + 1);
		*index = i;
		status = STATUS_SUCCESS;
		break;
	}
	RtlReleasePebLock();
	return status;
}

NTSTATUS NTAPI RtlFlsSetValue(ULONG index, PVOID value)
{
	PTEB teb = NtCurrentTeb();
	struct fls_data *d = (struct fls_data *)teb->FlsData;

	if (!index || index >= FLS_SLOTS)
		return STATUS_INVALID_PARAMETER;
	if (!d) {
		d = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof(*d));
		if (!d)
			return STATUS_NO_MEMORY;
		RtlAcquirePebLock();
		InsertTailList(&NtCurrentPeb()->FlsListHead, &d->link);
		RtlReleasePebLock();
		teb->FlsData = (PVOID *)d;
	}
	d->slots[index] = value;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlFlsGetValue(ULONG index, PVOID *value)
{
	struct fls_data *d = (struct fls_data *)NtCurrentTeb()->FlsData;

	if (!index || index >= FLS_SLOTS || !d)
		return STATUS_INVALID_PARAMETER;
	*value = d->slots[index];
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlFlsFree(ULONG index)
{
	LIST_ENTRY *head = &NtCurrentPeb()->FlsListHead;
	PFLS_CALLBACK_FUNCTION callback;

	RtlAcquirePebLock();
	if (!index || index >= FLS_SLOTS || !fls_used[index]) {
		RtlReleasePebLock();
		return STATUS_INVALID_PARAMETER;
	}
	callback = fls_callbacks[index];
	for (LIST_ENTRY *e = head->Flink; e != head; e = e->Flink) {
		struct fls_data *d = CONTAINING_RECORD(e, struct fls_data, link);
		PVOID value = d->slots[index];

		if (value && callback)
			callback(value);
		d->slots[index] = NULL;
	}
	fls_used[index] = 0;
	fls_callbacks[index] = NULL;
	RtlReleasePebLock();
	return STATUS_SUCCESS;
}

/* Calls the callbacks for one set of values and frees it: a thread or a fiber ends. */
VOID NTAPI RtlProcessFlsData(PVOID data, ULONG flags)
{
	struct fls_data *d = data;

	if (!d)
		return;
	if (flags & 1) {
		RtlAcquirePebLock();
		RemoveEntryList(&d->link);
		RtlReleasePebLock();
		for (ULONG i = 1; i < fls_high; i++)
			if (d->slots[i] && fls_callbacks[i]) {
				PVOID value = d->slots[i];

				d->slots[i] = NULL;
				fls_callbacks[i](value);
			}
	}
	if (flags & 2)
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, d);
}

void fls_end_thread(void)
{
	PTEB teb = NtCurrentTeb();

	RtlProcessFlsData(teb->FlsData, 1);
	RtlProcessFlsData(teb->FlsData, 2);
	teb->FlsData = NULL;
}
