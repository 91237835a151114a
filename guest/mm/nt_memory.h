/* Constants and structures of the NT memory calls (public winnt.h, ntmmapi). */
#ifndef NTMM_MM_NT_MEMORY_H
#define NTMM_MM_NT_MEMORY_H

#include "guest/ke/types.h"

#define PAGE_NOACCESS	       0x01u
#define PAGE_READONLY	       0x02u
#define PAGE_READWRITE	       0x04u
#define PAGE_WRITECOPY	       0x08u
#define PAGE_EXECUTE	       0x10u
#define PAGE_EXECUTE_READ      0x20u
#define PAGE_EXECUTE_READWRITE 0x40u
#define PAGE_EXECUTE_WRITECOPY 0x80u
#define PAGE_EXECUTE_ANY       0xf0u
#define PAGE_GUARD	       0x100u
#define PAGE_NOCACHE	       0x200u
#define PAGE_WRITECOMBINE      0x400u
#define PAGE_TARGETS_INVALID   0x40000000u
#define PAGE_TARGETS_NO_UPDATE 0x40000000u /* what the same bit means in NtProtect */

#define MEM_COMMIT	0x1000u
#define MEM_RESERVE	0x2000u
#define MEM_DECOMMIT	0x4000u
#define MEM_RELEASE	0x8000u
#define MEM_FREE	0x10000u
#define MEM_PRIVATE	0x20000u
#define MEM_MAPPED	0x40000u
#define MEM_RESET	0x80000u
#define MEM_TOP_DOWN	0x100000u
#define MEM_WRITE_WATCH 0x200000u
#define MEM_PHYSICAL	0x400000u
#define MEM_ROTATE	0x800000u
#define MEM_RESET_UNDO	0x1000000u
#define MEM_LARGE_PAGES 0x20000000u
#define MEM_IMAGE	0x1000000u
/* Ex calls only */
#define MEM_REPLACE_PLACEHOLDER	    0x4000u
#define MEM_RESERVE_PLACEHOLDER	    0x40000u
#define MEM_COALESCE_PLACEHOLDERS   0x1u
#define MEM_PRESERVE_PLACEHOLDER    0x2u
#define MEM_DIFFERENT_IMAGE_BASE_OK 0x800000u

/* MemExtendedParameterAttributeFlags */
#define MEM_EXTENDED_PARAMETER_GRAPHICS		   0x01u
#define MEM_EXTENDED_PARAMETER_NONPAGED		   0x02u
#define MEM_EXTENDED_PARAMETER_ZERO_PAGES_OPTIONAL 0x04u
#define MEM_EXTENDED_PARAMETER_NONPAGED_LARGE	   0x08u
#define MEM_EXTENDED_PARAMETER_NONPAGED_HUGE	   0x10u

#define SEC_HUGE_PAGES	     0x20000u
#define SEC_PARTITION	     0x40000u
#define SEC_64K_PAGES	     0x80000u
#define SEC_BASED	     0x200000u
#define SEC_NO_CHANGE	     0x400000u
#define SEC_FILE	     0x800000u
#define SEC_IMAGE	     0x1000000u
#define SEC_PROTECTED_IMAGE  0x2000000u
#define SEC_RESERVE	     0x4000000u
#define SEC_COMMIT	     0x8000000u
#define SEC_NOCACHE	     0x10000000u
#define SEC_WRITECOMBINE     0x40000000u
#define SEC_LARGE_PAGES	     0x80000000u
#define SEC_IMAGE_NO_EXECUTE (SEC_IMAGE | SEC_NOCACHE)

/* Flags of QUOTA_LIMITS_EX and address_space.ws_flags */
#define QUOTA_LIMITS_HARDWS_MIN_ENABLE	0x01u
#define QUOTA_LIMITS_HARDWS_MIN_DISABLE 0x02u
#define QUOTA_LIMITS_HARDWS_MAX_ENABLE	0x04u
#define QUOTA_LIMITS_HARDWS_MAX_DISABLE 0x08u
#define QUOTA_LIMITS_USE_DEFAULT_LIMITS 0x10u

#define SECTION_QUERY		     0x01u
#define SECTION_MAP_WRITE	     0x02u
#define SECTION_MAP_READ	     0x04u
#define SECTION_MAP_EXECUTE	     0x08u
#define SECTION_EXTEND_SIZE	     0x10u
#define SECTION_ALL_ACCESS	     0xf001fu
#define SECTION_MAP_EXECUTE_EXPLICIT 0x20u /* in no generic right */

#define PROCESS_TERMINATE	  0x0001u
#define PROCESS_VM_OPERATION	  0x0008u
#define PROCESS_VM_READ		  0x0010u
#define PROCESS_VM_WRITE	  0x0020u
#define PROCESS_QUERY_INFORMATION 0x0400u
#define PROCESS_QUERY_LIMITED	  0x1000u
#define PROCESS_SET_QUOTA	  0x0100u

typedef struct {
	u64 BaseAddress, AllocationBase;
	u32 AllocationProtect;
	u16 PartitionId, pad;
	u64 RegionSize;
	u32 State, Protect, Type, pad2;
} MEMORY_BASIC_INFORMATION;
_Static_assert(sizeof(MEMORY_BASIC_INFORMATION) == 48, "as Windows x64");

#endif
