/*
 * io: PCI, virtio devices, and what lies on them: paging devices, the console, host folders.
 *
 * To mm it offers paging I/O by page frame numbers; to ps and ob file objects and the Nt*File
 * calls.
 */
#ifndef NTMM_IO_IO_H
#define NTMM_IO_IO_H

#include "guest/ke/ke.h"

struct ETHREAD;
void IoCancelThread(struct ETHREAD *t); /* its pending requests end with STATUS_CANCELLED */
void IoInitSystem(void); /* finds and starts all devices; bug checks without a drive C: */

/* ---- pagefiles (io/pagedisk.c) ---- */
#define PAGEIO_MAX_PAGES 64

/*
 * One request: `count` consecutive pages of pagefile `index` from page `slot` on, to or from the
 * frames pfn[]. The caller fills the upper part, keeps it alive (nonpaged) until done() has run, at
 * DISPATCH_LEVEL, with `status` set: STATUS_SUCCESS, STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL.
 */
struct pageio {
	u8 index;
	bool write;
	u16 count;
	u64 slot;
	pfn_t pfn[PAGEIO_MAX_PAGES];
	void (*done)(struct pageio *io);
	void *context;
	NTSTATUS status;
	struct list entry; /* io's own */
};
u32 IoPagefileCount(void);
u64 IoPagefilePages(u32 index);	   /* current size */
u64 IoPagefileMaxPages(u32 index); /* what it may grow to */
/* Asks the host for more; returns the size it now has, in pages. => PASSIVE_LEVEL */
u64 IoPagefileGrow(u32 index, u64 pages);
void IoPagefileSubmit(struct pageio *io); /* => IRQL <= DISPATCH; never blocks (queues when full) */
/* Tells the host that pages are no longer needed (DISCARD); advice, asynchronous. */
void IoPagefileDiscard(u32 index, u64 slot, u64 pages);

/* ---- files as mm and ps see them (io/file.c) ---- */
struct FILE_OBJECT;

/* Opens by NT path ("\??\C:\Windows\...", UTF-16, length in characters). Caller closes. PASSIVE. */
NTSTATUS IoOpenFile(const u16 *path, u32 chars, bool write, struct FILE_OBJECT **file);
void IoReferenceFile(struct FILE_OBJECT *f);
void IoDereferenceFile(struct FILE_OBJECT *f);
NTSTATUS IoGetFileSize(struct FILE_OBJECT *f, u64 *bytes); /* asks the host */
/* True when both are the same file of the host (device and inode). */
bool IoSameFile(const struct FILE_OBJECT *a, const struct FILE_OBJECT *b);
/* Reads into, or writes from, kernel memory by frames: up to PAGEIO_MAX_PAGES whole pages at a page
 * aligned file offset. A read past the end gives zeroes; *bytes tells how many came from the file.
 * Blocks. => PASSIVE_LEVEL, no spin locks */
NTSTATUS IoReadFilePages(struct FILE_OBJECT *f, u64 offset, const pfn_t *pfn, u32 count,
			 u64 *bytes);
NTSTATUS IoWriteFilePages(struct FILE_OBJECT *f, u64 offset, const pfn_t *pfn, u32 bytes);
NTSTATUS IoReadFile(struct FILE_OBJECT *f, u64 offset, void *kernel_buffer, u32 bytes, u32 *done);
NTSTATUS IoSetFileSize(struct FILE_OBJECT *f, u64 bytes);
/* mm hangs its control areas here: one for data, one for image (SECTION_OBJECT_POINTERS), shared by
 * all file objects of the same host file. */
struct section_object_pointers {
	void *data, *image;
};
struct section_object_pointers *IoSectionPointers(struct FILE_OBJECT *f);

/* A file of the host, not a folder, console or pipe: what a section can be made of. */
bool IoIsDiskFile(const struct FILE_OBJECT *f);
/* "\Device\HarddiskVolumeN\folder\file" (N: drive letter, A = 1), NUL-terminated, in pool: free it
 * with ExFreePool. *chars is without the NUL. => PASSIVE_LEVEL */
NTSTATUS IoQueryFileName(struct FILE_OBJECT *f, u16 **name, u32 *chars);

/* What mm (mm/filepage.c) answers about mapped files; called with no lock of io held. */
/* False: data mapped beyond `size`, or an image of the file is mapped. */
bool MmCanFileBeTruncated(struct section_object_pointers *p, u64 size);
/* False: an image section of it is in use, so the file may be neither written nor deleted. */
bool MmCanFileBeWritten(struct section_object_pointers *p);
/* Before data is read from the host: dirty mapped pages of the range reach the file. */
void MmFlushMappedFile(struct section_object_pointers *p, u64 offset, u64 bytes);
/* After data was written to the host: mapped pages of the range show it. */
void MmUpdateMappedFile(struct section_object_pointers *p, u64 offset, const void *data, u32 bytes,
			bool written);
/* The file has become that long. */
void MmFileGrew(struct section_object_pointers *p, u64 bytes);

/* ---- console (io/console.c) ---- */
/* Writes to the host's stdout or stderr (NTMM_CONSOLE_*). Blocks until the host has it. PASSIVE. */
NTSTATUS IoConsoleWrite(u32 port, const void *kernel_buffer, u32 bytes);
void IoConsoleDrain(void); /* all output has reached the host */

#endif
