/* File handles that are no files: NUL and the console. */
#include "guest/io/device.h"
#include "guest/io/fs.h"
#include "guest/abi/runblock.h"

static NTSTATUS null_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done)
{
	(void)f;
	(void)user;
	(void)bytes;
	(void)offset;
	*done = 0;
	return STATUS_END_OF_FILE;
}

static NTSTATUS null_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset,
			   u32 *done)
{
	(void)f;
	(void)user;
	(void)offset;
	*done = bytes;
	return STATUS_SUCCESS;
}

static NTSTATUS nothing_to_flush(struct FILE_OBJECT *f)
{
	(void)f;
	return STATUS_SUCCESS;
}

const struct file_ops null_ops = {
    .device_type = FILE_DEVICE_NULL,
    .read = null_read,
    .write = null_write,
    .flush = nothing_to_flush,
};

static NTSTATUS con_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done)
{
	(void)offset;
	if (f->console == CONSOLE_OUT || f->console == CONSOLE_ERR)
		return STATUS_ACCESS_DENIED;
	return console_read_user(user, bytes, done);
}

static NTSTATUS con_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done)
{
	(void)offset;
	if (f->console == CONSOLE_IN)
		return STATUS_ACCESS_DENIED;
	return console_write_user(f->console == CONSOLE_ERR ? NTMM_CONSOLE_STDERR
							    : NTMM_CONSOLE_STDIO,
				  user, bytes, done);
}

/* device_type: see volume.c, it depends on what the host has there */
const struct file_ops console_ops = {
    .device_type = FILE_DEVICE_CONSOLE,
    .read = con_read,
    .write = con_write,
    .flush = nothing_to_flush, /* a write ends when the host has it */
};

NTSTATUS console_open(const struct nt_path *p, const struct open_request *rq,
		      struct FILE_OBJECT **file)
{
	*file = file_create_object(&console_ops, rq);
	if (!*file)
		return STATUS_NO_MEMORY;
	(*file)->console = p->console;
	return STATUS_SUCCESS;
}

bool console_is_terminal(u8 console)
{
	static const u8 bit[] = {
	    [CONSOLE_IN] = 0, [CONSOLE_OUT] = 1, [CONSOLE_ERR] = 2, [CONSOLE_BOTH] = 1};

	return runblock_number("tty", 0) >> bit[console] & 1;
}
