/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pushes and pops of any size and mode, for handlers that are not hot. All fault before they change anything. */
#ifndef FERRY_TARGET_I386_STACK_H
#define FERRY_TARGET_I386_STACK_H

#include "target/i386/ops.h"
#include "target/i386/system-ops.h"

/* Linear address of [SS:offset], checked outside flat and 64-bit modes. */
static inline uint64_t stack_va(struct x86_cpu *cpu, uint64_t offset, unsigned size, bool write)
{
    offset &= x86_stack_mask(cpu);
    if ((cpu->mode & X86_MODE_BITS) == X86_MODE_64 || (cpu->mode & X86_MODE_FLAT)) {
        return offset;
    }
    return x86_linear_segment(cpu, S_SS, offset, 1u << size, write);
}

static inline uint64_t stack_load(struct x86_cpu *cpu, uint64_t offset, unsigned size)
{
    return mem_get(cpu, stack_va(cpu, offset, size, false), size);
}

static inline void stack_store(struct x86_cpu *cpu, uint64_t offset, unsigned size, uint64_t value)
{
    mem_put(cpu, stack_va(cpu, offset, size, true), size, value);
}

/* Sets rSP (or rBP): all of it, or the low 16 bits with a 16-bit stack. */
static inline void stack_set(struct x86_cpu *cpu, unsigned reg, uint64_t value)
{
    uint64_t mask = x86_stack_mask(cpu);
    cpu->regs[reg] = mask == 0xffff ? (cpu->regs[reg] & ~mask) | (value & mask) : value & mask;
}

static inline void stack_push(struct x86_cpu *cpu, unsigned size, uint64_t value)
{
    uint64_t sp = cpu->regs[R_RSP] - (1u << size);
    stack_store(cpu, sp, size, value);
    stack_set(cpu, R_RSP, sp);
}

#endif
