/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileged and segment-level operations (target/i386/segment.c, exception.c, system.c) that instruction handlers of
 * other groups call. All may x86_raise(); all follow the rule of commitment (insn.h).
 */
#ifndef FERRY_TARGET_I386_SYSTEM_OPS_H
#define FERRY_TARGET_I386_SYSTEM_OPS_H

#include "target/i386/insn.h"

/* MOV/POP/LDS… to a data segment register, in any mode. */
void x86_load_segment(struct x86_cpu *cpu, unsigned seg, uint16_t selector);
/* Far jump, far call, far return, IRET: these leave the block (commit RIP, exit_slot 2). `opsize` log2 bytes. */
void x86_far_jump(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip);
void x86_far_call(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip);
void x86_far_return(struct x86_cpu *cpu, unsigned opsize, uint16_t pop_bytes);
void x86_iret(struct x86_cpu *cpu, unsigned opsize, uint64_t next_rip);
/* INT n, INT3, INTO, INT1: software interrupt; leaves the block. */
void x86_software_interrupt(struct x86_cpu *cpu, uint8_t vector, uint64_t next_rip);
/* IOPL and TSS bitmap. Raises #GP(0) if not allowed. */
void x86_check_io(struct x86_cpu *cpu, uint16_t port, unsigned size);
/* Linear address of a stack access at SS:offset, by the stack's size. */
static inline uint64_t x86_stack_mask(const struct x86_cpu *cpu)
{
    return (cpu->mode & 3) == 2 ? UINT64_MAX : cpu->segs[S_SS].flags & SEG_B ? 0xffffffff : 0xffff;
}
static inline uint64_t x86_stack_linear(const struct x86_cpu *cpu, uint64_t offset)
{
    return (cpu->mode & 3) == 2 ? offset : (uint32_t)(cpu->segs[S_SS].base + (offset & x86_stack_mask(cpu)));
}
/* #NM / #UD / #MF checks live with the x87 and SSE handlers. */

/* POPF/STI/CLI-style write of EFLAGS by the current privilege: bits that may not change are kept. */
void x86_write_eflags(struct x86_cpu *cpu, uint32_t value, unsigned opsize);

#endif
