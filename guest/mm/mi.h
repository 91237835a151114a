/*
 * mi: the memory manager's private structures.
 *
 * Locks. A: the address space's mutex (VADs, its page tables). F: pfn_lock (the PFN database, the
 * page lists, prototype PTEs, and every PTE in the transition state, whoever's table it is in).
 * A valid private PTE changes only under A. The order is A, then F. F is never held across a wait;
 * A is not held across page I/O (the page is marked read-in-progress instead). C (cfg.c), in
 * processes with Control Flow Guard, comes before A.
 */
#ifndef NTMM_MM_MI_H
#define NTMM_MM_MI_H

#include "guest/mm/mm.h"
#include "guest/mm/pte.h"
#include "guest/mm/pfslots.h"
#include "guest/mm/pe.h"
#include "guest/ps/ps.h"
#include "guest/io/io.h"
#include "guest/abi/machine.h"
#include "guest/abi/mminfo.h"
#include "guest/abi/runblock.h"

/*
 * ---- The PFN database ----
 *
 *   state      holds                                      goes on to
 *   ZEROED     on the zeroed list, contents zero          ACTIVE
 *   FREE       on the free list                           ZEROED (zero thread), ACTIVE
 *   STANDBY    on a standby list; a transition PTE points here; equal to its backing store
 *                                                         ACTIVE (soft fault), FREE (repurposed)
 *   MODIFIED   on the modified list; newest copy is here  ACTIVE, TRANSITION (being written)
 *   ACTIVE     share > 0, or a page of the kernel         STANDBY, MODIFIED, FREE
 *   TRANSITION on no list, refs > 0: read or write under way, or locked for I/O
 *                                                         ACTIVE, STANDBY, MODIFIED, FREE
 */
enum pfn_state {
	PFN_ZEROED = 0, /* NT's PageLocation numbers */
	PFN_FREE = 1,
	PFN_STANDBY = 2,
	PFN_MODIFIED = 3,
	PFN_MODIFIED_NO_WRITE = 4,
	PFN_BAD = 5,
	PFN_ACTIVE = 6,
	PFN_IN_TRANSITION = 7,
};

#define PFN_F_MODIFIED	0x01 /* newer than the backing store */
#define PFN_F_READING	0x02
#define PFN_F_WRITING	0x04
#define PFN_F_PROTOTYPE 0x08 /* pte is a prototype PTE */
#define PFN_F_KERNEL	0x10 /* page table, pool, stack, database: no PTE to find */
#define PFN_F_DELETED	0x20 /* its PTE is gone: free it when the last reference goes */
#define PFN_F_NOPAGE	0x40 /* of a large page, AWE or nonpaged memory: never paged */
#define PFN_F_AHEAD	0x80 /* read in beside another and not yet used */

struct inpage;
typedef struct MMPFN { /* all: F */
	union {
		struct {
			u32 flink, blink; /* page lists */
		};
		struct inpage *read; /* READING: who waits */
	};
	MMPTE *pte;	    /* the PTE (or prototype PTE) that owns the frame */
	MMPTE original_pte; /* goes into *pte when the frame is repurposed */
	u32 share;	    /* valid PTEs that map it; page tables: entries not zero */
	u16 refs;	    /* 1 for share > 0, 1 a lock or I/O */
	u8 state;	    /* enum pfn_state */
	u8 flags;	    /* PFN_F_* */
	u32 pte_frame;	    /* page table that holds *pte; 0 for prototypes */
	u8 priority;	    /* 0..7, of the standby list */
	bool not_stored;    /* modified: the store of compressed pages did not take it */
	u8 use;		    /* KERNEL, NOPAGE: enum ntmm_use (abi/mminfo.h), for the inspector */
	u8 reserved;
} MMPFN;
_Static_assert(sizeof(MMPFN) <= 48, "48 bytes a frame at the most");

#define mm_pfn ((MMPFN *)MM_PFN_DATABASE)
extern struct spinlock pfn_lock;
extern pfn_t mm_highest_pfn;
extern u64 mm_total_pages;

struct page_list {
	u32 head, tail; /* frame numbers; 0 none */
	u64 count;
};
extern struct page_list mm_zeroed, mm_free, mm_standby[8], mm_modified;
extern volatile u64 mm_available;    /* zeroed + free + standby; F to write */
extern volatile u64 mm_kernel_pages; /* taken by mm_take_kernel_page since boot; F to write */

/* Pages that only the kernel may take: so that page-out itself never lacks one. */
#define MM_RESERVE 32u
extern u64 mm_low_pages, mm_high_pages; /* trim below low until high */

/* pfn.c. => F held unless said otherwise */
bool pfn_is_ram(pfn_t p);
void page_list_push(struct page_list *l, pfn_t p, enum pfn_state s);
void page_list_remove(pfn_t p); /* from whatever list its state says */
pfn_t pfn_take(bool zeroed);	/* 0: none. ACTIVE, refs 1, share 1; contents zero if asked */
void pfn_free(pfn_t p);		/* to the free list; refs must be 0 */
void pfn_release_share(pfn_t p, bool dirty); /* one valid PTE less */
void pfn_note_write(pfn_t p);		     /* the kernel writes it by the direct map */
void pfn_drop_ref(pfn_t p);
void pfn_activate(pfn_t p); /* from standby, modified or transition: unlinked, share 1 */
/* Frees a frame whose (transition) PTE has been deleted, its slot too; waits for nothing. */
void pfn_delete_transition(pfn_t p);
void mm_release_slot(MMPTE pte); /* the slot of a pagefile PTE; others: nothing */
/* A frame for the kernel, zeroed. 0: none. Takes F itself. */
pfn_t mm_take_kernel_page(enum ntmm_use use);
void mm_free_kernel_page(pfn_t p);
/* Is there a frame for a user page? Else wakes the balance set manager. */
static inline bool mm_enough_pages(void)
{
	return LIKELY(mm_available > MM_RESERVE);
}
void mm_wake_balance(void);
void mm_wake_zero_thread(void);
void pfn_repurpose(pfn_t p); /* takes a standby frame off its list, its PTE restored */
/* A prototype's frame left memory: its control area's count of resident pages. */
void mm_prototype_left(MMPTE original);
void mm_wait_for_pages(void); /* => no locks */

/* ---- page tables (space.c) ---- => A held (or kernel half) */
MMPTE *mm_find_pte(struct address_space *as, u64 va); /* NULL: no page table, or a large page */
MMPTE *mm_make_entry(struct address_space *as, u64 va, u32 level);
MMPTE *mm_make_pte(struct address_space *as, u64 va);		    /* NULL: no memory */
MMPTE *mm_find_large(struct address_space *as, u64 va, u64 *bytes); /* PDE/PPE of a large page */
/* Next va >= va whose page table exists, or end; for walks over sparse ranges. */
u64 mm_skip_absent(struct address_space *as, u64 va, u64 end);
/* The next entry of a table from i on, before end, that is not zero; or end. */
u32 mm_next_used(const MMPTE *table, u32 i, u32 end);
/* After PTEs went to zero: frees tables that are empty in [start, end). */
void mm_free_empty_tables(struct address_space *as, u64 start, u64 end);
static inline pfn_t pte_table_frame(const MMPTE *pte)
{
	return (pfn_t)(((u64)pte - MM_DIRECT_MAP) >> PAGE_SHIFT);
}

/*
 * Changes of entries, in whatever table or array of prototypes. At level hvci tables lie in a pool
 * that only the host changes, by hypercall (hosted.c); everywhere else it is a store.
 */
extern u64 mm_pool_va, mm_pool_bytes; /* the pool in the direct map; bytes 0: there is none */
MMPTE mm_hosted_change(MMPTE *pte, MMPTE clear, MMPTE set);
static inline bool pte_is_hosted(const MMPTE *pte)
{
	return UNLIKELY((u64)pte - mm_pool_va < mm_pool_bytes);
}
static inline void pte_store(MMPTE *pte, MMPTE v)
{
	if (pte_is_hosted(pte))
		mm_hosted_change(pte, ~0ul, v);
	else
		__atomic_store_n(pte, v, __ATOMIC_RELAXED);
}
static inline MMPTE pte_exchange(MMPTE *pte, MMPTE v)
{
	return pte_is_hosted(pte) ? mm_hosted_change(pte, ~0ul, v)
				  : __atomic_exchange_n(pte, v, __ATOMIC_SEQ_CST);
}
/* Clears bits, then sets others: in a valid entry, while the processor may set its own. */
static inline void pte_change(MMPTE *pte, MMPTE clear, MMPTE set)
{
	if (pte_is_hosted(pte)) {
		mm_hosted_change(pte, clear, set);
		return;
	}
	if (clear)
		__atomic_fetch_and(pte, ~clear, __ATOMIC_SEQ_CST);
	if (set)
		__atomic_fetch_or(pte, set, __ATOMIC_SEQ_CST);
}
/* A valid entry becomes this one, but for the dirty bit, which the processor may set. */
static inline void pte_protect(MMPTE *pte, MMPTE v)
{
	MMPTE e = *pte;

	if (pte_is_hosted(pte)) {
		mm_hosted_change(pte, ~PTE_DIRTY, v);
		return;
	}
	while (!__atomic_compare_exchange_n(pte, &e, v | (e & PTE_DIRTY), false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST))
		;
}
/* Changes *pte, keeping the table's count of entries not zero. */
static inline void pte_set(MMPTE *pte, MMPTE v)
{
	MMPFN *t = &mm_pfn[pte_table_frame(pte)];

	t->share += (v != 0) - (*pte != 0);
	pte_store(pte, v);
}

/*
 * Changes that may wait a little: many in one hypercall, and at once where no host is asked. Until
 * pte_flush() the entries show their old values, so none in the transition state, which others
 * change under F. => A from the first to the flush; *dirty, if not NULL: whether the entry that was
 * replaced was dirty, filled in by the flush at the latest
 */
#define PTE_QUEUE 64u
struct pte_queue {
	struct ntmm_pte ask[PTE_QUEUE] __attribute__((aligned(2048))); /* in one page */
	bool *dirty[PTE_QUEUE];
	u32 n;
};
_Static_assert(sizeof(struct ntmm_pte) * PTE_QUEUE == 2048, "the host takes it from one page");
void mm_hosted_defer(struct pte_queue *q, MMPTE *pte, MMPTE clear, MMPTE set, bool *dirty);
void mm_hosted_flush(struct pte_queue *q);
static inline void pte_defer(struct pte_queue *q, MMPTE *pte, MMPTE v, bool *dirty)
{
	if (pte_is_hosted(pte)) {
		mm_hosted_defer(q, pte, ~0ul, v, dirty);
		return;
	}
	v = __atomic_exchange_n(pte, v, __ATOMIC_SEQ_CST);
	if (dirty)
		*dirty = v & PTE_DIRTY;
}
static inline void pte_defer_change(struct pte_queue *q, MMPTE *pte, MMPTE clear, MMPTE set)
{
	if (pte_is_hosted(pte))
		mm_hosted_defer(q, pte, clear, set, NULL);
	else
		pte_change(pte, clear, set);
}
/* As pte_protect and pte_set. */
static inline void pte_defer_protect(struct pte_queue *q, MMPTE *pte, MMPTE v)
{
	if (pte_is_hosted(pte))
		mm_hosted_defer(q, pte, ~PTE_DIRTY, v, NULL);
	else
		pte_protect(pte, v);
}
static inline void pte_defer_set(struct pte_queue *q, MMPTE *pte, MMPTE v)
{
	mm_pfn[pte_table_frame(pte)].share += (v != 0) - (*pte != 0);
	if (pte_is_hosted(pte))
		mm_hosted_defer(q, pte, ~0ul, v, NULL);
	else
		__atomic_store_n(pte, v, __ATOMIC_RELAXED);
}
static inline void pte_flush(struct pte_queue *q)
{
	if (UNLIKELY(q->n))
		mm_hosted_flush(q);
}

/* A frame is a private PTE's. => F */
static inline void pfn_own(pfn_t p, MMPTE *pte, u32 prot)
{
	MMPFN *e = &mm_pfn[p];

	e->pte = pte;
	e->pte_frame = pte_table_frame(pte);
	e->original_pte = pte_demand_zero(prot);
}

/* zerorun.c: a demand-zero page of the pool's tables becomes valid, and perhaps some behind it.
 * => A */
struct MMVAD;
void mm_add_zeroed(struct address_space *as, const struct MMVAD *v, u64 va, MMPTE *pte,
		   MMPTE fresh);

/* hosted.c: pages for tables. Level 4 is the root, 1 a page table; 0: none. */
pfn_t mm_take_table(u32 level);
void mm_free_table(pfn_t p, u32 level); /* all entries of the user half are zero */
pfn_t mm_take_kernel_table(void);	/* of the kernel half; it stays for ever */
bool mm_tables_left(void);		/* false: mm_take_table has failed for want of tables */
/* The tables from entry e on, which maps va in units of 1 << shift, down to that of `level`: all or
 * none, in one hypercall. Returns how many. */
u32 mm_hosted_tables(MMPTE *e, u64 va, u32 shift, u32 level);
/* The pool's frames; pages 0: there is none. For mminit.c: finds it; a page of it while it can be
 * written (0: none); from now on the host changes it. */
extern u64 mm_pool_first, mm_pool_pages;
void mm_find_pool(void);
u64 mm_boot_table(void);
void mm_start_hosting(void);
/* A root with the system's kernel half. */
void mm_fill_root(pfn_t p);

/* ---- virtual address descriptors ---- */
enum vad_type {
	VAD_PRIVATE,
	VAD_MAPPED,
	VAD_IMAGE,
	VAD_AWE,
	VAD_LARGE,
	VAD_NONPAGED,
	VAD_SHARED_DATA,
	VAD_CFG, /* the bitmap of call targets (cfg.c) */
};

struct control_area;
typedef struct MMVAD { /* A */
	struct vad_node node;
	u8 type;	/* enum vad_type */
	u8 prot;	/* code, as reserved or mapped */
	u32 win32_prot; /* AllocationProtect as given */
	bool committed; /* a zero PTE is committed (else reserved) */
	bool write_watch;
	bool placeholder;
	bool from_placeholder; /* replaced one: may become one again */
	bool no_change;
	bool no_execute; /* SEC_IMAGE_NO_EXECUTE */
	bool inherit;
	bool top_down;
	u64 commit; /* pages charged to the process for it */
	u64 *watch; /* bitmap of written pages; behind it, of those that a decommit leaves so */
	struct control_area *ca; /* mapped, image */
	u64 first;		 /* mapped: index of the first page's prototype */
	u64 page_bytes;		 /* VAD_LARGE: 2 MB or 1 GB */
} MMVAD;

static inline MMVAD *mm_find_vad(struct address_space *as, u64 va)
{
	struct vad_node *n = vad_find(&as->vads, va >> PAGE_SHIFT);

	return n ? CONTAINER_OF(n, MMVAD, node) : NULL;
}
static inline u64 vad_va(const MMVAD *v)
{
	return v->node.start << PAGE_SHIFT;
}
static inline u64 vad_end(const MMVAD *v) /* exclusive */
{
	return (v->node.end + 1) << PAGE_SHIFT;
}
MMPTE *mm_proto_array(const struct control_area *ca);
static inline MMPTE *vad_proto(const MMVAD *v, u64 va)
{
	return mm_proto_array(v->ca) + v->first + ((va >> PAGE_SHIFT) - v->node.start);
}
/* Finds room and inserts. base 0: system's choice. => A held */
NTSTATUS mm_insert_vad(struct address_space *as, MMVAD *v, u64 base, u64 bytes, u64 align,
		       u64 lowest, u64 highest, bool top_down);
void mm_free_vad(struct address_space *as, MMVAD *v); /* removes it; pages are already gone */
/* Takes pages of [start, end) away: frames, slots, charges of valid PTEs. Sets PTEs to `leave`
 * (0 or decommitted). Returns private pages that were committed by PTE. */
void mm_delete_pages(struct address_space *as, MMVAD *v, u64 start, u64 end, MMPTE leave);
u64 mm_count_committed(struct address_space *as, MMVAD *v, u64 start, u64 end);
bool mm_is_committed(struct address_space *as, MMVAD *v, u64 va);
/* The protection code and commitment of one page, as NtQueryVirtualMemory shows it. */
bool mm_page_state(struct address_space *as, MMVAD *v, u64 va, u32 *prot, u64 *next_va);
/* Sets the protection of committed pages. Fails before it changes anything. *budget: pages the
 * caller has charged the process for; what was used is taken off. NEEDS_CHARGE: *budget is what it
 * takes.
 * => A held */
#define STATUS_MM_NEEDS_CHARGE ((NTSTATUS)0xE0000003) /* never leaves mm */
NTSTATUS mm_protect(struct EPROCESS *p, MMVAD *v, u64 start, u64 end, u32 prot, u32 *old,
		    u64 *budget);
void mm_set_protection(struct address_space *as, MMVAD *v, u64 va, MMPTE *pte, u32 prot,
		       struct pte_queue *q);	      /* the caller flushes q */
NTSTATUS mm_unmap_vad(struct EPROCESS *p, MMVAD *v);  /* a view of any kind; deletes v */
NTSTATUS mm_delete_vad(struct EPROCESS *p, MMVAD *v); /* private or view */

NTSTATUS mm_grow_stack(u64 va, struct ktrap_frame *frame);
/* What an access to va (error: PF_WRITE, PF_FETCH) by anybody does in this address space; as
 * MmAccessFault, but a guard page is only removed: no stack grows. The page may be gone again as
 * soon as it returns: look under A. => A not held, PASSIVE */
NTSTATUS mm_fault(struct address_space *as, u64 va, u32 error, NTSTATUS *io_status);

void mm_keep_watch(MMVAD *v, u64 va); /* a watched page's protection changes; => A */

/* ---- commit (commit.c) ---- */
NTSTATUS mm_charge(struct address_space *as, u64 pages); /* as may be NULL: the system. PASSIVE */
void mm_uncharge(struct address_space *as, u64 pages);
void mm_charge_to_system(struct address_space *as,
			 u64 pages); /* what as was charged is the system's */

/* ---- pagefiles (pagefile.c) ---- => F held for slots */
u64 mm_alloc_slots(u64 want, u64 *got, u32 *file);
void mm_free_slot(u32 file, u64 slot);
/* Slots of pages that are in memory are given back, those pages count as modified again. Returns
 * how many. */
u64 mm_reclaim_slots(u64 want);
extern struct pfslots mm_pagefiles[NTMM_MAX_PAGEFILES]; /* pages 0: there is none; F */
void mm_init_pagefiles(void);
u64 mm_grow_pagefiles(u64 pages); /* => PASSIVE, under commit's grow lock; pages won */
void mm_keep_slots_free(void);	  /* => PASSIVE */
bool mm_slot_is_used(u32 file, u64 slot);
bool mm_check_slots(u64 *used);
void mm_commit_limit_add(u64 pages);

/*
 * ---- page-in (pagein.c) ----
 * One read of up to MM_CLUSTER neighbouring pages. Whoever finds a page READING waits for the same
 * one.
 */
#define MM_CLUSTER 32u
struct inpage {
	struct pageio io;
	KEVENT done;
	u32 refs; /* F */
	u32 count;
	MMPTE *pte[MM_CLUSTER];
	NTSTATUS status;
};
/* Reads the page of the pagefile PTE at *pte, and neighbours that lie in [lo, hi). => A and F held;
 * both are dropped. STATUS_SUCCESS: try the fault again. RETRY_SINGLE: some page of the cluster
 * failed. */
#define STATUS_MM_RETRY_SINGLE ((NTSTATUS)0xE0000001) /* never leaves mm */
NTSTATUS mm_page_in(struct address_space *as, MMPTE *pte, MMPTE *lo, MMPTE *hi, bool prototype,
		    KIRQL irql);
/* Waits for the read of frame p. Same locks; as may be NULL (A not held). */
void mm_wait_for_read(struct address_space *as, pfn_t p, KIRQL irql);
void mm_init_pagein(void);
struct inpage *mm_get_inpage(void); /* => F; NULL: all in use */
void mm_put_inpage(struct inpage *in);
void mm_inpage_add(struct inpage *in, MMPTE *pte, bool prototype);
/* A page in transition is used: what that says of reading ahead. => A, F */
static inline void mm_note_use(struct address_space *as, MMPFN *f)
{
	if (f->flags & PFN_F_AHEAD) {
		f->flags &= (u8)~PFN_F_AHEAD;
		as->ahead_used++;
	}
}
/* The neighbours of *pte within [*lo, *hi) that a read for it should bring along. => A, F */
void mm_choose_cluster(struct address_space *as, const MMPTE *pte, MMPTE **lo, MMPTE **hi);
void mm_inpage_finish(struct inpage *in);

/*
 * ---- sections (section.c, image.c, view.c, filepage.c) ----
 * A control area is one backing in one role (data of a file, image of a file, pagefile): the array
 * of prototype PTEs and the subsections that say where each run of pages comes from. Section
 * objects and views hold references; with the last one it goes, images excepted (a few stay for the
 * next use).
 */
struct subsection { /* immutable but for growth of data files (F) */
	struct control_area *ca;
	u64 first, pages; /* prototypes first .. first + pages - 1 */
	u64 file_offset;  /* of its first page */
	u64 file_bytes;	  /* what lies in the file; the rest is zero */
	u8 prot;
	bool shared_write; /* image: one copy for everybody, backed by the pagefile */
};
struct control_area {
	struct mutex lock; /* growth, flush */
	struct FILE_OBJECT *file;
	u32 refs;  /* section objects + views; ca_lock */
	u32 views; /* ca_lock */
	u32 writable_views;
	bool image, reserve;
	u64 pages;	 /* prototypes there are; F */
	u64 room;	 /* entries of proto */
	u64 size;	 /* bytes */
	MMPTE *proto;	 /* F */
	u64 large_pages; /* SEC_LARGE_PAGES: entries of proto (pin.h), else 0; immutable */
	u64 large_bytes; /* each, 2 MB or 1 GB; immutable */
	u64 charged;	 /* commit pages */
	u32 prot;	 /* code, the largest any view may have */
	u32 subsections;
	struct subsection *subsection;
	struct pe_image *pe; /* image */
	u64 base;	     /* where it is based this boot */
	struct pe_reloc_index relocs;
	void *reloc_memory;
	struct section_object_pointers *pointers; /* where we are hung up, NULL: nowhere */
	u64 resident;				  /* frames its prototypes own; F */
	char name[NTMM_SHARING_NAME];  /* image: of the file, for sharing.c as the three below */
	u32 noted_views;	       /* F */
	volatile u64 copies;	       /* private copies made since mm_note_copies; atomic */
	struct ntmm_shared_image *row; /* F */
	struct list idle;	       /* images without references */
};
struct section { /* the object behind a handle */
	struct control_area *ca;
	u32 attributes; /* SEC_* as queried */
	u32 prot;	/* code */
	u32 win32_prot;
	u32 cache; /* MM_NOCACHE, MM_WRITECOMBINE or 0, of every page of its views */
	bool no_change, no_execute;
	u64 size;
};
static inline MMPTE pte_subsection(const struct subsection *s, u32 prot)
{
	return (u64)s << PTE_ADDRESS_SHIFT | PTE_PROTOTYPE | (u64)prot << PTE_PROT_SHIFT;
}
static inline struct subsection *pte_to_subsection(MMPTE p)
{
	return (struct subsection *)((s64)p >> PTE_ADDRESS_SHIFT);
}
/* Protection of a page of an image view that nobody has changed. */
u32 mm_image_prot(const MMVAD *v, u64 va);
struct subsection *mm_subsection_of(const struct control_area *ca, u64 page);
/* Reads the page of the file at prototype *proto, in subsection form, with neighbours unless
 * `single`.
 * => A and F held; both are dropped. Returns as mm_page_in. */
NTSTATUS mm_page_in_file(struct address_space *as, MMPTE *proto, bool single, KIRQL irql);
void mm_reference_ca(struct control_area *ca);
void mm_dereference_ca(struct control_area *ca); /* => PASSIVE, A may be held */
/* Image control area of a file, from the cache or new. private_base: 0 shared, else a copy of its
 * own based there. */
/* images.c: the file of the image mapped at va, referenced, or NULL; the lowest image above
 * `after`, or 0. */
struct FILE_OBJECT *mm_image_file(EPROCESS *p, u64 va);
u64 mm_next_image(EPROCESS *p, u64 after);
NTSTATUS mm_image_control_area(struct FILE_OBJECT *f, u64 private_base, struct control_area **out);
/* Maps a view. *base 0: system's choice; *size 0: to the end. STATUS_IMAGE_NOT_AT_BASE is success.
 */
NTSTATUS mm_map_view(EPROCESS *p, struct section *s, u64 *base, u64 offset, u64 *size, u32 type,
		     u32 prot, u64 lowest, u64 highest, bool inherit);
/* Harvests dirty bits of a view's range (=> A) */
void mm_harvest_dirty(struct address_space *as, u64 start, u64 end);
/* Writes the modified pages first .. first + count - 1 to the file. => PASSIVE */
NTSTATUS mm_flush_pages(struct control_area *ca, u64 first, u64 count);
NTSTATUS mm_create_section_object(struct control_area *ca, u32 attributes, u32 win32_prot, u64 size,
				  struct section **out);
void mm_free_prototypes(struct control_area *ca);
MMPTE *mm_new_prototypes(u64 room, MMPTE *before); /* NULL without memory */
void mm_free_ca(struct control_area *ca);
/* Bytes of an image as its file has them: a pe_read_fn. */
NTSTATUS mm_read_image(void *ca, u32 rva, void *buffer, u32 n);
void mm_init_sections(void);
struct control_area *mm_new_ca(u64 pages, u32 subsections);
struct control_area *mm_find_ca(void **where);
struct control_area *mm_publish_ca(struct control_area *ca, void **where,
				   struct section_object_pointers *pointers);
/* An idle image of the file is given up: the file changes. */
void mm_forget_image(struct section_object_pointers *p);
NTSTATUS mm_relocate_image_page(struct control_area *ca, u64 page, u8 *bytes);
NTSTATUS mm_find_image_export(struct control_area *ca, const char *name, u32 *rva);
void mm_wait_for_writes(struct control_area *ca, u64 first, u64 end);
/* Dirty bits of these pages in every view of ca, in every process. => PASSIVE, A not held */
void mm_harvest_all(struct control_area *ca, u64 first, u64 count);

/* ---- known.c: \KnownDlls ---- */
#define MM_KNOWN_DLLS "\\KnownDlls\\"
void mm_init_known_dlls(void);
/* A section is about to be opened by this name: if it is one of \KnownDlls it is there then.
 * Another name is none of its business. => PASSIVE, no locks */
void mm_want_known_dll(const u16 *path, u32 chars, bool fold);

/* ---- sharing.c: what the host is told of images ---- */
void mm_init_sharing(void);
void mm_name_image(struct control_area *ca);   /* => PASSIVE, no locks */
void mm_note_sharing(struct control_area *ca); /* a view is about to go */
void mm_note_copies(struct control_area *ca);

/* ---- working sets (wset.c), writer (writer.c) ---- */
u64 mm_trim_space(struct address_space *as, u64 want, u32 min_age); /* takes A */
void mm_evict(struct address_space *as, MMPTE *pte, u32 prot);	    /* => A */
u64 mm_trim_range(struct address_space *as, u64 start, u64 end);    /* => A */
void mm_wake_writer(void);
void mm_pages_came(void); /* => F */
void mm_init_events(void);
/* Writes the run of modified pages of a file around p. => F, dropped; PASSIVE */
bool mm_write_file_cluster(pfn_t p, KIRQL irql);
void mm_init_balance(void);
void mm_init_writer(void);
extern struct list mm_spaces; /* every address space */
extern struct mutex mm_spaces_lock;
void MmEmptyAllWorkingSets(void);
void MmFlushModifiedList(void);
void MmPurgeStandbyList(void);

/* ---- system PTEs (syspte.c) ---- */
void *mm_map_system(const pfn_t *frames, u64 pages, u64 bits);
void *mm_reserve_system(u64 pages);
void mm_release_system(void *va, u64 pages);
void *mm_allocate_system(u64 pages, enum ntmm_use use);
void mm_free_system(void *va, u64 pages);
MMPTE *mm_system_pte(u64 va); /* kernel half; NULL: no table there */
extern pfn_t mm_system_pml4, mm_shared_data_pfn;
extern u64 mm_free_system_ptes; /* syspte.c's lock to write */

/* ---- contig.c ---- */
pfn_t mm_take_contiguous(u64 pages, u64 align, u8 flags, enum ntmm_use use);
void mm_free_contiguous(pfn_t first, u64 pages);
void mm_init_commit(void);

static inline void mm_zero_page(pfn_t p)
{
	void *d = pfn_to_va(p);
	u64 n = 512;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(0ul) : "memory");
}

#endif
