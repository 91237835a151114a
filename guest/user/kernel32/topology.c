/* Processors and what they have done: one package of cores without a second thread, one NUMA node,
 * one group. Layouts: public winnt.h. */
#include "guest/user/kernel32/k32.h"

#define RELATED (offsetof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX, Processor))

static DWORD count(void)
{
	return NtCurrentPeb()->NumberOfProcessors;
}

static ULONG_PTR all_of_them(void)
{
	return ~(ULONG_PTR)0 >> (8 * sizeof(ULONG_PTR) - count());
}

WINBOOL WINAPI GetLogicalProcessorInformation(PSYSTEM_LOGICAL_PROCESSOR_INFORMATION out,
					      PDWORD size)
{
	DWORD cpus = count(), need = (cpus + 2) * (DWORD)sizeof(*out);

	if (*size < need || !out) {
		*size = need;
		return fail(ERROR_INSUFFICIENT_BUFFER);
	}
	memset(out, 0, need);
	for (DWORD i = 0; i < cpus; i++) {
		out[i].ProcessorMask = (ULONG_PTR)1 << i;
		out[i].Relationship = RelationProcessorCore;
	}
	out[cpus].ProcessorMask = all_of_them();
	out[cpus].Relationship = RelationProcessorPackage;
	out[cpus + 1].ProcessorMask = out[cpus].ProcessorMask;
	out[cpus + 1].Relationship = RelationNumaNode;
	*size = need;
	return TRUE;
}

/* Adds a record to those that fit; *used counts all of them. */
static void add(char *out, DWORD room, DWORD *used,
		const SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *record)
{
	if (*used + record->Size <= room)
		memcpy(out + *used, record, record->Size);
	*used += record->Size;
}

static void add_processors(char *out, DWORD room, DWORD *used, LOGICAL_PROCESSOR_RELATIONSHIP kind,
			   ULONG_PTR mask)
{
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX r = {
	    .Relationship = kind, .Size = RELATED + sizeof(PROCESSOR_RELATIONSHIP)};

	r.Processor.GroupCount = 1;
	r.Processor.GroupMask[0].Mask = mask;
	add(out, room, used, &r);
}

static void add_node(char *out, DWORD room, DWORD *used)
{
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX r = {
	    .Relationship = RelationNumaNode, .Size = RELATED + sizeof(NUMA_NODE_RELATIONSHIP)};

	r.NumaNode.GroupMask.Mask = all_of_them();
	add(out, room, used, &r);
}

static void add_group(char *out, DWORD room, DWORD *used)
{
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX r = {.Relationship = RelationGroup,
						     .Size = RELATED + sizeof(GROUP_RELATIONSHIP)};

	r.Group.MaximumGroupCount = r.Group.ActiveGroupCount = 1;
	r.Group.GroupInfo[0].MaximumProcessorCount = (BYTE)count();
	r.Group.GroupInfo[0].ActiveProcessorCount = (BYTE)count();
	r.Group.GroupInfo[0].ActiveProcessorMask = all_of_them();
	add(out, room, used, &r);
}

WINBOOL WINAPI GetLogicalProcessorInformationEx(LOGICAL_PROCESSOR_RELATIONSHIP kind,
						PSYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX out,
						PDWORD size)
{
	DWORD room, used = 0;
	char *to = (char *)out;
	BOOL all = kind == RelationAll;

	if (!size)
		return fail(ERROR_INVALID_PARAMETER);
	if (!all && (kind < RelationProcessorCore || kind > RelationGroup))
		return fail(ERROR_INVALID_PARAMETER);
	room = out ? *size : 0;
	for (DWORD i = 0; (all || kind == RelationProcessorCore) && i < count(); i++)
		add_processors(to, room, &used, RelationProcessorCore, (ULONG_PTR)1 << i);
	if (all || kind == RelationProcessorPackage)
		add_processors(to, room, &used, RelationProcessorPackage, all_of_them());
	if (all || kind == RelationNumaNode)
		add_node(to, room, &used);
	if (all || kind == RelationGroup)
		add_group(to, room, &used);
	*size = used; /* nothing is said of caches */
	return used <= room || fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI QueryThreadCycleTime(HANDLE h, PULONG64 cycles)
{
	ULONG64 v[2];

	if (!succeed(NtQueryInformationThread(h, ThreadCycleTime, v, sizeof(v), NULL)))
		return FALSE;
	*cycles = v[0];
	return TRUE;
}

WINBOOL WINAPI QueryProcessCycleTime(HANDLE h, PULONG64 cycles)
{
	ULONG64 v[2];

	if (!succeed(NtQueryInformationProcess(h, ProcessCycleTime, v, sizeof(v), NULL)))
		return FALSE;
	*cycles = v[0];
	return TRUE;
}
