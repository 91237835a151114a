/*
 * PEB, TEB, process parameters and loader lists at the offsets of Windows 10 22H2 x64.
 *
 * Programs and debuggers read these without asking, so the layouts are asserted below.
 */
#ifndef NTMM_USER_NTPEB_H
#define NTMM_USER_NTPEB_H

typedef struct _CURDIR {
	UNICODE_STRING DosPath; /* ends in a backslash */
	HANDLE Handle;
} CURDIR;

typedef struct _RTL_DRIVE_LETTER_CURDIR {
	USHORT Flags;
	USHORT Length;
	ULONG TimeStamp;
	STRING DosPath;
} RTL_DRIVE_LETTER_CURDIR;

#define RTL_USER_PROC_PARAMS_NORMALIZED 0x01

typedef struct _RTL_USER_PROCESS_PARAMETERS {
	ULONG MaximumLength;
	ULONG Length;
	ULONG Flags;
	ULONG DebugFlags;
	HANDLE ConsoleHandle;
	ULONG ConsoleFlags;
	HANDLE StandardInput;
	HANDLE StandardOutput;
	HANDLE StandardError;
	CURDIR CurrentDirectory;
	UNICODE_STRING DllPath;
	UNICODE_STRING ImagePathName;
	UNICODE_STRING CommandLine;
	PWSTR Environment;
	ULONG StartingX, StartingY, CountX, CountY, CountCharsX, CountCharsY;
	ULONG FillAttribute;
	ULONG WindowFlags;
	ULONG ShowWindowFlags;
	UNICODE_STRING WindowTitle;
	UNICODE_STRING DesktopInfo;
	UNICODE_STRING ShellInfo;
	UNICODE_STRING RuntimeData; /* CreateProcess's lpReserved2: the C runtime's file handles */
	RTL_DRIVE_LETTER_CURDIR CurrentDirectories[32];
	ULONG_PTR EnvironmentSize;
	ULONG_PTR EnvironmentVersion;
	PVOID PackageDependencyData;
	ULONG ProcessGroupId;
	ULONG LoaderThreads;
} RTL_USER_PROCESS_PARAMETERS, *PRTL_USER_PROCESS_PARAMETERS;

typedef struct _PEB_LDR_DATA {
	ULONG Length;
	BOOLEAN Initialized;
	HANDLE SsHandle;
	LIST_ENTRY InLoadOrderModuleList;
	LIST_ENTRY InMemoryOrderModuleList;
	LIST_ENTRY InInitializationOrderModuleList;
	PVOID EntryInProgress;
	BOOLEAN ShutdownInProgress;
	HANDLE ShutdownThreadId;
} PEB_LDR_DATA, *PPEB_LDR_DATA;

#define LDRP_IMAGE_DLL		   0x00000004
#define LDRP_LOAD_IN_PROGRESS	   0x00001000
#define LDRP_ENTRY_PROCESSED	   0x00004000
#define LDRP_DONT_CALL_FOR_THREADS 0x00040000
#define LDRP_PROCESS_ATTACH_CALLED 0x00080000
#define LDRP_PROCESS_ATTACH_FAILED 0x00100000
#define LDRP_PINNED		   0x01000000 /* ours, in bits Windows keeps for compression */
#define LDRP_BOUND		   0x02000000 /* ours: imports are bound */
#define LDRP_INIT_BEGUN		   0x04000000 /* ours: in the initialization walk */
#define LDRP_DATA_FILE		   0x08000000 /* ours: no imports, no entry point */

typedef struct _LDR_DATA_TABLE_ENTRY {
	LIST_ENTRY InLoadOrderLinks;
	LIST_ENTRY InMemoryOrderLinks;
	LIST_ENTRY InInitializationOrderLinks;
	PVOID DllBase;
	PVOID EntryPoint;
	ULONG SizeOfImage;
	UNICODE_STRING FullDllName;
	UNICODE_STRING BaseDllName;
	ULONG Flags;
	USHORT ObsoleteLoadCount;
	USHORT TlsIndex;
	LIST_ENTRY HashLinks;
	ULONG TimeDateStamp;
	PVOID EntryPointActivationContext;
	PVOID Lock;
	PVOID DdagNode;
	LIST_ENTRY NodeModuleLink;
	PVOID LoadContext;
	PVOID ParentDllBase;
	PVOID SwitchBackContext;
	PVOID BaseAddressIndexNode[3];
	PVOID MappingInfoIndexNode[3];
	ULONG_PTR OriginalBase;
	LARGE_INTEGER LoadTime;
	ULONG BaseNameHashValue;
	ULONG LoadReason;
	ULONG ImplicitPathOptions;
	ULONG ReferenceCount;
	ULONG DependentLoadFlags;
	UCHAR SigningLevel;
} LDR_DATA_TABLE_ENTRY, *PLDR_DATA_TABLE_ENTRY;

#define FLS_MAXIMUM_AVAILABLE_ 4080
#define TLS_SLOTS	       64
#define TLS_EXPANSION	       1024

typedef struct _PEB {
	BOOLEAN InheritedAddressSpace;
	BOOLEAN ReadImageFileExecOptions;
	BOOLEAN BeingDebugged;
	UCHAR BitField;
	HANDLE Mutant;
	PVOID ImageBaseAddress;
	PPEB_LDR_DATA Ldr;
	PRTL_USER_PROCESS_PARAMETERS ProcessParameters;
	PVOID SubSystemData;
	PVOID ProcessHeap;
	PRTL_CRITICAL_SECTION FastPebLock;
	PVOID AtlThunkSListPtr;
	PVOID IFEOKey;
	ULONG CrossProcessFlags;
	PVOID KernelCallbackTable;
	ULONG SystemReserved;
	ULONG AtlThunkSListPtr32;
	PVOID ApiSetMap;
	ULONG TlsExpansionCounter;
	PVOID TlsBitmap;
	ULONG TlsBitmapBits[2];
	PVOID ReadOnlySharedMemoryBase;
	PVOID SharedData;
	PVOID *ReadOnlyStaticServerData;
	PVOID AnsiCodePageData;
	PVOID OemCodePageData;
	PVOID UnicodeCaseTableData;
	ULONG NumberOfProcessors;
	ULONG NtGlobalFlag;
	LARGE_INTEGER CriticalSectionTimeout;
	SIZE_T HeapSegmentReserve;
	SIZE_T HeapSegmentCommit;
	SIZE_T HeapDeCommitTotalFreeThreshold;
	SIZE_T HeapDeCommitFreeBlockThreshold;
	ULONG NumberOfHeaps;
	ULONG MaximumNumberOfHeaps;
	PVOID *ProcessHeaps;
	PVOID GdiSharedHandleTable;
	PVOID ProcessStarterHelper;
	ULONG GdiDCAttributeList;
	PRTL_CRITICAL_SECTION LoaderLock;
	ULONG OSMajorVersion;
	ULONG OSMinorVersion;
	USHORT OSBuildNumber;
	USHORT OSCSDVersion;
	ULONG OSPlatformId;
	ULONG ImageSubsystem;
	ULONG ImageSubsystemMajorVersion;
	ULONG ImageSubsystemMinorVersion;
	KAFFINITY ActiveProcessAffinityMask;
	ULONG GdiHandleBuffer[60];
	PVOID PostProcessInitRoutine;
	PVOID TlsExpansionBitmap;
	ULONG TlsExpansionBitmapBits[32];
	ULONG SessionId;
	ULARGE_INTEGER AppCompatFlags;
	ULARGE_INTEGER AppCompatFlagsUser;
	PVOID pShimData;
	PVOID AppCompatInfo;
	UNICODE_STRING CSDVersion;
	PVOID ActivationContextData;
	PVOID ProcessAssemblyStorageMap;
	PVOID SystemDefaultActivationContextData;
	PVOID SystemAssemblyStorageMap;
	SIZE_T MinimumStackCommit;
	PVOID *FlsCallback;
	LIST_ENTRY FlsListHead;
	PVOID FlsBitmap;
	ULONG FlsBitmapBits[4];
	ULONG FlsHighIndex;
} PEB, *PPEB;

typedef struct _TEB {
	NT_TIB NtTib;
	PVOID EnvironmentPointer;
	CLIENT_ID ClientId;
	PVOID ActiveRpcHandle;
	PVOID *ThreadLocalStoragePointer;
	PPEB ProcessEnvironmentBlock;
	ULONG LastErrorValue;
	ULONG CountOfOwnedCriticalSections;
	PVOID CsrClientThread;
	PVOID Win32ThreadInfo;
	ULONG User32Reserved[26];
	ULONG UserReserved[5];
	PVOID WOW32Reserved;
	LCID CurrentLocale;
	ULONG FpSoftwareStatusRegister;
	PVOID ReservedForDebuggerInstrumentation[16];
	UCHAR Reserved1[0x2c0 - 0x190];
	NTSTATUS ExceptionCode;
	UCHAR Reserved2[0x1250 - 0x2c4];
	NTSTATUS LastStatusValue;
	UNICODE_STRING StaticUnicodeString;
	WCHAR StaticUnicodeBuffer[261];
	PVOID DeallocationStack;
	PVOID TlsSlots[TLS_SLOTS];
	LIST_ENTRY TlsLinks;
	PVOID Vdm;
	PVOID ReservedForNtRpc;
	PVOID DbgSsReserved[2];
	ULONG HardErrorMode;
	PVOID Instrumentation[11];
	GUID ActivityId;
	PVOID SubProcessTag;
	PVOID PerflibData;
	PVOID EtwTraceData;
	PVOID WinSockData;
	ULONG GdiBatchCount;
	PROCESSOR_NUMBER CurrentIdealProcessor;
	ULONG GuaranteedStackBytes;
	PVOID ReservedForPerf;
	PVOID ReservedForOle;
	ULONG WaitingOnLoaderLock;
	PVOID SavedPriorityState;
	ULONG_PTR ReservedForCodeCoverage;
	PVOID ThreadPoolData;
	PVOID *TlsExpansionSlots;
	PVOID DeallocationBStore;
	PVOID BStoreLimit;
	ULONG MuiGeneration;
	ULONG IsImpersonating;
	PVOID NlsCache;
	PVOID pShimData;
	PVOID HeapData;
	HANDLE CurrentTransactionHandle;
	PVOID ActiveFrame;
	PVOID *FlsData;
	PVOID PreferredLanguages;
	PVOID UserPrefLanguages;
	PVOID MergedPrefLanguages;
	ULONG MuiImpersonation;
	USHORT CrossTebFlags;
	USHORT SameTebFlags;
	PVOID TxnScopeEnterCallback;
	PVOID TxnScopeExitCallback;
	PVOID TxnScopeContext;
	ULONG LockCount;
	LONG WowTebOffset;
	PVOID ResourceRetValue;
	PVOID ReservedForWdf;
	ULONGLONG ReservedForCrt;
	GUID EffectiveContainerId;
} TEB, *PTEB;

#define TEB_SAME_RAN_PROCESS_INIT 0x0010 /* SameTebFlags: this thread initialized the process */
#define TEB_SAME_LOADER_WORKER	  0x2000
#define TEB_SAME_SKIP_ATTACH	  0x0008

_Static_assert(offsetof(RTL_USER_PROCESS_PARAMETERS, CurrentDirectory) == 0x38, "parameters");
_Static_assert(offsetof(RTL_USER_PROCESS_PARAMETERS, Environment) == 0x80, "parameters");
_Static_assert(offsetof(RTL_USER_PROCESS_PARAMETERS, RuntimeData) == 0xe0, "parameters");
_Static_assert(offsetof(RTL_USER_PROCESS_PARAMETERS, EnvironmentSize) == 0x3f0, "parameters");
_Static_assert(sizeof(PEB_LDR_DATA) == 0x58, "PEB_LDR_DATA");
_Static_assert(offsetof(LDR_DATA_TABLE_ENTRY, BaseDllName) == 0x58, "loader entry");
_Static_assert(offsetof(LDR_DATA_TABLE_ENTRY, TimeDateStamp) == 0x80, "loader entry");
_Static_assert(offsetof(LDR_DATA_TABLE_ENTRY, OriginalBase) == 0xf8, "loader entry");
_Static_assert(offsetof(LDR_DATA_TABLE_ENTRY, ReferenceCount) == 0x114, "loader entry");
_Static_assert(offsetof(PEB, ProcessHeap) == 0x30, "PEB");
_Static_assert(offsetof(PEB, NumberOfProcessors) == 0xb8, "PEB");
_Static_assert(offsetof(PEB, LoaderLock) == 0x110, "PEB");
_Static_assert(offsetof(PEB, OSMajorVersion) == 0x118, "PEB");
_Static_assert(offsetof(PEB, TlsExpansionBitmap) == 0x238, "PEB");
_Static_assert(offsetof(PEB, SessionId) == 0x2c0, "PEB");
_Static_assert(offsetof(PEB, FlsCallback) == 0x320, "PEB");
_Static_assert(offsetof(TEB, ThreadLocalStoragePointer) == 0x58, "TEB");
_Static_assert(offsetof(TEB, LastErrorValue) == 0x68, "TEB");
_Static_assert(offsetof(TEB, LastStatusValue) == 0x1250, "TEB");
_Static_assert(offsetof(TEB, DeallocationStack) == 0x1478, "TEB");
_Static_assert(offsetof(TEB, HardErrorMode) == 0x16b0, "TEB");
_Static_assert(offsetof(TEB, GuaranteedStackBytes) == 0x1748, "TEB");
_Static_assert(offsetof(TEB, TlsExpansionSlots) == 0x1780, "TEB");
_Static_assert(offsetof(TEB, FlsData) == 0x17c8, "TEB");
_Static_assert(offsetof(TEB, SameTebFlags) == 0x17ee, "TEB");

static inline PPEB NtCurrentPeb(void)
{
	return NtCurrentTeb()->ProcessEnvironmentBlock;
}

#endif
