/*
 * fs: private to io: files of the host's folders and everything else that a file handle can be.
 *
 * fcb (file control block): one a host file, shared by all file objects that have it open.
 * FILE_OBJECT: one an open; the body of an IoFileType object.
 *
 * Locks, in this order: f->lock (mutex; position of a synchronous file object), fs_lock (mutex;
 * names: the table of fcbs, opens, renames, deletions, share counts), fcb->lock (mutex; byte-range
 * locks, appends). Letters below: N fs_lock, F fcb->lock, S f->lock, I immutable once open. Paging
 * I/O takes none of them. mm is never called with one of them held.
 */
#ifndef NTMM_IO_FS_H
#define NTMM_IO_FS_H

#include "guest/io/io.h"
#include "guest/io/names.h"
#include "guest/io/p9.h"
#include "guest/ob/ob.h"

/* Access rights of files (winnt.h) */
#define FILE_READ_DATA	      0x0001u
#define FILE_WRITE_DATA	      0x0002u
#define FILE_APPEND_DATA      0x0004u
#define FILE_READ_EA	      0x0008u
#define FILE_WRITE_EA	      0x0010u
#define FILE_EXECUTE	      0x0020u
#define FILE_DELETE_CHILD     0x0040u
#define FILE_READ_ATTRIBUTES  0x0080u
#define FILE_WRITE_ATTRIBUTES 0x0100u
#define FILE_LIST_DIRECTORY   FILE_READ_DATA
#define FILE_ALL_ACCESS	      0x001f01ffu

#define FILE_SHARE_READ	  1u
#define FILE_SHARE_WRITE  2u
#define FILE_SHARE_DELETE 4u

enum { FILE_SUPERSEDE, FILE_OPEN, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE, FILE_OVERWRITE_IF };
/* IO_STATUS_BLOCK.Information of an open */
enum { FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED, FILE_OVERWRITTEN, FILE_EXISTS };

#define FILE_DIRECTORY_FILE	       0x00000001u
#define FILE_WRITE_THROUGH	       0x00000002u
#define FILE_NO_INTERMEDIATE_BUFFERING 0x00000008u
#define FILE_SYNCHRONOUS_IO_ALERT      0x00000010u
#define FILE_SYNCHRONOUS_IO_NONALERT   0x00000020u
#define FILE_NON_DIRECTORY_FILE	       0x00000040u
#define FILE_DELETE_ON_CLOSE	       0x00001000u
#define FILE_OPEN_BY_FILE_ID	       0x00002000u
#define FILE_SYNCHRONOUS	       (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)

#define FILE_ATTRIBUTE_READONLY	 0x01u
#define FILE_ATTRIBUTE_DIRECTORY 0x10u
#define FILE_ATTRIBUTE_ARCHIVE	 0x20u
#define FILE_ATTRIBUTE_NORMAL	 0x80u

typedef struct {
	u64 status; /* NTSTATUS in the low half; the union is pointer-sized */
	u64 information;
} IO_STATUS_BLOCK;

struct ETHREAD;
struct FILE_OBJECT;
struct pipe_instance;
struct io_completion;
struct completion_packet;

/* What a file object is made of. NULL entry: STATUS_INVALID_DEVICE_REQUEST. */
struct file_ops {
	u32 device_type; /* FILE_DEVICE_* */
	/* User memory, at `offset` where that means something. STATUS_SUCCESS needs *done > 0 */
	NTSTATUS (*read)(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done);
	NTSTATUS(*write)
	(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done);
	NTSTATUS (*flush)(struct FILE_OBJECT *f);
	void (*cleanup)(struct FILE_OBJECT *f); /* last handle closed; once */
	void (*destroy)(struct FILE_OBJECT *f);
};
#define FILE_DEVICE_DISK       0x07u
#define FILE_DEVICE_NAMED_PIPE 0x11u
#define FILE_DEVICE_NULL       0x15u
#define FILE_DEVICE_CONSOLE    0x50u

struct fcb {
	struct list entry; /* in the table; N. Not in it: deleted */
	u32 references;	   /* file objects; N */
	struct p9_session *session;
	u64 inode;   /* the host's qid.path; I */
	u32 version; /* qid.version when the image mm may keep of it was known to be good; N */
	bool directory;
	bool delete_pending; /* N */
	u32 opens;	     /* file objects not cleaned up; N */
	u32 readers, writers, deleters, share_read, share_write, share_delete, shared; /* N */
	/* Fids; set under N, then constant. `fid` is always good for attributes. */
	u32 fid;
	volatile u32 read_fid, write_fid; /* opened for it, or P9_NOFID */
	struct section_object_pointers section;
	struct mutex lock;
	struct list locks;	  /* F */
	struct mutex append_lock; /* taken before fcb->lock */
	KEVENT unlocked;	  /* pulsed when a lock goes */
	struct list files;	  /* FILE_OBJECT.fcb_entry; N */
};

struct FILE_OBJECT {
	const struct file_ops *ops; /* I */
	struct fcb *fcb;	    /* disk files and folders; I */
	struct list fcb_entry;	    /* N */
	ACCESS_MASK access;	    /* I */
	u32 share, options;	    /* I */
	bool counted;		    /* in the fcb's share counts; N */
	bool cleaned;		    /* N */
	bool delete_on_close;	    /* N */
	bool delete_at_cleanup;	    /* N; POSIX semantics: whoever else has it open */
	bool read_only_drive;
	char *path;		    /* host path below the drive's root; pool; N */
	u8 console;		    /* enum console_path */
	u32 mode;		    /* FILE_MODE_INFORMATION: options that can be changed */
	struct pipe_instance *pipe; /* I; with the two below */
	u8 pipe_side;
	u32 connection;
	struct mutex lock;
	u64 position;		    /* S when synchronous */
	KEVENT event;		    /* set when a request ends */
	struct io_completion *port; /* and port_key: completion.c */
	u64 port_key;
	volatile u8 skip;      /* FILE_SKIP_*; atomic */
	struct dir_scan *scan; /* S */
};

extern struct mutex fs_lock;
void fs_init(void);
bool fs_drive(char letter); /* there is such a drive */
bool fs_drive_writable(char letter);
static inline bool is_folder(const struct FILE_OBJECT *f)
{
	return f->fcb && f->fcb->directory;
}
static inline bool is_synchronous(const struct FILE_OBJECT *f)
{
	return f->options & FILE_SYNCHRONOUS;
}

/* ---- lookup.c: => fs_lock ---- */
struct lookup {
	u32 fid; /* of what was found; the caller's */
	struct p9_qid qid;
	bool parent_found; /* only the last name is missing */
};
/* Follows `path`, first as spelled, then without regard to case; puts the host's spelling in. */
NTSTATUS lookup_path(struct p9_session *s, struct host_path *path, struct lookup *l);
/* A new fid for the folder that holds the path's last name. */
NTSTATUS lookup_parent(struct p9_session *s, const struct host_path *path, u32 *fid);

/* ---- fcb.c: => fs_lock ---- */
/* The file's fcb with one more reference. Takes over l->fid. NULL without memory. */
struct fcb *fcb_get(struct p9_session *s, struct lookup *l);
void fcb_put(struct fcb *b);
/* Makes the fids that `access` needs. */
NTSTATUS fcb_open_data(struct fcb *b, const struct host_path *path, ACCESS_MASK access);
NTSTATUS fcb_check_share(const struct fcb *b, ACCESS_MASK access, u32 share);
void fcb_add_share(struct fcb *b, const struct FILE_OBJECT *f);
void fcb_remove_share(struct fcb *b, const struct FILE_OBJECT *f);
bool fcb_any_below(struct p9_session *s, const char *folder); /* open files below a folder */

/* ---- file.c ---- */
extern const struct file_ops disk_ops;
struct open_request {
	ACCESS_MASK access; /* mapped */
	u32 share, attributes, disposition, options;
	bool look; /* is it there? A pipe is not connected to */
};
/* A file object (one reference) for an NT path, below the open folder `root` if that is not NULL.
 */
NTSTATUS file_open(const u16 *path, u32 chars, struct FILE_OBJECT *root,
		   const struct open_request *rq, struct FILE_OBJECT **file, u32 *information);
NTSTATUS disk_open(char letter, struct host_path *path, const struct open_request *rq,
		   struct FILE_OBJECT **file, u32 *information);
/* The same by the caller's OBJECT_ATTRIBUTES; *handle_attributes are its OBJ_* bits. */
NTSTATUS open_by_attributes(const void *user, const struct open_request *rq,
			    struct FILE_OBJECT **file, u32 *information, u32 *handle_attributes);
/* The beginning and the end of a system call that makes a file handle (ntcreate.c): pointers
 * probed, access mapped, arguments checked; handle made and stored. Consumes the reference to f. */
NTSTATUS create_begin(HANDLE *user_handle, IO_STATUS_BLOCK *user_iosb, struct open_request *rq);
NTSTATUS create_end(HANDLE *user_handle, IO_STATUS_BLOCK *user_iosb, struct FILE_OBJECT *f,
		    u32 handle_attributes, u32 information);
struct FILE_OBJECT *file_create_object(const struct file_ops *ops, const struct open_request *rq);
/* The NT name "\folder\file" of a disk file, in pool; *chars without the NUL. => takes fs_lock */
u16 *file_nt_name(struct FILE_OBJECT *f, u32 *chars);
NTSTATUS file_attributes(struct FILE_OBJECT *f, struct p9_attr *a);
u32 attributes_of(const struct p9_attr *a);
u64 nt_time(s64 unix_ns);
s64 unix_time(u64 nt);

/* ---- diskio.c ---- */
/* Kernel memory in pool; stops at the end of the file. */
NTSTATUS disk_read_kernel(struct fcb *b, u64 offset, void *pool, u32 bytes, u32 *done);
NTSTATUS disk_write_kernel(struct fcb *b, u64 offset, const void *pool, u32 bytes, u32 *done);
NTSTATUS disk_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done);
NTSTATUS disk_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done);
NTSTATUS disk_set_size(struct FILE_OBJECT *f, u64 bytes);

/* ---- delete.c: => fs_lock ---- */
void delete_file(struct FILE_OBJECT *f);
/* Whether it may be marked for deletion; takes fs_lock itself. */
NTSTATUS delete_allowed(struct FILE_OBJECT *f, bool even_readonly);

/* ---- rename.c ---- */
struct renaming {
	struct FILE_OBJECT *f;
	struct p9_session *s;
	struct host_path from, to;
	char last[NAME_MAX_CHARS]; /* as the caller spelled it */
	u32 last_bytes;
	bool replace;
};
struct p9_name host_path_last(const struct host_path *p);
/* A zeroed one with `from` and `to` set; takes fs_lock, which is held when it succeeds. */
NTSTATUS renaming_begin(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
			bool replace, struct renaming **out);
/* Finds the folder of the new name, a fid the caller clunks, and makes room there. => fs_lock */
NTSTATUS renaming_target(struct renaming *r, u32 *folder);
void renaming_end(struct renaming *r); /* frees it and fs_lock */
/* takes fs_lock */
NTSTATUS rename_file(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
		     bool replace);

/* ---- devices.c ---- */
extern const struct file_ops null_ops, console_ops;
NTSTATUS console_open(const struct nt_path *p, const struct open_request *rq,
		      struct FILE_OBJECT **file);
bool console_is_terminal(u8 console);

void pipe_init(void);

/* ---- link.c: takes fs_lock ---- */
NTSTATUS link_file(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
		   bool replace);
/* The empty file or folder f becomes a symbolic link; f is then a file without a name. */
NTSTATUS symlink_file(struct FILE_OBJECT *f, const u16 *target, u32 chars, bool relative);

/* ---- bytelock.c ---- */
/* A read or write by the current process may touch the range. */
bool locks_allow(struct FILE_OBJECT *f, u64 offset, u64 bytes, u32 key, bool write);
void locks_release_all(struct FILE_OBJECT *f); /* of this file object */

/* ---- dir.c ---- */
void dir_scan_free(struct FILE_OBJECT *f);

/* ---- request.c: the frame of every system call on a file handle ---- */
struct request {
	struct FILE_OBJECT *f;
	ACCESS_MASK access;		  /* of the handle */
	KEVENT *event;			  /* the caller's, or NULL */
	u64 apc, apc_context;		  /* user routine to be called at the end, or 0 */
	struct completion_packet *packet; /* or to be posted, or NULL */
	IO_STATUS_BLOCK *iosb;		  /* user */
	bool transfer;			  /* a read or write, for IO_COUNTERS */
};
/* Any one right of `any` will do (0: none needed). On failure there is nothing to end. */
NTSTATUS request_begin(struct request *r, HANDLE h, ACCESS_MASK any, HANDLE event, void *user_iosb);
/* The same with a user APC at the end. */
NTSTATUS request_begin_apc(struct request *r, HANDLE h, ACCESS_MASK any, HANDLE event,
			   const void *apc, const void *apc_context, void *user_iosb);
/* Fills the IO_STATUS_BLOCK, sets the event and the file's own. Returns `s`, or the status of the
 * copy if that fails. */
NTSTATUS request_end(struct request *r, NTSTATUS s, u64 information);
/* The same for one that was pending: events, APC or packet, references; the IO_STATUS_BLOCK has
 * been written. The requester is `t`. */
void request_settle(struct request *r, struct ETHREAD *t, NTSTATUS s, u64 information);
/* The object of an optional event handle, reset. *event NULL when the handle is 0. */
NTSTATUS request_event(HANDLE h, KEVENT **event);

#endif
