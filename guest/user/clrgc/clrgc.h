/*
 * clrgc.dll: a managed heap, for C programs that play the part of a .NET runtime.
 *
 * Words. A *type* says how large an object is and where its references are. An *object* is a
 * pointer to its type pointer; its fields follow, eight bytes of header lie before. A *reference*
 * is a field or a slot of a frame that holds an object or NULL. Sizes are in bytes and count the
 * header: the smallest object has 24.
 *
 * What a program has to keep to:
 *  1. A thread attaches before it uses the heap, and detaches before it ends.
 *  2. Any call marked *may collect* may move every object that is not pinned. A local variable that
 *     is to survive such a call is a slot of a frame (GCFrame_Push).
 *  3. References into objects are stored by GC_WriteBarrier; reading needs nothing.
 *  4. A thread that waits, or runs long without allocating, calls GC_SafePoint or is in preemptive
 *     mode meanwhile, where it touches no object and no handle: a collection waits for all others.
 *
 * Where .NET has a name, it is the name here: GC.Collect is GC_Collect. What .NET throws is a
 * GCStatus.
 */
#ifndef NTMM_CLRGC_H
#define NTMM_CLRGC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GC_MaxGeneration 2
#define GC_MIN_OBJECT	 24u
#define GC_LARGE_OBJECT	 85000u /* a size from which on an object is large */

typedef enum GCStatus {
	GC_OK,
	GC_ARGUMENT_OUT_OF_RANGE,
	GC_INVALID_OPERATION,
	GC_OUT_OF_MEMORY,
} GCStatus;

/*
 * What .NET calls a method table. Reference offsets count from the object's own address, so a first
 * field has offset 8. An array has component_size > 0, its length (64 bits) at offset 8 and its
 * elements from offset base_size - 8 on; component_refs are offsets within an element. Types and
 * their tables stay where they are as long as the heap lives.
 */
typedef struct GCType {
	const char *name;
	uint32_t base_size;	 /* of an object without elements; a multiple of 8, 24 at least */
	uint32_t component_size; /* of an element; 0: no array */
	uint32_t ref_count;
	const uint32_t *refs;
	uint32_t component_ref_count;
	const uint32_t *component_refs;
	void (*finalize)(void *object); /* Finalize; NULL: none. Runs on the finalizer thread. */
	bool critical;			/* CriticalFinalizerObject: after the ordinary ones */
} GCType;

/* Settings; zero is the default of each. Names of .NET's settings in parentheses. */
typedef struct GCConfig {
	size_t
	    region_range; /* address space to reserve, 256 GB, or 4 if concurrent (GCRegionRange) */
	size_t hard_limit;    /* of what is committed for objects; none (GCHeapHardLimit) */
	size_t gen0_size;     /* first budget of generation 0; the processor's cache (GCgen0size) */
	size_t loh_threshold; /* can only be raised (GCLOHThreshold) */
	size_t mark_stack; /* entries, to test what happens when it is full; no limit of its own */
	bool concurrent;   /* full collections that need not block are in the background; the
			      range is reserved with MEM_WRITE_WATCH (gcConcurrent) */
	bool verify;	   /* GC_VerifyHeap before and after each collection (HeapVerify) */
} GCConfig;

/* One heap a process. The calling thread is attached. Starts the finalizer thread. */
GCStatus GC_Initialize(const GCConfig *config);
/* Ends the finalizer thread, frees everything. Finalizers not yet run do not run, as in .NET Core.
   => only the calling thread is attached */
void GC_Shutdown(void);

/* ---- threads ---- */

GCStatus GCThread_Attach(void);
void GCThread_Detach(void);
void GCThread_EnterPreemptive(void);
void GCThread_LeavePreemptive(void); /* waits for a collection that is going on */
void GC_SafePoint(void);	     /* may collect */

/* A frame of references on the calling thread's stack. Slots are set (or NULL) before the push;
   frames are popped in the opposite order. */
typedef struct GCFrame {
	struct GCFrame *previous;
	void **slots;
	size_t count;
	bool pinned; /* what the slots hold does not move: a `fixed` statement */
} GCFrame;
void GCFrame_Push(GCFrame *frame, void **slots, size_t count, bool pinned);
void GCFrame_Pop(GCFrame *frame);

/* ---- objects ---- */

/* A zeroed object, or NULL when even a full collection made no room; may collect. */
void *GC_Alloc(const GCType *type);
/* Pinned: in the pinned object heap, where nothing moves (GC.AllocateArray); may collect. */
void *GC_AllocateArray(const GCType *type, size_t length, bool pinned);
/* *slot = value, where slot is a field or element of an object. */
void GC_WriteBarrier(void **slot, void *value);
size_t GC_GetObjectSize(const void *object);
size_t GC_GetArrayLength(const void *array);
int GC_GetGeneration(const void *object); /* 0, 1, 2; large and pinned-heap objects: 2 */

/* ---- collections ---- */

typedef enum GCCollectionMode {
	GCCollectionMode_Default,
	GCCollectionMode_Forced,
	GCCollectionMode_Optimized,  /* only if the generation's budget says that it is worth it */
	GCCollectionMode_Aggressive, /* generation 2, blocking, compacting; gives memory back */
} GCCollectionMode;

/* May collect. Compacting asks for it, otherwise the collector decides. A full collection that need
   not block is in the background if the heap is concurrent, and blocks otherwise. */
GCStatus GC_Collect(int generation, GCCollectionMode mode, bool blocking, bool compacting);
/* Collections of that generation or an older one; -1 for a generation there is not. */
int64_t GC_CollectionCount(int generation);
/* Bytes in objects; with `full` after collections until it stays the same within a twentieth. */
size_t GC_GetTotalMemory(bool full);
/* Keeps what it is given: the reference is used up to here, whatever a compiler thinks. */
void GC_KeepAlive(const void *object);

typedef enum GCLargeObjectHeapCompactionMode {
	GCLargeObjectHeapCompactionMode_Default = 1,
	GCLargeObjectHeapCompactionMode_CompactOnce = 2, /* in the next blocking full collection */
} GCLargeObjectHeapCompactionMode;
GCStatus GCSettings_set_LargeObjectHeapCompactionMode(GCLargeObjectHeapCompactionMode mode);
GCLargeObjectHeapCompactionMode GCSettings_get_LargeObjectHeapCompactionMode(void);

/* Native memory that objects hold on to; enough of it collects. */
GCStatus GC_AddMemoryPressure(int64_t bytes);
GCStatus GC_RemoveMemoryPressure(int64_t bytes);

/* No collection until `bytes` have been allocated or EndNoGCRegion. GC_OUT_OF_MEMORY is .NET's
   `false`: that much could not be committed. GC_INVALID_OPERATION: in one already; at the end: in
   none, or a collection has ended it. */
GCStatus GC_TryStartNoGCRegion(size_t bytes);
GCStatus GC_EndNoGCRegion(void);

typedef struct GCMemoryInfo {
	size_t heap_size;	   /* from the first byte to the last object, in all regions */
	size_t fragmented;	   /* thereof free */
	size_t committed;	   /* for objects */
	size_t generation_size[5]; /* 0, 1, 2, large, pinned */
	int64_t collections;	   /* of any generation */
	int64_t background;	   /* thereof in the background */
	int64_t foreground;	   /* thereof of younger generations while one was */
	int64_t compactions;	   /* thereof that moved objects */
	int64_t low_memory;	   /* collections because the system told that memory is low */
	size_t finalization_pending;
} GCMemoryInfo;
void GC_GetGCMemoryInfo(GCMemoryInfo *info); /* stops all threads for a walk of the heap */

/* ---- finalization ---- */

void GC_SuppressFinalize(void *object);
GCStatus GC_ReRegisterForFinalize(void *object);
void GC_WaitForPendingFinalizers(void); /* may collect */

/* ---- handles ---- */

typedef enum GCHandleType {
	GCHandleType_Weak,		    /* NULL before the finalizer of its target runs */
	GCHandleType_WeakTrackResurrection, /* NULL when its target's memory is free */
	GCHandleType_Normal,
	GCHandleType_Pinned,
	GCHandleType_Dependent, /* weak; its target keeps a second object alive */
} GCHandleType;

typedef struct GCHandle GCHandle;
/* NULL: no memory. A dependent handle has its second object from the start. */
GCHandle *GCHandle_Alloc(void *target, GCHandleType type);
GCHandle *DependentHandle_Alloc(void *target, void *dependent);
void GCHandle_Free(GCHandle *handle);
void *GCHandle_get_Target(const GCHandle *handle);
void GCHandle_set_Target(GCHandle *handle, void *target);
void *DependentHandle_get_Dependent(const GCHandle *handle);

/* ---- checks ---- */

/* Walks all of the heap, other threads stopped: NULL if every object, reference, card and list is
   as it must be, else what is not. The text is the callee's and lasts until the next call. */
const char *GC_VerifyHeap(void);

#endif
