/*
 * What becomes of views when a process is made: those mapped with ViewShare are in the child, at
 * the same address and with the same protection; those of ViewUnmap and of MapViewOfFile are not.
 */
#include "tests/guest/sect.h"
#include "tests/guest/proc.h"

#define BYTES 0x30000u
#define SHARE 1u
#define UNMAP 2u

static unsigned char *share_view(HANDLE section, ULONGLONG offset, ULONG inherit, ULONG protect)
{
	LARGE_INTEGER at = {.QuadPart = (LONGLONG)offset};
	void *base = NULL;
	SIZE_T size = 0;

	CHECK_EQ(NtMapViewOfSection(section, SELF, &base, 0, 0, &at, &size, inherit, 0, protect),
		 0);
	return base;
}

static HANDLE plain_section(ULONG protect, ULONG attributes)
{
	LARGE_INTEGER size = {.QuadPart = BYTES};
	HANDLE h = NULL;

	CHECK_EQ(NtCreateSection(&h, SECTION_ALL_ACCESS, NULL, &size, protect, attributes, NULL),
		 0);
	return h;
}

/* ---- the child: looks at one address and answers with what it finds ---- */

enum found {
	NOTHING = 10,
	RESERVED,
	VALUE = 100 /* and more: the first byte */
};

static int look(unsigned char *p, const char *what)
{
	MEMORY_BASIC_INFORMATION m = basic(p);

	if (m.State == MEM_FREE || m.Type != MEM_MAPPED)
		return NOTHING;
	if (m.State == MEM_RESERVE)
		return RESERVED;
	if (!strcmp(what, "protect"))
		return (int)m.Protect;
	if (!strcmp(what, "size"))
		return (int)(m.RegionSize / PAGE);
	if (!strcmp(what, "write"))
		*p = 9;
	if (!strcmp(what, "grandchild")) {
		char text[32];

		snprintf(text, sizeof(text), "read %p", p);
		return (int)run_child(text, "", FALSE);
	}
	return VALUE + *p;
}

static DWORD seen(const char *what, const void *p)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", p);
	return run_child(what, text, FALSE);
}

/* ---- the parent ---- */

static void shared(void)
{
	HANDLE h = plain_section(PAGE_READWRITE, SEC_COMMIT);
	unsigned char *p = share_view(h, 0, SHARE, PAGE_READWRITE);
	unsigned char *tail = share_view(h, 0x10000, SHARE, PAGE_READONLY);
	unsigned char *unmap = share_view(h, 0, UNMAP, PAGE_READWRITE);
	unsigned char *win32 = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);

	CHECK(p && tail && unmap && win32);
	p[0] = 5;
	p[0x10000] = 6;
	CloseHandle(h); /* the view keeps the section */
	CHECK_EQ(seen("read", p), VALUE + 5);
	CHECK_EQ(seen("size", p), BYTES / PAGE);
	CHECK_EQ(seen("protect", p), PAGE_READWRITE);
	CHECK_EQ(seen("read", tail), VALUE + 6);
	CHECK_EQ(seen("protect", tail), PAGE_READONLY);
	CHECK_EQ(seen("size", tail), (BYTES - 0x10000) / PAGE);
	CHECK_EQ(seen("read", unmap), NOTHING);
	CHECK_EQ(seen("read", win32), NOTHING);
	CHECK_EQ(seen("grandchild", p), VALUE + 5);
	/* the same pages, not a copy */
	CHECK_EQ(seen("write", p), VALUE + 9);
	CHECK_EQ(p[0], 9);
	CHECK_EQ(win32[0], 9);
	CHECK_EQ(NtUnmapViewOfSection(SELF, p), 0);
	CHECK_EQ(seen("read", p), NOTHING);
	CHECK_EQ(NtUnmapViewOfSection(SELF, tail), 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, unmap), 0);
	CHECK(UnmapViewOfFile(win32));
}

/* Private copies are the parent's own; the child's view begins with what the section has. */
static void copies(void)
{
	HANDLE h = plain_section(PAGE_READWRITE, SEC_COMMIT);
	unsigned char *p = share_view(h, 0, SHARE, PAGE_READWRITE);
	unsigned char *own = share_view(h, 0, SHARE, PAGE_WRITECOPY);

	p[0] = 1;
	own[0] = 2;
	CHECK_EQ(p[0], 1);
	CHECK_EQ(seen("read", own), VALUE + 1);
	CHECK_EQ(seen("protect", own), PAGE_WRITECOPY);
	CHECK_EQ(seen("write", own), VALUE + 9);
	CHECK_EQ(p[0], 1);
	CHECK_EQ(own[0], 2);
	CHECK_EQ(NtUnmapViewOfSection(SELF, p), 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, own), 0);
	CloseHandle(h);
}

/* The protection is the view's; what the parent made of pages afterwards is not told. */
static void protection(void)
{
	HANDLE h = plain_section(PAGE_READWRITE, SEC_RESERVE);
	unsigned char *p = share_view(h, 0, SHARE, PAGE_READWRITE);

	CHECK_EQ(seen("read", p), RESERVED);
	CHECK(VirtualAlloc(p, PAGE, MEM_COMMIT, PAGE_READWRITE) == p);
	CHECK_EQ(seen("read", p), VALUE);
	CHECK_EQ(seen("read", p + PAGE), RESERVED);
	CHECK_EQ(protect_pages(p, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(seen("protect", p), PAGE_READWRITE);
	CHECK_EQ(seen("write", p), VALUE + 9);
	CHECK_EQ(p[0], 9);
	CHECK_EQ(NtUnmapViewOfSection(SELF, p), 0);
	CloseHandle(h);
}

static void file(void)
{
	char path[MAX_PATH];
	unsigned char *p;
	HANDLE f, h = NULL;
	DWORD n;

	GetTempPathA(sizeof(path), path);
	strcat(path, "views");
	f = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
			FILE_FLAG_DELETE_ON_CLOSE, NULL);
	CHECK(f != INVALID_HANDLE_VALUE && WriteFile(f, "xyz", 3, &n, NULL));
	CHECK_EQ(NtCreateSection(&h, SECTION_ALL_ACCESS, NULL, NULL, PAGE_READWRITE, SEC_COMMIT, f),
		 0);
	p = share_view(h, 0, SHARE, PAGE_READWRITE);
	CHECK_EQ(seen("read", p), VALUE + 'x');
	CHECK_EQ(seen("write", p), VALUE + 9);
	CHECK_EQ(p[0], 9);
	CHECK_EQ(NtUnmapViewOfSection(SELF, p), 0);
	CloseHandle(h);
	CloseHandle(f);
}

/* A place that the child needs itself: it starts all the same, without the view. */
static void no_place(void)
{
	HANDLE h = plain_section(PAGE_READWRITE, SEC_COMMIT);
	void *base = (char *)GetModuleHandleA(NULL) - 0x10000;
	SIZE_T size = 0;

	CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, SHARE, 0, PAGE_READWRITE),
		 ST_CONFLICTING_ADDRESSES);
	base = (char *)GetModuleHandleA(NULL) - BYTES;
	CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, SHARE, 0, PAGE_READWRITE),
		 0);
	*(unsigned char *)base = 3;
	CHECK_EQ(seen("read", base), VALUE + 3); /* beside the program */
	CHECK_EQ(NtUnmapViewOfSection(SELF, base), 0);
	CloseHandle(h);
}

static void refusals(void)
{
	HANDLE h = plain_section(PAGE_READWRITE, SEC_COMMIT);
	static const ULONG bad[] = {0, 3, 4, 0x80000001};
	void *base = NULL;
	SIZE_T size = 0;

	for (int i = 0; i < 4; i++)
		CHECK_EQ(NtMapViewOfSection(h, SELF, &base, 0, 0, NULL, &size, bad[i], 0,
					    PAGE_READWRITE),
			 ST_INVALID_PARAMETER_8);
	CloseHandle(h);
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "child"))
		return look((void *)handle_of(argv[3]), argv[2]);
	shared();
	copies();
	protection();
	file();
	no_place();
	refusals();
	return checks_end();
}
