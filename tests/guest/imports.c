/* What console programs built by mingw-w64 import, by DLL: a program whose one missing import stops
 * it does not run at all. Each name must be found, by name, in the DLL it is asked of. */
#include "tests/guest/check.h"

#include <string.h>

static const struct {
	const char *dll, *names;
} imports[] = {
    {"kernel32.dll",
     "AcquireSRWLockExclusive AddVectoredExceptionHandler AreFileApisANSI "
     "CloseHandle ConnectNamedPipe ContinueDebugEvent CreateEventA CreateEventW "
     "CreateFileA CreateFileMappingA CreateFileMappingW CreateFileW CreateMutexA "
     "CreateMutexW CreateNamedPipeA CreateProcessA CreateRemoteThread "
     "CreateSemaphoreA CreateSemaphoreW CreateThread CreateWaitableTimerA "
     "DebugActiveProcess DebugBreak DeleteCriticalSection DeleteFileA DeleteFileW "
     "DuplicateHandle EnterCriticalSection ExitProcess ExitThread "
     "FileTimeToSystemTime FindClose FindFirstFileA FindFirstFileW FindNextFileA "
     "FlsAlloc FlsFree FlsSetValue FlushFileBuffers FlushViewOfFile FormatMessageA "
     "FormatMessageW FreeEnvironmentStringsW FreeLibrary GetACP GetConsoleMode "
     "GetConsoleScreenBufferInfo GetCurrentDirectoryA GetCurrentProcess "
     "GetCurrentProcessId GetCurrentProcessorNumber GetCurrentThread "
     "GetCurrentThreadId GetDiskFreeSpaceA GetDiskFreeSpaceW GetEnvironmentStringsW "
     "GetEnvironmentVariableA GetEnvironmentVariableW GetExitCodeProcess "
     "GetExitCodeThread GetFileAttributesA GetFileAttributesExW GetFileAttributesW "
     "GetFileSize GetFullPathNameA GetFullPathNameW GetLargePageMinimum GetLastError "
     "GetModuleFileNameA GetModuleFileNameW GetModuleHandleA GetModuleHandleExA "
     "GetModuleHandleW GetProcAddress GetProcessAffinityMask GetProcessHeap "
     "GetProcessId GetProcessTimes GetStartupInfoA GetStdHandle GetSystemDirectoryA "
     "GetSystemInfo GetSystemTime GetSystemTimeAsFileTime GetTempFileNameA "
     "GetTempFileNameW GetTempPathA GetTempPathW GetThreadContext GetTickCount "
     "GetTickCount64 GetTimeZoneInformation GetWindowsDirectoryA HeapAlloc "
     "HeapCompact HeapCreate HeapDestroy HeapFree HeapLock HeapReAlloc HeapSize "
     "HeapValidate InitializeConditionVariable InitializeCriticalSection "
     "InitializeSRWLock IsBadStringPtrA IsBadStringPtrW IsDBCSLeadByteEx "
     "LeaveCriticalSection LoadLibraryA LoadLibraryExA LoadLibraryW LocalFree "
     "LockFile LockFileEx MapViewOfFile MultiByteToWideChar OpenEventA OpenProcess "
     "OpenSemaphoreA OpenThread OutputDebugStringA OutputDebugStringW "
     "QueryPerformanceCounter QueryPerformanceFrequency QueueUserAPC RaiseException "
     "ReadFile ReadProcessMemory ReleaseMutex ReleaseSRWLockExclusive "
     "ReleaseSemaphore ResetEvent ResumeThread RtlCaptureContext "
     "RtlLookupFunctionEntry RtlUnwindEx RtlVirtualUnwind SetConsoleCtrlHandler "
     "SetConsoleMode SetConsoleTextAttribute SetCurrentDirectoryA "
     "SetCurrentDirectoryW SetEndOfFile SetEnvironmentVariableA SetErrorMode "
     "SetEvent SetFilePointer SetFileTime SetHandleInformation SetLastError "
     "SetPriorityClass SetThreadContext SetThreadPriority "
     "SetUnhandledExceptionFilter Sleep SleepConditionVariableCS SleepEx "
     "SuspendThread SwitchToThread SystemTimeToFileTime TerminateProcess "
     "TerminateThread TlsAlloc TlsFree TlsGetValue TlsSetValue "
     "TryAcquireSRWLockExclusive TryEnterCriticalSection UnlockFile UnlockFileEx "
     "UnmapViewOfFile VirtualAlloc VirtualAllocEx VirtualFree VirtualFreeEx "
     "VirtualProtect VirtualProtectEx VirtualQuery VirtualQueryEx WaitForDebugEvent "
     "WaitForMultipleObjects WaitForSingleObject WaitForSingleObjectEx "
     "WakeAllConditionVariable WakeConditionVariable WideCharToMultiByte "
     "WriteConsoleA WriteFile WriteProcessMemory lstrcmpA lstrcmpW lstrcmpiA "
     "lstrcmpiW"},
    {"msvcrt.dll", "__C_specific_handler ___lc_codepage_func ___mb_cur_max_func __argv "
		   "__getmainargs __initenv __iob_func __set_app_type __setusermatherr _access "
		   "_acmdln _amsg_exit _assert _atoi64 _beginthread _beginthreadex _cexit _chmod "
		   "_close _commode _control87 _difftime64 _endthreadex _errno _fdopen "
		   "_filelengthi64 _fileno _findclose _findfirst64 _findnext64 _fmode _fstat64 "
		   "_fullpath _get_osfhandle _getpid _gmtime64 _initterm _isatty _localtime64 "
		   "_lock _lseeki64 _mkdir _mktime64 _onexit _open _pclose _popen _read _setjmp "
		   "_setmode _stat64 _strdup _stricmp _time64 _unlink _unlock _utime64 _vsnprintf "
		   "_vsnwprintf _wcsnicmp _wfopen _wgetenv _write _wunlink abort acos asin atoi "
		   "atol calloc clearerr clock exit fclose feof ferror fflush fgetc fgetpos fgets "
		   "fgetwc fopen fprintf fputc fputs fread free freopen fseek fsetpos ftell fwrite "
		   "getc getchar getenv getwc isalnum isalpha iscntrl isgraph islower isprint "
		   "ispunct isspace isupper iswctype isxdigit localeconv log10 longjmp malloc "
		   "memchr memcmp memcpy memmove memset perror printf putc putchar puts putwc "
		   "qsort rand realloc remove rename rewind setlocale setvbuf signal srand sscanf "
		   "strchr strcmp strcoll strcpy strcspn strerror strftime strlen strncmp strncpy "
		   "strpbrk strrchr strspn strstr strtol strtoul strxfrm system tan tmpfile tmpnam "
		   "tolower toupper towlower towupper ungetc ungetwc vfprintf vprintf wcscmp "
		   "wcscoll wcscpy wcsftime wcslen wcsrchr wcsxfrm"},
    {"ntdll.dll", "LdrProcessRelocationBlock NtAllocateVirtualMemory NtClose NtCreateSection "
		  "NtFreeVirtualMemory NtMapViewOfSection NtProtectVirtualMemory "
		  "NtQueryInformationProcess NtQueryInformationThread NtQuerySystemInformation "
		  "NtQuerySystemTime NtQueryTimerResolution NtQueryVirtualMemory NtResumeThread "
		  "NtUnmapViewOfSection RtlAllocateHeap RtlCompareMemory RtlCompareMemoryUlong "
		  "RtlCreateHeap RtlDestroyHeap RtlFreeHeap RtlImageNtHeader RtlInitUnicodeString "
		  "RtlRandom"},
    {"advapi32.dll", "AdjustTokenPrivileges InitializeAcl InitializeSecurityDescriptor "
		     "LookupPrivilegeValueA OpenProcessToken SetSecurityDescriptorDacl"},
    {"user32.dll", "MessageBoxA"},
};

int main(void)
{
	unsigned found = 0;

	for (unsigned i = 0; i < sizeof(imports) / sizeof(imports[0]); i++) {
		HMODULE m = LoadLibraryA(imports[i].dll);
		const char *at = imports[i].names;

		CHECK(m != NULL);
		while (*at) {
			size_t n = strcspn(at, " ");
			char name[64];

			snprintf(name, sizeof(name), "%.*s", (int)n, at);
			if (GetProcAddress(m, name))
				found++;
			else
				printf("%s has no %s\n", imports[i].dll, name);
			CHECK(GetProcAddress(m, name) != NULL);
			at += n + (at[n] == ' ');
		}
	}
	printf("%u names\n", found);
	return checks_end();
}
