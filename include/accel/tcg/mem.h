/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software CPU's memory accesses: inline soft TLB hit, everything odd in one slow path.
 *
 * An entry's tag is the page's linear address; flag bits in its low 12 bits make the comparison fail, so that MMIO,
 * logging, code pages, ROM and watchpoints all take the miss path. Accesses that cross a page miss as well: the entry
 * is the first byte's, and what is compared is the last byte's page, which no tag in that place can have. Guest RAM
 * is accessed with relaxed atomics only (other vCPUs and the migration thread look at it).
 *
 * All of these may x86_raise(). `va` is linear. _mmu variants take the TLB index explicitly (descriptor tables:
 * MMU_KERNEL).
 */
#ifndef FERRY_ACCEL_TCG_MEM_H
#define FERRY_ACCEL_TCG_MEM_H

#include <string.h>

#include "target/i386/cpu.h"

enum { MMU_KERNEL /* SMAP off or AC set */, MMU_KERNEL_SMAP, MMU_USER, MMU_INDEXES };

#define TLB_BITS 10
#define TLB_SIZE (1u << TLB_BITS)
#define TLB_TAG_INVALID 0xfffull /* low bits that no page-aligned address has */

struct tlb_entry {
    uint64_t read, write, code; /* linear page address, or with low bits set: take the slow path */
    uint64_t addend;            /* host = va + addend */
};

struct tcg_tlb {
    struct tlb_entry entries[MMU_INDEXES][TLB_SIZE];
};

static inline struct tlb_entry *tlb_entry(struct x86_cpu *cpu, unsigned mmu, uint64_t va)
{
    /* struct tcg_cpu begins with its struct tcg_tlb */
    return &((struct tcg_tlb *)cpu->tcg)->entries[mmu][(va >> 12) & (TLB_SIZE - 1)];
}

/* The same under the rights of now. */
static inline struct tlb_entry *tlb_entry_now(const struct x86_cpu *cpu, uint64_t va)
{
    return &cpu->tlb[(va >> 12) & (TLB_SIZE - 1)];
}

/* After a change of mmu_index. */
static inline void tlb_select(struct x86_cpu *cpu)
{
    cpu->tlb = cpu->tcg ? tlb_entry(cpu, cpu->mmu_index, 0) : NULL;
}

/* Slow paths: accel/tcg/softmmu.c. size 1, 2, 4, 8. */
uint64_t mem_load_slow(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned mmu);
void mem_store_slow(struct x86_cpu *cpu, uint64_t va, uint64_t value, unsigned size, unsigned mmu);
void mem_load16_slow(struct x86_cpu *cpu, uint64_t va, union x86_xmm *value);
void mem_store16_slow(struct x86_cpu *cpu, uint64_t va, const union x86_xmm *value);

/*
 * The host address of [va, va + size) for reading or read-write, size <= 64 and within one page, translated and
 * checked for writing; NULL if it is not plain RAM (MMIO, page crossing). Writes are logged already. For LOCKed
 * operations, REP and 16-byte accesses. Faults as an access would.
 */
void *mem_host(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu);

/*
 * No other vCPU runs guest code from here to the end of the block: for a locked operation where mem_host() gives
 * NULL. What was read before it may have changed.
 */
void mem_exclusive(struct x86_cpu *cpu);

/* Raises what a store (load) of [va, va + size) would raise, and stores nothing. */
void mem_probe(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu);

#define MEM_INLINE static inline __attribute__((always_inline)) /* hits are short enough */
#define MEM_LOAD(bits, entry, mmu)                                                                             \
    const struct tlb_entry *e = entry;                                                                         \
    if (__builtin_expect(((va + (bits) / 8 - 1) & ~0xfffull) == e->read, 1)) {                                 \
        return __atomic_load_n((uint##bits##_t *)(uintptr_t)(va + e->addend), __ATOMIC_RELAXED);               \
    }                                                                                                          \
    return (uint##bits##_t)mem_load_slow(cpu, va, (bits) / 8, mmu)
#define MEM_STORE(bits, entry, mmu)                                                                            \
    const struct tlb_entry *e = entry;                                                                         \
    if (__builtin_expect(((va + (bits) / 8 - 1) & ~0xfffull) == e->write, 1)) {                                \
        __atomic_store_n((uint##bits##_t *)(uintptr_t)(va + e->addend), value, __ATOMIC_RELAXED);              \
        return;                                                                                                \
    }                                                                                                          \
    mem_store_slow(cpu, va, value, (bits) / 8, mmu)
#define MEM_ACCESSORS(bits)                                                                                    \
    static inline uint##bits##_t mem_ld##bits##_mmu(struct x86_cpu *cpu, uint64_t va, unsigned mmu)            \
    {                                                                                                          \
        MEM_LOAD(bits, tlb_entry(cpu, mmu, va), mmu);                                                          \
    }                                                                                                          \
    static inline void mem_st##bits##_mmu(struct x86_cpu *cpu, uint64_t va, uint##bits##_t value, unsigned mmu) \
    {                                                                                                          \
        MEM_STORE(bits, tlb_entry(cpu, mmu, va), mmu);                                                         \
    }                                                                                                          \
    MEM_INLINE uint##bits##_t mem_ld##bits(struct x86_cpu *cpu, uint64_t va)                                \
    {                                                                                                          \
        MEM_LOAD(bits, tlb_entry_now(cpu, va), cpu->mmu_index);                                                \
    }                                                                                                          \
    MEM_INLINE void mem_st##bits(struct x86_cpu *cpu, uint64_t va, uint##bits##_t value)                    \
    {                                                                                                          \
        MEM_STORE(bits, tlb_entry_now(cpu, va), cpu->mmu_index);                                               \
    }
MEM_ACCESSORS(8)
MEM_ACCESSORS(16)
MEM_ACCESSORS(32)
MEM_ACCESSORS(64)
#undef MEM_ACCESSORS
#undef MEM_INLINE
#undef MEM_LOAD
#undef MEM_STORE

static inline void mem_ld128(struct x86_cpu *cpu, uint64_t va, union x86_xmm *value)
{
    const struct tlb_entry *e = tlb_entry_now(cpu, va);
    if (__builtin_expect((va & ~0xfffull) == e->read && (va & 0xfff) <= 0xff0, 1)) {
        const uint64_t *p = (const uint64_t *)(uintptr_t)(va + e->addend);
        value->q[0] = __atomic_load_n(p, __ATOMIC_RELAXED);
        value->q[1] = __atomic_load_n(p + 1, __ATOMIC_RELAXED);
        return;
    }
    mem_load16_slow(cpu, va, value);
}
static inline void mem_st128(struct x86_cpu *cpu, uint64_t va, const union x86_xmm *value)
{
    const struct tlb_entry *e = tlb_entry_now(cpu, va);
    if (__builtin_expect((va & ~0xfffull) == e->write && (va & 0xfff) <= 0xff0, 1)) {
        uint64_t *p = (uint64_t *)(uintptr_t)(va + e->addend);
        __atomic_store_n(p, value->q[0], __ATOMIC_RELAXED);
        __atomic_store_n(p + 1, value->q[1], __ATOMIC_RELAXED);
        return;
    }
    mem_store16_slow(cpu, va, value);
}

/* Whether a load, and for `write` a store as well, of [va, va + size) goes the short way. size 1, 2, 4, 8. */
static inline bool mem_at_hand(const struct x86_cpu *cpu, uint64_t va, unsigned size, bool read, bool write)
{
    const struct tlb_entry *e = tlb_entry_now(cpu, va);
    uint64_t last = (va + size - 1) & ~0xfffull;
    return __builtin_expect((!read || last == e->read) && (!write || last == e->write), 1);
}

/* Port I/O, permission already checked by the handler. Takes the big lock as devices need it. */
uint32_t x86_port_in(struct x86_cpu *cpu, uint16_t port, unsigned size);
void x86_port_out(struct x86_cpu *cpu, uint16_t port, uint32_t value, unsigned size);

/*
 * Around any other call into a device (the APIC) from an instruction: takes the big lock and gives it back. Out of
 * the guest meanwhile: host pointers from mem_host() are void afterwards, here and after every mem_* or x86_port_*
 * call that may have reached a device.
 */
void x86_device_begin(struct x86_cpu *cpu);
void x86_device_end(struct x86_cpu *cpu);
/*
 * Before the guest is told the time: runs the virtual timers that have expired by now, unless somebody else has the
 * big lock. The main loop may not have come to run while the host is busy, and a guest that waits by the clock for an
 * interrupt would give up. Out of the guest meanwhile, like x86_device_begin().
 */
void x86_timers_run(struct x86_cpu *cpu);

/* TLB maintenance for the vCPU itself. */
void tlb_flush(struct x86_cpu *cpu, bool global_too);
void tlb_flush_page(struct x86_cpu *cpu, uint64_t va);

#endif
