/*
 * \\KnownDlls: the system's DLLs as sections, for whoever asks by name; nobody adds to them.
 */
#include "tests/guest/sect.h"
#include <string.h>

#define VIEW_SHARE 1

static LONG open_known(const WCHAR *name, ULONG access, HANDLE *section)
{
	UNICODE_STRING text;
	OBJECT_ATTRIBUTES attr;

	*section = NULL;
	RtlInitUnicodeString(&text, name);
	InitializeObjectAttributes(&attr, &text, OBJ_CASE_INSENSITIVE, NULL, NULL);
	return NtOpenSection(section, access, &attr);
}

static void maps(const WCHAR *name)
{
	MEMORY_BASIC_INFORMATION info;
	HANDLE section;
	char *base = NULL;
	SIZE_T size = 0;

	CHECK_EQ(open_known(name, SECTION_MAP_READ | SECTION_MAP_EXECUTE | SECTION_QUERY, &section),
		 0);
	CHECK(NtMapViewOfSection(section, GetCurrentProcess(), (PVOID *)&base, 0, 0, NULL, &size,
				 VIEW_SHARE, 0, PAGE_EXECUTE_READ) >= 0);
	CHECK(base && base[0] == 'M' && base[1] == 'Z');
	CHECK(VirtualQuery(base, &info, sizeof(info)) == sizeof(info));
	CHECK_EQ(info.Type, MEM_IMAGE);
	CHECK_EQ(NtUnmapViewOfSection(GetCurrentProcess(), base), 0);
	CHECK(CloseHandle(section));
}

int main(void)
{
	UNICODE_STRING text;
	OBJECT_ATTRIBUTES attr;
	LARGE_INTEGER size = {.QuadPart = 4096};
	char path[MAX_PATH];
	HMODULE user32;
	HANDLE section;

	probes_begin();
	maps(L"\\KnownDlls\\kernel32.dll");
	maps(L"\\KnownDlls\\KERNEL32.DLL");
	maps(L"\\KnownDlls\\msvcrt.dll");
	CHECK_EQ(open_known(L"\\KnownDlls\\no_such.dll", SECTION_QUERY, &section),
		 ST_OBJECT_NAME_NOT_FOUND);
	CHECK_EQ(open_known(L"\\KnownDlls\\", SECTION_QUERY, &section), ST_OBJECT_NAME_INVALID);
	CHECK_EQ(open_known(L"\\KnownDlls", SECTION_QUERY, &section), ST_OBJECT_TYPE_MISMATCH);
	RtlInitUnicodeString(&text, L"\\KnownDlls\\mine.dll");
	InitializeObjectAttributes(&attr, &text, OBJ_CASE_INSENSITIVE, NULL, NULL);
	CHECK_EQ(NtCreateSection(&section, SECTION_QUERY, &attr, &size, PAGE_READWRITE, SEC_COMMIT,
				 NULL),
		 ST_ACCESS_DENIED);
	user32 = LoadLibraryA("user32.dll");
	CHECK(user32 != NULL);
	CHECK(GetModuleFileNameA(user32, path, sizeof(path)) > 0);
	CHECK(_stricmp(path, "C:\\Windows\\System32\\user32.dll") == 0);
	return checks_end();
}
