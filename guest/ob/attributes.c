/*
 * attributes.c: OBJECT_ATTRIBUTES out of user memory; and the start of ob.
 */
#include "guest/ob/obp.h"

#define OBJ_VALID_ATTRIBUTES 0x1ff2u

/* Windows x64 layouts. */
struct user_attributes {
	u32 length, pad0;
	HANDLE root;
	u64 name; /* struct user_string */
	u32 attributes, pad1;
	u64 security, quality;
};
struct user_string {
	u16 bytes, max_bytes;
	u32 pad;
	u64 text;
};
_Static_assert(sizeof(struct user_attributes) == 0x30 && sizeof(struct user_string) == 16,
	       "layouts of Windows x64");

static NTSTATUS capture_name(u64 user, struct object_attributes *out)
{
	struct user_string u;
	NTSTATUS s = copy_from_user(&u, (const void *)user, sizeof(u));

	if (!NT_SUCCESS(s))
		return s;
	if (u.bytes % 2)
		return STATUS_OBJECT_NAME_INVALID;
	if (!u.bytes)
		return STATUS_SUCCESS;
	out->name = ExAllocatePool(u.bytes + 2u, TAG('O', 'b', 'N', 'm'));
	if (!out->name)
		return STATUS_INSUFFICIENT_RESOURCES;
	out->chars = u.bytes / 2;
	return copy_from_user(out->name, (const void *)u.text, u.bytes);
}

NTSTATUS ObCaptureAttributes(const void *user, struct object_attributes *out)
{
	struct user_attributes u;
	NTSTATUS s;

	memset(out, 0, sizeof(*out));
	if (!user)
		return STATUS_SUCCESS;
	s = copy_from_user(&u, user, sizeof(u));
	if (!NT_SUCCESS(s))
		return s;
	if (u.length != sizeof(u) || u.attributes & ~OBJ_VALID_ATTRIBUTES)
		return STATUS_INVALID_PARAMETER;
	out->root = u.root;
	out->attributes = u.attributes;
	s = u.name ? capture_name(u.name, out) : STATUS_SUCCESS;
	if (!NT_SUCCESS(s))
		ObReleaseAttributes(out);
	return s;
}

void ObReleaseAttributes(struct object_attributes *a)
{
	if (a->name)
		ExFreePool(a->name);
	a->name = NULL;
	a->chars = 0;
}

void ObInitSystem(void)
{
	ob_init_names();
	ob_start_destroyer();
}
