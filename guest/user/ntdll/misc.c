/*
 * Small calls of every kind: threads, debug text, versions, random numbers, interlocked lists, the
 * PEB lock, privileges, tracing that nobody listens to.
 */
#include "guest/user/ntdll/ntdll.h"

/* --- the PEB lock --- */

VOID NTAPI RtlAcquirePebLock(void)
{
	RtlEnterCriticalSection(NtCurrentPeb()->FastPebLock);
}

VOID NTAPI RtlReleasePebLock(void)
{
	RtlLeaveCriticalSection(NtCurrentPeb()->FastPebLock);
}

PPEB NTAPI RtlGetCurrentPeb(void)
{
	return NtCurrentPeb();
}

/* --- threads and processes --- */

NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, PVOID security, BOOLEAN suspended,
				   ULONG zero_bits, SIZE_T reserve, SIZE_T commit, PVOID start,
				   PVOID argument, PHANDLE handle, PCLIENT_ID id)
{
	OBJECT_ATTRIBUTES attr;
	CLIENT_ID made;
	PS_ATTRIBUTE_LIST list = {
	    .TotalLength = sizeof(SIZE_T) + sizeof(PS_ATTRIBUTE),
	    .Attributes = {{PS_ATTRIBUTE_CLIENT_ID, sizeof(made), {.ValuePtr = &made}, NULL}}};
	NTSTATUS status;
	HANDLE h;

	InitializeObjectAttributes(&attr, NULL, 0, NULL, security);
	status = NtCreateThreadEx(&h, THREAD_ALL_ACCESS, &attr, process, start, argument,
				  suspended ? THREAD_CREATE_FLAGS_CREATE_SUSPENDED : 0, zero_bits,
				  commit, reserve, &list);
	if (!NT_SUCCESS(status))
		return status;
	if (id)
		*id = made;
	if (handle)
		*handle = h;
	else
		NtClose(h);
	return status;
}

/* --- debug text --- */

ULONG __cdecl DbgPrint(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	_vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[sizeof(line) - 1] = 0;
	NtmmOutputDebug(line, strlen(line));
	return STATUS_SUCCESS;
}

ULONG __cdecl DbgPrintEx(ULONG component, ULONG level, const char *fmt, ...)
{
	(void)component;
	(void)level;
	(void)fmt; /* every component is below its level where no debugger raised it */
	return STATUS_SUCCESS;
}

/* A debugger sees the text as an exception; without one it is nobody's. */
static LONG debug_text_filter(PEXCEPTION_POINTERS ep, PVOID arg)
{
	(void)ep;
	(void)arg;
	return EXCEPTION_EXECUTE_HANDLER;
}

struct debug_text {
	ULONG_PTR length;
	const char *text;
};

static void raise_debug_text(PVOID arg)
{
	struct debug_text *t = arg;
	EXCEPTION_RECORD rec = {.ExceptionCode = DBG_PRINTEXCEPTION_C,
				.NumberParameters = 2,
				.ExceptionInformation = {t->length, (ULONG_PTR)t->text}};

	RtlRaiseException(&rec);
}

void NTAPI NtmmOutputDebug(const char *text, SIZE_T length)
{
	struct debug_text t = {length + 1, text};

	guarded_call(raise_debug_text, &t, debug_text_filter);
}

/* --- versions --- */

static void version(RTL_OSVERSIONINFOEXW *v)
{
	PPEB peb = NtCurrentPeb();

	v->dwMajorVersion = peb->OSMajorVersion;
	v->dwMinorVersion = peb->OSMinorVersion;
	v->dwBuildNumber = peb->OSBuildNumber;
	v->dwPlatformId = peb->OSPlatformId;
	memset(v->szCSDVersion, 0, sizeof(v->szCSDVersion));
	v->wServicePackMajor = v->wServicePackMinor = 0;
	v->wSuiteMask = VER_SUITE_SINGLEUSERTS;
	v->wProductType = VER_NT_WORKSTATION;
	v->wReserved = 0;
}

NTSTATUS NTAPI RtlGetVersion(RTL_OSVERSIONINFOEXW *out)
{
	RTL_OSVERSIONINFOEXW v = {.dwOSVersionInfoSize = out->dwOSVersionInfoSize};

	version(&v);
	memcpy(out, &v,
	       out->dwOSVersionInfoSize >= sizeof(v) ? sizeof(v) : sizeof(RTL_OSVERSIONINFOW));
	return STATUS_SUCCESS;
}

VOID NTAPI RtlGetNtVersionNumbers(PULONG major, PULONG minor, PULONG build)
{
	PPEB peb = NtCurrentPeb();

	if (major)
		*major = peb->OSMajorVersion;
	if (minor)
		*minor = peb->OSMinorVersion;
	if (build)
		*build = 0xf0000000u | peb->OSBuildNumber;
}

BOOLEAN NTAPI RtlGetProductInfo(DWORD major, DWORD minor, DWORD sp, DWORD spminor, PDWORD type)
{
	(void)minor;
	(void)sp;
	(void)spminor;
	if (!type)
		return FALSE;
	*type = major >= 6 ? PRODUCT_PROFESSIONAL : PRODUCT_UNDEFINED;
	return major >= 6;
}

ULONGLONG NTAPI VerSetConditionMask(ULONGLONG mask, DWORD type, BYTE condition)
{
	condition &= 7;
	for (int i = 0; condition && i < 8; i++)
		if (type & (1u << i))
			mask |= (ULONGLONG)condition << (i * 3);
	return mask;
}

static BOOLEAN compare(ULONGLONG left, ULONGLONG right, int condition)
{
	switch (condition) {
	case VER_EQUAL:
		return left == right;
	case VER_GREATER:
		return left > right;
	case VER_GREATER_EQUAL:
		return left >= right;
	case VER_LESS:
		return left < right;
	case VER_LESS_EQUAL:
		return left <= right;
	}
	return FALSE;
}

NTSTATUS NTAPI RtlVerifyVersionInfo(const RTL_OSVERSIONINFOEXW *want, DWORD type, ULONGLONG mask)
{
	RTL_OSVERSIONINFOEXW v = {.dwOSVersionInfoSize = sizeof(v)};
	ULONGLONG here = 0, wanted = 0;
	int condition = 0;

	version(&v);
	if (!type || !mask)
		return STATUS_INVALID_PARAMETER;
	if ((type & VER_PRODUCT_TYPE) &&
	    !compare(v.wProductType, want->wProductType, (int)(mask >> 21 & 7)))
		return STATUS_REVISION_MISMATCH;
	if (type & VER_SUITENAME) {
		int c = (int)(mask >> 18 & 7);

		if (c == VER_AND && (want->wSuiteMask & ~v.wSuiteMask))
			return STATUS_REVISION_MISMATCH;
		if (c == VER_OR && want->wSuiteMask && !(want->wSuiteMask & v.wSuiteMask))
			return STATUS_REVISION_MISMATCH;
	}
	if ((type & VER_PLATFORMID) &&
	    !compare(v.dwPlatformId, want->dwPlatformId, (int)(mask >> 9 & 7)))
		return STATUS_REVISION_MISMATCH;
	if ((type & VER_BUILDNUMBER) &&
	    !compare(v.dwBuildNumber, want->dwBuildNumber, (int)(mask >> 6 & 7)))
		return STATUS_REVISION_MISMATCH;
	/* Major, minor and service pack, most significant first, under the first one's condition.
	 */
	if (type & VER_MAJORVERSION) {
		here |= (ULONGLONG)v.dwMajorVersion << 48;
		wanted |= (ULONGLONG)want->dwMajorVersion << 48;
		condition = (int)(mask >> 3 & 7);
	}
	if (type & VER_MINORVERSION) {
		here |= (ULONGLONG)v.dwMinorVersion << 32;
		wanted |= (ULONGLONG)want->dwMinorVersion << 32;
		condition = condition ? condition : (int)(mask & 7);
	}
	if (type & VER_SERVICEPACKMAJOR) {
		wanted |= (ULONGLONG)want->wServicePackMajor << 16;
		condition = condition ? condition : (int)(mask >> 15 & 7);
	}
	if (type & VER_SERVICEPACKMINOR) {
		wanted |= want->wServicePackMinor;
		condition = condition ? condition : (int)(mask >> 12 & 7);
	}
	if (condition && !compare(here, wanted, condition))
		return STATUS_REVISION_MISMATCH;
	return STATUS_SUCCESS;
}

/* --- random numbers --- */

/* Park and Miller's generator in the form the documentation's algorithm page gives. */
ULONG NTAPI RtlUniform(PULONG seed)
{
	ULONGLONG x = *seed;

	x = (x * 0x7fffffed + 0x7fffffc3) % 0x7fffffff;
	*seed = (ULONG)x;
	return (ULONG)x;
}

/* Shuffles the sequence through a table, so that neighbours tell less of each other. */
ULONG NTAPI RtlRandom(PULONG seed)
{
	static ULONG table[128];
	static LONG filled;
	ULONG pick, value;

	if (!_InterlockedExchange(&filled, 1)) {
		ULONG s = 0x12345678;

		for (int i = 0; i < 128; i++)
			table[i] = RtlUniform(&s);
	}
	pick = RtlUniform(seed) & 127;
	value = table[pick];
	table[pick] = RtlUniform(seed);
	*seed = table[pick];
	return value;
}

ULONG NTAPI RtlRandomEx(PULONG seed)
{
	return RtlRandom(seed);
}

/* --- interlocked singly linked lists: depth and sequence in the header's first word --- */

typedef struct {
	ULONG64 depth_sequence; /* depth 16 bits, sequence 48 */
	ULONG64 next;		/* reserved 4 bits, address of the first entry */
} __attribute__((aligned(16))) slist;

static BOOLEAN slist_swap(volatile slist *h, slist *seen, slist want)
{
	BOOLEAN done;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(done), "+m"(*h), "+a"(seen->depth_sequence), "+d"(seen->next)
			 : "b"(want.depth_sequence), "c"(want.next)
			 : "memory");
	return done;
}

static slist slist_read(volatile slist *h)
{
	slist s = {h->depth_sequence, h->next};

	return s;
}

#define SLIST_DEPTH(s)	  ((s).depth_sequence & 0xffff)
#define SLIST_ENTRY_OF(s) ((PSLIST_ENTRY)((s).next & ~15ull))

VOID NTAPI RtlInitializeSListHead(PSLIST_HEADER head)
{
	slist *h = (slist *)head;

	if ((ULONG_PTR)head & 15)
		RtlRaiseStatus(STATUS_DATATYPE_MISALIGNMENT);
	h->depth_sequence = 0;
	h->next = 0;
}

PSLIST_ENTRY NTAPI RtlFirstEntrySList(const SLIST_HEADER *head)
{
	return (PSLIST_ENTRY)(((const slist *)head)->next & ~15ull);
}

WORD NTAPI RtlQueryDepthSList(PSLIST_HEADER head)
{
	return (WORD)((slist *)head)->depth_sequence;
}

PSLIST_ENTRY NTAPI RtlInterlockedPushListSListEx(PSLIST_HEADER head, PSLIST_ENTRY first,
						 PSLIST_ENTRY last, DWORD count)
{
	volatile slist *h = (volatile slist *)head;
	slist seen = slist_read(h), want;

	do {
		last->Next = SLIST_ENTRY_OF(seen);
		want.depth_sequence = ((seen.depth_sequence & ~0xffffull) + 0x10000) |
				      ((SLIST_DEPTH(seen) + count) & 0xffff);
		want.next = (ULONG64)first;
	} while (!slist_swap(h, &seen, want));
	return SLIST_ENTRY_OF(seen);
}

PSLIST_ENTRY NTAPI RtlInterlockedPushEntrySList(PSLIST_HEADER head, PSLIST_ENTRY entry)
{
	return RtlInterlockedPushListSListEx(head, entry, entry, 1);
}

static PVOID read_next(PVOID entry)
{
	return ((PSLIST_ENTRY)entry)->Next;
}

PSLIST_ENTRY NTAPI RtlInterlockedPopEntrySList(PSLIST_HEADER head)
{
	volatile slist *h = (volatile slist *)head;
	slist seen = slist_read(h), want;

	do {
		PSLIST_ENTRY e = SLIST_ENTRY_OF(seen);

		if (!e)
			return NULL;
		want.depth_sequence = ((seen.depth_sequence & ~0xffffull) + 0x10000) |
				      ((SLIST_DEPTH(seen) - 1) & 0xffff);
		/* Another thread may have popped and freed e: then the swap fails, but the page
		   must still be there for this read. */
		want.next = (ULONG64)read_next(e);
	} while (!slist_swap(h, &seen, want));
	return SLIST_ENTRY_OF(seen);
}

PSLIST_ENTRY NTAPI RtlInterlockedFlushSList(PSLIST_HEADER head)
{
	volatile slist *h = (volatile slist *)head;
	slist seen = slist_read(h), want;

	do {
		if (!SLIST_ENTRY_OF(seen))
			return NULL;
		want.depth_sequence = (seen.depth_sequence & ~0xffffull) + 0x10000;
		want.next = 0;
	} while (!slist_swap(h, &seen, want));
	return SLIST_ENTRY_OF(seen);
}

/* --- privileges --- */

NTSTATUS NTAPI RtlAdjustPrivilege(ULONG privilege, BOOLEAN enable, BOOLEAN thread, PBOOLEAN was)
{
	TOKEN_PRIVILEGES want = {1, {{{privilege, 0}, enable ? SE_PRIVILEGE_ENABLED : 0}}}, old;
	ULONG size = sizeof(old);
	NTSTATUS status;
	HANDLE token;

	if (thread)
		status = NtOpenThreadToken(NtCurrentThread(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY,
					   FALSE, &token);
	else
		status = NtOpenProcessToken(NtCurrentProcess(),
					    TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token);
	if (!NT_SUCCESS(status))
		return status;
	old.PrivilegeCount = 0;
	status = NtAdjustPrivilegesToken(token, FALSE, &want, sizeof(old), &old, &size);
	NtClose(token);
	if (status == STATUS_NOT_ALL_ASSIGNED)
		return STATUS_PRIVILEGE_NOT_HELD;
	if (NT_SUCCESS(status) && was)
		*was = old.PrivilegeCount
			   ? (old.Privileges[0].Attributes & SE_PRIVILEGE_ENABLED) != 0
			   : enable;
	return status;
}

/* --- pointers that are stored obfuscated --- */

static ULONG_PTR pointer_key(void)
{
	static ULONG_PTR key;

	if (!key)
		key = (__builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15ull) | 1;
	return key;
}

PVOID NTAPI RtlEncodePointer(PVOID p)
{
	return (PVOID)(_rotr64((ULONG64)p ^ pointer_key(), 13));
}

PVOID NTAPI RtlDecodePointer(PVOID p)
{
	return (PVOID)(_rotl64((ULONG64)p, 13) ^ pointer_key());
}

ULONG NTAPI RtlGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER out)
{
	out->Group = 0;
	out->Number = (BYTE)NtGetCurrentProcessorNumber();
	out->Reserved = 0;
	return 0;
}

ULONG NTAPI RtlGetNtGlobalFlags(void)
{
	return NtCurrentPeb()->NtGlobalFlag;
}

BOOL NTAPI RtlIsProcessorFeaturePresent(ULONG feature)
{
	return feature < 64 && *(const volatile UCHAR *)(KUSER_BASE + 0x274 + feature);
}

/* --- event tracing: documented to succeed, and to be quiet, when no session listens --- */

ULONG NTAPI EtwEventRegister(LPCGUID provider, PVOID callback, PVOID context, PULONGLONG handle)
{
	(void)provider;
	(void)callback;
	(void)context;
	*handle = 1;
	return ERROR_SUCCESS;
}

ULONG NTAPI EtwEventUnregister(ULONGLONG handle)
{
	return handle ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
}

BOOLEAN NTAPI EtwEventEnabled(ULONGLONG handle, PVOID descriptor)
{
	(void)handle;
	(void)descriptor;
	return FALSE;
}

ULONG NTAPI EtwEventWrite(ULONGLONG handle, PVOID descriptor, ULONG count, PVOID data)
{
	(void)descriptor;
	(void)count;
	(void)data;
	return handle ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
}
