/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page walk: linear to guest-physical, with protection (SDM 3A chapter 4). */
#ifndef FERRY_TARGET_I386_MMU_H
#define FERRY_TARGET_I386_MMU_H

#include "memory/memory.h"
#include "target/i386/cpu.h"

enum x86_access { X86_ACCESS_READ, X86_ACCESS_WRITE, X86_ACCESS_FETCH };

#define X86_PROT_READ 1
#define X86_PROT_WRITE 2 /* and the leaf's D is set: a clean page is writable only once a write has walked */
#define X86_PROT_FETCH 4

/* Page-fault error code. */
#define PF_P 0x01
#define PF_W 0x02
#define PF_U 0x04
#define PF_RSVD 0x08
#define PF_ID 0x10

struct x86_translation {
    uint64_t gpa;  /* of the linear address asked for */
    uint8_t prot;
    bool global;
    uint8_t page_bits; /* 12, 21, 22 or 30 */
};

/*
 * Walks for `access` under the rights of `mmu_index` (mem.h), setting A and D bits. False: *error_code is the page
 * fault's.
 */
bool x86_walk(struct x86_cpu *cpu, const struct flat_view *view, uint64_t linear, enum x86_access access,
              unsigned mmu_index, struct x86_translation *result, uint32_t *error_code);

#define X86_PHYS_BITS 40
/* Guest-physical address bits that this CPU shows (CPUID 0x80000008). */
unsigned x86_phys_bits(const struct x86_cpu *cpu);
static inline bool x86_is_canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

#endif
