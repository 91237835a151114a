/*
 * info: what the four Nt{Query,Set}Information{Process,Thread} calls share. Each call is a table:
 * one row an information class, with the sizes it takes, the access the handle needs and the
 * function that answers. Order of the checks, as on Windows: class, length, alignment, handle,
 * buffer.
 */
#ifndef NTMM_PS_INFO_H
#define NTMM_PS_INFO_H

#include "guest/ps/psi.h"

/* PROCESSINFOCLASS and THREADINFOCLASS, as far as they are answered (public winternl.h, ntpsapi) */
enum process_class {
	ProcessBasicInformation = 0,
	ProcessQuotaLimits = 1,
	ProcessIoCounters = 2,
	ProcessVmCounters = 3,
	ProcessTimes = 4,
	ProcessBasePriority = 5,
	ProcessDebugPort = 7,
	ProcessDefaultHardErrorMode = 12,
	ProcessPriorityClass = 18,
	ProcessHandleCount = 20,
	ProcessAffinityMask = 21,
	ProcessPriorityBoost = 22,
	ProcessSessionInformation = 24,
	ProcessWow64Information = 26,
	ProcessImageFileName = 27,
	ProcessLUIDDeviceMapsEnabled = 28,
	ProcessBreakOnTermination = 29,
	ProcessDebugObjectHandle = 30,
	ProcessDebugFlags = 31,
	ProcessIoPriority = 33,
	ProcessExecuteFlags = 34,
	ProcessCookie = 36,
	ProcessImageInformation = 37,
	ProcessCycleTime = 38,
	ProcessPagePriority = 39,
	ProcessImageFileNameWin32 = 43,
	ProcessMitigationPolicy = 52,
	ProcessCommandLineInformation = 60,
	ProcessProtectionInformation = 61,
};
enum thread_class {
	ThreadBasicInformation = 0,
	ThreadTimes = 1,
	ThreadPriority = 2,
	ThreadBasePriority = 3,
	ThreadAffinityMask = 4,
	ThreadQuerySetWin32StartAddress = 9,
	ThreadZeroTlsCell = 10,
	ThreadAmILastThread = 12,
	ThreadIdealProcessor = 13,
	ThreadPriorityBoost = 14,
	ThreadIsIoPending = 16,
	ThreadHideFromDebugger = 17,
	ThreadBreakOnTermination = 18,
	ThreadIsTerminated = 20,
	ThreadIoPriority = 22,
	ThreadCycleTime = 23,
	ThreadPagePriority = 24,
	ThreadActualBasePriority = 25,
	ThreadTebInformation = 26,
	ThreadGroupInformation = 30,
	ThreadIdealProcessorEx = 33,
	ThreadSuspendCount = 35,
	ThreadNameInformation = 38,
	ThreadDynamicCodePolicyInfo = 42,
};

#define INFO_MAX_BYTES 128u /* the longest fixed answer or input */
#define INFO_SIZES     3u

struct info_call {
	void *object;
	u32 class, bytes;
	void *data; /* in kernel memory */
};

/* A class that is asked. Fixed answers: fn fills data (zeroed; the caller's bytes with `in`);
 * statuses that carry data are successes and STATUS_PORT_NOT_SET. Texts: text() gives UTF-16 in
 * pool (may be NULL for none), which follows a UNICODE_STRING in the buffer. */
struct info_query {
	u16 class;
	u16 size[INFO_SIZES]; /* accepted lengths, 0: no more */
	bool in;
	ACCESS_MASK access;
	NTSTATUS (*fn)(const struct info_call *c);
	NTSTATUS (*text)(void *object, u16 **text, u32 *chars);
	NTSTATUS too_short; /* texts: the status of a buffer too short */
};

/* A class that is set. */
struct info_set {
	u16 class;
	u16 size[INFO_SIZES];
	bool empty; /* the length must be 0 */
	ACCESS_MASK access;
	NTSTATUS (*fn)(const struct info_call *c);
};

NTSTATUS ps_query_information(const struct info_query *rows, u32 count,
			      const struct object_type *type, HANDLE h, u32 class, void *user,
			      u32 length, u32 *returned);
NTSTATUS ps_set_information(const struct info_set *rows, u32 count, const struct object_type *type,
			    HANDLE h, u32 class, const void *user, u32 length);

/* mitigation.c: PROCESS_MITIGATION_POLICY_INFORMATION */
NTSTATUS ps_query_mitigation(const struct info_call *c);
NTSTATUS ps_set_mitigation(const struct info_call *c);

/* Processors a process or thread may use, as a mask of those there are. */
u64 ps_active_processors(void);

/* Base priority of a process by class, and what threads of it get. => P held */
void ps_set_priority_class(EPROCESS *p, u8 class);
void ps_set_base_priority(EPROCESS *p, u8 base);
u8 ps_thread_base(const EPROCESS *p, s32 increment);
NTSTATUS ps_set_affinity(EPROCESS *p, u64 mask); /* => P held; STATUS_INVALID_PARAMETER */

#define HARD_ERROR_DEFAULT 1u /* PROCESS_HARDERROR_DEFAULT: critical errors are shown */

#define PRIORITY_CLASS_IDLE	    1u
#define PRIORITY_CLASS_NORMAL	    2u
#define PRIORITY_CLASS_HIGH	    3u
#define PRIORITY_CLASS_REALTIME	    4u
#define PRIORITY_CLASS_BELOW_NORMAL 5u
#define PRIORITY_CLASS_ABOVE_NORMAL 6u

#endif
