/* NtDeviceIoControlFile, NtFsControlFile, NtCancelIoFile: the few controls there are. */
#include "guest/io/syscalls.h"
#include "guest/io/device.h"

#define FSCTL_PIPE_PEEK 0x0011400cu

/* FILE_PIPE_PEEK_DATA_BUFFER: state, bytes to be read, messages, length of the first, data[] */
struct pipe_peek {
	u32 state, available, messages, message_bytes;
};
#define PIPE_CONNECTED_STATE 3
#define PIPE_CLOSING_STATE   4

/* PeekNamedPipe on a redirected stdin. No data is shown, only how much there is. */
static NTSTATUS peek_console(struct FILE_OBJECT *f, void *out, u32 out_bytes, u64 *information)
{
	struct pipe_peek p = {.state = PIPE_CONNECTED_STATE};

	if (f->console != CONSOLE_IN || console_is_terminal(f->console))
		return STATUS_INVALID_DEVICE_REQUEST;
	if (out_bytes < sizeof p)
		return STATUS_INFO_LENGTH_MISMATCH;
	if (console_at_end())
		return STATUS_PIPE_BROKEN;
	p.available = console_available();
	*information = sizeof p;
	return copy_to_user(out, &p, sizeof p);
}

NTSYSCALL NTSTATUS NtDeviceIoControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context,
					 void *iosb, u32 code, const void *in, u32 in_bytes,
					 void *out, u32 out_bytes)
{
	struct request r;
	NTSTATUS s = request_begin(&r, h, 0, event, apc, iosb);

	(void)apc_context;
	(void)code;
	(void)in;
	(void)in_bytes;
	(void)out;
	(void)out_bytes;
	return s == STATUS_SUCCESS ? request_end(&r, STATUS_INVALID_DEVICE_REQUEST, 0) : s;
}

NTSYSCALL NTSTATUS NtFsControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
				   u32 code, const void *in, u32 in_bytes, void *out, u32 out_bytes)
{
	struct request r;
	NTSTATUS s = request_begin(&r, h, 0, event, apc, iosb);
	u64 information = 0;

	(void)apc_context;
	(void)in;
	(void)in_bytes;
	if (s != STATUS_SUCCESS)
		return s;
	if (r.f->ops == &console_ops && code == FSCTL_PIPE_PEEK)
		s = peek_console(r.f, out, out_bytes, &information);
	else
		s = STATUS_INVALID_DEVICE_REQUEST;
	return request_end(&r, s, information);
}

/* Requests end within their call, so there is never one to cancel. */
NTSYSCALL NTSTATUS NtCancelIoFile(HANDLE h, void *iosb)
{
	struct request r;
	NTSTATUS s = request_begin(&r, h, 0, 0, NULL, iosb);

	return s == STATUS_SUCCESS ? request_end(&r, STATUS_SUCCESS, 0) : s;
}

NTSYSCALL NTSTATUS NtCreateNamedPipeFile(HANDLE *handle, u32 access, const void *attributes,
					 void *iosb, u32 share, u32 disposition, u32 options,
					 u32 type, u32 read_mode, u32 completion_mode,
					 u32 instances, u32 in_quota, u32 out_quota,
					 const s64 *timeout)
{
	(void)handle;
	(void)access;
	(void)attributes;
	(void)iosb;
	(void)share;
	(void)disposition;
	(void)options;
	(void)type;
	(void)read_mode;
	(void)completion_mode;
	(void)instances;
	(void)in_quota;
	(void)out_quota;
	(void)timeout;
	return STATUS_NOT_IMPLEMENTED;
}
