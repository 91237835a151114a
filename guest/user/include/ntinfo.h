/*
 * Information classes of the Nt{Query,Set}Information* calls and the structures they carry.
 */
#ifndef NTMM_USER_NTINFO_H
#define NTMM_USER_NTINFO_H

/* Processes */
enum {
	ProcessBasicInformation = 0,
	ProcessQuotaLimits = 1,
	ProcessIoCounters = 2,
	ProcessVmCounters = 3,
	ProcessTimes = 4,
	ProcessDebugPort = 7,
	ProcessDefaultHardErrorMode = 12,
	ProcessPriorityClass = 18,
	ProcessHandleCount = 20,
	ProcessAffinityMask = 21,
	ProcessPriorityBoost = 22,
	ProcessSessionInformation = 24,
	ProcessWow64Information = 26,
	ProcessImageFileName = 27,
	ProcessDebugFlags = 31,
	ProcessIoPriority = 33,
	ProcessExecuteFlags = 34,
	ProcessCookie = 36,
	ProcessCycleTime = 38,
	ProcessPagePriority = 39,
	ProcessImageFileNameWin32 = 43,
	ProcessMitigationPolicy_ = 52,
	ProcessCommandLineInformation = 60,
};

typedef struct _PROCESS_BASIC_INFORMATION {
	NTSTATUS ExitStatus;
	struct _PEB *PebBaseAddress;
	KAFFINITY AffinityMask;
	KPRIORITY BasePriority;
	ULONG_PTR UniqueProcessId;
	ULONG_PTR InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION;

typedef struct _KERNEL_USER_TIMES {
	LARGE_INTEGER CreateTime, ExitTime, KernelTime, UserTime;
} KERNEL_USER_TIMES;

typedef struct _VM_COUNTERS_EX2 {
	SIZE_T PeakVirtualSize;
	SIZE_T VirtualSize;
	ULONG PageFaultCount;
	SIZE_T PeakWorkingSetSize;
	SIZE_T WorkingSetSize;
	SIZE_T QuotaPeakPagedPoolUsage;
	SIZE_T QuotaPagedPoolUsage;
	SIZE_T QuotaPeakNonPagedPoolUsage;
	SIZE_T QuotaNonPagedPoolUsage;
	SIZE_T PagefileUsage;
	SIZE_T PeakPagefileUsage;
	SIZE_T PrivateUsage;	      /* to here: VM_COUNTERS_EX */
	SIZE_T PrivateWorkingSetSize; /* EX2 */
	SIZE_T SharedCommitUsage;
} VM_COUNTERS_EX2;
#define VM_COUNTERS_SIZE    offsetof(VM_COUNTERS_EX2, PrivateUsage)
#define VM_COUNTERS_EX_SIZE offsetof(VM_COUNTERS_EX2, PrivateWorkingSetSize)

typedef struct _PROCESS_PRIORITY_CLASS {
	BOOLEAN Foreground;
	UCHAR PriorityClass; /* 1 idle, 2 normal, 3 high, 4 realtime, 5 below, 6 above normal */
} PROCESS_PRIORITY_CLASS;

/* Threads */
enum {
	ThreadBasicInformation = 0,
	ThreadTimes = 1,
	ThreadPriority = 2,
	ThreadBasePriority = 3,
	ThreadAffinityMask = 4,
	ThreadQuerySetWin32StartAddress = 9,
	ThreadAmILastThread = 12,
	ThreadIdealProcessor = 13,
	ThreadPriorityBoost = 14,
	ThreadIsIoPending = 16,
	ThreadHideFromDebugger = 17,
	ThreadIsTerminated = 20,
	ThreadCycleTime = 23,
	ThreadPagePriority = 24,
	ThreadGroupInformation = 30,
	ThreadIdealProcessorEx = 33,
	ThreadSuspendCount = 35,
	ThreadNameInformation = 38,
};

typedef struct _THREAD_BASIC_INFORMATION {
	NTSTATUS ExitStatus;
	PVOID TebBaseAddress;
	CLIENT_ID ClientId;
	KAFFINITY AffinityMask;
	KPRIORITY Priority;
	KPRIORITY BasePriority;
} THREAD_BASIC_INFORMATION;

/* System */
enum {
	SystemBasicInformation = 0,
	SystemProcessorInformation = 1,
	SystemPerformanceInformation = 2,
	SystemTimeOfDayInformation = 3,
	SystemProcessInformation = 5,
	SystemProcessorPerformanceInformation = 8,
	SystemPageFileInformation = 18,
	SystemFileCacheInformation = 21,
	SystemLogicalProcessorInformation = 73,
	SystemMemoryListInformation = 80,
	SystemFileCacheInformationEx = 81,
};

typedef struct _SYSTEM_BASIC_INFORMATION {
	ULONG Reserved;
	ULONG TimerResolution;
	ULONG PageSize;
	ULONG NumberOfPhysicalPages;
	ULONG LowestPhysicalPageNumber;
	ULONG HighestPhysicalPageNumber;
	ULONG AllocationGranularity;
	ULONG_PTR MinimumUserModeAddress;
	ULONG_PTR MaximumUserModeAddress;
	KAFFINITY ActiveProcessorsAffinityMask;
	CHAR NumberOfProcessors;
} SYSTEM_BASIC_INFORMATION;

typedef struct _SYSTEM_PERFORMANCE_INFORMATION {
	LARGE_INTEGER IdleProcessTime;
	LARGE_INTEGER IoReadTransferCount;
	LARGE_INTEGER IoWriteTransferCount;
	LARGE_INTEGER IoOtherTransferCount;
	ULONG IoReadOperationCount;
	ULONG IoWriteOperationCount;
	ULONG IoOtherOperationCount;
	ULONG AvailablePages;
	ULONG CommittedPages;
	ULONG CommitLimit;
	ULONG PeakCommitment;
	ULONG PageFaultCount;
	ULONG CopyOnWriteCount;
	ULONG TransitionCount;
	ULONG CacheTransitionCount;
	ULONG DemandZeroCount;
	ULONG PageReadCount;
	ULONG PageReadIoCount;
	ULONG CacheReadCount;
	ULONG CacheIoCount;
	ULONG DirtyPagesWriteCount;
	ULONG DirtyWriteIoCount;
	ULONG MappedPagesWriteCount;
	ULONG MappedWriteIoCount;
	ULONG PagedPoolPages;
	ULONG NonPagedPoolPages;
	ULONG PagedPoolAllocs;
	ULONG PagedPoolFrees;
	ULONG NonPagedPoolAllocs;
	ULONG NonPagedPoolFrees;
	ULONG FreeSystemPtes;
	ULONG ResidentSystemCodePage;
	ULONG TotalSystemDriverPages;
	ULONG TotalSystemCodePages;
	ULONG NonPagedPoolLookasideHits;
	ULONG PagedPoolLookasideHits;
	ULONG AvailablePagedPoolPages;
	ULONG ResidentSystemCachePage;
	ULONG ResidentPagedPoolPage;
	ULONG ResidentSystemDriverPage;
	ULONG CcFastReadNoWait;
	ULONG Cc[34];
} SYSTEM_PERFORMANCE_INFORMATION;

typedef struct _SYSTEM_TIMEOFDAY_INFORMATION {
	LARGE_INTEGER BootTime;
	LARGE_INTEGER CurrentTime;
	LARGE_INTEGER TimeZoneBias;
	ULONG TimeZoneId;
	ULONG Reserved;
	ULONGLONG BootTimeBias;
	ULONGLONG SleepTimeBias;
} SYSTEM_TIMEOFDAY_INFORMATION;

typedef struct _SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION {
	LARGE_INTEGER IdleTime, KernelTime, UserTime, DpcTime, InterruptTime;
	ULONG InterruptCount;
} SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION;

typedef struct _SYSTEM_THREAD_INFORMATION {
	LARGE_INTEGER KernelTime, UserTime, CreateTime;
	ULONG WaitTime;
	PVOID StartAddress;
	CLIENT_ID ClientId;
	KPRIORITY Priority;
	LONG BasePriority;
	ULONG ContextSwitches;
	ULONG ThreadState;
	ULONG WaitReason;
} SYSTEM_THREAD_INFORMATION;

typedef struct _SYSTEM_PROCESS_INFORMATION {
	ULONG NextEntryOffset;
	ULONG NumberOfThreads;
	LARGE_INTEGER WorkingSetPrivateSize;
	ULONG HardFaultCount;
	ULONG NumberOfThreadsHighWatermark;
	ULONGLONG CycleTime;
	LARGE_INTEGER CreateTime, UserTime, KernelTime;
	UNICODE_STRING ImageName;
	KPRIORITY BasePriority;
	HANDLE UniqueProcessId;
	HANDLE InheritedFromUniqueProcessId;
	ULONG HandleCount;
	ULONG SessionId;
	ULONG_PTR UniqueProcessKey;
	SIZE_T PeakVirtualSize;
	SIZE_T VirtualSize;
	ULONG PageFaultCount;
	SIZE_T PeakWorkingSetSize;
	SIZE_T WorkingSetSize;
	SIZE_T QuotaPeakPagedPoolUsage;
	SIZE_T QuotaPagedPoolUsage;
	SIZE_T QuotaPeakNonPagedPoolUsage;
	SIZE_T QuotaNonPagedPoolUsage;
	SIZE_T PagefileUsage;
	SIZE_T PeakPagefileUsage;
	SIZE_T PrivatePageCount;
	LARGE_INTEGER IoCounters[6];
	SYSTEM_THREAD_INFORMATION Threads[1];
} SYSTEM_PROCESS_INFORMATION;

typedef struct _SYSTEM_PAGEFILE_INFORMATION {
	ULONG NextEntryOffset;
	ULONG TotalSize, TotalInUse, PeakUsage; /* pages */
	UNICODE_STRING PageFileName;
} SYSTEM_PAGEFILE_INFORMATION;

typedef struct _SYSTEM_FILECACHE_INFORMATION {
	SIZE_T CurrentSize, PeakSize;
	ULONG PageFaultCount;
	SIZE_T MinimumWorkingSet, MaximumWorkingSet;
	SIZE_T CurrentSizeIncludingTransitionInPages, PeakSizeIncludingTransitionInPages;
	ULONG TransitionRePurposeCount;
	ULONG Flags;
} SYSTEM_FILECACHE_INFORMATION;

typedef struct _SYSTEM_MEMORY_LIST_INFORMATION {
	ULONG_PTR ZeroPageCount, FreePageCount, ModifiedPageCount, ModifiedNoWritePageCount;
	ULONG_PTR BadPageCount, PageCountByPriority[8], RepurposedPagesByPriority[8];
	ULONG_PTR ModifiedPageCountPageFile;
} SYSTEM_MEMORY_LIST_INFORMATION;

/* Memory */
enum {
	MemoryBasicInformation = 0,
	MemoryWorkingSetInformation = 1,
	MemoryMappedFilenameInformation = 2,
	MemoryRegionInformation = 3,
	MemoryWorkingSetExInformation = 4,
	MemoryImageInformation = 6,
};
enum {
	VmPrefetchInformation_ = 0,
	VmPagePriorityInformation_ = 1,
	VmCfgCallTargetInformation_ = 2,
};

typedef struct _NT_MEMORY_RANGE_ENTRY {
	PVOID VirtualAddress;
	SIZE_T NumberOfBytes;
} NT_MEMORY_RANGE_ENTRY;

typedef struct _SECTION_BASIC_INFORMATION {
	PVOID BaseAddress;
	ULONG AllocationAttributes;
	LARGE_INTEGER MaximumSize;
} SECTION_BASIC_INFORMATION;

typedef struct _SECTION_IMAGE_INFORMATION {
	PVOID TransferAddress;
	ULONG ZeroBits;
	SIZE_T MaximumStackSize;
	SIZE_T CommittedStackSize;
	ULONG SubSystemType;
	USHORT SubSystemMinorVersion, SubSystemMajorVersion;
	USHORT MajorOperatingSystemVersion, MinorOperatingSystemVersion;
	USHORT ImageCharacteristics;
	USHORT DllCharacteristics;
	USHORT Machine;
	BOOLEAN ImageContainsCode;
	UCHAR ImageFlags;
	ULONG LoaderFlags;
	ULONG ImageFileSize;
	ULONG CheckSum;
} SECTION_IMAGE_INFORMATION;

/* Files. Structure and class names of Windows; sizes of the trailing names are in bytes. */
enum {
	FileDirectoryInformation_ = 1,
	FileBothDirectoryInformation = 3,
	FileBasicInformation = 4,
	FileStandardInformation = 5,
	FileInternalInformation = 6,
	FileNameInformation = 9,
	FileRenameInformation = 10,
	FileLinkInformation = 11,
	FileDispositionInformation = 13,
	FilePositionInformation = 14,
	FileModeInformation = 16,
	FileAllInformation = 18,
	FileAllocationInformation = 19,
	FileEndOfFileInformation = 20,
	FilePipeInformation = 23,
	FilePipeLocalInformation = 24,
	FileCompletionInformation = 30,
	FileIoCompletionNotificationInformation = 41,
	FileNetworkOpenInformation = 34,
	FileAttributeTagInformation = 35,
};

typedef struct _FILE_BOTH_DIR_INFORMATION {
	ULONG NextEntryOffset;
	ULONG FileIndex;
	LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime;
	LARGE_INTEGER EndOfFile, AllocationSize;
	ULONG FileAttributes;
	ULONG FileNameLength;
	ULONG EaSize;
	CCHAR ShortNameLength;
	WCHAR ShortName[12];
	WCHAR FileName[1];
} FILE_BOTH_DIR_INFORMATION;

typedef struct _FILE_BASIC_INFORMATION {
	LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime;
	ULONG FileAttributes;
} FILE_BASIC_INFORMATION;

typedef struct _FILE_STANDARD_INFORMATION {
	LARGE_INTEGER AllocationSize, EndOfFile;
	ULONG NumberOfLinks;
	BOOLEAN DeletePending, Directory;
} FILE_STANDARD_INFORMATION;

typedef struct _FILE_INTERNAL_INFORMATION {
	LARGE_INTEGER IndexNumber;
} FILE_INTERNAL_INFORMATION;

typedef struct _FILE_POSITION_INFORMATION {
	LARGE_INTEGER CurrentByteOffset;
} FILE_POSITION_INFORMATION;

typedef struct _FILE_END_OF_FILE_INFORMATION {
	LARGE_INTEGER EndOfFile;
} FILE_END_OF_FILE_INFORMATION;

typedef struct _FILE_DISPOSITION_INFORMATION {
	BOOLEAN DeleteFile;
} FILE_DISPOSITION_INFORMATION;

typedef struct _FILE_NAME_INFORMATION {
	ULONG FileNameLength;
	WCHAR FileName[1];
} FILE_NAME_INFORMATION;

typedef struct _FILE_RENAME_INFORMATION {
	BOOLEAN ReplaceIfExists;
	HANDLE RootDirectory;
	ULONG FileNameLength;
	WCHAR FileName[1];
} FILE_RENAME_INFORMATION;

typedef struct _FILE_NETWORK_OPEN_INFORMATION {
	LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime;
	LARGE_INTEGER AllocationSize, EndOfFile;
	ULONG FileAttributes;
} FILE_NETWORK_OPEN_INFORMATION;

/* What a debugger is told (NtWaitForDebugEvent) */
typedef enum _DBG_STATE {
	DbgIdle,
	DbgReplyPending,
	DbgCreateThreadStateChange,
	DbgCreateProcessStateChange,
	DbgExitThreadStateChange,
	DbgExitProcessStateChange,
	DbgExceptionStateChange,
	DbgBreakpointStateChange,
	DbgSingleStepStateChange,
	DbgLoadDllStateChange,
	DbgUnloadDllStateChange
} DBG_STATE;

typedef struct _DBGUI_WAIT_STATE_CHANGE {
	DBG_STATE NewState;
	CLIENT_ID AppClientId;
	union {
		struct {
			EXCEPTION_RECORD ExceptionRecord;
			ULONG FirstChance;
		} Exception;
		struct {
			HANDLE HandleToThread;
			ULONG SubSystemKey;
			PVOID StartAddress;
		} CreateThread;
		struct {
			HANDLE HandleToProcess, HandleToThread;
			ULONG SubSystemKey;
			HANDLE FileHandle;
			PVOID BaseOfImage;
			ULONG DebugInfoFileOffset, DebugInfoSize;
			ULONG ThreadSubSystemKey;
			PVOID StartAddress;
		} CreateProcessInfo;
		NTSTATUS ExitStatus; /* of a thread or a process */
		struct {
			HANDLE FileHandle;
			PVOID BaseOfDll;
			ULONG DebugInfoFileOffset, DebugInfoSize;
			PVOID NamePointer;
		} LoadDll;
		PVOID UnloadedBase;
	} StateInfo;
} DBGUI_WAIT_STATE_CHANGE;

typedef struct _FILE_COMPLETION_INFORMATION {
	HANDLE Port;
	PVOID Key;
} FILE_COMPLETION_INFORMATION;

typedef struct _FILE_PIPE_INFORMATION {
	ULONG ReadMode, CompletionMode;
} FILE_PIPE_INFORMATION;

typedef struct _FILE_PIPE_LOCAL_INFORMATION {
	ULONG NamedPipeType, NamedPipeConfiguration, MaximumInstances, CurrentInstances;
	ULONG InboundQuota, ReadDataAvailable, OutboundQuota, WriteQuotaAvailable;
	ULONG NamedPipeState, NamedPipeEnd;
} FILE_PIPE_LOCAL_INFORMATION;

enum {
	FileFsVolumeInformation = 1,
	FileFsSizeInformation = 3,
	FileFsDeviceInformation = 4,
	FileFsAttributeInformation = 5,
	FileFsFullSizeInformation = 7,
};

typedef struct _FILE_FS_DEVICE_INFORMATION {
	ULONG DeviceType;
	ULONG Characteristics;
} FILE_FS_DEVICE_INFORMATION;

typedef struct _FILE_FS_VOLUME_INFORMATION {
	LARGE_INTEGER VolumeCreationTime;
	ULONG VolumeSerialNumber;
	ULONG VolumeLabelLength;
	BOOLEAN SupportsObjects;
	WCHAR VolumeLabel[1];
} FILE_FS_VOLUME_INFORMATION;

typedef struct _FILE_FS_FULL_SIZE_INFORMATION {
	LARGE_INTEGER TotalAllocationUnits;
	LARGE_INTEGER CallerAvailableAllocationUnits;
	LARGE_INTEGER ActualAvailableAllocationUnits;
	ULONG SectorsPerAllocationUnit;
	ULONG BytesPerSector;
} FILE_FS_FULL_SIZE_INFORMATION;

typedef struct _FILE_FS_ATTRIBUTE_INFORMATION {
	ULONG FileSystemAttributes;
	LONG MaximumComponentNameLength;
	ULONG FileSystemNameLength;
	WCHAR FileSystemName[1];
} FILE_FS_ATTRIBUTE_INFORMATION;

/* FileFsDeviceInformation: DeviceType */
#define FILE_DEVICE_NAMED_PIPE_	 0x11
#define FILE_DEVICE_NULL_	 0x15
#define FILE_DEVICE_CONSOLE_	 0x50
#define FILE_DEVICE_DISK_	 0x07
#define FILE_DEVICE_CD_ROM_	 0x02
#define FILE_DEVICE_NETWORK_FS_	 0x14
#define FILE_DEVICE_FILE_SYSTEM_ 0x09

/* Objects */
enum {
	ObjectBasicInformation = 0,
	ObjectNameInformation = 1,
	ObjectTypeInformation = 2,
	ObjectHandleFlagInformation = 4,
};

typedef struct _OBJECT_HANDLE_FLAG_INFORMATION {
	BOOLEAN Inherit;
	BOOLEAN ProtectFromClose;
} OBJECT_HANDLE_FLAG_INFORMATION;

typedef struct _OBJECT_BASIC_INFORMATION {
	ULONG Attributes;
	ACCESS_MASK GrantedAccess;
	ULONG HandleCount;
	ULONG PointerCount;
	ULONG Reserved[10];
	LARGE_INTEGER CreateTime;
} OBJECT_BASIC_INFORMATION;

typedef struct _EVENT_BASIC_INFORMATION {
	EVENT_TYPE EventType;
	LONG EventState;
} EVENT_BASIC_INFORMATION;

/* Making threads and processes */
#define THREAD_CREATE_FLAGS_CREATE_SUSPENDED   0x1
#define THREAD_CREATE_FLAGS_SKIP_THREAD_ATTACH 0x2

#define PS_ATTRIBUTE_CLIENT_ID	     0x10003
#define PS_ATTRIBUTE_TEB_ADDRESS     0x10004
#define PS_ATTRIBUTE_PARENT_PROCESS  0x60000
#define PS_ATTRIBUTE_IMAGE_NAME	     0x20005
#define PS_ATTRIBUTE_STD_HANDLE_INFO 0x2000a
#define PS_ATTRIBUTE_DEBUG_OBJECT    0x60001
#define PS_ATTRIBUTE_HANDLE_LIST     0x2000b

typedef struct _PS_ATTRIBUTE {
	ULONG_PTR Attribute;
	SIZE_T Size;
	union {
		ULONG_PTR Value;
		PVOID ValuePtr;
	};
	PSIZE_T ReturnLength;
} PS_ATTRIBUTE;

typedef struct _PS_ATTRIBUTE_LIST {
	SIZE_T TotalLength;
	PS_ATTRIBUTE Attributes[4];
} PS_ATTRIBUTE_LIST;

#define PROCESS_CREATE_FLAGS_BREAKAWAY	      0x1
#define PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT 0x2
#define PROCESS_CREATE_FLAGS_INHERIT_HANDLES  0x4
#define PROCESS_CREATE_FLAGS_SUSPENDED	      0x200

typedef struct _PS_CREATE_INFO {
	SIZE_T Size;
	ULONG State; /* 0: initial, 6: success */
	ULONG Pad;
	ULONG_PTR Fields[9]; /* by state; zero on the way in */
} PS_CREATE_INFO;
_Static_assert(sizeof(PS_CREATE_INFO) == 0x58, "PS_CREATE_INFO");
_Static_assert(sizeof(SECTION_IMAGE_INFORMATION) == 64, "SECTION_IMAGE_INFORMATION");
_Static_assert(sizeof(VM_COUNTERS_EX2) == 0x70, "VM_COUNTERS_EX2");

/* Our NtSystemDebugControl commands (docs/user-kernel.md). */
#define NTMM_DEBUG_PFNCHECK 0x1000
#define NTMM_DEBUG_COUNTERS 0x1001

#endif
