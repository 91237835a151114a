/*
 * The loader's inside: modules, and what its files offer each other.
 *
 * A module is an LDR_DATA_TABLE_ENTRY with our own fields behind it. The three lists of
 * PEB_LDR_DATA are the truth about what is loaded. Who keeps whom is known by `uses`: module ->
 * modules it imports from. A module stays while the EXE, a pinned module or one with loads > 0
 * reaches it along those arrows; so circles cost nothing.
 *
 * Lock: everything here is under the loader lock (PEB.LoaderLock, a recursive critical section),
 * which also serializes DllMain calls.
 */
#ifndef NTMM_NTDLL_LDR_H
#define NTMM_NTDLL_LDR_H

#include "guest/user/ntdll/ntdll.h"

struct module {
	LDR_DATA_TABLE_ENTRY ldr;
	ULONG loads; /* LdrLoadDll calls not yet undone */
	ULONG mark;  /* of the last collection */
	ULONG nuses, room;
	struct module **uses;
	LONG tls_index; /* -1: no TLS directory */
	PIMAGE_NT_HEADERS64 nt;
};

struct load_error {
	const char *what;	 /* "is missing", ... */
	UNICODE_STRING importer; /* base name of the module that wanted it */
	char dll[64];
	char function[96]; /* or "#ordinal" */
};

extern RTL_CRITICAL_SECTION loader_lock;
extern PEB_LDR_DATA loader_data;
extern struct module *exe_module, *ntdll_module;
extern struct load_error load_error;

/* ldrmap.c: files to mapped, listed modules */
NTSTATUS map_dll(PCWSTR name, PCWSTR search_path, ULONG flags, struct module **out);
struct module *find_module_by_name(PCWSTR name);
struct module *find_module_by_address(const void *p);
struct module *add_module(void *base, PCUNICODE_STRING path);
void remove_module(struct module *m);
BOOLEAN module_is_image_of(PVOID base);
PCWSTR redirect_name(PCWSTR name);

/* ldrimport.c: imports and exports */
NTSTATUS bind_imports(struct module *m, PCWSTR search_path);
NTSTATUS find_export(struct module *m, const char *name, ULONG ordinal, PVOID *address);
NTSTATUS use_module(struct module *user, struct module *used);

/* ldrtls.c: static TLS */
NTSTATUS tls_add_module(struct module *m);
void tls_remove_module(struct module *m);
NTSTATUS tls_new_thread(void);
void tls_end_thread(void);
void tls_callbacks(struct module *m, ULONG reason);

/* guard.c: Control Flow Guard */
void guard_init(PVOID bitmap);
NTSTATUS guard_module(struct module *m);

/* ldrinit.c: calling into modules */
NTSTATUS initialize_new_modules(void);
BOOLEAN call_entry(struct module *m, ULONG reason, PVOID reserved);
void collect_modules(void);

/* Walks a list of PEB_LDR_DATA. */
#define FOR_EACH_MODULE(m)                                                             \
	for (LIST_ENTRY *e_ = loader_data.InLoadOrderModuleList.Flink;                 \
	     e_ != &loader_data.InLoadOrderModuleList &&                               \
	     ((m) = CONTAINING_RECORD(e_, struct module, ldr.InLoadOrderLinks), TRUE); \
	     e_ = e_->Flink)

static inline void *rva_to(const struct module *m, ULONG rva)
{
	return (char *)m->ldr.DllBase + rva;
}

#endif
