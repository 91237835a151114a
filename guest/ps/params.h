/* RTL_USER_PROCESS_PARAMETERS of x64 (public layouts). */
#ifndef NTMM_PS_PARAMS_H
#define NTMM_PS_PARAMS_H

#include "guest/ke/types.h"

struct unicode_string {
	u16 bytes, room;
	u32 pad;
	u64 buffer;
};
struct process_parameters {
	u32 maximum_length, length, flags, debug_flags;
	u64 console;
	u32 console_flags, pad;
	u64 std[3];
	struct unicode_string cwd;
	u64 cwd_handle;
	struct unicode_string dll_path, image_path, command_line;
	u64 environment;
	u32 start[7], window_flags; /* StartingX to FillAttribute */
	u32 show_window, pad2;
	struct unicode_string title, desktop, shell, runtime;
	u8 current_directories[0x300];
	u64 environment_size, environment_version;
	u64 package_dependency;
	u32 process_group, loader_threads;
};
_Static_assert(offsetof(struct process_parameters, environment) == 0x80, "as Windows x64");
_Static_assert(offsetof(struct process_parameters, environment_size) == 0x3f0, "as Windows x64");

#define PARAMETERS_NORMALIZED  1u     /* pointers are addresses, not offsets */
#define STARTF_USE_STD_HANDLES 0x100u /* window_flags: the caller chose them */

#endif
