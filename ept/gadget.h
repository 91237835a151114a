/*
 * gadget: is there, at any byte, an instruction that takes the processor out of the host's rules?
 * Code is entered where an attacker likes, so what counts is every offset, not what an assembler
 * meant. Level hvci approves no code that has one of these:
 *
 *   0F 22 /0 /3 /4    MOV to CR0, CR3, CR4 (any prefix before it may be left out by a jump)
 *   0F 01 /2 /3 mem   LGDT, LIDT
 *   0F 01 /6          LMSW
 *   0F 01 C0..C7      VMCALL and VMX
 *   0F 01 D8..DF      SVM's instructions, VMMCALL among them
 *   0F 00 /2 /3       LLDT, LTR
 *
 * KVM answers VMCALL and VMMCALL itself, and one of its calls (KVM_HC_CLOCK_PAIRING) writes to
 * whatever guest-physical address it is told.
 *
 * WRMSR stays: KVM's filter holds the registers that matter. Behind the last byte there are zeroes,
 * as in the rest of a page. REX2, a prefix that stands in for the 0F (Intel APX), is an invalid
 * opcode here: the guest's XCR0 has no such bit (vmm/cpuid.c). Encodings: AMD64 volume 3, Intel
 * SDM volume 2.
 */
#ifndef EPT_GADGET_H
#define EPT_GADGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first one at or after `from`: its offset, and its name; false: there is none. */
bool gadget_find(const uint8_t *code, size_t bytes, size_t from, size_t *offset, const char **name);

#endif
