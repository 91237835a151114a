/* The Nt*File system calls, as the dispatch table (ke) names them. All pointers are user memory. */
#ifndef NTMM_IO_SYSCALLS_H
#define NTMM_IO_SYSCALLS_H

#include "guest/ke/syscall.h"
#include "guest/io/fs.h"

NTSYSCALL NTSTATUS NtCreateFile(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				IO_STATUS_BLOCK *iosb, const s64 *allocation, u32 file_attributes_,
				u32 share, u32 disposition, u32 options, const void *ea,
				u32 ea_bytes);
NTSYSCALL NTSTATUS NtOpenFile(HANDLE *handle, ACCESS_MASK access, const void *attributes,
			      IO_STATUS_BLOCK *iosb, u32 share, u32 options);
NTSYSCALL NTSTATUS NtDeleteFile(const void *attributes);
NTSYSCALL NTSTATUS NtReadFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			      void *buffer, u32 bytes, s64 *offset, u32 *key);
NTSYSCALL NTSTATUS NtWriteFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			       const void *buffer, u32 bytes, s64 *offset, u32 *key);
NTSYSCALL NTSTATUS NtReadFileScatter(HANDLE h, HANDLE event, void *apc, void *apc_context,
				     void *iosb, const u64 *segments, u32 bytes, s64 *offset,
				     u32 *key);
NTSYSCALL NTSTATUS NtWriteFileGather(HANDLE h, HANDLE event, void *apc, void *apc_context,
				     void *iosb, const u64 *segments, u32 bytes, s64 *offset,
				     u32 *key);
NTSYSCALL NTSTATUS NtFlushBuffersFile(HANDLE h, void *iosb);
NTSYSCALL NTSTATUS NtLockFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			      s64 *offset, s64 *bytes, u32 key, u8 fail_at_once, u8 exclusive);
NTSYSCALL NTSTATUS NtUnlockFile(HANDLE h, void *iosb, s64 *offset, s64 *bytes, u32 key);
NTSYSCALL NTSTATUS NtQueryInformationFile(HANDLE h, void *iosb, void *buffer, u32 bytes,
					  u32 info_class);
NTSYSCALL NTSTATUS NtSetInformationFile(HANDLE h, void *iosb, const void *buffer, u32 bytes,
					u32 info_class);
NTSYSCALL NTSTATUS NtQueryAttributesFile(const void *attributes, void *basic);
NTSYSCALL NTSTATUS NtQueryFullAttributesFile(const void *attributes, void *open);
NTSYSCALL NTSTATUS NtQueryDirectoryFile(HANDLE h, HANDLE event, void *apc, void *apc_context,
					void *iosb, void *buffer, u32 bytes, u32 info_class,
					u8 single, const void *pattern, u8 restart);
NTSYSCALL NTSTATUS NtQueryVolumeInformationFile(HANDLE h, void *iosb, void *buffer, u32 bytes,
						u32 info_class);
NTSYSCALL NTSTATUS NtDeviceIoControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context,
					 void *iosb, u32 code, const void *in, u32 in_bytes,
					 void *out, u32 out_bytes);
NTSYSCALL NTSTATUS NtFsControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
				   u32 code, const void *in, u32 in_bytes, void *out,
				   u32 out_bytes);
NTSYSCALL NTSTATUS NtCancelIoFile(HANDLE h, void *iosb);
NTSYSCALL NTSTATUS NtCancelIoFileEx(HANDLE h, const void *which, void *iosb);
NTSYSCALL NTSTATUS NtCreateNamedPipeFile(HANDLE *handle, u32 access, const void *attributes,
					 void *iosb, u32 share, u32 disposition, u32 options,
					 u32 type, u32 read_mode, u32 completion_mode,
					 u32 instances, u32 in_quota, u32 out_quota,
					 const s64 *timeout);

struct completion_entry;
NTSYSCALL NTSTATUS NtCreateIoCompletion(HANDLE *handle, ACCESS_MASK access, const void *attributes,
					u32 threads);
NTSYSCALL NTSTATUS NtOpenIoCompletion(HANDLE *handle, ACCESS_MASK access, const void *attributes);
NTSYSCALL NTSTATUS NtQueryIoCompletion(HANDLE h, u32 class, void *buffer, u32 length,
				       u32 *returned);
NTSYSCALL NTSTATUS NtSetIoCompletion(HANDLE h, u64 key, u64 context, NTSTATUS status,
				     u64 information);
NTSYSCALL NTSTATUS NtRemoveIoCompletion(HANDLE h, u64 *key, u64 *context, IO_STATUS_BLOCK *iosb,
					const s64 *timeout);
NTSYSCALL NTSTATUS NtRemoveIoCompletionEx(HANDLE h, struct completion_entry *entries, u32 count,
					  u32 *removed, const s64 *timeout, u8 alertable);

#endif
