/* NtCreateFile, NtOpenFile, NtDeleteFile: arguments checked and captured, then file_open(). */
#include "guest/io/syscalls.h"

#define VALID_OPTIONS	 0x00ffffffu
#define VALID_ATTRIBUTES 0x00007fb7u
#define VALID_SHARE	 7u
/* Options that make sense for a folder (FILE_DIRECTORY_FILE) */
#define FOLDER_OPTIONS                                                                        \
	(FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS | FILE_WRITE_THROUGH | FILE_DELETE_ON_CLOSE | \
	 FILE_OPEN_BY_FILE_ID | 0x00c0c000u | 0x00200000u)

/* In the order NT checks them. */
static NTSTATUS check_arguments(const struct open_request *rq)
{
	u32 o = rq->options;

	if (rq->attributes & ~VALID_ATTRIBUTES || rq->share & ~VALID_SHARE ||
	    rq->disposition > FILE_OVERWRITE_IF || o & ~VALID_OPTIONS)
		return STATUS_INVALID_PARAMETER;
	if (o & FILE_SYNCHRONOUS && !(rq->access & SYNCHRONIZE))
		return STATUS_INVALID_PARAMETER;
	if (o & FILE_DELETE_ON_CLOSE && !(rq->access & DELETE_ACCESS))
		return STATUS_INVALID_PARAMETER;
	if ((o & FILE_SYNCHRONOUS) == FILE_SYNCHRONOUS)
		return STATUS_INVALID_PARAMETER;
	if (o & FILE_DIRECTORY_FILE) {
		if (o & FILE_NON_DIRECTORY_FILE || o & ~FOLDER_OPTIONS)
			return STATUS_INVALID_PARAMETER;
		if (rq->disposition != FILE_CREATE && rq->disposition != FILE_OPEN &&
		    rq->disposition != FILE_OPEN_IF)
			return STATUS_INVALID_PARAMETER;
	}
	if (o & FILE_OPEN_BY_FILE_ID)
		return STATUS_NOT_SUPPORTED;
	return STATUS_SUCCESS;
}

NTSTATUS open_by_attributes(const void *user, const struct open_request *rq,
			    struct FILE_OBJECT **file, u32 *information, u32 *handle_attributes)
{
	struct object_attributes a;
	void *root = NULL;
	NTSTATUS s = ObCaptureAttributes(user, &a);

	if (s != STATUS_SUCCESS)
		return s;
	*handle_attributes = a.attributes;
	if (a.root)
		s = ObReferenceObjectByHandle(a.root, 0, &IoFileType, &root);
	if (s == STATUS_SUCCESS)
		s = file_open(a.name, a.chars, root, rq, file, information);
	if (root)
		ObDereferenceObject(root);
	ObReleaseAttributes(&a);
	return s;
}

NTSTATUS create_begin(HANDLE *user_handle, IO_STATUS_BLOCK *user_iosb, struct open_request *rq)
{
	IO_STATUS_BLOCK iosb;
	HANDLE handle = 0;
	NTSTATUS s = copy_to_user(user_handle, &handle, sizeof handle);

	if (s == STATUS_SUCCESS)
		s = copy_from_user(&iosb, user_iosb, sizeof iosb);
	if (s != STATUS_SUCCESS)
		return s;
	rq->access = ObMapAccess(&IoFileType, rq->access);
	return check_arguments(rq);
}

NTSTATUS create_end(HANDLE *user_handle, IO_STATUS_BLOCK *user_iosb, struct FILE_OBJECT *f,
		    u32 handle_attributes, u32 information)
{
	IO_STATUS_BLOCK iosb = {(u32)STATUS_SUCCESS, information};
	HANDLE handle;
	NTSTATUS s = ObCreateHandle(f, f->access, handle_attributes, &handle), copied;

	ObDereferenceObject(f);
	if (s != STATUS_SUCCESS)
		return s;
	s = copy_to_user(user_handle, &handle, sizeof handle);
	copied = copy_to_user(user_iosb, &iosb, sizeof iosb);
	if (s == STATUS_SUCCESS)
		s = copied;
	if (s != STATUS_SUCCESS)
		ObCloseHandle(handle);
	return s;
}

static NTSTATUS create_file(HANDLE *user_handle, const void *attributes, IO_STATUS_BLOCK *user_iosb,
			    struct open_request *rq)
{
	struct FILE_OBJECT *f;
	u32 information, handle_attributes;
	NTSTATUS s = create_begin(user_handle, user_iosb, rq);

	if (s == STATUS_SUCCESS)
		s = open_by_attributes(attributes, rq, &f, &information, &handle_attributes);
	if (s != STATUS_SUCCESS)
		return s;
	return create_end(user_handle, user_iosb, f, handle_attributes, information);
}

NTSYSCALL NTSTATUS NtCreateFile(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				IO_STATUS_BLOCK *iosb, const s64 *allocation, u32 file_attributes_,
				u32 share, u32 disposition, u32 options, const void *ea,
				u32 ea_bytes)
{
	struct open_request rq = {
	    .access = access,
	    .share = share,
	    .attributes = file_attributes_,
	    .disposition = disposition,
	    .options = options,
	};

	(void)allocation; /* advice */
	if (ea && ea_bytes)
		return STATUS_NOT_SUPPORTED;
	return create_file(handle, attributes, iosb, &rq);
}

NTSYSCALL NTSTATUS NtOpenFile(HANDLE *handle, ACCESS_MASK access, const void *attributes,
			      IO_STATUS_BLOCK *iosb, u32 share, u32 options)
{
	struct open_request rq = {
	    .access = access,
	    .share = share,
	    .disposition = FILE_OPEN,
	    .options = options,
	};

	return create_file(handle, attributes, iosb, &rq);
}

NTSYSCALL NTSTATUS NtDeleteFile(const void *attributes)
{
	const struct open_request rq = {
	    .access = DELETE_ACCESS,
	    .share = VALID_SHARE,
	    .disposition = FILE_OPEN,
	    .options = FILE_DELETE_ON_CLOSE,
	};
	struct FILE_OBJECT *f;
	u32 information, handle_attributes;
	NTSTATUS s = open_by_attributes(attributes, &rq, &f, &information, &handle_attributes);

	if (s == STATUS_SUCCESS)
		ObDereferenceObject(f);
	return s;
}
