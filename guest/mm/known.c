/*
 * \KnownDlls: section objects of the DLLs of C:\Windows\System32, made when they are first asked
 * for and kept until the machine ends. As on NT, a program that imports one of them by its plain
 * name gets it from here whatever lies in its folder, and what the host does to the file later
 * changes nothing. So most of what a new process loads costs no request to the host.
 *
 * Lock: known_lock, for `made`; taken with no other held.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define SYSTEM_FOLDER "\\??\\C:\\Windows\\System32\\"
#define MAX_NAME      16u

static struct {
	const char name[MAX_NAME];
	bool made;
} known[] = {
    {"ntdll.dll", false},  {"kernel32.dll", false}, {"kernelbase.dll", false},
    {"msvcrt.dll", false}, {"advapi32.dll", false}, {"user32.dll", false},
    {"psapi.dll", false},
};
static struct mutex known_lock;

void mm_init_known_dlls(void)
{
	mutex_init(&known_lock);
}

static bool same(const u16 *text, u32 chars, const char *name, bool fold)
{
	u32 i = 0;

	for (; i < chars && name[i]; i++) {
		u16 c = text[i];

		if (fold && c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != (u8)name[i])
			return false;
	}
	return i == chars && !name[i];
}

/* => known_lock */
static NTSTATUS make(const char *name)
{
	char object[sizeof(MM_KNOWN_DLLS) + MAX_NAME];
	u16 path[sizeof(SYSTEM_FOLDER) + MAX_NAME];
	struct FILE_OBJECT *f;
	struct control_area *ca;
	struct section *s;
	u32 chars = 0;
	NTSTATUS st;

	for (const char *p = SYSTEM_FOLDER; *p; p++)
		path[chars++] = (u8)*p;
	for (const char *p = name; *p; p++)
		path[chars++] = (u8)*p;
	st = IoOpenFile(path, chars, false, &f);
	if (st)
		return st;
	st = mm_image_control_area(f, 0, &ca);
	IoDereferenceFile(f);
	if (st)
		return st;
	st = mm_create_section_object(ca, SEC_FILE | SEC_IMAGE, PAGE_EXECUTE, ca->size, &s);
	if (st) {
		mm_dereference_ca(ca);
		return st;
	}
	ke_snprintf(object, sizeof(object), "%s%s", MM_KNOWN_DLLS, name);
	st = ObNameKernelObject(object, s); /* our reference stays with the name */
	if (st)
		ObDereferenceObject(s);
	return st;
}

void mm_want_known_dll(const u16 *path, u32 chars, bool fold)
{
	const u32 prefix = sizeof(MM_KNOWN_DLLS) - 1;

	if (chars <= prefix || path[prefix - 1] != '\\')
		return; /* what else the prefix is does not matter: a section too early is no harm
			 */
	for (u32 i = 0; i < ARRAY_SIZE(known); i++) {
		if (!same(path + prefix, chars - prefix, known[i].name, fold))
			continue;
		mutex_lock(&known_lock);
		if (!known[i].made)
			known[i].made = NT_SUCCESS(make(known[i].name));
		mutex_unlock(&known_lock);
	}
}
