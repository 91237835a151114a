/*
 * NtRaiseHardError and NtDisplayString: messages of system code. Nobody sits here to press a
 * button: a hard error is one line on stderr, and the answer is that the caller has to see to it
 * itself.
 */
#include "guest/ex/ex.h"
#include "guest/ke/syscall.h"
#include "guest/io/io.h"
#include "guest/abi/runblock.h"

#define MAX_PARAMETERS	 5u
#define MAX_OPTION	 8u /* OptionCancelTryContinue */
#define OPTION_SHUTDOWN	 6u
#define RETURN_TO_CALLER 0u
#define MAX_CHARS	 200u /* of one string shown */

struct string {
	u16 bytes, room;
	u32 pad;
	u64 text;
};

/* A user's UNICODE_STRING as ASCII; what is not becomes '?'. */
static NTSTATUS show_string(u64 user, char *out, u32 room)
{
	u16 text[MAX_CHARS];
	struct string s;
	NTSTATUS st = copy_from_user(&s, (const void *)user, sizeof(s));
	u32 n;

	if (st)
		return st;
	n = MIN(MIN(s.bytes / 2u, MAX_CHARS), room - 1);
	st = copy_from_user(text, (const void *)s.text, n * 2ul);
	for (u32 i = 0; i < n && !st; i++)
		out[i] = text[i] >= ' ' && text[i] < 127 ? (char)text[i] : '?';
	out[st ? 0 : n] = 0;
	return st;
}

NTSYSCALL NTSTATUS NtRaiseHardError(NTSTATUS status, u32 count, u32 strings, const u64 *parameters,
				    u32 option, u32 *response)
{
	char line[1400], text[MAX_CHARS + 1];
	u32 answer = RETURN_TO_CALLER;
	u64 value[MAX_PARAMETERS];
	NTSTATUS st = STATUS_SUCCESS;
	int n;

	if (count > MAX_PARAMETERS)
		return STATUS_INVALID_PARAMETER_2;
	if (option > MAX_OPTION)
		return STATUS_INVALID_PARAMETER_4;
	if (parameters && count)
		st = copy_from_user(value, parameters, count * sizeof(value[0]));
	if (!st)
		st = ex_probe_u32(response);
	if (!st && option == OPTION_SHUTDOWN && !SeHasPrivilege(SE_SHUTDOWN))
		st = STATUS_PRIVILEGE_NOT_HELD;
	if (st)
		return st;
	n = ke_snprintf(line, sizeof(line), "ntmm: hard error 0x%08x", (u32)status);
	for (u32 i = 0; parameters && i < count; i++) {
		if (!(strings >> i & 1))
			ke_snprintf(text, sizeof(text), "0x%lx", value[i]);
		else if ((st = show_string(value[i], text, sizeof(text))))
			return st;
		n += ke_snprintf(line + n, sizeof(line) - n, "%s %s", i ? "," : ":", text);
	}
	n += ke_snprintf(line + n, sizeof(line) - n, "\n");
	IoConsoleWrite(NTMM_CONSOLE_STDERR, line, (u32)n);
	return ex_store_u32(response, answer, STATUS_SUCCESS);
}

NTSYSCALL NTSTATUS NtDisplayString(u64 string)
{
	char line[MAX_CHARS + 2];
	NTSTATUS st;

	if (!SeHasPrivilege(SE_TCB))
		return STATUS_PRIVILEGE_NOT_HELD;
	st = show_string(string, line, sizeof(line) - 1);
	if (st)
		return st;
	return IoConsoleWrite(NTMM_CONSOLE_STDERR, line, (u32)strlen(line));
}
