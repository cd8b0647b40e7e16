/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system side of the processor for its tests: control registers, descriptors, other modes. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "guest.h"

#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18
#define SEL_FREE 0x48 /* first of 24 descriptors that tests set */

#define DESC_CODE32 0x00cf9b000000ffffull
#define DESC_DATA 0x00cf93000000ffffull
#define DESC_CODE16 0x00009b000000ffffull
#define DESC_DATA16 0x000093000000ffffull

#define CR4_PGE 0x80ull
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define READ_CR(n)                                         \
    static inline uint64_t read_cr##n(void)                \
    {                                                      \
        uint64_t v;                                        \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));  \
        return v;                                          \
    }
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)
static inline void write_cr0(uint64_t v) { __asm__ volatile("mov %0, %%cr0" ::"r"(v) : "memory"); }
static inline void write_cr3(uint64_t v) { __asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory"); }
static inline void write_cr4(uint64_t v) { __asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory"); }
static inline void invlpg(uint64_t va) { __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory"); }
static inline uint64_t read_flags(void)
{
    uint64_t v;
    __asm__ volatile("pushfq; popq %0" : "=r"(v)::"memory");
    return v;
}
static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}
static inline bool cpuid_bit(uint32_t leaf, int reg, int bit)
{
    uint32_t r[4], top[4];
    cpuid(leaf & 0x80000000u, 0, top);
    if (top[0] < leaf) {
        return false;
    }
    cpuid(leaf, 0, r);
    return r[reg] >> bit & 1;
}

/* modes-entry.S: runs 32-bit code in compatibility mode, flat segments; EAX = a, EDX = b; returns EAX. */
uint32_t call32(const void *code, uint32_t a, uint32_t b);

/* traps.c */
void gdt_set(unsigned selector, uint64_t descriptor);
uint64_t gdt_get(unsigned selector);
void idt_set_raw(int vector, const void *gate, void *old); /* sixteen bytes */
void idt_set_ist(int vector, unsigned ist);
uint64_t tss_stack(unsigned ist); /* top of the stack: 0 is that of ring 0 */

/* The test mapping: 4 KiB at TEST_VA (cpu.c). */
#define TEST_VA 0x400000000000ull /* PML4 slot 128: nothing else lives there */
#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_G 0x100ull
#define PTE_NX (1ull << 63)
uint64_t *map_test_page(uint64_t flags, uint64_t *page);
uint64_t *map_test_large(uint64_t flags, uint64_t page); /* 2 MiB at TEST_VA + 2 MiB; returns the directory entry */

#endif
