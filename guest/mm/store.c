/*
 * The store of compressed pages. The modified page writer offers private pages and those of
 * pagefile sections here before it writes them to a pagefile; what shrinks to three quarters or
 * less stays in memory, and a fault on it costs no I/O. When the store has all the frames it may
 * have, the pages that came first are moved on to a pagefile.
 *
 *   frame      4 KB of 64-byte chunks; MMPFN.original_pte is the bitmap of those in use. A page
 * lies in consecutive chunks of one frame. Frames are in one of eight lists by their longest free
 * run, so that room is found, or known not to be there, at once. key        number of a record;
 * page table entries name it. The record says where the page is:
 *
 *     63 held  62 disk  61 moving  60 pinned  59 gone       51..40 bytes   37..6 frame  5..0 chunk
 *                                                           35..32 file    31..0 slot   (disk)
 *
 *   moving     on its way to a pagefile
 *   pinned     being read: stays where it is
 *   gone       freed meanwhile; who moves it frees it
 *
 * A page that is used again leaves the store: nothing in use is in memory twice. (pfn_activate()
 * sees to it for pages found on the standby list, mm_page_in() for others.) So the store never
 * holds more frames than pages, and takes nothing from what is committed.
 *
 * Lock: F, but for the writer's own buffers. A pinned or moving page's chunks are read without it.
 */
#include "guest/mm/store.h"
#include "guest/ke/runblock.h"
#include "guest/rtl/xpress.h"

#define CHUNK	      64u
#define CHUNKS	      (PAGE_SIZE / CHUNK)
#define WORTH	      (PAGE_SIZE / 4 * 3) /* bytes that a compressed page may take */
#define LISTS	      9u		  /* by longest free run / 8 */
#define FRAMES_SHARE  2u		  /* 1/2 of memory at most */
#define KEYS_PER_PAGE 2u
#define KEPT_FREE     8u /* frames that are left for the pagefiles' own work */

#define HELD	   (1ul << 63)
#define ON_DISK	   (1ul << 62)
#define MOVING	   (1ul << 61)
#define PINNED	   (1ul << 60)
#define GONE	   (1ul << 59)
#define BYTES_AT   40u
#define BYTES_MASK 0xffful
#define DISK_MASK  0xffffffffful /* file and slot */

static struct pfslots keys;
static u64 *record;
static u64 most_frames;
static struct page_list lists[LISTS];
static u64 hand; /* the next key to look at for moving */

/* The writer's own: what it has compressed, and pages on their way to a pagefile. */
static u8 compressed[WORTH] __attribute__((aligned(16)));
static struct xpress_work work;
static struct pageio move_io;
static KEVENT moved;

bool mm_store_wants(pfn_t p)
{
	return record && !mm_pfn[p].not_stored;
}

/* ---- frames and chunks; all => F ---- */

static u32 longest_run(u64 used)
{
	u32 n = 0;

	for (u64 free = ~used; free; free &= free << 1)
		n++;
	return n;
}

/* First of n free chunks in a row. There are as many. */
static u32 find_run(u64 used, u32 n)
{
	u64 starts = ~used; /* bit i: chunks i .. i + have - 1 are free */

	for (u32 have = 1; have < n;) {
		u32 step = MIN(have, n - have);

		starts &= starts >> step;
		have += step;
	}
	return (u32)__builtin_ctzl(starts);
}

static u64 chunk_mask(u32 first, u32 n)
{
	return (n < 64 ? (1ul << n) - 1 : ~0ul) << first;
}

static void list_frame(pfn_t p)
{
	struct page_list *l = &lists[longest_run(mm_pfn[p].original_pte) / 8];

	mm_pfn[p].flink = 0;
	mm_pfn[p].blink = l->tail;
	if (l->tail)
		mm_pfn[l->tail].flink = p;
	else
		l->head = p;
	l->tail = p;
	l->count++;
}

static void unlist_frame(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];
	struct page_list *l = &lists[longest_run(f->original_pte) / 8];

	if (f->blink)
		mm_pfn[f->blink].flink = f->flink;
	else
		l->head = f->flink;
	if (f->flink)
		mm_pfn[f->flink].blink = f->blink;
	else
		l->tail = f->blink;
	l->count--;
	f->flink = f->blink = 0;
}

static pfn_t new_frame(void)
{
	pfn_t p;

	if (MmCounters.store_frames >= most_frames || mm_available <= KEPT_FREE)
		return 0;
	p = pfn_take(false);
	if (!p)
		return 0;
	mm_pfn[p].flags = PFN_F_KERNEL;
	mm_pfn[p].use = NTMM_USE_STORE;
	mm_pfn[p].share = 0;
	MmCounters.store_frames++;
	list_frame(p);
	return p;
}

static pfn_t frame_with_room(u32 n)
{
	for (u32 i = (n + 7) / 8; i < LISTS; i++)
		if (lists[i].head)
			return lists[i].head;
	if (lists[n / 8].head && longest_run(mm_pfn[lists[n / 8].head].original_pte) >= n)
		return lists[n / 8].head;
	return new_frame();
}

static u32 chunks_of(u64 r)
{
	return (u32)((r >> BYTES_AT & BYTES_MASK) + CHUNK - 1) / CHUNK;
}

static u8 *bytes_of(u64 r)
{
	return (u8 *)pfn_to_va((pfn_t)(r >> 6)) + (r & 63) * CHUNK;
}

static void free_chunks(u64 r)
{
	pfn_t p = (pfn_t)(r >> 6);
	u64 mask = chunk_mask(r & 63, chunks_of(r));

	require((mm_pfn[p].original_pte & mask) == mask);
	unlist_frame(p);
	mm_pfn[p].original_pte &= ~mask;
	MmCounters.store_pages--;
	MmCounters.store_bytes -= r >> BYTES_AT & BYTES_MASK;
	if (mm_pfn[p].original_pte) {
		list_frame(p);
	} else {
		MmCounters.store_frames--;
		pfn_free(p);
	}
}

/* A new key for these bytes, or 0. */
static u64 place(const u8 *bytes, u32 n)
{
	u32 need = (n + CHUNK - 1) / CHUNK, at;
	pfn_t p = frame_with_room(need);
	u64 got, key;

	if (!p)
		return 0;
	key = slots_alloc(&keys, 1, &got);
	if (!key) {
		if (!mm_pfn[p].original_pte) { /* taken for nothing */
			unlist_frame(p);
			MmCounters.store_frames--;
			pfn_free(p);
		}
		return 0;
	}
	unlist_frame(p);
	at = find_run(mm_pfn[p].original_pte, need);
	mm_pfn[p].original_pte |= chunk_mask(at, need);
	list_frame(p);
	record[key] = HELD | (u64)n << BYTES_AT | (u64)p << 6 | at;
	memcpy(bytes_of(record[key]), bytes, n);
	MmCounters.store_pages++;
	MmCounters.store_bytes += n;
	return key;
}

/* ---- keys; all => F ---- */

static void free_key(u64 key)
{
	record[key] = 0;
	require(slots_free(&keys, key, 1));
}

void mm_store_free(u64 key)
{
	u64 r = record[key];

	require(r & HELD && !(r & (PINNED | GONE)));
	if (r & MOVING) {
		record[key] |= GONE;
		return;
	}
	if (r & ON_DISK)
		mm_free_slot((u32)(r >> 32 & 15), (u32)r);
	else
		free_chunks(r);
	free_key(key);
}

u64 mm_backing(MMPTE pte)
{
	u64 r;

	if (!(pte & PTE_IN_STORE))
		return (u64)pte_file(pte) << 32 | pte_slot(pte);
	r = record[pte_slot(pte)];
	return r & ON_DISK ? r & DISK_MASK : 0;
}

void mm_store_begin_read(u64 key)
{
	require((record[key] & (HELD | ON_DISK | PINNED | GONE)) == HELD);
	record[key] |= PINNED;
}

void mm_store_read(u64 key, void *page)
{
	u64 r = record[key];
	u32 n = xpress_decompress(bytes_of(r), (u32)(r >> BYTES_AT & BYTES_MASK), page, PAGE_SIZE);

	if (n != PAGE_SIZE)
		KeBugCheckEx(MEMORY_MANAGEMENT, key, r, n, 0, "a compressed page is damaged");
}

void mm_store_end_read(u64 key)
{
	record[key] &= ~PINNED;
	mm_store_free(key);
	MmCounters.store_reads++;
}

bool mm_key_is_used(u64 key)
{
	return record && slots_is_used(&keys, key) && record[key] & HELD;
}

bool mm_check_store(u64 *used)
{
	u64 frames = 0, chunks = 0, held = 0, pages = 0;
	bool ok = true;

	*used = 0;
	if (!record)
		return true;
	for (u32 i = 0; i < LISTS; i++) {
		for (u32 p = lists[i].head; p; p = mm_pfn[p].flink, frames++) {
			ok &= longest_run(mm_pfn[p].original_pte) / 8 == i;
			for (u64 left = mm_pfn[p].original_pte; left; left &= left - 1)
				chunks++;
			if (frames > mm_total_pages)
				return false; /* a ring */
		}
	}
	for (u64 k = 1; k < keys.pages; k++) {
		u64 r = record[k], mask;

		ok &= slots_is_used(&keys, k) == (r != 0);
		if (!(r & HELD) || r & ON_DISK)
			continue;
		mask = chunk_mask(r & 63, chunks_of(r));
		ok &= (mm_pfn[(pfn_t)(r >> 6)].original_pte & mask) == mask;
		held += chunks_of(r);
		pages++;
	}
	*used = keys.used;
	return ok && slots_check(&keys) && frames == MmCounters.store_frames && held == chunks &&
	       pages == MmCounters.store_pages;
}

/* ---- pages in ---- */

static void move_on(void);

/* Nobody has taken the page back, changed or deleted it. => F */
static bool is_still_wanted(const MMPFN *f)
{
	return f->state == PFN_IN_TRANSITION && !(f->flags & (PFN_F_MODIFIED | PFN_F_DELETED));
}

void mm_store_page(pfn_t p, KIRQL irql)
{
	MMPFN *f = &mm_pfn[p];
	u64 key = 0;
	u32 n;

	page_list_remove(p);
	mm_release_slot(f->original_pte);
	f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
	f->state = PFN_IN_TRANSITION;
	f->refs = 1;
	f->flags = (f->flags & ~PFN_F_MODIFIED) | PFN_F_WRITING;
	KeReleaseSpinLock(&pfn_lock, irql);

	n = xpress_compress(pfn_to_va(p), PAGE_SIZE, compressed, sizeof(compressed), &work);
	irql = KeAcquireSpinLock(&pfn_lock);
	if (n && is_still_wanted(f))
		key = place(compressed, n);
	if (n && !key) {
		KeReleaseSpinLock(&pfn_lock, irql);
		move_on();
		irql = KeAcquireSpinLock(&pfn_lock);
		if (is_still_wanted(f))
			key = place(compressed, n);
	}
	if (key) {
		f->original_pte = key << PTE_SLOT_SHIFT | PTE_IN_STORE |
				  pte_demand_zero(pte_prot(f->original_pte));
		MmCounters.store_stored++;
	} else {
		if (is_still_wanted(f)) {
			f->not_stored = true;
			MmCounters.store_refused++;
		}
		f->flags |= PFN_F_MODIFIED;
	}
	f->flags &= ~PFN_F_WRITING;
	pfn_drop_ref(p);
	mm_pages_came();
	KeReleaseSpinLock(&pfn_lock, irql);
}

/* ---- pages that came first go on to a pagefile ---- */

static void move_done(struct pageio *io)
{
	(void)io;
	KeSetEvent(&moved);
}

/* Chooses up to a cluster of keys. => F */
static u32 choose(u64 *key)
{
	u32 n = 0;

	for (u64 seen = 1; seen < keys.pages && n < MM_CLUSTER; seen++) {
		hand = hand + 1 < keys.pages ? hand + 1 : 1;
		if ((record[hand] & (HELD | ON_DISK | PINNED | MOVING)) == HELD)
			key[n++] = hand;
	}
	return n;
}

static void move_on(void)
{
	u64 key[MM_CLUSTER];
	KIRQL irql;
	u64 got = 0, slot = 0;
	u32 n, file = 0;

	irql = KeAcquireSpinLock(&pfn_lock);
	n = choose(key);
	if (n)
		slot = mm_alloc_slots(n, &got, &file);
	n = slot ? (u32)got : 0;
	for (u32 i = 0; i < n; i++)
		record[key[i]] |= MOVING;
	KeReleaseSpinLock(&pfn_lock, irql);
	if (!n)
		return;
	for (u32 i = 0; i < n; i++)
		mm_store_read(key[i], pfn_to_va(move_io.pfn[i]));
	move_io.index = (u8)file;
	move_io.slot = slot;
	move_io.count = (u16)n;
	move_io.write = true;
	move_io.done = move_done;
	IoPagefileSubmit(&move_io);
	KeWaitForSingleObject(&moved, KERNEL_MODE, false, NULL);

	irql = KeAcquireSpinLock(&pfn_lock);
	if (NT_SUCCESS(move_io.status)) {
		MmCounters.pages_out += n;
		MmCounters.store_moved += n;
	}
	MmCounters.writes_pagefile++;
	for (u32 i = 0; i < n; i++) {
		u64 r = record[key[i]] &= ~MOVING;

		if (r & GONE) {
			record[key[i]] &= ~GONE;
			mm_store_free(key[i]);
		} else if (NT_SUCCESS(move_io.status) && !(r & PINNED)) {
			free_chunks(r);
			record[key[i]] = HELD | ON_DISK | (u64)file << 32 | (slot + i);
			continue;
		}
		mm_free_slot(file, slot + i);
	}
	mm_pages_came();
	KeReleaseSpinLock(&pfn_lock, irql);
}

void mm_init_store(void)
{
	const char *s = runblock_get("compression");
	u64 n = mm_total_pages * KEYS_PER_PAGE, bytes = ALIGN_UP(n * 8, PAGE_SIZE);
	u64 *bitmap;

	if (!s || strcmp(s, "on") != 0)
		return;
	for (u32 i = 0; i < MM_CLUSTER; i++)
		if (!(move_io.pfn[i] = mm_take_kernel_page(NTMM_USE_STORE)))
			return;
	bitmap = ExAllocatePool(SLOTS_WORDS(n) * 8, TAG('M', 'm', 'S', 't'));
	record = bitmap ? mm_allocate_system(bytes >> PAGE_SHIFT, NTMM_USE_STORE) : NULL;
	if (!record)
		return; /* as without one */
	memset(record, 0, bytes);
	slots_init(&keys, bitmap, n, n);
	most_frames = mm_total_pages / FRAMES_SHARE;
	KeInitializeEvent(&moved, DO_EVENT_SYNCHRONIZATION, false);
}
