/*
 * Calls around the kernel that client programs import: where DLLs are looked for, names of volumes
 * and devices, older file calls, states of pipes, and the small DLLs user32, version, shell32,
 * bcrypt and ws2_32.
 */
#include <string.h>
#include "tests/guest/vm.h"

#define FOLDER	"T:\\compat"
#define WFOLDER L"T:\\compat"

/* ---- DLLs ---- */

static BOOL loads(const wchar_t *name, DWORD flags)
{
	HMODULE m = LoadLibraryExW(name, NULL, flags);

	if (m)
		FreeLibrary(m);
	return m != NULL;
}

static void refused(const wchar_t *name, DWORD flags)
{
	SetLastError(0);
	CHECK(!loads(name, flags));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

static void dll_folders(void)
{
	char text[MAX_PATH];
	DLL_DIRECTORY_COOKIE cookie;

	CHECK(CreateDirectoryA(FOLDER, NULL));
	CHECK(CopyFileA("img_two.dll", FOLDER "\\moved.dll", FALSE));
	CHECK(!loads(L"moved.dll", 0));
	CHECK_EQ(GetLastError(), ERROR_MOD_NOT_FOUND);
	CHECK(loads(WFOLDER L"\\moved.dll", 0));
	CHECK(loads(WFOLDER L"\\moved.dll", LOAD_WITH_ALTERED_SEARCH_PATH));

	CHECK_EQ(GetDllDirectoryA(sizeof(text), text), 0);
	CHECK(SetDllDirectoryA(FOLDER));
	CHECK_EQ(GetDllDirectoryA(sizeof(text), text), strlen(FOLDER));
	CHECK(!strcmp(text, FOLDER));
	CHECK_EQ(GetDllDirectoryA(3, text), strlen(FOLDER) + 1);
	CHECK(loads(L"moved.dll", 0));
	CHECK(loads(L"moved.dll", LOAD_LIBRARY_SEARCH_DEFAULT_DIRS));
	CHECK(!loads(L"moved.dll", LOAD_LIBRARY_SEARCH_SYSTEM32));
	CHECK(loads(L"version.dll", LOAD_LIBRARY_SEARCH_SYSTEM32));
	CHECK(!SetDllDirectoryA(FOLDER ";T:\\"));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(SetDllDirectoryA(NULL));
	CHECK(!loads(L"moved.dll", 0));

	CHECK(SetCurrentDirectoryA(FOLDER));
	CHECK(loads(L"moved.dll", 0));
	CHECK(SetDllDirectoryA("")); /* the current folder no more */
	CHECK(!loads(L"moved.dll", 0));
	CHECK(SetDllDirectoryA(NULL));
	CHECK(SetCurrentDirectoryA("D:\\"));

	/* with a folder in the name: in the folders searched, not in the current one */
	CHECK(SetCurrentDirectoryA("T:\\"));
	CHECK(loads(L"compat\\moved.dll", 0x0));
	CHECK(!loads(L"compat\\moved.dll", LOAD_LIBRARY_SEARCH_SYSTEM32));
	CHECK_EQ(GetLastError(), ERROR_MOD_NOT_FOUND);
	CHECK(SetCurrentDirectoryA("D:\\"));

	cookie = AddDllDirectory(WFOLDER);
	CHECK(cookie != NULL);
	CHECK(!loads(L"moved.dll", 0)); /* only where it is asked for */
	CHECK(loads(L"moved.dll",
		    LOAD_LIBRARY_SEARCH_USER_DIRS | LOAD_LIBRARY_SEARCH_APPLICATION_DIR));
	CHECK(SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_DEFAULT_DIRS));
	CHECK(loads(L"moved.dll", 0));
	CHECK(RemoveDllDirectory(cookie));
	CHECK(!loads(L"moved.dll", 0));
	SetLastError(0);
	CHECK(!AddDllDirectory(L"compat"));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!AddDllDirectory(WFOLDER L"\\none"));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(!SetDefaultDllDirectories(0));
	refused(L"moved.dll", LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR);
	refused(WFOLDER L"\\moved.dll",
		LOAD_WITH_ALTERED_SEARCH_PATH | LOAD_LIBRARY_SEARCH_SYSTEM32);
	SetLastError(0);
	CHECK(!LoadLibraryExW(L"kernel32.dll", GetCurrentProcess(), 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(DeleteFileA(FOLDER "\\moved.dll"));
}

/* ---- volumes and devices ---- */

static void volumes(void)
{
	char text[MAX_PATH], volume[MAX_PATH];
	wchar_t names[64], wide[MAX_PATH];
	DWORD n;

	CHECK(GetVolumePathNameA("T:\\compat\\some\\thing", text, sizeof(text)));
	CHECK(!strcmp(text, "T:\\"));
	CHECK(GetVolumePathNameA("x.txt", text, sizeof(text)));
	CHECK(!strcmp(text, "D:\\"));
	SetLastError(0);
	CHECK(!GetVolumePathNameA("T:\\x", text, 3));
	CHECK_EQ(GetLastError(), ERROR_FILENAME_EXCED_RANGE);
	CHECK(!GetVolumePathNameA("", text, sizeof(text)));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);

	CHECK(GetVolumeNameForVolumeMountPointA("T:\\", volume, sizeof(volume)));
	CHECK(!strncmp(volume, "\\\\?\\Volume{", 11));
	MultiByteToWideChar(CP_ACP, 0, volume, -1, wide, MAX_PATH);
	CHECK(GetVolumePathNamesForVolumeNameW(wide, names, 64, &n));
	CHECK_EQ(n, 5);
	CHECK(!memcmp(names, L"T:\\\0", 10));
	SetLastError(0);
	CHECK(!GetVolumePathNamesForVolumeNameW(wide, names, 4, &n));
	CHECK_EQ(GetLastError(), ERROR_MORE_DATA);
	CHECK_EQ(n, 5);

	n = QueryDosDeviceA("T:", text, sizeof(text));
	CHECK(!strcmp(text, "\\Device\\HarddiskVolume20"));
	CHECK_EQ(n, strlen(text) + 2);
	CHECK(QueryDosDeviceA("NUL", text, sizeof(text)));
	CHECK(!strcmp(text, "\\Device\\Null"));
	SetLastError(0);
	CHECK_EQ(QueryDosDeviceA("T:", text, 5), 0);
	CHECK_EQ(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
	CHECK_EQ(QueryDosDeviceA("no such", text, sizeof(text)), 0);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	n = QueryDosDeviceA(NULL, text, sizeof(text));
	CHECK(n > 8 && !text[n - 1] && !text[n - 2]);
	CHECK(!strcmp(text, "C:"));
}

/* ---- files ---- */

static void older_files(void)
{
	char buffer[16];
	OFSTRUCT of;
	HFILE f = _lcreat(FOLDER "\\old", 0);

	CHECK(f != HFILE_ERROR);
	CHECK_EQ(_lwrite(f, "0123456789", 10), 10);
	CHECK_EQ(_llseek(f, 5, FILE_BEGIN), 5);
	CHECK_EQ(_lwrite(f, "", 0), 0); /* cuts off */
	CHECK_EQ(_lclose(f), 0);
	f = _lopen(FOLDER "\\old", OF_READ);
	CHECK(f != HFILE_ERROR);
	CHECK_EQ(_lread(f, buffer, sizeof(buffer)), 5);
	CHECK_EQ((UINT)_lwrite(f, "x", 1), (UINT)HFILE_ERROR);
	CHECK_EQ(_lclose(f), 0);
	CHECK(_lopen(FOLDER "\\none", OF_READ) == HFILE_ERROR);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);

	CHECK_EQ(OpenFile(FOLDER "\\old", &of, OF_EXIST), 1);
	CHECK(!strcmp(of.szPathName, FOLDER "\\old"));
	CHECK_EQ(OpenFile(FOLDER "\\new", &of, OF_CREATE | OF_EXIST), 1);
	CHECK_EQ(OpenFile(FOLDER "\\new", &of, OF_DELETE), 1);
	CHECK(OpenFile(FOLDER "\\new", &of, OF_READ) == HFILE_ERROR);
	CHECK_EQ(of.nErrCode, ERROR_FILE_NOT_FOUND);
}

static void write_file(const char *name, const char *text)
{
	HANDLE h = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	DWORD n;

	CHECK(WriteFile(h, text, (DWORD)strlen(text), &n, NULL));
	CloseHandle(h);
}

static BOOL holds(const char *name, const char *text)
{
	HANDLE h = CreateFileA(name, GENERIC_READ, 7, NULL, OPEN_EXISTING, 0, NULL);
	char buffer[32] = "";
	DWORD n;

	if (h == INVALID_HANDLE_VALUE)
		return FALSE;
	ReadFile(h, buffer, sizeof(buffer) - 1, &n, NULL);
	CloseHandle(h);
	return !strcmp(buffer, text);
}

static void replacing(void)
{
	HANDLE h, again;
	char buffer[8], text[64];
	DWORD n, high = 99;

	write_file(FOLDER "\\a", "first");
	write_file(FOLDER "\\b", "second");
	CHECK(ReplaceFileA(FOLDER "\\a", FOLDER "\\b", FOLDER "\\kept", 0, NULL, NULL));
	CHECK(holds(FOLDER "\\a", "second"));
	CHECK(holds(FOLDER "\\kept", "first"));
	CHECK(GetFileAttributesA(FOLDER "\\b") == INVALID_FILE_ATTRIBUTES);
	SetLastError(0);
	CHECK(!ReplaceFileA(FOLDER "\\none", FOLDER "\\a", NULL, 0, NULL, NULL));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(holds(FOLDER "\\a", "second"));

	h = CreateFileA(FOLDER "\\a", GENERIC_WRITE, 7, NULL, OPEN_EXISTING, 0, NULL);
	again = ReOpenFile(h, GENERIC_READ, 7, 0);
	CHECK(again != INVALID_HANDLE_VALUE);
	CHECK(ReadFile(again, buffer, 6, &n, NULL) && n == 6 && !memcmp(buffer, "second", 6));
	CHECK_EQ(GetFinalPathNameByHandleA(h, text, sizeof(text), 0), 15);
	CHECK(!strcmp(text, "\\\\?\\" FOLDER "\\a"));
	CHECK_EQ(GetFinalPathNameByHandleA(h, text, 15, 0), 16);
	CHECK(GetFinalPathNameByHandleA(h, text, sizeof(text), VOLUME_NAME_NONE));
	CHECK(!strcmp(text, "\\compat\\a"));
	CHECK(GetFinalPathNameByHandleA(h, text, sizeof(text), VOLUME_NAME_NT));
	CHECK(!strcmp(text, "\\Device\\HarddiskVolume20\\compat\\a"));
	CloseHandle(again);
	CloseHandle(h);
	SetLastError(ERROR_GEN_FAILURE);
	n = GetCompressedFileSizeA(FOLDER "\\a", &high);
	CHECK(n != INVALID_FILE_SIZE && !high);
	CHECK(GetCompressedFileSizeA(FOLDER "\\none", NULL) == INVALID_FILE_SIZE);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	DeleteFileA(FOLDER "\\a");
	DeleteFileA(FOLDER "\\kept");
	DeleteFileA(FOLDER "\\old");
	CHECK(RemoveDirectoryA(FOLDER));
}

/* ---- pipes ---- */

#define PIPE "\\\\.\\pipe\\compat"

static DWORD WINAPI answer(void *pipe)
{
	char question[16], reply[20];
	DWORD n;

	while (ConnectNamedPipe(pipe, NULL) || GetLastError() == ERROR_PIPE_CONNECTED) {
		CHECK(ReadFile(pipe, question, sizeof(question), &n, NULL));
		n = (DWORD)snprintf(reply, sizeof(reply), "<%.*s>", (int)n, question);
		CHECK(WriteFile(pipe, reply, n, &n, NULL));
		FlushFileBuffers(pipe);
		DisconnectNamedPipe(pipe);
		if (question[0] == 'e')
			break;
	}
	return 0;
}

static void pipes(void)
{
	HANDLE pipe =
	    CreateNamedPipeA(PIPE, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 3,
			     64, 64, 0, NULL);
	HANDLE t = CreateThread(NULL, 0, answer, pipe, 0, NULL), h;
	DWORD state = 99, instances = 99, n, mode = PIPE_READMODE_MESSAGE;
	char reply[20];

	CHECK(GetNamedPipeHandleStateA(pipe, &state, &instances, NULL, NULL, NULL, 0));
	CHECK_EQ(state, PIPE_READMODE_MESSAGE | PIPE_WAIT);
	CHECK_EQ(instances, 1);
	h = CreateFileA(PIPE, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(GetNamedPipeHandleStateA(h, &state, NULL, NULL, NULL, NULL, 0));
	CHECK_EQ(state, PIPE_READMODE_BYTE | PIPE_WAIT);
	CHECK(SetNamedPipeHandleState(h, &mode, NULL, NULL));
	CHECK(GetNamedPipeHandleStateA(h, &state, NULL, NULL, NULL, NULL, 0));
	CHECK_EQ(state, PIPE_READMODE_MESSAGE | PIPE_WAIT);
	CHECK(TransactNamedPipe(h, (void *)"one", 3, reply, sizeof(reply), &n, NULL));
	CHECK(n == 5 && !memcmp(reply, "<one>", 5));
	CloseHandle(h);
	CHECK(CallNamedPipeA(PIPE, (void *)"end", 3, reply, sizeof(reply), &n, 5000));
	CHECK(n == 5 && !memcmp(reply, "<end>", 5));
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CloseHandle(t);
	CloseHandle(pipe);
	SetLastError(0);
	CHECK(!GetNamedPipeHandleStateA(GetCurrentProcess(), &state, NULL, NULL, NULL, NULL, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
}

/* ---- small DLLs ---- */

static FARPROC from(const char *dll, const char *name)
{
	FARPROC f = GetProcAddress(LoadLibraryA(dll), name);

	CHECK(f != NULL);
	return f;
}

static void characters(void)
{
	LPSTR(WINAPI * upper)(LPSTR) = (void *)from("user32.dll", "CharUpperA");
	LPWSTR(WINAPI * lower)(LPWSTR) = (void *)from("user32.dll", "CharLowerW");
	LPSTR(WINAPI * next)(LPCSTR) = (void *)from("user32.dll", "CharNextA");
	BOOL(WINAPI * alpha)(CHAR) = (void *)from("user32.dll", "IsCharAlphaA");
	int(WINAPIV * print)(LPSTR, LPCSTR, ...) = (void *)from("user32.dll", "wsprintfA");
	char text[] = "aBc-\xe4", out[1100], longer[1200];
	wchar_t wide[] = L"AB\x00c4";

	CHECK(upper(text) == text && !strcmp(text, "ABC-\xc4"));
	CHECK(upper((LPSTR)'x') == (LPSTR)'X');
	CHECK(!wcscmp(lower(wide), L"ab\x00e4"));
	CHECK(next("ab")[0] == 'b');
	CHECK(*next("") == 0);
	CHECK(alpha('q') && !alpha('1'));
	CHECK_EQ(print(out, "%05d|%-4s|%#x|%c", 42, "ab", 255, 'z'), 17);
	CHECK(!strcmp(out, "00042|ab  |0xff|z"));
	memset(longer, 'y', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	CHECK_EQ(print(out, "%s", longer), 1023);
}

static void arguments(void)
{
	static const struct {
		const wchar_t *line;
		int count;
		const wchar_t *last;
	} rows[] = {
	    {L"prog a b", 3, L"b"},	 {L"\"c:\\my prog\" x", 2, L"x"},
	    {L"p \"a b\"", 2, L"a b"},	 {L"p a\\\\b", 2, L"a\\\\b"},
	    {L"p \"a\\\\\"", 2, L"a\\"}, {L"p a\\\\\\\"b", 2, L"a\\\"b"},
	    {L"p \"\"", 2, L""},	 {L"p   ", 1, L"p"},
	};
	LPWSTR *(WINAPI * parse)(LPCWSTR, int *) =
	    (void *)from("shell32.dll", "CommandLineToArgvW");

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int n = 0;
		LPWSTR *argv = parse(rows[i].line, &n);

		CHECK_EQ(n, rows[i].count);
		CHECK(argv && !wcscmp(argv[n - 1], rows[i].last));
		CHECK(argv[n] == NULL);
		LocalFree(argv);
	}
}

static void random_bytes(void)
{
	NTSTATUS(WINAPI * generate)
	(void *, unsigned char *, ULONG, ULONG) = (void *)from("bcrypt.dll", "BCryptGenRandom");
	BOOLEAN(WINAPI * older)(void *, ULONG) = (void *)from("advapi32.dll", "SystemFunction036");
	unsigned char a[64] = {0}, b[64] = {0};
	unsigned zero = 0;

	CHECK_EQ(generate(NULL, a, sizeof(a), 2), 0);
	CHECK_EQ(generate(NULL, b, sizeof(b), 2), 0);
	CHECK(memcmp(a, b, sizeof(a)));
	for (unsigned i = 0; i < sizeof(a); i++)
		zero += !a[i];
	CHECK(zero < 8);
	CHECK_EQ((ULONG)generate(NULL, a, sizeof(a), 0), 0xc0000008);
	CHECK(older(a, 13));
	CHECK(memcmp(a, b, 13));
}

static void versions(void)
{
	DWORD(WINAPI * size)
	(LPCSTR, DWORD *) = (void *)from("version.dll", "GetFileVersionInfoSizeA");
	BOOL(WINAPI * get)
	(LPCSTR, DWORD, DWORD, void *) = (void *)from("version.dll", "GetFileVersionInfoA");
	BOOL(WINAPI * query)
	(const void *, LPCSTR, void **, UINT *) = (void *)from("version.dll", "VerQueryValueA");
	VS_FIXEDFILEINFO *fixed;
	DWORD unused = 9, n = size("img_one.dll", &unused), *translation;
	char *data = malloc(n + 1), *text;
	UINT length;

	CHECK(n > 0 && !unused);
	CHECK(get("img_one.dll", 0, n, data));
	CHECK(query(data, "\\", (void **)&fixed, &length));
	CHECK_EQ(length, sizeof(*fixed));
	CHECK_EQ(fixed->dwSignature, 0xfeef04bd);
	CHECK_EQ(fixed->dwFileVersionMS, 1 << 16 | 2);
	CHECK_EQ(fixed->dwFileVersionLS, 3 << 16 | 4);
	CHECK(query(data, "\\VarFileInfo\\Translation", (void **)&translation, &length));
	CHECK_EQ(length, 4);
	CHECK_EQ(*translation, 0x04b00409);
	CHECK(query(data, "\\StringFileInfo\\040904b0\\FileDescription", (void **)&text, &length));
	CHECK(!strcmp(text, "An image with a version"));
	CHECK_EQ(length, strlen(text) + 1);
	SetLastError(0);
	CHECK(!query(data, "\\StringFileInfo\\040904b0\\Nothing", (void **)&text, &length));
	CHECK_EQ(GetLastError(), ERROR_RESOURCE_TYPE_NOT_FOUND);
	CHECK_EQ(size("img_two.dll", NULL), 0); /* which has none */
	free(data);
}

static void sockets(void)
{
	int(WINAPI * startup)(WORD, void *) = (void *)from("ws2_32.dll", "WSAStartup");
	int(WINAPI * cleanup)(void) = (void *)from("ws2_32.dll", "WSACleanup");
	int(WINAPI * error)(void) = (void *)from("ws2_32.dll", "WSAGetLastError");
	SIZE_T(WINAPI * make)(int, int, int) = (void *)from("ws2_32.dll", "socket");
	USHORT(WINAPI * swap)
	(USHORT) = (void *)GetProcAddress(GetModuleHandleA("ws2_32.dll"), (LPCSTR)9 /* htons */);
	ULONG(WINAPI * address)(const char *) = (void *)from("ws2_32.dll", "inet_addr");
	struct {
		WORD version, high;
		char rest[600];
	} data;

	CHECK_EQ(make(2, 1, 0), (SIZE_T)-1);
	CHECK_EQ(error(), 10093); /* WSANOTINITIALISED */
	CHECK_EQ(startup(0x0202, &data), 0);
	CHECK_EQ(data.version, 0x0202);
	CHECK_EQ(make(2, 1, 0), (SIZE_T)-1);
	CHECK_EQ(error(), 10050); /* WSAENETDOWN */
	CHECK_EQ(swap(0x1234), 0x3412);
	CHECK_EQ(address("127.0.0.1"), 0x0100007f);
	CHECK_EQ(address("127.0.0"), 0xffffffff);
	CHECK_EQ(cleanup(), 0);
	CHECK_EQ(cleanup(), -1);
}

int main(void)
{
	dll_folders();
	volumes();
	older_files();
	replacing();
	pipes();
	characters();
	arguments();
	random_bytes();
	versions();
	sockets();
	return checks_end();
}
